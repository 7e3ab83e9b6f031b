"""Duties with a clock as rows: opened and closed by what was done, and by nothing else (HIT-10, HIT-13, HIT-19, HIT-24)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alprcore.model import make_id
from alprcore.policy import AgencyProfile
from alprcore.workflow import Step, Task, TaskKind, tasks

from .work import Standing


async def keep_tasks(
    connection: Any,
    queries: Mapping[str, str],
    profile: AgencyProfile,
    found: Standing,
    expires_at: datetime,
    now: datetime,
) -> None:
    """Open and close the rows of the duties that follow from the work, in the caller's transaction; one of a kind is open.

    A duty whose end was taken back (a misread that was none) opens again, with its whole time. One that nothing asks for
    any more is closed; a confirmation that was put off stays owed until a database answers.
    """
    agency, stored = profile.agency, _by_kind(found.tasks)

    async def put(task: Task, opened_at: datetime) -> str:
        name = make_id("task", found.work_id, task.kind.value, opened_at.isoformat())
        due_at = task.due_at + (opened_at - task.opened_at) if task.due_at else None
        await connection.execute(
            queries["put_task"], name, agency, found.work_id, task.kind.value, opened_at, due_at, expires_at
        )
        return name

    for task in tasks(profile, found.scene, found.work):
        rows = stored.pop(task.kind.value, [])
        running = next((row for row in rows if row["closed_at"] is None), None)
        seen = any(row["opened_at"] == task.opened_at for row in rows)
        if task.closed_at is None and running is None:
            await put(task, now if seen else task.opened_at)
        elif task.closed_at is not None and (running is not None or not seen):
            name = running["task_id"] if running else await put(task, task.opened_at)
            await connection.execute(queries["close_task"], agency, name, task.closed_at)
    for row in (row for rows in stored.values() for row in rows):
        if row["closed_at"] is None and not _owed(row, found.rows):
            await connection.execute(queries["close_task"], agency, row["task_id"], now)


def _by_kind(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["kind"], []).append(row)
    return found


def _owed(task: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a confirmation that was put off is still owed, whatever policy has come into force since (HIT-10)."""
    return task["kind"] == TaskKind.CONFIRM_AFTER and not any(
        row["step"] == Step.VERIFY and row["done_at"] >= task["opened_at"] for row in rows
    )
