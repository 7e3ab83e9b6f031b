"""Exactly as long as the policy says: what a purge takes and leaves under each profile, and when none runs."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import asyncpg
import pytest
from prometheus_client import REGISTRY

from alprcore.model import DeviceKind
from alprcore.policy import add_months
from alprcore.seal import sign_person
from tests.fixtures.doors import Doors, make_read
from tests.fixtures.keeping import keeping, scheduled

pytestmark = pytest.mark.asyncio
FIVE = ("irvine", "westminster", "claremont", "escondido", "roseville")
_TICKS = itertools.count()
BY_CAPTURE = {"claremont", "escondido"}
RUNS = "/v1/retention/runs"


def today():
    """Noon of the agencies' day: a due day of yesterday has ended everywhere by then."""
    return datetime.combine(datetime.now(UTC).date(), time(19), UTC) + timedelta(microseconds=next(_TICKS))


def ago(months, days=0):
    """A moment so many calendar months and days ago, by the agencies' days."""
    now = today()
    return datetime.combine(add_months(now.date(), -months), now.timetz()) - timedelta(days=days)


def aged(agency, number, captured, received=None, kind=DeviceKind.FIXED):
    read = make_read(number=number, agency=agency, captured_at=captured, device_kind=kind)
    return replace(read, received_at=received or captured)


async def left(doors, agency):
    rows = await doors.sql("SELECT read_id FROM retention.reads WHERE agency = $1", agency)
    return {str(row["read_id"]) for row in rows}


async def call(doors, method, path, agency, *roles, body=None):
    token = sign_person(doors.person_key, doors.person(roles=roles, agency=agency), doors.now())
    answer = await doors.shelf.request(method, path, json=body, headers={"authorization": f"Person {token}"})
    return answer.status_code, answer.json()


