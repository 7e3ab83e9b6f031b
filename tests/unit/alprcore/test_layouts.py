"""List files: what is read out of them, what is left out by line number, which files are refused whole."""

import io
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alprcore.layouts import Line, read_list, shipped

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
NCIC = "V123456789LA057020020190509AB123456  CA2009PC2009YAMACYLMCBLK    "


@dataclass
class Found:
    lines: list
    rejects: list
    end: object


def parse(data, name, **more):
    reading = read_list(io.BytesIO(data), shipped()[name], now=NOW, **more)
    items = list(reading)
    lines = [item for item in items if isinstance(item, Line)]
    return Found(lines, [item for item in items if not isinstance(item, Line)], reading.end)


def csv(text, **more):
    return parse(text.encode(), "generic_csv", **more)


def ncic(*lines, end="\n", **more):
    return parse(("NCIC EXTRACT 20260314\n" + "\n".join(lines) + end).encode(), "ncic_fixed", **more)


def code(found):
    return "read" if found.end.refused is None else found.end.refused.reason_code


def rejects(found):
    return [(reject.number, reject.reason_code) for reject in found.rejects]


def test_a_csv_with_all_columns():
    found = csv(
        "Plate,State,reason,advisory_class,notes,vehicle_year,vehicle_make,vehicle_model,vehicle_style,vehicle_color,"
        "effective_at,expires_at,source_key,originating_agency\n"
        '8abc-123,ca,Stolen_Vehicle,,"white, dented",2019,TOYT,CAM,4D,WHI,2026-03-01T00:00:00Z,2026-04-01,K1,CA0570200\n'
    )
    [line] = found.lines
    assert (line.number, line.plate.reveal()) == (2, "8ABC123")
    details = line.details
    assert (details.state, details.reason, details.notes) == ("US-CA", "stolen_vehicle", "white, dented")
    assert (details.vehicle_year, details.vehicle_make, details.source_key) == ("2019", "TOYT", "K1")
    assert details.effective_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert details.expires_at == datetime(2026, 4, 1, 23, 59, 59, 999999, tzinfo=UTC)


def test_windows_files_and_blank_lines():
    found = parse(b"\xef\xbb\xbfplate,state\r\n\r\n8ABC123,CA\r\n7XYZ001,\r\n\r\n", "generic_csv")
    assert [(line.number, line.details.state) for line in found.lines] == [(3, "US-CA"), (4, "")]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (",CA,,", "PLATE_MISSING"),
        ("--,CA,,", "PLATE_MISSING"),
        ("ABCDEFGHIJKLM,CA,,", "PLATE_TOO_LONG"),
        ("8AB?123,CA,,", "PARTIAL_PLATE"),
        ("000,CA,,", "PLATE_JUNK"),
        ("8ABC123,ZZ,,", "STATE_UNKNOWN"),
        ("8ABC123,CA,stolen vehicle,", "REASON_INVALID"),
        ("8ABC123,CA,,2026-03-13", "EXPIRED"),
        ("8ABC123,CA,,soon", "DATE_INVALID"),
        ("8ABC123,CA,,2026-04-01T10:00:00", "DATE_WITHOUT_ZONE"),
        ("8ABC123,CA", "COLUMNS_INVALID"),
        ("8ABC123,CA,,,,", "COLUMNS_INVALID"),
    ],
)
def test_a_bad_line_is_left_out_by_number(row, expected):
    found = csv(f"plate,state,reason,expires_at\n7XYZ001,CA,,\n{row}\n6DEF222,NV,,\n")
    assert rejects(found) == [(3, expected)]
    assert [line.number for line in found.lines] == [2, 4]


def test_reports_hold_no_content():
    found = csv("plate,notes\n8ABC?23,TEST-PII\n7XYZ001,x\n")
    assert "TEST-PII" not in repr(found.rejects)
    assert "7XYZ001" not in repr(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "LIST_TRUNCATED"),
        ("\n\n", "LIST_TRUNCATED"),
        ("plate,state\n", "LIST_TRUNCATED"),
        ("plate,state\n8ABC123,CA\n7XY", "LIST_TRUNCATED"),
        ('plate,notes\n8ABC123,"cut', "LIST_TRUNCATED"),
        ("plate,state\n8ABC123,CA\n#entries,3\n", "LIST_TRUNCATED"),
        ("plate,state\n8ABC123,CA\n#entries,\n", "LIST_TRUNCATED"),
        ("plate,state\n8ABC123,CA\n#entries,1\n", "read"),
        ("plate,state\n8ABC123,CA", "read"),
        ("state\nCA\n", "COLUMNS_INVALID"),
        ("plate,plate\n8ABC123,8ABC123\n", "COLUMNS_INVALID"),
        ("plate,owner_name\n8ABC123,x\n", "COLUMNS_INVALID"),
        ("plate\n000\n", "LIST_EMPTY"),
    ],
)
def test_whole_csv_files(text, expected):
    assert code(csv(text)) == expected


