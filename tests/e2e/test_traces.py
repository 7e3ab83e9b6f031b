"""One trace follows a frame from the camera's request to the console's table, through every topic."""

import json

from alpr_cli import demo
from tests.e2e.conftest import Player, wait_for

PLATE = "5TRC501"
HOPS = {
    ("ingest", "POST /v1/frames"),
    ("recognizer", "process frames"),
    ("matcher", "process reads"),
    ("retention", "process reads"),
    ("matcher", "process hits"),
    ("console", "process notifications"),
}


def hops(spans):
    """What one trace went through, from its beginning, following parents."""
    children = {}
    for span in spans:
        children.setdefault(span.get("parentSpanId", ""), []).append(span)
    found, waiting = set(), list(children.get("", ()))
    while waiting:
        span = waiting.pop()
        found.add((span["service"], span["name"]))
        waiting += children.get(span["spanId"], ())
    return found


def test_a_frame_is_followed_to_its_notification(stack, collector):
    _, spans = collector
    demo.load_list(stack, [PLATE])

    def whole():
        traces = {}
        for span in list(spans):
            traces.setdefault(span["traceId"], []).append(span)
        return any(hops(one) >= HOPS for one in traces.values())

    with Player(stack, [PLATE], cameras=(8,), fps=5.0, door="https", seed=23) as player:
        player.finish()
        wait_for("a trace from the camera to the console", whole, timeout_s=60)
    assert PLATE not in json.dumps(spans)
