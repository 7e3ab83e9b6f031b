"""Clients in vehicles and on desktops: who is signed on, and what each of them was told."""
