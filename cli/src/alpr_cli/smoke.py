"""`alpr smoke`: the whole product in a temporary folder, without a person; the exit status tells whether it works.

A few vehicles drive past one camera; one of them is listed. The run has succeeded when a plain subscriber of
`cad.demo.notifications` has received the alert, and a search through the query door has found the read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

from alpr_cli import demo, local
from alpr_cli.run import EX_UNAVAILABLE
from alpr_cli.stack import Stack, StackError

VEHICLES: Final = 6
_SEARCH_PATIENCE_S: Final = 30.0
_SEARCH_PAUSE_S: Final = 2.5
"""Between two searches: the door admits a person 30 in a minute."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr smoke`."""
    parser.add_argument("--source", default="drive", help="drive, a folder, a video or an rtsp address")
    parser.add_argument("--list", type=Path, help="a CSV list; at least one of its plates must drive past")
    parser.add_argument("--patience", type=float, default=180.0, help="seconds to wait for the alert")


def run(options: argparse.Namespace) -> int:
    """Play, wait, search, print; returns 0 when everything arrived, 1 when something did not."""
    began = time.monotonic()

    def tell(words: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {words}", flush=True)

    with tempfile.TemporaryDirectory(prefix="plateline-smoke-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as a user of its own when we are root
        try:
            with Stack(Path(folder), tell=tell) as stack:
                return _try(stack, options, tell)
        except (StackError, local.LocalError, demo.DemoError) as error:
            print(f"alpr smoke: {error}", file=sys.stderr)
            return EX_UNAVAILABLE


def _try(stack: Stack, options: argparse.Namespace, tell: Any) -> int:
    plates = demo.DRIVE[:VEHICLES]
    demo.prepare(stack, cameras=1, plates=options.list)
    tell("device registered, list loaded; playing")
    extra = ("--plates", ",".join(plates)) if options.source == "drive" else ()
    command = demo.player(stack, source=options.source, fps=4.0, devices=demo.device_ids(1), extra=extra)
    with subprocess.Popen(command) as player:
        alerts = asyncio.run(_alerts(stack.bootstrap, options.patience))
        player.wait()
    if not alerts:
        print(f"no alert within {options.patience:.0f} s", file=sys.stderr)
        return 1
    tell(f"{len(alerts)} alert(s) at a plain subscriber of cad.{demo.AGENCY}.notifications")
    rows = _search(stack, alerts[0]["plate"])
    tell(f"search answered with {rows} read(s), after its ledger entry")
    latencies = [alert["latency_s"] for alert in alerts]
    print(
        f"vehicles {len(plates) if extra else 'of ' + options.source}, alerts {len(alerts)}, reads found {rows}, "
        f"captured to subscriber: median {statistics.median(latencies):.2f} s, longest {max(latencies):.2f} s"
    )
    for name, megabytes in stack.resident_mb().items():
        print(f"  {name:12} {megabytes:6.0f} MB resident")
    return 0 if rows else 1


async def _alerts(bootstrap: str, patience_s: float) -> list[Mapping[str, Any]]:
    """Subscribe as a CAD system would; gives what rang, until 3 s have passed without another."""
    consumer = AIOKafkaConsumer(
        f"cad.{demo.AGENCY}.notifications",
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    alerts: dict[str, Mapping[str, Any]] = {}
    deadline = time.monotonic() + patience_s
    try:
        while time.monotonic() < deadline:
            for messages in (await consumer.getmany(timeout_ms=500)).values():
                for message in messages:
                    alert = json.loads(message.value or b"{}")["data"]
                    captured = datetime.fromisoformat(alert["captured_at"])
                    latency = (datetime.now(UTC) - captured).total_seconds()
                    alerts.setdefault(alert["incident_id"], {"plate": alert["plate_read"], "latency_s": latency})
                    deadline = min(deadline, time.monotonic() + 3)
    finally:
        await consumer.stop()
    return list(alerts.values())


def _search(stack: Stack, plate: str) -> int:
    """Ask the query door for a plate, until retention has stored its read; gives the number of rows."""
    question = {
        "purpose_code": "criminal_investigation",
        "justification": "smoke run of the installation",
        "attest_no_first_amendment": True,
        "criteria": {"plate": plate},
    }
    deadline = time.monotonic() + _SEARCH_PATIENCE_S
    with demo.Session(stack.console, "investigator", stack.demo_password) as investigator:
        while True:
            rows = len(investigator.call("POST", "/v1/queries", json=question).json()["rows"])
            if rows or time.monotonic() > deadline:
                return rows
            time.sleep(_SEARCH_PAUSE_S)
