"""`alpr settle`: takes what was deleted out of the database's files too.

PostgreSQL marks deleted rows as room for new ones and leaves their bytes until it needs the room. A purged day of reads
is a table of its own and gone at once; rows about hits lie among others. This command writes those tables anew and
lets the write-ahead log go on, so that no byte of a purged plate is left in the files. To be run now and then, at a
quiet hour: each table is closed to everybody while it is written, about a second for 100 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Final

import asyncpg

SCHEMAS: Final = ("console", "ingest", "retention")
_PATIENCE_MS: Final = 3000  # a table in use is left for the next time
_STATISTICS: Final = "pg_catalog.pg_statistic"  # the commonest values of every column; last, as each table changes it
_TABLES: Final = """
SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ($1) AND c.relkind = 'r' AND (NOT c.relispartition OR c.relname ~ '_held$') AND pg_relation_size(c.oid) > 0
ORDER BY 1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr settle`."""
    parser.description = __doc__


def run(options: argparse.Namespace) -> int:  # noqa: ARG001 - as every command
    """Write the tables anew; returns 0, 75 when some were in use, 78 without an address."""
    address = os.environ.get("DATABASE_URL", "")
    if not address:
        print("alpr settle: DATABASE_URL is not set (an administrator's)", file=sys.stderr)
        return os.EX_CONFIG
    try:
        done, busy = asyncio.run(settle(address))
    except (OSError, asyncpg.PostgresError) as error:
        print(f"alpr settle: {type(error).__name__}", file=sys.stderr)
        return os.EX_UNAVAILABLE
    print(f"{len(done)} tables written anew" + "".join(f"\n{table} is in use: run it again" for table in busy))
    return os.EX_TEMPFAIL if busy else 0


async def settle(address: str, patience_ms: int = _PATIENCE_MS) -> tuple[list[str], list[str]]:
    """Write the tables of purged rows anew, as an administrator; answers those done and those in use.

    Raises `OSError` or an error of PostgreSQL when the server is away or the login is no administrator's.
    """
    connection = await asyncpg.connect(address)
    done: list[str] = []
    busy: list[str] = []
    try:
        await connection.execute(f"SET lock_timeout = {patience_ms:d}")
        tables = [str(row[0]) for row in await connection.fetch(_TABLES, list(SCHEMAS))]
        for table in (*tables, _STATISTICS):
            try:
                await connection.execute(f"VACUUM (FULL, ANALYZE) {table}", timeout=None)
                done.append(table)
            except asyncpg.LockNotAvailableError:
                busy.append(table)
        await connection.execute("CHECKPOINT")
        await connection.fetchval("SELECT pg_switch_wal()::text")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
    return done, busy
