"""The ledger in PostgreSQL: its writer and its archive."""

from .archive import Ledger
from .writer import Receipt, Writer, read_note_file, write_note_file

__all__ = ["Ledger", "Receipt", "Writer", "read_note_file", "write_note_file"]
