"""Makes packages of lists for devices: plans what one brings, streams it page by page, waits for something new."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alpr_ingest import metrics
from alpr_ingest.carried import MOST_REMOVED, base_of, carried, outdated, valid_until
from alpr_ingest.hotlists import ActiveList
from alpr_ingest.store import Store
from alprcore.copies import SIGNER, DeviceCall, ListCopy, PackageHead, PackageWriter
from alprcore.errors import Transient
from alprcore.model import Device
from alprcore.seal import SigningKey, new_content_key, note_verifier

logger = logging.getLogger(__name__)

_PAGE: Final = 2_000
"""Entries read and written at a time: some 400 kB, and 20 ms of a thread."""
_AT_ONCE: Final = 4
"""Pages written at a time: a whole list of a million takes a core for half a minute, and cameras come first."""
_LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A package that is to be written: its head and the key of its content."""

    head: PackageHead
    content_key: bytes


class Packing:
    """Every method raises `Transient` while the database is away."""

    def __init__(self, store: Store, key: SigningKey, clock: Callable[[], datetime], valid: timedelta) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._valid = valid
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._seen: dict[str, tuple[float, Sequence[ActiveList]]] = {}
        self._looking = asyncio.Lock()

    @property
    def verifier(self) -> str:
        """What devices check packages with, as a vkey (C2SP signed-note)."""
        return note_verifier(SIGNER, self._key.public)

    async def wait(self, agency: str, held: Mapping[str, int], seconds: float) -> None:
        """Wait until something is in force that is not held, or for so long; holds no connection meanwhile."""
        clock = asyncio.get_running_loop().time
        ends = clock() + seconds
        while clock() < ends and not outdated(await self._lists(agency), held):
            await asyncio.sleep(min(_LOOK_S, max(0.0, ends - clock())))

    async def _lists(self, agency: str) -> Sequence[ActiveList]:
        """Give an agency's lists as they were within the last second: any number of devices waits at one question."""
        clock = asyncio.get_running_loop().time
        async with self._looking:
            seen = self._seen.get(agency)
            if seen is None or clock() - seen[0] >= _LOOK_S / 2:
                lists = [active for active, _ in await self._store.hotlists(agency)]
                self._seen[agency] = seen = (clock(), lists)
        return seen[1]

    async def plan(self, device: Device, call: DeviceCall, held: Mapping[str, int]) -> Plan:
        """Decide what a package brings to a device that holds these versions.

        Raises `ValueError` when the call's seal key is none.
        """
        lists = carried([active for active, _ in await self._store.hotlists(device.agency)])
        floors, now = await self._store.floors(device.agency), self._clock()
        first_end = await self._store.first_end(device.agency)
        copies = []
        for active in lists:
            base = base_of(active, held.get(active.code, 0), floors.get(active.code, 0))
            copies.append(await self._copy(active, base, valid_until(active, now, self._valid, first_end)))
        package_id = secrets.token_hex(16)
        content_key, sealed_key = new_content_key(call.seal_key, package_id)
        head = PackageHead(
            package_id, device.agency, device.device_id, now, call.nonce, sealed_key, tuple(copies)
        )  # fmt: skip
        return Plan(head, content_key)

    async def _copy(self, active: ActiveList, base: int, until: datetime) -> ListCopy:
        where = (active.agency, active.code)
        if 0 < base < active.version:
            removed = await self._store.removed_since(*where, base, active.version, MOST_REMOVED + 1)
            base = base if len(removed) <= MOST_REMOVED else 0
        entries = active.entries
        if base < active.version:
            entries = await self._store.count_in_version(*where, active.version)
        return ListCopy(
            code=active.code,
            name=active.name,
            list_type=active.list_type,
            advisory_class=active.advisory_class,
            default_reason=active.default_reason,
            version=active.version,
            base=base,
            entries=entries,
            source_time=active.source_time or self._clock(),
            valid_until=until,
        )

    async def stream(self, plan: Plan) -> AsyncIterator[bytes]:
        """Write a package in pages. What cannot be written to its end stays without one: the device refuses it."""
        writer = PackageWriter(plan.head, plan.content_key, self._key)
        yield writer.opening
        try:
            for one in plan.head.lists:
                if one.kind == "same":
                    continue
                yield writer.begin(one.code)
                async for ready in self._parts(plan.head.agency, one, writer):
                    yield ready
                if await self._store.floor(plan.head.agency, one.code) > (one.base or one.version):
                    raise Transient("entries of this version were forgotten meanwhile")
        except Transient as error:
            metrics.PACKAGES.labels("cut").inc()
            logger.warning("package_cut", extra={"reason": str(error)})
            return
        metrics.PACKAGES.labels("whole").inc()
        yield writer.close()

    async def _parts(self, agency: str, one: ListCopy, writer: PackageWriter) -> AsyncIterator[bytes]:
        """Write what left since the base, then what is there: an entry that left and came back is put last.

        Whoever is on a slow link holds neither a place nor a connection between two pages.
        """
        if one.base:
            async with self._room:
                removed = await self._store.removed_since(agency, one.code, one.base, one.version, MOST_REMOVED)
                ready = await asyncio.to_thread(writer.removed, removed)
            yield ready
        after, page = (one.base + 1, ""), True
        while page:
            async with self._room:
                entries, after = await self._store.put_since(agency, one.code, one.version, after, _PAGE)
                ready, page = await asyncio.to_thread(writer.put, entries), bool(entries)
            yield ready
