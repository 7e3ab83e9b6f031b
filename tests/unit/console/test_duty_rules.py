"""Who answers for a hit, what is late, what figures say: the rules alone."""

from datetime import UTC, datetime, timedelta

import pytest

from alpr_console.chain import rules as chain_rules
from alpr_console.duty import rules
from alpr_console.figures import rules as figures_rules
from alprcore.model import DeviceKind, Person, Refused
from alprcore.profiles import load_profiles
from alprcore.workflow import ENDS

NOW = datetime(2027, 3, 1, 17, 0, tzinfo=UTC)
PROFILES = load_profiles()
LIMITS = rules.Limits(timedelta(seconds=60), timedelta(minutes=2))
RIGHT = {
    "device_id": "pole-1", "list_code": "SVS", "grade": "exact", "checked_at": NOW, "misread": False,
    "wrong_state": False, "verification": "active", "stopped": True, "disposition": "recovered", "wrong_vehicle": False,
}  # fmt: skip


def person(*roles, name="dana"):
    return Person(name, name, name.title(), "Demo", "demo", roles, "s", "127.0.0.1")


def open_hit(**changes):
    fields = {"device_kind": "fixed", "state": "unverified", "opened_at": NOW, "owner_id": ""}
    return rules.OpenHit(**{**fields, **changes})


@pytest.mark.parametrize("kind", ["fixed", "trailer", "mobile"])
def test_only_what_dispatch_monitors_waits_for_dispatch(kind):
    hit = open_hit(device_kind=kind)
    assert rules.late(hit, LIMITS, (), NOW + timedelta(seconds=59)) is None
    late = rules.late(hit, LIMITS, (), NOW + timedelta(seconds=60))
    assert late is (None if kind == "mobile" else rules.Late.ACKNOWLEDGE)


@pytest.mark.parametrize("state", sorted(ENDS))
def test_nothing_is_late_about_a_hit_that_is_over(state):
    assert rules.late(open_hit(state=state), LIMITS, (), NOW + timedelta(days=1)) is None
    assert rules.late(open_hit(state=state, owner_id="gone"), LIMITS, (), NOW + timedelta(days=1)) is None


def test_an_owner_answers_for_it_as_long_as_signed_in_whatever_the_camera():
    for kind in ("fixed", "mobile"):
        hit = open_hit(owner_id="dana", device_kind=kind)
        assert rules.late(hit, LIMITS, {"dana"}, NOW + timedelta(hours=5)) is None
        assert rules.late(hit, LIMITS, {"sam"}, NOW) is rules.Late.LEFT


@pytest.mark.parametrize(
    ("seconds", "since", "alarmed"), [(90, False, False), (91, True, False), (119, True, False), (120, True, True)]
)
def test_a_gap_is_one_after_90_seconds_and_alarmed_after_two_minutes(seconds, since, alarmed):
    now = NOW + timedelta(seconds=seconds)
    assert rules.unattended(NOW, None, LIMITS, now) == (NOW if since else None, alarmed)
    assert rules.unattended(None, NOW, LIMITS, now) == (NOW, alarmed)  # never watched: a gap from when it was seen
    assert rules.unattended(None, None, LIMITS, now) == (now, False)


def test_hits_go_only_to_another_owner_who_is_there():
    other = {"person_id": "sam", "roles": ("supervisor",), "signed_in": True}
    assert not isinstance(rules.may_receive(person("dispatcher"), other), Refused)
    refused = (
        None, {**other, "signed_in": False}, {**other, "roles": ("officer",)}, {**other, "person_id": "dana"},
    )  # fmt: skip
    assert all(isinstance(rules.may_receive(person("dispatcher"), one), Refused) for one in refused)


@pytest.mark.parametrize("agency", sorted(PROFILES))
def test_an_exercise_is_marked_on_each_of_its_parts(agency):
    made = rules.exercise(person("supervisor"), PROFILES[agency], DeviceKind.FIXED, NOW)
    assert made
    for notification in made:
        hit = notification.hit
        assert notification.status.value == "Exercise"
        assert {hit.read.plate.reveal(), hit.list_code, hit.read.device_name.upper()} == {"EXERCISE"}
        assert notification.screen_text.startswith("EXERCISE")
    later = rules.exercise(person("supervisor"), PROFILES[agency], DeviceKind.FIXED, NOW + timedelta(seconds=1))
    assert later[0].incident_id != made[0].incident_id


def test_precision_says_nothing_of_what_nobody_looked_at():
    unseen = {**RIGHT, "checked_at": None, "verification": "", "stopped": False, "disposition": ""}
    assert figures_rules.precision([unseen])["total"]["precision"] is None
    assert figures_rules.precision([])["total"]["hits"] == 0
    misread = {**RIGHT, "misread": True, "device_id": "pole-2", "grade": "lookalike"}
    wrong = {**RIGHT, "wrong_state": True, "list_code": "SLR"}
    found = figures_rules.precision([RIGHT, misread, wrong, unseen])
    assert (found["total"]["hits"], found["total"]["checked"], found["total"]["precision"]) == (4, 3, 0.3333)
    assert [(row["device_id"], row["precision"]) for row in found["devices"]] == [("pole-1", 0.5), ("pole-2", 0.0)]
    assert [(row["list_code"], row["hits"]) for row in found["lists"]] == [("SLR", 1), ("SVS", 3)]
    assert [(row["grade"], row["misreads"]) for row in found["grades"]] == [("exact", 0), ("lookalike", 1)]


def test_a_quarter_begins_at_the_agencys_midnight_and_the_clock_change_lies_inside():
    profile = PROFILES["irvine"]
    found = figures_rules.period("2027-Q1", None, None, profile, NOW)
    assert (found.starts_at, found.ends_at) == (
        datetime(2027, 1, 1, 8, tzinfo=UTC),
        datetime(2027, 4, 1, 7, tzinfo=UTC),
    )
    assert figures_rules.period("", None, None, profile, NOW) == found
    last = figures_rules.period("2027-Q4", None, None, profile, NOW)
    assert last.ends_at == datetime(2028, 1, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end"),
    [(NOW, None), (None, NOW), (NOW, NOW), (NOW, NOW + timedelta(days=400)), (NOW.replace(tzinfo=None), NOW)],
)
def test_an_odd_period_is_refused(start, end):
    assert isinstance(figures_rules.period("", start, end, PROFILES["irvine"], NOW), Refused)
    assert isinstance(figures_rules.period("2027-Q5", None, None, PROFILES["irvine"], NOW), Refused)


def test_a_chain_without_a_canary_is_neither_armed_nor_broken():
    assert chain_rules.chain([], timedelta(seconds=180), NOW)["armed"] is None
    never = {"camera_id": "c", "device_id": "", "known_at": NOW, "captured_at": None, "arrived_at": None}
    assert chain_rules.chain([never], timedelta(seconds=180), NOW)["armed"] is False
    assert not chain_rules.missing(never, timedelta(seconds=180), NOW + timedelta(seconds=180))
    assert chain_rules.missing(never, timedelta(seconds=180), NOW + timedelta(seconds=181))
