"""`alpr hotlist`: checks, previews, loads and rolls back lists through the console, and tells how old each is."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from alprcore.layouts import REFUSALS, REJECTS, Layout, ListEnd, Reject, find_layout, read_list, shipped
from alprcore.model import Refused

_LOAD_TIMEOUT_S: Final = 1800.0
_SHOWN_REJECTS: Final = 20
_BAR: Final = 40
_COUNTS: Final = ("entries", "added", "changed", "removed", "unchanged", "rejected")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr hotlist`."""
    parser.add_argument(
        "--console",
        default=os.environ.get("ALPR_CONSOLE_URL", "http://127.0.0.1:8080"),
        help="its address, else ALPR_CONSOLE_URL (now %(default)s)",
    )
    parser.add_argument(
        "--user",
        default=os.environ.get("ALPR_USER", "administrator"),
        help="who asks, else ALPR_USER (now %(default)s); the password comes from ALPR_PASSWORD or the keyboard",
    )
    parser.add_argument("--second-factor", dest="code", help="the six digits of the second factor")
    parser.add_argument("--json", action="store_true", help="print the answer as it is")
    names = "validate|preview|load|dry-run|rollback|republish|status|feed"
    commands = parser.add_subparsers(dest="action", required=True, metavar=names)
    check = commands.add_parser("validate", help="read a file without a server and say what is wrong with it")
    _add_file(check)
    for action, words in (
        ("preview", "tell what a load would change and which guards it would hit; nothing is kept"),
        ("load", "load a file and put it in force"),
        ("dry-run", "tell how many alerts the file would have made of the last day's reads"),
    ):
        command = commands.add_parser(action, help=words)
        command.add_argument("list", help="its code, e.g. SVS")
        _add_file(command)
        command.add_argument("--source-time", help="when the source made the file, RFC 3339 (default: the file's own)")
        command.add_argument("--incremental", action="store_true", help="the file holds changes, not the whole list")
        command.add_argument(
            "--compared", action="append", default=[], metavar="NAME=TIME", help="a system that a special list is from"
        )
        command.add_argument(
            "--permissible-use",
            default="",
            help="use under 18 USC 2721(b) that registration data is taken for (SEC-05)",
        )
        if action == "load":
            command.add_argument("--force", action="store_true", help="lift the guards over sizes; needs --note")
            command.add_argument("--note", default="", help="why they are lifted; it is kept with the load")
    back = commands.add_parser("rollback", help="bring the version before the last load back")
    back.add_argument("list", help="its code, e.g. SVS")
    back.add_argument("--note", default="", help="why; another person approves")
    back.add_argument("--approve", metavar="ID", help="approve what another person has asked for")
    again = commands.add_parser("republish", help="publish a list again from the database, when its topic was lost")
    again.add_argument("list", nargs="*", help="codes, e.g. SVS; none: every list that has a version")
    state = commands.add_parser("status", help="version, entries, age and feed of every list, or the loads of one")
    state.add_argument("list", nargs="?", help="its code, e.g. SVS")
    feed = commands.add_parser("feed", help="show where a list is fetched from; set, remove or pull it")
    feed.add_argument("list", help="its code, e.g. SVS")
    feed.add_argument(
        "--set", type=Path, metavar="FILE", help="JSON: kind, address, layout, every_s or at, credential, …"
    )
    feed.add_argument("--remove", action="store_true", help="fetch it no longer")
    feed.add_argument("--pull", action="store_true", help="fetch it now")


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path)
    parser.add_argument("--layout", default="generic_csv", help=f"a YAML file or one of {', '.join(shipped())}")
    parser.add_argument("--entries", type=int, help="how many the source says there are")
    # The words come after the subcommand as well: people put them where they think of them.
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print the answer as it is")


def run(options: argparse.Namespace) -> int:
    """Do it; returns 1 when a file is refused. Raises `SystemExit` with what is wrong and what to do about it."""
    try:
        return _validate(options) if options.action == "validate" else _ask(options)
    except OSError as error:
        raise SystemExit(f"alpr hotlist: {error.filename or ''}: {error.strerror or error}") from None
    except httpx.TransportError as error:
        words = f"{options.console} does not answer ({type(error).__name__}); --console names another address"
        raise SystemExit(f"alpr hotlist: {words}") from None


def _password(user: str) -> str:
    if found := os.environ.get("ALPR_PASSWORD"):
        return found
    if not sys.stdin.isatty():
        raise SystemExit("alpr hotlist: put the password into ALPR_PASSWORD: there is no keyboard to ask at")
    return getpass.getpass(f"password of {user}: ")


