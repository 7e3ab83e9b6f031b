"""Compares one read with the entries it could mean, and says of each match how far it is to be believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from alprcore.model import (
    UNKNOWN,
    Character,
    Difference,
    Entry,
    EntryDetails,
    Grade,
    Hit,
    HitReason,
    ListVersion,
    MatchKind,
    Read,
    StateMatch,
    hit_id,
)
from alprcore.plates import lookalike_positions, misread_as, mistaken_for
from alprcore.policy import AgencyProfile, hit_is_delayed

SECOND_CANDIDATE_FLOOR: Final = 0.01
"""A second candidate below a hundredth is the reader's noise: some letter always comes second."""
NO_ADVISORY: Final = "information_only"
"""Class of an entry whose list names none: it must never be empty (HOT-14), and the least is claimed."""
_ONE_FOR_ONE: Final = 0.7
"""Share of a reader's doubts about a character that end as one other character: the rest are lost or added ones, which
leave no look-alike. Of .5, .7 and 1 the one with the least log-loss over 13,082 look-alikes (.0321; 1: .0336)."""
_LEAST: Final = 1e-6
_WORTH_SAYING: Final = 0.005  # a pair confused more rarely is no explanation


def match_read(
    read: Read,
    entries: Sequence[Entry],
    open_details: Callable[[Entry], EntryDetails | None],
    versions: Mapping[tuple[str, str], ListVersion],
    profile: AgencyProfile,
    now: datetime,
) -> tuple[Hit, ...]:
    """Give one hit for every entry that the read matches or may match (DEF-06, HIT-01).

    `entries` are those of the read's skeleton; `open_details` opens the sealed part of one, or gives None
    when it cannot: a seal that does not open must not hide a listed vehicle. `versions` holds the version
    of each list in force. An entry counts when its list's version carries it, it belongs to the read's
    agency, it is in effect and has not expired, by the time of capture or by the clock (HOT-19).
    No vehicle is exempt (USE-12).
    """
    if read.retracted or not read.plate:
        return ()
    return tuple(_hits(read, entries, open_details, versions, profile, now))


def _hits(
    read: Read,
    entries: Sequence[Entry],
    open_details: Callable[[Entry], EntryDetails | None],
    versions: Mapping[tuple[str, str], ListVersion],
    profile: AgencyProfile,
    now: datetime,
) -> Iterator[Hit]:
    for entry in entries:
        version = versions.get((entry.agency, entry.list_code))
        if entry.agency != read.agency or version is None or not entry.in_version(version.version):
            continue
        positions = lookalike_positions(read.plate, entry.plate)
        if positions is None or not _may_be(read, entry, positions, profile):
            continue
        details = open_details(entry)
        if details is None or _in_effect(details, read.captured_at, now):
            yield _hit(read, entry, details, positions, version, profile, now)


def _may_be(read: Read, entry: Entry, positions: tuple[int, ...], profile: AgencyProfile) -> bool:
    """Whether every difference stands where the reader was uncertain; edit distance is never considered."""
    if len(positions) > profile.lookalike_positions:
        return False
    return all(
        (seen := read.characters[position]).first_probability < profile.lookalike_below
        or (seen.second == entry.plate[position] and seen.second_probability >= SECOND_CANDIDATE_FLOOR)
        for position in positions
    )


def _in_effect(details: EntryDetails, captured_at: datetime, now: datetime) -> bool:
    if details.effective_at is not None and details.effective_at > now:
        return False
    return details.expires_at is None or max(captured_at, now) < details.expires_at


def _hit(
    read: Read,
    entry: Entry,
    details: EntryDetails | None,
    positions: tuple[int, ...],
    version: ListVersion,
    profile: AgencyProfile,
    now: datetime,
) -> Hit:
    told = details if details is not None else EntryDetails()
    state_match = compare_states(read.state, told.state)
    grade = _grade(positions, state_match)
    probability = plate_probability(read.characters, read.confidence, entry.plate)
    differences = tuple(
        Difference(
            position=position,
            read_character=read.plate[position],
            entry_character=entry.plate[position],
            read_probability=read.characters[position].first_probability,
        )
        for position in positions
    )
    age = max(0, int((now - version.source_time).total_seconds()))
    return Hit(
        hit_id=hit_id(read.read_id, entry.entry_id),
        read=read,
        entry_id=entry.entry_id,
        entry_plate=entry.plate,
        entry_state=told.state,
        state_match=state_match,
        match_kind=MatchKind.LOOKALIKE if positions else MatchKind.EXACT,
        grade=grade,
        differences=differences,
        explanation=explain(read.state, told.state, state_match, differences, probability, opened=details is not None),
        probability=probability,
        list_code=version.list_code,
        list_name=version.name,
        list_version=version.version,
        list_source=version.source,
        list_source_time=version.source_time,
        list_loaded_at=version.loaded_at,
        list_age_s=age,
        list_stale=0 < version.max_age_s < age,
        reason=told.reason or version.default_reason or HitReason.OTHER.value,
        advisory_class=told.advisory_class or version.advisory_class or NO_ADVISORY,
        matched_at=now,
        profile_version=profile.version,
        entry_sealed=entry.sealed,
        entry_key_id=entry.key_id,
        delayed=hit_is_delayed(read.captured_at, now, profile),
    )


