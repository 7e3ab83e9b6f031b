"""Canvasses: what was read around a crime scene, asked for a case, with units sent there (USE-09, USE-10)."""
