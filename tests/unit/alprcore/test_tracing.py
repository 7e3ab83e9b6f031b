"""Every hop finds the same place in a trace again, tells it to a collector, and tells no contents."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from alprcore import tracing
from alprcore.kafka import Message
from tests.fixtures.collector import spans_at

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{PARENT}-01"


def message(traceparent=GIVEN, offset=7, key=b"8ABC123"):
    headers = {"traceparent": traceparent.encode()} if traceparent else {}
    return Message("reads", 2, offset, key, b"a read of 8ABC123", headers, 1_700_000_000_000)


@pytest.fixture(autouse=True)
def told_nothing_more():
    yield
    tracing.close()


def test_a_hop_goes_on_with_the_trace_it_was_given():
    step = tracing.step_of("matcher", GIVEN, "reads/2/7", 0.0)
    assert (step.trace, step.parent, step.sampled) == (TRACE, PARENT, True)
    assert step.span not in {PARENT, "0" * 16}
    assert step.traceparent == f"00-{TRACE}-{step.span}-01"


def test_a_message_that_comes_again_has_the_same_span():
    assert tracing.step_of("matcher", GIVEN, "reads/2/7", 0.0) == tracing.step_of("matcher", GIVEN, "reads/2/7", 1.0)
    others = {
        tracing.step_of(service, GIVEN, place, 0.0).span
        for service in ("matcher", "retention")
        for place in ("reads/2/7", "reads/2/8")
    }
    assert len(others) == 4


def test_whoever_begins_a_trace_decides_for_all():
    unsampled = tracing.step_of("matcher", f"00-{TRACE}-{PARENT}-00", "reads/2/7", 1.0)
    assert not unsampled.sampled
    assert unsampled.traceparent.endswith("-00")
    assert tracing.step_of("matcher", GIVEN, "reads/2/7", 0.0).sampled


@pytest.mark.parametrize(
    "odd", ["", "00-1-2-01", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"01-{TRACE}-{PARENT}-01",
            GIVEN.upper(), f"{GIVEN}-more"],
)  # fmt: skip
def test_without_a_trace_one_begins_here(odd):
    step = tracing.step_of("recognizer", odd, "frames/0/1", 1.0)
    assert step.trace != TRACE
    assert step.parent == ""
    assert step.sampled
    assert tracing.step_of("matcher", step.traceparent, "reads/0/9", 0.0).trace == step.trace


def test_the_share_of_traces_that_begin_here_is_kept():
    told = sum(tracing.step_of("recognizer", "", f"frames/0/{number}", 0.1).sampled for number in range(5000))
    assert 400 < told < 600


def test_nothing_is_told_without_a_collector():
    tracing.configure("matcher", "", 1.0)
    assert message().trace == GIVEN
    assert message("").trace == ""
    message().consumed("reads", "alpr-matcher", 0.1)
    assert tracing.asked(GIVEN, "anything") is None


def test_a_collector_is_told_every_hop_and_no_contents():
    with spans_at() as (url, spans):
        tracing.configure("matcher", url, 0.0)
        onward = message().trace
        message().consumed("reads", "alpr-matcher", 0.25)
        message(onward, offset=9).consumed("hits", "alpr-matcher", 0.1, "MALFORMED")
        message("").consumed("reads", "alpr-matcher", 0.1)  # nobody sampled it
        step = tracing.asked(GIVEN, "a request")
        tracing.answered(step, "GET", "/v1/reads/{read_id}", 503, 0.5)
        tracing.close()
    first, second, third = spans
    assert (first["traceId"], first["parentSpanId"], first["kind"]) == (TRACE, PARENT, 5)
    assert first["spanId"] == second["parentSpanId"] == onward.split("-")[2]
    assert int(first["endTimeUnixNano"]) - int(first["startTimeUnixNano"]) == 250_000_000
    facts = {item["key"]: item["value"] for item in first["attributes"]}
    assert facts["messaging.destination.name"] == {"stringValue": "reads"}
    assert facts["messaging.kafka.offset"] == {"intValue": "7"}
    assert first["status"] == {}
    assert second["status"] == {"code": 2}
    assert {"key": "error.type", "value": {"stringValue": "MALFORMED"}} in second["attributes"]
    assert (third["name"], third["kind"], third["status"]) == ("GET /v1/reads/{read_id}", 2, {"code": 2})
    assert first["service"] == "matcher"
    assert "8ABC123" not in json.dumps(spans)


def test_a_collector_that_answers_nonsense_costs_its_spans_and_nothing_else():
    class Babbles(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.wfile.write(b"what is this\r\n\r\n")

        def log_message(self, *_):
            return

    server = HTTPServer(("127.0.0.1", 0), Babbles)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    before = tracing.SPANS.labels("lost")._value.get()
    exporter = tracing.Exporter("matcher", f"http://127.0.0.1:{server.server_port}", 0.0)
    step = tracing.step_of("matcher", GIVEN, "reads/2/7", 0.0)
    for expected in (1, 2):  # the second is taken by the same thread
        exporter.put(step, "process reads", 5, 0.1, {}, "")
        until = time.monotonic() + 10
        while tracing.SPANS.labels("lost")._value.get() < before + expected and time.monotonic() < until:
            time.sleep(0.02)
        assert tracing.SPANS.labels("lost")._value.get() == before + expected
    exporter.close()
    server.shutdown()
    server.server_close()


def test_a_collector_that_refuses_costs_its_spans_and_nothing_else(caplog):
    class Refuses(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(503)
            self.end_headers()

        def log_message(self, *_):
            return

    server = HTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    before = tracing.SPANS.labels("lost")._value.get()
    tracing.configure("matcher", f"http://127.0.0.1:{server.server_port}", 0.0)
    message().consumed("reads", "alpr-matcher", 0.1)
    tracing.close()
    server.shutdown()
    server.server_close()
    assert tracing.SPANS.labels("lost")._value.get() == before + 1
    assert [record.getMessage() for record in caplog.records] == ["traces_not_taken"]
