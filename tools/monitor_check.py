"""Asks a real Prometheus every query of every dashboard and rule while the product works: `make monitor-check`.

Starts the whole product on this machine and a Prometheus that scrapes it, plays a drive through both doors, signs people in,
searches, and after a while asks. Ends with 0 when every query answered with figures, 1 with the names of those that did not,
69 when something is missing here.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from alpr_cli import demo, local
from alpr_cli.stack import Stack
from tools.dashboards import NONE

ROOT = Path(__file__).resolve().parent.parent
MONITORING = ROOT / "deploy/monitoring"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
SCRAPE_S = 5
DOORS = ("kafka", "https")
PLATES = [f"{1 + number % 9}TSM{number:03d}" for number in range(200)]
EX_UNAVAILABLE = 69
VARIABLES = {"$__rate_interval": "1m", "$agency": ".*"}


@contextmanager
def prometheus(stack: Stack, ops_port: int, folder: Path) -> Iterator[str]:
    """Run a Prometheus over the stack, with the shipped rules; gives its address."""
    targets = {name: service.port for name, service in stack.services.items()} | {"console": ops_port}
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"}
    config["rule_files"] = [str(path) for path in sorted(MONITORING.glob("rules/*.yml"))]
    config["scrape_configs"] = [
        {
            "job_name": "plateline",
            "static_configs": [
                {"targets": [f"127.0.0.1:{port}"], "labels": {"component": name}} for name, port in targets.items()
            ],
        }
    ]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
    port = local.free_port()
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    process = subprocess.Popen(command)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def get(address: str, path: str, **values: str) -> Any:
    """Ask Prometheus' API; gives `data`. Raises `RuntimeError` with its words."""
    try:
        with DIRECT.open(f"{address}/api/v1/{path}?{urllib.parse.urlencode(values)}", timeout=30) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(json.load(error)["error"]) from error


def panels() -> Iterator[tuple[str, str]]:
    """Give every query of every dashboard, variables filled in."""
    for path in sorted(MONITORING.glob("dashboards/*.json")):
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            for target in panel.get("targets", ()):
                expression = target["expr"]
                for name, value in VARIABLES.items():
                    expression = expression.replace(name, value)
                yield f"{path.stem}: {panel['title']} {target['refId']}", expression


def figures(address: str, expression: str) -> int:
    """Count the figures that a query answers with; what is not a number is none."""
    found = get(address, "query", query=expression)
    return sum(1 for series in found["result"] if not math.isnan(float(series["value"][1])))


def driving(stack: Stack) -> Iterator[list[str]]:
    """Give the commands that play vehicles through both doors, other plates through each."""
    for number, (device, door) in enumerate(zip(demo.device_ids(len(DOORS)), DOORS, strict=True)):
        extra = ("--plates", ",".join(PLATES[number :: len(DOORS)]))
        yield demo.player(stack, source="drive", fps=2, devices=[device], door=door, extra=extra)


def work(stack: Stack) -> None:
    """Do what people do: search, look at what was found, and at the live hits."""
    question = {
        "purpose_code": "criminal_investigation",
        "justification": "monitoring run of the installation",
        "attest_no_first_amendment": True,
        "criteria": {"plate": PLATES[0]},
    }
    errors = range(400, 500)
    with stack.sign_in("investigator") as person:
        rows = person.call("POST", "/v1/queries", json=question).json()["rows"]
        for row in rows[:1]:
            person.call("GET", f"/v1/reads/{row['read_id']}", allow=errors)
    with stack.sign_in("dispatcher") as person:
        person.call("GET", "/v1/hits", allow=errors)
        person.call("GET", "/hits", allow=errors)


def check(address: str) -> list[str]:
    """Name everything that does not answer with figures."""
    wrong, asked, calm = [], 0, 0
    for where, expression in panels():
        asked += 1
        try:
            if not figures(address, expression):
                wrong.append(f"{where}: nothing for {expression}")
            elif expression.endswith(NONE) and not figures(address, expression.removesuffix(NONE)):
                calm += 1
        except RuntimeError as error:
            wrong.append(f"{where}: {error}")
    for group in get(address, "rules")["groups"]:
        wrong += [f"rule {rule['name']}: {rule['lastError']}" for rule in group["rules"] if rule["health"] != "ok"]
        if any(rule["evaluationTime"] > 1 for rule in group["rules"]):
            wrong.append(f"group {group['name']}: a rule takes more than a second")
    print(f"{asked} queries of dashboards, {len(wrong)} of them or of the rules at fault")
    print(f"{calm} show 0 because what they count did not happen (their metrics exist: tests/e2e/test_figures.py)")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="of load before Prometheus is asked")
    options = parser.parse_args()
    if shutil.which("prometheus") is None:
        print("prometheus is missing (Debian: prometheus)", file=sys.stderr)
        return EX_UNAVAILABLE
    ops_port = local.free_port()
    settings = {"ALPR_CONSOLE_OPS_PORT": str(ops_port)}
    with tempfile.TemporaryDirectory(prefix="plateline-monitor-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as a user of its own when we are root
        with Stack(Path(folder) / "state", settings=settings, tell=print) as stack:
            (Path(folder) / "prometheus").mkdir()
            with prometheus(stack, ops_port, Path(folder) / "prometheus") as address:
                demo.prepare(stack, cameras=len(DOORS), plates=None)
                demo.load_list(stack, PLATES)  # every one of them rings: a plate that comes again does not
                players = [subprocess.Popen(command) for command in driving(stack)]
                try:
                    until = time.monotonic() + options.seconds
                    while time.monotonic() < until:
                        work(stack)
                        time.sleep(5)
                    wrong = check(address)
                    firing = get(address, "alerts")["alerts"]
                finally:
                    for player in players:
                        player.terminate()
                        player.wait()
    names = sorted({alert["labels"]["alertname"] for alert in firing if alert["state"] == "firing"})
    print(f"alerts that fire meanwhile: {', '.join(names) or 'none'}")
    for line in wrong:
        print(re.sub(r"\s+", " ", line), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
