"""`/v1/hits`, receipts, acknowledgments, the session's sound, and the live stream `/v1/events`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Protocol

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from alprcore.errors import Transient
from alprcore.model import Refused
from alprcore.workflow import may_watch

from .. import metrics
from ..web import Problem, SignedIn, event, session_token, signed_in, signed_in_quietly, web_of
from . import rules
from .store import HitStore, Wakeups

POLL_S: Final = 2.0
HEARTBEAT: Final = timedelta(seconds=10)
RECHECK: Final = timedelta(seconds=1.9)
"""After this time the session is looked up again: less than `POLL_S`, so that a stream that nothing wakes looks each
time. A disabled account's stream ends within 2 s of the 5 s allowed (ACC-11), and before any hit is sent to it (HIT-04).
"""
TOUCH: Final = timedelta(seconds=60)
WATCHED: Final = timedelta(seconds=20)


class Told(Protocol):
    """What a session is told that is a vehicle or a desktop, and what went out to any screen (units/)."""

    async def live(self, session: SignedIn, now: datetime) -> tuple[int, list[dict[str, Any]], list[dict[str, Any]]]:
        """Give incidents and messages as they stand, and the event number that they are at least as new as."""

    async def after(self, session: SignedIn, number: int, now: datetime) -> list[tuple[int, str, dict[str, Any]]]:
        """Give what changed after an event: its number, `incident` or `message`, and it as it is now."""

    async def missed(self, agency: str, number: int) -> bool:
        """Tell whether something that happened after an event number is no longer kept."""

    async def sent(
        self, session: SignedIn, incident_ids: Sequence[str], delivery_ids: Sequence[str], now: datetime
    ) -> None:
        """Note what went out."""


class Receipt(BaseModel):
    """Body of `POST /v1/hits/{id}/presented`: what the screen did with the hit."""

    model_config = ConfigDict(extra="forbid")
    sound: bool
    screen: bool


class Mute(BaseModel):
    """Body of `POST /v1/session/mute`; 0 minutes switches the sound on again."""

    model_config = ConfigDict(extra="forbid")
    minutes: int


def _watching(session: SignedIn) -> SignedIn:
    decision = may_watch(session.person)
    if isinstance(decision, Refused):
        raise Problem.of(decision)
    return session


async def watcher(session: SignedIn = Depends(signed_in)) -> SignedIn:
    """Demand someone to whom live hits go (HIT-04)."""
    return _watching(session)


async def quiet_watcher(session: SignedIn = Depends(signed_in_quietly)) -> SignedIn:
    """The same for what a page does by itself."""
    return _watching(session)


def router(store: HitStore, wakeups: Wakeups, told: Told) -> APIRouter:
    """Bind the routes to the store; `told` feeds the sessions that are vehicles and desktops."""
    routes = APIRouter()

    @routes.get("/v1/hits")
    async def get_hits(
        request: Request,
        before: datetime | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        session: SignedIn = Depends(watcher),
    ) -> dict[str, Any]:
        now = web_of(request).clock()
        hits = await store.hits(session.person.agency, before or now, limit, now)
        await store.viewed(session.person, hits, "list", now)
        return {"hits": hits}

    @routes.get("/v1/hits/{hit_id}")
    async def get_hit(request: Request, hit_id: str, session: SignedIn = Depends(watcher)) -> dict[str, Any]:
        now = web_of(request).clock()
        hit = await store.hit(session.person.agency, hit_id, now)
        if hit is None:
            raise Problem(404, "HIT_UNKNOWN", "no such hit of this agency within the last 24 hours")
        await store.viewed(session.person, [hit], "one", now)
        return hit

    @routes.post("/v1/hits/{hit_id}/presented", status_code=201)
    async def post_presented(
        request: Request, hit_id: str, body: Receipt, session: SignedIn = Depends(quiet_watcher)
    ) -> dict[str, Any]:
        now = web_of(request).clock()
        if not await store.presented(session.person, hit_id, sound=body.sound, screen=body.screen, now=now):
            raise Problem(404, "HIT_UNKNOWN", "no such hit of this agency")
        return {"hit_id": hit_id, "recorded": True}

    @routes.post("/v1/hits/{hit_id}/acknowledge", status_code=201)
    async def post_acknowledge(request: Request, hit_id: str, session: SignedIn = Depends(watcher)) -> dict[str, Any]:
        if not await store.acknowledge(session.person, hit_id, web_of(request).clock()):
            raise Problem(404, "HIT_UNKNOWN", "no such hit of this agency")
        return {"hit_id": hit_id, "acknowledged": True}

    @routes.post("/v1/storms/{storm_id}/releases", status_code=202)
    async def post_release(request: Request, storm_id: str, session: SignedIn = Depends(watcher)) -> dict[str, Any]:
        decision = rules.may_release(session.person)
        if isinstance(decision, Refused):
            raise Problem.of(decision)
        if not await store.release(session.person, storm_id, web_of(request).clock()):
            raise Problem(404, "STORM_UNKNOWN", "no alert storm of this agency within the last 24 hours")
        return {"storm_id": storm_id, "released": True}

    @routes.post("/v1/session/sound", status_code=204)
    async def post_sound(request: Request, session: SignedIn = Depends(watcher)) -> Response:
        await store.sound(session.person, muted_until=None, armed=True, now=web_of(request).clock())
        return Response(status_code=204)

    @routes.post("/v1/session/mute")
    async def post_mute(request: Request, body: Mute, session: SignedIn = Depends(watcher)) -> dict[str, Any]:
        decision = rules.may_mute(body.minutes)
        if isinstance(decision, Refused):
            raise Problem.of(decision, 422)
        now = web_of(request).clock()
        until = now + timedelta(minutes=body.minutes) if body.minutes else None
        await store.sound(session.person, muted_until=until, armed=False, now=now)
        return {"muted_until": until}

    @routes.get("/v1/events")
    async def get_events(
        request: Request,
        after: Annotated[int | None, Query(ge=0)] = None,
        last_event_id: Annotated[str | None, Header()] = None,
        session: SignedIn = Depends(quiet_watcher),
    ) -> Response:
        number = int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdigit() else after
        return StreamingResponse(
            _counted(_stream(request, session, number)),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )

    async def _changed(session: SignedIn, number: int, now: datetime) -> list[tuple[int, str, dict[str, Any]]]:
        if session.client_id:
            return await told.after(session, number, now)
        found = await store.events_after(session.person.agency, number)
        return [(number, "incident", card) for number, card in found]

    async def _live(session: SignedIn, now: datetime) -> tuple[int, list[dict[str, Any]], list[dict[str, Any]]]:
        if session.client_id:
            return await told.live(session, now)
        number, cards = await store.live(session.person.agency, now)
        return number, cards, []

    async def _shown(session: SignedIn, things: Sequence[dict[str, Any]], now: datetime) -> None:
        """Enter that these go out, before they do, and note it for each who is told."""
        of_hits = [{"plate": "", **thing} for thing in things if thing["hit_id"]]
        await store.viewed(session.person, of_hits, "live queue", now)
        sent = [thing["delivery_id"] for thing in things if "delivery_id" in thing]
        await told.sent(session, [thing["incident_id"] for thing in things if "delivery_id" not in thing], sent, now)

    async def _stream(request: Request, session: SignedIn, number: int | None) -> AsyncIterator[bytes]:
        web, agency, token = web_of(request), session.person.agency, session_token(request)[0]
        yield b"retry: 2000\n\n"
        resumed = False
        checked = touched = watched = beat = datetime.min.replace(tzinfo=web.clock().tzinfo)
        while not web.stop.is_set():
            now, woken = web.clock(), wakeups.next(agency)
            try:
                if not resumed and number is not None and await told.missed(agency, number):
                    number = None  # it was away for longer than events are kept
                resumed = True
                batch = [] if number is None else await _changed(session, number, now)
                if batch or number is None or now - checked >= RECHECK:
                    found = await web.find_session(token, now)
                    if found is None or found.limit is not None or isinstance(may_watch(found.person), Refused):
                        limit = found.limit.reason_code if found and found.limit else ""
                        yield event("signed-out", {"limit": limit})
                        return
                    if found.client_id != session.client_id:  # it is another client now: its page begins anew
                        yield event("signed-on", {"client_kind": found.client_kind.value})
                        return
                    checked = now
                if session.lock_exempt and now - touched >= TOUCH:  # an attended dispatch room is not idle
                    await web.touch_session(session.person.session_id, now)
                    touched = now
                if not session.client_id and now - watched >= WATCHED:  # dispatch is attended (HIT-15)
                    await store.watched(session.person.session_id, now)
                    watched = now
                if number is None:
                    newest, cards, messages = await _live(session, now)
                    await _shown(session, [*cards, *messages], now)
                    number = newest
                    yield event("snapshot", {"incidents": cards, "messages": messages}, number)
                    beat = now
                await _shown(session, [thing for _, _, thing in batch], now)
                for number, name, thing in batch:
                    yield event(name, thing, number)
                    beat = now
            except Transient:
                await _until(woken, POLL_S)
                continue  # without a heartbeat: the screen says that it is stale
            if now - beat >= HEARTBEAT:
                yield event("heartbeat", {"at": now.isoformat()}, number)
                beat = now
            await _until(woken, POLL_S)

    return routes


async def _until(woken: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(woken.wait(), seconds)


async def _counted(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    metrics.STREAMS.inc()
    try:
        async for chunk in stream:
            yield chunk
    finally:
        metrics.STREAMS.dec()
