"""Versions of the agency's profile: author, approval, effective date; the newest in force is published."""
