"""What the calibration report computes, on texts whose truth is known by construction."""

from collections import Counter

import numpy as np
import pytest

from alpr_recognizer.ctc import Text
from alpr_recognizer.quality import Quality
from alprcore.model import Character
from bench import calibration

GOOD = Quality(width_px=120, sharpness=0.4, exposure=0.5, angle_deg=2, contrast=0.6)


def seen(true, read, probability, *, exact=True):
    """A plate whose text is read with this probability altogether."""
    each = probability ** (1 / max(1, len(read)))
    labeled = calibration.Labeled("drawn", np.zeros((2, 2, 3), np.uint8), true, (0, 0, 2, 2), exact=exact)
    return calibration.Seen(labeled, Text(tuple(Character(letter, each) for letter in read)), GOOD)


def test_a_reader_that_is_right_as_often_as_it_says_has_no_error():
    texts = [seen("7ABC123", "7ABC123" if at < 70 else "7ABC12B", 0.7) for at in range(100)]
    assert calibration.error(texts) == pytest.approx(0.0, abs=1e-6)
    assert calibration.error(texts[:70]) == pytest.approx(0.3)
    boastful = [seen("7ABC123", "7ABC12B", 0.97) for _ in range(10)]
    assert calibration.error(boastful) == pytest.approx(0.97)


def test_labels_that_write_o_as_zero_are_no_witness_against_the_reader():
    assert seen("A0B1", "AOBI", 0.9, exact=False).right
    assert not seen("A0B1", "AOBI", 0.9).right
    assert calibration.confusions([seen("A0B1", "AOBI", 0.9, exact=False)])["0"] == Counter()


def test_each_row_of_the_matrix_is_a_distribution_that_follows_the_counts():
    texts = [seen("0AAAAA", "0AAAAA", 0.9)] * 90 + [seen("0AAAAA", "OAAAAA", 0.9)] * 10
    table = calibration.smoothed(calibration.confusions(texts))
    assert all(sum(row.values()) == pytest.approx(1) for row in table.values())
    assert table["0"]["O"] == pytest.approx(0.1, abs=0.01)
    assert table["0"]["D"] > table["0"]["W"] > 0
    assert table["Z"]["Z"] > 0.2  # never seen: only the prior speaks


def test_texts_of_another_length_or_hardly_alike_count_no_pairs():
    odd = [seen("7ABC123", "7ABC12", 0.9), seen("7ABC123", "WXYZ123", 0.9), seen("7ABC123", "7ABC12B", 0.1)]
    assert sum(row.total() for row in calibration.confusions(odd).values()) == 0


def test_few_plates_promise_little():
    assert calibration.most(0, 0) == 1.0
    assert 0.01 < calibration.most(1, 298) < 0.03
    assert calibration.most(0, 1000) < 0.005


def test_a_sure_text_is_published_and_an_unsure_one_is_not():
    assert seen("7ABC123", "7ABC123", 0.99).reason == ""
    assert seen("7ABC123", "7ABC123", 0.3).reason == "UNSURE"
