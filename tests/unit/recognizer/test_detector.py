"""At which size a picture is looked at, and what the second look may add."""

import numpy as np
import pytest

from alpr_recognizer.models.detector import Detector

ABOUT = """
name: plate-n
input_size: 544
least_input_size: 416
second_input_size: 256
confidence: 0.4
iou: 0.5
"""


class Backend:
    """Answers what the test says for each size asked for, and remembers the sizes."""

    def __init__(self, answers):
        self.answers, self.sizes = answers, []

    def finder(self, file, *, confidence, iou):
        assert (file.name, confidence, iou) == ("plate.onnx", 0.4, 0.5)

        def find(pictures, size):
            self.sizes.append(size)
            return [np.array(self.answers.get(size, []), np.float32).reshape(-1, 13) for _ in pictures]

        return find


def row(left, top, right, low, corners=None):
    quad = corners or [left, top, right, top, right, low, left, low]
    return [left, top, right, low, 0.9, *quad]


@pytest.fixture
def make(tmp_path):
    (tmp_path / "model.yaml").write_text(ABOUT)
    return lambda answers, wide=False: (backend := Backend(answers), Detector(tmp_path, backend, wide=wide))


def picture(width, height):
    return np.zeros((height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("width", "height", "wide", "size"),
    [
        (1280, 720, False, 544),
        (1280, 720, True, 1280),
        (1920, 1080, True, 1280),
        (640, 480, True, 544),
        (500, 375, False, 512),
        (280, 210, False, 416),
        (300, 470, False, 480),
    ],
)
def test_pictures_are_shrunk_to_the_size_of_use_and_hardly_enlarged(make, width, height, wide, size):
    backend, detector = make({size: [row(10, 10, 60, 30)]}, wide)
    assert len(detector.detect([picture(width, height)])[0]) == 1
    assert backend.sizes == [size]


def test_second_look_finds_only_what_fills_the_picture(make):
    backend, detector = make({256: [row(20, 20, 380, 180), row(5, 5, 60, 30)]})
    (found,) = detector.detect([picture(400, 200)])
    assert backend.sizes == [416, 256]
    assert [plate.box.width for plate in found] == [360]


def test_wide_things_count_only_where_the_second_look_finds_them_too(make):
    fence, plate = row(0, 0, 300, 60), row(350, 150, 390, 170)
    _, detector = make({416: [fence, plate]})
    (found,) = detector.detect([picture(400, 200)])
    assert [one.box.x for one in found] == [350]


def test_pieces_of_a_close_plate_give_way_to_the_whole(make):
    whole = row(20, 100, 380, 180)
    _, detector = make({416: [row(20, 100, 200, 180), row(290, 110, 370, 170), row(10, 10, 50, 30)], 256: [whole]})
    (found,) = detector.detect([picture(400, 200)])
    assert [(one.box.x, one.box.width) for one in found] == [(10, 40), (20, 360)]


def test_pictures_with_plates_of_usual_size_are_looked_at_once(make):
    backend, detector = make({544: [row(40, 10, 90, 30), row(10, 10, 60, 30)]})
    (found,) = detector.detect([picture(1280, 720)])
    assert backend.sizes == [544]
    assert [plate.box.x for plate in found] == [10, 40]  # from left to right


def test_corners_come_with_the_box_where_they_can_be_believed(make):
    slanted = [10, 14, 60, 10, 60, 26, 10, 30]
    crossed = [10, 10, 60, 30, 60, 10, 10, 30]
    _, detector = make({544: [row(10, 10, 60, 30, slanted), row(110, 10, 160, 30, crossed)]})
    (found,) = detector.detect([picture(1280, 720)])
    assert [plate.corners for plate in found] == [((10, 14), (60, 10), (60, 26), (10, 30)), None]
