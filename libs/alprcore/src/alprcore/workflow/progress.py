"""What follows from the work that was done: which step counts as done, where the hit stands, which duties run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, TypeVar

from alprcore.model import ClientKind, DeviceKind, StateMatch
from alprcore.policy import INFORMATION_ONLY, AgencyProfile

from .facts import (
    Action,
    Broadcast,
    BroadcastKind,
    Call,
    CheckMethod,
    CheckResult,
    Description,
    Disposition,
    Done,
    Given,
    HitState,
    Occupied,
    ReadCheck,
    Result,
    Scene,
    Sequence,
    Step,
    Task,
    TaskKind,
    Verification,
    Work,
    step_of,
)

STOLEN_VEHICLE: Final = "stolen_vehicle"
"""Reason of a hit, and type of the call that it takes (HIT-24)."""
RECOVERY: Final = "stolen_vehicle_recovery"
"""Type of the call for an unoccupied stolen vehicle that cannot be recovered at once (HIT-25)."""
ENDS: Final = frozenset(
    {HitState.MISREAD, HitState.WRONG_STATE, HitState.NOT_CURRENT, HitState.CLOSED, HitState.WITHDRAWN}
)
_OTHER_VEHICLE: Final = {CheckResult.MISREAD: HitState.MISREAD, CheckResult.WRONG_STATE: HitState.WRONG_STATE}
_G = TypeVar("_G", bound=Given)


def ends(state: HitState) -> bool:
    """Tell whether a hit in this state is over: nothing is broadcast or done on it any more."""
    return state in ENDS


def sequence_of(scene: Scene) -> Sequence:
    """Say which sequence somebody follows: a desktop its own, everybody else that of the device (HIT-13..18)."""
    if scene.client_kind is ClientKind.DESKTOP:
        return Sequence.DESKTOP
    return device_sequence(scene)


def device_sequence(scene: Scene) -> Sequence:
    """Say which sequence the hit itself takes, whoever looks at it; a trailer stands like a fixed device."""
    return Sequence.MOBILE if scene.device_kind is DeviceKind.MOBILE else Sequence.FIXED


def steps_of(profile: AgencyProfile, sequence: Sequence) -> tuple[Step, ...]:
    """Give the steps of a sequence in the profile's order."""
    rules = profile.hits
    named = {
        Sequence.FIXED: rules.fixed_sequence,
        Sequence.MOBILE: rules.mobile_sequence,
        Sequence.DESKTOP: rules.desktop_sequence,
    }
    return tuple(Step(name) for name in named[sequence])


def each(work: Work, kind: type[_G]) -> Iterator[tuple[Done, _G]]:
    """Give what was done of one kind, newest first."""
    for done in reversed(work.done):
        if isinstance(done.given, kind):
            yield done, done.given


def newest(work: Work, kind: type[_G]) -> tuple[Done, _G] | None:
    """Give the newest of one kind."""
    return next(each(work, kind), None)


def answers(profile: AgencyProfile, work: Work) -> Iterator[tuple[Done, Verification]]:
    """Give the verifications that count, newest first: by a database of the profile, and with an answer."""
    for done, given in each(work, Verification):
        if given.source in profile.hits.verify_sources and given.result is not Result.ERROR:
            yield done, given


def answer(profile: AgencyProfile, work: Work) -> Verification | None:
    """Give the newest verification that counts: a later answer stands in the place of an earlier one."""
    return next((given for _, given in answers(profile, work)), None)


def is_active(profile: AgencyProfile, work: Work) -> bool:
    """Tell whether the newest answer says that the entry is active (HIT-09)."""
    found = answer(profile, work)
    return found is not None and found.result is Result.ACTIVE


def serves_action(profile: AgencyProfile, scene: Scene, work: Work) -> bool:
    """Tell whether the entry is active for who acts: Dispatch's word serves the officer if the policy says so (HIT-16)."""
    if not is_active(profile, work):
        return False
    if profile.hits.dispatch_confirms or scene.client_kind is not ClientKind.VEHICLE:
        return True
    return next(answers(profile, work))[0].client_kind is ClientKind.VEHICLE


def checked(work: Work) -> bool:
    """Tell whether the newest comparison found the read correct, whoever made it and however."""
    found = newest(work, ReadCheck)
    return found is not None and found[1].result is CheckResult.CORRECT


def checked_for(profile: AgencyProfile, scene: Scene, work: Work) -> bool:
    """Tell whether the read is confirmed as the policy wants it: by whom, and for a mobile hit by eye (HIT-06, HIT-16)."""
    if not checked(work):
        return False
    mobile = device_sequence(scene) is Sequence.MOBILE
    checkers = profile.hits.mobile_checkers if mobile else profile.hits.fixed_checkers
    visual = mobile and profile.hits.mobile_visual
    for done, given in each(work, ReadCheck):
        if given.result is not CheckResult.CORRECT:
            return False
        if not done.roles.isdisjoint(checkers) and (not visual or given.method is CheckMethod.VISUAL_ON_VEHICLE):
            return True
    return False


