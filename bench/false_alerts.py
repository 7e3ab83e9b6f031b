"""How many innocent vehicles would be called out, beside how many listed ones would be missed.

`make bench-false-alerts` draws 10 million innocent plates and lists of 300,000 and a million entries of the same
syntax (one digit, three letters, three digits: all of them as close together as they can be), lets every plate be read
with the reader's own confusions (alprcore.confusions), and counts alerts under our rule, by grade, and under the
documented defaults of Genetec's matcher: one character of a class, whatever the reader thought of it, and exact only
for lists of millions. Scores come from bench/reader_scores.csv: what the reader said of characters with known truth.
The rule is worked out on arrays here; the same run compares it with alprcore.matching on a sample and stops if they
differ. Then listed vehicles are read: how many each rule finds, and how many innocents it costs when both find as many.
Writes bench/results/false-alerts.md. Seeded: the same numbers every time.
"""

import argparse
import csv
import random
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from alpr_matcher.lists.partials import PartialView
from alprcore.matching import SECOND_CANDIDATE_FLOOR, match_read
from alprcore.model import Character, EntryDetails, Grade
from alprcore.plates import CONFUSED, misread_as
from bench.report import Report
from tests.unit.matcher.build import NOW, PROFILE, make_entry, make_read, make_version, versions_of

Array = npt.NDArray[np.generic]
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CODE = {letter: code for code, letter in enumerate(ALPHABET)}
FORM = (range(1, 10), *[range(10, 36)] * 3, *[range(10)] * 3)
"""Which characters may stand where: the current passenger series of California."""
PEER_CLASSES = ("0ODQ", "1I", "2Z", "5S", "8B", "6G")
SCORES = Path(__file__).with_name("reader_scores.csv")
SEED = 20_261
BLOCK = 1_000_000
STATES = ("US-CA", "US-NV", "unknown")
READ_STATES, ENTRY_STATES = (0.80, 0.05, 0.15), (0.70, 0.20, 0.10)
BELOW = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.01)
"""Below which score a character counts as doubtful; above 1 every one does."""
PROVEN = 4_000


def folded(groups: tuple[str, ...]) -> Array:
    """Code of the first character of each character's class."""
    fold = np.arange(len(ALPHABET))
    for group in groups:
        fold[[CODE[letter] for letter in group]] = CODE[group[0]]
    return fold


OURS, PEERS = folded(CONFUSED), folded(PEER_CLASSES)
WEIGHTS = len(ALPHABET) ** np.arange(len(FORM), dtype=np.int64)


def draw(rng: np.random.Generator, count: int) -> Array:
    """Plates as rows of codes."""
    return np.stack([rng.integers(span[0], span[-1] + 1, count, dtype=np.uint8) for span in FORM], axis=1)


def numbers(plates: Array, fold: Array | None = None) -> Array:
    """One number a plate, or a skeleton."""
    return (plates if fold is None else fold[plates]).astype(np.int64) @ WEIGHTS


def text(plate: Array) -> str:
    """Letters of a row."""
    return "".join(ALPHABET[code] for code in plate)


