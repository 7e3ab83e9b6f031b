"""Partial plates: which reads they fit, and what a hit of one says."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpr_matcher.lists.partials import PartialView
from alprcore.errors import InvalidMessage
from alprcore.matching import match_read
from alprcore.model import EntryDetails, Grade, MatchKind, Plate, StateMatch
from alprcore.plates import pattern_fault, pattern_fits
from alprcore.profiles import load_profiles
from tests.unit.matcher.build import NOW, PROFILE, make_entry, make_read, make_version, versions_of

PARTIAL = make_version("PARTIAL", advisory_class="information_only", default_reason="other")
letters = st.sampled_from("A8?*")
patterns = st.text(letters, min_size=2, max_size=6).filter(lambda text: not pattern_fault(text))


def partial_entry(pattern, **changes):
    return make_entry(pattern, code="PARTIAL", **changes)


@pytest.mark.parametrize(
    ("pattern", "plate", "positions"),
    [
        ("7A?C1*", "7ABC123", (0, 1, 3, 4)),
        ("7A?C1*", "7ABC1", (0, 1, 3, 4)),
        ("7A?C1*", "7AC1234", None),
        ("*12", "ABC12", (3, 4)),
        ("*12", "12", (0, 1)),
        ("A*1", "A1", (0, 1)),
        ("A*1", "A", None),
        ("A1?", "A1", None),
        ("A1?", "A12", (0, 1)),
        ("A1", "A12", None),
        ("8?LM*", "B3LM", None),
    ],
)
def test_a_pattern_fits_plates_as_they_were_read(pattern, plate, positions):
    assert pattern_fits(pattern, plate) == positions


@pytest.mark.parametrize("pattern", ["", "?*", "A*", "A?", "A1**", "A*1*", "ab1", "A-1", "A1%", "A" * 13, "А1A"])
def test_what_is_no_pattern_is_refused(pattern):
    assert pattern_fault(pattern)
    view = PartialView()
    entry = partial_entry(pattern)
    with pytest.raises(InvalidMessage):
        view.take(entry.entry_id, entry)
    assert len(view) == 0


@given(
    st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), patterns)), max_size=25),
    st.text("A8B", min_size=1, max_size=7),
)
def test_the_bits_say_what_the_rule_says(steps, plate):
    view, live = PartialView(), {}
    for number, pattern in steps:
        name = f"entry {number}"
        entry = None if pattern is None else replace(partial_entry(pattern), entry_id=name)
        view.take(name, entry)
        live[name] = entry
    expected = {name for name, entry in live.items() if entry and pattern_fits(entry.plate, plate) is not None}
    assert {entry.entry_id for entry in view.entries(plate)} == expected


def test_an_entry_that_changes_or_ends_is_tried_no_longer_and_leaves_nothing_behind():
    view, chance = PartialView(), random.Random(1)
    empty = view._allowed.copy()
    entries = [partial_entry("".join(chance.choices("ABC?", k=5)) + "12", key=str(n)) for n in range(200)]
    for entry in entries:
        view.take(entry.entry_id, entry)
    changed = replace(entries[0], plate=Plate("ZZ*"))
    view.take(entries[0].entry_id, changed)
    assert view.entries("ZZ9") == (changed,)
    with pytest.raises(InvalidMessage):
        view.take("another key", entries[1])
    for entry in entries:
        view.take(entry.entry_id, None)
        view.take(entry.entry_id, None)
    assert (len(view), view._allowed) == (0, empty)
    assert view.entries("ZZ9") == ()


def match(pattern, read, details, *, version=PARTIAL, profile=PROFILE, now=NOW):
    entry = partial_entry(pattern)
    return match_read(read, [entry], lambda _: details, versions_of(version), profile, now)


@pytest.mark.requirement("USE-10", partial="the entry door and the search of past reads are ingest's and the console's")
@pytest.mark.requirement("HIT-05", partial="the notice and the workflow of the console are tested there")
@pytest.mark.parametrize("agency", sorted(set(load_profiles()) - {"demo"}))
def test_a_partial_plate_gives_an_advisory_hit_that_says_what_fits(agency):
    profile = load_profiles()[agency]
    version = make_version("PARTIAL", agency=agency, default_reason="other", advisory_class="information_only")
    read = make_read("7ABC123", agency=agency, sure=0.9, unsure={2: (0.3, "8", 0.2)})
    entry = partial_entry("7A?C1*", agency=agency)
    (hit,) = match_read(read, [entry], lambda _: EntryDetails(), versions_of(version), profile, NOW)
    assert (hit.match_kind, hit.grade, hit.reason) == (MatchKind.PARTIAL, Grade.PARTIAL, "other")
    assert (hit.advisory, hit.workflow_state, hit.differences) == (True, "unverified", ())
    assert (hit.entry_plate.reveal(), hit.entry_sealed, hit.entry_key_id) == ("7A?C1*", entry.sealed, entry.key_id)
    assert hit.probability == pytest.approx(0.9**4)  # the doubtful third character is not one of the four known
    assert hit.explanation.startswith("Partial plate: characters 1, 2, 4, 5 as listed, others not known; ")
    assert hit.explanation.endswith("Reader 65 % sure of the known characters.")


@pytest.mark.parametrize(
    ("state", "expected", "words"),
    [
        ("US-CA", StateMatch.MATCH, "state matches (CA)"),
        ("US-NV", StateMatch.MISMATCH, "STATE DIFFERS: read CA, listed NV"),
        ("", StateMatch.UNKNOWN, "the list names no state"),
    ],
)
def test_the_state_is_compared_and_a_partial_plate_stays_partial(state, expected, words):
    (hit,) = match("7A*", make_read(), EntryDetails(state=state))
    assert (hit.grade, hit.state_match) == (Grade.PARTIAL, expected)
    assert words in hit.explanation


@pytest.mark.requirement("HOT-19", partial="the end of whole plates and the state of the entry are tested beside it")
def test_a_partial_plate_that_has_ended_or_is_not_listed_matches_nothing():
    read = make_read()
    assert match("7A*", read, EntryDetails(expires_at=NOW)) == ()
    assert match("7A*", read, EntryDetails(expires_at=NOW + timedelta(seconds=1)))
    assert match("7A*", read, EntryDetails(effective_at=NOW + timedelta(seconds=1))) == ()
    assert match("7A*", read, EntryDetails(), version=make_version("SVS")) == ()
    assert match("7A*", make_read(agency="irvine"), EntryDetails()) == ()
    assert match("7B*", read, EntryDetails()) == ()
