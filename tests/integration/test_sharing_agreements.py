"""An agency lets another one search its reads: on paper by two people, within what they agreed, until somebody stops it."""

from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from tests.fixtures.doors import QUERY, Doors, make_hit, make_read, utc_now
from tests.fixtures.sharing import Sharing

pytestmark = pytest.mark.asyncio
PURPOSE = "criminal_investigation"


def terms(**changes):
    return {
        "receiver": "westminster", "party_name": "Westminster Police Department", "party_kind": "in_state",
        "party_state": "CA", "purposes": [PURPOSE], "statute_basis": "Civil Code 1798.90.55(b)",
        "expires_at": (utc_now() + timedelta(days=300)).isoformat(), **changes,
    }  # fmt: skip


async def in_force(sharing, giver="irvine", **changes):
    """An agreement that two people of the giving agency approved; answers its id."""
    made = await sharing.http.post("/v1/sharing-agreements", json=terms(**changes), headers=sharing.manager(giver))
    assert made.status_code == 201, made.text
    name = made.json()["agreement_id"]
    for person in ("m-1", "m-2"):
        answer = await sharing.http.post(
            f"/v1/sharing-agreements/{name}/approvals", json={"note": "read"}, headers=sharing.manager(giver, person)
        )
        assert answer.status_code == 201, answer.text
    assert answer.json()["state"] == "in_force"
    return name


def asker(doors, **changes):
    return doors.person(agency="westminster", person_id="w-1", username="wasker", **changes)


async def refused(answer, status, code):
    assert (answer.status_code, answer.json()["reason_code"]) == (status, code), answer.text


