"""Ingest on a real broker and database: the service itself, a person's token, signed frames, what lies on topics."""

import asyncio
import base64
import io
import json
import socket
import threading
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from PIL import Image

from alpr_cli.simulate import SimulatedCamera, frame_parts, make_frame
from alpr_ingest.main import serve
from alpr_ingest.settings import Settings
from alprcore.kafka import KafkaSettings, create_topics, load_topic_specs
from alprcore.model import GeoPoint, Location, LocationQuality, Person, View
from alprcore.seal import ListKeys, SigningKey, sign_person

TOPICS = {
    "frames", "devices", "hotlist", "hotlist.versions", "hotlist.partials", "hotlist.alarms", "reads", "audit",
    "profiles", "purges", "purge.answers",
}  # fmt: skip
PLACE = Location(GeoPoint(38.7520952, -121.2880063), LocationQuality.REGISTERED)


def jpeg(seed=0, size=(320, 240), padding=0):
    """A synthetic JPEG; `padding` bytes of comments make it as large as wanted."""
    out = io.BytesIO()
    Image.new("RGB", size, (seed % 256, 80, 120)).save(out, "JPEG")
    data = out.getvalue()
    comments = b""
    while padding > 0:
        length = min(padding, 65_000)
        comments += b"\xff\xfe" + (length + 2).to_bytes(2, "big") + bytes([seed % 251]) * length
        padding -= length
    return data[:2] + comments + data[2:]


