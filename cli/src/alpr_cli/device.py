"""`alpr device`: what a device does with lists, as a reference for those who build one: pulls, checks, compares."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

from alpr_cli.device_copy import CopyBroken, DeviceCopy
from alprcore.copies import PackageReader, sign_call, write_have
from alprcore.errors import InvalidMessage, Transient
from alprcore.plates import normalize
from alprcore.seal import SigningKey, new_image_key
from alprcore.wire import rfc3339

_TIMEOUT_S: Final = 120.0
_CHUNK: Final = 64 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr device`."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="key|pull|status|match")
    key = commands.add_parser("key", help="make a device's key and print the public part, to register it with")
    key.add_argument("file", type=Path)
    pull = commands.add_parser("pull", help="bring the copies of lists up to date and tell the service what is held")
    pull.add_argument("--url", required=True, help="of ingest, as for frames")
    pull.add_argument("--device", required=True, help="its id, as registered")
    pull.add_argument("--key", type=Path, required=True, help="file of its private key")
    pull.add_argument(
        "--trust", required=True, help="what packages must be signed by: the `verifier` of /v1/hotlists/package-key"
    )
    pull.add_argument("--wait", type=int, default=0, help="seconds to wait for something new, 60 at most")
    pull.add_argument("--follow", action="store_true", help="go on pulling, as a unit with a link does")
    pull.add_argument("--fresh", action="store_true", help="forget what is held and pull everything")
    status = commands.add_parser("status", help="tell which versions are held and until when")
    match = commands.add_parser("match", help="compare plates with the copies, one a line from standard input")
    for command in (pull, status, match):
        command.add_argument("--copy", type=Path, required=True, help="file that holds the copies")
        command.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(options: argparse.Namespace) -> int:
    """Do it; returns 1 when a package is refused. Raises `Transient` when the service is away."""
    if options.action == "key":
        try:
            print(base64.b64encode(SigningKey.generate(options.file).public).decode())
        except FileExistsError:
            raise SystemExit(f"alpr device: {options.file} is there already: a key is never overwritten") from None
        return 0
    if options.action != "pull" and not options.copy.is_file():
        raise SystemExit(f"alpr device: {options.copy}: there are no copies; pull them first")
    with DeviceCopy.open(options.copy) as copy:
        match options.action:
            case "pull":
                return _pull(options, copy)
            case "status":
                return _status(options, copy)
            case _:
                return _match(options, copy)


def _verifier(trust: str) -> str:
    """Take the key itself, or the whole answer of the service that it came in."""
    try:
        return str(json.loads(trust)["verifier"])
    except (ValueError, KeyError, TypeError):
        return trust


def _pull(options: argparse.Namespace, copy: DeviceCopy) -> int:
    if options.fresh:
        copy.forget()
    with httpx.Client(timeout=httpx.Timeout(_TIMEOUT_S), trust_env=False) as http:
        unit = Unit(http, options.url, options.device, SigningKey.load(options.key), _verifier(options.trust))
        while True:
            try:
                unit.pull(copy, options.wait if not options.follow else max(options.wait, 30))
                _status(options, copy)
            except InvalidMessage as error:
                print(f"alpr device: {error}", file=sys.stderr)
                if not options.follow:
                    return 1
            if not options.follow:
                return 0


class Unit:
    """A device that pulls: signs its calls and takes what it is answered with."""

    def __init__(self, http: httpx.Client, url: str, device_id: str, key: SigningKey, verifier: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._device_id = device_id
        self._key = key
        self._verifier = verifier

    def pull(self, copy: DeviceCopy, wait_s: int = 0, now: datetime | None = None) -> None:
        """Bring the copies up to date and report what is held; a list that does not come out right is pulled whole.

        Raises `InvalidMessage` when a package is refused, `Transient` when the service is away or refuses.
        """
        try:
            self._take(copy, copy.versions(), wait_s, now)
        except CopyBroken as broken:
            held = {code: version for code, version in copy.versions().items() if code != broken.list_code}
            self._take(copy, held, 0, now)
        self._report(copy, now)

    def _take(self, copy: DeviceCopy, held: Mapping[str, int], wait_s: int, now: datetime | None) -> None:
        private, public = new_image_key()
        query = f"have={quote(write_have(held), safe=':,')}&wait={wait_s}"
        headers, nonce = self._signed("GET", "lists/package", query, b"", public, now)
        try:
            with self._http.stream("GET", self._address("lists/package", query), headers=headers) as answer:
                if answer.is_error:
                    answer.read()
                    raise Transient(_words(answer))
                package = PackageReader(_Body(answer), self._verifier)
                moment = now or datetime.now(UTC)
                copy.apply(package, private, device_id=self._device_id, nonce=nonce, now=moment)
        except httpx.TransportError as error:
            raise Transient(f"{self._url}: {type(error).__name__}") from error

    def _report(self, copy: DeviceCopy, now: datetime | None) -> None:
        newest = copy.newest()
        if newest is None:
            return
        said = {"package_id": newest[0], "issued_at": rfc3339(newest[1]), "lists": copy.versions()}
        body = json.dumps(said).encode()
        headers, _ = self._signed("POST", "lists/state", "", body, b"", now)
        headers["content-type"] = "application/json"
        try:
            answer = self._http.post(self._address("lists/state", ""), content=body, headers=headers)
        except httpx.TransportError as error:
            raise Transient(f"{self._url}: {type(error).__name__}") from error
        if answer.is_error:
            raise Transient(_words(answer))

    def _address(self, path: str, query: str) -> str:
        return f"{self._url}/v1/devices/{self._device_id}/{path}" + (f"?{query}" if query else "")

    def _signed(
        self, method: str, path: str, query: str, body: bytes, seal_key: bytes, now: datetime | None
    ) -> tuple[dict[str, str], str]:
        at = urlsplit(self._address(path, "")).path
        moment = now or datetime.now(UTC)
        headers = sign_call(self._key, self._device_id, method, at, query, body, seal_key, moment)
        return headers, headers["signature-input"].partition('nonce="')[2].partition('"')[0]


class _Body:
    """An answer's body as something to read from, in pieces as they come."""

    def __init__(self, answer: httpx.Response) -> None:
        self._pieces: Iterator[bytes] = answer.iter_bytes(_CHUNK)
        self._left = b""

    def read(self, size: int, /) -> bytes:
        if not self._left:
            self._left = next(self._pieces, b"")
        found, self._left = self._left[:size], self._left[size:]
        return found


