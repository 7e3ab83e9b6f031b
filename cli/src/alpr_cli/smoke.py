"""`alpr smoke`: the whole product in a temporary folder, without a person; the exit status tells whether it works.

A few vehicles drive past one camera; one of them is listed. The run has succeeded when a plain subscriber of
`cad.demo.notifications` has received the alert, a dispatcher has compared and verified the hit, and a search through the
query door has found the read. With `--console` the same is done to an installation that runs already.
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
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

from alpr_cli import demo, local
from alpr_cli.run import EX_UNAVAILABLE
from alpr_cli.stack import Stack, StackError

VEHICLES: Final = 6
_PATIENCE_S: Final = 30.0
"""For what follows an alert: the console has the hit, retention has stored its read."""
_SEARCH_PAUSE_S: Final = 2.5
"""Between two searches: the door admits a person 30 in a minute."""
_UNKNOWN: Final = 404


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr smoke`."""
    parser.add_argument("--source", default="drive", help="drive, a folder, a video or an rtsp address")
    parser.add_argument("--list", type=Path, help="a CSV list; at least one of its plates must drive past")
    parser.add_argument("--patience", type=float, default=180.0, help="seconds to wait for the alert")
    running = parser.add_argument_group(
        "an installation that runs already", "the sessions of its people are read from standard input, as JSON: "
        '{"administrator": TOKEN, "dispatcher": TOKEN, "investigator": TOKEN}, of the agency demo'
    )  # fmt: skip
    running.add_argument("--console", help="address of its console")
    running.add_argument("--ingest", default="http://127.0.0.1:8081", help="address of ingest")
    running.add_argument("--kafka", default="127.0.0.1:9092", help="host and port of its brokers")
    running.add_argument("--state", type=Path, default=Path(".plateline"), help="keeps the keys of simulated devices")


@dataclass(frozen=True, slots=True)
class Running:
    """An installation that runs already, with a session for each account of the demonstration."""

    console: str
    ingest: str
    bootstrap: str
    state: Path
    sessions: Mapping[str, str]

    @property
    def keys(self) -> Path:
        """The folder of key files."""
        return self.state / "keys"

    def sign_in(self, account: str) -> demo.Session:
        """Go on with an account's session; raises `demo.DemoError` where none was given."""
        if account not in self.sessions:
            message = f"no session of {account} was given"
            raise demo.DemoError(message)
        return demo.Session(self.console, account, "", token=self.sessions[account])


def run(options: argparse.Namespace) -> int:
    """Play, wait, search, print; returns 0 when everything arrived, 1 when something did not."""
    began = time.monotonic()

    def tell(words: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {words}", flush=True)

    try:
        if options.console:
            places = options.console, options.ingest, options.kafka, options.state
            return play(Running(*places, json.load(sys.stdin)), options, tell)
        with tempfile.TemporaryDirectory(prefix="plateline-smoke-") as folder:
            Path(folder).chmod(0o755)  # PostgreSQL runs as a user of its own when we are root
            with Stack(Path(folder), tell=tell) as stack:
                status = play(stack, options, tell)
                for name, megabytes in stack.resident_mb().items():
                    print(f"  {name:12} {megabytes:6.0f} MB resident")
                return status
    except (StackError, local.LocalError, demo.DemoError) as error:
        print(f"alpr smoke: {error}", file=sys.stderr)
        return EX_UNAVAILABLE


def play(place: demo.Installation, options: argparse.Namespace, tell: Any) -> int:
    """Play a drive through an installation and follow a hit to its end; 0 when everything arrived, 1 when not."""
    began, plates = datetime.now(UTC), demo.DRIVE[:VEHICLES]
    demo.prepare(place, cameras=1, plates=options.list)
    tell("device registered, list loaded; playing")
    extra = ("--plates", ",".join(plates)) if options.source == "drive" else ()
    command = demo.player(place, source=options.source, fps=4.0, devices=demo.device_ids(1), extra=extra)
    with subprocess.Popen(command) as player:
        alerts = asyncio.run(_alerts(place.bootstrap, options.patience, began))
        player.wait()
    if not alerts:
        print(f"no alert within {options.patience:.0f} s", file=sys.stderr)
        return 1
    tell(f"{len(alerts)} alert(s) at a plain subscriber of cad.{demo.AGENCY}.notifications")
    state = _verify(place, alerts[0]["hit_id"])
    tell(f"the dispatcher compared the plate and entered an answer: the hit is {state}")
    rows = _search(place, alerts[0]["plate"])
    tell(f"search answered with {rows} read(s), after its ledger entry")
    latencies = [alert["latency_s"] for alert in alerts]
    print(
        f"vehicles {len(plates) if extra else 'of ' + options.source}, alerts {len(alerts)}, reads found {rows}, "
        f"captured to subscriber: median {statistics.median(latencies):.2f} s, longest {max(latencies):.2f} s"
    )
    return 0 if rows and state == "verified" else 1


async def _alerts(bootstrap: str, patience_s: float, since: datetime) -> list[Mapping[str, Any]]:
    """Subscribe as a CAD system would; gives what was captured and rang since then, until 3 s bring no other."""
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
                    if captured < since:
                        continue
                    latency = (datetime.now(UTC) - captured).total_seconds()
                    told = {"plate": alert["plate_read"], "hit_id": alert["hit_id"], "latency_s": latency}
                    alerts.setdefault(alert["incident_id"], told)
                    deadline = min(deadline, time.monotonic() + 3)
    finally:
        await consumer.stop()
    return list(alerts.values())


def _verify(place: demo.Installation, hit_id: str) -> str:
    """Compare the plate and enter what the database answered, as a dispatcher does; gives how far the hit is."""
    compared = {"result": "correct", "method": "image_review", "state_confirmed": "match"}
    answered = {"source": "CLETS", "route": "dispatch", "result": "active", "reference": "SMOKE RUN"}
    hit, deadline = f"/v1/hits/{hit_id}", time.monotonic() + _PATIENCE_S
    with place.sign_in("dispatcher") as dispatcher:
        while dispatcher.call("GET", f"{hit}/work", allow=(_UNKNOWN,)).is_error and time.monotonic() < deadline:
            time.sleep(0.5)
        dispatcher.call("POST", f"{hit}/read-check", json=compared)
        return str(dispatcher.call("POST", f"{hit}/verifications", json=answered).json()["state"])


def _search(place: demo.Installation, plate: str) -> int:
    """Ask the query door for a plate, until retention has stored its read; gives the number of rows."""
    question = {
        "purpose_code": "criminal_investigation",
        "justification": "smoke run of the installation",
        "attest_no_first_amendment": True,
        "criteria": {"plate": plate},
    }
    deadline = time.monotonic() + _PATIENCE_S
    with place.sign_in("investigator") as investigator:
        while True:
            rows = len(investigator.call("POST", "/v1/queries", json=question).json()["rows"])
            if rows or time.monotonic() > deadline:
                return rows
            time.sleep(_SEARCH_PAUSE_S)
