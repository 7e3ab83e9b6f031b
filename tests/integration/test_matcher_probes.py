"""Workers that come, go and die, lists that change: nothing missed, no new id for what was sent before."""

import threading
import time
from dataclasses import replace

import pytest

from alprcore import wire
from alprcore.plates import skeleton
from alprcore.topics import Topic
from tests.integration.matcher_world import GARBAGE, details, plate, world

PHASE = 200
"""Reads in each phase: with four partitions every worker has some in hand at any moment."""


@pytest.fixture
def scene(kafka_bootstrap, tmp_path):
    with world(kafka_bootstrap, tmp_path) as made:
        yield made


def listed(count, first=0):
    return [(plate(number), details()) for number in range(first, first + count)]


def ids(hits):
    return {hit.hit_id for hit in hits}


def test_reads_that_wait_while_the_lists_load_are_not_missed(scene):
    reads = [scene.make_read(plate(number)) for number in range(0, 10_000, 50)]
    scene.send_reads(*reads)
    scene.load(*listed(10_000))
    worker = scene.worker()
    hits = scene.hits_of(*reads, count=len(reads), timeout=90)
    assert len(ids(hits)) == len(reads)
    worker.wait_ready()
    assert worker.metric("alpr_matcher_view_buckets") == 10_000


@pytest.mark.requirement("HIT-01", partial="the row in the database is the console's and retention's")
def test_workers_come_die_and_leave_and_no_read_is_missed_or_renamed(scene):
    scene.load(*listed(5 * PHASE))
    first = scene.worker().wait_ready()
    sent, begun = [], threading.Event()

    def phase(number):
        reads = [scene.make_read(plate(number * PHASE + index)) for index in range(PHASE)]
        sent.extend(reads)
        for at in range(0, PHASE, 20):
            scene.send_reads(*reads[at : at + 20])
            time.sleep(0.1)
            if at == 60:
                begun.set()

    def during(number, change):
        begun.clear()
        thread = threading.Thread(target=lambda: begun.wait() and change())
        thread.start()
        phase(number)
        thread.join()

    phase(0)
    during(1, lambda: scene.worker().wait_ready(90))
    second = scene.workers[1]
    during(2, first.kill)
    during(3, lambda: scene.worker().wait_ready(90))
    during(4, second.stop)
    assert second.process.returncode == 0
    hits = scene.hits_of(*sent, count=5 * PHASE, timeout=240)
    expected = {read.read_id for read in sent}
    assert {hit.read.read_id for hit in hits} == expected
    assert len(ids(hits)) == 5 * PHASE
    assert scene.settled(90)
    notes = [note for note in scene.notifications() if note.hit.read.read_id in expected]
    rung = {(note.incident_id, note.target) for note in notes if note.audible}
    assert len({note.notification_id for note in notes}) == len(rung) == 5 * PHASE * 3
    assert scene.workers[2].stop() == 0


def test_one_incident_rings_once_although_the_worker_dies_between_sightings(scene):
    scene.load(*listed(40))
    scene.worker().wait_ready()
    before = [scene.make_read(plate(number)) for number in range(40)]
    scene.send_reads(*before)
    scene.notifications_of(*scene.hits_of(*before, count=40), count=120)
    time.sleep(2.5)  # two commit intervals: the memory of alerts is on its topic
    scene.workers[0].kill()
    scene.worker().wait_ready(90)
    after = [scene.make_read(plate(number)) for number in range(40)]
    scene.send_reads(*after)
    hits = scene.hits_of(*after, count=40)
    notes = scene.notifications_of(*hits, count=120)
    assert not any(note.audible for note in notes)
    assert {note.revision for note in notes} == {2}
    for message in scene.all_of_memory():
        assert not any(plate(number).encode() in (message.key or b"") + (message.value or b"") for number in range(40))


