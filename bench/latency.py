"""Captured → notification, and frames per second, for one and for eight simulated cameras.

`make bench-latency` starts the whole product in a temporary folder, plays a rendered drive whose vehicles are
all listed, and prints each figure beside the design's target and, for eight cameras, beside one camera in the
same run. Writes bench/results/latency.md.
"""

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from aiokafka import AIOKafkaConsumer

from alpr_cli import demo, simulate
from alpr_cli.sources import Picture, pictures
from alpr_cli.stack import Stack
from alprcore import wire
from alprcore.kafka import KafkaSettings, Publisher
from alprcore.model import GeoPoint, NotificationKind
from alprcore.seal import SigningKey
from bench.report import Report

TARGET_P50_S, TARGET_P99_S = 1.0, 3.0
"""design: captured → notification, unloaded and at 80 % load on CPU."""
LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def plates(count: int, seed: int) -> list[str]:
    """Distinct synthetic plates in California's pattern."""
    texts = []
    for number in range(count):
        value = (seed * 1_000_003 + number * 7919) % (10 * 23**3 * 1000)
        digits, value = value % 1000, value // 1000
        letters = "".join(LETTERS[value // 23**place % 23] for place in range(3))
        texts.append(f"{4 + value // 23**3 % 6}{letters}{digits:03d}")
    return texts


async def watch(bootstrap: str, expected: int, timeout_s: float) -> list[tuple[float, float]]:
    """Collect (captured → notified by its stamps, captured → received here) of the first ring of each incident."""
    consumer = AIOKafkaConsumer("notifications", bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    seen: dict[str, tuple[float, float]] = {}
    deadline = time.monotonic() + timeout_s
    try:
        while len(seen) < expected and time.monotonic() < deadline:
            for messages in (await consumer.getmany(timeout_ms=500)).values():
                for message in messages:
                    note = wire.decode_notification(message.value or b"", dict(message.headers))
                    if note.kind is NotificationKind.HIT and note.target == "dispatch":
                        captured = note.hit.read.captured_at
                        here = datetime.now(UTC)
                        seen.setdefault(
                            note.incident_id,
                            ((note.notified_at - captured).total_seconds(), (here - captured).total_seconds()),
                        )
    finally:
        await consumer.stop()
    return list(seen.values())


def frames_done(stack: Stack) -> float:
    """Frames the recognizer has finished, by whatever outcome."""
    text = urllib.request.urlopen(f"{stack.services['recognizer'].url}/metrics", timeout=10).read().decode()
    return sum(float(m) for m in re.findall(r"^alpr_recognizer_frames_total\{[^}]*\} (\S+)$", text, re.MULTILINE))


def quantile(values: list[float], share: float) -> float:
    """The value below which this share lies, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def rendered(texts: list[str], seed: int, fps: float) -> list[Picture]:
    """Draw a drive beforehand: drawing while measuring would take the cores that are measured."""
    return list(pictures("drive", fps=fps, moment_s=0, part=0, parts=1, plates=texts, seed=seed))


async def play_all(stack: Stack, drives: list[list[Picture]], expected: int) -> list[tuple[float, float]]:
    """Play one drive through each camera while watching the notifications."""
    kafka = KafkaSettings(bootstrap=stack.bootstrap)
    keys = {name: SigningKey.load(demo.key_file(stack, name)) for name in demo.device_ids(len(drives))}
    cameras = simulate.cameras_of(keys, await simulate.registered(kafka, set(keys)), GeoPoint(0, 0))
    stop = asyncio.Event()
    async with Publisher(kafka) as publisher, asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch(stack.bootstrap, expected, 600))
        for camera, drive in zip(cameras, drives, strict=True):
            numbers = simulate.Sequence(stack.state / "simulate", camera.camera_id)
            send = simulate.kafka_door(publisher, stop)
            tasks.create_task(simulate.play(camera, lambda drive=drive: iter(drive), send, numbers, stop))
    return watching.result()


def measure(
    stack: Stack, cameras: int, fps: float, vehicles: int, seed: int
) -> tuple[list[tuple[float, float]], float]:
    """Play `vehicles` per camera at `fps`; returns the latencies and the frames per second reached."""
    texts = plates(vehicles * cameras, seed)
    drives = [rendered(texts[part::cameras], seed + part, fps) for part in range(cameras)]
    demo.load_list(stack, texts)
    before, began = frames_done(stack), time.monotonic()
    latencies = asyncio.run(play_all(stack, drives, len(texts)))
    return latencies, (frames_done(stack) - before) / (time.monotonic() - began)


def capacity(stack: Stack, cameras: int, seed: int) -> float:
    """Frames per second when every camera sends as fast as it can."""
    drives = [rendered(plates(4, seed + part), seed + part, 1000.0) * 4 for part in range(cameras)]
    frames = sum(len(drive) for drive in drives)
    before, began = frames_done(stack), time.monotonic()
    asyncio.run(play_all(stack, [[replace(p, due_s=None) for p in drive] for drive in drives], 0))
    while frames_done(stack) - before < frames and time.monotonic() - began < 600:
        time.sleep(0.2)
    return frames / (time.monotonic() - began)


def main() -> int:
    """Run both loads and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vehicles", type=int, default=12, help="per camera")
    parser.add_argument("--fps", type=float, default=2.0, help="of each camera")
    options = parser.parse_args()
    report = Report("latency", "Captured → notification, whole product on one machine")
    with tempfile.TemporaryDirectory(prefix="plateline-bench-") as folder, Stack(Path(folder), tell=print) as stack:
        Path(folder).chmod(0o755)
        demo.prepare(stack, cameras=8, plates=None)
        measure(stack, 1, options.fps, 2, seed=99)  # warms the models up
        for cameras in (1, 8):
            latencies, rate = measure(stack, cameras, options.fps, options.vehicles, seed=cameras)
            stamps = [stamp for stamp, _ in latencies]
            arrived = [here for _, here in latencies]
            report.row(
                f"{cameras} camera(s): vehicles notified", f"{len(latencies)} of {options.vehicles * cameras}", "all"
            )
            report.row(f"{cameras} camera(s): p50", f"{statistics.median(stamps):.2f} s", f"target {TARGET_P50_S} s")
            report.row(f"{cameras} camera(s): p99", f"{quantile(stamps, 0.99):.2f} s", f"target {TARGET_P99_S} s")
            report.row(f"{cameras} camera(s): p99 at a subscriber", f"{quantile(arrived, 0.99):.2f} s", "")
            report.row(
                f"{cameras} camera(s): frames per second, as the drive brings them",
                f"{rate:.1f}",
                f"at {options.fps} a camera",
            )
            report.row(
                f"{cameras} camera(s): frames per second, flat out", f"{capacity(stack, cameras, cameras):.1f}", ""
            )
        for name, megabytes in stack.resident_mb().items():
            report.row(f"resident: {name}", f"{megabytes:.0f} MB", "2,000 MB" if name == "recognizer" else "150 MB")
    report.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
