"""Personal content whose time is over: a redaction is committed first, then salt and content are erased."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

import asyncpg

from alprcore.errors import Transient
from alprcore.postgres import load_queries, translated

from .. import ledger, metrics
from .writer import Writer

logger = logging.getLogger(__name__)

LEAST_YEARS: Final = 1
"""CJIS AU-11 keeps audit records a year; the database's own function refuses to erase anything younger."""
_QUERIES: Final = load_queries("alpr_audit", "ledger.sql")


def years_before(now: datetime, years: int) -> datetime:
    """The same moment that many calendar years ago; 29 February becomes 28 February."""
    try:
        return now.replace(year=now.year - years)
    except ValueError:
        return now.replace(year=now.year - years, day=28)


class Eraser:
    """Erases names, plates, reasons and the salts that tie entries to them; the entries and their tree stay."""

    def __init__(self, pool: asyncpg.Pool, writer: Writer, years: int) -> None:
        self._pool, self._writer, self._years = pool, writer, years

    async def erase(self, now: datetime) -> int:
        """Erase what is older than the retention time; answers how many entries lost their content.

        Running it again is safe: content that outlived an interrupted erasure is named by the next redaction.
        Raises `Transient` when ledger or database is away.
        """
        due = years_before(now, self._years)
        with translated():
            begin = await self._pool.fetchval(_QUERIES["oldest_content"])
        if begin is None:
            return 0
        end = await self._first_after(due, begin, self._writer.size)
        with translated():
            through = await self._pool.fetchval(_QUERIES["last_content"], end - 1) if end > begin else None
        if through is None:
            return 0
        facts = {"from": begin, "through": through, "older_than": due.isoformat(), "years": self._years}
        receipt = await self._writer.append(ledger.Draft(kind=ledger.REDACTION, agency="", facts=facts))
        with translated():
            erased = int(await self._pool.fetchval(_QUERIES["erase"], receipt.index, now))
        metrics.ERASED.inc(erased)
        logger.info("personal_content_erased", extra={"entries": erased, "redaction": receipt.index})
        return erased

    async def _first_after(self, due: datetime, begin: int, end: int) -> int:
        """Find the first entry that is not older than that; times never decrease along the log."""
        while begin < end:
            middle = (begin + end) // 2
            with translated():
                row = await self._pool.fetchrow(_QUERIES["times"], [middle])
            if row is None:
                raise Transient("an entry is missing")
            if datetime.fromisoformat(row["time"]) < due:
                begin = middle + 1
            else:
                end = middle
        return begin
