"""Packages in PostgreSQL, their working copies sealed in the object store, and the job that builds them."""

from .authorities import Authorities
from .bench import Bench
from .building import Builder
from .hooks import Subject, Unmoved
from .packages import Packages
from .vault import Vault

__all__ = ["Authorities", "Bench", "Builder", "Packages", "Subject", "Unmoved", "Vault"]
