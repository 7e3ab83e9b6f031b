"""Simulated cameras: sequences that survive, frames that verify, sources that are what they say, doors that are away."""

import asyncio
import itertools
import subprocess
from datetime import UTC, datetime

import pytest
from PIL import Image

from alpr_cli import simulate, sources
from alpr_cli.main import COMMANDS, main
from alprcore import wire
from alprcore.errors import Misconfigured, Transient
from alprcore.model import GeoPoint, Location, LocationQuality, View
from alprcore.seal import SigningKey, verify

KEY = SigningKey(bytes([3]) * 32)
CAMERA = simulate.SimulatedCamera(
    "demo", "pole-1", "pole-1-a", View.REAR, Location(GeoPoint(1, 2), LocationQuality.REGISTERED), KEY
)
JPEG = b"\xff\xd8 synthetic \xff\xd9"


def test_a_sequence_is_never_used_twice(tmp_path):
    first = simulate.Sequence(tmp_path, "cam")
    used = [first.take() for _ in range(3)]
    again = simulate.Sequence(tmp_path, "cam")  # as after a kill: nothing was closed
    used += [again.take() for _ in range(simulate.RESERVED + 1)]
    assert used[:3] == [1, 2, 3]
    assert len(set(used)) == len(used)
    assert used == sorted(used)
    assert simulate.Sequence(tmp_path, "other").take() == 1


def test_a_frame_is_signed_by_its_device():
    frame = simulate.make_frame(CAMERA, JPEG, 7, datetime(2026, 3, 14, tzinfo=UTC))
    assert verify(KEY.public, frame.signature, frame.signed_text())
    assert wire.decode_frame(wire.encode_frame(frame), {"ce_type": b"alpr.v1.frame"}) == frame


def collected(source, **options):
    given = {"fps": 10, "moment_s": 0.5, "part": 0, "parts": 1, "plates": None, "seed": 1} | options
    return list(sources.pictures(str(source), **given))


def test_photographs_are_dealt_out_and_kept_apart(tmp_path):
    for number in range(5):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(tmp_path / f"{number}.{'png' if number == 4 else 'jpg'}")
    (tmp_path / "notes.txt").write_text("no photograph")
    even, odd = (collected(tmp_path, part=part, parts=2) for part in (0, 1))
    assert (len(even), len(odd)) == (3, 2)
    assert [picture.due_s for picture in even] == [0, 0.5, 1.0]
    assert even[0].jpeg == (tmp_path / "0.jpg").read_bytes()
    assert all(picture.jpeg.startswith(b"\xff\xd8") for picture in even)


def test_a_drive_shows_its_plates_at_the_pace_asked_for():
    found = collected("drive", plates=["8KLM204"], fps=2.5)
    assert len(found) == 5
    assert [picture.due_s for picture in found] == pytest.approx([0, 0.4, 0.8, 1.2, 1.6])
    assert all(picture.jpeg.startswith(b"\xff\xd8") and picture.jpeg.endswith(b"\xff\xd9") for picture in found)


def test_a_video_is_cut_into_pictures(tmp_path):
    video = tmp_path / "drive.mp4"
    made = subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=duration=2:size=160x120:rate=10", video],
        check=False,
    ) if has_ffmpeg() else None  # fmt: skip
    if made is None or made.returncode:
        pytest.skip("no ffmpeg that can make a video here")
    found = collected(video, fps=5)
    assert len(found) in {10, 11}
    assert found[3].due_s == pytest.approx(0.6)
    assert all(picture.jpeg.startswith(b"\xff\xd8\xff") and picture.jpeg.endswith(b"\xff\xd9") for picture in found)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(Misconfigured):
        collected(broken)


def has_ffmpeg():
    try:
        return subprocess.run(["ffmpeg", "-version"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("source", ["nowhere", "empty", "notes.txt"])
def test_an_odd_source_is_named(tmp_path, source):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(Misconfigured):
        collected(tmp_path / source)


def test_a_frame_is_sent_until_it_is_acknowledged(tmp_path, monkeypatch):
    monkeypatch.setattr(simulate, "_FIRST_DELAY_S", 0.001)
    asked = []

    class Away:
        async def publish(self, topic, *, key, value, headers):
            asked.append(value)
            if len(asked) < 4:
                raise Transient("broker: away")

    async def told():
        stop = asyncio.Event()
        pictures = [sources.Picture(JPEG, 0.0), sources.Picture(JPEG, 0.0)]
        sequence = simulate.Sequence(tmp_path, "cam")
        send = simulate.kafka_door(Away(), stop)
        return await simulate.play(CAMERA, lambda: iter(pictures), send, sequence, stop)

    assert asyncio.run(told()) == {"accepted": 2}
    assert len(asked) == 5
    assert len(set(asked[:4])) == 1  # the same frame, again and again


def test_a_loop_begins_again_and_a_limit_ends_it(tmp_path):
    async def told():
        async def send(frame):
            return "accepted"

        pictures = [sources.Picture(JPEG, 0.0)] * 2
        sequence = simulate.Sequence(tmp_path, "cam")
        return await simulate.play(CAMERA, lambda: iter(pictures), send, sequence, asyncio.Event(), loop=True, frames=5)

    assert asyncio.run(told()) == {"accepted": 5}


def test_the_pace_is_kept_and_lost_time_is_not_hurried_after(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(sources.time, "monotonic", lambda: clock[0])
    pace = sources.Pace()
    assert pace.wait_s(0.0) == 0
    assert pace.wait_s(0.5) == 0.5
    clock[0] = 110.0
    assert pace.wait_s(1.0) == 0
    assert pace.wait_s(1.5) == 0.5
    assert pace.wait_s(None) == 0


def test_the_command_names_its_parts(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("simulate", "hotlist", "topics"))
    assert set(COMMANDS) >= {"run", "smoke", "simulate", "hotlist", "topics"}


def test_a_setting_that_is_wrong_ends_with_78(tmp_path, capsys):
    assert main(["simulate", "--device", str(tmp_path / "missing.key"), "--source", "drive"]) == 78
    assert "missing.key" in capsys.readouterr().err


def test_topics_are_listed(capsys):
    assert main(["topics", "list"]) == 0
    shown = capsys.readouterr().out
    assert "cad.<agency>.hits" in shown
    assert "frames" in shown


def test_a_canary_shows_one_plate_again_and_again_a_minute_apart():
    given = {"fps": 2.0, "moment_s": 60.0, "part": 0, "parts": 1, "seed": 1}
    shown = sources.pictures("canary", plates=["7CNR001"], **given)
    first, second, third = itertools.islice(shown, 3)
    assert [picture.due_s for picture in (first, second, third)] == [0.0, 60.0, 120.0]
    assert first.jpeg.startswith(b"\xff\xd8")
    assert first.jpeg == third.jpeg
    for plates in (None, ["7CNR001", "7CNR002"]):
        with pytest.raises(Misconfigured):
            sources.pictures("canary", plates=plates, **given)
