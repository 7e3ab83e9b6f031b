"""An export is killed at any step: nothing held is purged, nothing half is called built, and the rest can be done."""

import random
import signal

import pytest

from tests.fixtures import killed
from tests.fixtures.evidence_killed import export, resume

PRELOAD = ("tests.fixtures.evidence_killed",)


@pytest.mark.parametrize(
    "seeds", [range(1), pytest.param(range(50), marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
def test_an_export_killed_at_any_step_loses_nothing_and_says_nothing_untrue(pg_database, tmp_path, seeds):
    def run(target, *args):
        return killed.run(target, pg_database, str(tmp_path), *args, folder=tmp_path, preload=PRELOAD)

    assert run(export, 900, 0) == 0
    steps = int((tmp_path / "steps").read_text())
    assert steps > 150
    for seed in seeds:
        last = random.Random(seed).randint(1, steps)
        ended = run(export, seed, last)
        assert ended in (-signal.SIGKILL, 0), f"seed {seed}"  # 0: this run took fewer steps than the first
        if ended:
            assert run(resume, seed) == 0, f"seed {seed}, killed at step {last}"
