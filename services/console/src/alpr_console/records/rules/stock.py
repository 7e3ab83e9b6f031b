"""What is stored, by age and by the month and day it falls due, and what is held, as pictures and as tables. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from .pictures import Column, Picture, columns
from .words import month, number, words_of

LONGEST: Final = 366
"""Columns that one picture shows at most: a year of days, and 5 years of months with room."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture and the rows it was made of: label and count."""

    picture: Picture
    rows: tuple[tuple[str, int], ...]


def stock_charts(stock: Mapping[str, Any]) -> dict[str, Chart]:
    """Make the pictures of what is stored: by age, by the month it falls due, and the next days."""
    return {
        "ages": _chart(stock.get("ages"), lambda row: str(row.get("words", "")), "stored"),
        "due": _chart(stock.get("due"), lambda row: month(str(row.get("month", ""))), "fall due"),
        "days": _chart(stock.get("next_days"), _day, "fall due"),
    }


def day_chart(rows: Any) -> Chart:
    """Make the picture of what a change moves, by the day it is due now."""
    return _chart(rows, lambda row: _day(row, "%b %-d, %Y"), "get another day")


@dataclass(frozen=True, slots=True)
class Held:
    """What the holds in force on one ground keep; `uncounted` of them were placed a moment ago."""

    words: str
    holds: int
    reads: int
    uncounted: int


def held_by_ground(stock: Mapping[str, Any], grounds: Any) -> list[Held] | None:
    """Name what the holds in force cover, by ground, in the words of `grounds`; None where the door does not say.

    A hold that waits for a confirmation or for its release binds as every other does and is counted here (RET-07).
    """
    if not isinstance(stock.get("holds"), list):
        return None
    labels = {str(row.get("code")): str(row.get("label")) for row in _listed(grounds) if row.get("label")}
    found = []
    for row in _listed(stock["holds"]):
        code = str(row.get("ground", ""))
        found.append(
            Held(labels.get(code) or words_of(code), _count(row, "holds"), _count(row), _count(row, "uncounted"))
        )
    return sorted(found, key=lambda one: (-one.reads, one.words))


def _chart(given: Any, label: Callable[[Mapping[str, Any]], str], verb: str) -> Chart:
    rows = tuple((label(row), _count(row)) for row in _listed(given)[:LONGEST])
    return Chart(columns([Column(name, f"{name}: {number(count)} reads {verb}", count) for name, count in rows]), rows)


def _listed(given: Any) -> list[Mapping[str, Any]]:
    return [row for row in given if isinstance(row, Mapping)] if isinstance(given, list) else []


def _count(row: Mapping[str, Any], name: str = "reads") -> int:
    value = row.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def _day(row: Mapping[str, Any], form: str = "%b %-d") -> str:
    code = str(row.get("day", ""))
    try:
        return date.fromisoformat(code).strftime(form)
    except ValueError:
        return code
