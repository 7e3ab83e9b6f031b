"""Purges in PostgreSQL: each step written down, so that a run that breaks is finished by the next one."""

from .accounts import Accounts
from .rows import Rows
from .run import Purges, Ways
from .shapes import Run

__all__ = ["Accounts", "Purges", "Rows", "Run", "Ways"]
