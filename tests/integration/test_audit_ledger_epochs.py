"""Who may write the ledger and under which name: two writers, a restored backup, a clock that is set back."""

import asyncio
import json
import threading
from datetime import timedelta

import asyncpg
import pytest

from alpr_audit.store import writer as writers
from alpr_cli import verify
from alpr_cli.audit.proofs import Receipt
from alprcore.errors import LedgerBroken, Misconfigured, Transient
from alprcore.seal import SigningKey, note_verifier
from tests.fixtures.books import ORIGIN, Ledgers, draft, utc_now

pytestmark = pytest.mark.asyncio
ROLLED_BACK = (
    "DELETE FROM audit.head WHERE size > 5", "DELETE FROM audit.personal WHERE idx >= 5",
    "DELETE FROM audit.entries WHERE idx >= 5", "DELETE FROM audit.nodes WHERE (idx + 1) << level > 5",
)  # fmt: skip
"""The database of the day before: nine entries become five."""


async def restored(pg_database, folder):
    books = Ledgers(pg_database, folder)
    await books.fill(5)
    await books.fill(4)
    await books.sql(*ROLLED_BACK)
    return books


class Custodians:
    """People with keys of their own who sign orders by the command."""

    def __init__(self, folder, *names):
        self.folder, self.keys = folder, {}
        for name in names:
            verify.main(["custodian-key", name, str(folder / f"{name}.key")])
            self.keys[name] = note_verifier(name, SigningKey.load(folder / f"{name}.key").public)

    async def order(self, books, *signers, reason="the disk of the database died; backup of yesterday", **changes):
        file = self.folder / "checkpoint.rollover"
        checkpoint = changes.get("checkpoint", str(books.file))
        given = ["--checkpoint", checkpoint] if checkpoint else []
        command = ["rollover", books.database.admin, str(file), "--origin", ORIGIN, "--reason", reason, *given]
        assert await asyncio.to_thread(verify.main, command) == 0
        for name in signers:
            secret = str(self.folder / f"{name}.key")
            verify.main(["sign-rollover", str(file), "--name", name, "--secret", secret])
        return file


async def test_two_custodians_open_a_new_epoch_after_a_restored_backup(pg_database, tmp_path, capsys):
    books = await restored(pg_database, tmp_path)
    lost = books.file.read_text()
    people = Custodians(tmp_path, "ann.ops", "bob.records", "eve.stranger")
    two = tuple(people.keys[name] for name in ("ann.ops", "bob.records"))
    # one signature, twice the same, and a stranger's are no order
    for signers in ((), ("ann.ops",), ("ann.ops", "ann.ops"), ("ann.ops", "eve.stranger")):
        await people.order(books, *signers)
        with pytest.raises(LedgerBroken, match="would fork"):
            async with books.writing(custodians=two):
                pass
    # nor does an order do that was made for another state
    file = await people.order(books, "ann.ops", "bob.records")
    order = file.read_text()
    file.write_text(order.replace("yesterday", "last week"))
    with pytest.raises(LedgerBroken, match="would fork"):
        async with books.writing(custodians=two):
            pass
    file.write_text(order)
    async with books.writing(custodians=two) as writer:
        assert (writer.origin, writer.size) == (f"{ORIGIN}/epoch-2", 6)
        assert (await writer.append(draft(6))).index == 6
    note = books.file.read_text()
    assert note.startswith(f"{ORIGIN}/epoch-2\n7\n")
    # the first entry of the epoch says what was lost, who ordered it and why
    opened = json.loads(json.loads((await verify.export(pg_database.admin))[-4])["entry"])
    assert opened["kind"] == "epoch_opened"
    assert opened["facts"]["signed_before"]["size"] == 9
    assert opened["facts"]["continued_from"]["size"] == 5
    assert sorted(opened["facts"]["signers"]) == ["ann.ops", "bob.records"]
    assert "backup of yesterday" in opened["facts"]["order"]
    # the same order opens nothing twice, and a restart goes on in the epoch
    async with books.writing(custodians=two) as writer:
        assert (writer.origin, writer.size) == (f"{ORIGIN}/epoch-2", 7)
    epoch_key = note_verifier(f"{ORIGIN}/epoch-2", books.key.public)
    assert (await books.verdict(note, epoch_key)).code == verify.SOUND
    # whoever holds a head of the old name learns that the old tree ended
    assert (await books.verdict(lost)).code == verify.DIVERGED
    assert (await books.verdict(note)).code == verify.INVALID
    capsys.readouterr()


async def test_a_crash_while_the_epoch_opens_leaves_no_dead_end(pg_database, tmp_path, capsys):
    books = await restored(pg_database, tmp_path)
    before = books.file.read_text()
    people = Custodians(tmp_path, "ann.ops", "bob.records")
    await people.order(books, "ann.ops", "bob.records")
    two = tuple(people.keys.values())
    async with books.writing(custodians=two):
        pass
    books.file.write_text(before)  # the database knew already, the checkpoint file not yet
    async with books.writing(custodians=two) as writer:
        assert (writer.origin, writer.size) == (f"{ORIGIN}/epoch-2", 6)
    assert books.file.read_text().startswith(f"{ORIGIN}/epoch-2\n6\n")
    capsys.readouterr()


