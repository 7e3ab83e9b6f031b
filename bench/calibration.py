"""Does the reader know when it is unsure? Stated probability against truth, and which characters it takes for which.

`make bench-calibration DATA=<folder with labels.csv>` reads the photographs kept back from training (training/split.py),
as far as no other photograph shows the same plate, and drawn plates of a seed that no training uses, and writes bench/results/calibration.md: reliability by bins, expected
calibration error (Naeini et al. 2015), wrong texts among those published at the default threshold, why the others are
kept back, and the commonest confusions. `--write-confusions` also writes libs/alprcore/src/alprcore/confusions.py, by which
the matcher weighs look-alikes. No text of a real plate is written anywhere.
"""

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alpr_recognizer.ctc import Text
from alpr_recognizer.models.detector import Found
from alpr_recognizer.models.look import Models
from alpr_recognizer.quality import PUBLISHED_FROM, Quality, gate, measure
from alprcore.model import Box
from alprcore.plates import CONFUSED, lookalike_positions, skeleton
from bench.report import Report
from bench.samples import ALPHABET, Labeled, drawn, photographs

ROOT = Path(__file__).resolve().parents[1]

from alprcore.matching import plate_probability  # noqa: E402

WEIGHTS = ROOT / "services/recognizer/src/alpr_recognizer/weights"
TABLE = ROOT / "libs/alprcore/src/alprcore/confusions.py"
SEED = 20_260
"""Of the drawn plates: the trainings begin at seeds far from it."""
EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
GOAL_ECE, GOAL_WRONG = 0.03, 1 / 200
LIKE, UNLIKE = 0.5, 0.02
"""Pseudo-counts of the prior: for each character of the same look-alike group, and for every other one. A pair that was
never seen among several hundred samples is thus held to be about a tenth or a hundredth of a percent likely."""
COUNTED_FROM = 0.3
"""Texts less sure than this are no reads of a plate but of its surroundings, and say nothing of pairs of characters."""
MOST_WRONG = 3


@dataclass(frozen=True)
class Seen:
    """What the models made of one labeled plate."""

    labeled: Labeled
    text: Text
    quality: Quality

    @property
    def plate(self) -> str:
        """The text that was read."""
        return self.text.plate.reveal()

    @property
    def right(self) -> bool:
        """Letter for letter, but with O, Q as 0 and I as 1 where the labels do not tell them apart."""
        fold = str.maketrans("" if self.labeled.exact else "OQI", "" if self.labeled.exact else "001")
        return self.plate.translate(fold) == self.labeled.text.translate(fold)

    @property
    def reason(self) -> str:
        """Why it would not be published; empty when it would."""
        return gate(self.quality, self.text)


def look(models: Models, samples: Iterable[Labeled]) -> list[Seen]:
    """Read every sample where its plate is: photographed scenes where the detector finds it, the others as labeled."""
    seen: list[Seen] = []
    for labeled in samples:
        picture = models.backend.put(labeled.picture)
        whole = labeled.box[2:] == (labeled.picture.shape[1], labeled.picture.shape[0])
        found = Found(Box(*labeled.box), 1.0, labeled.corners)
        if labeled.source != "drawn" and not whole:
            near = [one for one in models.detector.detect([picture])[0] if _overlap(one.box, found.box) >= 0.5]
            found = max(near, key=lambda one: one.score, default=found)
        (candidate,) = models.look([picture], [[found]])[0].candidates
        seen.append(Seen(labeled, candidate.text, candidate.quality or measure(labeled.picture, labeled.corners)))
    return seen


def _overlap(one: Box, other: Box) -> float:
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (one.width * one.height + other.width * other.height - shared)


def error(seen: list[Seen]) -> float:
    """Expected calibration error: over the bins, weighted, |share right - mean stated probability|."""
    return sum(len(part) * abs(_stated(part) - _right(part)) for _, part in bins(seen)) / max(1, len(seen))


