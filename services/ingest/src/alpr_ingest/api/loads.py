"""Files that are loaded into lists: previews, loads, what they left out, and the way back."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.datastructures import FormData, UploadFile
from starlette.types import Message

from alpr_ingest import metrics
from alpr_ingest.api.door import (
    Anyone,
    Doors,
    Ingest,
    ListAdmin,
    ListReader,
    Problem,
    Strict,
    own_list,
    policy_of,
    refusal,
)
from alpr_ingest.app import audit_message
from alpr_ingest.loading import ListFile
from alpr_ingest.store import Rollback
from alprcore.layouts import Reject
from alprcore.model import Person, Refused, make_id
from alprcore.policy import ListSource, may_approve_rollback
from alprcore.wire import rfc3339

router = APIRouter()

_LISTED: Final = 50
_PAGE: Final = 1_000
_COUNT: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_FIELDS_BYTES: Final = 1024 * 1024
"""Room for what comes beside the file: a layout of one's own, sources, notes."""
_HEARD: Final = 4
LEAST_NOTE: Final = 10
"""Letters of a note that lifts a guard or takes a version back: "ok" explains nothing to whoever reads the ledger."""
_FIELDS: Final = frozenset({"format", "layout", "source_time", "mode", "entries", "sources", "permissible_use"})


class RollbackIn(Strict):
    """Why the version before is to come back."""

    note: str = Field(min_length=LEAST_NOTE, max_length=2000)


@router.get("/v1/hotlists/{code}/loads")
async def get_loads(code: str, doors: Ingest, person: ListReader) -> dict[str, Any]:
    """List the newest loads of a list: counts, times, what was lifted and why, and what a special list compared."""
    await own_list(doors, person, code)
    loads = await doors.store.loads(person.agency, code, _LISTED)
    return {"loads": [_show_load(one) for one in loads]}


@router.post("/v1/hotlists/{code}/previews")
async def post_preview(code: str, request: Request, doors: Ingest, person: ListAdmin) -> dict[str, Any]:
    """Tell what a load of a file would bring, and the guards it would hit; nothing of it is kept (HOT-04)."""
    target = await own_list(doors, person, code)
    async with uploaded(request, doors) as form:
        file, _ = list_file(doors, form, frozenset())
        preview = await doors.loader.preview(target, file)
    if isinstance(preview, Refused):
        raise refusal(preview)
    guards = [{"rule_id": g.rule_id, "reason_code": g.reason_code, "detail": g.detail} for g in preview.guards]
    shown = {**asdict(preview), "rejects": _show_rejects(preview.rejects), "guards": guards}
    return {**shown, "version": target.version}


@router.post("/v1/hotlists/{code}/loads", status_code=201)
async def post_load(code: str, request: Request, doors: Ingest, person: ListAdmin) -> dict[str, Any]:
    """Load a file into a list and put it in force; answers what changed and which lines were left out, and why."""
    target = await own_list(doors, person, code)
    async with uploaded(request, doors) as form:
        file, texts = list_file(doors, form, frozenset({"force", "note", "against"}))
        force, note = texts.get("force", "").lower() in {"true", "1", "yes"}, texts.get("note", "").strip()
        if force and len(note) < LEAST_NOTE:
            raise Problem(422, "FIELD_MISSING", f"note: why the guards are lifted, {LEAST_NOTE} characters at least")
        if not _COUNT.fullmatch(seen := texts.get("against", "0")):
            raise Problem(422, "FIELD_INVALID", "against")
        against = int(seen) if "against" in texts else None
        report = await doors.loader.load(target, file, person, force=force, note=note, against=against)
    if isinstance(report, Refused):
        metrics.LOADS.labels("refused", report.reason_code).inc()
        raise await _refused(doors, person, "list_load_refused", code, report)
    if report.identical:
        now, facts = doors.clock(), {"version": str(report.version)}
        same = audit_message("list_confirmed", f"{person.agency}/{code}", rfc3339(now), person, now, facts=facts)
        await doors.store.confirm_list(target, person.person_id, now, [same])
        doors.relay.kick()
    metrics.LOADS.labels("identical" if report.identical else "active", "").inc()
    return {**asdict(report), "rejects": _show_rejects(report.rejects)}


