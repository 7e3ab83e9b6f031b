"""Requests for data from outside over retention's door: who is given any, who decides, what stays on file (SHR)."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from tests.fixtures.doors import Doors, make_read
from tests.fixtures.releases import AGENCIES, ASKED, BASES, PAPER, PROFILES, Desk, sha256, told

pytestmark = pytest.mark.asyncio
RECORDS = "Records Maintenance and Release Policy"
TO_RECORDS = ("irvine", "westminster", "roseville")


@pytest.mark.requirement("SHR-01", "USE-08")
async def test_what_each_class_of_recipient_comes_to(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            desk, read = Desk(doors, agency), make_read(agency=agency)
            prosecutor = await desk.submitted(read, recipient_class="prosecutor")
            answer = await desk.decide(prosecutor)
            named = agency != "claremont"
            assert told(answer) == ((200, "") if named else (403, "RECIPIENT_CLASS_NOT_PERMITTED")), agency
            police = await desk.submitted(read)
            assert told(await desk.decide(police)) == (200, "")
            for recipient in ("commercial", "private_entity", "individual"):
                request_id = await desk.submitted(recipient_class=recipient)
                for role in ("program_manager", "supervisor", "investigator", "alpr_admin", "chief_admin_assistant"):
                    answer = await desk.decide(request_id, role)
                    assert told(answer) == (403, "RECIPIENT_CLASS_NOT_PERMITTED"), (agency, recipient, role)
            if agency in TO_RECORDS:
                by_law = await desk.submitted(read, recipient_class="as_permitted_by_law")
                assert told(await desk.decide(by_law, legal_basis="official_purpose")) == (422, "LEGAL_BASIS_REQUIRED")
                assert told(await desk.decide(by_law, legal_basis="court_order", note="")) == (
                    422, "LEGAL_BASIS_REQUIRED",
                )  # fmt: skip
                assert told(await desk.decide(by_law, legal_basis="court_order")) == (200, "")


@pytest.mark.requirement("SHR-02")
async def test_a_request_has_its_fields_and_its_paper_before_it_leaves_the_draft(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            desk = Desk(doors, agency)
            for name in ("agency_name", "requester_name", "intended_purpose"):
                for body in ({**ASKED, name: " "}, {key: value for key, value in ASKED.items() if key != name}):
                    answer = await desk.call("POST", "/v1/release-requests", **body)
                    assert (answer.status_code, name in answer.json()["detail"]) == (422, True)
            by_phone = await desk.draft(received_as="phone")
            assert told(await desk.post(by_phone, "submission")) == (409, "DOCUMENT_REQUIRED")
            assert (await desk.look(by_phone))["state"] == "draft"
            assert told(await desk.decide(by_phone)) == (409, "STEP_OUT_OF_ORDER")
            assert told(await desk.post(by_phone, "signed-form", signed_by="Ada Elm")) == (200, "")
            assert (await desk.post(by_phone, "submission")).json()["state"] == "submitted"
            form = await desk.call("GET", f"/v1/release-requests/{by_phone}/document")
            label = "Reason for the request" if agency == "claremont" else "Intended purpose of obtaining"
            assert (label in form.text, "Witnessed by: The investigator" in form.text) == (True, True)


async def test_papers_are_what_they_say_and_lie_sealed(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        desk = Desk(doors, "irvine")
        request_id = await desk.draft()
        for data, kind, expected in (
            (b"MZ\x90", "application/pdf", (422, "DOCUMENT_INVALID")),
            (b"", "text/plain", (422, "DOCUMENT_INVALID")),
            (b"\xff\xfe\x00", "text/plain", (422, "DOCUMENT_INVALID")),
            (PAPER, "application/zip", (415, "DOCUMENT_TYPE_UNKNOWN")),
            (b"%PDF-" + bytes(20 * 1024 * 1024), "application/pdf", (413, "BODY_TOO_LARGE")),
        ):
            assert told(await desk.paper(request_id, data, kind)) == expected
        assert told(await desk.paper(request_id, name="a%2Fb.pdf")) == (422, "FIELD_INVALID")
        assert (await desk.paper(request_id, b"an older version", "text/plain")).status_code == 200
        assert (await desk.paper(request_id, name="Antrag%20%C3%BC.pdf")).status_code == 200
        lying = [path for path in (tmp_path / "images" / "release").rglob("*") if path.is_file()]
        assert len(lying) == 1  # the older version went with its row
        assert PAPER not in lying[0].read_bytes()
        answer = await desk.call("GET", f"/v1/release-requests/{request_id}/document", "auditor")
        assert (answer.content, answer.headers["etag"]) == (PAPER, f'"{sha256(PAPER)}"')
        assert "Antrag%20%C3%BC.pdf" in answer.headers["content-disposition"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        lying[0].unlink()
        assert told(await desk.call("GET", f"/v1/release-requests/{request_id}/document")) == (404, "REQUEST_UNKNOWN")


@pytest.mark.requirement("SHR-03")
async def test_data_is_approved_by_the_named_before_anything_is_made(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            desk, reads = Desk(doors, agency), [make_read(number=n, agency=agency) for n in range(3)]
            request_id = await desk.submitted(*reads)
            handing = {"recipient_person": "Ada Elm", "method": "download", "entry": 1}
            assert told(await desk.post(request_id, "fulfilments", **handing)) == (409, "APPROVAL_REQUIRED")
            for role in ("sergeant", "officer", "investigator", "alpr_admin", "auditor", "chief_admin_assistant"):
                assert told(await desk.decide(request_id, role)) == (403, "APPROVER_NOT_AUTHORISED"), (agency, role)
            designee = {"powers": ("approve_release:d-7",), "person_id": "d"}
            answer = await desk.post(
                request_id, "decisions", "investigator", who=designee, decision="approve", **BASES,
                read_ids=[read.read_id for read in reads[:2]],
            )  # fmt: skip
            if agency == "claremont":
                assert told(answer) == (403, "APPROVER_NOT_AUTHORISED")
                answer = await desk.decide(request_id, "supervisor", read_ids=[read.read_id for read in reads[:2]])
            found = answer.json()
            assert (answer.status_code, found["state"]) == (200, "approved")
            assert found["approved_ids"] == [read.read_id for read in reads[:2]]  # and no other can be handed over
            assert found["decision"]["delegation_id"] == ("" if agency == "claremont" else "d-7")
            assert told(await desk.decide(request_id)) == (409, "STEP_OUT_OF_ORDER")
            own = await desk.submitted(*reads)
            author = {"person_id": f"{agency}-investigator"}
            answer = await desk.post(own, "decisions", desk.approver, who=author, decision="approve", **BASES)
            assert told(answer) == (403, "AUTHOR_MUST_DIFFER")
            elsewhere = Desk(doors, "irvine" if agency != "irvine" else "roseville")
            assert told(await elsewhere.decide(own, "program_manager")) == (404, "REQUEST_UNKNOWN")
            assert told(await elsewhere.call("GET", f"/v1/release-requests/{own}")) == (404, "REQUEST_UNKNOWN")
            denied = await desk.decide(own, decision="deny")
            assert denied.json()["state"] == "denied"
            assert told(await desk.post(own, "fulfilments", **handing)) == (409, "APPROVAL_REQUIRED")


@pytest.mark.requirement("SHR-03")
async def test_nobody_approves_reads_that_they_named_or_never_saw(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            desk, one, two = Desk(doors, agency), make_read(agency=agency), make_read(agency=agency, number=2)
            request_id = await desk.submitted(one)
            scope, both = f"/v1/release-requests/{request_id}/scope", [one.read_id, two.read_id]
            widened = await desk.call("PUT", scope, desk.approver, read_ids=both)
            assert told(widened) == (200, "")
            assert "decide" not in widened.json()["may"]
            for decision in ({}, {"read_ids": both}, {"decision": "deny"}):
                assert told(await desk.decide(request_id, **decision)) == (403, "AUTHOR_MUST_DIFFER"), agency
            # whoever takes it down names them anew; what the approver looked at before is not approved then
            seen = await desk.look(request_id, desk.approver)
            assert told(await desk.call("PUT", scope, read_ids=[one.read_id])) == (200, "")
            for old in ({"scope_sha256": seen["scope_sha256"]}, {"scope_sha256": "", "read_ids": both}):
                assert told(await desk.decide(request_id, **old))[1] in {"SCOPE_CHANGED", "SCOPE_WIDER"}
            assert told(await desk.decide(request_id, scope_sha256="")) == (422, "SCOPE_REQUIRED")
            assert told(await desk.decide(request_id, scope_sha256="x")) == (422, "FIELD_INVALID")
            decided = await desk.decide(request_id)
            assert (decided.status_code, decided.json()["approved_ids"]) == (200, [one.read_id])


@pytest.mark.requirement("SHR-04")
async def test_what_is_approved_stays_on_file_as_it_was(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            desk = Desk(doors, agency)
            request_id = await desk.approved(make_read(agency=agency))
            before = await desk.look(request_id)
            for role in sorted({"program_manager", "supervisor", "custodian", "retention_officer", desk.keeper}):
                answer = await desk.call("DELETE", f"/v1/release-requests/{request_id}", role)
                assert told(answer) == (403, "FILE_IMMUTABLE")
            assert told(await desk.paper(request_id, b"another paper", "text/plain")) == (403, "FILE_IMMUTABLE")
            scope = {"read_ids": [make_read(number=9).read_id]}
            answer = await desk.call("PUT", f"/v1/release-requests/{request_id}/scope", **scope)
            assert told(answer) == (409, "STEP_OUT_OF_ORDER")
            paper = await desk.call("GET", f"/v1/release-requests/{request_id}/document", "auditor")
            assert sha256(paper.content) == before["document"]["sha256"] == sha256(PAPER)
            after = await desk.look(request_id)
            history = after.pop("history")
            assert [act["act"] for act in history[: len(before["history"])]] == [
                a["act"] for a in before.pop("history")
            ]
            assert after == before
            assert {"requested", "document_added", "submitted", "approved", "forwarded"} <= {a["act"] for a in history}
        for login in ("", "retention"):  # neither the service nor a superuser writes over it by mistake
            await doors.sql("SELECT set_config('alpr.agencies', $1, false)", ",".join(AGENCIES), login=login)
            for statement in (
                "DELETE FROM retention.release_requests",
                "UPDATE retention.release_requests SET intended_purpose = 'another'",
                "UPDATE retention.release_requests SET decision = '{}'",
                "UPDATE retention.release_acts SET note = 'another'",
                "DELETE FROM retention.release_acts",
                "TRUNCATE retention.release_requests CASCADE",
            ):
                with pytest.raises((asyncpg.CheckViolationError, asyncpg.InsufficientPrivilegeError)):
                    await doors.sql(statement, login=login)


@pytest.mark.requirement("SHR-05")
async def test_the_keeper_of_the_file_has_every_request_that_goes_there(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            desk, read = Desk(doors, agency), make_read(agency=agency)
            approved, denied, withdrawn = await desk.approved(read), await desk.submitted(), await desk.submitted()
            assert told(await desk.decide(denied, decision="deny")) == (200, "")
            assert told(await desk.post(withdrawn, "withdrawal", note="not needed any more")) == (200, "")
            refused = await desk.submitted(recipient_class="media")
            listed = await desk.call("GET", "/v1/release-requests?filed=true", desk.keeper)
            rows = {row["request_id"]: row for row in listed.json()["release_requests"]}
            everything = {approved, denied, withdrawn, refused}
            assert set(rows) == (everything if agency in ("claremont", "escondido") else {approved})
            one = denied if denied in rows else approved
            for role in {"program_manager", "supervisor", "custodian", "chief_admin_assistant"} - {desk.keeper}:
                assert told(await desk.post(one, "filing", role)) == (403, "ROLE_NOT_AUTHORISED")
            filed = (await desk.post(one, "filing", desk.keeper)).json()["filing"]
            assert filed["forwarded_to"] == desk.keeper
            assert filed["forwarded_at"] <= filed["acknowledged_at"]
            assert filed["acknowledged_by"] == f"{agency}-{desk.keeper}"
            assert told(await desk.post(one, "filing", desk.keeper)) == (409, "STEP_OUT_OF_ORDER")
            if agency == "claremont":
                assert desk.keeper == "chief_admin_assistant"
                assert filed["forwarded_title"] == "Administrative Assistant of the Chief of Police"


COMMANDERS = {
    "irvine": ["Support Services Commander"],
    "westminster": ["Professional Standards Unit Commander"],
    "claremont": ["Division Commander", "Watch Commander or Detective Bureau Lieutenant"],
    "escondido": ["ALPR System Administrator"],
    "roseville": ["Services Division Captain"],
}


@pytest.mark.requirement(
    "SHR-01", "SHR-03", partial="the conflicts C-13 to C-16 between the policies, as the form says"
)
async def test_the_form_of_each_agency_says_where_the_policies_differ(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            form = (await Desk(doors, agency).call("GET", "/v1/release-requests/form")).json()
            routes = {one["code"]: one["route"] for one in form["classes"]}
            everything = agency in ("claremont", "escondido")
            assert (form["approvers"], form["designees"]) == (COMMANDERS[agency], agency != "claremont")  # C-13
            assert (routes["prosecutor"], routes["governmental"]) == (  # C-14
                "decide", "decide" if agency == "escondido" else "refuse" if agency == "claremont" else "records",
            )  # fmt: skip
            assert form["file_scope"] == ("all" if everything else "approved")  # C-15
            assert (routes["other"], routes["commercial"]) == (  # C-16
                ("refuse", "never") if everything else ("records", "records")
            )
            assert (form["other_requests"] == RECORDS) is not everything


@pytest.mark.requirement("SHR-06", "SHR-08")
async def test_everybody_elses_request_goes_where_the_policy_says(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            desk = Desk(doors, agency)
            for recipient in ("other", "public", "media"):
                request_id = await desk.submitted(recipient_class=recipient)
                found = await desk.look(request_id)
                assert found["state"] == ("routed_to_records" if agency in TO_RECORDS else "refused")
                assert found["basis"] == list(PROFILES[agency].sharing.public_basis)
                handed = [act for act in found["history"] if act["act"] == "routed_to_records"]
                assert [act["facts"]["to"] for act in handed] == ([RECORDS] if agency in TO_RECORDS else [])
                assert told(await desk.decide(request_id)) == (409, "STEP_OUT_OF_ORDER")
                handing = {"recipient_person": "Ada Elm", "method": "download", "entry": 1}
                assert told(await desk.post(request_id, "fulfilments", **handing)) == (409, "APPROVAL_REQUIRED")
                letter = await desk.call("GET", f"/v1/release-requests/{request_id}/letter")
                assert all(reason in letter.text for reason in PROFILES[agency].sharing.public_basis)
                assert (RECORDS in letter.text) is (agency in TO_RECORDS)
            if agency == "escondido":
                assert any("6254(f)" in reason for reason in found["basis"])
                assert any("6254(k)" in reason for reason in found["basis"])


@pytest.mark.requirement("SHR-08")
async def test_no_way_to_requests_or_disclosures_opens_without_a_person(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        request_id = await Desk(doors, "irvine").approved(make_read(agency="irvine"))
        one = f"/v1/release-requests/{request_id}"
        for method, path in (
            ("GET", "/v1/release-requests"), ("POST", "/v1/release-requests"), ("GET", one), ("DELETE", one),
            ("GET", f"{one}/document"), ("PUT", f"{one}/document"), ("GET", f"{one}/letter"),
            ("POST", f"{one}/decisions"), ("POST", f"{one}/fulfilments"), ("POST", "/v1/disclosures"),
            ("GET", "/v1/release-requests/form"), ("PUT", f"{one}/scope"), ("POST", f"{one}/filing"),
        ):  # fmt: skip
            answer = await doors.shelf.request(method, path, json={} if method != "GET" else None)
            assert told(answer) == (401, "TOKEN_MISSING"), path
        for role in ("officer", "dispatcher", "contractor", "training_manager"):
            desk = Desk(doors, "irvine")
            assert told(await desk.call("GET", one, role)) == (403, "ROLE_NOT_AUTHORISED")
            assert told(await desk.call("POST", "/v1/release-requests", role, **ASKED)) == (403, "ROLE_NOT_AUTHORISED")


@pytest.mark.requirement("SHR-07")
async def test_an_approval_names_the_bases_that_the_policy_asks_for(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            desk = Desk(doors, agency)
            request_id = await desk.submitted(make_read(agency=agency))
            if agency == "escondido":
                for lacking in ({"policy_basis": ""}, {"policy_basis": "own"}, {"authorized_purpose": ""}):
                    assert told(await desk.decide(request_id, **lacking)) == (422, "POLICY_BASIS_REQUIRED")
            if agency != "claremont":
                for lacking in ({"legal_basis": ""}, {"citation": " "}, {"legal_basis": "hearsay"}):
                    assert told(await desk.decide(request_id, **lacking)) == (422, "LEGAL_BASIS_REQUIRED")
            bare = dict.fromkeys(BASES, "") if agency == "claremont" else {}
            decision = (await desk.decide(request_id, **bare)).json()["decision"]
            expected = {} if agency == "claremont" else BASES
            assert {name: decision[name] for name in expected} == expected


@pytest.mark.requirement("RET-16")
async def test_a_file_is_kept_as_long_as_the_policy_says_and_then_goes_whole(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        disposal, now = doors.parts.disposal, doors.now()

        async def files(agency):
            rows = await doors.sql("SELECT request_id FROM retention.release_requests WHERE agency = $1", agency)
            return {str(row[0]) for row in rows}

        ends = {}
        for agency in ("escondido", "claremont"):
            desk, read = Desk(doors, agency), make_read(agency=agency)
            denied = await desk.submitted(read)
            assert told(await desk.decide(denied, decision="deny")) == (200, "")
            assert told(await desk.post(denied, "filing", desk.keeper))[0] == 200
            waiting, draft = await desk.submitted(read), await desk.draft(read)
            ends[agency] = (denied, waiting, draft)
        closed = (await doors.sql("SELECT max(closed_on) FROM retention.release_requests"))[0][0]
        profiles = doors.profiles
        years = {agency: profiles[agency].sharing.file_years for agency in ends}
        assert years == {"escondido": 2, "claremont": None}
        last = datetime(closed.year + 2, closed.month, min(closed.day, 28), 20, tzinfo=UTC)
        assert await disposal.turn(profiles, last) == 0  # the last day on which it is kept
        with pytest.raises(asyncpg.CheckViolationError, match="RETENTION_FLOOR"):  # whatever a profile or a clock says
            await disposal.turn(profiles, last + timedelta(days=5))
        await doors.sql("ALTER TABLE retention.release_requests DISABLE TRIGGER paper")
        await doors.sql("UPDATE retention.release_requests SET closed_on = closed_on - 800 WHERE closed_on IS NOT NULL")
        await doors.sql("ALTER TABLE retention.release_requests ENABLE TRIGGER paper")
        for table in ("release_requests", "release_acts", "release_filings"):
            with pytest.raises(asyncpg.PostgresError):  # nobody deletes by hand, whoever asks
                await doors.sql(f"DELETE FROM retention.{table} WHERE request_id = $1", ends["escondido"][0])
        assert await disposal.turn(profiles, now) == 1
        assert await disposal.turn(profiles, now) == 0
        assert await files("escondido") == set(ends["escondido"][1:])
        assert await files("claremont") == set(ends["claremont"])
        assert await doors.parts.images.objects.list(f"release/escondido/{ends['escondido'][0]}") == []
        (entry,) = await doors.told("release_file_disposed")
        assert (entry.agency, entry.facts["release_id"]) == ("escondido", ends["escondido"][0])
