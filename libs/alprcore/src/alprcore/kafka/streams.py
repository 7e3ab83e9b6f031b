"""Watching that no topic keeps ALPR records longer than a record may be anywhere (RET-11)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import NoError, for_code

from alprcore.errors import Transient
from alprcore.kafka.publish import translated
from alprcore.kafka.settings import KafkaSettings
from alprcore.ops import Health
from alprcore.policy import AgencyProfile
from alprcore.topics import bounded, stream_fault, streams_keep

logger = logging.getLogger(__name__)

_AGAIN_S: Final = 600.0
_SOON_S: Final = 5.0
_KEYS: Final = ("cleanup.policy", "retention.ms", "segment.ms")


async def stream_faults(settings: KafkaSettings, longest: timedelta) -> list[str]:
    """Name every topic of ours that keeps ALPR records for longer than they may be kept, with what is wrong.

    Raises `Transient` when no broker answers.
    """
    admin = AIOKafkaAdminClient(**settings.client_params())
    with translated():
        try:
            await admin.start()
            prefix = settings.topic_prefix
            names = sorted(
                name
                for name in await admin.list_topics()
                if name.startswith(prefix) and bounded(name.removeprefix(prefix))
            )
            wanted = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
            answers = await admin.describe_configs(wanted) if wanted else []
        finally:
            await admin.close()
    return [fault for answer in answers for fault in _faults(answer, prefix, longest)]


def _faults(answer: Any, prefix: str, longest: timedelta) -> list[str]:
    found = []
    for code, _, _, name, entries, *_ in answer.resources:
        shown = name.removeprefix(prefix)
        if for_code(code) is not NoError:
            found.append(f"{shown}: its settings may not be read ({for_code(code).__name__})")
            continue
        config = {entry[0]: entry[1] for entry in entries if entry[0] in _KEYS}
        if fault := stream_fault(shown, config, longest):
            found.append(fault)
    return found


async def watch_streams(
    settings: KafkaSettings,
    health: Health,
    profiles: Mapping[str, AgencyProfile],
    stop: asyncio.Event,
) -> None:
    """Keep a service from being ready while a topic keeps ALPR records too long; looks at the start and every 10 min.

    `profiles` are the policies in force: the shortest period of one of them bounds every topic.
    """
    state: dict[str, Sequence[str]] = {"faults": ["not looked at yet"]}
    health.check("streams", lambda: "; ".join(state["faults"]))
    while not stop.is_set():
        wait = _AGAIN_S
        try:
            faults = await stream_faults(settings, streams_keep(list(profiles.values())))
            if faults and faults != state["faults"]:
                logger.error("streams_keep_too_long", extra={"topics": faults})
            state["faults"] = faults
        except Transient as error:
            logger.warning("streams_not_seen", extra={"reason": str(error)})
            wait = _SOON_S
        if state["faults"]:
            wait = _SOON_S  # whoever mends a topic sees it at once
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), wait)
