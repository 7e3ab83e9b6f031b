"""Who may place, review and end a hold, what its scope covers, and when a case file is over."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from alpr_retention.holding import rules
from alpr_retention.holding.rules import CaseFile, Draft, Dvd, Placed, Scope, Standing
from alprcore.model import ADMITTED, Person, Refused
from alprcore.policy import HOLD_PLACERS, QUERY_ROLES, ROLES
from alprcore.profiles import load_profiles

PROFILES = load_profiles()
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SCOPE = Scope(criteria={"plate": "8TST001"})
WHOLE = Draft("evidence", "26-1", "", SCOPE, dvd=Dvd(considered=False, reason="no player at court"))
ACTIVE = Standing("active", "p-1", "linked_investigation", "", "26-1")


def person(role, name="p-1"):
    return Person(name, "u", "Full Name", "PD", "escondido", (role,), "s", "")


@pytest.mark.parametrize("agency", sorted(PROFILES))
def test_a_ground_that_the_policy_does_not_name_binds_provisionally(agency):
    profile = PROFILES[agency]
    for ground in (*rules.GROUNDS, "anything_else"):
        placed = rules.admit_hold(profile, replace(WHOLE, ground=ground), NOW)
        named = ground in profile.retention.hold_grounds
        assert isinstance(placed, Placed)
        assert (placed.state, placed.flag) == (("active", "") if named else ("provisional", rules.GROUND_FLAG))


def test_what_a_hold_must_say():
    claremont, escondido = PROFILES["claremont"], PROFILES["escondido"]
    refused = {
        "CASE_REFERENCE_MISSING": (claremont, replace(WHOLE, case_number="")),
        "DVD_ANSWER_MISSING": (claremont, replace(WHOLE, dvd=None)),
        "REVIEW_DATE_INVALID": (claremont, replace(WHOLE, review_on=date(2027, 2, 21))),
    }
    for reason, (profile, draft) in refused.items():
        answer = rules.admit_hold(profile, draft, NOW)
        assert isinstance(answer, Refused)
        assert answer.reason_code == reason
    by_court = replace(WHOLE, ground="linked_investigation", case_number="", court_reference="CR 9")
    answer = rules.admit_hold(escondido, by_court, NOW)
    assert isinstance(answer, Refused)
    assert isinstance(rules.admit_hold(claremont, replace(WHOLE, review_on=date(2027, 2, 20)), NOW), Placed)


def test_nobody_ends_a_hold_alone_whatever_the_role():
    profile = PROFILES["irvine"]
    for role, other in product(sorted(ROLES), sorted(ROLES)):
        asked = Standing("release_requested", "p-1", "evidence", "", "26-1", end_asked_by="p-1")
        provisional = Standing("provisional", "p-1", "writ", rules.GROUND_FLAG, "26-1")
        assert isinstance(rules.may_release(profile, person(role), asked), Refused)
        assert isinstance(rules.may_lift(profile, person(role), provisional), Refused)
        allowed = rules.may_release(profile, person(other, "p-2"), asked) is ADMITTED
        assert allowed == (other in rules.RELEASERS)
    for state in ("active", "provisional", "ended"):
        assert isinstance(
            rules.may_release(profile, person("program_manager", "p-2"), replace(ACTIVE, state=state)), Refused
        )


def test_steps_follow_state_and_role():
    profile = PROFILES["escondido"]
    manager, watcher = person("program_manager", "p-2"), person("auditor", "p-2")
    steps = {
        "active": ["review", "request_release", "case_file"],
        "provisional": ["review", "confirm", "lift", "case_file"],
        "release_requested": ["review", "release", "case_file"],
        "ended": [],
    }
    for state, allowed in steps.items():
        assert rules.may(profile, manager, replace(ACTIVE, state=state, end_asked_by="p-1")) == allowed
        assert rules.may(profile, watcher, replace(ACTIVE, state=state)) == []
    asked = replace(ACTIVE, case_file=CaseFile("http"))
    assert "case_file" not in rules.may(profile, manager, asked)
    assert "case_file" not in rules.may(PROFILES["irvine"], manager, ACTIVE)


def test_a_hold_that_somebody_elses_demand_rests_on_never_ends_with_a_case_file():
    kept = PROFILES["escondido"].retention
    everything = replace(kept, hold_grounds=tuple(rules.GROUNDS))  # a policy may name every ground beside the case file
    assert rules.ends_with_case_file(kept, ACTIVE)
    assert not rules.ends_with_case_file(kept, replace(ACTIVE, court_reference="CR 9"))
    assert [code for code in rules.GROUNDS if rules.ends_with_case_file(everything, replace(ACTIVE, ground=code))] == [
        "linked_investigation"
    ]
    assert not rules.ends_with_case_file(kept, replace(ACTIVE, case_number=""))
    assert not rules.ends_with_case_file(PROFILES["irvine"].retention, ACTIVE)


@pytest.mark.requirement("ADM-04", partial="the rule by itself; the door is tested with the holds")
@pytest.mark.parametrize("role", sorted(HOLD_PLACERS))
def test_a_role_that_may_not_search_holds_no_plate(role):
    searches = role in QUERY_ROLES
    for wish in ({"plate": "8TST001"}, {"plate": "8TST001", "lookalikes": True}, {"partial": "8T*"},
                 {"partial": "8T*", "lookalikes": True, "device_ids": ["cam"]}):  # fmt: skip
        scope = rules.by_query(**wish)
        assert isinstance(scope, Scope)
        assert (rules.may_name(person(role), scope) is ADMITTED) == searches
    for scope in (Scope(("r",)), rules.by_query(device_ids=["cam"]), rules.by_query(captured_from=NOW), Scope(
        criteria={"plate": "8TST001"}, entry=7,
    )):  # fmt: skip
        assert isinstance(scope, Scope)
        assert rules.may_name(person(role), scope) is ADMITTED
    assert ("plate" in rules.scopes_of(person(role))) == searches


def test_a_case_file_is_over_after_its_day_and_on_fresh_word():
    day, after = date(2026, 11, 20), datetime(2026, 11, 21, 1, tzinfo=UTC)
    closed = CaseFile("http", "closed", day, after, after)
    assert closed.over(date(2026, 11, 21))
    assert replace(closed, status="unknown").over(date(2026, 11, 21))  # purged there, so no longer known there
    for known in (
        replace(closed, purge_on=None),
        replace(closed, purge_on=date(2026, 11, 21), answered_at=after + timedelta(days=1)),
        replace(closed, status="open"),
        replace(closed, status=""),
        replace(closed, problem="away"),
        replace(closed, answered_at=datetime(2026, 11, 20, 23, 59, tzinfo=UTC)),
        replace(closed, answered_at=None),
    ):
        assert not known.over(date(2026, 11, 21)), known


def test_by_hand_it_takes_two_who_say_the_same():
    day, one, two = date(2026, 1, 31), person("custodian"), person("investigator", "p-2")
    first = rules.entered_case_file(None, one, "closed", day)
    assert isinstance(first, CaseFile)
    assert not first.over(date(2026, 11, 1))
    again = rules.entered_case_file(first, one, "closed", day)
    assert isinstance(again, CaseFile)
    assert not again.over(date(2026, 11, 1))
    other_day = rules.entered_case_file(first, two, "closed", date(2026, 2, 1))
    assert isinstance(other_day, CaseFile)
    assert (other_day.entered_by, other_day.confirmed_by) == ("p-2", "")
    both = rules.entered_case_file(first, two, "closed", day)
    assert isinstance(both, CaseFile)
    assert both.over(date(2026, 2, 1))
    assert not both.over(day)
    reopened = rules.entered_case_file(both, one, "open", None)
    assert isinstance(reopened, CaseFile)
    assert not reopened.over(date(2026, 11, 1))
    assert isinstance(rules.entered_case_file(None, one, "closed", None), Refused)


def test_a_search_is_held_up_to_its_moment_unless_it_looks_ahead():
    search = {"partial": "8T*", "limit": 100, "after": {"x": 1}, "captured_to": "2027-01-01T00:00:00+00:00"}
    then = rules.by_search(7, search, NOW, forward=False)
    assert then.criteria == {"partial": "8T*", "captured_to": NOW.isoformat()}
    ahead = rules.by_search(7, search, NOW, forward=True)
    assert ahead.criteria == {"partial": "8T*", "captured_to": "2027-01-01T00:00:00+00:00"}
    one = rules.by_search(
        7, {"read_id": "r", "limit": 1, "captured_from": "2026-01-01T00:00:00+00:00"}, NOW, forward=True
    )
    assert (one.read_ids, one.criteria, one.forward) == (("r",), None, False)


def test_a_scope_is_closed_once_nothing_more_can_come():
    assert rules.closed(Scope(("r",)), NOW)
    assert not rules.closed(SCOPE, NOW)
    for days, expected in ((30, False), (32, True)):
        until = (NOW - timedelta(days=days)).isoformat()
        assert rules.closed(Scope(criteria={"plate": "8TST001", "captured_to": until}), NOW) is expected


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"plate": "!!"}, {"plate": "8T", "partial": "8T*"}, {"partial": "8*T*"}, {"partial": "*8"},
        {"captured_from": NOW, "captured_to": NOW - timedelta(hours=1)}, {"area": (34.0, -118.0, 33.0, -117.0)},
        {"area": (-91.0, 0.0, 0.0, 0.0)},
    ],
)  # fmt: skip
def test_criteria_that_say_nothing_are_refused(wrong):
    assert isinstance(rules.by_query(**wrong), Refused)


def test_words_never_name_the_plate():
    scope = rules.by_query(plate="8TST001", lookalikes=True, device_ids=["a", "b"], captured_from=NOW)
    assert isinstance(scope, Scope)
    assert rules.words_of(scope) == (
        "one plate and its look-alikes, 2 devices, from 2026-11-22 12:00 UTC, and reads still to come"
    )
    assert rules.kind_of(scope) == "plate"
