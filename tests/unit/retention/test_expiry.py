from datetime import UTC, date, datetime, timedelta

import pytest

from alpr_retention import expiry
from alprcore.model import DeviceKind
from alprcore.policy import due_day
from alprcore.profiles import load_profiles

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_due_day_is_over_when_it_has_ended_everywhere():
    assert expiry.purge_before(datetime(2026, 5, 2, 11, 59, tzinfo=UTC)) == date(2026, 5, 1)
    assert expiry.purge_before(datetime(2026, 5, 2, 12, 0, tzinfo=UTC)) == date(2026, 5, 2)


def test_a_purge_of_the_future_is_refused():
    assert not expiry.refused_as_of(date(2026, 3, 1), NOW)
    assert expiry.refused_as_of(date(2026, 3, 2), NOW)


@pytest.mark.parametrize("profile", load_profiles().values(), ids=lambda profile: profile.agency)
def test_key_days_cover_late_uploads_and_the_days_ahead(profile):
    days = expiry.key_days(profile, NOW)
    for offset in range(-31, 3):
        captured = NOW + timedelta(days=offset)
        for kind in DeviceKind:
            assert due_day(captured, captured, kind, profile) in days
            assert due_day(captured, max(captured, NOW), kind, profile) in days
    assert min(days) > NOW.date() + timedelta(days=330)


def test_images_of_a_day_lie_in_folders_of_that_day_alone():
    day = date(2027, 1, 2)
    assert set(expiry.image_prefixes("demo", day)) == {
        "closeup/demo/2027-01-02", "context/demo/2027-01-02", "frame/demo/2027-01-02",
    }  # fmt: skip
    assert expiry.held_key("demo", "r1", "closeup") == "held/demo/r1-closeup.jpg"
