"""Reads a layout from YAML, and says of everything that is wrong in which line and key it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import yaml

from alprcore.layouts.schema import (
    ANY,
    CODE_FIELDS,
    ENCODINGS,
    FIELDS,
    JUNK,
    OTHERS,
    SHAPES,
    STATE_CODES,
    Category,
    Layout,
    Mark,
    Place,
    Skip,
    Slice,
    States,
)
from alprcore.layouts.values import category_key, words
from alprcore.model import Refused

LARGEST: Final = 65_536
_DEEPEST: Final = 8
_PROBLEMS: Final = 20
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,39}")
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_REGION: Final = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")
_TAG: Final = re.compile(r"[A-Z]{3}")
_DIRECTIVES: Final = frozenset("YymdjbHMS%")
_LONGEST: Final = 10_000
_COLUMNS: Final = 500
_KEYS: Final = frozenset(
    {
        "name", "title", "shape", "encoding", "timezone", "delimiter", "quotes", "dates", "header", "trailer",
        "shortest", "columns", "columns_at_least", "fields", "names", "tags", "letters", "states", "categories",
        "junk", "skip", "other_columns", "registration",
    }
)  # fmt: skip

Tables = Mapping[str, Mapping[str, Category]]
"""Tables of categories that a layout may start from, by name."""
Node = yaml.nodes.Node


def layout_from_yaml(text: str, tables: Tables) -> Layout | Refused:
    """Read a layout; refuses with every problem's line and key (HOT-01)."""
    if len(text) > LARGEST:
        return _invalid([f"longer than {LARGEST} characters"])
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > _DEEPEST:
                line = event.start_mark.line + 1 if event.start_mark else 1
                return _invalid([f"line {line}: aliases and deep nesting are not read"])
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return _invalid([f"line {line}: no YAML: {error.problem}"])
    except (yaml.YAMLError, ValueError) as error:
        return _invalid([f"no YAML: {str(error).splitlines()[0]}"])
    sheet = _Sheet(tables)
    layout = sheet.layout(root)
    return layout if layout is not None and not sheet.problems else _invalid(sheet.problems)


def _invalid(problems: list[str]) -> Refused:
    shown = problems[:_PROBLEMS]
    if len(problems) > _PROBLEMS:
        shown.append(f"and {len(problems) - _PROBLEMS} more")
    return Refused("HOT-01", "LAYOUT_INVALID", "; ".join(shown))


