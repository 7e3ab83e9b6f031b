"""Benchmark reports: printed while they are made, written to bench/results with machine and commit."""

import os
import platform
import subprocess
from pathlib import Path


class Report:
    """Rows of figure and comparison, measured in one run."""

    def __init__(self, name: str, title: str) -> None:
        self.name = name
        self.title = title
        self._rows: list[tuple[str, str, str]] = []

    def row(self, what: str, figure: str, beside: str) -> None:
        """Add and print one figure beside what it is compared with."""
        self._rows.append((what, figure, beside))
        print(f"{what:48} {figure:>16}   {beside}", flush=True)

    def write(self) -> None:
        """Write `bench/results/<name>.md`."""
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude", "*"], capture_output=True, text=True, check=True
        ).stdout.strip()
        machine = f"{os.cpu_count()} cores, {_memory_gib():.0f} GiB, {_processor()}, Python {platform.python_version()}"
        lines = [
            f"# {self.title}",
            "",
            f"Machine: {machine}; commit {commit}. Shared machines are noisy: read ratios, not single figures.",
            "",
            "| what | figure | beside |",
            "|---|---|---|",
            *(f"| {what} | {figure} | {beside} |" for what, figure, beside in self._rows),
            "",
        ]
        folder = Path(__file__).parent / "results"
        folder.mkdir(exist_ok=True)
        (folder / f"{self.name}.md").write_text("\n".join(lines))


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
