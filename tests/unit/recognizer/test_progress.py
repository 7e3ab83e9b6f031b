"""The bookkeeping behind exact restarts."""

from base64 import b64encode
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpr_recognizer.sighting import DONE, LIMIT, Progress, Trail
from alprcore.model import Box


def test_the_oldest_open_frame_is_committed_and_what_is_done_behind_it_remembered():
    progress = Progress(10)
    progress.advance(10)
    progress.advance(11, [0, 1])
    progress.advance(12)
    progress.advance(13, [0])
    offset, note = progress.position()
    assert offset == 11
    progress.ended([(11, 0)])
    offset, note = progress.position()
    assert offset == 11
    again = Progress(offset, note)
    assert [again.done_before(place) for place in (11, 12, 13)] == [1, DONE, 0]
    progress.ended([(11, 1), (13, 0)])
    assert progress.position()[0] == 14
    assert Progress(*progress.position()).done_before(13) == 0


def test_duplicates_are_known_by_id_and_by_number_also_after_a_restart():
    progress = Progress(0)
    for number in range(5):
        progress.number(number, "c1", 100 + number, 1_000_000 * number, f"id{number}")
        progress.advance(number)
    assert progress.is_duplicate("c1", 102, 2_000_000, "id2")
    assert not progress.is_duplicate("c1", 105, 5_000_000, "id5")
    assert not progress.is_duplicate("c2", 102, 2_000_000, "other")
    again = Progress(*progress.position())
    assert again.is_duplicate("c1", 102, 2_000_000, "id2")
    assert not again.is_duplicate("c1", 105, 5_000_000, "id5")
    assert not again.is_duplicate("c1", 99, 0, "spooled")


def test_a_camera_that_counts_from_the_start_again_is_not_a_duplicate():
    progress = Progress(0)
    for number in range(5):
        progress.number(number, "c1", number, 1_000_000 * number, f"id{number}")
        progress.advance(number)
    assert not progress.is_duplicate("c1", 0, 60_000_000, "new0")
    progress.number(5, "c1", 0, 60_000_000, "new0")
    progress.advance(5)
    assert progress.is_duplicate("c1", 0, 60_000_000, "new0")
    assert not progress.is_duplicate("c1", 1, 61_000_000, "new1")


def test_numbers_of_frames_still_open_are_not_taken_for_duplicates_when_they_come_again():
    progress = Progress(0)
    progress.number(0, "c1", 7, 1_000, "a")
    progress.advance(0)
    progress.number(1, "c1", 8, 2_000, "b")
    progress.advance(1, [0])
    offset, note = progress.position()
    again = Progress(offset, note)
    assert offset == 1
    assert again.is_duplicate("c1", 7, 1_000, "a")
    assert not again.is_duplicate("c1", 8, 2_000, "b")


def test_a_refused_frame_may_come_again_also_after_a_restart():
    progress = Progress(0)
    progress.number(0, "c1", 1, 1_000, "a")
    progress.advance(0, [0])
    progress.advance(1, uncounted=True)
    progress.number(2, "c1", 3, 3_000, "c")
    progress.advance(2)
    assert not progress.is_duplicate("c1", 2, 2_000, "b")
    again = Progress(*progress.position())
    assert [again.done_before(place) for place in range(3)] == [0, DONE, DONE]
    assert [again.was_uncounted(place) for place in range(3)] == [False, True, False]
    assert not again.is_duplicate("c1", 2, 2_000, "b")


def test_expired_frames_are_counted():
    progress = Progress(10)
    assert progress.begin(10) == 0
    progress.advance(10)
    assert progress.begin(15) == 4
    assert Progress().begin(1000) == 0


@pytest.mark.parametrize("note", ["", "odd", "{}", "c-jU!", "x" * 5000])
def test_an_odd_note_counts_as_none(note):
    assert Progress(5, note).done_before(5) == 0


