"""Figures: what became of hits, by device, list and grade, and how long each step took; reviews of wrong stops."""
