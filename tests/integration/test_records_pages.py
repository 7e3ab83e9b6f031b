"""The pages of records over the real doors: what retention says is what a clerk reads, from a hold to a filed request."""

from dataclasses import replace

import pytest

from alpr_console.web import csrf_of
from tests.fixtures.releases import ASKED
from tests.integration.test_audited_ways import TOKEN, everything, furnish

pytestmark = pytest.mark.asyncio
OFFICE = ("program_manager", "custodian", "retention_officer", "investigator")
LISTS = (
    "/records", "/records/purges", "/records/schedule", "/records/holds", "/records/holds/new", "/records/evidence",
    "/records/releases", "/records/releases/new", "/records/demands", "/records/sharing", "/records/sharing/new",
    "/records/breaches", "/records/breaches/new",
)  # fmt: skip


def text_of(answer):
    assert answer.status_code == 200, (answer.request.url.path, answer.text[:600])
    assert "Not shown" not in answer.text, answer.request.url.path
    return answer.text


@pytest.mark.requirement("SHR-02", partial="through the console; every field is tested with retention")
@pytest.mark.requirement("RET-07", partial="through the console; what binds is tested with retention")
@pytest.mark.requirement("SEC-02", partial="the page; tasks and notices are tested with the feature")
async def test_every_page_reads_what_the_real_doors_say_and_its_forms_are_taken(pg_database, tmp_path):
    async with everything(pg_database, tmp_path) as world:
        screen, ids = world.screen, await furnish(world)
        become(world, OFFICE)
        for path in LISTS:
            text_of(await screen.get(path))
        assert "26-1" in text_of(await screen.get("/records/holds"))
        page = text_of(await screen.get(f"/records/holds/{ids.hold}"))
        assert "/reviews" in page
        assert "8TST001" in page, "who may search sees the plate that the hold names"
        page = text_of(await screen.get(f"/records/releases/{ids.request}"))
        assert ASKED["agency_name"] in page
        assert "/submission" in page
        assert "Attach" in page
        assert text_of(await screen.get(f"/records/demands/{ids.demand}")).count("<h1>") == 1
        assert text_of(await screen.get(f"/records/breaches/{ids.incident}")).count("<h1>") == 1

        handed = {"query_id": str(ids.query), "read_id": ids.read, "csrf": csrf_of(TOKEN)}
        assert "1 read chosen" in text_of(await screen.post("/records/holds/new", data=handed))
        assert "1 read chosen" in text_of(await screen.post("/records/releases/new", data=handed))
        wish = {"ground": "evidence", "case_number": "26-77", "read_ids": [ids.read]}
        made = await screen.post("/v1/holds", json=wish)
        assert made.status_code in {201, 202}, made.text
        page = text_of(await screen.get(f"/records/holds/{made.json()['hold_id']}"))
        assert "Hold for 26-77" in page

        name = {"content-type": "application/pdf", "x-document-name": "Letter%20of%20Dee.pdf"}
        kept = await screen.put(f"/v1/release-requests/{ids.request}/document", content=b"%PDF-1.4", headers=name)
        assert kept.status_code in {200, 201}, kept.text
        page = text_of(await screen.get(f"/records/releases/{ids.request}"))
        assert "Letter of Dee.pdf" in page
        assert kept.json()["document"]["sha256"] in page

        counted = await screen.post("/v1/retention/changes/previews", json={"fixed": "2 years"})
        assert counted.status_code == 202, counted.text
        assert "2 years" in text_of(await screen.get(f"/records/schedule/{counted.json()['change_id']}"))
        plan = await screen.post("/v1/purges/previews", json={})
        assert plan.status_code == 200, plan.text


def become(world, roles):
    """Let the session of this world have these roles."""
    web = world.console.app.state.web
    found = web.find_session

    async def find(*given):
        session = await found(*given)
        return replace(session, person=replace(session.person, roles=roles))

    object.__setattr__(web, "find_session", find)
