"""From a posted question to the one that the ledger keeps and PostgreSQL executes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from alprcore.answering import Refusal
from alprcore.model import Person, Refused
from alprcore.plates import lookalike_positions, normalize, skeleton
from alprcore.policy import Criteria, Known, Query, approval_lacks, by_place, case_number_state, may_query

from ..store.questions import Agreement
from .answers import refusal_of
from .door import UUID, Answered, Ask, Door
from .shapes import QueryBody, SourceSystem, in_utc


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
        fields["after"] = {"captured_at": _moment(captured_at), "read_id": read_id}
        if not UUID.fullmatch(read_id):
            raise ValueError("after")
    return {**{name: value for name, value in fields.items() if value}, "limit": limit}


def _moment(text: str) -> str:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("after")
    return in_utc(moment).isoformat()


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


def put(
    door: Door, kind: str, body: QueryBody, person: Person, known: Known, agreement: Agreement | None = None
) -> tuple[Ask, Query]:
    """Judge a posted question by the policy and make it ready for the ledger; raises `Refusal`.

    `agreement` is what a question to another agency rests on.
    """
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
        if kind == "hit_query" or query.after or agreement is not None:
            raise Refusal(422, "CRITERIA_INVALID", "LEARN answers one page of own reads", person=person, asked=asked)
    case = case_number_state(query, profile)
    facts: dict[str, Any] = {
        "purpose_code": query.purpose_code,
        "offense_code": query.offense_code,
        "case_number": case,
        "elements": elements_of(asked["criteria"]),
    }
    more_facts, approvers = rests_on(known, query, person, door.clock())
    personal = {
        **asked,
        "limit": query.limit,
        "after": query.after,
        "on_behalf_of": body.on_behalf_of,
        **approvers,
    }
    if case == "due" and not query.after:
        personal["case_number"] = "due"
    giver, agreement_id = (agreement.giver, agreement.agreement_id) if agreement is not None else ("", "")
    ask = Ask(kind, act, search, {**facts, **more_facts}, personal, body.source.value, giver, agreement_id)
    return ask, query


def rests_on(known: Known, query: Query, person: Person, now: datetime) -> tuple[dict[str, Any], dict[str, Any]]:
    """Name the approvals that a question rests on, and who gave them; one named in vain is left out."""
    held = [one for one in known.approvals if not approval_lacks(one, person, now, case_number=query.case_number)]
    numbers = {"approval_ids": sorted(one.approval_id for one in held)} if held else {}
    return numbers, {"supervisor_id": ", ".join(dict.fromkeys(one.approved_by for one in held))}


async def known_of(door: Door, body: QueryBody, person: Person) -> Known:
    """Look up what the policy must know beside the question: named approvals, events, where fixed devices stand.

    Events and devices are those of the agency whose reads are asked for.
    """
    owner = body.agency or person.agency
    approvals = await door.questions.approvals_named(body.approvals(), person.agency)
    criteria = body.criteria.criteria(person)
    if not by_place(criteria):
        return Known(approvals)
    events = await door.questions.events(owner, criteria)
    positions = {name: point for name, point in door.devices(owner).items() if point is not None}
    return Known(approvals, events, positions)


def rows_of(answered: Answered, ask: Ask, plate: str) -> list[dict[str, Any]]:
    """The rows as they leave: each says its source and how it answers the plate asked for."""
    return [
        {**row, "source_system": ask.source, "match": match_of(ask.search, plate, row["plate"])}
        for row in answered.rows
    ]
