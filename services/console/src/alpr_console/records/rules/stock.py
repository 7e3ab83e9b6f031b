"""What is stored, by age and by the month and day it falls due, as pictures and as tables. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from .pictures import Column, Picture, columns
from .words import month, number, words_of

LONGEST: Final = 72
"""Columns that one picture shows at most: six years by month."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture and the rows it was made of, each with its label."""

    picture: Picture
    rows: tuple[dict[str, Any], ...]


def stock_charts(stock: Mapping[str, Any]) -> dict[str, Chart]:
    """Make the pictures of what is stored: by age in months, by the month it falls due, and the next days."""
    ages = _rows(stock.get("ages"), lambda row: str(row.get("words", "")))
    due = _rows(stock.get("due"), lambda row: month(str(row.get("month", ""))))
    days = _rows(stock.get("next_days"), lambda row: _day(str(row.get("day", ""))))
    return {
        "ages": _chart(ages, ("reads",), "stored"),
        "due": _chart(due, ("reads",), "fall due"),
        "days": _chart(days, ("goes", "held"), "go"),
    }


def day_chart(rows: Any) -> Chart:
    """Make the picture of what a change moves, by the day it is due now."""
    return _chart(_rows(rows, lambda row: _day(str(row.get("day", "")))), ("reads",), "get another day")


def _rows(given: Any, label: Any) -> tuple[dict[str, Any], ...]:
    rows = [dict(row) for row in given[:LONGEST] if isinstance(row, Mapping)] if isinstance(given, Sequence) else []
    for row in rows:
        row["label"] = label(row)
        row["goes"] = max(_count(row, "reads") - _count(row, "held"), 0)
    return tuple(rows)


def _chart(rows: tuple[dict[str, Any], ...], keys: tuple[str, ...], verb: str) -> Chart:
    shown = [Column(row["label"], _words(row, verb), tuple(_count(row, key) for key in keys)) for row in rows]
    return Chart(columns(shown), rows)


def _words(row: Mapping[str, Any], verb: str) -> str:
    held = _count(row, "held")
    kept = f", {number(held)} stay under hold" if held else ""
    if verb == "go":
        return f"{row['label']}: {number(_count(row, 'goes'))} reads go{kept}"
    return f"{row['label']}: {number(_count(row, 'reads'))} reads {verb}{kept}"


def _count(row: Mapping[str, Any], key: str) -> int:
    value = row.get(key)
    return value if isinstance(value, int) and value > 0 else 0


def held_by_ground(holds: Any) -> list[tuple[str, int, int]]:
    """Sum up holds by their ground: words, holds, reads; most reads first."""
    found: dict[str, list[int]] = {}
    for row in holds if isinstance(holds, list) else []:
        sums = found.setdefault(str(row.get("ground_label") or words_of(str(row.get("ground", "")))), [0, 0])
        sums[0] += 1
        sums[1] += _count(row, "reads")
    return sorted(((words, *sums) for words, sums in found.items()), key=lambda one: (-one[2], one[0]))


def _day(code: str) -> str:
    try:
        return f"{date.fromisoformat(code):%b %-d}"
    except ValueError:
        return code
