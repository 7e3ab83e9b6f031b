"""Alert storms: a sign that reads like a listed plate, a blind camera, a wrong list; and evenings that are only busy."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpr_matcher.alerts.storms import Limits, StormKind, Storms
from alprcore.model import entry_id, hit_id, make_id
from tests.unit.matcher.build import AGENCY, NOW
from tests.unit.matcher.test_notify import make_hit

ONE = make_hit()


def hit(number, *, at=0.0, entry="7ABC123", device="gate-1", code="SVS"):
    """The hit of a read of its own, captured `at` seconds after the start of the evening."""
    captured = NOW + timedelta(seconds=at)
    read = replace(
        ONE.read, read_id=make_id("read", f"{device} {number} {at}"), device_id=device, device_name=device,
        captured_at=captured,
    )  # fmt: skip
    name = entry_id(AGENCY, code, entry, "US-CA", "1")
    return replace(
        ONE, read=read, entry_id=name, hit_id=hit_id(read.read_id, name), list_code=code, matched_at=captured
    )


def test_a_thousand_hits_in_a_minute_of_one_misread_sign_are_one_storm_and_nothing_is_lost():
    storms = Storms(Limits())
    given_back = [storms.hold(hit(number, at=number * 0.06)) for number in range(1_000)]
    assert len(given_back) == 1_000
    held = [found for found in given_back if found.held]
    assert len({found.storm_id for found in held}) == 1
    assert given_back.index(held[0]) == Limits().least_device - 1
    assert len(held) == 1_000 - Limits().least_device + 1
    assert held[0].storm_reason == "Alert storm: gate-1 saw one listed plate 60 times in 10 min, usually none."
    assert {found.storm_kind for found in held} == {"entry"}
    others = [storms.hold(hit(1, at=61, entry="8XYZ999")), storms.hold(hit(1, at=61, device="gate-2"))]
    assert not any(found.held for found in others)  # a sign at one camera hides no other vehicle


@pytest.mark.parametrize("seed", range(5))
def test_a_normal_busy_evening_is_no_storm(seed):
    """Eight cameras, 5,000 reads an hour each at the busiest, three times the usual 0.04 % of hits, some seen often."""
    chance, storms = random.Random(seed), Storms(Limits())
    for second in range(0, 6 * 3600, 5):
        busy = 1 + 2 * (second > 3 * 3600)
        for camera in range(8):
            if chance.random() < 5_000 / 3600 * 5 * 0.0004 * busy:
                found = hit(second, at=second, entry=f"7ABC{chance.randrange(900):03}", device=f"gate-{camera}")
                assert not storms.hold(found).held
    assert len(storms) == 0


def test_a_blind_camera_that_reads_everything_as_listed_is_a_storm_of_the_camera():
    storms = Storms(Limits())
    held = [storms.hold(hit(n, at=n, entry=f"7ABC{n:03}")) for n in range(120)]
    assert [found.held for found in held] == [False] * 59 + [True] * 61
    assert held[-1].storm_kind == StormKind.DEVICE
    assert "gate-1 matched 60 different entries" in held[-1].storm_reason
    assert not storms.hold(hit(1, at=100, entry="8XYZ999", device="gate-2")).held


def test_a_wrong_list_is_a_storm_of_the_list_and_other_lists_ring():
    storms = Storms(Limits())
    held = [storms.hold(hit(n, at=n, entry=f"7ABC{n:03}", device=f"gate-{n % 40}")) for n in range(150)]
    assert [found.held for found in held] == [False] * 99 + [True] * 51
    assert held[-1].storm_kind == StormKind.LIST
    assert not storms.hold(hit(1, at=149, entry="8XYZ999", device="gate-77", code="BOLO")).held


def test_what_is_usual_for_a_list_is_no_storm():
    storms, day = Storms(Limits()), 86_400
    for minute in range(0, day - 600, 20):  # 30 in ten minutes, all day
        storms.hold(hit(minute, at=minute - day, entry=f"7ABC{minute % 997:03}", device=f"gate-{minute % 61}"))
    evening = [storms.hold(hit(n, at=n * 2, entry=f"8XYZ{n:03}", device=f"gate-{n % 97}")) for n in range(250)]
    assert not any(found.held for found in evening)  # eight times the usual


def test_what_a_spool_brings_late_is_judged_by_when_it_was_seen():
    storms = Storms(Limits())
    late = [hit(n, at=-n * 120, entry=f"7ABC{n:03}") for n in range(240)]  # eight hours, delivered at once
    assert not any(storms.hold(found).held for found in late)


@settings(deadline=None)  # a machine under load is no fault
@given(st.lists(st.integers(0, 200), max_size=400))
def test_a_hit_counts_once_however_often_it_comes(numbers):
    storms, seen = Storms(Limits(least_device=50)), set()
    for number in numbers:
        seen.add(number)
        assert storms.hold(hit(number)).held == (len(seen) >= 50)


def test_a_storm_ends_when_the_rate_is_back_to_usual_and_only_then():
    storms = Storms(Limits())
    held = [storms.hold(hit(n, at=n, entry=f"7ABC{n:03}")) for n in range(120)][-1]
    for second in (121, 180, 500):
        storms.calm(NOW + timedelta(seconds=second))
        assert not storms.is_over(held.storm_id)
    storms.calm(NOW + timedelta(seconds=720))
    assert storms.is_over(held.storm_id)
    assert not storms.hold(hit(1, at=721, entry="8XYZ999")).held


def test_another_worker_and_the_next_one_know_the_storm_from_its_hits():
    first, other = Storms(Limits()), Storms(Limits())
    said = [first.hold(hit(n, at=n, entry=f"7ABC{n:03}")) for n in range(70)]
    for found in said[-3:]:
        other.take(found)
    assert not other.is_over(said[-1].storm_id)
    assert other.hold(hit(99, at=71, entry="8XYZ999")).storm_id == said[-1].storm_id
    other.take(replace(said[-1], revision=1, released_at=NOW + timedelta(seconds=80)))
    assert other.is_over(said[-1].storm_id)
    other.take(said[-2])  # what was held before the end and is heard of late
    assert other.is_over(said[-1].storm_id)
    assert len(other) == 0


def test_a_storm_of_a_list_with_much_to_do_ends_at_half_of_what_it_began_at_and_not_below_the_least():
    storms, day = Storms(Limits()), 86_400
    for second in range(0, day - 600, 10):  # 60 in ten minutes, all day
        storms.hold(hit(second, at=second - day, entry=f"7ABC{second % 997:03}", device=f"gate-{second % 61}"))
    held = [storms.hold(hit(n, at=n / 2, entry=f"8X{n:05}", device=f"gate-{n % 97}")) for n in range(700)][-1]
    assert held.held
    for n in range(60):
        storms.hold(hit(n, at=1_000 + n * 10, entry=f"7ABC{n:03}", device=f"gate-{n % 61}"))
    storms.calm(NOW + timedelta(seconds=1_650))
    assert storms.is_over(held.storm_id)  # 60 in ten minutes is what this list always has
    usual = [storms.hold(hit(n, at=1_660 + n * 10, entry=f"7ABC{n:03}", device=f"gate-{n % 61}")) for n in range(120)]
    assert not any(found.held for found in usual)


def test_no_storm_lasts_longer_than_half_a_day():
    storms = Storms(Limits())
    begun = [storms.hold(hit(n, at=n)) for n in range(70)][-1]
    for n in range(12 * 3600 // 5):
        storms.hold(hit(n, at=70 + n * 5))
    storms.calm(NOW + timedelta(hours=11))
    assert not storms.is_over(begun.storm_id)
    storms.calm(NOW + timedelta(hours=12, minutes=2))
    assert storms.is_over(begun.storm_id)


def test_test_plates_are_no_storm_however_many_come():
    storms = Storms(Limits())
    for number in range(500):
        found = hit(number, at=number)
        assert not storms.hold(replace(found, read=replace(found.read, canary=True))).held
    assert not storms.hold(hit(1, at=500)).held
