"""Prints each requirement of docs/requirements.md with the tests that carry out its check and how they last ended.

pass: a test carried out the whole check, and no test failed. partial: what passed says what it leaves out, or a test
of the whole check was skipped. fail: a test failed. none: no test passed. `--markdown` prints a table for documents.
"""

import argparse
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Row:
    """One requirement and what is known of its tests."""

    id: str
    title: str
    tests: dict[str, str] = field(default_factory=dict)
    whole: dict[str, str] = field(default_factory=dict)  # those of the tests that carry out the whole check
    left_out: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        outcomes = set(self.tests.values())
        if "failed" in outcomes:
            return "fail"
        if "passed" not in outcomes:
            return "none"
        return "pass" if set(self.whole.values()) == {"passed"} else "partial"

    @property
    def missing(self) -> list[str]:
        return [] if self.status == "pass" else self.left_out


def read_rows(document: str) -> dict[str, Row]:
    return {id_: Row(id_, title) for id_, title in re.findall(r"^### ([A-Z]{3}-\d\d): (.+)$", document, re.MULTILINE)}


def add_results(rows: dict[str, Row], results: dict[str, dict]) -> list[str]:
    """Adds one environment's results; returns the ids that no requirement has."""
    unknown = []
    for test, result in sorted(results.items()):
        for mark in result["requirements"]:
            row = rows.get(mark["id"])
            if row is None:
                unknown.append(f"{mark['id']} in {test}")
                continue
            row.tests[test] = result["outcome"]
            if mark["partial"]:
                row.left_out.append(mark["partial"])
            else:
                row.whole[test] = result["outcome"]
    return unknown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--results", type=Path, default=ROOT / "build/requirements")
    args = parser.parse_args()
    rows = read_rows((ROOT / "docs/requirements.md").read_text())
    unknown = []
    for file in sorted(args.results.glob("*.json")):
        unknown += add_results(rows, json.loads(file.read_text()))
    if args.markdown:
        print("| requirement | status | tests | missing |\n|---|---|---|---|")
    for row in rows.values():
        tests = sorted({test.rpartition("/")[2] for test in row.tests})
        if args.markdown:
            print(f"| {row.id} {row.title} | {row.status} | {', '.join(tests)} | {'; '.join(row.missing)} |")
        else:
            print(f"{row.id}  {row.status:8}{row.title}")
            for line in (*tests, *(f"missing: {text}" for text in dict.fromkeys(row.missing))):
                print(f"                  {line}")
    counts = Counter(row.status for row in rows.values())
    print(
        f"\n{len(rows)} requirements: "
        + ", ".join(f"{counts[status]} {status}" for status in ("pass", "partial", "fail", "none"))
    )
    if not any(counts[status] for status in ("pass", "partial", "fail")):
        print("No test run was found here: `make test` first. none: no test of the row has run, or there is none.")
    if (again := ROOT / "build/second_try.txt").exists():
        print(f"Failed at first and run again by themselves:\n{again.read_text().rstrip()}")
    for line in unknown:
        print(f"unknown requirement {line}")
    return 1 if unknown or counts["fail"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
