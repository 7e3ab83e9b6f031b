"""`alpr simulate-cad`: a simulated CAD system, for tests and demonstrations. Every answer says that it is one.

It follows an agency's `cad.<agency>.notifications` and answers on `cad.<agency>.status` as a dispatch room would: takes
the call, sends a unit, has it arrive, closes. Nobody is sent anywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from alpr_cli.broker import add_broker, broker
from alprcore import wire
from alprcore.errors import InvalidMessage
from alprcore.kafka import DeadLetters, Message, Publisher, run_consumer
from alprcore.model import CadSaid, CadStatus, make_id
from alprcore.ops import ConsumerMetrics
from alprcore.topics import Topic

SOURCE: Final = "cad-simulator"
REASON: Final = "simulated: duplicate of an open call"
STEPS: Final = (CadSaid.ACCEPTED, CadSaid.DISPATCHED, CadSaid.ON_SCENE, CadSaid.CLOSED)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr simulate-cad`."""
    add_broker(parser)
    parser.add_argument("--agency", default="demo", help="whose CAD this is")
    parser.add_argument("--pace", type=float, default=5.0, help="seconds between two answers about an incident")
    parser.add_argument("--reject-every", type=int, default=0, help="reject every n-th incident; 0: none")


def run(options: argparse.Namespace) -> int:
    """Answer until interrupted."""
    return asyncio.run(_run(options))


def script(number: int, reject_every: int) -> tuple[CadSaid, ...]:
    """Say what the `number`-th incident (from 1) is answered, in this order."""
    return (CadSaid.REJECTED,) if reject_every and number % reject_every == 0 else STEPS


def answer(incident_id: str, number: int, said: CadSaid, now: datetime) -> CadStatus:
    """Make one answer; the same one has the same id, so that saying it twice does no harm."""
    return CadStatus(
        event_id=make_id("cad_simulated", incident_id, said.value),
        incident_id=incident_id,
        status=said,
        said_at=now,
        reason=REASON if said is CadSaid.REJECTED else "",
        call_number="" if said is CadSaid.REJECTED else f"SIM-{number:06d}",
        unit="SIM Car 1" if said in (CadSaid.DISPATCHED, CadSaid.ON_SCENE) else "",
        simulated=True,
    )


def opens(event: Mapping[str, Any]) -> str:
    """Give the incident that a message opens; empty for updates, recalls and tests. Raises `InvalidMessage`."""
    try:
        data = event["data"]
        alert = data["cap"]["msgType"] == "Alert" and data["status"] != "Test"
        return str(data["incident_id"]) if alert else ""
    except (KeyError, TypeError) as error:
        raise InvalidMessage("FIELD_MISSING", "data") from error


def takes_back(event: Mapping[str, Any]) -> str:
    """Give the incident that a message takes back: nobody is sent any further; empty for all others."""
    data = event["data"]
    return str(data["incident_id"]) if data["cap"]["msgType"] == "Cancel" else ""


async def _run(options: argparse.Namespace) -> int:
    settings = broker(options)
    stop, known, playing = asyncio.Event(), dict[str, int](), dict[str, asyncio.Task[None]]()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with Publisher(settings) as publisher:

        async def play(incident_id: str, number: int) -> None:
            for said in script(number, options.reject_every):
                await asyncio.sleep(options.pace)
                told = answer(incident_id, number, said, datetime.now(UTC))
                headers = wire.headers_for(Topic.CAD_STATUS, id=told.event_id, source=SOURCE, time=told.said_at)
                await publisher.publish(
                    Topic.CAD_STATUS, key=incident_id, value=wire.encode_cad_status(told, source=SOURCE),
                    headers=headers, agency=options.agency,
                )  # fmt: skip
                print(f"simulated: {incident_id} {said.value}", flush=True)

        async def handle(message: Message) -> None:
            try:
                event = json.loads(message.value or b"")
            except ValueError as error:
                raise InvalidMessage("MALFORMED", "no JSON") from error
            incident_id = opens(event)
            if incident_id and incident_id not in known:
                known[incident_id] = len(known) + 1
                playing[incident_id] = asyncio.create_task(play(incident_id, known[incident_id]))
            elif (over := playing.pop(takes_back(event), None)) is not None and not over.done():
                over.cancel()
                print(f"simulated: {takes_back(event)} taken back, nobody goes on", flush=True)

        print(f"simulated CAD of {options.agency}: nobody is sent anywhere", flush=True)
        await run_consumer(
            settings, [Topic.CAD_NOTIFICATIONS], group=f"cad-{options.agency}", handle=handle,
            dead_letters=DeadLetters(publisher, SOURCE), stop=stop, metrics=ConsumerMetrics("cad_simulator"),
            outsiders=True, agencies=[options.agency],
        )  # fmt: skip
        for task in playing.values():
            task.cancel()
        await asyncio.gather(*playing.values(), return_exceptions=True)
    return 0