@pytest.mark.requirement("HOT-04", partial="the load that overwrites is ingest's")
def test_a_version_switches_in_the_middle_of_a_burst_and_every_read_is_judged_by_one(scene):
    kept, old, new = listed(40), listed(40, first=40), listed(40, first=80)
    scene.load(*kept, *old)
    worker = scene.worker().wait_ready()
    second = scene.load(*kept, *new, announce=False)  # the entries are written, the switch is not announced yet
    sent, places = {}, {}

    def burst(switch=None):
        for at in range(12):
            reads = [scene.make_read(plate(number)) for number in range(at % 4, 120, 4)]
            for read, ack in zip(reads, scene.send_reads(*reads), strict=True):
                sent[read.read_id], places[read.read_id] = read.plate.reveal(), (ack.partition, ack.offset)
            if switch and at == 4:
                switch()

    def judged():
        assert scene.settled(90)
        return {h.read.read_id: h.list_version for h in scene.hits() if h.withdrawn_at is None}

    burst()
    before = set(sent)
    versions = judged()
    assert {versions[name] for name in before & set(versions)} == {1}
    burst(lambda: scene.announce(second))
    assert scene.wait(lambda: worker.metric("alpr_matcher_withdrawn_total") >= 1)  # the switch is over
    during = set(sent)
    burst()
    versions = judged()
    carried = {1: {text for text, _ in kept + old}, 2: {text for text, _ in kept + new}}
    for name, text in sent.items():
        assert name not in versions or text in carried[versions[name]]
        assert name in versions or text not in carried[1] & carried[2]  # listed all the time: never missed
    after = [name for name in sent if name not in during]
    assert {name for name in after if name in versions} == {name for name in after if sent[name] in carried[2]}
    for partition in {where for where, _ in places.values()}:
        ordered = sorted((places[name][1], versions[name]) for name in versions if places[name][0] == partition)
        assert [version for _, version in ordered] == sorted(version for _, version in ordered)  # and never back
    gone = {hit.hit_id for hit in scene.hits() if hit.read.plate in carried[1] - carried[2]}

    def withdrawn():
        return {hit.hit_id for hit in scene.hits() if hit.withdrawn_at is not None}

    assert scene.wait(lambda: withdrawn() == gone)  # those judged by the first version before the switch, all of them
    third = scene.load(*kept, *old, announce=False)
    ahead = {partition: offset + 1 for partition, offset in third.end_offsets.items()}
    scene.announce(wire.decode_list_version(*version_bytes(third, ahead)))
    read = scene.make_read(plate(0))
    scene.send_reads(read)
    assert [h.list_version for h in scene.hits_of(read, count=1)] == [2]  # announced, but its end is not there yet
    scene.publish_everywhere(Topic.HOTLIST, partitions=ahead)

    def third_in_force():
        read = scene.make_read(plate(0))
        scene.send_reads(read)
        return scene.hits_of(read, count=1)[0].list_version == 3

    assert scene.wait(third_in_force)
    assert worker.get("/readyz")[0] == 200


@pytest.mark.requirement("HIT-01", partial="the row in the database is the console's and retention's")
def test_the_memory_of_alerts_is_lost_with_its_topic_and_nothing_is_missed_or_renamed(scene):
    scene.load(*listed(PHASE))
    scene.worker().wait_ready()
    reads = [scene.make_read(plate(number)) for number in range(PHASE)]
    for at in range(0, PHASE // 2, 20):
        scene.send_reads(*reads[at : at + 20])
    scene.notifications_of(*scene.hits_of(*reads[:20], count=20), count=60)
    scene.workers[0].kill()
    scene.lose_memory()
    scene.send_reads(*reads[PHASE // 2 :])
    scene.worker().wait_ready(90)
    hits = scene.hits_of(*reads, count=PHASE, timeout=120)
    assert {hit.read.read_id for hit in hits} == {read.read_id for read in reads}
    assert len(ids(hits)) == PHASE
    notes = scene.notifications_of(*hits, count=3 * PHASE)
    rung = {(note.incident_id, note.target) for note in notes if note.audible}
    assert len({note.notification_id for note in notes}) == len(rung) == 3 * PHASE


def version_bytes(version, ends):
    headers = dict(wire.headers_for(Topic.HOTLIST_VERSIONS, id="t", source="test", time=version.loaded_at))
    return wire.encode_list_version(replace(version, end_offsets=ends)), headers


def test_a_list_without_a_version_in_force_holds_reads_back_and_readiness_says_so(scene):
    version = scene.load(*listed(20), announce=False)
    ahead = {partition: offset + 1 for partition, offset in version.end_offsets.items()}
    scene.announce(wire.decode_list_version(*version_bytes(version, ahead)))
    worker = scene.worker()
    assert scene.wait(lambda: "has not reached the version of demo/SVS" in worker.get("/readyz")[1])
    reads = [scene.make_read(plate(number)) for number in range(20)]
    scene.send_reads(*reads)
    time.sleep(2)
    assert scene.hits() == []
    scene.publish_everywhere(Topic.HOTLIST, partitions=ahead)
    assert len(ids(scene.hits_of(*reads, count=20))) == 20
    worker.wait_ready()


def test_ten_bad_messages_in_a_row_stop_the_worker_and_none_is_lost(scene):
    scene.load(*listed(10))
    worker = scene.worker().wait_ready()
    good = scene.make_read(plate(1))
    key = skeleton(good.plate)
    scene.publish(Topic.READS, [(key, GARBAGE)] * 12)
    scene.send_reads(good)
    assert worker.process.wait(40) == 70
    assert any(line.get("error") == "DeadLetterLimit" for line in worker.log_lines())
    assert scene.hits() == []
    letters = scene.all(Topic.READS, dlq=True)
    assert {letter.value for letter in letters} == {GARBAGE}
    scene.worker()  # what was put aside before the stop is done; the rest comes now
    assert len(ids(scene.hits_of(good, count=1))) == 1
    assert len(scene.all(Topic.READS, dlq=True)) == 12
