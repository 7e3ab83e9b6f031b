"""How strongly a step of the work binds: hard refuses, soft goes on with a reason, off does not ask (CFG-03)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from alprcore.model import ADMITTED, Admitted, Refused

from .profile import AgencyProfile

LEAST_REASON: Final = 8
"""Letters that a reason has at least: "ok" explains nothing to whoever counts the overrides."""


class Gate(StrEnum):
    """The strength of one step, as the policies say it: shall, should, may."""

    HARD = "hard"
    SOFT = "soft"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the work on a hit: the requirement that names it, the code of its refusal, the words.

    `unnamed` is its strength under a profile that says nothing of it: off, but an order is never lost by silence.
    """

    rule_id: str
    reason_code: str
    words: str
    unnamed: Gate = Gate.OFF


STEPS: Final[Mapping[str, Step]] = {
    "read_check": Step("HIT-06", "MISREAD_CHECK_REQUIRED", "compare the read with its picture first"),
    "state_check": Step("HIT-08", "STATE_MISMATCH", "confirm the state of the plate first"),
    "verify": Step("HIT-09", "CLETS_CONFIRMATION_REQUIRED", "verify the hit with the source first"),
    "independent_basis": Step("HIT-12", "INDEPENDENT_BASIS_REQUIRED", "a hit alone is no basis: state your own"),
    "list_versions": Step("HOT-21", "NOT_UPDATED", "update the lists of this unit first"),
    "broadcast_before_terminal": Step("HIT-17", "BROADCAST_FIRST", "broadcast before you run the plate yourself"),
    "desktop_broadcast": Step("HIT-18", "CLETS_CONFIRMATION_REQUIRED", "confirm the status before you broadcast"),
    "nature_review": Step("HIT-11", "NATURE_REVIEW_REQUIRED", "review what kind of advisory it is first"),
    "describe": Step(
        "HIT-22", "DESCRIPTION_REQUIRED", "the call says no vehicle description or direction of travel yet"
    ),
    "order_fixed": Step("HIT-13", "STEP_OUT_OF_ORDER", "other steps come first", Gate.SOFT),
    "order_mobile": Step("HIT-26", "STEP_OUT_OF_ORDER", "other steps come first", Gate.SOFT),
    "order_desktop": Step("HIT-18", "STEP_OUT_OF_ORDER", "other steps come first", Gate.SOFT),
    "closing": Step("HIT-13", "STEP_OUT_OF_ORDER", "a step of the sequence is still to do", Gate.SOFT),
}


@dataclass(frozen=True, slots=True)
class Overridden:
    """A soft step was left out, with a reason: recorded as `gate_overridden` and counted in audit reports."""

    step: str
    reason: str


def strength_of(profile: AgencyProfile, step: str) -> Gate:
    """Say how strongly a step binds under a profile. Raises `KeyError` for a step that no rule knows."""
    return Gate(profile.gates.get(step, STEPS[step].unnamed))


def pass_gate(
    profile: AgencyProfile, step: str, *, done: bool, override_reason: str = "", rule: Step | None = None
) -> Admitted | Overridden | Refused:
    """Decide whether the work goes on when `step` is done or left out (CFG-03).

    A done step never counts as overridden, whatever reason came along. `rule` words the refusal of a gate that stands
    for several steps. Raises `KeyError` for a step that no rule knows.
    """
    strength = strength_of(profile, step)
    rule = rule or STEPS[step]
    if done or strength is Gate.OFF:
        return ADMITTED
    if strength is Gate.HARD:
        return Refused(rule.rule_id, rule.reason_code, rule.words)
    reason = " ".join(override_reason.split())
    if len(reason) < LEAST_REASON:
        words = f"{rule.words}, or give a reason why not"
        return Refused(rule.rule_id, rule.reason_code, words)
    return Overridden(step, reason)
