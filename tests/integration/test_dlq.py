"""`alpr dlq`: what was put aside is counted, shown without its contents, and written back after repair."""

import asyncio

import pytest

from alpr_cli.main import main
from tests.integration.ingest_world import World


@pytest.fixture
def world(pg_database, kafka_bootstrap, topics_prefix, tmp_path):
    made = World(pg_database, kafka_bootstrap, topics_prefix, tmp_path)
    asyncio.run(made.make_topics())
    return made


@pytest.mark.requirement("CAP-02", partial="re-playable after repair, for frames of the HTTP door")
def test_refused_frames_are_replayed_after_repair(world, capsys):
    async def refuse():
        async with world.running():
            await world.register(siting=None)
            answer = await world.post(world.frame(1), world.frame(2), world.frame(3, image=b"GIF89a"))
            assert answer.status_code == 403

    asyncio.run(refuse())
    command = ["dlq", "--bootstrap", world.kafka.bootstrap, "--prefix", world.kafka.topic_prefix]
    assert main([*command, "list"]) == 0
    assert "frames.dlq  SITING_NOT_DECLARED  3" in capsys.readouterr().out
    assert main([*command, "show", "frames", "--limit", "2"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 2
    assert all("SITING_NOT_DECLARED" in line and "by ingest" in line for line in shown)
    assert main([*command, "replay", "frames", "--code", "NOT_A_JPEG"]) == 1
    assert main([*command, "replay", "frames", "--offset", "0", "--offset", "1"]) == 0
    assert "2 replayed" in capsys.readouterr().out
    before = {(key, value) for *_, key, value, _ in asyncio.run(world.lying("frames.dlq"))}
    after = asyncio.run(world.lying("frames"))
    assert len(after) == 2
    assert {(key, value) for *_, key, value, _ in after} < before
    assert all(headers["ce_type"] == b"alpr.v1.frame" for *_, headers in after)
    assert not any(name.startswith("dlq-") for *_, headers in after for name in headers)


def test_an_empty_broker_has_no_letters(world, capsys):
    assert main(["dlq", "--bootstrap", world.kafka.bootstrap, "--prefix", "nobody.", "list"]) == 0
    assert capsys.readouterr().out == ""
