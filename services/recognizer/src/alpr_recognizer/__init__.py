"""Recognizer: turns frames into reads, one per vehicle passage."""
