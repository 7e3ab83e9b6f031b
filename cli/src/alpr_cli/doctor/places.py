"""Looks at what lies outside the database: keys, images, certificates, disks, clocks, and the services' own doors."""

from __future__ import annotations

import asyncio
import base64
import ctypes
import hashlib
import json
import secrets
import shutil
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from alpr_cli.doctor.database import database_certificate, unverified
from alpr_cli.doctor.found import Found
from alpr_cli.doctor.rules import Finding, Level, is_local, judge_certificate, judge_disk, judge_mode
from alprcore.errors import Misconfigured, Transient
from alprcore.objects import ImageStore
from alprcore.seal import ListKeys, SigningKey, TextsKey
from alprcore.seal.certificates import certificate_ends

_TIMEOUT_S: Final = 5.0
_KEYS: Final = (
    ("audit", "ledger_key_file"),
    ("audit", "events_key_file"),
    ("ingest", "package_key_file"),
    ("console", "person_key_file"),
)
_LISTS: Final = ("ingest", "matcher", "console")
_DAYS_AHEAD: Final = timedelta(days=7)
_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronized
_FOLDERS: Final = (
    ("audit", "checkpoint_file"),
    ("audit", "public_folder"),
    ("matcher", "state_dir"),
    ("retention", "image_keys_dir"),
)


def check_keys(found: Found, today: date) -> list[Finding]:
    """Check every key file that a setting names, whether they fit each other, and the keys of days to come."""
    findings: list[Finding] = []
    for service, name in _KEYS:
        if value := found.settings.get(service, {}).get(name):
            findings += _key(f"{service}.{name}", found.key(service, value), partial(public_half, name))
    digests: dict[str, str] = {}
    for service in _LISTS:
        if value := found.settings.get(service, {}).get("list_keys_file"):
            where = found.key(service, value)
            findings += _key(f"{service}.list_keys_file", where, ListKeys.load)
            if isinstance(where, Path) and where.is_file():
                digests[service] = hashlib.sha256(where.read_bytes()).hexdigest()
    if len(set(digests.values())) > 1:
        words = f"{', '.join(digests)} have different keys of lists: hits cannot be opened"
        findings.append(Finding("keys", "list_keys_file", Level.FAIL, words, "give them the same file"))
    findings += _halves(found)
    if value := found.settings.get("retention", {}).get("image_keys_dir"):
        findings += _image_keys(found.place("retention", value), today)
    if not findings:
        findings.append(Finding("keys", "all", Level.NOTE, "no service here has keys"))
    return findings


def _key(subject: str, where: Path | str, load: Callable[[Path | str], object]) -> list[Finding]:
    findings = []
    if isinstance(where, Path):
        if not where.is_file():
            words = f"{where} is not there"
            return [Finding("keys", subject, Level.FAIL, words, "bring it back from the copy of the keys")]
        findings.append(judge_mode(subject, where.stat().st_mode))
    try:
        load(where)
    except Misconfigured as error:
        findings.append(Finding("keys", subject, Level.FAIL, str(error), "bring it back from the copy of the keys"))
    return findings


def _halves(found: Found) -> list[Finding]:
    """Compare the public halves that services trust with the private one of the service that signs or opens."""
    findings = []
    for owner, private, public, words in _PAIRS:
        value = found.settings.get(owner, {}).get(private)
        try:
            half = public_half(private, found.key(owner, value)) if value else ""
        except Misconfigured:
            continue  # told already
        others = [service for service, one in found.settings.items() if half and one.get(public, half) != half]
        if others:
            told = f"{', '.join(others)} hold another key than {owner}: {words}"
            findings.append(Finding("keys", public, Level.FAIL, told, "run alpr prepare again"))
    bare = [one for one in _TELLERS if one in found.settings and not found.settings[one].get("events_public_key")]
    if bare:
        words = f"{', '.join(bare)} tell the ledger of people in the clear"
        findings.append(Finding("keys", "events_public_key", Level.WARN, words, "docs/security.md: texts about people"))
    return findings


def public_half(name: str, where: Path | str) -> str:
    """The public half of a key, in base64. Raises `Misconfigured`."""
    if name == "events_key_file":
        return TextsKey.load(where).public
    return base64.b64encode(SigningKey.load(where).public).decode()


_TELLERS: Final = ("ingest", "retention", "console")
"""Who tells the ledger over topic `audit` what people did."""
_PAIRS: Final = (
    ("console", "person_key_file", "person_public_key", "nobody gets past them"),
    ("audit", "events_key_file", "events_public_key", "what they tell the ledger does not open"),
)


