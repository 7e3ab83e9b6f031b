"""A purge through the running services: the order goes by the broker, the console removes its copies and answers."""

import asyncio
import secrets
import time
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest

from alprcore.model import Person
from alprcore.seal import SigningKey, sign_person
from tests.fixtures.console import make_notification
from tests.fixtures.doors import Doors, make_hit, make_read
from tests.fixtures.house import running_house
from tests.fixtures.postgres import _database

LONG_AGO = datetime(2023, 3, 14, 15, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def house(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder, prefix = tmp_path_factory.mktemp("purging"), f"prg{secrets.token_hex(3)}."
    with (
        _database(pg_admin_dsn, "house", f"TEMPLATE {pg_template}") as (_, database),
        running_house(database, kafka_bootstrap, prefix, folder, PURGE_DOORS="console") as running,
    ):
        running.database, running.folder = database, folder
        yield running


def asked(house, method, path, *roles, **given):
    """What retention answers an officer of this role."""
    person = Person("p-1", "riley", "Riley Retain", "Example PD", "demo", roles, "s-1", "192.0.2.7")
    token = sign_person(SigningKey.load(house.folder / "person.key"), person, datetime.now(UTC))
    headers = {"authorization": f"Person {token}"}
    return httpx.request(method, f"{house.retention.url}{path}", headers=headers, timeout=30, **given)


def sql(house, statement, *values):
    async def fetch():
        connection = await asyncpg.connect(house.database.admin)
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()

    return asyncio.run(fetch())


def until(what, seconds=40.0):
    """Wait for what comes by itself; answers it."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "did not come"
        time.sleep(0.1)
    return found


@pytest.mark.requirement("RET-06")
@pytest.mark.requirement("RET-15")
def test_the_console_removes_its_copy_and_the_certificate_says_so(house):
    async def keep():
        doors = Doors(house.database, house.folder)
        await doors.retain()
        try:
            read = await doors.with_images(make_read("8PRG001", number=77, captured_at=LONG_AGO))
            hit = make_hit(read)
            await doors.keep(read, hits=(hit,))
            return hit
        finally:
            await doors.parts.close()
            doors.records._pool.terminate()

    at_start = "SELECT count(*) FROM retention.purge_runs WHERE outcome <> 'running'"
    until(lambda: sql(house, at_start)[0][0])  # the service purges by itself when it starts: one run at a time
    hit = asyncio.run(keep())
    house.console.publish(make_notification(hit))
    mine = "SELECT count(*) FROM console.hits WHERE hit_id::text = $1"
    until(lambda: sql(house, mine, hit.hit_id)[0][0])
    answer = asked(house, "POST", "/v1/purges", "retention_officer")
    assert answer.status_code in (201, 202), answer.text
    path = f"/v1/retention/runs/{answer.json()['run_id']}"

    def ended():
        run = asked(house, "GET", path, "auditor").json()
        return run if run["state"] not in ("running", "settling") else None

    run = until(ended)
    assert (run["state"], run["totals"]["reads"], run["totals"]["hits"]) == ("complete", 1, 1)
    assert {one["store"]: one["gone"].get("hits") for one in run["stores"]}["console"] == 1
    assert sql(house, mine, hit.hit_id)[0][0] == 0
    entered = "SELECT count(*) FROM audit.entries WHERE kind = 'purge' AND convert_from(leaf, 'UTF8') LIKE $1"
    until(lambda: sql(house, entered, f"%{run['certificate_sha256']}%")[0][0])


@pytest.mark.requirement("RET-10")
def test_a_service_that_finds_another_database_vouches_for_it_again(house):
    sql(house, "UPDATE retention.vouchers SET started_at = started_at - interval '1 day'")
    until(lambda: sql(house, "SELECT retention.vouched()")[0][0], 20)