class Reader:
    """Reads plates as the recognizer does: its confusions for the letters, its recorded scores for how sure it is."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        matrix = np.array([[misread_as(true, read) for read in ALPHABET] for true in ALPHABET])
        self.right = np.diag(matrix).copy()
        np.fill_diagonal(matrix, 0)
        self.wrong = matrix / matrix.sum(1, keepdims=True)
        self.sure: dict[int, list[tuple[float, int, float]]] = defaultdict(list)
        self.unsure: dict[tuple[int, int], list[tuple[float, bool, float]]] = defaultdict(list)
        self.any: list[tuple[float, bool, float]] = []
        with SCORES.open(encoding="utf-8") as file:
            for true, read, first, second, other in csv.reader(file):
                if true == read:
                    self.sure[CODE[read]].append((float(first), CODE.get(second, -1), float(other)))
                else:
                    row = float(first), second == true, float(other)
                    self.unsure[CODE[true], CODE[read]].append(row)
                    self.any.append(row)

    def read(self, plates: Array) -> Array:
        """Texts that are read of these plates."""
        read = plates.copy()
        rows, places = np.nonzero(self.rng.random(plates.shape, np.float32) >= self.right[plates])
        true = plates[rows, places]
        for letter in np.unique(true):
            here = true == letter
            read[rows[here], places[here]] = self.rng.choice(len(ALPHABET), here.sum(), p=self.wrong[letter])
        return read

    def scores(self, plates: Array, read: Array) -> tuple[Array, Array, Array]:
        """First score, second candidate, its score, of every character."""
        first, other = np.zeros(read.shape), np.zeros(read.shape)
        second = np.full(read.shape, -1)
        for letter, rows in self.sure.items():
            at = np.nonzero((plates == letter) & (read == letter))
            chosen = self.rng.integers(0, len(rows), len(at[0]))
            first[at], second[at], other[at] = (np.array(column)[chosen] for column in zip(*rows, strict=True))
        for row, place in zip(*np.nonzero(plates != read), strict=True):
            true = int(plates[row, place])
            seen = self.unsure.get((true, int(read[row, place]))) or self.any
            first[row, place], told, other[row, place] = seen[int(self.rng.integers(len(seen)))]
            second[row, place] = true if told else -1
        return first, second, other


@dataclass(frozen=True)
class Listed:
    """A list, sorted by skeleton."""

    plates: Array
    states: Array
    skeletons: Array

    @classmethod
    def drawn(cls, rng: np.random.Generator, count: int) -> "Listed":
        """Draw different plates with a state each."""
        plates = draw(rng, count + count // 50)
        _, first = np.unique(numbers(plates), return_index=True)
        plates = plates[rng.permutation(first)[:count]]
        plates = plates[np.argsort(numbers(plates, OURS), kind="stable")]
        return cls(plates, rng.choice(3, len(plates), p=ENTRY_STATES), numbers(plates, OURS))

    def holds(self, plates: Array) -> Array:
        """Whether these plates are really listed."""
        return np.isin(numbers(plates), numbers(self.plates))


@dataclass
class Pairs:
    """Reads and the entries of their skeleton, with all that the rules ask."""

    rows: Array
    entries: Array
    differs: Array
    doubt: Array
    """Score below which the threshold must lie for each pair to pass; 0 where no threshold is needed."""
    peer: Array
    state: Array

    def ours(self, below: float, most: int) -> Array:
        """Pairs that alert under our rule."""
        return (self.differs <= most) & (self.doubt < below)

    def grades(self, below: float, most: int) -> dict[Grade, Array]:
        """The same by grade."""
        exact = self.differs == 0
        return {
            Grade.EXACT: exact & (self.state == 1),
            Grade.EXACT_STATE_UNKNOWN: exact & (self.state == 0),
            Grade.STATE_MISMATCH: exact & (self.state == -1),
            Grade.LOOKALIKE: ~exact & self.ours(below, most),
        }


@dataclass
class Reads:
    """Reads that have candidates, and where they came from."""

    plates: Array
    read: Array
    states: Array
    scores: tuple[Array, Array, Array]


def compare(reader: Reader, plates: Array, listed: Listed) -> tuple[Reads, Pairs, Array]:
    """Read plates and pair what was read with the entries of its skeleton; also which plates the kept reads are of."""
    read = reader.read(plates)
    states = reader.rng.choice(3, len(read), p=READ_STATES)
    skeletons = numbers(read, OURS)
    low, high = (listed.skeletons.searchsorted(skeletons, side) for side in ("left", "right"))
    (kept,) = np.nonzero(high > low)
    counts = (high - low)[kept]
    rows = np.repeat(np.arange(len(kept)), counts)
    entries = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts) + np.repeat(low[kept], counts)
    reads = Reads(plates[kept], read[kept], states[kept], reader.scores(plates[kept], read[kept]))
    first, second, other = (part[rows] for part in reads.scores)
    here, there = reads.read[rows], listed.plates[entries]
    apart = here != there
    told = (second == there) & (other >= SECOND_CANDIDATE_FLOOR)
    doubt = np.where(apart & ~told, first, 0.0).max(1)
    peer = (apart.sum(1) <= 1) & (PEERS[here] == PEERS[there]).all(1)
    ours, theirs = reads.states[rows], listed.states[entries]
    state = np.where((ours == 2) | (theirs == 2), 0, np.where(ours == theirs, 1, -1))
    return reads, Pairs(rows, entries, apart.sum(1), doubt, peer, state), kept


def prove(reads: Reads, pairs: Pairs, listed: Listed, below: float, most: int) -> int:
    """Judge a sample of pairs with alprcore.matching; raises where the arrays say anything else."""
    chosen = random.Random(SEED).sample(range(len(pairs.rows)), min(PROVEN, len(pairs.rows)))
    grades = pairs.grades(below, most)
    for pair in chosen:
        row, entry = pairs.rows[pair], pairs.entries[pair]
        first, second, other = (part[row] for part in reads.scores)
        letters = text(reads.read[row])
        read = make_read(letters, state=STATES[reads.states[row]])
        characters = tuple(
            Character(letter, float(a), ALPHABET[b] if b >= 0 else "", float(c))
            for letter, a, b, c in zip(letters, first, second, other, strict=True)
        )
        object.__setattr__(read, "characters", characters)
        details = EntryDetails(state=STATES[listed.states[entry]])
        hits = match_read(
            read,
            [make_entry(text(listed.plates[entry]))],
            lambda _entry, details=details: details,
            versions_of(make_version()),
            PROFILE,
            NOW,
        )
        expected = [grade for grade, held in grades.items() if held[pair]]
        if [hit.grade for hit in hits] != expected:
            raise SystemExit("the rule on arrays and alprcore.matching differ: no figure here would be ours")
    return len(chosen)


def share(count: float, of: int) -> str:
    """Write a share so that a millionth can be read."""
    return f"{100 * count / of:.4f} %"


def innocents(report: Report, listed: Listed, count: int, name: str) -> tuple[dict[float, float], float]:
    """Count alerts on innocents; answers the rate of our rule by threshold, and the peer's."""
    reader = Reader(np.random.default_rng((SEED, len(listed.plates), 1)))
    below, most = PROFILE.lookalike_below, PROFILE.lookalike_positions
    by_grade: dict[Grade, int] = defaultdict(int)
    by_threshold: dict[float, int] = defaultdict(int)
    innocent = peer = exact = ours = proven = 0
    for start in range(0, count, BLOCK):
        plates = draw(reader.rng, min(BLOCK, count - start))
        plates = plates[~listed.holds(plates)]
        innocent += len(plates)
        reads, pairs, _ = compare(reader, plates, listed)
        proven = proven or prove(reads, pairs, listed, below, most)
        for grade, held in pairs.grades(below, most).items():
            by_grade[grade] += len(np.unique(pairs.rows[held]))
        for threshold in BELOW:
            by_threshold[threshold] += len(np.unique(pairs.rows[pairs.ours(threshold, most)]))
        ours += len(np.unique(pairs.rows[pairs.ours(below, most)]))
        peer += len(np.unique(pairs.rows[pairs.peer]))
        exact += len(np.unique(pairs.rows[pairs.differs == 0]))
    report.row(f"{name}: innocent plates drawn", f"{innocent:,}", f"{proven:,} pairs judged alike by alprcore.matching")
    for grade in (Grade.EXACT, Grade.EXACT_STATE_UNKNOWN, Grade.STATE_MISMATCH, Grade.LOOKALIKE):
        report.row(f"{name}: false alerts, ours, {grade.value}", share(by_grade[grade], innocent), "")
    report.row(f"{name}: false alerts, ours, whole plates", share(ours, innocent), f"default: doubtful below {below}")
    report.row(f"{name}: false alerts, Genetec's default", share(peer, innocent), "one character of a class")
    report.row(f"{name}: false alerts, Genetec's for millions", share(exact, innocent), "exact only: misreads alone")
    return {t: n / innocent for t, n in by_threshold.items()}, peer / innocent


