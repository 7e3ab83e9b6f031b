"""What may enter: devices, metadata, images by their header."""

import hashlib
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from alpr_ingest.admit import META_FIELDS, admit_device, admit_image, jpeg_size, read_meta
from alprcore.model import ADMITTED, Camera, Device, DeviceKind, Frame, GeoPoint, LocationQuality, Refused, frame_id

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
META = {
    "device_id": "pole-1", "camera_id": "pole-1-a", "sequence": 7, "captured_at": "2026-03-14T08:09:26-07:00",
    "latitude": 38.75, "longitude": -121.28, "location_quality": "stale", "location_age_s": 12.5, "heading": 271.26,
    "view": "rear", "sha256": bytes(32).hex(), "signature": "c2ln",
}  # fmt: skip


def picture(size=(64, 48), **options):
    out = io.BytesIO()
    Image.new("RGB", size, (90, 80, 70)).save(out, "JPEG", **options)
    return out.getvalue()


def code(decision):
    return decision.reason_code if isinstance(decision, Refused) else "admitted"


def judge(image):
    return code(admit_image(image, hashlib.sha256(image).digest()))


def device(**changes):
    fields = {
        "device_id": "d", "agency": "demo", "kind": DeviceKind.FIXED, "name": "n", "carrier": "pole",
        "cameras": (Camera("d-a", "", ("N", "SE")),), "siting": None, "in_service": True,
        "position": GeoPoint(1, 2), "public_key": bytes(32),
    }  # fmt: skip
    return Device(**fields | changes)


def test_metadata_becomes_a_frame_whose_time_and_place_are_the_devices():
    frame = read_meta(META, "demo", b"image", NOW)
    assert isinstance(frame, Frame)
    assert frame.captured_at == NOW
    assert frame.received_at == NOW
    assert frame.frame_id == frame_id("pole-1-a", 7, bytes(32))
    assert (frame.location.quality, frame.location.age_s, frame.location.heading) == (
        LocationQuality.STALE,
        12.5,
        271.3,
    )
    assert (frame.agency, frame.image, frame.signature) == ("demo", b"image", b"sig")


@pytest.mark.parametrize(
    ("change", "expected", "field"),
    [
        ({"sequence": -1}, "FIELD_INVALID", "sequence"),
        ({"sequence": True}, "FIELD_INVALID", "sequence"),
        ({"sequence": "7"}, "FIELD_INVALID", "sequence"),
        ({"sequence": 2**64}, "FIELD_INVALID", "sequence"),
        ({"sequence": None}, "FIELD_MISSING", "sequence"),
        ({"captured_at": "yesterday"}, "FIELD_INVALID", "captured_at"),
        ({"captured_at": 1773500966}, "FIELD_INVALID", "captured_at"),
        ({"captured_at": ""}, "FIELD_MISSING", "captured_at"),
        ({"latitude": float("nan")}, "FIELD_INVALID", "location"),
        ({"latitude": "38"}, "FIELD_INVALID", "location"),
        ({"longitude": None}, "FIELD_MISSING", "location"),
        ({"heading": 400}, "FIELD_INVALID", "location"),
        ({"location_quality": "good"}, "FIELD_INVALID", "location"),
        ({"location_age_s": -1}, "FIELD_INVALID", "location"),
        ({"view": "side"}, "FIELD_INVALID", "view"),
        ({"sha256": "zz"}, "FIELD_INVALID", "sha256"),
        ({"sha256": "00"}, "FIELD_INVALID", "sha256"),
        ({"signature": "!"}, "FIELD_INVALID", "signature"),
        ({"camera_id": ""}, "FIELD_MISSING", "camera_id"),
        ({"speed": 30}, "FIELD_UNKNOWN", "speed"),
    ],
)
def test_odd_metadata_is_refused_by_field(change, expected, field):
    found = read_meta(META | change, "demo", b"image", NOW)
    assert (code(found), found.detail) == (expected, field)


values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.none(), max_size=1)
)


@given(st.dictionaries(st.sampled_from(sorted(META_FIELDS)), values))
def test_whatever_a_device_sends_is_a_frame_or_a_refusal(changes):
    assert isinstance(read_meta(META | changes, "demo", b"image", NOW), Frame | Refused)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"exif": b"Exif\0\0" + bytes(500)}, {"comment": b"x" * 900}]
)
def test_jpegs_of_many_kinds_are_admitted(options):
    image = picture((321, 123), **options)
    assert jpeg_size(image) == (321, 123)
    assert judge(image) == "admitted"
    assert judge(image + bytes(20)) == "admitted"


def test_images_are_judged_by_their_bytes():
    image = picture()
    assert judge(b"\x89PNG" + image) == "NOT_A_JPEG"
    assert judge(image[:-100]) == "JPEG_TRUNCATED"
    assert judge(b"\xff\xd8\xff\xd9" + b"\xff\xd9") == "NOT_A_JPEG"
    assert code(admit_image(image, bytes(32))) == "HASH_MISMATCH"
    assert judge(image + bytes(20_000_000)) == "IMAGE_TOO_LARGE"


def test_a_header_that_promises_too_many_pixels_is_refused_before_they_are_decoded():
    image = bytearray(picture())
    at = image.index(b"\xff\xc0")
    image[at + 5 : at + 9] = (60_000).to_bytes(2, "big") * 2
    assert jpeg_size(bytes(image)) == (60_000, 60_000)
    assert judge(bytes(image)) == "IMAGE_TOO_LARGE"


@given(st.binary(max_size=300))
def test_no_bytes_break_the_header_reader(data):
    jpeg_size(b"\xff\xd8" + data)
    assert judge(b"\xff\xd8\xff" + data + b"\xff\xd9") in {"admitted", "NOT_A_JPEG", "IMAGE_TOO_LARGE"}


@given(st.data())
def test_a_jpeg_with_bytes_turned_over_never_breaks_it(data):
    image = bytearray(picture())
    for position in data.draw(st.lists(st.integers(0, len(image) - 1), min_size=1, max_size=5)):
        image[position] = data.draw(st.integers(0, 255))
    assert judge(bytes(image)) in {"admitted", "NOT_A_JPEG", "JPEG_TRUNCATED", "IMAGE_TOO_LARGE"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "admitted"),
        ({"cameras": ()}, "CAMERA_REQUIRED"),
        ({"cameras": (Camera("a", "", ()),)}, "DIRECTION_REQUIRED"),
        ({"cameras": (Camera("a", "", ()),), "kind": DeviceKind.MOBILE}, "admitted"),
        ({"cameras": (Camera("a", "", ("NNE",)),)}, "DIRECTION_INVALID"),
        ({"cameras": (Camera("a", "", ("N",)), Camera("a", "", ("S",)))}, "CAMERA_TWICE"),
        ({"cameras": (Camera("a/b", "", ("N",)),)}, "ID_INVALID"),
        ({"device_id": "x" * 65}, "ID_INVALID"),
        ({"position": None}, "POSITION_REQUIRED"),
        ({"position": None, "kind": DeviceKind.TRAILER}, "admitted"),
        ({"public_key": b""}, "KEY_INVALID"),
        ({"carrier": ""}, "CARRIER_REQUIRED"),
    ],
)
def test_devices(changes, expected):
    assert code(admit_device(device(**changes))) == expected


def test_admitted_is_a_value():
    assert admit_device(device()) is ADMITTED
