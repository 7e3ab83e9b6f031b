"""Who may change which rule of the agency, and from when a change counts."""
