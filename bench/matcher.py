"""The matcher alone: cold start with many entries, memory, reads a second, read → hit.

`make bench-matcher` starts one broker in a temporary folder. For each list size it fills `hotlist` with synthetic
entries; for each number of workers (they share the four partitions) it starts them cold, lets a backlog of reads run
off, then sends reads at a steady rate. The default takes four minutes; `ARGS=--full` measures 0.1, 1 and 5 million
entries with one, two and four workers. Figures a second of processor time stand beside those by the clock: the broker,
the sender and whatever else the machine does share its cores. Prints each figure beside the design's target and writes
bench/results/matcher.md.
"""

import argparse
import asyncio
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil

from alpr.v1 import hotlist_pb2
from alpr_cli.local import LocalKafka
from alprcore import model, wire
from alprcore.plates import skeleton
from alprcore.topics import Topic
from bench.report import Report
from tests.integration.matcher_world import AGENCY, LETTERS, Worker, World, details, now, plate, world
from tests.unit.matcher.build import make_version

TARGET_LOAD_S, TARGET_BYTES = 60.0, 2e9
"""design, 5 million entries: cold start and memory."""
TARGET_READS, TARGET_P99_S = 4_000.0, 0.05
"""design: reads a second of one worker, and read → hit at 1,000 reads a second."""
PLATES = len(LETTERS) ** 5
UNLISTED = "2"  # listed plates begin with 3
DRAIN_EVERY, STEADY_EVERY = 200, 25
"""One read in so many is listed. In the field it is one in several hundred; the steady part needs hits to time."""


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
    entry = hotlist_pb2.Entry(
        entry_id=f"{number:08x}-0000-5000-8000-000000000000",
        plate=text,
        agency=AGENCY,
        list_code="SVS",
        from_version=1,
        sealed=sealed,
        key_id=key_id,
    )
    return skeleton(text), hotlist_pb2.Bucket(entries=[entry]).SerializeToString(deterministic=True)


def reads(scene: World, count: int, entries: int, every: int, first: int = 0) -> Iterator[model.Read]:
    """Reads of which one in `every` is listed."""
    for index in range(first, first + count):
        text = plate(index * 7919 % min(entries, PLATES))
        yield scene.make_read(UNLISTED + text[1:] if index % every else text, device="bench")


def cpu_s(workers: list[Worker]) -> float:
    """Seconds of processor time that the workers have used: comparable also on a busy machine."""
    times = [psutil.Process(worker.process.pid).cpu_times() for worker in workers]
    return float(sum(one.user + one.system for one in times))


def peak_bytes(worker: Worker) -> int:
    """The most memory that a worker has ever held."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def judged(workers: list[Worker]) -> float:
    """Reads judged by all workers."""
    return float(sum(worker.metric("alpr_matcher_reads_judged_total") for worker in workers))


def drain(scene: World, workers: list[Worker], count: int, entries: int) -> tuple[float, float]:
    """Let a backlog run off that was published while the workers stood still: reads/s, and by processor time."""
    items = [(skeleton(read.plate), wire.encode_read(read)) for read in reads(scene, count, entries, DRAIN_EVERY)]
    before, used = judged(workers), cpu_s(workers)
    for worker in workers:
        worker.process.send_signal(signal.SIGSTOP)
    scene.publish(Topic.READS, items)
    for worker in workers:
        worker.process.send_signal(signal.SIGCONT)
    begun = time.monotonic()
    while judged(workers) < before + count:
        time.sleep(0.2)
    return count / (time.monotonic() - begun), count / (cpu_s(workers) - used)


def steady(scene: World, rate: int, seconds: int, entries: int) -> list[float]:
    """Send reads at a steady rate; answers seconds from the read's publication to the hit's, by the broker's stamps."""
    sent: dict[tuple[int, int], str] = {}
    made = list(reads(scene, rate * seconds, entries, STEADY_EVERY))
    begun, step = time.monotonic(), rate // 20
    for turn in range(seconds * 20):
        part = made[turn * step : (turn + 1) * step]
        for read, ack in zip(part, scene.send_reads(*part), strict=True):
            sent[ack.partition, ack.offset] = read.read_id
        time.sleep(max(0.0, begun + (turn + 1) / 20 - time.monotonic()))
    print(f"(sent {len(sent) / (time.monotonic() - begun):.0f} reads/s)")
    scene.settled(60)
    stamps = {
        sent[m.partition, m.offset]: m.timestamp_ms for m in scene.all(Topic.READS) if (m.partition, m.offset) in sent
    }
    return [
        (message.timestamp_ms - stamps[found]) / 1000
        for message in scene.all(Topic.HITS)
        if (found := wire.decode_hit(message.value, message.headers).read.read_id) in stamps
    ]


