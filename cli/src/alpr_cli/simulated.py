"""What the simulated sources of other organizations share: one JSON question by POST on this machine, one JSON answer."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from typing_extensions import override

_BODY_LIMIT: Final = 64 * 1024
Answer = Callable[[Mapping[str, Any], str], tuple[int, Mapping[str, Any]]]
"""Takes the question and the header `authorization`, gives status and content."""


class JsonDoor(BaseHTTPRequestHandler):
    """What every simulated system does: a body of a stated length, an answer in JSON, and no word of either in a log."""

    def length(self, largest: int) -> int | None:
        """Give the length of the request's body; None for one that is not stated or too large."""
        stated = self.headers.get("content-length") or ""
        return int(stated) if stated.isdigit() and int(stated) <= largest else None

    def answer(self, status: int, content: Mapping[str, Any]) -> None:
        """Answer in JSON."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *_arguments: Any) -> None:
        """Say nothing: questions hold plates and case numbers, and stand in the records of who asked."""


def simulator(port: int, path: str, answer: Answer) -> ThreadingHTTPServer:
    """Make a source that answers POST `path` on a loopback port (0: any free one), and 404 to everything else."""

    class Source(JsonDoor):
        def do_POST(self) -> None:
            length = self.length(_BODY_LIMIT)
            if self.path != path or length is None:
                self.answer(404, {})
                return
            asked = json.loads(self.rfile.read(length))
            self.answer(*answer(asked, self.headers.get("authorization") or ""))

    return ThreadingHTTPServer(("127.0.0.1", port), Source)


def serve(server: ThreadingHTTPServer, words: str) -> int:
    """Say where the source listens, and answer until interrupted."""
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stdout.write(f"{words}: http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        server.server_close()
    return 0
