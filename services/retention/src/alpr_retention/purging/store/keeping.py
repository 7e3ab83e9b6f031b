"""Held reads taken out of their due day: images sealed to the key of a hold and opened once, then the rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from ...store import DAMAGED, MISSING, Images, Job, Sealed, Sealers
from .damages import Damages, Seen
from .rows import Rows

_AT_ONCE: Final = 400
"""Held reads moved in one transaction: half a second in which records of the day cannot be stored."""
Known = Mapping[tuple[UUID, str], Mapping[str, Any]]


class Keeping:
    """Keeps what holds cover, whatever day it lies under."""

    def __init__(self, rows: Rows, images: Images, damages: Damages, clock: Callable[[], datetime]) -> None:
        self._rows, self._images, self._damages, self._clock = rows, images, damages, clock
        self.sealers = Sealers(images)

    async def move(self, run_id: str, agency: str, day: date) -> None:
        """Take an agency's held reads out of a due day. Raises `PermissionError` HELD_IMAGE_DAMAGED, and `Transient`.

        A read stays whose image does not open: until it does again, or two people have said that it is lost. All others
        go first, so that a run finds every one that is damaged.
        """
        held, known = await self._rows.held_reads(agency, day), await self._damages.known(agency)
        stays: set[UUID] = set()
        for start in range(0, len(held), _AT_ONCE):
            holds = dict(held[start : start + _AT_ONCE])
            reads = await self._rows.reads_to_move(agency, day, list(holds))
            kept, damaged = await self._sealed(run_id, agency, day, reads, holds, known)
            stays |= damaged
            going = {read: holds[read] for read in holds if read not in damaged}
            images = {read: images for read, images in kept.items() if read in going}
            if going:
                await self._rows.move_held(run_id, agency, day, going, images)
            now_at = {image["key"] for kept_of_read in images.values() for image in kept_of_read}
            first = {image["key"] for row in reads if row["read_id"] in images for image in row["images"]}
            await self._images.objects.delete_all(
                sorted(first - now_at - {""})
            )  # copies of what stays are no images that go
        if stays:
            raise PermissionError("HELD_IMAGE_DAMAGED")

    async def elsewhere(self, run_id: str, agency: str, name: str) -> None:
        """Seal what lies under an ended hold's key to another hold that keeps it, too. Raises as `move` does."""
        held = dict(await self._rows.held_reads(agency, date.max))
        rows = await self._rows.fetch(agency, "sealed_to", name)
        reads = [{"read_id": row["read_id"], "images": json.loads(row["images"])} for row in rows]
        reads = [row for row in reads if held.get(row["read_id"])]
        if not reads:
            return
        known = await self._damages.known(agency)
        kept, damaged = await self._sealed(run_id, agency, date.max, reads, held, known)
        for read_id, images in kept.items():
            if read_id not in damaged:
                await self._rows.set_images(agency, read_id, images, held[read_id])
        if damaged:
            raise PermissionError("HELD_IMAGE_DAMAGED")

    async def copies(self, agency: str) -> dict[str, set[UUID]]:
        """Reads whose images lie sealed to a hold, by hold; names of another form are none of these."""
        kept: dict[str, set[UUID]] = {}
        for key in await self._images.objects.list(f"held/{agency}"):
            hold, _, name = key.removeprefix(f"held/{agency}/").partition("/")
            with suppress(ValueError):
                kept.setdefault(str(UUID(hold)), set()).add(UUID(name[:36]))
        return kept

    async def _sealed(
        self,
        run_id: str,
        agency: str,
        day: date,
        reads: Sequence[Mapping[str, Any]],
        holds: Mapping[UUID, Sequence[UUID]],
        known: Known,
    ) -> tuple[dict[UUID, list[dict[str, Any]]], set[UUID]]:
        """Seal the images of these reads; gives where they lie now, and the reads that are damaged."""
        jobs = [
            Job(str(row["read_id"]), image, tuple(map(str, holds[row["read_id"]])))
            for row in reads
            for image in row["images"]
        ]
        found = iter(zip(jobs, await self.sealers.seal(agency, jobs), strict=True))
        kept: dict[UUID, list[dict[str, Any]]] = {}
        seen: list[Seen] = []
        for row in reads:
            read_id = row["read_id"]
            for _ in row["images"]:
                job, sealed = next(found)
                said, image = _judged(sealed, known.get((read_id, job.image["role"])))
                kept.setdefault(read_id, []).append(image)
                if said:
                    seen.append(Seen(read_id, job.image["role"], said, sealed.code, holds[read_id]))
            kept.setdefault(read_id, [])
        if seen:
            await self._damages.write(agency, day, run_id, seen, self._clock())
        return kept, {one.read_id for one in seen if one.state == "damaged"}


def _judged(sealed: Sealed, known: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """Say what is new about an image, empty where nothing is, and how it is written down."""
    state = known["state"] if known else ""
    if sealed.state == DAMAGED and state == "lost" and known:
        lost = {**sealed.image, "key": "", "missing": True, "lost_at": known["confirmed_at"].isoformat()}
        return "lost", lost
    if sealed.state in (DAMAGED, MISSING):
        return sealed.state, sealed.image
    mended = state in ("open", "declared", "lost") and bool(sealed.image["key"])
    return ("mended" if mended else ""), sealed.image
