"""One worker, its lists loaded: what a read becomes, on the topics (design: lists and matching, hits)."""

import json
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from alprcore import wire
from alprcore.model import DeviceKind, Grade, HitReason, MatchKind, NotificationKind, Plate, StateMatch, StateScore
from alprcore.topics import Topic
from tests.integration.matcher_world import AGENCY, GARBAGE, details, now, plate, world
from tests.unit.matcher.build import make_version

LISTED, LOOKALIKE, TWICE, MIXED, EXPIRED, RINGING, FIXED, MOBILE = (plate(number) for number in range(1, 9))
SMEARED = "3TK0AB7"


@pytest.fixture(scope="module")
def scene(kafka_bootstrap, tmp_path_factory):
    """A world with two lists and one worker, shared by the tests of this file: each reads its own plates."""
    with world(kafka_bootstrap, tmp_path_factory.mktemp("matcher")) as made:
        made.load(
            *((text, details()) for text in (LISTED, TWICE, MIXED, RINGING, FIXED, MOBILE, SMEARED)),
            (EXPIRED, details(expires_at=now() - timedelta(seconds=1))),
            *((plate(1_000 + number), details()) for number in range(1_000)),
        )
        made.load(
            (TWICE, details(reason="")),
            code="BOLO",
            default_reason="bolo",
            advisory_class="information_only",
            source_time=now() - timedelta(hours=9),
        )
        made.worker().wait_ready()
        yield made


def send(scene, *reads, count):
    scene.send_reads(*reads)
    return scene.hits_of(*reads, count=count)


@pytest.mark.requirement("DEF-06")
def test_a_plate_on_two_lists_makes_two_hits_each_naming_list_and_reason(scene):
    hits = send(scene, scene.make_read(TWICE), count=2)
    assert scene.settled()
    assert sorted((hit.list_code, hit.reason) for hit in hits) == [("BOLO", "bolo"), ("SVS", "stolen_vehicle")]
    assert {hit.reason for hit in hits} <= set(HitReason)
    assert len({hit.hit_id for hit in hits}) == 2


@pytest.mark.requirement("CAP-06")
def test_a_state_that_differs_is_said_on_the_hit(scene):
    origins = (StateScore("US-NV", 0.875), StateScore("US-CA", 0.125))
    read = replace(scene.make_read(MIXED, state="US-NV"), state_confidence=0.875, origins=origins)
    agreeing, unsaid = scene.make_read(MIXED, state="US-CA"), scene.make_read(MIXED, state="unknown")
    hits = {hit.read.read_id: hit for hit in send(scene, read, agreeing, unsaid, count=3)}
    hit = hits[read.read_id]
    assert (hit.state_match, hit.grade) == (StateMatch.MISMATCH, Grade.STATE_MISMATCH)
    assert (hit.read.state, hit.entry_state) == ("US-NV", "US-CA")
    assert (hit.read.state_confidence, hit.read.origins) == (0.875, origins)
    assert hits[agreeing.read_id].state_match is StateMatch.MATCH
    assert hits[unsaid.read_id].state_match is StateMatch.UNKNOWN


@pytest.mark.requirement("DEF-05")
def test_every_hit_shows_the_kind_of_its_device(scene):
    reads = [
        scene.make_read(FIXED, kind=DeviceKind.FIXED, device="gate-1"),
        scene.make_read(MOBILE, kind=DeviceKind.MOBILE, device="unit-12"),
    ]
    hits = send(scene, *reads, count=2)
    assert {(hit.read.device_id, hit.read.device_kind) for hit in hits} == {
        ("gate-1", DeviceKind.FIXED),
        ("unit-12", DeviceKind.MOBILE),
    }

    def shown():
        events = [json.loads(message.value)["data"] for message in scene.all(Topic.CAD_HITS, agency=AGENCY)]
        return [event["device"]["kind"] for event in events if event["plate_read"] in {FIXED, MOBILE}]

    kinds = scene.wait(
        lambda: shown() if len(shown()) >= 2 else None
    )  # the CAD is told after the hit lies on its topic
    assert set(kinds) == {"fixed", "mobile"}


def test_a_test_plate_is_announced_as_an_exercise_and_no_cad_hears_of_it(scene):
    read = replace(scene.make_read(MOBILE), canary=True)
    (hit,) = send(scene, read, count=1)
    assert hit.read.canary
    notes = scene.notifications_of(hit, count=len(scene.profile.display_targets))
    assert {(note.status.value, note.audible) for note in notes} == {("Exercise", False)}
    real = scene.make_read(FIXED)
    (after,) = send(scene, real, count=1)

    def told():
        return {json.loads(message.value)["id"] for message in scene.all(Topic.CAD_HITS, agency=AGENCY)}

    names = scene.wait(lambda: told() if any(after.hit_id in name for name in told()) else None)
    assert not any(hit.hit_id in name for name in names)


