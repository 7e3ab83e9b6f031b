"""How a list file is read: records of each source, quotes, archives, what is refused whole, and with how much memory."""

import io
import time
import tracemalloc
import zipfile
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alprcore.layouts import REFUSALS, REJECTS, Layout, Line, category_of, layout_from_yaml, opening, read_list
from tests.unit.alprcore.layout_files import LAYOUTS, NOW, line, of, read, rows, text, zipped


def code(end):
    return "read" if end.refused is None else end.refused.reason_code


def one(name, *lines):
    [found], rejects, end = read(LAYOUTS[name], "".join(f"{each}\n" for each in lines).encode())
    assert (rejects, code(end)) == ([], "read")
    return found


def test_records_as_their_sources_write_them():
    found = one("ncic_csv", "C845996328,0H0671200,20211122,QZX4764,0H,2022,TK,2013,CHEV,AVA,PK,CRM")
    details = found.details
    assert (found.plate.reveal(), found.category, details.state) == ("QZX4764", "C", "US-OH")
    assert (details.originating_agency, details.vehicle_year, details.vehicle_make) == ("OH0671200", "2013", "CHEV")
    found = one("tx_ncic", "V165399977,0H0671200,20200124,QZX6728,0H,2021,2009,D0DG,CHA,4D,GRY")
    assert (found.plate.reveal(), found.details.vehicle_year, found.details.vehicle_make) == ("QZX6728", "2009", "DODG")
    found = one("tx_tcic", "TW1026325915,17QZX5,TX,2009,FORD,TK,PK,WHI")
    assert (found.category, found.details.reason, found.details.source_key) == ("W", "wanted_person", "TW1026325915")
    found = one("tx_tcic", "T01026325915,17QZX5,TX,2009,FORD,TK,PK,WHI")
    assert (found.category, found.details.reason) == ("O", "dv_protective_order")
    found = one("ia", "QZAC272   ,2020,TK,ON,R004163992,CNVP,ON3251500")
    assert (found.plate.reveal(), found.details.state, found.details.reason) == ("QZAC272", "CA-ON", "stolen_plate")
    found = one("wa", "HEADER", "21V0128839WAKCS000020211006QZ0W111   WA2022PC")
    assert (found.plate.reveal(), found.category, found.details.effective_at.year) == ("QZ0W111", "V", 2021)
    found = one("ny", "HEADER", "QZX1      ILPC VMELRYEL/BLK")
    assert (found.category, found.details.vehicle_make, found.details.vehicle_color) == ("V", "MELR", "YEL/BLK")
    found = one("co_ccic", "HEADER", "QZX123    COAttempt To Locate     2002 FORD FOC BLK")
    assert (found.details.reason, found.details.notes) == ("bolo", "2002 FORD FOC BLK")
    found = one(
        "fl",
        "TYPE;ORI;AGENCY;OCA;OAN;PCN;NIC;DATE;FLAG;ENTERED;LIC;LIY;LIS;LIT;UPDATED",
        "STOLEN VEHICLE;FL0290000;A COUNTY SHERIFF;26-1;;;V000000001;20260301;A;20260301;QZX12A;2026;FL;PC;20260302",
    )
    assert (found.details.reason, found.details.case_number, found.details.state) == ("stolen_vehicle", "26-1", "US-FL")


def test_tags_of_illinois():
    found = one("il_leads", "660QZX  WIPCSTOLEN VYR/05 VMA/D0DG VMO/MAG VST/4D VCO/RED     DOT/010315 LDS/V16A0661")
    details = found.details
    assert (found.plate.reveal(), details.state, details.vehicle_year) == ("660QZX", "US-WI", "05")
    assert (details.vehicle_make, details.vehicle_model, details.vehicle_color) == ("DODG", "MAG", "RED")
    assert (details.effective_at, details.source_key) == (datetime(2015, 1, 3, tzinfo=UTC), "V16A0661")
    found = one("il_leads", "661QZX  ILPCMISSINGTEST PERSON M W 19990101                                  LDS/M1")
    assert (found.details.reason, found.details.source_key) == ("missing_person", "M1")
    assert found.details.notes.startswith("TEST PERSON")


