"""Whether a step may be done now: who, which fields, which gates, in which order; and whether a hit may be closed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from alprcore.model import ADMITTED, ClientKind, Decision, Refused, StateMatch
from alprcore.policy import (
    LEAST_REASON,
    STEPS,
    AgencyProfile,
    Gate,
    Overridden,
    no_basis_alone,
    pass_gate,
    says_nothing,
    strength_of,
)
from alprcore.policy import Step as GateRule

from .facts import (
    STOPS,
    Action,
    CheckResult,
    Disposition,
    Given,
    HitState,
    Occupied,
    Passed,
    ReadCheck,
    Result,
    Scene,
    Status,
    Step,
    StepView,
    Verification,
    Work,
    step_of,
)
from .fields import field_refusal
from .progress import (
    RECOVERY,
    STOLEN_VEHICLE,
    answer,
    calls,
    checked,
    checked_for,
    description,
    device_sequence,
    is_active,
    is_done,
    left_out,
    newest,
    not_needed,
    on_air,
    owes_confirmation,
    sequence_of,
    serves_action,
    state_agrees,
    state_excused,
    state_of,
    steps_of,
    stolen_and_active,
    to_do,
)
from .watching import DISPATCH

_WORKERS: Final = frozenset({"dispatcher", "officer", "investigator", "supervisor"})
DOERS: Final[Mapping[Step, frozenset[str]]] = {
    Step.READ_CHECK: frozenset({"dispatcher", "officer", "supervisor"}),
    Step.VERIFY: _WORKERS,
    Step.BROADCAST: _WORKERS,
    Step.BROADCAST_RESULT: DISPATCH,
    Step.CALL: DISPATCH,
    Step.DESCRIBE: DISPATCH,
    Step.NATURE_REVIEW: _WORKERS,
    Step.ACTION: _WORKERS,
    Step.DISPOSITION: _WORKERS,
}
"""Roles that do a step; a call is entered by the dispatcher (HIT-20)."""
CLOSERS: Final = frozenset({"dispatcher", "officer", "supervisor"})
_RULES: Final[Mapping[Step, GateRule]] = {
    Step.READ_CHECK: STEPS["read_check"],
    Step.VERIFY: STEPS["verify"],
    Step.BROADCAST: GateRule("HIT-24", "BROADCAST_REQUIRED", "the hit was not broadcast"),
    Step.BROADCAST_RESULT: GateRule("HIT-13", "STEP_OUT_OF_ORDER", "the result of the verification was not broadcast"),
    Step.CALL: GateRule("HIT-20", "CALL_REQUIRED", "no call for service was entered"),
    Step.DESCRIBE: STEPS["describe"],
    Step.NATURE_REVIEW: STEPS["nature_review"],
    Step.ACTION: GateRule("HIT-09", "STEP_OUT_OF_ORDER", "no action was recorded"),
    Step.DISPOSITION: GateRule("HIT-25", "DISPOSITION_REQUIRED", "how it ended was not recorded"),
}
_AFTER_THE_END: Final[Mapping[HitState, frozenset[Step]]] = {
    HitState.MISREAD: frozenset({Step.READ_CHECK, Step.DISPOSITION}),
    HitState.WRONG_STATE: frozenset({Step.READ_CHECK, Step.DISPOSITION}),
    HitState.WITHDRAWN: frozenset({Step.READ_CHECK, Step.CALL, Step.DISPOSITION}),
    HitState.NOT_CURRENT: frozenset(
        {Step.READ_CHECK, Step.BROADCAST_RESULT, Step.CALL, Step.DESCRIBE, Step.DISPOSITION}
    ),
    HitState.CLOSED: frozenset({Step.READ_CHECK}),
}
"""What is still recorded of a hit that is over: what the field was told, and how it ended; never a new action."""
_END_RULES: Final = {
    HitState.MISREAD: "HIT-06",
    HitState.WRONG_STATE: "HIT-08",
    HitState.NOT_CURRENT: "HIT-09",
    HitState.WITHDRAWN: "HIT-05",
    HitState.CLOSED: "HIT-20",
}
_CITING: Final = (
    "alarm", "alert", "alerted", "alpr", "active", "automobile", "because", "camera", "clets", "confirmed", "database",
    "dispatch", "from", "hotlist", "license", "listed", "match", "matched", "ncic", "notification", "plate", "plates",
    "read", "reader", "report", "reported", "result", "returned", "said", "says", "shown", "showed", "stolen", "stop",
    "stopped", "system", "that", "target", "their", "truck", "vehicle", "verified", "wanted", "warrant", "were",
)  # fmt: skip
"""Words that only say that there was a hit: a basis made of these is not independent of it (HIT-12)."""


@dataclass(frozen=True, slots=True)
class _Ask:
    """One question of a gate: is it done, and is a leaving-out of before remembered (then it is not asked again).

    `step` is what would have to be done.
    """

    gate: str
    done: bool
    step: Step | None = None
    forgiven: bool = False
    rule: GateRule | None = None


def admit(
    profile: AgencyProfile, scene: Scene, work: Work, given: Given, override_reason: str = ""
) -> Passed | Refused:
    """Decide whether a step may be done now (HIT-05..27).

    In this order: who may, whether the hit is over, what was given, gates that are hard, gates that take a reason.
    One reason serves every soft gate of the step; each is listed in `Passed.overridden`.
    """
    step = step_of(given)
    refused = _never(profile, scene, work, step) or field_refusal(profile, scene, given)
    if refused:
        return refused
    reason = override_reason
    asks = list(_asks(profile, scene, work, step))
    if isinstance(given, ReadCheck) and given.result is CheckResult.CORRECT:
        asks.append(_Ask("state_check", given.state_confirmed is not StateMatch.MISMATCH))
    if isinstance(given, Action):
        reason = override_reason or given.reason or (given.narrative if given.exigency else "")
        asks += _basis(profile, scene, given)
        informs = no_basis_alone([scene.advisory_class])
        if informs and not _independent(profile, scene, given):
            return informs
        if _excused(profile, given):
            asks = [ask for ask in asks if ask.gate != "verify"]
    if isinstance(given, Disposition) and _lacks_recovery(profile, scene, work, given):
        return Refused("HIT-25", "RECOVERY_CALL_REQUIRED", "enter a call of type stolen_vehicle_recovery first")
    passed = _pass(profile, asks, reason)
    if isinstance(passed, Refused):
        if step is Step.ACTION and passed.rule_id == "HIT-09" and strength_of(profile, "verify") is Gate.SOFT:
            return Refused("HIT-09", "REASON_REQUIRED", "verify first, or say why it was not practicable")
        return passed
    return replace(passed, unverified=step is Step.ACTION and not serves_action(profile, scene, work))


def closable(profile: AgencyProfile, scene: Scene, work: Work, override_reason: str = "") -> Passed | Refused:
    """Decide whether a person may close a hit: its device's sequence is done, and no duty is open (HIT-10, 13, 20, 24)."""
    if CLOSERS.isdisjoint(scene.roles):
        return Refused("HIT-20", "ROLE_NOT_AUTHORISED", "hits are closed by dispatchers, officers and supervisors")
    state = state_of(profile, work)
    if work.closed_at:
        return Refused(_END_RULES[HitState.CLOSED], "HIT_CLOSED", "the hit is closed already")
    if owes_confirmation(profile, work):
        return Refused(
            "HIT-10", "CLETS_CONFIRMATION_REQUIRED", "an action was taken before it was verified: verify now"
        )
    if state in (HitState.MISREAD, HitState.WRONG_STATE):
        return Passed()
    taken = _AFTER_THE_END.get(state, frozenset(Step))  # what a hit that is over does not take is not asked of it
    if stolen_and_active(profile, scene, work):
        if not on_air(work) and Step.BROADCAST in taken:
            return Refused("HIT-24", "BROADCAST_REQUIRED", "a confirmed stolen vehicle is broadcast")
        if not _left_empty(work) and STOLEN_VEHICLE not in calls(work):
            return Refused("HIT-24", "CALL_REQUIRED", "a confirmed stolen vehicle takes a call of type stolen_vehicle")
    asks = []
    for step in steps_of(profile, device_sequence(scene)):
        if step is Step.ACTION or step not in taken:
            continue
        done = checked(work) if step is Step.READ_CHECK else is_done(profile, scene, work, step)
        done = done or not_needed(profile, work, step)
        asks.append(_Ask("closing", done, step, left_out(profile, scene, work, step), _RULES[step]))
    return _pass(profile, asks, override_reason)


