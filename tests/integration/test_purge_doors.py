"""What the console and ingest remove when retention purges, and what they answer."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from alpr_console.purging.store import PurgeStore
from alpr_ingest.app import PurgeDoor
from alpr_ingest.store import Store
from alprcore import postgres
from alprcore.errors import InvalidMessage
from alprcore.profiles import load_profiles, shipped_documents
from tests.fixtures.desk import desk
from tests.fixtures.hit_work import REASON, HitWork
from tests.fixtures.postgres import _database
from tests.fixtures.purges import answers_in, message_of, order_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
AGENCIES = ("irvine", "westminster", "claremont", "escondido", "roseville")
OF_A_HIT = ("presented", "incidents", "notifications", "hits", "hit_steps", "verifications", "tasks", "deliveries",
            "cad_events", "cad_statuses", "registration_lookups")  # fmt: skip


@pytest.fixture(scope="module")
def database(pg_admin_dsn, pg_template):
    with _database(pg_admin_dsn, "purged", f"TEMPLATE {pg_template}") as (_, made):
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at_work(database, tmp_path_factory):
    async with desk(database, tmp_path_factory.mktemp("purged")) as made:
        yield HitWork(made)


async def rows_of(made, hit):
    """How many rows name a hit, by table, of those that have any."""
    found = {}
    for table in OF_A_HIT:
        (row,) = await made.sql(f"SELECT count(*) AS n FROM console.{table} WHERE hit_id = $1", hit.hit_id)
        found[table] = row["n"]
    return {table: number for table, number in found.items() if number}


async def answered(made):
    return answers_in(await made.sql("SELECT topic, value, headers FROM console.outbox ORDER BY outbox_id"))


async def worked_on(at_work, agency):
    """A hit with all that people do about one: shown, checked, broadcast, asked about, acted upon, delivered."""
    hit, dispatcher = await at_work.hit(agency), at_work.person("dispatcher", agency)
    await at_work.post(hit, "presented", dispatcher, {"sound": True, "screen": True})
    await at_work.check(hit, dispatcher)
    if agency == "claremont":  # on the air before the other database is asked
        await at_work.broadcast(hit, dispatcher, agency)
        await at_work.verify(hit, dispatcher)
    else:
        await at_work.verify(hit, dispatcher, override_reason=REASON)
        if agency != "roseville":  # which asks for a described call first
            await at_work.broadcast(hit, dispatcher, agency, override_reason=REASON)
    return hit


@pytest.mark.requirement("RET-06", partial="the console's part: retention's own is in test_retention")
@pytest.mark.parametrize("agency", AGENCIES)
async def test_everything_about_a_hit_goes_with_its_record_and_nothing_of_a_held_one(at_work, agency):
    made = at_work.made
    gone, held = await worked_on(at_work, agency), await worked_on(at_work, agency)
    before, kept = await rows_of(made, gone), await rows_of(made, held)
    assert {"hits", "notifications", "incidents", "hit_steps", "verifications"} <= before.keys()
    made.later(days=800)  # however old: age alone removes nothing
    await made.console.hits.tidy(made.now)
    await made.console.units.tidy(made.now)
    assert await rows_of(made, gone) == before
    order = order_of(agency, gone, held=[held])
    await made.console.purges.take(message_of(order))
    assert await rows_of(made, gone) == {}
    assert await rows_of(made, held) == kept
    texts = await made.sql("SELECT plate_text FROM console.read_checks WHERE hit_id = $1", gone.hit_id)
    assert [row["plate_text"] for row in texts] == [None]  # that a camera misread is kept, without the plate
    answer = (await answered(made))[-1]
    assert (answer.order_id, answer.part, answer.service, dict(answer.left)) == (order.order_id, 0, "console", {})
    told = {"steps": "hit_steps"}
    for table, number in answer.gone.items():
        if told.get(table, table) in before:
            assert number == before[told.get(table, table)], table
    assert answer.gone["read_checks"] == 1


async def test_another_agency_s_hit_is_never_removed(at_work):
    hit = await at_work.hit("irvine")
    await at_work.made.console.purges.take(message_of(order_of("escondido", hit)))
    assert "hits" in await rows_of(at_work.made, hit)


async def test_an_order_that_comes_twice_counts_once_and_two_replicas_answer_alike(at_work):
    made, hit = at_work.made, await at_work.hit("irvine")
    order = order_of("irvine", hit, run="run-twice")
    message = message_of(order, offset=7)
    await asyncio.gather(*(made.console.purges.take(message) for _ in range(3)))
    mine = [answer for answer in await answered(made) if answer.run_id == order.run_id]
    assert len(mine) == 3
    assert {json.dumps(dict(answer.gone), sort_keys=True) for answer in mine} == {
        json.dumps(dict(mine[0].gone), sort_keys=True)
    }
    assert mine[0].gone["hits"] == 1
    assert (await made.console.purges.position())[0] == 8


@pytest.mark.requirement("RET-10", partial="the console's database; retention's is in its own tests")
async def test_a_database_from_a_backup_applies_again_what_was_ordered_since(at_work, pg_admin_dsn):
    made, hit = at_work.made, await at_work.hit("irvine")
    message = message_of(order_of("irvine", hit, run="run-backup"), offset=20)
    await made.console.purges.take(message_of(order_of("irvine", run="run-before"), offset=19))
    backup = f"{made.database.admin.rpartition('/')[2]}_backup"
    made.close()  # a template takes no visitors
    await made.pool.expire_connections()
    async with made.pool.acquire():
        pass
    source = made.database.admin.rpartition("/")[2]
    admin = await asyncpg.connect(pg_admin_dsn)
    try:
        await admin.execute(f"ALTER DATABASE {source} ALLOW_CONNECTIONS false")
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
            source,
        )
        await admin.execute(f"CREATE DATABASE {backup} TEMPLATE {source}")
    finally:
        await admin.execute(f"ALTER DATABASE {source} ALLOW_CONNECTIONS true")
        await admin.close()
    made._admin = None
    await made.console.purges.take(message)
    assert await rows_of(made, hit) == {}
    restored = await postgres.connect(made.database.url("console").replace(source, backup))
    try:
        from alpr_console.doors import Outbox

        outbox = Outbox(restored, postgres.load_queries("alpr_console"))
        purges = PurgeStore(outbox, [made.console.hits.remove], lambda: made.now)
        assert await purges.position() == {0: 20}  # its own place: behind what it has not seen
        async with outbox.change("*") as connection:
            assert await connection.fetchval("SELECT count(*) FROM console.hits WHERE hit_id = $1", hit.hit_id) == 1
        await purges.take(message)
        async with outbox.change("*") as connection:
            assert await connection.fetchval("SELECT count(*) FROM console.hits WHERE hit_id = $1", hit.hit_id) == 0
    finally:
        await restored.close()


async def test_a_hit_that_no_order_names_goes_by_its_day_and_never_a_held_one(at_work):
    made = at_work.made
    lost, held, young = [await at_work.hit("westminster") for _ in range(3)]
    now, day = made.now, made.now.date()
    for hit, age in ((lost, 400), (held, 400), (young, 300)):
        await made.sql(
            "UPDATE console.hits SET matched_at = $2 WHERE hit_id = $1", hit.hit_id, now - timedelta(days=age)
        )
    take = made.console.purges.take
    incomplete = replace(order_of("westminster", due_day=day, run="unnamed-0", held=[held]), held_complete=False)
    await take(message_of(incomplete, offset=40))
    assert "hits" in await rows_of(made, lost)
    longer = json.loads(shipped_documents()["westminster"])
    longer["retention"] |= {"fixed": "2 years", "mobile": "2 years"}
    await made.sql(
        "INSERT INTO console.profile_versions (agency, version, document, effective_at) VALUES ($1, 'longer', $2, $3)",
        "westminster", json.dumps(longer), now,
    )  # fmt: skip
    await take(message_of(order_of("westminster", due_day=day, run="unnamed-1", held=[held]), offset=41))
    assert "hits" in await rows_of(made, lost)  # by a policy that was once in force it is not due
    await made.sql("DELETE FROM console.profile_versions WHERE version = 'longer'")
    await take(message_of(order_of("westminster", due_day=day, run="unnamed-2", held=[held]), offset=42))
    assert await rows_of(made, lost) == {}
    assert "hits" in await rows_of(made, held)
    assert "hits" in await rows_of(made, young)


async def test_what_is_no_order_is_refused_and_changes_nothing(at_work):
    message = message_of(order_of("irvine"), offset=99)
    broken = type(message)(*(getattr(message, name) for name in ("topic", "partition", "offset", "key")), b"\xff",
                           message.headers, 0)  # fmt: skip
    with pytest.raises(InvalidMessage):
        await at_work.made.console.purges.take(broken)
    assert (await at_work.made.console.purges.position()).get(0) != 100


async def test_plates_that_people_entered_go_when_a_read_of_their_time_would(database):
    profile = load_profiles()["irvine"]
    pool = await postgres.connect(database.url("ingest"))
    admin = await asyncpg.connect(database.admin)
    ended = datetime(2024, 5, 1, 12, tzinfo=UTC)
    try:
        chain = []
        for number, (gone, ends) in enumerate(
            (
                (True, ended),
                (True, ended + timedelta(days=30)),
                (True, ended),
                (False, datetime(2100, 1, 1, tzinfo=UTC)),
            )
        ):
            # the second extends the first, the fourth the third: a chain of which one part lives stays whole
            row = await admin.fetchval(
                "INSERT INTO ingest.entered (entry_id, kind, agency, plate, skeleton, sealed, key_id, author, entered_at,"
                " effective_at, expires_at, extends, gone) VALUES (gen_random_uuid(), 'hot_plate', 'irvine', $1, $1, '',"
                " '', 'p', $2, $2, $3, $4, $5) RETURNING entry_id",
                f"7ENT00{number}", ended - timedelta(days=1), ends, chain[-1] if number % 2 else None, gone,
            )  # fmt: skip
            chain.append(row)
        door = PurgeDoor(Store(pool), {"irvine": profile}, lambda: datetime(2026, 1, 1, tzinfo=UTC))

        async def left():
            rows = await admin.fetch("SELECT entry_id FROM ingest.entered WHERE agency = 'irvine'")
            return {row["entry_id"] for row in rows}

        await door.take(message_of(order_of("irvine", due_day=date(2025, 4, 30), run="early"), offset=0))
        assert await left() == set(chain)  # a read of that day has not fallen due
        await door.take(message_of(order_of("irvine", due_day=date(2025, 5, 1), run="first"), offset=1))
        assert await left() == set(chain)  # what extends the first one ended later
        await door.take(message_of(order_of("irvine", due_day=date(2025, 5, 31), run="second"), offset=2))
        assert await left() == set(chain[2:])
        rows = await admin.fetch("SELECT topic, value, '[]' AS headers FROM ingest.outbox ORDER BY id")
        assert [row["topic"] for row in rows] == ["purge.answers"] * 3
        assert await Store(pool).purge_positions() == {0: 3}
    finally:
        await admin.close()
        await pool.close()
