"""Lists, and the files that are loaded into them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.datastructures import UploadFile

from alpr_ingest import metrics
from alpr_ingest.api.door import Anyone, Doors, Ingest, ListAdmin, Problem, Strict, refusal
from alpr_ingest.app import audit_message
from alpr_ingest.hotlists import ActiveList
from alpr_ingest.store import Taken
from alprcore.model import Person, Refused
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
    list_type: Literal["core", "local"] = "local"
    loads_per_day: int = Field(1, ge=1, le=1440)


@router.get("/v1/hotlists")
async def get_hotlists(doors: Ingest, person: Anyone) -> dict[str, Any]:
    """List the lists of the person's agency, with their age and refresh rule (DEF-07, HOT-13)."""
    now = doors.clock()
    return {"hotlists": [_show_list(a, now, p) for a, p in await doors.store.hotlists(person.agency)]}


@router.post("/v1/hotlists", status_code=201)
async def post_hotlist(body: HotlistIn, doors: Ingest, person: ListAdmin) -> dict[str, Any]:
    """Make a list of the agency's own (HOT-02)."""
    now = doors.clock()
    fields = (
        person.agency, body.code, body.name, body.list_type, body.advisory_class, body.default_reason, body.source,
        body.legitimate_interest, body.loads_per_day, person.person_id,
    )  # fmt: skip
    made = audit_message("list_created", f"{person.agency}/{body.code}", "1", person, now, facts={"name": body.name})
    try:
        await doors.store.add_hotlist(fields, [made])
    except Taken:
        raise Problem(409, "LIST_EXISTS", "the agency has a list of this code") from None
    doors.relay.kick()
    return _show_list(await _own_list(doors, person, body.code), now, None)


@router.get("/v1/hotlists/{code}/loads")
async def get_loads(code: str, doors: Ingest, person: Anyone) -> dict[str, Any]:
    """List the newest loads of a list."""
    await _own_list(doors, person, code)
    loads = await doors.store.loads(person.agency, code, 50)
    return {"loads": [{k: rfc3339(v) if isinstance(v, datetime) else v for k, v in one.items()} for one in loads]}


@router.post("/v1/hotlists/{code}/loads", status_code=201)
async def post_load(code: str, request: Request, doors: Ingest, person: ListAdmin) -> dict[str, Any]:
    """Load a file into a list and put it in force; answers what changed and which lines were left out, and why."""
    target = await _own_list(doors, person, code)
    async with request.form(max_files=1, max_fields=8) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Problem(422, "FIELD_MISSING", "file")
        data = await file.read()
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
    unknown = sorted(texts.keys() - {"format", "source_time", "force", "entries"})
    if unknown:
        raise Problem(422, "FIELD_UNKNOWN", ", ".join(unknown)[:200])
    source_time = _source_time(texts.get("source_time", ""))
    declared = texts.get("entries")
    if declared is not None and not declared.isdigit():
        raise Problem(422, "FIELD_INVALID", "entries")
    report = await doors.loader.load(
        target,
        data,
        texts.get("format", "generic_csv"),
        source_time,
        person,
        force=texts.get("force", "").lower() in {"true", "1", "yes"},
        declared=None if declared is None else int(declared),
    )
    if isinstance(report, Refused):
        metrics.LOADS.labels("refused", report.reason_code).inc()
        now = doors.clock()
        subject = f"{person.agency}/{code}"
        message = audit_message("list_load_refused", subject, rfc3339(now), person, now, refused=report)
        await doors.store.put_out([message])
        doors.relay.kick()
        problem = refusal(report)
        problem.recorded = True
        raise problem
    metrics.LOADS.labels("active", "").inc()
    return {**asdict(report), "rejected": len(report.rejects)}


def _source_time(text: str) -> datetime:
    if not text:
        raise Problem(422, "FIELD_MISSING", "source_time")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Problem(422, "FIELD_INVALID", "source_time")
    return moment


async def _own_list(doors: Doors, person: Person, code: str) -> ActiveList:
    found = await doors.store.hotlist(person.agency, code)
    if found is None:
        raise Problem(404, "LIST_UNKNOWN", "the agency has no such list")
    return found


def _show_list(active: ActiveList, now: datetime, progress: tuple[int, int] | None) -> dict[str, Any]:
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
        "loading": None if progress is None else {"published": progress[0], "buckets": progress[1]},
    }
