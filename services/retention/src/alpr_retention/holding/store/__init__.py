"""Holds in PostgreSQL, what they cover there, and the records systems that are asked about their cases."""

from .covering import booked, covered, hold_facts, note_images
from .holds import Holds
from .records_systems import RecordsSystems
from .watching import Watch

__all__ = ["Holds", "RecordsSystems", "Watch", "booked", "covered", "hold_facts", "note_images"]
