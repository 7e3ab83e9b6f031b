from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("profile", load_profiles().values(), ids=lambda profile: profile.agency)
@given(
    captured=st.datetimes(datetime(1970, 1, 2), datetime(2026, 3, 3), timezones=st.just(UTC)),
    late=st.floats(-2.0, 2.0),
    kind=st.sampled_from(DeviceKind),
)
def test_key_days_cover_whatever_a_camera_says_of_its_clock(profile, captured, late, kind):
    received = NOW + timedelta(days=late)
    assert due_day(min(captured, received), received, kind, profile) in expiry.key_days(profile, NOW)


@pytest.mark.parametrize("profile", load_profiles().values(), ids=lambda profile: profile.agency)
def test_days_that_only_a_wrong_clock_gives_are_few_and_never_before_the_floor(profile):
    days = expiry.key_days(profile, NOW)
    assert len(days) < 380
    reset = due_day(datetime(2000, 1, 1, tzinfo=UTC), NOW, DeviceKind.FIXED, profile)
    assert reset in days
    assert min(days) >= min(reset - timedelta(days=2), *expiry.usual_days(profile, NOW))
    assert expiry.usual_days(profile, NOW) <= days


def test_images_of_a_day_lie_in_folders_of_that_day_alone():
    day = date(2027, 1, 2)
    assert set(expiry.image_prefixes("demo", day)) == {
        "closeup/demo/2027-01-02", "context/demo/2027-01-02", "frame/demo/2027-01-02",
    }  # fmt: skip
    assert expiry.held_key("demo", "h1", "r1", "closeup") == "held/demo/h1/r1-closeup.jpg"
