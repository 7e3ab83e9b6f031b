"""One read per passage: which plates belong together, when a read is told, what a correction does."""

import random
from datetime import UTC, date, datetime, timedelta

from alpr_recognizer import sighting
from alpr_recognizer.ctc import Text
from alpr_recognizer.sighting import passages as rules
from alprcore import model
from alprcore.model import Box, Character

BEGIN = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = date(2028, 11, 21)


def frame(number, seconds=None, heading=None):
    digest = bytes([number]) * 32
    return model.Frame(
        frame_id=model.frame_id("c1", number, digest), agency="demo", device_id="d1", camera_id="c1", sequence=number,
        captured_at=BEGIN + timedelta(seconds=0.2 * number if seconds is None else seconds), received_at=BEGIN,
        location=model.Location(model.GeoPoint(1, 2), model.LocationQuality.LIVE, 0.0, heading), sha256=digest,
        signature=b"s", view=model.View.REAR, image=b"jpeg",
    )  # fmt: skip


def plate(text, x=100.0, probability=0.95, **at):
    scores = [at.get(f"p{index}", probability) for index in range(len(text))]
    return sighting.Candidate(
        Box(x, 80, 60, 30), 0.9, Text(tuple(Character(c, p) for c, p in zip(text, scores, strict=True))), b"closeup"
    )


def watch(*frames):
    """Feed (frame, plates) and answer passages going on and ended."""
    going_on, ended = (), []
    for number, (shown, plates) in enumerate(frames):
        seen = sighting.observe(going_on, shown, number, list(enumerate(plates)))
        going_on, ended = seen.going_on, ended + list(seen.ended)
    return going_on, ended


def texts(passages):
    return sorted(rules.fuse(passage.glimpses).plate.reveal() for passage in passages)


def test_one_vehicle_over_many_frames_is_one_passage_named_by_its_first():
    going_on, ended = watch(*((frame(n), [plate("7ABC123", 100 + 15 * n)]) for n in range(8)))
    assert not ended
    assert [passage.read_id for passage in going_on] == [model.read_id(frame(0).frame_id, 0)]
    assert len(going_on[0].glimpses) == 8


def test_two_vehicles_side_by_side_stay_two():
    going_on, _ = watch(*((frame(n), [plate("7ABC123", 100 + 9 * n), plate("8XYZ789", 400 - 9 * n)]) for n in range(8)))
    assert texts(going_on) == ["7ABC123", "8XYZ789"]
    assert {passage.read_id for passage in going_on} == {model.read_id(frame(0).frame_id, n) for n in (0, 1)}


def test_fleet_vehicles_with_neighboring_numbers_are_not_merged():
    shown = [(frame(n), [plate("7ABC123", 300)]) for n in range(3)] + [
        (frame(n), [plate("7ABC124", 100)]) for n in range(3, 6)
    ]
    going_on, _ = watch(*shown)
    assert texts(going_on) == ["7ABC123", "7ABC124"]


def test_an_unseen_plate_ends_its_passage_and_comes_back_as_another():
    going_on, ended = watch((frame(0, 0), [plate("7ABC123")]), (frame(1, 1.6), [plate("7ABC123")]))
    assert len(ended) == len(going_on) == 1
    assert ended[0].read_id != going_on[0].read_id


def test_photographs_a_second_apart_are_passages_of_their_own():
    going_on, ended = watch(
        *((frame(n, n), [plate(text, probability=0.5)]) for n, text in enumerate(("7ABC123", "4TRW555", "8XYZ789")))
    )
    assert len(going_on) + len(ended) == 3


def test_a_parked_car_does_not_hold_its_frames_back_forever():
    _, ended = watch(*((frame(n, n * 0.5), [plate("7ABC123")]) for n in range(70)))
    assert len(ended) == 1
    assert ended[0].last.captured_at - ended[0].first.captured_at <= rules.LONGEST_PASSAGE


def test_a_late_frame_of_the_past_ends_nothing():
    going_on, ended = watch((frame(1, 60), [plate("7ABC123")]), (frame(0, 0), [plate("8XYZ789")]))
    assert not ended
    assert texts(going_on) == ["7ABC123", "8XYZ789"]


