"""Audit reports, audit tasks, findings and their reviews in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from alprcore.errors import LedgerBroken
from alprcore.model import Person
from alprcore.postgres import load_queries, translated

from .. import ledger
from ..patterns import ACT_KINDS, Signal
from ..reviews import reports
from ..reviews import tasks as audits
from ..reviews.accesses import Access, access_of

_QUERIES: Final = load_queries("alpr_audit", "reviews.sql")
_ACTS_AT_ONCE: Final = 2000


def shown_person(person: Person) -> dict[str, str]:
    """Who reviewed, made or closed something: the session's words."""
    return {"person_id": person.person_id, "username": person.username, "full_name": person.full_name}


@dataclass(frozen=True, slots=True)
class Told:
    """An entry with what it commits to; `content` is None once erased."""

    index: int
    agency: str
    entry: dict[str, Any]
    content: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class NewTask:
    """An audit task as it is opened, with the entries drawn for it and the patterns that flagged them."""

    task_id: str
    agency: str
    scope: str
    role: str
    mode: str
    period: audits.Period
    opened_at: datetime
    due_at: datetime
    seed: str
    figures: Mapping[str, int]
    items: Mapping[int, Sequence[str]]


class Reviews:
    """What auditing keeps beside the ledger."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def _fetch(self, name: str, *values: Any) -> list[Any]:
        with translated():
            return list(await self._pool.fetch(_QUERIES[name], *values))

    async def _value(self, name: str, *values: Any) -> Any:
        with translated():
            return await self._pool.fetchval(_QUERIES[name], *values)

    async def accesses(self, agency: str, order: reports.Order) -> list[Access]:
        """Accesses of the period that the order takes, oldest first, one more than a report may hold at most.

        Each is checked against the hash in its entry; raises `LedgerBroken` for one that was changed since.
        """
        rows = await self._fetch(
            "accesses", agency, order.starts_at, order.ends_at, order.username, order.kind, order.purpose_code,
            order.case_number, reports.ROWS_LIMIT + 1,
        )  # fmt: skip
        accesses = []
        for row in rows:
            entry, content = json.loads(row["leaf"]), ledger.parse(row["content"])
            if ledger.commitment(bytes(row["salt"]), content) != entry["personal"]:
                raise LedgerBroken(f"entry {row['idx']} is not what was committed")
            accesses.append(access_of(row["idx"], entry, content))
        return accesses

    async def refused(
        self, agency: str, starts_at: datetime, ends_at: datetime
    ) -> tuple[list[reports.Refusal], list[reports.Override]]:
        """What was refused in a period, and which soft steps were left out."""
        refusals, overrides = [], []
        for row in await self._fetch("refused", agency, starts_at, ends_at):
            entry, content = json.loads(row["leaf"]), _parsed(row["content"])
            facts = entry["facts"]
            if row["kind"] == "gate_overridden":
                reason = content.get("override_reason") or facts.get("override_reason", "")
                who = content.get("person", content)
                names = (who.get("username", ""), who.get("full_name", ""))
                overrides.append(reports.Override(*names, facts.get("step", ""), reason))
            else:
                refusals.append(reports.Refusal(entry["reason_code"], _count(facts)))
        return refusals, overrides

    async def put_report(self, report_id: str, order: reports.Order, report: reports.Report, agency: str) -> None:
        """Keep a frozen report."""
        summary = report.summary
        await self._fetch(
            "put_report", report_id, agency, datetime.fromisoformat(summary["created_at"]), report.retain_until,
            order.starts_at, order.ends_at, json.dumps(summary["created_by"]), json.dumps(summary), report.document,
            bytes.fromhex(report.sha256),
        )  # fmt: skip

    async def reports(self, agency: str) -> list[dict[str, Any]]:
        """Summaries of the agency's reports, newest first."""
        return [_summary(row) for row in await self._fetch("reports", agency)]

    async def report(self, agency: str, report_id: str) -> dict[str, Any] | None:
        """One report with its frozen document and the time until which it is kept."""
        rows = await self._fetch("report", agency, report_id)
        if not rows:
            return None
        row = rows[0]
        return {**_summary(row), "document": bytes(row["document"]), "kept_until": row["retain_until"]}

    async def delete_report(self, report_id: str) -> None:
        """Delete a report whose time is over. Raises `PermissionError` where the database says that it is not."""
        try:
            await self._fetch("delete_report", report_id)
        except asyncpg.InsufficientPrivilegeError as error:
            raise PermissionError("RETENTION_FLOOR") from error

    async def expired_reports(self, now: datetime) -> list[dict[str, str]]:
        """Reports that may be removed."""
        return [dict(row) for row in await self._fetch("expired_reports", now)]

    async def worked_before(self, agency: str, when: datetime) -> bool:
        """Tell whether the agency used the system before this time."""
        first = await self._value("first_entry", agency)
        return first is not None and first < when

    async def first_since(self, when: datetime) -> int:
        """Index of the first entry that was committed at this time or later; found in a few steps, however long the log."""
        low, high = 0, await self._value("last_index")
        high = 0 if high is None else high + 1
        while low < high:
            middle = (low + high) // 2
            if await self._value("committed_at", middle) < when:
                low = middle + 1
            else:
                high = middle
        return low

    async def has_task(self, agency: str, period: str, scope: str) -> bool:
        """Tell whether the audit of a period is open or closed already."""
        return bool(await self._value("has_task", agency, period, scope))

    async def audited(self, agency: str, period: audits.Period, scope: str) -> tuple[list[int], list[int]]:
        """Entries of a period that an audit of this scope may draw: accesses, and acts on accounts."""
        kinds = sorted(audits.kinds_of(scope))
        rows = await self._fetch("accesses_between", agency, period.starts_at, period.ends_at, kinds)
        accounts = []
        if scope == "system":
            first, end = await self.first_since(period.starts_at), await self.first_since(period.ends_at)
            beginnings = f"^({'|'.join(audits.ACCOUNT_KINDS)})"
            accounts = await self._fetch("accounts_between", agency, first, end, beginnings)
        return [row["idx"] for row in rows], [row["idx"] for row in accounts]

    async def flagged(self, agency: str, indexes: Sequence[int]) -> dict[int, list[str]]:
        """Patterns that flagged these entries."""
        return {row["idx"]: list(row["kinds"]) for row in await self._fetch("flagged", agency, list(indexes))}

    async def put_task(self, task: NewTask) -> bool:
        """Open an audit task with its items; False when it is there already."""
        values = (
            task.task_id, task.agency, task.period.name, task.scope, task.role, task.mode, task.period.starts_at,
            task.period.ends_at, task.opened_at, task.due_at, task.seed, json.dumps(dict(task.figures)),
        )  # fmt: skip
        with translated():
            async with self._pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(_QUERIES["put_task"], *values) is None:
                    return False
                flags = [json.dumps(list(kinds)) for kinds in task.items.values()]
                await connection.execute(_QUERIES["put_items"], task.task_id, list(task.items), flags)
                return True

    async def tasks(self, agency: str, now: datetime, task_id: str = "") -> list[dict[str, Any]]:
        """Audit tasks of an agency, newest period first, as they are shown."""
        return [_task(row, now) for row in await self._fetch("tasks", agency, task_id)]

    async def items(self, task_id: str, index: int | None = None) -> list[dict[str, Any]]:
        """Items of a task with the last finding of each."""
        return [_item(row) for row in await self._fetch("items", task_id, index)]

    async def put_finding(
        self, task_id: str, index: int, result: audits.Result, note: str, reviewer: Person, now: datetime
    ) -> None:
        """Keep what a reviewer found of an item; earlier findings stay. Raises `PermissionError` on a closed task."""
        who = json.dumps(shown_person(reviewer))
        try:
            await self._fetch("put_finding", task_id, index, result.value, note, who, now)
        except asyncpg.UniqueViolationError as error:
            raise PermissionError("TASK_CLOSED") from error

    async def close_task(
        self, task_id: str, closed_by: Person, counts: Mapping[str, int], statement: str, now: datetime
    ) -> bool:
        """Close a task; False when it was closed before."""
        who = json.dumps(shown_person(closed_by))
        return bool(await self._value("close_task", task_id, now, who, json.dumps(dict(counts)), statement))

    async def newly_overdue(self, now: datetime) -> list[dict[str, Any]]:
        """Tasks that became overdue and have not been told of."""
        return [dict(row) for row in await self._fetch("newly_overdue", now)]

    async def set_overdue(self, task_id: str, now: datetime) -> None:
        """Note that the delay was told of."""
        await self._fetch("set_overdue", task_id, now)

    async def count_overdue(self, now: datetime) -> int:
        """Tasks of all agencies that are overdue now."""
        return int(await self._value("count_overdue", now))

    async def acts(self, after: int) -> list[Told]:
        """The next entries that the patterns read, oldest first; empty when there is none."""
        return _told(await self._fetch("acts", after, list(ACT_KINDS), _ACTS_AT_ONCE))

    async def account_acts(self, before: int) -> list[Told]:
        """Ends and beginnings of accounts before an entry, oldest first: an account that ended stays ended."""
        return _told(await self._fetch("account_acts", before))

    async def put_signal(self, finding_id: str, agency: str, signal: Signal, now: datetime) -> bool:
        """Keep what a pattern found; False when it was found before."""
        subject = {"person_id": signal.person_id, "username": signal.username, "full_name": signal.full_name}
        values = (signal.kind, signal.level.value, json.dumps(subject), list(signal.entries), signal.detail, now)
        return bool(await self._value("put_signal", finding_id, agency, *values))

    async def findings(
        self, agency: str, *, finding_id: str = "", kind: str = "", state: str = ""
    ) -> list[dict[str, Any]]:
        """What the patterns found, newest first, with dispositions."""
        return [_found(row) for row in await self._fetch("findings", agency, finding_id, kind, state)]

    async def dispose(self, finding_id: str, result: str, note: str, reviewer: Person, now: datetime) -> bool:
        """Keep what a reviewer made of a finding; False when it has a disposition."""
        who = json.dumps(shown_person(reviewer))
        return bool(await self._value("dispose", finding_id, result, note, who, now))

    async def open_findings(self, agency: str = "") -> tuple[int, datetime | None]:
        """How many findings wait, and since when the oldest does."""
        (row,) = await self._fetch("open_findings", agency)
        return row["open"], row["oldest"]

    async def put_employee_plate(self, plate_id: str, agency: str, username: str, digest: bytes, now: datetime) -> bool:
        """Register an employee's plate by its digest; False when it is registered."""
        return bool(await self._value("put_employee_plate", plate_id, agency, "", username, digest, now))

    async def employee_plates(self, agency: str) -> list[dict[str, Any]]:
        """Registered plates: id, username, digest, when."""
        return [dict(row) for row in await self._fetch("employee_plates", agency)]

    async def delete_employee_plate(self, agency: str, plate_id: str) -> bool:
        """Forget a registered plate; False when there is none."""
        return bool(await self._value("delete_employee_plate", agency, plate_id))

    async def trail(self, agency: str, subjects: Sequence[str], query_id: int | None, read_id: str) -> list[Told]:
        """Entries about a query, read or hit and those that came of them, in the order of the ledger (AUD-04)."""
        found = {query_id} if query_id is not None else set()
        if read_id:
            found |= {row["idx"] for row in await self._fetch("read_subjects", agency, read_id)}
        found |= {row["idx"] for row in await self._fetch("linked", agency, list(subjects), [])}
        parents = {row["idx"] for row in await self._fetch("origins", list(found))}
        below = found if query_id is not None else set()
        while below:
            names = [f"query_id {index}" for index in below]
            fresh = {row["idx"] for row in await self._fetch("linked", agency, names, list(below))} - found
            found, below = found | fresh, fresh
        rows = await self._fetch("entries", list(found | parents), agency)
        return [Told(row["idx"], agency, json.loads(row["leaf"]), _parsed(row["content"]) or None) for row in rows]


