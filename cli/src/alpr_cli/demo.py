"""The demonstration: its devices, its list and its drive, entered through the console as an administrator would."""

from __future__ import annotations

import base64
import csv
import io
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol, Self

import httpx

ACCOUNTS: Final = (
    "dispatcher", "officer", "investigator", "supervisor", "administrator", "manager", "auditor", "retention", "contractor",
)  # fmt: skip
AGENCY: Final = "demo"
LIST_CODE: Final = "DEMO"
DRIVE: Final = (
    "8KLM204", "7XTR591", "6PWD883", "9BHN417", "5GVC326", "8YJE752", "7FQA169", "6ZSU934",
    "9MCK285", "5TRB608", "8DWX371", "7HPN946", "6VGE512", "9AJL837", "5XKT294", "8UFM765",
    "7CBS183", "6NRY459", "9WDH621", "5EPV978", "8TGA346", "7MXJ812", "6BKC597", "9SFU234",
)  # fmt: skip
"""Plates of the rendered drive; synthetic, in California's pattern."""
LISTED_EVERY: Final = 6
"""Every sixth vehicle of the drive is on the demonstration list, far more than on a road (about 0.04 %)."""
_PLACE: Final = (33.6846, -117.8265)
_REASONS: Final = ("stolen_vehicle", "felony_vehicle", "missing_person", "stolen_plate")
_CONFLICT: Final = 409
_FORCED: Final = {"force": "true", "note": "the demonstration's list is replaced as a whole"}
"""A list of a handful loses more than half of its entries whenever it is changed at all."""


class DemoError(RuntimeError):
    """The console refused a step of the preparation; the message holds its words."""


class Session:
    """A person signed in at the console."""

    def __init__(self, console: str, username: str, password: str, *, token: str = "") -> None:
        """Sign in, or go on with the token of a session; raises `DemoError` when the console refuses."""
        self.http = httpx.Client(base_url=console, timeout=60, trust_env=False)  # on this machine: no proxy
        if not token:
            body = {"username": username, "password": password, "bearer": True}
            token = self.call("POST", "/v1/session", json=body).json()["token"]
        self.http.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, *, allow: Sequence[int] = (), **options: Any) -> httpx.Response:
        """Call the console; raises `DemoError` for a status of 400 or more that is not allowed for."""
        answer = self.http.request(method, path, **options)
        if answer.is_error and answer.status_code not in allow:
            message = f"{method} {path}: {answer.status_code} {answer.text[:500]}"
            raise DemoError(message)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.http.close()


class Installation(Protocol):
    """Where the demonstration plays: the stack of this process, or an installation that runs already."""

    @property
    def console(self) -> str:
        """Address of the console."""

    @property
    def ingest(self) -> str:
        """Address of the door for frames and lists."""

    @property
    def bootstrap(self) -> str:
        """Host and port of the brokers."""

    @property
    def keys(self) -> Path:
        """Folder for the keys of simulated devices."""

    @property
    def state(self) -> Path:
        """Folder for what the simulated devices remember."""

    def sign_in(self, account: str) -> Session:
        """Sign a person of the demonstration in; raises `DemoError`."""


def device_ids(cameras: int) -> list[str]:
    """Ids of the simulated devices, one camera each."""
    return [f"demo-pole-{number}" for number in range(1, cameras + 1)]


def listed() -> list[str]:
    """Plates of the drive that are on the demonstration list."""
    return list(DRIVE[::LISTED_EVERY])


def prepare(place: Installation, *, cameras: int, plates: Path | None) -> int:
    """Register the simulated devices and load the list; repeating it changes nothing. Returns the plates listed."""
    with place.sign_in("administrator") as admin:
        for number, device_id in enumerate(device_ids(cameras)):
            admin.call("POST", "/v1/devices", json=_device(place, device_id, number), allow=(_CONFLICT,))
    if plates is None:
        return load_list(place, listed())
    return _load(place, plates.read_bytes())


def load_list(place: Installation, plates: Sequence[str]) -> int:
    """Put these plates on the demonstration list, instead of what it held; returns how many."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(("plate", "state", "reason", "notes"))
    for number, text in enumerate(plates):
        writer.writerow((text, "US-CA", _REASONS[number % len(_REASONS)], "synthetic entry of the demonstration"))
    return _load(place, lines.getvalue().encode())


def _load(place: Installation, content: bytes) -> int:
    with place.sign_in("administrator") as admin:
        answer = admin.call(
            "POST",
            f"/v1/hotlists/{LIST_CODE}/loads",
            files={"file": ("plates.csv", content, "text/csv")},
            data={"format": "generic_csv", "source_time": datetime.now(UTC).isoformat(), **_FORCED},
        )
    return int(answer.json()["entries"])


def player(
    place: Installation,
    *,
    source: str,
    fps: float,
    devices: Sequence[str],
    door: str = "kafka",
    extra: Sequence[str] = (),
) -> list[str]:
    """Give the command that plays a source through simulated devices, each with one camera."""
    command = [
        sys.executable, "-m", "alpr_cli", "simulate",
        "--source", source,
        "--door", door,
        "--bootstrap", place.bootstrap,
        "--url", place.ingest,
        "--fps", str(fps),
        "--state", str(place.state / "simulate"),
    ]  # fmt: skip
    for device_id in devices:
        command += ["--device", f"{device_id}={key_file(place, device_id)}"]
    return [*command, *extra]


def drive(place: Installation, *, source: str, fps: float, cameras: int) -> list[str]:
    """Give the command of `alpr run`: the source again and again, the drive with its own plates."""
    extra = ["--plates", ",".join(DRIVE), "--loop"] if source == "drive" else []
    return player(place, source=source, fps=fps, devices=device_ids(cameras), extra=extra)


def key_file(place: Installation, device_id: str) -> Path:
    """The key of a simulated device."""
    return place.keys / "devices" / f"{device_id}.key"


def _device(place: Installation, device_id: str, number: int) -> dict[str, Any]:
    from alprcore.seal import SigningKey

    file = key_file(place, device_id)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = SigningKey.load(file) if file.exists() else SigningKey.generate(file)
    latitude, longitude = _PLACE
    return {
        "device_id": device_id,
        "kind": "fixed",
        "name": f"Pole {number + 1}, Example Avenue",
        "carrier": f"pole {number + 1}",
        "cameras": [
            {
                "camera_id": f"{device_id}-a",
                "name": "lane 1",
                "directions": ["N" if number % 2 else "S"],
                "view": "rear",
            }
        ],
        "siting": {"public_view": True, "approver": "Plateline demonstration", "declared_on": "2026-01-01"},
        "position": {"latitude": latitude + number * 0.001, "longitude": longitude},
        "public_key": base64.b64encode(key.public).decode(),
        "in_service": True,
    }
