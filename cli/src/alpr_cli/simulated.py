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


def simulator(port: int, path: str, answer: Answer) -> ThreadingHTTPServer:
    """Make a source that answers POST `path` on a loopback port (0: any free one), and 404 to everything else."""

    class Source(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = self.headers.get("content-length") or ""
            status: int = 404
            content: Mapping[str, Any] = {}
            if self.path == path and length.isdigit() and int(length) <= _BODY_LIMIT:
                asked = json.loads(self.rfile.read(int(length)))
                status, content = answer(asked, self.headers.get("authorization") or "")
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, *_arguments: Any) -> None:
            """Say nothing: what is asked stands in the ledger of who asked."""

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
