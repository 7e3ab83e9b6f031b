"""The ledger in PostgreSQL: append only, one writer, nothing altered or forked unnoticed."""

import asyncio
import json
import random
import shutil
import threading

import asyncpg
import pytest

from alpr_audit import ledger
from alpr_audit.main import draft_of, utc_now
from alpr_audit.metrics import APPEND_SECONDS
from alpr_audit.store.opening import write_note_file
from alpr_cli import verify
from alprcore.errors import InvalidMessage, LedgerBroken, Transient
from alprcore.model import AuditEvent, event_id
from alprcore.seal import SigningKey, note_verifier, verify_note
from tests.fixtures.books import ORIGIN, Ledgers, draft
from tests.fixtures.doors import Doors

pytestmark = pytest.mark.asyncio
TABLES = ("entries", "personal", "intents", "nodes", "head")


async def test_the_running_service_can_neither_change_nor_remove(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    await books.fill(3)
    for table in TABLES:
        column = {"head": "note", "nodes": "hash", "entries": "leaf"}.get(table, "idx")
        for statement in (
            f"UPDATE audit.{table} SET {column} = {column}",
            f"DELETE FROM audit.{table}",
            f"TRUNCATE audit.{table} CASCADE",
            f"DROP TABLE audit.{table}",
            f"ALTER TABLE audit.{table} DISABLE TRIGGER ALL",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await books.sql(statement, login="audit")
    assert (await books.verdict()).code == verify.SOUND


async def test_entries_of_many_at_once_share_commits_and_stand_in_one_sequence(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    async with books.writing() as writer:
        receipts = await asyncio.gather(*(writer.append(draft(number)) for number in range(3000)))
        assert sorted(receipt.index for receipt in receipts) == list(range(3000))
        assert len({receipt.size for receipt in receipts}) < 100  # heads, that is commits
        assert all(receipt.index < receipt.size for receipt in receipts)
    finding = await books.verdict()
    assert (finding.code, finding.words.split(",")[0]) == (verify.SOUND, "3000 entries")


async def test_a_checkpoint_volume_that_hangs_takes_the_lead_and_nothing_is_lost(pg_database, tmp_path, monkeypatch):
    books, hanging, goes_on = Ledgers(pg_database, tmp_path), threading.Event(), threading.Event()

    def write(file, note):
        if hanging.is_set():
            goes_on.wait(60)
        write_note_file(file, note)

    monkeypatch.setattr("alpr_audit.store.writer.write_note_file", write)
    async with books.writing(patience_s=1.0) as writer:
        await writer.append(draft(0))
        hanging.set()
        late = APPEND_SECONDS._sum.get()
        asked = await asyncio.gather(*(writer.append(draft(n)) for n in range(1, 40)), return_exceptions=True)
        assert {type(answer) for answer in asked} == {Transient}
        assert APPEND_SECONDS._sum.get() - late >= len(asked), "the objective sees who was not answered"
        async with asyncio.timeout(30):
            while writer.leading:
                await asyncio.sleep(0.05)
        await asyncio.sleep(2)
        assert not writer.leading, "no lead without the file"
        hanging.clear()
        goes_on.set()
        async with asyncio.timeout(30):
            while not writer.leading:
                await asyncio.sleep(0.05)
        await writer.append(draft(99))
    assert (await books.verdict()).code == verify.SOUND


async def test_a_crowd_after_a_rest_is_divided_so_that_commits_and_askers_overlap(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    async with books.writing() as writer:
        await writer.append(draft(0))
        receipts = await asyncio.gather(*(writer.append(draft(number)) for number in range(1, 65)))
        assert sorted({receipt.size for receipt in receipts}) == [33, 65], "one commit for all would leave both waiting"


async def test_a_second_writer_waits_and_goes_on_where_the_first_stopped(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    async with books.writing(wait=False) as second:
        async with books.writing(wait=False) as first:
            while not (first.leading or second.leading):
                await asyncio.sleep(0.01)
            leader, other = (first, second) if first.leading else (second, first)
            for number in range(50):
                await leader.append(draft(number))
                assert not other.leading
            with pytest.raises(Transient):
                await other.append(draft(99))
        async with asyncio.timeout(30):
            while not second.leading:
                await asyncio.sleep(0.01)
        assert (await second.append(draft(50))).index == 50
    assert (await books.verdict()).code == verify.SOUND


async def test_a_restored_backup_cannot_fork_the_log(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    await books.fill(5)
    early = books.file.read_text()
    await books.fill(4)
    late = books.file.read_text()
    # the database of the day before: nine entries become five
    await books.sql(
        "DELETE FROM audit.head WHERE size > 5", "DELETE FROM audit.personal WHERE idx >= 5",
        "DELETE FROM audit.entries WHERE idx >= 5", "DELETE FROM audit.nodes WHERE (idx + 1) << level > 5",
    )  # fmt: skip
    with pytest.raises(LedgerBroken, match="would fork"):
        async with books.writing():
            pass
    books.file.unlink()
    with pytest.raises(LedgerBroken, match="missing"):
        async with books.writing():
            pass
    books.file.write_text(late.replace("9\n", "5\n", 1))
    with pytest.raises(LedgerBroken, match="not signed"):
        async with books.writing():
            pass
    # and a fork that was grown elsewhere is told from the log by its root
    books.file.write_text(early)
    await books.fill(6)
    books.file.write_text(late)
    with pytest.raises(LedgerBroken, match="does not extend"):
        async with books.writing():
            pass
    assert (await books.verdict(late)).code == verify.DIVERGED


async def test_a_writer_refuses_a_stored_tree_that_was_not_signed(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    await books.fill(6)
    await books.sql("UPDATE audit.nodes SET hash = sha256(hash) WHERE level = 2 AND idx = 0")
    with pytest.raises(LedgerBroken, match="not the one that was signed"):
        async with books.writing():
            pass


FORGED = "UPDATE audit.entries SET leaf = set_byte(leaf, 30, get_byte(leaf, 30) # 1) WHERE idx = {n}"
REHASHED = (
    "UPDATE audit.entries SET leaf = set_byte(leaf, 30, get_byte(leaf, 30) # 1),"
    " leaf_hash = sha256('\\x00'::bytea || set_byte(leaf, 30, get_byte(leaf, 30) # 1)) WHERE idx = {n}"
)
MUTATIONS = {
    "changed": (
        """DO $$ DECLARE c text; BEGIN
            FOR c IN SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = to_regclass('audit.entries')
            LOOP EXECUTE format('ALTER TABLE audit.entries DROP CONSTRAINT %I', c); END LOOP; END $$""",
        FORGED,
    ),
    "changed and hashed again": (REHASHED,),
    "deleted": ("DELETE FROM audit.personal WHERE idx = {n}", "DELETE FROM audit.entries WHERE idx = {n}"),
    "content changed": ('UPDATE audit.personal SET content = \'{{"name": "nobody"}}\' WHERE idx = {n}',),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_verification_names_the_first_bad_index(pg_database, tmp_path, mutation):
    books = Ledgers(pg_database, tmp_path)
    await books.fill(23)
    assert (await books.verdict()).code == verify.SOUND
    place = random.Random(mutation).randrange(23)
    await books.sql(*(statement.format(n=place) for statement in MUTATIONS[mutation]))
    finding = await books.verdict()
    assert (finding.code, finding.first_bad) == (verify.DIVERGED, place), finding


async def test_the_door_names_the_first_bad_index_too(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for _ in range(6):
            await doors.ask({"plate": "8TST001"})
        auditor = doors.auth(roles=("auditor",))
        sound = (await doors.http.get("/v1/audit/verify", headers=auditor)).json()
        assert (sound["sound"], sound["first_bad"]) == (True, None)
        head = (await doors.http.get("/v1/audit/checkpoint")).text
        assert verify_note(head, sound["verifier"]), "the key that is shown verifies the head that is shown"
        await doors.sql(
            "UPDATE audit.intents SET query = jsonb_set(query, '{search,plate}', '\"9ABC123\"') WHERE idx = 4"
        )
        bad = (await doors.http.get("/v1/audit/verify", headers=auditor)).json()
        assert (bad["sound"], bad["first_bad"]) == (False, 4)


async def test_a_copy_verifies_offline_by_command(pg_database, tmp_path, capsys):
    books = Ledgers(pg_database, tmp_path)
    await books.fill(12)
    copy, key = tmp_path / "copy.jsonl", tmp_path / "ledger.pub"
    key.write_text(note_verifier(ORIGIN, books.key.public) + "\n")

    def run(*arguments):
        return verify.main([str(argument) for argument in arguments])

    assert await asyncio.to_thread(run, "export", pg_database.admin, copy) == 0
    check = ("verify", copy, "--checkpoint", books.file, "--key", key)
    assert run(*check) == 0
    lines = copy.read_text().splitlines()
    shutil.copy(copy, tmp_path / "whole")
    at = next(n for n, line in enumerate(lines) if json.loads(line).get("index") == 7)
    copy.write_text("\n".join([*lines[:at], lines[at].replace("person 7", "person 8"), *lines[at + 1 :]]))
    assert run(*check) == 30
    assert "first bad index 7" in capsys.readouterr().err
    copy.write_text("\n".join(lines[:-4]))
    assert run(*check) == 30
    copy.write_text("\n".join(lines[1:]))
    assert run(*check) == 40
    stranger = SigningKey.generate(tmp_path / "stranger.key")
    key.write_text(note_verifier(ORIGIN, stranger.public))
    assert run("verify", tmp_path / "whole", "--checkpoint", books.file, "--key", key) == 40
    assert run("verify", tmp_path / "none", "--checkpoint", books.file, "--key", key) == 40


async def test_numbers_in_contents_are_committed_and_verified_alike(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    numbers = [33.68, -117.8265, 34.0, 1e-7, 0.00001, 1.5e-5, 0.000123, 123456.789, 1e21, 0, -0.0, 5e-324]
    async with books.writing() as writer:
        await writer.append(draft(personal={"numbers": numbers, "name": 'Zoë \u20ac "q" \\ \u2028'}))
    assert (await books.verdict()).code == verify.SOUND


async def test_repeated_events_are_one_entry(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    event = AuditEvent(event_id("x", "login", "1"), utc_now(), "demo", "login", "console", personal={"name": "Jane"})
    other = AuditEvent(event_id("y", "login", "1"), utc_now(), "demo", "login", "console")
    async with books.writing() as writer:
        once = [draft_of(event, utc_now()) for _ in range(3)]
        receipts = await asyncio.gather(*(writer.append(entry) for entry in once))
        assert {receipt.index for receipt in receipts} == {0}
        assert (await writer.append(draft_of(other, utc_now()))).index == 1
        again = await writer.append(draft_of(event, utc_now()))
        assert (again.index, again.repeat, writer.size) == (0, True, 2)


async def test_an_entry_that_cannot_be_kept_stops_nobody_else(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    async with books.writing() as writer:
        for odd in (draft(facts={"text": "x" * 70_000}), draft(personal={"a": "\x00"}), draft(facts={"x": "\ud800"})):
            with pytest.raises(ledger.EntryInvalid):
                await writer.append(odd)
        assert (await writer.append(draft(1))).index == 0


async def test_an_entry_that_the_database_refuses_stops_nobody_else(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    await books.sql("ALTER TABLE audit.entries ADD CONSTRAINT poison CHECK (kind <> 'poison')")
    async with books.writing() as writer:
        drafts = [draft(number, kind="poison" if number % 10 == 3 else "test") for number in range(60)]
        answers = await asyncio.gather(*(writer.append(entry) for entry in drafts), return_exceptions=True)
        for entry, answer in zip(drafts, answers, strict=True):
            assert isinstance(answer, ledger.EntryInvalid) == (entry.kind == "poison"), answer
        assert sorted(a.index for a in answers if not isinstance(a, Exception)) == list(range(54))
        assert writer.leading
        assert (await writer.append(draft(60))).index == 54
    assert (await books.verdict()).code == verify.SOUND


@pytest.mark.parametrize(
    "odd",
    [
        draft(facts={"subject": "x" * 201}), draft(facts={"hit_id": ["x" * 250]}), draft(event_id="x" * 3000),
        draft(kind="x" * 201), draft(agency="x" * 201), draft(personal={"criteria": {"read_id": "x" * 300}}),
    ],
)  # fmt: skip
async def test_names_that_no_index_holds_never_reach_the_database(odd):
    with pytest.raises(ledger.EntryInvalid, match="longer than"):
        ledger.encode_draft(odd, bytes(32), utc_now())


@pytest.mark.parametrize("kind", sorted(ledger.OWN_KINDS))
async def test_no_other_service_writes_the_ledgers_own_kinds(kind):
    """What this service acts on, it must have written: a redaction or a protected event from a topic is no order."""
    event = AuditEvent(event_id("x", kind, "1"), utc_now(), "demo", kind, "console", personal={"name": "Jane"})
    with pytest.raises(InvalidMessage):
        draft_of(event, utc_now())


async def test_no_other_service_calls_itself_audit():
    with pytest.raises(InvalidMessage):
        draft_of(AuditEvent(event_id("x", "y", "1"), utc_now(), "demo", "sign_in", "audit"), utc_now())


async def test_stopping_under_load_answers_everybody(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    kept = 0
    for turn in range(12):
        async with books.writing() as writer:
            asked = [asyncio.create_task(writer.append(draft(number))) for number in range(200)]
            await asyncio.sleep(0.004 * turn)
            if turn == 11:  # stopped in the middle, however slow the machine is
                await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 60)
        kept += sum(not isinstance(answer, Exception) for answer in answers)
        assert all(isinstance(answer, Transient) for answer in answers if isinstance(answer, Exception)), answers
    assert kept
    finding = await books.verdict()
    assert finding.code == verify.SOUND
    assert int(finding.words.split()[0]) >= kept
