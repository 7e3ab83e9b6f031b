"""Packages in PostgreSQL, their working copies sealed in the object store, and the job that builds them."""

from .bench import Bench
from .building import Builder
from .hooks import Subject, Unmoved
from .packages import Packages
from .vault import Vault

__all__ = ["Bench", "Builder", "Packages", "Subject", "Unmoved", "Vault"]
