"""Requests for data, their papers and what was handed over, in PostgreSQL and sealed; each change with its entry."""

from .disposing import Disposal
from .handing import Batches, Delivery, Given, HandingStore, OpenPackage, Progress, items_of
from .requests import FILE, PAGE, Document, RequestStore
from .rows import LETTERED, asked_of

__all__ = [
    "FILE",
    "LETTERED",
    "PAGE",
    "Batches",
    "Delivery",
    "Disposal",
    "Document",
    "Given",
    "HandingStore",
    "OpenPackage",
    "Progress",
    "RequestStore",
    "asked_of",
    "items_of",
]
