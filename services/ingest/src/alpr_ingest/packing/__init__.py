"""Packages of lists for devices (HOT-21)."""

from alpr_ingest.packing.packing import Packing

__all__ = ["Packing"]
