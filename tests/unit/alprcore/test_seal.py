"""Keys and seals: published vectors, and that nothing opens under another name, key or time."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from alprcore import seal
from alprcore.errors import InvalidMessage, Misconfigured
from alprcore.model import Person

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PERSON = Person("p-1", "jdoe", "Jane Doe", "Springfield Police", "demo", ("dispatcher",), "s-1", "127.0.0.1")

# C2SP signed-note, the specification's own example
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


def test_published_signed_note_verifies():
    assert seal.verify_note(NOTE, VKEY) == "This is an example message.\n"


def test_altered_note_is_refused():
    with pytest.raises(InvalidMessage, match="NOTE_INVALID"):
        seal.verify_note(NOTE.replace("example message", "example massage"), VKEY)
    with pytest.raises(InvalidMessage):
        seal.verify_note(NOTE.rstrip("\n"), VKEY)


def test_own_note_round_trip_beside_other_signatures(tmp_path):
    key, other = seal.SigningKey.generate(tmp_path / "a"), seal.SigningKey.generate(tmp_path / "b")
    text = "log.example/1\n42\nAAAA\n"
    note = seal.sign_note(key, "log.example/1", text)
    line = seal.sign_note(other, "witness.example", text).rsplit("\n\n", 1)[1]
    assert seal.verify_note(note + line, seal.note_verifier("log.example/1", key.public)) == text
    assert seal.verify_note(note + line, seal.note_verifier("witness.example", other.public)) == text
    with pytest.raises(InvalidMessage):
        seal.verify_note(note, seal.note_verifier("log.example/1", other.public))


def test_ed25519_vector_of_rfc_8032():
    key = seal.SigningKey(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert key.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a")
    assert seal.verify(key.public, key.sign(b"x"), b"x")
    assert not seal.verify(key.public, key.sign(b"x"), b"y")
    assert not seal.verify(b"short", b"", b"x")


def test_key_files_are_private_and_never_overwritten(tmp_path):
    path = tmp_path / "deep" / "device.key"
    key = seal.SigningKey.generate(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert seal.SigningKey.load(path).public == key.public
    with pytest.raises(FileExistsError):
        seal.SigningKey.generate(path)
    with pytest.raises(Misconfigured):
        seal.SigningKey.load(tmp_path / "missing")
    (tmp_path / "odd").write_text("no key")
    with pytest.raises(Misconfigured):
        seal.SigningKey.load(tmp_path / "odd")


def test_entry_details_open_only_for_their_entry(tmp_path):
    keys = seal.ListKeys.generate(tmp_path / "list.key", "k1")
    sealed, key_id = keys.seal(b"details", entry_id="e1")
    again = seal.ListKeys.load(tmp_path / "list.key")
    assert (again.current, key_id) == ("k1", "k1")
    assert again.open(sealed, key_id, entry_id="e1") == b"details"
    for broken, name, entry in (
        (sealed, "k1", "e2"),
        (sealed[:-1], "k1", "e1"),
        (b"", "k1", "e1"),
        (sealed, "k2", "e1"),
    ):
        with pytest.raises(InvalidMessage, match="SEAL_BROKEN"):
            again.open(broken, name, entry_id=entry)
    with pytest.raises(Misconfigured):
        seal.ListKeys({"k1": b"short"}, "k1")


def test_person_token_lives_five_seconds(tmp_path):
    key = seal.SigningKey.generate(tmp_path / "console.key")
    token = seal.sign_person(key, PERSON, NOW)
    assert seal.read_person(token, key.public, NOW + timedelta(seconds=5)) == PERSON
    with pytest.raises(PermissionError, match="TOKEN_EXPIRED"):
        seal.read_person(token, key.public, NOW + timedelta(seconds=5.1))
    with pytest.raises(PermissionError, match="TOKEN_EXPIRED"):
        seal.read_person(token, key.public, NOW - timedelta(seconds=10))
    other = seal.SigningKey.generate(tmp_path / "other.key")
    for bad in ("", "a.b.c", "....", "é.é", token[:-4] + "AAAA", seal.sign_person(other, PERSON, NOW)):
        with pytest.raises(PermissionError, match="TOKEN_INVALID"):
            seal.read_person(bad, key.public, NOW)


def test_images_open_only_with_their_day_and_name():
    private, public = seal.new_image_key()
    sealed = seal.seal_image(public, b"jpeg", aad=b"closeup/demo/1")
    assert b"jpeg" not in sealed
    assert seal.open_image(private, sealed, aad=b"closeup/demo/1") == b"jpeg"
    for key, data, name in (
        (private, sealed, b"closeup/demo/2"),
        (seal.new_image_key()[0], sealed, b"closeup/demo/1"),
        (private, sealed[:-1], b"closeup/demo/1"),
        (private, b"", b"closeup/demo/1"),
    ):
        with pytest.raises(InvalidMessage, match="SEAL_BROKEN"):
            seal.open_image(key, data, aad=name)


def test_a_digest_tells_details_apart_and_nothing_to_who_has_not_the_key():
    keys, other = seal.ListKeys({"k1": bytes(32)}, "k1"), seal.ListKeys({"k1": bytes(32), "k2": b"k" * 32}, "k2")
    found = keys.digest(b"details", entry_id="e1")
    assert len(found) == 16
    assert found == keys.digest(b"details", entry_id="e1")
    assert found == seal.ListKeys({"k1": bytes(32), "k2": b"k" * 32}, "k1").digest(b"details", entry_id="e1")
    assert found != keys.digest(b"details", entry_id="e2")
    assert found != keys.digest(b"detailt", entry_id="e1")
    assert found != other.digest(b"details", entry_id="e1")
    assert found != hashlib.blake2b(b"e1details", digest_size=16).digest()


def test_a_new_key_knows_what_the_older_one_named_and_digested():
    old, both = seal.ListKeys({"k1": bytes(32)}, "k1"), seal.ListKeys({"k1": bytes(32), "k2": b"k" * 32}, "k2")
    known = old.digest(b"details", entry_id="e1")
    assert both.digested(known, b"details", entry_id="e1")
    assert both.digested(both.digest(b"details", entry_id="e1"), b"details", entry_id="e1")
    assert not both.digested(known, b"details", entry_id="e2")
    assert not both.digested(known, b"detailt", entry_id="e1")
    assert not both.digested(None, b"details", entry_id="e1")
    assert not seal.ListKeys({"k2": b"k" * 32}, "k2").digested(known, b"details", entry_id="e1")
    current, *older = both.fingerprints(b"name")
    assert (old.fingerprints(b"name"), current) == (
        (older[0],),
        seal.ListKeys({"k2": b"k" * 32}, "k2").fingerprints(b"name")[0],
    )
    assert len({current, *older}) == 2
