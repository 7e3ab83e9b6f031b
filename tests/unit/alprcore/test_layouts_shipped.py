"""Each layout that ships, on a file written from its table: good, and damaged in the ways that files are damaged."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.unit.alprcore.layout_files import DAY, LAYOUTS, LINES, first, header, line, of, read, rows, text, zipped


def held(layout):
    return layout.fields.keys() | layout.names.keys()


def where(fits):
    some = [layout for layout in LAYOUTS.values() if fits(layout)]
    return pytest.mark.parametrize("layout", some, ids=[layout.name for layout in some])


EVERY = where(bool)
DELIMITED = where(lambda layout: layout.shape == "delimited")
DATED = where(lambda layout: "effective_at" in held(layout))
MODELED = where(lambda layout: "vehicle_model" in layout.letters)
CATEGORIZED = where(lambda layout: len(layout.categories) > 1)
FIELDS = {
    "state": "US-OR", "source_key": "VW00000000", "vehicle_year": "2009", "vehicle_make": "TOYT",
    "vehicle_model": "COR", "vehicle_style": "4D", "vehicle_color": "ONG/WHI", "case_number": "26-00000",
}  # fmt: skip


def code(end):
    return "read" if end.refused is None else end.refused.reason_code


@EVERY
@pytest.mark.requirement("HOT-01", partial="feeds by SFTP, HTTPS and folder are tested with the feeds")
def test_a_good_file(layout):
    lines, rejects, end = read(layout, text(layout).encode())
    assert (code(end), rejects, end.body, len(lines)) == ("read", [], LINES, LINES)
    said = of(0, layout)
    assert [one.plate.reveal() for one in lines] == [of(number, layout)["plate"] for number in range(LINES)]
    assert lines[0].number == first(layout)
    details = lines[0].details
    for name in FIELDS.keys() & held(layout) - {"source_key"}:
        assert getattr(details, name) == FIELDS[name], name
    if "category" in held(layout):
        meaning = layout.categories[said["category"]]
        assert lines[0].category == said["category"]
        assert (details.reason, details.advisory_class) == (meaning.reason, meaning.advisory_class)
    if "effective_at" in held(layout):
        assert details.effective_at.date() == DAY
    if "source_key" in held(layout):
        assert details.source_key.endswith("0000000")
        assert len({one.details.source_key for one in lines}) == LINES


@EVERY
def test_a_category_is_never_without_a_reason_and_a_name_of_its_file(layout):
    for key, meaning in layout.categories.items():
        assert meaning.reason, key
        assert meaning.advisory_class or "*" in layout.categories, key


@EVERY
def test_a_file_that_ends_in_the_middle_of_a_line(layout):
    last = rows(layout)[-1]
    whole = text(layout, rows(layout))
    at = whole.rindex(last) + len(last) * 2 // 5
    assert code(read(layout, whole[:at].encode())[2]) == "LIST_TRUNCATED"


@EVERY
def test_a_count_that_is_wrong(layout):
    short = text(layout, count=LINES + 1).encode()
    declared = None if short != text(layout).encode() else LINES + 1
    assert code(read(layout, short, declared=declared)[2]) == "LIST_TRUNCATED"


@EVERY
def test_a_file_without_its_header(layout):
    lines, _, end = read(layout, text(layout, head=False).encode())
    if header(layout) is None:
        assert (code(end), len(lines)) == ("read", LINES)
    else:
        expected = "COLUMNS_INVALID" if layout.names else "LIST_HEADER_MISSING"
        assert (code(end), lines) == (expected, [])


@EVERY
def test_a_file_of_another_layout(layout):
    other = LAYOUTS["tx_tcic" if layout.shape == "fixed" else "ncic_fixed"]
    _, _, end = read(layout, text(other).encode())
    assert end.refused is not None


@DELIMITED
def test_another_delimiter(layout):
    assert read(layout, text(replace(layout, delimiters=("|",))).encode())[2].refused is not None
    for mark in layout.delimiters[:3]:
        lines, _, end = read(layout, text(replace(layout, delimiters=(mark,))).encode())
        assert (code(end), len(lines)) == ("read", LINES), mark


@EVERY
def test_other_encodings(layout):
    whole = text(layout)
    assert code(read(layout, whole.encode("utf-16-le"))[2]) == "LIST_ENCODING"
    assert code(read(layout, whole.encode("utf-32"))[2]) == "LIST_ENCODING"
    for marked in ("utf-8-sig", "utf-16"):
        lines, rejects, end = read(layout, whole.encode(marked))
        assert (code(end), rejects, len(lines)) == ("read", [], LINES)
    if layout.encoding == "utf-8":
        assert code(read(layout, whole.encode() + b"\xff\xfe\n")[2]) == "LIST_ENCODING"


@EVERY
def test_a_line_with_a_column_less(layout):
    body = rows(layout)
    if layout.shape == "fixed":
        body[7], expected = body[7][: layout.shortest - 1], "LINE_SHORT"
    else:
        mark = layout.delimiters[0]
        body[7] = mark.join(body[7].split(mark)[: (layout.shortest or len(layout.names)) - 1])
        expected = "COLUMNS_INVALID"
    lines, rejects, end = read(layout, text(layout, body).encode())
    assert (code(end), rejects, len(lines)) == ("read", [(first(layout) + 7, expected)], LINES - 1)


def changed(layout, **said):
    body = rows(layout)
    body[4] = line(layout, of(4, layout) | said)
    lines, rejects, end = read(layout, text(layout, body).encode())
    assert code(end) == "read"
    return [one for one in lines if one.number == first(layout) + 4], [one[1] for one in rejects]


@CATEGORIZED
def test_a_category_that_is_not_in_the_table(layout):
    lines, rejects = changed(layout, category="Q", source_key="QQ12345678")
    if "*" in layout.categories:
        assert [one.details.reason for one in lines] == ["other"]
        assert lines[0].category == "Q"
    else:
        assert rejects == ["CATEGORY_UNKNOWN"]


@DATED
@pytest.mark.parametrize("day", ["20260231", "99999999", "2026013", "2026-02-31", "soon", "31/31/31"])
def test_a_day_that_is_none(layout, day):
    assert changed(layout, effective_at=day)[1] == ["DATE_INVALID"]


@EVERY
@pytest.mark.parametrize(
    ("plate", "expected"),
    [
        ("000", "PLATE_JUNK"),
        ("190", "PLATE_JUNK"),
        ("", "PLATE_MISSING"),
        ("-", "PLATE_MISSING"),
        ("8A?1", "PARTIAL_PLATE"),
    ],
)
def test_plates_that_are_none(layout, plate, expected):
    assert changed(layout, plate=plate)[1] == [expected]


@EVERY
def test_zeros_are_letters_in_codes_alone(layout):
    said = {
        "plate": "0OOH00", "state": "0R", "originating_agency": "0H0671200", "vehicle_make": "F0RD",
        "vehicle_model": "C0R", "vehicle_style": "4D", "vehicle_color": "0NG/BR0",
    }  # fmt: skip
    if not layout.letters:
        said["state"] = "OR"
    [one], rejects = changed(layout, **said)
    assert (one.plate.reveal(), one.details.state, rejects) == ("0OOH00", "US-OR", [])
    expected = {"originating_agency": "OH0671200", "vehicle_make": "FORD", "vehicle_model": "COR"}
    expected["vehicle_color"] = "ONG/BRO"
    for name in expected.keys() & layout.letters & held(layout):
        assert getattr(one.details, name) == expected[name]


@MODELED
def test_models_of_digits_stay(layout):
    for model in ("300", "S10", "200"):
        assert changed(layout, vehicle_model=model)[0][0].details.vehicle_model == model


@EVERY
def test_states_that_are_missing_or_not_known(layout):
    [one], _ = changed(layout, state="")
    assert one.details.state == layout.states.default
    found, rejects = changed(layout, state="ZZ")
    if layout.states.keep_unknown:
        assert found[0].details.state == ""
    else:
        assert rejects == ["STATE_UNKNOWN"]
    [one], _ = changed(layout, state="NB")
    assert one.details.state == ("US-NE" if layout.states.codes == "ncic" else "CA-NB")


@EVERY
def test_a_line_that_stands_twice(layout):
    body = rows(layout)
    lines, rejects, end = read(layout, text(layout, [*body, body[3], body[3]]).encode())
    again = first(layout) + LINES
    if "action" in layout.names:  # what is to be done last is what counts: whoever compares it with the list decides
        assert (code(end), len(lines), rejects) == ("read", LINES + 2, [])
        return
    assert (code(end), len(lines)) == ("read", LINES)
    assert rejects == [(again, "DUPLICATE"), (again + 1, "DUPLICATE")]


@EVERY
@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_of_other_systems(layout, end):
    lines, rejects, found = read(layout, text(layout, end=end).encode())
    assert (code(found), rejects, len(lines)) == ("read", [], LINES)


@EVERY
def test_mixed_line_ends_blank_lines_and_the_end_of_a_dos_file(layout):
    split = text(layout).split("\n")
    mixed = "".join(row + ("\n", "\r\n", "\r", "\n\n \n")[at % 4] for at, row in enumerate(split)) + "\x1a"
    lines, rejects, end = read(layout, mixed.encode())
    assert (code(end), rejects, len(lines)) == ("read", [], LINES)


@EVERY
def test_an_empty_file_and_one_without_lines(layout):
    for data in (b"", b"\n\n", text(layout, []).encode()):
        _, _, end = read(layout, data)
        assert code(end) in {"LIST_TRUNCATED", "LIST_HEADER_MISSING"}


@EVERY
def test_a_character_that_is_none(layout):
    body = rows(layout)
    body[2] += "\0"
    lines, rejects, _ = read(layout, text(layout, body).encode())
    assert (rejects, len(lines)) == ([(first(layout) + 2, "CHARACTER_INVALID")], LINES - 1)


@EVERY
def test_a_zip(layout):
    data = text(layout).encode()
    lines, rejects, end = read(layout, zipped(("__MACOSX/._x", b"1"), ("list.txt", data)))
    assert (code(end), rejects, len(lines)) == ("read", [], LINES)


@EVERY
@pytest.mark.requirement("HOT-14", partial="the notification is tested with the matcher")
def test_no_line_is_without_what_a_class_can_be_told_by(layout):
    lines, _, _ = read(layout, text(layout).encode())
    table = layout.categories.values()
    for one in lines:
        assert one.details.advisory_class in {meaning.advisory_class for meaning in table} | {""}
        assert one.details.reason or not table


def test_california_says_itself_how_old_its_file_is():
    for name in ("ca_svs", "ca_sfr", "ca_slr"):
        _, _, end = read(LAYOUTS[name], text(LAYOUTS[name]).encode())
        assert end.source_time == datetime(2026, 3, 14, 11, 30, tzinfo=UTC)  # half past four in Los Angeles
        assert end.declared == LINES


def test_the_category_switch_sees_the_letter_of_each_record():
    layout = LAYOUTS["ncic_fixed"]
    lines, _, _ = read(layout, text(layout).encode())
    assert {one.category for one in lines} == set(layout.categories)
