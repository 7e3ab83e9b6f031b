"""What each step needs under a profile, in words that the database can answer from rows: found by asking the rules.

A work in which everything was done is made, one thing is taken out of it, and the rules are asked for the step again:
what they refuse even with a reason is a hard need, what they refuse without one a soft need. So the database and the
rules say the same without a second copy of either (CFG-03, HIT-06..25).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from alprcore.model import ClientKind, DeviceKind, Refused, StateMatch
from alprcore.policy import INFORMATION_ONLY, AgencyProfile
from alprcore.workflow import (
    STOLEN_VEHICLE,
    Action,
    ActionType,
    Basis,
    BasisType,
    Broadcast,
    BroadcastKind,
    Call,
    CheckMethod,
    CheckResult,
    Description,
    Disposition,
    Done,
    Exigency,
    Given,
    NatureReview,
    Occupied,
    Outcome,
    Passed,
    ReadCheck,
    Result,
    Route,
    Scene,
    Source,
    Step,
    Verification,
    Work,
    admit,
    closable,
    step_of,
)

CLOSURE: Final = "closure"
_REASON: Final = "a reason that is long enough"
_ORDER: Final = (
    *(Step.READ_CHECK, Step.CALL, Step.DESCRIBE, Step.BROADCAST, Step.VERIFY, Step.BROADCAST_RESULT),
    *(Step.NATURE_REVIEW, Step.ACTION, Step.DISPOSITION),
)
_BEGIN: Final = datetime(2020, 1, 1, tzinfo=UTC)
_ROLES: Final = frozenset({"dispatcher", "officer", "investigator", "supervisor"})
_BASIS: Final = Basis(BasisType.PROBABLE_CAUSE, "driver ran the red signal at Fifth and nearly struck a cyclist")
_CORRECT: Final = ReadCheck(CheckResult.CORRECT, CheckMethod.VISUAL_ON_VEHICLE, StateMatch.MATCH)
_STOP: Final = Action(ActionType.TRAFFIC_STOP, basis=_BASIS)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a step needs; `gate` is hard or soft, `reason_code` what the refusal says."""

    need: str
    gate: str
    reason_code: str


Needs = Mapping[tuple[str, str, str], tuple[Need, ...]]
"""What steps need, by device kind, client kind and step."""


def edition(needs: Needs) -> str:
    """Name a set of needs by what it says."""
    return hashlib.sha256(repr(sorted(needs.items())).encode()).hexdigest()[:16]


def needs_of(profile: AgencyProfile) -> Needs:
    """Find what every step needs; a step without needs is there, with none."""
    found: dict[tuple[str, str, str], tuple[Need, ...]] = {}
    for client in ClientKind:
        for device in (DeviceKind.FIXED, DeviceKind.MOBILE):
            for step, needs in _of_scene(profile, Scene(device, client, _ROLES, "warrant", "warrant", _BEGIN)).items():
                found[device.value, client.value, step] = needs
                if device is DeviceKind.FIXED:  # a trailer stands like a fixed device
                    found[DeviceKind.TRAILER.value, client.value, step] = needs
    return found


def _of_scene(profile: AgencyProfile, plain: Scene) -> dict[str, tuple[Need, ...]]:
    found: dict[str, list[Need]] = {str(step): [] for step in (*Step, CLOSURE)}
    for name, probe in _PROBES.items():
        scene = replace(plain, reason=probe.reason, advisory_class=probe.reason)
        full = _full(profile, scene)
        work = probe.without(full)
        for step in probe.steps or tuple(found):
            given = probe.given or _given(profile, step)
            refused = _refusal(profile, scene, work, step, given, "")
            if refused is None:
                continue
            gate = "hard" if _refusal(profile, scene, work, step, given, _REASON) else "soft"
            need = "verify_or_exigency" if name == "verify" and _excused(profile, scene, full, step) else name
            found[step].append(Need(need, gate, refused.reason_code))
    return {step: tuple(needs) for step, needs in found.items()}


def _refusal(
    profile: AgencyProfile, scene: Scene, work: Work, step: str, given: Given | None, reason: str
) -> Refused | None:
    if step == CLOSURE:
        decision: Passed | Refused = closable(profile, scene, work, reason)
    elif given is None:
        return None
    else:
        decision = admit(profile, scene, work, given, reason)
    return decision if isinstance(decision, Refused) else None


def _excused(profile: AgencyProfile, scene: Scene, full: Work, step: str) -> bool:
    """Tell whether an action may go before its verification where it would be unsafe to wait (HIT-10)."""
    if step != Step.ACTION:
        return False
    work = _only(full, lambda done: not isinstance(done.given, Verification))
    return any(
        not isinstance(admit(profile, scene, work, replace(_STOP, exigency=why, narrative=_REASON), ""), Refused)
        for why in Exigency
    )


def _full(profile: AgencyProfile, scene: Scene) -> Work:
    """Make a work in which every step was done, by all roles, from the client that looks at it."""
    made = (_given(profile, step) for step in _ORDER)
    return Work(
        tuple(
            Done(given, _BEGIN + timedelta(minutes=number), scene.client_kind, _ROLES)
            for number, given in enumerate(made)
            if given is not None
        )
    )


