"""Compares one read with the entries it could mean, and says of each match how far it is to be believed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from alprcore.model import (
    UNKNOWN,
    Character,
    DeviceChecks,
    Difference,
    Entry,
    EntryDetails,
    Grade,
    Hit,
    HitReason,
    ListVersion,
    MatchKind,
    Provenance,
    Read,
    StateMatch,
    hit_id,
)
from alprcore.plates import is_pattern, lookalike_positions, misread_as, mistaken_for, pattern_fits
from alprcore.policy import AgencyProfile, advisory_of, hit_is_delayed

SECOND_CANDIDATE_FLOOR: Final = 0.001
"""A second candidate below a thousandth is the reader's noise. From a hundredth to a thousandth, .20 points more of the
listed vehicles are found for .003 points more innocent ones called out (docs/decisions/0029)."""
NO_ADVISORY: Final = "information_only"
"""Class of an entry whose list names none: it must never be empty (HOT-14), and the least is claimed."""
_ONE_FOR_ONE: Final = 0.7
"""Share of a reader's doubts about a character that end as one other character: the rest are lost or added ones, which
leave no look-alike. Of .5, .7 and 1 the one with the least log-loss over 13,082 look-alikes (.0321; 1: .0336)."""
_LEAST: Final = 1e-6
_WEIGHT: Final = 20  # comparisons of a device that count as much as the reader's own word
_LETTER_WEIGHT: Final = 100  # and of one letter: fewer say little of a pair confused 1 time in 50
_MOST_TIMES: Final = 10.0
_WORTH_SAYING: Final = 0.005  # a pair confused more rarely is no explanation


def match_read(
    read: Read,
    entries: Sequence[Entry],
    open_details: Callable[[Entry], EntryDetails | None],
    versions: Mapping[tuple[str, str], ListVersion],
    profile: AgencyProfile,
    now: datetime,
    checks: DeviceChecks | None = None,
) -> tuple[Hit, ...]:
    """Give one hit for every entry that the read matches or may match (DEF-06, HIT-01).

    `entries` are those of the read's skeleton; `open_details` opens the sealed part of one, or gives None
    when it cannot: a seal that does not open must not hide a listed vehicle. `versions` holds the version
    of each list in force. An entry counts when its list's version carries it, it belongs to the read's
    agency, it is in effect and has not expired, by the time of capture or by the clock (HOT-19). `checks` is what
    people found about reads of this device; it counts for the model of reader it speaks of.
    No vehicle is exempt (USE-12).
    """
    if read.retracted or not read.plate:
        return ()
    if checks is not None and checks.reader != reader_name(read.reader):
        checks = None
    return tuple(_hits(read, entries, open_details, versions, profile, now, checks))


def _hits(
    read: Read,
    entries: Sequence[Entry],
    open_details: Callable[[Entry], EntryDetails | None],
    versions: Mapping[tuple[str, str], ListVersion],
    profile: AgencyProfile,
    now: datetime,
    checks: DeviceChecks | None,
) -> Iterator[Hit]:
    for entry in entries:
        version = versions.get((entry.agency, entry.list_code))
        if entry.agency != read.agency or version is None or not entry.in_version(version.version):
            continue
        positions = _differing(read, entry, profile)
        if positions is None:
            continue
        details = open_details(entry)
        if details is None or _in_effect(details, read.captured_at, now):
            yield _hit(read, entry, details, positions, version, profile, now, checks)


def _differing(read: Read, entry: Entry, profile: AgencyProfile) -> tuple[int, ...] | None:
    """Positions at which read and entry differ though they may be one plate; None when they may not.

    A partial plate fits as it was read or not at all: it fits many vehicles as it is.
    """
    if is_pattern(entry.plate):
        return None if pattern_fits(entry.plate, read.plate) is None else ()
    positions = lookalike_positions(read.plate, entry.plate)
    return positions if positions is not None and _may_be(read, entry, positions, profile) else None


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
    checks: DeviceChecks | None,
) -> Hit:
    told = details if details is not None else EntryDetails()
    state_match = compare_states(read.state, told.state)
    fixed = pattern_fits(entry.plate, read.plate) if is_pattern(entry.plate) else None
    if fixed is None:
        kind = MatchKind.LOOKALIKE if positions else MatchKind.EXACT
        grade = _grade(positions, state_match)
        probability = plate_probability(read.characters, read.confidence, entry.plate, checks)
    else:
        kind, grade = MatchKind.PARTIAL, Grade.PARTIAL
        probability = max(characters_probability(read.characters, read.confidence, fixed) * _trust(checks), _LEAST)
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
        match_kind=kind,
        grade=grade,
        differences=differences,
        explanation=explain(
            read.state, told.state, state_match, differences, probability, opened=details is not None, fixed=fixed
        )
        + _found(checks),
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
        advisory_class=advisory_of(version.list_type, told.advisory_class or version.advisory_class or NO_ADVISORY),
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


def reader_name(reader: Provenance) -> str:
    """Name a model of reader as checks of its reads do."""
    return f"{reader.name}@{reader.sha256[:12]}"


def plate_probability(
    characters: Sequence[Character], confidence: float, plate: str, checks: DeviceChecks | None = None
) -> float:
    """Probability that the vehicle carries this plate, given what was read and what the reader is known to confuse.

    The text that was read has the reader's own calibrated probability. A plate that differs has that, times for each
    difference how much likelier its character is than the one that was read; no two plates together exceed 1.
    Where people found misreads of this device, the text that was read is less likely by their share, and a plate that
    differs is likelier by how much more often the device confuses that pair than readers do.
    """
    odds, right = 1.0, confidence * _trust(checks)
    differs = False
    for seen, letter in zip(characters, plate, strict=True):
        if letter != seen.first:
            differs = True
            odds *= _ONE_FOR_ONE * _share(seen, letter) / _share(seen, seen.first) * _own(checks, letter, seen.first)
    most = min(confidence * odds, 1 - right) if differs else right
    return min(max(most, _LEAST), 1.0)


def _trust(checks: DeviceChecks | None) -> float:
    """Share of a device's compared reads that were right, begun at 1 and moved half way by `_WEIGHT` comparisons."""
    return 1.0 if checks is None else (_WEIGHT + checks.checked - checks.misread) / (_WEIGHT + checks.checked)


