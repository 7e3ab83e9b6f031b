from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alprcore.matching import compare_states, match_read, plate_probability, reader_name
from alprcore.model import DeviceChecks, EntryDetails, Grade, MatchKind, StateMatch, hit_id
from alprcore.plates import misread_as
from tests.unit.matcher.build import NOW, PROFILE, make_entry, make_read, make_version, versions_of

DETAILS = EntryDetails(state="US-CA", reason="stolen_vehicle")


def judge(read, *entries, details=DETAILS, versions=None, profile=PROFILE, now=NOW):
    opened = details if callable(details) else lambda _entry: details
    return match_read(read, entries, opened, versions or versions_of(make_version()), profile, now)


def test_exact_with_state_is_the_best_grade():
    (hit,) = judge(make_read(), make_entry())
    assert (hit.grade, hit.match_kind, hit.state_match) == (Grade.EXACT, MatchKind.EXACT, StateMatch.MATCH)
    assert hit.hit_id == hit_id(hit.read.read_id, make_entry().entry_id)
    assert hit.explanation.startswith("Plate reads exactly as listed; state matches (CA).")
    assert hit.probability == pytest.approx(0.99**7)
    assert (hit.list_code, hit.list_version, hit.profile_version) == ("SVS", 1, PROFILE.version)


@pytest.mark.parametrize(
    ("read_state", "entry_state", "grade", "words"),
    [
        ("unknown", "US-CA", Grade.EXACT_STATE_UNKNOWN, "state not read, listed CA."),
        ("US-NV", "", Grade.EXACT_STATE_UNKNOWN, "the list names no state."),
        ("US-NV", "US-CA", Grade.STATE_MISMATCH, "STATE DIFFERS: read NV, listed CA."),
    ],
)
@pytest.mark.requirement("CAP-06", partial="the topic part is in the integration test")
def test_state_decides_the_grade_of_an_exact_match(read_state, entry_state, grade, words):
    (hit,) = judge(make_read(state=read_state), make_entry(), details=EntryDetails(state=entry_state))
    assert hit.grade is grade
    assert words in hit.explanation


def test_states_are_compared_only_when_both_are_known():
    assert compare_states("US-CA", "US-CA") is StateMatch.MATCH
    assert compare_states("US-NV", "US-CA") is StateMatch.MISMATCH
    assert compare_states("unknown", "US-CA") is StateMatch.UNKNOWN
    assert compare_states("US-CA", "") is StateMatch.UNKNOWN


def test_a_look_alike_counts_where_the_reader_was_uncertain():
    read = make_read("7ABC1O3", unsure={5: (0.6, "0", 0.38)})
    (hit,) = judge(read, make_entry("7ABC103"))
    assert (hit.grade, hit.match_kind) == (Grade.LOOKALIKE, MatchKind.LOOKALIKE)
    (difference,) = hit.differences
    assert (difference.position, difference.read_character, difference.entry_character) == (5, "O", "0")
    assert difference.read_probability == pytest.approx(0.6)
    assert "character 6 read as O (60 % sure), listed as 0" in hit.explanation
    assert hit.probability == pytest.approx(0.99**6 * 0.38 * 0.7)


def test_a_look_alike_does_not_count_where_the_reader_was_sure():
    assert judge(make_read("7ABC1O3"), make_entry("7ABC103")) == ()
    assert judge(make_read("7ABC1O3", unsure={5: (0.95, "0", 0.0009)}), make_entry("7ABC103")) == ()


def test_a_sure_character_whose_second_candidate_is_the_entrys_counts():
    (hit,) = judge(make_read("7ABC1O3", unsure={5: (0.95, "0", 0.04)}), make_entry("7ABC103"))
    assert hit.grade is Grade.LOOKALIKE


def test_two_positions_are_the_most_and_edit_distance_never_counts():
    weak = dict.fromkeys(range(7), (0.5, "?", 0.0))
    assert len(judge(make_read("OOBC123", unsure=weak), make_entry("00BC123"))) == 1
    assert judge(make_read("OOBCI23", unsure=weak), make_entry("00BC123")) == ()
    assert judge(make_read("7ABC124", unsure=weak), make_entry("7ABC123")) == ()
    assert judge(make_read("7ABC12", unsure=dict.fromkeys(range(6), (0.5, "?", 0))), make_entry("7ABC123")) == ()
    strict = replace(PROFILE, lookalike_positions=0)
    assert judge(make_read("OOBC123", unsure=weak), make_entry("00BC123"), profile=strict) == ()


