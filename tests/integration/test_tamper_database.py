"""A superuser of the database alters the ledger behind its back; every verifier must name the place (A10, AUD-10)."""

import random

import asyncpg
import pytest

from alpr_audit import ledger
from alpr_audit.store import Ledger
from alpr_cli import verify
from alpr_cli.audit.copies import export, verify_copy
from alpr_cli.audit.fsck import check_database
from tests.fixtures.books import Ledgers
from tests.fixtures.doors import Doors
from tests.integration.test_audit_ledger_erasure import asked

SIZE = 30
TABLES = ("entries", "personal", "intents", "nodes", "head")
FREE = """DO $$ DECLARE t regclass; c text; BEGIN
    FOR t, c IN SELECT conrelid, conname FROM pg_constraint
                WHERE contype = 'c' AND connamespace = 'audit'::regnamespace AND conrelid <> 0
    LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', t, c); END LOOP; END $$"""
"""What a superuser does first: no check of the database stands in the way any more."""
TAMPERINGS = {
    "flip a bit of the entry": [
        "UPDATE audit.entries SET leaf = set_byte(leaf, {b}, get_byte(leaf, {b}) # {bit}) WHERE idx = {n}"
    ],
    "flip a bit and hash anew": [
        "UPDATE audit.entries SET leaf = set_byte(leaf, {b}, get_byte(leaf, {b}) # {bit}) WHERE idx = {n}",
        "UPDATE audit.entries SET leaf_hash = sha256('\\x00'::bytea || leaf) WHERE idx = {n}",
    ],
    "change the kind in the column": ["UPDATE audit.entries SET kind = 'harmless' WHERE idx = {n}"],
    "change the agency in the column": ["UPDATE audit.entries SET agency = 'elsewhere' WHERE idx = {n}"],
    "change the name": ["UPDATE audit.personal SET content = content || '{{\"ip\": \"203.0.113.9\"}}' WHERE idx = {n}"],
    "change the salt": ["UPDATE audit.personal SET salt = sha256(salt) WHERE idx = {n}"],
    "change the question": [
        "UPDATE audit.intents SET query = jsonb_set(query, '{{search,plate}}', '\"9ABC123\"') WHERE idx = {n}"
    ],
    "change who asked": ["UPDATE audit.intents SET person_id = 'p-9' WHERE idx = {n}"],
    "take the name away": ["DELETE FROM audit.intents WHERE idx = {n}", "DELETE FROM audit.personal WHERE idx = {n}"],
    "delete an entry": [
        "DELETE FROM audit.intents WHERE idx = {n}", "DELETE FROM audit.personal WHERE idx = {n}",
        "DELETE FROM audit.entries WHERE idx = {n}",
    ],
    "delete and close the gap": [
        "DELETE FROM audit.intents WHERE idx = {n}", "DELETE FROM audit.personal WHERE idx = {n}",
        "DELETE FROM audit.entries WHERE idx = {n}",
        *(f"UPDATE audit.{table} SET idx = -idx WHERE idx > {{n}}" for table in ("entries", "personal", "intents")),
        *(f"UPDATE audit.{table} SET idx = -idx - 1 WHERE idx < 0" for table in ("entries", "personal", "intents")),
    ],
    "insert an entry": [
        *(f"UPDATE audit.{table} SET idx = -idx - 1 WHERE idx >= {{n}}" for table in ("entries", "personal", "intents")),
        *(f"UPDATE audit.{table} SET idx = -idx WHERE idx < 0" for table in ("entries", "personal", "intents")),
        ("INSERT INTO audit.entries (idx, leaf, leaf_hash, kind, agency) SELECT {n}, leaf, leaf_hash, kind, agency"
        " FROM audit.entries WHERE idx = 0"),
    ],
    "exchange two neighbors": [
        *(f"UPDATE audit.{table} SET idx = -100 WHERE idx = {{n}}" for table in ("entries", "personal", "intents")),
        *(f"UPDATE audit.{table} SET idx = {{n}} WHERE idx = {{n}} + 1" for table in ("entries", "personal", "intents")),
        *(f"UPDATE audit.{table} SET idx = {{n}} + 1 WHERE idx = -100" for table in ("entries", "personal", "intents")),
    ],
    "truncate the end": [
        "DELETE FROM audit.intents WHERE idx >= {n}", "DELETE FROM audit.personal WHERE idx >= {n}",
        "DELETE FROM audit.entries WHERE idx >= {n}",
    ],
    "roll back the end, heads and all": [
        "DELETE FROM audit.intents WHERE idx >= {n}", "DELETE FROM audit.personal WHERE idx >= {n}",
        "DELETE FROM audit.entries WHERE idx >= {n}", "DELETE FROM audit.nodes WHERE (idx + 1) << level > {n}",
        "DELETE FROM audit.head WHERE size > {n}",
    ],
    "append without the writer": [
        ("INSERT INTO audit.entries (idx, leaf, leaf_hash, kind, agency) SELECT {end}, leaf, leaf_hash, kind, agency"
        " FROM audit.entries WHERE idx = {n}")
    ],
    "change a node of the tree": ["UPDATE audit.nodes SET hash = sha256(hash) WHERE level = 1 AND idx = {n} / 2"],
    "delete a node of the tree": ["DELETE FROM audit.nodes WHERE level = 2 AND idx = {n} / 4"],
    "change a head": ["UPDATE audit.head SET root = sha256(root) WHERE size = {n} + 1"],
    "forge a head": ["UPDATE audit.head SET note = replace(note, '{m}', '{n}') || 'x', root = sha256(root) WHERE size = {n} + 1"],
}  # fmt: skip


