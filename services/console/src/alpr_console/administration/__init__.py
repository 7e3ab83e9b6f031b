"""Profiles in force, their versions and approvals; assignments, delegations and access reviews."""
