"""A CAD system's subscriber: takes each notification once, in order, and answers that it was accepted.

    python cad_subscriber.py BROKER AGENCY GROUP [FOLDER]

On a secured broker GROUP is cad-AGENCY, and FOLDER holds what the operator hands over: `password` of the account
cad-AGENCY and `ca.crt`, whom to believe. Needs aiokafka. What it has seen lies in a file here; a CAD keeps it in its database, in the transaction that opens
the call.
"""

import asyncio
import json
import ssl
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

SOURCE = "cad.example/sample"


def order(data):
    """Of one incident, what is said later has the greater pair."""
    return data["revision"], data["update_no"]


def status(incident_id, said, **fields):
    """An answer for cad.<agency>.status, a CloudEvent. The same answer said twice has the same id."""
    event = {
        "specversion": "1.0",
        "type": "alpr.v1.cad.status",
        "source": SOURCE,
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{SOURCE}/{incident_id}/{said}")),
        "subject": incident_id,
        "time": datetime.now(timezone.utc).isoformat(),
        "datacontenttype": "application/json",
        "data": {"incident_id": incident_id, "status": said, **fields},
    }
    return json.dumps(event).encode()


def let_in(agency, folder):
    """How a secured broker knows us: SCRAM over TLS, by the account cad-<agency>."""
    return {
        "security_protocol": "SASL_SSL",
        "ssl_context": ssl.create_default_context(cafile=folder / "ca.crt"),
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": f"cad-{agency}",
        "sasl_plain_password": (folder / "password").read_text().strip(),
    }


async def main(broker, agency, group, folder=None):
    reached = {"bootstrap_servers": broker, **(let_in(agency, Path(folder)) if folder else {})}
    memory = Path(f"{group}.seen")
    seen = set(memory.read_text().split()) if memory.exists() else set()
    newest = {}
    consumer = AIOKafkaConsumer(
        f"cad.{agency}.notifications",
        **reached,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(**reached, acks="all", enable_idempotence=True)
    async with consumer, producer:
        async for message in consumer:
            event = json.loads(message.value)
            data = event["data"]
            incident = data["incident_id"]
            if event["id"] in seen:
                await consumer.commit()
                continue
            first = incident not in newest
            if first or order(data) > newest[incident]:
                newest[incident] = order(data)
                what = data["cap"]["msgType"]  # Alert opens, Update changes, Cancel takes back
                print(what, incident, data["revision"], data["update_no"], data["kind"], flush=True)
                if what == "Alert" and data["status"] == "Actual":
                    answer = status(incident, "accepted", call_number="26-000777")
                    await producer.send_and_wait(f"cad.{agency}.status", answer, key=incident.encode())
            seen.add(event["id"])
            memory.write_text("\n".join(seen))
            await consumer.commit()  # after the effect


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
