"""Layouts of an agency's own: what is taken, and what is said of a mistake and where."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alprcore.errors import Misconfigured
from alprcore.layouts import Layout, find_layout, layout_from_yaml, shipped, with_own
from alprcore.model import Refused

OWN = """\
name: county
title: Warrants of the county
shape: delimited
delimiter: ";"
columns: 3
dates: "%d.%m.%Y"
fields:
  plate: 0
  category: 1
  effective_at: 2
categories:
  NO: {reason: warrant}
"""


def said(text):
    found = layout_from_yaml(text)
    assert isinstance(found, Refused), found
    assert (found.rule_id, found.reason_code) == ("HOT-01", "LAYOUT_INVALID")
    return found.detail


def test_a_layout_of_ones_own():
    found = layout_from_yaml(OWN)
    assert isinstance(found, Layout)
    assert (found.name, found.delimiters, found.shortest, found.columns_exact) == ("county", (";",), 3, True)
    assert set(found.categories) == {"NO"}  # a word, not the falsehood that YAML makes of it


def test_categories_may_start_from_those_of_a_layout_that_ships():
    found = layout_from_yaml(OWN.replace("  NO: {reason: warrant}", "  like: ncic_fixed\n  V: {reason: bolo}"))
    assert found.categories["V"].reason == "bolo"
    assert found.categories["P"].reason == "stolen_plate"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("name: county\n", "", "line 1: name: is missing"),
        ("name: county", "name: County 1", "line 1: name: small letters"),
        ("title: Warrants of the county\n", "", "title: is missing"),
        ("shape: delimited", "shape: round", "line 3: shape: one of fixed, delimited"),
        ('delimiter: ";"', "delimiter: ab", "line 4: delimiter: one character"),
        ('delimiter: ";"', "delimiter: a", "line 4: delimiter: one character"),
        ("columns: 3", "columns: three", "line 5: columns: a whole number"),
        ("columns: 3", "columns: 3\ncolumns_at_least: 3", "not both columns and columns_at_least"),
        ("columns: 3\n", "", "columns or columns_at_least is needed"),
        ('dates: "%d.%m.%Y"', 'dates: "%d.%m"', "line 6: dates: rfc3339, or year, month and day"),
        ('dates: "%d.%m.%Y"', 'dates: "%d.%m.%Y %Z"', "line 6: dates: rfc3339"),
        ("  plate: 0\n", "", "fields: plate is missing"),
        ("  plate: 0", "  plate: first", "line 8: fields.plate: a whole number"),
        ("  plate: 0", "  plate: [0, 8]", "line 8: fields.plate: a text"),
        ("  plate: 0", "  plate: {tag: no}", "line 8: fields.plate: tag (three capitals)"),
        ("  plate: 0", "  plate: 0\n  owner: 4", "line 9: owner: is not a key of fields"),
        ("  plate: 0", "  plate: 0\n  plate: 1", "line 9: plate: stands twice"),
        ("categories:\n  NO: {reason: warrant}", "", "fields.category and categories go together"),
        ("{reason: warrant}", "{reason: A Warrant}", "line 12: categories.NO: reason"),
        ("{reason: warrant}", "{why: warrant}", "line 12: why: is not a key of categories.NO"),
        ("  NO: {reason", "  like: nobody\n  NO: {reason", "line 12: categories.like: one of"),
        ("columns: 3", "columns: 3\nzone: UTC", "line 6: zone: is not a key of layout"),
        ("columns: 3", "columns: 3\ntimezone: Mars/Olympus", "line 6: timezone: is not known"),
        ("columns: 3", "columns: 3\ntimezone: ../../etc/passwd", "line 6: timezone: is not known"),
        ("columns: 3", "columns: 3\nletters: [plate]", "line 6: letters: of category"),
        ("columns: 3", "columns: 3\nstates: {default: CA}", "line 6: states.default: ISO 3166-2"),
        ("columns: 3", "columns: 3\ntrailer: {count: [5]}", "line 6: trailer: starts is needed"),
        ("columns: 3", "columns: 3\nheader: {time: {slice: [4, 2], date: '%Y%m%d'}}", "ends before it begins"),
        ("columns: 3", "columns: 3\nheader: {time: {slice: [4, 12]}}", "line 6: header.time: slice and date"),
        ("columns: 3", "columns: 3\nheader: {names: 'true'}", "names and header.names go together"),
        ("columns: 3", "columns: 3\nskip: [{field: category}]", "line 6: skip: either starts, or field with values"),
        ("columns: 3", "columns: 3\nquotes: maybe", "line 6: quotes: one of true, false"),
        ("columns: 3", "columns: 3\ntags: {from: 4}", "tags and a field with a tag go together"),
        ("fields:", "fields: &a", ""),
        ("categories:", "other_columns: *a\ncategories:", "line 11: aliases"),
        ("columns: 3", "columns: 3\n\tx: 1", "line 6: no YAML"),
        ("columns: 3", "columns: " + "[" * 40, "deep nesting"),
    ],
)
def test_a_mistake_is_named_with_line_and_key(old, new, expected):
    assert old in OWN
    text = OWN.replace(old, new, 1)
    if expected:
        assert expected in said(text)
    else:
        assert isinstance(layout_from_yaml(text), Layout)  # an anchor that nothing refers to does no harm


def test_all_mistakes_are_named_at_once_and_never_without_end():
    assert said(OWN.replace("columns: 3", "columns: x").replace("plate: 0", "plate: y")).count("line") == 3
    assert said("\n".join(f"k{number}: 1" for number in range(100))).endswith("more")
    assert "longer than" in said("#" * 70_000)
    assert said("- a\n- b\n") == "line 1: a layout is a mapping of keys"
    assert said("") == "line 1: a layout is a mapping of keys"


def test_a_layout_is_found_by_name_or_read():
    assert find_layout("ca_svs") is shipped()["ca_svs"]
    assert find_layout(OWN).name == "county"
    unknown = find_layout("xlsx")
    assert (unknown.reason_code, "ncic_fixed" in unknown.detail) == ("LAYOUT_UNKNOWN", True)


def test_a_folder_of_layouts(tmp_path):
    (tmp_path / "county.yaml").write_text(OWN)
    (tmp_path / "notes.txt").write_text("no layout")
    assert with_own(tmp_path).keys() == shipped().keys() | {"county"}
    (tmp_path / "again.yaml").write_text(OWN.replace("name: county", "name: ca_svs"))
    with pytest.raises(Misconfigured, match=r"again\.yaml: ca_svs is the name of another layout"):
        with_own(tmp_path)
    (tmp_path / "again.yaml").write_text(OWN.replace("columns: 3", "columns: x"))
    with pytest.raises(Misconfigured, match=r"again\.yaml: line 5: columns"):
        with_own(tmp_path)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_yaml_is_taken_or_refused(data):
    lines = OWN.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        lines[at] = data.draw(st.one_of(st.text(max_size=30), st.just(lines[at] + " x"), st.sampled_from(lines)))
    assert isinstance(layout_from_yaml("\n".join(lines)), Layout | Refused)
