"""The signature of evidence packages: ECDSA P-256 with SHA-256, which every OpenSSL and LibreSSL verifies."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from alprcore.errors import Misconfigured


class PackageSigner:
    """The private key of an agency's packages (FIPS 186-5, curve P-256)."""

    __slots__ = ("_key",)

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    @classmethod
    def at(cls, path: Path) -> Self:
        """Read the key file (PKCS #8, PEM), made with mode 0600 when there is none; two processes agree on one key.

        Raises `Misconfigured` when the file does not hold such a key.
        """
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # another one was first, and its key counts
                os.link(fresh, path)
            fresh.unlink()
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise Misconfigured(f"key file {path} does not hold a signing key") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise Misconfigured(f"key file {path} does not hold a P-256 key")
        return cls(key)

    @property
    def public(self) -> bytes:
        """The verification key as PEM (SubjectPublicKeyInfo, RFC 7468)."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(serialization.Encoding.PEM, form)

    def sign(self, data: bytes) -> bytes:
        """Sign: an ECDSA-Sig-Value in DER (RFC 3279)."""
        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))


def _package_key(public: bytes) -> ec.EllipticCurvePublicKey:
    key = serialization.load_pem_public_key(public)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("not a key of packages")  # noqa: TRY004 - a malformed input, not a programmer's mistake
    return key


def verify_package(public: bytes, signature: bytes, data: bytes) -> bool:
    """Tell whether the holder of the PEM key signed `data`; a malformed key or signature is simply not a match."""
    try:
        _package_key(public).verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def key_fingerprint(public: bytes) -> str:
    """Name a PEM key: SHA-256 of its DER form in hex. Raises `ValueError` when it is no key of packages."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(_package_key(public).public_bytes(serialization.Encoding.DER, form)).hexdigest()