@pytest.mark.requirement("RET-01")
@pytest.mark.requirement("RET-02")
@pytest.mark.requirement("RET-04")
async def test_every_policy_keeps_to_the_day(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path, clock=today) as doors:
        doors.profiles |= {agency: scheduled(doors.profiles[agency]) for agency in FIVE}
        doors.parts.profiles.update(doors.profiles)
        stays, goes = {}, {}
        for agency in FIVE:
            # a late upload: captured 19 days before it was received
            if agency in BY_CAPTURE:
                keep = [aged(agency, 1, ago(24, -1)), aged(agency, 2, ago(24, -1), ago(24, -1))]
                go = [aged(agency, 3, ago(24, 1)), aged(agency, 4, ago(24, 1), ago(24, -18))]
            else:
                keep = [aged(agency, 1, ago(0, 364)), aged(agency, 2, ago(12, 14), ago(12, -5))]
                go = [aged(agency, 3, ago(12, 1)), aged(agency, 4, ago(12, 20), ago(12, 1))]
            await doors.keep(*keep, *go)
            stays[agency], goes[agency] = ({read.read_id for read in reads} for reads in (keep, go))
            # nothing goes early, whoever asks
            early = (today() + timedelta(days=2)).date().isoformat()
            status, answer = await call(doors, "POST", "/v1/purges", agency, "retention_officer", body={"as_of": early})
            assert (status, answer["reason_code"]) == (403, "RETENTION_FLOOR")
        await doors.purge()
        for agency in FIVE:
            assert await left(doors, agency) == stays[agency], agency
        # rows of less than a year go under no role, not even past every rule but the database's
        due = doors.due(aged("irvine", 1, ago(0, 364)))
        for login in ("retention", "audit", "reader"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
                await doors.sql("DELETE FROM retention.reads WHERE due_day = $1", due, login=login)


@pytest.mark.requirement("RET-03")
async def test_every_device_kind_has_its_own_period_under_every_profile(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path, clock=today) as doors:
        wanted = {}
        for agency in FIVE:
            profile = keeping(doors.profiles[agency], mobile="3 years", fixed="2 years", schedule_required=False)
            doors.profiles[agency] = doors.parts.profiles[agency] = profile
            reads = [aged(agency, number, ago(24, 1), kind=kind) for number, kind in enumerate(DeviceKind)]
            await doors.keep(*reads)
            wanted[agency] = {read.read_id for read in reads if read.device_kind is DeviceKind.MOBILE}
        await doors.purge()
        for agency in FIVE:
            assert await left(doors, agency) == wanted[agency], agency


@pytest.mark.requirement("RET-05")
@pytest.mark.requirement("RET-14")
@pytest.mark.requirement("ADM-04")
async def test_the_departments_schedule_binds_and_the_custodian_approves_its_changes(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path, clock=today) as doors:
        asked, custodians = ("irvine", "westminster", "roseville"), ("westminster", "roseville")
        young, old, short = ({} for _ in range(3))
        for agency in asked:
            young[agency], old[agency], short[agency] = (
                aged(agency, number, when).read_id for number, when in enumerate((ago(13), ago(18, 1), ago(12, -30)))
            )

        async def stored(agency):
            reads = [aged(agency, number, when) for number, when in enumerate((ago(13), ago(18, 1), ago(12, -30)))]
            await doors.keep(*reads)

        # no entry: records have their days by the minimum, but no purge runs, and a warning shows
        for agency in asked:
            await stored(agency)
            run = await doors.purge(agency=agency)
            assert (run["outcome"], run["errors"]) == ("stopped", ["RETENTION_SCHEDULE_MISSING"])
            assert len(await left(doors, agency)) == 3
            _, stock = await call(doors, "GET", "/v1/retention/stock", agency, "program_manager")
            assert "RETENTION_SCHEDULE_MISSING" in [warning["code"] for warning in stock["warnings"]]

        # 18 months: a change; the custodian approves it where the policy asks
        for agency in asked:
            doors.profiles[agency] = doors.parts.profiles[agency] = scheduled(doors.profiles[agency], "18 months")
            code = "CUSTODIAN_APPROVAL_REQUIRED" if agency in custodians else "RETENTION_CHANGE_PENDING"
            run = await doors.purge(agency=agency)
            assert (run["outcome"], run["errors"]) == ("stopped", [code])
            assert len(await left(doors, agency)) == 3
            _, listed = await call(doors, "GET", "/v1/retention/changes", agency, "custodian")
            path = f"/v1/retention/changes/{listed['changes'][0]['change_id']}/approvals"
            if agency in custodians:
                status, answer = await call(doors, "POST", path, agency, "program_manager", body={})
                assert (status, answer["reason_code"]) == (403, "ROLE_NOT_AUTHORISED")
            status, _ = await call(doors, "POST", path, agency, "custodian", body={"note": "resolution of the council"})
            assert status == 201
            run = await doors.purge(agency=agency)
            assert run["outcome"] == "complete"
            # 13 months stay, 18 months and a day are gone
            assert await left(doors, agency) == {young[agency], short[agency]}

        # the report of every run goes to manager and custodian; the role reads runs and asks for no plate
        await doors.parts.schedule.report()
        for agency in custodians:
            for role in ("custodian", "program_manager"):
                status, reports = await call(doors, "GET", "/v1/retention/reports", agency, role)
                whole = [report for report in reports["reports"] if report["outcome"] == "complete"]
                # runs of the other agencies had nothing to take here, and say so
                mine = [report for report in whole if report["certificate"]["totals"]["reads"]]
                assert status == 200
                assert [to["role"] for to in mine[0]["to"]] == ["program_manager", "custodian"]
                assert mine[0]["certificate"]["totals"]["reads"] == 1
            status, runs = await call(doors, "GET", RUNS, agency, "custodian")
            assert (status, len(runs["runs"]) > 0) == (200, True)
            for path in ("/v1/retention/schedule", "/v1/retention/stock", "/v1/holds", "/v1/retention/reports"):
                assert (await call(doors, "GET", path, agency, "custodian"))[0] == 200, path
            answer = await doors.ask({"plate": "8TST001"}, person=doors.person(roles=("custodian",), agency=agency))
            assert answer.status_code == 403
            sent = [event for event in await doors.told("destruction_report_sent") if event.agency == agency]
            assert {event.facts["to"] for event in sent} == {"program_manager custodian"}


async def test_the_age_of_what_searches_find_is_measured(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(*(aged("demo", number, ago(0, days)) for number, days in enumerate((3, 40, 300))))

        def below(days):
            return REGISTRY.get_sample_value("alpr_audit_answer_age_days_bucket", {"le": days})

        before = {days: below(days) for days in ("7.0", "60.0", "365.0")}
        answer = await doors.ask({"plate": "8TST001"})
        assert len(answer.json()["rows"]) == 3
        assert {days: below(days) - before[days] for days in before} == {"7.0": 1, "60.0": 2, "365.0": 3}
