"""Packages of evidence and of releases: the ledger's entry first, then the reads, then what is known of them."""
