"""The matcher alone: cold start with many entries, memory, reads a second, read → hit.

`make bench-matcher` starts one broker and one worker in a temporary folder, fills `hotlist` with synthetic
entries (`ARGS="--entries 5000000"` for the design's size), lets a backlog of reads drain, then sends reads at
a steady rate. Prints each figure beside the design's target and writes bench/results/matcher.md.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import psutil

from alpr_cli.local import LocalKafka
from alprcore import model, wire
from alprcore.plates import skeleton
from alprcore.topics import Topic
from bench.report import Report
from tests.integration.matcher_world import AGENCY, Worker, World, details, now, plate, world
from tests.unit.matcher.build import make_version

TARGET_LOAD_S, TARGET_BYTES = 60.0, 2e9
"""design, 5 million entries: cold start and memory."""
TARGET_READS, TARGET_P99_S = 4_000.0, 0.05
"""design: reads a second of one worker, and read → hit at 1,000 reads a second."""
LISTED_EVERY = 200
"""One read in so many is listed; in the field it is one in several hundred."""
PLATES = 4_000_000
UNLISTED = "2"  # listed plates begin with 3


def fill(scene: World, entries: int) -> float:
    """Publish that many entries of one list, a bucket each; answers the seconds it took."""
    sealed, key_id = scene.keys.seal(wire.encode_entry_details(details(source_key="N123456789")), entry_id="bench")
    begun = time.monotonic()
    for first in range(0, entries, 20_000):
        numbers = range(first, min(first + 20_000, entries))
        scene.publish(Topic.HOTLIST, [bucket(number, sealed, key_id) for number in numbers])
    scene.announce(make_version(ends=scene.ends(Topic.HOTLIST), age=timedelta(0), source_time=now(), loaded_at=now()))
    return time.monotonic() - begun


def bucket(number: int, sealed: bytes, key_id: str) -> tuple[str, bytes]:
    """One entry of its own skeleton; above four million the plates are longer."""
    round_, rest = divmod(number, PLATES)
    text = plate(rest) + "ACEFHJ"[:round_]
    name = model.entry_id(AGENCY, "SVS", text, "US-CA", str(number))
    entry = model.Entry(name, model.Plate(text), AGENCY, "SVS", 1, 0, sealed, key_id)
    return skeleton(text), wire.encode_bucket((entry,))


def reads(scene: World, count: int, entries: int, first: int = 0) -> list[model.Read]:
    """Reads of which one in `LISTED_EVERY` is listed."""
    made = []
    for index in range(first, first + count):
        text = plate(index % entries)
        if index % LISTED_EVERY:
            text = UNLISTED + text[1:]
        made.append(scene.make_read(text, device="bench"))
    return made


def cpu_s(worker: Worker) -> float:
    """Seconds of processor time that the worker has used: comparable also on a busy machine."""
    times = psutil.Process(worker.process.pid).cpu_times()
    return float(times.user + times.system)


def drain(scene: World, worker: Worker, count: int, entries: int) -> tuple[float, float]:
    """Let a backlog of reads run off; answers reads a second, and reads a second of processor time."""
    made = reads(scene, count, entries)
    judged = worker.metric("alpr_matcher_reads_judged_total")
    items = [(skeleton(read.plate), wire.encode_read(read)) for read in made]
    begun, used = time.monotonic(), cpu_s(worker)
    scene.publish(Topic.READS, items)
    published = time.monotonic() - begun
    while worker.metric("alpr_matcher_reads_judged_total") < judged + count:
        time.sleep(0.05)
    print(f"(published in {published:.1f} s)")
    return count / (time.monotonic() - begun), count / (cpu_s(worker) - used)


def steady(scene: World, rate: int, seconds: int, entries: int) -> list[float]:
    """Send reads at a steady rate; answers seconds from the read's publication to the hit's, by the broker's stamps."""
    sent: dict[tuple[int, int], str] = {}
    begun = time.monotonic()
    for turn in range(seconds * 20):
        made = reads(scene, rate // 20, entries, first=turn * (rate // 20))
        for read, ack in zip(made, scene.send_reads(*made), strict=True):
            sent[ack.partition, ack.offset] = read.read_id
        time.sleep(max(0.0, begun + (turn + 1) / 20 - time.monotonic()))
    taken = time.monotonic() - begun
    print(f"(sent {len(sent) / taken:.0f} reads/s)")
    scene.settled(60)
    stamps = {
        sent[m.partition, m.offset]: m.timestamp_ms for m in scene.all(Topic.READS) if (m.partition, m.offset) in sent
    }
    return [
        (message.timestamp_ms - stamps[found]) / 1000
        for message in scene.all(Topic.HITS)
        if (found := wire.decode_hit(message.value, message.headers).read.read_id) in stamps
    ]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--reads", type=int, default=40_000)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    report = Report("matcher", "The matcher: lists in memory, reads a second, read → hit")
    with tempfile.TemporaryDirectory() as folder, LocalKafka(Path(folder) / "kafka") as bootstrap:
        (Path(folder) / "world").mkdir()
        with world(bootstrap, Path(folder) / "world") as scene:
            asyncio.set_event_loop(None)
            print(f"({options.entries} entries published in {fill(scene, options.entries):.0f} s)")
            begun = time.monotonic()
            worker = scene.worker().wait_ready(600)
            started, used = time.monotonic() - begun, cpu_s(worker)
            share = options.entries / 5_000_000
            memory = psutil.Process(worker.process.pid).memory_info().rss
            count = f"{options.entries:,} entries"
            report.row(f"cold start until ready, {count}", f"{started:.1f} s", f"target {TARGET_LOAD_S * share:.0f} s")
            report.row(f"the same in processor time, {count}", f"{used:.1f} s", "about 2 s of it are imports")
            report.row(
                f"resident memory, {count}", f"{memory / 1e6:.0f} MB", f"target {TARGET_BYTES / 1e6:.0f} MB at 5M"
            )
            view = worker.metric("alpr_matcher_view_bytes")
            report.row("view, bytes an entry", f"{view / options.entries:.0f}", "400 at 5M")
            speed, by_cpu = drain(scene, worker, options.reads, options.entries)
            report.row("backlog, reads/s of one worker", f"{speed:.0f}", f"target {TARGET_READS:.0f}")
            report.row("backlog, reads a second of processor time", f"{by_cpu:.0f}", f"target {TARGET_READS:.0f}")
            waits = sorted(steady(scene, options.rate, options.seconds, options.entries))
            p99 = statistics.quantiles(waits, n=100)[98]
            report.row(f"read → hit p50 at {options.rate} reads/s", f"{statistics.median(waits) * 1e3:.0f} ms", "")
            report.row(
                f"read → hit p99 at {options.rate} reads/s",
                f"{p99 * 1e3:.0f} ms",
                f"target {TARGET_P99_S * 1e3:.0f} ms",
            )
            load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
            report.row("load of the machine, 1/5/15 min", load, f"{os.cpu_count()} cores")
    report.write()


if __name__ == "__main__":
    main()
