"""Any service may be killed while frames flow: no frame lost, no new id, nothing shown twice."""

import asyncio
import time
from collections import defaultdict
from difflib import SequenceMatcher

import asyncpg
import pytest

from alpr_cli import demo
from alpr_cli.wiring import SERVICES
from alprcore import wire
from alprcore.model import NotificationStatus
from tests.e2e.conftest import Player, wait_for
from tests.e2e.tap import Tap

PER_VEHICLE = 5
"""Frames of each vehicle in the rendered drive."""
TOPICS = ("frames", "frames.dlq", "reads", "hits", "notifications", "cad.demo.notifications")
SAME_VEHICLE = 0.7
"""Least likeness of a text and a vehicle's plate: two of seven characters may be misread."""
LETTERS = "ABCEFGHJKLMNPRSTUVWXY"


def plates_for(number):
    """Six synthetic plates that no other test uses; the second and fifth are listed."""
    letters = [LETTERS[(number * 7 + place * 3) % len(LETTERS)] for place in range(6)]
    return [
        f"{place + 4}{letters[place]}{letters[(place + 1) % 6]}{LETTERS[number]}{317 + 47 * place + number}"
        for place in range(6)
    ]


def decoded(tap, topic, decode):
    return [decode(message.value, message.headers) for message in tap.read(topic)]


def newest(things, name, revision):
    """Of each id, the value with the highest revision."""
    best = {}
    for thing in things:
        at = getattr(thing, name)
        if at not in best or getattr(thing, revision) >= getattr(best[at], revision):
            best[at] = thing
    return best


def kept_reads(tap):
    return [read for read in decoded(tap, "reads", wire.decode_read) if not read.retracted]


def by_vehicle(tap, plates):
    """Read ids by the vehicle they are of; a sign at the roadside that was taken for a plate is of none."""
    vehicles = defaultdict(set)
    for read in kept_reads(tap):
        likeness, plate = max((SequenceMatcher(None, read.plate.reveal(), plate).ratio(), plate) for plate in plates)
        if likeness >= SAME_VEHICLE:
            vehicles[plate].add(read.read_id)
    return vehicles


def story(tap, vehicles):
    """What happened to vehicles with two ids: when each frame was captured, and which read it went to."""
    split = {name for names in vehicles.values() if len(names) > 1 for name in names}
    captured = {frame.frame_id: frame.captured_at for frame in decoded(tap, "frames", wire.decode_frame)}
    return [
        (read.read_id[:6], read.revision, [f"{captured[frame]:%S.%f}" for frame in read.frame_ids])
        for read in kept_reads(tap)
        if read.read_id in split
    ]


def shown_by(dispatcher, hits):
    return [hit["hit_id"] for hit in dispatcher.call("GET", "/v1/hits").json()["hits"] if hit["hit_id"] in hits]


def at_least(wanted, found):
    return found if set(found) >= wanted else None


def quiet(tap, topic, seconds=4.0):
    """Wait until nothing has been added to a topic for some seconds."""
    while (silent := time.monotonic() - tap.last_heard(topic)) < seconds:
        time.sleep(seconds - silent)


async def rows_of(stack, read_ids):
    connection = await asyncpg.connect(stack.database.admin)
    try:
        return await connection.fetchval(
            "SELECT count(DISTINCT read_id) FROM retention.reads WHERE read_id::text = ANY($1)", list(read_ids)
        )
    finally:
        await connection.close()


@pytest.mark.parametrize(("number", "victim"), list(enumerate(SERVICES)))
def test_a_killed_service_loses_nothing_and_repeats_nothing(stack, number, victim, dispatcher):
    plates = plates_for(number)
    listed = {plates[1], plates[4]}
    demo.load_list(stack, sorted(listed))
    with Tap(stack.bootstrap, *TOPICS) as tap:
        play_and_kill(stack, number, victim, plates, tap)
        check(stack, dispatcher, plates, listed, tap)


def play_and_kill(stack, number, victim, plates, tap):
    door = "https" if victim == "ingest" else "kafka"
    with Player(stack, plates, cameras=(number + 1,), fps=5.0, door=door, seed=number) as player:
        wait_for("the first frames", lambda: len(tap.read("frames")) >= 8)
        stack.kill_service(victim)
        time.sleep(0.5)
        stack.start_service(victim)
        stack.wait_ready(victim)
        player.finish()


def check(stack, dispatcher, plates, listed, tap):
    wait_for("a read of every vehicle", lambda: set(by_vehicle(tap, plates)) >= set(plates), 120)
    quiet(tap, "reads")

    frames = {frame.frame_id for frame in decoded(tap, "frames", wire.decode_frame)}
    assert len(frames) == len(plates) * PER_VEHICLE, "a frame was lost or named anew"
    assert not tap.read("frames.dlq")
    vehicles = by_vehicle(tap, plates)
    assert {plate: len(ids) for plate, ids in vehicles.items()} == dict.fromkeys(plates, 1), story(tap, vehicles)
    reads = newest(kept_reads(tap), "read_id", "revision")

    rung = {read.read_id for read in reads.values() if read.plate.reveal() in listed}
    assert rung, "the recognizer read none of the listed plates"
    wait_for("their hits", lambda: {hit.read.read_id for hit in decoded(tap, "hits", wire.decode_hit)} >= rung)
    wait_for(
        "their notifications",
        lambda: {n.hit.read.read_id for n in decoded(tap, "notifications", wire.decode_notification)} >= rung,
    )
    quiet(tap, "notifications")
    notifications = {n.notification_id: n for n in decoded(tap, "notifications", wire.decode_notification)}
    lines, told = defaultdict(list), set()
    for notification in notifications.values():
        if notification.status is not NotificationStatus.EXERCISE:  # a test plate's: no CAD is told of it
            told.add(notification.incident_id)
        if notification.hit.read.read_id in reads:  # loading the list anew recalls what the drive before has brought
            lines[notification.incident_id, notification.target].append(notification)
    for line in lines.values():
        assert sorted(n.revision for n in line) == list(range(1, len(line) + 1))
        assert sum(n.audible for n in line) == 1, "one incident rings once"
    assert lines
    assert {m.key for m in tap.read("cad.demo.notifications")} == {incident.encode() for incident in told}

    hits = {hit.hit_id for hit in decoded(tap, "hits", wire.decode_hit) if hit.read.read_id in reads}
    shown = wait_for("the console to show them", lambda: at_least(hits, shown_by(dispatcher, hits)))
    assert sorted(shown) == sorted(hits), "a hit is shown twice"
    wait_for("retention to keep every read", lambda: asyncio.run(rows_of(stack, reads)) == len(reads))
