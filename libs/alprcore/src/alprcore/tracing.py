"""Traces across HTTP and Kafka: every hop tells a collector when it had a message in hand, over OTLP/HTTP in JSON.

Off unless `traces_url` is set; then a `traceparent` is handed on as it came. A hop's span id follows from the message's
place, so a message that is repeated repeats its span and adds none. A span names topic, partition, offset, route and
reason code; never a message's key, for most keys are plates, and never a path, for some name a record.

Sources: W3C Trace Context; OpenTelemetry Protocol 1.x, JSON encoding; semantic conventions for messaging and HTTP.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import queue
import re
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from prometheus_client import Counter

logger = logging.getLogger(__name__)

SPANS: Final = Counter("alpr_traces_spans_total", "Spans by what became of them", ["outcome"])
"""sent, lost. Spans are lost while the collector is away or too slow; nothing else waits for it."""

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_SERVER, _CONSUMER, _ERROR = 2, 5, 2
_WAITING: Final = 4096  # spans; about 2 MB when the collector is away
_AT_ONCE: Final = 512
_EVERY_S: Final = 1.0
_PATIENCE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Step:
    """One hop's place in a trace: hexadecimal ids, `parent` empty at the beginning of a trace."""

    trace: str
    parent: str
    span: str
    sampled: bool

    @property
    def traceparent(self) -> str:
        """What is handed on to the next hop."""
        return f"00-{self.trace}-{self.span}-{'01' if self.sampled else '00'}"


def step_of(service: str, traceparent: str, place: str, share: float) -> Step:
    """Find a hop's place in the trace that a message or request came with; without one, a trace begins here.

    `share` of the traces that begin here are sampled, chosen by their id; whoever begins a trace decides for all hops.
    """
    given = _TRACEPARENT.fullmatch(traceparent)
    if given is not None:
        trace, parent, flags = given.groups()
        sampled = bool(int(flags, 16) & 1)
    else:
        trace, parent = hashlib.sha256(place.encode()).hexdigest()[:32], ""
        sampled = int(trace[16:], 16) < share * 2**64
    own = hashlib.sha256(f"{service} {trace} {parent} {place}".encode()).hexdigest()[:16]
    return Step(trace, parent, own, sampled)


class Exporter:
    """Hands spans to a collector from a thread of its own; what it cannot hand over is counted and let go."""

    def __init__(self, service: str, url: str, share: float) -> None:
        self.service = service
        self.share = share
        self._url = url.rstrip("/") + "/v1/traces"
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(_WAITING)
        self._away = False
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def put(self, step: Step, name: str, kind: int, seconds: float, facts: Mapping[str, str | int], code: str) -> None:
        """Take a span that ends now."""
        ended = time.time_ns()
        span = {
            "traceId": step.trace,
            "spanId": step.span,
            **({"parentSpanId": step.parent} if step.parent else {}),
            "name": name,
            "kind": kind,
            "startTimeUnixNano": str(ended - int(seconds * 1e9)),
            "endTimeUnixNano": str(ended),
            "attributes": _attributes({**facts, **({"error.type": code} if code else {})}),
            "status": {"code": _ERROR} if code else {},
        }
        try:
            self._waiting.put_nowait(span)
        except queue.Full:
            SPANS.labels("lost").inc()

    def close(self) -> None:
        """Hand over what waits, for as long as one attempt takes."""
        with suppress(queue.Full):  # the collector is away: the thread is a daemon and goes with the process
            self._waiting.put(None, timeout=_PATIENCE_S)
        self._thread.join(2 * _PATIENCE_S)

    def _run(self) -> None:
        going_on = True
        while going_on:
            spans, going_on = self._gather()
            if spans:
                self._send(spans)

    def _gather(self) -> tuple[list[dict[str, Any]], bool]:
        spans: list[dict[str, Any]] = []
        until = time.monotonic() + _EVERY_S
        while len(spans) < _AT_ONCE and (left := until - time.monotonic()) > 0:
            try:
                span = self._waiting.get(timeout=left)
            except queue.Empty:
                break
            if span is None:
                return spans, False
            spans.append(span)
        return spans, True

    def _send(self, spans: Sequence[dict[str, Any]]) -> None:
        resource = {"service.namespace": "plateline", "service.name": self.service, "service.version": _version()}
        scope = {"scope": {"name": "alprcore.tracing", "version": _version()}, "spans": list(spans)}
        body = {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scope]}]}
        request = urllib.request.Request(
            self._url, json.dumps(body).encode(), {"content-type": "application/json"}, method="POST"
        )
        try:
            with _DIRECT.open(request, timeout=_PATIENCE_S) as answer:
                answer.read()
        except (OSError, ValueError, http.client.HTTPException) as error:  # an answer cut short is no OSError
            SPANS.labels("lost").inc(len(spans))
            if not self._away:
                logger.warning("traces_not_taken", extra={"error": type(error).__name__})
            self._away = True
        else:
            SPANS.labels("sent").inc(len(spans))
            self._away = False


_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The collector is inside: a proxy of the environment must not be asked."""
_exporter: Exporter | None = None


def configure(service: str, url: str, share: float) -> None:
    """Begin to tell a collector; with an empty `url` nothing is told."""
    global _exporter  # noqa: PLW0603 - like the registry of metrics, one for the process
    close()
    _exporter = Exporter(service, url, share) if url else None


def close() -> None:
    """Hand over what waits and tell nothing more."""
    global _exporter
    exporter, _exporter = _exporter, None
    if exporter is not None:
        exporter.close()


def onward(traceparent: str, place: str) -> str:
    """Say what the messages that follow from one carry: this hop's `traceparent`, or the given one when nothing is told."""
    if _exporter is None:
        return traceparent
    return step_of(_exporter.service, traceparent, place, _exporter.share).traceparent


def consumed(
    traceparent: str, where: tuple[str, int, int], topic: str, group: str, seconds: float, code: str = ""
) -> None:
    """Tell that a message was handled: `where` it lay (topic on the broker, partition, offset), and for how long.

    `code` is the reason why it was put aside.
    """
    if _exporter is None:
        return
    step = step_of(_exporter.service, traceparent, place_of(*where), _exporter.share)
    if not step.sampled:
        return
    facts: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": where[0],
        "messaging.destination.partition.id": str(where[1]),
        "messaging.kafka.offset": where[2],
        "messaging.consumer.group.name": group,
    }
    _exporter.put(step, f"process {topic}", _CONSUMER, seconds, facts, code)


def place_of(topic: str, partition: int, offset: int) -> str:
    """Name where a message lies."""
    return f"{topic}/{partition}/{offset}"


def asked(traceparent: str, place: str) -> Step | None:
    """Find a request's place in its trace; None when nothing is told."""
    if _exporter is None:
        return None
    return step_of(_exporter.service, traceparent, place, _exporter.share)


def answered(step: Step, method: str, route: str, status: int, seconds: float) -> None:
    """Tell that a request was answered; `route` is the template, which names no record."""
    if _exporter is None or not step.sampled:
        return
    facts: dict[str, str | int] = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
    }
    _exporter.put(step, f"{method} {route}", _SERVER, seconds, facts, str(status) if status >= 500 else "")


def _attributes(facts: Mapping[str, str | int]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in facts.items()
    ]


def _version() -> str:
    return version("alprcore")
