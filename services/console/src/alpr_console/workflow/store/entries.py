"""The ledger's entries of a step: the step itself, and each gate that it left out with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from alprcore.workflow import Passed, Step

from ...doors import Outbox
from ...web import SignedIn
from .work import Standing

KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "read_check": ("read_checked", "read_check"),
    "verify": ("hit_verified", "verification"),
    "broadcast": ("hit_broadcast", "broadcast"),
    "broadcast_result": ("hit_broadcast", "broadcast"),
    "call": ("call_entered", "call"),
    "describe": ("call_described", "call"),
    "nature_review": ("nature_reviewed", "nature_review"),
    "action": ("action_recorded", "action"),
    "disposition": ("disposition_recorded", "disposition"),
    "closure": ("hit_closed", "closure"),
}
"""By step: the kind of its ledger entry, and what others hear that changed; what becomes of a call they are told apart."""


async def record_step(
    connection: Any, outbox: Outbox, session: SignedIn, found: Standing, row: Mapping[str, Any], passed: Passed,
    now: datetime,
) -> None:  # fmt: skip
    """Write the ledger's entries of a step: the step itself, and each gate that it left out with a reason."""
    person, profile = session.person, session.profile
    kind, _ = KINDS[row["step"]]
    facts = {
        "hit_id": found.hit_id, "read_id": found.card["read_id"], "step": row["step"], "result": row["kind"],
        "client_kind": row["client_kind"],
    }  # fmt: skip
    for name in ("method", "source", "route", "exigency", "adapter"):
        if row["given"].get(name):
            facts[name] = str(row["given"][name])
    if row["step"] == Step.ACTION:
        facts["unverified_action"] = str(passed.unverified).lower()
    await outbox.record(
        connection, person, kind, row["step_id"], "1", now, facts=facts, profile_version=profile.version
    )
    for left in passed.overridden:
        about = {"step": left.step, "gate": "soft", "about": row["step_id"]}
        if passed.unverified:
            about["unverified_action"] = "true"
        await outbox.record(
            connection, person, "gate_overridden", found.hit_id, f"{left.step}/{row['step_id']}", now, facts=about,
            personal={"override_reason": left.reason}, profile_version=profile.version,
        )  # fmt: skip
