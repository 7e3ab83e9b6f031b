"""What the pages about lists say: ages and their colors, states, feeds, time left, what to do about a refusal."""

from datetime import UTC, datetime, timedelta

import pytest

from alpr_console.lists import rules
from alprcore.model import Person
from alprcore.profiles import load_profiles

NOW = datetime(2027, 3, 4, 2, 30, tzinfo=UTC)
PROFILES = load_profiles()
SVS = {
    "code": "SVS", "list_type": "core", "version": 3, "age_s": 100, "stale": False, "approved": True,
    "refresh": {"loads_per_day": 2, "max_age_s": 43_200},
}  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "never loaded"), (0, "less than a minute"), (59, "less than a minute"), (61, "1 min"),
        (3599, "59 min"), (32_400, "9 h 00 min"), (172_799, "47 h 59 min"), (172_800, "2 days"), (864_000, "10 days"),
    ],
)  # fmt: skip
def test_an_age_is_said_in_one_unit(seconds, words):
    assert rules.age_words(seconds) == words


@pytest.mark.requirement(
    "HOT-13", partial="words and color by rule; the page and the notification are tested elsewhere"
)
@pytest.mark.parametrize(
    ("age", "state", "tone"),
    [
        (43_200, ("in force", "good"), "good"),
        (43_201, ("too old", "warn"), "warn"),
        (86_401, ("too old", "bad"), "bad"),
    ],
)
def test_a_list_older_than_its_interval_says_so_and_is_colored(age, state, tone):
    shown = rules.shown({**SVS, "age_s": age, "stale": age > 43_200})
    assert (shown["state_words"], shown["state_tone"]) == state
    assert shown["tone"] == tone
    assert shown["interval_words"] == "12 h"


def test_a_list_that_waits_or_was_never_loaded_is_not_called_in_force():
    assert rules.shown({**SVS, "approved": False})["state_words"] == "waits for approval"
    assert rules.shown({**SVS, "version": 0, "age_s": None, "stale": True})["state_words"] == "never loaded"
    by_hand = rules.shown({**SVS, "list_type": "hot_plate", "age_s": 900_000, "stale": True})
    assert (by_hand["state_words"], by_hand["tone"], by_hand["age_words"]) == ("filled by its form", "plain", "–")


def test_progress_and_feed_are_said_in_words():
    assert rules.percent(None) is None
    assert rules.percent({"stage": "reading", "lines": 900_000}) == 0
    assert rules.percent({"published": 41, "buckets": 100}) == 41
    assert rules.feed_words(None) == ("loaded by hand", "plain")
    assert rules.feed_words({"kind": "sftp", "reason_code": None}) == ("pulled from SFTP", "good")
    failed = rules.feed_words({"kind": "folder", "reason_code": "CONNECTION_LOST"})
    assert failed == ("last pull from folder failed", "bad")


@pytest.mark.parametrize(
    ("code", "words"),
    [("not_active_yet", "Not active yet"), ("active", "Active"), ("expired", "Expired"), ("withdrawn", "Withdrawn")],
)
def test_an_entry_says_what_it_does_now(code, words):
    shown = rules.entry_shown({"entry_state": code, "expires_at": (NOW + timedelta(hours=3)).isoformat()}, NOW)
    assert shown["words"] == words
    assert shown["lives"] is (code in ("not_active_yet", "active"))
    assert bool(shown["left"]) is shown["lives"]


def test_time_left_warns_two_hours_before_the_end():
    def left(**span):
        return rules.left_words((NOW + timedelta(**span)).isoformat(), NOW)

    assert left(hours=2) == ("2 h 00 min left", "good")
    assert left(minutes=119) == ("1 h 59 min left", "warn")
    assert left(seconds=0) == ("over", "plain")
    assert rules.left_words("", NOW) == ("no end", "plain")


def test_a_designee_s_power_counts_only_where_somebody_decides():
    assert rules.decides("/v1/hotlists/AUTO/approvals")
    assert rules.decides("/v1/hotlists/AUTO/rollbacks/r1/approvals")
    assert rules.decides("/v1/hotlists/AUTO/authorisations")
    assert rules.decides("/v1/hotlists/AUTO/shares")
    assert not rules.decides("/v1/hotlists/AUTO/loads")
    assert not rules.decides("/v1/hot-plates/approvals")


