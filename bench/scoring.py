"""How plates that were read compare with labels: pure, and the same for every system.

A label is one plate of one picture. `exact`: its text is among those read in the picture. `folded`: the same with O and Q
counted as 0, I as 1, because US labels write O as 0. `best1`: folded, and only the surest text of the picture counts.
`recall`: its box is met at IoU .5 (whole pictures only). `false`: texts read that no label has, a picture with labeled
text. `state`: the state is right, where one is labeled.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Box = tuple[float, float, float, float]
MEASURES = ("exact", "folded", "best1", "recall", "false", "state")
_FOLD = str.maketrans("OQI", "001")


class Plate(NamedTuple):
    """One plate that was read: text, box (x, y, width, height), state or "", and how sure."""

    text: str
    box: Box
    state: str
    score: float


@dataclass(frozen=True, slots=True)
class Label:
    """One plate of one picture, as people wrote it down; "" and None for what they left out."""

    file: str
    text: str
    box: Box | None
    state: str
    crop: bool


@dataclass
class Tally:
    """Hits and tries of every measure, for one set of pictures."""

    pictures: int = 0
    hits: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    tries: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def count(self, measure: str, hit: int, tries: int = 1) -> None:
        """Add what was tried and what of it was met."""
        self.hits[measure] += hit
        self.tries[measure] += tries

    def share(self, measure: str) -> float | None:
        """Give hits over tries; None where nothing was tried."""
        return self.hits[measure] / self.tries[measure] if self.tries[measure] else None

    def row(self) -> str:
        """Give all measures in the order of MEASURES."""
        shares = [self.share(measure) for measure in MEASURES]
        return " ".join("–" if share is None else f"{share:.3f}" for share in shares)


def label_of(row: Mapping[str, str]) -> Label:
    """Read one row of labels.csv."""
    x, y, width, height = (row[key] for key in "xywh")
    box = (float(x), float(y), float(width), float(height)) if width else None
    return Label(row["file"], clean(row["plate_text"]), box, row.get("state") or "", row["kind"] == "crop")


def clean(text: str) -> str:
    """Keep A-Z and digits."""
    return "".join(c for c in text.upper() if c.isascii() and c.isalnum())


def fold(text: str) -> str:
    """Take for one what US labels do not tell apart."""
    return clean(text).translate(_FOLD)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(width, 0.0) * max(height, 0.0)
    return both / (a[2] * a[3] + b[2] * b[3] - both) if both else 0.0


def score(labels: Iterable[Label], read: Mapping[str, Sequence[Plate]]) -> dict[str, Tally]:
    """Compare, by set: the folder in which a picture lies."""
    by_file: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        by_file[label.file].append(label)
    tallies: dict[str, Tally] = defaultdict(Tally)
    for file, plates in by_file.items():
        tally, mine = tallies[file.split("/")[0]], read.get(file, ())
        tally.pictures += 1
        best = max(mine, key=lambda plate: plate.score, default=None)
        for label in plates:
            if label.text:
                tally.count("exact", any(clean(plate.text) == label.text for plate in mine))
                tally.count("folded", any(fold(plate.text) == fold(label.text) for plate in mine))
                tally.count("best1", best is not None and fold(best.text) == fold(label.text))
            if label.state:
                tally.count("state", any(plate.state.lower() == label.state.lower() for plate in mine))
            if label.box is not None and not label.crop:
                tally.count("recall", any(overlap(label.box, plate.box) >= 0.5 for plate in mine))
        true = {fold(label.text) for label in plates if label.text}
        if true:
            tally.count("false", sum(fold(plate.text) not in true for plate in mine))
    return dict(sorted(tallies.items()))