class _Sheet:
    """The document as it is read. Scalars are taken as they are written: 000 and NO are texts."""

    def __init__(self, tables: Tables) -> None:
        self.problems: list[str] = []
        self._tables = tables

    def layout(self, root: Node | None) -> Layout | None:
        """Read the whole document."""
        if not isinstance(root, yaml.MappingNode):
            self.problems.append("line 1: a layout is a mapping of keys")
            return None
        got = self.mapping(root, "layout", _KEYS)
        shape = self.word(got.get("shape"), "shape", SHAPES, "delimited")
        fixed = shape == "fixed"
        fields = self.places(got.get("fields"), fixed=fixed)
        header, named = self.mark(got.get("header"), "header")
        trailer, _ = self.mark(got.get("trailer"), "trailer")
        names = self.names(got.get("names"))
        tags = self.mapping(got.get("tags"), "tags", frozenset({"from", "divider"}))
        code_columns = frozenset(self.texts(got.get("letters"), "letters"))
        exact = self.whole(got.get("columns"), "columns", _COLUMNS, 0)
        least = self.whole(got.get("columns_at_least"), "columns_at_least", _COLUMNS, 0)
        layout = Layout(
            name=self.fitting(got.get("name"), "name", _NAME, root),
            title=self.text(got.get("title"), "title") or self.miss(root, "title"),
            shape=shape,
            fields=fields,
            names=names,
            names_optional=named == "optional",
            encoding=self.word(got.get("encoding"), "encoding", ENCODINGS, "utf-8"),
            timezone=self.zone(got.get("timezone")),
            delimiters=self.delimiters(got.get("delimiter")),
            quotes=self.flag(got.get("quotes"), "quotes", default=True),
            dates=tuple(self.date(node, "dates") for node in self.items(got.get("dates"))) or ("rfc3339",),
            header=header,
            trailer=trailer,
            shortest=self.whole(got.get("shortest"), "shortest", _LONGEST, 0) if fixed else exact or least,
            columns_exact=not least,
            tags_from=self.whole(tags.get("from"), "tags.from", _LONGEST, 0),
            tags_divider=self.text(tags.get("divider"), "tags.divider") or "/",
            letters=code_columns,
            states=self.states(got.get("states")),
            categories=self.categories(got.get("categories"), code="category" in code_columns),
            junk=JUNK | frozenset(text.upper() for text in self.texts(got.get("junk"), "junk")),
            skip=tuple(self.skip(node) for node in self.items(got.get("skip"))),
            others=self.word(got.get("other_columns"), "other_columns", OTHERS, "refuse"),
            registration=self.flag(got.get("registration"), "registration", default=False),
        )
        self.agree(layout, root, got, named)
        return layout

    def agree(self, layout: Layout, root: Node, got: Mapping[str, Node], named: str) -> None:
        """Judge what keys say together."""
        fixed = layout.shape == "fixed"
        held = layout.fields.keys() | layout.names.keys()
        tagged = any(place.tag for places in layout.fields.values() for place in places)
        checks = [
            ("fields", "plate" in held, "plate is missing"),
            ("names", bool(layout.names) == (named != "false"), "names and header.names go together"),
            ("names", not layout.names or "plate" in layout.names, "plate is missing"),
            ("names", not (fixed and layout.names), "only delimited files have columns with names"),
            ("fields", not (named == "true" and layout.fields), "the header names the columns: fields are not used"),
            ("fields", not layout.names_optional or "plate" in layout.fields, "plate is missing for a file without header"),
            ("shortest", not fixed or layout.shortest > 0, "is needed: a shorter line is cut"),
            ("columns", fixed or named == "true" or layout.shortest > 0, "columns or columns_at_least is needed"),
            ("columns", "columns" not in got or "columns_at_least" not in got, "not both columns and columns_at_least"),
            ("categories", bool(layout.categories) == ("category" in held), "fields.category and categories go together"),
            ("letters", layout.letters <= CODE_FIELDS, f"of {', '.join(sorted(CODE_FIELDS))}"),
            ("tags", tagged == ("tags" in got), "tags and a field with a tag go together"),
            ("delimiter", not (fixed and "delimiter" in got), "a fixed layout has none"),
        ]  # fmt: skip
        for key, good, what in checks:
            if not good:
                self.wrong(got.get(key, root), key, what)

    def wrong(self, node: Node | None, key: str, what: str) -> None:
        """Note a problem."""
        line = node.start_mark.line + 1 if node is not None else 1
        self.problems.append(f"line {line}: {key}: {what}")

    def miss(self, node: Node, key: str) -> str:
        """Note that a key is missing."""
        self.wrong(node, key, "is missing")
        return ""

    def mapping(self, node: Node | None, key: str, known: frozenset[str] | None) -> dict[str, Node]:
        """Read a mapping; `known` None: any key."""
        found: dict[str, Node] = {}
        if node is None:
            return found
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, key, "a mapping")
            return found
        for name, value in node.value:
            said = self.text(name, key)
            if said in found:
                self.wrong(name, said, "stands twice")
            elif known is not None and said not in known:
                self.wrong(name, said, f"is not a key of {key}")
            else:
                found[said] = value
        return found

    def items(self, node: Node | None) -> list[Node]:
        """Read a list, or one value for a list of one."""
        if node is None:
            return []
        return list(node.value) if isinstance(node, yaml.SequenceNode) else [node]

    def text(self, node: Node | None, key: str) -> str:
        """Read a text as it is written."""
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode):
            self.wrong(node, key, "a text")
            return ""
        return str(node.value)

    def texts(self, node: Node | None, key: str) -> list[str]:
        """Read a list of texts."""
        return [self.text(item, key) for item in self.items(node)]

    def fitting(self, node: Node | None, key: str, pattern: re.Pattern[str], root: Node) -> str:
        """Read a text of a pattern that must not be missing."""
        if node is None:
            return self.miss(root, key)
        said = self.text(node, key)
        if not pattern.fullmatch(said):
            self.wrong(node, key, "small letters, digits and _, beginning with a letter")
        return said

    def word(self, node: Node | None, key: str, known: tuple[str, ...], default: str) -> str:
        """Read one of some words."""
        said = self.text(node, key) if node is not None else default
        if said not in known:
            self.wrong(node, key, f"one of {', '.join(known)}")
            return default
        return said

    def flag(self, node: Node | None, key: str, *, default: bool) -> bool:
        """Read true or false."""
        return self.word(node, key, ("true", "false"), str(default).lower()) == "true"

    def whole(self, node: Node | None, key: str, most: int, default: int) -> int:
        """Read a whole number from 0."""
        if node is None:
            return default
        said = self.text(node, key)
        if not (said.isascii() and said.isdigit() and len(said) <= 6 and int(said) <= most):
            self.wrong(node, key, f"a whole number, at most {most}")
            return default
        return int(said)

    def cut(self, node: Node, key: str) -> Slice | None:
        """Read `[from, to]`; `[from]` goes to the end of the line."""
        ends = [self.whole(item, key, _LONGEST, 0) for item in self.items(node)]
        if not isinstance(node, yaml.SequenceNode) or len(ends) not in (1, 2):
            self.wrong(node, key, "[from, to], counted from 0, to not included; [from] goes to the end")
            return None
        if len(ends) == 2 and ends[0] >= ends[1]:
            self.wrong(node, key, "ends before it begins")
            return None
        return ends[0], ends[1] if len(ends) == 2 else None

    def places(self, node: Node | None, *, fixed: bool) -> dict[str, tuple[Place, ...]]:
        """Read where the fields stand."""
        found: dict[str, tuple[Place, ...]] = {}
        for name, value in self.mapping(node, "fields", frozenset(FIELDS)).items():
            key = f"fields.{name}"
            several = isinstance(value, yaml.MappingNode) and [k.value for k, _ in value.value] == ["first"]
            given = self.items(value.value[0][1]) if several else [value]
            found[name] = tuple(place for one in given if (place := self.place(one, key, fixed=fixed)) is not None)
            if not given:
                self.wrong(value, key, "at least one place")
        return {name: places for name, places in found.items() if places}

    def place(self, node: Node, key: str, *, fixed: bool) -> Place | None:
        """Read one place."""
        if isinstance(node, yaml.MappingNode):
            got = self.mapping(node, key, frozenset({"tag", "value", "column", "slice"}))
            if got.keys() == {"tag"} and _TAG.fullmatch(tag := self.text(got["tag"], key)):
                return Place(tag=tag)
            if got.keys() == {"value"}:
                return Place(value=self.text(got["value"], key))
            if not fixed and got.keys() == {"column", "slice"}:
                at = self.whole(got["column"], f"{key}.column", _COLUMNS - 1, 0)
                return Place(column=at, cut=self.cut(got["slice"], f"{key}.slice"))
            self.wrong(node, key, "tag (three capitals), value, column with slice, or first with a list of places")
            return None
        if fixed:
            cut = self.cut(node, key)
            return None if cut is None else Place(cut=cut)
        return Place(column=self.whole(node, key, _COLUMNS - 1, 0))

    def names(self, node: Node | None) -> dict[str, tuple[str, ...]]:
        """Read the names of columns."""
        found = self.mapping(node, "names", frozenset(FIELDS))
        return {
            field: tuple(text.strip().lower() for text in self.texts(value, f"names.{field}"))
            for field, value in found.items()
        }

    def mark(self, node: Node | None, key: str) -> tuple[Mark | None, str]:
        """Read a header or trailer, and whether the header names the columns."""
        if node is None:
            return None, "false"
        got = self.mapping(node, key, frozenset({"lines", "starts", "optional", "names", "count", "time"}))
        named = self.word(got.get("names"), f"{key}.names", ("true", "false", "optional"), "false")
        time = self.mapping(got.get("time"), f"{key}.time", frozenset({"slice", "date"}))
        if time and time.keys() != {"slice", "date"}:
            self.wrong(got["time"], f"{key}.time", "slice and date")
        starts = tuple(text.strip().upper() for text in self.texts(got.get("starts"), f"{key}.starts"))
        if "" in starts or ((key == "trailer" or "optional" in got) and not starts):
            self.wrong(node, key, "starts is needed: how the line is known")
        return (
            Mark(
                lines=max(1, self.whole(got.get("lines"), f"{key}.lines", 100, 1)),
                starts=starts,
                optional=self.flag(got.get("optional"), f"{key}.optional", default=False),
                count=self.cut(got["count"], f"{key}.count") if "count" in got else None,
                time=self.cut(time["slice"], f"{key}.time.slice") if "slice" in time else None,
                date=self.date(time["date"], f"{key}.time.date") if "date" in time else "",
            ),
            named,
        )

    def date(self, node: Node, key: str) -> str:
        """Read a date format: rfc3339, or one of strptime that says year, month and day."""
        said = self.text(node, key)
        if said == "rfc3339":
            return said
        used = re.findall("%(.?)", said)
        whole = {"Y", "y"} & set(used) and ("j" in used or ("d" in used and {"m", "b"} & set(used)))
        try:
            good = whole and set(used) <= _DIRECTIVES and "\0" not in said
            if good:
                datetime.strptime(datetime(2026, 1, 31, tzinfo=UTC).strftime(said), said)  # noqa: DTZ007 - tried only
        except ValueError:
            good = False
        if not good:
            self.wrong(node, key, "rfc3339, or year, month and day in %Y %y %m %b %d %j %H %M %S")
            return "rfc3339"
        return said

    def zone(self, node: Node | None) -> str:
        """Read a time zone."""
        said = self.text(node, "timezone")
        try:
            ZoneInfo(said or "UTC")
        except (KeyError, ValueError, OSError):
            self.wrong(node, "timezone", "is not known")
        return said

    def delimiters(self, node: Node | None) -> tuple[str, ...]:
        """Read the delimiters, the likeliest first."""
        found = tuple("\t" if text.lower() == "tab" else text for text in self.texts(node, "delimiter")) or (",",)
        if any(len(mark) != 1 or mark.isalnum() or mark in "\"'\n\r\0 " for mark in found):
            self.wrong(node, "delimiter", "one character that no cell begins with, or tab; or a list of them")
            return (",",)
        return found

    def states(self, node: Node | None) -> States:
        """Read how states are written."""
        got = self.mapping(node, "states", frozenset({"codes", "default", "unknown"}))
        default = self.text(got.get("default"), "states.default")
        if default and not _REGION.fullmatch(default):
            self.wrong(got["default"], "states.default", "ISO 3166-2, such as US-CA")
        unknown = self.word(got.get("unknown"), "states.unknown", ("reject", "keep"), "reject")
        codes = self.word(got.get("codes"), "states.codes", STATE_CODES, "postal")
        return States(codes, default, unknown == "keep")

    def categories(self, node: Node | None, *, code: bool) -> dict[str, Category]:
        """Read what the letters or words of the source mean; `like` starts from a table that ships."""
        found: dict[str, Category] = {}
        for said, value in self.mapping(node, "categories", None).items():
            if said == "like":
                table = self.text(value, "categories.like")
                if table not in self._tables:
                    self.wrong(value, "categories.like", f"one of {', '.join(sorted(self._tables))}")
                found = {**self._tables.get(table, {}), **found}
                continue
            key = f"categories.{said}"
            got = self.mapping(value, key, frozenset({"reason", "advisory_class", "name"}))
            reason, advisory = (self.text(got.get(name), f"{key}.{name}") for name in ("reason", "advisory_class"))
            if not _CODE.fullmatch(reason) or (advisory and not _CODE.fullmatch(advisory)):
                self.wrong(value, key, "reason (and advisory_class): small letters, digits and _")
            found[said if said == ANY else category_key(said, code=code)] = Category(
                reason, advisory, self.text(got.get("name"), f"{key}.name")
            )
        return found

    def skip(self, node: Node) -> Skip:
        """Read one rule of lines that are no entries."""
        got = self.mapping(node, "skip", frozenset({"starts", "field", "values"}))
        starts, field = self.text(got.get("starts"), "skip.starts"), self.text(got.get("field"), "skip.field")
        values = frozenset(words(text).upper() for text in self.texts(got.get("values"), "skip.values"))
        if bool(starts) == bool(field) or (field and (field not in FIELDS or not values)):
            self.wrong(node, "skip", "either starts, or field with values")
        return Skip(starts, field, values)
