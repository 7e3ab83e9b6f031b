"""Begins packages at the other services and brings them what ledger and console know of their reads (RET-12, SEC-06)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from alprcore.errors import Transient
from alprcore.model import Person
from alprcore.policy import AgencyProfile

from ..doors import DoorAway, Doors
from . import rules

log = logging.getLogger(__name__)
Said = Callable[[Person, AgencyProfile, Sequence[str], bool, str, datetime], Awaitable[list[dict[str, Any]]]]
"""Tells what other databases said of hits: person, policy, hits, with their words or without, package, time."""
_JSON: Final = {"content-type": "application/json"}
_TRIES: Final = 5
_PAUSE_S: Final = 2.0
"""Five tries 2, 4, 6 and 8 s apart: longer than a service takes to be replaced."""


class Gathering:
    """The sequence of a package, played for the person who asked for it."""

    def __init__(self, doors: Doors, said: Said, clock: Callable[[], datetime]) -> None:
        self._doors, self._said, self._clock = doors, said, clock
        self._running: set[asyncio.Task[None]] = set()

    async def begin(
        self,
        person: Person,
        profile: AgencyProfile,
        path: str,
        body: Mapping[str, Any],
        *,
        kind: str,
        subject: str,
        justification: str,
    ) -> tuple[int, Any]:
        """Enter the intent, then let retention begin the package; its papers follow by themselves.

        Answers the status and content of the service that spoke last. Raises `DoorAway`.
        """
        clets = bool(body.get("clets"))
        wish = {"kind": kind, "subject": subject, "clets": clets, "justification": justification}
        status, entered = await self._call("audit", "POST", "/v1/package-intents", person, wish)
        if status != 201:
            return status, entered
        status, begun = await self._call("retention", "POST", path, person, {**body, "entry": entered["entry"]})
        if status == 202:
            job = self._bring(person, profile, str(begun["package_id"]), int(entered["entry"]), clets)
            task = asyncio.create_task(job)
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return status, begun

    async def _bring(self, person: Person, profile: AgencyProfile, package_id: str, entry: int, clets: bool) -> None:
        batch, of = 0, 1
        while batch < of:
            for attempt in range(1, _TRIES + 1):
                try:
                    of = await self._batch(person, profile, package_id, entry, clets, batch)
                    break
                except (DoorAway, Transient, rules.NotBrought) as error:
                    if attempt == _TRIES:  # retention ends a package whose papers do not come (15 min)
                        log.warning("package_papers_missing", extra={"package_id": package_id, "reason": str(error)})
                        return
                    await asyncio.sleep(_PAUSE_S * attempt)
            batch += 1

    async def _batch(
        self, person: Person, profile: AgencyProfile, package_id: str, entry: int, clets: bool, batch: int
    ) -> int:
        path = f"/v1/packages/{package_id}/papers"
        wanted = rules.brought(*await self._call("retention", "GET", f"{path}/{batch}", person))
        events: dict[int, dict[str, Any]] = {}
        for part in rules.parts(wanted["reads"], wanted["hits"]):
            answer = await self._call("audit", "POST", "/v1/package-trails", person, {"entry": entry, **part})
            rules.merge(events, rules.brought(*answer)["events"])
        said = await self._said(person, profile, list(wanted["hits"]), clets, package_id, self._clock())
        papers = {"batch": batch, "events": list(events.values()), "verifications": said}
        rules.brought(*await self._call("retention", "POST", path, person, papers))
        return int(wanted["of"])

    async def _call(
        self, door: str, method: str, path: str, person: Person, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Any]:
        content = None if body is None else json.dumps(body).encode()
        answer = await self._doors.call(
            door, method, path, person, headers=_JSON, content=content, timeout_s=rules.PATIENCE_S
        )
        return answer.status, await answer.json()