async def test_a_lost_checkpoint_file_takes_the_same_order(pg_database, tmp_path, capsys):
    books = Ledgers(pg_database, tmp_path)
    await books.fill(5)
    books.file.unlink()
    people = Custodians(tmp_path, "ann.ops", "bob.records")
    two = tuple(people.keys.values())
    with pytest.raises(LedgerBroken, match="missing"):
        async with books.writing(custodians=two):
            pass
    await people.order(books, "ann.ops", "bob.records", checkpoint="", reason="the volume of the checkpoint is lost")
    async with books.writing(custodians=two) as writer:
        assert (writer.origin, writer.size) == (f"{ORIGIN}/epoch-2", 6)
    capsys.readouterr()


async def test_custodians_are_different_people_with_different_keys(pg_database, tmp_path, capsys):
    books = Ledgers(pg_database, tmp_path)
    people = Custodians(tmp_path, "ann.ops")
    public = SigningKey.load(tmp_path / "ann.ops.key").public
    for custodians in (
        [people.keys["ann.ops"], note_verifier("ann.too", public)],  # one person under two names
        [people.keys["ann.ops"], people.keys["ann.ops"]],
        ["not a key"],
    ):
        with pytest.raises(Misconfigured):
            async with books.writing(custodians=custodians):
                pass
    capsys.readouterr()


async def test_two_writers_that_both_believe_to_lead_make_one_sequence(pg_database, tmp_path, monkeypatch):
    """The lock is taken away from both: what is left is the database's own order, one index at a time."""
    monkeypatch.setitem(writers._QUERIES, "lead", "SELECT true")
    books = Ledgers(pg_database, tmp_path)
    kept, refused = [], 0
    async with books.writing() as first, books.writing() as second:

        async def send(writer, number):
            nonlocal refused
            try:
                kept.append((await writer.append(draft(number))).index)
            except Transient:
                refused += 1  # it lost the race, stepped down, and takes the tree up anew
                await asyncio.sleep(0.05)

        for number in range(40):
            await asyncio.gather(send(first, number), send(second, number))
    assert refused
    assert len(set(kept)) == len(kept)
    finding = await books.verdict()
    assert finding.code == verify.SOUND, finding
    stored = await asyncpg.connect(pg_database.admin)
    try:
        assert await stored.fetchval("SELECT count(*) FROM audit.entries") >= len(kept)
        for index in kept:
            assert await stored.fetchval("SELECT 1 FROM audit.entries WHERE idx = $1", index) == 1
    finally:
        await stored.close()


@pytest.mark.long
async def test_a_hundred_thousand_entries_of_two_writers_are_one_sequence(pg_database, tmp_path):
    """A4: both are started, the one that leads is stopped again and again, and nothing is lost, doubled or forked."""
    books = Ledgers(pg_database, tmp_path)
    kept, sent = [], 0

    async def send(writers_, number):
        while True:
            for writer in writers_:
                try:
                    kept.append((await writer.append(draft(number))).index)
                except Transient:
                    continue
                return
            await asyncio.sleep(0.05)

    for _ in range(10):
        async with books.writing(wait=False) as first, books.writing(wait=False) as second:
            for _ in range(20):
                await asyncio.gather(*(send((first, second), sent + number) for number in range(500)))
                sent += 500
    assert sorted(kept) == list(range(100_000))
    assert (await books.verdict()).code == verify.SOUND


async def test_a_clock_that_is_set_back_never_sets_the_log_back(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    now = utc_now()
    async with books.writing(clock=lambda: now) as writer:
        await writer.append(draft(0))
        now -= timedelta(hours=1)
        await writer.append(draft(1))
        now += timedelta(hours=2)
        await writer.append(draft(2))
    now -= timedelta(days=1)  # also over a restart
    async with books.writing(clock=lambda: now) as writer:
        await writer.append(draft(3))
    entries = [json.loads(json.loads(line)["entry"]) for line in (await verify.export(pg_database.admin))[1::2]]
    times = [entry["time"] for entry in entries]
    assert times == sorted(times)
    assert [entry.get("clock_behind_ms", 0) for entry in entries] == [0, 3_600_000, 0, 86_400_000]


async def test_a_slow_disk_for_the_head_file_holds_no_batch_back(pg_database, tmp_path, monkeypatch):
    """An answer waits for both places; the next batch does not wait for the first one's file."""
    slow, ready = writers.write_note_file, threading.Event()

    def late(path, note):
        assert ready.wait(30)
        slow(path, note)

    books = Ledgers(pg_database, tmp_path)

    async def stored(count):
        async with asyncio.timeout(30), books.pool() as pool:
            while await pool.fetchval("SELECT count(*) FROM audit.entries") < count:
                await asyncio.sleep(0.02)

    async with books.writing() as writer:
        monkeypatch.setattr(writers, "write_note_file", late)
        try:
            first = asyncio.create_task(writer.append(draft(0)))
            await stored(1)
            second = asyncio.create_task(writer.append(draft(1)))
            await stored(2)
            assert not first.done()
            assert not second.done()
        finally:
            ready.set()
        assert (await first).index == 0
        assert (await second).index == 1
        assert books.file.read_text().split("\n")[1] == "2"


async def test_a_receipt_of_an_earlier_epoch_stays_valid(pg_database, tmp_path, capsys):
    books = Ledgers(pg_database, tmp_path)
    async with books.writing() as writer:
        receipt = await writer.append(draft(0))
    await books.fill(4)
    later = Receipt(0, receipt.leaf, [], receipt.note)
    assert verify.verify_receipt(later, books.vkey).code == verify.SOUND
    epoch_key = note_verifier(f"{ORIGIN}/epoch-2", books.key.public)
    assert verify.verify_receipt(later, epoch_key).code == verify.SOUND
    assert verify.verify_receipt(later, note_verifier("other.test/ledger", books.key.public)).code == verify.INVALID
    capsys.readouterr()
