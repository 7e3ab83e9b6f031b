"""One read per vehicle passage: which plates belong together and what they say (`passages`), and what of a partition is
done, so that a restart comes to the same (`progress`).
"""

from alpr_recognizer.sighting.passages import (
    Candidate,
    Glimpse,
    Observed,
    Passage,
    Shot,
    Stamp,
    key_of,
    make_read,
    news,
    next_revision,
    observe,
    retraction,
)
from alpr_recognizer.sighting.progress import DONE, LIMIT, Progress

__all__ = [
    "DONE",
    "LIMIT",
    "Candidate",
    "Glimpse",
    "Observed",
    "Passage",
    "Progress",
    "Shot",
    "Stamp",
    "key_of",
    "make_read",
    "news",
    "next_revision",
    "observe",
    "retraction",
]
