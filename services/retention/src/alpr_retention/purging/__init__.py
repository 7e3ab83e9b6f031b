"""Purges: planned, previewed, run step by step, answered by every service that keeps copies, and certified."""
