"""Devices: what each is, how often its reads were wrong, and which of its cameras cannot read."""
