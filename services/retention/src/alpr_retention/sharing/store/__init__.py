"""Agreements, the standing repository, demands and custody in PostgreSQL, each change with its entry in one transaction."""

from .agreements import Agreements
from .demands import Demands
from .notes import SentNotes
from .repositories import Repositories, Sends, Sent
from .sending import Partners

__all__ = ["Agreements", "Demands", "Partners", "Repositories", "Sends", "Sent", "SentNotes"]