def _image_keys(folder: Path, today: date) -> list[Finding]:
    subject = "retention.image_keys_dir"
    if not folder.is_dir():
        words = f"{folder} is not there"
        return [Finding("keys", subject, Level.FAIL, words, "bring it back from the copy of the keys")]
    open_ones = [judge_mode(subject, path.stat().st_mode) for path in folder.rglob("*.key")]
    bad = [one for one in open_ones if one.level is Level.FAIL]
    findings = [judge_mode(subject, folder.stat().st_mode, folder=True), *bad[:1]]
    newest: dict[str, date] = {}
    for path in folder.glob("*/*.key"):
        try:
            day = date.fromisoformat(path.stem)
        except ValueError:
            continue
        newest[path.parent.name] = max(day, newest.get(path.parent.name, day))
    late = sorted(agency for agency, day in newest.items() if day < today + _DAYS_AHEAD)
    if late or not newest:
        words = f"no key for images of {', '.join(late) or 'any agency'} in a week's time"
        findings.append(Finding("keys.days", subject, Level.FAIL, words, "start retention: it makes them"))
    else:
        findings.append(
            Finding("keys.days", subject, Level.OK, f"{len(newest)} agencies, until {min(newest.values())}")
        )
    return findings


async def check_objects(found: Found) -> list[Finding]:
    """Write, read and delete one small object in every image store that a setting names."""
    findings: list[Finding] = []
    urls: dict[str, list[str]] = {}
    for service, one in found.settings.items():
        if one.get("objects_url"):
            urls.setdefault(str(one["objects_url"]), []).append(service)
    for url, services in urls.items():
        subject = ", ".join(services)
        parts = urlsplit(url)
        if parts.scheme == "file" and not Path(unquote(parts.path)).is_dir():
            findings.append(Finding("objects", subject, Level.NOTE, "its folder is not to be seen from here"))
            continue
        findings.append(await _try_store(url, subject))
    return findings


async def _try_store(url: str, subject: str) -> Finding:
    content, key = secrets.token_bytes(16), f"doctor/{secrets.token_hex(16)}"
    remedy = "look at address, credentials and rights of the store"
    try:
        store = ImageStore(url)
        async with asyncio.timeout(_TIMEOUT_S * 4):
            await store.put(key, content)
            back = await store.get(key)
            await store.delete(key)
    except (Misconfigured, Transient, KeyError, TimeoutError) as error:
        return Finding("objects", subject, Level.FAIL, f"{error or type(error).__name__}", remedy)
    if back != content:
        return Finding("objects", subject, Level.FAIL, "what was read is not what was written", remedy)
    return Finding("objects", subject, Level.OK, "written, read and deleted")


async def check_certificates(found: Found, now: datetime) -> list[Finding]:
    """Check the end of every certificate: files that settings name, and what brokers, database and doors show."""
    findings: list[Finding] = []
    for service, name, path in found.files():
        subject = f"{service}.{name}"
        try:
            ends = certificate_ends(path.read_bytes())
        except (OSError, ValueError) as error:
            words = f"{path} cannot be read: {type(error).__name__}"
            findings.append(Finding("certificates", subject, Level.FAIL, words, "put the certificate there"))
            continue
        findings.append(judge_certificate(subject, min(ends), now))
    shown = await asyncio.gather(*(asyncio.to_thread(_shown, *one) for one in sorted(set(_servers(found)))))
    for subject, content in shown:
        if content is not None:
            findings.append(judge_certificate(subject, min(certificate_ends(content)), now))
    if not findings:
        findings.append(Finding("certificates", "all", Level.NOTE, "nothing here has one"))
    return findings


def _servers(found: Found) -> Iterator[tuple[str, str]]:
    for service, one in found.settings.items():
        security = one.get("kafka_security")
        if isinstance(security, Mapping) and security.get("kind") in {"tls", "sasl"}:
            for host in str(one.get("kafka_bootstrap", "")).split(","):
                yield f"broker {host.strip()}", f"tls://{host.strip()}"
        for name, value in one.items():
            if name.endswith("database_url"):
                parts = urlsplit(str(value))
                yield f"database {parts.hostname}", f"postgresql://{parts.hostname}:{parts.port or 5432}"
            elif name.endswith("_url") and str(value).startswith("https://"):
                parts = urlsplit(str(value))
                yield f"{service}.{name}", f"tls://{parts.hostname}:{parts.port or 443}"


