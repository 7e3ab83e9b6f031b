"""What a hold covers, for those who pack it up, and what is in the evidence room by then (RET-12)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from alprcore.model import Person

from ...telling import Outbox
from .. import rules
from .rows import QUERIES, scope_of


async def covered(connection: Any, agency: str, hold_id: str, limit: int) -> list[tuple[str, date]]:
    """Up to `limit` reads that a live hold covers now, each with the day on which it lies.

    Raises `LookupError` when the agency has no such live hold.
    """
    if await connection.fetchrow(QUERIES["live"], agency, UUID(hold_id)) is None:
        raise LookupError(hold_id)
    rows = await connection.fetch(QUERIES["covered"], agency, UUID(hold_id), limit)
    return [(str(row["read_id"]), row["due_day"]) for row in rows]


async def hold_facts(connection: Any, agency: str, hold_id: str) -> dict[str, Any]:
    """What stands on the cover of a hold's package. Raises `LookupError` for no such live hold."""
    row = await connection.fetchrow(QUERIES["live"], agency, UUID(hold_id))
    if row is None:
        raise LookupError(hold_id)
    return {
        "hold_id": hold_id,
        "state": row["state"],
        "ground": row["ground"],
        "ground_label": rules.GROUNDS.get(row["ground"], row["ground"]),
        "case_reference": row["case_reference"],
        "case_number": row["case_number"],
        "court_reference": row["court_reference"],
        "placed_by": row["placed_by"],
        "placed_by_name": row["placed_name"],
        "placed_at": row["placed_at"],
        "covers": rules.words_of(scope_of(row)),
        "dvd": json.loads(row["dvd"]) if row["dvd"] else None,
    }


async def booked(
    outbox: Outbox,
    connection: Any,
    agency: str,
    hold_id: str,
    read_ids: Sequence[str],
    package_id: str,
    booking_number: str,
    person: Person,
    now: datetime,
) -> bool:
    """Note that these reads lie in the evidence room: this hold keeps them here no longer.

    Answers whether the hold ended with it: when nothing more can come under it and all of it is booked.
    """
    row = await connection.fetchrow(QUERIES["live"], agency, UUID(hold_id))
    if row is None:
        return False
    named = [UUID(read) for read in read_ids]
    await connection.execute(QUERIES["note_booked"], UUID(hold_id), agency, named, package_id, booking_number, now)
    left = await connection.fetch(QUERIES["covered"], agency, UUID(hold_id), 1)
    ended = not left and rules.closed(scope_of(row), now)
    if ended:
        args = (agency, UUID(hold_id), now, rules.BOOKED, person.person_id, person.full_name)
        await connection.execute(QUERIES["end"], *args)
    act, note = "ended" if ended else "booked", f"{len(read_ids)} reads booked into evidence"
    args_of_act = (UUID(hold_id), agency, act, now, person.person_id, person.full_name, note)
    await connection.execute(QUERIES["add_act"], *args_of_act)
    facts = {"hold_id": hold_id, "package_id": package_id, "reads": str(len(read_ids)), "ended": str(ended).lower()}
    await outbox.record(connection, person, "hold_booked", hold_id, package_id, now, facts=facts)
    return ended


async def note_images(
    connection: Any, agency: str, hold_ids: Sequence[UUID], act: str, person: Person | None, note: str, now: datetime
) -> None:
    """Write into the story of holds what became of an image that they keep; `person` None: this service found it."""
    by = (person.person_id, person.full_name) if person else ("retention", "retention")
    for hold_id in hold_ids:
        await connection.execute(QUERIES["add_act"], hold_id, agency, act, now, *by, note)
