"""Whose a dead letter is, how long it stays, how it lies in the store."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpr_retention.quarantine import rules
from alpr_retention.quarantine.rules import Letter
from alprcore.profiles import load_profiles
from tests.fixtures.keeping import keeping

PROFILES = load_profiles()
ASIDE = datetime(2026, 11, 20, 12, tzinfo=UTC)
LETTER = Letter("l-1", "frames", "CODE", "ingest", "irvine", "pole-1", "pole-1-a", "fixed", ASIDE, ASIDE)
some_bytes = st.none() | st.binary(max_size=60)


@given(key=some_bytes, value=some_bytes, image=some_bytes, headers=st.dictionaries(st.text(max_size=9), st.binary()))
def test_what_is_packed_is_unpacked(key, value, image, headers):
    head, found_value, found_image = rules.unpack(rules.pack(key, value, headers, image, missing=False))
    assert (found_value, found_image) == (value, image)
    assert head["headers"].keys() == headers.keys()


def test_headers_without_end_do_not_fill_the_store():
    packed = rules.pack(b"k", b"v", {f"h{n}": bytes(1000) for n in range(200)}, None, missing=False)
    assert len(packed) < 200
    assert rules.unpack(packed)[0]["headers_dropped"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, ASIDE),
        (ASIDE - timedelta(hours=5), ASIDE - timedelta(hours=5)),
        (ASIDE - timedelta(days=900), ASIDE - timedelta(days=2)),
        (ASIDE + timedelta(days=900), ASIDE),
    ],
)
def test_a_time_of_receipt_is_believed_within_two_days(said, expected):
    assert rules.received(said, ASIDE) == expected


def test_a_known_kind_of_device_has_its_own_period_and_an_unknown_one_the_longest():
    profiles = {"irvine": keeping(PROFILES["irvine"], mobile="3 years", fixed="2 years")}
    due = {
        kind: rules.stays_until(replace(LETTER, device_kind=kind), profiles).year for kind in ("fixed", "mobile", "")
    }
    assert due == {"fixed": 2028, "mobile": 2029, "": 2029}


def test_a_letter_of_nobody_stays_as_long_as_the_longest_policy_says():
    assert rules.owner("irvine", PROFILES) == "irvine"
    assert rules.owner("atlantis", PROFILES) == rules.owner("", PROFILES) == rules.UNATTRIBUTED
    nobody = replace(LETTER, agency=rules.UNATTRIBUTED, device_kind="")
    assert rules.stays_until(nobody, PROFILES).year == 2028
    with pytest.raises(LookupError):
        rules.stays_until(nobody, {})


@given(captured=st.datetimes(timezones=st.just(UTC)))
def test_no_time_of_capture_breaks_it_or_brings_the_day_before_the_floor(captured):
    for agency in ("irvine", "escondido"):
        day = rules.stays_until(replace(LETTER, agency=agency, captured_at=captured), PROFILES)
        assert date(2027, 11, 19) <= day <= date(2028, 11, 21)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"", {}),
        (b"[]", {}),
        (b"{}", {}),
        (b'{"meta": []}', {}),
        (b'{"meta": {"device_id": 7, "camera_id": "c"}}', {"camera_id": "c"}),
        (b'{"meta": {"device_id": "d", "captured_at": "2026-01-01T00:00:00"}}', {"device_id": "d"}),
        (b"[" * 100_000, {}),
    ],
)
def test_what_a_device_sent_is_read_as_far_as_it_can_be(value, found):
    assert rules.sent(value) == found


def test_a_topic_that_is_made_anew_names_its_letters_anew():
    assert rules.letter_id("frames.dlq", 0, 1, 5) != rules.letter_id("frames.dlq", 0, 1, 6)
    assert rules.letter_id("frames.dlq", 0, 1, 5) == rules.letter_id("frames.dlq", 0, 1, 5)


def test_keys_of_days_are_told_from_others():
    assert rules.day_of(rules.day_key(date(2027, 1, 2))) == date(2027, 1, 2)
    assert rules.day_of(rules.held_key("l-1")) is None
