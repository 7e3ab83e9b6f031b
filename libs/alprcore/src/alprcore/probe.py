"""Asks this container's own service whether it is ready: the images' health check, without another program in them."""

from __future__ import annotations

import http.client
import ssl
import sys
from collections.abc import Callable, Sequence
from typing import Final

PORT: Final = 8080
"""Every service's port inside its container."""
_PATIENCE_S: Final = 5.0
_HERE: Final = "127.0.0.1"


def ready(port: int, patience_s: float = _PATIENCE_S) -> bool:
    """Ask `/readyz` of a door on this machine, in the clear or, where it speaks TLS, in TLS.

    Its certificate is not looked at: it names the service as others see it, and the loopback address needs no proof.
    """
    for way in (_plain, _tls):
        connection = way(port, patience_s)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (http.client.HTTPException, ConnectionResetError, BrokenPipeError):
            continue  # a door that speaks TLS cuts plain words off
        except OSError:
            return False
        finally:
            connection.close()
    return False


def _plain(port: int, patience_s: float) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(_HERE, port, timeout=patience_s)


def _tls(port: int, patience_s: float) -> http.client.HTTPConnection:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(_HERE, port, timeout=patience_s, context=context)


def main(argv: Sequence[str], ask: Callable[[int], bool] = ready) -> int:
    """Take a port or none; answers 0 for a service that is ready, 1 for any other."""
    return 0 if ask(int(argv[0]) if argv else PORT) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
