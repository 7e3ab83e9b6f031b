"""A device's signed calls, and packages of lists: what is altered, cut, exchanged or somebody else's is refused."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from alprcore.copies import (
    SIGNER,
    ListCopy,
    PackageHead,
    PackageReader,
    PackageWriter,
    read_call,
    read_have,
    sign_call,
    write_have,
)
from alprcore.copies.package import CHUNK
from alprcore.errors import InvalidMessage
from alprcore.model import Entry, Plate
from alprcore.seal import SigningKey, new_content_key, new_image_key, note_verifier

NOW = datetime(2026, 3, 2, 14, 5, tzinfo=UTC)
KEY, OTHER = SigningKey(b"\x01" * 32), SigningKey(b"\x02" * 32)
VERIFIER = note_verifier(SIGNER, KEY.public)
CALL = ("GET", "/v1/devices/unit-7/lists/package", "have=SVS:3&wait=0", b"")
SEAL_KEY = b"\x05" * 32


def entries(count, size=120):
    return [
        Entry(str(UUID(int=n)), Plate(f"8TST{n:03}"), "demo", "SVS", 1, 0, bytes([n % 256]) * size, "k1")
        for n in range(count)
    ]


def head(public, **changes):
    content_key, sealed = new_content_key(public, "p-1")
    copy = ListCopy("SVS", "Stolen", "core", "official", "stolen_vehicle", 4, 3, 2, NOW, NOW + timedelta(days=1))
    made = PackageHead("p-1", "demo", "unit-7", NOW, "nonce", sealed, (copy,))
    return replace(made, **changes), content_key


def package(public, put, removed=(), signer=KEY, end=True):
    made, content_key = head(public)
    writer = PackageWriter(made, content_key, signer)
    sent = writer.opening + writer.begin("SVS") + writer.removed(removed) + writer.put(put)
    return sent + (writer.close() if end else b"")


def signed(**changes):
    method, path, query, body = CALL
    return sign_call(KEY, "unit-7", method, path, query, body, SEAL_KEY, NOW) | changes


def test_a_call_names_its_device_and_the_key_for_the_answer():
    call = read_call(KEY.public, *CALL, signed(), NOW + timedelta(seconds=100))
    assert (call.device_id, call.called_at, call.seal_key) == ("unit-7", NOW, SEAL_KEY)
    assert signed()["signature-input"] != signed()["signature-input"]  # every call has a nonce of its own


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (("POST", *CALL[1:]), KEY),
        ((CALL[0], "/v1/devices/unit-8/lists/package", *CALL[2:]), KEY),
        ((*CALL[:2], "have=&wait=0", b""), KEY),
        ((*CALL[:3], b"{}"), KEY),
        (CALL, OTHER),
    ],
)
def test_a_call_is_good_for_nothing_else(call, key):
    with pytest.raises(PermissionError, match="SIGNATURE_INVALID"):
        read_call(key.public, *call, signed(), NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"alpr-seal-key": ":" + "A" * 43 + "=:"},
        {"alpr-seal-key": ":AAAA:"},
        {"alpr-seal-key": "x"},
        {"signature-input": signed()["signature-input"].replace("unit-7", "unit-8")},
        {"signature-input": signed()["signature-input"].replace('"@query" ', "")},
        {"signature": "alpr=:AAAA:"},
    ],
)
def test_what_is_signed_cannot_be_exchanged(changes):
    with pytest.raises(PermissionError, match="SIGNATURE_INVALID"):
        read_call(KEY.public, *CALL, signed(**changes), NOW)


def test_a_call_is_fresh_and_signed():
    for off in (121, -121):
        with pytest.raises(PermissionError, match="SIGNATURE_EXPIRED"):
            read_call(KEY.public, *CALL, signed(), NOW + timedelta(seconds=off))
    with pytest.raises(PermissionError, match="SIGNATURE_MISSING"):
        read_call(KEY.public, *CALL, {}, NOW)


def test_what_is_held_is_written_and_read():
    assert write_have({"SVS": 12, "SLR": 4}) == "SLR:4,SVS:12"
    assert read_have("SLR:4,SVS:12") == {"SVS": 12, "SLR": 4}
    assert read_have("") == {}
    for strange in ("SVS", "SVS:-1", "SVS:1,SVS:2", "svs:1", "SVS:1,", "SVS:¹"):
        with pytest.raises(ValueError, match="CODE"):
            read_have(strange)


@pytest.mark.parametrize("count", [0, 1, 5_000])
def test_a_package_brings_what_was_put_in(count):
    private, public = new_image_key()
    put, removed = entries(count), [UUID(int=8), UUID(int=9)]
    reader = PackageReader(io.BytesIO(package(public, put, removed)), VERIFIER)
    assert reader.head.lists[0].kind == "delta"
    parts = list(reader.parts(private))
    assert parts[0].list_code == "SVS"
    assert [part.entry_id for part in parts[1:3]] == [one.bytes for one in removed]
    found = [(part.plate.reveal(), part.sealed) for part in parts[3:]]
    assert found == [(one.plate.reveal(), one.sealed) for one in put]


def test_a_package_may_end_at_any_byte_of_a_chunk():
    private, public = new_image_key()
    for size in range(CHUNK // 4 - 64, CHUNK // 4 - 40):
        parts = list(PackageReader(io.BytesIO(package(public, entries(4, size=size))), VERIFIER).parts(private))
        assert len(parts) == 5


def refused(sent, private, verifier=VERIFIER):
    with pytest.raises(InvalidMessage) as raised:
        list(PackageReader(io.BytesIO(sent), verifier).parts(private))
    return raised.value.code


def test_every_altered_byte_is_found():
    private, public = new_image_key()
    sent = package(public, entries(3, size=20))
    for at in range(len(sent)):
        altered = bytearray(sent)
        altered[at] ^= 1
        assert refused(bytes(altered), private) in {"NOTE_INVALID", "PACKAGE_INVALID", "SEAL_BROKEN"}, at


def test_a_cut_package_is_refused_wherever_it_ends():
    private, public = new_image_key()
    sent = package(public, entries(4_500))
    assert len(sent) > 2 * CHUNK
    opening = len(sent) - 3 * (CHUNK + 16)
    for end in (0, 3, 40, 600, len(sent) - 1, len(sent) - CHUNK, max(opening, 700)):
        assert refused(sent[:end], private) in {"NOTE_INVALID", "PACKAGE_INVALID", "SEAL_BROKEN"}, end
    assert refused(package(public, entries(4_500), end=False), private) == "SEAL_BROKEN"
    assert refused(sent + b"x", private) == "SEAL_BROKEN"


def test_chunks_of_two_packages_do_not_mix():
    private, public = new_image_key()
    one, other = package(public, entries(4_500)), package(public, entries(4_500))
    middle = len(one) - CHUNK
    assert refused(one[:middle] + other[middle:], private) == "SEAL_BROKEN"


def test_only_the_signer_and_the_device_count():
    private, public = new_image_key()
    assert refused(package(public, entries(1), signer=OTHER), private) == "NOTE_INVALID"
    assert refused(package(public, entries(1)), new_image_key()[0]) == "SEAL_BROKEN"
    assert b"8TST000" not in package(public, entries(1))
