"""Beside the two streams: what they commit, and hits that are said again."""
