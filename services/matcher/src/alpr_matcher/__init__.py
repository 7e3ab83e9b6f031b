"""Matcher: judges reads against the lists and decides notifications."""
