"""Schema ingest: named statements in, model objects out."""

from __future__ import annotations

import asyncpg

from alpr_ingest.store.changing import Buckets, Changes, Changing, ListBusy, Load
from alpr_ingest.store.devices import Devices
from alpr_ingest.store.entered import EnteredPlate, EnteredPlates, TakenOver
from alpr_ingest.store.feeds import Feeds, WatchedList
from alpr_ingest.store.lists import Lists, Rollback
from alpr_ingest.store.outbox import Outbox, Outgoing, Taken, put_out
from alpr_ingest.store.packages import DeviceCopy, Packages, ShiftCheck
from alpr_ingest.store.purges import Purges
from alpr_ingest.store.resealing import FIRST, Resealed
from alpr_ingest.store.restated import Restated
from alpr_ingest.store.special import Delivery, Paper, Share, SpecialLists

__all__ = [
    "FIRST",
    "Buckets",
    "Changing",
    "Delivery",
    "DeviceCopy",
    "EnteredPlate",
    "ListBusy",
    "Load",
    "Outgoing",
    "Paper",
    "Rollback",
    "Share",
    "ShiftCheck",
    "Store",
    "Taken",
    "TakenOver",
    "WatchedList",
    "put_out",
]


class Store(Changes, Devices, EnteredPlates, Feeds, Lists, Outbox, Packages, Purges, Resealed, Restated, SpecialLists):
    """What ingest keeps in PostgreSQL. Every method raises `Transient` while the database is away."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
