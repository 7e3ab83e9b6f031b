"""How fast one core reads list files, and with how much memory: a million invented records in three layouts.

`make bench-layouts` writes bench/results/layouts.md. Beside each figure stands the time a load of a million entries may
take for reading (10 of its 60 s), and what `csv.reader` needs for the same file without judging anything.
"""

import argparse
import csv
import os
import random
import resource
import tempfile
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from alprcore.layouts import read_list, shipped
from bench.report import Report

TARGET = 100_000
_MAKES = ("F0RD", "T0YT", "H0ND", "CHEV", "NISS", "D0DG")
_MODELS = ("CAM", "C0R", "F15", "300", "CIV")
_COLORS = ("BLK", "WHI", "0NG/WHI", "SIL", "RED")


def records(entries: int) -> Iterator[tuple[str, ...]]:
    """Invented NCIC records, column by column."""
    rng = random.Random(20260301)
    for number in range(entries):
        plate = f"{rng.randrange(1, 10)}{''.join(rng.choices('ABCDEFGHJKLMNPRSTUVWXYZ', k=3))}{rng.randrange(1000):03}"
        state, day, year = rng.choice(("CA", "0R", "NV", "TX")), 20260101 + rng.randrange(28), rng.randrange(1990, 2027)
        vehicle = (rng.choice(_MAKES), rng.choice(_MODELS), "4D", rng.choice(_COLORS))
        yield f"V{number:09}", "CA0570200", str(day), plate, state, "2026", "PC", str(year), *vehicle


def write(folder: Path, entries: int) -> dict[str, Path]:
    """Write the records as fixed columns, as fixed columns in a zip, with commas, and with names."""
    widths = (10, 9, 8, 10, 2, 4, 2, 4, 4, 3, 2, 7)
    files = {name: folder / name for name in ("ncic_fixed", "ncic_csv", "generic_csv")}
    with (
        files["ncic_fixed"].open("w") as fixed,
        files["ncic_csv"].open("w") as commas,
        files["generic_csv"].open("w") as named,
    ):
        fixed.write("EXTRACT\n")
        named.write("source_key,originating_agency,effective_at,plate,state,vehicle_year,vehicle_make,vehicle_color\n")
        for record in records(entries):
            fixed.write("".join(f"{text:{width}}" for text, width in zip(record, widths, strict=True)) + "\n")
            commas.write(",".join(record) + "\n")
            day = f"{record[2][:4]}-{record[2][4:6]}-{record[2][6:]}"
            named.write(
                ",".join((*record[:2], day, record[3], record[4].replace("0", "O"), *record[7:9], record[11])) + "\n"
            )
    files["ncic_fixed, zip"] = folder / "zip"
    with zipfile.ZipFile(files["ncic_fixed, zip"], "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(files["ncic_fixed"], "list.txt")
    return files


def measure(name: str, file: Path, report: Report) -> None:
    """Read one file, in processor time of this process, so that other work on the machine counts little."""
    layout, before = shipped()[name.partition(",")[0]], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    with file.open("rb") as source:
        reading = read_list(source, layout, now=datetime.now(UTC))
        lines = sum(1 for _ in reading)
    seconds = time.process_time() - begun
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    if reading.end.refused is not None or reading.end.accepted < lines * 0.99:
        raise SystemExit(f"{name}: {reading.end}")
    report.row(f"{name}: lines a second", f"{lines / seconds:,.0f}", f"target {TARGET:,}; {lines:,} in {seconds:.1f} s")
    report.row(
        f"{name}: memory for the whole file", f"{grown:.0f} MB", f"the file has {file.stat().st_size / 2**20:.0f} MB"
    )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    options = parser.parse_args()
    report = Report("layouts", "Layouts: a million lines from bytes to entries, on one core")
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder), options.entries)
        for name, file in files.items():
            measure(name, file, report)
        begun = time.process_time()
        with files["ncic_csv"].open(newline="") as source:
            lines = sum(1 for _ in csv.reader(source))
        report.row(
            "csv.reader alone: lines a second", f"{lines / (time.process_time() - begun):,.0f}", "judges nothing"
        )
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    report.row("load of the machine, 1/5/15 min", load, f"{os.cpu_count()} cores")
    report.write()


if __name__ == "__main__":
    main()
