from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpr_matcher.alerts.notify import Alert, LastSent, Suppressed, decide_notification, screen_text, words_for
from alprcore.matching import match_read
from alprcore.model import ClientKind, EntryDetails, NotificationKind, NotificationStatus
from tests.unit.matcher.build import NOW, PROFILE, make_entry, make_read, make_version, versions_of


def make_hit(*, age=timedelta(hours=9), **read):
    versions = versions_of(make_version(age=age, name="Stolen Vehicle System"))
    (hit,) = match_read(
        make_read(**read), [make_entry()], lambda _e: EntryDetails(state="US-CA"), versions, PROFILE, NOW
    )
    return hit


def after(seconds, sequence, **read):
    return make_hit(captured_at=NOW + timedelta(seconds=seconds), sequence=sequence, **read)


@pytest.mark.requirement("HIT-03", partial="delivery to clients is the console's")
def test_a_first_sighting_rings_once_at_every_target_of_the_profile():
    alert = decide_notification(make_hit(), None, PROFILE, NOW)
    assert [(n.target, n.client_kind) for n in alert.notifications] == list(PROFILE.display_targets)
    assert {n.client_kind for n in alert.notifications} == set(ClientKind)
    assert all(n.audible and n.revision == 1 and n.kind is NotificationKind.HIT for n in alert.notifications)
    assert len({n.notification_id for n in alert.notifications}) == len(PROFILE.display_targets)
    assert len({n.incident_id for n in alert.notifications}) == 1
    assert all(n.status is NotificationStatus.ACTUAL for n in alert.notifications)


def test_a_sighting_in_the_window_updates_without_a_sound():
    first = decide_notification(after(0, 1), None, PROFILE, NOW)
    second = decide_notification(after(899, 2), first.memory, PROFILE, NOW)
    assert {n.incident_id for n in second.notifications} == {n.incident_id for n in first.notifications}
    assert all(not n.audible and n.revision == 2 for n in second.notifications)
    assert all(n.kind is NotificationKind.UPDATE for n in second.notifications)
    third = decide_notification(after(1_798, 3), second.memory, PROFILE, NOW)
    assert third.notifications[0].revision == 3  # the window counts from the last sighting


def test_a_sighting_after_the_window_rings_again():
    first = decide_notification(after(0, 1), None, PROFILE, NOW)
    second = decide_notification(after(901, 2), first.memory, PROFILE, NOW)
    assert second.notifications[0].audible
    assert second.notifications[0].revision == 1
    assert second.memory.incident_id != first.memory.incident_id


def test_a_corrected_read_updates_and_an_older_revision_is_suppressed():
    first = decide_notification(after(0, 1), None, PROFILE, NOW)
    better = decide_notification(after(0, 1, revision=2), first.memory, PROFILE, NOW)
    assert (better.notifications[0].revision, better.notifications[0].audible) == (2, False)
    assert decide_notification(after(0, 1), better.memory, PROFILE, NOW) == Suppressed("READ_REVISED")


def test_the_last_hit_again_is_sent_again_under_the_same_ids():
    first = decide_notification(after(0, 1), None, PROFILE, NOW)
    again = decide_notification(after(0, 1), first.memory, PROFILE, NOW + timedelta(minutes=1))
    assert [n.notification_id for n in again.notifications] == [n.notification_id for n in first.notifications]
    assert [n.audible for n in again.notifications] == [n.audible for n in first.notifications]
    second = decide_notification(after(5, 2), again.memory, PROFILE, NOW)
    repeat = decide_notification(after(5, 2), second.memory, PROFILE, NOW)
    assert [n.notification_id for n in repeat.notifications] == [n.notification_id for n in second.notifications]


def test_an_earlier_hit_again_is_not_a_new_sighting():
    first = decide_notification(after(0, 1), None, PROFILE, NOW)
    second = decide_notification(after(5, 2), first.memory, PROFILE, NOW)
    assert decide_notification(after(0, 1), second.memory, PROFILE, NOW) == Suppressed("SENT_BEFORE")