@pytest.mark.requirement("DEF-06", partial="the topic part is in the integration test")
def test_every_entry_is_a_hit_of_its_own():
    versions = versions_of(make_version(), make_version("BOLO", default_reason="bolo"))
    hits = judge(
        make_read(), make_entry(), make_entry(code="BOLO"), details=EntryDetails(state="US-CA"), versions=versions
    )
    assert [(hit.list_code, hit.reason) for hit in hits] == [("SVS", "stolen_vehicle"), ("BOLO", "bolo")]
    assert len({hit.hit_id for hit in hits}) == 2


def test_a_later_revision_of_the_read_keeps_the_hits_id():
    first, second = (judge(make_read(revision=n), make_entry())[0] for n in (1, 2))
    assert first.hit_id == second.hit_id


def test_retracted_and_unreadable_reads_match_nothing():
    assert judge(make_read(retracted=True), make_entry()) == ()
    assert judge(make_read(""), make_entry()) == ()


def test_another_agencys_entry_does_not_match():
    other = make_entry(agency="other")
    assert judge(make_read(), other, versions=versions_of(make_version(agency="other"))) == ()


def test_only_entries_of_the_version_in_force_match():
    at = lambda number: versions_of(make_version(version=number))  # noqa: E731
    old, new = make_entry(since=1, until=3, key="old"), make_entry(since=3, key="new")
    assert [h.entry_id for h in judge(make_read(), old, new, versions=at(2))] == [old.entry_id]
    assert [h.entry_id for h in judge(make_read(), old, new, versions=at(3))] == [new.entry_id]
    assert judge(make_read(), old, new, versions=versions_of(make_version("BOLO"))) == ()


@pytest.mark.requirement("HOT-19", partial="the removal message and the entry's state are ingest's")
@pytest.mark.parametrize(
    ("captured", "now", "expected"),
    [(-2, -1, 1), (-1, 0, 0), (0, 0, 0), (1, 1, 0), (-60, 1, 0)],
)
def test_an_expired_entry_stops_matching_by_capture_and_by_the_clock(captured, now, expected):
    details = replace(DETAILS, expires_at=NOW)
    read = make_read(captured_at=NOW + timedelta(seconds=captured))
    assert len(judge(read, make_entry(), details=details, now=NOW + timedelta(seconds=now))) == expected


def test_an_entry_matches_from_the_time_it_takes_effect():
    details = replace(DETAILS, effective_at=NOW)
    assert judge(make_read(), make_entry(), details=details, now=NOW - timedelta(seconds=1)) == ()
    assert len(judge(make_read(), make_entry(), details=details, now=NOW)) == 1


def test_a_seal_that_does_not_open_hides_no_listed_vehicle():
    (hit,) = judge(make_read(), make_entry(), details=lambda _entry: None)
    assert hit.state_match is StateMatch.UNKNOWN
    assert "cannot be opened" in hit.explanation
    assert hit.reason == "stolen_vehicle"


def test_only_candidates_are_opened():
    opened = []
    judge(make_read(), make_entry("7ABCI23"), make_entry(agency="x"), details=opened.append)
    assert opened == []


@pytest.mark.requirement("HOT-13", partial="the screens show it elsewhere")
def test_the_hit_states_the_lists_age():
    (hit,) = judge(make_read(), make_entry(), versions=versions_of(make_version(age=timedelta(hours=9))))
    assert (hit.list_age_s, hit.list_stale) == (32_400, False)
    (hit,) = judge(make_read(), make_entry(), versions=versions_of(make_version(age=timedelta(hours=13))))
    assert hit.list_stale


@pytest.mark.requirement("HOT-14", partial="the topic part is in the integration test")
def test_the_advisory_class_is_never_empty_and_the_entry_overrides_the_list():
    assert judge(make_read(), make_entry())[0].advisory_class == "stolen_vehicle"
    own = replace(DETAILS, advisory_class="armed_and_dangerous")
    assert judge(make_read(), make_entry(), details=own)[0].advisory_class == "armed_and_dangerous"
    bare = versions_of(make_version(advisory_class="", default_reason=""))
    (hit,) = judge(make_read(), make_entry(), details=EntryDetails(), versions=bare)
    assert (hit.advisory_class, hit.reason) == ("information_only", "other")


