"""Trying a file against yesterday before it is put in force."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, Final

from fastapi import APIRouter, Request

from alpr_ingest.api.door import Ingest, ListAdmin, own_list, policy_of, refusal
from alpr_ingest.api.loads import list_file, uploaded
from alpr_ingest.app import audit_message
from alpr_ingest.loading import Alerts, disclosed
from alprcore.model import Refused
from alprcore.wire import rfc3339

router = APIRouter()
_NOTHING: Final = Alerts(0, 0, {})


@router.post("/v1/hotlists/{code}/dry-runs")
async def post_dry_run(code: str, request: Request, doors: Ingest, person: ListAdmin) -> dict[str, Any]:
    """Tell how many alerts a file would have made of the last 24 hours' reads, beside what is in force; no plate."""
    target = await own_list(doors, person, code)
    async with uploaded(request, doors) as form:
        file, _ = list_file(doors, form, frozenset())
        file.source.seek(0)
        digest = (await asyncio.to_thread(hashlib.file_digest, file.source, "sha256")).hexdigest()  # type: ignore[arg-type]
        file.source.seek(0)
        found = await doors.dry_runs.run(target, file, policy_of(doors, person))
    if isinstance(found, Refused):
        raise refusal(found)
    now = doors.clock()
    facts = {
        "list": code,
        "reads": str(found.reads),
        "alerts": str(disclosed(found.proposed.alerts, found.active.alerts)),
        "entries": str(found.entries),
        "mode": file.mode,
        "file_sha256": digest,
    }
    message = audit_message("list_dry_run", f"{person.agency}/{code}", rfc3339(now), person, now, facts=facts)
    await doors.store.put_out([message])
    doors.relay.kick()
    active = found.active
    return {
        "since": rfc3339(found.since),
        "until": rfc3339(found.until),
        "reads": found.reads,
        "entries": found.entries,
        "rejected": found.rejected,
        **_show(found.proposed, active),
        "active": {"version": target.version, "entries": target.entries, **_show(active, _NOTHING)},
    }


def _show(alerts: Alerts, beside: Alerts) -> dict[str, Any]:
    by_grade = {g: disclosed(n, beside.by_grade.get(g, 0)) for g, n in alerts.by_grade.items()}
    shown = {"alerts": disclosed(alerts.alerts, beside.alerts), "hits": disclosed(alerts.hits, beside.hits)}
    return {**shown, "by_grade": by_grade}