@pytest.mark.requirement("HIT-01", partial="the row in the database is the console's and retention's")
def test_the_same_read_delivered_twice_is_one_hit(scene):
    read = scene.make_read(LISTED, state="unknown")
    send(scene, read, count=1)
    scene.send_reads(read)
    hits = scene.wait(lambda: [h for h in scene.hits() if h.read.read_id == read.read_id][1:] and scene.hits())
    hits = [hit for hit in hits if hit.read.read_id == read.read_id]
    assert len(hits) == 2  # at least once: the topic shows both, the id says that they are one
    assert len({hit.hit_id for hit in hits}) == 1
    hit = hits[0]
    assert (hit.read.plate, hit.read.state, hit.entry_state, hit.state_match) == (
        LISTED, "unknown", "US-CA", StateMatch.UNKNOWN,
    )  # fmt: skip
    assert (hit.list_code, hit.list_version, hit.list_source) == ("SVS", 1, "test source")
    assert hit.list_source_time <= hit.list_loaded_at <= hit.matched_at
    assert (hit.reason, hit.advisory_class) == ("stolen_vehicle", "stolen_vehicle")
    assert hit.read.location == read.location
    assert (hit.read.direction, hit.read.closeup.sha256) == (read.direction, read.closeup.sha256)
    assert hit.workflow_state == "unverified"
    notes = scene.notifications_of(hit, count=len(scene.profile.display_targets))
    assert len({note.notification_id for note in notes}) == len(scene.profile.display_targets)


def test_a_look_alike_counts_only_where_the_reader_was_uncertain(scene):
    sure = scene.make_read("3TKOAB7")
    unsure = scene.make_read("3TKOAB7", unsure={3: (0.6, "0", 0.35)})
    (hit,) = send(scene, sure, unsure, count=1)
    assert scene.settled()
    assert [h.read.read_id for h in scene.hits_of(sure, unsure, count=1)] == [unsure.read_id]
    assert hit.grade is Grade.LOOKALIKE
    assert "character 4 read as O (60 % sure), listed as 0" in hit.explanation


@pytest.mark.requirement("HOT-19", partial="the entry's state is ingest's")
def test_an_expired_entry_makes_no_hit(scene):
    read = scene.make_read(EXPIRED)
    scene.send_reads(read)
    assert scene.settled()
    assert [hit for hit in scene.hits() if hit.read.read_id == read.read_id] == []


@pytest.mark.requirement("HIT-02", partial="sound, screen and receipt are the console's")
@pytest.mark.requirement("HIT-03", partial="delivery to clients that are signed in is the console's")
@pytest.mark.requirement("HIT-05")
@pytest.mark.requirement("HOT-14")
def test_a_hit_rings_once_at_every_target_and_further_sightings_update(scene):
    first, second = scene.make_read(RINGING), scene.make_read(RINGING)
    (hit,) = send(scene, first, count=1)
    notes = scene.notifications_of(hit, count=3)
    assert {(note.target, note.client_kind) for note in notes} == set(scene.profile.display_targets)
    for note in notes:
        assert note.audible
        assert note.kind is NotificationKind.HIT
        assert note.screen_text.startswith("STOLEN VEHICLE: ")
        assert RINGING in note.screen_text
        assert note.screen_text.endswith("Unverified lead, not grounds for a stop.")
        assert note.hit.advisory
        assert (note.hit.workflow_state, note.hit.advisory_class) == ("unverified", "stolen_vehicle")
    (again,) = send(scene, second, count=1)
    updates = scene.notifications_of(again, count=3)
    assert {note.incident_id for note in updates} == {note.incident_id for note in notes}
    assert all(not note.audible and note.kind is NotificationKind.UPDATE for note in updates)
    assert {note.revision for note in updates} == {2}
    events = [json.loads(message.value) for message in scene.all(Topic.CAD_NOTIFICATIONS, agency=AGENCY)]
    mine = [event for event in events if event["subject"] == notes[0].incident_id]
    assert {event["id"] for event in mine} == {note.notification_id for note in (*notes, *updates)}
    assert [event["data"]["audible"] for event in mine].count(True) == 3