def _given(profile: AgencyProfile, step: str) -> Given | None:
    """Give for a step what no rule finds wanting."""
    rules = profile.hits
    said = dict.fromkeys((*rules.broadcast_content, "plate"), "something")
    sources = [source for source in Source if source in rules.verify_sources]
    made: Mapping[str, Given | None] = {
        Step.READ_CHECK: _CORRECT,
        Step.VERIFY: Verification(sources[0], Route(rules.verify_routes[0]), Result.ACTIVE) if sources else None,
        Step.BROADCAST: Broadcast(
            BroadcastKind(rules.broadcast_kind), said, rules.channels or ("one",), rules.audience
        ),
        Step.BROADCAST_RESULT: Broadcast(
            BroadcastKind.CLETS_RESULT, said, rules.channels or ("one",), (*rules.audience, *rules.result_audience)
        ),
        Step.CALL: Call(next(iter(rules.call_types)), "a white car", "north") if rules.call_types else None,
        Step.DESCRIBE: Description("a white car", "north"),
        Step.NATURE_REVIEW: NatureReview("warrant"),
        Step.ACTION: _STOP,
        Step.DISPOSITION: Disposition(Outcome.STOPPED, Occupied.YES),
    }
    return made.get(step)


Without = Callable[[Work], Work]


@dataclass(frozen=True, slots=True)
class _Probe:
    """How the work looks in which a need is missing; for which steps it is asked, what is given, why the plate is listed."""

    without: Without
    steps: tuple[str, ...] = ()
    given: Given | None = None
    reason: str = "warrant"


def _only(work: Work, kept: Callable[[Done], bool]) -> Work:
    return replace(work, done=tuple(done for done in work.done if kept(done)))


def _no(*steps: Step) -> Without:
    return lambda work: _only(work, lambda done: step_of(done.given) not in steps)


def _last(given: Given) -> Without:
    """Let something be found after all the rest."""

    def add(work: Work) -> Work:
        at = _BEGIN + timedelta(hours=1)
        return replace(work, done=(*work.done, Done(given, at, ClientKind.DISPATCH_CONSOLE, _ROLES)))

    return add


def _unseen(work: Work) -> Work:
    """Let the read be compared with its picture only."""
    return replace(
        work,
        done=tuple(
            replace(done, given=replace(done.given, method=CheckMethod.IMAGE_REVIEW))
            if isinstance(done.given, ReadCheck)
            else done
            for done in work.done
        ),
    )


def _undescribed(work: Work) -> Work:
    """Let nobody have asked what the vehicle looks like and where it goes."""
    rest = _only(work, lambda done: not isinstance(done.given, Description))
    blank = (
        replace(done, given=replace(done.given, vehicle_description="", direction_of_travel=""))
        if isinstance(done.given, Call)
        else done
        for done in rest.done
    )
    return replace(rest, done=tuple(blank))


def _answered(result: Result) -> Without:
    """Let every database have answered this."""

    def answer(work: Work) -> Work:
        return replace(
            work,
            done=tuple(
                replace(done, given=replace(done.given, result=result))
                if isinstance(done.given, Verification)
                else done
                for done in work.done
            ),
        )

    return answer


def _unconfirmed(work: Work) -> Work:
    """Let somebody have acted before anything was confirmed."""
    rest = _only(work, lambda done: not isinstance(done.given, Verification | Action))
    return _last(replace(_STOP, exigency=Exigency.OFFICER_SAFETY, narrative=_REASON))(rest)


def _unheard(work: Work) -> Work:
    """Let a stolen vehicle have a call, and no broadcast."""
    return _last(Call(STOLEN_VEHICLE, "a white car", "north"))(_no(Step.BROADCAST, Step.BROADCAST_RESULT)(work))


_PROBES: Final[Mapping[str, _Probe]] = {
    "not_closed": _Probe(lambda work: replace(work, closed_at=_BEGIN + timedelta(hours=2))),
    "not_withdrawn": _Probe(lambda work: replace(work, withdrawn_at=_BEGIN + timedelta(hours=2))),
    "not_misread": _Probe(_last(replace(_CORRECT, result=CheckResult.MISREAD))),
    "not_wrong_state": _Probe(_last(replace(_CORRECT, result=CheckResult.WRONG_STATE))),
    "not_obsolete": _Probe(_answered(Result.NOT_ACTIVE)),
    "read_check": _Probe(_no(Step.READ_CHECK)),
    "visual_check": _Probe(_unseen),
    "state_check": _Probe(
        _last(replace(_CORRECT, state_confirmed=StateMatch.MISMATCH)), (Step.VERIFY, Step.BROADCAST, Step.ACTION)
    ),
    "verify": _Probe(_answered(Result.NO_RECORD)),
    "answer": _Probe(_no(Step.VERIFY, Step.BROADCAST_RESULT), (Step.BROADCAST_RESULT, CLOSURE)),
    "verify_after": _Probe(_unconfirmed, (CLOSURE,)),
    "broadcast": _Probe(_no(Step.BROADCAST, Step.BROADCAST_RESULT)),
    "broadcast_result": _Probe(_no(Step.BROADCAST_RESULT)),
    "call": _Probe(_no(Step.CALL)),
    "describe": _Probe(_undescribed, (Step.VERIFY, Step.BROADCAST, Step.BROADCAST_RESULT, Step.ACTION, CLOSURE)),
    "nature_review": _Probe(_no(Step.NATURE_REVIEW)),
    "basis": _Probe(lambda work: work, (Step.ACTION,), replace(_STOP, basis=None)),
    "own_basis": _Probe(lambda work: work, (Step.ACTION,), Action(ActionType.OTHER), INFORMATION_ONLY),
    "stolen_broadcast": _Probe(_unheard, (CLOSURE,), reason=STOLEN_VEHICLE),
    "stolen_call": _Probe(_no(Step.CALL), (CLOSURE,), reason=STOLEN_VEHICLE),
    "recovery_call": _Probe(
        _no(Step.CALL), (Step.DISPOSITION,), Disposition(Outcome.OTHER, Occupied.NO), STOLEN_VEHICLE
    ),
}
"""By need, as `console.need_met` knows it."""
