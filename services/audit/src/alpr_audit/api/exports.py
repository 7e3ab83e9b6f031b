"""Taking an answer away: as CSV, as JSON, or onto paper. Each is an intent and a result of its own (QRY-02, USE-01)."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from alprcore.model import Person, Refused
from alprcore.policy import MAX_ROWS, AgencyProfile, may_receive, protected_term, purpose_refusal, says_nothing

from .. import metrics
from ..store import HandedOut
from .answers import Refusal, refusal_of
from .door import Ask, Door, Followed
from .shapes import INDEX_LIMIT, Body, read_body

NEARBY: Final = timedelta(days=1)
COLUMNS: Final = (
    "plate", "state", "captured_at", "received_at", "device_id", "device_name", "camera_id", "direction", "latitude",
    "longitude", "confidence", "read_id", "agency",
)  # fmt: skip
HIT_COLUMNS: Final = (*COLUMNS, "hit_id", "list_code", "reason", "advisory_class", "matched_at")
_FORMULA: Final = re.compile(r"^[\s\x00-\x1f]*[=+\-@\t\r\x00]")
"""Beginnings that a spreadsheet takes for a formula, also behind blanks (OWASP CSV injection)."""


class Format(StrEnum):
    """What is made of an answer; `print` is a page that the console puts on paper."""

    CSV = "csv"
    JSON = "json"
    PRINT = "print"


class ExportBody(Body):
    """A wish to take the answer of an own query away; the purpose is asked for again: taking away is another act."""

    query_id: int = Field(ge=0, lt=INDEX_LIMIT)
    format: Format
    purpose_code: str = Field("", max_length=64)
    justification: str = Field("", max_length=4000)
    recipient_class: str = Field("own_agency", max_length=64)


def cell(value: Any) -> str:
    """Write a value as a cell that no spreadsheet takes for a formula; numbers stay numbers."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    text = "".join(c for c in str(value) if c >= " ")
    return f"'{text}" if _FORMULA.match(str(value)) else text


def marks_of(profile: AgencyProfile, person: Person, number: int, now: datetime) -> dict[str, str]:
    """The words that every page and file carries: whose data this is, who took it away, when, under which number."""
    return {
        "mark": f"CONFIDENTIAL - OFFICIAL USE ONLY - property of {profile.name}",
        "watermark": " / ".join(
            filter(None, (profile.watermark, f"export {number}", person.username, now.isoformat(timespec="seconds")))
        ),
    }


