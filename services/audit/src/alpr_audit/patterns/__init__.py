"""Patterns of misuse over the ledger's entries: what a reviewer should look at, and why (ACC-15)."""

from .acts import ACT_KINDS, Act, Level, Signal
from .watch import Watch

__all__ = ["ACT_KINDS", "Act", "Level", "Signal", "Watch"]