def test_a_sighting_from_a_spool_does_not_make_the_next_live_one_ring_again():
    live = decide_notification(after(3_600, 1), None, PROFILE, NOW)
    spooled = decide_notification(after(0, 2), live.memory, PROFILE, NOW)
    assert spooled.incident_id not in ("", live.incident_id)
    assert {n.incident_id for n in spooled.notifications} == {spooled.incident_id}
    assert all(n.revision == 1 and n.kind is NotificationKind.HIT for n in spooled.notifications)
    kept = spooled.memory
    assert (kept.incident_id, kept.revision, kept.last_seen) == (live.incident_id, 1, live.memory.last_seen)
    again = decide_notification(after(3_660, 3), kept, PROFILE, NOW)
    assert (again.incident_id, again.revision) == (live.incident_id, 2)
    assert not any(n.audible for n in again.notifications)


def test_what_a_spool_brings_of_one_passage_is_one_older_incident():
    live = decide_notification(after(7_200, 1), None, PROFILE, NOW)
    first = decide_notification(after(0, 2), live.memory, PROFILE, NOW)
    second = decide_notification(after(60, 3), first.memory, PROFILE, NOW)
    assert (second.incident_id, second.revision) == (first.incident_id, 2)
    assert not any(n.audible for n in second.notifications)
    assert decide_notification(after(0, 2), second.memory, PROFILE, NOW) == Suppressed("SENT_BEFORE")
    repeat = decide_notification(after(60, 3), second.memory, PROFILE, NOW)
    assert [n.notification_id for n in repeat.notifications] == [n.notification_id for n in second.notifications]
    better = decide_notification(after(60, 3, revision=2), second.memory, PROFILE, NOW)
    assert (better.incident_id, better.revision, better.memory.revision) == (first.incident_id, 3, 1)
    other = decide_notification(after(3_600, 4), better.memory, PROFILE, NOW)
    assert other.incident_id not in (first.incident_id, live.incident_id)


def test_a_late_sighting_updates_the_incident_that_rang_at_its_time():
    first = decide_notification(after(0, 1), None, PROFILE, NOW)
    second = decide_notification(after(3_600, 2), first.memory, PROFILE, NOW)
    assert second.incident_id != first.incident_id
    late = decide_notification(after(30, 3), second.memory, PROFILE, NOW)
    assert (late.incident_id, late.revision) == (first.incident_id, 2)
    assert LastSent.from_json(late.memory.to_json()) == late.memory


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 2)), min_size=1, max_size=14))
def test_in_whatever_order_sightings_come_memory_never_goes_back_and_no_incident_rings_twice(steps):
    memory, rung, meaning = None, [], {}
    for minutes, revision in [(step[0] * 10, step[1]) for step in steps]:
        hit = after(minutes * 60, minutes, revision=revision)
        decision = decide_notification(hit, memory, PROFILE, NOW)
        if isinstance(decision, Suppressed):
            continue
        seen_late = memory is not None and hit.read.captured_at < memory.last_seen
        if memory is not None:
            assert decision.memory.last_seen >= memory.last_seen
            assert not seen_late or decision.memory.incident_id == memory.incident_id
        memory = decision.memory
        for note in decision.notifications:
            said = (note.hit.hit_id, note.hit.read.revision)
            if note.notification_id not in meaning and note.audible:
                rung.append((note.incident_id, note.target))
            assert meaning.setdefault(note.notification_id, said) == said
    assert len(rung) == len(set(rung))


@settings(deadline=None)  # a machine under load is no fault
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=25))
def test_whatever_comes_again_one_incident_rings_once_and_no_id_means_two_things(steps):
    memory, rung, meaning = None, set(), {}
    for sequence, revision in steps:
        decision = decide_notification(after(sequence * 60, sequence, revision=revision), memory, PROFILE, NOW)
        if isinstance(decision, Alert):
            memory = decision.memory
            for note in decision.notifications:
                if note.audible:
                    rung.add(note.notification_id)
                said = (note.hit.hit_id, note.hit.read.revision)
                assert meaning.setdefault(note.notification_id, said) == said
    assert len(rung) == len(PROFILE.display_targets)


