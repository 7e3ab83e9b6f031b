"""The picture of a frame: inline, from the store, or sealed there for its message alone."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from alpr_recognizer.app.admission import fetch
from alprcore.errors import InvalidMessage
from alprcore.model import Frame, GeoPoint, ImageRef, ImageRole, Location, LocationQuality, View, frame_id
from alprcore.objects import ImageStore
from alprcore.seal import seal_once

JPEG = b"\xff\xd8 a picture \xff\xd9"
SHA = hashlib.sha256(JPEG).digest()
KEY = "frame/demo/2028-01-01/f.jpg"
AT = datetime(2026, 11, 20, tzinfo=UTC)
PLACE = Location(GeoPoint(38.7, -121.2), LocationQuality.REGISTERED)


def frame_with(image):
    return Frame(frame_id("c", 1, SHA), "demo", "d", "c", 1, AT, AT, PLACE, SHA, b"", View.REAR, image)


def fetched(store, image):
    return asyncio.run(fetch(store, frame_with(image)))


def test_a_sealed_picture_opens_with_the_key_of_its_message_and_with_no_other(tmp_path):
    store = ImageStore(tmp_path.as_uri())
    once, sealed = seal_once(JPEG, aad=KEY.encode())
    asyncio.run(store.put(KEY, sealed))
    asyncio.run(store.put(f"{KEY}2", sealed))
    ref = ImageRef(KEY, SHA, ImageRole.FRAME, once_key=once)
    assert JPEG not in sealed
    assert fetched(store, ref) == JPEG == fetched(store, JPEG)
    for wrong in (replace(ref, once_key=bytes(32)), replace(ref, key=f"{KEY}2")):  # another key, another name
        with pytest.raises(InvalidMessage) as refused:
            fetched(store, wrong)
        assert refused.value.code == "SEAL_BROKEN"
    with pytest.raises(InvalidMessage) as refused:  # as it lies there it is no picture
        fetched(store, replace(ref, once_key=b""))
    assert refused.value.code == "SHA256_MISMATCH"
    with pytest.raises(InvalidMessage) as refused:
        fetched(store, replace(ref, key="frame/demo/none.jpg"))
    assert refused.value.code == "IMAGE_MISSING"


def test_the_key_stands_in_no_log():
    ref = ImageRef(KEY, SHA, ImageRole.FRAME, once_key=b"secret-secret-secret-secret-1234")
    assert "secret" not in repr(ref) + str(ref) + repr(frame_with(ref))


def test_a_picture_that_a_camera_put_there_unsealed_is_read_as_before(tmp_path):
    store = ImageStore(tmp_path.as_uri())
    asyncio.run(store.put(KEY, JPEG))
    assert fetched(store, ImageRef(KEY, SHA, ImageRole.FRAME)) == JPEG
