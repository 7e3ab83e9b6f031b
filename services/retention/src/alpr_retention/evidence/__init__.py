"""Evidence and release packages: built sealed, handed out once, booked (RET-12, SEC-06, SHR-09)."""
