"""Any service may be killed while frames flow: no frame lost, no new id, nothing shown twice."""

import time
from collections import defaultdict

import asyncpg
import pytest

from alpr_cli import demo
from alpr_cli.wiring import SERVICES
from alprcore import wire
from tests.e2e.conftest import Player, wait_for
from tests.e2e.tap import Tap

PER_VEHICLE = 5
"""Frames of each vehicle in the rendered drive."""
TOPICS = ("frames", "frames.dlq", "reads", "hits", "notifications", "cad.demo.notifications")
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


def quiet(tap, topic, seconds=4.0):
    """Wait until nothing has been added to a topic for some seconds."""
    count, since = -1, time.monotonic()
    while time.monotonic() - since < seconds:
        now = len(tap.read(topic))
        if now != count:
            count, since = now, time.monotonic()
        time.sleep(0.5)


async def rows_of(stack, read_ids):
    connection = await asyncpg.connect(stack.database.admin)
    try:
        return await connection.fetchval(
            "SELECT count(DISTINCT read_id) FROM retention.reads WHERE read_id::text = ANY($1)", list(read_ids)
        )
    finally:
        await connection.close()


@pytest.mark.parametrize(("number", "victim"), enumerate(SERVICES))
def test_a_killed_service_loses_nothing_and_repeats_nothing(stack, number, victim, dispatcher):
    import asyncio

    plates = plates_for(number)
    listed = {plates[1], plates[4]}
    demo.load_list(stack, sorted(listed))
    tap = Tap(stack.bootstrap, *TOPICS)
    door = "https" if victim == "ingest" else "kafka"
    with Player(stack, plates, cameras=(number + 1,), fps=5.0, door=door, seed=number) as player:
        wait_for("the first frames", lambda: len(tap.read("frames")) >= 8)
        stack.kill_service(victim)
        time.sleep(1.5)
        stack.start_service(victim)
        stack.wait_ready(victim)
        player.finish()
    wait_for(
        "a read of every vehicle",
        lambda: len(newest(decoded(tap, "reads", wire.decode_read), "read_id", "revision")) >= len(plates),
        120,
    )
    quiet(tap, "reads")

    frames = {frame.frame_id for frame in decoded(tap, "frames", wire.decode_frame)}
    assert len(frames) == len(plates) * PER_VEHICLE, "a frame was lost or named anew"
    assert not tap.read("frames.dlq")

    all_reads = [read for read in decoded(tap, "reads", wire.decode_read) if not read.retracted]
    reads = newest(all_reads, "read_id", "revision")
    assert len(reads) == len(plates), "a vehicle has no read, or two ids"
    owner = {}
    for read in all_reads:
        for frame in read.frame_ids:
            assert owner.setdefault(frame, read.read_id) == read.read_id, "a frame was given to a second read"

    rung = {read.read_id for read in reads.values() if read.plate.reveal() in listed}
    assert rung, "the recognizer read none of the listed plates"
    wait_for("their hits", lambda: {hit.read.read_id for hit in decoded(tap, "hits", wire.decode_hit)} >= rung)
    wait_for(
        "their notifications",
        lambda: {n.hit.read.read_id for n in decoded(tap, "notifications", wire.decode_notification)} >= rung,
    )
    quiet(tap, "notifications")
    notifications = {n.notification_id: n for n in decoded(tap, "notifications", wire.decode_notification)}
    lines = defaultdict(list)
    for notification in notifications.values():
        lines[notification.incident_id, notification.target].append(notification)
    for line in lines.values():
        assert sorted(n.revision for n in line) == list(range(1, len(line) + 1))
        assert sum(n.audible for n in line) == 1, "one incident rings once"
    incidents = {incident for incident, _ in lines}
    assert {m.key for m in tap.read("cad.demo.notifications")} == {incident.encode() for incident in incidents}

    shown = wait_for(
        "the console to show them",
        lambda: (
            (
                rows := [
                    hit
                    for hit in dispatcher.call("GET", "/v1/hits").json()["incidents"]
                    if hit["incident_id"] in incidents
                ]
            )
            and len(rows) >= len(incidents)
            and rows
        ),
    )
    assert len(shown) == len(incidents), "an incident is shown twice"
    wait_for("retention to keep every read", lambda: asyncio.run(rows_of(stack, reads)) == len(reads))