@pytest.mark.requirement("HIT-05", partial="the topic part is in the integration test")
def test_the_screen_text_begins_with_the_advisory_and_ends_with_the_notice():
    text = screen_text(make_hit(state="US-NV"), NOW)
    assert text.startswith("STOLEN VEHICLE: 7ABC123 CA, stolen vehicle.")
    assert "STATE DIFFERS: read NV, listed CA." in text
    assert "List Stolen Vehicle System, 9 h old." in text
    assert "by gate-1 name (fixed, north)" in text
    assert text.endswith("Unverified lead, not grounds for a stop.")


def test_the_screen_text_warns_of_an_old_list_and_of_a_late_read():
    text = screen_text(make_hit(age=timedelta(days=2, hours=3), captured_at=NOW - timedelta(hours=8)), NOW)
    assert "2 d 3 h old, OVERDUE FOR RENEWAL." in text
    assert "DELAYED: captured 8 h ago." in text


def test_a_profile_may_be_silent_and_an_exercise():
    quiet = replace(PROFILE, audible=False, notification_status="Exercise")
    alert = decide_notification(make_hit(), None, quiet, NOW)
    assert not any(n.audible for n in alert.notifications)
    assert alert.notifications[0].status is NotificationStatus.EXERCISE


def test_the_memory_holds_no_plate():
    alert = decide_notification(make_hit(), None, PROFILE, NOW)
    assert b"7ABC123" not in alert.memory.to_json()


def test_the_memory_survives_its_topic_and_what_is_not_understood_is_no_memory():
    memory = decide_notification(make_hit(), None, PROFILE, NOW, partition=3).memory
    assert LastSent.from_json(memory.to_json()) == memory
    for value in (None, b"", b"{}", b"\xff", b"[1]", b'{"incident_id": 1}'):
        assert LastSent.from_json(value) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (40, "40 s"),
        (90, "1 min"),
        (720, "12 min"),
        (32_400, "9 h"),
        (33_300, "9 h 15 min"),
        (180_000, "2 d 2 h"),
    ],
)
def test_spans_are_said_in_two_units(seconds, words):
    assert words_for(seconds) == words


def gone(hit, reason="not_listed"):
    return replace(hit, revision=hit.revision + 1, withdrawn_at=NOW, withdrawn_reason=reason)


def test_a_withdrawn_hit_recalls_its_incident_once_and_without_a_sound():
    hits = [after(0, 1), after(5, 2)]
    first = decide_notification(hits[0], None, PROFILE, NOW)
    second = decide_notification(hits[1], first.memory, PROFILE, NOW)
    recall = decide_notification(gone(hits[0]), second.memory, PROFILE, NOW)
    assert {n.incident_id for n in recall.notifications} == {first.incident_id}
    assert all((n.revision, n.audible, n.kind) == (3, False, NotificationKind.RECALL) for n in recall.notifications)
    assert recall.notifications[0].screen_text.startswith("WITHDRAWN: no longer listed. Do not act on it. STOLEN")
    assert decide_notification(gone(hits[1]), recall.memory, PROFILE, NOW) == Suppressed("RECALLED")
    again = decide_notification(gone(hits[0]), recall.memory, PROFILE, NOW)
    assert [n.notification_id for n in again.notifications] == [n.notification_id for n in recall.notifications]
    for before in hits:  # what was said before the recall, once more after a restart
        assert decide_notification(before, recall.memory, PROFILE, NOW) == Suppressed("SENT_BEFORE")
    assert decide_notification(gone(hits[0]), None, PROFILE, NOW) == Suppressed("NOT_TOLD")


