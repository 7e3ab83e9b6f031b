"""Hot plates and partial plates from entry to end."""

from alpr_ingest.entering.plates import HOT_PLATE, PARTIAL, PARTIALS, Entering, Shown

__all__ = ["HOT_PLATE", "PARTIAL", "PARTIALS", "Entering", "Shown"]
