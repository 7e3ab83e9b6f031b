"""What an operator sees of a running service: /livez, /readyz, /metrics and JSON log lines.

Contents never get here: log lines carry an event name, ids and error classes; labels come from closed sets.
"""

from __future__ import annotations

import functools
import json
import logging
import secrets
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
    disable_created_metrics,
    generate_latest,
)
from typing_extensions import override

from alprcore import tracing

# one more series for each counter, which nothing reads: restarts are seen without
disable_created_metrics()  # type: ignore[no-untyped-call]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH_OK: Final = Gauge("alpr_health_ok", "1 while this check of the service holds", ["check"])
"""The checks of /readyz, and `loops` for /livez. 0 for minutes: /readyz says in words what is missing."""
HTTP_REQUESTS: Final = Counter(
    "alpr_http_requests_total", "Requests by method, route and class of the answer", ["method", "route", "status"]
)
"""5xx is ours. `none`: whoever asked went away before the answer."""
HTTP_SECONDS: Final = Histogram(
    "alpr_http_request_seconds",
    "Time to the end of the answer, event streams left out",
    ["method", "route"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
"""The route that grew says which door is slow; its service's other figures say why."""

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

    def show(self) -> None:
        """Bring the gauge of the checks up to date."""
        unready = self.unready()
        HEALTH_OK.clear()
        for name in self._checks:
            HEALTH_OK.labels(name).set(name not in unready)
        HEALTH_OK.labels("loops").set(not self.hanging())

    def report(self) -> dict[str, Any]:
        """Put together what /readyz shows."""
        unready = self.unready()
        checks = {name: unready.get(name, "ok") for name in self._checks}
        return {"service": self.service, "ready": not unready, "checks": checks, "details": dict(self._details)}


def ops_routes(
    health: Health, inner: AsgiApp | None = None, registry: CollectorRegistry = REGISTRY, *, public: bool = False
) -> AsgiApp:
    """Serve /livez, /readyz and /metrics; any other path goes to `inner`, or is not found.

    `public`: people's browsers reach this port; figures are served on another one (`ops_port`). What `inner` answers is
    counted by route, and told to the collector of traces if there is one.
    """
    inner = None if inner is None else _counted(inner)

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
                health.show()
                await _answer(send, 200, generate_latest(registry), CONTENT_TYPE_LATEST)
            case _ if inner is not None:
                await inner(scope, receive, send)
            case None:
                raise RuntimeError(f"{scope['type']} is not served here")
            case _:
                await _answer(send, 404, {"reason_code": "NOT_FOUND"})

    return app


def _counted(inner: AsgiApp) -> AsgiApp:
    """Count and time what a service answers, by the route's template: a path may name a record."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await inner(scope, receive, send)
            return
        begun, status, endless = time.monotonic(), 0, False
        step = _traced(scope)

        async def told(message: MutableMapping[str, Any]) -> None:
            nonlocal status, endless
            if message["type"] == "http.response.start":
                status = int(message["status"])
                endless = any(
                    n == b"content-type" and v.startswith(b"text/event-stream") for n, v in message["headers"]
                )
            await send(message)

        try:
            await inner(scope, receive, told)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", "other")
            seconds = time.monotonic() - begun
            HTTP_REQUESTS.labels(method, route, f"{status // 100}xx" if status else "none").inc()
            if not endless:
                HTTP_SECONDS.labels(method, route).observe(seconds)
            if step is not None:
                tracing.answered(step, method, route, status, seconds)

    return app


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _traced(scope: Scope) -> tracing.Step | None:
    """Put this request's own place in its trace before `inner`, which hands it on to what follows."""
    given = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
    step = tracing.asked(given.decode("ascii", "replace"), secrets.token_hex(16))
    if step is not None:
        others = [(name, value) for name, value in scope["headers"] if name != b"traceparent"]
        scope["headers"] = [*others, (b"traceparent", step.traceparent.encode())]
    return step


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


def known(metric: Counter, *labels: str | tuple[str, ...]) -> None:
    """Begin these series at 0: the first count of a series that was not there before is no increase to Prometheus."""
    for one in labels:
        metric.labels(*((one,) if isinstance(one, str) else one))


_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class ConsumerMetrics:
    """The five metrics that every consuming service has.

    `messages`: what became of each message; no growth while lag grows means a stuck consumer.
    `handle`: seconds from taking a message to its effect; a rise comes before lag.
    `lag`: messages waiting on the assigned partitions; add workers or look for a stuck handler.
    `dead_letters`: messages put aside by code; look with `alpr dlq list`.
    `newest`: when the newest message that was handled was published; while messages wait, its age is how far back the
    service is.
    """

    def __init__(self, service: str, registry: CollectorRegistry = REGISTRY) -> None:
        self.messages, self.handle, self.lag, self.dead_letters, self.newest = _families(service, registry)

    def handled(self, topic: str, timestamp_ms: int) -> None:
        """Note how new the newest handled message of a topic is."""
        self.newest.labels(topic).set(timestamp_ms / 1000)


@functools.cache  # a metric may be registered once; a test makes several consumers of one service
def _families(service: str, registry: CollectorRegistry) -> tuple[Counter, Histogram, Gauge, Counter, Gauge]:
    name = f"alpr_{service}_"
    return (
        Counter(f"{name}messages_total", "Messages by topic and outcome", ["topic", "outcome"], registry=registry),
        Histogram(f"{name}handle_seconds", "Time to handle a message", ["topic"], buckets=_BUCKETS, registry=registry),
        Gauge(f"{name}lag_messages", "Messages waiting on assigned partitions", ["topic"], registry=registry),
        Counter(f"{name}dead_letters_total", "Messages put aside, by code", ["topic", "code"], registry=registry),
        Gauge(
            f"{name}newest_timestamp_seconds", "Publication of the newest handled message", ["topic"], registry=registry
        ),
    )
