"""Purges ordered by retention: what the console keeps about the hits that go."""