def may_confirm_call(verification: Verification | None) -> Decision:
    """Decide whether a call may be set to confirmed: with the verification attached that says active (HIT-21)."""
    if verification is None or verification.result is not Result.ACTIVE:
        words = "attach the verification that found the entry active first"
        return Refused("HIT-21", "CLETS_CONFIRMATION_REQUIRED", words)
    return ADMITTED


def plan(profile: AgencyProfile, scene: Scene, work: Work) -> tuple[StepView, ...]:
    """Give every step of the work for whoever looks at it: those of the sequence in its order, then the others."""
    listed = steps_of(profile, sequence_of(scene))
    others = (step for step in Step if step not in listed)
    return tuple(_view(profile, scene, work, step, listed=step in listed) for step in (*listed, *others))


def _never(profile: AgencyProfile, scene: Scene, work: Work, step: Step) -> Refused | None:
    """Refuse, whatever is given: who may not, a hit that is over, a step that has nothing to stand on yet."""
    if DOERS[step].isdisjoint(scene.roles):
        words = f"{step.value.replace('_', ' ')}: {', '.join(sorted(DOERS[step]))}"
        return Refused(_RULES[step].rule_id, "ROLE_NOT_AUTHORISED", words)
    state = HitState.CLOSED if work.closed_at else state_of(profile, work)
    permitted = _AFTER_THE_END.get(state, frozenset(Step))
    if step not in permitted and not (step is Step.VERIFY and owes_confirmation(profile, work)):
        return Refused(_END_RULES[state], "HIT_CLOSED", f"the hit is over: {state.value.replace('_', ' ')}")
    if step is Step.BROADCAST_RESULT and answer(profile, work) is None:
        return Refused("HIT-13", "STEP_OUT_OF_ORDER", "there is no result to broadcast yet")
    if step is Step.DESCRIBE and not calls(work):
        return Refused("HIT-22", "CALL_REQUIRED", "the description stands on the call: enter the call first")
    return None


