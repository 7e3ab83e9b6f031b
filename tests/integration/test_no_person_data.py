"""Plate records name no person, and what a plate was searched for stands in the audit store alone (SEC-04, SEC-07)."""

import asyncio
import json
import logging
from datetime import timedelta

import asyncpg
import prometheus_client
import pytest

from tests.fixtures.desk import desk
from tests.fixtures.doors import Doors, make_read, utc_now
from tests.integration.ingest_world import World

PII = (
    "address", "birth", "dob", "driver", "email", "first_name", "full_name", "gender", "last_name", "license_number",
    "name", "note", "notes", "occupant", "owner", "person", "phone", "race", "remark", "sex", "ssn", "comment",
)  # fmt: skip
"""Words that columns about people, and free text about a read, are named with."""
ABOUT_THINGS = {"device_name", "list_name", "camera_name", "model_name", "reader_name", "detector_name", "name"}
"""Columns named for a device, a list or a model."""
RECORDS = ("retention.reads", "retention.hits", "retention.sightings", "retention.images", "ingest.frames")
PLATE = "8PII007"


@pytest.mark.requirement("SEC-04")
def test_a_frame_that_names_an_owner_is_refused_and_leaves_nothing(
    pg_database, kafka_bootstrap, topics_prefix, tmp_path
):
    world = World(pg_database, kafka_bootstrap, topics_prefix, tmp_path)

    async def told():
        await world.make_topics()
        async with world.running():
            await world.register()
            named = {"owner_name": "Pat Example"}
            answer = await world.post(world.frame(1), change=lambda meta: meta.update(named))
            assert answer.status_code == 422
            assert (answer.json()["reason_code"], answer.json()["detail"]) == ("FIELD_UNKNOWN", "owner_name")
            answer = await world.post(world.frame(2), change=lambda meta: meta.update(notes="seen with Pat Example"))
            assert answer.status_code == 422
            assert await world.lying("frames") == []
            letters = await world.lying("frames.dlq")  # what is left for repair holds no value of such a field
            assert len(letters) == 2
            assert b"Pat Example" not in b"".join(part for *_, value, _ in letters for part in [value or b""])

    asyncio.run(told())


@pytest.mark.requirement("SEC-04")
@pytest.mark.asyncio
async def test_no_column_of_a_read_or_image_is_about_a_person(pg_database):
    connection = await asyncpg.connect(pg_database.admin)
    try:
        rows = await connection.fetch(
            "SELECT table_schema || '.' || table_name AS place, column_name FROM information_schema.columns"
            " WHERE table_schema IN ('retention', 'ingest')"
        )
        parents = await connection.fetch(
            "SELECT c.oid::regclass::text AS place FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname IN ('retention', 'ingest') AND c.relkind IN ('r', 'p')"
        )
    finally:
        await connection.close()
    places = {row["place"] for row in parents}
    looked_at = {place for place in places if any(place.startswith(known) for known in RECORDS)}
    assert "retention.reads" in looked_at
    about = [
        f"{row['place']}.{row['column_name']}"
        for row in rows
        if row["place"] in looked_at and row["column_name"] not in ABOUT_THINGS and personal(row["column_name"])
    ]
    assert about == []
    assert personal("registered_owner")
    assert personal("owner_name")


def personal(column):
    parts = set(column.split("_"))
    return any(word in parts or word == column for word in PII)


@pytest.mark.requirement("SEC-07")
@pytest.mark.asyncio
async def test_a_plate_that_is_searched_for_stands_in_the_audit_store_only(pg_database, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    async with Doors(pg_database, tmp_path) as doors:
        for number, agency in enumerate(("irvine", "westminster", "claremont", "roseville"), 1):
            await doors.keep(make_read(PLATE, number=number, agency=agency, captured_at=utc_now() - timedelta(days=1)))
            who = doors.person(agency=agency)
            codes = [purpose.code for purpose in doors.profiles[agency].purposes if purpose.query]
            answer = await doors.ask({"plate": PLATE}, person=who, purpose_code=codes[0])
            assert answer.status_code == 200, answer.text
            assert [row["plate"] for row in answer.json()["rows"]] == [PLATE]
            wish = {"query_id": answer.json()["query_id"], "format": "csv", "purpose_code": codes[0],
                    "justification": "the case file asks for it"}  # fmt: skip
            taken = await doors.http.post("/v1/exports", json=wish, headers=doors.auth(who))
            assert taken.status_code == 201, taken.text
            assert taken.text.startswith(
                f"CONFIDENTIAL - OFFICIAL USE ONLY - property of {doors.profiles[agency].name}"
            )
            assert PLATE not in str(taken.headers) + str(taken.request.url)
            for body in (
                {"purpose_code": "curiosity"},
                {"purpose_code": codes[0], "justification": ""},
                {"plate": PLATE},
            ):
                refused = await doors.ask({"plate": PLATE}, person=who, **body)
                assert refused.status_code in (403, 422)
                assert PLATE not in refused.text
            connection = await asyncpg.connect(pg_database.admin)
            try:
                found = await connection.fetchval(
                    "SELECT count(*) FROM audit.personal WHERE content::text LIKE $1", f"%{PLATE}%"
                )
            finally:
                await connection.close()
            assert found >= number
    said = caplog.text + "".join(json.dumps(record.__dict__, default=str) for record in caplog.records)
    assert PLATE not in said
    assert PLATE not in prometheus_client.generate_latest().decode()


@pytest.mark.requirement("SEC-07", partial="exports are marked by the door that makes them")
@pytest.mark.asyncio
async def test_every_screen_says_that_it_is_confidential(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        for agency in ("irvine", "westminster", "claremont", "roseville"):
            who = made.as_(("program_manager", "dispatcher", "investigator"), agency)
            made.doors.answers["/v1/devices"] = (200, {"devices": []})
            for path in ("/hits", "/search", "/profile", "/guidelines", "/devices"):
                page = await made.http.get(path, headers={**who, "accept": "text/html"})
                assert page.status_code == 200, path
                assert "CONFIDENTIAL. FOR OFFICIAL USE ONLY." in page.text  # on paper
                assert "Confidential. For official use only." in page.text  # on the screen
                assert made.policies[agency].name in page.text
                assert page.headers["cache-control"] == "no-store"