@pytest.mark.requirement("HOT-13", partial="colour and the vehicle's own copy are elsewhere")
def test_the_notification_states_the_lists_age(scene):
    hits = send(scene, scene.make_read(TWICE), count=2)
    (hit,) = (hit for hit in hits if hit.list_code == "BOLO")
    note = scene.notifications_of(hit, count=3)[0]
    assert note.hit.list_age_s == pytest.approx(32_400, abs=300)
    assert "9 h" in note.screen_text
    assert note.screen_text.startswith("INFORMATION ONLY: ")


@pytest.mark.requirement("HOT-15")
@pytest.mark.requirement("CAP-10")
@pytest.mark.requirement("USE-12")
def test_a_thousand_reads_are_compared_almost_instantly_and_each_with_all_lists(scene):
    worker = scene.workers[0]
    names = ("hit", "no_hit", "unreadable", "retracted")
    judged = {name: worker.metric("alpr_matcher_reads_judged_total", outcome=name) for name in names}
    measured = worker.metric("alpr_matcher_captured_to_hit_seconds_count", device_kind="fixed")
    reads, listed, published = [], [], {}
    for batch in range(100):
        # ten reads every 100 ms, one of them listed: a busy site, and far more hits than it would have
        some = [
            scene.make_read(plate((1_000 if index == 0 else 5_000) + batch * 10 + index), device="gate-1")
            for index in range(10)
        ]
        reads += some
        listed += some[:1]
        for read, ack in zip(some, scene.send_reads(*some), strict=True):
            published[ack.partition, ack.offset] = read.read_id
        time.sleep(0.1)
    hits = scene.hits_of(*listed, count=100)
    sent = {
        published[m.partition, m.offset]: m.timestamp_ms
        for m in scene.all(Topic.READS)
        if (m.partition, m.offset) in published
    }
    waits, lags = [], []
    for message in (m for m in scene.all(Topic.HITS) if m.value != GARBAGE):
        hit = wire.decode_hit(message.value, message.headers)
        if hit.read.read_id in sent:
            waits.append((message.timestamp_ms - sent[hit.read.read_id]) / 1000)
            lags.append(message.timestamp_ms / 1000 - hit.read.captured_at.timestamp())
    waits.sort()
    assert len(waits) == 100
    print(f"read to hit: p50 {waits[50]:.3f} s, p95 {waits[95]:.3f} s, highest {waits[99]:.3f} s")
    assert waits[95] <= 2.0
    assert sorted(lags)[95] <= scene.profile.near_real_time_s
    assert scene.settled()
    assert worker.metric("alpr_matcher_captured_to_hit_seconds_count", device_kind="fixed") == measured + 100
    after = {name: worker.metric("alpr_matcher_reads_judged_total", outcome=name) for name in names}
    assert sum(after.values()) - sum(judged.values()) == 1_000
    assert Counter((hit.list_code, hit.list_version) for hit in hits) == {("SVS", 1): 100}


def test_bad_messages_are_put_aside_and_hold_nothing_up(scene):
    worker, good = scene.workers[0], scene.make_read(LISTED)
    strange = scene.make_read(plate(77), agency="nobody")
    scene.publish(Topic.READS, [("3TAAAAA", GARBAGE)])
    scene.publish(Topic.READS, [("3TAAAAA", wire.encode_read(good))], headers=[("ce_type", b"alpr.v9.read")])
    scene.publish(Topic.READS, [("OTHER", wire.encode_read(good))])
    scene.publish(Topic.HITS, [("3TAAAAA", GARBAGE)])
    scene.send_reads(good, strange)  # an agency without entries needs no profile
    scene.hits_of(good, count=1)
    assert scene.settled()
    letters = scene.all(Topic.READS, dlq=True)
    assert sorted(letter.headers["dlq-code"] for letter in letters) == [
        b"FIELD_INVALID",
        b"MALFORMED",
        b"SCHEMA_UNKNOWN",
    ]
    (garbage,) = (letter for letter in letters if letter.headers["dlq-code"] == b"MALFORMED")
    assert (garbage.key, garbage.value) == (b"3TAAAAA", GARBAGE)
    assert garbage.headers["dlq-service"] == b"matcher"
    assert len(scene.all(Topic.HITS, dlq=True)) == 1
    assert worker.metric("alpr_matcher_dead_letters_total", topic="reads") == 3
    assert scene.wait(lambda: worker.metric("alpr_matcher_lag_messages", topic="reads") == 0)
    assert 'alpr_matcher_lag_messages{topic="hits"}' in worker.get("/metrics")[1]


