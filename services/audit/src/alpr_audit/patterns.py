"""Patterns of misuse in the ledger: pure functions over entries."""