def bins(seen: list[Seen]) -> list[tuple[str, list[Seen]]]:
    """Sort by stated probability into `EDGES`; the top is divided finer, because that is where plates are."""
    parts: dict[int, list[Seen]] = defaultdict(list)
    for one in seen:
        parts[min(int(np.searchsorted(EDGES, one.text.confidence, "right")), len(EDGES) - 1)].append(one)
    return [(f"{EDGES[at - 1]:.2f} to {EDGES[at]:.2f}", part) for at, part in sorted(parts.items())]


def _stated(part: list[Seen]) -> float:
    return sum(one.text.confidence for one in part) / len(part)


def _right(part: list[Seen]) -> float:
    return sum(one.right for one in part) / len(part)


def most(wrong: int, count: int) -> float:
    """Upper end of the 95 % interval of a share (Wilson)."""
    if not count:
        return 1.0
    z, share = 1.96, wrong / count
    middle = share + z * z / (2 * count)
    return (middle + z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))) / (1 + z * z / count)


def confusions(seen: list[Seen]) -> dict[str, Counter[str]]:
    """Count true character -> read character over texts of the right length that are mostly right."""
    counts: dict[str, Counter[str]] = {letter: Counter() for letter in sorted(ALPHABET)}
    for one in seen:
        true, read = one.labeled.text, one.plate
        if not one.labeled.exact or len(true) != len(read) or one.text.confidence < COUNTED_FROM:
            continue
        if sum(a != b for a, b in zip(true, read, strict=True)) <= MOST_WRONG:
            for a, b in zip(true, read, strict=True):
                counts[a][b] += 1
    return counts


def smoothed(counts: dict[str, Counter[str]]) -> dict[str, dict[str, float]]:
    """P(read | true): counts and the prior's pseudo-counts, each row summing to 1."""
    table = {}
    for true, row in counts.items():
        group = next((group for group in CONFUSED if true in group), true)
        weights = {read: row[read] + (1.0 if read == true else LIKE if read in group else UNLIKE) for read in counts}
        total = sum(weights.values())
        table[true] = {read: weight / total for read, weight in weights.items()}
    return table


def write_table(table: dict[str, dict[str, float]], counts: dict[str, Counter[str]], origin: str) -> None:
    """Write the matrix as the constant that alprcore ships: pairs from one in ten thousand on, and what the rest get."""
    characters = sum(sum(row.values()) for row in counts.values())
    lines = [
        '"""How often the reader takes one character for another: P(read | true), measured by bench/calibration.py.',
        "",
        f"Made of {characters:,} characters of {origin}, with the prior that stands there. Pairs that",
        "are missing have `REST`. Run `make bench-calibration ARGS=--write-confusions` after a change of the reader.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Final",
        "",
    ]
    named = {t: {r: p for r, p in row.items() if r != t and p >= 1e-4} for t, row in table.items()}
    left = [p for t, row in table.items() for r, p in row.items() if r != t and r not in named[t]]
    lines += [
        f"REST: Final = {sum(left) / max(1, len(left)):.6f}",
        "",
        "MISREAD: Final[dict[str, dict[str, float]]] = {",
    ]
    for true, row in named.items():
        pairs = ", ".join(f'"{read}": {p:.5f}' for read, p in sorted(row.items(), key=lambda pair: (-pair[1], pair[0])))
        lines.append(f'    "{true}": {{{pairs}}},')
    lines += ["}  # fmt: skip", '"""By true character, then by the character read, most frequent first."""', ""]
    TABLE.write_text("\n".join(lines), encoding="utf-8")


def weigh(seen: list[Seen]) -> tuple[int, float, float]:
    """Judge the matcher: over reads whose truth is another plate of the same skeleton, and over look-alikes that are not.

    For each read every plate that differs in one look-alike is a candidate, as if it were listed. Returns how many
    candidates there are, the mean probability stated for them, and the share that was the truth.
    """
    stated, true = [], 0
    for one in seen:
        read = one.plate
        if not one.labeled.exact or not read or one.text.confidence < COUNTED_FROM:
            continue
        for at, letter in enumerate(read):
            group = next((group for group in CONFUSED if letter in group), "")
            for other in group.replace(letter, ""):
                listed = read[:at] + other + read[at + 1 :]
                stated.append(plate_probability(one.text.characters, one.text.confidence, listed))
                true += listed == one.labeled.text
    return len(stated), sum(stated) / max(1, len(stated)), true / max(1, len(stated))


