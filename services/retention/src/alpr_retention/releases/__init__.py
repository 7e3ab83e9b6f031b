"""Requests for data from outside the agency: on paper, decided by whom the policy names, filed, and what was given."""
