"""Heads outside the database: the public folder, the witnesses, and a log that shows two faces."""

import asyncio
import contextlib
import hashlib
from datetime import timedelta

import pytest

from alpr_audit import ledger, metrics
from alpr_audit.store import Ledger
from alpr_audit.store.erasure import Eraser
from alpr_audit.store.publication import Publication
from alpr_audit.store.upkeep import Upkeep
from alpr_audit.store.verification import Verification
from alpr_audit.store.witnesses import OVERDUE, Witnesses, read_witness
from alpr_cli import verify
from alpr_cli.audit.tiles import export_tiles
from alprcore.errors import Misconfigured, Transient
from alprcore.seal import SigningKey, note_verifier, read_cosignature, sign_note
from tests.fixtures.books import ORIGIN, Ledgers, draft, utc_now
from tests.fixtures.witness import FakeWitness

pytestmark = pytest.mark.asyncio


async def test_the_public_folder_verifies_at_every_size_and_holds_nothing_personal(pg_database, tmp_path):
    books, folder = Ledgers(pg_database, tmp_path), tmp_path / "public"
    async with books.writing() as writer, books.pool() as pool:
        public = Publication(folder, pool, books.key.public, entries=True)
        for upto in (1, 255, 256, 257, 700):
            await asyncio.gather(*(writer.append(draft(number)) for number in range(writer.size, upto)))
            await public.publish(writer.head(), writer.note)
            finding = verify.verify_tiles(folder, books.vkey)
            assert (finding.code, finding.words) == (verify.SOUND, f"{upto} entries as tiles, with their texts")
        assert public.published(ORIGIN) == 700
        kept = (folder / "checkpoint").read_text()
        assert (folder / "key").read_text().strip() == books.vkey
    paths = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    for needed in ("tile/0/000", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/002.p/188"):
        assert needed in paths
    assert not any(path.startswith("tile/0/001.p") for path in paths)  # the full tile took their place
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"person 7" not in everything
    # the copy made by command is the same tree
    await export_tiles(pg_database.admin, tmp_path / "copy")
    assert verify.verify_tiles(tmp_path / "copy", books.vkey, checkpoint=kept).code == verify.SOUND
    assert (tmp_path / "copy/tile/0/001").read_bytes() == (folder / "tile/0/001").read_bytes()


async def test_a_changed_public_file_is_found(pg_database, tmp_path):
    books, folder = Ledgers(pg_database, tmp_path), tmp_path / "public"
    await books.fill(600, together=True)
    await export_tiles(pg_database.admin, folder)
    late = (folder / "checkpoint").read_text()
    assert verify.verify_tiles(folder, books.vkey).code == verify.SOUND

    def after(path, change):
        before = (folder / path).read_bytes()
        (folder / path).write_bytes(change(before))
        finding = verify.verify_tiles(folder, books.vkey, checkpoint=late)
        (folder / path).write_bytes(before)
        return finding.code, finding.first_bad

    def flipped(at):
        return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    assert after("tile/entries/001", flipped(40)) == (verify.DIVERGED, 256)
    assert after("tile/0/001", flipped(32 * 5)) == (verify.DIVERGED, 261)
    assert after("tile/1/000.p/2", flipped(33)) == (verify.DIVERGED, 256)
    assert after("tile/0/002.p/88", lambda data: data[:-1]) == (verify.DIVERGED, 512)
    assert after("checkpoint", lambda data: data.replace(b"600", b"599")) == (verify.INVALID, None)
    (folder / "tile/0/001").unlink()
    assert verify.verify_tiles(folder, books.vkey).first_bad == 256
    await books.fill(3)
    await export_tiles(pg_database.admin, tmp_path / "longer")
    later = (tmp_path / "longer/checkpoint").read_text()
    await export_tiles(pg_database.admin, folder)
    (folder / "checkpoint").write_text(late)
    # an older folder cannot pass for the newer one
    assert verify.verify_tiles(folder, books.vkey, checkpoint=later).code == verify.DIVERGED


@contextlib.asynccontextmanager
async def tended(books, writer, witness, folder, *, clock=utc_now):
    """The timers of a ledger, and what they announced."""
    told = []

    async def announce(head, note):
        told.append((head, note))

    async with books.pool() as pool:
        store = Ledger(pool, pool)
        witnesses = Witnesses((read_witness(witness.setting),), folder / "cosigned", store.consistency, clock)
        public = Publication(folder / "public", pool, books.key.public)
        upkeep = Upkeep(
            writer, folder / "heads.log", announce, witnesses, public, Eraser(pool, writer, 3), utc_now, every_s=0.02,
            verification=Verification(
                lambda: store.verify(writer.verifier, writer.head(), gently=True), folder / "verified", clock
            ),
        )  # fmt: skip
        stop = asyncio.Event()
        task = asyncio.create_task(upkeep.run(stop))
        try:
            yield witnesses, told
        finally:
            stop.set()
            await task


async def reached(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


async def test_heads_are_cosigned_published_and_kept(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    with FakeWitness(tmp_path, books.vkey) as witness:
        async with books.writing() as writer, tended(books, writer, witness, tmp_path) as (witnesses, told):
            for number in range(5):
                await writer.append(draft(number))
                await reached(lambda: witnesses.size == writer.size)
            assert not witnesses.overdue()
            await reached((tmp_path / "public/checkpoint").exists)
            await reached((tmp_path / "verified").exists)
            await reached(lambda: verify.verify_tiles(tmp_path / "public", books.vkey, [witness.vkey]).words[:1] == "5")
            note = (tmp_path / "cosigned").read_text()
            assert abs(read_cosignature(note, witness.vkey) - utc_now()) < timedelta(minutes=1)
            await reached(lambda: told and told[-1][0].size == 5)  # announced once the witness has signed
            assert (tmp_path / "heads.log").read_text().count(ORIGIN) >= 2 * len(told)  # text and signature line
        # the witness's memory outlives both; a restarted ledger asks it where it stands
        async with books.writing() as writer, tended(books, writer, witness, tmp_path) as (witnesses, _):
            await writer.append(draft(9))
            await reached(lambda: witnesses.size == 6)
        assert set(witness.answers) <= {200, 409}
        assert witness.kept(ORIGIN)[0] == 6
    stranger = note_verifier("witness.test/two", SigningKey.generate(tmp_path / "two.key").public, cosigner=True)
    assert verify.verify_tiles(tmp_path / "public", books.vkey, [stranger]).code == verify.INVALID


async def test_a_witness_that_is_away_is_an_alarm_after_five_minutes(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    ahead = timedelta(0)
    with FakeWitness(tmp_path, books.vkey) as witness:
        witness.away = True
        async with books.writing() as writer:
            clocked = tended(books, writer, witness, tmp_path, clock=lambda: utc_now() + ahead)
            async with clocked as (witnesses, _):
                await writer.append(draft())
                await reached(lambda: len(witness.answers) > 1)
                assert not witnesses.overdue()
                ahead = OVERDUE + timedelta(seconds=1)
                assert witnesses.overdue()
                await reached(lambda: metrics.COSIGNED_AGE._value.get() > 300)
                witness.away = False
                await reached(lambda: witnesses.size == 1 and not witnesses.overdue())
                await reached(lambda: metrics.COSIGNED_AGE._value.get() == 0)


def forked(books, size):
    """A head of another history, signed with the ledger's own key: what a lying operator could make."""
    other = ledger.Tree()
    for number in range(size):
        other.append(hashlib.sha256(f"another history {number}".encode()).digest())
    head = ledger.Head(ORIGIN, size, other.root())
    return head, sign_note(books.key, ORIGIN, head.text())


async def test_two_faces_of_one_log_do_not_pass_a_witness(pg_database, tmp_path):
    """A11: the auditor at the witness saw one history; the same key signs another one for somebody else."""
    books = Ledgers(pg_database, tmp_path)

    async def prove(_old, _new):
        return [bytes(32)]

    with FakeWitness(tmp_path, books.vkey) as witness:
        async with books.writing() as writer, tended(books, writer, witness, tmp_path) as (witnesses, _):
            await asyncio.gather(*(writer.append(draft(number)) for number in range(8)))
            await reached(lambda: witnesses.size == 8)
        for size, status, reason in ((8, 409, "conflict"), (12, 422, "inconsistent"), (5, 409, "conflict")):
            lying = Witnesses((read_witness(witness.setting),), tmp_path / "lie", prove, utc_now)
            before = metrics.WITNESS_REFUSALS.labels(reason)._value.get()
            await lying.submit(*forked(books, size))
            assert witness.answers[-1] == status
            assert metrics.WITNESS_REFUSALS.labels(reason)._value.get() == before + 1  # the alarm, at once
            assert not (tmp_path / "lie").exists()
        assert witness.kept(ORIGIN)[0] == 8
        # a stranger's head and a ledger that the witness does not know
        stranger = SigningKey.generate(tmp_path / "stranger.key")
        for origin, status in ((ORIGIN, 403), ("other.test/ledger", 404)):
            head = ledger.Head(origin, 9, bytes(32))
            lying = Witnesses((read_witness(witness.setting),), tmp_path / "lie", prove, utc_now)
            await lying.submit(head, sign_note(stranger, origin, head.text()))
            assert witness.answers[-1] == status


@pytest.mark.parametrize("setting", ["", "name https://a", "a+b+c ftp://a", "a+b+c"])
async def test_a_witness_setting_that_cannot_be_read_is_refused(setting):
    with pytest.raises(Misconfigured):
        read_witness(setting)


async def test_a_full_or_missing_disk_is_told_and_not_passed_over(pg_database, tmp_path):
    books = Ledgers(pg_database, tmp_path)
    (tmp_path / "file").write_text("")
    async with books.writing() as writer, books.pool() as pool:
        await writer.append(draft())
        public = Publication(tmp_path / "file" / "public", pool, books.key.public)
        with pytest.raises(Transient):
            await public.publish(writer.head(), writer.note)