def test_a_late_hit_says_so():
    assert not judge(make_read(), make_entry())[0].delayed
    assert judge(make_read(captured_at=NOW - timedelta(hours=8)), make_entry())[0].delayed


@pytest.mark.requirement("USE-12", partial="the counts of a drained matcher are in the integration test")
@given(st.sampled_from(["north", "south", ""]), st.floats(-89, 89), st.floats(-179, 179))
def test_no_place_or_direction_exempts_a_vehicle(direction, latitude, longitude):
    read = make_read()
    point = replace(read.location.point, latitude=latitude, longitude=longitude)
    read = replace(read, direction=direction, location=replace(read.location, point=point))
    assert len(judge(read, make_entry())) == 1


@given(st.lists(st.floats(0.0, 1.0), min_size=7, max_size=7), st.floats(0, 1))
def test_an_exact_match_is_as_likely_as_the_reader_says_and_no_two_plates_exceed_certainty(scores, confidence):
    unsure = {i: (score, "X", (1 - score) / 2) for i, score in enumerate(scores)}
    characters = make_read("7ABC123", unsure=unsure).characters
    assert plate_probability(characters, confidence, "7ABC123") == pytest.approx(max(confidence, 1e-6))
    for other in ("QQQQQQQ", "7ABC12X", "XABC123", "7A8C123"):
        probability = plate_probability(characters, confidence, other)
        assert 0 < probability <= 1
        assert probability + confidence <= 1 + 1e-5


def test_what_the_reader_is_known_to_confuse_is_likelier_than_what_it_is_not():
    read = make_read("7ABC1O3", unsure={5: (0.6, "8", 0.2)})
    known, other = (plate_probability(read.characters, read.confidence, plate) for plate in ("7ABC103", "7ABC1D3"))
    assert misread_as("0", "O") > misread_as("D", "O")
    assert known > other > plate_probability(read.characters, read.confidence, "7ABC1W3")
    (hit,) = judge(read, make_entry("7ABC103"))
    assert hit.probability == pytest.approx(known)
    assert f"listed as 0 (misread so about 1 time in {round(1 / misread_as('0', 'O'))})" in hit.explanation


def test_a_surer_second_candidate_makes_a_likelier_hit():
    weak, strong = (make_read("7ABC1O3", unsure={5: (0.6, "0", share)}) for share in (0.02, 0.38))
    hits = [judge(read, make_entry("7ABC103"))[0].probability for read in (weak, strong)]
    assert hits[0] < hits[1] == pytest.approx(0.99**6 * 0.38 * 0.7)  # three doubts in ten are about another length


def checked(**changes):
    values = {
        "device_id": "gate-1", "agency": "demo", "reader": reader_name(make_read().reader), "checked": 60, "misread": 0,
        "characters": {}, "mistaken": {}, "updated_at": NOW,
    }  # fmt: skip
    return DeviceChecks(**(values | changes))


def with_checks(checks, read=None, plate="7ABC123"):
    entries = [make_entry(plate)]
    details = lambda _entry: EntryDetails(state="US-CA")  # noqa: E731
    (hit,) = match_read(read or make_read(), entries, details, versions_of(make_version()), PROFILE, NOW, checks)
    return hit


def test_a_device_whose_reads_people_found_wrong_is_believed_less_and_says_so():
    plain, good = with_checks(None), with_checks(checked())
    assert (good.probability, good.explanation) == (plain.probability, plain.explanation)
    bad = with_checks(checked(misread=30))
    assert bad.probability == pytest.approx(plain.probability * 50 / 80)
    assert bad.explanation.endswith("At this device 30 of 60 compared reads were misreads.")
    other = with_checks(checked(misread=30, reader="another@000000000000"))
    assert other == plain  # the model was replaced: what was found about the old one says nothing


def test_a_look_alike_is_likelier_where_the_device_confuses_that_pair():
    read = make_read("7A8C123", unsure={2: (0.8, "B", 0.1)})
    plain = with_checks(None, read)
    often = with_checks(checked(misread=6, characters={"B": 40}, mistaken={"B8": 6}), read)
    never = with_checks(checked(characters={"B": 900}), read)
    assert never.probability < plain.probability < often.probability
    assert often.probability <= 1 - with_checks(checked(misread=6), read, "7A8C123").probability