def report(seen: list[Seen], report: Report) -> None:
    """Add every figure."""
    photographed = [one for one in seen if one.labeled.source != "drawn"]
    for name, part in (("photographs kept back", photographed), ("drawn plates", [*filter(_drawn, seen)])):
        if not part:
            continue
        report.row(f"{name}: read right", f"{_right(part):.3f}", f"of {len(part)}")
        report.row(f"{name}: expected calibration error", f"{error(part):.3f}", f"goal {GOAL_ECE}")
        for span, inside in bins(part):
            report.row(
                f"{name}: stated {span}", f"right {_right(inside):.3f}", f"stated {_stated(inside):.3f}, {len(inside)}"
            )
        published = [one for one in part if not one.reason]
        wrong = sum(not one.right for one in published)
        share = f"{wrong} of {len(published)}"
        report.row(
            f"{name}: wrong among published, from {PUBLISHED_FROM}",
            share,
            f"goal {GOAL_WRONG:.3f}; at most {most(wrong, len(published)):.3f} (95 %); {len(published) / len(part):.3f} published",
        )
        for reason, count in sorted(Counter(one.reason for one in part if one.reason).items()):
            inside = [one for one in part if one.reason == reason]
            report.row(f"{name}: kept back as {reason}", str(count), f"right {_right(inside):.3f}")
        lengths = Counter(
            (len(one.plate) > len(one.labeled.text)) - (len(one.plate) < len(one.labeled.text)) for one in part
        )
        report.row(f"{name}: a character too many or too few", f"{lengths[1]} and {lengths[-1]}", f"of {len(part)}")
    for true, read, share, count in commonest(confusions(seen)):
        report.row(f"{true} read as {read}", f"{share:.3f}", f"{count} times")
    candidates, stated, found = weigh(seen)
    report.row("look-alike listed: probability on the hit", f"{stated:.5f}", f"true {found:.5f} of {candidates}")


def _drawn(one: Seen) -> bool:
    return one.labeled.source == "drawn"


def commonest(counts: dict[str, Counter[str]]) -> list[tuple[str, str, float, int]]:
    """Give the dozen pairs with the largest share of their true character."""
    pairs = [
        (true, read, count / row.total(), count)
        for true, row in counts.items()
        for read, count in row.items()
        if read != true and count > 1
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:12]


def folded_apart(counts: dict[str, Counter[str]]) -> float:
    """Share of the wrong characters that no skeleton brings together: the matcher cannot find these plates."""
    wrong = [(true, read, n) for true, row in counts.items() for read, n in row.items() if read != true]
    apart = sum(
        n for true, read, n in wrong if lookalike_positions(read, true) is None or skeleton(read) != skeleton(true)
    )
    return apart / max(1, sum(n for _, _, n in wrong))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", type=Path, nargs="?", help="folder with labels.csv; without it only drawn plates are read"
    )
    parser.add_argument("--drawn", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write-confusions", action="store_true")
    given = parser.parse_args()
    models = Models(WEIGHTS, threads=given.threads, wide=False)
    seen = look(models, photographs(given.data, kept_back=True)) if given.data else []
    photographed = len(seen)
    seen += look(models, drawn(SEED, given.drawn))
    result = Report("calibration", "Calibration: what the reader says of its own texts, against the truth")
    report(seen, result)
    counts = confusions(seen)
    result.row(
        "wrong characters outside the look-alike groups", f"{folded_apart(counts):.2f}", "the matcher never sees these"
    )
    result.write()
    if given.write_confusions:
        write_table(smoothed(counts), counts, f"{photographed:,} photographs and {given.drawn:,} drawn plates")


if __name__ == "__main__":
    main()
