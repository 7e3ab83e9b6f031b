from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

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

QUERIES = Counter("alpr_audit_queries_total", "Queries by outcome", ["outcome"])
# answered, refused, unavailable. Any `unavailable` deserves a look: people cannot search.

SEARCH_SECONDS = Histogram(
    "alpr_audit_search_seconds",
    "Time PostgreSQL took to answer a search",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
# Search time without the two entries around it. Above 0.25 s: look at the plan and at partition pruning.
