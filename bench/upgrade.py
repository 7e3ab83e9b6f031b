"""Two releases beside each other: the one before on this one's tables and topics, taken over service by service.

`make upgrade-drill REF=<commit or tag>` lays out the source of another release, starts its services on a broker and a database
that this release prepared, and lets a drive become a verified hit. Then each service is stopped and this release's is started
in its place while cameras go on sending, and a drive becomes a hit again; at last they are taken back in the opposite order.
It fails when a service of either release does not become ready, or when a drive does not end in a verified hit.
Writes bench/results/upgrade.md.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from alpr_cli import demo, smoke
from alpr_cli.stack import Service, Stack
from alpr_cli.wiring import SERVICES
from bench.report import Report

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("proto/gen", "libs/alprcore/src", "libs/alprdraw/src", *(f"services/{name}/src" for name in SERVICES))


class Mixed(Stack):
    """A stack whose services are of the release before until they are taken over."""

    def __init__(self, state: Path, before: Path, tell: object) -> None:
        super().__init__(state, tell=tell)  # type: ignore[arg-type]
        self._path = os.pathsep.join(str(before / source) for source in SOURCES)
        self._now: dict[str, dict[str, str]] = {}
        self._then: dict[str, dict[str, str]] = {}

    def _describe(self, name: str) -> Service:
        service = super()._describe(name)
        self._now[name] = service.environment
        self._then[name] = service.environment = self._of_before(service)
        return service

    def _of_before(self, service: Service) -> dict[str, str]:
        """The environment that leads to the other release's source, with the settings that it knows."""
        plain = {key: value for key, value in service.environment.items() if not key.startswith("ALPR_")}
        plain["PYTHONPATH"] = self._path
        asked = subprocess.run([*service.command, "--help"], env=plain, capture_output=True, text=True, check=True)
        known = set(re.findall(r"^(ALPR_\w+)  ", asked.stdout, re.MULTILINE))
        return plain | {key: value for key, value in service.environment.items() if key in known}

    def take_over(self, name: str, *, back: bool = False) -> float:
        """Put this release's service (or the other's again) in the place of the running one; answers the seconds."""
        began, service = time.monotonic(), self.services[name]
        self.stop_service(name)
        service.environment = (self._then if back else self._now)[name]
        self.start_service(name)
        self.wait_ready(name)
        return time.monotonic() - began


def main() -> int:
    """Run the drill; ends with 1 when a drive does not end in a verified hit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ref", default="HEAD", help="the other release (default: what was committed last)")
    ref = parser.parse_args().ref
    began = time.monotonic()

    def tell(words: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {words}", flush=True)

    report = Report("upgrade", "Two releases beside each other")
    with tempfile.TemporaryDirectory(prefix="plateline-upgrade-") as folder:
        Path(folder).chmod(0o755)
        before = Path(folder) / "before"
        before.mkdir()
        packed = subprocess.run(["git", "-C", str(ROOT), "archive", ref], capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", str(before)], input=packed, check=True)
        name = subprocess.run(
            ["git", "rev-parse", "--short", ref], capture_output=True, text=True, check=True
        ).stdout.strip()
        options = argparse.Namespace(source="drive", list=None, patience=180.0)
        with Mixed(Path(folder) / "state", before, tell) as stack:
            if smoke.play(stack, options, tell) != 0:
                return 1
            report.row(f"services of {name} on this release's tables and topics", "a verified hit", "all six")
            with subprocess.Popen(
                demo.player(stack, source="drive", fps=2.0, devices=demo.device_ids(1), extra=("--seed", "2"))
            ) as player:
                for service in SERVICES:
                    report.row(
                        f"{service} taken over", f"{stack.take_over(service):.1f} s", "away; cameras go on sending"
                    )
                player.wait()
            if smoke.play(stack, options, tell) != 0:
                return 1
            report.row("services of this release", "a verified hit", "all six")
            for service in reversed(SERVICES):
                stack.take_over(service, back=True)
            report.row(f"back to {name}", "all six ready", "before the `post` migrations")
    report.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
