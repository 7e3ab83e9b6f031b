"""Every way to data has an audit hook, or the check names it (AUD-08)."""

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import StreamingResponse

from alprcore import audited
from alprcore.errors import Misconfigured
from tests.fixtures.apps import every_app


@pytest.fixture(scope="module")
def apps(tmp_path_factory):
    return every_app(tmp_path_factory.mktemp("apps"))


@pytest.mark.requirement("AUD-08")
@pytest.mark.parametrize("service", sorted(audited.DATA))
def test_every_way_into_a_service_is_declared_with_its_hook_and_none_is_made_up(apps, service):
    routes = apps[service].routes
    assert len(list(audited.ways(routes))) > 5
    assert audited.unaudited(service, routes) == (), "declare these in alprcore.audited, with the entries they make"
    assert audited.gone(service, routes) == (), "declared in alprcore.audited, but the service does not have them"


@pytest.mark.requirement("AUD-08")
@pytest.mark.parametrize("service", sorted(audited.DATA))
def test_a_planted_way_without_a_hook_is_named(service, tmp_path):
    app, router, below = every_app(tmp_path)[service], APIRouter(prefix="/v1/quiet"), FastAPI()
    before = audited.unaudited(service, app.routes)

    @app.get("/v1/reads-without-record")
    def everything():
        return []

    @app.post("/v1/images/{name}/copy")
    def image(name):
        return name

    @router.get("/stream", include_in_schema=False)
    def stream():
        return StreamingResponse(iter(()), media_type="text/event-stream")

    @below.delete("/rows/{row}")
    def row(row):
        return row

    app.include_router(router)
    app.mount("/below", below)
    assert set(audited.unaudited(service, app.routes)) - set(before) == {
        "GET /v1/reads-without-record", "POST /v1/images/{name}/copy", "GET /v1/quiet/stream", "DELETE /below/rows/{row}",
        *(f"{method} /below{path}" for path in ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc")
          for method in ("GET", "HEAD")),
    }  # fmt: skip


def test_a_service_with_such_a_way_does_not_start(apps):
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(apps["retention"].router)
    audited.require("retention", app.routes)
    app.get("/v1/reads-without-record")(list)
    with pytest.raises(Misconfigured, match="GET /v1/reads-without-record"):
        audited.require("retention", app.routes)


def test_a_way_is_data_or_not_and_forwards_lead_somewhere():
    assert audited.DATA.keys() == audited.NO_DATA.keys()
    for service, data in audited.DATA.items():
        others = [way for listed in audited.NO_DATA[service].values() for way in listed]
        assert len(others) == len(set(others))
        assert not data.keys() & set(others)
        for made in data.values():
            assert made
            if made.startswith(">"):
                assert service == "console"
                assert made.removeprefix("> ") in audited.DATA
    assert ("audit", "POST /v1/queries", "query, query_result") in audited.covered()
