"""From a posted question to the one that the ledger keeps and PostgreSQL executes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from alprcore.model import Person, Refused
from alprcore.plates import lookalike_positions, normalize, skeleton
from alprcore.policy import Criteria, Known, Query, approval_lacks, by_place, case_number_state, may_query

from .answers import Refusal, refusal_of
from .door import Answered, Ask, Door
from .shapes import QueryBody, SourceSystem

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def search_of(criteria: Criteria, limit: int, after: str) -> dict[str, Any]:
    """Lay out the search that PostgreSQL executes; raises `ValueError` for an `after` that no answer gave."""
    plate, pattern = normalize(criteria.plate).reveal(), criteria.partial.upper()
    folded = criteria.lookalike
    when = (criteria.captured_from, criteria.captured_to)
    bounds = criteria.bounds()
    corners = ",".join(f"({longitude!r},{latitude!r})" for latitude, longitude in criteria.polygon)
    fields: dict[str, Any] = {
        "skeleton" if folded else "plate": skeleton(plate) if folded else plate,
        "partial_skeleton" if folded else "partial": skeleton(pattern) if folded else pattern,
        "state": criteria.state.upper(),
        "captured_from": when[0].isoformat() if when[0] else "",
        "captured_to": when[1].isoformat() if when[1] else "",
        "area": asdict(bounds) if bounds else None,
        "polygon": f"({corners})" if corners else "",
        "device_ids": list(criteria.device_ids),
        "list_code": criteria.list_code,
        "read_id": criteria.read_id,
    }
    if after:
        captured_at, _, read_id = after.partition("/")
        if datetime.fromisoformat(captured_at).tzinfo is None or not _UUID.fullmatch(read_id):
            raise ValueError("after")
        fields["after"] = {"captured_at": captured_at, "read_id": read_id}
    return {**{name: value for name, value in fields.items() if value}, "limit": limit}


def elements_of(criteria: Mapping[str, Any]) -> list[str]:
    """Name the elements that formed a question, without their values (QRY-05)."""
    return sorted(name for name, value in criteria.items() if value)


def match_of(search: Mapping[str, Any], asked_plate: str, plate: str) -> dict[str, Any]:
    """Say how a row answers the plate asked for: exactly, by look-alikes at these positions, by a pattern, or not."""
    if "partial" in search or "partial_skeleton" in search:
        return {"kind": "partial", "positions": []}
    if not asked_plate:
        return {"kind": "none", "positions": []}
    positions = lookalike_positions(plate, asked_plate)
    return {"kind": "lookalike" if positions else "exact", "positions": list(positions or ())}


def put(door: Door, kind: str, body: QueryBody, person: Person, known: Known) -> tuple[Ask, Query]:
    """Judge a posted question by the policy and make it ready for the ledger; raises `Refusal`."""
    asked = body.asked()
    profile = door.profile(person)
    query = body.query(person)
    if body.criteria.plate and not query.criteria.plate:
        raise Refusal(422, "CRITERIA_INVALID", "plate: no letter or digit", person=person, asked=asked)
    decision = may_query(query, person, profile, door.clock(), known)
    if isinstance(decision, Refused):
        raise refusal_of(decision, person, asked)
    try:
        search = search_of(query.criteria, query.limit, query.after)
    except ValueError:
        raise Refusal(
            422, "CRITERIA_INVALID", "after: not the `next` of an answer", person=person, asked=asked
        ) from None
    act = "hits" if kind == "hit_query" else "search"
    if body.source is SourceSystem.LEARN:
        act = "learn"
        if door.learn is None or not door.learn.serves(person.agency):
            raise Refusal(422, "SOURCE_NOT_CONFIGURED", "no LEARN tenant is set up", person=person, asked=asked)
        if kind == "hit_query" or query.after:
            raise Refusal(422, "CRITERIA_INVALID", "LEARN answers one page of reads", person=person, asked=asked)
    case = case_number_state(query, profile)
    facts: dict[str, Any] = {
        "purpose_code": query.purpose_code,
        "offense_code": query.offense_code,
        "case_number": case,
        "elements": elements_of(asked["criteria"]),
    }
    approval = known.approval
    if approval and approval_lacks(approval, approval.kind, person, door.clock(), event_id=approval.event_id):
        approval = None  # named, but not what this question rests on
    if approval is not None:
        facts["approval_id"] = approval.approval_id
    personal = {
        **asked,
        "limit": query.limit,
        "after": query.after,
        "on_behalf_of": body.on_behalf_of,
        "supervisor_id": approval.approved_by if approval else "",
    }
    if case == "due" and not query.after:
        personal["case_number"] = "due"
    return Ask(kind, act, search, facts, personal, body.source.value), query


async def known_of(door: Door, body: QueryBody, person: Person) -> Known:
    """Look up what the policy must know beside the question: the named approval, events, where fixed devices stand."""
    approval = None
    if body.approval_id is not None:
        approval = await door.questions.approval(body.approval_id, person.agency)
    if not by_place(body.criteria.criteria(person)):
        return Known(approval)
    events = await door.questions.events(person.agency)
    positions = {name: point for name, point in door.devices(person.agency).items() if point is not None}
    return Known(approval, tuple(events), positions)


def rows_of(answered: Answered, ask: Ask, plate: str) -> list[dict[str, Any]]:
    """The rows as they leave: each says its source and how it answers the plate asked for."""
    return [
        {**row, "source_system": ask.source, "match": match_of(ask.search, plate, row["plate"])}
        for row in answered.rows
    ]
