"""Signatures and encryption: device keys, person tokens, sealed list entries, sealed images, signed notes.

The only room that imports `cryptography`. Keys are plain bytes outside of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from alprcore.errors import InvalidMessage, Misconfigured
from alprcore.keys import key_text, shown
from alprcore.model import Person, from_us, to_us
from alprcore.seal.packages import PackageSigner as PackageSigner
from alprcore.seal.packages import key_fingerprint as key_fingerprint
from alprcore.seal.packages import verify_package as verify_package
from alprcore.seal.texts import TextsKey as TextsKey
from alprcore.seal.texts import TextsSeal as TextsSeal

PERSON_TOKEN_SECONDS: Final = 5
"""How long a person token lives: a disabled account is out everywhere within this time (design: query door)."""

_CLOCK_AHEAD_SECONDS: Final = 2  # two hosts kept by NTP differ by far less
_PERSON_LISTS: Final = frozenset({"roles", "training", "grants", "authenticated_by", "devices", "powers"})
_TOKEN_LIMIT: Final = 16 * 1024
"""Characters of a person token; ours are about 1,000, and one that names 200 devices stays below 10,000."""
_PERSON_DOMAIN: Final = b"alpr-person-v1\n"
_IMAGE_DOMAIN: Final = b"alpr-image-v1\n"
_ENTRY_DOMAIN: Final = b"alpr-entry-v1\n"
_NAME_DOMAIN: Final = b"alpr-name-v1\n"
_ONCE_DOMAIN: Final = b"alpr-once-v1\n"
_DIGEST_DOMAIN: Final = b"alpr-entry-digest-v1\n"
_DIGEST_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_NOTE_ED25519: Final = b"\x01"  # C2SP signed-note: algorithm byte of Ed25519
_NOTE_COSIGNATURE: Final = b"\x04"  # C2SP tlog-cosignature: algorithm byte of a timestamped Ed25519 signature
_TIME_BYTES: Final = 8
_NOTE_DASH: Final = "\N{EM DASH} "
# X25519, HKDF-SHA256, AES-256-GCM: RFC 9180, base mode, single message
_IMAGE_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_PACKAGE_DOMAIN: Final = b"alpr-package-v1\n"
_LAST_CHUNK: Final = b"\x01"
CHUNK_TAG_BYTES: Final = 16
"""By how much a sealed chunk is longer than what it holds."""


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("not base64") from error


def _write_secret(path: Path, content: str) -> None:
    """Creates a file only its owner can read; an existing one is never overwritten (`FileExistsError`)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(content)


class SigningKey:
    """An Ed25519 private key (RFC 8032)."""

    __slots__ = ("_key",)

    def __init__(self, secret: bytes) -> None:
        """Takes the 32 secret bytes."""
        self._key = Ed25519PrivateKey.from_private_bytes(secret)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read a key (`alprcore.keys`): one line of base64. Raises `Misconfigured` when it is missing or is none."""
        lines = key_text(path).splitlines()
        try:
            return cls(_unbase64(lines[0].strip()))
        except (ValueError, IndexError):
            raise Misconfigured(f"{shown(path)} does not hold a key") from None

    @classmethod
    def generate(cls, path: Path | str) -> Self:
        """Make a key and its file, mode 0600. Raises `FileExistsError`: a key is never overwritten."""
        secret = Ed25519PrivateKey.generate().private_bytes_raw()
        _write_secret(Path(path), base64.b64encode(secret).decode() + "\n")
        return cls(secret)

    @property
    def public(self) -> bytes:
        """The verification key, 32 bytes."""
        return self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    def sign(self, data: bytes) -> bytes:
        """Sign: 64 bytes."""
        return self._key.sign(data)


def verify(public: bytes, signature: bytes, data: bytes) -> bool:
    """Tell whether the holder of `public` signed `data`; a malformed key or signature is simply not a match."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


