"""How the work on a hit is laid out for a screen: its steps, what the forms ask, what was done, what is due. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from alprcore.confirming import TEST
from alprcore.model import Refused
from alprcore.policy import AgencyProfile
from alprcore.workflow import (
    ActionType,
    BasisType,
    CheckMethod,
    Occupied,
    Outcome,
    Result,
    Scene,
    Step,
    StepView,
    Task,
    Work,
    answer,
    closable,
    device_sequence,
    forms,
    plan,
    sequence_of,
    state_of,
)

REDACTED: Final = "CLETS text is left out: it is shown and released only with an authority of its own."
"""What stands in a hit's papers in the place of the answer (SEC-06)."""
_LABELS: Final[Mapping[Step, str]] = {
    Step.READ_CHECK: "Compare the read with its picture",
    Step.VERIFY: "Confirm the entry with its source",
    Step.BROADCAST: "Broadcast to the field",
    Step.BROADCAST_RESULT: "Broadcast the result",
    Step.CALL: "Enter the call for service",
    Step.DESCRIBE: "Vehicle description and direction",
    Step.NATURE_REVIEW: "Review the nature of the advisory",
    Step.ACTION: "Record the action",
    Step.DISPOSITION: "Record how it ended",
}
_STATED: Final = ("result", "method", "state_confirmed", "plate_text", "corrected_text")


