"""`alpr hotlist`: loads a list through the console and shows how old every list is."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

_LOAD_TIMEOUT_S = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr hotlist`."""
    parser.add_argument("--console", default=os.environ.get("ALPR_CONSOLE_URL", "http://127.0.0.1:8080"))
    parser.add_argument("--user", default=os.environ.get("ALPR_USER", "administrator"))
    parser.add_argument("--second-factor", dest="code", help="the six digits of the second factor")
    commands = parser.add_subparsers(dest="action", required=True, metavar="load|status")
    load = commands.add_parser("load", help="load a file and put it in force")
    load.add_argument("list", help="its code, e.g. SVS")
    load.add_argument("file", type=Path)
    load.add_argument("--format", choices=("generic_csv", "ncic_fixed"), default="generic_csv")
    load.add_argument("--source-time", help="when the source made the file, RFC 3339 (default: the file's own time)")
    load.add_argument("--entries", type=int, help="how many the source says there are")
    load.add_argument("--force", action="store_true", help="load it even if the list shrinks by more than half")
    commands.add_parser("status", help="version, entries and age of every list")


def run(options: argparse.Namespace) -> int:
    """Load or show; returns 1 when the load was refused. The password comes from ALPR_PASSWORD or the keyboard."""
    password = os.environ.get("ALPR_PASSWORD") or getpass.getpass(f"password of {options.user}: ")
    with httpx.Client(base_url=options.console, timeout=_LOAD_TIMEOUT_S, trust_env=False) as http:
        asked = {"username": options.user, "password": password, "bearer": True}
        if options.code:
            asked["code"] = options.code
        http.headers["authorization"] = f"Bearer {_good(http.post('/v1/session', json=asked))['token']}"
        return _load(http, options) if options.action == "load" else _status(http)


def _good(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        try:
            body = answer.json()
            words = f"{body.get('reason_code', answer.status_code)}: {body.get('detail', '')}"
        except ValueError:
            words = str(answer.status_code)
        raise SystemExit(f"alpr hotlist: {words}")
    content: dict[str, Any] = answer.json() if answer.content else {}
    return content


def _load(http: httpx.Client, options: argparse.Namespace) -> int:
    content = options.file.read_bytes()
    made = datetime.fromtimestamp(options.file.stat().st_mtime, UTC).isoformat()
    data = {"format": options.format, "source_time": options.source_time or made, "force": str(options.force).lower()}
    if options.entries is not None:
        data["entries"] = str(options.entries)
    files = {"file": (options.file.name, content, "application/octet-stream")}
    report = _good(http.post(f"/v1/hotlists/{options.list}/loads", files=files, data=data))
    print(
        f"{options.list} version {report['version']}: {report['entries']} entries, {report['added']} added, "
        f"{report['changed']} changed, {report['removed']} removed, {report['rejected']} lines rejected, "
        f"{report['seconds']} s"
    )
    for reject in report["rejects"]:
        print(f"  line {reject['number']}: {reject['reason_code']}", file=sys.stderr)
    return 0


def _status(http: httpx.Client) -> int:
    for one in _good(http.get("/v1/hotlists"))["hotlists"]:
        age = "never loaded" if one["age_s"] is None else f"{one['age_s'] / 3600:.1f} h old"
        stale = ", STALE" if one["stale"] else ""
        print(f"{one['code']:<12} version {one['version']:<5} {one['entries']:>9} entries, {age}{stale}  {one['name']}")
    return 0