def wanted(report: Report, listed: Listed, count: int, name: str, rates: dict[float, float], peer_rate: float) -> None:
    """Read listed vehicles: how many are found, and what it costs when both rules find as many."""
    rng = np.random.default_rng((SEED, len(listed.plates), 2))
    reader, most = Reader(rng), PROFILE.lookalike_positions
    own = rng.integers(0, len(listed.plates), count)
    _, pairs, kept = compare(reader, listed.plates[own], listed)
    mine = pairs.entries == own[kept][pairs.rows]
    misread = count - int((mine & (pairs.differs == 0)).sum())

    def found(alerts: Array) -> int:
        return int((alerts & mine).sum())

    default, peer = found(pairs.ours(PROFILE.lookalike_below, most)), found(pairs.peer)
    exact = count - misread
    report.row(f"{name}: listed vehicles read", f"{count:,}", f"{share(misread, count)} of them not as listed")
    for who, seen in (("ours", default), ("Genetec's default", peer), ("exact only", exact)):
        report.row(
            f"{name}: found, {who}", share(seen, count), f"{share(seen - exact, max(1, misread))} of the misread"
        )
    for threshold in BELOW:
        seen = found(pairs.ours(threshold, most))
        report.row(
            f"{name}: ours, doubtful below {min(threshold, 1):g}",
            share(seen, count),
            f"{100 * rates[threshold]:.4f} % false",
        )
    equal = next((t for t in BELOW if found(pairs.ours(t, most)) >= peer), BELOW[-1])
    report.row(
        f"{name}: where both find as many, false alerts of ours",
        f"{100 * rates[equal]:.4f} %",
        f"Genetec's {100 * peer_rate:.4f} %: {peer_rate / max(rates[equal], 1e-9):.1f} times; ours below {min(equal, 1):g}",
    )


