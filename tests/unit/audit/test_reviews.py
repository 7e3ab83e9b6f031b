"""Calendar, samples and retention of audits (AUD-05, AUD-06, AUD-07)."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from alpr_audit.reviews import reports, tasks
from alprcore.model import Admitted, Refused
from alprcore.policy import Refusals
from alprcore.policy.refusing import MINUTE
from alprcore.profiles import load_profiles
from alprcore.refusals import RefusalLog

PROFILES = load_profiles()
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "name", "begins", "ends"),
    [
        ("2027-01-01T08:00:00Z", "2026-Q4", "2026-10-01T07:00:00Z", "2027-01-01T08:00:00Z"),
        ("2027-01-01T07:59:59Z", "2026-Q3", "2026-07-01T07:00:00Z", "2026-10-01T07:00:00Z"),
        ("2026-04-01T07:00:00Z", "2026-Q1", "2026-01-01T08:00:00Z", "2026-04-01T07:00:00Z"),
    ],
)
def test_a_quarter_is_the_agencys_calendar_quarter(now, name, begins, ends):
    period = tasks.last_period(PROFILES["irvine"], datetime.fromisoformat(now))
    assert period == tasks.Period(name, datetime.fromisoformat(begins), datetime.fromisoformat(ends), 3)
    assert tasks.due_at(period, PROFILES["irvine"]) == period.ends_at + timedelta(days=30)


def test_a_sample_is_five_percent_or_fifty_a_month_and_can_be_drawn_again():
    assert [tasks.sample_size(total, 3) for total in (0, 80, 150, 2_000, 4_000)] == [0, 80, 150, 150, 200]
    drawn = tasks.sample(range(1_000), 50, "root")
    assert drawn == tasks.sample(range(1_000), 50, "root")
    assert drawn != tasks.sample(range(1_000), 50, "another root")
    assert len(set(drawn)) == 50


@pytest.mark.parametrize(
    ("made", "until"),
    [("2024-02-29T10:00:00Z", "2026-03-01T10:00:00Z"), ("2026-11-22T05:00:00Z", "2028-11-22T05:00:00Z")],
)
def test_a_report_is_kept_for_two_calendar_years(made, until):
    kept = reports.retain_until(datetime.fromisoformat(made), PROFILES["escondido"])
    assert kept == datetime.fromisoformat(until)
    assert isinstance(reports.may_delete(kept, kept - timedelta(seconds=1)), Refused)
    assert isinstance(reports.may_delete(kept, kept), Admitted)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text):
    assert reports.inert(text) == "'" + text
    assert reports.inert("8TST001") == "8TST001"


@pytest.mark.requirement("AUD-09", partial="how a flood is counted; the routes are tested over the API")
def test_a_flood_of_nameless_refusals_is_counted_and_none_is_lost():
    now, refusals = datetime(2026, 3, 2, tzinfo=UTC), Refusals()
    alone = sum(refusals.alone("192.0.2.1", "NO_SESSION", known=False, now=now) for _ in range(1_000))
    others = sum(refusals.alone(f"198.51.100.{n % 250}", "NO_SESSION", known=False, now=now) for n in range(5_000))
    named = sum(refusals.alone("p-1", "ROLE_NOT_AUTHORISED", known=True, now=now) for _ in range(100))
    assert (alone, named) == (20, 100)
    assert others == 280
    assert refusals.due(now + timedelta(seconds=59)) == ()
    crowds = refusals.due(now + MINUTE)
    assert alone + others + sum(crowd.count for crowd in crowds) == 6_000
    assert len(crowds) <= 301
    assert next(crowd.count for crowd in crowds if crowd.who == "192.0.2.1") == 980
    assert refusals.due(now + 2 * MINUTE) == ()
    assert refusals.alone("192.0.2.1", "NO_SESSION", known=False, now=now + 2 * MINUTE)


@pytest.mark.requirement("AUD-09", partial="how a flood is counted; the routes are tested over the API")
def test_calls_at_the_same_time_enter_a_crowd_once_and_a_failure_loses_none():
    moment, entered, broken = [NOW], [], []

    async def enter(person, address, code, facts):
        await asyncio.sleep(0)
        if broken:
            raise broken.pop()
        entered.append((address, int(facts.get("count", 1))))

    async def story():
        log = RefusalLog(enter, lambda: moment[0])
        await asyncio.gather(*(log.tell(None, "192.0.2.1", "NO_SESSION", {}) for _ in range(50)))
        assert len(entered) == 20
        moment[0] += MINUTE
        broken.append(ConnectionError())
        with pytest.raises(ConnectionError):
            await log.flush()
        await asyncio.gather(*(log.tell(None, "192.0.2.2", "NO_SESSION", {}) for _ in range(10)))

    asyncio.run(story())
    assert sum(count for _, count in entered) == 60
    assert entered.count(("192.0.2.1", 30)) == 1
