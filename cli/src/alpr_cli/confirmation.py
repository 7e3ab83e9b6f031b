"""`alpr confirmation`: check an agency's switch against the form that the console asks in, or simulate one.

`check URL` asks the switch as the console does, and as nobody should: unsigned, late, malformed, twice. A switch that
fails one of these is not ready to confirm hits (HIT-09, docs/hits.md). The plates asked for are the operator's to choose.
"""

from __future__ import annotations

import argparse
import json
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

from alpr_cli.simulated import serve
from alpr_cli.switch import Switch, server
from alprcore.confirming import Confirmation, Question, body_of, headers_of, read_answer
from alprcore.errors import InvalidMessage, Misconfigured, Transient
from alprcore.hooks import signatures
from alprcore.model import make_id
from alprcore.workflow import Result, Route, Source

PATIENCE_S: Final = 10.0
REFUSED: Final = range(400, 500)


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing that was tried, and what is wrong; empty: it is as agreed."""

    what: str
    wrong: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a switch said to one request."""

    status: int
    headers: dict[str, str]
    body: bytes


Ask = Callable[[dict[str, str], bytes], Said]
"""Sends one request with these headers and this body."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr confirmation`."""
    ways = parser.add_subparsers(dest="way", required=True, metavar="way")
    check = ways.add_parser("check", help="ask a switch in every way that it has to stand")
    check.add_argument("url", help="address of the switch")
    check.add_argument("--secret-file", type=Path, help="secrets (whsec_…) that sign the questions")
    check.add_argument("--cert-file", type=Path, help="our certificate (mTLS)")
    check.add_argument("--key-file", type=Path, help="its key")
    check.add_argument("--ca-file", type=Path, help="who signs the switch's certificate")
    check.add_argument("--agency", default="demo", help="agency that asks")
    check.add_argument("--asked-by", default="contract-check", help="user name that asks")
    check.add_argument("--source", type=Source, default=Source.CLETS, help="CLETS, NCIC or OTHER")
    check.add_argument("--plate", default="7TST001", help="plate to ask for")
    check.add_argument("--unknown", default="0NONE08", help="plate that no database knows")
    check.add_argument("--state", default="US-CA", help="their state")
    simulate = ways.add_parser("simulate", help="a simulated switch, made-up answers only")
    simulate.add_argument("--port", type=int, default=0, help="port on this machine; 0: any free one, printed")
    simulate.add_argument("--secret-file", type=Path, help="secrets that questions must be signed with")


def run(arguments: argparse.Namespace) -> int:
    """Check a switch (1: something is not as agreed), or answer until interrupted."""
    secrets = _secrets(arguments.secret_file)
    if arguments.way == "simulate":
        return serve(server(arguments.port, Switch(secrets)), "simulated switch, made-up answers only")
    question = Question(
        "", arguments.agency, arguments.plate, arguments.state, arguments.source, Route.DISPATCH, arguments.asked_by,
        datetime.now(UTC),
    )  # fmt: skip
    import httpx

    with _client(arguments) as client:

        def ask(headers: dict[str, str], body: bytes) -> Said:
            try:
                answer = client.post(arguments.url, headers=headers, content=body)
            except httpx.HTTPError as error:
                raise Transient(f"the switch does not answer: {type(error).__name__}") from error
            return Said(
                answer.status_code, {name.lower(): text for name, text in answer.headers.items()}, answer.content
            )

        found = list(checks(ask, question, arguments.unknown, secrets, lambda: datetime.now(UTC)))
    for one in found:
        sys.stdout.write(f"{'FAIL' if one.wrong else 'ok  '} {one.what}{': ' if one.wrong else ''}{one.wrong}\n")
    failed = sum(bool(one.wrong) for one in found)
    sys.stdout.write(f"{len(found) - failed} of {len(found)} as agreed\n")
    return 1 if failed else 0


