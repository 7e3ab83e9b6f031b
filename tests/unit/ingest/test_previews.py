"""Previews share the room of loads: however many people look at files, the cameras' door keeps its connections."""

import asyncio
import io
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from alpr_ingest.hotlists import ActiveList
from alpr_ingest.loading import ListFile, ListLoader
from alprcore.layouts import shipped
from alprcore.model import Refused

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TARGET = ActiveList(
    "demo", "SVS", "n", "core", "a", "r", "s", 2, approved=True, version=0, entries=0, source_time=None, loaded_at=None,
)  # fmt: skip


class Connections:
    """A store that counts who holds a connection at once."""

    held = most = 0

    @asynccontextmanager
    async def looking(self, _agency, _code):
        self.held += 1
        self.most = max(self.most, self.held)
        try:
            yield self
        finally:
            await asyncio.sleep(0.01)
            self.held -= 1

    @asynccontextmanager
    async def staging(self):
        yield


def test_thirty_previews_at_once_hold_eight_connections():
    store = Connections()
    drawn = replace(shipped()["generic_csv"], registration=True)  # without its use it is refused before it is read
    file = ListFile(io.BytesIO(b""), drawn, NOW)

    async def previews():
        loader = ListLoader(store, None, None, None, lambda: NOW, {}, {})
        return await asyncio.gather(*(loader.preview(TARGET, file) for _ in range(30)))

    assert {type(one) for one in asyncio.run(previews())} == {Refused}
    assert store.most == 8
