"""What a hit and its alert must say under the policy of each of the five agencies."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import pytest

from alprcore.model import NotificationKind, StateMatch, StateScore, hit_id
from alprcore.policy import AgencyProfile
from alprcore.profiles import load_profiles
from tests.integration.matcher_world import details, now, plate, world

AGENCIES = ("irvine", "westminster", "claremont", "escondido", "roseville")
TWICE, STATES, SPECIAL, SPOOLED, FREE, EXPIRED = (plate(number) for number in range(900, 906))
NINE_HOURS = timedelta(hours=9)


class Told(NamedTuple):
    """What one agency's reads were, and what was made of them."""

    profile: AgencyProfile
    reads: dict
    hits: list
    notes: list
    judged: float


@pytest.fixture(scope="module")
def scene(kafka_bootstrap, tmp_path_factory):
    with world(kafka_bootstrap, tmp_path_factory.mktemp("profiles"), agencies=AGENCIES) as made:
        for agency in AGENCIES:
            listed = [(text, details()) for text in (TWICE, STATES, SPOOLED)]
            made.load(*listed, (EXPIRED, details(expires_at=now() - timedelta(seconds=1))), agency=agency)
            made.load((TWICE, details(reason="")), agency=agency, code="BOLO", default_reason="bolo",
                      advisory_class="bolo", source_time=now() - NINE_HOURS, loaded_at=now() - NINE_HOURS)  # fmt: skip
            made.load((SPECIAL, details(advisory_class="stolen_vehicle", reason="wanted_person")), agency=agency,
                      code="CRIME", list_type="special")  # fmt: skip
        made.worker().wait_ready()
        yield made


@pytest.fixture(scope="module", params=AGENCIES)
def told(request, scene):
    """Reads of one agency, each plate once, two of them once more; and everything that was made of them."""
    agency, profile = request.param, load_profiles()[request.param]
    judged = scene.workers[0].metric("alpr_matcher_reads_judged_total")
    origins = (StateScore("US-NV", 0.875), StateScore("US-CA", 0.125))
    reads = {text: scene.make_read(text, agency=agency) for text in (TWICE, SPECIAL, EXPIRED, FREE)}
    reads[STATES] = replace(scene.make_read(STATES, agency=agency, state="US-NV"), origins=origins)
    reads[SPOOLED] = scene.make_read(SPOOLED, agency=agency, captured_at=now() - timedelta(minutes=40))
    scene.send_reads(*reads.values())
    scene.send_reads(reads[TWICE])
    assert scene.settled(90)
    ids = {read.read_id for read in reads.values()}
    hits = [hit for hit in scene.hits() if hit.read.read_id in ids]
    notes = [note for note in scene.notifications() if note.hit.read.read_id in ids]
    judged = scene.workers[0].metric("alpr_matcher_reads_judged_total") - judged
    return Told(profile, reads, hits, notes, judged)


def of(told, text):
    return [hit for hit in told.hits if hit.read.plate == text]


@pytest.mark.requirement("DEF-06")
@pytest.mark.requirement("HIT-01", partial="the row in the database is the console's and retention's")
def test_a_plate_on_two_lists_is_two_hits_however_often_the_read_comes(told):
    hits = {hit.hit_id: hit for hit in of(told, TWICE)}
    assert sorted((hit.list_code, hit.reason) for hit in hits.values()) == [("BOLO", "bolo"), ("SVS", "stolen_vehicle")]
    assert set(hits) == {hit_id(told.reads[TWICE].read_id, hit.entry_id) for hit in hits.values()}
    assert len(of(told, TWICE)) == 4  # the topic shows both deliveries, the ids say that they are one
    assert {hit.profile_version for hit in hits.values()} == {told.profile.version}
    rung = [note for note in told.notes if note.audible and note.hit.hit_id in hits]
    assert {note.kind for note in rung} == {NotificationKind.HIT}
    assert {(note.target, note.hit.list_code) for note in rung} == {
        (target, code) for target, _ in told.profile.display_targets for code in ("SVS", "BOLO")
    }


@pytest.mark.requirement("CAP-06")
@pytest.mark.requirement("HIT-08")
def test_a_state_that_differs_is_said_on_hit_and_screen(told):
    (hit,) = of(told, STATES)
    assert (hit.state_match, hit.read.state, hit.entry_state) == (StateMatch.MISMATCH, "US-NV", "US-CA")
    assert hit.read.origins[0].state == "US-NV"
    assert {"STATE DIFFERS: read NV, listed CA" in note.screen_text for note in told.notes if note.hit == hit} == {True}


@pytest.mark.requirement("HOT-13")
def test_the_alert_says_how_old_the_list_is(told):
    notes = [note for note in told.notes if note.hit.list_code == "BOLO"]
    assert notes
    for note in notes:
        assert note.hit.list_age_s == pytest.approx(32_400, abs=300)
        assert "9 h" in note.screen_text
        assert note.hit.list_loaded_at < now() - timedelta(hours=8)
    for note in told.notes:
        if note.hit.list_code == "SVS":
            assert note.hit.list_age_s < 600


@pytest.mark.requirement("HOT-14")
@pytest.mark.requirement("HIT-05")
def test_every_alert_names_its_class_first_and_is_no_more_than_a_lead(told):
    assert {hit.list_code for hit in told.hits} == {"SVS", "BOLO", "CRIME"}
    for hit in told.hits:
        assert hit.advisory_class in {"stolen_vehicle", "bolo", "information_only"}
        assert (hit.advisory, hit.workflow_state) == (True, "unverified")
    for note in told.notes:
        assert note.screen_text.startswith(note.hit.advisory_class.replace("_", " ").upper() + ": ")
        assert note.screen_text.endswith("Unverified lead, not grounds for a stop.")


@pytest.mark.requirement("HOT-07")
def test_what_a_special_list_says_is_information_whatever_its_entry_claims(told):
    (hit,) = of(told, SPECIAL)
    assert (hit.advisory_class, hit.reason) == ("information_only", "wanted_person")


@pytest.mark.requirement("HOT-19", partial="the entry's state is ingest's")
def test_an_expired_entry_makes_no_hit(told):
    assert of(told, EXPIRED) == []


def test_what_a_spool_brings_late_is_labeled(told):
    (hit,) = of(told, SPOOLED)
    assert hit.delayed
    assert all("DELAYED: captured 40 min ago." in note.screen_text for note in told.notes if note.hit == hit)
    assert not any(other.delayed for other in of(told, STATES))


@pytest.mark.requirement("USE-12")
def test_every_read_is_judged_once_each_time_and_by_the_same_lists(told):
    assert told.judged == len(told.reads) + 1
    assert Counter((hit.list_code, hit.list_version) for hit in told.hits).keys() == {
        ("SVS", 1), ("BOLO", 1), ("CRIME", 1),
    }  # fmt: skip