def checks(
    ask: Ask, question: Question, unknown: str, secrets: tuple[str, ...], clock: Callable[[], datetime]
) -> Iterator[Checked]:
    """Ask a switch in every way it has to stand; one finding each."""
    begun, numbers = clock(), count()

    def new(**changes: Any) -> Question:
        name = make_id("contract-check", begun.isoformat(), str(next(numbers)))
        return replace(question, request_id=name, asked_at=clock(), **changes)

    def told(asked: Question) -> tuple[Confirmation | None, str]:
        said = ask(headers_of(asked, secrets, clock()), body_of(asked))
        try:
            return read_answer(asked, said.status, said.headers, said.body, clock()), ""
        except InvalidMessage as error:
            return None, error.detail

    def refused(headers: dict[str, str], body: bytes) -> str:
        status = ask(headers, body).status
        return "" if status in REFUSED else f"answered {status} instead of refusing (4xx)"

    first = new()
    asked_at = clock()
    answer, wrong = told(first)
    yield Checked("a question is answered in the agreed form", wrong)
    late = clock() - asked_at > timedelta(seconds=PATIENCE_S)
    yield Checked(f"the answer comes within {PATIENCE_S:g} s", "it took longer" if late else "")
    again, wrong = told(first)
    yield Checked(
        "asked again under its request_id it gets the same answer", wrong or ("" if again == answer else "another one")
    )
    other = replace(first, plate=unknown)
    yield Checked(
        "another plate under a request_id is refused", refused(headers_of(other, secrets, clock()), body_of(other))
    )
    answer, wrong = told(new(plate=unknown))
    active = answer is not None and answer.result is Result.ACTIVE
    yield Checked("a plate that no database knows is not active", wrong or ("it is called active" if active else ""))
    for name, fields in (
        ("a question without a plate is refused", {"plate": ""}),
        ("a question of another form is refused", {"form": "alpr.confirmation.v0"}),
        ("a question that says more than agreed is refused", {"result": "active"}),
    ):
        plain = new()
        body = json.dumps({**json.loads(body_of(plain)), **fields}).encode()
        yield Checked(name, refused(_signed(plain, secrets, body, clock()), body))
    body = b"{"
    yield Checked("a question that is not JSON is refused", refused(_signed(new(), secrets, body, clock()), body))
    if secrets:
        plain = new()
        yield Checked(
            "a question without a signature is refused", refused(headers_of(plain, (), clock()), body_of(plain))
        )
        plain = new()
        forged = headers_of(plain, secrets, clock()) | {"webhook-signature": "v1," + "A" * 43 + "="}
        yield Checked("a question with a forged signature is refused", refused(forged, body_of(plain)))
        plain = new()
        changed = body_of(replace(plain, plate=unknown))
        yield Checked(
            "a question changed after it was signed is refused", refused(headers_of(plain, secrets, clock()), changed)
        )
        plain = new()
        old = headers_of(plain, secrets, clock() - timedelta(minutes=10))
        yield Checked("a question signed ten minutes ago is refused", refused(old, body_of(plain)))


def _signed(question: Question, secrets: tuple[str, ...], body: bytes, now: datetime) -> dict[str, str]:
    headers = headers_of(question, (), now)
    if secrets:
        headers["webhook-signature"] = signatures(secrets, question.request_id, int(now.timestamp()), body)
    return headers


def _secrets(file: Path | None) -> tuple[str, ...]:
    if file is None:
        return ()
    try:
        found = tuple(file.read_text("ascii").split())
    except (OSError, ValueError) as error:
        raise Misconfigured(f"--secret-file: {type(error).__name__}") from error
    if not found:
        raise Misconfigured("--secret-file: no secret in it")
    return found


def _client(arguments: argparse.Namespace) -> Any:
    import httpx

    try:
        context = ssl.create_default_context(cafile=arguments.ca_file)
        if arguments.cert_file:
            context.load_cert_chain(arguments.cert_file, arguments.key_file)
    except OSError as error:
        raise Misconfigured(f"certificates: {type(error).__name__}") from error
    return httpx.Client(timeout=PATIENCE_S, follow_redirects=False, trust_env=False, verify=context)
