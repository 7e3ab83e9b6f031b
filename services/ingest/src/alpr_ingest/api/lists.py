"""Lists: what the agency has, how old each is, and new ones."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from alpr_ingest.api.door import Ingest, ListAdmin, ListReader, Problem, Strict, demand, own_list, policy_of
from alpr_ingest.api.feeds import show_feed
from alpr_ingest.app import audit_message
from alpr_ingest.entering import CODES
from alpr_ingest.hotlists import ActiveList
from alpr_ingest.store import Taken
from alprcore.policy import SPECIAL, advisory_of, draws_on_registration, may_create_list, registration_basis
from alprcore.wire import rfc3339

router = APIRouter()


class HotlistIn(Strict):
    """A list to make (HOT-02)."""

    code: str = Field(pattern=r"^[A-Z][A-Z0-9_]{1,19}$")
    name: str = Field(min_length=1)
    source: str = Field(min_length=1)
    legitimate_interest: str = Field(min_length=10)
    advisory_class: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    default_reason: str = Field("other", pattern=r"^[a-z][a-z0-9_]*$")
    list_type: Literal["core", "local", "special"] = "local"
    loads_per_day: int = Field(1, ge=1, le=1440)
    purpose_code: str = Field("", max_length=60)
    permissible_use: str = Field("", max_length=32)


@router.get("/v1/hotlists")
async def get_hotlists(doors: Ingest, person: ListReader) -> dict[str, Any]:
    """List the lists of the person's agency, with their age and refresh rule (DEF-07, HOT-13)."""
    now = doors.clock()
    shown = []
    feeds = await doors.store.feeds_of(person.agency)
    for active, published in await doors.store.hotlists(person.agency):
        feed = show_feed(*feeds[active.code]) if active.code in feeds else None
        shown.append(
            _show_list(active, now, _loading(doors.loader.progress(person.agency, active.code), published))
            | {"feed": feed}
        )
    return {"hotlists": shown}


@router.post("/v1/hotlists", status_code=201)
async def post_hotlist(body: HotlistIn, doors: Ingest, person: ListAdmin) -> dict[str, Any]:
    """Make a list of the agency's own (HOT-02); a special one waits for its approval (HOT-06)."""
    now = doors.clock()
    if body.code in CODES.values():
        raise Problem(409, "LIST_EXISTS", "this code is kept for plates that are entered one by one")
    demand(may_create_list(body.list_type, body.purpose_code, policy_of(doors, person)))
    registration = draws_on_registration([body.source, body.name])
    demand(registration_basis(registration=registration, permissible_use=body.permissible_use))
    advisory = advisory_of(body.list_type, body.advisory_class)
    fields = (
        person.agency, body.code, body.name, body.list_type, advisory, body.default_reason, body.source,
        body.legitimate_interest, body.loads_per_day, person.person_id, body.list_type != SPECIAL,
        body.permissible_use,
    )  # fmt: skip
    facts = {"name": body.name, "list_type": body.list_type, "purpose_code": body.purpose_code}
    if body.permissible_use:
        facts["permissible_use"] = body.permissible_use
    interest = {"legitimate_interest": body.legitimate_interest}
    subject = f"{person.agency}/{body.code}"
    made = audit_message("list_created", subject, "1", person, now, facts=facts, personal=interest)
    try:
        await doors.store.add_hotlist(fields, [made])
    except Taken:
        raise Problem(409, "LIST_EXISTS", "the agency has a list of this code") from None
    doors.relay.kick()
    return _show_list(await own_list(doors, person, body.code), now, None)


class BasisIn(Strict):
    """Under which use of 18 USC 2721(b) a list takes registration data; empty: it takes none."""

    permissible_use: str = Field("", max_length=32)


@router.put("/v1/hotlists/{code}/permissible-use")
async def put_permissible_use(code: str, body: BasisIn, doors: Ingest, person: ListAdmin) -> dict[str, Any]:
    """Say under which use a list takes registration data: of all loads that name none themselves (HOT-09)."""
    target, now = await own_list(doors, person, code), doors.clock()
    registration = draws_on_registration([target.source, target.name])
    demand(registration_basis(registration=registration, permissible_use=body.permissible_use))
    facts = {"permissible_use": body.permissible_use}
    subject = f"{person.agency}/{code}"
    said = audit_message("list_basis_set", subject, rfc3339(now), person, now, facts=facts)
    await doors.store.set_permissible_use(person.agency, code, body.permissible_use, [said])
    doors.relay.kick()
    return facts


@router.get("/v1/hotlists/layouts")
async def get_layouts(doors: Ingest, _person: ListReader) -> dict[str, Any]:
    """List the layouts that files may have here, those that ship and the agency's own (HOT-01)."""
    return {"layouts": [{"name": one.name, "title": one.title} for one in doors.loader.layouts.values()]}


@router.get("/v1/hotlists/{code}")
async def get_hotlist(code: str, doors: Ingest, person: ListReader) -> dict[str, Any]:
    """Show one list, with how far a load of it has come, why it was made and who approved it."""
    await own_list(doors, person, code)
    shown: dict[str, Any] = next(one for one in (await get_hotlists(doors, person))["hotlists"] if one["code"] == code)
    return shown | await doors.store.paper_of(person.agency, code)


def _loading(progress: tuple[str, int] | None, published: tuple[int, int] | None) -> dict[str, Any] | None:
    """Tell how far a load has come: lines read, merged with what the list has, then buckets published of how many."""
    if published is not None:
        return {"stage": "publishing", "published": published[0], "buckets": published[1]}
    return None if progress is None else {"stage": progress[0], "lines": progress[1]}


def _show_list(active: ActiveList, now: datetime, loading: dict[str, Any] | None) -> dict[str, Any]:
    age_s = None if active.source_time is None else max(0, int((now - active.source_time).total_seconds()))
    return {
        "code": active.code,
        "name": active.name,
        "list_type": active.list_type,
        "advisory_class": active.advisory_class,
        "default_reason": active.default_reason,
        "source": active.source,
        "refresh": {"loads_per_day": active.loads_per_day, "max_age_s": active.max_age_s},
        "approved": active.approved,
        "version": active.version,
        "entries": active.entries,
        "source_time": None if active.source_time is None else rfc3339(active.source_time),
        "loaded_at": None if active.loaded_at is None else rfc3339(active.loaded_at),
        "age_s": age_s,
        "stale": age_s is None or age_s > active.max_age_s,
        "permissible_use": active.permissible_use,
        "categories_off": sorted(active.categories_off),
        "rollback_to": active.rollback_to or None,
        "loading": loading,
    }
