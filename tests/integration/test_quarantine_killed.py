"""A dead letter is neither lost nor kept too long wherever the process dies that keeps and purges it."""

import asyncio
import random
import signal

import pytest

from tests.fixtures import killed, quarantine_killed
from tests.fixtures.postgres import run_sql

HOLD = (
    "INSERT INTO retention.holds (hold_id, agency, ground, case_reference, placed_by, placed_at, read_ids, by_query,"
    " device_id) VALUES (gen_random_uuid(), 'claremont', 'evidence', '26-1', 'p', now(), '{{}}', true, 'held-{}')"
)


def killed_at(database, folder, number, point):
    """Live to a point between 0 and 1 of all steps, die there, and let the next process look and go on."""
    asyncio.run(run_sql(database.admin, HOLD.format(number)))
    steps = int((folder / "steps").read_text())
    last = max(1, round(point * steps))
    preload = ["tests.fixtures.quarantine_killed"]
    url = database.url("retention")
    assert killed.run(quarantine_killed.live, url, str(folder), number, last, folder=folder, preload=preload) in {
        -signal.SIGKILL,
        0,
    }
    assert killed.run(quarantine_killed.resume, url, str(folder), number, folder=folder, preload=preload) == 0


def whole(database, folder):
    asyncio.run(run_sql(database.admin, HOLD.format(0)))
    preload, url = ["tests.fixtures.quarantine_killed"], database.url("retention")
    assert killed.run(quarantine_killed.live, url, str(folder), 0, 0, folder=folder, preload=preload) == 0
    assert killed.run(quarantine_killed.resume, url, str(folder), 0, folder=folder, preload=preload) == 0


@pytest.mark.requirement("RET-11", partial="crashes; the check at the start is in test_streams_kept")
def test_a_letter_survives_its_keeper_and_goes_with_its_day(pg_database, tmp_path):
    whole(pg_database, tmp_path)
    for number, point in enumerate((0.35, 0.7, 0.95), 1):
        killed_at(pg_database, tmp_path, number, point)


@pytest.mark.long
def test_a_letter_survives_at_fifty_places(pg_database, tmp_path):
    whole(pg_database, tmp_path)
    draw = random.Random(44)
    for number in range(1, 51):
        killed_at(pg_database, tmp_path, number, draw.random())
