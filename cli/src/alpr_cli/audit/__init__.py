"""Ledgers from outside: copies, tiles, receipts, and the order to open a new epoch."""
