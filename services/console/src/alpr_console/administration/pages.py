"""People, one person, assignments and delegations, access reviews."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response

from alprcore.model import Refused
from alprcore.policy import ROLES, SOURCES, AgencyProfile

from ..web import REVIEW, SignedIn, page_limited, page_person, pages_of, web_of
from . import rules
from .store import AdministrationStore

reviewing: Final = Depends(page_limited(REVIEW))
FileOf = Callable[[str, str, AgencyProfile, datetime], Awaitable[dict[str, Any]]]
"""What a person's papers cover and lack, and the papers themselves (training/)."""


def router(store: AdministrationStore, file_of: FileOf) -> APIRouter:
    """Bind the pages to the store; `file_of` reads a person's papers."""
    routes = APIRouter(include_in_schema=False)

    async def refused(request: Request, session: SignedIn) -> Response | None:
        decision = await store.may_see(session.person, session.profile, web_of(request).clock())
        if not isinstance(decision, Refused):
            return None
        return pages_of(request).render(request, "refused.html", session, 403, detail=decision.detail)

    async def manages(request: Request, session: SignedIn, power: str = "manage_access") -> bool:
        now = web_of(request).clock()
        decision, _ = await store.authority(session.person, session.profile, power, "access", now)
        return not isinstance(decision, Refused)

    def choices(profile: AgencyProfile) -> dict[str, Any]:
        categories = profile.access.categories or rules.CATEGORIES
        governance = profile.governance
        return {
            "categories": [(one, one.replace("_", " ")) for one in categories],
            "titles": [(one, one) for one in (*governance.titles, *governance.contractor_titles)],
            "role_choices": [(one, profile.role_title(one)) for one in sorted(ROLES)],
        }

    @routes.get("/people")
    async def people(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        if page := await refused(request, session):
            return page
        accounts = await store.accounts(session.person.agency)
        return pages_of(request).render(
            request, "administration/people.html", session, accounts=accounts,
            manages=await manages(request, session), **choices(session.profile),
        )  # fmt: skip

    @routes.get("/people/{username}")
    async def person(request: Request, username: str, session: SignedIn = Depends(page_person)) -> Response:
        if page := await refused(request, session):
            return page
        account = await store.account(session.person.agency, username)
        if account is None:
            return pages_of(request).render(request, "refused.html", session, 404, detail="there is no such account")
        now = web_of(request).clock()
        papers = await file_of(session.person.agency, account["person_id"], session.profile, now)
        title = rules.title_refusal(account["category"], account["job_title"], session.profile)
        return pages_of(request).render(
            request, "administration/person.html", session, account=account, papers=papers,
            title_refusal=title.detail if title else "", manages=await manages(request, session),
            grants_sources=await manages(request, session, "grant_sources"), sources=sorted(SOURCES),
            own=account["person_id"] == session.person.person_id, **choices(session.profile),
        )  # fmt: skip

    @routes.get("/people-assignments")
    async def assignments(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        if page := await refused(request, session):
            return page
        agency, now = session.person.agency, web_of(request).clock()
        owns = "program_manager" in session.person.roles
        powers = [one for one in rules.POWERS if owns and "program_manager" in rules.power_owners(one, session.profile)]
        return pages_of(request).render(
            request, "administration/assignments.html", session, moment_now=now,
            assignments=await store.assignments(agency), delegations=await store.delegations(agency),
            assigns=await manages(request, session, "assign_people"), powers=powers, scopes=rules.SCOPES,
            people=[(one["username"], one["full_name"]) for one in await store.accounts(agency)
                    if one["state"] == "active" and one["person_id"] != session.person.person_id],
        )  # fmt: skip

    @routes.get("/people-reviews")
    async def reviews(request: Request, session: SignedIn = reviewing) -> Response:
        if page := await refused(request, session):
            return page
        cycles = await store.cycles(session.person.agency)
        return pages_of(request).render(
            request, "administration/reviews.html", session, cycles=cycles, cycle=None, rows=(),
            manages=await manages(request, session), quarterly=session.profile.access.review_quarterly,
        )  # fmt: skip

    @routes.get("/people-reviews/{cycle_id}")
    async def review(request: Request, cycle_id: str, session: SignedIn = reviewing) -> Response:
        if page := await refused(request, session):
            return page
        cycles = await store.cycles(session.person.agency)
        cycle = next((one for one in cycles if one["cycle_id"] == cycle_id), None)
        if cycle is None:
            return pages_of(request).render(request, "refused.html", session, 404, detail="there is no such review")
        rows = await store.cycle_accounts(session.person.agency, cycle_id)
        person, now = session.person, web_of(request).clock()
        sole = await store.sole_manager(person.agency, person.person_id, session.profile, now)
        return pages_of(request).render(
            request, "administration/reviews.html", session, cycles=cycles, cycle=cycle, rows=rows, sole=sole,
            manages=await manages(request, session), quarterly=session.profile.access.review_quarterly,
        )  # fmt: skip

    return routes
