"""Audit work: the ledger's viewer, reports, reviews and findings; every look goes through audit's door."""
