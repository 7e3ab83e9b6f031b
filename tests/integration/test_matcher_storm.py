"""An alert storm: one misread sign makes a thousand hits in a minute. One alert says so, and nothing is lost."""

from datetime import timedelta

import pytest

from alprcore import wire
from alprcore.model import NotificationKind, StormRelease, make_id
from alprcore.topics import Topic
from tests.integration.matcher_world import AGENCY, details, now, plate, world

SIGN, OTHER, SECOND = (plate(number) for number in range(700, 703))
SIGNS = 1_000
LEAST = 60


@pytest.fixture(scope="module")
def scene(kafka_bootstrap, tmp_path_factory):
    """A window of 10 s: the rate is back to usual within the test."""
    limits = {"storm_least_device": str(LEAST), "storm_least_list": str(LEAST), "storm_window_seconds": "10"}
    with world(kafka_bootstrap, tmp_path_factory.mktemp("storm"), **limits) as made:
        made.load(*((text, details()) for text in (SIGN, OTHER, SECOND)))
        made.worker().wait_ready()
        yield made


def reads_of_sign(scene, text, count, *, device):
    """Reads of one plate at one camera, 17 a second, the last one just now."""
    first = now() - timedelta(seconds=count * 0.06)
    return [
        scene.make_read(text, device=device, captured_at=first + timedelta(seconds=0.06 * number))
        for number in range(count)
    ]


def storms_of(scene, device):
    found = [n for n in scene.notifications() if n.kind is NotificationKind.STORM]
    return [note for note in found if note.hit.read.device_id == device]


def open_hits(scene, device):
    """The newest that was said of each hit of a camera."""
    newest = {}
    for hit in scene.hits():
        if hit.read.device_id == device and (hit.hit_id not in newest or hit.order > newest[hit.hit_id].order):
            newest[hit.hit_id] = hit
    return newest


def test_a_thousand_hits_of_one_misread_sign_are_one_storm_and_all_of_them_come_out(scene):
    reads = reads_of_sign(scene, SIGN, SIGNS, device="sign-cam")
    other = scene.make_read(OTHER, device="sign-cam")
    scene.send_reads(*reads, other)
    hits = scene.hits_of(*reads, count=SIGNS, timeout=90)
    assert {hit.read.read_id for hit in hits} == {read.read_id for read in reads}  # every one is recorded
    notes = scene.wait(lambda: (found := storms_of(scene, "sign-cam")) and len(found) >= 3 and found)
    assert len({note.incident_id for note in notes}) == 1
    assert len({note.notification_id for note in notes}) == len(scene.profile.display_targets)
    assert all(note.audible for note in notes)
    assert "sign-cam name saw one listed plate 60 times" in notes[0].screen_text
    (alert,) = scene.hits_of(other, count=1)
    assert not alert.held
    assert all(note.audible for note in scene.notifications_of(alert, count=3))  # another vehicle there rings
    held = {hit.hit_id for hit in hits if hit.held}
    assert len(held) > SIGNS / 2
    told = {n.hit.hit_id for n in scene.notifications() if n.kind is not NotificationKind.STORM}
    waiting = {h.hit_id for h in open_hits(scene, "sign-cam").values() if h.held}
    assert waiting.isdisjoint(told)  # none of them is announced by itself
    scene.workers[-1].stop()  # what it knew of the storm lies on `hits`
    scene.worker().wait_ready(90)
    assert scene.wait(lambda: not any(hit.held for hit in open_hits(scene, "sign-cam").values()), timeout=90)
    assert scene.settled(90)
    told = {n.hit.hit_id for n in scene.notifications() if n.kind is not NotificationKind.STORM}
    assert held <= told
    mine = [n for n in scene.notifications() if n.hit.read.device_id == "sign-cam" and n.hit.read.plate == SIGN]
    rung = {n.incident_id for n in mine if n.audible and n.kind is not NotificationKind.STORM}
    assert len(rung) == 1  # and one vehicle stays one incident
    assert len({note.incident_id for note in storms_of(scene, "sign-cam")}) == 1


def test_a_person_releases_a_storm(scene):
    reads = reads_of_sign(scene, SECOND, 150, device="blind-cam")
    scene.send_reads(*reads)
    scene.hits_of(*reads, count=len(reads))
    notes = scene.wait(lambda: storms_of(scene, "blind-cam"))
    release = StormRelease(notes[0].incident_id, AGENCY, make_id("person", "supervisor"), now())
    scene.publish(Topic.STORM_RELEASES, [(release.storm_id, wire.encode_storm_release(release))])
    began = now()
    assert scene.wait(lambda: not any(hit.held for hit in open_hits(scene, "blind-cam").values()))
    print(f"released after {(now() - began).total_seconds():.1f} s")
    assert scene.settled(60)
    told = {n.hit.hit_id for n in scene.notifications() if n.kind is not NotificationKind.STORM}
    assert set(open_hits(scene, "blind-cam")) <= told