def test_genetec_with_a_header_and_attributes_of_its_own():
    found = one(
        "genetec",
        "PlateNumber;Category;ExpiryDate;CarColor;PlateState",
        "QZX 123;Stolen Vehicle;2026-05-01;blue;QC",
    )
    assert (found.plate.reveal(), found.category, found.details.state) == ("QZX123", "STOLEN VEHICLE", "CA-QC")
    assert found.details.notes == "carcolor: blue"
    found = one("genetec", "Faculty;QC;QZX124;2026-01-31;2026-07-25;PermitID_2")
    assert (found.details.reason, found.details.advisory_class, found.details.notes) == ("other", "", "Faculty")


def test_a_vigilant_template_of_its_user():
    found = one("vigilant", "Hot Plate,State,Alert,Level,Color", "QZX 125,CA,Stolen Plate,High,WHI")
    assert (found.details.reason, found.details.notes) == ("stolen_plate", "level: High")
    lines, _, end = read(LAYOUTS["vigilant"], b"State,Alert\nCA,Stolen\n")
    assert (lines, code(end)) == ([], "COLUMNS_INVALID")


QUOTED = [
    ('"QZX1","a, b"', [("QZX1", "a, b")], []),
    ('QZX1,"two\nlines"\nQZX2,b', [("QZX1", "two lines"), ("QZX2", "b")], []),
    ('QZX1,"never closed\nQZX2,b\nQZX3,c', [("QZX2", "b"), ("QZX3", "c")], [(2, "COLUMNS_INVALID")]),
    ('QZX1,5" lift\nQZX2,b', [("QZX2", "b")], [(2, "COLUMNS_INVALID")]),
    ('QZX1,5" lift\nQZX2,6" lift\nQZX3,c', [("QZX3", "c")], [(2, "COLUMNS_INVALID"), (3, "COLUMNS_INVALID")]),
    ('QZX1,"a"b\nQZX2,b', [("QZX2", "b")], [(2, "COLUMNS_INVALID")]),
    ('QZX1,"say ""no"""\nQZX2,b', [("QZX1", 'say "no"'), ("QZX2", "b")], []),
]


@pytest.mark.parametrize(("body", "kept", "left"), QUOTED)
def test_a_quote_costs_its_own_line_at_most(body, kept, left):
    lines, rejects, end = read(LAYOUTS["generic_csv"], f"plate,notes\n{body}\n".encode())
    assert [(found.plate.reveal(), found.details.notes) for found in lines] == kept
    assert (rejects, code(end)) == (left, "read")


def test_an_incremental_list_says_what_goes():
    lines, rejects, _ = read(LAYOUTS["generic_csv"], b"plate,action\nQZX1,add\nQZX2,Delete\nQZX3,\nQZX4,perhaps\n")
    assert [(found.plate.reveal(), found.removal) for found in lines] == [
        ("QZX1", False), ("QZX2", True), ("QZX3", False),
    ]  # fmt: skip
    assert rejects == [(5, "ACTION_UNKNOWN")]


CSV = LAYOUTS["generic_csv"]


def told(lines):
    return [(found.plate.reveal(), found.removal, found.details.notes) for found in lines]


@pytest.mark.parametrize("steps", [("remove,", "add,new"), ("add,new", "remove,"), ("add,a", "add,b")])
def test_no_step_of_a_file_of_changes_is_lost(steps):
    lines, rejects, _ = read(CSV, ("plate,action,notes\n" + "".join(f"QZX1,{step}\n" for step in steps)).encode())
    wanted = [("QZX1", step.startswith("remove"), step.partition(",")[2]) for step in steps]
    assert (told(lines), rejects) == (wanted, [])


def test_a_file_of_changes_without_actions_keeps_its_later_lines_too():
    body = b"plate,notes\nQZX1,a\nQZX1,b\n"
    assert told(read(CSV, body, incremental=True)[0]) == [("QZX1", False, "a"), ("QZX1", False, "b")]
    lines, rejects, _ = read(CSV, body)
    assert (told(lines), rejects) == ([("QZX1", False, "a")], [(3, "DUPLICATE")])


def test_a_line_that_does_not_count_hides_no_other():
    body = b"plate,basis,notes\nQZX1,,first\nQZX1,26-1,second\nQZX1,26-1,third\n"
    lines, rejects, _ = read(CSV, body, counts=lambda line: bool(line.details.basis))
    assert [line.details.notes for line in lines] == ["first", "second"]
    assert rejects == [(4, "DUPLICATE")]


