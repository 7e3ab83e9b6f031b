"""A recognizer's surroundings on a real broker: registry topics, signed frames going in, the process, what comes out."""

import asyncio
import contextlib
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, date, datetime, timedelta

from aiokafka import AIOKafkaConsumer, TopicPartition
from PIL import Image

from alprcore import model, policy, seal, wire
from alprcore.kafka import KafkaSettings, Publisher, create_topics, load_topic_specs
from alprcore.profiles import load_profiles, shipped_documents
from alprcore.topics import Topic, physical

AGENCY = "demo"
TOPICS = {"frames", "devices", "profiles", "image.keys", "reads"}
MARK = b"plateline-load-test:"  # the fake reader's, kept as a literal: the light environment need not import the models
PLACE = model.Location(model.GeoPoint(34.05, -118.24), model.LocationQuality.LIVE, 0.0, 92.0)


def now():
    return datetime.now(UTC)


def picture(width=320, height=200, shade=90):
    out = io.BytesIO()
    Image.new("RGB", (width, height), (shade, shade, shade)).save(out, "JPEG")
    return out.getvalue()


def fake_jpeg(plates, shade=90):
    """A frame that carries its plates behind the picture: (x, text, probability) or a whole box with text."""
    rows = [[p[0], 80, 60, 30, p[1], p[2]] if len(p) == 3 else list(p) for p in plates]
    return picture(shade=shade) + MARK + json.dumps(rows).encode()


class World:
    def __init__(self, bootstrap, prefix, folder):
        self.settings = KafkaSettings(bootstrap=bootstrap, topic_prefix=prefix)
        self.folder = folder
        self.images = folder / "images"
        self.keys = {}
        self.devices = {}
        self.private = {}
        self.publisher = Publisher(self.settings)

    async def open(self):
        specs = [spec for spec in load_topic_specs() if spec.name.removesuffix(".dlq") in TOPICS]
        await create_topics(self.settings, specs)
        await self.publisher.start()
        document = shipped_documents()[AGENCY]
        self.profile = load_profiles()[AGENCY]
        record = model.ProfileRecord(AGENCY, self.profile.version, document, now())
        await self._put(Topic.PROFILES, AGENCY, wire.encode_profile(record))
        for kind in model.DeviceKind:
            for days in (0, 1):
                moment = now() - timedelta(days=days)
                await self.image_key(policy.due_day(moment, now(), kind, self.profile))
        return self

    async def image_key(self, day):
        if day not in self.private:
            self.private[day], public = seal.new_image_key()
            await self._put(
                Topic.IMAGE_KEYS, f"{AGENCY}/{day}", wire.encode_image_key(model.ImageKey(AGENCY, day, public))
            )

    async def device(self, name, *, public_view=True, in_service=True, cameras=("c1",), directions=("N",)):
        key = self.keys.setdefault(name, seal.SigningKey(hashlib.sha256(name.encode()).digest()))
        device = model.Device(
            device_id=name,
            agency=AGENCY,
            kind=model.DeviceKind.FIXED,
            name=f"Camera {name}",
            carrier="pole",
            cameras=tuple(model.Camera(f"{name}-{camera}", camera, directions, model.View.REAR) for camera in cameras),
            siting=model.Siting(public_view, "Chief", date(2026, 1, 1)),
            in_service=in_service,
            position=None,
            public_key=key.public,
        )
        self.devices[name] = device
        await self._put(Topic.DEVICES, name, wire.encode_device(device))

    def frame(self, device, sequence, captured_at, image, *, camera="c1", location=PLACE, signature=None):
        digest = hashlib.sha256(image).digest()
        camera_id = f"{device}-{camera}"
        text = model.signed_text(
            device_id=device, camera_id=camera_id, sequence=sequence, captured_at=captured_at,
            location=location, view=model.View.REAR, sha256=digest,
        )  # fmt: skip
        return model.Frame(
            frame_id=model.frame_id(camera_id, sequence, digest),
            agency=AGENCY,
            device_id=device,
            camera_id=camera_id,
            sequence=sequence,
            captured_at=captured_at,
            received_at=now(),
            location=location,
            sha256=digest,
            signature=self.keys[device].sign(text) if signature is None else signature,
            view=model.View.REAR,
            image=image,
        )

    async def send(self, frame, value=None, partition=None):
        headers = wire.headers_for(
            Topic.FRAMES,
            id=frame.frame_id,
            source="test",
            time=now(),
            traceparent=f"00-{frame.sequence:032x}-{1:016x}-01",
        )
        return await self.publisher.publish(
            Topic.FRAMES,
            key=frame.camera_id,
            value=value or wire.encode_frame(frame),
            headers=headers,
            partition=partition,
        )

    async def _put(self, topic, key, value):
        headers = wire.headers_for(topic, id=key, source="test", time=now())
        await self.publisher.publish(topic, key=key, value=value, headers=headers)

    async def out(self, topic, dlq=False):
        """All messages of a topic now."""
        name = physical(topic, prefix=self.settings.topic_prefix) + (".dlq" if dlq else "")
        consumer = AIOKafkaConsumer(**self.settings.client_params(), auto_offset_reset="earliest")
        await consumer.start()
        try:
            parts = [TopicPartition(name, number) for number in range(1 if dlq else 4)]
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            ends, found = await consumer.end_offsets(parts), []
            while any([await consumer.position(part) < ends[part] for part in parts]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found.extend(records)
            return found
        finally:
            await consumer.stop()

    async def reads(self):
        return [wire.decode_read(record.value, dict(record.headers)) for record in await self.out(Topic.READS)]

    async def letters(self):
        return [
            (dict(record.headers)["dlq-code"].decode(), record) for record in await self.out(Topic.FRAMES, dlq=True)
        ]

    async def wait(self, condition, seconds=90):
        """Wait until an awaitable condition answers something."""
        deadline = time.monotonic() + seconds
        while True:
            if found := await condition():
                return found
            assert time.monotonic() < deadline, "waited too long"
            await asyncio.sleep(0.3)

    def open_image(self, ref):
        sealed = (self.images / ref.key).read_bytes()
        return seal.open_image(self.private[ref.sealed_to], sealed, aad=ref.key.encode())


class Service:
    """The recognizer as a process."""

    def __init__(self, world, *, python=sys.executable, **settings):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ALPR_")}
        given = {
            "port": self.port,
            "kafka_bootstrap": world.settings.bootstrap,
            "topic_prefix": world.settings.topic_prefix,
            "objects_url": world.images.as_uri(),
            "reader": "fake",
            "load_test": "true",
            "log_level": "info",
            **settings,
        }
        environment |= {f"ALPR_RECOGNIZER_{name.upper()}": str(value) for name, value in given.items()}
        self.log = world.folder / f"recognizer-{self.port}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([python, "-m", "alpr_recognizer"], env=environment, stderr=log, stdout=log)

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    async def ready(self, seconds=60):
        deadline = time.monotonic() + seconds
        while (await asyncio.to_thread(self.get, "/readyz"))[0] != 200:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            await asyncio.sleep(0.1)
        return self

    def outcomes(self):
        lines = self.get("/metrics")[1].splitlines()
        rows = [line for line in lines if line.startswith("alpr_recognizer_frames_total{")]
        return {row.split('"')[1]: int(float(row.rsplit(" ", 1)[1])) for row in rows}

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextlib.asynccontextmanager
async def world_of(bootstrap, prefix, folder):
    world = await World(bootstrap, prefix, folder).open()
    try:
        yield world
    finally:
        await world.publisher.stop()


@contextlib.contextmanager
def service_of(world, **settings):
    service = Service(world, **settings)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.kill()
