"""`alpr simulate-repository`: a standing repository for tests and demonstrations, in the form that agencies send to.

It takes batches of reads and withdrawals by POST (SHR-10, docs/sharing.md), keeps them in memory and tells by GET what
lies there. What was withdrawn never comes back under the same revision, whatever arrives late.
"""

from __future__ import annotations

import argparse
import hmac
import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from alpr_cli.simulated import JsonDoor, serve
from alprcore.hooks import keys_once, signatures

FORM: Final = "plateline-repository/1"
FRESH: Final = timedelta(minutes=5)
"""A signature older than this is a message that somebody recorded and plays again."""
LARGEST: Final = 4 * 1024 * 1024
_PURGED: Final = 2**31


class Repository:
    """What lies there by owner and read id. The same batch twice changes nothing."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self._secrets = secrets
        self._lock = threading.Lock()
        self._ended: dict[tuple[str, str], int] = {}
        self.reads: dict[tuple[str, str], dict[str, Any]] = {}
        self.withdrawn: list[dict[str, Any]] = []

    def take(self, body: bytes, headers: Mapping[str, str], now: datetime) -> tuple[int, dict[str, Any]]:
        """Take a message and give status and content; 401 without a signature that holds, 422 for another form."""
        if self._secrets and not self._signed(body, headers, now):
            return 401, {"error": "the signature does not hold"}
        try:
            if not keys_once(body):
                raise ValueError("a name stands twice")
            message = json.loads(body)
            owner, kind, name = str(message["owner_agency"]), message["kind"], str(message["batch_id"])
            if message["form"] != FORM or kind not in ("reads", "withdrawals") or headers.get("webhook-id") != name:
                raise ValueError("not of this form")
            items = [(str(item["read_id"]), int(item["revision"]), dict(item)) for item in message["items"]]
        except (ValueError, KeyError, TypeError):
            return 422, {"error": "not a message of this form"}
        with self._lock:
            for read_id, revision, item in items:
                (self._put if kind == "reads" else self._end)((owner, read_id), revision, item)
        return 200, {"batch_id": name, "taken": len(items)}

    def _put(self, key: tuple[str, str], revision: int, item: dict[str, Any]) -> None:
        there = self.reads.get(key)
        if revision > self._ended.get(key, -1) and (there is None or revision >= there["revision"]):
            self.reads[key] = item

    def _end(self, key: tuple[str, str], revision: int, item: dict[str, Any]) -> None:
        until = _PURGED if item.get("reason") == "purged" else revision
        self._ended[key] = max(self._ended.get(key, -1), until)
        there = self.reads.get(key)
        if there is not None and there["revision"] <= self._ended[key]:
            del self.reads[key]
        self.withdrawn.append(item)

    def _signed(self, body: bytes, headers: Mapping[str, str], now: datetime) -> bool:
        name, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not sent.isdigit() or len(sent) > 12 or abs(now - datetime.fromtimestamp(int(sent), UTC)) > FRESH:
            return False
        shown = headers.get("webhook-signature", "").split()
        right = signatures(self._secrets, name, int(sent), body).split()
        return any(hmac.compare_digest(one, other) for one in shown for other in right)


def server(port: int, repository: Repository) -> ThreadingHTTPServer:
    """Make the repository's server on a loopback port; 0: any free one. POST /batches takes, GET /reads tells."""

    class Handler(JsonDoor):
        def do_POST(self) -> None:  # noqa: N802 - http.server names it
            length = self.length(LARGEST)
            if self.path != "/batches" or length is None:
                self.answer(404, {})
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.answer(*repository.take(self.rfile.read(length), headers, datetime.now(UTC)))

        def do_GET(self) -> None:  # noqa: N802 - http.server names it
            found = {"reads": list(repository.reads.values()), "withdrawn": repository.withdrawn}
            self.answer(200 if self.path == "/reads" else 404, found if self.path == "/reads" else {})

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr simulate-repository`."""
    parser.add_argument("--port", type=int, default=0, help="port on this machine; 0: any free one, printed")
    parser.add_argument("--secret-file", type=Path, help="secrets (whsec_…) that batches must be signed with")


def run(arguments: argparse.Namespace) -> int:
    """Take batches until interrupted."""
    secrets = tuple(arguments.secret_file.read_text("ascii").split()) if arguments.secret_file else ()
    return serve(server(arguments.port, Repository(secrets)), "simulated repository, POST /batches, GET /reads")
