"""Hot plates and partial plates from entry to end."""

from alpr_ingest.entering.plates import CODES, HOT_PLATE, PARTIAL, PARTIALS, Entering, Shown

__all__ = ["CODES", "HOT_PLATE", "PARTIAL", "PARTIALS", "Entering", "Shown"]
