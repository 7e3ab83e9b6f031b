"""Holds: what is kept beyond its period, for whom and how long (RET-07, RET-08, RET-09, RET-13)."""
