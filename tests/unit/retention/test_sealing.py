"""Images of held reads sealed anew: here or in children, each told apart that is kept, missing or damaged."""

import asyncio
import hashlib
import json
import os
import sys
from pathlib import Path
from uuid import UUID

import pytest

from alpr_retention.store import DAMAGED, MISSING, ImageKeys, Images, Job, Sealers
from alprcore.errors import Transient
from alprcore.objects import ImageStore
from alprcore.seal import seal_image

pytestmark = pytest.mark.asyncio
HOLD, OTHER = "0a11b0c5-0000-4000-8000-000000000001", "0a11b0c5-0000-4000-8000-000000000002"
DAY = "2024-03-14"


def images_in(folder):
    return Images(ImageStore((folder / "objects").as_uri()), ImageKeys(folder / "keys"))


async def stored(images, number, *, holds=(HOLD,)):
    """One image sealed to its day, as a read refers to it."""
    data, key = b"picture %d" % number, f"closeup/demo/{DAY}/{number}.jpg"
    await images.objects.put(key, seal_image(images.keys.ensure("demo", DAY), data, aad=key.encode()))
    image = {
        "role": "closeup",
        "view": "rear",
        "key": key,
        "sha256": hashlib.sha256(data).hexdigest(),
        "sealed_to": DAY,
    }
    return Job(f"{number:08x}-0000-4000-8000-000000000009", image, holds)


@pytest.mark.parametrize("children", [0, 2])
async def test_each_image_is_kept_under_its_hold_or_named(tmp_path, children):
    images = images_in(tmp_path)
    jobs = [await stored(images, number) for number in range(60)]
    damaged, missing, other = jobs[7], jobs[31], await stored(images, 60, holds=(OTHER, HOLD))
    sealed = await images.objects.get(damaged.image["key"])
    await images.objects.put(damaged.image["key"], sealed[:-1] + bytes([sealed[-1] ^ 1]))
    await images.objects.delete(missing.image["key"])
    nothing = Job(other.read_id, {**other.image, "key": ""}, (HOLD,))
    sealers = Sealers(images, children=children, worth=1)
    found = await sealers.seal("demo", [*jobs, other, nothing])
    await sealers.close()
    odd = [(at, one.state, one.code) for at, one in enumerate(found) if one.state != "kept"]
    assert odd == [(7, DAMAGED, "SEAL_BROKEN"), (31, DAMAGED, "IMAGE_MISSING")]
    assert (found[7].image, found[31].image) == (damaged.image, missing.image)  # as they lie: people decide
    assert found[60].image["sealed_to"] == f"hold-{OTHER}"
    assert found[61].image == nothing.image
    images.keys.destroy("demo", DAY)
    for number, one in enumerate(found[:60]):
        if one.state == "kept":
            assert (one.image["sealed_to"], await images.open("demo", one.image)) == (
                f"hold-{HOLD}",
                b"picture %d" % number,
            )


async def test_a_child_that_dies_puts_the_work_off_and_the_next_call_has_others(tmp_path):
    images = images_in(tmp_path)
    jobs = [await stored(images, number) for number in range(80)]
    sealers = Sealers(images, children=2, worth=1)
    await sealers.seal("demo", jobs[:2])
    for child in sealers._children:
        child.kill()
    with pytest.raises(Transient):
        await sealers.seal("demo", jobs)
    found = await sealers.seal("demo", jobs)
    assert {one.state for one in found} == {"kept"}
    pids = [child.pid for child in sealers._children]
    await sealers.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_few_images_start_no_child(tmp_path):
    images = images_in(tmp_path)
    sealers = Sealers(images, children=2, worth=100)
    found = await asyncio.gather(sealers.seal("demo", [await stored(images, 1)]), sealers.seal("demo", []))
    assert [len(one) for one in found] == [1, 0]
    assert sealers._children == []


async def test_a_service_that_is_killed_leaves_no_child_behind(tmp_path):
    job = await stored(images_in(tmp_path), 1)
    program = (
        "import asyncio, json, sys\nfrom pathlib import Path\n"
        "from alpr_retention.store import ImageKeys, Images, Job, Sealers\nfrom alprcore.objects import ImageStore\n"
        "async def main(folder, job):\n"
        "    images = Images(ImageStore((folder / 'objects').as_uri()), ImageKeys(folder / 'keys'))\n"
        "    sealers = Sealers(images, children=2, worth=1)\n"
        "    await sealers.seal('demo', [Job(job[0], job[1], tuple(job[2]))])\n"
        "    print(*(child.pid for child in sealers._children), flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main(Path(sys.argv[1]), json.loads(sys.argv[2])))\n"
    )
    given = json.dumps([job.read_id, job.image, job.holds])
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(tmp_path), given, stdout=asyncio.subprocess.PIPE
    )
    pids = [int(text) for text in (await parent.stdout.readline()).split()]
    parent.kill()
    await parent.wait()
    assert len(pids) == 2
    async with asyncio.timeout(10):
        for pid in pids:
            while (Path("/proc") / str(pid)).exists():
                await asyncio.sleep(0.05)


async def test_only_what_nothing_can_bring_back_is_missing_without_anybody_asked(tmp_path):
    images = images_in(tmp_path)
    gone, bare = await stored(images, 1), await stored(images, 2)
    bare = Job(bare.read_id, {**bare.image, "key": "closeup/demo/none/2.jpg", "sealed_to": ""}, bare.holds)
    images.keys.destroy("demo", DAY)  # its record went once, and a backup brought the row back
    found = await Sealers(images).seal("demo", [gone, bare])
    assert [(one.state, one.image["key"], one.image["missing"]) for one in found] == [(MISSING, "", True)] * 2


async def test_another_store_than_before_is_none(tmp_path):
    images = images_in(tmp_path)
    await images.require_store()
    await images.require_store()
    moved = Images(ImageStore((tmp_path / "objects").as_uri()), ImageKeys(tmp_path / "keys"))
    await moved.require_store()
    empty = Images(ImageStore((tmp_path / "not-mounted").as_uri()), ImageKeys(tmp_path / "keys"))
    with pytest.raises(Transient, match="not the one"):
        await empty.require_store()
    with pytest.raises(Transient):  # and looking there did not make it one
        await empty.require_store()


async def test_half_a_note_of_a_crash_spoils_none_that_follows(tmp_path):
    keys, run = ImageKeys(tmp_path), UUID(int=1)
    keys.note_released("demo", run, [UUID(int=2)])
    with (tmp_path / "demo" / "released.ids").open("ab") as file:
        file.write(b"half of a note")
    assert keys.released("demo") == {run: {UUID(int=2)}}
    keys.note_released("demo", UUID(int=3), [UUID(int=4), UUID(int=5)])
    assert keys.released("demo") == {run: {UUID(int=2)}, UUID(int=3): {UUID(int=4), UUID(int=5)}}
