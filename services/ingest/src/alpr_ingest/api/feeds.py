"""Feeds of lists: where a list is fetched from, what came of its pulls, and the switches of its categories."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from alpr_ingest.api.door import Doors, Ingest, ListAdmin, ListReader, Problem, Strict, own_list, refusal
from alpr_ingest.app import audit_message
from alpr_ingest.feeds import Feed, FeedKind, Pull, Schedule, admit_address, admit_schedule
from alpr_ingest.hotlists import ActiveList
from alpr_ingest.pulling import is_host_key
from alprcore.layouts import Layout, category_of
from alprcore.model import Refused
from alprcore.policy import ENTERED, PERMISSIBLE_USES
from alprcore.wire import rfc3339

router = APIRouter()
_SHOWN: Final = 100
_LONGEST_CATEGORY: Final = 60


class FeedIn(Strict):
    """Where a list is to be fetched from (HOT-01, HOT-03).

    `credential` names a folder of the operator's secrets; a secret itself has no field here. `host_key` is the line of
    the SFTP server's public key, as `ssh-keyscan` prints it without the host. `at`: times of the agency's day.
    """

    kind: Literal["sftp", "https", "folder"]
    address: str = Field(min_length=1, max_length=1000)
    layout: str = Field(min_length=1, max_length=20_000)
    every_s: int = Field(0, ge=0)
    at: list[str] = Field(default_factory=list, max_length=48)
    credential: str = Field("", pattern=r"^([a-z0-9][a-z0-9_-]{0,39})?$")
    host_key: str = Field("", max_length=2000)
    move_loaded: bool = False
    sources: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(default_factory=list, max_length=20)
    permissible_use: str = ""


class CategoriesIn(Strict):
    """Categories of a list whose lines are left out, by the source's own letters or words."""

    off: list[str] = Field(max_length=100)


@router.put("/v1/hotlists/{code}/feed")
async def put_feed(code: str, body: FeedIn, doors: Ingest, person: ListAdmin) -> dict[str, Any]:
    """Set where a list is fetched from, and when; its first pull is due at once."""
    target = await own_list(doors, person, code)
    if target.list_type in ENTERED:
        raise Problem(409, "LIST_NOT_LOADABLE", "entries of this list are made one by one")
    kind, schedule = FeedKind(body.kind), Schedule(body.every_s, tuple(sorted(body.at)))
    for decision in (
        admit_schedule(schedule, target.loads_per_day),
        admit_address(kind, body.address, doors.puller.limits.hosts),
        doors.loader.layout(body.layout),
    ):
        if isinstance(decision, Refused):
            raise refusal(decision)
    if body.permissible_use and body.permissible_use not in PERMISSIBLE_USES:
        raise Problem(422, "FIELD_INVALID", "permissible_use: a use of 18 USC 2721(b)")
    if (kind is FeedKind.SFTP) != is_host_key(body.host_key):
        raise Problem(422, "FIELD_INVALID", "host_key: the public key of the SFTP server, and of no other kind")
    now = doors.clock()
    feed = Feed(
        agency=person.agency,
        code=code,
        kind=kind,
        address=body.address,
        layout=body.layout,
        schedule=schedule,
        credential=body.credential,
        host_key=body.host_key,
        move_loaded=body.move_loaded and kind is FeedKind.FOLDER,
        sources=tuple(body.sources),
        permissible_use=body.permissible_use,
        set_by=person.person_id,
        set_at=now,
        next_at=now,
    )
    facts = {
        "feed_kind": kind.value,
        "address": body.address,
        "layout": body.layout.partition("\n")[0],
        "credential": body.credential,
    }
    subject = f"{person.agency}/{code}"
    await doors.store.set_feed(feed, [audit_message("feed_set", subject, rfc3339(now), person, now, facts=facts)])
    _wake(doors)
    return show_feed(feed)


@router.get("/v1/hotlists/{code}/feed")
async def get_feed(code: str, doors: Ingest, person: ListReader) -> dict[str, Any]:
    """Tell where a list is fetched from, when next, and since when it fails."""
    return show_feed(await _own_feed(doors, person.agency, code))


@router.delete("/v1/hotlists/{code}/feed", status_code=204)
async def delete_feed(code: str, doors: Ingest, person: ListAdmin) -> Response:
    """Stop fetching a list; what is in force stays."""
    now = doors.clock()
    removed = audit_message("feed_removed", f"{person.agency}/{code}", rfc3339(now), person, now)
    if not await doors.store.remove_feed(person.agency, code, [removed]):
        raise _no_feed()
    doors.relay.kick()
    return Response(status_code=204)


