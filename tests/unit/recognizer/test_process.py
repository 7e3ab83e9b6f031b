"""The parent of the models: a child that dies is started again, and no frame blocks the others."""

from pathlib import Path

import pytest

from alpr_recognizer.models import ModelProcess
from alprcore.errors import InvalidMessage, Misconfigured

STUB = (str(Path(__file__).with_name("stub_child.py")),)


@pytest.fixture
def models(tmp_path):
    process = ModelProcess(tmp_path, threads=1, wide=False, program=STUB)
    yield process
    process.close()


def seen(results):
    return [result.error[1] if result.error[0] == "SEEN" else result.error[0] for result in results]


def test_frames_are_answered_in_order_whatever_their_number(models):
    assert seen(models.find_plates([f"{n}".encode() for n in range(20)])) == [f"{n}" for n in range(20)]
    assert models.find_plates([]) == []


def test_a_child_that_dies_once_gets_the_batch_again(models, tmp_path):
    assert seen(models.find_plates([b"a", b"hiccup", b"b"])) == ["a", "hiccup", "b"]
    assert (tmp_path / "starts").read_text() == ".."


def test_a_poison_frame_is_the_only_one_that_fails(models):
    results = models.find_plates([b"a", b"poison", b"b"])
    assert seen(results) == ["a", "MODEL_FAILED", "b"]
    with pytest.raises(InvalidMessage, match="MODEL_FAILED"):
        results[1].raise_error()
    assert seen(models.find_plates([b"c"])) == ["c"]
    assert seen(models.find_plates([b"poison"])) == ["MODEL_FAILED"]


def test_a_child_that_cannot_start_says_why(tmp_path):
    with pytest.raises(Misconfigured, match="no weights"):
        ModelProcess(tmp_path / "missing", threads=1, wide=False, program=STUB)
