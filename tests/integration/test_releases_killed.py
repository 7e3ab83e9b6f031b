"""A release is killed at any step: nothing leaves without its approval and its delivery, and the rest can be done."""

import random
import signal

import pytest

from tests.fixtures import killed
from tests.fixtures.releases_killed import release, resume

PRELOAD = ("tests.fixtures.releases_killed",)


@pytest.mark.parametrize(
    "seeds", [range(1), pytest.param(range(1, 50), marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
def test_a_release_killed_at_any_step_is_finished_and_told_truly(pg_database, tmp_path, seeds):
    def run(target, *args):
        return killed.run(target, pg_database, str(tmp_path), *args, folder=tmp_path, preload=PRELOAD)

    assert run(release, 900, 0) == 0
    steps = int((tmp_path / "steps").read_text())
    assert steps > 100
    for seed in seeds:
        last = random.Random(seed).randint(1, steps)
        ended = run(release, seed, last)
        assert ended in (-signal.SIGKILL, 0), f"seed {seed}"  # 0: this run took fewer steps than the first
        if ended:
            assert run(resume, seed) == 0
