"""An entry leaves its list: its hits of the last day are said again as withdrawn and their incidents recalled, once."""

import json
from datetime import timedelta

import pytest

from alprcore import model, wire
from alprcore.model import MatchKind, NotificationKind, WithdrawnReason
from alprcore.topics import Topic
from tests.integration.matcher_world import AGENCY, details, now, plate, world

GONE, STAYS, ANEW, EXPIRES, BULLETIN, TWICE = (plate(number) for number in range(300, 306))
PATTERN, FITS = "4H?KM*", "4HAKM77"


@pytest.fixture(scope="module")
def scene(kafka_bootstrap, tmp_path_factory):
    with world(kafka_bootstrap, tmp_path_factory.mktemp("recall")) as made:
        yield made


def seen(scene, *plates, count=None):
    """Send a read of each plate; answers the hits by plate once every one has been notified."""
    reads = [scene.make_read(text) for text in plates]
    scene.send_reads(*reads)
    hits = scene.hits_of(*reads, count=count or len(reads))
    scene.notifications_of(*hits, count=len(scene.profile.display_targets) * len({hit.hit_id for hit in hits}))
    return {hit.read.plate.reveal(): hit for hit in hits}


def seen_once_listed(scene, text):
    """Send reads of a plate that was just listed, until the workers know; answers the first one's hit, notified."""
    sent = set()

    def look():
        read = scene.make_read(text)
        sent.add(read.read_id)
        scene.send_reads(read)
        assert scene.settled()
        return [hit for hit in scene.hits() if hit.read.read_id in sent]

    hit = scene.wait(look)[0]
    scene.notifications_of(hit, count=len(scene.profile.display_targets))
    return hit


def withdrawn(scene, *hits):
    """Wait until each of these hits has been said again as withdrawn; answers what was said."""
    wanted = {hit.hit_id for hit in hits}

    def look():
        found = {h.hit_id: h for h in scene.hits() if h.withdrawn_at is not None and h.hit_id in wanted}
        return found if set(found) == wanted else None

    found = scene.wait(look)
    assert found is not None, [worker.log.read_text()[-2000:] for worker in scene.workers]
    return found


def recalls(scene, hits, count):
    """Wait for this many recalls of these hits' incidents."""
    wanted = {hit.hit_id for hit in hits}

    def look():
        notes = [n for n in scene.notifications() if n.kind is NotificationKind.RECALL and n.hit.hit_id in wanted]
        return notes if len({note.notification_id for note in notes}) >= count else None

    found = scene.wait(look)
    assert found is not None, f"{count} recalls expected"
    return found


@pytest.mark.requirement("HOT-19", partial="the entry's state is ingest's")
def test_what_leaves_a_list_is_withdrawn_and_recalled_and_what_expires_or_is_entered_anew_is_not(scene):
    first = (
        *((text, details()) for text in (GONE, STAYS)),
        (ANEW, details(source_key="old")),
        (EXPIRES, details(expires_at=now() + timedelta(seconds=50))),  # removed as its time comes, by another clock
    )
    scene.load(*first)
    scene.load((BULLETIN, details(reason="bolo")), code="BOLO")
    worker = scene.worker().wait_ready()
    hits = seen(scene, GONE, STAYS, ANEW, EXPIRES, BULLETIN)
    again = seen(scene, GONE)[GONE]
    scene.load((STAYS, details()), (ANEW, details(source_key="new")))
    said = withdrawn(scene, hits[GONE], again)
    for before in (hits[GONE], again):
        after = said[before.hit_id]
        assert (after.revision, after.withdrawn_reason) == (before.revision + 1, WithdrawnReason.NOT_LISTED)
        assert (after.read, after.entry_id, after.matched_at) == (before.read, before.entry_id, before.matched_at)
    notes = recalls(scene, (hits[GONE], again), 3)
    (incident,) = {note.incident_id for note in notes}
    told = [n for n in scene.notifications() if n.hit.hit_id == hits[GONE].hit_id and n.kind is NotificationKind.HIT]
    assert {note.incident_id for note in told} == {incident}
    assert {note.target for note in notes} == {target for target, _ in scene.profile.display_targets}
    assert not any(note.audible for note in notes)
    assert {note.revision for note in notes} == {3}
    assert all(note.screen_text.startswith("WITHDRAWN: no longer listed.") for note in notes)
    events = [json.loads(message.value)["data"] for message in scene.all(Topic.CAD_NOTIFICATIONS, agency=AGENCY)]
    assert any(event["kind"] == "recall" and event["withdrawn_reason"] == "not_listed" for event in events)
    scene.publish(Topic.HOTLIST_VERSIONS, [(f"{AGENCY}/BOLO", None)])
    assert withdrawn(scene, hits[BULLETIN])[hits[BULLETIN].hit_id].withdrawn_reason == "list_withdrawn"
    recalls(scene, [hits[BULLETIN]], 3)
    assert scene.settled()
    others = {hits[text].hit_id for text in (STAYS, ANEW, EXPIRES)}
    assert [hit for hit in scene.hits() if hit.hit_id in others and hit.withdrawn_at] == []
    assert worker.metric("alpr_matcher_withdrawn_total") == 3


def test_a_partial_plate_that_is_withdrawn_recalls_its_hits(scene):
    name = model.entry_id(AGENCY, "PARTIAL", PATTERN, "", "p1")
    sealed, key_id = scene.keys.seal(wire.encode_entry_details(details(state="unknown")), entry_id=name)
    entry = model.Entry(name, model.Plate(PATTERN), AGENCY, "PARTIAL", 1, 0, sealed, key_id)
    scene.publish(Topic.HOTLIST_PARTIALS, [(name, wire.encode_partial(entry))])
    scene.load(code="PARTIAL")
    hit = seen_once_listed(scene, FITS)
    assert hit.match_kind is MatchKind.PARTIAL
    scene.publish(Topic.HOTLIST_PARTIALS, [(name, None)])
    withdrawn(scene, hit)
    recalls(scene, [hit], 3)


def test_what_leaves_while_no_worker_runs_is_recalled_by_the_next_and_nothing_is_said_twice(scene):
    scene.load((STAYS, details()), (TWICE, details()))
    hit = seen_once_listed(scene, TWICE)
    assert scene.workers[-1].stop() == 0
    scene.load((STAYS, details()))
    scene.worker().wait_ready(90)
    withdrawn(scene, hit)
    notes = recalls(scene, [hit], 3)
    assert scene.settled()
    assert scene.workers[-1].stop() == 0  # the next one reads on `hits` what was said, and says no more
    before = {(h.hit_id, h.revision) for h in scene.hits()}
    scene.load((STAYS, details()), (TWICE, details()))
    scene.worker().wait_ready(90)
    anew = seen_once_listed(scene, TWICE)
    fresh = scene.notifications_of(anew, count=3)
    assert all(note.audible and note.revision == 1 for note in fresh)  # listed once more: a new incident rings
    assert {note.incident_id for note in fresh}.isdisjoint(note.incident_id for note in notes)
    assert {(h.hit_id, h.revision) for h in scene.hits()} - before == {(anew.hit_id, 0)}
