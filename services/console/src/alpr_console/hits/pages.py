"""The live page: queue and detail in one screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from alprcore.model import Decision, Person, Refused
from alprcore.workflow import may_watch

from ..web import SignedIn, page_person, pages_of, web_of
from . import rules

SHORTCUTS: Final = (
    ("N", "The hit that waits: the gravest, then the oldest"),
    ("J K", "Next and previous hit"),
    ("Q", "Into the queue"),
    ("A", "Acknowledge the hit on the screen"),
    ("S", "Next open step: its form opens, the first field has the focus"),
    ("1 … 9", "A step by its number"),
    ("V", "The close-up, larger"),
    ("R", "The broadcast, to read aloud"),
    ("C", "Close the hit"),
    ("O", "Take the hit over"),
    ("H", "Shift: hand over, exercise"),
    ("/", "Search past reads of this plate"),
    ("T", "Test tones"),
    ("M", "Mute, and unmute"),
    ("Esc", "Leave a field or a dialog"),
    ("Ctrl+Enter", "Send the form one is in"),
    ("?", "This list"),
)
"""The keys of the live page, each with its words, for the page's own list and for `/design`."""
COLORS: Final = (
    ("ink", "Text"), ("dim", "Beside it"), ("bg", "Ground"), ("surface", "Surface"), ("line", "Quiet line"),
    ("accent", "To press, chosen"), ("high", "High priority, refused"), ("medium", "Medium priority, doubtful"),
    ("information", "Information"), ("good", "Done, in order"), ("drill", "Exercise"),
)  # fmt: skip
"""The tokens that carry a meaning, each with it."""
PRIORITIES: Final = (
    ("high", "Felony vehicle", "High: persons in danger or dangerous. Six rising tones; breaks through a mute."),
    ("medium", "Stolen vehicle", "Medium: to be worked now. Two rising tones."),
    ("information", "Information only", "Information: no basis for a stop. One low tone."),
)
STEPS: Final = (
    ("done", "✓", "Done", "by whom, at what time"),
    ("open", "2", "To be done now", "its form opens by its number"),
    ("waiting", "3", "Waits for another step", "which one is said"),
    ("left_out", "–", "Left out", "with a reason, which is recorded"),
)
"""How a step stands, as the checklist shows it."""


def router(may_own: Callable[[Person], Decision], first: Callable[[SignedIn], str]) -> APIRouter:
    """Give the pages; `may_own` says who may have hits of one's own, `first` where a person begins who sees no hits."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def start(session: SignedIn = Depends(page_person)) -> Response:
        if session.client_id:
            return RedirectResponse("/unit", 303)
        refused = isinstance(may_watch(session.person), Refused)
        return RedirectResponse(first(session) if refused else "/hits", 303)

    @routes.get("/hits")
    async def live(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        if session.client_id:  # a vehicle or a desktop is told on its own page
            return RedirectResponse("/unit", 303)
        decision = may_watch(session.person)
        if isinstance(decision, Refused):
            return pages_of(request).render(request, "refused.html", session, 403, detail=decision.detail)
        minutes = int(rules.MUTE_LIMIT.total_seconds()) // 60
        return pages_of(request).render(
            request, "hits/live.html", session, notice=rules.NOTICE, mute_minutes=minutes, shortcuts=SHORTCUTS,
            outline=web_of(request).settings.map_outline_file is not None,
            on_shift=not isinstance(may_own(session.person), Refused),
        )  # fmt: skip

    @routes.get("/design")
    async def design(request: Request, session: SignedIn = Depends(page_person)) -> Response:
        return pages_of(request).render(
            request, "hits/design.html", session, shortcuts=SHORTCUTS, notice=rules.NOTICE, colors=COLORS,
            priorities=PRIORITIES, steps=STEPS,
        )  # fmt: skip

    return routes
