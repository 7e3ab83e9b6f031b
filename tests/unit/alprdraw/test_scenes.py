"""The drawn drive: what is said to be in a frame is in it, and the same seed gives the same drive."""

from datetime import timedelta

import numpy as np
import pytest

pytest.importorskip("PIL", reason="drawing needs Pillow")

from alprdraw.scenes import render_drive


def test_a_drive_names_the_vehicles_it_was_given_in_order() -> None:
    frames = list(render_drive(5, ["7ABC123", "4XYZ987"], frames_per_vehicle=3))
    assert [frame.passage for frame in frames] == [0, 0, 0, 1, 1, 1]
    assert [frame.plates[0][0] for frame in frames] == ["7ABC123"] * 3 + ["4XYZ987"] * 3
    assert all(len(frame.plates) == 1 for frame in frames)


def test_the_same_seed_gives_the_same_pixels_and_another_seed_others() -> None:
    first, again, other = (list(render_drive(seed, 2, frames_per_vehicle=2)) for seed in (11, 11, 12))
    for one, two in zip(first, again, strict=True):
        assert np.array_equal(one.image, two.image)
        assert one.plates == two.plates
    assert [frame.plates for frame in first] != [frame.plates for frame in other]


def test_numbers_drawn_by_lot_follow_the_passenger_pattern_and_differ() -> None:
    texts = [frame.plates[0][0] for frame in render_drive(3, 6, frames_per_vehicle=1)]
    assert len(set(texts)) == 6
    assert all(len(t) == 7 and t[0].isdigit() and t[1:4].isalpha() and t[4:].isdigit() for t in texts)


def test_a_vehicle_comes_nearer_and_its_plate_grows_inside_the_frame() -> None:
    for size in ((1280, 720), (640, 480), (1920, 1080)):
        frames = list(render_drive(21, 2, size=size, frames_per_vehicle=3))
        assert all(frame.image.shape == (size[1], size[0], 3) and frame.image.dtype == np.uint8 for frame in frames)
        for passage in range(2):
            boxes = [frame.plates[0][1:] for frame in frames if frame.passage == passage]
            assert all(x >= 0 and y >= 0 and x + w <= size[0] and y + h <= size[1] for x, y, w, h in boxes)
            widths = [box[2] for box in boxes]
            assert widths == sorted(widths)
            assert widths[-1] > 1.5 * widths[0]
            assert widths[0] > 0.04 * size[0]


def test_the_box_lies_on_the_plate() -> None:
    """A white plate with dark letters: far more contrast inside the box than in the bumper just below it."""
    inside, below = [], []
    for frame in render_drive(8, 8, frames_per_vehicle=1):
        _, x, y, w, h = frame.plates[0]
        gray = frame.image.astype(float).mean(2)
        left, right, top, bottom = round(x), round(x + w), round(y), round(y + h)
        inside.append(gray[top:bottom, left:right].std())
        below.append(gray[bottom + round(0.2 * h) : bottom + round(0.5 * h), left:right].std())
    assert np.median(inside) > 2 * np.median(below)


def test_frames_are_stamped_from_the_start_of_the_drive() -> None:
    frames = list(render_drive(2, 2, frames_per_vehicle=3))
    assert [frame.offset for frame in frames] == [timedelta(milliseconds=ms) for ms in (0, 200, 400, 3000, 3200, 3400)]
    longest = [frame.offset for frame in render_drive(2, 2, size=(640, 360), frames_per_vehicle=14)]
    assert longest == sorted(set(longest))


def test_a_drive_past_nobody_has_no_frames() -> None:
    assert list(render_drive(1, 0)) == []
    assert list(render_drive(1, [])) == []


@pytest.mark.parametrize(
    ("vehicles", "size", "frames"),
    [(1, (320, 240), 5), (1, (1280, 720), 0), (1, (1280, 720), 15), (-1, (1280, 720), 5)],
)
def test_a_drive_that_cannot_be_drawn_is_refused_before_the_first_frame(
    vehicles: int, size: tuple[int, int], frames: int
) -> None:
    with pytest.raises(ValueError, match=r"too small|1 to 14|fewer than no"):
        render_drive(1, vehicles, size=size, frames_per_vehicle=frames)
