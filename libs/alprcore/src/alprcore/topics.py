"""Which topics exist, how their messages are keyed, and what they are called on a broker."""

from __future__ import annotations

from enum import StrEnum


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
    AUDIT = "audit"
    AUDIT_CHECKPOINTS = "audit.checkpoints"


def physical(topic: Topic, *, prefix: str = "", agency: str = "") -> str:
    """Name a topic on the broker; `agency` is required for the `cad.` topics and refused elsewhere."""
    if ("<agency>" in topic.value) != bool(agency):
        raise ValueError(f"{topic.value}: agency {'required' if not agency else 'not allowed'}")
    return prefix + topic.value.replace("<agency>", agency)


def dead_letters(physical_name: str) -> str:
    """Name the dead letter topic of a topic."""
    return f"{physical_name}.dlq"
