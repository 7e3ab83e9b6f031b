"""From when on a hit that no order names is surely due."""

from datetime import UTC, date, datetime, timedelta

import pytest

from alpr_console.purging import rules
from alprcore.model import DeviceKind
from alprcore.policy import due_day
from alprcore.profiles import load_profiles
from tests.fixtures.keeping import keeping

PROFILES = load_profiles()
DAY = date(2028, 3, 2)


@pytest.mark.parametrize("agency", ["irvine", "westminster", "claremont", "escondido", "roseville", "demo"])
@pytest.mark.parametrize("fixed", ["1 year", "18 months", "2 years", "5 years"])
def test_everything_before_is_due_and_what_is_due_much_earlier_is_before(agency, fixed):
    policy = keeping(PROFILES[agency], fixed=fixed, schedule=())
    before = rules.over_before(DAY, [policy])
    for hours in (1, 24, 24 * 400):
        at = before - timedelta(hours=hours)
        assert all(due_day(at, at, kind, policy, hit=True) <= DAY for kind in DeviceKind)
    late = before + timedelta(days=5)
    assert max(due_day(late, late, kind, policy, hit=True) for kind in DeviceKind) > DAY


def test_of_several_policies_the_longest_counts_and_without_any_nothing_is_over():
    short, long = PROFILES["irvine"], keeping(PROFILES["irvine"], mobile="3 years")
    assert rules.over_before(DAY, []) is None
    assert rules.over_before(DAY, [short, long]) == rules.over_before(DAY, [long]) < rules.over_before(DAY, [short])
    assert rules.over_before(DAY, [long]) > datetime(2025, 2, 20, tzinfo=UTC)


def test_counts_of_several_features_are_put_together():
    assert rules.together([{"hits": 1}, {"hits": 2, "tasks": 0}, {}]) == {"hits": 3, "tasks": 0}