def _shown(subject: str, address: str) -> tuple[str, bytes | None]:
    """Fetch the certificate that a server shows; None when it is away: other checks tell that."""
    parts = urlsplit(address)
    if parts.scheme == "postgresql":
        return subject, database_certificate(address)
    host = parts.hostname or ""
    try:
        with (
            socket.create_connection((host, parts.port or 443), timeout=_TIMEOUT_S) as plain,
            unverified().wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            return subject, wrapped.getpeercert(binary_form=True)
    except OSError:
        return subject, None


def check_disks(found: Found) -> list[Finding]:
    """Check the room on every disk that a service here writes to; one disk is told once."""
    seen: dict[int, Finding] = {}
    for service, name in _FOLDERS:
        if value := found.settings.get(service, {}).get(name):
            path = found.place(service, value)
            _look(seen, f"{service}.{name}", path if path.is_dir() else path.parent)
    for service, one in found.settings.items():
        parts = urlsplit(str(one.get("objects_url", "")))
        if parts.scheme == "file":
            _look(seen, f"{service}.objects_url", Path(unquote(parts.path)))
    return list(seen.values()) or [Finding("disk", "all", Level.NOTE, "no folder of a service is to be seen from here")]


def _look(seen: dict[int, Finding], subject: str, path: Path) -> None:
    if path.is_dir() and (device := path.stat().st_dev) not in seen:
        usage = shutil.disk_usage(path)
        seen[device] = judge_disk(subject, usage.free, usage.total)


def check_time_service() -> Finding:
    """Ask the kernel whether a time service keeps this machine's clock (adjtimex)."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        state = -1
    if state < 0:
        return Finding("clock", "this machine", Level.NOTE, "its time service is not to be seen from here")
    if state == _TIME_ERROR:
        remedy = "run chrony or systemd-timesyncd on every host"
        return Finding("clock", "this machine", Level.WARN, "no time service keeps its clock", remedy)
    return Finding("clock", "this machine", Level.OK, "kept by a time service")


async def check_doors(found: Found, addresses: Mapping[str, str]) -> list[Finding]:
    """Ask every service whether it is ready; `addresses` say where those are that settings do not name."""
    asked = [(service, _address(service, found, addresses)) for service in found.settings]
    return list(await asyncio.gather(*(asyncio.to_thread(_ready, *one, found) for one in asked)))


def _address(service: str, found: Found, addresses: Mapping[str, str]) -> str:
    if given := addresses.get(service):
        return given.rstrip("/")
    if named := found.settings.get("console", {}).get(f"{service}_url"):
        return str(named).rstrip("/")
    one = found.settings[service]
    host, port = str(one.get("host", "127.0.0.1")), one.get("port", _PORTS[service])
    if not is_local(host):
        try:
            socket.getaddrinfo(service, port)
            host = service
        except OSError:
            host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host
    scheme = "https" if one.get("tls_cert_file") else "http"
    return f"{scheme}://{host}:{port}"


_PORTS: Final = {
    "audit": 8084,
    "ingest": 8081,
    "retention": 8085,
    "matcher": 8080,
    "recognizer": 8082,
    "console": 8080,
}


def _ready(service: str, url: str, found: Found) -> Finding:
    remedy = f"start {service}, or name its address: --at {service}=https://…"
    handlers: list[Any] = [urllib.request.ProxyHandler({})]
    if url.startswith("https://"):
        authority = found.settings.get("console", {}).get("doors_ca_file")
        try:
            trust = ssl.create_default_context(cafile=str(found.place("console", authority)) if authority else None)
        except OSError as error:
            return Finding("doors", service, Level.FAIL, f"doors_ca_file: {type(error).__name__}", remedy)
        handlers.append(urllib.request.HTTPSHandler(context=trust))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(f"{url}/readyz", timeout=_TIMEOUT_S):
            return Finding("doors", service, Level.OK, "ready")
    except urllib.error.HTTPError as error:
        return Finding("doors", service, Level.FAIL, f"not ready: {_reasons(error.read())}", "see its log")
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        return Finding("doors", service, Level.FAIL, f"does not answer: {type(reason).__name__}", remedy)


def _reasons(body: bytes) -> str:
    try:
        checks = json.loads(body)["checks"]
    except (ValueError, KeyError, TypeError):
        return "it does not say why"
    return "; ".join(f"{name}: {words}" for name, words in checks.items() if words != "ok")
