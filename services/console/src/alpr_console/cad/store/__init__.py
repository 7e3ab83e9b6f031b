"""What a CAD is told and what it answers, in PostgreSQL; every change with its ledger entry in one transaction."""

from .endpoints import Endpoints
from .events import CadStore, Publish
from .feed import CadFeed
from .sending import Deliveries

__all__ = ["CadFeed", "CadStore", "Deliveries", "Endpoints", "Publish"]
