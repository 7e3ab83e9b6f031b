"""`alpr doctor`: looks at a deployment as its services are told to run it, and says what is wrong and what to do.

It reads the services' own settings and uses their own accounts; it changes nothing but one small object that it writes
into the image store and deletes again. Exit status: 0 sound, 10 warnings only, 30 something fails, 78 no settings.
With `--profile cjis` it adds a line for each control of the register (SEC-03); one that is open here counts as failing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from alpr_cli.doctor import controls, places, rules
from alpr_cli.doctor.broker import check_brokers
from alpr_cli.doctor.database import check_databases, utc_now
from alpr_cli.doctor.found import Found, known, look
from alpr_cli.doctor.rules import CHECKS, EXIT, Finding, Level
from alprcore.errors import Misconfigured

_MARKS: Final = {Level.OK: "ok  ", Level.NOTE: "note", Level.WARN: "WARN", Level.FAIL: "FAIL"}
_STATES: Final = {"met": "ok  ", "procedure": "ok  ", "open": "OPEN", "not applicable": "n/a "}
_VERDICTS: Final = {0: "sound", 10: "warnings", 30: "failing"}
_OPEN: Final = "controls open"
GROUPS: Final = ("settings", "broker", "database", "keys", "objects", "certificates", "disk", "clock", "doors")
"""Checks that can be left out together."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr doctor`."""
    parser.description = __doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="DIR",
        help="DIR/<service>/settings.yaml, as `alpr prepare --out DIR` wrote them",
    )
    parser.add_argument("--service", action="append", help="look at this service only; may be repeated")
    parser.add_argument(
        "--agency", action="append", help="agencies of this deployment, whose CAD topics must be there; may be repeated"
    )
    parser.add_argument("--at", action="append", default=[], metavar="SERVICE=URL", help="where a service's door is")
    parser.add_argument("--skip", action="append", default=[], choices=GROUPS, help="leave a group of checks out")
    parser.add_argument("--profile", choices=controls.PROFILES, help="add how each control of this policy stands")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--quiet", action="store_true", help="print what is not well only")


def run(options: argparse.Namespace) -> int:
    """Look, print, and answer the exit status. Raises `Misconfigured` where there are no settings at all."""
    found = look(options.settings, known(options.service), os.environ)
    if not found.settings:
        raise Misconfigured("no settings found: name their folder with --settings, or set ALPR_<SERVICE>_CONFIG")
    addresses = dict(one.partition("=")[::2] for one in options.at)
    now = utc_now()
    findings = asyncio.run(examine(found, os.environ, now, addresses, options.agency, frozenset(options.skip)))
    standings = [
        controls.judge_control(control, findings)
        for control in (controls.load_controls(options.profile) if options.profile else ())
    ]
    status = EXIT[rules.worst(findings)]
    verdict = _VERDICTS[status]
    if status != EXIT[Level.FAIL] and any(standing.state == "open" for standing in standings):
        status, verdict = EXIT[Level.FAIL], _OPEN
    if options.json:
        print(json.dumps(_report(found, findings, standings, verdict, now), indent=2, ensure_ascii=False))
    else:
        _print(findings, standings, verdict, quiet=options.quiet)
    return status


async def examine(
    found: Found,
    environment: Mapping[str, str],
    now: datetime,
    addresses: Mapping[str, str] | None = None,
    agencies: Sequence[str] | None = None,
    skip: frozenset[str] = frozenset(),
) -> list[Finding]:
    """Carry out every check side by side; answers the findings in the order of the groups."""
    jobs: dict[str, Callable[[], Coroutine[Any, Any, list[Finding]]]] = {
        "broker": lambda: check_brokers(found, environment, agencies),
        "database": lambda: check_databases(found, now),
        "keys": lambda: asyncio.to_thread(places.check_keys, found, now.date()),
        "objects": lambda: places.check_objects(found),
        "certificates": lambda: places.check_certificates(found, now),
        "disk": lambda: asyncio.to_thread(places.check_disks, found),
        "doors": lambda: places.check_doors(found, addresses or {}),
    }
    answers = await asyncio.gather(*(job() for group, job in jobs.items() if group not in skip))
    findings = [finding for answer in answers for finding in answer]
    if "clock" not in skip:
        findings.append(places.check_time_service())
    if "settings" not in skip:
        told = rules.judge_agreement(found.settings)
        words = f"{len(found.settings)} services: {', '.join(found.settings)}"
        findings += told or [Finding("settings", "all", Level.OK, words)]
        findings += rules.judge_demonstration(found.settings)
    order = {check: place for place, check in enumerate(CHECKS)}
    return sorted(findings, key=lambda finding: order[finding.check])


def _report(
    found: Found, findings: Sequence[Finding], standings: Sequence[controls.Standing], verdict: str, now: datetime
) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "at": now.isoformat(),
        "services": list(found.settings),
        "summary": rules.summary(findings),
        "checks": [asdict(finding) for finding in findings],
        "controls": [
            {"id": one.control.id, "title": one.control.title, "state": one.state, "words": one.words}
            for one in standings
        ],
    }


def _print(findings: Sequence[Finding], standings: Sequence[controls.Standing], verdict: str, *, quiet: bool) -> None:
    for finding in findings:
        if quiet and finding.level in {Level.OK, Level.NOTE}:
            continue
        print(f"{_MARKS[finding.level]}  {finding.check:17} {finding.subject}: {finding.words}")
        if finding.remedy and finding.level in {Level.WARN, Level.FAIL}:
            print(f"{'':24}-> {finding.remedy}")
    if standings:
        print(f"\n{controls.policy_of()}")
    for one in standings:
        if not quiet or one.state == "open":
            print(f"{_STATES[one.state]}  {one.control.id:10} {one.control.title}: {one.words}")
    counts = rules.summary(findings)
    still = sum(one.state == "open" for one in standings)
    print(
        f"\n{verdict}: {counts['ok']} well, {counts['warn']} warnings, {counts['fail']} failing"
        + (f"; {still} of {len(standings)} controls open" if standings else "")
    )