def csv_file(rows: list[dict[str, Any]], columns: tuple[str, ...], marks: Mapping[str, str]) -> bytes:
    """Write rows as CSV (RFC 4180): the marks above the header, and the watermark in every row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([cell(marks["mark"])])
    writer.writerow([cell(marks["watermark"])])
    writer.writerow([*columns, "watermark"])
    for row in rows:
        writer.writerow([*(cell(row.get(name)) for name in columns), cell(marks["watermark"])])
    return text.getvalue().encode()


def router(door: Door) -> APIRouter:
    """Bind the routes to the door."""
    routes = APIRouter()

    @routes.post("/v1/exports")
    async def post_export(request: Request) -> Response:
        person = door.person(request)
        door.count(person, "queries", "agency_queries")
        body: ExportBody = await read_body(request, ExportBody, person)
        profile = door.profile(person)
        followed = await door.own_query(person, body.query_id)
        _judge(body, person, profile, followed)
        door.count(person, "exports")
        given = await door.questions.handed_out(body.query_id)
        ask = _ask(body, followed, given)
        intent = await door.intend(person, ask)
        began = time.monotonic()
        rows = [row for row in await door.fetch(person, ask, intent) if _was_given(row, given)]
        marks = marks_of(profile, person, intent.index, door.clock())
        content = _content(body.format, rows, followed.kind, marks, intent.index)
        digest = hashlib.sha256(content).hexdigest()
        facts = {"bytes": len(content), "sha256": digest, "format": body.format.value}
        await door.conclude(person, ask, intent, rows, time.monotonic() - began, facts)
        metrics.QUERIES.labels("exported").inc()
        headers = {"etag": f'"{digest}"'}
        if body.format is not Format.PRINT:
            name = f"plateline-export-{intent.index}.{body.format.value}"
            headers["content-disposition"] = f'attachment; filename="{name}"'
        kind = "text/csv; charset=utf-8" if body.format is Format.CSV else "application/json"
        return Response(content, 201, headers, kind)

    return routes


def _judge(body: ExportBody, person: Person, profile: AgencyProfile, followed: Followed) -> None:
    asked = {"criteria": {"query_id": body.query_id}, "reasons": body.model_dump(mode="json", exclude={"query_id"})}
    own = bool(followed.content.get("criteria", {}).get("own_detections"))
    decision = may_receive(body.recipient_class)
    refused = (
        decision if isinstance(decision, Refused) else purpose_refusal(body.purpose_code, person, profile, own=own)
    )
    if refused is None and says_nothing(body.justification, profile.querying):
        refused = Refused("QRY-02", "PURPOSE_REQUIRED", "say in words what the export is needed for")
    if refused is None and profile.first_amendment_block and protected_term([body.justification], profile.querying):
        refused = Refused("USE-07", "FIRST_AMENDMENT_PROHIBITED", "the reasons name a protected activity")
    if refused is not None:
        raise refusal_of(refused, person, asked)
    if body.recipient_class != "own_agency":
        raise Refusal(403, "RECIPIENT_CLASS_NOT_PERMITTED", "an export stays in the agency; others ask for a release",
                      person=person, asked=asked)  # fmt: skip
    if followed.source != "local":
        raise Refusal(409, "SOURCE_EXTERNAL", "reads of an external source are not kept here", person=person)


def _was_given(row: Mapping[str, Any], given: HandedOut) -> bool:
    return row["hit_id"] in given.hits if "hit_id" in row else row["read_id"] in given.reads


def _ask(body: ExportBody, followed: Followed, given: HandedOut) -> Ask:
    """The same rows again: the reads that the query handed out, or its search of past hits as it was put."""
    reads, reasons = given.reads, followed.content.get("reasons", {})
    if followed.kind == "hit_query":  # hits that came since must not push out those of the answer
        act, search = "hits", {**followed.search, "limit": MAX_ROWS}
    else:
        times = [datetime.fromisoformat(captured) for captured in reads.values()]
        act, search = "search", {"read_ids": sorted(reads), "limit": max(1, len(reads))}
        if times:
            search["captured_from"] = (min(times) - NEARBY).isoformat()
            search["captured_to"] = (max(times) + NEARBY).isoformat()
    return Ask(
        kind="export",
        act=act,
        search=search,
        facts={
            "follows": followed.query_id,
            "format": body.format.value,
            "purpose_code": body.purpose_code,
            "offense_code": reasons.get("offense_code", ""),
            "recipient_class": body.recipient_class,
            "elements": ["query_id"],
        },
        personal={
            "criteria": {"query_id": followed.query_id, "of": followed.content.get("criteria", {})},
            "reasons": {
                **{name: reasons[name] for name in ("case_number", "no_case_number_reason") if name in reasons},
                "purpose_code": body.purpose_code,
                "justification": body.justification,
            },
        },
    )


def _content(form: Format, rows: list[dict[str, Any]], kind: str, marks: Mapping[str, str], number: int) -> bytes:
    columns = HIT_COLUMNS if kind == "hit_query" else COLUMNS
    if form is Format.CSV:
        return csv_file(rows, columns, marks)
    kept = [{name: row.get(name) for name in columns} for row in rows]
    return json.dumps({"export_id": number, **marks, "rows": kept}, ensure_ascii=False, indent=1).encode()
