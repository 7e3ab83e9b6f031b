"""What could not be read is kept as long as records are, sealed, and goes with them (RET-11)."""

import hashlib
import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from alpr_retention.quarantine import rules
from alpr_retention.quarantine.store import Quarantine
from alpr_retention.store import ImageKeys
from alpr_retention.telling import Outbox
from alprcore import postgres, wire
from alprcore.errors import Transient
from alprcore.kafka import Message
from alprcore.model import Frame, GeoPoint, ImageRef, ImageRole, Location, LocationQuality, View, frame_id, to_us
from alprcore.objects import ImageStore
from alprcore.profiles import load_profiles
from alprcore.seal import seal_once
from alprcore.topics import Topic
from alprcore.wire import decode_audit_event
from tests.fixtures.doors import JPEG, make_read, utc_now
from tests.fixtures.keeping import keeping, scheduled
from tests.fixtures.postgres import _database
from tests.fixtures.shelf import headers_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
AGENCIES = ("irvine", "westminster", "claremont", "escondido", "roseville")
YEARS = {"irvine": 1, "westminster": 1, "roseville": 1, "claremont": 2, "escondido": 2}
PLACE = Location(GeoPoint(33.68, -117.83), LocationQuality.REGISTERED)
DAY = timedelta(days=1)


