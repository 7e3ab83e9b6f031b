"""PostgreSQL at the rim: a pool, named statements, the schema gate, and errors that say whether to retry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from alprcore.errors import Misconfigured, Transient

COMMAND_TIMEOUT_S: Final = 15.0
"""Longest statement of a running service; below the 25 s in which a service shuts down."""

_CONNECT_TIMEOUT_S: Final = 5.0
_IDLE_S: Final = 3600.0
"""A connection that nobody uses is kept an hour: a new one reads again what 730 partitions are, 2 ms each."""
_NAME: Final = re.compile(r"^-- ([a-z][a-z0-9_]*) --$", re.MULTILINE)
_SCHEMA: Final = re.compile(r"[a-z][a-z_]*")
_AWAY: Final = (
    OSError,  # refused, reset, unreachable; TimeoutError is one too
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,  # shutdown, starting up, canceled by an administrator
    asyncpg.TransactionRollbackError,  # serialization failure, deadlock
    asyncpg.LockNotAvailableError,  # whoever holds it lets go
    asyncpg.ReadOnlySQLTransactionError,  # the primary became a standby
    asyncpg.InvalidCachedStatementError,  # a migration passed by: the statement is prepared anew
    asyncpg.InvalidAuthorizationSpecificationError,  # a password is changed: role and file do not change in one moment
)


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors that pass by themselves into `Transient`; all others are the caller's and stay what they are."""
    try:
        yield
    except PermissionError:  # a rule's refusal on its way out of a transaction; to Python it is an OSError too
        raise
    except _AWAY as error:
        raise Transient(f"database: {type(error).__name__}") from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):  # asyncpg.DataError: an argument that does not fit, no retry helps
            raise
        raise Transient(f"database: {type(error).__name__}") from error


def login(dsn: str) -> dict[str, Any]:
    """Give asyncpg's arguments for an address, which may say `?password_file=/path` in place of a password.

    The file is read again for every new connection, so that the password of a role is changed while services run; one
    that cannot be read for a moment stands as it was read last. The
    other parameters are libpq's: `sslmode=verify-full&sslrootcert=/path` demands TLS and compares the server's name.
    Raises `Misconfigured` when the file cannot be read now.
    """
    parts = urlsplit(dsn)
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    named = [value for name, value in parameters if name == "password_file"]
    if not named:
        return {"dsn": dsn}
    rest = urlencode([(name, value) for name, value in parameters if name != "password_file"], safe="/")
    file = Path(named[-1])

    try:
        last = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"the database's password file cannot be read: {type(error).__name__}") from error

    def password() -> str:
        nonlocal last
        with suppress(OSError, UnicodeDecodeError):
            last = file.read_text("utf-8").strip()
        return last

    return {"dsn": urlunsplit(parts._replace(query=rest)), "password": password}


async def connect(dsn: str, *, min: int = 1, max: int = 10) -> asyncpg.Pool:  # noqa: A002 - the words of asyncpg's docs
    """Open a pool; every statement ends within 15 s.

    Raises `Transient` when the server is away, `Misconfigured` when it does not let this account in.
    """
    with translated():
        try:
            return await asyncpg.create_pool(
                **login(dsn),
                min_size=min,
                max_size=max,
                command_timeout=COMMAND_TIMEOUT_S,
                timeout=_CONNECT_TIMEOUT_S,
                max_inactive_connection_lifetime=_IDLE_S,
                server_settings={"timezone": "UTC", "application_name": "plateline"},
            )
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            raise Misconfigured("the database does not let this account in: user name or password") from error


def changed(status: object) -> int:
    """Read from the server's answer to a statement (`DELETE 3`) how many rows it changed."""
    return int(str(status).rpartition(" ")[2])


def load_queries(package: str, name: str = "queries.sql") -> dict[str, str]:
    """Read the named statements of a service: each begins with a line `-- name --`."""
    parts = _NAME.split((files(package) / name).read_text(encoding="utf-8"))
    queries: dict[str, str] = {}
    for key, text in zip(parts[1::2], parts[2::2], strict=True):
        if key in queries:
            raise ValueError(f"{package}/{name}: {key} stands twice")
        queries[key] = text.strip().rstrip(";")
    return queries


def newest_revision(package: str, phase: str = "") -> str:
    """Name the newest migration that a package ships, of one phase (`pre` or `post`) or of any."""
    names = sorted(
        entry.name.removesuffix(".py")
        for entry in (files(package) / "migrations" / "versions").iterdir()
        if re.match(rf"\d{{4}}_({phase or 'pre|post'})_", entry.name)
    )
    if not names:
        raise Misconfigured(f"{package} ships no {phase} migration")
    return names[-1]


async def require_schema(pool: asyncpg.Pool, schema: str, package: str) -> None:
    """Refuse to start on a schema older than this code: raises `Misconfigured`.

    Newer is fine: the job that migrates runs before the code that needs it.
    """
    if not _SCHEMA.fullmatch(schema):
        raise Misconfigured(f"{schema!r} is not a schema name")
    needed = newest_revision(package, "pre")
    try:
        with translated():
            found = await pool.fetchval(f"SELECT version_num FROM {schema}.alembic_version")  # noqa: S608 - checked above
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError) as error:
        raise Misconfigured(f"schema {schema} is not there or not open to this role: migrate it to {needed}") from error
    if found is None or str(found)[:4] < needed[:4]:
        raise Misconfigured(f"schema {schema} stands at {found}, this code needs {needed}: migrate first")
