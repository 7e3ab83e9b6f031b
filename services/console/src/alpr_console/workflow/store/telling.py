"""What the field is told of the work on a hit: broadcasts to each signed-on client, recalls of what was no hit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from alprcore import wire
from alprcore.model import Broadcast as Told
from alprcore.model import ClientKind, Hit, Notification, NotificationKind, NotificationStatus, Person, make_id
from alprcore.policy import AgencyProfile
from alprcore.topics import Topic
from alprcore.workflow import Broadcast, BroadcastKind, HitState

from ...doors import SOURCE, Outbox
from .work import Hooks, Standing

log = logging.getLogger(__name__)
_WORDS: Final = {BroadcastKind.INITIAL: "BROADCAST", BroadcastKind.BOLO: "BOLO", BroadcastKind.CLETS_RESULT: "RESULT"}
MISTAKEN: Final = {HitState.MISREAD: "MISREAD", HitState.WRONG_STATE: "WRONG STATE"}
_FIELD: Final = (ClientKind.VEHICLE, ClientKind.DESKTOP)


@dataclass(frozen=True, slots=True)
class Telling:
    """Writes messages of the topic `notifications` into the transaction of the step that they tell of."""

    outbox: Outbox
    queries: Mapping[str, str]
    hooks: Hooks

    async def broadcast(
        self, connection: Any, person: Person, profile: AgencyProfile, found: Standing, step_id: str, given: Broadcast,
        now: datetime,
    ) -> int:  # fmt: skip
        """Tell every signed-on field client what was put on the air (HIT-27); answers how many."""
        hit = await self.hooks.hit_of(connection, person.agency, found.hit_id)
        clients = [c for c in await self.hooks.signed_on(connection, person.agency) if c.client_kind in _FIELD]
        if hit is None:  # stored by a release that kept no message: the radio has said it, the screens show the step
            log.warning("broadcast_not_relayed", extra={"hit_id": found.hit_id})
            return 0
        content = {name: text for name, text in given.content.items() if text.strip()}
        told = Told(step_id, given.kind.value, content, given.channels, given.audience, person.full_name, now)
        said = ", ".join(content[name] for name in content)
        text = f"{_WORDS[given.kind]} by {person.full_name}: {said}"
        for client in clients:
            await self._put(
                connection, profile, hit, found, NotificationKind.BROADCAST, make_id("told", step_id, client.client_id),
                client.client_id, client.client_kind, text, now, told,
            )  # fmt: skip
        return len(clients)

    async def found_other(
        self, connection: Any, profile: AgencyProfile, found: Standing, step_id: str, state: HitState, now: datetime
    ) -> None:
        """Take back in the field what turned out to be no hit, or say that it is one after all (HIT-06, HIT-08); a console
        sees it on the card.
        """
        hit = await self.hooks.hit_of(connection, profile.agency, found.hit_id)
        if hit is None:
            return
        mistaken = state in MISTAKEN
        kind_of = NotificationKind.RECALL if mistaken else NotificationKind.UPDATE
        text = (
            f"{MISTAKEN[state]}: do not act on this hit"
            if mistaken
            else "CORRECTED: the read was right, the hit stands"
        )
        for target, kind in profile.display_targets:
            if kind in _FIELD:
                await self._put(
                    connection, profile, hit, found, kind_of, make_id("recall", step_id, target),
                    target, kind, text, now,
                )  # fmt: skip

    async def _put(
        self, connection: Any, profile: AgencyProfile, hit: Hit, found: Standing, kind: NotificationKind, name: str,
        target: str, client_kind: ClientKind, text: str, now: datetime, told: Told | None = None,
    ) -> None:  # fmt: skip
        row = await connection.fetchrow(self.queries["incident_of_work"], profile.agency, found.hit_id)
        incident, revision, status = (
            (row["incident_id"], row["revision"], row["status"])
            if row
            else (make_id("incident", found.work_id), 1, profile.notification_status)
        )
        message = Notification(
            notification_id=name, incident_id=incident, revision=revision, agency=profile.agency, kind=kind,
            status=NotificationStatus(status), target=target, client_kind=client_kind, audible=profile.audible,
            screen_text=text, hit=hit, notified_at=now, profile_version=profile.version, broadcast=told,
        )  # fmt: skip
        headers = wire.headers_for(Topic.NOTIFICATIONS, id=name, source=SOURCE, time=now)
        await self.outbox.put(
            connection, Topic.NOTIFICATIONS, key=incident, value=wire.encode_notification(message), headers=headers,
            now=now,
        )  # fmt: skip
