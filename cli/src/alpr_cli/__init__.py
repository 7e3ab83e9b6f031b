"""The command alpr: runs and tends a Plateline installation."""
