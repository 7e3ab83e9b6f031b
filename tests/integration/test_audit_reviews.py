"""Audits by quarter, what the misuse patterns find in the ledger, and what reviewers make of it (AUD-05, AUD-06, ACC-15)."""

from datetime import timedelta

import pytest

from alpr_audit import metrics
from alpr_audit.reviews import tasks
from alprcore.seal import sign_person
from tests.fixtures.doors import Doors, utc_now
from tests.integration.test_audit_work import AGENCIES, ask, event, tell

pytestmark = pytest.mark.asyncio


class Office:
    """Reviewers of one agency at a time of the test's choosing."""

    def __init__(self, doors, agency):
        self.doors, self.agency = doors, agency

    def at(self, moment):
        self.doors.audit.door.clock = self.doors.audit.reviewing.clock = lambda: moment

    async def call(self, method, path, role, body=None, *, person_id="p-reviewer"):
        person = self.doors.person(
            agency=self.agency, person_id=person_id, username=person_id, full_name="Ada Ito", roles=(role,)
        )
        token = sign_person(self.doors.person_key, person, self.doors.audit.door.clock())
        headers = {"authorization": f"Person {token}"}
        return await self.doors.http.request(method, f"/v1/audit/{path}", json=body, headers=headers)

    async def get(self, path, role):
        answer = await self.call("GET", path, role)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def log(self, kind):
        return await self.doors.audit.door.store.log(self.agency, 2**62, kind, 50)


@pytest.mark.requirement("AUD-05")
@pytest.mark.requirement("AUD-06")
@pytest.mark.parametrize("agency", AGENCIES)
async def test_a_quarters_audit_opens_is_worked_by_its_role_and_closed_with_counts(pg_database, tmp_path, agency):
    async with Doors(pg_database, tmp_path) as doors:
        office, profile = Office(doors, agency), doors.profiles[agency]
        scope, role = ("user_queries", "alpr_admin") if agency == "roseville" else ("system", "auditor")
        for number in range(3):
            await ask(doors, agency, {"plate": f"8TST00{number}"})
        own = {"person_id": "p-reviewer", "username": "p-reviewer"}
        await ask(doors, agency, {"plate": "8TST009"}, who=own)
        await tell(doors, event("account_created", agency, subject="p-9"))
        await doors.audit.reviewing.turn()
        assert (await office.get("tasks", role))["tasks"] == []  # the quarter is not over
        office.at(tasks.next_end(profile, utc_now()) + timedelta(minutes=1))
        for _ in range(2):
            await doors.audit.reviewing.turn()
        (task,) = (await office.get("tasks", role))["tasks"]
        assert (task["scope"], task["role"], task["state"], task["mode"]) == (scope, role, "open", "all")
        assert task["figures"]["accesses"] >= 4
        assert len(await office.log("audit_opened")) == 1

        path = f"tasks/{task['task_id']}"
        items = (await office.get(path, role))["items"]
        kinds = {item["kind"] for item in items}
        assert kinds == {"query"} if scope == "user_queries" else {"query", "account_created"} <= kinds
        mine = next(item for item in items if item["own"])
        other_role = "auditor" if role == "alpr_admin" else "alpr_admin"
        finding = {"entry": items[0]["entry"], "result": "ok", "note": ""}
        refusals = [
            (await office.call("POST", f"{path}/findings", other_role, finding), 403, "ROLE_NOT_AUTHORISED"),
            (
                await office.call("POST", f"{path}/findings", role, {**finding, "entry": mine["entry"]}),
                403,
                "OWN_QUERY",
            ),
            (
                await office.call("POST", f"{path}/findings", role, {**finding, "result": "question"}),
                422,
                "NOTE_REQUIRED",
            ),
            (await office.call("POST", f"{path}/findings", role, {**finding, "entry": 10**9}), 404, "ITEM_UNKNOWN"),
            (await office.call("POST", f"{path}/closure", role, {"statement": "done"}), 409, "FINDINGS_MISSING"),
        ]
        for answer, status, code in refusals:
            assert (answer.status_code, answer.json()["reason_code"]) == (status, code)
        for number, item in enumerate(items):
            result, note = ("violation", "no case ever existed") if number == 0 else ("ok", "")
            body = {"entry": item["entry"], "result": result, "note": note}
            answer = await office.call("POST", f"{path}/findings", role, body, person_id="p-second")
            assert answer.status_code == 201, answer.text
        unsigned = await office.call("POST", f"{path}/closure", role, {"statement": " "})
        assert (unsigned.status_code, unsigned.json()["reason_code"]) == (422, "STATEMENT_REQUIRED")
        closed = await office.call(
            "POST", f"{path}/closure", role, {"statement": "all looked at"}, person_id="p-second"
        )
        assert closed.status_code == 201, closed.text
        shown = closed.json()
        assert shown["state"] == "closed"
        assert shown["closed_by"]["full_name"] == "Ada Ito"
        assert shown["closed_at"]
        assert shown["checkpoint"]
        assert shown["counts"] == {"ok": len(items) - 1, "question": 0, "violation": 1}
        again = await office.call("POST", f"{path}/findings", role, finding)
        assert (again.status_code, again.json()["reason_code"]) == (409, "TASK_CLOSED")
        (entry,) = await office.log("audit_closed")
        assert entry["entry"]["facts"]["violation"] == 1
        overview = await office.get("overview", "program_manager")
        assert overview["last_audit"]["closed_at"] == shown["closed_at"]
        assert overview["alerts"] == []