@pytest.mark.parametrize("off", [set(), {"N"}])
def test_a_plate_of_several_categories_without_a_record_number_has_an_entry_of_each(off):
    layout = LAYOUTS["ny"]
    body = [line(layout, of(0, layout) | {"category": category}) for category in "NVNV"]
    lines, rejects, _ = read(layout, text(layout, body).encode(), counts=lambda one: one.category not in off)
    assert {one.record for one in lines} == {"N", "V"}
    assert [one.details.reason for one in lines if one.category == "V"] == ["stolen_vehicle"]
    assert [reason for _, reason in rejects] == ["DUPLICATE"] * (1 if off else 2)


def test_with_a_record_number_the_category_tells_nothing_apart():
    found = one("fl", "HEAD", "STOLEN VEHICLE;FL0290000;;26-1;;;V000000001;20260301;A;20260301;QZX12A;2026;FL;PC;")
    assert found.record == found.details.source_key == "V000000001"


def test_a_removal_says_which_entry_of_the_plate_goes():
    layout = layout_from_yaml(
        "name: own\ntitle: t\ncolumns: 4\nfields: {plate: 0, action: 1, category: 2, source_key: 3}\n"
        "categories: {A: {reason: bolo}, B: {reason: other}}\n"
    )
    lines, rejects, _ = read(layout, b"QZX1,remove,B,\nQZX2,remove,,K2\nQZX3,remove,,\nQZX4,add,A,\n")
    assert [(found.plate.reveal(), found.record, found.removal) for found in lines] == [
        ("QZX1", "B", True), ("QZX2", "K2", True), ("QZX4", "A", False),
    ]  # fmt: skip
    assert rejects == [(3, "CATEGORY_UNKNOWN")]


@pytest.mark.parametrize(
    "column", ["Registered Owner", "RegisteredOwner", "owner_name", "R/O", "Reg. Owner Address", "Addr", "Registrant"]
)
def test_an_owner_among_columns_of_the_users_own_is_no_note(column):
    [found] = read(LAYOUTS["vigilant"], f"Hot Plate,Alert,Level,{column}\nQZX1,Stolen,High,TEST PERSON\n".encode())[0]
    assert (found.details.notes, found.details.registered_owner) == ("level: High", "TEST PERSON")


@pytest.mark.parametrize("column", ["Color", "Road", "Brown", "Level", "Reported", "Faculty"])
def test_other_columns_of_the_users_own_are_notes(column):
    [found] = read(LAYOUTS["genetec"], f"PlateNumber;Category;{column}\nQZX1;Stolen;x\n".encode())[0]
    assert (found.details.notes, found.details.registered_owner) == (f"{column.lower()}: x", "")


@pytest.mark.parametrize(
    ("said", "name", "listed", "expected"),
    [
        ("n", "ncic_fixed", True, "N"),
        ("0", "tx_tcic", True, "O"),
        ("Q9", "ncic_fixed", False, None),
        ("", "genetec", False, None),
        ("*", "genetec", False, None),
        (" Stolen   vehicle", "genetec", True, "STOLEN VEHICLE"),
        ("Faculty", "genetec", False, "FACULTY"),
        ("Faculty", "genetec", True, None),
        ("N", "generic_csv", False, None),
    ],
)
def test_a_category_is_named_as_its_reader_does(said, name, listed, expected):
    assert category_of(said, [LAYOUTS[name]], listed=listed) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"plate": "0000"}, "LIST_HEADER_MISSING"),
        ({}, "LIST_HEADER_MISSING"),
        ({"plate": ""}, "read"),
    ],
)
def test_a_first_entry_with_a_fault_of_entries_is_no_header(change, expected):
    layout = LAYOUTS["ncic_fixed"]
    body = [line(layout, of(0, layout) | change), *rows(layout)[1:]]
    assert code(read(layout, "".join(f"{row}\n" for row in body).encode())[2]) == expected


def test_blank_lines_of_a_header_are_its_lines():
    for second in ("", "   ", "second"):
        lines, _, end = read(own(), f"HDR 000001 20260301\n{second}\nQZX1    CAA\n".encode())
        assert ([found.plate.reveal() for found in lines], code(end)) == (["QZX1"], "read")


def own(**more):
    found = layout_from_yaml(OWN.format(**{"extra": "", **more}))
    assert isinstance(found, Layout), found
    return found


