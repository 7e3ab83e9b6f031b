"""`alpr read` with the shipped models on drawn pictures, a drawn video and a drawn live camera, and without a network."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from PIL import Image

from alpr_cli.main import main
from alprdraw.scenes import render_drive
from tests.fixtures.rtsp import Camera

pytestmark = pytest.mark.models

PLATES = ["7KVM382", "4TRW555"]
SURE = ["--min-probability", "0.8"]  # what is written on drawn shops is no plate, and not read as surely as one


@pytest.fixture(scope="module", autouse=True)
def _own_interpreter():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALPR_RECOGNIZER_PYTHON", sys.executable)
        yield


@pytest.fixture(scope="module")
def scenes():
    return list(render_drive(3, PLATES))


@pytest.fixture(scope="module")
def nearest(scenes):
    """The last frame of each vehicle, where its plate is largest."""
    return [[scene for scene in scenes if scene.plates[0][0] == text][-1] for text in PLATES]


def read(capsys, *words):
    status = main(["read", "--json", *SURE, *(str(word) for word in words)])
    said = capsys.readouterr()
    return status, [json.loads(line) for line in said.out.splitlines()], said.err


def meets(box, plate):
    _, x, y, width, height = plate
    left, right = max(box["x"], x), min(box["x"] + box["width"], x + width)
    top, bottom = max(box["y"], y), min(box["y"] + box["height"], y + height)
    shared = max(0, right - left) * max(0, bottom - top)
    return shared / (width * height + box["width"] * box["height"] - shared) > 0.5


def test_pictures_of_all_kinds_are_read_in_their_own_pixels(nearest, tmp_path, capsys):
    scene = nearest[0]
    image = Image.fromarray(scene.image)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(tmp_path / "a.png")
    image.rotate(90, expand=True).save(tmp_path / "b.jpg", exif=exif, quality=95)
    image.convert("CMYK").save(tmp_path / "c.jpg", quality=95)
    image.resize((5120, 2880)).save(tmp_path / "d.webp", quality=90)
    (tmp_path / "e.jpg").write_bytes((tmp_path / "c.jpg").read_bytes()[:9000])
    status, lines, errors = read(capsys, tmp_path, "--csv", tmp_path / "out.csv", "--annotate", tmp_path / "seen")
    assert status == 1
    assert "e.jpg: is cut off" in errors
    assert "d.webp: read at" in errors
    assert [(line["source"], line["plate"]) for line in lines] == [
        (name, PLATES[0]) for name in ("a.png", "b.jpg", "c.jpg", "d.webp")
    ]
    assert all(meets(line["box"], scene.plates[0]) for line in lines[:3])
    assert meets({key: value / 4 for key, value in lines[3]["box"].items()}, scene.plates[0])
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [row["plate"] for row in csv.DictReader(file)] == [PLATES[0]] * 4
    with Image.open(tmp_path / "seen/b.jpg") as seen, Image.open(tmp_path / "seen/d.webp.jpg") as great:
        assert seen.size == (1280, 720)
        assert great.width < 5120


@pytest.mark.parametrize(("name", "code"), [("drive.mp4", "mp4v"), ("drive.avi", "MJPG")])
def test_a_video_gives_one_row_a_passage(scenes, tmp_path, capsys, name, code):
    height, width = scenes[0].image.shape[:2]
    writer = cv2.VideoWriter(str(tmp_path / name), cv2.VideoWriter.fourcc(*code), 5, (width, height))
    for scene in scenes:
        writer.write(cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR))
    writer.release()
    status, lines, errors = read(capsys, tmp_path / name, "--annotate", tmp_path / "seen")
    assert (status, errors) == (0, "")
    assert [line["plate"] for line in lines] == PLATES
    each = len(scenes) // len(PLATES)
    for number, line in enumerate(lines):
        assert 2 <= line["frames"] <= each
        assert number * each / 5 <= line["first_s"] < line["last_s"] < (number + 1) * each / 5
        shown = scenes[round(line["time_s"] * 5)]
        assert meets(line["box"], shown.plates[0])
    assert [path.name for path in sorted((tmp_path / "seen").rglob("*.jpg"))] == [
        f"{name}-{number:03}.jpg" for number in (1, 2)
    ]


def test_broken_videos_say_so_and_what_was_read_stays(scenes, tmp_path, capsys):
    height, width = scenes[0].image.shape[:2]
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5, (width, height))
    for scene in scenes:
        writer.write(cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR))
    writer.release()
    whole = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "a.avi").write_bytes(whole[: len(whole) * 6 // 10])
    (tmp_path / "b.mp4").write_bytes(b"no video at all")
    status, lines, errors = read(capsys, tmp_path)
    assert status == 1
    assert PLATES[0] in [line["plate"] for line in lines]
    assert "b.mp4: is not a video, or damaged" in errors


def test_a_live_camera_is_read_as_it_comes_and_its_password_stays_secret(scenes, capsys):
    images = [scene.image for scene in scenes]
    with Camera(images, 5, user="guard", password="hush") as camera:
        status, lines, errors = read(capsys, f"rtsp://guard:hush@127.0.0.1:{camera.port}/street")
        refused = read(capsys, f"rtsp://guard:wrong@127.0.0.1:{camera.port}/street")
    assert {PLATES[0], PLATES[1]} <= {line["plate"] for line in lines}
    assert (status, errors) == (1, f"alpr read: rtsp://127.0.0.1:{camera.port}/street: the stream was lost\n")
    assert all("captured_at" in line for line in lines)
    assert refused == (1, [], f"alpr read: rtsp://127.0.0.1:{camera.port}/street: gives no stream\n")


def test_a_live_camera_is_watched_for_the_time_given(scenes, capsys):
    with Camera([scene.image for scene in scenes] * 20, 5) as camera:
        status, lines, errors = read(capsys, f"rtsp://127.0.0.1:{camera.port}/street", "--for", "4s")
    assert (status, errors) == (0, "")
    assert lines


def test_pictures_of_plates_alone_are_read_as_they_are(nearest, tmp_path, capsys):
    for scene, text in zip(nearest, PLATES, strict=True):
        _, x, y, width, height = scene.plates[0]
        box = (round(x) - 2, round(y) - 2, round(x + width) + 2, round(y + height) + 2)
        Image.fromarray(scene.image).crop(box).save(tmp_path / f"{text}.png")
    for words in ([], ["--cut"]):
        status, lines, _ = read(capsys, tmp_path, *words)
        assert status == 0
        assert [line["plate"] for line in lines] == sorted(PLATES)


def test_other_weights_are_taken_from_the_folder_given(nearest, tmp_path, capsys):
    import alpr_recognizer

    shipped = Path(alpr_recognizer.__file__).parent / "weights"
    shutil.copytree(shipped, tmp_path / "weights")
    Image.fromarray(nearest[0].image).save(tmp_path / "a.jpg", quality=95)
    status, lines, _ = read(capsys, tmp_path / "a.jpg", "--weights", tmp_path / "weights")
    assert (status, [line["plate"] for line in lines]) == (0, [PLATES[0]])
    shutil.rmtree(tmp_path / "weights/reader")
    assert main(["read", str(tmp_path / "a.jpg"), "--weights", str(tmp_path / "weights")]) == 78
    assert "reader" in capsys.readouterr().err


def test_nothing_is_asked_of_any_network(nearest, tmp_path):
    alone = ["unshare", "--net", "--map-root-user"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("a network namespace of one's own cannot be made here")
    Image.fromarray(nearest[0].image).save(tmp_path / "a.jpg", quality=95)
    tried = "import socket; socket.create_connection(('127.0.0.1', 1))"
    assert "unreachable" in subprocess.run([*alone, sys.executable, "-c", tried], capture_output=True, text=True).stderr
    command = [*alone, sys.executable, "-m", "alpr_cli", "read", "--json", *SURE, str(tmp_path / "a.jpg")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["plate"] for line in done.stdout.splitlines()] == [PLATES[0]]
