"""When certificates end: of PEM files and of what a server shows (X.509, RFC 5280)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509


def certificate_ends(content: bytes) -> Sequence[datetime]:
    """Give the end of every certificate in PEM content, or of the one in DER content; UTC.

    Raises `ValueError` when it holds none.
    """
    if b"-----BEGIN" in content:
        return [one.not_valid_after_utc for one in x509.load_pem_x509_certificates(content)]
    return [x509.load_der_x509_certificate(content).not_valid_after_utc]