def _told(rows: Sequence[Any]) -> list[Told]:
    return [Told(row["idx"], row["agency"], json.loads(row["leaf"]), _parsed(row["content"]) or None) for row in rows]


def _count(facts: Mapping[str, Any]) -> int:
    try:
        return max(1, int(facts.get("count", 1)))
    except (TypeError, ValueError):
        return 1


def _parsed(text: str | None) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text) if text else {}
    return value


def _summary(row: Any) -> dict[str, Any]:
    return {"report_id": row["report_id"], **json.loads(row["summary"]), "sha256": row["sha256"]}


def _task(row: Any, now: datetime) -> dict[str, Any]:
    closed = row["closed_at"] is not None
    return {
        "task_id": row["task_id"],
        "period": row["period"],
        "from": row["starts_at"].isoformat(),
        "to": row["ends_at"].isoformat(),
        "scope": row["scope"],
        "role": row["role"],
        "mode": row["mode"],
        "opened_at": row["opened_at"].isoformat(),
        "due_at": row["due_at"].isoformat(),
        "state": audits.state_of(row["due_at"], now, closed=closed),
        "seed": row["seed"],
        "figures": json.loads(row["figures"]),
        "items": row["items"],
        "decided": row["decided"],
        "counts": json.loads(row["counts"]) if closed else {},
        "closed_at": row["closed_at"].isoformat() if closed else None,
        "closed_by": json.loads(row["closed_by"]) if closed else None,
        "statement": row["statement"] if closed else "",
    }