class World:
    def __init__(self, database, bootstrap, prefix, folder):
        self.database = database
        self.kafka = KafkaSettings(bootstrap=bootstrap, topic_prefix=prefix)
        self.folder = folder
        self.person_key = SigningKey(bytes([1]) * 32)
        self.device_key = SigningKey(bytes([2]) * 32)
        keys = folder / "list.keys"
        self.list_keys = ListKeys.load(keys) if keys.exists() else ListKeys.generate(keys, "test-1")
        self.package_key = SigningKey(bytes([3]) * 32)
        (folder / "package.key").write_text(base64.b64encode(bytes([3]) * 32).decode() + "\n")
        self.http = None

    def settings(self, **more):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        return Settings(
            port=port,
            kafka_bootstrap=self.kafka.bootstrap,
            topic_prefix=self.kafka.topic_prefix,
            database_url=self.database.url("ingest"),
            objects_url=f"file://{self.folder / 'images'}",
            person_public_key=base64.b64encode(self.person_key.public).decode(),
            list_keys_file=str(self.folder / "list.keys"),
            package_key_file=str(self.folder / "package.key"),
            **more,
        )

    async def make_topics(self):
        specs = [spec for spec in load_topic_specs() if spec.name.removesuffix(".dlq") in TOPICS]
        await create_topics(self.kafka, specs)

    @asynccontextmanager
    async def running(self, clock=lambda: datetime.now(UTC), **more):
        settings, stop = self.settings(**more), asyncio.Event()
        service = asyncio.create_task(serve(settings, stop, clock))
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{settings.port}", timeout=120, trust_env=False
        ) as self.http:
            try:
                async with asyncio.timeout(60):
                    while not await self.ready():
                        if service.done():
                            service.result()
                        await asyncio.sleep(0.05)
                yield self
            finally:
                stop.set()
                await service

    async def ready(self):
        try:
            return (await self.http.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    def person(self, agency="demo", roles=("alpr_admin",), now=None, **more):
        person = Person("p-1", "admin1", "Test Administrator", "Test", agency, roles, "s-1", "127.0.0.1")
        person = replace(person, **more)
        return {"authorization": "Person " + sign_person(self.person_key, person, now or datetime.now(UTC))}

    async def call(self, method, path, *, agency="demo", roles=("alpr_admin",), **options):
        return await self.http.request(method, path, headers=self.person(agency, roles), **options)

    def device(self, device_id="pole-1", **changes):
        return {
            "device_id": device_id,
            "kind": "fixed",
            "name": "Pole 1",
            "carrier": "pole 1",
            "cameras": [{"camera_id": f"{device_id}-a", "name": "lane 1", "directions": ["N"], "view": "rear"}],
            "siting": {"public_view": True, "approver": "Test", "declared_on": "2026-01-05"},
            "position": {"latitude": 38.75, "longitude": -121.28},
            "public_key": base64.b64encode(self.device_key.public).decode(),
        } | changes

    async def register(self, device_id="pole-1", **changes):
        answer = await self.call("POST", "/v1/devices", json=self.device(device_id, **changes))
        assert answer.status_code == 201, answer.text
        return answer.json()

    def frame(self, sequence=1, image=None, device_id="pole-1", key=None, captured_at=None, camera_id=None):
        camera = SimulatedCamera(
            "demo", device_id, camera_id or f"{device_id}-a", View.REAR, PLACE, key or self.device_key
        )
        image = jpeg(sequence) if image is None else image
        return make_frame(camera, image, sequence, captured_at or datetime.now(UTC))

    async def post(self, *frames, change=None):
        """Post frames; `change` alters the metadata of each before it is sent (the signature stays)."""
        files = [part for frame in frames for part in frame_parts(frame)]
        if change is not None:
            altered = []
            for name, (file, content, kind) in files:
                if name == "meta":
                    meta = json.loads(content)
                    change(meta)
                    altered.append((name, (file, json.dumps(meta).encode(), kind)))
                else:
                    altered.append((name, (file, content, kind)))
            files = altered
        return await self.http.post("/v1/frames", files=files)

    async def lying(self, topic):
        """Everything that lies on a topic: (partition, offset, key, value, headers)."""
        name = self.kafka.topic_prefix + topic
        consumer = AIOKafkaConsumer(**self.kafka.client_params(), group_id=None, enable_auto_commit=False)
        await consumer.start()
        try:
            partitions = [
                TopicPartition(name, p) for p in consumer.partitions_for_topic(name) or await _known(consumer, name)
            ]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            found = []
            while any([await consumer.position(p) < ends[p] for p in partitions]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [
                        (r.partition, r.offset, (r.key or b"").decode(), r.value, dict(r.headers)) for r in records
                    ]
            return found
        finally:
            await consumer.stop()

    async def eventually(self, topic, count, seconds=20):
        """What lies on a topic once it is at least `count` messages."""
        async with asyncio.timeout(seconds):
            while len(found := await self.lying(topic)) < count:
                await asyncio.sleep(0.1)
        return found

    async def load(self, code, text, *, file_format="generic_csv", source_time=None, agency="demo", **fields):
        content = text if isinstance(text, bytes) else text.encode()
        when = (source_time or datetime.now(UTC)).isoformat()
        return await self.call(
            "POST",
            f"/v1/hotlists/{code}/loads",
            agency=agency,
            files={"file": ("list", content, "text/csv")},
            data={"format": file_format, "source_time": when, **{k: str(v) for k, v in fields.items()}},
        )


async def _known(consumer, name):
    consumer.subscribe([name])
    while not (found := consumer.partitions_for_topic(name)):
        await asyncio.sleep(0.05)
    consumer.unsubscribe()
    return found


class Serving:
    """Ingest in a thread of its own, for all tests of a file; `ahead` is how far its clock runs before ours."""

    def __init__(self, world):
        self.world, self.ahead, self.loop = world, timedelta(), asyncio.new_event_loop()

    def now(self):
        return datetime.now(UTC) + self.ahead

    def run(self, work, timeout=120):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def call(self, method, path, *, agency="demo", roles=("alpr_admin",), who=None, **options):
        headers = self.world.person(agency, roles, self.now(), **(who or {}))
        return self.run(self.world.http.request(method, path, headers=headers, **options))

    def lying(self, topic):
        return self.run(self.world.lying(topic))

    def rows(self, sql, *arguments):
        async def ask():
            connection = await asyncpg.connect(self.world.database.admin)
            try:
                return await connection.fetch(sql, *arguments)
            finally:
                await connection.close()

        return self.run(ask())

    def until(self, look, seconds=20):
        """Ask until the answer is true; answers it."""
        ends = time.monotonic() + seconds
        while not (found := look()) and time.monotonic() < ends:
            time.sleep(0.05)
        assert found
        return found


@contextmanager
def serving(world):
    """Run the world's ingest, its topics made, while the tests of a file go on."""
    one, stack = Serving(world), AsyncExitStack()
    thread = threading.Thread(target=one.loop.run_forever, daemon=True)
    thread.start()
    try:
        one.run(stack.enter_async_context(world.running(one.now)))
        yield one
        one.run(stack.aclose())
    finally:
        one.loop.call_soon_threadsafe(one.loop.stop)
        thread.join()
        one.loop.close()
