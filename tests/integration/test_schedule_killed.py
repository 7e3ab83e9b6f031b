"""A change of the period is killed at any step: the next turn ends it, and no read or image is lost on the way."""

import random
import signal

import pytest

from tests.fixtures import killed
from tests.fixtures.schedule_killed import change, resume

PRELOAD = ("tests.fixtures.schedule_killed",)


@pytest.mark.parametrize(
    "seeds", [range(2), pytest.param(range(50), marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
def test_a_change_killed_at_any_step_is_worked_through(pg_database, tmp_path, seeds):
    def run(target, *args):
        return killed.run(target, pg_database, str(tmp_path), *args, folder=tmp_path, preload=PRELOAD)

    assert run(change, 900, 0) == 0
    steps = int((tmp_path / "steps").read_text())
    assert steps > 100
    for seed in seeds:
        last = random.Random(seed).randint(1, steps)
        ended = run(change, seed, last)
        assert ended in (-signal.SIGKILL, 0), f"seed {seed}"  # 0: this run took fewer steps than the first
        assert run(resume, seed) == 0
