"""docs/lists.md says what the program does: every layout field by field, every code, and examples that are taken."""

import re
from pathlib import Path

import pytest

from alprcore.layouts import REFUSALS, REJECTS, Layout, layout_from_yaml, shipped

MANUAL = (Path(__file__).parents[3] / "docs" / "lists.md").read_text("utf-8")


def cut(span):
    return f"{span[0]} to {'the end' if span[1] is None else span[1]}"


def place(one):
    if one.tag or one.value is not None:
        return f"tag {one.tag}" if one.tag else f"always `{one.value}`"
    if one.column is None:
        return cut(one.cut)
    return f"column {one.column}" + (f", {cut(one.cut)}" if one.cut else "")


def where(layout, field):
    said = [", else ".join(map(place, layout.fields[field]))] if field in layout.fields else []
    if field in layout.names:
        said.append("named " + ", ".join(f"`{name}`" for name in layout.names[field]))
    return "; ".join(said)


@pytest.mark.parametrize("layout", shipped().values(), ids=shipped())
def test_every_layout_stands_there_field_by_field(layout):
    section = MANUAL.split(f"### {layout.name}\n")[1].split("\n#")[0]
    assert layout.title in section
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE))
    assert rows == {field: where(layout, field) for field in [*layout.fields, *layout.names]}


def test_every_code_stands_there():
    for title, codes, more in (
        ("Of a line", REJECTS, {"BASIS_MISSING"}),
        ("Of a whole file", REFUSALS, {"SOURCE_TIME_MISSING", "DPPA_BASIS_REQUIRED"}),
    ):
        rows = dict(
            re.findall(r"^\| `(\w+)` \| (.+) \|$", MANUAL.split(f"### {title}\n")[1].split("\n#")[0], re.MULTILINE)
        )
        assert rows.keys() == codes.keys() | more
        assert {code: rows[code] for code in codes} == codes


def test_the_examples_are_taken():
    examples = [text for text in re.findall(r"```yaml\n(.+?)```", MANUAL, re.DOTALL) if text.startswith("name: ")]
    assert len(examples) == 3
    for text in examples:
        assert isinstance(layout_from_yaml(text), Layout), layout_from_yaml(text)
