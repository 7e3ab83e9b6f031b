"""Who may come in, decided from what is on file; every profile that ships."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from alprcore.model import ADMITTED, Refused
from alprcore.policy import (
    Certification,
    Clearance,
    Standing,
    TrainingDone,
    may_access,
    missing_training,
    policy_due_at,
    valid_training,
)
from alprcore.profiles import load_profiles

PROFILES = load_profiles()
NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
DAY = date(2026, 11, 22)
EVERYTHING = ("alpr", "alpr_data", "alpr_equipment", "alpr_policy", "cdms", "learn")
PAPER = Clearance("C-17", date(2027, 6, 30), date(2026, 1, 5), True, "ab" * 32, date(2026, 1, 6))


def standing(agency, **changes):
    base = Standing(
        person_id="p1",
        category="sworn",
        title="Police Officer",
        employee_id="1234",
        state="active",
        roles=("officer",),
        training=(TrainingDone(EVERYTHING, "FTO", DAY - timedelta(days=30)),),
        certifications=tuple(Certification(kind, "DOJ", DAY) for kind in ("clets", "cji_access")),
        policy_version=PROFILES[agency].version,
        policy_read_at=NOW - timedelta(days=10),
    )
    return replace(base, **changes)


def code(agency, activity="access_data", now=NOW, **changes):
    decision = may_access(standing(agency, **changes), PROFILES[agency], activity, now)
    return decision.reason_code if isinstance(decision, Refused) else ""


@pytest.mark.parametrize("agency", sorted(PROFILES))
def test_complete_papers_admit_and_each_missing_one_refuses(agency):
    for activity in ("access_data", "query", "operate_device", "device_session"):
        assert may_access(standing(agency), PROFILES[agency], activity, NOW) is ADMITTED
        assert code(agency, activity, training=()) == "TRAINING_MISSING"
    assert code(agency, state="created") == "ACCOUNT_NOT_ACTIVE"
    assert code(agency, state="disabled") == "ACCOUNT_NOT_ACTIVE"
    assert code(agency, policy_read_at=None) == "POLICY_NOT_READ"
    assert code(agency, policy_version="older") == "POLICY_NOT_READ"
    assert code(agency, category="contractor") == "CONTRACTOR_CLEARANCE_MISSING"
    assert code(agency, category="contractor", clearance=replace(PAPER, waiver_on=None)) != ""
    assert code(agency, category="contractor", clearance=PAPER) == ""
    assert code(agency, category="contractor", clearance=replace(PAPER, contract_end=date(2026, 11, 21))) == (
        "CONTRACT_ENDED"
    )


@pytest.mark.parametrize(
    "done",
    [
        TrainingDone(EVERYTHING, "FTO", DAY - timedelta(days=3), approved=False),
        TrainingDone(EVERYTHING, "FTO", DAY - timedelta(days=3), passed=False),
        TrainingDone(EVERYTHING, "FTO", DAY + timedelta(days=1)),
        TrainingDone(EVERYTHING, "FTO", DAY - timedelta(days=400), expires_on=DAY - timedelta(days=1)),
    ],
)
def test_only_passed_approved_current_training_counts(done):
    assert valid_training(standing("irvine", training=(done,)), PROFILES["irvine"], NOW) == ()
    assert code("irvine", training=(done,)) == "TRAINING_MISSING"


def test_claremont_asks_more():
    assert code("claremont", category="records_clerk") == "CATEGORY_NOT_ELIGIBLE"
    assert code("irvine", category="records_clerk") == ""
    assert code("claremont", certifications=()) == "CLETS_CERT_MISSING"
    assert code("claremont", training=(TrainingDone(("alpr",), "initial", DAY),)) == "TRAINING_MISSING"
    equipment = (TrainingDone(("alpr_equipment",), "initial", DAY),)
    decision = may_access(
        standing("claremont", category="communications", training=equipment), PROFILES["claremont"], "access_data", NOW
    )
    assert isinstance(decision, Refused)
    assert "alpr policy" in decision.detail
    assert "alpr equipment" not in decision.detail


def test_the_yearly_review_falls_due_after_a_year_and_a_day():
    read = NOW - timedelta(days=365)
    assert code("claremont", policy_read_at=read) == ""
    assert code("claremont", policy_read_at=read - timedelta(days=1)) == "POLICY_NOT_READ"
    assert code("irvine", policy_read_at=read - timedelta(days=1)) == ""
    assert policy_due_at(standing("claremont", policy_read_at=read), PROFILES["claremont"]) == NOW
    assert policy_due_at(standing("irvine"), PROFILES["irvine"]) is None


def test_escondido_and_roseville_take_training_by_activity():
    assert code("escondido", certifications=()) == "CJI_CRITERIA_MISSING"
    data = (TrainingDone(("alpr_data",), "initial", DAY),)
    assert code("escondido", training=data) == ""
    assert code("escondido", "device_session", training=data) == "TRAINING_MISSING"
    cdms = (TrainingDone(("alpr", "cdms"), "initial", DAY),)
    assert code("roseville", "device_session", training=cdms) == ""
    assert missing_training(("alpr", "cdms"), "sworn", PROFILES["roseville"], "query") == ("learn",)
    assert code("roseville", review_overdue=True) == "ACCESS_REVIEW_OVERDUE"
    assert code("irvine", review_overdue=True) == ""
    manager = {"roles": ("program_manager",), "review_overdue": True}
    assert code("roseville", **manager) == "OWN_ACCESS_REVIEW_OVERDUE"  # comes in to decide on others, and no further
    assert code("roseville", "query", **manager) == "ACCESS_REVIEW_OVERDUE"


def test_a_certification_counts_through_its_last_local_day():
    evening = datetime(2026, 11, 23, 7, 59, tzinfo=UTC)  # still the 22nd in California
    assert code("claremont", now=evening) == ""
    assert code("claremont", now=evening + timedelta(minutes=1)) == "CLETS_CERT_MISSING"


def test_silence_about_a_category_admits_nobody():
    assert missing_training(("alpr", "alpr@FTO"), "chaplain", PROFILES["claremont"], "access_data")