@given(st.lists(st.sets(st.integers(0, 4), max_size=3), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_any_interleaving_comes_back_from_its_note(frames, random):
    progress, open_plates = Progress(0), []
    for offset, ordinals in enumerate(frames):
        progress.number(offset, f"c{offset % 3}", offset, offset, f"f{offset}")
        progress.advance(offset, ordinals)
        open_plates += [(offset, ordinal) for ordinal in ordinals]
        while open_plates and random.random() < 0.4:
            progress.ended([open_plates.pop(random.randrange(len(open_plates)))])
    base, note = progress.position()
    assert base == min([offset for offset, _ in open_plates], default=len(frames))
    again = Progress(base, note)
    for offset in range(base, len(frames)):
        left = {ordinal for place, ordinal in open_plates if place == offset}
        known = again.done_before(offset)
        todo = set() if known == DONE else {n for n in frames[offset] if not known >> n & 1}
        assert todo == left


def test_a_busy_partition_stays_within_what_the_broker_keeps():
    """Eight cameras at 10 frames a second, every passage as long as passages may last."""
    progress = Progress(0)
    for offset in range(8 * 10 * 30):
        progress.number(offset, f"camera-{offset % 8}", offset // 8, offset * 12_500, f"f{offset}")
        progress.advance(offset, [0] if offset % 3 else [])
    assert len(progress.position()[1]) < LIMIT


def test_trails_and_what_they_took_up_come_back_from_the_note():
    place, moment = Box(300, 80, 60, 30), datetime(2026, 11, 21, 12, 0, 0, 5000, tzinfo=UTC)
    progress = Progress(0)
    progress.advance(0, [0])
    progress.advance(1, [1], known=[0])
    progress.advance(2, known=[0])
    progress.keep_trails("c1", (Trail("7486126", place, moment, 2, True, 99),))
    again = Progress(*progress.position())
    assert again.trails_of("c1") == progress.trails_of("c1")
    assert [again.done_before(place) for place in range(3)] == [0, 1, DONE]


def test_many_trails_stay_within_what_the_broker_keeps():
    progress = Progress(0)
    for offset in range(2400):
        progress.number(offset, f"camera-{offset % 40}", offset // 40, offset * 12_500, f"f{offset}")
        progress.advance(offset, [0] if offset % 3 else [])
    for camera in range(40):
        moment = datetime(2026, 11, 21, 12, 0, camera, tzinfo=UTC)
        box = Box(97 * camera % 1280, 31 * camera, 60 + camera, 30)
        trails = tuple(Trail(f"{camera:02}7486{n}", box, moment, 60 * camera + n, bool(n % 2), n) for n in range(8))
        progress.keep_trails(f"camera-{camera}", trails)
    assert len(progress.position()[1]) < LIMIT


def test_a_successor_leaves_out_the_frames_that_its_predecessor_would_have_left_out():
    progress = Progress(0)
    for offset in range(20):
        progress.look(offset, "c1", offset * 100_000)
        progress.number(offset, "c1", offset, offset * 100_000, f"f{offset}")
        progress.advance(offset, [0] if offset > 15 else [])
    progress.thinning.plan(28, 3)
    base, note = progress.position()
    again = Progress(base, note)
    assert base == 16
    for offset in range(16, 40):
        for captured in (1_950_000, 2_250_000, 2_400_000):
            before = offset >= 20 and progress.leaves_out(offset, "c1", captured, settled=True)
            assert again.leaves_out(offset, "c1", captured, settled=True) == before, (offset, captured)


def test_a_note_of_very_many_cameras_under_overload_still_fits():
    lots, begin = Random(7), 1_700_000_000_000_000
    progress = Progress(0)
    for number in range(400):
        progress.begin(number)
        camera, sequence = f"camera-{number}", lots.randrange(10**9)
        progress.number(number, camera, sequence, begin + lots.randrange(10**9), f"frame-{number}")
        progress.advance(number)
    for number in range(400, 1500):
        progress.advance(number, {0} if number == 400 else (), uncounted=lots.random() < 0.5)
    progress.thinning.levels.append((400, 2))
    progress.thinning.looked |= {
        b64encode(lots.randbytes(6)).decode(): begin + lots.randrange(10**9) for _ in range(400)
    }
    base, note = progress.position()
    assert base == 400
    assert len(note) <= LIMIT
    assert Progress(base, note).thinning.levels == [(400, 2)]
