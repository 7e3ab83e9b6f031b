"""Retention: keeps reads, hits and images exactly as long as policy allows."""