def test_a_declared_count_is_checked():
    assert code(csv("plate\n8ABC123\n7XYZ001\n", declared=2)) == "read"
    assert code(csv("plate\n8ABC123\n", declared=2)) == "LIST_TRUNCATED"
    assert code(ncic(NCIC, declared=2)) == "LIST_TRUNCATED"


def test_other_encodings_and_formats_are_refused():
    assert code(parse(b"plate\n\xff\xfe8\n", "generic_csv")) == "LIST_ENCODING"


def test_an_ncic_record():
    [line] = ncic(NCIC).lines
    details = line.details
    assert (line.number, line.plate.reveal(), details.state) == (2, "AB123456", "US-CA")
    assert (details.reason, details.source_key) == ("stolen_vehicle", "V123456789")
    assert details.originating_agency == "LA0570200"
    assert details.effective_at == datetime(2019, 5, 9, tzinfo=UTC)
    assert (details.vehicle_year, details.vehicle_make, details.vehicle_model) == ("2009", "YAMA", "CYL")
    assert (details.vehicle_style, details.vehicle_color) == ("MC", "BLK")


def record(number="V123456789", plate="AB123456", state="CA", make="YAMA", color="BLK"):
    return f"{number:<10}LA057020020190509{plate:<10}{state}2009PC2009{make:<4}CYLMC{color:<7}"


def test_zeros_for_letters_are_read_back_in_code_columns_and_never_in_plates():
    [line] = ncic(record(plate="0H0O123", state="0H", make="F0RD", color="0NG/WHI")).lines
    assert line.plate.reveal() == "0H0O123"
    assert (line.details.state, line.details.vehicle_make, line.details.vehicle_color) == ("US-OH", "FORD", "ONG/WHI")


@pytest.mark.parametrize(
    ("letter", "reason"),
    [("A", "amber_alert"), ("F", "felony_vehicle"), ("P", "stolen_plate"), ("T", "terrorism_related")],
)
def test_the_first_letter_says_which_file_it_comes_from(letter, reason):
    assert ncic(record(f"{letter}123456789")).lines[0].details.reason == reason


@pytest.mark.parametrize(("found", "state"), [("NB", "US-NE"), ("PQ", "CA-QC"), ("AB", "CA-AB"), ("  ", "")])
def test_ncic_has_codes_of_its_own_for_some_regions(found, state):
    assert ncic(record(state=found)).lines[0].details.state == state


def test_ncic_lines_that_are_left_out():
    found = ncic(record("Q123456789"), record(plate=""), record()[:50], record(state="4Z"), record())
    assert rejects(found) == [
        (2, "CATEGORY_UNKNOWN"), (3, "PLATE_MISSING"), (4, "LINE_SHORT"), (5, "STATE_UNKNOWN"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "end", "expected"),
    [
        ([], "", "LIST_TRUNCATED"),
        ([record(), record()[:40]], "", "LIST_TRUNCATED"),
        ([record(), record()[:40]], "\n", "LIST_TRUNCATED"),
        ([record(), record()[:60]], "", "LIST_TRUNCATED"),
        ([record(), record()], "", "read"),
        ([record().rstrip(), record().rstrip()], "\n", "read"),
    ],
)
def test_whole_ncic_files(lines, end, expected):
    assert code(ncic(*lines, end=end)) == expected


@given(st.binary(max_size=300), st.sampled_from(["generic_csv", "ncic_fixed"]))
def test_any_file_is_read_or_refused(data, file_format):
    assert parse(data, file_format).end.accepted >= 0


@given(st.binary(max_size=300))
def test_any_rows_below_a_good_header_are_read_or_refused(data):
    head = b"plate,state,reason,expires_at,effective_at\n"
    assert parse(head + data, "generic_csv").end.accepted >= 0


def test_a_day_begins_an_entry_at_its_start_and_ends_it_at_its_end():
    found = csv("plate,effective_at,expires_at\n7XYZ001,2026-03-01,2026-04-01\n")
    (line,) = found.lines
    assert line.details.effective_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert line.details.expires_at == datetime(2026, 4, 1, 23, 59, 59, 999999, tzinfo=UTC)


def test_a_day_ends_with_that_of_the_agency_and_begins_early():
    found = csv("plate,effective_at,expires_at\n7XYZ001,2026-03-01,2026-04-01\n", zone="America/Los_Angeles")
    (line,) = found.lines
    assert line.details.effective_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert line.details.expires_at == datetime(2026, 4, 2, 6, 59, 59, 999999, tzinfo=UTC)


def test_a_date_beyond_the_calendar_rejects_its_line_and_no_other():
    found = csv("plate,expires_at\n7XYZ001,9999-12-31T23:59:59-08:00\n7XYZ002,\n")
    assert [line.plate.reveal() for line in found.lines] == ["7XYZ002"]
    assert rejects(found) == [(2, "DATE_INVALID")]