class ListKeys:
    """The keys that seal the details of list entries (HOT-12): AES-256-GCM, bound to the entry's id.

    Nonces are random, 96 bits: one key stays far below 2**32 seals (NIST SP 800-38D 8.3) with the
    largest lists when it is replaced once a year.
    """

    __slots__ = ("_ciphers", "_digesting", "_naming", "current")

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        """Takes 32-byte keys by id and the id of the one that seals; raises `Misconfigured`."""
        if current not in keys or any(len(key) != _KEY_BYTES for key in keys.values()):
            raise Misconfigured("list keys: every key has 32 bytes and the current one is among them")
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        newest_first = [keys[current], *(key for key_id, key in keys.items() if key_id != current)]
        self._naming = [hmac.digest(key, _NAME_DOMAIN, "sha256") for key in newest_first]
        self._digesting = [hmac.digest(key, _DIGEST_DOMAIN, "sha256") for key in newest_first]
        self.current = current

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read keys (`alprcore.keys`): one `<key id> <base64>` a line, the last one seals. Raises `Misconfigured`."""
        keys: dict[str, bytes] = {}
        current = ""
        for line in key_text(path).splitlines():
            current, _, text = line.partition(" ")
            try:
                keys[current] = _unbase64(text.strip())
            except ValueError:
                raise Misconfigured(f"{shown(path)} does not hold list keys") from None
        return cls(keys, current)

    @classmethod
    def generate(cls, path: Path | str, key_id: str) -> Self:
        """Make a key file with one fresh key, mode 0600. Raises `FileExistsError`."""
        key = os.urandom(_KEY_BYTES)
        _write_secret(Path(path), f"{key_id} {base64.b64encode(key).decode()}\n")
        return cls({key_id: key}, key_id)

    def seal(self, details: bytes, *, entry_id: str) -> tuple[bytes, str]:
        """Seal an entry's details with the current key; answers the sealed bytes and the key's id."""
        nonce = os.urandom(_NONCE_BYTES)
        bound = _ENTRY_DOMAIN + entry_id.encode()
        return nonce + self._ciphers[self.current].encrypt(nonce, details, bound), self.current

    def open(self, sealed: bytes, key_id: str, *, entry_id: str) -> bytes:
        """Open an entry's details. Raises `InvalidMessage` SEAL_BROKEN: other key, other entry or altered."""
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise InvalidMessage("SEAL_BROKEN", "sealed with a key that is not known here")
        try:
            return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _ENTRY_DOMAIN + entry_id.encode())
        except (InvalidTag, ValueError) as error:
            raise InvalidMessage("SEAL_BROKEN", "the seal does not fit entry and key") from error

    def digest(self, details: bytes, *, entry_id: str) -> bytes:
        """Tell an entry's details from others without opening a seal: keyed BLAKE2b (RFC 7693), 16 bytes.

        Bound to the entry and to the current key: equal details of two entries have two digests, and a new key makes
        all of them new. Who has not the key learns nothing, however few contents are likely.
        """
        return _digest(self._digesting[0], details, entry_id)

    def digested(self, known: bytes | None, details: bytes, *, entry_id: str) -> bool:
        """Tell whether `known` is the digest of these details, under the current key or an older one."""
        return known is not None and any(_digest(key, details, entry_id) == known for key in self._digesting)

    def fingerprints(self, name: bytes) -> tuple[bytes, ...]:
        """Name something without telling what it is: HMAC-SHA256 under a key derived from each, the current one first.

        What was remembered before a new key came is found under its older name.
        """
        return tuple(hmac.digest(key, name, "sha256") for key in self._naming)


def _digest(key: bytes, details: bytes, entry_id: str) -> bytes:
    return hashlib.blake2b(entry_id.encode() + details, digest_size=_DIGEST_BYTES, key=key).digest()


def sign_person(key: SigningKey, person: Person, now: datetime) -> str:
    """Make the token by which a console vouches for who is asking, for the doors of the other services."""
    payload = json.dumps({**asdict(person), "issued_us": to_us(now)}, separators=(",", ":"), sort_keys=True).encode()
    signature = key.sign(_PERSON_DOMAIN + payload)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (payload, signature))


def read_person(token: str, public: bytes, now: datetime) -> Person:
    """Tell who is asking. Raises `PermissionError` TOKEN_INVALID, or TOKEN_EXPIRED after 5 s.

    A signed token that lacks a field or holds one of another type is as invalid as a forged one.
    """
    invalid = PermissionError("TOKEN_INVALID")
    if len(token) > _TOKEN_LIMIT:
        raise invalid
    try:
        payload, signature = (_unpadded(part) for part in token.split("."))
    except (ValueError, TypeError) as error:
        raise invalid from error
    if not verify(public, signature, _PERSON_DOMAIN + payload):
        raise invalid
    try:
        fields = json.loads(payload)
        issued = from_us(fields.pop("issued_us"))
        texts = {name: _text(value) for name, value in fields.items() if name not in _PERSON_LISTS}
        lists = {name: _texts(value) for name, value in fields.items() if name in _PERSON_LISTS}
        person = Person(**texts, **lists)  # type: ignore[arg-type]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise invalid from error
    if not -_CLOCK_AHEAD_SECONDS <= (now - issued).total_seconds() <= PERSON_TOKEN_SECONDS:
        raise PermissionError("TOKEN_EXPIRED")
    return person


