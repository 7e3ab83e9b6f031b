"""People who try anything, in any order: whatever they do, no step is reached that the policies forbid.

The laws below are written down from the policies themselves, agency by agency, and keep books of their own: nothing
here asks the rules what they believe.
"""

import os
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

import pytest

from alprcore.model import Refused, StateMatch
from alprcore.workflow import (
    Action,
    ActionType,
    Broadcast,
    BroadcastKind,
    Call,
    CheckMethod,
    CheckResult,
    Description,
    Disposition,
    Done,
    Exigency,
    NatureReview,
    Occupied,
    Outcome,
    Passed,
    ReadCheck,
    Result,
    Route,
    Source,
    Verification,
    Work,
    admit,
    closable,
    plan,
    state_of,
    tasks,
)
from tests.fixtures.works import (
    CALLED,
    CONSOLE,
    CONTENT,
    DESCRIBED,
    DESKTOP,
    EVERYBODY,
    FIVE,
    FIXED,
    MISREAD,
    MOBILE,
    NOON,
    OWN_BASIS,
    PROFILES,
    REASON,
    RECOVERY,
    ROLES,
    TRAILER,
    VEHICLE,
    Case,
)

CHECKS = [ReadCheck(CheckResult.CORRECT, method, state) for method in CheckMethod for state in StateMatch]
ANSWERS = [Verification(source, route, result) for source in Source for route in Route for result in Result]
AIR = [
    Broadcast(kind, content, channels, EVERYBODY)
    for kind in BroadcastKind
    for content in (CONTENT, CONTENT, CONTENT, {"plate": "7TST001"})
    for channels in (("main",), ("main", "tac-2"), ("tac-2",))
]
TALK = [CALLED, RECOVERY, DESCRIBED, Call("stolen_vehicle"), Call("barking_dog"), NatureReview("stolen_vehicle")]
ACTIONS = [
    Action(kind, reason, basis, exigency, narrative)
    for kind in ActionType
    for reason in ("", "not_practicable")
    for basis in (None, OWN_BASIS, replace(OWN_BASIS, narrative="the plate is on the hot list"))
    for exigency, narrative in ((None, ""), (Exigency.OFFICER_SAFETY, "the driver showed a firearm"))
]
ENDINGS = [
    Disposition(Outcome.STOPPED, occupied, recovered, "Oak Street" if recovered else "", NOON if recovered else None)
    for occupied in Occupied
    for recovered in (False, True)
]
WRONG = [MISREAD, ReadCheck(CheckResult.WRONG_STATE, CheckMethod.IMAGE_REVIEW)]
KINDS = [CHECKS, CHECKS, CHECKS, ANSWERS, ANSWERS, ANSWERS, AIR, AIR, AIR, TALK, TALK, ACTIONS, ACTIONS, ENDINGS, WRONG]
COUNTED = {
    "irvine": {"CLETS"},
    "westminster": {"CLETS"},
    "claremont": {"CLETS"},
    "escondido": {"CLETS", "NCIC", "OTHER"},
    "roseville": {"CLETS", "NCIC"},
}


