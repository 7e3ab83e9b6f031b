from __future__ import annotations

from prometheus_client import Counter, Gauge

from alprcore.ops import known

KEPT = Counter("alpr_retention_kept_total", "Records stored or repeated, by kind", ["kind"])
# Reads and hits taken from their topics. No growth while cameras work: look at lag and at the database.

KEYS = Gauge("alpr_retention_image_keys", "Image keys published since the start, less those destroyed")
# Key pairs in use. Zero: recognizers cannot seal images, and images cannot be opened.

IMAGES = Counter("alpr_retention_images_total", "Images opened at the doors, by outcome", ["outcome"])
known(IMAGES, "opened", "refused", "gone", "damaged")
# opened, refused, gone, damaged. Any `damaged` deserves a look: an image is not the one that was read.

PURGED = Counter("alpr_retention_purged_total", "Records purged, by kind", ["kind"])
# reads, hits, images, keys; letters: what could not be read; frames: images whose messages are gone.

LETTERS = Counter("alpr_retention_letters_total", "Dead letters kept, by topic and owner", ["topic", "owner"])
# kept: an agency's; unattributed: nobody's; counted: not kept, a flood of what no device signed. A rise: see which codes in GET /v1/retention/quarantine, and `alpr dlq list`.

RUNS = Counter("alpr_retention_purge_runs_total", "Runs of the purge that ended, by outcome", ["outcome"])
known(RUNS, "complete", "incomplete")
# complete, incomplete. Any `incomplete` deserves a look: GET /v1/retention/runs, its `errors`. None in a day: no purge runs.

OVERDUE = Gauge("alpr_retention_overdue_days", "Due days that have passed and are not purged")
# Must return to 0 with every purge. Above 0 for a day: the purge fails, look at /v1/retention/runs.

OVERDUE_RECORDS = Gauge("alpr_retention_overdue_records", "Reads past their due day and under no hold", ["agency"])
# Must be 0. Above 0 for a day: no purge runs for the agency; GET /v1/retention/stock says why.

PREMATURE = Gauge(
    "alpr_retention_premature_records", "Reads, days or keys that were gone before their time", ["agency"]
)
# Must be 0, always. Above 0: somebody or something deletes records past the purge; look at GET /v1/retention/stock.

DAMAGED = Gauge(
    "alpr_retention_held_images_damaged", "Images of held reads that do not open and keep a day from going", ["agency"]
)
# Must be 0. Above: bring the object back from another copy of the store; or two people declare it lost (Records, Purge).

MOVED = Counter(
    "alpr_retention_moved_total", "Reads moved to another due day by an approved change or because they hit"
)
# Grows while a change of retention is worked through: GET /v1/retention/changes shows how far it is.

TOLD = Counter("alpr_retention_told_total", "Messages handed over from the outbox")
# Ledger entries, purge orders, keys that are gone. None while things are done here: look at the broker.

REPOSITORY = Counter("alpr_retention_repository_batches_total", "Batches to standing repositories", ["kind", "outcome"])
known(REPOSITORY, *((kind, outcome) for kind in ("reads", "withdrawals") for outcome in ("taken", "failed")))
# reads, withdrawals; taken, failed. Withdrawals that fail for an hour: what was purged here still lies there, call them.

AGREEMENTS_STOPPED = Counter(
    "alpr_retention_agreements_stopped_total", "Agreements that the policy in force refuses, stopped by this service"
)
# Grows: a change of policy ended what two people had agreed to. Tell the other agency, or close a new one.

HOLDS = Gauge("alpr_retention_holds_binding", "Holds that keep records beyond their period")
# Of every agency. Only grows for months: look which ones nobody reviews.

REVIEWS_OVERDUE = Gauge("alpr_retention_hold_reviews_overdue", "Holds whose review day has passed")
# Must be 0. Above: GET /v1/holds?state=overdue names them; each keeps data that perhaps nobody needs any more.

CASE_FILES_UNANSWERED = Gauge(
    "alpr_retention_case_files_unanswered", "Holds whose records system did not answer last time"
)
# Above 0 for a day: these holds cannot end, and what they keep becomes overdue. Look at the records system.
