"""Lists, hot plates and partial plates: ingest owns them; people see, load, approve and enter them here."""
