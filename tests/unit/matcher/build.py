"""Synthetic reads, entries, versions and profiles, each valid unless a test says otherwise."""

import hashlib
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from alprcore import model
from alprcore.profiles import load_profiles

NOW = datetime(2026, 11, 21, 20, 0, 0, tzinfo=UTC)
AGENCY = "demo"
PROFILE = load_profiles()[AGENCY]


def make_read(
    plate="7ABC123",
    *,
    state="US-CA",
    sure=0.99,
    unsure=None,
    agency=AGENCY,
    captured_at=NOW - timedelta(seconds=1),
    sequence=1,
    revision=1,
    kind=model.DeviceKind.FIXED,
    device="gate-1",
    retracted=False,
):
    """A read; `unsure` maps a position to (probability, second candidate, its probability)."""
    characters = [model.Character(letter, sure, "?", 0.0) for letter in plate]
    for position, (first, second, probability) in (unsure or {}).items():
        characters[position] = model.Character(plate[position], first, second, probability)
    frame = model.frame_id(device, sequence, hashlib.sha256(b"x").digest())
    image = model.ImageRef(key=f"closeup/{agency}/x.jpg", sha256=b"1" * 32, role=model.ImageRole.CLOSEUP)
    return model.Read(
        read_id=model.read_id(frame, 0),
        revision=revision,
        agency=agency,
        device_id=device,
        device_kind=kind,
        device_name=f"{device} name",
        camera_id=f"{device}-cam",
        frame_ids=(frame,),
        plate=model.Plate(plate),
        plate_raw=plate,
        state=state,
        state_confidence=0.9,
        characters=tuple(characters),
        alternatives=(),
        confidence=math.prod(character.first_probability for character in characters) if plate else 0.0,
        box=model.Box(1, 2, 30, 15),
        direction="north",
        location=model.Location(model.GeoPoint(33.6, -117.8), model.LocationQuality.REGISTERED),
        captured_at=captured_at,
        received_at=captured_at,
        read_at=captured_at,
        closeup=image,
        context=replace(image, role=model.ImageRole.CONTEXT),
        detector=model.Provenance("detector", "ab" * 32),
        reader=model.Provenance("reader", "cd" * 32),
        profile_version=PROFILE.version,
        retracted=retracted,
    )


def make_entry(plate="7ABC123", *, state="US-CA", code="SVS", agency=AGENCY, key="1", since=1, until=0):
    return model.Entry(
        entry_id=model.entry_id(agency, code, plate, state, key),
        plate=model.Plate(plate),
        agency=agency,
        list_code=code,
        from_version=since,
        until_version=until,
        sealed=b"sealed",
        key_id="k1",
    )


def make_version(code="SVS", *, version=1, agency=AGENCY, age=timedelta(hours=1), ends=None, **changes):
    values = {
        "agency": agency,
        "list_code": code,
        "version": version,
        "name": f"{code} list",
        "source": "test source",
        "source_time": NOW - age,
        "loaded_at": NOW - age,
        "max_age_s": 43_200,
        "advisory_class": "stolen_vehicle",
        "default_reason": "stolen_vehicle",
        "list_type": "core",
        "entries": 1,
        "end_offsets": ends or {},
    }
    return model.ListVersion(**(values | changes))


def versions_of(*versions):
    return {(version.agency, version.list_code): version for version in versions}
