"""The ledger is computed again once a day, and for how long nobody did is known over restarts."""

from datetime import UTC, datetime, timedelta

import pytest

from alpr_audit import metrics
from alpr_audit.store.verification import Verification
from alprcore.errors import Transient

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOUND = {"sound": True, "size": 7, "first_bad": None, "flaw": "", "head_signed": True}
BAD = {**SOUND, "sound": False, "first_bad": 3, "flaw": "the entry is missing"}


class Nights:
    """A verification with a clock that is set by hand; `answers` says what each computation finds."""

    def __init__(self, folder, *answers):
        self.now, self.asked, self.answers, self.file = NOW, 0, list(answers), folder / "checkpoint.verified"
        self.begin()

    def begin(self):
        self.verification = Verification(self.compute, self.file, lambda: self.now)

    async def compute(self):
        self.asked += 1
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def after(self, **passed):
        self.now += timedelta(**passed)
        await self.verification.turn()
        return self.asked, metrics.VERIFIED_AT._value.get(), metrics.UNSOUND._value.get()


@pytest.fixture(autouse=True)
def nothing_known():
    yield
    metrics.VERIFIED_AT.set(0)
    metrics.UNSOUND.set(0)


@pytest.mark.asyncio
async def test_the_whole_is_computed_once_a_day_also_over_restarts(tmp_path):
    nights = Nights(tmp_path, SOUND, SOUND)
    assert await nights.after() == (1, NOW.timestamp(), 0)
    assert await nights.after(hours=23) == (1, NOW.timestamp(), 0)
    metrics.VERIFIED_AT.set(0)
    nights.begin()
    assert await nights.after(minutes=30) == (1, NOW.timestamp(), 0)
    assert await nights.after(minutes=30) == (2, nights.now.timestamp(), 0)


@pytest.mark.asyncio
async def test_an_unsound_ledger_is_told_at_once_and_looked_at_again(tmp_path):
    nights = Nights(tmp_path, SOUND, BAD, BAD, BAD, SOUND)
    await nights.after()
    assert await nights.after(hours=24) == (2, NOW.timestamp(), 1)
    assert await nights.after(minutes=59) == (2, NOW.timestamp(), 1)
    assert await nights.after(minutes=1) == (3, NOW.timestamp(), 1)
    nights.begin()  # what a restart remembers is not that all was well
    assert await nights.after() == (4, 0, 1)
    assert await nights.after(hours=1) == (5, nights.now.timestamp(), 0)


@pytest.mark.asyncio
async def test_a_computation_that_breaks_off_leaves_the_age_growing(tmp_path):
    nights = Nights(tmp_path, SOUND, Transient("the database is away"), SOUND)
    await nights.after()
    with pytest.raises(Transient):
        await nights.after(hours=25)
    assert (nights.asked, metrics.VERIFIED_AT._value.get()) == (2, NOW.timestamp())
    assert (await nights.after(seconds=59))[0] == 2
    assert await nights.after(seconds=1) == (3, nights.now.timestamp(), 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("text", ["", "{", "[]", '{"size": 1}', '{"sound_at": "then"}'])
async def test_a_file_that_says_nothing_means_never(tmp_path, text):
    nights = Nights(tmp_path, SOUND)
    nights.file.write_text(text)
    assert (await nights.after())[0] == 1