def test_garbage_on_the_lists_is_counted_and_the_entries_stay(scene):
    worker = scene.workers[0]
    scene.publish(Topic.HOTLIST, [(LISTED, GARBAGE), ("not a key", b""), ("OTHER", b"")])
    scene.publish(Topic.HOTLIST_VERSIONS, [("demo/SVS", GARBAGE)])
    scene.publish(Topic.PROFILES, [("demo", GARBAGE)])
    assert scene.wait(lambda: worker.metric("alpr_followed_skipped_total", topic="hotlist") >= 2)
    assert scene.wait(lambda: worker.metric("alpr_followed_skipped_total", topic="hotlist.versions") == 1)
    assert scene.wait(lambda: worker.metric("alpr_followed_skipped_total", topic="profiles") == 1)
    assert worker.get("/readyz")[0] == 200
    (hit,) = send(scene, scene.make_read(LISTED), count=1)
    assert hit.list_code == "SVS"


def test_a_bucket_under_another_key_is_refused_and_matches_nobody(scene):
    worker, here, elsewhere = scene.workers[0], plate(6_001), plate(6_002)
    entry = replace(scene.partial("99*", details()), plate=Plate(elsewhere), list_code="SVS")
    before = worker.metric("alpr_followed_skipped_total", topic="hotlist")
    scene.publish(Topic.HOTLIST, [(here, wire.encode_bucket((entry,))), (LISTED, wire.encode_bucket((entry,)))])
    assert scene.wait(lambda: worker.metric("alpr_followed_skipped_total", topic="hotlist") == before + 2)
    reads = [scene.make_read(text) for text in (here, elsewhere, LISTED)]
    (hit,) = send(scene, *reads, count=1)
    assert scene.settled()
    assert [h.entry_plate.reveal() for h in scene.hits_of(*reads, count=1)] == [LISTED]
    assert hit.grade is Grade.EXACT


@pytest.mark.requirement("USE-10", partial="entry and the search of past reads are tested with ingest and console")
@pytest.mark.requirement("HIT-05")
@pytest.mark.requirement("HOT-19", partial="the entry's state is ingest's")
def test_a_partial_plate_makes_advisory_hits_with_its_case_number_until_it_ends(scene):
    told = details(reason="other", case_number="26-00417", crime_type="homicide")
    entry = scene.partial("7A?C1*", told)
    scene.partial("7A*", details(expires_at=now() - timedelta(seconds=1)))
    scene.announce(make_version("PARTIAL", advisory_class="information_only", default_reason="other"))
    first, second, other = (scene.make_read(text, sure=0.9) for text in ("7AXC123", "7AYC1", "7AXC223"))
    # the worker takes note of the announcement some time: until then nothing is partial
    assert scene.wait(lambda: scene.send_reads(first) and [h for h in scene.hits() if h.read.read_id == first.read_id])
    hits = {hit.read.plate.reveal(): hit for hit in send(scene, first, second, other, count=2)}
    assert set(hits) == {"7AXC123", "7AYC1"}
    hit = hits["7AXC123"]
    assert (hit.match_kind, hit.grade, hit.entry_plate.reveal()) == (MatchKind.PARTIAL, Grade.PARTIAL, "7A?C1*")
    assert (hit.reason, hit.list_code, hit.entry_id) == ("other", "PARTIAL", entry.entry_id)
    assert (hit.advisory, hit.advisory_class, hit.workflow_state) == (True, "information_only", "unverified")
    assert hit.explanation.startswith("Partial plate: characters 1, 2, 4, 5 as listed")
    opened = wire.decode_entry_details(scene.keys.open(hit.entry_sealed, hit.entry_key_id, entry_id=hit.entry_id))
    assert (opened.case_number, opened.crime_type) == ("26-00417", "homicide")
    notes = scene.notifications_of(*hits.values(), count=2 * len(scene.profile.display_targets))
    incidents = {note.hit.read.plate.reveal(): note.incident_id for note in notes}
    assert len(set(incidents.values())) == 2  # two vehicles fit, and each is an incident
    scene.publish(Topic.HOTLIST_PARTIALS, [(entry.entry_id, None)])
    scene.partial("8A?C1*", told)  # the topic has one partition: once this one matches, the other has ended
    later, ended = scene.make_read("8AXC123"), scene.make_read("7AZC123")
    assert scene.wait(lambda: scene.send_reads(later) and [h for h in scene.hits() if h.read.read_id == later.read_id])
    scene.send_reads(ended)
    assert scene.settled()
    assert [h for h in scene.hits() if h.read.read_id == ended.read_id] == []


def test_no_plate_stands_in_the_log(scene):
    send(scene, scene.make_read(LISTED), count=1)
    text = scene.workers[0].log.read_text()
    assert "read_matched" in text
    assert not any(found in text for found in (LISTED, TWICE, RINGING, SMEARED, plate(1_000), plate(1_500)))
