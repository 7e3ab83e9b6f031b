"""The local folder as an object store: the same promises a bucket makes."""

import asyncio

import pytest

from alprcore.errors import Misconfigured
from alprcore.objects import ImageStore


def test_put_get_overwrite_delete(tmp_path):
    async def story():
        store = ImageStore((tmp_path / "new folder").as_uri())
        await store.put("closeup/demo/2026-11-21/r1-1.bin", b"one")
        await store.put("closeup/demo/2026-11-21/r1-1.bin", b"two")
        assert await store.get("closeup/demo/2026-11-21/r1-1.bin") == b"two"
        await store.delete("closeup/demo/2026-11-21/r1-1.bin")
        await store.delete("closeup/demo/2026-11-21/r1-1.bin")
        with pytest.raises(KeyError):
            await store.get("closeup/demo/2026-11-21/r1-1.bin")

    asyncio.run(story())


def test_a_day_is_swept_by_prefix_and_nothing_beside_it(tmp_path):
    async def story():
        store = ImageStore(tmp_path.as_uri())
        for key in (
            "closeup/demo/2026-11-21/a",
            "closeup/demo/2026-11-21/b",
            "closeup/demo/2026-11-2",
            "closeup/demo2/x",
        ):
            await store.put(key, b"x")
        assert await store.delete_prefix("closeup/demo/2026-11-21") == 2
        assert await store.delete_prefix("closeup/demo/2026-11-21") == 0
        assert sorted(await store.list("closeup")) == ["closeup/demo/2026-11-2", "closeup/demo2/x"]

    asyncio.run(story())


def test_keys_cannot_leave_the_folder(tmp_path):
    async def story():
        store = ImageStore((tmp_path / "images").as_uri())
        for key in ("../x", "a/../../x", "", "a//b", "/x"):
            with pytest.raises(ValueError):
                await store.put(key, b"x")

    asyncio.run(story())
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


@pytest.mark.parametrize("url", ["http://host/x", "file://host/x", "s3://", "", "file:///proc/nowhere"])
def test_other_addresses_are_refused(url):
    with pytest.raises(Misconfigured):
        ImageStore(url)
