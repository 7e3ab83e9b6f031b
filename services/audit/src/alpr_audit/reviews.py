"""Audits that are due, what they sample, and what reviewers may decide."""
