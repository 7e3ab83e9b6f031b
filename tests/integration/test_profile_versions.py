"""Versions of the profile: who writes, who approves, when they come into force, what stays as it was (CFG-02)."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import asyncpg
import pytest
from pydantic import SecretStr

from alpr_console.main import seed_demo, seed_papers
from alprcore.model import ADMITTED
from alprcore.policy import may_access
from alprcore.profiles import canonical, profile_from_json, shipped_documents
from tests.fixtures.desk import desk

pytestmark = pytest.mark.asyncio
FOUR = ("irvine", "westminster", "escondido", "roseville")
NOTE = "the Chief's order of today"


@pytest.mark.requirement("CFG-02")
@pytest.mark.parametrize("agency", FOUR)
async def test_rules_change_only_by_the_responsible_authority(pg_database, tmp_path, agency):
    async with desk(pg_database, tmp_path) as made:
        manager, admin = made.as_("program_manager", agency), made.as_("alpr_admin", agency)
        before = made.policies[agency].version
        edit = {"note": NOTE, "changes": {"retention.fixed": "3 years"}}
        refused = await made.post("/v1/profiles", admin, edit, 403)
        assert refused["reason_code"] == "ROLE_NOT_AUTHORISED"
        assert (await made.get(f"/v1/profiles/{agency}/versions", manager))["versions"] == []

        # an act before the change carries the version of its time
        await made.post(f"/v1/profiles/{agency}/versions", manager, {"note": NOTE, "changes": {"audible": False}})
        written = await made.post("/v1/profiles", manager, edit)
        assert written == {"agency": agency, "number": 2, "state": "draft"}
        assert made.policies[agency].version == before

        approval = f"/v1/profiles/{agency}/versions/2/approvals"
        assert (await made.post(approval, admin, {}, 403))["reason_code"] == "ROLE_NOT_AUTHORISED"
        assert made.policies[agency].version == before
        approved = await made.post(approval, manager, {})
        assert approved["state"] == "in_force"
        assert approved["effective_at"] == made.now.isoformat().replace("+00:00", "Z")
        after = made.policies[agency]
        assert after.version == approved["version"] != before
        assert after.retention.fixed == "3 years"

        shown = await made.get(f"/v1/profiles/{agency}/versions/2", manager)
        assert shown["author_name"] == "Program Manager"
        assert shown["author_title"] == after.governance.program_manager
        assert [change["key"] for change in shown["changes"]] == ["retention.fixed"]
        assert shown["changes"][0]["after"] == "3 years"

        # old events keep the version in force at their time; the new one is told with both
        drafted = await made.events("profile_drafted")
        assert {event.profile_version for event in drafted} == {before}
        in_force = (await made.events("profile_in_force"))[-1]
        assert (in_force.profile_version, in_force.facts["before"]) == (after.version, before)
        assert (await made.events("profile_approved"))[-1].facts["author_id"] == f"p-{agency}-program_manager"

        # and every service hears of it: the topic carries the document
        told = [record for record in await made.sent("profiles") if record.agency == agency]
        assert [record.version for record in told] == [before, after.version]
        assert profile_from_json(told[-1].document).retention.fixed == "3 years"
        history = (await made.get(f"/v1/profiles/{agency}", manager))["history"]
        assert [row["version"] for row in history] == [after.version, before]


@pytest.mark.requirement("CFG-02")
@pytest.mark.parametrize("agency", FOUR)
async def test_a_new_version_is_read_by_everybody_at_their_next_sign_in(pg_database, tmp_path, agency):
    async with desk(pg_database, tmp_path) as made:
        officer = made.as_("officer", agency)
        await made.employ(officer)
        await seed_papers(made.console, made.policies[agency], f"{agency}.officer", ("officer",))
        made.now = datetime.now(UTC)  # papers made on the machine itself carry its time

        async def decided():
            standing = await made.console.training.standing(f"p-{agency}-officer", made.now)
            return may_access(standing, made.policies[agency], "access_data", made.now)

        assert await decided() is ADMITTED
        await made.put_in_force(agency, {"retention.fixed": "3 years"})
        assert (await decided()).reason_code == "POLICY_NOT_READ"
        begun = made.now - timedelta(seconds=1)  # a session that began before goes on under what was read then
        standing = await made.console.training.standing(f"p-{agency}-officer", made.now)
        for since, outcome in ((begun, None), (made.now, "POLICY_NOT_READ")):
            read = await made.console.versions.in_force_since(agency, since)
            found = may_access(standing, made.policies[agency], "access_data", made.now, read)
            assert getattr(found, "reason_code", None) == outcome
        who = made._people[officer["authorization"].removeprefix("Bearer ")]
        await made.console.training.acknowledge(who, made.policies[agency], who.person_id, "screen", made.now)
        assert await decided() is ADMITTED


@pytest.mark.requirement(
    "ACC-07", partial="what the demonstration starts with; people's own grants are tested with them"
)
@pytest.mark.parametrize("certified", [False, True], ids=["as shipped", "with a certification"])
async def test_the_demonstrations_grants_are_on_record_and_stay_away_once_taken(pg_database, tmp_path, certified):
    async with desk(pg_database, tmp_path) as made:
        if certified:
            await made.put_in_force("demo", {"access.grant_certifications": ["clets"]})
            assert made.policies["demo"].access.grant_certifications == ("clets",)
        settings = SimpleNamespace(demo_password=SecretStr("four wheels and a plate"), password_length=15)

        async def seeded():
            await seed_demo(made.console, settings, made.policies)
            found = await made.console.administration.accounts("demo")
            return {one["username"] for one in found if "clets" in one["grants"]}

        on_hits = {"dispatcher", "investigator", "officer", "supervisor"}
        assert await seeded() == on_hits
        told = await made.events("grants_changed")
        assert [(one.facts["after"], one.facts["by"]) for one in told] == [("clets", "operator")] * len(on_hits)
        assert await seeded() == on_hits
        assert len(await made.events("grants_changed")) == len(on_hits)

        # a manager took one away: neither a start nor papers for a new version of the policy gives it back
        await made.sql("UPDATE console.people SET grants = '{}' WHERE username = 'officer'")
        await made.put_in_force("demo", {"retention.fixed": "3 years"})
        assert await seeded() == on_hits - {"officer"}


async def test_nobody_approves_what_they_wrote_where_there_are_two(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        first, second = (made.as_("program_manager", name=name) for name in ("first", "second"))
        await made.employ(first, second)
        await made.post("/v1/profiles", first, {"note": NOTE, "changes": {"audible": False}})
        path = "/v1/profiles/irvine/versions/1/approvals"
        assert (await made.post(path, first, {}, 403))["reason_code"] == "APPROVER_NOT_AUTHORISED"
        done = await made.post(path, second, {})
        assert (done["author_id"], done["approver_id"]) == ("p-irvine-first", "p-irvine-second")
        assert (await made.post(path, second, {}, 409))["reason_code"] == "VERSION_DECIDED"


@pytest.mark.parametrize(
    "change", ["disabled_at = now()", "roles = '{officer}'"], ids=["account closed", "role taken away"]
)
async def test_nobody_is_alone_again_by_closing_a_colleagues_account(pg_database, tmp_path, change):
    async with desk(pg_database, tmp_path) as made:
        first, second = (made.as_("program_manager", name=name) for name in ("first", "second"))
        await made.employ(first, second)
        await made.post("/v1/profiles", first, {"note": NOTE, "changes": {"audible": False}})
        await made.sql(f"UPDATE console.people SET {change} WHERE person_id = 'p-irvine-second'")
        path = "/v1/profiles/irvine/versions/1/approvals"
        assert (await made.post(path, first, {}, 403))["reason_code"] == "APPROVER_NOT_AUTHORISED"
        for statement in ("DELETE FROM console.program_managers", "UPDATE console.program_managers SET agency = 'x'"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await made.pool.execute(statement)
        # what somebody else wrote is approved by whoever is left
        keeper = made.as_("custodian")
        await made.post("/v1/profiles", keeper, {"note": NOTE, "changes": {"audible": False}})
        assert (await made.post("/v1/profiles/irvine/versions/2/approvals", first, {}))["state"] == "in_force"


async def test_a_version_of_tomorrow_comes_into_force_tomorrow(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        manager = made.as_("program_manager")
        before = made.policies["irvine"].version
        await made.post("/v1/profiles", manager, {"note": NOTE, "changes": {"audible": False}})
        await made.post("/v1/profiles", manager, {"note": NOTE, "changes": {"near_real_time_s": 4}})
        path = "/v1/profiles/irvine/versions/1/approvals"
        past = (made.now - timedelta(seconds=1)).isoformat()
        assert (await made.post(path, manager, {"effective_at": past}, 422))["reason_code"] == "EFFECTIVE_IN_PAST"
        tomorrow = (made.now + timedelta(days=1)).isoformat()
        assert (await made.post(path, manager, {"effective_at": tomorrow}))["state"] == "approved"
        other = "/v1/profiles/irvine/versions/2/approvals"
        assert (await made.post(other, manager, {}, 409))["reason_code"] == "VERSION_WAITS"

        assert await made.console.versions.due(made.now) == 0
        made.later(hours=23)
        assert await made.console.versions.due(made.now) == 0
        assert made.policies["irvine"].version == before
        made.later(hours=1)
        assert await made.console.versions.due(made.now) == 1
        assert await made.console.versions.due(made.now) == 0
        assert made.policies["irvine"].audible is False
        told = (await made.events("profile_in_force"))[-1]
        assert told.personal["full_name"] == "Program Manager"
        # what was written against the older version is decided anew
        assert (await made.post(other, manager, {}, 409))["reason_code"] == "VERSION_OUTDATED"


async def test_a_withdrawn_version_never_comes_into_force(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        manager, keeper = made.as_("program_manager"), made.as_("custodian")
        await made.post("/v1/profiles", keeper, {"note": NOTE, "changes": {"audible": False}})
        path = "/v1/profiles/irvine/versions/1"
        await made.post(f"{path}/approvals", manager, {"effective_at": (made.now + timedelta(days=1)).isoformat()})
        stranger = made.as_("alpr_admin")
        assert (await made.post(f"{path}/withdrawals", stranger, status=403))["reason_code"] == "ROLE_NOT_AUTHORISED"
        await made.post(f"{path}/withdrawals", manager)
        made.later(days=2)
        assert await made.console.versions.due(made.now) == 0
        assert (await made.get(path, manager))["state"] == "withdrawn"
        assert (await made.post(f"{path}/approvals", manager, {}, 409))["reason_code"] == "VERSION_DECIDED"


async def test_what_does_not_hold_is_refused_by_key(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        manager = made.as_("program_manager")

        async def wrong(changes, status=422):
            return await made.post("/v1/profiles", manager, {"note": NOTE, "changes": changes}, status)

        answer = await wrong({"retention.fixed": "0 years", "governance.access_managers": ["chief"], "whistle": 1})
        assert answer["reason_code"] == "PROFILE_INVALID"
        assert [error["key"] for error in answer["errors"]] == ["whistle"]
        answer = await wrong({"retention.fixed": "0 years", "governance.access_managers": ["chief"]})
        assert {error["key"] for error in answer["errors"]} == {"retention.fixed", "governance.access_managers"}
        assert (await wrong({"agency": "escondido"}))["errors"][0]["key"] == "agency"
        assert (await wrong({"name.first": "x"}))["errors"][0]["key"] == "name.first"
        assert (await wrong({"audible": True}))["reason_code"] == "NOTHING_CHANGED"
        assert (await wrong({}))["reason_code"] == "NOTHING_CHANGED"
        short = {"retention.fixed": "21 days", "retention.mobile": "21 days"}
        below = await wrong(short)
        assert {error["key"] for error in below["errors"]} == {"retention.fixed", "retention.mobile"}
        named = await wrong(
            {**short, "retention.statute": "Va. Code 2.2-5517"}, 403
        )  # and this deployment stands under none
        assert named["reason_code"] == "RETENTION_FLOOR"
        both = {"note": NOTE, "changes": {}, "document": {}}
        assert (await made.post("/v1/profiles", manager, both, 422))["reason_code"] == "FIELD_INVALID"
        assert (await made.get("/v1/profiles/irvine/versions", manager))["versions"] == []


async def test_history_is_not_rewritten_and_not_another_agencys(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        await made.put_in_force("irvine", {"audible": False})
        for table in ("profile_drafts", "profile_decisions", "profile_in_force", "profile_versions"):
            for statement in (f"UPDATE console.{table} SET agency = 'x'", f"DELETE FROM console.{table}"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await made.pool.execute(statement)
        foreign = made.as_("program_manager", "escondido")
        for path in ("/v1/profiles/irvine", "/v1/profiles/irvine/versions", "/v1/profiles/irvine/versions/1"):
            assert (await made.get(path, foreign, 404))["reason_code"] == "PROFILE_UNKNOWN"
        edit = {"note": NOTE, "changes": {"audible": False}}
        assert (await made.post("/v1/profiles/irvine/versions", foreign, edit, 404))["reason_code"] == "PROFILE_UNKNOWN"
        officer = made.as_("officer")
        assert (await made.get("/v1/profiles/irvine", officer, 403))["reason_code"] == "ROLE_NOT_AUTHORISED"
        assert [row["agency"] for row in (await made.get("/v1/profiles", officer))["profiles"]] == ["irvine"]


async def test_a_start_brings_newer_shipped_documents_until_the_agency_has_its_own(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        store = made.console.versions
        own = await made.put_in_force("irvine", {"audible": False})
        current = await store.in_force("escondido")
        newer = '{"audible":false,' + canonical(current.document)[1:].replace('"audible":true,', "")
        await store.start({"irvine": canonical(current.document), "escondido": newer}, made.now)
        assert made.policies["irvine"].version == own["version"]
        assert made.policies["escondido"].audible is False
        # a database from before versions were written keeps the day on which the shipped document came into force
        await made.sql("DELETE FROM console.profile_in_force WHERE agency = 'westminster'")
        began = made.now
        made.later(days=30)
        await store.start(shipped_documents(), made.now)
        assert (await store.in_force("westminster")).effective_at == began
