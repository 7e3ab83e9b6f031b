"""Searches and the other doors: asked at this origin, answered by the service that owns the record."""
