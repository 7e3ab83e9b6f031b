"""What the pages of records show: pictures that lie about nothing, tasks of the right person, words for codes."""

from datetime import UTC, datetime

import pytest

from alpr_console.breaches import rules as breaches_rules
from alpr_console.records import rules
from alpr_retention.sharing import rules as sharing_rules
from alprcore.model import Person
from alprcore.profiles import load_profiles

NOW = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
READ = "0000000b-0000-4000-8000-000000000001"


def person(*roles):
    return Person("p", "u", "A B", "PD", "demo", roles, "s", "192.0.2.1")


def test_columns_are_as_high_as_their_counts_and_one_record_among_millions_is_seen():
    counts = (1_000_000, 1, 0, 500_000)
    picture = rules.columns([rules.Column(str(at), f"day {at}", count) for at, count in enumerate(counts)])
    assert picture.top == 1_000_000
    assert picture.ticks == ("0", "2", "3")
    assert [block.height for block in picture.blocks] == [200.0, 3.0, 100.0]
    assert [block.words for block in picture.blocks] == ["day 0", "day 1", "day 3"]
    assert all(
        block.x >= 0 and block.x + block.width <= 1000 and block.y + block.height == 200 for block in picture.blocks
    )
    assert rules.columns([]) == rules.columns([rules.Column("a", "", 0)]) == rules.Picture((), 0, ())


def test_what_is_stored_is_told_by_age_month_and_day_with_words_for_each_column():
    stock = {
        "next_days": [{"day": "2026-11-23", "reads": 1000}, {"day": "2026-11-24", "reads": 0}],
        "ages": [{"words": "under 1 month", "reads": 7}],
        "due": [{"month": "2027-11", "reads": 3}],
    }
    charts = rules.stock_charts(stock)
    assert charts["days"].rows == (("Nov 23", 1000), ("Nov 24", 0))
    assert charts["days"].picture.blocks[0].words == "Nov 23: 1,000 reads fall due"
    assert charts["ages"].rows == (("under 1 month", 7),)
    assert charts["due"].rows == (("Nov 2027", 3),)


def test_what_is_held_is_told_by_ground_the_largest_first_and_never_as_nothing_while_nobody_knows():
    holds = [
        {"ground": "evidence", "holds": 2, "reads": 5, "uncounted": 1},
        {"ground": "discovery_request", "holds": 1, "reads": 90, "uncounted": 0},
    ]
    grounds = [{"code": "discovery_request", "label": "Discovery"}]
    assert rules.held_by_ground({"holds": holds}, grounds) == [
        rules.Held("Discovery", 1, 90, 0),
        rules.Held("Evidence", 2, 5, 1),
    ]
    assert rules.held_by_ground({"holds": []}, None) == []
    assert rules.held_by_ground({}, grounds) is None


def test_a_door_that_answers_less_shows_less_and_breaks_nothing():
    assert rules.stock_charts({})["ages"].rows == ()
    assert rules.stock_charts({"ages": "no list", "due": [None, {"month": "soon", "reads": "many"}]})["due"].rows == (
        ("soon", 0),
    )
    assert rules.run_progress({}) == (0, 0)
    assert rules.run_stores({}) == []
    assert rules.tasks(rules.WAITING[0], {}) == []


def test_a_store_that_was_silent_or_kept_something_is_said_to_be():
    run = {"days": [{"state": "done"}, {"state": "refused"}, {"state": "cut"}], "stores": [
        {"store": "console", "state": "done", "gone": {"hits": 2}, "left": {}, "answered_at": "2026-11-22T03:00:00Z"},
        {"store": "ingest", "state": "left", "gone": {}, "left": {"frames": 1}, "answered_at": "2026-11-22T03:00:00Z"},
        {"store": "repositories", "state": "missing", "gone": {}, "left": {}, "answered_at": None},
    ]}  # fmt: skip
    assert [(row["store"], row["answer"], row["words"]) for row in rules.run_stores(run)] == [
        ("console", ("answered", "good"), "2 hits"), ("ingest", ("something stayed", "bad"), "nothing was there; left: 1 frames"),
        ("repositories", ("no answer", "bad"), "–"),
    ]  # fmt: skip
    assert rules.run_progress(run) == (2, 3)


def test_only_what_this_person_may_do_waits_and_a_review_only_when_it_is_due():
    holds = next(part for part in rules.WAITING if part.name == "holds")
    rows = [
        {"hold_id": "a", "may": ["review"], "overdue": False}, {"hold_id": "b", "may": ["review"], "overdue": True, "review_due": "2026-11-20"},
        {"hold_id": "c", "may": ["confirm", "lift"], "ground_label": "Discovery"}, {"hold_id": "d", "may": []},
    ]  # fmt: skip
    found = rules.tasks(holds, {"holds": rows})
    assert [(task.page, task.words) for task in found] == [
        ("/records/holds/b", "Review a hold"),
        ("/records/holds/c", "Confirm or lift a provisional hold"),
    ]
    assert found[0].due == "2026-11-20"
    assert found[1].about == "Discovery"


