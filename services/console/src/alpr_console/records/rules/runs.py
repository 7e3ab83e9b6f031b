"""A purge run as its page shows it: how far it is, and what each store answered. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .words import kind, number

UNDER_WAY: Final = frozenset({"planned", "running", "settling"})
_SETTLED: Final = frozenset({"done", "refused", "broken"})
_ANSWERS: Final[Mapping[str, tuple[str, str]]] = {
    "done": ("answered", "good"),
    "waiting": ("waits", "info"),
    "missing": ("no answer", "bad"),
    "left": ("something stayed", "bad"),
    "not_asked": ("not asked", "plain"),
}


def run_progress(run: Mapping[str, Any]) -> tuple[int, int]:
    """Tell how many of a run's days are settled, and of how many."""
    days = run.get("days") or []
    return sum(row.get("state") in _SETTLED for row in days), len(days)


def run_stores(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the stores that a run asks, and what each answered: words, tone, and when."""
    shown = []
    for row in run.get("stores") or []:
        gone, left = (_listed(row.get(name) or {}) for name in ("gone", "left"))
        nothing = "nothing was there" if row.get("answered_at") or row.get("state") == "done" else "–"
        shown.append(
            {
                "store": str(row.get("store", "")),
                "answer": _ANSWERS.get(str(row.get("state", "")), ("waits", "info")),
                "words": (gone or nothing) + (f"; left: {left}" if left else ""),
                "at": row.get("answered_at") or "",
            }
        )
    return shown


def unsettled_images(rows: Any) -> list[Mapping[str, Any]]:
    """Pick the damaged images about which something is to be decided or was decided and no run has gone on yet."""
    found = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    return [row for row in found if row.get("state") in ("open", "declared", "lost") and not row.get("run_id")]


def counted(counts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List counts by kind of record, in words."""
    return [(kind(name), number(count)) for name, count in counts.items() if isinstance(count, int)]


def _listed(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{number(count)} {kind(name).lower()}" for name, count in counts.items() if count)
