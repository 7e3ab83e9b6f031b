"""The broker and the database of `make run` and of the tests: one Kafka node and one PostgreSQL, as processes.

Both keep everything below a state folder, die with whoever started them, survive being killed, and start
again on the same folder with nothing lost. An address given from outside (`ALPR_KAFKA`, `DATABASE_URL`)
is used as it is and nothing is started.
"""

import contextlib
import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import socket
import string
import struct
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from typing_extensions import override

START_TIMEOUT_S = 120.0
"""Until a node must answer; 5 to 8 s are usual on two quiet cores, many times that on busy ones."""

_STOP_PATIENCE_S = 20.0
_HEAP = "384m"  # about 320 MB resident; enough for a drive of a dozen cameras


class LocalError(RuntimeError):
    """What is needed on this machine is missing, or a node did not start; the message says which."""


class Node(Protocol):
    """A broker or a database: an address after `start`, nothing left running after `stop`."""

    def start(self) -> str:
        """Starts it and returns its address once it answers."""

    def stop(self) -> None:
        """Stops it and waits until it is gone."""

    @property
    def pid(self) -> int | None:
        """The process that holds it, None when somebody else runs it."""


class Given:
    """A node that somebody else runs: only its address is known."""

    def __init__(self, address: str) -> None:
        self._address = address

    def start(self) -> str:
        """Returns the address; nothing is started."""
        return self._address

    def stop(self) -> None:
        """Leaves it running: it is not ours."""

    @property
    def pid(self) -> int | None:
        """None: it is not ours."""
        return None


def kafka(state_dir: Path, port: int = 0) -> Node:
    """The broker to use: the one named by `ALPR_KAFKA`, else a local node below `state_dir`."""
    given = os.environ.get("ALPR_KAFKA")
    return Given(given) if given else LocalKafka(state_dir, port)


def postgres(state_dir: Path, port: int = 0) -> Node:
    """The database to use: the one named by `DATABASE_URL`, else a local server below `state_dir`."""
    given = os.environ.get("DATABASE_URL")
    return Given(given) if given else LocalPostgres(state_dir, port)


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def deploy_dir() -> Path:
    """The folder `deploy/local` of the checkout this command runs from.

    Raises:
        LocalError: the command was installed without a checkout beside it.
    """
    for base in (Path(__file__).resolve().parents[3], Path.cwd()):
        if (base / "deploy/local/pom.xml").is_file():
            return base / "deploy/local"
    message = "deploy/local/pom.xml was not found: run this from a checkout"
    raise LocalError(message)


def recognizer_python() -> Path:
    """The interpreter that has the models (torch and others, about 7 GB: an environment of their own), else our own."""
    if given := os.environ.get("ALPR_RECOGNIZER_PYTHON"):
        return Path(given)
    for base in (Path(__file__).resolve().parents[3], Path.cwd()):
        heavy = base / ".venv-recognizer/bin/python"
        if heavy.exists():
            return heavy
    return Path(sys.executable)


