"""Brings versions of lists into force: read and compare, stage, publish, switch, clean up."""

from alpr_ingest.loading.dry_run import Alerts, DryRuns, disclosed
from alpr_ingest.loading.loader import ListFile, ListLoader, LoadReport, Preview
from alpr_ingest.loading.republishing import Republishing
from alpr_ingest.loading.resealing import Resealing
from alpr_ingest.loading.restating import Restating
from alpr_ingest.loading.staging import SHOWN_REJECTS

__all__ = [
    "SHOWN_REJECTS",
    "Alerts",
    "DryRuns",
    "ListFile",
    "ListLoader",
    "LoadReport",
    "Preview",
    "Republishing",
    "Resealing",
    "Restating",
    "disclosed",
]