def test_leaving_out_what_has_ended_changes_nothing_for_the_rest():
    """What a restart does: passages that ended are gone with their plates, the others come out the same."""
    draw = random.Random(7)
    for _ in range(200):
        fleet = [("7ABC12" + str(k), draw.uniform(0, 600), draw.uniform(-40, 40)) for k in range(4)]
        shown = []
        for n in range(10):
            plates = sorted(
                (
                    plate(text if draw.random() > 0.2 else text[:-1] + "9", x + v * n, draw.uniform(0.3, 0.99))
                    for text, x, v in fleet
                    if draw.random() > 0.2
                ),
                key=lambda c: c.box.x,
            )
            shown.append((frame(n), plates))
        whole, ended = watch(*shown)
        gone = draw.sample(list(whole), len(whole) // 2) + ended
        consumed = {(g.offset, g.ordinal) for passage in gone for g in passage.glimpses}
        going_on = ()
        for number, (f, plates) in enumerate(shown):
            fresh = [(n, c) for n, c in enumerate(plates) if (number, n) not in consumed]
            going_on = sighting.observe(going_on, f, number, fresh).going_on
        names = {passage.read_id for passage in gone}
        assert {p.read_id: p.glimpses for p in going_on} == {
            p.read_id: p.glimpses for p in whole if p.read_id not in names
        }


def device(directions=("N",)):
    return model.Device(
        "d1", "demo", model.DeviceKind.FIXED, "Corner", "pole", (model.Camera("c1", "c1", directions, model.View.REAR),),
        model.Siting(True, "Chief", DAY), True, model.GeoPoint(1, 2), b"k" * 32,
    )  # fmt: skip


def told(passage, text):
    ref = model.ImageRef("closeup/x", b"h" * 32, model.ImageRole.CLOSEUP, model.View.REAR, DAY)
    stamp = sighting.Stamp(model.Provenance("d", "1"), model.Provenance("r", "2"), "v", BEGIN, BEGIN)
    return sighting.make_read(passage, text, device(), (ref, ref), stamp)


def passage_of(*plates):
    going_on, _ = watch(*((frame(n), [one]) for n, one in enumerate(plates)))
    return going_on[0]


def test_a_sure_frame_is_told_at_once_and_an_unsure_one_waits_for_a_second_or_the_end():
    assert sighting.news(passage_of(plate("7ABC123", probability=0.91)), ended=False).plate.reveal() == "7ABC123"
    unsure = plate("7ABC123", probability=0.7)
    assert sighting.news(passage_of(unsure), ended=False) is None
    assert sighting.news(passage_of(unsure), ended=True).plate.reveal() == "7ABC123"
    assert sighting.news(passage_of(unsure, unsure), ended=False).plate.reveal() == "7ABC123"


def test_a_plate_that_stays_unreadable_is_a_read_without_text_at_the_end():
    passage = passage_of(plate("7ABC123", probability=0.4))
    assert sighting.news(passage, ended=False) is None
    text = sighting.news(passage, ended=True)
    read = told(passage, text)
    assert (read.plate.reveal(), read.characters, read.confidence) == ("", (), 0.0)
    assert sighting.key_of(read.plate, read.camera_id) == "c1"


def test_a_correction_raises_the_revision_and_takes_back_what_stood_under_the_old_key():
    from dataclasses import replace

    first = passage_of(plate("7ABC12", probability=0.91))
    said = told(first, sighting.news(first, ended=False))
    assert said.revision == 1
    going_on, _ = watch(
        *(
            (frame(n), [p])
            for n, p in enumerate([plate("7ABC12", probability=0.91), *[plate("7ABC123", probability=0.97)] * 3])
        )
    )
    later = replace(going_on[0], told=said)
    text = sighting.news(later, ended=False)
    assert text.plate.reveal() == "7ABC123"
    gone, corrected = sighting.retraction(later, text), told(later, text)
    assert (gone.retracted, gone.revision, gone.plate.reveal()) == (True, 2, "7ABC12")
    assert (corrected.revision, corrected.read_id) == (3, said.read_id)
    assert sighting.news(replace(later, told=corrected), ended=True) is None


def test_a_correction_within_one_skeleton_needs_no_retraction():
    from dataclasses import replace

    passage = passage_of(plate("7ABC128", probability=0.95))
    later = replace(passage, told=told(passage, Text(tuple(Character(c, 0.6) for c in "7ABC12B"))))
    text = sighting.news(later, ended=True)
    assert sighting.retraction(later, text) is None
    assert told(later, text).revision == 2


def test_direction_comes_from_the_camera_or_the_heading_or_is_unknown():
    assert rules.direction(device(("S",)), frame(0, heading=90)) == "S"
    assert rules.direction(device(("N", "S")), frame(0, heading=92)) == "E"
    assert rules.direction(device(("N", "S")), frame(0, heading=350)) == "N"
    assert rules.direction(device(()), frame(0)) == "unknown"