def _ask(options: argparse.Namespace) -> int:
    """Sign in at the console and do there what was asked for."""
    if "file" in options and not options.file.is_file():
        raise SystemExit(f"alpr hotlist: {options.file}: no such file")
    password = _password(options.user)
    with httpx.Client(base_url=options.console, timeout=_LOAD_TIMEOUT_S, trust_env=False) as http:
        asked = {"username": options.user, "password": password, "bearer": True}
        if options.code:
            asked["code"] = options.code
        http.headers["authorization"] = f"Bearer {_good(http.post('/v1/session', json=asked))['token']}"
        match options.action:
            case "rollback":
                return _rollback(http, options)
            case "republish":
                return _republish(http, options)
            case "status":
                return _status(http, options)
            case "feed":
                return _feed(http, options)
            case _:
                return _send(http, options)


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


def _layout_text(name: str) -> str:
    """A name of a layout that ships as it is, a file's content otherwise."""
    path = Path(name)
    return path.read_text("utf-8") if path.suffix in {".yaml", ".yml"} else name


def _validate(options: argparse.Namespace) -> int:
    """Read a file as a load would; 1 when a load would refuse it whole."""
    layout = find_layout(_layout_text(options.layout))
    if isinstance(layout, Refused):
        raise SystemExit(f"alpr hotlist: {layout.reason_code}: {layout.detail}")
    end, first, categories = _read(options.file, layout, options.entries)
    refused = end.refused
    shown = [{"line": one.number, "reason_code": one.reason_code} for one in first]
    told = {
        "accepted": end.accepted, "rejected": end.rejected, "skipped": end.skipped,
        "source_time": None if end.source_time is None else end.source_time.isoformat(),
        "reject_codes": dict(end.reject_codes), "categories": dict(categories),
        "rejects": shown,
        "refused": None if refused is None else {"reason_code": refused.reason_code, "detail": refused.detail},
    }  # fmt: skip
    if options.json:
        print(json.dumps(told))
    else:
        made = "it does not say of what time it is" if end.source_time is None else f"of {end.source_time.isoformat()}"
        print(f"{end.accepted} entries, {end.rejected} lines rejected, {end.skipped} skipped; {made}")
        for code, count in end.reject_codes.items():
            print(f"  {count:>9} {code}: {REJECTS.get(code, '')}")
        _print_rejects(shown, end.rejected)
        if refused is not None:
            words = REFUSALS.get(refused.reason_code, "")
            told_words = refused.detail if refused.detail.startswith(words) else f"{words}: {refused.detail}"
            print(f"refused, {refused.reason_code}: {told_words}", file=sys.stderr)
    return int(refused is not None)


def _read(file: Path, layout: Layout, declared: int | None) -> tuple[ListEnd, list[Reject], Counter[str]]:
    first: list[Reject] = []
    categories: Counter[str] = Counter()
    with file.open("rb") as source:
        reading = read_list(source, layout, now=datetime.now(UTC), declared=declared)
        for one in reading:
            if isinstance(one, Reject):
                first += [one] * (len(first) < _SHOWN_REJECTS)
            elif one.category:
                categories[one.category] += 1
    return reading.end, first, categories


def _send(http: httpx.Client, options: argparse.Namespace) -> int:
    """Send a file for a preview, a dry run or a load."""
    made = datetime.fromtimestamp(options.file.stat().st_mtime, UTC).isoformat()
    data = {"layout": _layout_text(options.layout), "source_time": options.source_time or made}
    if options.entries is not None:
        data["entries"] = str(options.entries)
    if options.incremental:
        data["mode"] = "incremental"
    if options.compared:
        pairs = (one.partition("=") for one in options.compared)
        data["sources"] = json.dumps([{"name": name, "as_of": time} for name, _, time in pairs])
    if options.permissible_use:
        data["permissible_use"] = options.permissible_use
    if options.action == "load" and options.force:
        data |= {"force": "true", "note": options.note}
    path = f"/v1/hotlists/{options.list}"
    door = {"preview": "previews", "load": "loads", "dry-run": "dry-runs"}[options.action]
    with options.file.open("rb") as source:
        files = {"file": (options.file.name, source, "application/octet-stream")}
        watched = options.action == "load" and sys.stderr.isatty()
        with _Progress(http, path) if watched else _Silence():
            answer = http.post(f"{path}/{door}", files=files, data=data)
    report = _good(answer)
    if options.json:
        print(json.dumps(report))
    elif options.action == "dry-run":
        grades = ", ".join(f"{count} {grade}" for grade, count in report["by_grade"].items())
        told = f"{report['alerts']} alerts of {report['reads']} reads since {report['since']}"
        print(f"{options.list}: {told}" + (f": {grades}" if grades else ""))
    else:
        _print_report(options.list, report)
    return 0


def _print_report(code: str, report: Mapping[str, Any]) -> None:
    counts = ", ".join(f"{report[name]} {name}" for name in _COUNTS if name in report)
    if report.get("identical"):
        print(f"{code}: version {report['version']} is this very file; there is no new one")
        return
    print(f"{code} version {report['version']}: {counts}" if "version" in report else f"{code}: {counts}")
    if report.get("category_off"):
        print(f"  {report['category_off']} lines of categories that are switched off")
    for guard in report.get("guards", ()):
        print(f"  a load would be refused, {guard['reason_code']}: {guard['detail']}")
    for code_lifted in report.get("lifted", ()):
        print(f"  lifted: {code_lifted}")
    _print_rejects(report["rejects"], report["rejected"])


