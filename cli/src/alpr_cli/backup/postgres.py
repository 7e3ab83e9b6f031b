"""The database's own programs: a consistent copy out of pg_dump, and back into an empty database by pg_restore."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from alpr_cli.roles import MIGRATED
from alprcore.errors import Misconfigured, Transient
from alprcore.migrate import SCHEMAS
from alprcore.postgres import load_queries, login

from .rules import Facts

_PASSED: Final = {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}
_SHOWN: Final = 800
_QUERIES: Final = load_queries("alpr_cli.backup")


def program(name: str) -> list[str]:
    """The words that start pg_dump or pg_restore: ALPR_PG_DUMP, ALPR_PG_RESTORE, else the newest that is installed.

    Raises `Misconfigured` when there is none.
    """
    if given := os.environ.get(f"ALPR_{name.upper()}"):
        return shlex.split(given)
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = str(debian[-1]) if debian else shutil.which(name)
    if found is None:
        words = f"{name} is not installed: PostgreSQL's client programs, or ALPR_{name.upper()}"
        raise Misconfigured(words)
    return [found]


def surroundings(url: str) -> dict[str, str]:
    """The environment that leads libpq's programs to a database: addresses in arguments would show the password."""
    parts = urlsplit(url)
    named = {
        "PGHOST": parts.hostname or "127.0.0.1",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or "postgres"),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.lstrip("/") or "postgres",
        "PGAPPNAME": "plateline-backup",
    }
    query = parse_qs(parts.query)
    if files := query.get("password_file"):
        named["PGPASSWORD"] = Path(files[-1]).read_text("utf-8").strip()
    named |= {variable: query[name][0] for name, variable in _PASSED.items() if name in query}
    return {**os.environ, **named}


class Snapshot:
    """One moment of a database: its facts, and a copy of exactly that moment. Use as `async with`."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Self:
        try:
            self._connection: Any = await asyncpg.connect(**login(self._url))
        except (OSError, asyncpg.PostgresError) as error:
            raise Transient(f"database: {type(error).__name__}") from error
        self._transaction = self._connection.transaction(isolation="repeatable_read", readonly=True)
        await self._transaction.start()
        self.name = str(await self._connection.fetchval("SELECT pg_export_snapshot()"))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._connection.close()

    async def facts(self, now: datetime) -> Facts:
        """What the database holds at this moment. Raises `Misconfigured` when it is none of ours."""
        try:
            revisions = {
                schema: str(await self._connection.fetchval(f"SELECT version_num FROM {schema}.alembic_version"))  # noqa: S608 - ours
                for schema in SCHEMAS
            }
            row = await self._connection.fetchrow(_QUERIES["holds"])
        except asyncpg.PostgresError as error:
            raise Misconfigured(f"the database does not hold this product: {type(error).__name__}") from error
        server = int(await self._connection.fetchval("SELECT current_setting('server_version_num')"))
        return Facts(
            taken_at=now.isoformat(),
            revisions=revisions,
            entries=int(row["entries"]),
            head=str(row["head"]),
            reads=int(row["reads"]),
            hits=int(row["hits"]),
            server=server,
        )

    @contextmanager
    def copied(self) -> Iterator[IO[bytes]]:
        """The copy as it comes. Raises `Transient` when pg_dump fails, with its words."""
        command = [*program("pg_dump"), "--format=custom", "--compress=1", f"--snapshot={self.name}", "--no-password"]
        with _running(command, self._url, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None  # noqa: S101 - asked for above
            yield process.stdout


@contextmanager
def restoring(url: str) -> Iterator[IO[bytes]]:
    """Take a copy back into the database at `url`. Raises `Transient` when pg_restore fails, with its words."""
    database = urlsplit(url).path.lstrip("/") or "postgres"
    command = [*program("pg_restore"), f"--dbname={database}", "--exit-on-error", "--no-password"]
    with _running(command, url, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None  # noqa: S101 - asked for above
        yield process.stdin


@contextmanager
def _running(command: list[str], url: str, **pipes: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=surroundings(url), stderr=subprocess.PIPE, **pipes)
    broken: OSError | None = None
    try:
        yield process
        if process.stdin is not None:
            process.stdin.close()
    except BrokenPipeError as error:  # it ended early: its own words say why
        broken = error
    except BaseException:
        process.kill()
        raise
    finally:
        words = (process.stderr.read() if process.stderr else b"").decode(errors="replace")
        status = process.wait()
    if status or broken is not None:
        raise Transient(f"{Path(command[0]).name} ended with {status}: {words.strip()[-_SHOWN:]}")


async def empty_for_restore(url: str) -> None:
    """Make room for a copy in a database that holds nothing of ours; the empty schemas that prepare made go.

    Raises `Misconfigured` when it holds tables of ours: a restore never overwrites.
    """
    try:
        connection = await asyncpg.connect(**login(url))
    except (OSError, asyncpg.PostgresError) as error:
        raise Transient(f"database: {type(error).__name__}") from error
    try:
        tables = await connection.fetchval(_QUERIES["tables"], list(SCHEMAS))
        if tables:
            raise Misconfigured("the database holds tables of this product: name an empty one (createdb)")
        for schema in MIGRATED:
            await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    finally:
        await connection.close()


async def begin_anew(url: str) -> None:
    """Let nobody vouch for a restored database: purges are done again before it answers (RET-10)."""
    connection = await asyncpg.connect(**login(url))
    try:
        await connection.execute("DELETE FROM retention.vouchers")
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
