"""`alpr simulate-rms`: a simulated records system that knows case files; every answer says that no real one gave it.

It speaks the form in which retention asks about the cases of holds (RET-09, docs/records.md). Without a file of cases
the answer follows from the case number: one that ends in eight digits of a day is closed and purged on that day.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from alpr_cli.simulated import serve
from alpr_cli.switch import server, signed
from alprcore.casefiles import FORM, TEST, CaseFile, Question, Status, answer_of, stub_answer
from alprcore.errors import Misconfigured
from alprcore.hooks import signatures

_NAMES: Final = frozenset({"form", "request_id", "agency", "case_number", "asked_at"})
_COLUMNS: Final = ("case_number", "status", "purge_on")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr simulate-rms`."""
    parser.add_argument("--port", type=int, default=0, help="port on this machine; 0: any free one, printed")
    parser.add_argument(
        "--cases", type=Path, help="CSV with case_number, status (open, closed) and purge_on, read anew"
    )
    parser.add_argument("--secret-file", type=Path, help="secrets (whsec_…) that questions must be signed with")


def run(arguments: argparse.Namespace) -> int:
    """Answer until interrupted. Raises `Misconfigured` for a file that is none."""
    try:
        secrets = tuple(arguments.secret_file.read_text("ascii").split()) if arguments.secret_file else ()
        signatures(secrets, "", 0, b"")
    except (OSError, ValueError) as error:
        raise Misconfigured(f"--secret-file: {type(error).__name__}") from error
    if arguments.cases:
        read_cases(arguments.cases)
    return serve(
        server(arguments.port, RecordsSystem(secrets, arguments.cases)), "simulated records system, no real case"
    )


def read_cases(path: Path) -> dict[str, CaseFile]:
    """Read a file of cases. Raises `Misconfigured` naming the line that is none."""
    cases: dict[str, CaseFile] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if tuple(rows.fieldnames or ()) != _COLUMNS:
                raise Misconfigured(f"{path.name}: the columns are {', '.join(_COLUMNS)}")
            for row in rows:
                day = date.fromisoformat(row["purge_on"]) if row["purge_on"] else None
                cases[row["case_number"]] = CaseFile(Status(row["status"]), day, f"{TEST}, simulator", test=True)
    except OSError as error:
        raise Misconfigured(f"{path.name}: {type(error).__name__}") from error
    except ValueError as error:
        raise Misconfigured(f"{path.name}, line {len(cases) + 2}: a status or a day that is none") from error
    return cases


class RecordsSystem:
    """Answers questions about case files, from a file read anew each time or made up from the case number."""

    def __init__(self, secrets: tuple[str, ...] = (), cases: Path | None = None) -> None:
        self._secrets, self._cases = secrets, cases

    def answer(self, body: bytes, headers: Mapping[str, str], now: datetime) -> tuple[int, dict[str, Any]]:
        """Give status and content for a request."""
        if self._secrets and not signed(self._secrets, body, headers, now):
            return 401, {"error": "the signature does not hold"}
        try:
            asked = json.loads(body)
            if asked.keys() != _NAMES or asked["form"] != FORM or not asked["case_number"]:
                raise ValueError("not of this form")
            question = Question(
                asked["request_id"], asked["agency"], asked["case_number"], datetime.fromisoformat(asked["asked_at"])
            )
        except (ValueError, AttributeError, TypeError):
            return 422, {"error": "not a question of this form"}
        if self._cases is None:
            return 200, answer_of(question, stub_answer(question, now), now)
        unknown = CaseFile(Status.UNKNOWN, None, f"{TEST}, simulator", test=True)
        try:
            found = read_cases(self._cases).get(question.case_number, unknown)
        except Misconfigured:
            return 500, {"error": "the file of cases cannot be read"}
        return 200, answer_of(question, found, now)