@pytest.mark.requirement("AUD-05")
@pytest.mark.parametrize("agency", ["roseville", "irvine"])
async def test_an_audit_that_is_not_closed_in_thirty_days_is_overdue(pg_database, tmp_path, agency):
    async with Doors(pg_database, tmp_path) as doors:
        office, profile = Office(doors, agency), doors.profiles[agency]
        await ask(doors, agency, {"plate": "8TST001"})
        end = tasks.next_end(profile, utc_now())
        office.at(end + timedelta(days=29, hours=23))
        await doors.audit.reviewing.turn()
        assert (await office.get("overview", "program_manager"))["alerts"] == []
        office.at(end + timedelta(days=30, seconds=1))
        for _ in range(2):
            await doors.audit.reviewing.turn()
        (alert,) = (await office.get("overview", "program_manager"))["alerts"]
        assert alert["code"] == "AUDIT_OVERDUE"
        (entry,) = await office.log("audit_overdue")
        assert entry["entry"]["reason_code"] == "AUDIT_OVERDUE"
        assert metrics.AUDITS_OVERDUE._value.get() == 1
        (late,) = (await office.get("tasks?state=overdue", "program_manager"))["tasks"]
        assert late["task_id"] == alert["task_id"]
        overview = await office.call("GET", "overview", "officer")
        assert (overview.status_code, overview.json()["reason_code"]) == (403, "ROLE_NOT_AUTHORISED")