def compare_states(read: str, entry: str) -> StateMatch:
    """Compare the states of read and entry (CAP-06); unknown when either does not say."""
    if UNKNOWN in {read, entry} or not read or not entry:
        return StateMatch.UNKNOWN
    return StateMatch.MATCH if read == entry else StateMatch.MISMATCH


def _grade(positions: tuple[int, ...], state: StateMatch) -> Grade:
    if positions:
        return Grade.LOOKALIKE
    match state:
        case StateMatch.MATCH:
            return Grade.EXACT
        case StateMatch.UNKNOWN:
            return Grade.EXACT_STATE_UNKNOWN
        case StateMatch.MISMATCH:
            return Grade.STATE_MISMATCH


def plate_probability(characters: Sequence[Character], confidence: float, plate: str) -> float:
    """Probability that the vehicle carries this plate, given what was read and what the reader is known to confuse.

    The text that was read has the reader's own calibrated probability. A plate that differs has that, times for each
    difference how much likelier its character is than the one that was read; no two plates together exceed 1.
    """
    odds = 1.0
    for seen, letter in zip(characters, plate, strict=True):
        if letter != seen.first:
            odds *= _ONE_FOR_ONE * _share(seen, letter) / _share(seen, seen.first)
    most = confidence if odds == 1.0 else min(confidence * odds, 1 - confidence)
    return min(max(most, _LEAST), 1.0)


def _share(seen: Character, letter: str) -> float:
    """Probability of one character at one place: the reader's scores for its two candidates.

    What these leave goes to the others by how often each is taken for the one that was read. Of 13,082 look-alikes of drawn
    and photographed plates .0005, .020, .082 and .32 were the truth where this says .0007, .025, .105 and .28; an even
    share for the others said .0004 where it was .0008 and .107 where it was .050. Averaging confusions into the scores of
    the two candidates made every figure worse (docs/decisions/0014).
    """
    if letter == seen.first:
        share = seen.first_probability
    elif letter == seen.second:
        share = seen.second_probability
    else:
        left = 1 - seen.first_probability - seen.second_probability
        scored = mistaken_for(seen.first, seen.first) + (mistaken_for(seen.first, seen.second) if seen.second else 0)
        share = left * mistaken_for(seen.first, letter) / max(1 - scored, _LEAST)
    return max(share, _LEAST)


def explain(
    read_state: str,
    entry_state: str,
    state: StateMatch,
    differences: tuple[Difference, ...],
    probability: float,
    *,
    opened: bool = True,
) -> str:
    """Say in a dispatcher's words why it matched, what speaks against it, and how sure the reader was."""
    if differences:
        places = ", ".join(
            f"character {d.position + 1} read as {d.read_character} ({_percent(d.read_probability)} sure), "
            f"listed as {d.entry_character}{_known(d)}"
            for d in differences
        )
        text = f"Look-alike: {places}; "
    else:
        text = "Plate reads exactly as listed; "
    here, there = short_state(read_state), short_state(entry_state)
    if not opened:
        text += "the entry's details cannot be opened, so its state and expiry are not known. "
    elif state is StateMatch.MATCH:
        text += f"state matches ({there}). "
    elif state is StateMatch.MISMATCH:
        text += f"STATE DIFFERS: read {here}, listed {there}. "
    elif not there:
        text += "the list names no state. "
    else:
        text += f"state not read, listed {there}. "
    return f"{text}Reader {_percent(probability)} sure of the listed plate."


def _known(difference: Difference) -> str:
    share = misread_as(difference.entry_character, difference.read_character)
    return f" (misread so about 1 time in {round(1 / share)})" if share >= _WORTH_SAYING else ""


def short_state(state: str) -> str:
    """Name a state as people do: CA for US-CA; empty when it is not known."""
    return "" if state == UNKNOWN else state.removeprefix("US-")


def _percent(probability: float) -> str:
    return "less than 1 %" if probability < 0.01 else f"{min(int(probability * 100), 99)} %"