def measure(scene: World, report: Report, entries: int, count: int, options: argparse.Namespace) -> None:
    """Start so many workers cold, drain, send steadily, stop."""
    name = f"{entries / 1e6:g} M entries, {count} worker{'s' if count > 1 else ''}"
    begun = time.monotonic()
    workers = [scene.worker() for _ in range(count)]
    for worker in workers:
        worker.wait_ready(900)
    started, used = time.monotonic() - begun, cpu_s(workers)
    target = f"target {TARGET_LOAD_S:.0f} s" if entries >= 5_000_000 else f"{TARGET_LOAD_S:.0f} s at 5 M"
    report.row(f"{name}: cold start until ready", f"{started:.1f} s", target)
    report.row(f"{name}: the same in processor time", f"{used:.1f} s", "2 s of each worker's are imports")
    most, resident = (
        max(map(peak_bytes, workers)),
        max(psutil.Process(w.process.pid).memory_info().rss for w in workers),
    )
    below = f"{'target' if entries >= 5_000_000 else 'at 5 M'} {TARGET_BYTES / 1e6:.0f} MB"
    report.row(f"{name}: memory of the largest", f"{resident / 1e6:.0f} MB", f"{below}; {most / 1e6:.0f} MB at most")
    time.sleep(3)  # the gauges are renewed every two seconds
    size = sum(worker.metric("alpr_matcher_view_bytes") for worker in workers)
    report.row(f"{name}: view, bytes an entry", f"{size / entries:.0f}", "400 would fill 2 GB at 5 M")
    speed, by_cpu = drain(scene, workers, options.reads, entries)
    report.row(f"{name}: backlog, reads/s", f"{speed:.0f}", f"target {TARGET_READS * count:.0f}")
    report.row(f"{name}: backlog, reads a second of processor time", f"{by_cpu:.0f}", f"target {TARGET_READS:.0f}")
    waits = sorted(steady(scene, options.rate, options.seconds, entries))
    p99 = statistics.quantiles(waits, n=100)[98]
    report.row(
        f"{name}: read → hit p50 and p99 at {options.rate} reads/s",
        f"{statistics.median(waits) * 1e3:.0f} and {p99 * 1e3:.0f} ms",
        f"target p99 {TARGET_P99_S * 1e3:.0f} ms; {len(waits)} hits",
    )
    for worker in workers:
        worker.stop()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--full", action="store_true", help="0.1, 1 and 5 million entries; one, two and four workers")
    parser.add_argument("--reads", type=int, default=40_000)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    if options.full:
        options.entries, options.workers = [100_000, 1_000_000, 5_000_000], [1, 2, 4]
    report = Report("matcher", "The matcher: lists in memory, reads a second, read → hit")
    with tempfile.TemporaryDirectory() as folder, LocalKafka(Path(folder) / "kafka") as bootstrap:
        for entries in options.entries:
            (Path(folder) / str(entries)).mkdir()
            with world(bootstrap, Path(folder) / str(entries)) as scene:
                asyncio.set_event_loop(None)
                print(f"({entries} entries published in {fill(scene, entries):.0f} s)")
                for count in options.workers:
                    measure(scene, report, entries, count, options)
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    report.row("load of the machine, 1/5/15 min", load, f"{os.cpu_count()} cores")
    report.write()


if __name__ == "__main__":
    main()