def expected(name, n):
    """The index that must be named: the entry itself, or the first that the altered thing covers."""
    if name == "append without the writer":
        return SIZE
    if "node" in name:
        return n // 2 * 2 if "change" in name else n // 4 * 4
    return n


async def prepared(database, folder):
    """A ledger whose constraints and triggers the superuser has already taken away, with a head for every entry."""
    books = Ledgers(database, folder)
    async with books.writing() as writer:
        for number in range(SIZE):
            await writer.append(asked(f"8TST{number:03d}"))
    await books.sql(FREE)
    return books


async def judged(books, pool, *, by_command=True):
    """What the running service's own verification says, and what the command says."""
    service = await Ledger(pool, pool).verify(books.vkey, books.signed)
    note = books.file.read_text()
    command = await check_database(books.database.admin, note, books.vkey) if by_command else None
    return service, command


@pytest.mark.asyncio
@pytest.mark.requirement("AUD-10")
async def test_two_hundred_alterations_by_a_superuser_are_each_named(pg_database, tmp_path):
    books = await prepared(pg_database, tmp_path)
    books.signed = ledger.parse_head(books.file.read_text().partition("\n\n")[0] + "\n")
    chance, missed = random.Random(1), []
    async with asyncpg.create_pool(pg_database.admin, min_size=1, max_size=2) as pool, pool.acquire() as admin:
        for table in TABLES:
            await admin.execute(f"CREATE TABLE public.{table} AS TABLE audit.{table}")
        for turn in range(200):
            name = list(TAMPERINGS)[turn % len(TAMPERINGS)]
            n = chance.randrange(4, SIZE - 4)
            size = await admin.fetchval("SELECT length(leaf) FROM public.entries WHERE idx = $1", n)
            values = {"n": n, "m": n + 1, "end": SIZE, "b": chance.randrange(size), "bit": 1 << chance.randrange(7)}
            await alter(admin, [statement.format(**values) for statement in TAMPERINGS[name]])
            # the command is asked in every second round: it comes with two connections of its own
            by_command = turn // len(TAMPERINGS) % 2 == 0
            service, command = await judged(books, pool, by_command=by_command)
            wanted = expected(name, n)
            if (service["sound"], service["first_bad"]) != (False, wanted):
                missed.append((name, n, wanted, "service", service["first_bad"], service["flaw"]))
            if command and (command.code, command.first_bad) != (verify.DIVERGED, wanted):
                missed.append((name, n, wanted, "command", command.first_bad, command.words))
            await alter(
                admin,
                [f"DELETE FROM audit.{table}" for table in TABLES]
                + [f"INSERT INTO audit.{table} SELECT * FROM public.{table}" for table in TABLES],
            )
        assert not missed, missed
        service, command = await judged(books, pool)
        assert (service["sound"], command.code) == (True, verify.SOUND)


