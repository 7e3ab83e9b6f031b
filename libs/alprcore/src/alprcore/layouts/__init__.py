"""The layouts of list files: what each kind of file says and how it is read (docs/lists.md, docs/decisions/0024).

A layout is data: one YAML per kind of file. Those of the usual sources ship; an agency adds its own in the same form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import BinaryIO, Final

from alprcore.errors import Misconfigured
from alprcore.layouts.check import layout_from_yaml as _from_yaml
from alprcore.layouts.codes import REFUSALS, REJECTS
from alprcore.layouts.lines import Line, Reject
from alprcore.layouts.reading import ListEnd, ListReading
from alprcore.layouts.schema import ANY, Category, Layout
from alprcore.layouts.values import category_key
from alprcore.model import Refused

__all__ = [
    "REFUSALS",
    "REJECTS",
    "Category",
    "Layout",
    "Line",
    "ListEnd",
    "ListReading",
    "Reject",
    "category_of",
    "find_layout",
    "layout_from_yaml",
    "read_list",
    "shipped",
    "with_own",
]

_FIRST: Final = "ncic_fixed"
"""Its table of categories is the one that others start from."""


@cache
def shipped() -> Mapping[str, Layout]:
    """Give the layouts that ship, by name."""
    folder = resources.files("alprcore.layouts") / "shipped"
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".yaml"))
    layouts: dict[str, Layout] = {}
    for name in sorted(files, key=lambda name: (name != f"{_FIRST}.yaml", name)):
        layout = _from_yaml((folder / name).read_text("utf-8"), _tables(layouts))
        if isinstance(layout, Refused):
            raise Misconfigured(f"a layout that ships is wrong: {name}: {layout.detail}")
        layouts[layout.name] = layout
    return MappingProxyType(dict(sorted(layouts.items())))


def layout_from_yaml(text: str) -> Layout | Refused:
    """Read a layout of an agency's own; refuses with LAYOUT_INVALID, naming the line and key of every problem."""
    return _from_yaml(text, _tables(shipped()))


def _tables(layouts: Mapping[str, Layout]) -> dict[str, Mapping[str, Category]]:
    return {name: layout.categories for name, layout in layouts.items() if layout.categories}


def with_own(folder: Traversable) -> Mapping[str, Layout]:
    """Give the layouts that ship and those of a folder's `*.yaml`, by name.

    Raises `Misconfigured` naming file, line and key, and for a name that another layout has: a layout that ships is
    not to be changed under its name.
    """
    layouts = dict(shipped())
    for file in sorted((file for file in folder.iterdir() if file.name.endswith(".yaml")), key=lambda file: file.name):
        layout = layout_from_yaml(file.read_text("utf-8"))
        if isinstance(layout, Refused):
            raise Misconfigured(f"layout {file.name}: {layout.detail}")
        if layout.name in layouts:
            raise Misconfigured(f"layout {file.name}: {layout.name} is the name of another layout")
        layouts[layout.name] = layout
    return MappingProxyType(layouts)


def find_layout(text: str, layouts: Mapping[str, Layout] | None = None) -> Layout | Refused:
    """Find a layout by its name, or read one that is given itself: YAML has more than one line.

    `layouts` are those that have names (None: those that ship).
    """
    if "\n" in text:
        return layout_from_yaml(text)
    known = shipped() if layouts is None else layouts
    listed = ", ".join(known)
    return known.get(text) or Refused("HOT-01", "LAYOUT_UNKNOWN", f"layout: one of {listed}, or YAML of your own")


def category_of(said: str, layouts: Iterable[Layout], *, listed: bool) -> str | None:
    """Give the category that somebody names, as a reader of these layouts calls it; None when none of them has it.

    In a layout that takes any words every word may be one, unless it must be `listed`.
    """
    for layout in layouts:
        key = category_key(said, code="category" in layout.letters)
        if key and key != ANY and (key in layout.categories or (ANY in layout.categories and not listed)):
            return key
    return None


def read_list(
    source: BinaryIO,
    layout: Layout,
    *,
    now: datetime,
    declared: int | None = None,
    zone: str = "UTC",
    counts: Callable[[Line], bool] = lambda _line: True,
    incremental: bool = False,
) -> ListReading:
    """Read a list file, line by line in bounded memory; `source` must be able to seek, and stays open.

    `declared` is how many entries the sender says there are; `zone` is the agency's, by whose day an entry ends when the
    layout names no zone. A line that does not count (its category is off) is no reason to leave a later one of the same
    entry out; nor is any line of an `incremental` file. Nothing of the file may be put in force before `end.refused` is known to be None: a cut file shows at its
    end.
    """
    return ListReading(source, layout, now, declared, zone, counts, incremental=incremental)
