"""How long records are kept: changes of the rules, moved due days, what is stored, and who is told what was destroyed."""
