"""What other databases say of a hit: by grant only, sealed, left out of everything else (ACC-07, SEC-05, SEC-06)."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace

import asyncpg
import pytest

from alpr_cli.registration import OWNER, PATH, answer
from alpr_cli.simulated import simulator
from alprcore.model import machine
from alprcore.seal import ListKeys
from tests.fixtures.console import make_hit
from tests.fixtures.desk import desk, put_hit
from tests.fixtures.purges import message_of, order_of

pytestmark = pytest.mark.asyncio
TEXT = "RECORD OF THE STATE SYSTEM: HOLD FOR PRINTS"
ASKED = {"source": "CLETS", "route": "dispatch", "result": "active", "reference": "T-1", "text": TEXT}
REASON = "the picture does not load"


@contextmanager
def registry():
    """The simulated registration source, on any free port."""
    server = simulator(0, PATH, answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


async def arrived(made, agency, plate="7SRC001"):
    hit = make_hit(plate, now=made.now, agency=agency)
    await put_hit(made, hit)
    return hit


async def checked(made, hit, who):
    body = {"result": "correct", "method": "image_review", "state_confirmed": "match"}
    await made.post(f"/v1/hits/{hit.hit_id}/read-check", who, body)


@pytest.mark.requirement("ACC-07")
@pytest.mark.parametrize("agency", ["irvine", "westminster", "roseville"])
async def test_alpr_access_alone_opens_no_other_source(pg_database, tmp_path, agency):
    async with desk(pg_database, tmp_path) as made:
        hit = await arrived(made, agency)
        path = f"/v1/hits/{hit.hit_id}/verifications"
        bare = made.as_("dispatcher", agency, name="bare")
        granted = made.as_("dispatcher", agency, name="granted", grants=["clets"])
        for source in ("CLETS", "NCIC", "OTHER"):
            refused = await made.post(path, bare, {**ASKED, "source": source}, 403)
            assert refused["reason_code"] == "SOURCE_NOT_AUTHORISED"
        refused = await made.post(path, granted, {**ASKED, "source": "OTHER"}, 403)
        assert refused["reason_code"] == "SOURCE_NOT_AUTHORISED"  # one grant opens one source
        keeper = made.as_("dispatcher", agency, name="keeper", grants=["department_rms"])
        await made.post(path, keeper, {**ASKED, "source": "OTHER", "text": "", "override_reason": REASON})

        made.later(seconds=1)
        await checked(made, hit, granted)
        kept = await made.post(path, granted, ASKED)
        shown = await made.get(f"{path}/{kept['verification_id']}", granted)
        assert shown["text"] == TEXT
        refused = await made.get(f"{path}/{kept['verification_id']}", bare, 403)
        assert refused["reason_code"] == "SOURCE_NOT_AUTHORISED"
        listed = await made.get(path, bare)
        assert [row["text"] for row in listed["verifications"]] == [None, None]
        assert "left out" in listed["verifications"][1]["redaction"]
        card = await made.get(f"/v1/hits/{hit.hit_id}", bare)  # what the hit itself says stays visible
        assert card["plate"] == "7SRC001"
        assert len(await made.events("verification_read")) == 1
        assert [event.facts["source"] for event in await made.events("hit_verified")] == ["OTHER", "CLETS"]


@pytest.mark.requirement("SEC-06", partial="what a package leaves out is tested with the packages")
@pytest.mark.parametrize("agency", ["irvine"])
async def test_the_answers_text_lies_sealed_and_apart(pg_database, tmp_path, agency):
    async with desk(pg_database, tmp_path) as made:
        hit = await arrived(made, agency)
        granted = made.as_("dispatcher", agency, grants=["clets"])
        await checked(made, hit, granted)
        path = f"/v1/hits/{hit.hit_id}/verifications"
        kept = await made.post(path, granted, ASKED)
        rows = await made.sql("SELECT * FROM console.verification_texts")
        keys = ListKeys.load(tmp_path / "list.keys")
        opened = keys.open(bytes(rows[0]["sealed"]), rows[0]["key_id"], entry_id=kept["verification_id"])
        assert opened.decode() == TEXT
        for where in (f"/v1/hits/{hit.hit_id}", path, "/v1/hits"):  # what a release is made of
            answer = await made.http.get(where, headers=granted)
            assert TEXT not in answer.text
        await no_trace(made, TEXT)
        exporter = replace(machine(agency), person_id="p-7", username="exporter", grants=("clets",))
        for clets in (False, True):  # what a package is told of the hit
            asked = (exporter, made.policies[agency], [hit.hit_id], clets, "a-package", made.now)
            (said,) = await made.console.workflow.said_of(*asked)
            assert (said["has_text"], said["text"], said["source"]) == (True, TEXT if clets else "", "CLETS")
        assert [event.facts["hit_id"] for event in await made.events("verification_read")] == [hit.hit_id]
        async with made.pool.acquire() as connection, connection.transaction():  # nobody reads past their agency
            await connection.execute("SELECT set_config('console.agency', 'escondido', true)")
            assert await connection.fetch("SELECT * FROM console.verification_texts") == []
        for statement in ("UPDATE console.verifications SET result = 'active'",
                          "UPDATE console.verification_texts SET key_id = 'x'"):  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await made.pool.execute(statement)
        made.later(days=400)
        await made.console.purges.take(message_of(order_of(agency, hit)))
        assert await made.sql("SELECT * FROM console.verification_texts") == []


async def no_trace(made, words):
    """The words stand in no table of the console and in nothing it sends."""
    tables = await made.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'console'")
    for table in (row["table_name"] for row in tables):
        rows = await made.sql(f"SELECT * FROM console.{table}")
        assert words.encode() not in json.dumps(rows, default=_bytes).encode(), table


def _bytes(value):
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)


@pytest.mark.requirement("SEC-05")
async def test_a_registration_is_looked_up_for_a_permissible_use_only(pg_database, tmp_path):
    with registry() as url:
        async with desk(pg_database, tmp_path, registration_url=url) as made:
            hit = await arrived(made, "claremont")
            path = f"/v1/hits/{hit.hit_id}/registration-lookups"
            officer = made.as_("officer", "claremont", grants=["clets"])
            bare = made.as_("officer", "claremont", name="bare")
            for body in ({}, {"permissible_use": ""}, {"permissible_use": "2721(b)(12)"}, {"permissible_use": "mine"}):
                refused = await made.post(path, officer, body, 422)
                assert refused["reason_code"] == "DPPA_BASIS_REQUIRED"
            use = {"permissible_use": "2721(b)(1)"}
            assert (await made.post(path, bare, use, 403))["reason_code"] == "SOURCE_NOT_AUTHORISED"
            assert await made.events("registration_asked") == []

            found = await made.post(path, officer, use)
            assert found["registration"]["owner_name"] == OWNER["owner_name"]
            assert found["answered_by"].startswith("SIMULATED")
            asked = await made.events("registration_asked")
            assert [event.facts["permissible_use"] for event in asked] == ["2721(b)(1)"]
            assert len(await made.events("registration_read")) == 1
            again = await made.get(f"{path}/{found['lookup_id']}", officer)
            assert again["registration"] == found["registration"]
            refused = await made.get(f"{path}/{found['lookup_id']}", bare, 403)
            assert refused["reason_code"] == "SOURCE_NOT_AUTHORISED"

            # never with the LPR data: not in the hit, not in the list of lookups, nowhere in the clear
            for where in (f"/v1/hits/{hit.hit_id}", "/v1/hits", path):
                assert OWNER["owner_name"] not in (await made.http.get(where, headers=officer)).text
            await no_trace(made, OWNER["owner_name"])
            # and it goes when the hit leaves the screens, long before the hit's own record
            made.later(days=8)
            await made.console.hits.tidy(made.now)
            assert len(await made.sql("SELECT 1 FROM console.hits")) == 1
            assert await made.sql("SELECT * FROM console.registration_lookups") == []


async def test_without_a_registration_source_nobody_is_asked(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        hit = await arrived(made, "claremont")
        officer = made.as_("officer", "claremont", grants=["clets"])
        path = f"/v1/hits/{hit.hit_id}/registration-lookups"
        away = await made.post(path, officer, {"permissible_use": "2721(b)(4)"}, 503)
        assert away["reason_code"] == "REGISTRATION_NOT_AVAILABLE"
        assert (await made.get(path, officer))["lookups"] == []


@pytest.mark.requirement("CFG-03", partial="the count in audit reports is carried out with the reports")
@pytest.mark.parametrize(
    ("agency", "gate"),
    [("irvine", "soft"), ("westminster", "soft"), ("claremont", "hard"), ("escondido", "soft"), ("roseville", "soft")],
)
async def test_a_step_is_left_out_as_the_profile_allows(pg_database, tmp_path, agency, gate):
    async with desk(pg_database, tmp_path) as made:
        hit = await arrived(made, agency)
        who = made.as_("dispatcher", agency, grants=["clets"])
        path = f"/v1/hits/{hit.hit_id}/verifications"
        refused = await made.post(path, who, ASKED, 409)
        assert refused["reason_code"] == "MISREAD_CHECK_REQUIRED"
        with_reason = {**ASKED, "override_reason": REASON}
        if gate == "hard":
            assert (await made.post(path, who, with_reason, 409))["reason_code"] == "MISREAD_CHECK_REQUIRED"
            assert await made.events("gate_overridden") == []
            return
        left_out = (await made.post(path, who, with_reason))["overridden"]
        assert left_out[0] == "read_check"  # and under roseville the order in which the policy lists the steps
        told = (await made.events("gate_overridden"))[0]
        assert (told.facts["step"], told.facts["subject"]) == ("read_check", hit.hit_id)
        assert told.personal["override_reason"] == REASON
        assert told.personal["username"] == "dispatcher"
        assert told.profile_version == made.policies[agency].version
        made.later(seconds=1)
        await checked(made, hit, who)
        assert (await made.post(path, who, with_reason))["overridden"] == []
        assert len(await made.events("gate_overridden")) == len(left_out)
        # the same step off: nobody is asked for a reason
        await made.put_in_force(agency, {"gates.read_check": "off"})
        other = await arrived(made, agency, "7SRC002")
        done = await made.post(f"/v1/hits/{other.hit_id}/verifications", who, with_reason)
        assert "read_check" not in done["overridden"]


async def test_the_page_records_a_verification_and_opens_its_text_by_grant(pg_database, tmp_path):
    with registry() as url:
        async with desk(pg_database, tmp_path, registration_url=url) as made:
            hit = await arrived(made, "irvine")
            granted, bare = made.as_("dispatcher", grants=["clets"]), made.as_("dispatcher", name="bare")
            path = f"/hits/{hit.hit_id}/sources"

            async def post(part, who, **form):
                made.later(seconds=1)
                return await made.http.post(f"{path}/{part}", headers=who, data={"csrf": "csrf", **form})

            form = {"source": "CLETS", "route": "dispatch", "result": "active", "text": TEXT}
            assert (await post("verification", bare, **form)).status_code == 403
            answer = await post("verification", granted, **form)
            assert answer.status_code == 403
            assert "override_reason" in answer.text
            assert (await post("verification", granted, **form, override_reason=REASON)).status_code == 303
            page = await made.http.get(path, headers=granted)
            assert "Read the answer" in page.text
            assert TEXT not in page.text
            row = (await made.get(f"/v1{path.removesuffix('sources')}verifications", granted))["verifications"][0]
            assert TEXT in (await post("text", granted, verification_id=row["verification_id"])).text
            refused = await post("text", bare, verification_id=row["verification_id"])
            assert (refused.status_code, TEXT in refused.text) == (403, False)
            assert (await post("registration", granted, permissible_use="")).status_code == 403
            answer = await post("registration", granted, permissible_use="2721(b)(1)")
            assert OWNER["owner_name"] in answer.text
            assert "SIMULATED" in answer.text
            assert OWNER["owner_name"] not in (await made.http.get(path, headers=granted)).text
            assert (await made.http.get(path, headers=made.as_("auditor"))).status_code == 403
            assert [event.facts["how"] for event in await made.events("hit_view")][:1] == ["sources"]
