"""A package carries what the camera signed of each frame: a stranger verifies it, and what was changed shows."""

import hashlib
import json
from dataclasses import replace

import pytest

from alprcore import seal
from alprcore.model import FrameProof, GeoPoint, ImageRole, Location, LocationQuality, View
from alprcore.model.frames import signed_text
from alprcore.seal import SigningKey
from tests.fixtures.doors import JPEG, make_read
from tests.fixtures.packing import Packing, stranger
from tests.integration.test_evidence import ids, judge, manifest

pytestmark = pytest.mark.asyncio


def signed(read, key, jpeg, *, placed=True, view=View.REAR):
    """The read of a frame that its camera signed; `jpeg` is the file as the camera sent it."""
    digest = hashlib.sha256(jpeg).digest()
    text = signed_text(
        device_id=read.device_id, camera_id=read.camera_id, sequence=7, captured_at=read.captured_at,
        location=read.location if placed else None, view=view, sha256=digest,
    )  # fmt: skip
    return replace(read, frame=FrameProof(7, placed, view, digest, key.sign(text), key.public))


def openssl_3(folder):
    done = stranger("openssl", "version", folder=folder)
    return done.returncode == 0 and done.stdout.split()[1] >= "3"


@pytest.mark.requirement("RET-12")
async def test_a_stranger_verifies_that_the_camera_signed_what_the_package_shows(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        key = SigningKey.generate(tmp_path / "camera.key")
        moving = Location(GeoPoint(33.6846123, -117.8265), LocationQuality.LIVE, 1.5, 271.5)
        reads = [
            signed(await packing.with_images(make_read(number=1), JPEG), key, JPEG),
            signed(await packing.with_images(make_read(number=2, location=moving), JPEG), key, JPEG + b"notes"),
            signed(await packing.with_images(make_read(number=3), JPEG), key, JPEG, placed=False, view=View.UNKNOWN),
            await packing.with_images(make_read(number=4), JPEG),  # stored by the release before
        ]
        await packing.keep(*reads)
        package_id = await packing.built(await packing.hold(ids(reads)))
        (folder,) = await packing.unpacked(package_id, tmp_path / "out")
        public = tmp_path / "agency.pem"
        public.write_bytes((folder / "public-key.pem").read_bytes())
        assert judge(folder, key=public) == 0
        places = {one["read_id"]: folder / one["folder"] for one in manifest(folder)["reads"]}
        pems = list((folder / "devices").iterdir())
        assert len(pems) == 1  # one camera, one key
        for read in reads[:3]:
            place = places[read.read_id]
            text, signature = (place / "frame.txt").read_bytes(), (place / "frame.sig").read_bytes()
            assert seal.verify(key.public, signature, text)
            said = json.loads((place / "read.json").read_text())["frame"]
            assert (said["sha256"], said["key"]) == (read.frame.sha256.hex(), f"devices/{pems[0].name}")
            assert text.splitlines()[-1].decode() == said["sha256"]
            if openssl_3(folder):
                command = ("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", said["key"], "-rawin", "-in",
                           str(place / "frame.txt"), "-sigfile", str(place / "frame.sig"))  # fmt: skip
                done = stranger(*command, folder=folder)
                assert (done.returncode, done.stdout.strip()) == (0, "Signature Verified Successfully")
        assert not (places[reads[3].read_id] / "frame.txt").exists()
        # the picture is the camera's file where the camera wrote nothing beside it, and the package says which are not
        same = [hashlib.sha256((places[read.read_id] / "context.jpg").read_bytes()).digest() for read in reads[:3]]
        assert [one == read.frame.sha256 for one, read in zip(same, reads, strict=False)] == [True, False, True]
        notes = [one for one in manifest(folder)["redactions"] if one["what"] == "camera_notes"]
        assert [(one["rule"], one["count"]) for one in notes] == [("SEC-04", 1)]
        assert "signed by their cameras" not in (folder / "COVER.txt").read_text()


async def test_a_frame_that_no_camera_signed_shows(pg_database, tmp_path, capsys):
    async with Packing(pg_database, tmp_path) as packing:
        key, other = SigningKey.generate(tmp_path / "a.key"), SigningKey.generate(tmp_path / "b.key")
        read = signed(await packing.with_images(make_read(), JPEG), key, JPEG)
        forged = replace(read, frame=replace(read.frame, device_key=other.public))
        await packing.keep(forged)
        package_id = await packing.built(await packing.hold(ids([read])))
        (folder,) = await packing.unpacked(package_id, tmp_path / "out")
        assert judge(folder) == 30
        assert "is not what the device with this key signed" in capsys.readouterr().err


async def test_no_search_answers_what_the_camera_signed(pg_database, tmp_path):
    async with Packing(pg_database, tmp_path) as packing:
        key = SigningKey.generate(tmp_path / "camera.key")
        read = signed(make_read(), key, JPEG)
        await packing.keep(read)
        answer = await packing.ask({"plate": "8TST001"})
        assert read.frame.signature.hex() not in answer.text
        assert '"frame"' not in answer.text
        assert ImageRole.CONTEXT.value in answer.text
        stored = await packing.sql("SELECT frame FROM retention.reads")
        assert json.loads(stored[0][0])[:3] == [7, True, "rear"]
