"""Erasable texts on their way to the ledger: who writes them seals them to the audit service, which alone opens them.

RFC 9180 (HPKE), base mode: X25519, HKDF-SHA256, AES-256-GCM. Writers hold the public key only, so that nobody reads on
the brokers, or in their backups, which person did what.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from alprcore.errors import InvalidMessage, Misconfigured
from alprcore.keys import key_text, shown

SEALED: Final = "sealed"
"""The one text that stands in place of all others."""
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_DOMAIN: Final = b"alpr-texts-v1\n"


class TextsKey:
    """The private key of the audit service that opens what others tell the ledger of people."""

    __slots__ = ("_key",)

    def __init__(self, secret: bytes) -> None:
        """Takes the 32 secret bytes; raises `ValueError` for others."""
        self._key = X25519PrivateKey.from_private_bytes(secret)

    @classmethod
    def load(cls, reference: Path | str) -> Self:
        """Read a key (`alprcore.keys`): one line of base64. Raises `Misconfigured` when it is missing or is none."""
        try:
            return cls(base64.b64decode(key_text(reference).strip(), validate=True))
        except (binascii.Error, ValueError):
            raise Misconfigured(f"{shown(reference)} does not hold a key") from None

    @classmethod
    def generate(cls, path: Path) -> Self:
        """Make a key and its file, mode 0600. Raises `FileExistsError`: a key is never overwritten."""
        secret = X25519PrivateKey.generate().private_bytes_raw()
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(base64.b64encode(secret).decode() + "\n")
        return cls(secret)

    @property
    def public(self) -> str:
        """What writers are given: base64 of the public key."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def open(self, texts: Mapping[str, str], *, bound: str) -> dict[str, str]:
        """Open texts that were sealed for `bound`; such that stand in the clear are given back as they are.

        Raises `InvalidMessage` SEAL_BROKEN: sealed to another key, for something else, or altered.
        """
        if texts.keys() != {SEALED}:
            return dict(texts)
        try:
            plain = _SUITE.decrypt(base64.b64decode(texts[SEALED]), self._key, info=_DOMAIN + bound.encode())
        except (InvalidTag, ValueError) as error:
            raise InvalidMessage("SEAL_BROKEN", "the seal does not fit key and event") from error
        return {str(name): str(text) for name, text in json.loads(plain).items()}


class TextsSeal:
    """What a writer seals with: the public key of the audit service."""

    __slots__ = ("_key",)

    def __init__(self, public: str) -> None:
        """Takes base64 of the public key; raises `Misconfigured` when it is none."""
        try:
            self._key = X25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
        except (binascii.Error, ValueError) as error:
            raise Misconfigured("the public key for the ledger's texts is none") from error

    def seal(self, texts: Mapping[str, str], *, bound: str) -> dict[str, str]:
        """Put one sealed text in place of all; nothing is sealed where there is nothing, or twice."""
        if not texts or texts.keys() == {SEALED}:
            return dict(texts)
        plain = json.dumps(dict(texts), sort_keys=True).encode()
        sealed = _SUITE.encrypt(plain, self._key, info=_DOMAIN + bound.encode())
        return {SEALED: base64.b64encode(sealed).decode()}