@pytest.mark.requirement("SHR-01", partial="agreements; requests are tested with releases")
async def test_searches_reach_another_agency_only_under_its_agreement_and_both_are_told(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing = Sharing(doors)
        reads = [
            make_read("8TST001", number=1, agency="irvine"),
            make_read("8TST001", number=2, agency="irvine", device_id="irvine-other"),
            make_read("8TST001", number=3, agency="irvine", captured_at=utc_now() - timedelta(days=40)),
        ]
        await doors.keep(*[await doors.with_images(read) for read in reads], hits=[make_hit(reads[0])])
        person = asker(doors)
        assert (await doors.ask({"plate": "8TST001"}, person=person)).json()["rows"] == []
        await refused(await doors.ask({"plate": "8TST001"}, person=person, agency="irvine"), 403, "AGREEMENT_MISSING")
        name = await in_force(sharing, max_age_days=30, device_ids=["irvine-device"])
        found = await doors.http.get("/v1/shared-agencies", headers=doors.auth(person))
        assert [(one["agency"], one["agreement_id"]) for one in found.json()["agencies"]] == [("irvine", name)]

        answer = (await doors.ask({"plate": "8TST001"}, person=person, agency="irvine")).json()
        assert [row["read_id"] for row in answer["rows"]] == [reads[0].read_id], "the agreement's devices and days"
        assert (answer["agency"], answer["sharing_agreement_id"]) == ("irvine", name)
        assert answer["rows"][0]["images"] == [], "it gives no images, so it names none"
        # an own search never answers the other agency, and nobody else may use the agreement
        assert (await doors.ask({"plate": "8TST001"}, person=person)).json()["rows"] == []
        other = doors.person(agency="roseville", person_id="r-1")
        await refused(await doors.ask({"plate": "8TST001"}, person=other, agency="irvine"), 403, "AGREEMENT_MISSING")
        for body, code in (
            ({"purpose_code": "stolen_vehicle"}, "AGREEMENT_PURPOSE"),
            ({"criteria": {"plate": "8TST001", "list_code": "SVS"}}, "AGREEMENT_NO_HITS"),
        ):
            asked = {**QUERY, "criteria": {"plate": "8TST001"}, "agency": "irvine", **body}
            await refused(await doors.http.post("/v1/queries", json=asked, headers=doors.auth(person)), 403, code)
        asked = {**QUERY, "criteria": {"plate": "8TST001"}, "agency": "irvine"}
        await refused(
            await doors.http.post("/v1/hit-queries", json=asked, headers=doors.auth(person)), 403, "AGREEMENT_NO_HITS"
        )
        view = {"query_id": answer["query_id"], "read_id": reads[0].read_id, "role": "closeup"}
        await refused(
            await doors.http.post("/v1/image-views", json=view, headers=doors.auth(person)), 403, "AGREEMENT_NO_IMAGES"
        )
        export = {
            "query_id": answer["query_id"],
            "format": "csv",
            **{k: QUERY[k] for k in ("purpose_code", "justification")},
        }
        await refused(
            await doors.http.post("/v1/exports", json=export, headers=doors.auth(person)), 403, "AGREEMENT_NO_EXPORT"
        )
        again = await doors.http.get(
            f"/v1/reads/{reads[0].read_id}?query_id={answer['query_id']}", headers=doors.auth(person)
        )
        assert (again.status_code, again.json()["plate"]) == (200, "8TST001")

        # both agencies' parts of the ledger say it: whose question, under which agreement, and what it was given
        log = doors.audit.door.store.log
        mine = [row["entry"] for row in await log("westminster", 2**62, "query", 10)]
        assert name in {entry["facts"]["sharing_agreement_id"] for entry in mine}
        told = (await log("irvine", 2**62, "shared_query", 10))[-1]
        assert told["entry"]["facts"]["by_agency"] == "westminster"
        assert told["entry"]["facts"]["sharing_agreement_id"] == name
        assert told["personal"]["criteria"] == {"plate": "8TST001"}
        assert told["personal"]["person"]["username"] == "wasker"
        given = (await log("irvine", 2**62, "shared_query_result", 10))[-1]
        assert (given["entry"]["facts"]["rows"], list(given["personal"]["reads"])) == (1, [reads[0].read_id])
        accesses = await doors.sql("SELECT username FROM audit.access_events WHERE agency = 'irvine'")
        assert {row["username"] for row in accesses} == {"wasker"}, "it stands among the accesses to irvine's data"
        (listed,) = (await sharing.http.get("/v1/sharing-agreements", headers=sharing.manager("irvine"))).json()[
            "agreements"
        ]
        assert (listed["uses"], listed["state"], listed["may"]) == (2, "in_force", ["stop"])


async def test_a_stop_binds_at_once_even_a_question_that_is_under_way(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing = Sharing(doors)
        read = await doors.with_images(make_read("8TST001", agency="irvine"))
        await doors.keep(read, hits=[make_hit(read)])
        name = await in_force(sharing, images=True, hits=True)
        person = asker(doors)
        answer = (await doors.ask({"plate": "8TST001"}, person=person, agency="irvine")).json()
        hits = await doors.http.post(
            "/v1/hit-queries", json={**QUERY, "criteria": {"plate": "8TST001"}, "agency": "irvine"},
            headers=doors.auth(person),
        )  # fmt: skip
        assert [row["list_code"] for row in hits.json()["rows"]] == ["SVS"]
        assert {hits.json()["rows"][0][name] for name in ("entry_sealed", "entry_key_id")} == {""}
        view = {"query_id": answer["query_id"], "read_id": read.read_id, "role": "closeup"}
        entries = [
            (await doors.http.post("/v1/image-views", json=view, headers=doors.auth(person))).json()["entry"]
            for _ in range(2)
        ]
        shown = await doors.shelf.get(f"/v1/images/{entries[0]}", headers=doors.auth(person))
        assert shown.status_code == 200, shown.text

        # between the door's look at the agreement and the search, somebody stops it
        fetch = doors.audit.door.fetch
        stopped = []

        async def stop_first(*arguments):
            path = f"/v1/sharing-agreements/{name}/stop"
            stopped.append(
                await sharing.http.post(path, json={"reason": "misuse"}, headers=sharing.manager("irvine", "m-2"))
            )
            return await fetch(*arguments)

        doors.audit.door.__class__.fetch, kept = lambda _self, *a: stop_first(*a), doors.audit.door.__class__.fetch
        try:
            late = await doors.ask({"plate": "8TST001"}, person=person, agency="irvine")
        finally:
            doors.audit.door.__class__.fetch = kept
        assert (stopped[0].status_code, stopped[0].json()["state"]) == (201, "stopped")
        await refused(late, 403, "AGREEMENT_MISSING")
        gone = await doors.shelf.get(f"/v1/images/{entries[1]}", headers=doors.auth(person))
        await refused(gone, 403, "AGREEMENT_MISSING")
        await refused(await doors.ask({"plate": "8TST001"}, person=person, agency="irvine"), 403, "AGREEMENT_MISSING")
        assert len(await sharing.told("agreement_stopped")) == 2, "both agencies are told"


async def test_the_accounts_of_the_demonstration_bring_an_agreement_into_force(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing = Sharing(doors)
        wish = terms(receiver="irvine", party_name="Irvine Police Department", purposes=["criminal_investigation"])
        made = await sharing.http.post(
            "/v1/sharing-agreements", json=wish, headers=sharing.manager("demo", "administrator", "alpr_admin")
        )
        assert made.status_code == 201, made.text
        path, shown = f"/v1/sharing-agreements/{made.json()['agreement_id']}", made.json()
        for account, role in (("manager", "program_manager"), ("supervisor", "supervisor")):
            listed = await sharing.http.get(path, headers=sharing.manager("demo", account, role))
            assert "approve" in listed.json()["may"], account
            answer = await sharing.http.post(
                f"{path}/approvals", json={"note": "read"}, headers=sharing.manager("demo", account, role)
            )
            assert answer.status_code == 201, answer.text
            shown = answer.json()
        assert (shown["state"], shown["needs"]) == ("in_force", 0)


async def test_two_people_approve_and_nobody_twice_and_time_ends_it(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing = Sharing(doors)
        made = await sharing.http.post("/v1/sharing-agreements", json=terms(), headers=sharing.manager("irvine"))
        name = made.json()["agreement_id"]
        assert (made.json()["state"], made.json()["needs"]) == ("draft", 2)
        path, person = f"/v1/sharing-agreements/{name}/approvals", asker(doors)
        first = await sharing.http.post(path, json={}, headers=sharing.manager("irvine", "m-1"))
        assert (first.status_code, first.json()["needs"], first.json()["state"]) == (201, 1, "draft")
        await refused(
            await sharing.http.post(path, json={}, headers=sharing.manager("irvine", "m-1")),
            409, "SECOND_PERSON_REQUIRED",
        )  # fmt: skip
        for agency, role, status, code in (
            ("irvine", "officer", 403, "APPROVER_NOT_AUTHORISED"),
            ("westminster", "program_manager", 404, "AGREEMENT_UNKNOWN"),  # the receiver does not approve its own wish
        ):
            await refused(
                await sharing.http.post(path, json={}, headers=sharing.manager(agency, "x", role)), status, code
            )
        await refused(await doors.ask({"plate": "8TST001"}, person=person, agency="irvine"), 403, "AGREEMENT_MISSING")
        # the database counts the people itself: a word in its row does not make an agreement
        await doors.sql("UPDATE retention.agreements SET approved_at = now()")
        await refused(await doors.ask({"plate": "8TST001"}, person=person, agency="irvine"), 403, "AGREEMENT_MISSING")
        await doors.sql("UPDATE retention.agreements SET approved_at = NULL")
        second = await sharing.http.post(path, json={}, headers=sharing.manager("irvine", "m-2", "supervisor"))
        assert second.json()["state"] == "in_force"
        assert (await doors.ask({"plate": "8TST001"}, person=person, agency="irvine")).status_code == 200
        await doors.sql(
            "UPDATE retention.agreements SET starts_at = now() - interval '20 days', expires_at = now() - interval '1 s'"
        )
        await refused(await doors.ask({"plate": "8TST001"}, person=person, agency="irvine"), 403, "AGREEMENT_MISSING")
        (listed,) = (await sharing.http.get("/v1/sharing-agreements", headers=sharing.manager("irvine"))).json()[
            "agreements"
        ]
        assert (listed["state"], listed["may"]) == ("expired", [])
        # no agreement runs for longer than a year, whatever program writes it
        with pytest.raises(asyncpg.CheckViolationError):
            await doors.sql("UPDATE retention.agreements SET expires_at = starts_at + interval '367 days'")
        # nor is one seen by an agency that is no party to it
        other = await sharing.http.get("/v1/sharing-agreements", headers=sharing.manager("roseville"))
        assert other.json()["agreements"] == []


async def test_the_profiles_refuse_whom_the_law_of_the_state_refuses(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing, receiver = Sharing(doors), "demo"
        for agency in ("irvine", "westminster", "claremont", "escondido", "roseville"):
            purpose = next(one.code for one in doors.profiles[agency].purposes if one.query)
            wanted = terms(receiver=receiver, purposes=[purpose])
            for changes, status, code in (
                ({"party_kind": "federal"}, 403, "COUNTERPARTY_NOT_PERMITTED"),
                ({"party_state": "NV"}, 403, "COUNTERPARTY_NOT_PERMITTED"),
                ({"party_kind": "private"}, 403, "RECIPIENT_CLASS_NOT_PERMITTED"),
                ({"receiver": "nowhere"}, 422, "AGENCY_UNKNOWN"),
            ):
                answer = await sharing.http.post(
                    "/v1/sharing-agreements", json=wanted | changes, headers=sharing.manager(agency)
                )
                await refused(answer, status, code)
            officer = sharing.manager(agency, role="officer")
            answer = await sharing.http.post("/v1/sharing-agreements", json=wanted, headers=officer)
            await refused(answer, 403, "ROLE_NOT_AUTHORISED")
            made = await sharing.http.post("/v1/sharing-agreements", json=wanted, headers=sharing.manager(agency))
            assert made.status_code == 201, made.text
            for told in (agency, receiver):
                assert await sharing.told("agreement_proposed", told)


async def test_no_agreement_outlives_the_policy_that_permitted_it(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        sharing, person = Sharing(doors), doors.person(agency="demo")
        await doors.keep(make_read("8TST001", agency="irvine"))
        strict, (door, here) = doors.profiles["irvine"], (doors.audit.door.profiles, doors.parts.profiles)
        wide = replace(strict, sharing=replace(strict.sharing, agreement_kinds=("in_state", "out_of_state")))
        door["irvine"] = here["irvine"] = wide
        kept = await in_force(sharing, receiver="demo", party_kind="in_state")
        wide_terms = {"receiver": "demo", "party_kind": "out_of_state", "party_state": "NV"}
        name = await in_force(sharing, **wide_terms)
        draft = await sharing.http.post(
            "/v1/sharing-agreements", json=terms(**wide_terms), headers=sharing.manager("irvine", "m-3")
        )
        await sharing.http.post(
            f"/v1/sharing-agreements/{kept}/stop", json={"reason": "no need"}, headers=sharing.manager("irvine")
        )
        await doors.parts.agreements.turn(here, utc_now())
        assert (await doors.ask({"plate": "8TST001"}, person=person, agency="irvine")).json()["rows"] != []

        # the query door knows the new policy first: it refuses before anybody has stopped anything
        door["irvine"] = strict
        await refused(await doors.ask({"plate": "8TST001"}, person=person, agency="irvine"), 403, "AGREEMENT_MISSING")
        offered = await doors.http.get("/v1/shared-agencies", headers=doors.auth(person))
        assert offered.json()["agencies"] == []
        # the keeper stops it for good, and both agencies are told why
        here["irvine"] = strict
        for _ in range(2):
            await doors.parts.agreements.turn(here, utc_now())
        for stopped in (name, draft.json()["agreement_id"]):
            one = (
                await sharing.http.get(f"/v1/sharing-agreements/{stopped}", headers=sharing.manager("irvine"))
            ).json()
            assert (one["state"], one["stopped_name"]) == ("stopped", f"policy {strict.version}")
            assert one["stop_reason"].startswith("COUNTERPARTY_NOT_PERMITTED")
        told = [event for event in await sharing.told("agreement_stopped") if event.reason_code]
        assert sorted(event.agency for event in told) == ["demo", "demo", "irvine", "irvine"]
        door["irvine"] = here["irvine"] = wide
        await doors.parts.agreements.turn(here, utc_now())
        await refused(await doors.ask({"plate": "8TST001"}, person=person, agency="irvine"), 403, "AGREEMENT_MISSING")


async def test_no_intent_reaches_another_agency_but_under_the_agreement_between_the_two(pg_database, tmp_path):
    """What the door commits is judged by the database again: a scope, an agreement or an act that does not fit is refused."""
    async with Doors(pg_database, tmp_path) as doors:
        sharing = Sharing(doors)
        await doors.keep(
            *(make_read("8TST001", number=n, agency=a) for n, a in enumerate(("irvine", "roseville", "demo")))
        )
        right = await in_force(sharing, giver="irvine")
        other = await in_force(sharing, giver="roseville", receiver="escondido")
        person, record = asker(doors), doors.audit.door.record
        search = {"search": {"plate": "8TST001", "limit": 9}, "purpose": PURPOSE}
        reader = await asyncpg.connect(pg_database.url("reader"))
        try:
            for agency, act, code in (
                ("irvine", {"act": "search", **search}, "AGREEMENT_MISSING"),
                ("irvine", {"act": "search", **search, "agreement": "x' OR true"}, "AGREEMENT_MISSING"),
                ("irvine", {"act": "search", **search, "agreement": other}, "AGREEMENT_MISSING"),
                ("roseville", {"act": "search", **search, "agreement": right}, "AGREEMENT_MISSING"),
                ("irvine,roseville", {"act": "search", **search, "agreement": right}, "AGREEMENT_MISSING"),
                ("irvine", {"act": "subject", **search, "agreement": right}, "AGREEMENT_MISSING"),
                ("irvine", {"act": "search", **search, "agreement": right, "purpose": "gossip"}, "AGREEMENT_PURPOSE"),
                ("irvine", {"act": "hits", **search, "agreement": right}, "AGREEMENT_NO_HITS"),
            ):
                receipt = await record("tested", person, facts={}, personal={}, act=act, agency=agency)
                call = {"search": "search_reads", "hits": "search_hits", "subject": "subject_answer"}[act["act"]]
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match=code):
                    await reader.fetch(f"SELECT retention.{call}($1)", receipt.index)
            act = {"act": "search", **search, "agreement": right}
            receipt = await record("tested", person, facts={}, personal={}, act=act, agency="irvine")
            assert len(await reader.fetch("SELECT retention.search_reads($1)", receipt.index)) == 1
            for statement in ("SELECT * FROM retention.agreements", "SELECT * FROM retention.agreement_uses"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await reader.fetch(statement)
        finally:
            await reader.close()
