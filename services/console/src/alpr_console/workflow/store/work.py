"""One work as it stands: every hit of its incident, what was done, who looks; and what else happens with a step."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from alprcore.model import ClientKind, DeviceKind, Hit, Person, StateMatch
from alprcore.policy import AgencyProfile
from alprcore.workflow import Scene, Work

from .. import rules

Tell = Callable[[Any, str, str, datetime], Awaitable[None]]
"""Lets every screen redraw a hit: connection, agency, hit, now."""
HitOf = Callable[[Any, str, str], Awaitable[Hit | None]]
"""Gives a hit as it came."""
SignedOn = Callable[[Any, str], Awaitable[Sequence[Any]]]
"""Gives the field clients that are signed on, each with `client_id` and `client_kind`."""
CallOpened = Callable[[Any, Person, str, Mapping[str, str], datetime], Awaitable[None]]
"""Hears of a new call for service, in its transaction: connection, person, hit, call, now."""
Changed = Callable[[Any, Person, str, str, Mapping[str, str], datetime], Awaitable[None]]
"""Hears what changed in the work on a hit, in its transaction: connection, person, hit, change, facts, now."""
DueAt = Callable[[Mapping[str, Any], AgencyProfile], datetime]
"""Tells when a hit's record falls due."""
REPEATED_WITHIN: Final = timedelta(minutes=5)
"""The same step by the same person with nothing of theirs in between is the same call, sent again."""
_EVERYBODY: Final = frozenset({"dispatcher", "officer", "investigator", "supervisor"})


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the work on a hit needs of others, and who hears of it."""

    tell: Tell
    hit_of: HitOf
    signed_on: SignedOn
    call_opened: CallOpened
    changed: Changed
    due_at: DueAt


@dataclass(frozen=True, slots=True)
class Standing:
    """A work as it stands. `card` is the hit that was asked for, `first` that of the incident's first sighting, whose
    device sets the sequence; `rows` are the steps as stored, oldest first; `tasks` the stored duties.
    """

    hit_id: str
    work_id: str
    card: Mapping[str, Any]
    first: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]
    scene: Scene
    work: Work
    tasks: tuple[Mapping[str, Any], ...] = ()

    @property
    def next_no(self) -> int:
        """The number of the next step."""
        return max((row["step_no"] for row in self.rows), default=0) + 1

    def row(self, step_id: str, step: str) -> Mapping[str, Any] | None:
        """Find one step of the work by its id."""
        return next((row for row in self.rows if row["step_id"] == step_id and row["step"] == step), None)


async def standing(
    connection: Any,
    queries: Mapping[str, str],
    agency: str,
    hit_id: str,
    now: datetime,
    live_for: timedelta,
    client_kind: ClientKind = ClientKind.DISPATCH_CONSOLE,
    roles: frozenset[str] = _EVERYBODY,
    *,
    lock: bool = True,
) -> Standing | None:
    """Read how the work of a hit stands, with `lock` so that it stands still until the transaction ends; None: no such
    hit, or it is older than a day and nobody works on it.

    A hit on which work has begun stays until its work is over, or the console's copy of it goes.
    """
    work_id, locked = await connection.fetchval(queries["work_of"], agency, hit_id), ""
    while lock and work_id != locked:  # a hit may have joined another work before the lock was held
        locked = work_id
        await connection.execute(queries["lock_work"], locked)
        work_id = await connection.fetchval(queries["work_of"], agency, hit_id)
    found = {row["hit_id"]: row for row in await connection.fetch(
        queries["cards_of"], agency, [hit_id, work_id], now - live_for
    )}  # fmt: skip
    if hit_id not in found or not found[hit_id]["live"]:
        return None
    card = json.loads(found[hit_id]["card"])
    first = json.loads(found[work_id]["card"]) if work_id in found else card
    rows = tuple(_row(row) for row in await connection.fetch(queries["steps"], agency, [work_id]))
    shown_at = await connection.fetchval(queries["shown_at"], agency, work_id, [hit_id, work_id])
    scene = scene_of(first, client_kind, roles, shown_at)
    corrected = [row["given"].get("corrected_text", "") for row in rows if row["step"] == "read_check"]
    plates = tuple({one: None for one in (*_plates(card), *_plates(first), *corrected) if one})
    return Standing(
        hit_id, work_id, card, first, rows, replace(scene, plates=plates), work_from(first, rows),
        tuple(dict(row) for row in await connection.fetch(queries["tasks"], agency, [work_id])),
    )  # fmt: skip


def _plates(card: Mapping[str, Any]) -> tuple[str, str]:
    return card["plate"], card["entry_plate"]


def scene_of(
    card: Mapping[str, Any],
    client_kind: ClientKind = ClientKind.DISPATCH_CONSOLE,
    roles: frozenset[str] = _EVERYBODY,
    shown_at: datetime | None = None,
) -> Scene:
    """Make the scene of a hit for whoever acts; a hit that no screen has shown counts from its match (HIT-19)."""
    words = (card["plate"], card["entry_plate"], card["reason_words"], card["advisory_words"], card["list_name"])
    return Scene(
        DeviceKind(card["device_kind"]), client_kind, roles, card["reason"], card["advisory_class"],
        shown_at or datetime.fromisoformat(card["matched_at"]), tuple(word for word in words if word),
        state_match=StateMatch(card["state_match"]),
    )  # fmt: skip


def work_from(card: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Work:
    """Make the work of its steps as stored, oldest first."""
    closed = next((row["done_at"] for row in rows if row["step"] == "closure"), None)
    withdrawn = datetime.fromisoformat(card["withdrawn_at"]) if card.get("withdrawn_at") else None
    done = tuple(rules.from_row(row) for row in rows if row["step"] != "closure")
    return Work(done, withdrawn_at=withdrawn, closed_at=closed)


def with_step(found: Standing, row: Mapping[str, Any]) -> Standing:
    """Give the work with one more step."""
    rows = (*found.rows, row)
    return replace(found, rows=rows, work=work_from(found.first, rows))


def _row(row: Any) -> dict[str, Any]:
    state = json.loads(row["call_state"]) if row["call_state"] else None
    return {**dict(row), "given": json.loads(row["given"]), "call_state": state}


def rows_by_work(rows: Sequence[Any]) -> dict[str, list[dict[str, Any]]]:
    """Sort the steps of several works by work."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["work_id"], []).append(_row(row))
    return found


async def nobody(_connection: Any, _agency: str) -> Sequence[Any]:
    """Tell that no field client is signed on."""
    return ()


async def no_change(*_: Any) -> None:
    """Hear of nothing."""


def repeated(
    found: Standing, person: Person, step: str, content: Mapping[str, Any], reason: str, now: datetime
) -> Mapping[str, Any] | None:
    """Find the step that this call repeats: the newest thing this person did on the work, the same, minutes ago."""
    last = next((row for row in reversed(found.rows) if row["person_id"] == person.person_id), None)
    if last is None or now - last["done_at"] > REPEATED_WITHIN:
        return None
    said = " ".join(reason.split())
    same = (last["step"], last["given"], last["hit_id"]) == (step, json.loads(json.dumps(content)), found.hit_id)
    return last if same and (not said or said == last["override_reason"]) else None