@pytest.mark.parametrize(
    ("roles", "first"),
    [(("investigator",), "/records/holds"), (("custodian",), "/records"), (("chief_admin_assistant",), "/records/releases"),
     (("alpr_admin",), "/records/releases"), (("officer", "dispatcher"), ""), (("contractor",), "")],
)  # fmt: skip
def test_everybody_begins_at_the_first_page_of_any_use_to_them(roles, first):
    assert rules.first(person(*roles)) == first
    assert all(
        rules.may_look(f"{path}/x" if path != "/records" else path, roles) for path, _ in rules.tabs(person(*roles))
    )
    assert not rules.may_look("/elsewhere", roles)


@pytest.mark.requirement("ADM-04", partial="which pages the role sees; the doors are tested with retention")
def test_a_custodian_of_records_sees_schedule_holds_and_purges_and_no_search():
    from alpr_console.queries.rules import may_search

    seen = {path for path, _ in rules.tabs(person("custodian"))}
    assert {"/records", "/records/purges", "/records/schedule", "/records/holds"} <= seen
    assert not may_search(person("custodian"))


def test_what_a_search_hands_over_is_numbers_and_ids_and_nothing_else():
    found = rules.taken(
        [
            ("query_id", "1204"),
            ("read_id", READ),
            ("read_id", READ),
            ("read_id", "8ABC123"),
            ("page_read_id", "x"),
            ("query_id", "12.5"),
            ("plate", "8ABC123"),
            ("case_number", " 26-1 "),
        ]
    )
    assert found == rules.Taken(1204, (READ,), (), "26-1")
    assert rules.taken([("page_read_id", READ)]).named == (READ,)
    assert rules.taken([("query_id", "9" * 30)]).entry is None


def test_words_for_days_sizes_and_codes():
    assert rules.due("2026-11-20T00:00:00+00:00", NOW, "UTC") == ("Nov 20, 2026, 2 days late", "bad")
    assert rules.due("2026-11-25", NOW, "UTC") == ("Nov 25, 2026", "warn")
    assert rules.due("2027-11-25", NOW, "UTC")[1] == "plain"
    assert rules.due("", NOW, "UTC") == ("–", "plain")
    assert (rules.size(4_700_000_000), rules.size(81), rules.size(None)) == ("4.7 GB", "81 bytes", "–")
    assert rules.state("routed_to_records")[0] == "Handed to Records"
    assert rules.state("never_heard_of") == ("Never heard of", "plain")
    assert (rules.number(1234567), rules.number(None), rules.number(True)) == ("1,234,567", "–", "–")
    assert rules.share(0, 0) == 100.0
    assert rules.share(1, 3) == 33.3


def test_a_change_is_told_from_what_to_what():
    before, after = (
        {"fixed": "18 months", "clock": "captured", "schedule": []},
        {"fixed": "1 year", "clock": "captured", "schedule": [{"period": "2 years"}]},
    )
    assert rules.changed(before, after) == [
        ("Fixed devices, by the policy", "18 months → 1 year"),
        ("Records schedule", "none → 2 years"),
    ]
    rule = {
        "mode": "fixed",
        "clock": "received",
        "period_fixed": "1 year",
        "period_hits": "",
        "statute": "",
        "policy_fixed": "1 year",
    }
    assert dict(rules.schedule_facts(rule, {"floor_years": 1, "longest_years": 5})) == {
        "Kind of rule": "exactly, then purged", "Fixed devices": "1 year", "Reads that made a hit": "as all others",
        "Counted from": "the arrival at the server", "Never shorter than": "1 year", "Never longer than": "5 years",
    }  # fmt: skip


@pytest.mark.requirement("RET-13", partial="the media offered; the answer is demanded by retention")
@pytest.mark.parametrize("agency", ["irvine", "westminster", "claremont", "escondido", "roseville"])
def test_the_media_of_the_policy_come_first_and_every_other_is_offered_too(agency):
    profile = load_profiles()[agency]
    offered = [code for code, _ in rules.media(profile)]
    assert offered[: len(profile.retention.export_media)] == list(profile.retention.export_media)
    assert set(offered) == set(rules.MEDIA)
    assert len(offered) == len(set(offered))
    if agency == "claremont":
        assert offered[0] == "dvd"


def test_a_tab_is_shown_to_exactly_those_whom_the_door_behind_it_admits():
    roles = {"officer", "dispatcher", "investigator", "contractor", *breaches_rules.WORKERS, *sharing_rules.READERS}
    for one in map(person, roles):
        shown = {path for path, _ in rules.tabs(one)}
        assert ("/records/breaches" in shown) == breaches_rules.may_look(one), one.roles
        for part in ("sharing", "demands"):
            assert (f"/records/{part}" in shown) == (sharing_rules.may_look(one) is None), (part, one.roles)
