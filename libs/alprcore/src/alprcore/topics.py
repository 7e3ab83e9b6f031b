"""Which topics exist, how their messages are keyed, and what they are called on a broker."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from alprcore.model import DeviceKind
from alprcore.policy import AgencyProfile, period_of


class Topic(StrEnum):
    """A topic by its logical name (design: one YAML per topic in proto/topics)."""

    FRAMES = "frames"
    READS = "reads"
    HOTLIST = "hotlist"
    HOTLIST_PARTIALS = "hotlist.partials"
    HOTLIST_VERSIONS = "hotlist.versions"
    HOTLIST_ALARMS = "hotlist.alarms"
    DEVICES = "devices"
    DEVICES_CHECKS = "devices.checks"
    PROFILES = "profiles"
    IMAGE_KEYS = "image.keys"
    HITS = "hits"
    STORM_RELEASES = "storm.releases"
    NOTIFICATIONS = "notifications"
    CAD_HITS = "cad.<agency>.hits"
    CAD_NOTIFICATIONS = "cad.<agency>.notifications"
    CAD_STATUS = "cad.<agency>.status"
    PURGES = "purges"
    PURGE_ANSWERS = "purge.answers"
    AUDIT = "audit"
    AUDIT_CHECKPOINTS = "audit.checkpoints"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic of the contract: how many partitions, the broker's settings for it, and who is meant to use it.

    `writers` and `readers` are services by name, `cameras`, `CAD` or `witnesses`. `groups` names the consumer group of
    each reader that takes part in one; a reader without a group follows the whole topic.
    """

    name: str
    partitions: int
    config: Mapping[str, str]
    writers: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)


def physical(topic: Topic, *, prefix: str = "", agency: str = "") -> str:
    """Name a topic on the broker; `agency` is required for the `cad.` topics and refused elsewhere."""
    if ("<agency>" in topic.value) != bool(agency):
        raise ValueError(f"{topic.value}: agency {'required' if not agency else 'not allowed'}")
    return prefix + topic.value.replace("<agency>", agency)


def dead_letters(physical_name: str) -> str:
    """Name the dead letter topic of a topic."""
    return f"{physical_name}.dlq"


RECORDS: Final = frozenset(
    {
        Topic.FRAMES, Topic.READS, Topic.HITS, Topic.NOTIFICATIONS, Topic.CAD_HITS, Topic.CAD_NOTIFICATIONS,
        Topic.CAD_STATUS,
    }
)  # fmt: skip
"""Topics whose messages are ALPR records: transport alone, the database keeps them (RET-11)."""
STREAMS_KEEP: Final = timedelta(days=7)
"""Longest time that such a topic, or the dead letters of any, may keep a message."""
_NAMES: Final = re.compile(
    "|".join(re.escape(topic.value).replace("<agency>", r"[^.]+") for topic in sorted(RECORDS)) + r"|.+\.dlq"
)
_SEGMENTS: Final = 4


def bounded(name: str) -> bool:
    """Tell whether a topic of this name (without prefix) carries ALPR records or dead letters."""
    return _NAMES.fullmatch(name) is not None


def streams_keep(profiles: Iterable[AgencyProfile]) -> timedelta:
    """Give how long topics may keep ALPR records: a week, and never longer than the shortest period of a policy."""
    start = datetime(2023, 3, 1, tzinfo=UTC)  # no leap day in the year after it
    periods = [period_of(profile.retention, kind) for profile in profiles for kind in DeviceKind]
    return min([STREAMS_KEEP, *(period.after(start) - start for period in periods)])


def stream_fault(name: str, config: Mapping[str, str], longest: timedelta) -> str:
    """Say what is wrong with how the broker keeps a topic of ALPR records; empty when nothing is (RET-11).

    `config` holds the broker's `cleanup.policy`, `retention.ms` and `segment.ms`. A record outlives its retention until
    its segment is closed, so segments are at most a quarter as long.
    """
    limit = longest // timedelta(milliseconds=1)
    kept, segment = _number(config.get("retention.ms", "")), _number(config.get("segment.ms", ""))
    if config.get("cleanup.policy") != "delete":
        return f"{name}: cleanup.policy is {config.get('cleanup.policy', 'not known')}, must be delete"
    if not 0 < kept <= limit:
        return f"{name}: retention.ms is {config.get('retention.ms', 'not known')}, at most {limit}"
    if not 0 < segment * _SEGMENTS <= kept:
        return f"{name}: segment.ms is {config.get('segment.ms', 'not known')}, at most a quarter of retention.ms"
    return ""


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]+", text) else 0
