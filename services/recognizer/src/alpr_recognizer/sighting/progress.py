"""What of one partition of `frames` is done, so exactly that a killed worker's successor rebuilds the same passages.

The committed offset is that of the oldest frame of an open passage. Beside it, in the commit's metadata, stands what must
not be done again when the frames from there on are read once more: frames done with, plates of a frame that belong to
passages which have ended, and how far each camera's numbering had come.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from alpr_recognizer.sighting.parts import Trail
from alpr_recognizer.sighting.thinning import Thinning
from alprcore.model import Box, from_us, to_us

LIMIT: Final = 4096
"""Bytes of metadata that a broker keeps with an offset."""
DONE: Final = -1
"""In place of a mask: nothing of this frame is left to do."""

_CAMERAS: Final = 100  # about 27 bytes each; the most recently seen ones
_TRAILS: Final = 48  # about 30 bytes each; the newest ones
_ROOM: Final = ((_TRAILS, _CAMERAS), (_TRAILS // 4, _CAMERAS), (0, _CAMERAS), (0, _CAMERAS // 2), (0, _CAMERAS // 8))
"""Trails and cameras that a note names, until it fits: forgetting them may repeat a read, never lose one."""
_RECENT: Final = 256  # frame ids remembered for each camera: at 10 frames a second half a minute


@dataclass(slots=True)
class _Run:
    """An unbroken run of a camera's sequence numbers, and the latest capture in it."""

    low: int
    high: int
    captured_us: int

    def covers(self, sequence: int, captured_us: int) -> bool:
        return self.low <= sequence <= self.high and captured_us <= self.captured_us

    def add(self, sequence: int, captured_us: int) -> None:
        if sequence == self.high + 1:
            self.high = sequence
        elif sequence == self.low - 1:
            self.low = sequence
        elif sequence > self.high or captured_us > self.captured_us:  # a gap, or the camera counts from the start again
            self.low = self.high = sequence
        self.captured_us = max(self.captured_us, captured_us)


def _short(camera_id: str) -> str:
    return base64.b64encode(hashlib.sha256(camera_id.encode()).digest()[:6]).decode()


