"""Live hits: stored, numbered, shown, heard, acknowledged."""
