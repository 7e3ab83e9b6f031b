"""The schedule as its page shows it: periods, clock, approvals, and what a change changes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .words import words_of

_NAMES: Final = (
    ("mode", "Kind of rule"),
    ("fixed", "Fixed devices"),
    ("mobile", "Vehicles"),
    ("hits", "Reads that made a hit"),
    ("clock", "Counted from"),
    ("statute", "Under the statute"),
    ("backup_window_days", "Backups expire after"),
)
_VALUES: Final[Mapping[tuple[str, str], str]] = {
    ("mode", "minimum"): "at least, then purged",
    ("mode", "fixed"): "exactly, then purged",
    ("clock", "captured"): "the capture",
    ("clock", "received"): "the arrival at the server",
    ("hits", ""): "as all others",
}


def schedule_facts(rule: Mapping[str, Any], schedule: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List what is in force, in words; what the rule does not name is left out."""
    facts = [
        (words, _value(name, rule[name])) for name, words in _NAMES if name in rule and (rule[name] or name == "hits")
    ]
    if schedule.get("floor_years"):
        facts.append(("Never shorter than", f"{schedule['floor_years']} year"))
    elif schedule.get("floor"):
        facts.append(("Never shorter than", str(schedule["floor"])))
    return facts


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List what a change changes: from what to what."""
    names = dict(_NAMES)
    keys = [
        name
        for name in (*before, *(name for name in after if name not in before))
        if before.get(name) != after.get(name)
    ]
    return [
        (names.get(name, words_of(name)), f"{_value(name, before.get(name))} → {_value(name, after.get(name))}")
        for name in keys
    ]


def _value(name: str, value: Any) -> str:
    if isinstance(value, list):
        return (
            ", ".join(str(row.get("period", "")) if isinstance(row, Mapping) else str(row) for row in value) or "none"
        )
    if name == "backup_window_days":
        return f"{value} days"
    text = "" if value is None else str(value)
    return _VALUES.get((name, text), text or "–")
