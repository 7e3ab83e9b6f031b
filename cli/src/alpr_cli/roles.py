"""One prepared database: the login of each role, made roles and schemas, and every service's migrations."""

import hashlib
import hmac
from dataclasses import dataclass, field
from importlib.resources import files
from urllib.parse import urlsplit, urlunsplit

from alprcore.migrate import ROLES, migrate, prepare_database

MIGRATED = ("audit", "ingest", "retention", "console")
"""The schemas in the order of migration: retention's search function reads audit's intents."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database by its administrator's URL; the passwords of its roles are derived from `secret`."""

    admin: str = field(repr=False)
    secret: str = field(repr=False)

    def url(self, login: str) -> str:
        """The connection URL of the role `alpr_<login>`: `audit` runs, `audit_owner` migrates, `reader` searches."""
        role = f"alpr_{login}"
        parts = urlsplit(self.admin)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{role}:{self._password(role)}@{host}"))

    def prepare(self) -> None:
        """Makes roles and schemas and sets the passwords. Safe to repeat; not for a running event loop."""
        prepare_database(self.admin, {role: self._password(role) for role in ROLES})

    def migrate(self, target: str = "head") -> None:
        """Brings every schema to `target`, as its owner. Safe to repeat; not for a running event loop."""
        for schema in MIGRATED:
            if not (files(f"alpr_{schema}") / "migrations").is_dir():
                continue
            migrate(self.url(f"{schema}_owner"), f"alpr_{schema}", schema, target)

    def _password(self, role: str) -> str:
        return hmac.digest(self.secret.encode(), role.encode(), hashlib.sha256).hex()
