"""The bench's own scoring: what counts as right, and no credit for guessing twice."""

from bench.scoring import Label, Plate, score

BOX = (10.0, 10.0, 100.0, 50.0)


def label(text="ABC123", file="set/a.jpg", box=BOX, state="", crop=False):
    return Label(file, text, box, state, crop)


def plate(text="ABC123", box=BOX, state="", sure=0.9):
    return Plate(text, box, state, sure)


def shares(labels, plates):
    tally = score(labels, {"set/a.jpg": plates})["set"]
    return {measure: tally.share(measure) for measure in ("exact", "folded", "best1", "recall", "false", "state")}


def test_a_right_plate_counts_everywhere():
    got = shares([label(state="ca")], [plate(state="CA")])
    assert got == {"exact": 1, "folded": 1, "best1": 1, "recall": 1, "false": 0, "state": 1}


def test_letters_that_labels_do_not_tell_apart_are_folded_but_not_exact():
    got = shares([label("A0110")], [plate("AOIIO")])
    assert (got["exact"], got["folded"], got["false"]) == (0, 1, 0)


def test_only_the_surest_text_counts_as_best():
    got = shares([label()], [plate(sure=0.5), plate("WRONG1", sure=0.8)])
    assert (got["folded"], got["best1"], got["false"]) == (1, 0, 1)


def test_a_box_beside_the_plate_is_no_recall_and_a_missed_picture_no_hit():
    got = shares([label()], [plate(box=(200.0, 10.0, 100.0, 50.0))])
    assert (got["recall"], got["exact"]) == (0, 1)
    assert shares([label()], [])["recall"] == 0


def test_crops_have_no_recall_and_boxes_without_text_no_text_to_be_right():
    assert shares([label(crop=True)], [plate()])["recall"] is None
    got = shares([label(text="")], [plate()])
    assert (got["recall"], got["exact"], got["false"]) == (1, None, None)
