"""Each rule of the work on a hit, under each profile that it binds: what refuses, what a reason lets pass, what is due."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alprcore.model import ADMITTED, Refused, StateMatch
from alprcore.workflow import (
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
    Exigency,
    NatureReview,
    Occupied,
    Outcome,
    ReadCheck,
    Route,
    Source,
    Status,
    Verification,
    Work,
    admit,
    forms,
    may_confirm_call,
    status_of,
)
from tests.fixtures.works import (
    ACTIVE,
    CALLED,
    CONSOLE,
    CONTENT,
    CORRECT,
    DESCRIBED,
    DESKTOP,
    ERROR,
    EVERYBODY,
    FIVE,
    FIXED,
    MISREAD,
    MOBILE,
    NO_RECORD,
    NOON,
    NOT_ACTIVE,
    OWN_BASIS,
    OWN_STOP,
    PROFILES,
    REASON,
    RECOVERY,
    SEEN,
    STOP,
    TOLD,
    TRAILER,
    VEHICLE,
    Case,
    aired,
)

SOFT = ("irvine", "westminster", "escondido")
UNSAFE = Action(ActionType.TRAFFIC_STOP, exigency=Exigency.OFFICER_SAFETY, narrative="The driver showed a firearm.")
OTHER_STATE = ReadCheck(CheckResult.CORRECT, CheckMethod.IMAGE_REVIEW, StateMatch.MISMATCH)


@pytest.mark.parametrize("agency", FIVE)
@pytest.mark.parametrize("device", [FIXED, TRAILER])
def test_the_steps_of_a_fixed_hit_are_those_of_the_profile(agency, device):
    listed = [name for name, view in Case(agency, device).steps().items() if view.listed]
    assert listed == list(PROFILES[agency].hits.fixed_sequence)


def test_the_sequences_are_those_that_the_policies_describe():
    told = dict.fromkeys(SOFT, "read_check verify broadcast")
    assert {name: " ".join(PROFILES[name].hits.fixed_sequence) for name in FIVE} == told | {
        "claremont": "read_check broadcast verify broadcast_result",
        "roseville": "call verify describe broadcast",
    }
    assert {name: " ".join(PROFILES[name].hits.mobile_sequence) for name in FIVE} == {
        "irvine": "verify action",
        "westminster": "verify action",
        "claremont": "read_check verify action",
        "escondido": "read_check verify nature_review",
        "roseville": "broadcast call verify describe broadcast_result action",
    }
    assert " ".join(PROFILES["roseville"].hits.desktop_sequence) == "verify broadcast"


@pytest.mark.parametrize(("agency", "step"), [("claremont", "broadcast"), *((name, "broadcast") for name in SOFT)])
def test_a_broadcast_without_a_read_check_is_refused_or_takes_a_reason(agency, step):
    case = Case(agency)
    assert case.refusal(aired(case.profile)) == "MISREAD_CHECK_REQUIRED"
    assert case.steps()[step].status is Status.WAITING
    if agency == "claremont":
        assert case.refusal(aired(case.profile), why=REASON) == "MISREAD_CHECK_REQUIRED"
        assert case.steps()[step].needs_reason is False
    else:
        passed = case.air(why=REASON)
        assert {one.step: one.reason for one in passed.overridden} == {"read_check": REASON, "order_fixed": REASON}


@pytest.mark.parametrize("agency", FIVE)
@pytest.mark.parametrize("result", [CheckResult.MISREAD, CheckResult.WRONG_STATE])
def test_a_misread_or_another_state_ends_the_hit(agency, result):
    case = Case(agency)
    case.do(ReadCheck(result, CheckMethod.IMAGE_REVIEW))
    assert case.state() == result.value
    for given in (aired(case.profile), ACTIVE, OWN_STOP, CALLED, NatureReview("stolen")):
        assert case.refusal(given, why=REASON) == "HIT_CLOSED"
    assert case.refusal(Disposition(Outcome.STOPPED, wrong_vehicle=True)) == ""
    assert case.closing() == ""
    assert case.steps()["broadcast"].status is Status.NOT_NEEDED
    case.do(CORRECT)
    assert case.state() == "read_checked", "the newest finding counts"


def test_claremont_wants_the_dispatcher_for_a_fixed_hit_and_the_officers_eye_for_a_mobile_one():
    fixed = Case("claremont")
    fixed.do(CORRECT, VEHICLE)
    assert fixed.refusal(aired(fixed.profile)) == "MISREAD_CHECK_REQUIRED"
    fixed.do(CORRECT)
    assert fixed.refusal(aired(fixed.profile)) == ""
    mobile = Case("claremont", MOBILE)
    mobile.do(CORRECT)
    mobile.do(ACTIVE)
    assert mobile.refusal(STOP, VEHICLE) == "MISREAD_CHECK_REQUIRED"
    mobile.do(SEEN, VEHICLE)
    assert not mobile.do(STOP, VEHICLE).unverified, "Dispatch's verification serves the officer"


def test_a_verification_by_dispatch_serves_the_officer_only_where_the_policy_says_so():
    profile = PROFILES["claremont"]
    case = Case(replace(profile, hits=replace(profile.hits, dispatch_confirms=False)), MOBILE)
    case.do(SEEN, VEHICLE)
    case.do(ACTIVE)
    assert case.refusal(STOP, VEHICLE) == "CLETS_CONFIRMATION_REQUIRED"
    case.do(ACTIVE, VEHICLE)
    assert case.refusal(STOP, VEHICLE) == ""


@pytest.mark.parametrize("agency", FIVE)
def test_another_state_takes_a_reason(agency):
    case = Case(agency)
    assert case.refusal(OTHER_STATE) == "STATE_MISMATCH"
    case.do(OTHER_STATE, why="the plate is a dealer's")
    assert case.refusal(ACTIVE, why="") != "STATE_MISMATCH", "the reason is given once"
    seen = Case(agency, state_match=StateMatch.MISMATCH)
    seen.do(CORRECT)
    if agency != "claremont":
        assert seen.refusal(ACTIVE, why="") in ("STATE_MISMATCH", "STEP_OUT_OF_ORDER")
        passed = seen.do(ACTIVE, why=REASON)
        assert "state_check" in {one.step for one in passed.overridden}
    else:
        assert seen.refusal(aired(seen.profile)) == "STATE_MISMATCH"


@pytest.mark.parametrize("agency", ["claremont", "escondido", "roseville"])
@pytest.mark.parametrize("answer", [None, NOT_ACTIVE, NO_RECORD, ERROR])
def test_no_action_without_an_active_verification(agency, answer):
    case = Case(agency)
    case.do(CORRECT)
    case.do(CALLED)
    case.air(why=REASON) if agency != "roseville" else case.air(VEHICLE)
    if answer:
        case.do(answer, why=REASON)
    code = "HIT_CLOSED" if answer is NOT_ACTIVE else "CLETS_CONFIRMATION_REQUIRED"
    assert case.refusal(OWN_STOP, VEHICLE, why=REASON) == code


@pytest.mark.parametrize("agency", ["irvine", "westminster"])
def test_an_unverified_action_takes_a_reason_and_is_marked(agency):
    case = Case(agency)
    refused = case.ask(STOP, VEHICLE)
    assert isinstance(refused, Refused)
    assert (refused.reason_code, status_of(refused)) == ("REASON_REQUIRED", 422)
    passed = case.do(replace(STOP, reason="not_practicable"), VEHICLE)
    assert passed.unverified
    assert "verify" in {one.step for one in passed.overridden}
    assert case.state() == "actioned"
    assert case.refusal(STOP, VEHICLE) == "REASON_REQUIRED", "every action says why"


@pytest.mark.parametrize("agency", FIVE)
def test_the_newest_answer_of_a_database_of_the_profile_counts(agency):
    case = Case(agency)
    case.do(CORRECT)
    case.do(CALLED)
    case.air(why=REASON)
    case.do(ERROR, why=REASON)
    assert case.state() == "broadcast"
    case.do(ACTIVE, why=REASON)
    assert case.steps()["verify"].status is Status.DONE
    case.do(NOT_ACTIVE, why=REASON)
    assert case.state() == "not_current"
    other = Case(agency)
    other.do(CORRECT)
    other.do(Verification(Source.OTHER, Route.DISPATCH, ACTIVE.result), why=REASON) if agency != "claremont" else None
    assert (other.state() == "verified") is (agency == "escondido")


@pytest.mark.parametrize("agency", FIVE)
def test_an_exigent_action_passes_where_the_policy_knows_the_exception(agency):
    case = Case(agency, MOBILE)
    case.do(SEEN, VEHICLE)
    unsafe = replace(UNSAFE, basis=OWN_BASIS)
    if agency != "escondido":
        expected = "" if agency in SOFT else "CLETS_CONFIRMATION_REQUIRED"
        assert case.refusal(unsafe, VEHICLE) == expected
        return
    assert case.refusal(replace(unsafe, narrative=" "), VEHICLE) == "FIELD_REQUIRED"
    assert case.do(unsafe, VEHICLE).unverified
    task = case.tasks()["confirm_after"]
    assert (task.due_at - task.opened_at, task.closed_at) == (timedelta(minutes=15), None)
    assert case.closing(REASON) == "CLETS_CONFIRMATION_REQUIRED"
    case.do(ERROR)
    assert case.tasks()["confirm_after"].closed_at is None, "an error confirms nothing"
    case.do(NO_RECORD)
    assert case.tasks()["confirm_after"].closed_at == case.now
    assert case.closing(REASON) == ""


def test_the_confirmation_after_an_exigent_action_is_owed_even_for_a_misread_or_withdrawn_hit():
    for end in ("misread", "withdrawn"):
        case = Case("escondido", MOBILE)
        case.do(SEEN, VEHICLE)
        case.do(UNSAFE, VEHICLE)
        if end == "misread":
            case.do(MISREAD)
        else:
            case.work = replace(case.work, withdrawn_at=case.now)
        assert case.state() == end
        assert case.closing(REASON) == "CLETS_CONFIRMATION_REQUIRED"
        case.do(ACTIVE, why=REASON)
        assert case.tasks()["confirm_after"].closed_at == case.now
        assert case.refusal(ACTIVE, why=REASON) == "HIT_CLOSED"


@pytest.mark.parametrize("agency", FIVE)
def test_the_nature_of_an_advisory_is_reviewed_in_escondido(agency):
    case = Case(agency, MOBILE)
    case.do(SEEN, VEHICLE)
    case.do(ACTIVE, why=REASON)
    wanted = "NATURE_REVIEW_REQUIRED" if agency == "escondido" else ""
    assert case.refusal(OWN_STOP, VEHICLE) == wanted
    assert case.refusal(OWN_STOP, VEHICLE, why=REASON) == ""
    case.do(NatureReview("stolen_vehicle"), VEHICLE)
    assert case.refusal(OWN_STOP, VEHICLE) == ""
    assert case.refusal(NatureReview(" "), VEHICLE) == "FIELD_REQUIRED"


@pytest.mark.parametrize(
    ("narrative", "independent"),
    [
        ("", False),
        ("ALPR hit", False),
        ("The vehicle was reported stolen, confirmed by CLETS", False),
        ("plate 7TST001 is on the hot list SVS", False),
        ("TAS said that the plate returned stolen", False),
        ("The driver ran the signal at Elm and nearly struck a cyclist.", True),
        ("Expired tags and a broken tail light", True),
    ],
)
def test_a_stop_in_roseville_rests_on_more_than_the_hit(narrative, independent):
    case = Case("roseville", words=("7TST001", "stolen_vehicle", "SVS"))
    case.do(CORRECT)
    case.do(ACTIVE, why=REASON)
    for kind in (ActionType.TRAFFIC_STOP, ActionType.INVESTIGATIVE_STOP, ActionType.ARREST):
        action = Action(kind, basis=Basis(BasisType.PROBABLE_CAUSE, narrative))
        assert case.refusal(action, VEHICLE, why=REASON) == ("" if independent else "INDEPENDENT_BASIS_REQUIRED")
        assert case.refusal(Action(kind), VEHICLE, why=REASON) == "INDEPENDENT_BASIS_REQUIRED"
    assert case.refusal(Action(ActionType.VEHICLE_RECOVERY), VEHICLE) == ""


@pytest.mark.parametrize("agency", FIVE)
def test_an_informational_hit_is_no_basis_by_itself(agency):
    case = Case(agency, MOBILE, advisory="information_only", reason="special_hot_list")
    case.do(SEEN, VEHICLE)
    case.do(ACTIVE, why=REASON)
    assert case.refusal(STOP, VEHICLE, why=REASON) == "INFORMATION_ONLY"
    assert case.refusal(OWN_STOP, VEHICLE, why=REASON) == ""
    assert "broadcast" not in case.tasks()


def test_claremonts_order_binds_step_by_step():
    case = Case("claremont")
    assert case.refusal(ACTIVE) == "MISREAD_CHECK_REQUIRED"
    case.do(CORRECT)
    assert case.refusal(ACTIVE, why=REASON) == "STEP_OUT_OF_ORDER"
    assert case.refusal(TOLD, why=REASON) == "STEP_OUT_OF_ORDER"
    for name in ("nature", "vehicle", "plate", "fixed_location"):
        refused = case.ask(aired(case.profile, **{name: " "}))
        assert isinstance(refused, Refused)
        assert (refused.reason_code, name in refused.detail, status_of(refused)) == ("FIELD_REQUIRED", True, 422)
    task = case.tasks()["broadcast"]
    assert (task.due_at - NOON, task.closed_at) == (timedelta(seconds=60), None)
    case.air()
    assert case.tasks()["broadcast"].closed_at == case.now
    assert case.steps()["verify"].status is Status.OPEN
    case.do(ACTIVE)
    assert case.tasks()["clets_result"].closed_at is None
    assert case.closing(REASON) == "STEP_OUT_OF_ORDER"
    case.do(TOLD)
    assert case.tasks()["clets_result"].closed_at == case.now
    assert case.closing() == ""


def test_a_result_that_changed_is_told_again_even_when_the_entry_is_dead():
    case = Case("claremont")
    case.do(CORRECT)
    case.air()
    case.do(ACTIVE)
    case.do(TOLD)
    case.do(ACTIVE, VEHICLE)
    assert case.closing() == "", "the same answer again is no news"
    case.do(NOT_ACTIVE)
    assert (case.state(), case.closing(REASON)) == ("not_current", "STEP_OUT_OF_ORDER")
    assert case.tasks()["clets_result"].closed_at is None
    case.do(TOLD)
    assert case.closing() == ""
    assert case.refusal(aired(case.profile)) == "HIT_CLOSED"


def test_escondidos_bolo_has_its_fields_and_comes_after_the_confirmation():
    case = Case("escondido")
    case.do(CORRECT)
    for name in ("plate", "description", "alert_info"):
        assert case.refusal(aired(case.profile, **{name: ""})) == "FIELD_REQUIRED"
    initial = Broadcast(BroadcastKind.INITIAL, CONTENT, (), EVERYBODY)
    assert case.refusal(initial) == "BROADCAST_KIND_INVALID"
    assert case.refusal(aired(case.profile)) == "STEP_OUT_OF_ORDER"
    assert case.steps()["broadcast"].needs_reason
    skipped = Case("escondido")
    skipped.do(CORRECT)
    assert [one.step for one in skipped.air(why=REASON).overridden] == ["order_fixed"]
    assert skipped.steps()["verify"].status is Status.LEFT_OUT
    assert skipped.closing() == "", "what was left out with a reason is not asked again"
    case.do(NO_RECORD)
    assert case.refusal(aired(case.profile)) == "STEP_OUT_OF_ORDER", "nothing is confirmed"
    case.do(ACTIVE)
    assert case.refusal(aired(case.profile)) == ""


@pytest.mark.parametrize("agency", FIVE)
def test_a_vehicle_in_roseville_broadcasts_before_it_asks(agency):
    case = Case(agency, MOBILE)
    case.do(SEEN, VEHICLE)
    terminal = replace(ACTIVE, route=Route.MOBILE_TERMINAL)
    assert case.refusal(terminal, VEHICLE, why=REASON) == ("BROADCAST_FIRST" if agency == "roseville" else "")
    if agency == "roseville":
        for given in (Broadcast(BroadcastKind.INITIAL, CONTENT, (), ()), aired(case.profile)):
            assert case.refusal(given, VEHICLE) == ("" if given.channels else "FIELD_REQUIRED")
        case.air(VEHICLE)
        assert case.refusal(terminal, VEHICLE, why=REASON) == ""
        assert Case(agency, FIXED).refusal(aired(case.profile), VEHICLE, why=REASON) == ""


@pytest.mark.parametrize("agency", FIVE)
def test_a_desktop_in_roseville_confirms_before_it_broadcasts(agency):
    case = Case(agency)
    case.do(CORRECT)
    refusal = case.refusal(aired(case.profile), DESKTOP, why=REASON)
    assert refusal == ("CLETS_CONFIRMATION_REQUIRED" if agency == "roseville" else "")
    if agency == "roseville":
        case.do(ACTIVE, DESKTOP)
        assert case.refusal(aired(case.profile), DESKTOP) == ""


def test_rosevilles_dispatcher_describes_the_vehicle_and_reaches_patrol_on_the_main_channel():
    case = Case("roseville")
    case.do(CORRECT)
    assert case.refusal(DESCRIBED) == "CALL_REQUIRED"
    case.do(Call("tas_stolen_vehicle"))
    case.do(ACTIVE)
    refused = case.ask(aired(case.profile))
    assert isinstance(refused, Refused)
    assert (refused.reason_code, status_of(refused)) == ("DESCRIPTION_REQUIRED", 422)
    assert case.refusal(Description("white sedan", "")) == "FIELD_REQUIRED"
    case.do(DESCRIBED)
    for channels, audience, code in (
        (("tac-2",), EVERYBODY, "MAIN_CHANNEL_REQUIRED"),
        (("main", "tac-2"), ("detectives",), "AUDIENCE_REQUIRED"),
        (("main", "tac-2"), EVERYBODY, ""),
    ):
        assert case.refusal(Broadcast(BroadcastKind.INITIAL, CONTENT, channels, audience)) == code


@pytest.mark.requirement("HIT-27", partial="the record and its messages are tested with the work on hits")
@pytest.mark.parametrize("agency", FIVE)
def test_a_broadcast_names_no_other_plate_than_the_hits(agency):
    case = Case(agency, plates=("7TST001", "7TSTO01"))
    for said in ("7TST001", "7tst 001", "7TST001 CA", "7TSTO01 (CA)", "7TST001, US-CA"):
        assert case.refusal(aired(case.profile, plate=said)) != "FIELD_INVALID", said
    for said in ("7TST002", "s7TST001", "7TST0011 CA", "CA", "7TST001 7TST002"):
        refused = case.ask(aired(case.profile, plate=said))
        assert isinstance(refused, Refused), said
        assert (refused.rule_id, refused.reason_code, status_of(refused)) == ("HIT-27", "FIELD_INVALID", 422)
        assert "plate" in refused.detail


def test_a_call_has_a_type_of_the_list_and_is_confirmed_by_an_active_verification_only():
    case = Case("roseville")
    assert case.refusal(Call("barking_dog")) == "CALL_TYPE_UNKNOWN"
    assert case.refusal(CALLED, VEHICLE) == "ROLE_NOT_AUTHORISED"
    for found in (None, NOT_ACTIVE, NO_RECORD, ERROR):
        assert may_confirm_call(found).reason_code == "CLETS_CONFIRMATION_REQUIRED"
    assert may_confirm_call(ACTIVE) is ADMITTED


def test_a_hit_in_roseville_closes_with_a_call_and_a_confirmed_stolen_vehicle_with_its_own():
    case = Case("roseville")
    assert case.closing(REASON) == "CALL_REQUIRED"
    case.do(CORRECT)
    case.do(Call("tas_stolen_vehicle", "white sedan", "north"))
    case.do(ACTIVE)
    assert {"broadcast", "call"} <= case.tasks().keys()
    assert case.closing(REASON) == "BROADCAST_REQUIRED"
    case.air()
    assert case.closing(REASON) == "CALL_REQUIRED", "not of type stolen_vehicle"
    assert case.tasks()["call"].closed_at is None
    case.do(CALLED)
    assert case.tasks()["call"].closed_at == case.now
    assert case.closing() == ""


def test_an_unoccupied_stolen_vehicle_is_recovered_or_called_in():
    case = Case("roseville")
    case.do(CORRECT)
    case.do(Call("tas_stolen_vehicle", "white sedan", "unknown"))
    case.do(ACTIVE)
    case.air()
    left = Disposition(Outcome.NO_ACTION, Occupied.NO)
    taken = Disposition(Outcome.RECOVERED, Occupied.NO, recovered=True)
    assert case.refusal(left, VEHICLE) == "RECOVERY_CALL_REQUIRED"
    assert case.refusal(taken, VEHICLE) == "FIELD_REQUIRED"
    assert case.refusal(replace(taken, place="Oak Street", recovered_at=NOON), VEHICLE) == ""
    assert case.refusal(Disposition(Outcome.GONE_ON_ARRIVAL), VEHICLE) == ""
    case.do(RECOVERY)
    case.do(left, VEHICLE)
    assert case.closing() == "", "an empty vehicle takes no stolen_vehicle call"
    assert case.tasks()["call"].closed_at == case.now


@pytest.mark.parametrize("agency", FIVE)
def test_escondidos_ways_of_asking(agency):
    case = Case(agency, MOBILE)
    case.do(SEEN, VEHICLE)
    given = replace(ACTIVE, route=Route.DESKTOP)
    assert case.refusal(given, why=REASON) == ("ROUTE_NOT_PERMITTED" if agency == "escondido" else "")


@pytest.mark.parametrize("agency", FIVE)
def test_a_broadcast_says_what_the_profile_names(agency):
    case = Case(agency, MOBILE)
    asked = forms(case.profile, case.scene())
    assert "fixed_location" not in asked.content
    assert set(asked.content) == set(case.profile.hits.broadcast_content) - {"fixed_location"}
    for name in asked.content:
        assert case.refusal(aired(case.profile, **{name: ""})) == "FIELD_REQUIRED"


@pytest.mark.parametrize("agency", [*FIVE, "demo"])
def test_nothing_but_a_read_check_is_done_on_a_closed_hit(agency):
    case = Case(agency)
    case.work = replace(case.work, closed_at=NOON)
    assert case.state() == "closed"
    for given in (ACTIVE, aired(case.profile), TOLD, CALLED, OWN_STOP, NatureReview("x"), Disposition(Outcome.OTHER)):
        assert case.refusal(given, why=REASON) == "HIT_CLOSED"
    assert case.closing(REASON) == "HIT_CLOSED"
    case.do(MISREAD)
    assert case.state() == "misread"


@pytest.mark.parametrize("agency", [*FIVE, "demo"])
def test_a_withdrawn_hit_is_over(agency):
    case = Case(agency)
    case.work = replace(case.work, withdrawn_at=NOON)
    assert case.state() == "withdrawn"
    for given in (ACTIVE, aired(case.profile), OWN_STOP):
        assert case.refusal(given, why=REASON) == "HIT_CLOSED"
    case.do(CORRECT)
    case.do(CALLED)
    assert case.closing(REASON) == "", "what it does not take any more is not asked of it"


def test_who_has_no_role_does_nothing():
    case = Case("irvine")
    for given in (CORRECT, ACTIVE, aired(case.profile), CALLED, STOP, NatureReview("x"), Disposition(Outcome.OTHER)):
        refused = case.ask(given, why=REASON, roles=("auditor",))
        assert isinstance(refused, Refused)
        assert status_of(refused) == 403
    view = case.steps(roles=("auditor",))["verify"]
    assert view.refusal is not None
    assert view.refusal.reason_code == "ROLE_NOT_AUTHORISED"


def test_a_change_to_hard_asks_again_what_was_left_out_before():
    soft = PROFILES["escondido"]
    case = Case(soft)
    case.do(ACTIVE, why=REASON)
    assert case.refusal(aired(soft)) == ""
    hard = replace(soft, gates={**soft.gates, "read_check": "hard"})
    found = admit(hard, case.scene(), case.work, aired(hard), REASON)
    assert isinstance(found, Refused)
    assert found.reason_code == "MISREAD_CHECK_REQUIRED"


def test_a_profile_of_before_has_defaults_that_refuse_no_less():
    profile = replace(PROFILES["claremont"], hits=type(PROFILES["claremont"].hits)(), gates={"verify": "hard"})
    case = Case(profile)
    assert case.refusal(STOP, VEHICLE, why=REASON) == "CLETS_CONFIRMATION_REQUIRED"
    assert case.refusal(aired(profile)) == "STEP_OUT_OF_ORDER"
    assert case.closing() != ""
    assert case.tasks() == {}
    assert Work() == case.work
    assert case.steps(CONSOLE)["call"].listed is False
