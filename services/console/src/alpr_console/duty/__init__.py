"""Duty: who answers for a hit at every moment, what is late and who is told, and that the chain is armed."""