def state_agrees(scene: Scene, work: Work) -> bool:
    """Tell whether the plate's state is not known to differ from the entry's: a person's word, else the matcher's (HIT-08)."""
    found = newest(work, ReadCheck)
    confirmed = found[1].state_confirmed if found else StateMatch.UNKNOWN
    return (scene.state_match if confirmed is StateMatch.UNKNOWN else confirmed) is not StateMatch.MISMATCH


def state_excused(work: Work) -> bool:
    """Tell whether the newest comparison's other state was passed over with a reason."""
    found = newest(work, ReadCheck)
    since = work.done.index(found[0]) if found else 0
    return any(gate.step == "state_check" for done in work.done[since:] for gate in done.overridden)


def on_air(work: Work) -> bool:
    """Tell whether the hit was broadcast, the result of a verification aside."""
    return any(given.kind is not BroadcastKind.CLETS_RESULT for _, given in each(work, Broadcast))


def result_told(profile: AgencyProfile, work: Work) -> bool:
    """Tell whether the newest answer was put on the air (HIT-13): a changed answer has to be told again."""
    return _told(profile, work)[0]


def _told(profile: AgencyProfile, work: Work) -> tuple[bool, datetime | None, datetime | None]:
    """Give whether the answer was told, since when it stands (after a broadcast), and when it was told."""
    standing: Result | None = None
    told: Result | None = None
    since = told_at = heard_at = None
    for done in work.done:
        given = done.given
        if isinstance(given, Verification) and _counts(profile, given) and given.result is not standing:
            standing, since = given.result, done.at
        elif isinstance(given, Broadcast) and given.kind is BroadcastKind.CLETS_RESULT:
            told, told_at = standing, done.at
        elif isinstance(given, Broadcast) and heard_at is None:
            heard_at = done.at
    ready = max(since, heard_at) if since and heard_at else None
    is_told = standing is not None and told is standing
    return is_told, ready, told_at if is_told else None


def _counts(profile: AgencyProfile, given: Verification) -> bool:
    return given.source in profile.hits.verify_sources and given.result is not Result.ERROR


def description(work: Work) -> tuple[str, str]:
    """Give the newest vehicle description and direction of travel that the calls hold; empty: nobody asked yet."""
    vehicle = direction = ""
    for done in work.done:
        if isinstance(done.given, Call | Description):
            vehicle = done.given.vehicle_description.strip() or vehicle
            direction = done.given.direction_of_travel.strip() or direction
    return vehicle, direction


def calls(work: Work) -> frozenset[str]:
    """Give the types of the calls that were entered."""
    return frozenset(given.call_type for _, given in each(work, Call))


def is_done(profile: AgencyProfile, scene: Scene, work: Work, step: Step) -> bool:
    """Tell whether a step counts as done."""
    if step is Step.READ_CHECK:
        return checked_for(profile, scene, work)
    if step is Step.VERIFY:
        return answer(profile, work) is not None
    if step is Step.BROADCAST:
        return on_air(work)
    if step is Step.BROADCAST_RESULT:
        return result_told(profile, work)
    if step is Step.DESCRIBE:
        return all(description(work))
    return any(step_of(done.given) is step for done in work.done)


def left_out(profile: AgencyProfile, scene: Scene, work: Work, step: Step) -> bool:
    """Tell whether a step was passed over with a reason before: it is not asked for once more.

    Only what an order or a comparison asks is remembered. An action asks its own gates every time.
    """
    for done in work.done:
        gates = {overridden.step for overridden in done.overridden}
        if step is Step.READ_CHECK and "read_check" in gates:
            return True
        if any(gate.startswith("order_") for gate in gates):
            then = Scene(
                scene.device_kind, done.client_kind, done.roles, scene.reason, scene.advisory_class, scene.presented_at
            )
            if step in _before(steps_of(profile, sequence_of(then)), step_of(done.given)):
                return True
    return False


def _before(steps: tuple[Step, ...], step: Step) -> tuple[Step, ...]:
    return steps[: steps.index(step)] if step in steps else ()


def not_needed(profile: AgencyProfile, work: Work, step: Step) -> bool:
    """Tell whether a step has nothing left to say: no broadcast of an entry that is not active or not known."""
    found = answer(profile, work)
    if step is Step.BROADCAST_RESULT:
        return not on_air(work)
    if step in (Step.BROADCAST, Step.DESCRIBE) and not on_air(work):
        return found is not None and found.result is not Result.ACTIVE
    return False


def to_do(profile: AgencyProfile, scene: Scene, work: Work, step: Step) -> tuple[Step, ...]:
    """Give the steps of the actor's sequence that come before a step and are not done, or needless.

    Before a broadcast or an action, a verification is done only when it says active: nothing is confirmed else.
    """
    missing = []
    for earlier in _before(steps_of(profile, sequence_of(scene)), step):
        done = is_done(profile, scene, work, earlier)
        if earlier is Step.READ_CHECK and step is Step.VERIFY:
            done = checked(work)
        if earlier is Step.VERIFY and step in (Step.BROADCAST, Step.ACTION):
            done = is_active(profile, work)
        if not done and not not_needed(profile, work, earlier):
            missing.append(earlier)
    return tuple(missing)


