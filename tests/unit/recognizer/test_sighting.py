"""One read per passage: which plates belong together, when a read is told, what a correction does."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from alpr_recognizer import sighting
from alpr_recognizer.ctc import Text
from alpr_recognizer.quality import Quality
from alpr_recognizer.sighting import passages as rules
from alpr_recognizer.sighting import telling
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
    going_on, ended, trails = (), [], ()
    for number, (shown, plates) in enumerate(frames):
        seen = sighting.observe(going_on, shown, number, list(enumerate(plates)), "", trails)
        going_on, ended, trails = seen.going_on, ended + list(seen.ended), seen.trails
    return going_on, ended


def texts(passages):
    return sorted(telling.fuse(passage.glimpses).plate.reveal() for passage in passages)


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


def test_a_plate_that_was_hidden_for_seconds_makes_no_second_read_and_one_that_comes_back_later_does():
    going_on, ended = watch((frame(0, 0), [plate("7ABC123")]), (frame(1, 3), [plate("7ABC123", 400)]))
    assert (len(ended), going_on) == (1, ())
    going_on, ended = watch((frame(0, 0), [plate("7ABC123")]), (frame(1, 6), [plate("7ABC123")]))
    assert len(ended) == len(going_on) == 1
    assert ended[0].read_id != going_on[0].read_id


def test_another_vehicle_behind_one_that_was_hidden_is_a_passage_of_its_own():
    going_on, _ = watch((frame(0, 0), [plate("7ABC123")]), (frame(1, 2), [plate("8XYZ789")]))
    assert texts(going_on) == ["8XYZ789"]


def test_a_car_parked_in_view_for_minutes_is_one_passage_while_traffic_passes_before_it():
    shown = []
    for n in range(600):  # five minutes at 2 frames a second
        plates = [] if n % 40 in range(10, 30) else [plate("7ABC123", 300 + n % 3)]  # a bus stands before it for 10 s
        if n % 40 in range(32, 36):
            plates.append(plate(f"{n // 40 % 10}XYZ789", 600 - 30 * (n % 40)))
        shown.append((frame(n % 250, n * 0.5), plates))
    going_on, ended = watch(*shown)
    names = [telling.fuse(passage.glimpses).plate.reveal() for passage in [*ended, *going_on]]
    assert names.count("7ABC123") == 1
    assert len(names) == 16


def test_a_vehicle_at_a_red_light_that_drives_off_is_one_passage_and_the_next_at_the_line_another():
    shown = [(frame(n, n * 0.5), [plate("7ABC123", 300)]) for n in range(180)]
    shown += [(frame(180 + n, 90 + n * 0.2), [plate("7ABC123", 300 + 12 * n)]) for n in range(20)]
    shown += [(frame(200 + n, 96 + n * 0.5), [plate("8XYZ789", 300)]) for n in range(20)]
    going_on, ended = watch(*shown)
    assert sorted(texts(ended) + texts(going_on)) == ["7ABC123", "8XYZ789"]


def test_a_standing_vehicle_seen_again_with_a_misread_character_makes_no_second_read():
    shown = [(frame(n, n * 0.5), [plate("7ABC123", 300)]) for n in range(70)]
    shown += [(frame(70 + n, 35 + n * 0.5), [plate("7A8C123", 300, 0.5)]) for n in range(5)]
    going_on, ended = watch(*shown)
    assert (len(ended), going_on) == (1, ())


def test_at_one_frame_a_second_with_one_missed_a_vehicle_is_one_passage():
    going_on, ended = watch(*((frame(n, n), [plate("7ABC123", 100 + 60 * n)]) for n in (0, 1, 3, 4)))
    assert len(ended) + len(going_on) == 1


def test_a_trail_names_no_plate():
    from alpr_recognizer.sighting.trails import shape_of

    assert shape_of("7ABC123") == shape_of("T486IZE")
    assert shape_of("7ABC123") != shape_of("7ABC124")


def test_photographs_a_second_apart_are_passages_of_their_own():
    going_on, ended = watch(
        *((frame(n, n), [plate(text, probability=0.5)]) for n, text in enumerate(("7ABC123", "4TRW555", "8XYZ789")))
    )
    assert len(going_on) + len(ended) == 3


def test_a_parked_car_does_not_hold_its_frames_back_forever():
    going_on, ended = watch(*((frame(n, n * 0.5), [plate("7ABC123")]) for n in range(70)))
    assert (len(ended), going_on) == (1, ())
    assert ended[0].last.captured_at - ended[0].first.captured_at <= rules.LONGEST_PASSAGE


def test_a_late_frame_of_the_past_ends_nothing():
    going_on, ended = watch((frame(1, 60), [plate("7ABC123")]), (frame(0, 0), [plate("8XYZ789")]))
    assert not ended
    assert texts(going_on) == ["7ABC123", "8XYZ789"]


def test_a_frame_that_comes_late_takes_its_place_in_the_passage_and_the_next_one_joins_too():
    shown = [(frame(n, n * 0.4), [plate("7ABC123", 100 + 9 * n)]) for n in range(5)]
    late, following = (frame(9, 0.2), [plate("7ABC123", 104)]), (frame(10, 1.9), [plate("7ABC123", 145)])
    going_on, ended = watch(*shown, late, following)
    assert not ended
    assert [len(passage.glimpses) for passage in going_on] == [7]
    assert going_on[0].first.offset == 0
    assert [glimpse.captured_at for glimpse in going_on[0].glimpses] == sorted(
        glimpse.captured_at for glimpse in going_on[0].glimpses
    )
    assert going_on[0].last.offset == 6
    assert going_on[0].seen_in(5)


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
    assert (read.plate.reveal(), read.unreadable_reason, read.plate_raw) == ("", "UNSURE", "7ABC123")
    assert sighting.key_of(read.plate, read.camera_id) == "c1"


def test_a_correction_raises_the_revision_and_takes_back_what_stood_under_the_old_key():
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


def test_a_first_word_that_all_looks_together_do_not_bear_out_is_taken_back_at_the_end():
    clear = Quality(120, 0.5, 0.5, 0)
    looks = [replace(plate("7ABC123", probability=0.99), quality=clear)]
    said = told(passage_of(*looks), sighting.news(passage_of(*looks), ended=False))
    looks += [replace(plate("7ABD123", probability=0.9), quality=clear) for _ in range(4)]
    passage = replace(passage_of(*looks), told=said)
    assert sighting.news(passage, ended=False) is None
    text = sighting.news(passage, ended=True)
    gone, last = sighting.retraction(passage, text), told(passage, text)
    assert (gone.plate.reveal(), gone.retracted) == ("7ABC123", True)
    assert (last.plate.reveal(), last.unreadable_reason, last.revision) == ("", "UNSURE", 3)


def test_a_correction_within_one_skeleton_needs_no_retraction():
    passage = passage_of(plate("7ABC128", probability=0.95))
    later = replace(passage, told=told(passage, Text(tuple(Character(c, 0.6) for c in "7ABC12B"))))
    text = sighting.news(later, ended=True)
    assert sighting.retraction(later, text) is None
    assert told(later, text).revision == 2


def test_direction_comes_from_the_camera_or_the_heading_or_is_unknown():
    assert telling.direction(device(("S",)), frame(0, heading=90)) == "S"
    assert telling.direction(device(("N", "S")), frame(0, heading=92)) == "E"
    assert telling.direction(device(("N", "S")), frame(0, heading=350)) == "N"
    assert telling.direction(device(()), frame(0)) == "unknown"


def test_where_a_standing_camera_sees_both_directions_a_growing_plate_comes_against_its_heading():
    assert telling.direction(device(("N", "S")), frame(0, heading=2), growth=1.5) == "S"
    assert telling.direction(device(("N", "S")), frame(0, heading=2), growth=0.6) == "N"
    assert telling.direction(device(("N", "S")), frame(0, heading=92), growth=1.5) == "E"


def test_what_does_not_show_well_enough_is_told_at_the_end_without_text_and_with_the_reason():
    blurred = replace(plate("7ABC123", probability=0.97), quality=Quality(80, 0.05, 0.5, 0.0))
    passage = passage_of(blurred, blurred)
    assert sighting.news(passage, ended=False) is None
    read = told(passage, sighting.news(passage, ended=True))
    assert (read.plate.reveal(), read.unreadable_reason, read.plate_raw) == ("", "BLURRED", "7ABC123")
    assert len(read.characters) == 7
    assert sighting.key_of(read.plate, read.camera_id) == "c1"


def test_the_state_of_origin_is_averaged_over_the_passage_and_unknown_when_nothing_stands_out():
    def of(*shares):
        return passage_of(*(replace(plate("7ABC123", 100 + n), origin=share) for n, share in enumerate(shares)))

    sure = of((("US-CA", 0.9), ("unknown", 0.1)), (("US-CA", 0.6), ("US-NV", 0.3), ("unknown", 0.1)))
    read = told(sure, sighting.news(sure, ended=True))
    assert (read.state, round(read.state_confidence, 2)) == ("US-CA", 0.75)
    assert [score.state for score in read.origins] == ["US-CA", "US-NV", "unknown"]
    torn = of((("US-CA", 0.6), ("unknown", 0.4)), (("US-NV", 0.6), ("unknown", 0.4)))
    read = told(torn, sighting.news(torn, ended=True))
    assert (read.state, read.origins[0].state) == ("unknown", "unknown")
    assert told(passage_of(plate("7ABC123")), plate("7ABC123").text).state == "unknown"


def test_the_color_is_told_where_most_looks_agree():
    def of(*colors):
        return passage_of(*(replace(plate("7ABC123", 100 + n), color=color) for n, color in enumerate(colors)))

    read = told(of(("WHI", 0.8), ("unknown", 0.0), ("WHI", 0.6)), plate("7ABC123").text)
    assert (read.vehicle.color, round(read.vehicle.color_probability, 2)) == ("WHI", 0.7)
    assert told(of(("WHI", 0.8), ("RED", 0.8)), plate("7ABC123").text).vehicle == model.Vehicle()


def test_evidence_is_the_frame_that_was_read_and_among_sure_ones_the_largest():
    views = [replace(plate("7ABC123", 100, 0.95), box=Box(100, 80, width, 30)) for width in (60, 90, 70)]
    assert passage_of(*views).best.candidate.box.width == 90


def test_a_fast_vehicle_whose_last_views_are_smeared_stays_one_passage():
    boxes = [(866, 59), (902, 68), (951, 77), (1022, 92), (1133, 114)]
    said = [("RWG5839", 0.7), ("RWG5869", 0.8), ("RWG5839", 0.6), ("RWG5839", 0.8), ("Y1A", 0.5)]
    plates = [
        replace(plate(text, probability=p), box=Box(x, 80 + w, w, w / 2))
        for (x, w), (text, p) in zip(boxes, said, strict=True)
    ]
    going_on, _ = watch(*((frame(n), [one]) for n, one in enumerate(plates)))
    assert len(going_on) == 1


def test_looks_that_agree_carry_an_unsure_text_through_the_gate_but_not_a_doubtful_one():
    def of(probability, looks):
        quality = Quality(90, 0.5, 0.5, 0.0)
        one = replace(plate("7ABC123", probability=probability), quality=quality)
        return passage_of(*[one] * looks)

    fused = of(0.97, 1)
    assert sighting.unreadable_reason(fused, telling.fuse(fused.glimpses)) == "UNSURE"
    fused = of(0.97, 4)
    assert sighting.unreadable_reason(fused, telling.fuse(fused.glimpses)) == ""
    assert told(fused, telling.fuse(fused.glimpses)).confidence < 0.9
    fused = of(0.9, 9)
    assert sighting.unreadable_reason(fused, telling.fuse(fused.glimpses)) == "UNSURE"


def test_what_was_seen_briefly_and_faintly_without_legible_text_is_no_plate_and_makes_no_read():
    faint = replace(plate("7ABC", probability=0.3), score=0.47)
    assert sighting.news(passage_of(faint, faint), ended=True) is None
    assert sighting.news(passage_of(*[faint] * 3), ended=True) is not None
    assert sighting.news(passage_of(replace(faint, score=0.7)), ended=True) is not None
    assert sighting.news(passage_of(replace(plate("7ABC123"), score=0.47)), ended=True) is not None


def test_two_vehicles_of_a_convoy_with_numbers_of_one_shape_are_two_passages():
    going_on, ended = watch(
        *((frame(n), [plate("7ABC12M", 300 + 40 * n)]) for n in range(4)),
        *((frame(4 + n, 3.2 + 0.2 * n), [plate("7ABC12N", 300 + 40 * n)]) for n in range(4)),
    )
    assert sorted(texts(ended) + texts(going_on)) == ["7ABC12M", "7ABC12N"]
    standing = [(frame(n, n * 0.5), [plate("7ABC12M", 300)]) for n in range(30)]
    going_on, ended = watch(*standing, *((frame(30 + n, 19 + n * 0.5), [plate("7ABC12N", 300)]) for n in range(9)))
    assert sorted(texts(ended) + texts(going_on)) == ["7ABC12M", "7ABC12N"]
    assert texts(ended) == ["7ABC12M"]


def test_doubt_between_look_alikes_keeps_no_text_back_unless_it_is_rather_wrong_than_right():
    def of(*zeros):
        letters = [Character("7", 0.99), *(Character("0", p, "O", 1 - p) for p in zeros), Character("1", 0.99)]
        text = Text(tuple(letters))
        one = replace(plate("7001"), text=text, quality=Quality(90, 0.5, 0.5, 0.0))
        return sighting.unreadable_reason(passage_of(one), text)

    assert of(0.7) == ""
    assert of(0.6, 0.6) == "UNSURE"


def test_what_a_canary_camera_reads_says_so():
    passage = passage_of(plate("7CNR001", probability=0.97))
    ref = model.ImageRef("closeup/x", b"h" * 32, model.ImageRole.CLOSEUP, model.View.REAR, DAY)
    stamp = sighting.Stamp(model.Provenance("d", "1"), model.Provenance("r", "2"), "v", BEGIN, BEGIN, canary=True)
    text = sighting.news(passage, ended=True)
    assert sighting.make_read(passage, text, device(), (ref, ref), stamp).canary
    assert not told(passage, text).canary


def test_a_read_keeps_what_the_camera_signed_of_its_frame():
    passage = passage_of(plate("7CNR001", probability=0.97))
    read, shown = told(passage, sighting.news(passage, ended=True)), passage.best.frame
    assert read.frame == model.FrameProof(
        shown.sequence, shown.location is not None, shown.view, shown.sha256, shown.signature, b"k" * 32
    )
    signed = {"device_id": read.device_id, "camera_id": read.camera_id, "captured_at": read.captured_at}
    location = read.location if read.frame.placed else None
    text = model.signed_text(
        **signed, sequence=read.frame.sequence, location=location, view=read.frame.view, sha256=read.frame.sha256
    )
    assert text == replace(shown, device_id=read.device_id).signed_text()
