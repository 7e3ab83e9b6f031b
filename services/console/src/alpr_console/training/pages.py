"""Courses and who lacks what; one's own training; the policy to be read before anything else."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Query, Request, Response

from alprcore.model import Refused
from alprcore.policy import local_day

from ..web import SignedIn, page_limited, page_person, pages_of, web_of
from . import rules
from .store import Authority, MaySee, TrainingStore

unread = page_limited("POLICY_NOT_READ")


def router(store: TrainingStore, authority: Authority, may_see: MaySee) -> APIRouter:
    """Bind the pages to the store; `authority` says who holds which power, `may_see` who sees others' papers."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/training")
    async def training(
        request: Request, lacks: str = Query(default="", max_length=60), session: SignedIn = Depends(page_person)
    ) -> Response:
        now, person, profile = web_of(request).clock(), session.person, session.profile
        seen = await may_see(person, profile, now)
        if isinstance(seen, Refused):
            return pages_of(request).render(request, "refused.html", session, 403, detail=seen.detail)
        owner, _ = await authority(person, profile, "record_training", "training", now)
        manager, _ = await authority(person, profile, "manage_access", "access", now)
        people = await store.standings(person.agency, now)
        needs: list[dict[str, Any]] = [
            {"activity": need.activity, "tag": need.tag, "categories": need.categories, "context": need.context}
            for need in profile.access.training
        ]
        return pages_of(request).render(
            request, "training/training.html", session, courses=await store.courses(person.agency),
            rows=rules.report(people, profile, now, lacks), lacks=lacks, needs=needs,
            parts=sorted({need.tag for need in profile.access.training}), contexts=rules.CONTEXTS,
            certifications=rules.CERTIFICATIONS, owner=not isinstance(owner, Refused),
            manager=not isinstance(manager, Refused),
            people=[(one["username"], one["full_name"]) for one in people if one["username"] != person.username],
            sessions=await store.sessions(person.agency, now),
            today=local_day(profile, now).isoformat(),
        )  # fmt: skip

    @routes.get("/my-training")
    async def my_training(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        person = session.person
        papers = await store.file_of(person.agency, person.person_id, session.profile, web_of(request).clock())
        return pages_of(request).render(request, "training/mine.html", session, papers=papers)

    @routes.get("/policy")
    async def policy(request: Request, session: SignedIn = Depends(unread)) -> Response:
        now = web_of(request).clock()
        standing = await store.standing(session.person.person_id, now)
        reading = rules.reminder(standing, session.profile, now)
        return pages_of(request).render(
            request, "training/policy.html", session, reading=reading, limited=session.limit is not None
        )

    return routes
