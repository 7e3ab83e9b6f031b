"""Findings about reads: the corrected text beside the read one, and what a device got wrong, for the matcher (HIT-07)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from alprcore import wire
from alprcore.matching import reader_name
from alprcore.model import DeviceChecks, Person, Plate, Provenance, make_id
from alprcore.topics import Topic
from alprcore.workflow import ReadCheck

from ... import metrics
from ...doors import SOURCE, Outbox
from .work import Standing

Sum = Callable[[str, str, str, Sequence[Mapping[str, Any]], datetime], DeviceChecks | None]
"""Sums up what was found about a device's reads: agency, device, reader, findings, now."""


async def keep_check(
    connection: Any, queries: Mapping[str, str], outbox: Outbox, sum_up: Sum, person: Person, found: Standing,
    given: ReadCheck, corrected: Plate, due: datetime, now: datetime,
) -> None:  # fmt: skip
    """Keep a finding for the device's record, and tell the matcher what was found about its reads so far."""
    card, agency = found.card, person.agency
    model = card.get("reader", {"name": "", "sha256": ""})
    reader = reader_name(Provenance(model["name"], model["sha256"]))
    await connection.execute(
        queries["put_read_check"], found.hit_id, agency, card["read_id"], card["device_id"], card["camera_id"], reader,
        given.result.value, given.method.value, given.state_confirmed.value, card["plate"], corrected.reveal(),
        person.person_id, person.full_name, now, due,
    )  # fmt: skip
    metrics.READ_CHECKS.labels(given.result.value).inc()
    rows = await connection.fetch(queries["findings_of_device"], agency, card["device_id"], reader)
    checks = sum_up(agency, card["device_id"], reader, rows, now)
    if checks is None:
        return
    name = make_id("device_checks", card["device_id"], now.isoformat())
    headers = wire.headers_for(Topic.DEVICES_CHECKS, id=name, source=SOURCE, time=now)
    value = wire.encode_device_checks(checks)
    await outbox.put(connection, Topic.DEVICES_CHECKS, key=card["device_id"], value=value, headers=headers, now=now)