def _asks(profile: AgencyProfile, scene: Scene, work: Work, step: Step) -> Iterator[_Ask]:
    """Give every gate that stands before a step."""
    client = scene.client_kind
    own = {Step.READ_CHECK}
    if step is Step.VERIFY and client is ClientKind.VEHICLE:
        yield _Ask("broadcast_before_terminal", on_air(work), Step.BROADCAST)
    if step is Step.BROADCAST and client is ClientKind.DESKTOP:
        yield _Ask("desktop_broadcast", is_active(profile, work), Step.VERIFY)
    if step in (Step.BROADCAST, Step.BROADCAST_RESULT) and client is ClientKind.DISPATCH_CONSOLE:
        if strength_of(profile, "describe") is not Gate.OFF:
            own.add(Step.DESCRIBE)
        yield _Ask("describe", all(description(work)), Step.DESCRIBE)
    if step is Step.ACTION:
        yield _Ask("verify", serves_action(profile, scene, work), Step.VERIFY)
        yield _Ask("nature_review", is_done(profile, scene, work, Step.NATURE_REVIEW), Step.NATURE_REVIEW)
    if step in (Step.VERIFY, Step.BROADCAST, Step.ACTION):
        enough = checked(work) if step is Step.VERIFY else checked_for(profile, scene, work)
        yield _Ask("read_check", enough, Step.READ_CHECK, left_out(profile, scene, work, Step.READ_CHECK))
        yield _Ask("state_check", state_agrees(scene, work), Step.READ_CHECK, state_excused(work))
    if step in (Step.VERIFY, Step.BROADCAST, Step.BROADCAST_RESULT):
        yield from _order(profile, scene, work, step, own)


def _order(profile: AgencyProfile, scene: Scene, work: Work, step: Step, own: set[Step]) -> Iterator[_Ask]:
    """Ask for the steps that come before, but for those that a gate of their own asks for.

    An action has gates of its own only: no officer waits for Dispatch's papers. Where a vehicle
    broadcasts before it asks, its broadcast is the first thing of all (HIT-17).
    """
    first = (
        scene.client_kind is ClientKind.VEHICLE and strength_of(profile, "broadcast_before_terminal") is not Gate.OFF
    )
    if step is Step.BROADCAST and first:
        return
    gate = f"order_{sequence_of(scene).value}"
    for earlier in to_do(profile, scene, work, step):
        if earlier not in own:
            words = f"{earlier.value.replace('_', ' ')} comes before {step.value.replace('_', ' ')}"
            rule = replace(STEPS[gate], words=words)
            yield _Ask(gate, done=False, step=earlier, forgiven=left_out(profile, scene, work, earlier), rule=rule)


