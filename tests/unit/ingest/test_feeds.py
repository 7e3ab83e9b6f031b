"""Rules of feeds: schedules on the agency's clock, retries, addresses, the age of lists and the loads of a day."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from alpr_ingest.feeds import (
    DayCount,
    Feed,
    FeedKind,
    Found,
    Schedule,
    admit_address,
    admit_schedule,
    closed_days,
    day_bounds,
    due_again,
    freshness,
    missed,
    newest,
    next_due,
    retry_after,
)
from alpr_ingest.hotlists import ActiveList
from alprcore.model import ADMITTED, Refused

PACIFIC = "America/Los_Angeles"
NOW = datetime(2026, 3, 4, 20, 0, tzinfo=UTC)
SVS = ActiveList("roseville", "SVS", "SVS", "core", "stolen_vehicle", "stolen_vehicle", "DOJ", 2, True, 3, 10, NOW, NOW)
SFTP = Feed(
    agency="roseville", code="SVS", kind=FeedKind.SFTP, address="sftp://doj.example/svs.txt", layout="ncic_fixed",
    schedule=Schedule(at=("06:00", "18:00")), credential="doj", host_key="", move_loaded=False, sources=(), permissible_use="",
    set_by="p-1", set_at=NOW, next_at=NOW,
)  # fmt: skip


def local(moment):
    return moment.astimezone(ZoneInfo(PACIFIC))


def at(*times):
    return Schedule(at=times)


def code(decision):
    return decision.reason_code if isinstance(decision, Refused) else decision


@pytest.mark.parametrize(
    ("schedule", "loads", "expected"),
    [
        (Schedule(every_s=43_200), 2, ADMITTED),
        (Schedule(every_s=43_201), 2, "SCHEDULE_INVALID"),
        (Schedule(every_s=86_400), 1, ADMITTED),
        (Schedule(every_s=59), 1, "SCHEDULE_INVALID"),
        (at("06:00", "18:00"), 2, ADMITTED),
        (at("18:00", "06:00"), 2, ADMITTED),
        (at("06:00", "07:00"), 2, "SCHEDULE_INVALID"),  # twice a day, and 23 hours without
        (at("06:00"), 2, "SCHEDULE_INVALID"),
        (at("06:00"), 1, ADMITTED),
        (at("06:00", "06:00"), 1, "SCHEDULE_INVALID"),
        (at("24:00"), 1, "SCHEDULE_INVALID"),
        (at("6:00"), 1, "SCHEDULE_INVALID"),
        (Schedule(), 1, "SCHEDULE_INVALID"),
        (Schedule(3600, ("06:00",)), 1, "SCHEDULE_INVALID"),
    ],
)
def test_a_schedule_keeps_the_lists_own_rule(schedule, loads, expected):
    assert code(admit_schedule(schedule, loads)) == expected


def test_every_so_often_comes_a_little_early_and_never_late():
    due = next_due(Schedule(every_s=43_200), "roseville/SVS", NOW, PACIFIC)
    assert timedelta(hours=12) - timedelta(minutes=5) <= due - NOW <= timedelta(hours=12)
    assert due == next_due(Schedule(every_s=43_200), "roseville/SVS", NOW, PACIFIC)


def test_lists_of_one_time_are_spread_and_each_keeps_its_place():
    dues = {name: next_due(at("06:00"), name, NOW, PACIFIC) for name in ("a/SVS", "a/SRV", "b/SVS", "b/SLR")}
    assert len(set(dues.values())) == len(dues)
    for name, due in dues.items():
        assert (local(due).hour, local(due).minute < 5) == (6, True)
        assert next_due(at("06:00"), name, due, PACIFIC) - due == timedelta(days=1)


def test_the_next_of_several_times_is_taken():
    assert local(next_due(at("06:00", "18:00"), "x", NOW, PACIFIC)).hour == 18  # it is noon
    assert local(next_due(at("06:00", "18:00"), "x", NOW + timedelta(hours=12), PACIFIC)).hour == 6


def test_a_time_that_spring_skips_comes_an_hour_later_the_same_day():
    due = local(next_due(at("02:30"), "x", datetime(2026, 3, 8, 8, 0, tzinfo=UTC), PACIFIC))
    assert (due.date(), due.hour) == (date(2026, 3, 8), 3)


def test_a_time_that_autumn_has_twice_comes_once():
    before = datetime(2026, 11, 1, 7, 0, tzinfo=UTC)  # midnight of the day with 25 hours
    first = next_due(at("01:30"), "x", before, PACIFIC)
    second = next_due(at("01:30"), "x", first, PACIFIC)
    assert (local(first).date(), local(first).utcoffset()) == (date(2026, 11, 1), timedelta(hours=-7))
    assert local(second).date() == date(2026, 11, 2)


def test_twice_a_day_stays_twice_on_both_days_of_change():
    for day, hours in ((date(2026, 3, 8), 23), (date(2026, 11, 1), 25)):
        begin, end = day_bounds(day, PACIFIC)
        assert end - begin == timedelta(hours=hours)
        moment, dues = begin - timedelta(seconds=1), []
        while (moment := next_due(at("06:00", "18:00"), "x", moment, PACIFIC)) < end:
            dues.append(local(moment).hour)
        assert dues == [6, 18]


def test_retries_come_after_a_minute_then_twice_as_late_and_an_hour_at_most():
    assert [retry_after(n).total_seconds() for n in (1, 2, 3, 6, 7, 8, 100)] == [60, 120, 240, 1920, 3600, 3600, 3600]


def test_a_retry_never_passes_the_next_time_and_a_refused_file_waits_for_it():
    usual = next_due(SFTP.schedule, "roseville/SVS", NOW, PACIFIC)
    assert due_again(SFTP, NOW, PACIFIC, retry=False) == usual
    assert due_again(SFTP, NOW, PACIFIC, retry=True) == NOW + timedelta(minutes=1)
    assert due_again(replace(SFTP, failures=50), usual - timedelta(minutes=9), PACIFIC, retry=True) == usual


@pytest.mark.parametrize(
    ("kind", "address", "expected"),
    [
        ("https", "https://doj.example/lists/svs.txt", ADMITTED),
        ("https", "https://DOJ.example:443/svs", ADMITTED),
        ("https", "https://doj.example/svs?token=synthetic", "ADDRESS_INVALID"),
        ("https", "https://doj.example:8443/svs", "HOST_NOT_ALLOWED"),
        ("https", "http://doj.example/svs", "ADDRESS_INVALID"),
        ("https", "https://user:secret@doj.example/svs", "ADDRESS_INVALID"),
        ("https", "https://doj.example/", "ADDRESS_INVALID"),
        ("https", "https://doj.example:port/svs", "ADDRESS_INVALID"),
        ("https", "https://doj.example\\@evil.example/svs", "ADDRESS_INVALID"),
        ("https", "https://evil.example/svs", "HOST_NOT_ALLOWED"),
        ("sftp", "sftp://files.example:2222/out/svs_*.txt", ADMITTED),
        ("sftp", "sftp://files.example/out/svs.txt", "HOST_NOT_ALLOWED"),
        ("sftp", "sftp://files.example:2222/*/svs.txt", "ADDRESS_INVALID"),
        ("sftp", "sftp://files.example:2222/out/svs\n.txt", "ADDRESS_INVALID"),
        ("folder", "svs/*.txt", ADMITTED),
        ("folder", "../etc/passwd", "ADDRESS_INVALID"),
        ("folder", "/etc/passwd", "ADDRESS_INVALID"),
        ("folder", "*/svs.txt", "ADDRESS_INVALID"),
    ],
)
def test_an_address_names_only_what_the_operator_allows(kind, address, expected):
    assert code(admit_address(FeedKind(kind), address, ["doj.example", "files.example:2222"])) == expected


def test_the_newest_file_of_the_name_is_taken():
    found = [Found("svs_1.txt", 5.0, 1), Found("svs_2.txt", 5.0, 1), Found("svs_0.txt", 4.0, 1), Found("x.txt", 9.0, 1)]
    assert newest(found, "svs_*.txt") == found[1]
    assert newest(found, "slr_*.txt") is None


@pytest.mark.parametrize(
    ("changes", "confirmed_h", "fed", "now_h", "stale"),
    [
        ({}, None, True, 13, False),
        ({}, None, True, 13.01, True),  # HOT-03: two a day, and an hour for the night with 25
        ({}, 5, True, 18, False),  # found unchanged at the source since
        ({}, 5, True, 18.01, True),
        ({}, 24, True, 25, False),
        ({}, 25, True, 25.01, True),  # asked all the time, but the source stands still
        ({"list_type": "special", "loads_per_day": 1}, None, False, 24, False),
        ({"list_type": "special", "loads_per_day": 1}, None, False, 24.01, True),  # HOT-05
        ({"list_type": "special", "loads_per_day": 1, "approved": False}, None, False, 99, False),
        ({"list_type": "local", "loads_per_day": 1}, None, False, 99, False),  # loaded by hand when there is news
        ({"list_type": "local", "loads_per_day": 1}, None, True, 25.01, True),
        ({"list_type": "hot_plate", "loads_per_day": 1}, None, False, 9_999, False),
        ({"loaded_at": None, "source_time": None}, None, False, 13.01, True),  # never loaded
        ({"loaded_at": None, "source_time": None}, None, False, 12.99, False),
    ],
)
def test_a_list_is_too_old_a_day_over_its_loads_after_the_last_good_one(changes, confirmed_h, fed, now_h, stale):
    confirmed = None if confirmed_h is None else NOW + timedelta(hours=confirmed_h)
    now = NOW + timedelta(hours=now_h)
    found = freshness(replace(SVS, **changes), confirmed_at=confirmed, watched_from=NOW, fed=fed, now=now)
    assert (found.since is not None) == stale


def test_days_are_judged_once_when_they_are_over_and_never_the_one_on_which_watching_began():
    began = datetime(2026, 3, 7, 20, 0, tzinfo=UTC)
    ninth = datetime(2026, 3, 9, 6, 59, tzinfo=UTC)  # 23:59 of the 8th, the day with 23 hours
    assert closed_days(None, began, ninth, PACIFIC) == ()
    assert closed_days(None, began, ninth + timedelta(minutes=2), PACIFIC) == (date(2026, 3, 8),)
    assert closed_days(date(2026, 3, 8), began, ninth + timedelta(minutes=2), PACIFIC) == ()
    assert len(closed_days(None, began, ninth + timedelta(days=300), PACIFIC)) == 31


def test_a_day_with_fewer_loads_than_its_rule_is_missed():
    day = date(2026, 3, 3)
    assert missed(SVS, DayCount(day, 1, 2))
    assert not missed(SVS, DayCount(day, 2, 2))
    assert not missed(replace(SVS, list_type="local"), DayCount(day, 0, 1))
    assert not missed(replace(SVS, list_type="special", approved=False), DayCount(day, 0, 1))