class _Leashed(ABC):
    """A process that stops when its holder does."""

    def __init__(self, state_dir: Path, name: str) -> None:
        self.name = name
        self.state_dir = state_dir.resolve()
        self.log = self.state_dir / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def start(self) -> str: ...

    def stop(self) -> None:
        """Stops it and waits until it is gone."""
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.stdin is not None:
            process.stdin.close()  # the end of the leash
        process.wait(_STOP_PATIENCE_S + 10)

    @property
    def pid(self) -> int | None:
        """The leash that holds it while it runs."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> str:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _spawn(self, command: Sequence[str | Path], leash: Sequence[str | Path]) -> None:
        options = ["--lock", self.state_dir / f"{self.name}.lock", "--patience", str(_STOP_PATIENCE_S), *leash]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "alpr_cli.leash", *options, "--", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,  # Ctrl-C reaches only the holder, which stops things in order
            )

    def _await_answer(self, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers():
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace")[-2000:]
                self.stop()
                how = "ended" if ended else f"did not answer within {START_TIMEOUT_S:.0f} s"
                message = f"{self.name} {how}; the end of {self.log}:\n{tail}"
                raise LocalError(message)
            time.sleep(0.1)


class LocalKafka(_Leashed):
    """One Apache Kafka node (KRaft) from Maven-resolved jars, below `state_dir/kafka`; wants Java 17 and Maven.

    `durable=False` ends it by force instead of closing every partition; only tests, whose data nobody wants back, use it.
    """

    def __init__(self, state_dir: Path, port: int = 0, *, durable: bool = True) -> None:
        super().__init__(state_dir, "kafka")
        self._port = port
        self._durable = durable

    @override
    def start(self) -> str:
        """Starts the node and returns its bootstrap address once it answers requests."""
        java = _tool("java", "Java 17 or newer")
        jars = resolve_jars()
        self.state_dir.mkdir(parents=True, exist_ok=True)
        port = self._port or free_port()
        data, properties = self.state_dir / "kafka", self.state_dir / "kafka.properties"
        properties.write_text(self._settings(port, data))
        virtual_machine = (
            java,
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xms64m",
            f"-Xmx{_HEAP}",
            "-cp",
            f"{jars}/*",
        )
        if not (data / "meta.properties").exists():
            self._format(virtual_machine, properties)
        logging = f"-Dlog4j2.configurationFile={deploy_dir() / 'log4j2.xml'}"
        self._spawn(
            [*virtual_machine, logging, "kafka.Kafka", properties], [] if self._durable else ["--signal", "SIGKILL"]
        )
        self._await_answer(lambda: self._answers(port))
        return f"127.0.0.1:{port}"

    def _settings(self, port: int, data: Path) -> str:
        """The node's settings; a node with other listeners adds its own."""
        template = string.Template((deploy_dir() / "server.properties").read_text())
        return template.substitute(port=port, controller_port=free_port(), log_dirs=data)

    def _answers(self, port: int) -> bool:
        return kafka_answers(port)

    def _format(self, virtual_machine: Sequence[str], properties: Path) -> None:
        """Gives the empty folder its cluster id; a run killed in the middle left no meta.properties, so it is redone."""
        shutil.rmtree(self.state_dir / "kafka", ignore_errors=True)
        cluster = quote(secrets.token_urlsafe(16))  # Kafka's own ids are 16 random bytes in this alphabet
        storage = [
            *virtual_machine,
            "kafka.tools.StorageTool",
            "format",
            "-t",
            f"a{cluster[1:]}",
            "-c",
            str(properties),
        ]
        done = subprocess.run(storage, capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"the Kafka folder could not be formatted:\n{done.stdout}{done.stderr}"
            raise LocalError(message)


class LocalPostgres(_Leashed):
    """One PostgreSQL server from the system's binaries, below `state_dir/postgres`, loopback and password only.

    `durable=False` leaves out the waits for the disk; only tests, whose data nobody wants back, use it.
    """

    def __init__(self, state_dir: Path, port: int = 0, *, durable: bool = True) -> None:
        super().__init__(state_dir, "postgres")
        self._port = port
        self._durable = durable

    @override
    def start(self) -> str:
        """Starts the server and returns the URL of its superuser's database once it accepts connections."""
        binaries = _postgres_binaries()
        self.state_dir.mkdir(parents=True, exist_ok=True)
        user = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
        data = self._data_dir(user)
        password = self._password()
        if not (data / "initialized").exists():  # a run killed in the middle of initdb left half a folder
            self._initialize(binaries, data, user, password)
        port = self._port or free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "max_connections": 300,
            "shared_buffers": "64MB",
            "log_min_error_statement": "panic",  # a failing statement may hold a plate: its text stays out of the log
            "log_parameter_max_length": 0,
            "log_parameter_max_length_on_error": 0,
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # SIGINT is PostgreSQL's fast shutdown: sessions are ended, the data folder is left clean
        leash = ["--signal", "SIGINT", "--forget", data / "postmaster.pid", *(("--user", user) if user else ())]
        self._spawn([binaries / "postgres", "-D", data, *options], leash)
        ask = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        self._await_answer(lambda: subprocess.run(ask, check=False).returncode == 0)
        return f"postgresql://postgres:{quote(password)}@127.0.0.1:{port}/postgres"

    def _data_dir(self, user: str | None) -> Path:
        """The data folder, elsewhere behind a link when `user` cannot reach the state folder (a checkout in /root)."""
        here = self.state_dir / "postgres"
        if user is None or all(parent.stat().st_mode & 0o001 for parent in self.state_dir.parents):
            if user is not None:
                self.state_dir.chmod(self.state_dir.stat().st_mode | 0o111)
            return here
        digest = hashlib.sha256(bytes(here)).hexdigest()[:16]
        away = Path("/var/lib/plateline") / digest / "postgres"
        if not here.is_symlink():
            shutil.rmtree(away, ignore_errors=True)  # its state folder was removed: this is what was left behind
            away.parent.mkdir(parents=True, exist_ok=True)
            here.symlink_to(away)
        return away

    def _password(self) -> str:
        file = self.state_dir / "postgres.password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24))
        return file.read_text()

    def _initialize(self, binaries: Path, data: Path, user: str | None, password: str) -> None:
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(mode=0o700)
        if user is not None:
            owner = pwd.getpwnam(user)
            os.chown(data, owner.pw_uid, owner.pw_gid)
        with tempfile.NamedTemporaryFile("w") as secret:
            secret.write(password)
            secret.flush()
            if user is not None:
                os.chown(secret.name, owner.pw_uid, owner.pw_gid)
            command = [
                *(str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"),
                *("-A", "scram-sha-256", "--pwfile", secret.name),
                *(("--data-checksums",) if self._durable else ("--no-sync",)),
            ]
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, cwd="/", user=user, group=user,
                extra_groups=[] if user else None,
            )  # fmt: skip
        if done.returncode:
            shutil.rmtree(data, ignore_errors=True)
            message = f"initdb failed:\n{done.stdout}{done.stderr}"
            raise LocalError(message)
        (data / "initialized").touch()


def _tool(name: str, what: str) -> str:
    found = shutil.which(name)
    if found is None:
        message = f"{name} was not found: {what} is needed"
        raise LocalError(message)
    return found


def _postgres_binaries() -> Path:
    """The newest installed server's programs: Debian keeps them outside PATH.

    Raises:
        LocalError: no PostgreSQL server is installed.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    return Path(_tool("initdb", "a PostgreSQL server")).resolve().parent


def resolve_jars() -> Path:
    """The folder of the broker's jars; copied by Maven once for each state of pom.xml, shared by all checkouts.

    Raises:
        LocalError: Maven is missing or could not resolve them.
    """
    pom = deploy_dir() / "pom.xml"
    cache = Path(os.environ.get("ALPR_CACHE") or Path.home() / ".cache/plateline") / "jars"
    jars = cache / hashlib.sha256(pom.read_bytes()).hexdigest()[:16]
    with _locked(cache):
        if not jars.is_dir():
            partial = jars.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            command = [_tool("mvn", "Maven"), "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
            done = subprocess.run(
                [*command, f"-DoutputDirectory={partial}"], capture_output=True, text=True, check=False
            )
            if done.returncode:
                message = f"Maven could not resolve the broker:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
                raise LocalError(message)
            partial.rename(jars)
    return jars


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def kafka_answers(port: int) -> bool:
    """Whether the broker answers an ApiVersions request; it does so only when it has joined its cluster."""
    request = struct.pack(">hhih", 18, 0, 1, -1)  # api key, version, correlation id, no client id
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.recv(10)
    except OSError:
        return False
    return len(answer) == 10 and struct.unpack(">iih", answer)[1:] == (1, 0)
