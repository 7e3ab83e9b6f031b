"""What comes off a topic is either a whole message or an InvalidMessage that says what is wrong."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpr.v1 import devices_pb2, frames_pb2, hotlist_pb2, reads_pb2
from alprcore import model as m
from alprcore import wire
from alprcore.errors import InvalidMessage
from alprcore.topics import Topic

DECODERS = {
    Topic.FRAMES: wire.decode_frame,
    Topic.READS: wire.decode_read,
    Topic.HOTLIST: wire.decode_bucket,
    Topic.HOTLIST_PARTIALS: wire.decode_partial,
    Topic.HOTLIST_VERSIONS: wire.decode_list_version,
    Topic.HOTLIST_ALARMS: wire.decode_list_alarm,
    Topic.DEVICES: wire.decode_device,
    Topic.DEVICES_CHECKS: wire.decode_device_checks,
    Topic.PROFILES: wire.decode_profile,
    Topic.IMAGE_KEYS: wire.decode_image_key,
    Topic.HITS: wire.decode_hit,
    Topic.NOTIFICATIONS: wire.decode_notification,
    Topic.STORM_RELEASES: wire.decode_storm_release,
    Topic.PURGES: wire.decode_purge_order,
    Topic.PURGE_ANSWERS: wire.decode_purge_answer,
    Topic.AUDIT: wire.decode_audit_event,
    Topic.AUDIT_CHECKPOINTS: wire.decode_checkpoint,
}
NOW = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)
SHA = bytes(range(32))
PLACE = m.Location(m.GeoPoint(38.75, -121.28), m.LocationQuality.STALE, 12.5, 271.3)


def headers(topic):
    return {"ce_type": wire.CE_TYPE[topic].encode()}


def a_frame(**changes):
    frame = m.Frame(
        m.frame_id("cam", 7, SHA), "demo", "dev", "cam", 7, NOW, NOW + timedelta(seconds=1), PLACE, SHA, b"s" * 64,
        m.View.REAR, b"\xff\xd8jpeg",
    )  # fmt: skip
    return replace(frame, **changes)


def altered(frame, change):
    message = frames_pb2.Frame.FromString(wire.encode_frame(frame))
    change(message)
    return message.SerializeToString()


def code(decode, value, topic):
    with pytest.raises(InvalidMessage) as caught:
        decode(value, headers(topic))
    return caught.value.code, caught.value.detail


def outcome(decode, value, topic):
    """How it ended; any other exception goes through and fails the test."""
    try:
        decode(value, headers(topic))
    except InvalidMessage as error:
        return error.code
    return "read"


def test_every_topic_of_ours_has_a_decoder():
    assert set(DECODERS) == set(wire.CE_TYPE)


@pytest.mark.parametrize("topic", DECODERS)
@given(value=st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_garbage_is_an_invalid_message_and_nothing_else(topic, value):
    assert outcome(DECODERS[topic], value, topic) in {"read", "MALFORMED", "FIELD_MISSING", "FIELD_INVALID"}


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_frame_with_bytes_turned_over_is_read_or_refused(data):
    value = bytearray(wire.encode_frame(a_frame()))
    for position in data.draw(st.lists(st.integers(0, len(value) - 1), max_size=4)):
        value[position] = data.draw(st.integers(0, 255))
    assert outcome(wire.decode_frame, bytes(value), Topic.FRAMES) in {
        "read",
        "MALFORMED",
        "FIELD_MISSING",
        "FIELD_INVALID",
    }


def test_bytes_that_are_no_protobuf_are_malformed():
    for topic, decode in DECODERS.items():
        assert code(decode, b"\xff\xff\xff\xff not a message", topic)[0] == "MALFORMED"


@pytest.mark.parametrize(
    "found", [{}, {"ce_type": b"alpr.v2.frame"}, {"ce_type": b"\xff"}, {"ce_type": b"alpr.v1.read"}]
)
def test_another_type_or_version_is_not_guessed_at(found):
    with pytest.raises(InvalidMessage) as caught:
        wire.decode_frame(wire.encode_frame(a_frame()), found)
    assert caught.value.code == "SCHEMA_UNKNOWN"


@given(
    sequence=st.integers(0, 2**64 - 1),
    captured=st.datetimes(datetime(1971, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)),
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    heading=st.none() | st.floats(0, 360),
    quality=st.sampled_from(m.LocationQuality),
    age=st.floats(0, 1e9),
    view=st.sampled_from(m.View),
)
@settings(deadline=None)
def test_a_frame_survives_and_its_signed_text_stays_the_same(
    sequence, captured, latitude, longitude, heading, quality, age, view
):
    place = m.Location(m.GeoPoint(latitude, longitude), quality, age, heading)
    frame = a_frame(
        frame_id=m.frame_id("cam", sequence, SHA), sequence=sequence, captured_at=captured, location=place, view=view
    )
    found = wire.decode_frame(wire.encode_frame(frame), headers(Topic.FRAMES))
    rounded = None if heading is None else round(heading, 1)
    assert found == replace(frame, location=replace(place, heading=rounded))
    assert found.signed_text() == frame.signed_text()


@pytest.mark.requirement("CAP-02", partial="the decoder; the doors have their own tests")
@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("location", lambda message: message.ClearField("location")),
        ("location", lambda message: message.location.ClearField("point")),
        ("captured_at", lambda message: message.ClearField("captured_at_us")),
        ("image", lambda message: message.ClearField("jpeg")),
        ("agency", lambda message: message.ClearField("agency")),
        ("device_id", lambda message: message.ClearField("device_id")),
        ("sha256", lambda message: message.ClearField("sha256")),
        ("location.quality", lambda message: message.location.ClearField("quality")),
    ],
)
def test_the_missing_field_is_named(field, change):
    assert code(wire.decode_frame, altered(a_frame(), change), Topic.FRAMES) == ("FIELD_MISSING", field)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("captured_at", lambda message: setattr(message, "captured_at_us", 2**62)),
        ("location", lambda message: setattr(message.location.point, "latitude", 91)),
        ("location", lambda message: setattr(message.location.point, "longitude", float("nan"))),
        ("location.age_s", lambda message: setattr(message.location, "age_s", float("inf"))),
        ("location", lambda message: setattr(message.location, "heading", 361)),
        ("location.quality", lambda message: setattr(message.location, "quality", "good")),
        ("sha256", lambda message: setattr(message, "sha256", b"short")),
        ("view", lambda message: setattr(message, "view", "side")),
        ("frame_id does not follow", lambda message: setattr(message, "sequence", 8)),
    ],
)
def test_the_wrong_field_is_named(field, change):
    found, detail = code(wire.decode_frame, altered(a_frame(), change), Topic.FRAMES)
    assert (found, detail.startswith(field)) == ("FIELD_INVALID", True)


@pytest.mark.parametrize("key", ["/etc/x.jpg", "../x.jpg", "a/../../x.jpg", "a\\b.jpg", "a\nb.jpg"])
def test_an_image_key_cannot_leave_the_store(key):
    frame = a_frame(image=m.ImageRef(key, SHA, m.ImageRole.FRAME))
    assert code(wire.decode_frame, wire.encode_frame(frame), Topic.FRAMES) == ("FIELD_INVALID", "image.key")


def test_plates_are_normal_or_refused():
    entry = hotlist_pb2.Entry(entry_id="e", agency="a", list_code="L")
    for text in ("abc", "AB-1", "Ä1", "A" * 13, "A?1"):
        entry.plate = text
        value = hotlist_pb2.Bucket(entries=[entry]).SerializeToString()
        assert code(wire.decode_bucket, value, Topic.HOTLIST) == ("FIELD_INVALID", "plate")
    entry.plate = ""
    value = hotlist_pb2.Bucket(entries=[entry]).SerializeToString()
    assert code(wire.decode_bucket, value, Topic.HOTLIST) == ("FIELD_MISSING", "plate")
    entry.plate = "A?1*"
    assert wire.decode_partial(entry.SerializeToString(), headers(Topic.HOTLIST_PARTIALS)).plate.reveal() == "A?1*"


def test_an_empty_bucket_is_a_tombstone_and_not_a_message():
    with pytest.raises(ValueError, match="tombstone"):
        wire.encode_bucket(())


def test_a_read_names_its_broken_parts():
    message = reads_pb2.Read(read_id="r", agency="a")
    for field in ("location", "closeup", "context", "box"):
        assert code(wire.decode_read, message.SerializeToString(), Topic.READS) == ("FIELD_MISSING", field)
        getattr(message, field).SetInParent()


def a_read(**changes):
    """An unreadable plate of the frame above, as little as a read may be."""
    image = m.ImageRef("closeup/demo/x.jpg", SHA, m.ImageRole.CLOSEUP)
    read = m.Read(
        read_id=m.read_id("f", 0), revision=1, agency="demo", device_id="dev", device_kind=m.DeviceKind.FIXED,
        device_name="", camera_id="cam", frame_ids=("f",), plate=m.Plate(""), plate_raw="7A", state="unknown",
        state_confidence=0.0, characters=(), alternatives=(), confidence=0.0, box=m.Box(1, 2, 3, 4), direction="N",
        location=PLACE, captured_at=NOW, received_at=NOW, read_at=NOW, closeup=image,
        context=replace(image, role=m.ImageRole.CONTEXT), detector=m.Provenance("d", "0"),
        reader=m.Provenance("r", "0"), profile_version="demo@0",
    )  # fmt: skip
    return replace(read, **changes)


def test_what_the_models_estimated_survives_and_what_they_did_not_stays_absent():
    plain = a_read()
    assert wire.decode_read(wire.encode_read(plain), headers(Topic.READS)) == plain
    assert not reads_pb2.Read.FromString(wire.encode_read(plain)).HasField("vehicle")
    told = a_read(
        origins=(m.StateScore("US-CA", 0.75), m.StateScore("unknown", 0.25)),
        corners=((1.0, 2.5), (4.0, 2.0), (4.25, 6.0), (1.5, 6.5)),
        unreadable_reason="BLURRED",
        vehicle=m.Vehicle("WHI", 0.5),
        frame=m.FrameProof(7, True, m.View.REAR, SHA, b"s" * 64, b"k" * 32),
    )
    assert wire.decode_read(wire.encode_read(told), headers(Topic.READS)) == told


@pytest.mark.parametrize(
    "change",
    [
        lambda message: message.corners.add(x=1, y=2),
        lambda message: [message.corners.add(x=float("nan"), y=2) for _ in range(4)],
        lambda message: message.origins.add(state="US-CA", probability=1.5),
        lambda message: message.origins.add(state="", probability=0.5),
        lambda message: setattr(message.vehicle, "color_probability", float("inf")),
        lambda message: setattr(message, "unreadable_reason", "BLURRED") or setattr(message, "plate", "7A"),
        lambda message: setattr(message.frame, "view", "sideways"),
    ],
    ids=["one corner", "corners nowhere", "too likely", "no state", "endless", "read and unreadable", "no view"],
)
def test_broken_estimates_are_refused(change):
    message = reads_pb2.Read.FromString(wire.encode_read(a_read()))
    change(message)
    found, _ = code(wire.decode_read, message.SerializeToString(), Topic.READS)
    assert found in {"FIELD_INVALID", "FIELD_MISSING"}


def test_days_have_one_spelling():
    message = devices_pb2.Device(device_id="d", agency="a", kind="fixed")
    for text in ("20260105", "2026-W02-1", "2026-02-30", "5 January"):
        message.siting.declared_on = text
        found = code(wire.decode_device, message.SerializeToString(), Topic.DEVICES)
        assert found == ("FIELD_INVALID", "siting.declared_on")
    message.siting.declared_on = "2026-01-05"
    device = wire.decode_device(message.SerializeToString(), headers(Topic.DEVICES))
    assert device.siting is not None
    assert device.siting.declared_on == date(2026, 1, 5)


def test_entry_details_survive():
    details = m.EntryDetails(
        "US-CA", "stolen_vehicle", "", "V1", "CA0570200", NOW, None, "2019", "TOYT", "CAM", "4D", "BLK", "TEST-PII"
    )
    assert wire.decode_entry_details(wire.encode_entry_details(details)) == details
    with pytest.raises(InvalidMessage):
        wire.decode_entry_details(b"\xff\xff\xff")


def test_headers_follow_cloudevents_binary_mode():
    found = wire.headers_for(Topic.READS, id="i", source="plateline/recognizer", time=NOW, traceparent="00-ab-cd-01")
    assert dict(found) == {
        "ce_specversion": b"1.0",
        "ce_type": b"alpr.v1.read",
        "ce_source": b"plateline/recognizer",
        "ce_id": b"i",
        "ce_time": b"2026-03-14T15:09:26.535897Z",
        "content-type": b"application/protobuf",
        "traceparent": b"00-ab-cd-01",
    }
    assert dict(wire.headers_for(Topic.CAD_HITS, id="i", source="s", time=NOW)) == {
        "content-type": b"application/cloudevents+json; charset=UTF-8"
    }


def test_cad_event_refuses_the_wrong_subject():
    with pytest.raises(ValueError, match="kind"):
        wire.cad_event("notification", object(), source="s")


def test_the_heading_of_a_read_is_what_the_whole_read_says_and_refuses_what_is_none():
    read = a_read()
    heading = wire.read_heading(wire.encode_read(read), headers(Topic.READS))
    assert (heading.plate, heading.retracted) == (read.plate, read.retracted)
    assert code(wire.read_heading, b"\xff\xff garbage", Topic.READS)[0] == "MALFORMED"
    odd = reads_pb2.Read(plate="7abc").SerializeToString()
    assert code(wire.read_heading, odd, Topic.READS) == ("FIELD_INVALID", "plate")
