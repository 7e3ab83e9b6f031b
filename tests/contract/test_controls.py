"""The control register: every control that applies has tests that exist and run, or a procedure that is written (SEC-03)."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from alpr_cli.doctor.controls import Control, load_controls
from alpr_cli.doctor.rules import CHECKS
from tools import controls_table

ROOT = Path(__file__).parents[2]
REGISTER = load_controls()


@cache
def functions(file):
    """Tests of a file by name, with the marks that stand above them or above all of them."""
    tree = ast.parse((ROOT / file).read_text())
    everywhere = "".join(
        ast.unparse(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    )
    return {
        node.name: everywhere + " ".join(map(ast.unparse, node.decorator_list))
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def anchors(file):
    headings = re.findall(r"^#+ (.+)$", (ROOT / file).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.requirement("SEC-03", partial="that each test passed is told by `make controls`, after all have run")
@pytest.mark.parametrize("control", REGISTER, ids=lambda control: control.id)
def test_a_control_has_tests_that_run_or_a_procedure_that_is_written(control):
    if control.not_applicable:
        assert not control.tests
        assert control.procedure is None
        return
    assert control.tests or control.procedure
    for test in control.tests:
        file, _, name = test.partition("::")
        assert name in functions(file), test
        assert not re.search(r"mark\.(skip|xfail|long)\b", functions(file)[name]), f"{test} does not run in `make test`"
    if control.procedure is not None:
        assert control.procedure.role
        file, _, anchor = control.procedure.where.partition("#")
        assert anchor in anchors(file), control.procedure.where


def test_ids_stand_once_and_every_check_serves_a_control():
    ids = [control.id for control in REGISTER]
    assert len(ids) == len(set(ids)) > 60
    assert {check for control in REGISTER for check in control.checks} == set(CHECKS) - {
        "broker", "database", "objects", "topics.copies",  # for those who run it: no control asks for them by name
    }  # fmt: skip


@pytest.mark.requirement("SEC-03")
def test_the_suite_fails_for_a_control_whose_test_failed_or_did_not_run_or_that_nothing_proved():
    control = Control("AC-1", "t", "d", tests=("a::x", "a::y"))
    assert controls_table.fault(control, {"a::x": "passed", "a::y": "passed"}) == ""
    assert "a::y failed" in controls_table.fault(control, {"a::x": "passed", "a::y": "failed"})
    assert controls_table.fault(control, {"a::x": "passed", "a::y": "skipped"}) == ""
    assert "a::y skipped" in controls_table.fault(control, {"a::x": "skipped", "a::y": "skipped"})
    assert "a::y did not run" in controls_table.fault(control, {"a::x": "passed"})
    assert controls_table.fault(Control("AC-2", "t", "d", not_applicable="none"), {}) == ""


def test_the_page_of_the_register_is_the_register():
    assert (ROOT / "docs/controls.md").read_text() == controls_table.page(REGISTER), (
        "python tools/controls_table.py --write"
    )