class Shelf:
    """The quarantine on a database, a folder of objects and one of keys."""

    def __init__(self, database, pool, folder, admin, strangers=10_000):
        self.database, self.pool, self.folder, self.admin = database, pool, folder, admin
        self.objects, self.keys = ImageStore((folder / "objects").as_uri()), ImageKeys(folder / "keys")
        self.profiles = {name: scheduled(profile) for name, profile in load_profiles().items()}
        self.now = utc_now()
        self.quarantine = Quarantine(
            pool, self.objects, self.keys, self.profiles, lambda: self.now, Outbox(pool), strangers
        )
        self._offset = secrets.randbelow(2**40)

    def letter(self, value, *, at, topic="frames", key=b"cam", code="SITING_NOT_DECLARED", **headers):
        """A dead letter as it lies on its topic, put aside at a time."""
        self._offset += 1
        told = {
            "dlq-topic": f"t1.{topic}".encode(), "dlq-code": code.encode(), "dlq-service": b"ingest",
            "dlq-timestamp": str(to_us(at) // 1000).encode(), **{n.replace("_", "-"): c for n, c in headers.items()},
        }  # fmt: skip
        return Message(f"t1.{topic}.dlq", 0, self._offset, key, value, told, to_us(at) // 1000)

    def frame_letter(self, agency, *, at, image=JPEG, device="", **more):
        frame = a_frame(agency, at, image, device or f"{agency}-{self._offset}")
        headers = dict(wire.headers_for(Topic.FRAMES, id=frame.frame_id, source="/test", time=at))
        letter = self.letter(wire.encode_frame(frame), at=at, **more)
        return replace(letter, headers={**headers, **letter.headers}), frame

    async def rows(self, agency):
        rows = await self.admin.fetch(
            "SELECT * FROM retention.frame_quarantine WHERE agency = $1 ORDER BY received_at", agency
        )
        return [dict(row) for row in rows]

    async def kept(self, agency, letter):
        """What is kept of a letter, taken apart; None when nothing is."""
        name = rules.letter_id(letter.topic, letter.partition, letter.offset, letter.timestamp_ms)
        packed = await self.quarantine.payload(agency, name)
        return None if packed is None else rules.unpack(packed)


def a_frame(agency, at, image, device):
    plain = image if isinstance(image, bytes) else b""
    sha = hashlib.sha256(plain).digest() if plain else image.sha256
    return Frame(
        frame_id(f"{device}-a", 1, sha), agency, device, f"{device}-a", 1, at, at + timedelta(seconds=1), PLACE, sha,
        b"signed", View.REAR, image,
    )  # fmt: skip


@pytest.fixture(scope="module")
def database(pg_admin_dsn, pg_template):
    with _database(pg_admin_dsn, "aside", f"TEMPLATE {pg_template}") as (_, made):
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shelf(database, tmp_path_factory):
    pool, admin = await postgres.connect(database.url("retention")), await asyncpg.connect(database.admin)
    yield Shelf(database, pool, tmp_path_factory.mktemp("aside"), admin)
    pool.terminate()
    admin.terminate()


@pytest.mark.requirement("RET-11", partial="dead letters; the check at the start is in test_streams_kept")
@pytest.mark.parametrize("agency", AGENCIES)
async def test_a_dead_lettered_frame_is_there_after_its_topic_forgot_it_and_until_its_record_is_due(shelf, agency):
    letter, frame = shelf.frame_letter(agency, at=shelf.now - 8 * DAY)
    await shelf.quarantine.take(letter)
    head, value, image = await shelf.kept(agency, letter)
    assert (value, image) == (letter.value, None)  # its topic kept it for 7 days
    assert wire.decode_frame(value, letter.headers) == frame
    assert head["headers"].keys() == letter.headers.keys()
    (row,) = await shelf.rows(agency)
    assert (row["reason_code"], row["device_id"]) == ("SITING_NOT_DECLARED", frame.device_id)

    # a day before its record would be due nothing goes, on that day it goes
    due = row["due_day"]
    assert due.year - letter_day(letter).year == YEARS[agency]
    old, _ = shelf.frame_letter(agency, at=shelf.now - timedelta(days=365 * YEARS[agency] + 3))
    await shelf.quarantine.take(old)
    (first, _) = await shelf.rows(agency)
    assert await shelf.quarantine.purge(agency, first["due_day"] - DAY, shelf.now) == {"letters": 0}
    assert await shelf.kept(agency, old)
    assert await shelf.quarantine.purge(agency, first["due_day"], shelf.now) == {"letters": 1}
    assert await shelf.kept(agency, old) is None
    assert await shelf.objects.list(rules.prefix(agency, first["due_day"])) == []
    assert shelf.keys.private(agency, first["sealed_to"]) is None
    assert await shelf.kept(agency, letter)
    # and the floor binds whatever day is asked for
    assert await shelf.quarantine.purge(agency, due + DAY, shelf.now) == {"letters": 0}
    assert await shelf.kept(agency, letter)


def letter_day(letter):
    return datetime.fromtimestamp(letter.timestamp_ms / 1000, UTC).date()


async def test_nothing_of_it_lies_readable_anywhere(shelf):
    secret = b"IMAGE-OF-A-FRONT-YARD" + secrets.token_bytes(8)
    letter, _ = shelf.frame_letter("demo", at=shelf.now, image=JPEG + secret)
    await shelf.quarantine.take(letter)
    for path in shelf.folder.rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes(), path
    assert secret.decode(errors="replace") not in json.dumps(await shelf.rows("demo"), default=str)


async def test_a_repeat_is_one_letter_and_a_letter_whose_row_was_lost_is_kept_the_second_time(shelf):
    letter, _ = shelf.frame_letter("demo", at=shelf.now - DAY)
    put, shelf.quarantine._pool = shelf.quarantine._pool, _Breaking(shelf.quarantine._pool, after=1)
    with pytest.raises(Transient):
        await shelf.quarantine.take(letter)  # between object and row
    shelf.quarantine._pool = put
    before = len(await shelf.rows("demo"))
    for _ in range(3):
        await shelf.quarantine.take(letter)
    assert len(await shelf.rows("demo")) == before + 1
    assert await shelf.kept("demo", letter)


class _Breaking:
    """A pool whose connections end after so many."""

    def __init__(self, pool, after):
        self._pool, self._left = pool, after

    def acquire(self):
        if not self._left:
            raise ConnectionError("gone")
        self._left -= 1
        return self._pool.acquire()


async def test_what_is_no_frame_is_kept_for_the_agency_that_ingest_names(shelf):
    meta = {"device_id": "pole-7", "camera_id": "pole-7-a", "captured_at": "2026-11-01T10:00:00+00:00"}
    value = json.dumps({"meta": meta, "image": None, "image_bytes": 25_000_000}).encode()
    told = {"alpr_agency": b"irvine", "alpr_device_kind": b"fixed"}
    letter = shelf.letter(value, at=shelf.now, code="FIELD_INVALID", key=b"pole-7", **told)
    await shelf.quarantine.take(letter)
    row = next(row for row in await shelf.rows("irvine") if row["device_id"] == "pole-7")
    assert (row["camera_id"], row["captured_at"]) == ("pole-7-a", datetime(2026, 11, 1, 10, tzinfo=UTC))
    assert (await shelf.kept("irvine", letter))[1] == value


@pytest.mark.parametrize(
    "value", [b"", b"\xff\x00garbage", b'{"meta": 7}', b'{"meta": {"captured_at": "9999-13-01"}}', None]
)
async def test_what_says_nothing_of_itself_stays_as_long_as_anybody_s(shelf, value):
    letter = shelf.letter(value, at=shelf.now, code="MALFORMED")
    await shelf.quarantine.take(letter)
    row = (await shelf.rows(rules.UNATTRIBUTED))[-1]
    assert row["due_day"] >= (shelf.now + timedelta(days=728)).date()  # as in the agencies that keep longest
    assert (await shelf.kept(rules.UNATTRIBUTED, letter))[1] == value


async def test_odd_times_and_texts_are_kept_too(shelf):
    for captured in (datetime(1, 1, 2, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)):
        meta = {"device_id": "nul\x00", "captured_at": captured.isoformat()}
        letter = shelf.letter(json.dumps({"meta": meta}).encode(), at=shelf.now, alpr_agency=b"escondido")
        await shelf.quarantine.take(letter)
        assert await shelf.kept("escondido", letter)


async def test_who_writes_an_old_time_of_receipt_does_not_shorten_the_year(shelf):
    letter, frame = shelf.frame_letter("irvine", at=shelf.now)
    lying = replace(frame, received_at=shelf.now - timedelta(days=4000))
    await shelf.quarantine.take(replace(letter, value=wire.encode_frame(lying)))
    row = next(row for row in await shelf.rows("irvine") if row["device_id"] == frame.device_id)
    assert row["due_day"] >= (shelf.now + timedelta(days=362)).date()


async def test_a_large_frame_is_kept_with_its_image_and_one_whose_image_is_gone_says_so(shelf):
    image = JPEG + secrets.token_bytes(1_000_000)
    key, sha = f"frame/demo/2027-01-01/{secrets.token_hex(4)}.jpg", hashlib.sha256(image).digest()
    once, sealed = seal_once(image, aad=key.encode())
    await shelf.objects.put(key, sealed)
    ref = ImageRef(key, sha, ImageRole.FRAME, View.REAR, once_key=once)
    there, _ = shelf.frame_letter("demo", at=shelf.now, image=ref)
    gone, _ = shelf.frame_letter("demo", at=shelf.now, image=replace(ref, key=f"{key}x"))
    for letter in (there, gone):
        await shelf.quarantine.take(letter)
    assert (await shelf.kept("demo", there))[2] == image
    head, value, missing = await shelf.kept("demo", gone)
    assert (head["image_missing"], missing, value) == (True, None, gone.value)
    assert await shelf.quarantine.sweep_frames() == 0  # its message may still be read
    shelf.now += timedelta(days=10)
    try:
        assert await shelf.quarantine.sweep_frames() == 1
    finally:
        shelf.now -= timedelta(days=10)
    with pytest.raises(KeyError):
        await shelf.objects.get(key)
    assert (await shelf.kept("demo", there))[2] == image  # its own copy stays


async def test_dead_letters_of_reads_belong_to_the_agency_of_the_read(shelf):
    read = make_read("7LET001", agency="claremont")
    headers = dict(wire.headers_for(Topic.READS, id=read.read_id, source="/test", time=read.read_at))
    letter = shelf.letter(wire.encode_read(read), at=shelf.now, topic="reads", code="FIELD_INVALID")
    await shelf.quarantine.take(replace(letter, headers={**headers, **letter.headers}))
    row = (await shelf.rows("claremont"))[-1]
    assert (row["topic"], row["device_id"], row["device_kind"]) == ("reads", read.device_id, "fixed")
    assert "7LET001" not in json.dumps(row, default=str)


@pytest.mark.requirement("RET-07", partial="frames that could not be read; reads are in the tests of holds")
async def test_a_hold_on_a_camera_keeps_its_unread_frames_until_it_ends(shelf):
    at = shelf.now - timedelta(days=365 * 2 + 5)
    kept, frame = shelf.frame_letter("escondido", at=at, device="held-camera")
    other, _ = shelf.frame_letter("escondido", at=at)
    for letter in (kept, other):
        await shelf.quarantine.take(letter)
    hold = await shelf.admin.fetchval(
        "INSERT INTO retention.holds (hold_id, agency, ground, case_reference, placed_by, placed_at, read_ids, by_query,"
        " device_id) VALUES (gen_random_uuid(), 'escondido', 'linked_investigation', '26-1', 'p', now(), '{}', true,"
        " 'held-camera') RETURNING hold_id"
    )
    day = next(row for row in await shelf.rows("escondido") if row["device_id"] == "held-camera")["due_day"]
    assert await shelf.quarantine.purge("escondido", day, shelf.now) == {"letters": 1}
    assert await shelf.kept("escondido", other) is None
    assert wire.decode_frame((await shelf.kept("escondido", kept))[1], kept.headers) == frame
    row = next(row for row in await shelf.rows("escondido") if row["device_id"] == "held-camera")
    assert (row["was_due"], shelf.keys.private("escondido", f"letters-{day}")) == (day, None)
    await shelf.admin.execute(
        "UPDATE retention.holds SET released_at = now(), state = 'ended' WHERE hold_id = $1", hold
    )
    assert await shelf.quarantine.purge("escondido", day, shelf.now) == {"letters": 1}
    assert await shelf.kept("escondido", kept) is None
    with pytest.raises(KeyError):
        await shelf.objects.get(row["object_key"])


async def test_a_letter_follows_the_policy_of_the_day_on_which_it_would_go(shelf):
    at = shelf.now - timedelta(days=365 * 2 + 40)
    letter, _ = shelf.frame_letter("escondido", at=at, device="moved")
    await shelf.quarantine.take(letter)
    day = next(row for row in await shelf.rows("escondido") if row["device_id"] == "moved")["due_day"]
    profile = shelf.profiles["escondido"]
    shelf.profiles["escondido"] = keeping(profile, fixed="3 years", mobile="3 years")
    try:
        assert await shelf.quarantine.purge("escondido", day, shelf.now) == {"letters": 0}
        row = next(row for row in await shelf.rows("escondido") if row["device_id"] == "moved")
        assert row["due_day"].year == day.year + 1
        assert await shelf.kept("escondido", letter)
        assert shelf.keys.private("escondido", f"letters-{day}") is None
    finally:
        shelf.profiles["escondido"] = profile
    # and the shorter period again: it goes at once, long before the day it was moved to
    assert await shelf.quarantine.purge("escondido", day, shelf.now) == {"letters": 1}
    assert await shelf.kept("escondido", letter) is None
    with pytest.raises(KeyError):
        await shelf.objects.get(row["object_key"])


@pytest.mark.parametrize("broken", ["objects", "key"])
async def test_a_purge_that_breaks_is_ended_by_the_next(shelf, broken, monkeypatch):
    at = shelf.now - timedelta(days=365 * 2 + 20 + len(broken))
    letter, _ = shelf.frame_letter("claremont", at=at)
    await shelf.quarantine.take(letter)
    row = (await shelf.rows("claremont"))[0]
    with monkeypatch.context() as breaking:
        where, name = (shelf.objects, "delete_prefix") if broken == "objects" else (shelf.keys, "destroy")
        breaking.setattr(where, name, _fail)
        with pytest.raises(Transient):
            await shelf.quarantine.purge("claremont", row["due_day"], shelf.now)
    await shelf.quarantine.purge("claremont", row["due_day"], shelf.now)
    assert shelf.keys.private("claremont", row["sealed_to"]) is None
    with pytest.raises(KeyError):
        await shelf.objects.get(row["object_key"])


def _fail(*_):
    raise Transient("gone")


async def test_another_agency_s_letters_are_not_told_of(shelf):
    mine, others = await shelf.quarantine.lying("irvine", "", 100), await shelf.quarantine.lying("demo", "", 2)
    assert {one["device_id"] for one in mine["letters"]} >= {"pole-7"}
    assert not {one["letter_id"] for one in mine["letters"]} & {one["letter_id"] for one in others["letters"]}
    assert sum(reason["letters"] for reason in mine["reasons"]) == len(mine["letters"])
    after = await shelf.quarantine.lying("demo", others["next"], 2)
    assert not {one["letter_id"] for one in after["letters"]} & {one["letter_id"] for one in others["letters"]}
    json.dumps(mine)  # as it stands


@pytest.mark.requirement("RET-11", partial="a letter is replayed from its topic alone, within its week")
async def test_a_flood_of_what_no_device_signed_is_counted_and_hides_no_signed_letter(shelf):
    shelf = Shelf(shelf.database, shelf.pool, shelf.folder, shelf.admin, 3)
    at = shelf.now - DAY
    strangers = [shelf.frame_letter("demo", at=at, code="SIGNATURE_INVALID")[0] for _ in range(5)]
    signed = [shelf.frame_letter("demo", at=at, code="SITING_NOT_DECLARED")[0] for _ in range(5)]
    there = {row["reason_code"]: row["letters"] for row in (await shelf.quarantine.lying("demo", "", 100))["reasons"]}
    for letter in [*strangers, *signed]:
        await shelf.quarantine.take(letter)
    await shelf.quarantine.take(strangers[0])  # comes again: kept already, and not counted
    found = await shelf.quarantine.lying("demo", "", 100)
    counts = {row["reason_code"]: row["letters"] for row in found["reasons"]}
    assert {code: counts[code] - there.get(code, 0) for code in ("SIGNATURE_INVALID", "SITING_NOT_DECLARED")} == {
        "SIGNATURE_INVALID": 3, "SITING_NOT_DECLARED": 5,
    }  # fmt: skip
    (flood,) = found["floods"]
    assert (flood["letters"], flood["reason_code"], flood["topic"]) == (2, "SIGNATURE_INVALID", "frames")
    assert flood["bytes"] == sum(len(letter.value) for letter in strangers[3:])
    assert (await shelf.quarantine.lying("claremont", "", 100))["floods"] == []
    rows = await shelf.admin.fetch("SELECT value, headers FROM retention.outbox")
    told = [decode_audit_event(row["value"], headers_of(row["headers"])) for row in rows]
    assert [event.facts["limit"] for event in told if event.kind == "quarantine_flooded"] == ["3"]
    again = Shelf(
        shelf.database, shelf.pool, shelf.folder, shelf.admin, 3
    )  # a process that starts anew goes on counting
    await again.quarantine.take(again.frame_letter("demo", at=at, code="DEVICE_UNKNOWN")[0])
    assert sum(row["letters"] for row in (await again.quarantine.lying("demo", "", 100))["floods"]) == 3
