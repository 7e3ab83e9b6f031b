"""What each step needs under the profile in force, written where the database reads it before it takes a step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from alprcore import profiles
from alprcore.postgres import load_queries

from .. import rules

_QUERIES: Final[Mapping[str, str]] = load_queries("alpr_console.workflow")


async def keep_needs(connection: Any, agency: str, version: str, now: datetime) -> None:
    """Write what steps need under an agency's version, in the transaction in which it comes into force.

    Looked at again at each start: a release whose rules find other needs adds them as the newest edition, which holds. A
    replica of the release before that starts again does not bring its edition back.
    """
    document = await connection.fetchval(_QUERIES["document_of"], agency, version)
    edition, needs = _found(document)
    known = [row["edition"] for row in await connection.fetch(_QUERIES["editions"], agency, version)]
    if edition in known:
        return
    await connection.execute(_QUERIES["put_needs"], agency, version, edition, needs)
    await connection.execute(_QUERIES["put_edition"], agency, version, len(known) + 1, edition, now)


@lru_cache(maxsize=32)
def _found(document: str) -> tuple[str, str]:
    needs = rules.needs_of(profiles.profile_from_json(document))
    rows = [
        {"device_kind": device, "client_kind": client, "step": step, "needs": [asdict(need) for need in found]}
        for (device, client, step), found in needs.items()
    ]
    return rules.edition(needs), json.dumps(rows)