def _pass(profile: AgencyProfile, asks: Iterable[_Ask], reason: str) -> Passed | Refused:
    """Pass the gates: a hard one that is not done refuses before any soft one asks its reason."""
    overridden: dict[str, Overridden] = {}
    for ask in _open(profile, asks):
        passed = pass_gate(profile, ask.gate, done=False, override_reason=reason, rule=ask.rule)
        if isinstance(passed, Refused):
            return passed
        if isinstance(passed, Overridden):
            overridden[passed.step] = passed
    return Passed(tuple(overridden.values()))


def _open(profile: AgencyProfile, asks: Iterable[_Ask]) -> list[_Ask]:
    """Give what is still asked, hard gates first. What a soft gate let pass before is not asked again."""
    strengths = {ask: strength_of(profile, ask.gate) for ask in asks if not ask.done}
    left = [ask for ask, strength in strengths.items() if not (ask.forgiven and strength is Gate.SOFT)]
    return sorted((ask for ask in left if strengths[ask] is not Gate.OFF), key=lambda ask: strengths[ask] is Gate.SOFT)


def _excused(profile: AgencyProfile, given: Action) -> bool:
    return given.exigency is not None and given.exigency in profile.hits.exigencies


def _basis(profile: AgencyProfile, scene: Scene, given: Action) -> Iterator[_Ask]:
    if given.type in STOPS:
        yield _Ask("independent_basis", _independent(profile, scene, given))


def _independent(profile: AgencyProfile, scene: Scene, given: Action) -> bool:
    """Tell whether an action rests on something besides the hit: words that do not only repeat it (HIT-12, HOT-07)."""
    if given.basis is None:
        return False
    cited = [word for text in scene.words for word in text.casefold().replace("_", " ").split()]
    rules = replace(profile.querying, vague_words=(*profile.querying.vague_words, *_CITING, *cited))
    return not says_nothing(given.basis.narrative, rules)


def _left_empty(work: Work) -> bool:
    found = newest(work, Disposition)
    return found is not None and found[1].occupied is Occupied.NO


def _lacks_recovery(profile: AgencyProfile, scene: Scene, work: Work, given: Disposition) -> bool:
    """Tell whether an unoccupied stolen vehicle is left where it stands and no call asks for its recovery (HIT-25)."""
    if not profile.hits.stolen_call or scene.reason != STOLEN_VEHICLE:
        return False
    return given.occupied is Occupied.NO and not given.recovered and RECOVERY not in calls(work)


_OWN_GATES: Final[Mapping[Step, str]] = {
    Step.READ_CHECK: "read_check",
    Step.VERIFY: "verify",
    Step.DESCRIBE: "describe",
    Step.NATURE_REVIEW: "nature_review",
}


def _view(profile: AgencyProfile, scene: Scene, work: Work, step: Step, *, listed: bool) -> StepView:
    refused = _never(profile, scene, work, step)
    over = refused is not None and refused.reason_code == "HIT_CLOSED"
    asks = [] if refused else _open(profile, _asks(profile, scene, work, step))
    passed: Passed | Refused = refused or _pass(profile, asks, "")
    pushed = refused or _pass(profile, asks, "x" * LEAST_REASON)
    needs = tuple(dict.fromkeys(ask.step for ask in asks if ask.step is not None))
    gate = strength_of(profile, _OWN_GATES.get(step, "closing")) if listed or step in _OWN_GATES else Gate.OFF
    last = next((done for done in reversed(work.done) if step_of(done.given) is step), None)
    return StepView(
        step,
        listed,
        _status(profile, scene, work, step, over=over, waits=bool(asks)),
        gate.value,
        needs,
        isinstance(passed, Refused) and not isinstance(pushed, Refused),
        passed if isinstance(passed, Refused) else None,
        last,
    )


def _status(profile: AgencyProfile, scene: Scene, work: Work, step: Step, *, over: bool, waits: bool) -> Status:
    if is_done(profile, scene, work, step):
        return Status.DONE
    if over or not_needed(profile, work, step):
        return Status.NOT_NEEDED
    if left_out(profile, scene, work, step):
        return Status.LEFT_OUT
    return Status.WAITING if waits else Status.OPEN
