"""Personal content after its time: erased, said so in the log, not to be guessed, and every proof still valid."""

import asyncio
import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from alpr_audit import ledger
from alpr_audit.store import Ledger
from alpr_audit.store.erasure import Eraser, years_before
from alpr_cli import verify
from alpr_cli.audit.fsck import check_database
from alpr_cli.audit.proofs import Receipt
from tests.fixtures.books import Ledgers, draft, utc_now
from tests.unit.audit.test_entries import QUERY

pytestmark = pytest.mark.asyncio


def asked(plate):
    """A query for this plate."""
    return replace(
        QUERY,
        personal={**QUERY.personal, "criteria": {"plate": plate}},
        intent=ledger.Intent("p-1", ("demo",), {"act": "search", "search": {"plate": plate, "limit": 1}}),
    )


async def years_of_queries(books, years):
    """One query a quarter since that many years; answers the receipts and the time that the clock shows at the end."""
    start, receipts = utc_now() - timedelta(days=round(365.25 * years)), []
    now = start
    async with books.writing(clock=lambda: now) as writer:
        for quarter in range(years * 4):
            now = start + timedelta(days=91 * quarter)
            receipts.append(await writer.append(asked(f"8TST{quarter:03d}")))
    return receipts


@pytest.mark.parametrize(("years", "kept_quarters"), [(1, 4), (3, 12), (5, 20)])
async def test_years_pass_and_only_what_is_due_is_erased(pg_database, tmp_path, years, kept_quarters):
    books = Ledgers(pg_database, tmp_path)
    receipts = await years_of_queries(books, 6)
    async with books.writing() as writer, books.pool() as pool:
        eraser = Eraser(pool, writer, years)
        # 91 days a quarter: the edge lies within a quarter of the year, nothing younger is touched
        assert abs(await eraser.erase(utc_now()) - (24 - kept_quarters)) <= 1
        assert await eraser.erase(utc_now()) == 0  # and it says so once
        store = Ledger(pool, pool)
        report = await store.verify(writer.verifier, writer.head())
        assert (report["sound"], report["size"]) == (True, 25)
        log = await store.log("", 2**62, "redaction", 10)
        assert log[0]["entry"]["facts"]["from"] == 0
        assert log[0]["entry"]["facts"]["years"] == years
        edge = log[0]["entry"]["facts"]["through"]
        assert log[0]["personal"] == {}, "it never had any: nothing of it was erased"
        for entry in await store.log("demo", 2**62, "", 200):
            assert (entry["personal"] is None) == (entry["index"] <= edge)
            assert entry["index"] <= edge or entry["entry"]["time"] > years_before(utc_now(), years).isoformat()
    finding = await books.verdict()
    assert (finding.code, finding.first_bad) == (verify.SOUND, None)
    assert finding.words.endswith(f"{edge + 1} without content")
    assert (await check_database(pg_database.admin, books.file.read_text(), books.vkey)).code == verify.SOUND
    # a receipt given out six years ago still proves that the question was recorded
    first = receipts[0]
    assert verify.verify_receipt(Receipt(0, first.leaf, [], first.note), books.vkey).code == verify.SOUND


async def test_after_erasure_no_plate_can_be_confirmed(pg_database, tmp_path):
    """A8: whoever holds the log and every plate there is cannot tell what was searched."""
    books = Ledgers(pg_database, tmp_path)
    now = utc_now() - timedelta(days=4 * 366)
    async with books.writing(clock=lambda: now) as writer:
        await writer.append(asked("8TST777"))
    plates = [f"8TST{number:03d}" for number in range(1000)]

    async def confirmed():
        """Plates that fit the entry, with whatever the database still holds; a dictionary attack."""
        database = await asyncpg.connect(pg_database.admin)
        try:
            row = await database.fetchrow("SELECT leaf FROM audit.entries WHERE idx = 0")
            dump = await database.fetch("SELECT salt FROM audit.personal WHERE idx = 0")
            beside = str([await database.fetch(f"SELECT * FROM audit.{table}") for table in await tables(database)])
        finally:
            await database.close()
        entry = json.loads(row["leaf"])
        salts = [bytes(row["salt"]) for row in dump] or [b"", bytes(32)]
        found = set()
        for plate in plates:
            for content, name in (
                ({**QUERY.personal, "criteria": {"plate": plate}}, "personal"),
                ({"act": "search", "search": {"plate": plate, "limit": 1}}, "permits"),
            ):
                text = ledger.canonical(content)
                if any(hashlib.sha256(salt + text).hexdigest() == entry[name] for salt in salts):
                    found.add(plate)
        return found, "8TST777" in beside

    assert await confirmed() == ({"8TST777"}, True)  # the attack works while the salt is kept
    async with books.writing() as writer, books.pool() as pool:
        assert await Eraser(pool, writer, 3).erase(utc_now()) == 1
    assert await confirmed() == (set(), False)


async def tables(database):
    rows = await database.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = 'audit'")
    return [row["table_name"] for row in rows]


async def test_the_service_erases_nothing_without_a_redaction_and_nothing_young(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    old = utc_now() - timedelta(days=2 * 366)
    now = old
    async with books.writing(clock=lambda: now) as writer:
        await writer.append(draft(0))
        now = utc_now()
        await writer.append(draft(1))
        future = utc_now() + timedelta(days=3650)
        lies = [
            {"from": 0, "through": 1},  # entry 1 is of today
            {"from": 0, "through": 99},  # no such entry
            {"from": 0},
        ]
        async with books.pool() as pool:
            for facts in lies:
                receipt = await writer.append(ledger.Draft(kind="redaction", agency="", facts=facts))
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await pool.execute("SELECT audit.erase($1, $2)", receipt.index, future)
            for index in (0, 999):  # not a redaction, not an entry
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await pool.execute("SELECT audit.erase($1, $2)", index, future)
            for statement in ("DELETE FROM audit.personal", "UPDATE audit.personal SET salt = salt"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await pool.execute(statement)
            assert await pool.fetchval("SELECT count(*) FROM audit.personal") == 2
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await books.sql("SELECT audit.erase(2, now())", login="reader")


@pytest.mark.parametrize(
    "statement", ["DELETE FROM audit.personal WHERE idx = 4", "DELETE FROM audit.intents WHERE idx = 4"]
)
async def test_content_that_goes_without_a_redaction_is_missed(pg_database, tmp_path, statement):
    books = Ledgers(pg_database, tmp_path)
    async with books.writing() as writer, books.pool() as pool:
        await asyncio.gather(*(writer.append(asked(f"8TST{number:03d}")) for number in range(9)))
        await books.sql(statement)
        report = await Ledger(pool, pool).verify(writer.verifier, writer.head())
        assert (report["sound"], report["first_bad"]) == (False, 4)
        finding = await check_database(pg_database.admin, books.file.read_text(), books.vkey)
        assert (finding.code, finding.first_bad) == (verify.DIVERGED, 4)


async def test_an_interrupted_erasure_is_finished_by_the_next(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    await years_of_queries(books, 5)
    async with books.writing() as writer, books.pool() as pool:
        # the redaction was committed and the service died
        await writer.append(ledger.Draft(kind="redaction", agency="", facts={"from": 0, "through": 7, "years": 3}))
        assert await Eraser(pool, writer, 3).erase(utc_now()) >= 7
    assert (await books.verdict()).code == verify.SOUND


async def test_a_leap_day_has_a_year_before_it():
    leap = utc_now().replace(year=2028, month=2, day=29)
    assert (years_before(leap, 3).month, years_before(leap, 3).day) == (2, 28)
    assert years_before(leap, 4).day == 29
