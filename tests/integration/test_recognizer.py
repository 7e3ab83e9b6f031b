"""The recognizer as a process on a real broker, with a reader that reads what the frame says of itself."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from alprcore import model, wire
from alprcore.plates import skeleton
from tests.integration.recognizer_world import Service, fake_jpeg, now, picture, service_of, world_of


def tell(story, kafka_bootstrap, topics_prefix, tmp_path):
    async def whole():
        async with world_of(kafka_bootstrap, topics_prefix, tmp_path) as world:
            await story(world)

    asyncio.run(whole())


@pytest.fixture
def run(kafka_bootstrap, topics_prefix, tmp_path):
    return lambda story: tell(story, kafka_bootstrap, topics_prefix, tmp_path)


def newest(reads):
    found = {}
    for read in sorted(reads, key=lambda read: read.revision):
        found[read.read_id] = read
    return found


def test_a_passage_becomes_one_read_with_images_sealed_to_its_due_day(run):
    async def story(world):
        await world.device("d1")
        begin = now()
        frames = [
            world.frame(
                "d1", n, begin + timedelta(seconds=0.2 * n), fake_jpeg([(100 + 5 * n, "7ABC123", 0.97)], shade=80 + n)
            )
            for n in range(1, 6)
        ]
        with service_of(world) as service:
            await service.ready()
            for frame in frames:
                await world.send(frame)
            await world.wait(world.reads)
            await asyncio.sleep(5)
            found = newest(await world.reads())
            assert len(found) == 1
            (read,) = found.values()
            assert (read.plate.reveal(), read.state, read.direction) == ("7ABC123", "unknown", "N")
            assert read.read_id == model.read_id(frames[0].frame_id, 0)
            assert read.detector.name == "fake-load-test"
            assert len(read.characters) == 7
            assert read.confidence == pytest.approx(0.97**7, abs=0.01)
            for ref in (read.closeup, read.context):
                plain = world.open_image(ref)
                assert plain[:2] == b"\xff\xd8"
                assert b"plateline-load-test" not in plain
                assert ref.key.startswith(f"{ref.role.value}/demo/{ref.sealed_to}/")
            (record,) = [
                r for r in await world.out(model_topic("reads")) if wire.decode_read(r.value, dict(r.headers)) == read
            ]
            assert record.key.decode() == skeleton("7ABC123")
            assert dict(record.headers)["traceparent"].startswith(b"00-")
            assert service.outcomes() == {"read": 5}
            assert service.stop() == 0

    run(story)


def test_a_test_plate_is_a_read_of_its_own_each_minute_and_says_what_it_is(run):
    async def story(world):
        await world.device("d1", cameras=("c1", "canary"))
        begin, image = now(), fake_jpeg([(100, "7CNR001", 0.97)])
        shown = [world.frame("d1", n, begin - timedelta(minutes=3 - n), image, camera="canary") for n in (1, 2, 3)]
        with service_of(world, canary_cameras='["d1-canary"]') as service:
            await service.ready()
            for frame in (*shown, world.frame("d1", 1, begin, fake_jpeg([(100, "7ABC123", 0.97)]))):
                await world.send(frame)

            async def all_read():
                found = newest(await world.reads())
                return found if len(found) == 4 else None

            found = await world.wait(all_read)
        told = list(found.values()) if isinstance(found, dict) else found
        assert sorted((read.plate.reveal(), read.canary) for read in told) == [
            ("7ABC123", False), *[("7CNR001", True)] * 3,
        ]  # fmt: skip

    run(story)


def model_topic(name):
    from alprcore.topics import Topic

    return Topic(name)


def test_every_frame_ends_in_exactly_one_outcome(run):
    async def story(world):
        await world.device("d1")
        begin, image = now(), fake_jpeg([(100, "7ABC123", 0.97)])
        good = world.frame("d1", 1, begin, image)
        empty = world.frame("d1", 2, begin + timedelta(seconds=5), fake_jpeg([]))
        broken = world.frame("d1", 3, begin + timedelta(seconds=6), picture()[:300])
        huge = bytearray(picture())
        at = huge.index(b"\xff\xc0")
        huge[at + 5 : at + 9] = (5000).to_bytes(2, "big") * 2
        large = world.frame("d1", 4, begin + timedelta(seconds=7), bytes(huge))
        text = world.frame("d1", 5, begin + timedelta(seconds=8), b"not a picture")
        forged = world.frame("d1", 6, begin + timedelta(seconds=9), image, signature=b"\0" * 64)
        other = replace(world.frame("d1", 7, begin + timedelta(seconds=10), image), image=fake_jpeg([]))
        with service_of(world) as service:
            await service.ready()
            for frame in (good, good, empty, broken, large, text, forged, other, empty):
                await world.send(frame)
            await world.send(good, value=b"\xff\xff")

            async def counted():
                return sum(service.outcomes().values()) >= 10

            await world.wait(counted)
            assert service.outcomes() == {"read": 1, "no_plate": 1, "duplicate": 2, "dead_letter": 6}
            codes = sorted(code for code, _ in await world.letters())
            assert codes == [
                "IMAGE_TOO_LARGE", "JPEG_TRUNCATED", "MALFORMED", "NOT_A_JPEG", "SHA256_MISMATCH", "SIGNATURE_INVALID",
            ]  # fmt: skip
            assert service.stop() == 0

    run(story)


@pytest.mark.requirement("USE-14")
def test_a_device_without_siting_declaration_sends_in_vain(run):
    async def story(world):
        await world.device("d1", public_view=False)
        await world.device("d2")
        begin = now()
        hidden = [world.frame("d1", n, begin, fake_jpeg([(100, "7ABC123", 0.99)], shade=n)) for n in range(1, 4)]
        with service_of(world) as service:
            await service.ready()
            for frame in hidden:
                await world.send(frame)
            await world.send(world.frame("d2", 1, begin, fake_jpeg([(100, "8XYZ789", 0.99)])))
            await world.wait(world.reads)
            letters = await world.letters()
            assert [code for code, _ in letters] == ["SITING_NOT_DECLARED"] * 3
            sent = [wire.decode_frame(record.value, dict(record.headers)) for _, record in letters]
            assert [frame.frame_id for frame in sent] == [frame.frame_id for frame in hidden]
            assert {read.device_id for read in await world.reads()} == {"d2"}

    run(story)


def test_refused_frames_are_read_when_they_come_again_after_repair(run):
    async def story(world):
        await world.device("d1", public_view=False)
        begin = now()
        frames = [world.frame("d1", n, begin, fake_jpeg([(100, "7ABC123", 0.99)], shade=n)) for n in range(1, 4)]
        with service_of(world) as service:
            await service.ready()
            for frame in frames:
                await world.send(frame)

            async def refused():
                return service.outcomes().get("dead_letter") == 3

            await world.wait(refused)
            await world.device("d1", public_view=True)
            await asyncio.sleep(2)
            for frame in frames:
                await world.send(frame)
            (read,) = newest(await world.wait(world.reads)).values()
            assert read.plate.reveal() == "7ABC123"
            await asyncio.sleep(2)
            assert service.outcomes() == {"dead_letter": 3, "read": 3}

    run(story)


@pytest.mark.requirement("CAP-02")
@pytest.mark.parametrize("missing", ["location", "captured_at", "image"])
def test_a_frame_that_lacks_a_mandatory_field_becomes_a_dead_letter_that_names_it(run, missing):
    from alpr.v1 import frames_pb2

    async def story(world):
        await world.device("d1")
        whole = world.frame("d1", 1, now(), fake_jpeg([(100, "7ABC123", 0.99)]))
        message = frames_pb2.Frame.FromString(wire.encode_frame(whole))
        if missing == "image":
            message.ClearField("jpeg")
        else:
            message.ClearField({"location": "location", "captured_at": "captured_at_us"}[missing])
        with service_of(world) as service:
            await service.ready()
            await world.send(whole, value=message.SerializeToString())
            ((code, record),) = await world.wait(world.letters)
            assert code == "FIELD_MISSING"
            assert missing in dict(record.headers)["dlq-message"].decode()
            assert record.value == message.SerializeToString()
            assert await world.reads() == []

    run(story)


def test_killed_while_frames_flow_nothing_is_lost_and_no_new_read_appears(run):
    """Three cameras, overlapping passages, four kills: the reads are those of a run without kills."""
    plates = ["7ABC123", "8XYZ789", "4TRW555", "6KLM321", "9PQR246", "5HJK864", "3VWX135", "2CDE975", "7FGH753"]

    async def story(world):
        cameras = ("c1", "c2", "c3")
        await world.device("d1", cameras=cameras)
        begin, frames, expected = now() - timedelta(seconds=40), [], set()
        for index, plate in enumerate(plates):
            camera, first = cameras[index % 3], index // 3
            for step in range(10):
                # two vehicles of one camera overlap for a second
                moment = begin + timedelta(seconds=3.0 * first + 0.4 * step + 0.1 * (index % 3))
                frames.append((moment, camera, plate, step))
        frames.sort()
        numbers, sent = dict.fromkeys(cameras, 0), []
        by_moment = {}
        for moment, camera, plate, step in frames:
            by_moment.setdefault((camera, moment), []).append((60 + 20 * step, plate, 0.95 if step > 2 else 0.5))
        seen = set()
        for (camera, moment), found in sorted(by_moment.items(), key=lambda item: item[0][1]):
            numbers[camera] += 1
            image = fake_jpeg(
                [(x + 400 * (number % 2), plate, p) for number, (x, plate, p) in enumerate(found)],
                shade=len(sent) % 200,
            )
            frame = world.frame("d1", numbers[camera], moment, image, camera=camera)
            sent.append(frame)
            for ordinal, (_, plate, _) in enumerate(
                sorted((x + 400 * (n % 2), plate, p) for n, (x, plate, p) in enumerate(found))
            ):
                if (camera, plate) not in seen:
                    seen.add((camera, plate))
                    expected.add((plate, model.read_id(frame.frame_id, ordinal)))
        cuts = [len(sent) * part // 5 for part in range(1, 5)]
        service = await Service(world, batch=2).ready()
        try:
            for number, frame in enumerate(sent):
                await world.send(frame, partition=0)
                if number in cuts:

                    async def some(service=service):
                        return sum(service.outcomes().values()) > 3

                    await world.wait(some)
                    service.kill()
                    service = await Service(world, batch=2).ready()
                await asyncio.sleep(0.03)

            async def complete():
                return {plate for plate, _ in expected} <= {read.plate.reveal() for read in await world.reads()}

            await world.wait(complete)
            await asyncio.sleep(5)
        finally:
            service.kill()
        reads = await world.reads()
        told = {(read.plate.reveal(), read.read_id) for read in newest(reads).values()}
        assert told == expected
        frames_told = {frame for read in newest(reads).values() for frame in read.frame_ids}
        assert frames_told <= {frame.frame_id for frame in sent}
        assert not await world.letters()

    run(story)
