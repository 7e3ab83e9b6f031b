"""What a hit says to a person."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alpr_console.hits import rules
from alprcore.model import ADMITTED, ClientKind, EntryDetails, Person, StateScore, Vehicle
from alprcore.profiles import load_profiles
from alprcore.workflow import may_watch
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
    assert may_watch(person("dispatcher")) is ADMITTED
    for role in ("contractor", "auditor", "retention_officer"):
        assert may_watch(person(role)).reason_code == "ROLE_NOT_AUTHORISED"


@pytest.mark.parametrize(("minutes", "code"), [(0, ""), (15, ""), (16, "MUTE_TOO_LONG"), (-1, "MUTE_TOO_LONG")])
def test_muting_is_limited(minutes, code):
    assert getattr(rules.may_mute(minutes), "reason_code", "") == code


def test_the_consoles_copy_goes_early_and_never_after_the_record_itself():
    hit, profile = make_hit(now=NOW), load_profiles()["demo"]
    assert rules.expires_at(hit, profile, NOW, timedelta(days=7)) == NOW + timedelta(days=7)
    assert rules.expires_at(hit, profile, NOW, timedelta(days=9999)) == datetime(2027, 11, 21, 8, 0, tzinfo=UTC)
    assert rules.expires_at(hit, None, NOW, timedelta(days=7)) == NOW + timedelta(days=7)


@pytest.mark.requirement("HOT-18", partial="shown at the hit; asked for on entry is tested elsewhere")
def test_a_hot_plate_tells_at_its_hit_whom_to_call_which_case_and_why():
    told = {
        "officer_name": "Olga Officer",
        "contact_phone": "555-0100",
        "case_number": "26-7",
        "synopsis": "Fled north.",
    }
    assert rules.details(EntryDetails(**told)) == told


def test_entry_details_leave_out_what_the_list_does_not_say():
    entry = EntryDetails(vehicle_year="2014", vehicle_make="Honda", notes="", effective_at=NOW)
    assert rules.details(entry) == {"vehicle": "2014 Honda", "effective_at": "2026-11-21T03:00:00.000Z"}


def test_state_and_color_are_shown_with_their_probability_and_the_list_in_the_same_words():
    hit = make_hit(now=NOW)
    origins = (StateScore("US-CA", 0.91), StateScore("US-NV", 0.09))
    card = rules.card(replace(hit, read=replace(hit.read, origins=origins, vehicle=Vehicle("SIL", 0.7))))
    assert (card["state"], card["state_confidence"]) == ("US-CA", 0.91)
    assert card["origins"] == [{"state": "US-CA", "probability": 0.91}, {"state": "US-NV", "probability": 0.09}]
    assert card["vehicle"] == {"color": "SIL", "color_words": "silver", "color_probability": 0.7}
    assert rules.card(hit)["vehicle"]["color_words"] == "unknown"
    assert rules.details(EntryDetails(vehicle_color="SIL"))["vehicle"] == "silver"
    assert rules.details(EntryDetails(vehicle_color="two-tone"))["vehicle"] == "two-tone"


def test_the_texts_of_a_finding_stay_as_long_as_the_record_of_the_read():
    hit, profile = make_hit(now=NOW), load_profiles()["demo"]
    assert rules.check_expires_at(rules.card(hit), profile) == datetime(2027, 11, 21, 8, 0, tzinfo=UTC)


def test_a_withdrawn_hit_says_why():
    gone = replace(make_hit(now=NOW), revision=1, withdrawn_at=NOW, withdrawn_reason="list_withdrawn")
    card = rules.card(gone)
    assert (card["workflow_state"], card["withdrawn_words"]) == ("withdrawn", "its list is no longer kept")
    assert rules.card(make_hit(now=NOW))["withdrawn_at"] is None


def test_what_was_found_about_a_device_is_summed_up_without_a_plate():
    rows = [
        {"result": "correct", "plate_text": "7ABC123", "corrected_text": ""},
        {"result": "misread", "plate_text": "78BC123", "corrected_text": "7BBC123"},
        {"result": "misread", "plate_text": "7ABC12", "corrected_text": "7ABC123"},  # a lost one tells of no pair
        {"result": "misread", "plate_text": None, "corrected_text": None},  # its texts have gone
    ]
    assert rules.device_checks("demo", "gate-1", "r@1", rows, NOW) is None  # of so few a plate could be told
    checks = rules.device_checks("demo", "gate-1", "r@1", [*rows, rows[1]], NOW)
    assert (checks.checked, checks.misread, dict(checks.mistaken)) == (5, 4, {"B8": 2})
    assert (checks.characters["B"], checks.characters["7"]) == (5, 3)


def test_a_time_trail_is_told_leg_by_leg_and_never_runs_backwards():
    at = {stop: NOW + timedelta(seconds=n) for n, stop in enumerate(rules.STOPS)}
    assert rules.legs(**at) == {
        "captured_to_received": 1.0, "received_to_read": 1.0, "read_to_matched": 1.0, "matched_to_notified": 1.0,
        "notified_to_stored": 1.0, "stored_to_shown": 1.0, "shown_to_acknowledged": 1.0, "captured_to_shown": 6.0,
    }  # fmt: skip
    ahead = at | {"captured": NOW + timedelta(hours=1), "shown": None}
    assert rules.legs(**ahead) == {
        "captured_to_received": 0.0, "received_to_read": 1.0, "read_to_matched": 1.0, "matched_to_notified": 1.0,
        "notified_to_stored": 1.0, "stored_to_acknowledged": 2.0,
    }  # fmt: skip
    assert rules.legs() == {}