def _item(row: Any) -> dict[str, Any]:
    entry, content = json.loads(row["leaf"]), _parsed(row["content"])
    person, reasons = content.get("person", content), content.get("reasons", {})
    finding = None
    if row["result"] is not None:
        reviewer = json.loads(row["reviewer"])
        finding = {"result": row["result"], "note": row["note"], "username": reviewer["username"],
                   "at": row["found_at"].isoformat()}  # fmt: skip
    return {
        "entry": row["idx"],
        "time": entry["facts"].get("occurred_at") or entry["time"],
        "kind": entry["kind"],
        "person_id": person.get("person_id", ""),
        "username": person.get("username", ""),
        "full_name": person.get("full_name", ""),
        "criteria": content.get("criteria", {}),
        "purpose_code": reasons.get("purpose_code", ""),
        "justification": reasons.get("justification", ""),
        "case_number": reasons.get("case_number", ""),
        "facts": entry["facts"],
        "flags": list(row["flags"]),
        "finding": finding,
    }


def _found(row: Any) -> dict[str, Any]:
    disposition = None
    if row["result"] is not None:
        reviewer = json.loads(row["reviewer"])
        disposition = {"result": row["result"], "note": row["note"], "username": reviewer["username"],
                       "at": row["disposed_at"].isoformat()}  # fmt: skip
    return {
        "finding_id": row["finding_id"],
        "kind": row["kind"],
        "level": row["level"],
        "found_at": row["found_at"].isoformat(),
        "subject": json.loads(row["subject"]),
        "entries": list(row["entries"]),
        "detail": row["detail"],
        "disposition": disposition,
    }
