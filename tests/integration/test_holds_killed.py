"""Holds and the purges around them are killed at any step: nothing goes under a hold, and all of it in the end."""

import random
import signal

import pytest

from tests.fixtures import killed
from tests.fixtures.holds_killed import live, resume

PRELOAD = ("tests.fixtures.holds_killed",)


@pytest.mark.requirement("RET-08")
@pytest.mark.parametrize(
    "seeds", [range(1), pytest.param(range(1, 50), marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
def test_holds_and_purges_killed_at_any_step_keep_and_let_go_what_they_should(pg_database, tmp_path, seeds):
    def run(target, *args):
        return killed.run(target, pg_database, str(tmp_path), *args, folder=tmp_path, preload=PRELOAD)

    assert run(live, 900, 0) == 0
    steps = int((tmp_path / "steps").read_text())
    assert steps > 100
    for seed in seeds:
        last = random.Random(seed).randint(1, steps)
        ended = run(live, seed, last)
        assert ended in (-signal.SIGKILL, 0), f"seed {seed}"  # 0: this run took fewer steps than the first
        assert run(resume, seed) == 0, f"seed {seed}"
