"""Audit: the ledger and the only query door."""