def test_what_is_seen_after_a_recall_is_a_new_incident_that_rings():
    first = decide_notification(after(0, 1), None, PROFILE, NOW)
    recall = decide_notification(gone(after(0, 1), "list_withdrawn"), first.memory, PROFILE, NOW)
    assert "WITHDRAWN: its list is no longer kept." in recall.notifications[0].screen_text
    anew = decide_notification(after(9, 2), recall.memory, PROFILE, NOW)
    assert anew.notifications[0].audible
    assert anew.incident_id != first.incident_id
    repeat = decide_notification(gone(after(0, 1), "list_withdrawn"), anew.memory, PROFILE, NOW)
    assert [n.notification_id for n in repeat.notifications] == [n.notification_id for n in recall.notifications]


def test_a_later_revision_of_the_read_makes_a_recalled_incident_stand_again():
    first = decide_notification(after(0, 1), None, PROFILE, NOW)
    recall = decide_notification(gone(after(0, 1)), first.memory, PROFILE, NOW)
    better = decide_notification(after(0, 1, revision=2), recall.memory, PROFILE, NOW)
    assert (better.incident_id, better.revision, better.notifications[0].kind) == (
        first.incident_id, 3, NotificationKind.UPDATE,
    )  # fmt: skip
    assert decide_notification(gone(after(0, 1, revision=2)), better.memory, PROFILE, NOW).revision == 4


def test_every_incident_of_the_day_can_be_recalled_however_many_there_are():
    apart = PROFILE.incident_window_s + 1
    hits = [after(number * apart - 40 * apart, number) for number in range(40)]
    memory, incidents = None, {}
    for hit in hits:
        alert = decide_notification(hit, memory, PROFILE, NOW)
        memory = LastSent.from_json(alert.memory.to_json())
        incidents[hit.hit_id] = alert.incident_id
    assert len(set(incidents.values())) == 40
    for hit in hits:
        alert = decide_notification(gone(hit), memory, PROFILE, NOW)
        assert alert.incident_id == incidents[hit.hit_id]
        assert {n.kind for n in alert.notifications} == {NotificationKind.RECALL}
        memory = LastSent.from_json(alert.memory.to_json())


def test_a_storm_rings_once_for_all_its_hits_and_a_released_hit_rings_by_itself():
    held = [replace(after(n, n), storm_id="s1", storm_kind="device", storm_reason="Alert storm: many.") for n in (1, 2)]
    storm = decide_notification(held[0], None, PROFILE, NOW)
    assert {(n.kind, n.incident_id, n.revision, n.audible) for n in storm.notifications} == {
        (NotificationKind.STORM, "s1", 1, True)
    }
    assert storm.notifications[0].screen_text.startswith("Alert storm: many. They are recorded and wait for release.")
    assert decide_notification(held[1], storm.memory, PROFILE, NOW) == Suppressed("STORM")
    assert decide_notification(gone(held[1]), None, PROFILE, NOW) == Suppressed("NOT_TOLD")
    told = decide_notification(replace(held[1], storm_id=""), None, PROFILE, NOW)  # told, and held when it came again
    recall = decide_notification(gone(held[1]), told.memory, PROFILE, NOW)
    assert {n.kind for n in recall.notifications} == {NotificationKind.RECALL}
    repeat = decide_notification(held[0], storm.memory, PROFILE, NOW)
    assert [n.notification_id for n in repeat.notifications] == [n.notification_id for n in storm.notifications]
    released = decide_notification(replace(held[1], revision=1, released_at=NOW), None, PROFILE, NOW)
    assert (released.revision, released.notifications[0].kind) == (1, NotificationKind.HIT)
    assert released.notifications[0].audible


def test_a_test_plate_is_an_exercise_without_a_sound_and_its_sightings_are_one_incident():
    first, second = (replace(hit, read=replace(hit.read, canary=True)) for hit in (after(0, 1), after(60, 2)))
    opened = decide_notification(first, None, PROFILE, NOW)
    assert {(n.status, n.audible) for n in opened.notifications} == {(NotificationStatus.EXERCISE, False)}
    assert all(n.screen_text.startswith("EXERCISE") for n in opened.notifications)
    again = decide_notification(second, opened.memory, PROFILE, NOW)
    assert again.incident_id == opened.incident_id
    assert again.revision == 2
