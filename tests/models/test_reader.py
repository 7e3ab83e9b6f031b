"""How often a plate is looked at, when it is straightened, and when it has two lines; the network is played by its picture."""

import numpy as np
import pytest
import yaml

pytest.importorskip("cv2", reason="the pictures' library comes with the recognizer's environment")

from alpr_recognizer import ctc
from alpr_recognizer.models.detector import Found
from alpr_recognizer.models.reader import PlateReader
from alprcore.model import Box

pytestmark = pytest.mark.models

DARK, LIGHT = 20, 220


def matrix(word, sure, first=8):
    """What a network answers that reads `word` from a column on, as sure of every character as said."""
    columns = np.zeros((48, 37), np.float32)
    columns[:, ctc.BLANK] = 1.0
    for place, letter in enumerate(word):
        columns[first + 2 * place] = 0.0
        columns[first + 2 * place, [ctc.ALPHABET.index(letter) + 1, -1, ctc.BLANK]] = (
            sure,
            (1 - sure) / 2,
            (1 - sure) / 2,
        )
    return columns


def always(*answer):
    return lambda _: answer


class Backend:
    """Asks a function of the test what each picture says, and keeps the pictures."""

    def __init__(self, says):
        self.says, self.seen = says, []

    def open(self, file):
        assert file.name == "inference.onnx"

        def graph(batch):
            pictures = list(np.round((batch.transpose(0, 2, 3, 1) + 1) * 127.5))
            self.seen += pictures
            return np.stack([matrix(*self.says(picture)) for picture in pictures])

        return graph


@pytest.fixture
def reads(tmp_path):
    """Read one plate in a picture, 200 x 100 unless a box is given; answers its text and the pictures looked at."""

    def read(says, picture, box=None, corners=None, **about):
        shape = {"RecResizeImg": {"image_shape": [3, 48, 192]}}
        settings = {
            "PreProcess": {"transform_ops": [shape]},
            "PostProcess": {"character_dict": list(ctc.ALPHABET)},
            **about,
        }
        (tmp_path / "inference.yml").write_text(yaml.safe_dump(settings))
        backend = Backend(says)
        box = box or Box(0, 0, picture.shape[1], picture.shape[0])
        (text,) = PlateReader(tmp_path, backend).read_plates([(picture, Found(box, 0.9, corners))])
        return text, backend.seen

    return read


def plain(width, height, tone=LIGHT):
    return np.full((height, width, 3), tone, np.uint8)


def upright(x, y, width, height):
    return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))


def test_a_sure_plate_is_looked_at_once(reads):
    text, seen = reads(always("ABC123", 0.99), plain(200, 60))
    assert text.plate.reveal() == "ABC123"
    assert len(seen) == 1


def test_a_second_look_that_agrees_is_the_last(reads):
    text, seen = reads(always("ABC123", 0.9), plain(200, 60))
    assert text.plate.reveal() == "ABC123"
    assert len(seen) == 2


def test_looks_that_differ_ask_for_a_third(reads):
    answers = iter([("ABC123", 0.8), ("ABO123", 0.7), ("ABC123", 0.8)])
    text, seen = reads(lambda _: next(answers), plain(200, 60))
    assert text.plate.reveal() == "ABC123"
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("beyond", "read"),
    [
        (("DRIVERS", 0.99, 30), "DRIVERS"),
        (("DRIVERS", 0.9, 30), "DRIVER"),  # not surely more
        (("DRIWERS", 0.99, 30), "DRIVER"),  # something else
    ],
)
def test_a_plate_that_the_detector_cut_off_is_read_beyond_its_box(reads, beyond, read):
    answers = iter([("DRIVER", 0.99, 35), beyond])
    text, seen = reads(lambda _: next(answers), plain(300, 60), Box(10, 0, 200, 60))
    assert text.plate.reveal() == read
    assert len(seen) == 2


def test_nothing_is_looked_for_beyond_the_picture(reads):
    text, seen = reads(always("DRIVER", 0.99, 35), plain(200, 60))
    assert text.plate.reveal() == "DRIVER"
    assert len(seen) == 1


