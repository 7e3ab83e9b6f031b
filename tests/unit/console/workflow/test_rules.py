"""What is given for a step: findings about reads, how steps lie in the database, what each step needs there."""

import json
from datetime import UTC, datetime

import pytest

from alpr_console.workflow import rules
from alprcore.model import ClientKind, Person, Plate, Refused, StateMatch
from alprcore.profiles import load_profiles
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
    Result,
    Route,
    Source,
    Verification,
    step_of,
)

NOW = datetime(2027, 3, 1, 17, 0, tzinfo=UTC)


def person(role, *grants):
    return Person("p-1", "dana", "Dana", "City PD", "demo", (role,), "s-1", "127.0.0.1", grants=grants)


@pytest.mark.parametrize(
    ("result", "corrected", "kept"),
    [("correct", "", ""), ("misread", "7a8c 123", "7A8C123"), ("misread", "", ""), ("misread", "  ", "")],
)
def test_a_finding_keeps_the_corrected_text_in_normal_form(result, corrected, kept):
    assert rules.correct(person("dispatcher"), "7ABC123", CheckResult(result), corrected) == Plate(kept)


@pytest.mark.parametrize(
    ("result", "corrected", "role", "code"),
    [
        ("misread", "7abc-123", "dispatcher", "CORRECTION_INVALID"),
        ("misread", "???", "dispatcher", "CORRECTION_INVALID"),
        ("misread", "1234567890123", "dispatcher", "CORRECTION_INVALID"),
        ("correct", "7ABC124", "dispatcher", "CORRECTION_OF_CORRECT"),
        ("correct", "", "investigator", "ROLE_NOT_AUTHORISED"),
        ("correct", "", "alpr_admin", "ROLE_NOT_AUTHORISED"),
    ],
)
def test_a_finding_that_finds_nothing_is_refused(result, corrected, role, code):
    decision = rules.correct(person(role), "7ABC123", CheckResult(result), corrected)
    assert isinstance(decision, Refused)
    assert decision.reason_code == code


GIVEN = [
    ReadCheck(CheckResult.WRONG_STATE, CheckMethod.VISUAL_ON_VEHICLE, StateMatch.MISMATCH),
    Verification(Source.NCIC, Route.MOBILE_TERMINAL, Result.NO_RECORD),
    Broadcast(BroadcastKind.BOLO, {"plate": "7ABC123 CA", "description": "white van"}, ("main",), ("patrol",)),
    Broadcast(BroadcastKind.CLETS_RESULT, {"plate": "7ABC123 CA"}),
    Call("stolen_vehicle", "white van", "unknown"),
    Description("white van", "north"),
    NatureReview("warrant"),
    Action(ActionType.OTHER, reason="not practicable"),
    Action(
        ActionType.TRAFFIC_STOP, "", Basis(BasisType.PROBABLE_CAUSE, "ran the light"), Exigency.OFFICER_SAFETY, "alone"
    ),
    Disposition(Outcome.RECOVERED, Occupied.NO, True, "Fifth and Main", NOW, True),
]


@pytest.mark.parametrize("given", GIVEN, ids=lambda given: type(given).__name__)
def test_what_is_given_comes_back_from_the_database_as_it_was(given):
    row = {
        "step": step_of(given).value, "given": json.loads(json.dumps(rules.laid_out(given))), "done_at": NOW,
        "client_kind": "vehicle", "roles": ["officer"], "full_name": "Olivia Officer", "overridden": ["verify"],
        "override_reason": "no time for it",
    }  # fmt: skip
    done = rules.from_row(row)
    assert done.given == given
    assert [(left.step, left.reason) for left in done.overridden] == [("verify", "no time for it")]


def test_an_answer_that_the_policy_does_not_count_is_no_verification_to_the_database():
    profile = load_profiles()["claremont"]
    assert rules.kind_of(profile, Verification(Source.OTHER, Route.DISPATCH, Result.ACTIVE)) == rules.UNCOUNTED
    assert rules.kind_of(profile, Verification(Source.CLETS, Route.DISPATCH, Result.ACTIVE)) == "active"


def hard(agency, device, client, step):
    needs = rules.needs_of(load_profiles()[agency])[device, client, step]
    return {need.need for need in needs if need.gate == "hard" and not need.need.startswith("not_")}


@pytest.mark.parametrize(
    ("agency", "device", "client", "step", "needs"),
    [
        ("claremont", "fixed", "dispatch_console", "broadcast", {"read_check"}),
        ("claremont", "fixed", "dispatch_console", "verify", {"read_check", "broadcast"}),
        ("claremont", "mobile", "vehicle", "action", {"read_check", "visual_check", "verify", "own_basis"}),
        ("escondido", "fixed", "dispatch_console", "broadcast", set()),
        ("escondido", "mobile", "vehicle", "action", {"verify_or_exigency", "own_basis"}),
        ("roseville", "mobile", "vehicle", "verify", {"broadcast"}),
        ("roseville", "fixed", "desktop", "broadcast", {"verify"}),
        ("roseville", "trailer", "dispatch_console", "broadcast", {"describe"}),
        ("roseville", "fixed", "vehicle", "action", {"verify", "basis", "own_basis"}),
        ("roseville", "fixed", "dispatch_console", "disposition", {"recovery_call"}),
        ("irvine", "mobile", "vehicle", "action", {"own_basis"}),
        ("westminster", "fixed", "dispatch_console", "verify", set()),
    ],
)
def test_the_database_needs_what_the_policy_binds(agency, device, client, step, needs):
    assert hard(agency, device, client, step) == needs


def test_the_edition_says_whether_the_needs_are_the_same():
    found = {agency: rules.edition(rules.needs_of(load_profiles()[agency])) for agency in ("irvine", "roseville")}
    assert found["irvine"] != found["roseville"]
    assert rules.edition(rules.needs_of(load_profiles()["irvine"])) == found["irvine"]


@pytest.mark.parametrize(
    ("signed_on", "roles", "acts_from"),
    [
        ("dispatch_console", ("dispatcher",), "dispatch_console"),
        ("dispatch_console", ("officer", "supervisor"), "dispatch_console"),
        ("dispatch_console", ("officer",), "desktop"),
        ("dispatch_console", ("investigator", "alpr_admin"), "desktop"),
        ("vehicle", ("officer",), "vehicle"),
        ("vehicle", ("dispatcher",), "vehicle"),
        ("desktop", ("supervisor",), "desktop"),
    ],
)
def test_who_did_not_sign_on_is_at_a_dispatch_console_in_a_role_of_dispatch_only(signed_on, roles, acts_from):
    assert rules.acts_from(ClientKind(signed_on), roles) == acts_from


@pytest.mark.parametrize(
    ("adapter", "status", "practice"),
    [("http", "Exercise", True), ("http", "Actual", False), ("stub", "Exercise", False), ("http", "Test", False)],
)
def test_an_agencys_switch_is_not_asked_about_an_exercise(adapter, status, practice):
    assert rules.is_practice(adapter, status) is practice


@pytest.mark.parametrize(
    ("grants", "opened"), [((), ()), (("clets",), ("CLETS", "NCIC")), (("federal",), ("NCIC", "OTHER"))]
)
def test_a_grant_opens_its_sources(grants, opened):
    assert rules.may_open(person("officer", *grants)) == opened
