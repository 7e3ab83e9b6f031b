"""The dispatch system beside ours: what it is told, and what it answers."""