@pytest.mark.requirement("ACC-15")
@pytest.mark.parametrize("agency", ["claremont", "escondido"])
async def test_an_access_of_an_account_that_was_not_authorised_is_a_finding_with_a_disposition(
    pg_database, tmp_path, agency
):
    async with Doors(pg_database, tmp_path) as doors:
        office = Office(doors, agency)
        await tell(doors, event("account_disabled", agency, subject="p-1", at=utc_now() - timedelta(hours=1)))
        await ask(doors, agency, {"plate": "8TST001"})  # a session that should have ended
        await doors.audit.reviewing.turn()
        found = (await office.get("findings?kind=unauthorised_access&state=open", "auditor"))["findings"]
        assert [(one["subject"]["username"], one["level"]) for one in found] == [("jdoe", "critical")]
        (entry,) = await office.log("query")
        assert found[0]["entries"] == [entry["index"]]
        assert [row["entry"]["facts"]["pattern"] for row in await office.log("misuse_suspected")] == [
            "unauthorised_access"
        ]

        path = f"findings/{found[0]['finding_id']}/disposition"
        body = {"result": "misuse", "note": "handed to internal affairs"}
        own = await office.call("POST", path, "auditor", body, person_id="p-1")
        assert (own.status_code, own.json()["reason_code"]) == (403, "OWN_QUERY")
        assert (await office.call("POST", path, "officer", body)).status_code == 403
        assert (await office.call("POST", path, "auditor", {**body, "result": "fine"})).status_code == 422
        disposed = await office.call("POST", path, "auditor", body)
        assert disposed.status_code == 201, disposed.text
        assert disposed.json()["disposition"]["result"] == "misuse"
        again = await office.call("POST", path, "auditor", body)
        assert (again.status_code, again.json()["reason_code"]) == (409, "DISPOSITION_GIVEN")
        assert (await office.get("findings?state=open", "auditor"))["findings"] == []
        assert len(await office.log("finding_disposed")) == 1


@pytest.mark.requirement("ACC-15")
async def test_the_patterns_follow_the_ledger_and_find_each_occasion_once(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        office = Office(doors, "demo")
        plate = {"username": "kroe", "plate": "8PEER01"}
        assert (await office.call("POST", "employee-plates", "auditor", plate)).status_code == 403
        registered = await office.call("POST", "employee-plates", "alpr_admin", plate)
        assert registered.status_code == 201
        stored = await doors.sql("SELECT digest::text, username FROM audit.employee_plates")
        assert "8PEER01" not in str([tuple(row) for row in stored])
        nothing = {"case_number": "", "no_case_number_reason": "none"}
        for _ in range(3):
            await ask(doors, "demo", {"plate": "8TST001"}, **nothing)
        await doors.audit.reviewing.turn()
        await ask(doors, "demo", {"plate": "8PEER01"}, **nothing)
        for minute in range(5):
            at = utc_now() + timedelta(seconds=minute)
            await tell(
                doors, event("sign_in", subject="p-1", at=at, outcome="refused", reason_code="CREDENTIALS_WRONG")
            )
        for _ in range(5):
            refused = await doors.ask({"plate": "8TST001"}, purpose_code="curiosity")
            assert refused.status_code == 403
        for _ in range(2):
            await doors.audit.reviewing.turn()
        found = (await office.get("findings", "auditor"))["findings"]
        assert sorted(one["kind"] for one in found) == [
            "failed_sign_ins", "refused_queries", "registered_plate", "repeat_plate",
        ]  # fmt: skip
        # a service that sends what cannot be read stops nobody's review
        odd = event("account_opened", subject="p-2", at=utc_now(), facts={"status": "many"})
        await tell(doors, odd)
        before = metrics.ENTRIES_UNREAD._value.get()
        # a second process begins anew, reads the year again and finds nothing twice
        doors.audit.reviewing._after = -1
        doors.audit.reviewing._watches.clear()
        await doors.audit.reviewing.turn()
        assert len((await office.get("findings", "auditor"))["findings"]) == 4
        assert len(await office.log("misuse_suspected")) == 4
        assert metrics.ENTRIES_UNREAD._value.get() == before + 1
        for number in (0, 1, doors.audit.writer.size - 1):
            row = (await doors.sql("SELECT committed_at FROM audit.entries WHERE idx = $1", number))[0]
            assert await doors.audit.reviewing.store.first_since(row["committed_at"]) <= number
        long = await office.call("DELETE", f"employee-plates/{'x' * 4000}", "alpr_admin")
        assert (long.status_code, long.json()["reason_code"]) == (404, "PLATE_UNKNOWN")
        gone = await office.call("DELETE", f"employee-plates/{registered.json()['id']}", "alpr_admin")
        assert gone.status_code == 204
        office.at(utc_now() + timedelta(days=8))
        overview = await office.get("overview", "auditor")
        assert (overview["open_findings"], overview["review_red"]) == (4, True)
