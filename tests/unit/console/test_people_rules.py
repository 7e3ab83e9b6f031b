"""Who manages access and whose papers count: the rules without a database."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpr_console.administration import rules
from alpr_console.training import rules as training
from alprcore.model import ADMITTED, Refused
from alprcore.policy import Clearance, Standing, TrainingDone, local_day
from alprcore.profiles import load_profiles

PROFILES = load_profiles()
NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
GOOD = rules.AccountDraft("jo.rivera", "Jo Rivera", "4711", "sworn", "Police Officer", ("officer",))
LENT = rules.Delegation(
    "d1", "approve_guidelines", "p1", NOW - timedelta(days=1), NOW + timedelta(days=1), ("program_manager",)
)


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (LENT, ""),
        (replace(LENT, ends_at=NOW), "APPROVER_NOT_AUTHORISED"),
        (replace(LENT, starts_at=NOW + timedelta(seconds=1)), "APPROVER_NOT_AUTHORISED"),
        (replace(LENT, power="manage_access"), "APPROVER_NOT_AUTHORISED"),
        (replace(LENT, designee_id="p2"), "APPROVER_NOT_AUTHORISED"),
        (replace(LENT, delegator_roles=()), "APPROVER_NOT_AUTHORISED"),  # the account is closed
        (replace(LENT, delegator_roles=("officer",)), "APPROVER_NOT_AUTHORISED"),  # the manager was demoted
    ],
)
def test_a_designee_acts_within_the_delegation_only(one, code):
    found = rules.may_act("approve_guidelines", "p1", ("supervisor",), [one], NOW)
    assert (found.reason_code if isinstance(found, Refused) else "") == code


@pytest.mark.parametrize("role", ["auditor", "contractor"])
def test_auditors_and_contractors_exercise_nobodys_powers(role):
    found = rules.may_act("approve_guidelines", "p1", ("officer", role), [LENT], NOW)
    assert isinstance(found, Refused)
    assert found.reason_code == "ROLES_CONFLICT"


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)))
def test_a_quarter_ends_after_its_moment_and_within_93_days(moment):
    name, ends = rules.quarter(moment, PROFILES["roseville"])
    assert moment < ends <= moment + timedelta(days=93)
    assert rules.quarter(ends, PROFILES["roseville"])[0] != name
    assert rules.quarter(ends - timedelta(microseconds=1), PROFILES["roseville"])[0] == name


@pytest.mark.parametrize("name", ["Chris Guest", "María José Núñez", "Ann-Marie O'Neil", "Li Wei"])
def test_real_names_pass(name):
    assert rules.draft_refusal(replace(GOOD, full_name=name), PROFILES["irvine"]) is None


@pytest.mark.parametrize("name", ["", "Rivera", "Patrol Shift", "Unit 12", "Test User", "Jo Rivera 2"])
def test_generic_names_do_not(name):
    refusal = rules.draft_refusal(replace(GOOD, full_name=name), PROFILES["irvine"])
    assert refusal is not None
    assert refusal.reason_code == "GENERIC_NAME"


def test_powers_belong_to_the_roles_that_the_profile_names():
    assert rules.power_owners("record_training", PROFILES["irvine"]) == ("training_manager",)
    assert rules.power_owners("record_training", PROFILES["roseville"]) == ("alpr_admin",)
    assert rules.power_owners("fly", PROFILES["irvine"]) == ()
    assert all(rules.power_owners(one, PROFILES["roseville"]) for one in rules.POWERS)
    assert rules.power_owners("approve_release", PROFILES["claremont"]) == ()  # its approvers have no designees


def test_guarded_accounts_are_the_program_managers():
    profile = PROFILES["roseville"]
    assert rules.may_look_after(("alpr_admin",), ("officer",), profile) is ADMITTED
    for role in ("program_manager", "alpr_admin", "auditor"):
        assert isinstance(rules.may_look_after(("alpr_admin",), ("officer", role), profile), Refused), role
        assert rules.may_look_after(("program_manager",), (role,), profile) is ADMITTED
    auditor = rules.change_refusal(("alpr_admin",), ("auditor",), "created", GOOD, profile)
    assert auditor is not None
    assert auditor.reason_code == "ROLE_NOT_AUTHORISED"


def test_ninety_idle_days_count_from_the_last_use():
    old, new = NOW - timedelta(days=91), NOW - timedelta(days=89)
    assert rules.idle_since([old, None], NOW)
    assert not rules.idle_since([old, new], NOW)
    assert not rules.idle_since([None, None], NOW)
    account = {"roles": ["officer"], "contract_end": None, "leaves_on": None, "activated_at": old, "opened_at": None,
               "last_login_at": old}  # fmt: skip
    assert rules.closing_cause(account, PROFILES["irvine"], NOW) == "INACTIVE_90_DAYS"
    assert rules.closing_cause({**account, "opened_at": new}, PROFILES["irvine"], NOW) == ""


def test_an_account_ends_when_its_last_day_is_over_where_its_agency_is():
    here = {"roles": ["officer"], "contract_end": None, "activated_at": NOW, "opened_at": None, "last_login_at": NOW}
    profile = PROFILES["irvine"]
    today = local_day(profile, NOW)
    causes = [rules.closing_cause({**here, "leaves_on": today + timedelta(days=n)}, profile, NOW) for n in (-1, 0, 1)]
    assert causes == ["LAST_DAY_OVER", "", ""]


def test_reminders_begin_thirty_days_before_and_press_in_the_last_seven():
    profile = PROFILES["claremont"]

    def state(days_ago):
        standing = Standing("p1", policy_version=profile.version, policy_read_at=NOW - timedelta(days=days_ago))
        found = training.reminder(standing, profile, NOW)
        return found["state"], found["urgent"]

    assert [state(days) for days in (300, 335, 357, 358, 366)] == [
        ("read", False), ("due", False), ("due", False), ("due", True), ("overdue", True),
    ]  # fmt: skip


def test_a_training_record_has_a_witness_and_a_past():
    course, day = {"approved_at": NOW}, date(2026, 11, 22)
    judge = training.record_refusal
    assert judge(course, day, "Lee Morgan", "jo", day, own=False) is None
    assert judge(None, day, "Lee Morgan", "jo", day, own=False).reason_code == "COURSE_UNKNOWN"
    assert judge({"approved_at": None}, day, "x", "jo", day, own=False).reason_code == "COURSE_NOT_APPROVED"
    assert judge(course, day, "Lee Morgan", "jo", day, own=True).reason_code == "OWN_ACCOUNT"
    assert judge(course, day + timedelta(days=1), "x", "jo", day, own=False).reason_code == "FIELD_INVALID"


@pytest.mark.parametrize(
    "gap", ["contract_id", "contract_end", "live_scan_on", "no_convictions", "waiver_sha256", "waiver_on"]
)
def test_a_clearance_with_any_gap_is_no_clearance(gap):
    paper = Clearance("C-1", date(2027, 1, 1), date(2026, 1, 1), True, "ab" * 32, date(2026, 1, 1))
    empty = {"contract_id": "", "waiver_sha256": "", "no_convictions": False}.get(gap)
    assert paper.complete
    assert not replace(paper, **{gap: empty}).complete


def test_a_unit_lists_everything_that_is_missing():
    found = training.missing_for_unit(Standing("p1", category="sworn"), PROFILES["roseville"], NOW)
    assert {one.reason_code for one in found} == {
        "ACCOUNT_MISSING", "EMPLOYEE_REQUIRED", "CLEARANCE_MISSING", "TRAINING_MISSING",
    }  # fmt: skip
    assert training.suspension(Standing("p1", state="active"), PROFILES["irvine"], NOW) == "TRAINING_MISSING"
    unread = Standing("p1", "sworn", state="active", training=(TrainingDone(("alpr",), "initial", date(2026, 1, 1)),))
    assert training.suspension(unread, PROFILES["irvine"], NOW) == ""