async def alter(admin, statements):
    """What a superuser can do: no trigger and no foreign key asks."""
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await admin.execute(statement)


@pytest.mark.asyncio
@pytest.mark.requirement("AUD-10")
@pytest.mark.parametrize("agency", ["irvine", "westminster", "claremont", "escondido", "roseville"])
async def test_an_altered_event_is_named_by_its_sequence_number(pg_database, tmp_path, agency):
    """AUD-10: one event row altered in the database, and `GET /v1/audit/verify` reports the first broken number."""
    async with Doors(pg_database, tmp_path) as doors:
        auditor = doors.auth(agency=agency, roles=("auditor",))
        for _ in range(4):
            assert (await doors.http.get("/v1/audit/log", headers=auditor)).status_code == 200
        sound = (await doors.http.get("/v1/audit/verify", headers=auditor)).json()
        assert (sound["sound"], sound["first_bad"]) == (True, None)
        await doors.sql(FREE)
        changed = "UPDATE audit.entries SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), '\"ok\"', '\"no\"'), 'UTF8')"
        assert await doors.sql(f"{changed} WHERE idx = 2 RETURNING idx")
        bad = (await doors.http.get("/v1/audit/verify", headers=doors.auth(agency=agency, roles=("auditor",)))).json()
        assert (bad["sound"], bad["first_bad"]) == (False, 2)
        for login, table in (("audit", "entries"), ("console", "entries"), ("retention", "entries")):
            for statement in (f"UPDATE audit.{table} SET kind = 'x'", f"DELETE FROM audit.{table}"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await doors.sql(statement, login=login)


@pytest.mark.asyncio
async def test_within_a_batch_the_tree_tells_the_pair_of_entries(pg_database, tmp_path):
    """One head over many entries: an entry that was changed and hashed anew is narrowed down by the nodes above it."""
    books = Ledgers(pg_database, tmp_path)
    await books.fill(64, together=True)
    await books.sql(
        FREE,
        "UPDATE audit.entries SET leaf = set_byte(leaf, 30, get_byte(leaf, 30) # 1) WHERE idx = 41",
        "UPDATE audit.entries SET leaf_hash = sha256('\\x00'::bytea || leaf) WHERE idx = 41",
    )
    async with books.pool() as pool:
        report = await Ledger(pool, pool).verify(books.vkey)
    finding = await check_database(pg_database.admin, books.file.read_text(), books.vkey)
    assert (report["first_bad"], finding.first_bad) == (40, 40)
    # who also computes the nodes anew is still found, but only as far as the last sound head
    await books.sql("UPDATE audit.nodes SET hash = sha256(hash)")
    assert (await check_database(pg_database.admin, books.file.read_text(), books.vkey)).code == verify.DIVERGED


@pytest.mark.asyncio
async def test_a_copy_outlives_its_database(pg_database, tmp_path):
    """What was exported before verifies alone; what is exported after an alteration does not."""
    books = Ledgers(pg_database, tmp_path)
    await books.fill(30)
    before = await export(pg_database.admin)
    await books.sql("DELETE FROM audit.personal WHERE idx = 11", "DELETE FROM audit.entries WHERE idx = 11")
    after = await export(pg_database.admin)
    note = books.file.read_text()
    assert verify_copy(before, note, books.vkey).code == verify.SOUND
    finding = verify_copy(after, note, books.vkey)
    assert (finding.code, finding.first_bad) == (verify.DIVERGED, 11)
    async with books.pool() as pool:
        report = await Ledger(pool, pool).verify(books.vkey)
    assert report["first_bad"] == 11