@router.get("/v1/hotlists/{code}/loads/{version}/rejects")
async def get_rejects(
    code: str, version: int, doors: Ingest, person: ListReader, after: Annotated[int, Query(ge=0)] = 0
) -> dict[str, Any]:
    """List the lines that a load left out, by number and code, 1,000 from behind line `after` on; `codes` counts all.

    Those of the newest twenty versions are kept; `load` tells what any version brought.
    """
    load = await _load_of(doors, person, code, version)
    codes = await doors.store.reject_codes(person.agency, code, version)
    found = await doors.store.rejects(person.agency, code, version, after, _PAGE)
    rejects = [{"line": line, "reason_code": reason_code} for line, reason_code in found]
    more = found[-1][0] if len(found) == _PAGE else None
    return {"rejects": rejects, "after": more, "codes": codes, "load": _show_load(load)}


@router.get("/v1/hotlists/{code}/loads/{version}/changes")
async def get_changes(code: str, version: int, doors: Ingest, person: ListReader) -> dict[str, Any]:
    """Tell how many entries a version added, changed and removed."""
    load = await _load_of(doors, person, code, version)
    counts = ("entries", "added", "changed", "removed", "rejected", "category_off")
    unchanged = load["entries"] - load["added"] - load["changed"]
    return {"version": version, "unchanged": unchanged} | {name: load[name] for name in counts}


@router.post("/v1/hotlists/{code}/rollbacks", status_code=201)
async def post_rollback(code: str, body: RollbackIn, doors: Ingest, person: ListAdmin) -> dict[str, Any]:
    """Ask that the version before the last load comes back; another person decides."""
    target, now = await own_list(doors, person, code), doors.clock()
    if not target.rollback_to:
        problem = Refused("HOT-04", "ROLLBACK_NOTHING_KEPT", "there is no version before that could come back")
        raise await _refused(doors, person, "list_rollback_refused", code, problem)
    name = make_id("rollback", person.agency, code, str(target.version), rfc3339(now))
    asked = Rollback(
        name, person.agency, code, target.version, target.rollback_to, body.note.strip(), person.person_id, now
    )
    facts = {"list": code, "from_version": str(asked.from_version), "to_version": str(asked.to_version)}
    message = audit_message("list_rollback_asked", name, "1", person, now, facts=facts, personal={"note": asked.note})
    await doors.store.ask_rollback(asked, [message])
    doors.relay.kick()
    return _show_rollback(asked)


@router.get("/v1/hotlists/{code}/rollbacks")
async def get_rollbacks(code: str, doors: Ingest, person: ListReader) -> dict[str, Any]:
    """List the rollbacks that were asked for, newest first."""
    await own_list(doors, person, code)
    found = await doors.store.rollbacks(person.agency, code, _LISTED)
    return {"rollbacks": [_show_rollback(one) for one in found]}


@router.post("/v1/hotlists/{code}/rollbacks/{rollback_id}/approvals", status_code=201)
async def post_rollback_approval(code: str, rollback_id: str, doors: Ingest, person: Anyone) -> dict[str, Any]:
    """Put the version before back in force, as a new one; by another person than asked, of the role that approves."""
    target = await own_list(doors, person, code)
    found = await doors.store.rollbacks(person.agency, code, _LISTED)
    asked = next((one for one in found if one.rollback_id == rollback_id), None)
    if asked is None:
        raise Problem(404, "ROLLBACK_UNKNOWN", "nobody has asked for this rollback")
    decision = may_approve_rollback(asked.asked_by, person, policy_of(doors, person))
    if not isinstance(decision, Refused) and asked.approved_by is not None:
        decision = Refused("HOT-04", "ROLLBACK_DONE", "this rollback was approved already")
    if isinstance(decision, Refused):
        raise await _refused(doors, person, "list_rollback_refused", code, decision)
    report = await doors.loader.roll_back(target, asked, person)
    if isinstance(report, Refused):
        raise await _refused(doors, person, "list_rollback_refused", code, report)
    return {**asdict(report), "rejects": []}