def _words(answer: httpx.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        return f"answered {answer.status_code}"
    return f"{told.get('reason_code', answer.status_code)}: {told.get('detail', '')}"


def _status(options: argparse.Namespace, copy: DeviceCopy) -> int:
    now = datetime.now(UTC)
    for one in copy.lists():
        holds = now < one.valid_until
        told: dict[str, Any] = {
            "code": one.code, "name": one.name, "version": one.version, "entries": one.entries,
            "source_time": rfc3339(one.source_time), "valid_until": rfc3339(one.valid_until), "holds": holds,
        }  # fmt: skip
        until = f"holds until {told['valid_until']}" if holds else "OUT OF DATE, not used"
        plain = f"{one.code:<12} version {one.version:<5} {one.entries:>9} entries, {until}  {one.name}"
        print(json.dumps(told) if options.json else plain)
    return 0


def _match(options: argparse.Namespace, copy: DeviceCopy) -> int:
    """Compare; 1 when a list could not be used because its copy is out of date: "not listed" says less then."""
    late = [one.code for one in copy.lists() if one.valid_until <= datetime.now(UTC)]
    if late:
        print(f"alpr device: out of date and not compared with: {', '.join(late)}", file=sys.stderr)
    for line in sys.stdin:
        plate = normalize(line)
        lists = copy.find(plate, datetime.now(UTC)) if plate else []
        if options.json:
            classes = {one.code: one.advisory_class for one in lists}
            print(json.dumps({"plate": plate.reveal(), "lists": [*classes], "classes": classes}), flush=True)
        else:
            words = ", ".join(f"{one.code} ({one.advisory_class})" for one in lists) or "not listed here"
            print(f"{plate.reveal()}: {words}", flush=True)
    return int(bool(late))
