"""`alpr simulate`: cameras that sign and send what they see, through Kafka or HTTPS, until it is acknowledged."""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from alpr_cli.broker import add_broker, broker
from alpr_cli.sources import Pace, Picture, pictures
from alprcore.errors import Misconfigured, Transient
from alprcore.kafka import KafkaSettings, Publisher, follow_whole
from alprcore.model import (
    INLINE_JPEG_LIMIT,
    Device,
    DeviceKind,
    Frame,
    GeoPoint,
    Location,
    LocationQuality,
    View,
    frame_id,
)
from alprcore.seal import SigningKey
from alprcore.topics import Topic
from alprcore.wire import decode_device, encode_frame, headers_for, rfc3339

SOURCE: Final = "plateline/simulate"
RESERVED: Final = 50
"""Sequences set aside per write of the state file: a restart may skip some, and never uses one again."""
SPOOL: Final = 100
"""Frames a camera keeps while its door is away: 20 s at 5 frames a second."""
_PLACE: Final = GeoPoint(33.6846, -117.8265)
_REGISTRY_S: Final = 30.0
_FIRST_DELAY_S: Final = 0.2
_LONGEST_DELAY_S: Final = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr simulate`."""
    parser.add_argument(
        "--source",
        default="drive",
        help="drive (rendered), canary (one test plate, again and again), a folder, a video or an rtsp address",
    )
    parser.add_argument("--door", choices=("kafka", "https"), default="kafka", help="how frames are sent")
    add_broker(parser)
    parser.add_argument("--url", default="http://127.0.0.1:8081", help="of ingest, for --door https")
    parser.add_argument("--device", action="append", required=True, metavar="[ID=]KEYFILE", help="a device and its key")
    parser.add_argument("--cameras", type=int, help="use this many cameras (default: all that the devices have)")
    parser.add_argument("--fps", type=float, default=2.0, help="frames per second and camera")
    parser.add_argument(
        "--moment-s",
        type=float,
        default=2.0,
        help="least time between two photographs of a folder, or two showings of a canary",
    )
    parser.add_argument("--state", type=Path, default=Path(".plateline/simulate"), help="keeps the sequences")
    parser.add_argument("--plates", help="plates of the rendered drive, separated by commas")
    parser.add_argument("--seed", type=int, default=1, help="of the rendered drive")
    parser.add_argument("--loop", action="store_true", help="begin again at the end")
    parser.add_argument("--frames", type=int, help="stop after so many frames per camera")
    parser.add_argument("--latitude", type=float, default=_PLACE.latitude, help="of a device without a position")
    parser.add_argument("--longitude", type=float, default=_PLACE.longitude)


@dataclass(frozen=True, slots=True)
class SimulatedCamera:
    """One camera: whose it is, its key, and what it says of its place."""

    agency: str
    device_id: str
    camera_id: str
    view: View
    location: Location
    key: SigningKey


class Sequence:
    """Numbers of one camera's frames, never used twice, kept in a file."""

    def __init__(self, folder: Path, camera_id: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{camera_id}.sequence"
        self._next = int(self._file.read_text()) if self._file.exists() else 1
        self._reserved = self._next

    def take(self) -> int:
        """Give the next number; it is set aside on disk before it is used."""
        if self._next >= self._reserved:
            self._reserved = self._next + RESERVED
            draft = self._file.with_suffix(".draft")
            with draft.open("w") as file:
                file.write(str(self._reserved))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._file)
        number = self._next
        self._next += 1
        return number


def make_frame(camera: SimulatedCamera, jpeg: bytes, sequence: int, captured_at: datetime) -> Frame:
    """Make the frame that a camera takes now, signed by its device."""
    sha256 = hashlib.sha256(jpeg).digest()
    frame = Frame(
        frame_id=frame_id(camera.camera_id, sequence, sha256),
        agency=camera.agency,
        device_id=camera.device_id,
        camera_id=camera.camera_id,
        sequence=sequence,
        captured_at=captured_at,
        received_at=None,
        location=camera.location,
        sha256=sha256,
        signature=b"",
        view=camera.view,
        image=jpeg,
    )
    return replace(frame, signature=camera.key.sign(frame.signed_text()))


Send = Callable[[Frame], Awaitable[str]]
"""Sends a frame until it is acknowledged; answers "accepted", "duplicate" or the code of a refusal."""


def kafka_door(publisher: Publisher, stop: asyncio.Event) -> Send:
    """Publish to `frames`, as a camera with a Kafka client does."""

    async def send(frame: Frame) -> str:
        if isinstance(frame.image, bytes) and len(frame.image) > INLINE_JPEG_LIMIT:
            return "IMAGE_TOO_LARGE"  # such a camera must use the HTTPS door
        headers = headers_for(Topic.FRAMES, id=frame.frame_id, source=SOURCE, time=frame.captured_at)
        value = encode_frame(frame)

        async def once() -> str:
            await publisher.publish(Topic.FRAMES, key=frame.camera_id, value=value, headers=headers)
            return "accepted"

        return await _until_answered(once, stop)

    return send


def frame_parts(frame: Frame) -> list[tuple[str, tuple[str, bytes, str]]]:
    """Lay out a frame for `POST /v1/frames`."""
    place = frame.location
    if place is None or not isinstance(frame.image, bytes):
        raise ValueError("a camera sends a place and an image")
    meta = {
        "device_id": frame.device_id,
        "camera_id": frame.camera_id,
        "sequence": frame.sequence,
        "captured_at": rfc3339(frame.captured_at),
        "latitude": place.point.latitude,
        "longitude": place.point.longitude,
        "location_quality": place.quality.value,
        "location_age_s": place.age_s,
        "heading": place.heading,
        "view": frame.view.value,
        "sha256": frame.sha256.hex(),
        "signature": base64.b64encode(frame.signature).decode(),
    }
    return [
        ("meta", ("meta.json", json.dumps(meta).encode(), "application/json")),
        ("image", ("frame.jpg", frame.image, "image/jpeg")),
    ]


def https_door(client: Any, stop: asyncio.Event) -> Send:
    """Post to ingest, as a camera without a Kafka client does."""
    import httpx

    async def send(frame: Frame) -> str:
        async def once() -> str:
            try:
                answer = await client.post("/v1/frames", files=frame_parts(frame))
            except httpx.TransportError as error:
                raise Transient(type(error).__name__) from error
            if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                raise Transient(f"ingest answers {answer.status_code}")
            body = answer.json()
            if answer.is_success:
                return str(body["frames"][0]["status"])
            return str(body.get("reason_code", answer.status_code))

        return await _until_answered(once, stop)

    return send


async def _until_answered(once: Callable[[], Awaitable[str]], stop: asyncio.Event) -> str:
    """Ask again and again while the door is away: a frame is forgotten after its acknowledgment only."""
    delay = _FIRST_DELAY_S
    while True:
        try:
            return await once()
        except Transient:
            if stop.is_set():
                return "UNACKNOWLEDGED"
            try:
                await asyncio.wait_for(stop.wait(), delay)
            except TimeoutError:
                delay = min(delay * 2, _LONGEST_DELAY_S)


def read_devices(options: argparse.Namespace) -> dict[str, SigningKey]:
    """Read the device keys named on the command line; a key file's name is the device's id unless one is given."""
    keys = {}
    for text in options.device:
        name, separator, file = text.rpartition("=")
        path = Path(file)
        keys[name if separator else path.stem] = SigningKey.load(path)
    return keys


async def registered(kafka: KafkaSettings, wanted: set[str]) -> dict[str, Device]:
    """Look devices up in topic `devices`, waiting 30 s for those that are not there yet. Raises `Misconfigured`."""
    found: dict[str, Device] = {}
    ready, stop = asyncio.Event(), asyncio.Event()

    def apply(key: str, value: bytes | None, headers: dict[str, bytes]) -> None:
        if value is not None and key in wanted:
            found[key] = decode_device(value, headers)

    following = asyncio.create_task(follow_whole(kafka, Topic.DEVICES, apply, ready=ready, stop=stop))
    try:
        async with asyncio.timeout(_REGISTRY_S):
            while not (ready.is_set() and wanted <= found.keys()):
                if following.done():
                    break
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise Misconfigured(f"not registered: {', '.join(sorted(wanted - found.keys()))}") from None
    finally:
        stop.set()
        await following
    return found


def cameras_of(keys: dict[str, SigningKey], devices: dict[str, Device], place: GeoPoint) -> list[SimulatedCamera]:
    """List the cameras of the devices; a device that the registry is not asked for has one, named `<device>-a`."""
    cameras = []
    for device_id, key in keys.items():
        device = devices.get(device_id)
        fixed = device is None or device.kind is DeviceKind.FIXED
        point = place if device is None or device.position is None else device.position
        location = Location(point, LocationQuality.REGISTERED if fixed else LocationQuality.LIVE)
        if device is None:
            cameras.append(SimulatedCamera("", device_id, f"{device_id}-a", View.UNKNOWN, location, key))
        else:
            cameras += [
                SimulatedCamera(device.agency, device_id, camera.camera_id, camera.view, location, key)
                for camera in device.cameras
            ]
    return cameras


async def play(
    camera: SimulatedCamera,
    scenes: Callable[[], Iterator[Picture]],
    send: Send,
    sequence: Sequence,
    stop: asyncio.Event,
    *,
    loop: bool = False,
    frames: int | None = None,
) -> Counter[str]:
    """Play a source through one camera; answers how its frames ended, by outcome.

    The camera goes on looking while its door is away, as a real one does, and sends what it saw afterwards.
    """
    spool: asyncio.Queue[Frame | None] = asyncio.Queue(SPOOL)
    outcomes: Counter[str] = Counter()

    async def send_all() -> None:
        while (frame := await spool.get()) is not None:
            outcomes[await send(frame)] += 1

    sending = asyncio.create_task(send_all())
    taken = 0
    while not stop.is_set():
        pace, source, before = Pace(), scenes(), taken
        while not stop.is_set() and (frames is None or taken < frames):
            picture = await asyncio.to_thread(next, source, None)
            if picture is None:
                break
            try:
                await asyncio.wait_for(stop.wait(), pace.wait_s(picture.due_s))
                break
            except TimeoutError:
                await spool.put(make_frame(camera, picture.jpeg, sequence.take(), datetime.now(UTC)))
                taken += 1
        await asyncio.to_thread(_close, source)
        if not loop or taken == before or (frames is not None and taken >= frames):
            break
    await spool.put(None)
    await sending
    return outcomes


def _close(source: Iterator[Picture]) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        close()


async def _simulate(options: argparse.Namespace) -> Counter[str]:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    keys = read_devices(options)
    place = GeoPoint(options.latitude, options.longitude)
    if options.door == "https":
        import httpx

        async with httpx.AsyncClient(base_url=options.url, timeout=60, trust_env=False) as client:
            return await _play_all(options, cameras_of(keys, {}, place), https_door(client, stop), stop)
    kafka = broker(options)
    devices = await registered(kafka, set(keys))
    async with Publisher(kafka) as publisher:
        return await _play_all(options, cameras_of(keys, devices, place), kafka_door(publisher, stop), stop)


async def _play_all(
    options: argparse.Namespace, cameras: list[SimulatedCamera], send: Send, stop: asyncio.Event
) -> Counter[str]:
    cameras = cameras[: options.cameras] if options.cameras else cameras
    plates = options.plates.split(",") if options.plates else None

    def scenes(part: int) -> Callable[[], Iterator[Picture]]:
        return lambda: pictures(
            options.source,
            fps=options.fps,
            moment_s=options.moment_s,
            part=part,
            parts=len(cameras),
            plates=plates,
            seed=options.seed,
        )

    outcomes: Counter[str] = Counter()
    for one in await asyncio.gather(
        *(
            play(
                camera,
                scenes(part),
                send,
                Sequence(options.state, camera.camera_id),
                stop,
                loop=options.loop,
                frames=options.frames,
            )
            for part, camera in enumerate(cameras)
        )
    ):
        outcomes += one
    return outcomes


def run(options: argparse.Namespace) -> int:
    """Play until the source ends or a signal comes; prints the outcomes, 1 when a frame was not accepted."""
    outcomes = asyncio.run(_simulate(options))
    print(json.dumps({"frames": outcomes.total(), "outcomes": dict(outcomes)}), file=sys.stdout, flush=True)
    return 0 if not set(outcomes) - {"accepted", "duplicate"} else 1
