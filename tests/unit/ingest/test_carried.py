"""What devices get of the lists, how long it holds, and when a unit is up to date."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alpr_ingest.carried import base_of, carried, outdated, ready, report_fault, valid_until
from alpr_ingest.hotlists import ActiveList
from alprcore.model import Refused
from alprcore.policy import Overridden
from alprcore.profiles import load_profiles

NOW = datetime(2026, 3, 2, 14, 5, tzinfo=UTC)
DAY = timedelta(days=1)
PROFILES = load_profiles()
SVS = ActiveList("demo", "SVS", "Stolen", "core", "official", "stolen_vehicle", "DOJ", 2, True, 4, 100, NOW, NOW)
REASON = "No link in the garage"


def test_devices_get_approved_lists_with_a_version_but_no_partial_plates():
    others = [
        replace(SVS, code="NEVER", version=0), replace(SVS, code="DRAFT", approved=False),
        replace(SVS, code="PARTIAL", list_type="partial"), replace(SVS, code="HOTPLATE", list_type="hot_plate"),
    ]  # fmt: skip
    assert [one.code for one in carried([SVS, *others])] == ["SVS", "HOTPLATE"]


@pytest.mark.parametrize(
    ("held", "floor", "base"), [(0, 0, 0), (3, 0, 3), (4, 0, 4), (3, 3, 3), (2, 3, 0), (5, 0, 0), (1, 0, 1)]
)
def test_a_difference_starts_where_nothing_is_forgotten(held, floor, base):
    assert base_of(SVS, held, floor) == base


@pytest.mark.requirement("HOT-19", partial="a device's copy: no later than the first of its hot plates ends")
def test_a_copy_of_hot_plates_holds_until_the_first_ends():
    plates = replace(SVS, list_type="hot_plate")
    assert valid_until(SVS, NOW, DAY, NOW + timedelta(hours=2)) == NOW + DAY  # files have no ends that are known here
    assert valid_until(plates, NOW, DAY, None) == NOW + DAY
    assert valid_until(plates, NOW, DAY, NOW + timedelta(hours=2)) == NOW + timedelta(hours=2)
    assert valid_until(plates, NOW, DAY, NOW + 2 * DAY) == NOW + DAY
    assert NOW < valid_until(plates, NOW, DAY, NOW - DAY) <= NOW + timedelta(minutes=1)


@pytest.mark.requirement("HOT-21", partial="the rule; the check is posted over the API elsewhere")
@pytest.mark.parametrize("strength", ["hard", "soft", "off"])
def test_the_gate_decides_what_a_reason_is_worth(strength):
    profile = replace(PROFILES["escondido"], gates={"list_versions": strength})
    behind = outdated([SVS], {"SVS": 3})
    assert [(one.code, one.held, one.in_force) for one in behind] == [("SVS", 3, 4)]
    assert ready(profile, (), "") is None
    without, with_one = ready(profile, behind, ""), ready(profile, behind, REASON)
    if strength == "off":
        assert (without, with_one) == (None, None)
    else:
        assert isinstance(without, Refused)
        assert without.reason_code == "NOT_UPDATED"
        assert without.detail.startswith("SVS")
        assert isinstance(with_one, Refused if strength == "hard" else Overridden)


def test_every_policy_names_the_gate():
    assert {profile.gates["list_versions"] for profile in PROFILES.values()} == {"soft"}


def test_a_report_says_what_was_in_force():
    assert report_fault([SVS], {"SVS": 4}) is None
    assert report_fault([SVS], {}) is None
    for said, code in (({"SVS": 5}, "VERSION_UNKNOWN"), ({"SVS": 0}, "VERSION_UNKNOWN"), ({"X": 1}, "LIST_UNKNOWN")):
        assert report_fault([SVS], said).reason_code == code
