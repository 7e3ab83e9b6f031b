from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from alprcore.ops import known

ENTRIES = Counter("alpr_audit_entries_total", "Entries committed, by kind group", ["outcome"])
# Entries committed to the ledger. No growth while people work: the writer is stuck, look at /readyz.

BATCH = Histogram("alpr_audit_batch_entries", "Entries per commit", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512))
# Entries per group commit. Always 512: the database cannot keep up, look at its disks.

APPEND_SECONDS = Histogram(
    "alpr_audit_append_seconds",
    "From handing an entry over to its signed commit",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
# Time until an entry is committed, integrated and signed. Above 0.1 s people wait for every search.

SIZE = Gauge("alpr_audit_ledger_size_entries", "Entries in the signed tree")
# Size of the last signed head.

LEADING = Gauge("alpr_audit_ledger_leading", "1 while this process is the writer")
# Exactly one process of an installation shows 1. None: every query is answered 503.

WAITING = Gauge("alpr_audit_waiting_entries", "Entries handed over that are not committed yet")
# Never falls to 0: more is asked than the writer commits, or the database does not answer; people wait for every search.

TOLD_AT = Gauge(
    "alpr_audit_checkpoint_timestamp_seconds", "When the newest signed head was last found told to the world"
)
# Looked at every second. A minute ago: the broker or the public file does not take heads; see `ledger_upkeep_failed`.

QUERIES = Counter("alpr_audit_queries_total", "Queries by outcome", ["outcome"])
known(QUERIES, "answered", "exported", "refused", "unavailable")
# answered, exported, refused, unavailable. Any `unavailable` deserves a look: people cannot search.

SEARCH_SECONDS = Histogram(
    "alpr_audit_search_seconds",
    "Time PostgreSQL took to answer a search",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
# Search time without the two entries around it. Above 0.25 s: look at the plan and at partition pruning.

ANSWER_AGE_DAYS = Histogram(
    "alpr_audit_answer_age_days",
    "Age of the reads in answers to searches, by the time they were captured",
    buckets=(1, 7, 14, 30, 60, 90, 180, 365, 550, 730, 1095, 1826),
)
# How far back searches find anything of use: the age below which 95 % fall says what a longer retention is worth.

ERASED = Counter("alpr_audit_erased_entries_total", "Entries whose expired personal content was erased")
# Grows once a day when the log is older than its retention time.

VERIFIED_AT = Gauge(
    "alpr_audit_verified_timestamp_seconds", "When the whole ledger was last computed again and found sound"
)
# Once a day, by the writer; remembered over restarts. Older than 26 h: nobody has looked whether entries were altered.

UNSOUND = Gauge("alpr_audit_ledger_unsound", "1 when the last recomputation found a ledger that is not what was signed")
# 1: keep everything as it is and call whoever is responsible for evidence.

COSIGNED_AGE = Gauge("alpr_audit_cosigned_age_seconds", "Since all witnesses last cosigned the newest head")
# Above 300 s: a witness is away or refuses. Look at alpr_audit_witness_refusals_total; `conflict` or `inconsistent`
# means that it saw another log than this one: keep both checkpoints and find out before anything else.

WITNESS_REFUSALS = Counter("alpr_audit_witness_refusals_total", "Heads not cosigned, by reason", ["reason"])
known(WITNESS_REFUSALS, "conflict", "inconsistent", "unknown", "invalid", "unreachable")
# conflict, inconsistent: the witness saw another tree. unknown, invalid: configuration. unreachable: network.

STORAGE_USED = Gauge("alpr_audit_storage_used_ratio", "Used share of the volume that holds the checkpoint files")
# 0.8 order space, 0.9 today, 0.95 now: when it is full no entry is committed and every query is answered 503.

AUDITS_OVERDUE = Gauge("alpr_audit_reviews_overdue", "Audit tasks that were not closed in time")
# Above 0: an agency has not closed an audit within its days after the period's end. Its program manager sees which.

FINDINGS = Counter("alpr_audit_findings_total", "Findings of the misuse patterns", ["pattern"])
# One pattern far above the others for weeks: look whether work has changed before the thresholds are doubted.

FINDINGS_OPEN = Gauge("alpr_audit_findings_open", "Findings that nobody has given a disposition")
# Reviewed weekly; see alpr_audit_review_age_days.

REVIEW_AGE_DAYS = Gauge("alpr_audit_review_age_days", "Age of the oldest finding without a disposition")
# Above 7 the weekly review is late: tell the auditor.

ENTRIES_UNREAD = Counter("alpr_audit_unread_entries_total", "Entries that the misuse patterns could not read")
# Above 0: a service sends entries of a kind that the patterns follow in another form. Look at its version.