def _unpadded(part: str) -> bytes:
    """Decode a token's part, which has one way of being written: no padding, no other characters."""
    data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(data).decode().rstrip("=") != part:
        raise ValueError("not the one base64url of these bytes")
    return data


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("a list of texts")
    return tuple(map(_text, value))


class Chunks:
    """Seals or opens a long content in chunks: AES-256-GCM as STREAM (Hoang et al., CRYPTO 2015), one fresh key each.

    A chunk's nonce is its number and whether it is the last: chunks that are left out, moved, repeated or cut off at the
    end do not open. `bound` is what the content belongs to; it must be the same for every chunk.
    """

    __slots__ = ("_bound", "_cipher", "_number")

    def __init__(self, key: bytes, bound: bytes) -> None:
        self._cipher = AESGCM(key)
        self._bound = bound
        self._number = 0

    def seal(self, data: bytes, *, last: bool) -> bytes:
        """Seal the next chunk."""
        return self._cipher.encrypt(self._nonce(last=last), data, self._bound)

    def open(self, sealed: bytes, *, last: bool) -> bytes:
        """Open the next chunk. Raises `InvalidMessage` SEAL_BROKEN: altered, of another content, or cut off."""
        try:
            return self._cipher.decrypt(self._nonce(last=last), sealed, self._bound)
        except (InvalidTag, ValueError) as error:
            raise InvalidMessage("SEAL_BROKEN", "altered, of another package, or cut off") from error

    def _nonce(self, *, last: bool) -> bytes:
        number = self._number
        self._number += 1
        return number.to_bytes(_NONCE_BYTES - 1, "big") + (_LAST_CHUNK if last else b"\x00")


def new_content_key(public: bytes, name: str) -> tuple[bytes, bytes]:
    """Draw the key of one package and seal it to the X25519 key of who may open it (RFC 9180); `name` is bound to it.

    Answers the key and its seal. Raises `ValueError` when `public` is no X25519 key.
    """
    key = os.urandom(_KEY_BYTES)
    recipient = X25519PublicKey.from_public_bytes(public)
    return key, _IMAGE_SUITE.encrypt(key, recipient, info=_PACKAGE_DOMAIN + name.encode())


def open_content_key(private: bytes, sealed: bytes, name: str) -> bytes:
    """Open the key of a package. Raises `InvalidMessage` SEAL_BROKEN: sealed to another key, or for another name."""
    try:
        recipient = X25519PrivateKey.from_private_bytes(private)
        return _IMAGE_SUITE.decrypt(sealed, recipient, info=_PACKAGE_DOMAIN + name.encode())
    except (InvalidTag, ValueError) as error:
        raise InvalidMessage("SEAL_BROKEN", "the package's key is sealed to another device or call") from error


def new_image_key() -> tuple[bytes, bytes]:
    """Make an X25519 key pair, of one agency and due day or of one package: private and public, 32 bytes each."""
    key = X25519PrivateKey.generate()
    return key.private_bytes_raw(), key.public_key().public_bytes_raw()


def seal_image(public: bytes, data: bytes, *, aad: bytes) -> bytes:
    """Encrypt an image to a due day's public key (RFC 9180); only that day's private key opens it.

    `aad` says what the image is (the object key): an image put under another name does not open.
    """
    return _IMAGE_SUITE.encrypt(data, X25519PublicKey.from_public_bytes(public), info=_IMAGE_DOMAIN + aad)


def open_image(private: bytes, sealed: bytes, *, aad: bytes) -> bytes:
    """Decrypt an image. Raises `InvalidMessage` SEAL_BROKEN: other key, other name or altered."""
    try:
        return _IMAGE_SUITE.decrypt(sealed, X25519PrivateKey.from_private_bytes(private), info=_IMAGE_DOMAIN + aad)
    except (InvalidTag, ValueError) as error:
        raise InvalidMessage("SEAL_BROKEN", "the seal does not fit key and name") from error


def seal_once(data: bytes, *, aad: bytes) -> tuple[bytes, bytes]:
    """Encrypt an image under a key of its own: the key, 32 bytes, and what is sealed (AES-256-GCM, RFC 5116).

    The key travels in the one message that names the image and is gone with it; nobody else ever has it. Used for one
    image, so its nonce is zero. `aad` says what the image is, as in `seal_image`.
    """
    key = AESGCM.generate_key(256)
    return key, AESGCM(key).encrypt(bytes(_NONCE_BYTES), data, _ONCE_DOMAIN + aad)


