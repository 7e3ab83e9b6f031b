"""What an operator sees of a door: answers by route, never by path, and whether each check holds."""

import asyncio

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import StreamingResponse
from prometheus_client import REGISTRY

from alprcore import tracing
from alprcore.ops import Health, known, ops_routes
from alprcore.tracing import SPANS


def app():
    router, made = APIRouter(), FastAPI()
    seen = []

    @router.get("/v1/plates/{text}")
    async def plate(text: str):
        return {"text": text}

    @router.get("/v1/broken")
    async def broken():
        raise RuntimeError("8ABC123")

    @router.get("/v1/live")
    async def live():
        async def events():
            yield b"data: 1\n\n"

        return StreamingResponse(events(), media_type="text/event-stream; charset=utf-8")

    @made.middleware("http")
    async def look(request, call_next):
        seen.append(request.headers.get("traceparent", ""))
        return await call_next(request)

    made.include_router(router)
    return made, seen


def asked(health, paths, **options):
    made, seen = app()

    async def ask():
        transport = httpx.ASGITransport(ops_routes(health, made), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
            return [await client.request(method, path, **options) for method, path in paths]

    return asyncio.run(ask()), seen


def count(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_answers_are_counted_by_route_and_no_path_is_told():
    ways = [("GET", "/v1/plates/{text}", "2xx"), ("GET", "/v1/broken", "5xx"), ("GET", "other", "4xx")]
    labels = [{"method": method, "route": route, "status": status} for method, route, status in ways]
    before = [count("alpr_http_requests_total", **one) for one in labels]
    answers, _ = asked(
        Health("probe"),
        [("GET", "/v1/plates/8ABC123"), ("GET", "/v1/plates/8ABC124"), ("GET", "/v1/broken"), ("GET", "/8ABC123"),
         ("GET", "/metrics")],
    )  # fmt: skip
    assert [answer.status_code for answer in answers] == [200, 200, 500, 404, 200]
    after = [count("alpr_http_requests_total", **one) for one in labels]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 1, 1]
    assert count("alpr_http_request_seconds_count", method="GET", route="/v1/plates/{text}") >= 2
    assert "8ABC12" not in answers[-1].text


def test_an_event_stream_is_counted_and_not_timed():
    labels = {"method": "GET", "route": "/v1/live"}
    before = count("alpr_http_request_seconds_count", **labels)
    asked(Health("probe"), [("GET", "/v1/live")])
    assert count("alpr_http_requests_total", **labels, status="2xx") >= 1
    assert count("alpr_http_request_seconds_count", **labels) == before


def test_the_checks_of_readiness_are_figures():
    health, state = Health("probe"), {"database": ""}
    health.check("database", lambda: state["database"])
    health.check("streams", lambda: "frames: retention.ms is 700 days")
    (answer,), _ = asked(health, [("GET", "/metrics")])
    assert 'alpr_health_ok{check="database"} 1.0' in answer.text
    assert 'alpr_health_ok{check="streams"} 0.0' in answer.text
    assert 'alpr_health_ok{check="loops"} 1.0' in answer.text
    assert "700 days" not in answer.text


def test_a_request_has_its_own_place_in_the_trace_before_the_door_sees_it():
    given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    _, (seen,) = asked(Health("probe"), [("GET", "/v1/plates/1")], headers={"traceparent": given})
    assert seen == given
    tracing.configure("probe", "http://127.0.0.1:9", 0.0)
    try:
        _, (seen,) = asked(Health("probe"), [("GET", "/v1/plates/1")], headers={"traceparent": given})
    finally:
        tracing.close()
    assert seen.split("-")[1] == given.split("-")[1]
    assert seen.split("-")[2] != given.split("-")[2]


def test_known_series_begin_at_nothing():
    known(SPANS, "sent", "lost")
    assert REGISTRY.get_sample_value("alpr_traces_spans_total", {"outcome": "sent"}) is not None


@pytest.mark.parametrize("method", ["BREW", "X" * 300])
def test_methods_that_nobody_has_heard_of_are_one(method):
    asked(Health("probe"), [(method, "/nowhere")])
    assert count("alpr_http_requests_total", method="other", route="other", status="4xx") >= 1
