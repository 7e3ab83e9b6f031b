"""Every metric of ingest: what it means and what to do about it."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

# What became of each frame at the HTTP door. A rise of one refusal code points at one device or one bad rollout:
# look at frames.dlq for that code.
FRAMES: Final = Counter("alpr_ingest_frames_total", "Frames at the HTTP door by outcome", ["outcome", "reason_code"])
# From the last byte of a request to Kafka's acknowledgment of its frames. Above a second: look at the brokers.
ACCEPT_SECONDS: Final = Histogram("alpr_ingest_accept_seconds", "Time to accept the frames of one request")
# Loads by outcome and code. Refusals need a person: the source was cut short, older than what is active, or shrank.
LOADS: Final = Counter("alpr_ingest_list_loads_total", "List loads by outcome", ["outcome", "reason_code"])
# Lines of accepted loads. Many rejected ones mean that the source changed its layout.
LINES: Final = Counter("alpr_ingest_list_lines_total", "Lines of loaded lists by outcome", ["outcome"])
# Seconds from file to version switch. A list of a million plates takes about a minute.
LOAD_SECONDS: Final = Histogram(
    "alpr_ingest_list_load_seconds", "Time of one list load", buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
)
# Changes that Kafka has not acknowledged yet. Growth means that the broker is away; nothing is lost meanwhile.
OUTBOX: Final = Gauge("alpr_ingest_outbox_messages", "Messages waiting in the outbox")
# Requests without a valid person token, by code. Many: a console with a wrong key, or someone knocking.
TOKENS: Final = Counter("alpr_ingest_refused_tokens_total", "Refused person tokens by code", ["reason_code"])
# What became of each pull of a feed. `failed` passes or is tried again; whether a person is needed says the next one.
PULLS: Final = Counter("alpr_ingest_feed_pulls_total", "Pulls of feeds by outcome", ["outcome", "reason_code"])
# When a feed last brought its list or found it unchanged. Older than the list's interval: look at its pulls.
FEED_OK: Final = Gauge(
    "alpr_ingest_feed_last_success_timestamp_seconds", "Last successful pull of a feed", ["agency", "list"]
)
# 1 while FEED_STOPPED is raised for a feed: its last pull will not pass by itself. The list's page says what is wrong.
FEED_STOPPED: Final = Gauge("alpr_ingest_feed_stopped", "Feeds that need a person", ["agency", "list"])
# Seconds since a list was known to be what its source has. Compare with the list's own interval.
LIST_AGE: Final = Gauge("alpr_ingest_list_unconfirmed_seconds", "Time since a list was confirmed", ["agency", "list"])
# 1 while HOTLIST_STALE is raised for a list: hits on it may be outdated, so see to its source or load it by hand.
LIST_STALE: Final = Gauge("alpr_ingest_list_stale", "Lists that are older than their rule allows", ["agency", "list"])
# Packages of lists for devices. `cut` ones were left without an end, which devices refuse: the database was away, or a
# load outran them.
PACKAGES: Final = Counter(
    "alpr_ingest_packages_total", "Packages of lists by whether they were written whole", ["outcome"]
)
# Plates that people entered and that went with the records of their time, on retention's orders.
PURGED: Final = Counter("alpr_ingest_entered_purged_total", "Entered plates removed on retention's orders")
# Entries that another key than the current one has sealed. It falls to 0 after a key was replaced; what stays was sealed
# with a key that is not in the key file. At 0 ingest needs the older keys no more (see docs/lists.md).
OLD_SEALS: Final = Gauge("alpr_ingest_entries_of_older_keys", "Entries sealed with another key than the current one")
