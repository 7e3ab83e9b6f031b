"""How long a record is kept: periods as papers write them, calendars, clocks, floors, schedules, statutes."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alprcore.model import ADMITTED, DeviceKind, Refused
from alprcore.policy import (
    FLOOR,
    LONGEST,
    Period,
    add_months,
    due_at,
    due_day,
    longest_period,
    may_keep_less,
    period_of,
    read_period,
    shortest_period,
    unscheduled,
)
from alprcore.profiles import load_profiles, problems_of
from tests.fixtures.keeping import keeping, scheduled

PROFILES = load_profiles()
FIVE = ("irvine", "westminster", "claremont", "escondido", "roseville")
ZONE = ZoneInfo("America/Los_Angeles")
LAW = "Va. Code 2.2-5517"


def local(*parts):
    return datetime(*parts, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("1 year", Period(1, "year")),
        ("2 years", Period(2, "year")),
        ("18 months", Period(18, "month")),
        ("21 days", Period(21, "day")),
        ("3 minutes", Period(3, "minute")),
        ("0 years", None),
        ("-1 year", None),
        ("1.5 years", None),
        ("a year", None),
        ("1  year", None),
        ("1 year ", None),
        ("10000 days", None),
        ("", None),
    ],
)
def test_a_period_is_a_number_and_a_unit(text, period):
    assert read_period(text) == period
    if period:
        assert period.words == text


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (date(2024, 2, 29), 12, date(2025, 3, 1)),
        (date(2024, 2, 29), 48, date(2028, 2, 29)),
        (date(2026, 8, 31), 6, date(2027, 3, 1)),
        (date(2026, 8, 31), 18, date(2028, 3, 1)),
        (date(2026, 12, 31), 2, date(2027, 3, 1)),
        (date(2026, 1, 31), 1, date(2026, 3, 1)),
        (date(2026, 5, 31), 1, date(2026, 7, 1)),
        (date(2026, 12, 15), 1, date(2027, 1, 15)),
        (date(2026, 1, 15), -1, date(2025, 12, 15)),
    ],
)
def test_months_are_the_calendars_and_nothing_falls_due_early(start, months, end):
    assert add_months(start, months) == end


@pytest.mark.requirement("RET-04")
@pytest.mark.parametrize("agency", FIVE)
def test_the_clock_starts_where_the_policy_says(agency):
    captured, received = local(2026, 1, 1, 9), local(2026, 1, 20, 9)
    expected = {"claremont": date(2028, 1, 1), "escondido": date(2028, 1, 1)}.get(agency, date(2027, 1, 20))
    for kind in DeviceKind:
        assert due_day(captured, received, kind, PROFILES[agency]) == expected
    leap = due_day(local(2024, 2, 29, 9), local(2024, 2, 29, 9), DeviceKind.FIXED, PROFILES[agency])
    assert leap == (date(2026, 3, 1) if agency in ("claremont", "escondido") else date(2025, 3, 1))


@pytest.mark.requirement("RET-01", partial="that nothing goes before is tested with purges")
@pytest.mark.parametrize("agency", FIVE)
@given(
    captured=st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    waited=st.timedeltas(timedelta(0), timedelta(days=900)),
    kind=st.sampled_from(DeviceKind),
    hit=st.booleans(),
)
def test_no_record_of_any_policy_is_due_within_a_year_of_its_receipt(agency, captured, waited, kind, hit):
    received = captured + waited
    profile = PROFILES[agency]
    due = due_at(captured, received, kind, profile, hit=hit)
    assert due >= FLOOR.after(received.astimezone(ZONE))
    assert due_day(captured, received, kind, profile, hit=hit) == due.date()
    assert period_of(profile.retention, kind).reach >= FLOOR.reach


@pytest.mark.requirement("RET-01", partial="that nothing goes before is tested with purges")
@pytest.mark.parametrize("agency", FIVE)
@pytest.mark.parametrize("text", ["11 months", "364 days", "365 days", "1 day", "59 minutes"])
def test_a_period_below_a_year_is_refused_in_every_profile(agency, text):
    for key in ("mobile", "fixed"):
        problems = problems_of(keeping(PROFILES[agency], **{key: text}))
        assert any(problem.key == f"retention.{key}" and "RET-01" in problem.words for problem in problems)
    if PROFILES[agency].retention.schedule_required:
        problems = problems_of(scheduled(PROFILES[agency], text))
        assert [problem.key for problem in problems] == ["retention.schedule[0].period"]


def test_the_longest_is_five_years():
    assert problems_of(keeping(PROFILES["irvine"], fixed="5 years", mobile="60 months")) == ()
    assert LONGEST.words == "5 years"
    assert [p.key for p in problems_of(keeping(PROFILES["irvine"], fixed="61 months"))] == ["retention.fixed"]


@pytest.mark.requirement("RET-05", partial="the purge is tested with purges")
@pytest.mark.parametrize("agency", ["irvine", "westminster", "roseville"])
def test_the_schedules_period_counts_and_never_less_than_the_policys_own(agency):
    profile = PROFILES[agency]
    assert unscheduled(profile.retention) == tuple(DeviceKind)
    longer = scheduled(profile, "18 months")
    assert unscheduled(longer.retention) == ()
    start = local(2026, 3, 10, 12)
    assert due_day(start, start, DeviceKind.MOBILE, longer) == date(2027, 9, 10)
    part = scheduled(profile, "18 months", devices=("mobile",))
    assert unscheduled(part.retention) == (DeviceKind.FIXED, DeviceKind.TRAILER)
    assert due_day(start, start, DeviceKind.FIXED, part) == date(2027, 3, 10)
    both = keeping(longer, fixed="2 years")
    assert due_day(start, start, DeviceKind.FIXED, both) == date(2028, 3, 10)


@pytest.mark.requirement("RET-03")
@pytest.mark.parametrize("agency", FIVE)
def test_mobile_and_fixed_have_periods_of_their_own_and_trailers_follow_fixed(agency):
    profile = keeping(PROFILES[agency], mobile="3 years", fixed="2 years")
    start = local(2026, 3, 10, 12)
    days = {kind: due_day(start, start, kind, profile) for kind in DeviceKind}
    assert days == {
        DeviceKind.MOBILE: date(2029, 3, 10), DeviceKind.FIXED: date(2028, 3, 10), DeviceKind.TRAILER: date(2028, 3, 10)
    }  # fmt: skip


def test_reads_that_hit_may_be_kept_longer_and_never_shorter():
    profile = keeping(PROFILES["claremont"], hits="4 years")
    start = local(2026, 3, 10, 12)
    assert due_day(start, start, DeviceKind.FIXED, profile) == date(2028, 3, 10)
    assert due_day(start, start, DeviceKind.FIXED, profile, hit=True) == date(2030, 3, 10)
    assert longest_period(profile.retention) == Period(4, "year")
    assert shortest_period(profile.retention) == Period(2, "year")
    assert due_day(start, start, DeviceKind.FIXED, keeping(profile, hits="")) == date(2028, 3, 10)


def test_less_than_a_year_takes_a_named_statute_in_a_deployment_of_its_own():
    short = keeping(PROFILES["claremont"], mobile="21 days", fixed="3 minutes", hits="21 days", statute=LAW)
    assert problems_of(short) == ()
    assert [p.key for p in problems_of(keeping(short, hits=""))] == ["retention.hits"]
    assert {p.key for p in problems_of(keeping(short, statute=""))} >= {"retention.mobile", "retention.fixed"}
    assert isinstance(may_keep_less(short.retention, LAW), type(ADMITTED))
    for other in ("", "RSA 261:75-b"):
        refused = may_keep_less(short.retention, other)
        assert isinstance(refused, Refused)
        assert (refused.rule_id, refused.reason_code) == ("RET-01", "RETENTION_FLOOR")
    for profile in PROFILES.values():
        assert may_keep_less(profile.retention, "") == may_keep_less(profile.retention, LAW) == ADMITTED
    start = local(2026, 3, 10, 23, 58)
    assert due_at(start, start, DeviceKind.FIXED, short) == start + timedelta(minutes=3)
    assert due_day(start, start, DeviceKind.FIXED, short) == date(2026, 3, 11)
    assert due_day(start, start, DeviceKind.MOBILE, short) == date(2026, 3, 31)
    late = start + timedelta(days=90)
    assert due_at(start, late, DeviceKind.MOBILE, short) == late  # a reset clock brings no day of decades ago