OWN = """
name: own
title: A list of the county
shape: fixed
shortest: 10
header: {{starts: HDR, count: [4, 10], time: {{slice: [11, 19], date: "%Y%m%d"}}, lines: 2}}
fields: {{plate: [0, 8], state: [8, 10], category: [10, 11]}}
skip: [{{starts: "*"}}, {{field: category, values: [Z]}}]
junk: [TEST]
categories: {{A: {{reason: bolo}}, Z: {{reason: other}}}}
{extra}
"""


def test_an_own_layout_with_counts_in_its_header_comments_and_lines_to_pass_over():
    body = "QZX1    CAA\n* told by telephone\nQZX2    CAZ\nTEST    CAA\n"
    lines, rejects, end = read(own(), f"HDR 000003 20260301\nsecond\n{body}".encode())
    assert [found.plate.reveal() for found in lines] == ["QZX1"]
    assert rejects == [(6, "PLATE_JUNK")]
    assert (end.body, end.skipped, end.declared) == (3, 2, 3)
    assert end.source_time == datetime(2026, 3, 1, tzinfo=UTC)
    assert code(read(own(), f"HDR 000004 20260301\nsecond\n{body}".encode())[2]) == "LIST_TRUNCATED"
    assert code(read(own(), f"HDR 00000X 20260301\nsecond\n{body}".encode())[2]) == "LIST_HEADER_INVALID"
    assert code(read(own(), f"HDR 000003 20261301\nsecond\n{body}".encode())[2]) == "LIST_HEADER_INVALID"


def test_days_are_those_of_the_source():
    zoned = own(extra='timezone: America/Chicago\ndates: ["%m/%d/%Y", rfc3339]').fields
    layout = layout_from_yaml(
        "name: own\ntitle: t\ncolumns: 3\ntimezone: America/Chicago\ndates: ['%m/%d/%Y', rfc3339]\n"
        "fields: {plate: 0, effective_at: 1, expires_at: 2}\n"
    )
    assert zoned
    lines, rejects, _ = read(
        layout, b"QZX1,07/02/2025,12/31/2026\nQZX2,2025-07-02T10:00:00-05:00,\nQZX3,2025-07-02T10:00,\n"
    )
    assert lines[0].details.effective_at == datetime(2025, 7, 2, 5, tzinfo=UTC)
    assert lines[0].details.expires_at == datetime(2027, 1, 1, 5, 59, 59, 999999, tzinfo=UTC)
    assert lines[1].details.effective_at == datetime(2025, 7, 2, 15, tzinfo=UTC)
    assert rejects == [(3, "DATE_WITHOUT_ZONE")]


def test_a_file_that_fits_by_chance_alone_is_refused():
    layout = LAYOUTS["ncic_fixed"]
    body = [row[:19] + "20269999" + row[27:] for row in rows(layout, 15)] + rows(layout, 14)
    lines, rejects, end = read(layout, text(layout, body).encode())
    assert (len(rejects), code(end)) == (15, "LIST_MISFIT")
    assert lines
    good = rows(layout, 15)
    body = [*good, *good]
    assert code(read(layout, text(layout, body).encode())[2]) == "read"  # 15 duplicates say nothing of the layout


def test_rejects_name_a_line_and_a_code_and_nothing_of_the_line():
    layout = LAYOUTS["generic_csv"]
    reading = read_list(
        io.BytesIO(b"plate,notes,state\nQZX1,TEST-PII,ZZ\n8A?QZX,TEST-PII,CA\nQZX3,x,CA\n"), layout, now=NOW
    )
    told = [repr(item) for item in reading if not isinstance(item, Line)] + [repr(reading.end)]
    assert len(told) == 3
    assert not any("QZX" in words or "PII" in words for words in told)


GOOD = text(LAYOUTS["ncic_csv"]).encode()


def encrypted():
    data = bytearray(zipped(("a.txt", GOOD)))
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    data[6] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (zipped(("a.txt", GOOD)), "read"),
        (zipped(("lists/", b""), ("lists/a.txt", GOOD)), "read"),
        (zipped(("a.txt", GOOD), ("b.txt", GOOD)), "LIST_ARCHIVE_INVALID"),
        (zipped(), "LIST_ARCHIVE_INVALID"),
        (zipped(("a.txt", GOOD))[:-30], "LIST_ARCHIVE_INVALID"),
        (zipped(("a.txt", GOOD)).replace(b"a.txt", b"b.txt", 1), "LIST_ARCHIVE_INVALID"),
        (zipped(("a.txt", GOOD), method=zipfile.ZIP_LZMA), "LIST_ARCHIVE_INVALID"),
        (zipped(("a.txt", b" " * 30_000_000)), "LIST_ARCHIVE_TOO_LARGE"),
        (encrypted(), "LIST_ARCHIVE_ENCRYPTED"),
        (b"\x1f\x8b\x08\x00" + GOOD, "LIST_ARCHIVE_INVALID"),
        (b"PK\x03\x04", "LIST_ARCHIVE_INVALID"),
        (zipped(*((f"{'a' * 200}{number}", b"") for number in range(5_000))), "LIST_ARCHIVE_INVALID"),
        (zipped(("a.zip", zipped(("a.txt", GOOD)))), "LIST_EMPTY"),
    ],
)
def test_archives(data, expected):
    found = code(read(LAYOUTS["ncic_csv"], data)[2])
    assert found == expected or (expected == "LIST_EMPTY" and found != "read")


