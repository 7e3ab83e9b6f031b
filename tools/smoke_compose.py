"""Tries docker-compose.yml from nothing: starts it, looks at every container, plays a drive until a hit is verified,
stops and starts it again, and takes everything away. Needs Docker and Python, nothing of the project's environment.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("audit", "ingest", "retention", "matcher", "recognizer", "console")
OPTIONAL = ("prometheus", "grafana")
PEOPLE = {
    "administrator": "alpr_admin",
    "dispatcher": "dispatcher",
    "investigator": "investigator",
    "manager": "program_manager",
}
WAIT_S = 600
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SmokeError(Exception):
    """Something is not as it should be; the message says what."""


class Trial:
    """One project of docker compose with passwords of its own, on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.began = time.monotonic()
        self.project = f"plateline-smoke-{os.getpid()}"
        self.passwords = folder / "env"
        subprocess.run([ROOT / "deploy/compose/env.sh", self.passwords], check=True)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ALPR_", "COMPOSE_"))},
            **dict.fromkeys(("CONSOLE_PORT", "INGEST_PORT", "PROMETHEUS_PORT", "GRAFANA_PORT"), "0"),
        }

    def tell(self, words: str) -> None:
        print(f"{time.monotonic() - self.began:6.1f} s  {words}", flush=True)

    def compose(self, *words: str, said: str = "", check: bool = True) -> str:
        """Run docker compose. Raises `SmokeError` with what it said."""
        command = ["docker", "compose", "--project-name", self.project, "--env-file", str(self.passwords), *words]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            input=said,
            capture_output=True,
            text=True,
            timeout=WAIT_S + 60,
            check=False,
        )
        if check and done.returncode:
            raise SmokeError(
                f"docker compose {' '.join(words[:3])}: {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
            )
        return done.stdout

    def containers(self) -> dict[str, Mapping[str, Any]]:
        """Every container of the project by its service, as the engine describes it."""
        ids = self.compose("--profile", "*", "ps", "--all", "--quiet").split()
        described = json.loads(docker("inspect", *ids)) if ids else []
        return {one["Config"]["Labels"]["com.docker.compose.service"]: one for one in described}

    def address(self, service: str, port: int) -> str:
        return "http://" + self.compose("port", service, str(port)).strip()


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SmokeError(f"docker {' '.join(words[:2])}: {done.stderr[-2000:]}")
    return done.stdout


def to_be_had(image: str) -> bool:
    """Tell whether an image is here or can be pulled."""
    return any(
        subprocess.run(["docker", *words, image], capture_output=True, check=False).returncode == 0
        for words in (("image", "inspect"), ("pull", "--quiet"))
    )


def closed(service: str, one: Mapping[str, Any]) -> list[str]:
    """Say what a container may do that it should not, as the engine describes it."""
    host = one["HostConfig"]
    checks = {
        "its root file system can be written to": not host["ReadonlyRootfs"],
        "it keeps capabilities": host["CapDrop"] != ["ALL"] or bool(host["CapAdd"]),
        "its processes may gain rights": "no-new-privileges:true" not in (host["SecurityOpt"] or []),
        "its memory has no limit": not host["Memory"],
        "its processes have no limit": not host["PidsLimit"],
        "it runs as root": one["Config"]["User"].partition(":")[0] in {"", "0", "root"},
        "others than this machine reach it": any(
            binding["HostIp"] != "127.0.0.1" for bound in (host["PortBindings"] or {}).values() for binding in bound
        ),
    }
    return [f"{service}: {words}" for words, wrong in checks.items() if wrong]


def tried(service: str, one: Mapping[str, Any]) -> list[str]:
    """Say the same from within: whose processes are running, and whether a file can be made."""
    found = []
    owners = [line.split()[1] for line in docker("top", one["Id"], "-eo", "pid,uid").splitlines()[1:]]
    if not owners or "0" in owners:
        found.append(f"{service}: a process runs as root")
    try:
        docker("exec", one["Id"], "sh", "-c", "touch /usr/probe /probe")
        found.append(f"{service}: a file was made in the root file system")
    except SmokeError as error:
        if "ead-only file system" not in str(error):
            found.append(f"{service}: not tried to write: {error}")
    return found


def code(secret: str) -> str:
    """The 6 digits of an authenticator at this moment (RFC 6238)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30), "sha1")
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def ask(address: str, method: str = "GET", body: Any = None, token: str = "") -> Any:
    """Call an address. Raises `SmokeError` with its answer."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(
        address, json.dumps(body).encode() if body is not None else None, headers, method=method
    )
    try:
        with _DIRECT.open(request, timeout=30) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise SmokeError(f"{method} {urlsplit(address).path}: {error.code} {error.read()[:500]!r}") from error
    return json.loads(text) if text else None


