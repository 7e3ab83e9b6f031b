"""Every list of every policy from its source, and a file tried against yesterday's reads."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from alpr_cli.list_source import source_of, write
from alpr_ingest.loading import dry_run as dry_run_room
from alprcore import wire
from alprcore.kafka import Publisher
from alprcore.plates import skeleton
from alprcore.policy import ENTERED
from alprcore.profiles import load_profiles
from alprcore.topics import Topic
from tests.integration.feed_world import FedWorld, brief, csv
from tests.unit.matcher.build import make_read


@pytest.fixture
def world(pg_database, kafka_bootstrap, topics_prefix, tmp_path):
    made = FedWorld(pg_database, kafka_bootstrap, topics_prefix, tmp_path)
    asyncio.run(made.make_topics())
    return made


# dry runs


def test_a_dry_run_tells_what_a_file_would_have_made_of_yesterday_and_changes_nothing(world, monkeypatch):
    decoded_in = set()
    heading = dry_run_room.read_heading
    monkeypatch.setattr(
        dry_run_room, "read_heading", lambda *given: decoded_in.add(threading.get_ident()) or heading(*given)
    )
    now = datetime.now(UTC)
    seen = [f"7Q{number:03d}XZ" for number in range(60)]  # of the file that is tried
    held = [f"3W{number:03d}KT" for number in range(25)]  # of what is in force
    fill = [f"5F{number:04d}" for number in range(200)]  # of vehicles that nobody saw

    async def told():
        async with world.fed():
            await load_demo(world, *held)
            async with Publisher(world.kafka) as publisher:
                for number, plate in enumerate([*seen, *held]):
                    for minutes in (600, 595):  # two sightings within the window are one alert
                        captured = now - timedelta(minutes=minutes)
                        await send(publisher, make_read(plate, captured_at=captured, sequence=2 * number + minutes % 2))
                await send(publisher, make_read(seen[0], captured_at=now, sequence=900))
                await send(publisher, make_read(seen[0], captured_at=now, sequence=901, agency="roseville"))
                unsure = make_read("3W0O0KT", captured_at=now, sequence=902, sure=0.5)
                await send(publisher, unsure)  # a look-alike of 3W000KT where the reader was unsure
            for mode, alerts, hits in (("full", 61, 121), ("incremental", 61 + 26, 121 + 51)):
                answer = await dry_run(world, csv(*seen, *fill), mode)
                assert answer.status_code == 200, answer.text
                found = answer.json()
                assert (found["reads"], found["entries"], found["rejected"]) == (172, 260, 0)
                assert (found["alerts"], found["hits"]) == (alerts, hits)
                few = {"lookalike": "fewer than 20"}
                assert found["by_grade"] == ({"exact": 61} if mode == "full" else {"exact": 86} | few)
                active = {"alerts": 26, "hits": 51, "by_grade": {"exact": 25} | few}
                assert found["active"] == {"version": 1, "entries": 25} | active
                assert seen[0] not in answer.text
            # no search without the door: neither one plate, nor one among many that nobody saw, nor one beside the list
            for data, mode, code in (
                (csv(seen[0]), "incremental", "DRY_RUN_TOO_SMALL"),
                (csv(seen[0], *held), "full", "DRY_RUN_TOO_SMALL"),
                (b"plate,state\n7ABC123", "full", "LIST_TRUNCATED"),
            ):
                refused = await dry_run(world, data, mode)
                assert (refused.status_code, refused.json()["reason_code"]) == (422, code)
            hidden = (await dry_run(world, csv(seen[0], *fill), "full")).json()
            assert (hidden["alerts"], hidden["hits"]) == ("fewer than 20", "fewer than 20")
            beside = (await dry_run(world, csv(seen[0], *fill), "incremental")).json()
            assert beside["alerts"] == beside["hits"] == "within 20 of what is in force"
            assert (await world.row())["version"] == 1
            entered = await world.ledger("list_dry_run", lambda events: len(events) == 4)
            assert sha256(csv(seen[0], *fill)).hexdigest() in {event.facts["file_sha256"] for event in entered}

    asyncio.run(told())
    assert decoded_in
    assert threading.get_ident() not in decoded_in  # frames and health go on while a day's reads are decoded


async def dry_run(world, data, mode):
    return await world.call(
        "POST",
        "/v1/hotlists/SVS/dry-runs",
        files={"file": ("list", data, "text/csv")},
        data={"layout": "generic_csv", "source_time": datetime.now(UTC).isoformat(), "mode": mode},
    )


async def load_demo(world, *plates):
    answer = await world.load("SVS", csv(*plates), layout="generic_csv")
    assert answer.status_code == 201, answer.text


async def send(publisher, read):
    headers = wire.headers_for(Topic.READS, id=read.read_id, source="test", time=read.captured_at)
    await (await publisher.send(Topic.READS, key=skeleton(read.plate), value=wire.encode_read(read), headers=headers))


# every list of every policy


@pytest.mark.requirement("HOT-01")
@pytest.mark.requirement("DEF-07")
def test_every_list_of_every_policy_is_there_and_is_loaded_from_its_source(world):
    profiles = {agency: profile for agency, profile in load_profiles().items() if agency != "demo"}
    assert len(profiles) == 5

    async def told():
        async with world.fed():
            for agency, profile in profiles.items():
                rows = (await world.call("GET", "/v1/hotlists", agency=agency)).json()["hotlists"]
                kinds = {row["code"]: row["list_type"] for row in rows}
                assert kinds.items() >= {(rule.code, rule.list_type) for rule in profile.lists}, agency
                refresh = {row["code"]: row["refresh"]["loads_per_day"] for row in rows}
                assert all(refresh[rule.code] == rule.loads_per_day for rule in profile.lists)
                (world.dropped.parent / agency).mkdir()
                await asyncio.gather(*(fetch(agency, code, kind) for code, kind in kinds.items()))
                loaded = (await world.call("GET", "/v1/hotlists", agency=agency)).json()["hotlists"]
                entries = {row["code"]: row["entries"] for row in loaded if row["list_type"] not in ENTERED}
                assert entries == dict.fromkeys(entries, 3), agency
            roseville = (await world.call("GET", "/v1/hotlists", agency="roseville")).json()["hotlists"]
            twice = {row["code"] for row in roseville if row["refresh"]["loads_per_day"] >= 2}
            assert twice >= {"SVS", "SRV", "SLR"}

    async def fetch(agency, code, kind):
        source = source_of(code)
        (world.dropped.parent / agency / f"{code}.txt").write_bytes(write(source, range(3), world.clock()))
        feed = {
            "kind": "folder", "address": f"{code}.txt", "layout": source.layout, "every_s": 3600,
            "sources": ["RMS", "County CAD"] if kind == "special" else [],
            "permissible_use": "2721(b)(1)" if code == "DMV" else "",
        }  # fmt: skip
        if kind in ENTERED:  # its entries are made one by one, by people
            answer = await world.call("PUT", f"/v1/hotlists/{code}/feed", agency=agency, json=feed)
            assert (answer.status_code, answer.json()["reason_code"]) == (409, "LIST_NOT_LOADABLE")
            return
        if kind == "special":  # HOT-06
            answer = await world.call(
                "POST",
                f"/v1/hotlists/{code}/approvals",
                agency=agency,
                roles=("program_manager",),
                json={"note": "test"},
            )
            assert answer.status_code == 201, answer.text
        assert brief(await world.feed(code, agency=agency, **feed)) == ("loaded", "", 1), (agency, code)

    asyncio.run(told())
