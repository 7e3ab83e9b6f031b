"""What a CAD system may write, and what is refused of it; links to images and who makes them up."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alprcore import wire
from alprcore.errors import InvalidMessage
from alprcore.links import image_links, opens
from alprcore.model import CadSaid, CadStatus
from alprcore.seal import ListKeys

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
OLD, NEW = bytes(32), bytes([1]) * 32
KEYS = ListKeys({"k1": OLD}, "k1")


def event(data=None, **changes):
    whole = {
        "specversion": "1.0", "type": "alpr.v1.cad.status", "source": "cad", "id": "s-1",
        "time": "2027-03-01T04:00:00-08:00",
        "data": {"incident_id": "i-1", "status": "dispatched", "unit": "Car 14"} if data is None else data,
    }  # fmt: skip
    return json.dumps(whole | changes).encode()


def test_a_status_is_read():
    said = wire.decode_cad_status(event())
    assert said == CadStatus("s-1", "i-1", CadSaid.DISPATCHED, NOW, unit="Car 14")
    assert wire.decode_cad_status(wire.encode_cad_status(said, source="cad")) == said


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"", "MALFORMED"),
        (b"\xff\xfe", "MALFORMED"),
        (b"[]", "MALFORMED"),
        (b'"text"', "MALFORMED"),
        (b"[" * 60_000, "MALFORMED"),
        (b" " * 70_000, "MALFORMED"),
        (event(data=[]), "MALFORMED"),
        (event(type="alpr.v1.cad.hit"), "SCHEMA_UNKNOWN"),
        (event(type=["alpr.v1.cad.status"]), "SCHEMA_UNKNOWN"),
        (event(specversion="0.3"), "SCHEMA_UNKNOWN"),
        (event({"incident_id": "i", "status": "exploded"}), "FIELD_INVALID"),
        (event({"incident_id": "i", "status": 4}), "FIELD_INVALID"),
        (event({"incident_id": "i" * 65, "status": "closed"}), "FIELD_INVALID"),
        (event({"incident_id": "i", "status": "rejected"}), "FIELD_MISSING"),
        (event({"status": "closed"}), "FIELD_MISSING"),
        (event({"incident_id": "i", "status": "closed", "unit": "Car\u001b[2J"}), "FIELD_INVALID"),
        (event(id=""), "FIELD_MISSING"),
        (event(time="yesterday"), "FIELD_INVALID"),
        (event(time="2027-03-01T12:00:00"), "FIELD_INVALID"),
        (event(time="0001-01-01T00:00:00+14:00"), "FIELD_INVALID"),
        (b'{"specversion": NaN}', "MALFORMED"),
    ],
)
def test_garbage_is_refused_with_a_code(value, code):
    with pytest.raises(InvalidMessage) as refused:
        wire.decode_cad_status(value)
    assert refused.value.code == code


@given(st.binary(max_size=300) | st.recursive(st.none() | st.text() | st.integers() | st.floats(), st.lists).map(
    lambda x: json.dumps({"data": x}).encode()))  # fmt: skip
def test_whatever_is_written_is_read_or_refused(value):
    with pytest.raises(InvalidMessage):
        wire.decode_cad_status(value)


def parts(link):
    query = {name: values[0] for name, values in parse_qs(urlsplit(link.url).query).items()}
    return query["agency"], link.role, int(query["expires"]), query["signature"]


def test_a_link_opens_for_its_image_until_it_ends():
    closeup, context = image_links(KEYS, "https://alpr.example/", "demo", "h-1", NOW)
    assert closeup.url.startswith("https://alpr.example/v1/cad/images/h-1/closeup?agency=demo&expires=")
    assert closeup.expires_at == NOW + timedelta(minutes=15)
    agency, role, ends, signature = parts(closeup)
    assert opens(KEYS, agency, "h-1", role, ends, signature, NOW) is None
    assert opens(KEYS, agency, "h-1", role, ends, signature, NOW + timedelta(minutes=14, seconds=59)) is None
    late = opens(KEYS, agency, "h-1", role, ends, signature, NOW + timedelta(minutes=15))
    assert late.reason_code == "LINK_EXPIRED"
    assert parts(context)[3] != signature


@pytest.mark.parametrize(
    "change",
    [
        {"agency": "roseville"}, {"hit_id": "h-2"}, {"role": "context"}, {"ends": 86_400}, {"signature": ""},
        {"signature": "é"}, {"signature": "A" * 43},
    ],
)  # fmt: skip
def test_no_other_image_opens_with_a_link(change):
    agency, role, ends, signature = parts(image_links(KEYS, "https://a", "demo", "h-1", NOW)[0])
    asked = {"agency": agency, "hit_id": "h-1", "role": role, "ends": ends, "signature": signature}
    asked["ends"] += change.pop("ends", 0)
    assert opens(KEYS, **(asked | change), now=NOW).reason_code == "LINK_FORGED"


def test_links_outlive_a_new_key_and_not_a_removed_one():
    agency, role, ends, signature = parts(image_links(KEYS, "https://a", "demo", "h-1", NOW)[0])
    both, newer = ListKeys({"k1": OLD, "k2": NEW}, "k2"), ListKeys({"k2": NEW}, "k2")
    assert opens(both, agency, "h-1", role, ends, signature, NOW) is None
    assert opens(newer, agency, "h-1", role, ends, signature, NOW).reason_code == "LINK_FORGED"
    assert parts(image_links(both, "https://a", "demo", "h-1", NOW)[0])[3] != signature