def test_a_partial_plate_and_the_query_for_its_past_reads_are_taken_apart():
    body = {
        "pattern": "7A?C1*", "state": "US-CA", "purpose_code": "criminal_investigation", "case_number": "26-1",
        "back_search": {"justification": "seen at the homicide", "attest_no_first_amendment": True, "need_to_know": "mine"},
    }  # fmt: skip
    entry, search = rules.entry_and_search(body)
    assert "back_search" not in entry
    assert search == {
        "purpose_code": "criminal_investigation", "case_number": "26-1", "justification": "seen at the homicide",
        "attest_no_first_amendment": True, "criteria": {"partial": "7A?C1*", "state": "US-CA"}, "limit": 100,
        "need_to_know": {"basis": "mine"},
    }  # fmt: skip
    assert rules.entry_and_search({"pattern": "7A?"}) == ({"pattern": "7A?"}, None)


def test_forms_are_offered_to_whom_the_profile_names():
    def person(role):
        return Person("p1", "x", "X Y", "Police", "irvine", (role,), "s1", "10.0.0.1")

    for profile in PROFILES.values():
        assert rules.enters_plates(person("dispatcher"), profile)
        assert not rules.enters_plates(person("auditor"), profile)
        assert rules.limits(profile)["state_hours"] <= rules.limits(profile)["hours"]
    assert not rules.reads_plates(person("auditor"), PROFILES["irvine"])
    assert rules.reads_lists(person("auditor"), PROFILES["irvine"])
    assert not rules.loads_lists(person("officer"), PROFILES["irvine"])


def test_rejects_are_counted_and_said_in_words_without_a_plate():
    rejects = [{"line": 4, "reason_code": "PLATE_MISSING"}, {"line": 9, "reason_code": "NEW_CODE"},
               {"line": 12, "reason_code": "PLATE_MISSING"}]  # fmt: skip
    assert rules.tallied({"PLATE_MISSING": 2000, "NEW_CODE": 1}) == [("there is no plate", 2000), ("new code", 1)]
    assert rules.rejects_shown(rejects)[1] == {"line": 9, "words": "new code"}
    assert len(rules.rejects_shown(rejects * 100)) == rules.REJECTS_SHOWN


def test_a_load_says_what_became_of_it_and_by_whom():
    loads = [
        {"version": 4, "state": "active", "loaded_by": "p9", "lifted": ["LIST_SHRUNK"], "note": "the state cleaned up"},
        {"version": 3, "state": "active", "loaded_by": "feed", "lifted": []},
        {"version": 5, "state": "publishing", "loaded_by": "p1", "lifted": ""},
    ]
    found = rules.history(loads, 4, {"p9": "Ada Administrator"})
    assert [one["words"] for one in found] == ["in force", "replaced", "being put in force"]
    assert [one["by"] for one in found] == ["Ada Administrator", "feed", "p1"]
    assert found[0]["marks"] == ["list shrunk"]


def test_only_a_rollback_of_the_version_in_force_waits():
    asked = {"rollback_id": "r1", "from_version": 4, "approved_by": None}
    assert rules.asked_rollback([asked], {"version": 4}) == asked
    assert rules.asked_rollback([asked], {"version": 5}) is None
    assert rules.asked_rollback([{**asked, "approved_by": "p2"}], {"version": 4}) is None


def test_a_vehicle_is_said_in_a_line():
    assert rules.vehicle_words({"color": "white", "make": "Ford", "year": "", "model": "F-150"}) == "white Ford F-150"
    assert rules.vehicle_words(None) == ""


def test_an_extension_begins_later_and_is_not_asked_for_every_second():
    row = {"entry_state": "not_active_yet", "expires_at": (NOW + timedelta(days=9)).isoformat()}
    later = rules.entry_shown({**row, "effective_at": (NOW + timedelta(hours=5)).isoformat()}, NOW)
    assert (later["words"], later["waits"], later["lives"]) == ("Begins later", False, True)
    soon = rules.entry_shown({**row, "effective_at": NOW.isoformat()}, NOW)
    assert (soon["words"], soon["waits"], soon["begins"]) == ("Not active yet", True, "")


def test_a_layout_that_a_feed_carries_itself_can_be_kept():
    offered = [{"name": "generic_csv", "title": "Plain CSV"}, {"name": "ny", "title": "New York"}]
    assert [name for name, _ in rules.layouts_for(offered, "ny")] == ["ny", "generic_csv"]
    assert rules.layouts_for(offered, "name: own\n")[0] == ("name: own\n", "This list's own layout")
