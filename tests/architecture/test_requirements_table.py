"""The table of requirements tells what the last run proved, no more."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tools.requirements_table import add_results, read_rows

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs/requirements.md").read_text()


def status(*tests):
    rows = read_rows(DOCUMENT)
    results = {
        f"tests/test_{number}.py::test": {"outcome": outcome, "requirements": [{"id": "HIT-01", "partial": partial}]}
        for number, (outcome, partial) in enumerate(tests)
    }
    assert add_results(rows, results) == []
    return rows["HIT-01"].status


def test_the_document_holds_every_requirement_with_its_check():
    rows = read_rows(DOCUMENT)
    assert len(rows) == 188
    assert len(re.findall(r"^\*Check:\* \S", DOCUMENT, re.MULTILINE)) == 188


def test_a_requirement_passes_only_when_a_test_carried_out_its_whole_check():
    assert status() == "none"
    assert status(("passed", None), ("passed", None)) == "pass"
    assert status(("passed", None), ("passed", "exports")) == "pass"
    assert status(("passed", "the door"), ("passed", "exports")) == "partial"
    assert status(("passed", None), ("failed", "exports")) == "fail"
    assert status(("passed", None), ("skipped", None)) == "partial"
    assert status(("skipped", None)) == "none"
    assert status(("passed", None), ("failed", None)) == "fail"


def test_an_unknown_requirement_is_named():
    rows = read_rows(DOCUMENT)
    result = {"outcome": "passed", "requirements": [{"id": "HIT-99", "partial": None}]}
    assert add_results(rows, {"tests/test_a.py::test": result}) == ["HIT-99 in tests/test_a.py::test"]


def test_marks_are_collected_from_a_run(tmp_path):
    (tmp_path / "test_story.py").write_text(
        "import pytest\n"
        "@pytest.mark.requirement('HIT-01', partial='images')\n"
        "@pytest.mark.parametrize('value', [1, 2])\n"
        "def test_one(value): assert value == 1\n"
        "@pytest.mark.requirement('HIT-02', 'HIT-03')\n"
        "def test_two(): pass\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = requirement(id, partial=None): ...\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.fixtures.requirements", str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout
    [file] = (tmp_path / "build/requirements").iterdir()
    assert json.loads(file.read_text()) == {
        "test_story.py::test_one": {"outcome": "failed", "requirements": [{"id": "HIT-01", "partial": "images"}]},
        "test_story.py::test_two": {
            "outcome": "passed",
            "requirements": [{"id": "HIT-02", "partial": None}, {"id": "HIT-03", "partial": None}],
        },
    }