def open_once(key: bytes, sealed: bytes, *, aad: bytes) -> bytes:
    """Decrypt what `seal_once` sealed. Raises `InvalidMessage` SEAL_BROKEN: other key, other name or altered."""
    try:
        return AESGCM(key).decrypt(bytes(_NONCE_BYTES), sealed, _ONCE_DOMAIN + aad)
    except (InvalidTag, ValueError) as error:
        raise InvalidMessage("SEAL_BROKEN", "the seal does not fit key and name") from error


def _note_key_id(name: str, public: bytes, algorithm: bytes = _NOTE_ED25519) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + algorithm + public).digest()[:4]


def note_verifier(name: str, public: bytes, *, cosigner: bool = False) -> str:
    """Write a verification key as text (C2SP signed-note, "vkey"); a cosigner's is told by its algorithm byte."""
    algorithm = _NOTE_COSIGNATURE if cosigner else _NOTE_ED25519
    key = base64.b64encode(algorithm + public).decode()
    return f"{name}+{_note_key_id(name, public, algorithm).hex()}+{key}"


def sign_note(key: SigningKey, name: str, text: str) -> str:
    """Sign a text that ends in a line feed (C2SP signed-note): text, empty line, signature line."""
    if not text.endswith("\n") or not name or any(mark.isspace() or mark == "+" for mark in name):
        raise ValueError("a note ends in a line feed and its signer's name has no space or plus")
    signature = _note_key_id(name, key.public) + key.sign(text.encode())
    return f"{text}\n{_NOTE_DASH}{name} {base64.b64encode(signature).decode()}\n"


def verify_note(note: str, verifier: str) -> str:
    """Give the text of a note that the holder of `verifier` (a vkey) signed; raises `InvalidMessage` NOTE_INVALID.

    Signatures of other keys are passed over, as C2SP signed-note demands.
    """
    text, public, signature = _signature(note, verifier, _NOTE_ED25519)
    if not verify(public, signature, text.encode()):
        raise _unsigned()
    return text


def cosign(key: SigningKey, name: str, text: str, at: datetime) -> str:
    """Sign the text of a checkpoint as a witness who saw the log grow (C2SP tlog-cosignature): one signature line."""
    seconds = int(at.timestamp())
    signed = key.sign(_cosigned(text, seconds))
    line = _note_key_id(name, key.public, _NOTE_COSIGNATURE) + seconds.to_bytes(_TIME_BYTES, "big") + signed
    return f"{_NOTE_DASH}{name} {base64.b64encode(line).decode()}\n"


def read_cosignature(note: str, verifier: str) -> datetime:
    """Tell when the witness with this vkey cosigned a checkpoint; raises `InvalidMessage` NOTE_INVALID."""
    text, public, signature = _signature(note, verifier, _NOTE_COSIGNATURE)
    seconds = int.from_bytes(signature[:_TIME_BYTES], "big")
    if not verify(public, signature[_TIME_BYTES:], _cosigned(text, seconds)):
        raise _unsigned()
    try:
        return from_us(seconds * 1_000_000)
    except (OverflowError, ValueError) as error:
        raise _unsigned() from error


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _unsigned() -> InvalidMessage:
    return InvalidMessage("NOTE_INVALID", "no valid signature of this verifier")


def _signature(note: str, verifier: str, algorithm: bytes) -> tuple[str, bytes, bytes]:
    """Text of a note, the verifier's public key and the signature that claims to be its; raises `InvalidMessage`."""
    text, separator, signatures = note.rpartition("\n\n")
    try:
        name, key_id, encoded = verifier.split("+", 2)
        key = _unbase64(encoded)
        stated = bytes.fromhex(key_id)
    except ValueError as error:
        raise Misconfigured("a note verifier reads name+id+key") from error
    public = key[1:]
    if key[:1] != algorithm or stated != _note_key_id(name, public, algorithm):
        raise Misconfigured("the note verifier's id does not follow from its name and key")
    if not separator or not signatures.endswith("\n"):
        raise _unsigned()
    found: bytes | None = None
    for line in signatures.removesuffix("\n").split("\n"):
        signer, _, blob = line.removeprefix(_NOTE_DASH).partition(" ")
        if not line.startswith(_NOTE_DASH):
            raise _unsigned()
        try:
            signature = _unbase64(blob)
        except ValueError as error:
            raise _unsigned() from error
        if found is None and signer == name and signature[:4] == _note_key_id(name, public, algorithm):
            found = signature[4:]
    if found is None:
        raise _unsigned()
    return text + "\n", public, found