def people(trial: Trial) -> dict[str, str]:
    """Make the people of the trial as an operator makes the first ones, and sign them in; their sessions by account."""
    console, sessions = trial.address("console", 8080), {}
    for account, role in PEOPLE.items():
        made = trial.compose(
            "exec", "-T", "console", "python", "-m", "alpr_console",
            "add-person", "demo", f"smoke-{account}", f"Smoke {account}", role,
        )  # fmt: skip
        lines = made.split("\n")
        password = next(line for line in lines if line.startswith("password ")).split(" ", 1)[1]
        factor = next(line for line in lines if line.startswith("otpauth://"))
        [secret] = parse_qs(urlsplit(factor).query)["secret"]
        given = {"username": f"smoke-{account}", "password": password, "code": code(secret), "bearer": True}
        token = ask(f"{console}/v1/session", "POST", given)["token"]
        ask(f"{console}/v1/me/password", "PUT", {"new": f"trial {secrets.token_hex(12)}"}, token)
        sessions[account] = token
    grants = f"{console}/v1/accounts/smoke-dispatcher/grants"
    ask(grants, "PUT", {"grants": ["clets"]}, sessions["manager"])
    return sessions


def targets(trial: Trial) -> None:
    """Every target of Prometheus is up. Raises `SmokeError` naming those that are not."""
    address, deadline = trial.address("prometheus", 9090), time.monotonic() + 60
    while True:
        found = ask(f"{address}/api/v1/targets")["data"]["activeTargets"]
        down = [one["scrapeUrl"] for one in found if one["health"] != "up"]
        if found and not down:
            return trial.tell(f"Prometheus scrapes {len(found)} targets")
        if time.monotonic() > deadline:
            raise SmokeError(f"Prometheus: {len(found)} targets, not up: {', '.join(down)}")
        time.sleep(1)


def look_after(trial: Trial) -> None:
    """Let the command examine the installation. Raises `SmokeError` naming what it finds failing."""
    examine = ("run", "--rm", "--no-deps", "-T", "alpr", "doctor", "--settings", "/secrets", "--json")
    found = json.loads(trial.compose(*examine, check=False))
    ours = [one for one in found["checks"] if one["check"] != "disk"]  # how full this machine is says nothing about it
    failing = [f"{one['check']} {one['subject']}: {one['words']}" for one in ours if one["level"] == "fail"]
    if failing:
        raise SmokeError("alpr doctor: " + "; ".join(failing))
    trial.tell(f"alpr doctor: {len(ours)} checks, none fails")


def play(trial: Trial) -> None:
    """From the first person to a verified hit, then again after a stop and a start."""
    services = json.loads(trial.compose("--profile", "*", "config", "--format", "json"))["services"]
    wanted = [name for name in services if not services[name].get("profiles")]
    for name in OPTIONAL:
        if to_be_had(services[name]["image"]):
            wanted.append(name)
        else:
            trial.tell(f"not tried: {name}, its image {services[name]['image']} cannot be had here")
    up = ("up", "--detach", "--wait", "--wait-timeout", str(WAIT_S), *wanted)
    trial.compose(*up)
    trial.tell(f"{len(wanted)} containers are up")
    faults = []
    containers = trial.containers()
    for service, one in containers.items():
        faults += closed(service, one)
        if one["State"]["Running"]:
            faults += tried(service, one)
    if faults:
        raise SmokeError("\n".join(faults))
    trial.tell(f"{len(containers)} containers: none is root, root file systems are read-only, all are limited")
    if "prometheus" in wanted:
        targets(trial)
    sessions = people(trial)
    trial.tell(f"{len(sessions)} people added, signed in with a second factor")
    doors = (
        "--console",
        "http://console:8080",
        "--ingest",
        "http://ingest:8080",
        "--kafka",
        "kafka:9092",
        "--state",
        "/work",
    )
    print(trial.compose("run", "--rm", "--no-deps", "-T", "alpr", "smoke", *doors, said=json.dumps(sessions)), end="")
    trial.tell("a vehicle drove past, an alert arrived, the hit is verified, the search found the read")
    look_after(trial)
    trial.compose("stop")
    codes = {service: one["State"]["ExitCode"] for service, one in trial.containers().items() if service in SERVICES}
    if set(codes.values()) != {0}:
        raise SmokeError(f"services did not end by themselves: {codes}")
    trial.tell("stopped: every service ended its work by itself")
    trial.compose(*up)
    console = trial.address("console", 8080)  # another port now
    held = ask(f"{console}/v1/hits", token=sessions["dispatcher"])
    if not held["hits"]:
        raise SmokeError("after the start no hit is there any more")
    trial.tell(f"started again: {len(held['hits'])} hit(s) still there, the sessions too")


def main(arguments: Sequence[str]) -> int:
    """Try; 0 when everything is as it should be. `--keep` leaves the containers for a look."""
    if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
        print("smoke-compose: no Docker engine answers on this machine", file=sys.stderr)
        return os.EX_UNAVAILABLE
    with tempfile.TemporaryDirectory(prefix="plateline-smoke-") as folder:
        trial = Trial(Path(folder))
        try:
            play(trial)
            return 0
        except (SmokeError, subprocess.TimeoutExpired) as error:
            print(f"smoke-compose: {error}", file=sys.stderr)
            print(trial.compose("--profile", "*", "logs", "--no-color", "--tail", "15", check=False), file=sys.stderr)
            return 1
        finally:
            if "--keep" in arguments:
                print(f"kept: docker compose --project-name {trial.project} down --volumes", file=sys.stderr)
            else:
                trial.compose("--profile", "*", "down", "--volumes", "--timeout", "20", check=False)
                trial.tell("taken away")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
