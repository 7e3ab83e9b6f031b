"""What is made of hits: who is told, which no longer stand, and when there are too many. Pure."""
