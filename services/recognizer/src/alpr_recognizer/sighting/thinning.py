"""Which frames are looked at when they come faster than they can be looked at: near-duplicates are left out first.

A frame is a near-duplicate when its camera was looked at a moment before. How long a moment is depends on the level, which
rises while frames wait ever longer, up to a bound at which a vehicle in view for a second is still seen twice. A camera
with a plate in view that is not yet read surely is looked at twice as often, so that its last good view is not lost.

A level holds from an offset that no frame in hand can have: it is written beside the committed offset before it counts, so
that a successor leaves out the same frames and gives the same passages the same names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

SPACING_MS: Final = (0, 100, 200, 400)
"""By level: least time between two looks at a camera, milliseconds of capture. At 60 mph a vehicle is in view for about a
second: the last level still sees it twice."""
LATE_S: Final = 1.0
"""Frames may wait so long before any are left out: half of the two seconds that a
dispatcher is promised from capture to hit; the rest of the way needs the other half."""
ON_TIME_S: Final = 0.5
"""From here down the level falls again."""

_CATCHING_UP: Final = 0.1  # of the time that passed: a wait that falls faster needs no help


def next_level(level: int, waited_s: float, before_s: float, elapsed_s: float, *, idle: bool) -> int:
    """Choose the level: `waited_s` is how much longer frames wait than at best, `before_s` the same `elapsed_s` ago.

    `idle` says that all frames had been looked at in between. A wait that shrinks by itself, as after a restart, raises
    nothing.
    """
    if idle or waited_s <= ON_TIME_S:
        return max(0, level - 1)
    if waited_s > LATE_S and waited_s > before_s - _CATCHING_UP * elapsed_s:
        return min(level + 1, len(SPACING_MS) - 1)
    return level


def spacing_ms(level: int, *, settled: bool) -> int:
    """Tell how far apart looks at a camera are at this level; `settled`: it shows no plate that is not read surely."""
    return SPACING_MS[level] if settled else SPACING_MS[level] // 2


@dataclass(slots=True)
class Thinning:
    """One partition's levels by offset, and when each of its cameras was last looked at (capture, microseconds)."""

    levels: list[tuple[int, int]] = field(default_factory=list)
    looked: dict[str, int] = field(default_factory=dict)

    def level_at(self, offset: int) -> int:
        """Tell the level for a frame."""
        return next((level for begin, level in reversed(self.levels) if begin <= offset), 0)

    def plan(self, offset: int, level: int) -> None:
        """Let a level hold from an offset on, unless it does already."""
        if (self.levels[-1][1] if self.levels else 0) != level:
            self.levels.append((max(offset, self.levels[-1][0] + 1 if self.levels else offset), level))

    def forget(self, before: int) -> None:
        """Forget levels that no frame from this offset on can have."""
        while len(self.levels) > 1 and self.levels[1][0] <= before:
            del self.levels[0]
        if len(self.levels) == 1 and self.levels[0] == (self.levels[0][0], 0) and self.levels[0][0] <= before:
            self.levels.clear()

    @property
    def active(self) -> bool:
        """Tell whether frames are being left out, or will be."""
        return any(level for _, level in self.levels)

    def spacing_us(self, offset: int) -> int:
        """Give the widest spacing of looks for a frame, microseconds."""
        return spacing_ms(self.level_at(offset), settled=True) * 1000

    def leaves_out(self, camera: str, captured_us: int, offset: int, *, settled: bool) -> bool:
        """Decide whether a frame is a near-duplicate of one that was looked at. The first after a gap never is."""
        last = self.looked.get(camera)
        spacing = spacing_ms(self.level_at(offset), settled=settled)
        return last is not None and abs(captured_us - last) < spacing * 1000

    def look(self, camera: str, captured_us: int) -> None:
        """Remember a look at a camera."""
        self.looked[camera] = captured_us
