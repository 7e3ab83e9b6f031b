"""The end of the console: what it opened is closed, the way to endpoints after the last delivery."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from unittest.mock import AsyncMock, Mock

from alpr_console import main
from alpr_console.settings import Settings


def test_the_connections_to_endpoints_are_closed_after_the_last_delivery(monkeypatch, tmp_path):
    ended = []

    @asynccontextmanager
    async def publisher(_settings, _before):
        yield None

    async def nothing(*works):
        for work in works:
            work.close()

    def told(name):
        return AsyncMock(side_effect=lambda: ended.append(name))

    console = AsyncMock(
        app=None, deliveries=SimpleNamespace(end=told("deliveries")), webhooks=SimpleNamespace(close=told("webhooks")),
    )  # fmt: skip
    console.accounts.factors.seal_secrets.return_value = 0
    monkeypatch.setattr(main, "build", Mock(return_value=console))
    monkeypatch.setattr(main, "together", nothing)
    monkeypatch.setattr(main.kafka, "Publisher", publisher)
    monkeypatch.setattr(main.postgres, "connect", AsyncMock())
    monkeypatch.setattr(main.postgres, "require_schema", AsyncMock())
    monkeypatch.setattr(main, "ops_routes", Mock())
    settings = Settings(
        database_url="postgresql://x", person_key_file=tmp_path / "k", audit_url="http://a", ingest_url="http://i",
        retention_url="http://r",
    )  # fmt: skip
    asyncio.run(main.serve(settings, asyncio.Event()))
    assert ended == ["deliveries", "webhooks"]
