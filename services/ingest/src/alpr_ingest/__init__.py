"""Ingest: the door for frames, camera-made reads and lists."""
