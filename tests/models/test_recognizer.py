"""The recognizer as a process with its real models, on real Kafka."""

import asyncio
import io

import pytest

from alprcore import model
from tests.integration.recognizer_world import now, service_of, world_of


@pytest.mark.models
@pytest.mark.requirement("CAP-05")
def test_a_labeled_frame_becomes_a_read_with_its_text(kafka_bootstrap, topics_prefix, tmp_path):
    from PIL import Image

    from alprdraw.scenes import render_drive

    async def story():
        async with world_of(kafka_bootstrap, topics_prefix, tmp_path) as world:
            await world.device("d1")
            begin, sent = now(), []
            for number, scene in enumerate(render_drive(5, ["7KVM382"])):
                out = io.BytesIO()
                Image.fromarray(scene.image).save(out, "JPEG", quality=90)
                sent.append(world.frame("d1", number, begin + scene.offset, out.getvalue()))
            with service_of(world, reader="models", load_test="false", threads=2) as service:
                await service.ready(seconds=300)
                assert "cpu-" in service.get("/readyz")[1]
                for frame in sent:
                    await world.send(frame)

                async def right():
                    return [read for read in await world.reads() if read.plate.reveal() == "7KVM382"]

                read = (await world.wait(right, seconds=120))[-1]
                assert 0 <= read.confidence <= 1
                assert set(read.frame_ids) <= {frame.frame_id for frame in sent}
                assert read.frame_ids
                assert read.plate_raw
                assert (len(read.detector.sha256), len(read.reader.sha256)) == (64, 64)
                assert read.state == model.UNKNOWN
                assert world.open_image(read.closeup)[:2] == b"\xff\xd8"
                assert service.stop() == 0

    asyncio.run(story())
