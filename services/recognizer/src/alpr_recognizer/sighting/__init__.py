"""One read per vehicle passage: which plates belong together (`passages`), what they say and when it is told (`telling`),
what a vehicle leaves behind that stands in view (`trails`), which frames are looked at when there are too many (`thinning`),
and what of a partition is done, so that a restart comes to the same (`progress`).
"""

from alpr_recognizer.sighting.parts import Candidate, Glimpse, Passage, Shot, Trail
from alpr_recognizer.sighting.passages import Observed, observe
from alpr_recognizer.sighting.progress import DONE, LIMIT, Progress
from alpr_recognizer.sighting.telling import (
    Stamp,
    fuse,
    key_of,
    make_read,
    news,
    next_revision,
    retraction,
    settled,
    unreadable_reason,
)
from alpr_recognizer.sighting.thinning import next_level
from alpr_recognizer.sighting.trails import kept, trail_of

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
    "Trail",
    "fuse",
    "kept",
    "key_of",
    "make_read",
    "news",
    "next_level",
    "next_revision",
    "observe",
    "retraction",
    "settled",
    "trail_of",
    "unreadable_reason",
]