class Progress:
    """One partition's frames: those done, those whose passages are open, and the duplicates among them.

    The base is the offset that may be committed: the oldest frame of an open passage, else the next frame.

    | field | meaning | in the metadata | forgotten |
    |---|---|---|---|
    | next | offset of the frame expected next | as the base when nothing is open | never |
    | _open | offset → mask of its plates whose passages go on | no: they are read again | when they end |
    | _consumed | offset → DONE, or mask of its plates whose passages have ended | yes | below the base |
    | _uncounted | offsets of refused and duplicate frames: their numbers do not count | yes | below the base |
    | _runs_now | camera → run of numbers seen so far, tells duplicates | no | never |
    | _runs_at_base | the same, of frames below the base only: those above are counted again | yes | oldest cameras |
    | _numbers_since_base | numbers on their way from _runs_now to _runs_at_base | no | below the base |
    | _recent | camera → the last frame ids, for frames out of order | no | by length |
    | trails | camera → what vehicles left behind that may still be in view | yes, the newest | when cold |
    | thinning | which frames are near-duplicates that may be left out | while any are | with the level |
    | again | offset up to which frames were handled before: none of them is left out now | yes, as next | when passed |
    """

    def __init__(self, offset: int | None = None, note: str = "") -> None:
        """Start at a committed offset with its metadata; anything odd in it counts as none."""
        self.next = offset
        self._consumed: dict[int, int] = {}
        self._open: dict[int, int] = {}
        self._runs_now: dict[str, _Run] = {}
        self._runs_at_base: dict[str, _Run] = {}
        self._uncounted: set[int] = set()
        self._numbers_since_base: deque[tuple[int, str, int, int]] = deque()
        self._recent: dict[str, deque[str]] = {}
        self.trails: dict[str, tuple[Trail, ...]] = {}
        self.thinning = Thinning()
        self._again = -1
        if offset is not None and note:
            self._restore(offset, note)

    def _restore(self, base: int, note: str) -> None:
        try:
            content = json.loads(zlib.decompress(base64.b85decode(note)))
            bits = int(content["done"] or "0", 16)
            mute = int(content["mute"] or "0", 16)
            masks = {base + int(delta): int(mask) for delta, mask in content["part"].items()}
            cameras = {
                str(name): _Run(int(high) - int(length), int(high), int(ms) * 1000 + 999)
                for name, high, length, ms in content["cameras"]
            }
            trails = {str(name): _from_rows(rows, base) for name, rows in content.get("trails", {}).items()}
            again = base + int(content.get("next", 0))
            thin = content.get("thin", {})
            thinning = Thinning(
                [(base + int(begin), int(level)) for begin, level in thin.get("levels", ())],
                {str(name): int(ms) * 1000 for name, ms in thin.get("looked", {}).items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, zlib.error):
            return
        self._consumed = {base + place: DONE for place in range(bits.bit_length()) if bits >> place & 1} | masks
        self._uncounted = {base + place for place in range(mute.bit_length()) if mute >> place & 1}
        self._runs_now = cameras
        self._runs_at_base = {name: _Run(run.low, run.high, run.captured_us) for name, run in cameras.items()}
        self.trails, self.thinning, self._again = trails, thinning, again

    def trails_of(self, camera_id: str) -> tuple[Trail, ...]:
        """Give the trails of a camera."""
        return self.trails.get(_short(camera_id), ())

    def keep_trails(self, camera_id: str, trails: tuple[Trail, ...]) -> None:
        """Remember the trails of a camera."""
        self.trails.pop(_short(camera_id), None)
        if trails:
            self.trails[_short(camera_id)] = trails

    def leaves_out(self, offset: int, camera_id: str, captured_us: int, *, settled: bool) -> bool:
        """Decide whether a frame is left out as a near-duplicate; never one that was looked at before a restart."""
        return offset >= self._again and self.thinning.leaves_out(
            _short(camera_id), captured_us, offset, settled=settled
        )

    def look(self, offset: int, camera_id: str, captured_us: int) -> None:
        """Remember a look at a camera, which makes the next frames its near-duplicates."""
        if offset >= self._again:
            self.thinning.look(_short(camera_id), captured_us)

    def done_before(self, offset: int) -> int:
        """Tell what of a frame was done before: DONE, or the mask of ordinals whose passages have ended."""
        return self._consumed.get(offset, 0)

    def was_uncounted(self, offset: int) -> bool:
        """Tell whether a frame was refused or a duplicate: its number does not count, it may come again repaired."""
        return offset in self._uncounted

    def is_duplicate(self, camera_id: str, sequence: int, captured_us: int, frame_id: str) -> bool:
        """Tell whether a frame was handled already: the same id, or its number inside the camera's unbroken run.

        A number that comes again with a later capture is a camera that counts from the start again, not a duplicate.
        """
        run = self._runs_now.get(_short(camera_id))
        repeated = run is not None and run.covers(sequence, captured_us)
        return repeated or frame_id in self._recent.get(camera_id, ())

    def begin(self, offset: int) -> int:
        """Tell how many frames expired unread before this one, which is the next on the partition."""
        return 0 if self.next is None else max(0, offset - self.next)

    def number(self, offset: int, camera_id: str, sequence: int, captured_us: int, frame_id: str) -> None:
        """Remember the number of a frame that was looked at."""
        name = _short(camera_id)
        self._add(self._runs_now, name, sequence, captured_us)
        self._numbers_since_base.append((offset, name, sequence, captured_us))
        self._recent.setdefault(camera_id, deque(maxlen=_RECENT)).append(frame_id)

    @staticmethod
    def _add(runs: dict[str, _Run], name: str, sequence: int, captured_us: int) -> None:
        run = runs.get(name)
        if run is None:
            runs[name] = _Run(sequence, sequence, captured_us)
        else:
            run.add(sequence, captured_us)

    def advance(
        self, offset: int, open_ordinals: Iterable[int] = (), known: Iterable[int] = (), *, uncounted: bool = False
    ) -> None:
        """Pass over a frame: its effects are out, and these of its plates belong to open passages.

        `known` are those that took up a trail; `uncounted` for a frame that was refused or a duplicate.
        """
        if uncounted:
            self._uncounted.add(offset)
        mask = sum(1 << ordinal for ordinal in set(open_ordinals))
        if mask:
            self._open[offset] = mask
            settled = self._consumed.get(offset, 0) | sum(1 << ordinal for ordinal in set(known))
            if settled:
                self._consumed[offset] = settled
        else:
            self._consumed[offset] = DONE
        self.next = offset + 1

    def ended(self, plates: Iterable[tuple[int, int]]) -> None:
        """Take in that a passage with these plates (offset, ordinal) has ended and its read is out."""
        for offset, ordinal in plates:
            left = self._open.get(offset, 0) & ~(1 << ordinal)
            if left:
                self._open[offset] = left
                self._consumed[offset] = self._consumed.get(offset, 0) | 1 << ordinal
            else:
                self._open.pop(offset, None)
                self._consumed[offset] = DONE

    def position(self) -> tuple[int, str] | None:
        """Give the offset to commit and its metadata, which may be longer than `LIMIT`: then a passage must end."""
        if self.next is None:
            return None
        base = min(self._open, default=self.next)
        self._consumed = {offset: mask for offset, mask in self._consumed.items() if offset >= base}
        self._uncounted = {offset for offset in self._uncounted if offset >= base}
        while self._numbers_since_base and self._numbers_since_base[0][0] < base:
            _, name, sequence, captured_us = self._numbers_since_base.popleft()
            self._add(self._runs_at_base, name, sequence, captured_us)
        return base, self._note(base)

    def _note(self, base: int) -> str:
        self.thinning.forget(base)
        note = ""
        for trails, cameras in _ROOM:
            note = self._pack(base, trails, cameras)
            if len(note) <= LIMIT:
                break
        return note

    def _pack(self, base: int, most_trails: int, most_cameras: int) -> str:
        bits = sum(1 << offset - base for offset, mask in self._consumed.items() if mask == DONE)
        mute = sum(1 << offset - base for offset in self._uncounted)
        recent = sorted(self._runs_at_base.items(), key=lambda item: -item[1].captured_us)[:_CAMERAS]
        self._runs_at_base = dict(recent)
        content: dict[str, Any] = {
            "done": f"{bits:x}" if bits else "",
            "mute": f"{mute:x}" if mute else "",
            "part": {str(offset - base): mask for offset, mask in self._consumed.items() if mask != DONE},
            "cameras": [
                [name, run.high, run.high - run.low, run.captured_us // 1000] for name, run in recent[:most_cameras]
            ],
        }
        if self.next is not None and self.next > base:
            content["next"] = self.next - base
        if trails := self._trail_rows(base, most_trails):
            content["trails"] = trails
        if self.thinning.active:
            content["thin"] = {
                "levels": [[begin - base, level] for begin, level in self.thinning.levels],
                "looked": {
                    name: self.thinning.looked[name] // 1000
                    for name in sorted(self.thinning.looked, key=lambda name: -self.thinning.looked[name])[
                        :most_cameras
                    ]
                },
            }
        packed = zlib.compress(json.dumps(content, separators=(",", ":")).encode(), 9)
        return base64.b85encode(packed).decode()

    def _trail_rows(self, base: int, most: int) -> dict[str, list[list[object]]]:
        newest = sorted(
            ((trail, name) for name, trails in self.trails.items() for trail in trails),
            key=lambda pair: -pair[0].offset,
        )[:most]
        rows: dict[str, list[list[object]]] = {}
        for trail, name in reversed(newest):
            box = [int(side) for side in (trail.box.x, trail.box.y, trail.box.width, trail.box.height)]
            row = [
                trail.shape,
                *box,
                to_us(trail.seen_at) // 1000,
                trail.offset - base,
                int(trail.standing),
                trail.check,
            ]
            rows.setdefault(name, []).append(row)
        return rows


def _from_rows(rows: Iterable[Iterable[Any]], base: int) -> tuple[Trail, ...]:
    return tuple(
        Trail(
            str(shape),
            Box(x, y, width, height),
            from_us(int(ms) * 1000),
            base + int(offset),
            bool(standing),
            int(check),
        )
        for shape, x, y, width, height, ms, offset, standing, check in rows
    )