@router.post("/v1/hotlists/{code}/feed/pulls", status_code=202)
async def post_pull(code: str, doors: Ingest, person: ListAdmin) -> dict[str, Any]:
    """Pull a list now; what comes of it is found among its pulls."""
    now = doors.clock()
    asked = audit_message("feed_pull_asked", f"{person.agency}/{code}", rfc3339(now), person, now)
    if not await doors.store.ask_pull(person.agency, code, now, person.person_id, [asked]):
        raise _no_feed()
    _wake(doors)
    return {"asked_at": rfc3339(now)}


@router.get("/v1/hotlists/{code}/feed/pulls")
async def get_pulls(code: str, doors: Ingest, person: ListReader) -> dict[str, Any]:
    """List the newest pulls of a list, also of a feed that it no longer has."""
    await own_list(doors, person, code)
    return {"pulls": [_show_pull(pull) for pull in await doors.store.pulls(person.agency, code, _SHOWN)]}


@router.put("/v1/hotlists/{code}/categories")
async def put_categories(code: str, body: CategoriesIn, doors: Ingest, person: ListAdmin) -> dict[str, Any]:
    """Switch categories of a list off; lines of these are left out from the next load on.

    A category is one of the layouts that the list's feed and its load in force have, or, before there are any, one that
    some layout names: a switch that no line could ever meet would only look like one.
    """
    active = await own_list(doors, person, code)
    layouts = await _layouts_of(doors, active)
    found = [said if said in active.categories_off else _category(said, layouts, doors) for said in body.off]
    off = sorted({key for key in found if key is not None})
    if None in found or not all(len(key) <= _LONGEST_CATEGORY and key.isprintable() for key in off):
        raise Problem(422, "CATEGORY_UNKNOWN", "off: the layout of the list's files has no such category")
    now = doors.clock()
    facts = {"off": ", ".join(off)}
    switched = audit_message("list_categories_set", f"{person.agency}/{code}", rfc3339(now), person, now, facts=facts)
    await doors.store.set_categories_off(person.agency, code, off, [switched])
    doors.relay.kick()
    return {"off": off}


async def _layouts_of(doors: Doors, active: ActiveList) -> list[Layout] | None:
    """Give the layouts that files of a list have; None when one of them was sent with its file and is not kept."""
    feed = await doors.store.feed(active.agency, active.code)
    load = await doors.store.load_of(active.agency, active.code, active.version)
    names = ([feed.layout] if feed is not None else []) + ([load["layout"]] if load is not None else [])
    found = [doors.loader.layout(name) for name in names]
    return None if any(isinstance(one, Refused) for one in found) else [one for one in found if isinstance(one, Layout)]


def _category(said: str, layouts: list[Layout] | None, doors: Doors) -> str | None:
    """Name a category as the reader of the list's files does; None when they have none of this name."""
    if layouts is None:
        return category_of(said, doors.loader.layouts.values(), listed=True) or " ".join(said.split()).upper() or None
    return category_of(said, layouts or doors.loader.layouts.values(), listed=not layouts)


def show_feed(feed: Feed, outcome: str = "", reason_code: str = "") -> dict[str, Any]:
    """Show a feed; `outcome` and `reason_code` are those of its newest pull."""
    return {
        "kind": feed.kind.value,
        "address": feed.address,
        "layout": feed.layout,
        "every_s": feed.schedule.every_s,
        "at": list(feed.schedule.at),
        "credential": feed.credential,
        "host_key": feed.host_key,
        "move_loaded": feed.move_loaded,
        "sources": list(feed.sources),
        "permissible_use": feed.permissible_use,
        "set_by": feed.set_by,
        "set_at": rfc3339(feed.set_at),
        "next_at": rfc3339(feed.next_at),
        "failures": feed.failures,
        "last_ok_at": _moment(feed.last_ok_at),
        "last_outcome": outcome,
        "reason_code": reason_code,
    }


def _show_pull(pull: Pull) -> dict[str, Any]:
    return {
        "number": pull.number,
        "started_at": rfc3339(pull.started_at),
        "ended_at": _moment(pull.ended_at),
        "outcome": pull.outcome.value,
        "reason_code": pull.reason_code,
        "detail": pull.detail,
        "bytes": pull.size,
        "sha256": pull.sha256.hex(),
        "version": pull.version or None,
        "asked_by": pull.asked_by,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


async def _own_feed(doors: Doors, agency: str, code: str) -> Feed:
    feed = await doors.store.feed(agency, code)
    if feed is None:
        raise _no_feed()
    return feed


def _no_feed() -> Problem:
    return Problem(404, "FEED_UNKNOWN", "the agency fetches no list of this code")


def _wake(doors: Doors) -> None:
    doors.relay.kick()
    doors.puller.kick()
