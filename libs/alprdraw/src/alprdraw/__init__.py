"""Draws license plates that belong to no vehicle: for training, for tests and for the simulated drive."""
