"""What the console counts. No label carries a plate, a person or a case."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from alprcore.ops import known

SIGN_INS: Final = Counter(  # many refusals of one code in a short time: look at the ledger for whom and from where
    "alpr_console_sign_ins_total", "Sign-in attempts by outcome", ["outcome"]
)
HITS_STORED: Final = Counter(  # stands still while the matcher's hits grow: the consumer is stuck, see its lag
    "alpr_console_hits_stored_total", "Hits and notifications stored", ["topic", "outcome"]
)
known(HITS_STORED, ("hits", "stored"), ("notifications", "stored"))
STREAMS: Final = Gauge(  # zero during a shift: nobody is watching the live page
    "alpr_console_live_streams", "Open live streams"
)
PRESENTED: Final = Counter(  # sound="false" growing: screens run silent, ask the room to arm the sound
    "alpr_console_presented_total", "Hits presented to a person", ["sound"]
)
NOTIFICATION_TO_SHOWN: Final = Histogram(  # p99 above 3 s: look at the event stream and the database first
    "alpr_console_notification_to_shown_seconds",
    "From notification to the receipt of the first screen",
    buckets=(0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 120),
)
LEGS: Final = Histogram(  # the leg that grew says where to look: recognizer, matcher, console, or the room itself
    "alpr_pipeline_leg_seconds",
    "From each stop of a hit's time trail to the next; captured_to_shown is the whole way to a screen",
    ["leg"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 3600),
)
READ_CHECKS: Final = Counter(  # many result="misread": look at the devices page for which camera and model
    "alpr_console_read_checks_total", "Reads compared with their picture by a person", ["result"]
)
ESCALATIONS: Final = Counter(  # growing: the room is not staffed for what comes in, or screens run unseen
    "alpr_console_escalations_total", "Hits that supervisors were told of, by what was late", ["why"]
)
CANARY_AGE: Final = Gauge(  # above the limit: that camera's way here is broken, look along it service by service
    "alpr_console_canary_age_seconds", "Age of the newest test plate that arrived, by canary camera", ["camera"]
)
POSTING_OUTDATED: Final = Gauge(  # not zero: an agency's public page is behind its policy, have it published
    "alpr_console_posting_outdated", "Agencies whose published guidelines are older than what is in force"
)
DOOR_CALLS: Final = Counter(  # outcome="away" growing: that service is down or unreachable
    "alpr_console_door_calls_total", "Calls to other services' doors", ["door", "outcome"]
)
OUTBOX_PUBLISHED: Final = Counter(  # stands still while rows wait in console.outbox: Kafka is away
    "alpr_console_outbox_published_total", "Messages relayed from the outbox", ["topic"]
)
PURGED: Final = Counter(  # zero while retention purges: its orders do not arrive, and its certificates say incomplete
    "alpr_console_rows_purged_total", "Rows removed on retention's orders", ["table"]
)
CAD_STATUSES: Final = Counter(  # outcome="not_applied" growing: a CAD answers out of order, its page says which
    "alpr_console_cad_statuses_total", "Answers of CAD systems", ["outcome"]
)
CAD_SENT: Final = Counter(  # outcome="failed" growing: the CAD page says which endpoint and why; "given_up": act now
    "alpr_console_cad_sent_total", "Messages to CAD systems", ["way", "outcome"]
)
known(CAD_SENT, ("webhook", "sent"), ("webhook", "failed"), ("webhook", "given_up"))
CAD_DELAY: Final = Histogram(  # p99 above 5 s: a receiver is slow or away
    "alpr_console_cad_delivery_seconds",
    "From a message to the CAD's 2xx answer at its webhook",
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 3600),
)
CAD_WAITING: Final = Gauge(  # not falling: see the CAD page
    "alpr_console_cad_endpoints_behind", "Endpoints with messages that wait"
)
