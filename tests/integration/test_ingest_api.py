"""The doors of ingest, with a real broker and database behind them."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from alpr_ingest import metrics
from alprcore import wire
from alprcore.plates import skeleton
from alprcore.seal import SigningKey, open_once
from tests.integration.ingest_world import World, jpeg


@pytest.fixture
def world(pg_database, kafka_bootstrap, topics_prefix, tmp_path):
    made = World(pg_database, kafka_bootstrap, topics_prefix, tmp_path)
    asyncio.run(made.make_topics())
    return made


def story(told):
    """Run an async story in a loop of its own."""
    asyncio.run(told)


async def rows(world, sql, *arguments):
    import asyncpg

    connection = await asyncpg.connect(world.database.admin)
    try:
        return await connection.fetch(sql, *arguments)
    finally:
        await connection.close()


def refused(code):
    return metrics.FRAMES.labels("refused", code)._value.get()


# devices


@pytest.mark.requirement("DEF-04")
def test_a_fixed_device_without_a_camera_or_direction_is_refused(world):
    async def told():
        async with world.running():
            for cameras, code in (
                ([], "CAMERA_REQUIRED"),
                ([{"camera_id": "pole-1-a", "directions": []}], "DIRECTION_REQUIRED"),
                ([{"camera_id": "pole-1-a", "directions": ["N"]}, {"camera_id": "b"}], "DIRECTION_REQUIRED"),
            ):
                answer = await world.call("POST", "/v1/devices", json=world.device(cameras=cameras))
                assert (answer.status_code, answer.json()["reason_code"]) == (422, code)
                assert answer.headers["content-type"] == "application/problem+json"
            assert await rows(world, "SELECT 1 FROM ingest.devices") == []
            assert await rows(world, "SELECT 1 FROM ingest.outbox") == []

    story(told())


@pytest.mark.requirement("DEF-05", partial="the registry; the kind on hits is shown by the matcher's tests")
@pytest.mark.requirement("CAP-01", partial="the registry")
def test_devices_of_every_kind_are_registered_and_published(world):
    async def told():
        async with world.running():
            for kind in ("mobile", "fixed", "trailer"):
                await world.register(f"{kind}-1", kind=kind)
            published = {
                key: wire.decode_device(value, headers)
                for *_, key, value, headers in await world.eventually("devices", 3)
            }
            assert {key: device.kind.value for key, device in published.items()} == {
                "mobile-1": "mobile", "fixed-1": "fixed", "trailer-1": "trailer",
            }  # fmt: skip
            device = published["fixed-1"]
            assert device.agency == "demo"
            assert device.cameras[0].directions == ("N",)
            assert device.siting.public_view
            assert device.public_key == world.device_key.public
            listed = (await world.call("GET", "/v1/devices", roles=("dispatcher",))).json()["devices"]
            assert [one["device_id"] for one in listed] == ["fixed-1", "mobile-1", "trailer-1"]
            other = await world.call("GET", "/v1/devices", agency="roseville")
            assert other.json() == {"devices": []}
            assert (await world.call("GET", "/v1/devices/fixed-1", agency="roseville")).status_code == 404
            kinds = [wire.decode_audit_event(v, h).kind for *_, v, h in await world.eventually("audit", 3)]
            assert kinds == ["device_registered"] * 3

    story(told())


def test_a_device_and_a_camera_are_registered_once(world):
    async def told():
        async with world.running():
            await world.register()
            again = await world.call("POST", "/v1/devices", json=world.device())
            assert (again.status_code, again.json()["reason_code"]) == (409, "DEVICE_EXISTS")
            camera = [{"camera_id": "pole-1-a", "directions": ["N"]}]
            other = await world.call("POST", "/v1/devices", json=world.device("pole-2", cameras=camera))
            assert (other.status_code, other.json()["reason_code"]) == (409, "CAMERA_EXISTS")

    story(told())


def test_who_is_not_an_administrator_changes_nothing(world):
    async def told():
        async with world.running():
            answer = await world.call("POST", "/v1/devices", json=world.device(), roles=("dispatcher",))
            assert (answer.status_code, answer.json()["reason_code"]) == (403, "ROLE_NOT_AUTHORISED")
            answer = await world.http.post("/v1/devices", json=world.device())
            assert (answer.status_code, answer.json()["reason_code"]) == (401, "TOKEN_MISSING")
            old = world.person(now=datetime.now(UTC) - timedelta(seconds=6))
            answer = await world.http.get("/v1/devices", headers=old)
            assert (answer.status_code, answer.json()["reason_code"]) == (401, "TOKEN_EXPIRED")
            world.person_key = SigningKey(bytes([9]) * 32)
            answer = await world.http.get("/v1/devices", headers=world.person())
            assert (answer.status_code, answer.json()["reason_code"]) == (401, "TOKEN_INVALID")
            answer = await world.http.get("/v1/hotlists", headers={"authorization": "Person x"})
            assert answer.status_code == 401

    story(told())


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"colour": "gray"}, "FIELD_UNKNOWN", "colour"),
        ({"kind": "drone"}, "FIELD_INVALID", "kind"),
        ({"name": ""}, "FIELD_INVALID", "name"),
        ({"public_key": "short"}, "KEY_INVALID", "public_key"),
        ({"position": None}, "POSITION_REQUIRED", "position"),
        ({"device_id": "pole 1"}, "ID_INVALID", "ids"),
        ({"cameras": [{"camera_id": "a", "directions": ["UP"]}]}, "DIRECTION_INVALID", "directions"),
    ],
)
def test_an_odd_device_is_refused_by_name(world, change, code, named):
    async def told():
        async with world.running():
            answer = await world.call("POST", "/v1/devices", json=world.device(**change))
            assert answer.status_code == 422
            assert answer.json()["reason_code"] == code
            assert named in answer.json()["detail"]

    story(told())


# frames


@pytest.mark.requirement("CAP-04", partial="the door; the query by captured_at is tested with the query door")
@pytest.mark.requirement("CAP-02", partial="the HTTP door")
def test_a_signed_frame_reaches_kafka_with_the_time_of_its_capture(world):
    async def told():
        async with world.running():
            await world.register()
            captured = datetime.now(UTC) - timedelta(hours=4)
            frame = world.frame(41, captured_at=captured)
            answer = await world.post(frame)
            assert answer.status_code == 202, answer.text
            assert answer.json()["frames"] == [{"status": "accepted", "frame_id": frame.frame_id, "sequence": 41}]
            [(_, _, key, value, headers)] = await world.lying("frames")
            found = wire.decode_frame(value, headers)
            assert key == frame.camera_id
            assert found.captured_at == captured
            assert abs((found.received_at - datetime.now(UTC)).total_seconds()) < 30
            assert found.signed_text() == frame.signed_text()
            assert found.image == frame.image

    story(told())


def test_the_same_frame_again_is_a_duplicate_and_not_published_twice(world):
    async def told():
        async with world.running():
            await world.register()
            first, second = world.frame(1), world.frame(2)
            assert (await world.post(first)).status_code == 202
            answer = await world.post(first, second)
            assert answer.status_code == 202
            assert [one["status"] for one in answer.json()["frames"]] == ["duplicate", "accepted"]
            assert len(await world.lying("frames")) == 2

    story(told())


@pytest.mark.requirement("CAP-01")
def test_an_unknown_device_gets_403_and_leaves_nothing(world):
    async def told():
        async with world.running():
            before = refused("DEVICE_UNKNOWN")
            answer = await world.post(world.frame())
            assert (answer.status_code, answer.json()["reason_code"]) == (403, "DEVICE_UNKNOWN")
            assert refused("DEVICE_UNKNOWN") == before + 1
            assert await world.lying("frames") == []
            assert await world.lying("frames.dlq") == []

    story(told())


def out_of_place(meta):
    del meta["latitude"]


BAD = {
    "no position": (lambda _: {"change": out_of_place}, 422, "FIELD_MISSING", "location"),
    "no time": (lambda _: {"change": lambda m: m.pop("captured_at")}, 422, "FIELD_MISSING", "captured_at"),
    "empty image": (lambda _: {"image": b""}, 422, "FIELD_MISSING", "image"),
    "unknown field": (lambda _: {"change": lambda m: m.update(plate="X")}, 422, "FIELD_UNKNOWN", "plate"),
    "odd field": (lambda _: {"change": lambda m: m.update(latitude=91)}, 422, "FIELD_INVALID", "location"),
    "time without zone": (
        lambda _: {"change": lambda m: m.update(captured_at="2026-01-01T00:00:00")}, 422, "FIELD_INVALID", "captured_at",
    ),
    "unsigned": (lambda _: {"change": lambda m: m.update(signature="")}, 401, "SIGNATURE_MISSING", ""),
    "signed by another": (lambda _: {"key": SigningKey(bytes([8]) * 32)}, 401, "SIGNATURE_INVALID", ""),
    "altered after signing": (lambda _: {"change": lambda m: m.update(longitude=-120.0)}, 401, "SIGNATURE_INVALID", ""),
    "another camera": (lambda _: {"camera_id": "pole-9-a"}, 403, "CAMERA_UNKNOWN", ""),
    "clock an hour ahead": (lambda _: {"captured_at": datetime.now(UTC) + timedelta(hours=1)}, 422, "CLOCK_AHEAD", ""),
    "not a JPEG": (lambda _: {"image": b"GIF89a" + bytes(100)}, 415, "NOT_A_JPEG", ""),
    "cut short": (lambda _: {"image": jpeg()[:-40]}, 422, "JPEG_TRUNCATED", ""),
    "too many pixels": (lambda _: {"image": jpeg(size=(4001, 3000))}, 413, "IMAGE_TOO_LARGE", "4001"),
    "too many bytes": (lambda _: {"image": jpeg(padding=20_000_000)}, 413, "IMAGE_TOO_LARGE", "bytes"),
}  # fmt: skip


@pytest.mark.requirement("CAP-02", partial="the HTTP door")
def test_a_bad_frame_gets_its_code_a_count_and_a_dead_letter(world):
    async def told():
        async with world.running():
            await world.register()
            for number, (name, (make, status, code, words)) in enumerate(BAD.items(), 1):
                options = make(world)
                change = options.pop("change", None)
                before = refused(code)
                answer = await world.post(world.frame(number, **options), change=change)
                body = answer.json()
                assert (answer.status_code, body["reason_code"]) == (status, code), (name, body)
                assert words in body["detail"], name
                assert refused(code) == before + 1, name
            letters = await world.lying("frames.dlq")
            found = [(h["dlq-code"].decode(), h["dlq-message"].decode()) for *_, h in letters]
            assert [code for code, _ in found] == [code for _, _, code, _ in BAD.values()]
            assert all(words in text for (_, text), (_, _, _, words) in zip(found, BAD.values(), strict=True))
            assert all(h["dlq-service"] == b"ingest" for *_, h in letters)
            assert await world.lying("frames") == []

    story(told())


def test_an_image_that_is_not_the_signed_one(world):
    async def told():
        async with world.running():
            await world.register()
            answer = await world.post(world.frame(1), change=lambda _: None)
            assert answer.status_code == 202
            frame = world.frame(2)
            files = [
                ("meta", ("m", json.dumps(meta_of(frame)).encode(), "application/json")),
                ("image", ("i", jpeg(77), "image/jpeg")),
            ]
            answer = await world.http.post("/v1/frames", files=files)
            assert (answer.status_code, answer.json()["reason_code"]) == (422, "HASH_MISMATCH")

    def meta_of(frame):
        from alpr_cli.simulate import frame_parts

        return json.loads(frame_parts(frame)[0][1][1])

    story(told())


@pytest.mark.requirement("USE-14", partial="the HTTP door; over Kafka the recognizer refuses")
@pytest.mark.parametrize("siting", [None, {"public_view": False, "approver": "Test", "declared_on": "2026-01-05"}])
def test_a_device_whose_siting_is_not_declared_is_quarantined(world, siting):
    async def told():
        async with world.running():
            await world.register(siting=siting)
            frames = [world.frame(number) for number in (1, 2)]
            answer = await world.post(*frames)
            assert (answer.status_code, answer.json()["reason_code"]) == (403, "SITING_NOT_DECLARED")
            letters = await world.lying("frames.dlq")
            assert [h["dlq-code"] for *_, h in letters] == [b"SITING_NOT_DECLARED"] * 2
            assert [wire.decode_frame(v, h).frame_id for *_, v, h in letters] == [f.frame_id for f in frames]
            assert await world.lying("frames") == []
            declared = {"public_view": True, "approver": "Test Captain", "declared_on": "2026-02-01"}
            assert (await world.call("PUT", "/v1/devices/pole-1/siting", json=declared)).status_code == 200
            assert (await world.post(world.frame(3))).status_code == 202

    story(told())


def test_a_device_that_was_taken_out_of_service(world):
    async def told():
        async with world.running():
            await world.register()
            changed = await world.call("PUT", "/v1/devices/pole-1/service-state", json={"in_service": False})
            assert (changed.status_code, changed.json()["in_service"], changed.json()["revision"]) == (200, False, 2)
            answer = await world.post(world.frame())
            assert (answer.status_code, answer.json()["reason_code"]) == (403, "DEVICE_OUT_OF_SERVICE")
            *_, last = await world.eventually("devices", 2)
            assert not wire.decode_device(last[3], last[4]).in_service

    story(told())


def test_good_and_bad_frames_of_one_request_are_told_apart(world):
    async def told():
        async with world.running():
            await world.register()
            answer = await world.post(
                world.frame(1), world.frame(2, image=b"GIF89a"), world.frame(3, device_id="pole-9")
            )
            assert answer.status_code == 207
            found = [(one["status"], one.get("reason_code")) for one in answer.json()["frames"]]
            assert found == [("accepted", None), ("refused", "NOT_A_JPEG"), ("refused", "DEVICE_UNKNOWN")]
            assert len(await world.lying("frames")) == 1
            assert len(await world.lying("frames.dlq")) == 1

    story(told())


def test_a_large_image_travels_by_reference(world):
    async def told():
        async with world.running():
            await world.register()
            frame = world.frame(1, image=jpeg(padding=950_000))
            assert (await world.post(frame)).status_code == 202
            [(*_, value, headers)] = await world.lying("frames")
            found = wire.decode_frame(value, headers)
            lying = (world.folder / "images" / found.image.key).read_bytes()
            assert frame.image[:64] not in lying  # sealed until it is read, to a key that only this message has
            assert open_once(found.image.once_key, lying, aad=found.image.key.encode()) == frame.image
            assert found.image.sha256 == frame.sha256
            assert found.image.key.startswith("frame/demo/")

    story(told())


def test_parts_that_are_no_pairs(world):
    async def told():
        async with world.running():
            for files in (
                [("image", ("i", b"x", "image/jpeg"))],
                [("meta", ("m", b"{}", "application/json"))],
                [("image", ("i", b"x", "image/jpeg")), ("meta", ("m", b"{}", "application/json"))],
            ):
                answer = await world.http.post("/v1/frames", files=files)
                assert (answer.status_code, answer.json()["reason_code"]) == (422, "PARTS_INVALID")
            for meta in (b"not json", b"[1]", b'{"device_id": 7}'):
                files = [("meta", ("m", meta, "application/json")), ("image", ("i", b"x", "image/jpeg"))]
                answer = await world.http.post("/v1/frames", files=files)
                assert answer.status_code == 422
                assert answer.json()["reason_code"] in {"FIELD_INVALID", "FIELD_MISSING"}
            answer = await world.http.post(
                "/v1/frames", content=b"\x00", headers={"content-type": "multipart/form-data"}
            )
            assert answer.status_code == 400
            assert answer.json()["reason_code"] == "REQUEST_INVALID"

    story(told())


@pytest.mark.requirement("DEF-07")
def test_a_fresh_install_knows_the_lists_of_its_profiles(world):
    async def told():
        async with world.running():
            answer = await world.call("GET", "/v1/hotlists", agency="roseville", roles=("dispatcher",))
            lists = {one["code"]: one for one in answer.json()["hotlists"]}
            for code in ("SVS", "SRV", "SLR"):
                assert lists[code]["refresh"]["loads_per_day"] >= 2
                assert lists[code]["version"] == 0
                assert lists[code]["stale"]

    story(told())


@pytest.mark.requirement("HOT-12", partial="database and topic; the byte search over every store is its own test")
def test_everything_but_the_plate_is_sealed(world):
    async def told():
        async with world.running():
            text = "plate,state,reason,notes,source_key\n8ABC123,CA,stolen_vehicle,TEST-PII,CASE-TEST-PII\n"
            assert (await world.load("SVS", text)).status_code == 201
            dump = repr([tuple(row) for row in await rows(world, "SELECT * FROM ingest.entries")])
            dump += repr([tuple(row) for row in await rows(world, "SELECT * FROM ingest.loads")])
            dump += repr([tuple(row) for row in await rows(world, "SELECT * FROM ingest.outbox")])
            assert "8ABC123" in dump
            [bucket] = await world.lying("hotlist")
            versions = await world.eventually("hotlist.versions", 1)
            raw = repr([bucket, versions, await world.lying("audit")])
            assert "8ABC123" in raw
            assert "TEST-PII" not in dump + raw
            assert "stolen_vehicle" not in repr(bucket)
            [entry] = wire.decode_bucket(bucket[3], bucket[4])
            opened = world.list_keys.open(entry.sealed, entry.key_id, entry_id=entry.entry_id)
            details = wire.decode_entry_details(opened)
            assert (details.notes, details.state, details.reason) == ("TEST-PII", "US-CA", "stolen_vehicle")

    story(told())


def newest(messages):
    return {key: (value, headers, partition, offset) for partition, offset, key, value, headers in messages}


@pytest.mark.requirement("HOT-04", partial="the loader's side: versions, refusals and what remains of an old one")
def test_a_load_switches_whole_versions_and_cleans_up_after(world, monkeypatch):
    monkeypatch.setattr("alpr_ingest.loading.loader._CLEAN_IDLE_S", 0.5)

    async def told():
        async with world.running(clean_after_seconds=0):
            begun = datetime.now(UTC)
            first = await world.load("SVS", "plate,state,notes\n8ABC123,CA,a\n7XYZ001,CA,b\n6DEF222,NV,c\n")
            report = first.json()
            assert (report["version"], report["added"], report["changed"], report["removed"]) == (1, 3, 0, 0)
            assert (report["entries"], report["rejected"], report["rejects"]) == (3, 0, [])
            second = await world.load("SVS", "plate,state,notes\n8ABC123,CA,a\n6DEF222,NV,changed\n5NEW333,CA,d\n")
            report = second.json()
            assert (report["version"], report["added"], report["changed"], report["removed"]) == (2, 1, 1, 1)
            versions = [wire.decode_list_version(v, h) for *_, v, h in await world.eventually("hotlist.versions", 2)]
            assert [(v.version, v.entries, v.list_code, v.agency) for v in versions] == [
                (1, 3, "SVS", "demo"),
                (2, 3, "SVS", "demo"),
            ]
            messages = await world.lying("hotlist")
            ends = versions[-1].end_offsets
            # whoever has read up to the named offsets has seen every bucket of the version
            for key, (_, _, partition, offset) in newest([m for m in messages if m[1] < ends.get(m[0], 0)]).items():
                assert offset < ends[partition]
            judged = {}
            for partition, offset, key, value, headers in messages:
                if offset < ends[partition]:
                    judged[key] = wire.decode_bucket(value, headers)
            entries = [entry for bucket in judged.values() for entry in bucket]
            assert {e.plate.reveal() for e in entries if e.in_version(1)} == {"8ABC123", "7XYZ001", "6DEF222"}
            assert {e.plate.reveal() for e in entries if e.in_version(2)} == {"8ABC123", "6DEF222", "5NEW333"}
            assert all(skeleton(e.plate) == key for key, bucket in judged.items() for e in bucket)
            async with asyncio.timeout(60):
                while newest(await world.lying("hotlist"))[skeleton("7XYZ001")][0] is not None:
                    await asyncio.sleep(0.5)
            left = newest(await world.lying("hotlist"))
            [changed] = wire.decode_bucket(*left[skeleton("6DEF222")][:2])
            assert (changed.from_version, changed.until_version) == (2, 0)
            loads = (await world.call("GET", "/v1/hotlists/SVS/loads")).json()["loads"]
            assert [(one["version"], one["state"], one["entries"]) for one in loads] == [
                (2, "active", 3),
                (1, "active", 3),
            ]
            old = await world.load("SVS", "plate\n7XYZ001\n", source_time=begun - timedelta(hours=1))
            assert (old.status_code, old.json()["reason_code"]) == (409, "LIST_OLDER_THAN_ACTIVE")
            shrunk = await world.load("SVS", "plate\n7XYZ001\n")
            assert (shrunk.status_code, shrunk.json()["reason_code"]) == (409, "LIST_SHRUNK")
            forced = await world.load("SVS", "plate\n7XYZ001\n", force="true", note="A new extract")
            assert (forced.status_code, forced.json()["version"]) == (201, 3)
            events = [wire.decode_audit_event(v, h) for *_, v, h in await world.eventually("audit", 5)]
            events.sort(key=lambda event: event.occurred_at)
            assert [(e.kind, e.outcome, e.reason_code) for e in events] == [
                ("list_loaded", "ok", ""),
                ("list_loaded", "ok", ""),
                ("list_load_refused", "refused", "LIST_OLDER_THAN_ACTIVE"),
                ("list_load_refused", "refused", "LIST_SHRUNK"),
                ("list_loaded", "ok", ""),
            ]

    story(told())


def test_a_new_list_key_changes_no_entry_for_a_load_and_seals_it_anew(world):
    async def told():
        async with world.running():
            await world.load("SVS", "plate,notes\n8ABC123,a\n")
        file = world.folder / "list.keys"
        file.write_text(file.read_text() + f"test-2 {base64.b64encode(bytes(32)).decode()}\n")
        async with world.running():
            report = (await world.load("SVS", "plate,notes\n8ABC123,a\n")).json()
            assert (report["version"], report["added"], report["changed"], report["removed"]) == (2, 0, 0, 0)

            async def entries():
                value, headers, *_ = newest(await world.lying("hotlist"))[skeleton("8ABC123")]
                return [(e.key_id, e.in_version(1), e.in_version(2)) for e in wire.decode_bucket(value, headers)]

            async with asyncio.timeout(30):
                while await entries() != [("test-2", True, True)]:
                    await asyncio.sleep(0.2)

    story(told())


def test_lists_that_share_a_skeleton_share_a_bucket(world):
    async def told():
        async with world.running():
            await world.load("SVS", "plate,state\n8ABC0D1,CA\n")
            await world.load("DEMO", "plate,state\n8ABCDO1,NV\n")
            bucket = wire.decode_bucket(*newest(await world.lying("hotlist"))[skeleton("8ABC001")][:2])
            assert {(e.list_code, e.plate.reveal()) for e in bucket} == {("SVS", "8ABC0D1"), ("DEMO", "8ABCDO1")}

    story(told())


@pytest.mark.parametrize(
    ("content", "file_format", "status", "code"),
    [
        ("", "generic_csv", 422, "LIST_TRUNCATED"),
        ("plate,state\n8ABC123,CA\n7XYZ0", "generic_csv", 422, "LIST_TRUNCATED"),
        ("plate,state\n8ABC123,CA\n#entries,2\n", "generic_csv", 422, "LIST_TRUNCATED"),
        ("plate,owner\n8ABC123,X\n", "generic_csv", 422, "COLUMNS_INVALID"),
        ("plate\n???\n", "generic_csv", 422, "LIST_EMPTY"),
        ("HEADER\nV123456789LA057020020190509AB123456  CA2009MC20", "ncic_fixed", 422, "LIST_TRUNCATED"),
    ],
)
def test_a_file_that_cannot_be_trusted_changes_nothing(world, content, file_format, status, code):
    async def told():
        async with world.running():
            before = metrics.LOADS.labels("refused", code)._value.get()
            answer = await world.load("SVS", content, file_format=file_format)
            assert (answer.status_code, answer.json()["reason_code"]) == (status, code)
            assert metrics.LOADS.labels("refused", code)._value.get() == before + 1
            assert await rows(world, "SELECT 1 FROM ingest.loads") == []
            assert await world.lying("hotlist") == []

    story(told())


def test_rejected_lines_are_named_by_number(world):
    async def told():
        async with world.running():
            text = "plate,state,expires_at\n8ABC123,CA,\n,CA,\n7XYZ001,ZZ,\n6DEF222,NV,2020-01-01\n8ABC123,CA,\n"
            report = (await world.load("SVS", text)).json()
            assert (report["entries"], report["rejected"]) == (1, 4)
            assert report["rejects"] == [
                {"line": 3, "reason_code": "PLATE_MISSING"},
                {"line": 4, "reason_code": "STATE_UNKNOWN"},
                {"line": 5, "reason_code": "EXPIRED"},
                {"line": 6, "reason_code": "DUPLICATE"},
            ]

    story(told())


@pytest.mark.requirement("HOT-02")
def test_a_list_of_ones_own_needs_a_legitimate_interest(world):
    async def told():
        body = {
            "code": "LOCAL1", "name": "Local list", "source": "local investigations", "advisory_class": "information_only",
            "legitimate_interest": "Vehicles of a local theft series",
        }  # fmt: skip
        async with world.running():
            lacking = {name: value for name, value in body.items() if name != "legitimate_interest"}
            answer = await world.call("POST", "/v1/hotlists", json=lacking)
            assert (answer.status_code, answer.json()["reason_code"]) == (422, "FIELD_MISSING")
            assert "legitimate_interest" in answer.json()["detail"]
            assert (await world.call("POST", "/v1/hotlists", json=body)).status_code == 201
            assert (await world.call("POST", "/v1/hotlists", json=body)).json()["reason_code"] == "LIST_EXISTS"
            assert (await world.load("LOCAL1", "plate\n8ABC123\n")).status_code == 201
            assert (await world.load("LOCAL9", "plate\n8ABC123\n")).json()["reason_code"] == "LIST_UNKNOWN"
            [row] = await rows(
                world, "SELECT created_by, legitimate_interest FROM ingest.hotlists WHERE code = 'LOCAL1'"
            )
            assert tuple(row) == ("p-1", body["legitimate_interest"])
            kinds = [wire.decode_audit_event(v, h).kind for *_, v, h in await world.eventually("audit", 2)]
            assert "list_created" in kinds

    story(told())


def test_a_load_that_was_interrupted_is_finished_at_the_next_start(world):
    """Staged and then killed: nobody used it; the next start publishes all of it and switches."""

    async def told():
        async with world.running():
            await world.load("SVS", "plate\n8ABC123\n7XYZ001\n")
        await rows(world, "UPDATE ingest.loads SET state = 'publishing', active_at = NULL")
        await rows(world, "UPDATE ingest.hotlists SET version = 0, entries = 0, end_offsets = '{}' WHERE code = 'SVS'")
        async with world.running():
            versions = await world.eventually("hotlist.versions", 2)
            again = wire.decode_list_version(*versions[-1][3:])
            assert (again.version, again.entries) == (1, 2)
            found = await world.lying("hotlist")
            assert len(found) == 4
            assert {m[0]: m[1] + 1 for m in found} == again.end_offsets

    story(told())


def test_a_hundred_thousand_entries(world):
    async def told():
        async with world.running():
            lines = "\n".join(f"{n // 10000}T{n % 10000:04d}K,CA,stolen_vehicle,S{n}" for n in range(100_000))
            answer = await world.load("SVS", "plate,state,reason,source_key\n" + lines + "\n")
            report = answer.json()
            print(report["seconds"], "s for 100,000 entries")
            assert (report["entries"], report["added"]) == (100_000, 100_000)
            shown = await world.call("GET", "/v1/hotlists")
            [svs] = [one for one in shown.json()["hotlists"] if one["code"] == "SVS"]
            assert (svs["version"], svs["entries"], svs["loading"]) == (1, 100_000, None)
            again = (await world.load("SVS", "plate,state,reason,source_key\n" + lines + "\n")).json()
            assert (again["added"], again["changed"], again["removed"]) == (0, 0, 0)
            print(again["seconds"], "s for the same again")

    story(told())