@dataclass
class Books:
    """What an onlooker wrote down of one hit."""

    agency: str
    mobile: bool
    stolen: bool
    wrong: bool = False
    compared: list = field(default_factory=list)
    answer: str = ""
    told: str = ""
    on_air: bool = False
    calls: set = field(default_factory=set)
    described: set = field(default_factory=set)
    reviewed: bool = False
    owed: bool = False
    left_empty: bool = False
    closed: bool = False
    withdrawn: bool = False
    reasons: set = field(default_factory=set)

    def law(self, given, client, why, passed):
        """Say which law a step breaks that was admitted; empty when none."""
        gates = {one.step for one in passed.overridden}
        active = self.answer == "active"
        if self.closed and not isinstance(given, ReadCheck):
            return "a closed hit takes no step"
        if gates and not why and not isinstance(given, Action):
            return "a step was left out without a reason"
        over = self.wrong or self.withdrawn or self.answer == "not_active"
        if over and isinstance(given, Action | NatureReview):
            return "an action on a hit that is over"
        if over and isinstance(given, Broadcast) and given.kind is not BroadcastKind.CLETS_RESULT:
            return "a broadcast of a hit that is over"
        if self.wrong and not isinstance(given, ReadCheck | Disposition):
            owed = self.owed and isinstance(given, Verification)
            return "" if owed else "a misread hit is worked on"
        if isinstance(given, Broadcast) and given.kind is BroadcastKind.CLETS_RESULT and not self.answer:
            return "a result is told before there is one"
        return getattr(self, f"_{self.agency}")(given, client, gates, active)

    def _irvine(self, given, _client, gates, active):
        if isinstance(given, Action) and not active and "verify" not in gates:
            return "an unverified action without its reason"
        if isinstance(given, Verification | Broadcast | Action) and not self.compared:
            first = isinstance(given, Broadcast) and given.kind is BroadcastKind.CLETS_RESULT
            return "" if first or gates or "read_check" in self.reasons else "no read check and no reason"
        return ""

    _westminster = _irvine

    def _claremont(self, given, client, gates, active):
        if gates - {"state_check"}:
            return "shall means shall: nothing is left out"
        visual = any(method == "visual_on_vehicle" and "officer" in roles for method, roles in self.compared)
        by_dispatch = any("dispatcher" in roles for _, roles in self.compared)
        confirmed = visual if self.mobile else by_dispatch
        first = isinstance(given, Broadcast) and given.kind is BroadcastKind.INITIAL
        if first and not confirmed:
            return "a broadcast before the plate was confirmed"
        sequence = client == DESKTOP or not self.mobile
        unknown = self.answer == "no_record"  # nothing to put on the air
        if isinstance(given, Verification) and sequence and not self.on_air and not unknown:
            return "CLETS before the broadcast"
        if isinstance(given, Action) and not (active and confirmed):
            return "an action before CLETS and the look at the plate"
        return ""

    def _escondido(self, given, _client, gates, active):
        if isinstance(given, Action):
            if not active and not (given.exigency and given.narrative):
                return "an action that nothing confirmed or excused"
            if not self.reviewed and "nature_review" not in gates:
                return "the nature was not reviewed and nobody said why"
        bolo = isinstance(given, Broadcast) and given.kind is not BroadcastKind.CLETS_RESULT
        if bolo and not {"plate", "description", "alert_info"} <= given.content.keys():
            return "a BOLO without its content"
        if bolo and not active and not ({"order_fixed", "order_desktop"} & (gates | self.reasons)) and not self.mobile:
            return "a BOLO before the records check"
        return ""

    def _roseville(self, given, client, _gates, active):
        if isinstance(given, Action):
            if not active:
                return "an action without an active verification"
            stops = {ActionType.TRAFFIC_STOP, ActionType.INVESTIGATIVE_STOP}
            if given.type in stops and given.basis is not OWN_BASIS:
                return "a stop that rests on the hit"
        if isinstance(given, Verification) and client == VEHICLE and not self.on_air:
            return "the plate was run before the broadcast"
        if isinstance(given, Broadcast):
            if client == DESKTOP and not active and given.kind is BroadcastKind.INITIAL:
                return "a desktop broadcast before it confirmed"
            if client == CONSOLE and self.described != {"vehicle", "direction"}:
                return "a broadcast by Dispatch without description and direction"
            if client == CONSOLE and "main" not in given.channels:
                return "a broadcast by Dispatch beside the main channel"
        if isinstance(given, Disposition) and self.stolen and given.occupied is Occupied.NO and not given.recovered:
            return "" if "stolen_vehicle_recovery" in self.calls else "an empty stolen vehicle was left without a call"
        return ""

    def closing_law(self, gates):
        """Say which law a closure breaks that was admitted."""
        if self.closed:
            return "closed twice"
        if self.owed:
            return "closed while a confirmation is owed"
        if self.wrong:
            return ""
        if self.agency == "claremont":
            dead = self.answer in ("not_active", "no_record")
            aired = self.on_air or dead
            told = self.told == self.answer or not self.on_air
            done = bool(self.answer) and bool(self.compared) and (self.mobile or (aired and told))
            done = done or (self.withdrawn and bool(self.compared))
            return "" if done and not gates else "closed before the sequence was done"
        if self.agency == "roseville":
            if not self.calls:
                return "closed without a call"
            if (not self.answer and not self.withdrawn) or gates:
                return "closed without a verification"
            if self.stolen and self.answer == "active":
                if not self.on_air and not self.withdrawn:
                    return "a confirmed stolen vehicle was not broadcast"
                if not self.left_empty and "stolen_vehicle" not in self.calls:
                    return "a confirmed stolen vehicle without its call"
        return ""

    def write(self, given, roles, passed):
        """Write down what was done."""
        self.reasons |= {one.step for one in passed.overridden}
        if isinstance(given, ReadCheck):
            self.wrong = given.result is not CheckResult.CORRECT
            self.compared = [] if self.wrong else [*self.compared, (given.method.value, roles)]
        elif isinstance(given, Verification):
            if given.source.value in COUNTED[self.agency] and given.result is not Result.ERROR:
                self.answer, self.owed = given.result.value, False
        elif isinstance(given, Broadcast):
            if given.kind is BroadcastKind.CLETS_RESULT:
                self.told = self.answer
            else:
                self.on_air = True
        elif isinstance(given, Call | Description):
            if isinstance(given, Call):
                self.calls.add(given.call_type)
            self.described |= {"vehicle"} if given.vehicle_description else set()
            self.described |= {"direction"} if given.direction_of_travel else set()
        elif isinstance(given, NatureReview):
            self.reviewed = True
        elif isinstance(given, Disposition):
            self.left_empty = given.occupied is Occupied.NO
        elif given.exigency and self.answer != "active" and self.agency == "escondido":
            self.owed = True


