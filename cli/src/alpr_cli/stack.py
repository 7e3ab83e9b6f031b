"""The six services of one machine as processes, beside the local broker and database.

`Stack` is what `make run`, `make smoke`, the end-to-end tests and the benchmarks stand on: everything it
keeps lies below one state folder, and starting it again on the same folder goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import yaml

from alpr_cli import local, wiring
from alpr_cli.demo import Session
from alpr_cli.roles import Database
from alpr_cli.topics import create_all
from alpr_cli.wiring import SERVICES
from alprcore.kafka import KafkaSettings

READY_TIMEOUT_S: Final = 180.0
"""Until every service must be ready; models load in about 15 s on two quiet cores."""
STOP_TIMEOUT_S: Final = 30.0
"""Above the services' own deadline of 25 s."""
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Our own services are on this machine: a proxy of the environment must not be asked."""
_ONE_HEAP: Final = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "1000000"}
"""Password hashes take 32 MB each in a thread of their own, and glibc would keep a heap for each: 123 instead of 163 MB."""
_PR_SET_PDEATHSIG: Final = 1
_SHOWN_LINES: Final = 15


class StackError(RuntimeError):
    """A service did not start or did not become ready; the message says which and shows its last words."""


@dataclass(slots=True)
class Service:
    """One running service: its process, port and log."""

    name: str
    port: int
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        """Where its doors are."""
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        """Ask `/readyz`."""
        try:
            with _DIRECT.open(f"{self.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-_SHOWN_LINES:])


class Stack:
    """Broker, database, keys, topics and the six services below one state folder."""

    def __init__(
        self,
        state: Path,
        *,
        console_port: int = 0,
        settings: Mapping[str, str] | None = None,
        without: frozenset[str] = frozenset(),
        kafka: local.Node | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`settings` are further environment variables of the services they name; `without` are not to start.

        `kafka`: another broker than the usual one.
        """
        self.state = state.resolve()
        self.services: dict[str, Service] = {}
        self.bootstrap = ""
        self._console_port = console_port
        self._settings = dict(settings or {})
        self._without = without
        self._tell = tell
        self._kafka = kafka or local.kafka(self.state)
        self._postgres = local.postgres(self.state)
        self._database: Database | None = None

    @property
    def database(self) -> Database:
        """The database and the login of every role; raises `StackError` before `start`."""
        if self._database is None:
            message = "the stack has not been started"
            raise StackError(message)
        return self._database

    @property
    def console(self) -> str:
        """The address people open."""
        return self.services["console"].url

    @property
    def ingest(self) -> str:
        """The door for frames and lists."""
        return self.services["ingest"].url

    def sign_in(self, account: str) -> Session:
        """Sign one of the demonstration's people in; raises `demo.DemoError`."""
        return Session(self.console, account, self.demo_password)

    @property
    def keys(self) -> Path:
        """The folder of key files."""
        return self.state / "keys"

    @property
    def demo_password(self) -> str:
        """The password that every demonstration account shares, drawn anew for every state folder."""
        return wiring.secret(self.keys, "demo")

    def start(self) -> None:
        """Start everything and wait until it is ready; raises `StackError` or `local.LocalError`."""
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)  # logs, images and the broker's frames lie below it: nobody else's to read
        for name in ("keys", "keys/images", "data", "logs"):
            (self.state / name).mkdir(exist_ok=True, mode=0o700)
        self._tell("starting Kafka and PostgreSQL")
        self.bootstrap = self._kafka.start()
        admin = self._postgres.start()
        self._database = Database(admin, wiring.secret(self.keys, "database"))
        self._tell("preparing roles, tables and topics")
        self._database.prepare()
        self._database.migrate()
        asyncio.run(create_all(KafkaSettings(bootstrap=self.bootstrap)))
        wiring.make_keys(self.keys)
        for name in SERVICES:
            if name not in self._without:
                self.services[name] = self._describe(name)
                self.start_service(name)
        self.wait_ready(*self.services)

    def start_service(self, name: str) -> None:
        """Start one service; returns at once."""
        service = self.services[name]
        with service.log.open("ab") as log:
            service.process = subprocess.Popen(
                service.command,
                env=service.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone; we stop the services in order
                preexec_fn=_die_with_parent,  # noqa: PLW1509 this process has no threads
            )

    def wait_ready(self, *names: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until these services answer ready; raises `StackError` for one that ended or took too long."""
        deadline = time.monotonic() + timeout_s
        for name in names:
            service = self.services[name]
            while not service.ready():
                ended = service.process is None or service.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    how = "ended" if ended else f"was not ready within {timeout_s:.0f} s"
                    message = f"{name} {how}; its log {service.log} ends:\n{service.last_words()}"
                    raise StackError(message)
                time.sleep(0.2)
            self._tell(f"{name} is ready")

    def kill_service(self, name: str) -> None:
        """End one service by SIGKILL, as a power cut would."""
        self._end(self.services[name], signal.SIGKILL, 10)

    def stop_service(self, name: str) -> int | None:
        """Ask one service to stop and wait; returns its exit status."""
        return self._end(self.services[name], signal.SIGTERM, STOP_TIMEOUT_S)

    def ended(self) -> list[Service]:
        """Services that ended by themselves."""
        return [s for s in self.services.values() if s.process is not None and s.process.poll() is not None]

    def resident_mb(self) -> dict[str, float]:
        """Resident memory of every process tree, in MB, by service (broker and database not included)."""
        return {
            name: _tree_resident_mb(service.process.pid)
            for name, service in self.services.items()
            if service.process is not None and service.process.poll() is None
        }

    def nodes_resident_mb(self) -> float:
        """Resident memory of the broker and the database that this stack started, in MB."""
        pids = (node.pid for node in (self._kafka, self._postgres))
        return sum(_tree_resident_mb(pid, proportional=True) for pid in pids if pid is not None)

    def stop(self) -> None:
        """Stop the services, then broker and database; what was acknowledged stays."""
        running = [self.services[name] for name in reversed(SERVICES) if name in self.services]
        for service in running:
            if service.process is not None and service.process.poll() is None:
                service.process.terminate()
        for service in running:
            self._end(service, signal.SIGTERM, STOP_TIMEOUT_S)
        self._kafka.stop()
        self._postgres.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _end(self, service: Service, sign: signal.Signals, patience_s: float) -> int | None:
        process = service.process
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(sign)
            try:
                process.wait(patience_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    def _describe(self, name: str) -> Service:
        port = self._console_port if name == "console" and self._console_port else local.free_port()
        places = wiring.Places(
            keys=self.keys,
            data=self.state / "data",
            objects=f"file://{self.state / 'images'}",
            bootstrap=self.bootstrap,
            doors={door: service.url for door, service in self.services.items()},
        )
        values = wiring.settings(name, self.database, self.keys, places) | {"host": "127.0.0.1", "port": port}
        prefix = f"ALPR_{name.upper()}_"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ALPR_")}
        if name != "recognizer":  # its threads share work that one heap would hold up
            environment |= _ONE_HEAP
        environment |= {prefix + key.upper(): str(value) for key, value in values.items()}
        environment |= {key: value for key, value in self._settings.items() if key.startswith(prefix)}
        self._write_settings(name, prefix, environment)
        return Service(
            name=name,
            port=port,
            command=[
                str(local.recognizer_python() if name == "recognizer" else Path(sys.executable)),
                "-m",
                f"alpr_{name}",
            ],
            environment=environment,
            log=self.state / "logs" / f"{name}.log",
        )

    def _write_settings(self, name: str, prefix: str, environment: Mapping[str, str]) -> None:
        """Keep what a service is told where `alpr doctor` and `alpr backup` look: <state>/settings/<service>."""
        file = self.state / "settings" / name / "settings.yaml"
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        told = {key.removeprefix(prefix).lower(): value for key, value in environment.items() if key.startswith(prefix)}
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
            opened.write(yaml.safe_dump(told))


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _tree_resident_mb(pid: int, *, proportional: bool = False) -> float:
    """Resident memory of a process and all below it, in MB.

    `proportional` counts each shared page once in all: PostgreSQL's processes share one buffer pool of 128 MB.
    """
    total = 0
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        try:
            total += _proportional(one) if proportional else _resident(one)
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / 1e6


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _proportional(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("Pss:")).split()[1])
