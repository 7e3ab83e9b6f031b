"""`alpr learn`: a simulated external LEARN tenant, for tests and demonstrations. Every detection it answers says so.

It speaks the form that the query door's adapter asks in (DEF-11): `POST /detections/search` with a bearer token, the
entry of the ledger that permits the question, and the search. No real tenant is behind it.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from alpr_cli.simulated import serve, simulator

PATH: Final = "/detections/search"
MADE_UP: Final[tuple[dict[str, Any], ...]] = (
    {"detection_id": "5a000000-0000-4000-8000-000000000001", "plate": "8LRN001", "state": "US-CA",
     "captured_at": "2026-03-02T08:15:00+00:00", "latitude": 38.75, "longitude": -121.29},
    {"detection_id": "5a000000-0000-4000-8000-000000000002", "plate": "8LRN001", "state": "US-CA",
     "captured_at": "2026-03-03T17:40:00+00:00", "latitude": 38.58, "longitude": -121.49},
    {"detection_id": "5a000000-0000-4000-8000-000000000003", "plate": "7LRN777", "state": "US-NV",
     "captured_at": "2026-03-03T18:05:00+00:00", "latitude": 39.53, "longitude": -119.81},
)  # fmt: skip
"""Detections of vehicles that do not exist."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr learn`."""
    parser.add_argument("--port", type=int, default=0, help="port on this machine; 0: any free one, printed")
    parser.add_argument("--token-file", type=Path, help="file with the token that callers must show")
    parser.add_argument("--detections", type=Path, help="JSON list of detections to answer from")


def run(arguments: argparse.Namespace) -> int:
    """Answer until interrupted."""
    token = arguments.token_file.read_text("utf-8").strip() if arguments.token_file else ""
    known = json.loads(arguments.detections.read_text("utf-8")) if arguments.detections else MADE_UP

    def answer(asked: Mapping[str, Any], shown: str) -> tuple[int, Mapping[str, Any]]:
        if token and shown != f"Bearer {token}":
            return 401, {}
        rows = [{**row, "device_name": "SIMULATED TENANT", "owner": "simulated", "simulated": True}
                for row in found(asked["search"], known)]  # fmt: skip
        return 200, {"detections": rows, "entry": asked["entry"]}

    return serve(simulator(arguments.port, PATH, answer), "simulated LEARN tenant, made-up detections only")


def found(search: dict[str, Any], known: tuple[dict[str, Any], ...] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The detections that a search asks for, newest first: plate, pattern, state and time."""
    pattern = re.escape(search.get("partial", "*")).replace(r"\*", ".*").replace(r"\?", ".")
    begins, ends = search.get("captured_from"), search.get("captured_to")

    def fits(row: dict[str, Any]) -> bool:
        seen = datetime.fromisoformat(row["captured_at"])
        return (
            search.get("plate") in (None, row["plate"])
            and re.fullmatch(pattern, row["plate"]) is not None
            and search.get("state") in (None, row.get("state"))
            and (begins is None or seen >= datetime.fromisoformat(begins))
            and (ends is None or seen <= datetime.fromisoformat(ends))
        )

    rows = sorted(filter(fits, known), key=lambda row: str(row["captured_at"]), reverse=True)
    return rows[: int(search.get("limit", 100))]