@router.post("/v1/hotlists/{code}/republications", status_code=201)
async def post_republication(code: str, doors: Ingest, person: ListAdmin) -> dict[str, Any]:
    """Publish a list again from the database: for a topic that was lost or made anew. No version changes."""
    target = await own_list(doors, person, code)
    buckets = await doors.republishing.run(target, person)
    if isinstance(buckets, Refused):
        raise await _refused(doors, person, "list_republish_refused", code, buckets)
    return {"version": target.version, "buckets": buckets}


async def _refused(doors: Doors, person: Person, kind: str, code: str, refused: Refused) -> Problem:
    """Enter a refusal with the act that was refused; answers the problem to raise."""
    now = doors.clock()
    message = audit_message(kind, f"{person.agency}/{code}", rfc3339(now), person, now, refused=refused)
    await doors.store.put_out([message])
    doors.relay.kick()
    problem = refusal(refused)
    problem.recorded = True
    return problem


async def _load_of(doors: Doors, person: Person, code: str, version: int) -> dict[str, Any]:
    await own_list(doors, person, code)
    load = await doors.store.load_of(person.agency, code, version)
    if load is None:
        raise Problem(404, "LIST_VERSION_UNKNOWN", "the list never had this version")
    return load


@asynccontextmanager
async def uploaded(request: Request, doors: Doors) -> AsyncIterator[FormData]:
    """Take a file and its fields as they come, the file on the disk; 413 for more than the setting allows.

    What is too large is taken off the line and thrown away for a while, so that its sender hears why.
    """
    most, taken = doors.largest_list + _FIELDS_BYTES, 0
    problem = Problem(413, "LIST_TOO_LARGE", f"a list file has {doors.largest_list} bytes at most")
    if _COUNT.fullmatch(length := request.headers.get("content-length", "0")) is None or int(length) > most:
        async for chunk in request.stream():
            taken += len(chunk)
            if taken > most * _HEARD:
                break
        raise problem

    async def receive() -> Message:
        nonlocal taken
        message = await request.receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise problem
        return message

    async with Request(request.scope, receive).form(max_files=1, max_fields=10) as form:
        yield form


def list_file(doors: Doors, form: FormData, more: frozenset[str]) -> tuple[ListFile, dict[str, str]]:
    """Read the fields of a file that is sent; `more` names the texts that may come beside those that describe it."""
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise Problem(422, "FIELD_MISSING", "file")
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    unknown = sorted(texts.keys() - _FIELDS - more)
    if unknown:
        raise Problem(422, "FIELD_UNKNOWN", ", ".join(unknown)[:200])
    declared, mode = texts.get("entries"), texts.get("mode", "full")
    if declared is not None and not _COUNT.fullmatch(declared):
        raise Problem(422, "FIELD_INVALID", "entries")
    if mode not in {"full", "incremental"}:
        raise Problem(422, "FIELD_INVALID", "mode")
    layout = doors.loader.layout(texts.get("layout", texts.get("format", "generic_csv")))
    if isinstance(layout, Refused):
        raise refusal(layout)
    return ListFile(
        source=file.file,
        layout=layout,
        source_time=_source_time(texts.get("source_time", "")),
        mode=mode,
        declared=None if declared is None else int(declared),
        sources=_sources(texts.get("sources", "[]")),
        permissible_use=texts.get("permissible_use", "").strip(),
    ), texts


def _sources(text: str) -> tuple[ListSource, ...]:
    """Read `[{"name": …, "as_of": …}]`, what a special list was put together from (HOT-10)."""
    try:
        return tuple(ListSource(one["name"], _moment(one["as_of"])) for one in json.loads(text))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Problem(422, "FIELD_INVALID", "sources") from None


def _source_time(text: str) -> datetime | None:
    """Read of when the file is; nothing where the file says so itself."""
    try:
        return _moment(text) if text else None
    except ValueError:
        raise Problem(422, "FIELD_INVALID", "source_time") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment


def _show_rejects(rejects: Iterable[Reject]) -> list[dict[str, Any]]:
    return [{"line": one.number, "reason_code": one.reason_code} for one in rejects]


def _show_load(load: dict[str, Any]) -> dict[str, Any]:
    shown = {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in load.items()}
    return shown | {"sources": json.loads(load["sources"])}


def _show_rollback(asked: Rollback) -> dict[str, Any]:
    shown = asdict(asked)
    return {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in shown.items()}
