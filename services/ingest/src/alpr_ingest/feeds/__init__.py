"""Rules of lists that fetch themselves: when to pull, what a pull may read, when a list is too old. Pure."""

from alpr_ingest.feeds.feed import (
    KINDS,
    Feed,
    FeedKind,
    Found,
    Outcome,
    Pull,
    Schedule,
    admit_address,
    admit_schedule,
    host_allowed,
    host_of,
    newest,
    remote_path,
)
from alpr_ingest.feeds.freshness import COUNTED, DayCount, Freshness, closed_days, freshness, missed
from alpr_ingest.feeds.timing import day_bounds, due_again, next_due, retry_after

__all__ = [
    "COUNTED",
    "KINDS",
    "DayCount",
    "Feed",
    "FeedKind",
    "Found",
    "Freshness",
    "Outcome",
    "Pull",
    "Schedule",
    "admit_address",
    "admit_schedule",
    "closed_days",
    "day_bounds",
    "due_again",
    "freshness",
    "host_allowed",
    "host_of",
    "missed",
    "newest",
    "next_due",
    "remote_path",
    "retry_after",
]
