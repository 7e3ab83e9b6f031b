"""What a change of the rules moves, who approves it, and when no purge runs."""

import json
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpr_retention.app import Profiles
from alpr_retention.schedule import rules
from alprcore.errors import InvalidMessage
from alprcore.model import DeviceKind, Person, ProfileRecord, Refused
from alprcore.policy import due_day
from alprcore.profiles import load_profiles, shipped_documents
from alprcore.topics import Topic
from alprcore.wire import encode_profile, headers_for
from tests.fixtures.keeping import keeping, scheduled

PROFILES = load_profiles()
FIVE = ("irvine", "westminster", "claremont", "escondido", "roseville")
TODAY = date(2026, 11, 20)
ZONE = ZoneInfo("America/Los_Angeles")
periods = st.sampled_from(["1 year", "13 months", "18 months", "2 years", "30 months", "5 years"])
days = st.dates(date(2023, 1, 1), date(2026, 11, 20))


def person(*roles, agency="roseville"):
    return Person("p-1", "jdoe", "Jane Doe", "PD", agency, roles, "", "")


@pytest.mark.parametrize("agency", FIVE)
def test_the_decisive_rules_come_back_from_json_as_they_were(agency):
    profile = keeping(scheduled(PROFILES[agency], "18 months", devices=("mobile", "fixed")), hits="3 years")
    written = json.loads(json.dumps(rules.decisive(profile)))
    assert written == rules.decisive(profile)
    assert rules.under(PROFILES[agency], written) == profile
    assert rules.changed_keys(rules.decisive(PROFILES[agency]), written)[:1] in (["hits"], ["schedule"])
    assert rules.changed_keys(written, written) == []


@given(
    captured=days, waited=st.integers(0, 60), kind=st.sampled_from(DeviceKind), old=periods, new=periods,
    hit=st.booleans(), agency=st.sampled_from(FIVE),
)  # fmt: skip
def test_a_move_ends_under_the_new_rules_or_today_and_a_second_one_moves_nothing(
    captured, waited, kind, old, new, hit, agency
):
    received = min(captured + timedelta(days=waited), TODAY)
    before = keeping(PROFILES[agency], mobile=old, fixed=old, schedule_required=False)
    after = keeping(before, mobile=new, fixed=new)
    moments = [datetime.combine(day, time(3), ZONE).astimezone(UTC) for day in (captured, received)]
    lies_on, due = due_day(*moments, kind, before), due_day(*moments, kind, after)
    group = rules.Group(kind, captured, received, hit, 1)
    there = rules.new_day(after, group, lies_on, TODAY)
    assert there == rules.new_day_of(after, kind, *moments, hit=hit, lies_on=lies_on, today=TODAY)
    assert there == (due if due >= TODAY else min(lies_on, TODAY))
    assert there >= due or lies_on <= TODAY  # nothing goes before its time by a move
    assert rules.new_day(after, group, there, TODAY) == there
    assert rules.new_day(after, group, there, TODAY + timedelta(days=1)) <= max(there, TODAY)
    assert rules.moves(after, [group], lies_on, TODAY) == ({} if there == lies_on else {there: 1})


@pytest.mark.requirement("RET-14", partial="the run that stops is tested with purges")
@pytest.mark.parametrize("agency", FIVE)
def test_who_approves_a_change_is_the_policys_to_say(agency):
    profile = PROFILES[agency]
    asked = agency in ("westminster", "roseville")
    assert profile.retention.custodian_approval is asked
    admitted = {
        role
        for role in ("custodian", "program_manager", "retention_officer", "alpr_admin", "auditor", "officer")
        if not isinstance(rules.may_approve(person(role, agency=agency), profile, custodian=asked), Refused)
    }
    assert admitted == ({"custodian"} if asked else {"custodian", "program_manager"})


@pytest.mark.parametrize("agency", FIVE)
def test_a_purge_waits_for_schedule_and_approval(agency):
    profile = scheduled(PROFILES[agency])
    code = "CUSTODIAN_APPROVAL_REQUIRED" if profile.retention.custodian_approval else "RETENTION_CHANGE_PENDING"
    assert rules.may_purge(profile, None) is None
    for state in ("approved", "done", "superseded", "previewed"):
        assert rules.may_purge(profile, rules.Change(state, profile.retention.custodian_approval)) is None
    for state in ("counting", "awaiting"):
        assert rules.may_purge(profile, rules.Change(state, profile.retention.custodian_approval)).reason_code == code
    bare = rules.may_purge(PROFILES[agency], rules.Change("awaiting", custodian=False))
    if PROFILES[agency].retention.schedule_required:
        assert (bare.rule_id, bare.reason_code) == ("RET-05", "RETENTION_SCHEDULE_MISSING")


def test_ages_are_counted_in_months_from_the_youngest():
    months = {"2026-11": 5, "2026-10": 4, "2026-08": 3, "2026-05": 2, "2025-11": 1, "2024-11": 7, "2020-01": 9}
    told = {row["words"]: row["reads"] for row in rules.by_age(months, TODAY)}
    assert list(told.values()) == [5, 4, 3, 2, 1, 7, 9]
    assert sum(row["reads"] for row in rules.by_age({}, TODAY)) == 0


def test_warnings_name_what_is_late_or_missing():
    profile = PROFILES["escondido"]
    assert rules.warnings(profile, None, overdue=0, premature=0, uncounted=0) == []
    told = rules.warnings(profile, rules.Change("awaiting", custodian=False), overdue=1, premature=2000, uncounted=3)
    assert [row["code"] for row in told] == [
        "RETENTION_CHANGE_PENDING", "RECORDS_MISSING", "RECORDS_OVERDUE", "COUNTING",
    ]  # fmt: skip
    assert told[1]["words"].startswith("2,000 reads are gone")
    assert told[2]["words"].startswith("1 read is past")


def test_a_profile_under_a_statute_is_taken_only_where_the_deployment_stands_under_it():
    law = "Va. Code 2.2-5517"
    document = json.loads(shipped_documents()["claremont"])
    document["retention"] |= {"mobile": "21 days", "fixed": "21 days", "statute": law}
    record = ProfileRecord("claremont", "820@1", json.dumps(document), datetime(2026, 1, 1, tzinfo=UTC))
    headers = dict(headers_for(Topic.PROFILES, id="1", source="/test", time=record.effective_at))
    here, there = Profiles(PROFILES), Profiles()
    there.statute = law
    with pytest.raises(InvalidMessage, match="RETENTION_FLOOR"):
        here.apply("claremont", encode_profile(record), headers)
    assert here["claremont"] == PROFILES["claremont"]
    there.apply("claremont", encode_profile(record), headers)
    assert there["claremont"].retention.statute == law
    there.apply("claremont", None, {})
    assert "claremont" not in there


def test_a_change_that_takes_the_custodians_say_away_is_the_custodians_to_approve():
    before, after = rules.decisive(PROFILES["roseville"]), rules.decisive(PROFILES["irvine"])
    assert rules.asks_custodian(before, after)
    assert rules.asks_custodian(after, before)
    assert not rules.asks_custodian(after, after)
