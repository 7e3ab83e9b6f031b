"""Brings a schema to what the code needs: Alembic with raw SQL, one at a time, forward only.

`python -m alprcore.migrate prepare` makes roles and schemas, `python -m alprcore.migrate up ingest` migrates one
schema, `... up ingest --target pre` goes to the newest revision that must precede the new code. Addresses come from
the environment (ALPR_ADMIN_DSN, ALPR_OWNER_DSN), passwords too (ALPR_PASSWORD_<ROLE>): arguments are visible to
everyone on a machine.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import asyncpg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from alprcore.errors import AlprError, Misconfigured
from alprcore.postgres import login, newest_revision

SCHEMAS: Final = ("ingest", "audit", "retention", "console")
ROLES: Final = (*(role for name in SCHEMAS for role in (f"alpr_{name}_owner", f"alpr_{name}")), "alpr_reader")
"""Every role that `roles.sql` makes."""

_SCRAM_ITERATIONS: Final = 4096  # PostgreSQL's own default; the passwords are random, not chosen by people


def scram_verifier(password: str, salt: bytes | None = None) -> str:
    """Compute what PostgreSQL keeps of a password (RFC 5802, SCRAM-SHA-256), so that the server never sees it."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{salt64}${stored64}:{server64}"


def prepare_database(admin_dsn: str, passwords: Mapping[str, str]) -> None:
    """Make roles and schemas, and set the passwords given by role name. Safe to repeat; not for a running event loop.

    Raises:
        Misconfigured: a password is given for a role that does not exist.
    """
    if unknown := set(passwords) - set(ROLES):
        raise Misconfigured(f"unknown roles: {', '.join(sorted(unknown))}")
    script = (files("alprcore") / "data" / "roles.sql").read_text(encoding="utf-8")
    verifiers = json.dumps({role: scram_verifier(password) for role, password in passwords.items()})

    async def apply() -> None:
        connection = await asyncpg.connect(**login(admin_dsn))
        try:
            async with connection.transaction():
                # roles belong to the whole server: two databases prepared at once would change the same rows
                await connection.execute("SELECT pg_advisory_xact_lock($1)", crc32(b"alpr roles"))
                await connection.execute("SELECT set_config('alpr.verifiers', $1, true)", verifiers)
                await connection.execute(script)
        finally:
            await connection.close()

    asyncio.run(apply())


def migrate(dsn_owner: str, package: str, schema: str, target: str = "head") -> str:
    """Bring a schema to `head`, or to the newest `pre` revision; answers the revision. Not for a running event loop.

    Two jobs at once are fine: the second waits for the first and finds nothing to do. The running service's role may
    read the version afterwards.
    """
    folder = Path(str(files(package))) / "migrations"
    revision = newest_revision(package, "pre" if target == "pre" else "")

    async def apply() -> None:
        async def connected() -> Any:
            return await asyncpg.connect(**login(dsn_owner))

        engine = create_async_engine("postgresql+asyncpg://", async_creator=connected, poolclass=NullPool)
        try:
            async with engine.connect() as connection:
                await connection.run_sync(_upgrade, folder, schema, revision)
        finally:
            await engine.dispose()

    asyncio.run(apply())
    return revision


def _upgrade(connection: Connection, folder: Path, schema: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)

    def steps(current: Any, _context: Any) -> Any:
        return scripts._upgrade_revs(revision, current)  # noqa: SLF001 - what alembic.command.upgrade calls

    # Held by the session, so it outlives the transaction of each revision. Asked again and again, because a job that
    # waits inside a statement holds a snapshot, and CREATE INDEX CONCURRENTLY of the other job waits for that one.
    key = {"key": crc32(f"alpr {schema}".encode())}
    while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar():
        connection.commit()
        time.sleep(0.2)
    connection.commit()
    with EnvironmentContext(config, scripts, fn=steps, destination_rev=revision) as environment:
        environment.configure(
            connection=connection,
            version_table_schema=schema,
            transaction_per_migration=True,  # CREATE INDEX CONCURRENTLY stands alone
        )
        environment.run_migrations()
    role = f"alpr_{schema}"
    if connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}).scalar():
        connection.execute(text(f'GRANT SELECT ON "{schema}".alembic_version TO "{role}"'))
    connection.commit()


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; answers the exit status, 78 when a setting is missing."""
    parser = argparse.ArgumentParser(prog="python -m alprcore.migrate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare", help="roles and schemas (ALPR_ADMIN_DSN, ALPR_PASSWORD_<ROLE>)")
    up = commands.add_parser("up", help="one schema (ALPR_OWNER_DSN)")
    up.add_argument("schema", choices=SCHEMAS)
    up.add_argument("--target", choices=("pre", "head"), default="head")
    args = parser.parse_args(argv)
    jobs: dict[str, Callable[[], object]] = {
        "prepare": lambda: prepare_database(
            _environment("ALPR_ADMIN_DSN"),
            {role: os.environ[key] for role in ROLES if (key := f"ALPR_PASSWORD_{role.upper()}") in os.environ},
        ),
        "up": lambda: migrate(_environment("ALPR_OWNER_DSN"), f"alpr_{args.schema}", args.schema, args.target),
    }
    try:
        jobs[args.command]()
    except AlprError as error:
        sys.stderr.write(f"{error}\n")
        return os.EX_CONFIG
    return 0


def _environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError as error:
        raise Misconfigured(f"{name} is not set") from error


if __name__ == "__main__":
    raise SystemExit(main())
