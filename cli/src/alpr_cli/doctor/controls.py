"""The control register: which control of a security policy is met by which test, which check here, or which procedure.

The register ships with the command (`controls.yaml`); docs/controls.md shows it, and `make controls` compares it with how
its tests ended (SEC-03).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import yaml

from alpr_cli.doctor.rules import CHECKS, Finding, Level
from alprcore.errors import Misconfigured

PROFILES: Final = ("cjis",)
_FIELDS: Final = {"id", "title", "demands", "tests", "checks", "procedure", "not_applicable"}


@dataclass(frozen=True, slots=True)
class Procedure:
    """What people do where software cannot: its name, who answers for it, and where it is written."""

    name: str
    role: str
    where: str


@dataclass(frozen=True, slots=True)
class Control:
    """One control: what it demands in short, and what meets it; `not_applicable` says why it does not bind here."""

    id: str
    title: str
    demands: str
    tests: Sequence[str] = ()
    checks: Sequence[str] = ()
    procedure: Procedure | None = None
    not_applicable: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a control stands in this deployment: met, by a procedure, open or not applicable; and why."""

    control: Control
    state: str
    words: str


def load_controls(profile: str = "cjis") -> list[Control]:
    """Read the register. Raises `Misconfigured` for an entry that says nothing or something unknown."""
    document = yaml.safe_load((files("alpr_cli") / "controls.yaml").read_text(encoding="utf-8"))
    return [_control(one) for one in document[profile]["controls"]]


def policy_of(profile: str = "cjis") -> str:
    """Name the policy and the version of its text that the register follows."""
    document = yaml.safe_load((files("alpr_cli") / "controls.yaml").read_text(encoding="utf-8"))
    return str(document[profile]["policy"])


def _control(one: Mapping[str, Any]) -> Control:
    name = str(one.get("id", "?"))
    if unknown := set(one) - _FIELDS:
        raise Misconfigured(f"control {name}: {', '.join(sorted(unknown))}")
    if unknown := set(one.get("checks", ())) - set(CHECKS):
        raise Misconfigured(f"control {name}: no check is called {', '.join(sorted(unknown))}")
    if not (one.get("not_applicable") or one.get("tests") or one.get("procedure")):
        raise Misconfigured(f"control {name}: neither a test nor a procedure")
    procedure = Procedure(**one["procedure"]) if one.get("procedure") else None
    return Control(
        id=name,
        title=str(one["title"]),
        demands=str(one["demands"]),
        tests=tuple(one.get("tests", ())),
        checks=tuple(one.get("checks", ())),
        procedure=procedure,
        not_applicable=str(one.get("not_applicable", "")),
    )


def judge_control(control: Control, findings: Sequence[Finding]) -> Standing:
    """Say how a control stands, given what the checks found here: one that warns or fails leaves its controls open."""
    if control.not_applicable:
        return Standing(control, "not applicable", control.not_applicable)
    bad = [
        finding for finding in findings if finding.check in control.checks and finding.level in {Level.WARN, Level.FAIL}
    ]
    if bad:
        return Standing(control, "open", "; ".join(f"{one.check}, {one.subject}: {one.words}" for one in bad[:3]))
    looked = {finding.check for finding in findings if finding.level is Level.OK}
    parts = []
    if control.tests:
        parts.append(f"{len(control.tests)} test{'s' if len(control.tests) > 1 else ''} of this release")
    if seen := [check for check in control.checks if check in looked]:
        parts.append(f"seen here: {', '.join(seen)}")
    if control.procedure is not None:
        parts.append(f"procedure “{control.procedure.name}” ({control.procedure.role}, {control.procedure.where})")
    return Standing(control, "met" if control.tests else "procedure", "; ".join(parts))
