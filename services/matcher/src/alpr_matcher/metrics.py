"""Every metric of the matcher beside the five of every consumer: what it means, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from prometheus_client import Counter, Gauge, Histogram

from alpr_matcher.lists import EntryView, ListVersions
from alprcore.ops import ConsumerMetrics, known

_SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)

CONSUMER: Final = ConsumerMetrics("matcher")

READS_JUDGED: Final = Counter(
    "alpr_matcher_reads_judged_total",
    "Reads compared with every list in force, by outcome (hit, no_hit, unreadable, retracted)",
    ["outcome"],
)
"""Equals the messages of `reads` less the dead letters (USE-12). Unequal growth: look at the dead letters."""

HITS: Final = Counter("alpr_matcher_hits_total", "Hits by grade and list", ["grade", "list_code"])
"""A list with many times its usual hits holds wrong entries; many look-alikes point at a camera to clean."""

LISTS_LEFT_OUT: Final = Counter(
    "alpr_matcher_lists_left_out_total", "Partitions whose reads went on without a list", ["agency", "list_code"]
)
"""The topic `hotlist` has lost what the list's version needs: its reads miss hits. Run `alpr hotlist republish`."""

READ_TO_HIT: Final = Histogram(
    "alpr_matcher_read_to_hit_seconds", "From the read's publication to the hit's", buckets=_SECONDS
)
"""Near-instant comparison (HOT-15): above 2 s at the 95th percentile, add workers or partitions."""

CAPTURED_TO_HIT: Final = Histogram(
    "alpr_matcher_captured_to_hit_seconds",
    "From the capture to the hit's publication, by device kind",
    ["device_kind"],
    buckets=_SECONDS,
)
"""Near-real-time link of fixed devices (CAP-10). Rises with no change of read_to_hit: look at link and recognizer."""

FRAME_TO_NOTIFICATION: Final = Histogram(
    "alpr_pipeline_frame_to_notification_seconds",
    "From the frame's receipt to the acknowledged notification of a new incident",
    buckets=_SECONDS,
)
"""The one number of the whole stream: above 3 s at the 99th percentile, go back service by service."""

CAPTURED_TO_NOTIFICATION: Final = Histogram(
    "alpr_pipeline_captured_to_notification_seconds",
    "From the capture to the acknowledged notification of a new incident, by device kind",
    ["device_kind"],
    buckets=_SECONDS,
)
"""What people wait for (CAP-10). Higher than frame_to_notification: the camera's link is slow or its clock is wrong."""

NOTIFICATIONS: Final = Counter(
    "alpr_matcher_notifications_total", "Notifications by kind and target", ["kind", "target"]
)
"""`hit` rings, `update` does not. No growth while hits grow: look at the suppressed ones."""

SUPPRESSED: Final = Counter("alpr_matcher_suppressed_total", "Hits that sent nothing, by reason", ["reason"])
"""Repeats after a restart are normal; steady growth means that messages come twice all the time."""

WITHDRAWN: Final = Counter(
    "alpr_matcher_withdrawn_total", "Hits said again as withdrawn, by reason and list", ["reason", "list_code"]
)
"""A few after every load. Thousands at once: the list lost many entries, look at its last load's report."""

STORMS: Final = Gauge("alpr_matcher_storms", "Alert storms that go on, as this worker knows them")
"""Above 0: the notification names the camera or list. Its hits are recorded and wait; look at it, then release them."""

RELEASED: Final = Counter("alpr_matcher_released_total", "Hits of an alert storm that is over, by outcome", ["outcome"])
known(RELEASED, "announced", "gone")
"""`announced` follows every storm. `gone` must stay 0: the topic let go of hits that waited."""

LIST_AGE: Final = Gauge(
    "alpr_matcher_list_age_seconds", "Age of the newest version of each list", ["agency", "list_code"]
)
"""Alarm above the list's own limit (HOTLIST_STALE): the feed of ingest has stopped."""

VIEW_BUCKETS: Final = Gauge("alpr_matcher_view_buckets", "Skeletons with entries in this worker's view")
"""A sudden fall: a list was withdrawn or a partition moved to another worker."""

VIEW_BYTES: Final = Gauge("alpr_matcher_view_bytes", "Memory of the view")
"""About 270 bytes an entry; add workers before it nears the memory limit."""

CAUGHT_UP: Final = Gauge("alpr_matcher_caught_up", "1 when every assigned partition may be judged")
"""0 for minutes: see /readyz for the partition or list that is waited for."""

SEALS_BROKEN: Final = Counter("alpr_matcher_seals_broken_total", "Entries whose details did not open", ["code"])
"""Must stay 0: a list key is missing here. Their hits are made all the same, without state and expiry."""

CAD_MISSING: Final = Counter(
    "alpr_matcher_cad_missing_total", "Events not sent because the agency has no such CAD topic", ["agency", "topic"]
)
"""Growth for an agency with a CAD system: create its `cad.` topics; they are found within 30 s."""

RETRIES: Final = Counter("alpr_matcher_retries_total", "Attempts repeated in place", ["topic"])
"""Grows while the broker is away. If it grows alone, the log line `message_retried` names the error's class."""


def show_lists(view: EntryView, versions: ListVersions, now: datetime, *, caught_up: bool) -> None:
    """Bring the gauges of the lists up to date."""
    for version in versions.newest():
        age = max(0.0, (now - version.source_time).total_seconds())
        LIST_AGE.labels(version.agency, version.list_code).set(age)
    VIEW_BUCKETS.set(view.buckets)
    VIEW_BYTES.set(view.size)
    CAUGHT_UP.set(caught_up)


def show_lag(consumer: Any, topics: Mapping[str, str]) -> None:
    """Bring the lag up to date: messages that the group has not committed, by logical topic."""
    waiting = dict.fromkeys(topics.values(), 0)
    for tp in consumer.assignment():
        end, done = consumer.highwater(tp), consumer._committed_offset.get(tp)  # noqa: SLF001 - not told otherwise
        if tp.topic in topics and end is not None and done is not None:
            waiting[topics[tp.topic]] += max(0, end - done)
    for topic, count in waiting.items():
        CONSUMER.lag.labels(topic).set(count)