def walk(agency, rng, laws=Books):
    """Try twelve things on one hit; gives how many were done. Fails at the first law that is broken."""
    device = rng.choice((FIXED, MOBILE, TRAILER))
    reason = rng.choice(("stolen_vehicle", "warrant"))
    case = Case(agency, device, reason=reason, advisory=reason)
    books = laws(agency, device is MOBILE, reason == "stolen_vehicle")
    scenes = {client: case.scene(client) for client in ROLES}
    trail = []
    for _ in range(12):
        case.now += timedelta(seconds=20)
        chance, why = rng.random(), rng.choice(("", REASON))
        if chance < 0.02:
            case.work = replace(case.work, withdrawn_at=case.work.withdrawn_at or case.now)
            books.withdrawn = True
        elif chance < 0.15:
            passed = closable(case.profile, scenes[CONSOLE], case.work, why)
            if isinstance(passed, Passed):
                broken = books.closing_law({one.step for one in passed.overridden})
                assert not broken, (broken, trail)
                case.work = replace(case.work, closed_at=case.now)
                books.closed = True
        else:
            given = rng.choice(rng.choice(KINDS))
            client = rng.choice((CONSOLE, CONSOLE, VEHICLE, DESKTOP))
            passed = admit(case.profile, scenes[client], case.work, given, why)
            if isinstance(passed, Refused):
                continue
            trail.append((client.value, given, [one.step for one in passed.overridden]))
            broken = books.law(given, client, why, passed)
            assert not broken, (broken, trail)
            books.write(given, ROLES[client], passed)
            done = Done(given, case.now, client, ROLES[client], "", passed.overridden)
            case.work = Work((*case.work.done, done), case.work.withdrawn_at, case.work.closed_at)
    state = state_of(case.profile, case.work)
    assert (state in ("misread", "wrong_state")) is books.wrong, trail
    assert (state == "not_current") is (not books.wrong and books.answer == "not_active"), trail
    owed = [one for one in tasks(case.profile, scenes[CONSOLE], case.work) if one.kind == "confirm_after"]
    assert any(one.closed_at is None for one in owed) is books.owed, trail
    return len(trail)


@pytest.mark.parametrize("agency", FIVE)
@pytest.mark.parametrize("walks", [4_000, pytest.param(100_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_no_walk_through_the_work_breaks_a_policy(agency, walks):
    rng = Random(int(os.environ.get("WALK_SEED", "20180802")))
    steps = sum(walk(agency, rng) for _ in range(walks))
    assert steps > walks, "too few steps were done to prove anything"


def test_the_laws_notice_a_rule_that_is_missing():
    """The same walks under another agency's rules break the laws: the onlooker would see it."""
    for agency, other in (("roseville", "irvine"), ("claremont", "escondido"), ("escondido", "westminster")):
        rng = Random(7)
        kept = PROFILES[agency]
        PROFILES[agency] = PROFILES[other]
        try:
            with pytest.raises(AssertionError):
                sum(walk(agency, rng) for _ in range(3_000))
        finally:
            PROFILES[agency] = kept


@pytest.mark.parametrize("agency", [*FIVE, "demo"])
def test_what_the_screen_calls_open_can_be_done_and_what_waits_cannot(agency):
    rng = Random(3)
    for _ in range(150):
        case = Case(agency, rng.choice((FIXED, MOBILE)))
        for _ in range(6):
            given = rng.choice(rng.choice(KINDS))
            client = rng.choice(list(ROLES))
            if isinstance(case.ask(given, client, REASON), Passed):
                case.do(given, client, REASON)
            for view in plan(case.profile, case.scene(client), case.work):
                if view.needs_reason:
                    assert view.refusal is not None
                    assert view.needs
                if view.status == "open":
                    assert view.refusal is None or view.refusal.reason_code != "HIT_CLOSED"