def split(picture):
    """A light picture is one line of the plate, a dark one the other; a whole plate of both makes no sense."""
    light = float((picture > (DARK + LIGHT) / 2).mean())
    if light > 0.7:
        return "B47", 0.95
    return ("8KLM", 0.95) if light < 0.3 else ("6", 0.6)


def two_lines(width, height):
    picture = plain(width, height)
    picture[height // 2 :] = DARK
    return picture


def test_a_square_plate_is_read_line_by_line(reads):
    text, seen = reads(split, two_lines(100, 80))
    assert text.plate.reveal() == "B478KLM"
    assert len(seen) == 2 + 5  # two ways as a whole, then two upper and three lower lines


def test_lines_follow_the_corners_of_a_plate_aslant(reads):
    import cv2

    flat = two_lines(100, 80)
    corners = ((20.0, 10.0), (112.0, 50.0), (104.0, 126.0), (12.0, 86.0))
    goal = np.array(corners, np.float32)
    turn = cv2.getPerspectiveTransform(np.array(upright(0, 0, 100, 80), np.float32), goal)
    picture = cv2.warpPerspective(flat, turn, (130, 140), borderValue=(120, 120, 120))
    text, _ = reads(split, picture, Box(12, 10, 100, 116), corners)
    assert text.plate.reveal() == "B478KLM"


def test_an_elongated_plate_is_never_cut_in_two(reads):
    text, seen = reads(split, two_lines(200, 80))
    assert text.plate.reveal() == "6"
    assert len(seen) == 2


def test_a_square_plate_with_one_line_stays_one(reads):
    def says(picture):
        return ("AB1", 0.4) if len({*picture[0, :, 0]}) == 1 else ("KHL774", 0.9)

    picture = plain(120, 80)
    picture[:, 60:] = DARK
    text, seen = reads(says, picture)
    assert text.plate.reveal() == "KHL774"
    assert len(seen) == 2 + 5  # two ways as a whole, then two upper and three lower lines


def test_a_us_plate_from_the_side_needs_two_clearly_surer_lines(reads):
    """At 1.8 to 1 the lines must be half as sure again as the whole: .72 is not, beside .49."""

    def says(picture):
        light = float((picture > (DARK + LIGHT) / 2).mean())
        return ("A0", 0.92) if light > 0.7 else ("5H", 0.92) if light < 0.3 else ("6", 0.49)

    text, _ = reads(says, two_lines(144, 80))
    assert text.plate.reveal() == "6"
    square, _ = reads(says, two_lines(100, 80))
    assert square.plate.reveal() == "A05H"


def test_a_plate_aslant_is_straightened_before_the_first_look(reads):
    import cv2

    corners = ((20.0, 20.0), (180.0, 60.0), (180.0, 100.0), (20.0, 60.0))
    picture = plain(200, 120, DARK)
    cv2.fillConvexPoly(picture, np.array(corners, np.int32), (LIGHT, LIGHT, LIGHT))
    _, seen = reads(always("ABC123", 0.99), picture, Box(20, 20, 160, 80), corners)
    assert len(seen) == 1
    assert (seen[0] > 200).mean() > 0.75  # 5 and 6 % around it are dark
    _, seen = reads(always("ABC123", 0.99), picture, Box(20, 20, 160, 80))
    assert (seen[0] > 200).mean() < 0.6


def test_what_lies_outside_the_picture_repeats_its_edge(reads):
    picture = plain(200, 60, DARK)
    picture[:, -3:] = LIGHT
    box = Box(100, 0, 120, 60)
    _, (seen,) = reads(always("ABC123", 0.99), picture, box)
    assert (seen[:, 165:] > 200).all()
    assert (seen[:, :150] < 40).all()


def test_probabilities_follow_the_calibration_beside_the_weights(reads):
    raw, _ = reads(always("ABC123", 0.99), plain(200, 60))
    cooler, _ = reads(always("ABC123", 0.99), plain(200, 60), Calibration={"slope": 0.5, "offset": 0.0})
    odds = 0.99 / 0.01
    assert raw.characters[0].first_probability == pytest.approx(0.99, abs=1e-4)
    assert cooler.characters[0].first_probability == pytest.approx(odds**0.5 / (1 + odds**0.5), abs=1e-3)
    assert cooler.plate == raw.plate