def _own(checks: DeviceChecks | None, true: str, read: str) -> float:
    """How many times as often as readers in general this device takes one character for the other."""
    if checks is None:
        return 1.0
    general, count = misread_as(true, read), checks.mistaken.get(true + read, 0)
    own = (_LETTER_WEIGHT * general + count) / (_LETTER_WEIGHT + checks.characters.get(true, 0))
    return min(max(own / general, 1 / _MOST_TIMES), _MOST_TIMES)


def _found(checks: DeviceChecks | None) -> str:
    if checks is None or not checks.misread:
        return ""
    return f" At this device {checks.misread} of {checks.checked} compared reads were misreads."


def characters_probability(characters: Sequence[Character], confidence: float, positions: Sequence[int]) -> float:
    """Probability that the reader is right about these characters: never less than about the whole text."""
    fixed = math.prod(characters[position].first_probability for position in positions)
    return min(max(confidence, fixed, _LEAST), 1.0)


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
    fixed: tuple[int, ...] | None = None,
) -> str:
    """Say in a dispatcher's words why it matched, what speaks against it, and how sure the reader was.

    `fixed` are the positions that a partial plate fixes; None for a whole plate.
    """
    if fixed is not None:
        places = ", ".join(str(position + 1) for position in fixed)
        text = f"Partial plate: character{'s' if len(fixed) > 1 else ''} {places} as listed, others not known; "
    elif differences:
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
    meant = "listed plate" if fixed is None else "known characters"
    return f"{text}Reader {_percent(probability)} sure of the {meant}."


def _known(difference: Difference) -> str:
    share = misread_as(difference.entry_character, difference.read_character)
    return f" (misread so about 1 time in {round(1 / share)})" if share >= _WORTH_SAYING else ""


def short_state(state: str) -> str:
    """Name a state as people do: CA for US-CA; empty when it is not known."""
    return "" if state == UNKNOWN else state.removeprefix("US-")


def _percent(probability: float) -> str:
    return "less than 1 %" if probability < 0.01 else f"{min(int(probability * 100), 99)} %"