def without_text(row: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out a verification for everybody who sees the hit: all but the text, with a note where there is one."""
    shown = {name: value for name, value in row.items() if name != "has_text"}
    return {**shown, "text": None, "redaction": REDACTED if row["has_text"] else ""}


def result_words(profile: AgencyProfile, work: Work, rows: Sequence[Mapping[str, Any]]) -> str:
    """Say for the air what the database answered: the newest answer that counts, with TEST where nobody asked one.

    Never what somebody typed (HIT-13). `rows` are the steps of the work as stored, oldest first.
    """
    found = answer(profile, work)
    if found is None:
        return ""
    asked = [row["given"] for row in rows if row["step"] == Step.VERIFY]
    said = [given for given in asked if (given["source"], given["result"]) == (found.source, found.result)]
    test = any(given.get("test") for given in said[-1:])
    return f"{TEST}: " * test + found.result.value.replace("_", " ")


def read_check(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Lay out the newest finding about a read; what was read stays beside what was seen (HIT-07)."""
    return None if row is None else {**{name: row[name] for name in _STATED}, "by": row["by"], "at": _text(row["at"])}


def refusal(decision: object) -> dict[str, str] | None:
    """Lay out why something cannot be done now."""
    if not isinstance(decision, Refused):
        return None
    return {"rule_id": decision.rule_id, "reason_code": decision.reason_code, "detail": decision.detail}


def work_view(
    profile: AgencyProfile,
    scene: Scene,
    work: Work,
    rows: Sequence[Mapping[str, Any]],
    tasks: Sequence[Mapping[str, Any]],
    card: Mapping[str, Any],
    check: Mapping[str, Any] | None,
    adapter: str,
) -> dict[str, Any]:
    """Lay out the whole work for whoever looks at it. `rows` are its steps as stored, `tasks` its duties, open and closed,
    `card` the hit that was asked for and `check` the newest finding about its read.
    """
    shut = closable(profile, scene, work)
    ended = next((row for row in rows if row["step"] == "closure"), None)
    return {
        "hit_id": card["hit_id"],
        "state": state_of(profile, work).value,
        "sequence": sequence_of(scene).value,
        "device_sequence": device_sequence(scene).value,
        "client_kind": scene.client_kind.value,
        "notice": card["notice"],
        "steps": [_step(view) for view in plan(profile, scene, work)],
        "forms": _forms(profile, scene, card, adapter),
        "read_check": _compared(check, rows, card),
        "verifications": [_verification(row) for row in _of(rows, "verify")],
        "broadcasts": [_broadcast(row) for row in _of(rows, "broadcast", "broadcast_result")],
        "calls": [_call(row, rows) for row in _of(rows, "call")],
        "nature_review": _newest(rows, "nature_review"),
        "actions": [_plain(row, "action_id") for row in _of(rows, "action")],
        "disposition": _newest(rows, "disposition"),
        "closed": _who(ended) if ended else None,
        "tasks": [_task(task) for task in tasks],
        "owner": card.get("owner"),
        "closable": {"ok": not isinstance(shut, Refused), "refusal": refusal(shut)},
    }


def summary(profile: AgencyProfile, scene: Scene, work: Work, tasks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Lay out in short how far the work is, for the card in the queue: its listed steps, and the duties that are open."""
    steps = [{"step": v.step.value, "status": v.status.value} for v in plan(profile, scene, work) if v.listed]
    return {
        "state": state_of(profile, work).value,
        "closed_at": work.closed_at.isoformat() if work.closed_at else None,
        "steps": steps,
        "tasks": [_task(task) for task in tasks if task["closed_at"] is None],
    }


def task_row(task: Task, known: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Lay out a duty that follows from the work, with the times of its newest row where one is stored."""
    stored = known.get(task.kind.value, {})
    return {
        "task_id": stored.get("task_id"),
        "kind": task.kind.value,
        "opened_at": stored.get("opened_at") or task.opened_at,
        "due_at": stored.get("due_at") or task.due_at,
        "closed_at": stored.get("closed_at") or task.closed_at,
        "escalated_at": stored.get("escalated_at"),
        "rule_id": task.rule_id,
    }


def _step(view: StepView) -> dict[str, Any]:
    return {
        "step": view.step.value,
        "label": _LABELS[view.step],
        "listed": view.listed,
        "status": view.status.value,
        "gate": view.gate,
        "needs": [step.value for step in view.needs],
        "needs_reason": view.needs_reason,
        "refusal": refusal(view.refusal),
        "by": view.done.by if view.done else None,
        "at": _text(view.done.at) if view.done else None,
    }


def _forms(profile: AgencyProfile, scene: Scene, card: Mapping[str, Any], adapter: str) -> dict[str, Any]:
    asked = forms(profile, scene)
    where = " ".join(part for part in (card["device_name"] or card["device_id"], card["direction"]) if part)
    return {
        "read_check": {"methods": list(CheckMethod), "visual": asked.visual},
        "verification": {
            "sources": list(asked.sources), "routes": list(asked.routes), "results": list(Result), "adapter": adapter,
        },
        "broadcast": {
            "kind": asked.kind.value,
            "required": list(asked.content),
            "channels": list(asked.channels),
            "audience": list(asked.audience),
            "result_required": list(asked.result_content),
            "result_audience": list(asked.result_audience),
            "given": {
                "nature": card["advisory_words"], "plate": f"{card['plate']} {card.get('state') or ''}".strip(),
                "fixed_location": where, "alert_info": card["reason_words"], "direction": card["direction"],
            },
        },
        "call": {
            "types": [{"code": code, "label": label} for code, label in asked.call_types.items()],
            "required": ["vehicle_description", "direction_of_travel"],
        },
        "nature": {"classes": sorted({*(rule.advisory_class for rule in profile.lists), card["advisory_class"]})},
        "action": {
            "types": list(ActionType),
            "independent_basis": asked.independent_basis,
            "basis_types": list(BasisType),
            "exigency": list(asked.exigencies),
        },
        "disposition": {"outcomes": list(Outcome), "occupied": list(Occupied)},
    }  # fmt: skip


def _of(rows: Sequence[Mapping[str, Any]], *steps: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["step"] in steps]


def _who(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "by": row["full_name"], "at": _text(row["done_at"]), "client_kind": row["client_kind"],
        "overridden": list(row["overridden"]), "override_reason": row["override_reason"],
    }  # fmt: skip


def _plain(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {name: row["step_id"], **row["given"], "unverified_action": row["unverified"], **_who(row)}


def _newest(rows: Sequence[Mapping[str, Any]], step: str) -> dict[str, Any] | None:
    found = _of(rows, step)
    return {**found[-1]["given"], **_who(found[-1])} if found else None


def _verification(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "verification_id": row["step_id"],
        **row["given"],
        "redaction": REDACTED if row["has_text"] else "",
        **_who(row),
    }


def _broadcast(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"broadcast_id": row["step_id"], **row["given"], **_who(row)}


def _call(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    said = {**row["given"]}
    for later in _of(rows, "describe"):
        if later["given"]["call_id"] == row["step_id"]:
            said |= {name: later["given"][name] for name in ("vehicle_description", "direction_of_travel")}
    state = row["call_state"] or {"state": "entered", "verification_id": None}
    return {"call_id": row["step_id"], **said, "state": state["state"],
            "verification_id": state["verification_id"], **_who(row)}  # fmt: skip


def _compared(
    check: Mapping[str, Any] | None, rows: Sequence[Mapping[str, Any]], card: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Lay out the newest finding about the read of this hit, with the reason of what it left out."""
    found = [row for row in _of(rows, "read_check") if row["hit_id"] == card["hit_id"]]
    stated = read_check(check)
    return {**stated, **_who(found[-1])} if stated and found else stated


def _task(task: Mapping[str, Any]) -> dict[str, Any]:
    moments = ("opened_at", "due_at", "closed_at", "escalated_at")
    return {
        "task_id": task["task_id"], "kind": task["kind"], **{name: _text(task[name]) for name in moments},
    }  # fmt: skip


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
