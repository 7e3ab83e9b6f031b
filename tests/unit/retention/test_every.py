"""A job that was put off does not wait for its next day."""

import asyncio

from alpr_retention import app
from alprcore.errors import Transient


def test_what_was_put_off_is_tried_again_soon(monkeypatch):
    monkeypatch.setattr(app, "_AGAIN_S", 0.01)
    tries = []

    async def job():
        tries.append(len(tries))
        if len(tries) < 4:
            raise PermissionError("PURGE_RUNNING") if len(tries) % 2 else Transient("away")
        stop.set()

    stop = asyncio.Event()
    asyncio.run(asyncio.wait_for(app.every(86_400, stop, job), 10))
    assert len(tries) == 4