def test_a_zip_whose_content_was_changed_is_refused_at_its_end():
    data = bytearray(zipped(("a.txt", GOOD), method=zipfile.ZIP_STORED))
    data[data.index(b"2009")] ^= 1
    assert code(read(LAYOUTS["ncic_csv"], bytes(data))[2]) == "LIST_ARCHIVE_INVALID"


def test_memory_does_not_grow_with_the_file(monkeypatch):
    monkeypatch.setattr(opening, "_PIECE", 4096)
    layout = LAYOUTS["ncic_fixed"]

    def peak(number):
        data = io.BytesIO(("HEADER\n" + "".join(f"{row}\n" for row in rows_of(layout, number))).encode())
        tracemalloc.start()
        taken = sum(1 for _ in read_list(data, layout, now=NOW))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert taken == number
        return most

    small, large = peak(1_000), peak(5_000)
    assert large < small + 400_000  # 64 bytes a line, of hashes that double; the lines themselves would take 4 MB


def rows_of(layout, number):
    base = line(layout, of(0, layout))
    return (f"V{at:09d}{base[10:27]}QZ{at:06d}  {base[37:]}" for at in range(number))


def test_the_end_is_known_when_all_was_taken_and_not_before():
    reading = read_list(io.BytesIO(GOOD), LAYOUTS["ncic_csv"], now=NOW)
    next(reading)
    with pytest.raises(ValueError, match="not read to its end"):
        _ = reading.end
    for _ in reading:
        pass
    assert reading.end.body == 30


@pytest.mark.parametrize("piece", [b"A", b'QZX,"', b"\r", b'"', b"QZX,a\n", b'QZX,"a\n', b"\0", b",,,\n", b'"\n'])
def test_no_file_takes_more_than_its_length(piece):
    def seconds(times):
        data, begun = io.BytesIO(b"plate,notes\n" + piece * times), time.process_time()
        for _ in zip(count(), read_list(data, LAYOUTS["generic_csv"], now=NOW), strict=False):
            pass
        return time.process_time() - begun

    small, large = 4_000, 32_000
    assert seconds(large) < 40 * max(seconds(small), 0.005)  # 8 times the file; the square of it would be 64 times


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(LAYOUTS)), st.binary(max_size=400), st.booleans(), st.integers(0, 3))
def test_whatever_comes_is_read_or_refused(name, data, zip_it, at):
    layout = LAYOUTS[name]
    good = text(layout, rows(layout, 3)).encode()
    whole = (data, good + data, good[: len(good) // 2] + data + good[len(good) // 2 :], b"PK\x03\x04" + data)[at]
    if zip_it:
        whole = zipped(("a", whole))
        whole = whole[: len(whole) // 2] + data + whole[len(whole) // 2 :]
    lines, rejects, end = read(layout, whole)
    assert (len(lines), len(rejects)) == (end.accepted, end.rejected)
    assert all(found.plate.isalnum() and len(found.plate) <= 12 for found in lines)
    assert {reason for _, reason in rejects} <= REJECTS.keys()
    assert end.refused is None or end.refused.reason_code in REFUSALS


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(LAYOUTS)), st.lists(st.text(max_size=120), min_size=1, max_size=8))
def test_any_text_among_good_lines_costs_itself_alone(name, strange):
    layout = LAYOUTS[name]
    body = rows(layout, 30)
    body[10:10] = [each.replace('"', "") for each in strange]
    lines, _, _ = read(layout, text(layout, body).encode("utf-8", "replace"))
    wanted = {of(number, layout)["plate"] for number in range(30)}
    assert wanted <= {found.plate.reveal() for found in lines}
