"""The ledger in PostgreSQL: its writer and its archive."""

from .archive import Ledger
from .learn import Learn
from .opening import read_note_file, write_note_file
from .questions import HandedOut, Questions
from .writer import Receipt, Writer

__all__ = ["HandedOut", "Learn", "Ledger", "Questions", "Receipt", "Writer", "read_note_file", "write_note_file"]
