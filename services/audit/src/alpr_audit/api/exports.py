"""Taking an answer away: as CSV, as JSON, or onto paper. Each is an intent and a result of its own (QRY-02, USE-01)."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field

from alprcore.answering import Refusal
from alprcore.cells import inert
from alprcore.model import Person, Refused
from alprcore.policy import MAX_ROWS, OTHER_APPROVED, SYSTEM_PURPOSES, AgencyProfile, may_query, may_receive

from .. import metrics
from ..store import HandedOut
from .answers import refusal_of
from .asking import known_of, rests_on
from .door import Ask, Door, Followed, around
from .shapes import Body, EntryNumber, QueryBody, read_body

_KEPT_PURPOSES: Final = frozenset({OTHER_APPROVED, *SYSTEM_PURPOSES})
"""Purposes that an answer keeps: whoever was let in by an approval or a role takes nothing away for another one."""
COLUMNS: Final = (
    "plate", "state", "captured_at", "received_at", "device_id", "device_name", "camera_id", "direction", "latitude",
    "longitude", "confidence", "read_id", "agency",
)  # fmt: skip
HIT_COLUMNS: Final = (*COLUMNS, "hit_id", "list_code", "reason", "advisory_class", "matched_at")


class Format(StrEnum):
    """What is made of an answer; `print` is a page that the console puts on paper."""

    CSV = "csv"
    JSON = "json"
    PRINT = "print"


class ExportBody(Body):
    """A wish to take the answer of an own query away; the purpose is asked for again: taking away is another act."""

    query_id: EntryNumber
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
    return inert(str(value))


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
        await door.count(person, "queries", "agency_queries")
        body: ExportBody = await read_body(request, ExportBody, person)
        profile = door.profile(person)
        followed = await door.own_query(person, body.query_id)
        facts, approvers = await _judge(door, body, person, followed)
        await door.count(person, "exports")
        given = await door.questions.handed_out(body.query_id)
        ask = _ask(body, followed, given, facts, approvers)
        intent = await door.intend(person, ask)
        began = time.monotonic()
        rows = [row for row in await door.fetch(person, ask, intent) if _was_given(row, given)]
        marks = marks_of(profile, person, intent.index, door.clock())
        answered = len(given.hits if followed.kind == "hit_query" else given.reads)
        if len(rows) < answered:  # more hits of these reads than one export takes, or some are no longer kept
            marks["mark"] += f" - NOT COMPLETE: {len(rows)} of {answered} that the answer showed"
        content = _content(body.format, rows, followed.kind, marks, intent.index)
        digest = hashlib.sha256(content).hexdigest()
        made = {"bytes": len(content), "sha256": digest, "format": body.format.value, "answered": answered}
        await door.conclude(person, ask, intent, rows, time.monotonic() - began, made)
        metrics.QUERIES.labels("exported").inc()
        headers = {"etag": f'"{digest}"'}
        if body.format is not Format.PRINT:
            name = f"plateline-export-{intent.index}.{body.format.value}"
            headers["content-disposition"] = f'attachment; filename="{name}"'
        kind = "text/csv; charset=utf-8" if body.format is Format.CSV else "application/json"
        return Response(content, 201, headers, kind)

    return routes


async def _judge(
    door: Door, body: ExportBody, person: Person, followed: Followed
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Judge the question anew, now and with the reasons of the export; gives the approvals that it rests on."""
    reasons, criteria = followed.content.get("reasons", {}), followed.content.get("criteria", {})
    asked = {"criteria": {"query_id": body.query_id}, "reasons": body.model_dump(mode="json", exclude={"query_id"})}
    decision = may_receive(body.recipient_class)
    if isinstance(decision, Refused):
        raise refusal_of(decision, person, asked)
    if followed.source != "local":
        raise Refusal(409, "SOURCE_EXTERNAL", "reads of an external source are not kept here", person=person)
    if followed.agency:
        words = "another agency's reads are not taken away; it releases them on a written request"
        raise Refusal(403, "AGREEMENT_NO_EXPORT", words, person=person, asked=asked)
    question = QueryBody.model_validate(
        {**reasons, "criteria": criteria, "purpose_code": body.purpose_code, "justification": body.justification}
    )
    query, known = question.query(person), await known_of(door, question, person)
    refused = may_query(query, person, door.profile(person), door.clock(), known)
    before = reasons.get("purpose_code", "")
    if (
        not isinstance(refused, Refused)
        and body.purpose_code != before
        and {body.purpose_code, before} & _KEPT_PURPOSES
    ):
        words = f"the question was asked for {before}, and its answer is not taken away for another purpose"
        refused = Refused("USE-01", "PURPOSE_NOT_PERMITTED", words)
    if isinstance(refused, Refused):
        raise refusal_of(refused, person, asked)
    if body.recipient_class != "own_agency":
        raise Refusal(403, "RECIPIENT_CLASS_NOT_PERMITTED", "an export stays in the agency; others ask for a release",
                      person=person, asked=asked)  # fmt: skip
    return rests_on(known, query, person, door.clock())


def _was_given(row: Mapping[str, Any], given: HandedOut) -> bool:
    return row["hit_id"] in given.hits if "hit_id" in row else row["read_id"] in given.reads


def _ask(
    body: ExportBody, followed: Followed, given: HandedOut, facts: Mapping[str, Any], approvers: Mapping[str, Any]
) -> Ask:
    """The reads that the query handed out and no others; of a query about hits, those hits of them."""
    reasons, hits = followed.content.get("reasons", {}), followed.kind == "hit_query"
    search = {
        "read_ids": sorted(given.reads),
        "limit": MAX_ROWS if hits else max(1, len(given.reads)),  # a read may have hits that came since
        **around(datetime.fromisoformat(captured) for captured in given.reads.values()),
    }
    if hits and "list_code" in followed.search:
        search["list_code"] = followed.search["list_code"]
    return Ask(
        kind="export",
        act="hits" if hits else "search",
        search=search,
        facts={
            "follows": followed.query_id,
            "format": body.format.value,
            "purpose_code": body.purpose_code,
            "offense_code": reasons.get("offense_code", ""),
            "recipient_class": body.recipient_class,
            "elements": ["query_id"],
            **facts,
        },
        personal={
            "criteria": {"query_id": followed.query_id, "of": followed.content.get("criteria", {})},
            "reasons": {
                **{name: reasons[name] for name in ("case_number", "no_case_number_reason") if name in reasons},
                "purpose_code": body.purpose_code,
                "justification": body.justification,
            },
            **approvers,
        },
    )


def _content(form: Format, rows: list[dict[str, Any]], kind: str, marks: Mapping[str, str], number: int) -> bytes:
    columns = HIT_COLUMNS if kind == "hit_query" else COLUMNS
    if form is Format.CSV:
        return csv_file(rows, columns, marks)
    kept = [{name: row.get(name) for name in columns} for row in rows]
    return json.dumps({"export_id": number, **marks, "rows": kept}, ensure_ascii=False, indent=1).encode()
