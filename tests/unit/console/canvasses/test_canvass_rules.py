"""Canvasses by rule: what one must say, which come first under each profile, what is still to be done about one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alpr_console.canvasses import rules
from alprcore.model import Person
from alprcore.profiles import load_profiles

NOW = datetime(2027, 3, 4, 2, 30, tzinfo=UTC)
SQUARE = ((38.70, -121.30), (38.70, -121.20), (38.80, -121.20))
PROFILES = load_profiles()
FIVE = ("irvine", "westminster", "claremont", "escondido", "roseville")


def person(*roles):
    return Person("p1", "dana", "Dana Dispatcher", "Police", "irvine", roles, "s1", "10.0.0.1")


def draft(profile, **changes):
    purpose = next(one.code for one in profile.purposes if one.query)
    window = (NOW - timedelta(hours=3), NOW)
    return replace(rules.Draft("26-1", "homicide", SQUARE, *window, purpose, "A man was shot at the corner"), **changes)


def canvass(kind, *, opened=NOW, began=NOW - timedelta(hours=2), **changes):
    return {
        "canvass_id": kind, "incident_type": kind, "captured_from": began, "opened_at": opened, "closed_at": None,
        "units": [], "entries": [], **changes,
    }  # fmt: skip


@pytest.mark.parametrize("agency", FIVE)
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"case_number": "  "}, "CASE_NUMBER_REQUIRED"),
        ({"incident_type": "picnic"}, "FIELD_INVALID"),
        ({"purpose_code": "curiosity"}, "PURPOSE_NOT_PERMITTED"),
        ({"justification": "homicide"}, "PURPOSE_REQUIRED"),
        ({"polygon": SQUARE[:2]}, "AREA_INVALID"),
        ({"polygon": SQUARE[:1] * 3}, "AREA_INVALID"),
        ({"polygon": ((138.7, -121.3), *SQUARE[1:])}, "AREA_INVALID"),
        ({"polygon": ((float("nan"), -121.3), *SQUARE[1:])}, "AREA_INVALID"),
        ({"captured_to": NOW - timedelta(hours=3)}, "WINDOW_INVALID"),
        ({"captured_from": NOW - timedelta(days=8)}, "WINDOW_INVALID"),
        ({"captured_from": NOW + timedelta(hours=1), "captured_to": NOW + timedelta(hours=2)}, "WINDOW_INVALID"),
    ],
)
def test_a_canvass_that_says_too_little_is_refused(agency, changes, code):
    profile = PROFILES[agency]
    found = rules.refusal(draft(profile, **changes), person("dispatcher"), profile, NOW)
    assert found is not None
    assert found.reason_code == code
    assert rules.refusal(draft(profile), person("dispatcher"), profile, NOW) is None


def test_only_who_works_on_a_scene_opens_a_canvass():
    profile = PROFILES["irvine"]
    for role in ("auditor", "alpr_admin", "contractor", "training_manager"):
        found = rules.refusal(draft(profile), person(role), profile, NOW)
        assert found is not None
        assert found.reason_code == "ROLE_NOT_AUTHORISED"


@pytest.mark.requirement("USE-09", partial="order and flag by rule; reads are listed through the door elsewhere")
@pytest.mark.parametrize("agency", FIVE)
def test_a_homicide_comes_before_a_burglary_and_is_flagged_where_the_policy_says_so(agency):
    listed = rules.ordered([canvass("burglary"), canvass("homicide")], PROFILES[agency], NOW)
    assert [one["incident_type"] for one in listed] == ["homicide", "burglary"]
    flagged = [one["priority"] for one in listed]
    assert flagged == {
        "irvine": [True, False], "westminster": [True, False], "roseville": [True, True],
        "claremont": [False, False], "escondido": [False, False],
    }[agency]  # fmt: skip


def test_a_crime_stops_being_recent_and_a_closed_canvass_is_never_flagged():
    profile = PROFILES["roseville"]
    old = canvass("homicide", began=NOW - timedelta(days=3, seconds=1))
    shut = canvass("shooting", closed_at=NOW)
    listed = rules.ordered([shut, old, canvass("burglary")], profile, NOW)
    assert [(one["incident_type"], one["priority"]) for one in listed] == [
        ("homicide", False), ("burglary", True), ("shooting", False),
    ]  # fmt: skip


@pytest.mark.requirement("USE-10", partial="the soft prompt; entry and matches are tested elsewhere")
@pytest.mark.parametrize("agency", FIVE)
def test_a_major_crime_asks_for_a_unit_and_for_a_plate_until_there_is_one(agency):
    profile = PROFILES[agency]

    def codes(**changes):
        return [one["code"] for one in rules.shown(canvass("homicide", **changes), profile, NOW)["prompts"]]

    assert codes() == ["ASSIGN_UNIT", "ENTER_PLATE"]
    assert codes(units=["car-1"]) == ["ENTER_PLATE"]
    assert codes(units=["car-1"], entries=[{"kind": "partial", "entry_id": "e1"}]) == []
    assert codes(closed_at=NOW) == []


def test_a_burglary_asks_for_a_unit_only_where_the_policy_puts_recent_crimes_first():
    for agency in FIVE:
        prompts = rules.shown(canvass("burglary"), PROFILES[agency], NOW)["prompts"]
        assert [one["code"] for one in prompts] == (["ASSIGN_UNIT"] if agency == "roseville" else [])


def test_the_query_speaks_of_the_case_and_carries_the_askers_own_reasons():
    one = canvass("homicide", captured_to=NOW, polygon=[[38.7, -121.3]], case_number="26-1",
                  purpose_code="criminal_investigation", justification="A man was shot")  # fmt: skip
    query = rules.query_of(one, {"attest_no_first_amendment": True, "need_to_know": "assigned to it", "after": "x"})
    assert query["case_number"] == "26-1"
    assert query["justification"] == "A man was shot"
    assert query["need_to_know"] == {"basis": "assigned to it"}
    assert query["attest_no_first_amendment"] is True
    assert query["after"] == "x"
    assert "reasonable_suspicion" not in query
    assert query["criteria"]["captured_to"] == NOW.isoformat()
    assert rules.query_of(one, {})["attest_no_first_amendment"] is False


@pytest.mark.parametrize("agency", FIVE)
def test_a_canvass_goes_with_the_last_reads_that_it_can_list(agency):
    profile = PROFILES[agency]
    due = rules.expires_at(NOW, profile)
    assert due.year == NOW.year + int(profile.retention.fixed.split()[0])
