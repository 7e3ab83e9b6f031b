"""Questions about another agency's reads: only under its agreement in force, and told to both agencies' records.

What an agreement permits is judged here, to say no in words, and again by the database at the search itself, which asks
the giver's rows and their stop switch anew (house rule on agencies: a deployment never answers across them without one).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from alprcore.answering import Refusal
from alprcore.model import Person, Refused
from alprcore.plates import normalize
from alprcore.policy import agreement_refused, standing_refusal

from ..store.questions import Agreement
from .answers import refusal_of
from .door import UUID, Ask, Door
from .shapes import Body, read_body

SUBJECT_ACCESS: Final = "subject_access"
"""Purpose of looking for what is kept about a vehicle whose owner asks (CJIS AC-3(14))."""
SUBJECT_ROLES: Final = frozenset({"program_manager", "supervisor"})
VERIFIED_MIN: Final = 3
_NOT_FOR_THIS_ROLE: Final = Refused("SHR-06", "ROLE_NOT_AUTHORISED", "your role does not answer people's questions")


class SubjectBody(Body):
    """A look for a person's own vehicle: the demand it answers, and how it was made sure that it is theirs."""

    demand_id: str = Field(max_length=36)
    plate: str = Field(max_length=32)
    state: str = Field("", max_length=16)
    verified: str = Field(max_length=500)


def agreement_lacks(
    agreement: Agreement | None, purpose_code: str, *, hits: bool = False, images: bool = False
) -> Refused | None:
    """Say why an agreement does not carry a question: there is none, or not for this purpose, hits or images."""
    if agreement is None:
        return Refused("SHR-01", "AGREEMENT_MISSING", "no agreement in force lets you search this agency's reads")
    if purpose_code not in agreement.purposes:
        words = f"the agreement is for {', '.join(agreement.purposes).replace('_', ' ')}, and for nothing else"
        return Refused("SHR-01", "AGREEMENT_PURPOSE", words)
    if hits and not agreement.with_hits:
        return Refused("SHR-01", "AGREEMENT_NO_HITS", "the agreement gives reads, and not what was on a list")
    if images and not agreement.with_images:
        return Refused("SHR-01", "AGREEMENT_NO_IMAGES", "the agreement gives reads without their images")
    return None


async def agreed(
    door: Door,
    person: Person,
    agency: str,
    purpose_code: str,
    *,
    hits: bool = False,
    images: bool = False,
    asked: Mapping[str, Any] | None = None,
) -> Agreement | None:
    """Find the agreement that a question to another agency rests on; None for the person's own agency.

    Of several, the first that carries the question. Raises `Refusal` 403 when none does.
    """
    if agency in ("", person.agency):
        return None
    offered = [one for one in await _offered(door, person) if one.giver == agency]
    lacking = [agreement_lacks(one, purpose_code, hits=hits, images=images) for one in offered]
    for one, lack in zip(offered, lacking, strict=True):
        if lack is None:
            return one
    lack = next(iter(lacking), None) or agreement_lacks(None, purpose_code)
    if lack is None:
        raise ValueError("an agreement that is missing is always lacking")
    raise Refusal(403, lack.reason_code, lack.detail, person=person, asked=asked)


async def _offered(door: Door, person: Person) -> list[Agreement]:
    """List the agreements in force that the givers' policies permit today; where a policy is not known, none."""
    found = [(one, door.profiles.get(one.giver)) for one in await door.questions.agreements(person.agency)]
    return [
        one for one, giver in found
        if giver is not None and agreement_refused(giver, one.party_kind, one.party_state, one.purposes) is None
    ]  # fmt: skip


def router(door: Door) -> APIRouter:
    """Bind the route to the door."""
    routes = APIRouter()

    @routes.post("/v1/subject-lookups")
    async def post_lookup(request: Request) -> JSONResponse:
        """Whether reads of a person's vehicle are kept, and until when: counts and days, nothing else of any read.

        Only for a demand of that person which the agency has recorded and not answered yet; the database looks for it.
        """
        person = door.person(request)
        await door.count(person, "queries", "agency_queries")
        body: SubjectBody = await read_body(request, SubjectBody, person)
        lost = standing_refusal(person, door.profile(person))
        if lost is not None or SUBJECT_ROLES.isdisjoint(person.roles):
            raise refusal_of(lost or _NOT_FOR_THIS_ROLE, person)
        plate = normalize(body.plate).reveal()
        if not plate or not UUID.fullmatch(body.demand_id):
            raise Refusal(422, "CRITERIA_INVALID", "plate and demand_id: of the demand", person=person)
        if len(body.verified.strip()) < VERIFIED_MIN:
            words = "verified: how it was made sure that the vehicle is the requester's"
            raise Refusal(422, "IDENTITY_NOT_VERIFIED", words, person=person)
        criteria = {"plate": plate, "state": body.state.upper(), "demand_id": body.demand_id.lower()}
        reasons = {"purpose_code": SUBJECT_ACCESS, "justification": body.verified.strip()}
        ask = Ask(
            kind="query",
            act="subject",
            search={name: value for name, value in criteria.items() if value},
            facts={
                "purpose_code": SUBJECT_ACCESS,
                "case_number": "none",
                "subject": criteria["demand_id"],
                "elements": sorted(name for name, value in criteria.items() if value),
            },
            personal={"criteria": {name: value for name, value in criteria.items() if value}, "reasons": reasons},
        )
        intent, began = await door.intend(person, ask), time.monotonic()
        (answer,) = await door.fetch(person, ask, intent)
        spent = time.monotonic() - began
        result = await door.conclude(person, ask, intent, [], spent, {"subject_reads": answer["reads"]})
        return JSONResponse({"entry": intent.index, **answer, "receipt": await door.receipt(intent, result)})

    @routes.get("/v1/shared-agencies")
    async def get_agencies(request: Request) -> JSONResponse:
        """Whose reads this person's agency may search besides its own; says nothing of any read."""
        person = door.person(request)
        offered = await _offered(door, person)
        names = {agency: profile.name for agency, profile in door.profiles.items()}
        return JSONResponse(
            {
                "agencies": [
                    {
                        "agency": one.giver,
                        "name": names.get(one.giver, one.giver),
                        "agreement_id": one.agreement_id,
                        "purposes": list(one.purposes),
                        "images": one.with_images,
                        "hits": one.with_hits,
                        "expires_at": one.expires_at.isoformat(),
                    }
                    for one in offered
                ]
            }
        )

    return routes
