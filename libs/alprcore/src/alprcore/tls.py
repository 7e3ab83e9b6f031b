"""TLS for both sides of a connection, from files that are read again when they are renewed (SEC-01; NIST SP 800-52r2).

A context looks at its files at every new connection. Certificates are thus replaced while services run: connections
that are open stay, new ones use what is in the files. TLS 1.2 and 1.3 only.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

from alprcore.errors import Misconfigured

logger = logging.getLogger(__name__)

_Stamp = tuple[tuple[int, int, int], ...]
_SERVER: Final = ssl.PROTOCOL_TLS_SERVER
_CLIENT: Final = ssl.PROTOCOL_TLS_CLIENT


class _Renewed(ssl.SSLContext):
    """A context that loads its files again when one of them has changed."""

    _authorities: Path | None
    _chain: tuple[Path, Path | None] | None
    _seen: _Stamp

    def read(self, authorities: Path | None, chain: tuple[Path, Path | None] | None) -> None:
        """Load for the first time. Raises `OSError` (`ssl.SSLError` is one) when a file is missing or is no such thing."""
        self.minimum_version = ssl.TLSVersion.TLSv1_2
        self._authorities, self._chain = authorities, chain
        self._seen = self._stamp()
        self._load(self)

    def _files(self) -> Sequence[Path]:
        return [file for file in (self._authorities, *(self._chain or ())) if file is not None]

    def _stamp(self) -> _Stamp:
        states = [file.stat() for file in self._files()]
        return tuple((state.st_mtime_ns, state.st_size, state.st_ino) for state in states)

    def _load(self, context: ssl.SSLContext) -> None:
        if self._authorities is not None:
            context.load_verify_locations(self._authorities)  # beside the old ones: both count while they are exchanged
        if self._chain is not None:
            context.load_cert_chain(*self._chain)

    def _renew(self) -> None:
        try:
            found = self._stamp()
            if found == self._seen:
                return
            self._load(ssl.SSLContext(self.protocol))  # half-written files must not spoil what works
            self._load(self)
        except OSError as error:
            logger.warning("certificates_not_renewed", extra={"error": type(error).__name__})
            return
        self._seen = found
        logger.info("certificates_renewed", extra={"files": len(found)})

    @override
    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        self._renew()
        return super().wrap_bio(*args, **kwargs)

    @override
    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        self._renew()
        return super().wrap_socket(*args, **kwargs)


def client_context(
    ca_file: Path | None = None, cert_file: Path | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """Make what a client needs: whom it believes (None: the machine's list), and its own certificate for mTLS.

    The server's name is always compared. Raises `Misconfigured` when a file cannot be used.
    """
    context = _Renewed(_CLIENT)
    _read(context, ca_file, None if cert_file is None else (cert_file, key_file))
    if ca_file is None:
        context.load_default_certs()
    return context


def server_context(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    """Make what a server needs: its certificate with the chain, and its key. Raises `Misconfigured`."""
    context = _Renewed(_SERVER)
    _read(context, None, (cert_file, key_file))
    return context


def _read(context: _Renewed, ca_file: Path | None, chain: tuple[Path, Path | None] | None) -> None:
    try:
        context.read(ca_file, chain)
    except OSError as error:
        raise Misconfigured(f"a certificate or key file cannot be used: {type(error).__name__}") from error
