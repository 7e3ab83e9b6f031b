from __future__ import annotations

from prometheus_client import Counter, Gauge

KEPT = Counter("alpr_retention_kept_total", "Records stored or repeated, by kind", ["kind"])
# Reads and hits taken from their topics. No growth while cameras work: look at lag and at the database.

KEYS = Gauge("alpr_retention_image_keys", "Image keys published since the start, less those destroyed")
# Key pairs in use. Zero: recognizers cannot seal images, and images cannot be opened.

IMAGES = Counter("alpr_retention_images_total", "Images opened at the doors, by outcome", ["outcome"])
# opened, refused, gone, damaged. Any `damaged` deserves a look: an image is not the one that was read.

PURGED = Counter("alpr_retention_purged_total", "Records purged, by kind", ["kind"])
# reads, hits, images, keys.

OVERDUE = Gauge("alpr_retention_overdue_days", "Due days that have passed and are not purged")
# Must return to 0 with every purge. Above 0 for a day: the purge fails, look at /v1/retention/runs.

UNTOLD = Counter("alpr_retention_untold_total", "Ledger events that could not be handed over at once")
# Live images shown while the ledger's topic was away. Any growth: look at the broker.
