"""Agreements, demands and custody as rules (SHR-01, SHR-03, SHR-07, SHR-11, USE-08)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from alpr_retention.sharing import rules
from alprcore.model import Person
from alprcore.profiles import load_profiles

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PROFILES = load_profiles()
SERVED = {"demo": PROFILES["demo"]}
FIVE = ("irvine", "westminster", "claremont", "escondido", "roseville")


def person(*roles, agency="irvine", name="p-1"):
    return Person(name, name, name, "Example PD", agency, roles, "s", "192.0.2.1")


def draft(profile, **changes):
    purposes = tuple(one.code for one in profile.purposes if one.query)[:1]
    given = rules.Draft(
        "demo", "Demonstration", "in_state", "CA", purposes, "Civil Code 1798.90.55(b)", "", (), None,
        with_images=False, with_hits=False, starts_at=NOW, expires_at=NOW + timedelta(days=365),
    )  # fmt: skip
    return replace(given, **changes)


def agreement(**changes):
    return {
        "giver": "irvine", "receiver": "demo", "approvals": [], "stopped_at": None, "denied_at": None, "approved_at": None,
        "starts_at": NOW, "expires_at": NOW + timedelta(days=30), "party_name": "D", "party_kind": "in_state",
        "party_state": "CA", "device_ids": [], "max_age_days": None, "with_images": False, "with_hits": False, **changes,
    }  # fmt: skip


@pytest.mark.parametrize("agency", FIVE)
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"party_kind": "federal"}, "COUNTERPARTY_NOT_PERMITTED"),
        ({"party_kind": "out_of_state"}, "COUNTERPARTY_NOT_PERMITTED"),
        ({"party_state": "AZ"}, "COUNTERPARTY_NOT_PERMITTED"),
        ({"party_kind": "private"}, "RECIPIENT_CLASS_NOT_PERMITTED"),
        ({"party_kind": "club"}, "FIELD_INVALID"),
        ({"receiver": "nobody"}, "AGENCY_UNKNOWN"),
        ({"purposes": ()}, "FIELD_INVALID"),
        ({"purposes": ("gossip",)}, "PURPOSE_NOT_PERMITTED"),
        ({"statute_basis": ""}, "LEGAL_BASIS_REQUIRED"),
        ({"party_name": " "}, "FIELD_INVALID"),
        ({"max_age_days": 0}, "FIELD_INVALID"),
        ({"starts_at": NOW - timedelta(days=2)}, "FIELD_INVALID"),
        ({"expires_at": NOW + timedelta(days=365, seconds=1)}, "AGREEMENT_TOO_LONG"),
        ({"expires_at": NOW}, "AGREEMENT_TOO_LONG"),
    ],
)
def test_who_may_close_which_agreement(agency, changes, code):
    profile = PROFILES[agency]
    refused = rules.refused_draft(
        draft(profile, **changes), person("program_manager", agency=agency), profile, SERVED | {agency: profile}, NOW
    )
    assert (refused.reason_code if refused else None) == code


def test_a_profile_may_permit_other_states_but_never_private_parties():
    profile = PROFILES["irvine"]
    open_ = replace(profile, sharing=replace(profile.sharing, agreement_kinds=("in_state", "out_of_state", "federal")))
    for kind, state, code in (
        ("out_of_state", "NV", None),
        ("federal", "", None),
        ("private", "CA", "RECIPIENT_CLASS_NOT_PERMITTED"),
    ):
        wanted = draft(profile, party_kind=kind, party_state=state)
        refused = rules.refused_draft(wanted, person("program_manager"), open_, SERVED, NOW)
        assert (refused.reason_code if refused else None) == code


def with_sharing(profile, **changes):
    return replace(profile, sharing=replace(profile.sharing, **changes))


@pytest.mark.parametrize("agency", FIVE)
def test_what_the_receivers_own_policy_says_of_its_state_binds(agency):
    profile, asker = PROFILES[agency], person("program_manager", agency=agency)
    for home, code in (("", None), ("CA", None), ("NV", "COUNTERPARTY_NOT_PERMITTED")):
        served = {"demo": with_sharing(PROFILES["demo"], home_state=home)}
        refused = rules.refused_draft(draft(profile), asker, profile, served, NOW)
        assert (refused.reason_code if refused else None) == code


def test_an_agreement_is_judged_by_the_policy_of_today():
    profile = PROFILES["irvine"]
    open_ = with_sharing(profile, agreement_kinds=("in_state", "out_of_state", "federal"))
    (purpose, *_) = (one.code for one in profile.purposes if one.query)
    abroad = agreement(party_kind="out_of_state", party_state="NV", purposes=[purpose])
    assert rules.outlived(abroad, open_, PROFILES["demo"]) is None
    assert rules.outlived(abroad, profile, PROFILES["demo"]).reason_code == "COUNTERPARTY_NOT_PERMITTED"
    here = agreement(purposes=[purpose])
    assert rules.outlived(here, profile, None) is None
    moved = with_sharing(profile, home_state="OR")
    assert rules.outlived(here, moved, None).reason_code == "COUNTERPARTY_NOT_PERMITTED"
    fewer = replace(profile, purposes=tuple(one for one in profile.purposes if one.code != purpose))
    assert rules.outlived(here, fewer, None).reason_code == "PURPOSE_NOT_PERMITTED"


@pytest.mark.parametrize(
    ("day", "statute", "moment"),
    [
        (date(2027, 3, 14), "", datetime(2026, 3, 16, tzinfo=UTC)),
        (date(2028, 2, 29), "", datetime(2027, 3, 3, tzinfo=UTC)),
        (date(2027, 3, 14), "RSA 261:75-b", datetime(2027, 3, 16, tzinfo=UTC)),
    ],
)
def test_what_is_due_on_a_day_was_captured_a_year_before_unless_a_statute_asks_for_less(day, statute, moment):
    retention = replace(PROFILES["escondido"].retention, statute=statute)
    assert rules.captured_before(day, retention) == moment
    assert rules.captured_before(day, None) == datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=2)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "draft"),
        ({"approved_at": NOW}, "in_force"),
        ({"approved_at": NOW, "starts_at": NOW + timedelta(days=1)}, "pending"),
        ({"approved_at": NOW, "expires_at": NOW}, "expired"),
        ({"denied_at": NOW}, "denied"),
        ({"approved_at": NOW, "stopped_at": NOW}, "stopped"),
    ],
)
def test_where_an_agreement_stands_and_what_may_be_done(changes, state):
    given = agreement(**changes)
    assert rules.state_of(given, NOW) == state
    profile = PROFILES["irvine"]
    shown = rules.shown(given, person("program_manager"), profile, NOW)
    assert shown["may"] == {"draft": ["approve", "deny", "stop"], "in_force": ["stop"], "pending": ["stop"]}.get(
        state, []
    )
    assert rules.shown(given, person("program_manager", agency="demo"), profile, NOW)["may"] == []
    assert rules.shown(given, person("officer"), profile, NOW)["may"] == []
    assert rules.shown(given, person("custodian"), profile, NOW)["may"] == (
        ["stop"] if state in ("draft", "in_force", "pending") else []
    )


def test_an_approver_counts_once():
    given = agreement(approvals=[{"approved_by": "p-1", "decision": "approve"}])
    assert rules.decides(given, person("supervisor"), PROFILES["irvine"], NOW).reason_code == "SECOND_PERSON_REQUIRED"
    assert rules.decides(given, person("supervisor", name="p-2"), PROFILES["irvine"], NOW) is None
    assert rules.shown(given, person("officer"), PROFILES["irvine"], NOW)["needs"] == 1


@pytest.mark.parametrize("agency", FIVE)
def test_only_the_policy_that_names_a_repository_has_a_switch(agency):
    refused = rules.switches(person("program_manager", agency=agency), "arjis", PROFILES[agency], on=True, reason="so")
    assert (refused is None) == (agency == "escondido")
    may = rules.may_switch(person("program_manager", agency=agency), "arjis", PROFILES[agency], on=True, lying=3)
    assert may == ["stop"], "a policy that changed keeps nobody from stopping"
    assert rules.recalls(person("program_manager"), "so", on=False) is None
    for who, reason, on in (
        ("supervisor", "so", False),
        ("program_manager", " ", False),
        ("program_manager", "so", None),
    ):
        assert rules.recalls(person(who), reason, on=on) is not None
    assert rules.switches(person("custodian"), "arjis", PROFILES["escondido"], on=True, reason="so") is not None
    assert rules.switches(person("custodian"), "arjis", PROFILES["escondido"], on=False, reason="so") is None
    assert rules.switches(person("program_manager"), "arjis", PROFILES["escondido"], on=False, reason=" ") is not None


def demand(kind, **changes):
    return {"kind": kind, "answered_at": None, "hold_id": "", "due_at": NOW, **changes}


@pytest.mark.parametrize(
    ("kind", "outcome", "verified", "hold", "code"),
    [
        ("discovery", "answered", "", "h", None),
        ("discovery", "answered", "", "", "HOLD_REQUIRED"),
        ("discovery", "no_records", "", "", None),
        ("subject_access", "answered", "registration card seen", "", None),
        ("subject_access", "answered", "", "", "IDENTITY_NOT_VERIFIED"),
        ("subject_access", "no_records", "", "", "IDENTITY_NOT_VERIFIED"),
        ("subject_access", "refused", "", "", None),
        ("subpoena", "lost", "", "h", "FIELD_INVALID"),
    ],
)
def test_what_a_demand_is_answered_with(kind, outcome, verified, hold, code):
    refused = rules.answers(demand(kind), outcome, "words", verified, hold, person("custodian"))
    assert (refused.reason_code if refused else None) == code
    assert rules.answers(demand(kind), outcome, "words", verified, hold, person("officer")) is not None
    again = demand(kind, answered_at=NOW)
    assert rules.answers(again, outcome, "words", verified, hold, person("custodian")).reason_code == "STATE_CONFLICT"


def test_a_demand_names_who_asks_for_what_and_until_when():
    good = rules.DemandDraft(
        "discovery", "26-1", "Public Defender", "records of the case", NOW, NOW + timedelta(days=9)
    )
    assert rules.refused_demand(good, person("custodian"), NOW) is None
    for changes in ({"kind": "wish"}, {"reference": ""}, {"requester": " "}, {"wanted": ""}, {"due_at": NOW}):
        assert rules.refused_demand(replace(good, **changes), person("custodian"), NOW).reason_code == "FIELD_INVALID"
    assert rules.refused_demand(good, person("officer"), NOW).reason_code == "ROLE_NOT_AUTHORISED"
    todo = [one["code"] for one in rules.demand_shown(demand("discovery"), person("custodian"), NOW)["todo"]]
    assert todo == ["PLACE_HOLD"]
