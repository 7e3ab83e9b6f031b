"""`alpr registration`: a simulated vehicle registration source, for tests and demonstrations. Every answer says so.

It speaks the form in which the console asks (SEC-05): `POST /registrations` with plate, state and the permissible use
under 18 USC 2721. No registry is behind it and no owner it names exists.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from typing_extensions import override

_BODY_LIMIT: Final = 16 * 1024
PATH: Final = "/registrations"
OWNER: Final = {
    "answered_by": "registration simulator",
    "simulated": True,
    "owner_name": "SIMULATED OWNER",
    "owner_address": "1 Nowhere Street, Nowhere",
    "vehicle": "made-up vehicle",
    "valid_to": "2027-12-31",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr registration`."""
    parser.add_argument("--port", type=int, default=0, help="port on this machine; 0: any free one, printed")


def run(arguments: argparse.Namespace) -> int:
    """Answer until interrupted."""
    server = simulator(arguments.port)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stdout.write(f"simulated registration source, made-up owners only: http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        server.server_close()
    return 0


def simulator(port: int) -> ThreadingHTTPServer:
    """Make the source; a question without a permissible use is answered with 422, as a registry would."""

    class Registry(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = self.headers.get("content-length") or ""
            if self.path != PATH or not length.isdigit() or int(length) > _BODY_LIMIT:
                self._answer(404, {})
                return
            asked = json.loads(self.rfile.read(int(length)))
            if asked.get("permissible_use"):
                self._answer(200, OWNER)
            else:
                self._answer(422, {})

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, *_arguments: Any) -> None:
            return  # a request line never holds a plate, but neither is it needed

    return ThreadingHTTPServer(("127.0.0.1", port), Registry)