def _print_rejects(rejects: list[dict[str, Any]], total: int) -> None:
    for reject in rejects[:_SHOWN_REJECTS]:
        print(f"  line {reject['line']}: {reject['reason_code']}", file=sys.stderr)
    if total > _SHOWN_REJECTS:
        print(f"  and {total - _SHOWN_REJECTS} more", file=sys.stderr)


class _Silence:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        pass


class _Progress:
    """Draws how far a load has come, asked from the console once a second while the file is on its way."""

    def __init__(self, http: httpx.Client, path: str) -> None:
        self._http = http
        self._path = path
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join()
        print("\r" + " " * (_BAR + 40) + "\r", end="", file=sys.stderr, flush=True)

    def _draw(self) -> None:
        while not self._done.wait(1.0):
            try:
                loading = self._http.get(self._path).json().get("loading")
            except (httpx.HTTPError, ValueError):
                continue
            if loading is not None:
                print("\r" + progress_line(loading), end="", file=sys.stderr, flush=True)


def progress_line(loading: Mapping[str, Any]) -> str:
    """Write one line of progress: lines read so far, or a bar of the buckets published."""
    if loading["stage"] != "publishing":
        return f"{loading['stage']:<12} {loading['lines']:>12,} lines".ljust(_BAR + 40)
    total = max(loading["buckets"], 1)
    filled = _BAR * loading["published"] // total
    return f"{'publishing':<12} [{'#' * filled}{'.' * (_BAR - filled)}] {100 * loading['published'] // total:>3} %"


def _rollback(http: httpx.Client, options: argparse.Namespace) -> int:
    path = f"/v1/hotlists/{options.list}/rollbacks"
    if options.approve:
        report = _good(http.post(f"{path}/{options.approve}/approvals", json={}))
        print(json.dumps(report)) if options.json else _print_report(options.list, report)
        return 0
    asked = _good(http.post(path, json={"note": options.note}))
    if options.json:
        print(json.dumps(asked))
    else:
        print(
            f"{options.list}: version {asked['to_version']} is to come back; another person approves:\n"
            f"alpr hotlist rollback {options.list} --approve {asked['rollback_id']}"
        )
    return 0


def _republish(http: httpx.Client, options: argparse.Namespace) -> int:
    lists = _good(http.get("/v1/hotlists"))["hotlists"]
    codes = options.list or [one["code"] for one in lists if one["version"] and one["list_type"] != "partial"]
    for code in codes:
        done = _good(http.post(f"/v1/hotlists/{code}/republications"))
        plain = f"{code}: version {done['version']} published again, {done['buckets']} buckets"
        print(json.dumps({"code": code} | done) if options.json else plain)
    return 0


def _status(http: httpx.Client, options: argparse.Namespace) -> int:
    if options.list:
        loads = _good(http.get(f"/v1/hotlists/{options.list}/loads"))
        if options.json:
            print(json.dumps(loads))
            return 0
        for one in loads["loads"]:
            print(
                f"version {one['version']:<5} {one['mode']:<11} {one['source_time']}  {one['entries']:>9} entries, "
                f"{one['added']} added, {one['changed']} changed, {one['removed']} removed, {one['rejected']} rejected"
            )
        return 0
    lists = _good(http.get("/v1/hotlists"))
    if options.json:
        print(json.dumps(lists))
        return 0
    for one in lists["hotlists"]:
        age = "never loaded" if one["age_s"] is None else f"{one['age_s'] / 3600:.1f} h old"
        stale = ", STALE" if one["stale"] else ""
        print(f"{one['code']:<12} version {one['version']:<5} {one['entries']:>9} entries, {age}{stale}  {one['name']}")
        if one.get("loading"):
            print(f"{'':<12} {progress_line(one['loading'])}")
    return 0


def _feed(http: httpx.Client, options: argparse.Namespace) -> int:
    path = f"/v1/hotlists/{options.list}/feed"
    if options.set:
        told = _good(http.put(path, json=json.loads(options.set.read_text("utf-8"))))
    elif options.remove:
        told = _good(http.delete(path))
    elif options.pull:
        told = _good(http.post(f"{path}/pulls"))
    else:
        told = _good(http.get(path)) | _good(http.get(f"{path}/pulls"))
    if options.json:
        print(json.dumps(told))
        return 0
    for name, value in told.items():
        if name != "pulls":
            print(f"{name}: {value}")
    for pull in told.get("pulls", ()):
        print(f"  {pull['started_at']}  {pull['outcome']} {pull['reason_code']}")
    return 0
