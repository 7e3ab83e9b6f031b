"""Which frames are left out when more come than can be looked at."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpr_recognizer.sighting.thinning import SPACING_MS, Thinning, next_level, spacing_ms

MS = 1000


def looked_at(thinning, frames, settled=True):
    """Feed (offset, capture in milliseconds) of one camera; the captures that were looked at."""
    seen = []
    for offset, captured in frames:
        if not thinning.leaves_out("c1", captured * MS, offset, settled=settled):
            thinning.look("c1", captured * MS)
            seen.append(captured)
    return seen


def test_without_load_every_frame_is_looked_at():
    frames = [(n, 10 * n) for n in range(50)]
    assert looked_at(Thinning(), frames) == [captured for _, captured in frames]


def test_near_duplicates_are_left_out_and_the_first_after_a_gap_never_is():
    thinning = Thinning()
    thinning.plan(0, 2)
    assert looked_at(thinning, [(0, 0), (1, 100), (2, 199), (3, 200), (4, 5000), (5, 5050)]) == [0, 200, 5000]


def test_a_camera_with_a_plate_that_is_not_read_surely_is_looked_at_twice_as_often():
    thinning = Thinning()
    thinning.plan(0, 3)
    frames = [(n, 100 * n) for n in range(9)]
    assert looked_at(thinning, frames, settled=False) == [0, 200, 400, 600, 800]
    assert looked_at(Thinning(levels=[(0, 3)]), frames) == [0, 400, 800]


def test_a_level_holds_from_its_offset_on():
    thinning = Thinning()
    thinning.plan(10, 3)
    thinning.plan(20, 0)
    thinning.plan(30, 0)
    assert [thinning.level_at(offset) for offset in (0, 9, 10, 19, 20, 99)] == [0, 0, 3, 3, 0, 0]
    thinning.forget(25)
    assert not thinning.active
    assert thinning.levels == []


@given(
    st.integers(1, len(SPACING_MS) - 1),
    st.lists(st.integers(0, 3000), min_size=1, max_size=60).map(sorted),
    st.booleans(),
)
def test_no_moment_is_farther_from_a_look_than_the_spacing(level, captures, settled):
    thinning = Thinning()
    thinning.plan(0, level)
    seen = looked_at(thinning, list(enumerate(captures)), settled)
    spacing = spacing_ms(level, settled=settled)
    assert seen[0] == captures[0]
    assert all(min(abs(captured - look) for look in seen) < spacing or captured in seen for captured in captures)
    assert all(later - earlier >= spacing for earlier, later in pairwise(seen))


@pytest.mark.parametrize(
    ("level", "waited", "before", "idle", "wanted"),
    [
        (0, 0.2, 0.1, False, 0),
        (0, 2.0, 1.5, False, 1),
        (1, 3.0, 2.0, False, 2),
        (3, 30.0, 20.0, False, 3),
        (0, 20.0, 22.0, False, 0),  # catching up by itself after a restart
        (2, 0.8, 0.9, False, 2),
        (2, 0.3, 0.9, False, 1),
        (2, 5.0, 1.0, True, 1),
    ],
)
def test_the_level_rises_while_frames_wait_ever_longer_and_falls_when_they_do_not(level, waited, before, idle, wanted):
    assert next_level(level, waited, before, 1.0, idle=idle) == wanted