def partials(report: Report, live: int, count: int) -> None:
    """Try partial plates of four known characters on innocent reads."""
    rng = np.random.default_rng((SEED, 3))
    view = PartialView()
    for number, plate in enumerate(draw(rng, live)):
        known = set(rng.choice(len(FORM), 4, replace=False).tolist())
        pattern = "".join(ALPHABET[code] if place in known else "?" for place, code in enumerate(plate))
        entry = make_entry(pattern, code="PARTIAL", key=str(number))
        view.take(entry.entry_id, entry)
    reads = [text(plate) for plate in Reader(rng).read(draw(rng, count))]
    begun = time.process_time()
    called = sum(bool(view.entries(read)) for read in reads)
    taken = (time.process_time() - begun) / count
    report.row(
        f"partial: false alerts, {live:,} live of 4 known characters",
        share(called, count),
        "always advisory, never whole",
    )
    report.row(f"partial: processor time a read, {live:,} live", f"{taken * 1e6:.1f} µs", "target 1,000 µs")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--innocents", type=int, default=10_000_000)
    parser.add_argument("--listed", type=int, default=300_000, help="reads of listed vehicles")
    given = parser.parse_args()
    report = Report("false-alerts", "False alerts: innocent vehicles called out, listed vehicles found")
    for entries in (300_000, 1_000_000):
        listed = Listed.drawn(np.random.default_rng((SEED, entries)), entries)
        name = f"{entries:,} entries"
        rates, peer = innocents(report, listed, given.innocents, name)
        wanted(report, listed, given.listed, name, rates, peer)
    for live in (10, 100, 10_000):
        partials(report, live, 100_000)
    report.write()


if __name__ == "__main__":
    main()
