"""Compares the control register with how its tests last ended (SEC-03), and writes docs/controls.md from it.

Exit status 1 when a control that applies has a test that failed or did not run, or none that passed.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from alpr_cli.doctor.controls import Control, load_controls, policy_of

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/controls.md"
RESULTS = ROOT / "build/controls"


def fault(control: Control, outcomes: Mapping[str, str]) -> str:
    """Say which of a control's tests did not pass; empty when none is needed, or all passed that the machine let run."""
    ended = {test: outcomes.get(test, "did not run") for test in control.tests}
    allowed = {"passed", "skipped"} if "passed" in ended.values() else {"passed"}
    return "; ".join(f"{test} {how}" for test, how in ended.items() if how not in allowed)


def page(controls: Sequence[Control]) -> str:
    """The register as a page for people."""
    lines = [
        "# Control register",
        "",
        "<!-- written by tools/controls_table.py from cli/src/alpr_cli/controls.yaml -->",
        "",
        policy_of(),
        "",
        "Each control that applies is met by tests of the release, by checks that `alpr doctor --profile cjis` makes in the",
        "deployment itself, by a procedure that named people carry out, or by several of these. Software alone makes nobody",
        "compliant: an agency adds its own policies, and its security officer decides.",
        "",
        "| control | what it demands | how it is met |",
        "|---|---|---|",
        *(f"| **{one.id}** {one.title} | {one.demands} | {_met(one)} |" for one in controls),
        "",
    ]
    return "\n".join(lines)


def _met(control: Control) -> str:
    if control.not_applicable:
        return f"does not apply: {control.not_applicable}"
    parts = [f"test [{test.partition('::')[2]}](../{test.partition('::')[0]})" for test in control.tests]
    if control.checks:
        parts.append("doctor: " + ", ".join(f"`{check}`" for check in control.checks))
    if control.procedure is not None:
        where = control.procedure.where.removeprefix("docs/")
        parts.append(f"procedure [{control.procedure.name}]({where}), {control.procedure.role}")
    return "<br>".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/controls.md instead")
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args()
    controls = load_controls()
    if args.write:
        PAGE.write_text(page(controls))
        return 0
    outcomes: dict[str, str] = {}
    for file in sorted(args.results.glob("*.json"), key=lambda file: file.stat().st_mtime):  # a second try counts last
        outcomes |= json.loads(file.read_text())
    faults = {control.id: words for control in controls if (words := fault(control, outcomes))}
    for control in controls:
        state = "not applicable" if control.not_applicable else faults.get(control.id) or "met"
        if not (control.tests or control.not_applicable):
            state = f"procedure: {control.procedure.name if control.procedure else ''}"
        print(f"{control.id:10}{control.title:40}{state}")
    print(f"{len(controls)} controls, {len(faults)} with tests that did not pass")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
