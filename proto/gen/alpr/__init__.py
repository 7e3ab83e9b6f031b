"""The contract of Plateline, generated from proto/alpr."""
