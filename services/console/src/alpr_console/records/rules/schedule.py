"""The schedule as its page shows it: periods, clock, limits, and what a change changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .words import words_of

_NAMES: Final[Mapping[str, str]] = {
    "mode": "Kind of rule",
    "period_fixed": "Fixed devices",
    "period_mobile": "Vehicles",
    "period_trailer": "Trailers",
    "period_hits": "Reads that made a hit",
    "fixed": "Fixed devices, by the policy",
    "mobile": "Vehicles, by the policy",
    "hits": "Reads that made a hit",
    "clock": "Counted from",
    "schedule_required": "Records schedule required",
    "schedule": "Records schedule",
    "statute": "Under the statute",
}
_SHOWN: Final = ("mode", "period_fixed", "period_mobile", "period_trailer", "period_hits", "clock", "statute")
_VALUES: Final[Mapping[tuple[str, str], str]] = {
    ("mode", "minimum"): "at least, then purged",
    ("mode", "fixed"): "exactly, then purged",
    ("clock", "captured"): "the capture",
    ("clock", "received"): "the arrival at the server",
    ("period_hits", ""): "as all others",
    ("hits", ""): "as all others",
    ("schedule_required", "True"): "yes",
    ("schedule_required", "False"): "no",
}


def schedule_facts(rule: Mapping[str, Any], schedule: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List what is in force, in words; what the rule does not name is left out."""
    said = [name for name in _SHOWN if name in rule and (rule[name] or name == "period_hits")]
    facts = [(_NAMES[name], _value(name, rule[name])) for name in said]
    for name, words in (("floor_years", "Never shorter than"), ("longest_years", "Never longer than")):
        if isinstance(schedule.get(name), int):
            facts.append((words, f"{schedule[name]} year{'' if schedule[name] == 1 else 's'}"))
    return facts


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List what a change changes: from what to what."""
    keys = [name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)]
    return [
        (_NAMES.get(name, words_of(name)), f"{_value(name, before.get(name))} → {_value(name, after.get(name))}")
        for name in keys
    ]


def _value(name: str, value: Any) -> str:
    if isinstance(value, list):
        entries = [str(row.get("period", "")) if isinstance(row, Mapping) else str(row) for row in value]
        return ", ".join(entries) or "none"
    text = "" if value is None else str(value)
    return _VALUES.get((name, text), text or "–")