def state_of(profile: AgencyProfile, work: Work) -> HitState:
    """Say where a hit stands. An end that says why stands before a plain `closed`."""
    found = newest(work, ReadCheck)
    other = _OTHER_VEHICLE.get(found[1].result) if found else None
    if other:
        return other
    verified = answer(profile, work)
    if verified is not None and verified.result is Result.NOT_ACTIVE:
        return HitState.NOT_CURRENT
    if work.closed_at:
        return HitState.CLOSED
    if work.withdrawn_at:
        return HitState.WITHDRAWN
    if newest(work, Action):
        return HitState.ACTIONED
    if on_air(work):
        return HitState.BROADCAST
    if is_active(profile, work):
        return HitState.VERIFIED
    return HitState.READ_CHECKED if found else HitState.UNVERIFIED


def owes_confirmation(profile: AgencyProfile, work: Work) -> bool:
    """Tell whether an exigent action waits for its confirmation (HIT-10)."""
    task = _confirm_after(profile, work)
    return task is not None and task.closed_at is None


def tasks(profile: AgencyProfile, scene: Scene, work: Work) -> tuple[Task, ...]:
    """Give every duty with a clock that the work has opened, one of a kind, open and closed (§4.3, HIT-10..25).

    A hit that informs only opens none by itself (HOT-07).
    """
    rules, listed = profile.hits, steps_of(profile, device_sequence(scene))
    over = _over_at(profile, work)
    made: list[Task] = []
    stolen = _stolen_since(profile, scene, work)
    aired = next((d.at for d in work.done if step_of(d.given) is Step.BROADCAST), None)
    if rules.broadcast_s and Step.BROADCAST in listed and scene.advisory_class != INFORMATION_ONLY:
        due = scene.presented_at + timedelta(seconds=rules.broadcast_s)
        made.append(Task(TaskKind.BROADCAST, scene.presented_at, due, aired or over, "HIT-19"))
    elif stolen:
        made.append(Task(TaskKind.BROADCAST, stolen, None, aired or over, "HIT-24"))
    if stolen:
        entered = next(
            (d.at for d in work.done if isinstance(d.given, Call) and d.given.call_type == STOLEN_VEHICLE), None
        )
        made.append(Task(TaskKind.CALL, stolen, None, entered or _left_empty_at(work) or over, "HIT-24"))
    _, ready, told_at = _told(profile, work)
    if Step.BROADCAST_RESULT in listed and ready:
        due_at = ready + timedelta(seconds=rules.broadcast_s) if rules.broadcast_s else None
        made.append(Task(TaskKind.CLETS_RESULT, ready, due_at, told_at or _mistaken_at(work), "HIT-13"))
    owed = _confirm_after(profile, work)
    return (*made, owed) if owed else tuple(made)


def stolen_and_active(profile: AgencyProfile, scene: Scene, work: Work) -> bool:
    """Tell whether it is a confirmed stolen vehicle under a policy that asks broadcast and call for it (HIT-24)."""
    return profile.hits.stolen_call and scene.reason == STOLEN_VEHICLE and is_active(profile, work)


def _stolen_since(profile: AgencyProfile, scene: Scene, work: Work) -> datetime | None:
    """Give when a stolen vehicle was first confirmed; later answers leave the duty in the books."""
    if not profile.hits.stolen_call or scene.reason != STOLEN_VEHICLE:
        return None
    active = [done.at for done, given in answers(profile, work) if given.result is Result.ACTIVE]
    return active[-1] if active else None


def _left_empty_at(work: Work) -> datetime | None:
    found = newest(work, Disposition)
    return found[0].at if found and found[1].occupied is Occupied.NO else None


def _mistaken_at(work: Work) -> datetime | None:
    found = newest(work, ReadCheck)
    return found[0].at if found and found[1].result in _OTHER_VEHICLE else None


def _over_at(profile: AgencyProfile, work: Work) -> datetime | None:
    """Give when the hit came to its end, or None."""
    found = next(iter(answers(profile, work)), None)
    dead = found[0].at if found and found[1].result is Result.NOT_ACTIVE else None
    moments = [at for at in (_mistaken_at(work), dead, work.closed_at, work.withdrawn_at) if at]
    return min(moments, default=None)


def _confirm_after(profile: AgencyProfile, work: Work) -> Task | None:
    """Give the newest duty of an exigent action that no active answer preceded; only an answer closes it (HIT-10)."""
    active = False
    opened: datetime | None = None
    closed: datetime | None = None
    for done in work.done:
        given = done.given
        if isinstance(given, Verification) and _counts(profile, given):
            active, closed = given.result is Result.ACTIVE, closed or done.at
        elif isinstance(given, Action) and not active and given.exigency in profile.hits.exigencies:
            opened, closed = (done.at, None) if opened is None or closed else (opened, None)
    if opened is None:
        return None
    return Task(
        TaskKind.CONFIRM_AFTER, opened, opened + timedelta(seconds=profile.hits.confirm_after_s), closed, "HIT-10"
    )
