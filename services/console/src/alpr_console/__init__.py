"""Console: where people work; the only origin they reach."""
