"""What an operator sees of a running service: /livez, /readyz, /metrics and JSON log lines.

Contents never get here: log lines carry an event name, ids and error classes; labels come from closed sets.
"""

from __future__ import annotations

import functools
import json
import logging
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from typing_extensions import override

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

Check = Callable[[], str]
"""Answers the empty string when all is well, else what is not."""


class Health:
    """Whether a service is ready for work and whether it still gets on with it."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._checks: dict[str, Check] = {}
        self._details: dict[str, str] = {}
        self._beats: dict[str, tuple[float, float]] = {}

    def check(self, name: str, check: Check) -> None:
        """Demand this for readiness."""
        self._checks[name] = check

    def say(self, name: str, text: str) -> None:
        """Show a fact beside the checks, e.g. which backend the models run on."""
        self._details[name] = text

    def progress(self, name: str, limit_s: float = 60.0) -> Callable[[], None]:
        """Watch a loop: the answer is to be called at every turn, and `limit_s` without a call means it hangs."""

        def beat() -> None:
            self._beats[name] = (time.monotonic(), limit_s)

        beat()
        return beat

    def hanging(self) -> list[str]:
        """Name the loops that have not turned within their limit."""
        now = time.monotonic()
        return [name for name, (last, limit) in self._beats.items() if now - last > limit]

    def unready(self) -> dict[str, str]:
        """Say what keeps the service from being ready: check by check."""
        return {name: reason for name, check in self._checks.items() if (reason := check())}

    def report(self) -> dict[str, Any]:
        """Put together what /readyz shows."""
        unready = self.unready()
        checks = {name: unready.get(name, "ok") for name in self._checks}
        return {"service": self.service, "ready": not unready, "checks": checks, "details": dict(self._details)}


def ops_routes(
    health: Health, inner: AsgiApp | None = None, registry: CollectorRegistry = REGISTRY, *, public: bool = False
) -> AsgiApp:
    """Serve /livez, /readyz and /metrics; any other path goes to `inner`, or is not found.

    `public`: people's browsers reach this port; figures are served on another one (`ops_port`).
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path") if scope["type"] == "http" else None
        match path:
            case "/livez":
                hanging = health.hanging()
                await _answer(send, 503 if hanging else 200, {"live": not hanging, "hanging": hanging})
            case "/readyz":
                report = health.report()
                await _answer(send, 200 if report["ready"] else 503, report)
            case "/metrics" if not public:
                await _answer(send, 200, generate_latest(registry), CONTENT_TYPE_LATEST)
            case _ if inner is not None:
                await inner(scope, receive, send)
            case None:
                raise RuntimeError(f"{scope['type']} is not served here")
            case _:
                await _answer(send, 404, {"reason_code": "NOT_FOUND"})

    return app


async def _answer(send: Send, status: int, body: object, content_type: str = "application/json") -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(data)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class _JsonLines(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info and record.exc_info[0] is not None:
            # class and places only: the text of an exception may quote the row or message it failed on
            line["error"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])[-8:]
            line["stack"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line, default=str)


def configure_logging(service: str, level: str = "info") -> None:
    """Log JSON lines on standard error: the event's name is the message, ids are `extra` fields."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("aiokafka", "faust", "mode", "uvicorn", "httpx", "asyncio", "asyncssh"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class ConsumerMetrics:
    """The four metrics that every consuming service has.

    `messages`: what became of each message; no growth while lag grows means a stuck consumer.
    `handle`: seconds from taking a message to its effect; a rise comes before lag.
    `lag`: messages waiting on the assigned partitions; add workers or look for a stuck handler.
    `dead_letters`: messages put aside by code; look with `alpr dlq list`.
    """

    def __init__(self, service: str, registry: CollectorRegistry = REGISTRY) -> None:
        self.messages, self.handle, self.lag, self.dead_letters = _families(service, registry)


@functools.cache  # a metric may be registered once; a test makes several consumers of one service
def _families(service: str, registry: CollectorRegistry) -> tuple[Counter, Histogram, Gauge, Counter]:
    name = f"alpr_{service}_"
    return (
        Counter(f"{name}messages_total", "Messages by topic and outcome", ["topic", "outcome"], registry=registry),
        Histogram(f"{name}handle_seconds", "Time to handle a message", ["topic"], buckets=_BUCKETS, registry=registry),
        Gauge(f"{name}lag_messages", "Messages waiting on assigned partitions", ["topic"], registry=registry),
        Counter(f"{name}dead_letters_total", "Messages put aside, by code", ["topic", "code"], registry=registry),
    )
