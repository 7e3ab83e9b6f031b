"""What a hit says to a person."""

from datetime import UTC, datetime, timedelta

import pytest

from alpr_console.hits import rules
from alprcore.model import ADMITTED, ClientKind, EntryDetails, Person
from alprcore.profiles import load_profiles
from tests.fixtures.console import make_hit, make_notification

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


def person(*roles):
    return Person("p", "u", "U", "O", "demo", roles, "s", "127.0.0.1")


@pytest.mark.parametrize(
    ("advisory", "reason", "priority"),
    [
        ("stolen_vehicle", "stolen_vehicle", "medium"),
        ("felony_vehicle", "felony_vehicle", "high"),
        ("warrant", "felony_warrant", "high"),
        ("amber_alert", "amber_alert", "high"),
        ("information_only", "hot_plate", "information"),
        ("information_only", "felony_vehicle", "information"),  # HOT-07: never above what its list allows
        ("a_class_of_a_list", "its_reason", "medium"),
    ],
)
def test_priority(advisory, reason, priority):
    assert rules.priority(advisory, reason) == priority


def test_the_card_says_first_what_kind_of_alert_and_never_more_than_a_lead():
    card = rules.card(make_hit(now=NOW, doubtful=(1,), list_age_s=32_400))
    assert (card["advisory"], card["workflow_state"], card["notice"]) == (
        True,
        "unverified",
        "Unverified lead, not grounds for a stop",
    )
    assert (card["advisory_words"], card["list_age_seconds"], card["list_stale"]) == ("Stolen vehicle", 32_400, False)
    assert [position["doubtful"] for position in card["characters"]] == [False, True, *[False] * 5]
    assert card["captured_at"] == "2026-11-21T02:59:58.600Z"


def test_only_the_dispatch_consoles_notifications_reach_the_queue():
    hit = make_hit(now=NOW)
    assert rules.shown_on_console(make_notification(hit))
    assert not rules.shown_on_console(make_notification(hit, client=ClientKind.VEHICLE, target="vehicles"))


def test_live_hits_are_open_to_those_who_act_on_them():
    assert rules.may_watch(person("dispatcher")) is ADMITTED
    for role in ("contractor", "auditor", "retention_officer"):
        assert rules.may_watch(person(role)).reason_code == "ROLE_NOT_AUTHORISED"


@pytest.mark.parametrize(("minutes", "code"), [(0, ""), (15, ""), (16, "MUTE_TOO_LONG"), (-1, "MUTE_TOO_LONG")])
def test_muting_is_limited(minutes, code):
    assert getattr(rules.may_mute(minutes), "reason_code", "") == code


def test_the_consoles_copy_goes_early_and_never_after_the_record_itself():
    hit, profile = make_hit(now=NOW), load_profiles()["demo"]
    assert rules.expires_at(hit, profile, NOW, timedelta(days=7)) == NOW + timedelta(days=7)
    assert rules.expires_at(hit, profile, NOW, timedelta(days=9999)) == datetime(2027, 11, 21, 8, 0, tzinfo=UTC)
    assert rules.expires_at(hit, None, NOW, timedelta(days=7)) == NOW + timedelta(days=7)


def test_entry_details_leave_out_what_the_list_does_not_say():
    entry = EntryDetails(vehicle_year="2014", vehicle_make="Honda", notes="", effective_at=NOW)
    assert rules.details(entry) == {"vehicle": "2014 Honda", "effective_at": "2026-11-21T03:00:00.000Z"}
