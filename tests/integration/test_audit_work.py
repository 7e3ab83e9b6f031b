"""Auditing: reports of accesses, their two years, the trail of a read, and that each look is an entry (AUD-01..04, AUD-07)."""

import csv
import hashlib
import io
import json
from datetime import timedelta

import asyncpg
import pytest

from alpr_audit.main import Events, draft_of
from alpr_audit.reviews.accesses import ACCESS_KINDS
from alprcore.kafka import Message
from alprcore.model import AuditEvent, event_id
from alprcore.seal import sign_person
from alprcore.topics import Topic
from alprcore.wire import encode_audit_event, headers_for
from tests.fixtures.console import make_hit as make_live_hit
from tests.fixtures.desk import desk, put_hit
from tests.fixtures.doors import Doors, make_read, utc_now

pytestmark = pytest.mark.asyncio
AGENCIES = ("irvine", "westminster", "claremont", "escondido", "roseville")


def purpose_of(doors, agency):
    return next(purpose.code for purpose in doors.profiles[agency].purposes if purpose.query)


async def ask(doors, agency, criteria, **body):
    person = doors.person(agency=agency, **body.pop("who", {}))
    answer = await doors.ask(criteria, person=person, purpose_code=purpose_of(doors, agency), **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def report(doors, agency="demo", role="auditor", *, begin=None, end=None, **filters):
    now = utc_now()
    body = {
        "from": (begin or now - timedelta(days=1)).isoformat(),
        "to": (end or now + timedelta(minutes=1)).isoformat(),
    }
    auth = doors.auth(agency=agency, person_id="p-auditor", username="aud", full_name="Ada Ito", roles=(role,))
    made = await doors.http.post("/v1/audit/reports", json={**body, **filters}, headers=auth)
    assert made.status_code == 201, made.text
    return made.json(), (await doors.http.get(f"/v1/audit/reports/{made.json()['report_id']}", headers=auth)).json()


def event(kind, agency="demo", *, subject="s", at=None, outcome="ok", reason_code="", facts=None, **personal):
    at = at or utc_now()
    who = {"person_id": "p-1", "username": "jdoe", "full_name": "Jane Doe", "organization": "Example PD",
           "source_ip": "192.0.2.7", "session_id": "s-1"}  # fmt: skip
    return AuditEvent(
        event_id=event_id(subject, kind, at.isoformat()),
        occurred_at=at,
        agency=agency,
        kind=kind,
        service="console",
        outcome=outcome,
        reason_code=reason_code,
        facts={"subject": subject, **(facts or {})},
        personal={**who, **personal},
    )


async def tell(doors, *events):
    """Bring events of other services into the ledger as the consumer of topic `audit` does."""
    messages = [
        Message("audit", 0, n, e.event_id.encode(), encode_audit_event(e),
                dict(headers_for(Topic.AUDIT, id=e.event_id, source="console", time=e.occurred_at)), 0)
        for n, e in enumerate(events)
    ]  # fmt: skip
    await Events(doors.audit.writer).handle(messages)


@pytest.mark.requirement("AUD-03")
@pytest.mark.requirement("AUD-02")
@pytest.mark.parametrize("agency", AGENCIES)
async def test_a_report_has_one_row_per_access_with_the_columns_of_the_policy(pg_database, tmp_path, agency):
    async with Doors(pg_database, tmp_path) as doors:
        await ask(doors, agency, {"plate": "8TST001"}, case_number="26-000123")
        no_case = {"case_number": "", "no_case_number_reason": "the call is still open"}
        await ask(doors, agency, {"plate": "8TST002", "state": "CA"}, **no_case)
        await ask(doors, agency, {"partial": "8TST0?3"}, **no_case)
        await ask(doors, "demo" if agency != "demo" else "irvine", {"plate": "9OTHER1"})
        made, shown = await report(doors, agency)
        codes = [column["code"] for column in shown["columns"]]
        assert codes[:6] == ["user_name", "date", "time", "data_queried", "justification", "case_number"]
        assert ({"ip_address", "organization"} <= set(codes)) == (agency == "claremont")
        rows = shown["rows"]
        assert len(rows) == 3 == made["accesses"]
        assert [row["case_number"] for row in rows] == ["26-000123", "", ""]
        assert rows[1]["data_queried"] == "plate 8TST002; state CA"
        for row in rows:
            assert row["user_name"] == "Jane Doe"
            assert row["date"]
            assert row["time"]
            assert row["data_queried"]
            assert "vehicle seen at a burglary" in row["justification"]
        if agency == "claremont":
            assert rows[0]["ip_address"] == "192.0.2.7"
            assert rows[0]["organization"] == "jdoe, Example PD"
        assert shown["totals"]["with_case_number"] == 1
        # no data access lacks one of the five groups, whichever the agency's policy names
        stored = await doors.sql("SELECT * FROM audit.access_events")
        groups = ("occurred_at", "ip", "criteria", "username", "full_name", "organization", "purpose_code")
        assert len(stored) >= 4
        assert all(row[name] for row in stored for name in groups)


@pytest.mark.requirement("AUD-03")
async def test_a_report_is_frozen_signed_by_its_hash_and_its_forms_are_safe(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        formula = '=HYPERLINK("http://x","<b>seen</b>")'
        await ask(doors, "demo", {"plate": "8TST001"}, justification=formula, case_number="@26-1")
        made, shown = await report(doors)
        before = await doors.sql("SELECT document, sha256 FROM audit.reports")
        assert hashlib.sha256(before[0]["document"]).hexdigest() == made["sha256"] == shown["sha256"]
        auth = doors.auth(roles=("auditor",))
        path = f"/v1/audit/reports/{made['report_id']}"
        sheet = await doors.http.get(f"{path}?format=csv", headers=auth)
        lines = list(csv.reader(io.StringIO(sheet.text)))
        assert lines[1][5] == "'@26-1"
        assert not any(cell.startswith(("=", "+", "-", "@")) for line in lines for cell in line)
        paper = await doors.http.get(f"{path}?format=html", headers=auth)
        assert paper.headers["content-type"].startswith("text/html")
        assert "<b>seen" not in paper.text
        assert made["sha256"] in paper.text
        await ask(doors, "demo", {"plate": "8TST009"})
        assert (await doors.http.get(path, headers=auth)).json() == shown
        # making and reading a report are entries, with the hash of what was made
        (entry,) = await doors.log("report_made")
        assert entry["entry"]["facts"]["sha256"] == made["sha256"]
        assert len(await doors.log("report_read")) == 4
        listed = (await doors.http.get("/v1/audit/reports", headers=auth)).json()["reports"]
        assert [one["report_id"] for one in listed] == [made["report_id"]]


@pytest.mark.requirement("CFG-03", partial="the gates themselves are tested where the steps are")
@pytest.mark.requirement("AUD-03")
async def test_a_report_counts_overrides_by_user_and_reason_and_what_was_refused(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for number in range(2):
            skipped = event("gate_overridden", subject=f"hit-{number}", facts={"step": "verify", "gate": "soft"},
                            override_reason="no terminal in reach")  # fmt: skip
            await tell(doors, skipped)
        counted = event("refused", outcome="refused", reason_code="NO_SESSION", facts={"count": "37"})
        await tell(doors, event("refused", subject="x", outcome="refused", reason_code="ROLE_NOT_AUTHORISED"), counted)
        await doors.ask({"plate": "8TST001"}, purpose_code="curiosity")
        _, shown = await report(doors)
        totals = shown["totals"]
        assert totals["overrides"] == [
            {
                "username": "jdoe",
                "full_name": "Jane Doe",
                "step": "verify",
                "reason": "no terminal in reach",
                "count": 2,
            }
        ]
        assert totals["refused_by_code"] == {"NO_SESSION": 37, "PURPOSE_NOT_PERMITTED": 1, "ROLE_NOT_AUTHORISED": 1}
        assert totals["refused"] == 39


async def test_a_report_over_altered_content_is_refused(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await ask(doors, "demo", {"plate": "8TST001"})
        await doors.sql("UPDATE audit.personal SET content = jsonb_set(content, '{criteria,plate}', '\"8TST999\"')"
                        " WHERE content ? 'criteria'")  # fmt: skip
        now = utc_now()
        body = {"from": (now - timedelta(days=1)).isoformat(), "to": (now + timedelta(minutes=1)).isoformat()}
        answer = await doors.http.post("/v1/audit/reports", json=body, headers=doors.auth(roles=("auditor",)))
        assert (answer.status_code, answer.json()["reason_code"]) == (409, "LEDGER_UNSOUND")
        for wrong in ({**body, "to": body["from"]}, {**body, "from": "2020-01-01T00:00:00Z"}, {"from": body["from"]}):
            answer = await doors.http.post("/v1/audit/reports", json=wrong, headers=doors.auth(roles=("auditor",)))
            assert answer.status_code == 422


@pytest.mark.requirement("AUD-07")
async def test_a_report_is_kept_for_two_years_whoever_asks(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        real = doors.audit.door.clock
        today = real()
        made_at = {}
        for agency, days in (("escondido", 729), ("irvine", 731)):
            then = today - timedelta(days=days)
            doors.audit.door.clock = lambda then=then: then
            auth = {
                "authorization": f"Person {sign_person(doors.person_key, doors.person(agency=agency, roles=('auditor',)), then)}"
            }
            body = {"from": (then - timedelta(days=90)).isoformat(), "to": then.isoformat()}
            made = await doors.http.post("/v1/audit/reports", json=body, headers=auth)
            assert made.status_code == 201, made.text
            made_at[agency] = made.json()["report_id"]
        doors.audit.door.clock = real
        young = f"/v1/audit/reports/{made_at['escondido']}"
        for role in ("auditor", "alpr_admin", "program_manager"):
            answer = await doors.http.delete(young, headers=doors.auth(agency="escondido", roles=(role,)))
            assert (answer.status_code, answer.json()["reason_code"]) == (403, "RETENTION_FLOOR")
        nobody = await doors.http.delete(young, headers=doors.auth(agency="escondido", roles=("officer",)))
        assert (nobody.status_code, nobody.json()["reason_code"]) == (403, "ROLE_NOT_AUTHORISED")
        # below the doors neither the running service nor the owner of the table can
        statements = ("DELETE FROM audit.reports", "UPDATE audit.reports SET document = 'x'", "TRUNCATE audit.reports")
        for login in ("audit", "audit_owner", ""):
            for statement in statements:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await doors.sql(
                        f"{statement} WHERE agency = 'escondido'" if "DEL" in statement else statement, login=login
                    )
        before = len(await doors.sql("SELECT FROM audit.reports"))
        await doors.audit.reviewing.turn()
        left = await doors.sql("SELECT report_id FROM audit.reports")
        assert (before, [row[0] for row in left]) == (2, [made_at["escondido"]])
        rows = await doors.audit.door.store.log("irvine", 2**62, "report_removed", 10)
        assert [row["entry"]["facts"]["report_id"] for row in rows] == [made_at["irvine"]]
        kept = (await doors.http.get(young, headers=doors.auth(agency="escondido", roles=("auditor",)))).json()
        assert kept["retain_until"][:4] == str(int(kept["created_at"][:4]) + 2)


@pytest.mark.requirement("AUD-04")
async def test_the_trail_of_a_read_lists_what_came_of_it_in_order(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read, other = make_read(number=1), make_read(number=2)
        await doors.keep(read, other)
        query_id = (await doors.ask({"plate": "8TST001"})).json()["query_id"]
        for shown in (read, other):
            body = {"read_id": shown.read_id, "role": "closeup", "query_id": query_id}
            assert (await doors.http.post("/v1/image-views", json=body, headers=doors.auth())).status_code == 201
        body = {"query_id": query_id, "format": "csv", "purpose_code": "criminal_investigation",
                "justification": "vehicle seen at a burglary"}  # fmt: skip
        assert (await doors.http.post("/v1/exports", json=body, headers=doors.auth())).status_code == 201
        uses = [
            event("hold_placed", facts={"read_id": read.read_id, "hold_id": "h-1"}, subject="h-1"),
            event("release_delivered", facts={"read_id": read.read_id, "release_id": "r-1"}, subject="r-1"),
            event("hold_placed", facts={"read_id": other.read_id}, subject="h-2"),
        ]
        await tell(doors, *uses)
        auth = doors.auth(roles=("auditor",))
        events = (await doors.http.get(f"/v1/audit/trail?read_id={read.read_id}", headers=auth)).json()["events"]
        kinds = [one["kind"] for one in events]
        assert kinds[:3] == ["query", "query_result", "image_view"]
        assert kinds[-2:] == ["hold_placed", "release_delivered"]
        assert "export" in kinds or "export_result" in kinds
        assert kinds.count("image_view") == 1  # the other read's image is no use of this one
        assert [one["index"] for one in events] == sorted(one["index"] for one in events)
        assert events[0]["username"] == "jdoe"
        whole = (await doors.http.get(f"/v1/audit/trail?query_id={query_id}", headers=auth)).json()["events"]
        assert [one["kind"] for one in whole][:4] == ["query", "query_result", "image_view", "image_view"]
        released = (await doors.http.get("/v1/audit/trail?release_id=r-1", headers=auth)).json()["events"]
        assert [one["kind"] for one in released] == ["release_delivered"]
        other_agency = doors.auth(agency="irvine", roles=("auditor",))
        assert (await doors.http.get(f"/v1/audit/trail?read_id={read.read_id}", headers=other_agency)).json()[
            "events"
        ] == []
        assert (await doors.http.get("/v1/audit/trail", headers=auth)).status_code == 422


@pytest.mark.requirement("AUD-04")
async def test_a_hold_of_many_reads_stands_in_the_trail_of_each(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        reads = [make_read(number=number) for number in range(4)]
        await doors.keep(*reads)
        held = [read.read_id for read in reads[:3]]
        body = {"ground": "evidence", "case_number": "26-9", "read_ids": held}
        assert (await doors.shelf.post("/v1/holds", json=body, headers=doors.auth())).status_code == 201
        await tell(doors, *await doors.told("hold_placed"))
        auth = doors.auth(roles=("auditor",))
        for read in reads:
            trail = (await doors.http.get(f"/v1/audit/trail?read_id={read.read_id}", headers=auth)).json()["events"]
            assert [one["kind"] for one in trail] == (["hold_placed"] if read.read_id in held else [])


async def test_a_case_number_finds_what_was_done_under_its_holds_and_releases(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        hold = {"hold_id": "0a11b0c5-0000-4000-8000-000000000001"}
        release = {"release_id": "0a11b0c5-0000-4000-8000-000000000002"}
        other = {"hold_id": "0a11b0c5-0000-4000-8000-000000000003"}
        query_id = (await doors.ask({"plate": "8TST001"}, case_number="26-004711")).json()["query_id"]
        await tell(
            doors,
            event("hold_placed", subject="h-1", facts=hold, case_number="26-004711"),
            event("release_requested", subject="r-1", facts=release, case_number="26-004711"),
            event("hold_placed", subject="h-2", facts=other, case_number="26-1"),
            event("package_opened", subject="p-1", facts=hold),
            event("evidence_booked", subject="p-1", facts=hold),
            event("release_approved", subject="r-1", facts=release),
            event("evidence_booked", subject="p-2", facts=other),
            event("action_recorded", subject="x", facts={"follows": str(query_id)}),
            event("hold_placed", "irvine", subject="h-3", facts=hold, case_number="26-004711"),
        )
        auth = doors.auth(roles=("auditor",), person_id="p-9")
        found = await doors.http.post("/v1/audit/log", json={"case_number": "26-004711"}, headers=auth)
        kinds = [row["entry"]["kind"] for row in found.json()["rows"]]
        assert sorted(kinds) == sorted(
            ["query", "query_result", "hold_placed", "release_requested", "package_opened", "evidence_booked",
             "release_approved", "action_recorded"]
        )  # fmt: skip
        none = await doors.http.post("/v1/audit/log", json={"case_number": "26-2"}, headers=auth)
        assert none.json()["rows"] == []


@pytest.mark.requirement("AUD-01", partial="a mobile unit's queue is not part of it")
async def test_every_kind_of_access_has_its_time_person_and_purpose(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        earlier = utc_now() - timedelta(hours=3)
        foreign = sorted(set(ACCESS_KINDS) - {"query", "hit_query", "image_view", "export", "report_made", "report_read", "shared_query",
                                              "trail_read", "log_read"})  # fmt: skip
        given = {"criteria": json.dumps({"hit_id": "h-1"}), "purpose_code": "criminal_investigation"}
        await tell(doors, *(event(kind, subject="h-1", at=earlier, **given) for kind in foreign))
        # what a terminal without a network showed is brought in later, with the person and the time it happened
        rows = await doors.sql("SELECT kind, occurred_at, full_name, criteria FROM audit.access_events ORDER BY kind")
        assert [row["kind"] for row in rows] == foreign
        assert {row["occurred_at"] for row in rows} == {earlier}
        assert {row["full_name"] for row in rows} == {"Jane Doe"}
        bare = AuditEvent(event_id=event_id("x", "hit_view", "1"), occurred_at=earlier, agency="demo", kind="hit_view",
                          service="console", personal={"username": "jdoe"})  # fmt: skip
        with pytest.raises(Exception, match=r"ip|organization"):
            draft_of(bare, utc_now())


@pytest.mark.requirement("AUD-01", partial="a mobile unit's queue is not part of it")
@pytest.mark.parametrize("agency", AGENCIES)
async def test_what_the_console_shows_of_a_hit_is_an_access_with_all_its_fields(pg_database, tmp_path, agency):
    async with desk(pg_database, tmp_path) as made:
        hit = make_live_hit(now=made.now, agency=agency)
        await put_hit(made, hit)
        dispatcher = made.as_("dispatcher", agency)
        listed = await made.get("/v1/hits", dispatcher)
        assert [one["hit_id"] for one in listed["hits"]] == [hit.hit_id]
        await made.get(f"/v1/hits/{hit.hit_id}", dispatcher)
        await made.post(f"/v1/hits/{hit.hit_id}/presented", dispatcher, {"sound": True, "screen": True})
        shown = [one for one in await made.sent("audit") if one.kind in ACCESS_KINDS]
        assert [one.kind for one in shown] == ["hit_view", "hit_view", "hit_presented"]
        for one in shown:
            draft = draft_of(one, made.now)  # raises where a group is missing
            assert draft.personal["reasons"] == {"purpose_code": "hit_response"}
            assert hit.hit_id in json.dumps(draft.personal["criteria"])
            assert draft.personal["criteria"].get("plate") == ("7ZZZ001" if one.kind == "hit_view" else None)
            assert draft.personal["ip"] == "127.0.0.1"
            assert draft.personal["person"]["full_name"] == "Dispatcher"


async def test_erasing_the_content_erases_the_access_beside_it(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await ask(doors, "demo", {"plate": "8TST001"})
        await ask(doors, "demo", {"plate": "8TST002"})
        await doors.sql("DELETE FROM audit.personal WHERE idx = (SELECT min(idx) FROM audit.access_events)")
        (left,) = await doors.sql("SELECT criteria FROM audit.access_events")
        assert json.loads(left["criteria"]) == {"plate": "8TST002"}


@pytest.mark.requirement("AUD-02")
async def test_the_database_takes_no_access_that_lacks_a_group(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await ask(doors, "claremont", {"plate": "8TST001"})
        (row,) = await doors.sql("SELECT column_name FROM information_schema.columns WHERE table_schema = 'audit' AND"
                                 " table_name = 'access_events' AND is_nullable = 'YES' UNION SELECT 'none'")  # fmt: skip
        assert row[0] == "none"
        for path in ("{ip}", "{criteria}", "{person,username}", "{person,organization}", "{reasons,purpose_code}"):
            with pytest.raises(asyncpg.NotNullViolationError):
                await doors.sql(
                    "WITH e AS (INSERT INTO audit.entries SELECT idx + 1000, leaf, leaf_hash, kind, agency, NULL, about"
                    " FROM audit.entries WHERE kind = 'query' RETURNING idx)"
                    " INSERT INTO audit.personal SELECT e.idx, p.salt, p.content #- $1 FROM e, audit.personal AS p"
                    " WHERE p.idx = e.idx - 1000", path.strip("{}").split(","))  # fmt: skip


async def test_auditors_read_the_ledger_and_administrators_do_not(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await ask(doors, "demo", {"plate": "8TST001"})
        read = await doors.http.get("/v1/audit/log", headers=doors.auth(roles=("auditor",)))
        assert read.status_code == 200
        assert len(await doors.log("log_read")) == 1
        for path in ("log", "verify"):
            answer = await doors.http.get(f"/v1/audit/{path}", headers=doors.auth(roles=("alpr_admin",)))
            assert (answer.status_code, answer.json()["reason_code"]) == (403, "ROLE_NOT_AUTHORISED")
        for path in ("reports", "tasks", "findings", "trail?read_id=x", "overview"):
            answer = await doors.http.get(f"/v1/audit/{path}", headers=doors.auth(roles=("officer",)))
            assert (answer.status_code, answer.json()["reason_code"]) == (403, "ROLE_NOT_AUTHORISED")
