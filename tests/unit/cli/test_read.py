"""`alpr read` from the command line to its lines, files and exit status; the models are replaced by a reader of marks."""

import argparse
import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from alpr_cli import inputs, read, tables
from alpr_cli.inputs import Input
from alpr_cli.main import main
from alpr_recognizer.models.fake import MARK

STUB = Path(__file__).with_name("stub_desk.py")


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """The command's desk, with a reader that takes plates from marks behind the picture."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} {STUB}\n")
    python.chmod(0o755)
    monkeypatch.setenv("ALPR_RECOGNIZER_PYTHON", str(python))


@pytest.fixture
def photos(tmp_path, monkeypatch):
    folder = tmp_path / "photos"
    monkeypatch.chdir(tmp_path)
    photo(folder / "b/two.jpg", ("7ABC123", 0.99, 500), ("4XYZ987", 0.6, 100))
    photo(folder / "a.jpg", ("8DEF456", 0.95, 10))
    photo(folder / "none.jpg")
    return folder


def photo(path, *plates):
    path.parent.mkdir(parents=True, exist_ok=True)
    out = io.BytesIO()
    Image.new("RGB", (1280, 720), (90, 90, 90)).save(out, "JPEG")
    marks = [[x, 200, 90, 45, text, probability ** (1 / len(text))] for text, probability, x in plates]
    path.write_bytes(out.getvalue() + MARK + json.dumps(marks).encode())


def test_a_folder_becomes_a_table_sorted_and_relative(desk, photos, capsys):
    assert main(["read", "photos"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["FILE", "PLATE"], ["a.jpg", "8DEF456"], ["none.jpg", "no"], ["b/two.jpg", "4XYZ987"], ["b/two.jpg", "7ABC123"],
    ]  # fmt: skip
    assert lines[1].split()[2:] == ["95.0", "%", "unknown", "10", "200", "90", "45"]
    assert len({line.index(word) for line, word in zip(lines[1:], ("8DEF", "no pl", "4XYZ", "7ABC"), strict=True)}) == 1


def test_json_lines_carry_the_names_of_the_contract(desk, photos, capsys):
    from alpr.v1 import reads_pb2

    assert main(["read", "--json", "photos"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["plate"] for line in lines] == ["8DEF456", "4XYZ987", "7ABC123"]
    first = lines[0]
    assert first["source"] == "a.jpg"
    assert first["box"] == {"x": 10.0, "y": 200.0, "width": 90.0, "height": 45.0}
    assert first["characters"][0]["first"] == "8"
    assert set(first) - {"source", "kind"} <= set(reads_pb2.Read.DESCRIPTOR.fields_by_name)


def test_the_csv_is_what_scorers_take(desk, photos, capsys):
    assert main(["read", "photos", "--csv", "out/plates.csv", "--min-probability", "0.7"]) == 0
    with Path("out/plates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["plate"]) for row in rows] == [("a.jpg", "8DEF456"), ("b/two.jpg", "7ABC123")]
    assert list(rows[0])[:8] == ["file", "plate", "x", "y", "w", "h", "state", "score"]
    assert (rows[0]["x"], rows[0]["score"], rows[0]["state"]) == ("10.0", "0.95", "unknown")


def test_states_of_the_us_stand_as_two_letters_beside_the_whole_code():
    out = io.StringIO()
    sheet = tables.Sheet(out)
    for state in ("US-VA", "BR", "unknown"):
        sheet.read(Input("picture", "a", "a"), read_of(state=state, state_confidence=0.5))
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [(row["state"], row["origin"]) for row in rows] == [
        ("VA", "US-VA"),
        ("unknown", "BR"),
        ("unknown", "unknown"),
    ]


def read_of(**other):
    fields = {
        "plate": "7ABC123", "plate_raw": "7ABC123", "confidence": 0.9, "state": "unknown", "state_confidence": 0.0,
        "unreadable_reason": "", "box": {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0}, "corners": [],
        "time_s": 1.0, "first_s": 0.5, "last_s": 75.25, "frames": 3,
    }  # fmt: skip
    return fields | other


def test_an_unreadable_plate_is_shown_as_such_with_its_reason():
    out = io.StringIO()
    given = Input("video", "clip.mp4", "clip.mp4")
    table = tables.Table(out, [given])
    table.read(given, read_of(plate="", unreadable_reason="BLURRED"))
    table.read(given, read_of(plate="", plate_raw="", unreadable_reason=""))
    table.read(given, read_of(state="US-CA", state_confidence=0.9999))
    head, blurred, unread, sure = out.getvalue().splitlines()
    assert "7ABC123?" in blurred
    assert blurred.endswith("unreadable: blurred")
    assert unread.split()[4] == "?"
    assert "US-CA 99.9 %" in sure
    assert "0:00.5 - 1:15.2" in sure
    assert head.index("PLATE") == blurred.index("7ABC123?") == sure.index("7ABC123")


def test_what_cannot_be_read_is_named_and_the_others_go_on(desk, photos, capsys):
    (photos / "bad.png").write_bytes(b"no picture at all")
    (photos / "empty.jpg").touch()
    (photos / "cut.jpg").write_bytes((photos / "a.jpg").read_bytes()[:700])
    (photos / "notes.txt").write_text("milk")
    assert main(["read", "photos", "missing.jpg", "photos/a.jpg"]) == 1
    said = capsys.readouterr()
    assert said.out.count("8DEF456") == 1  # given twice, read once
    assert sorted(said.err.splitlines()) == [
        "alpr read: bad.png: is not a picture",
        "alpr read: cut.jpg: is cut off, its end is missing",
        "alpr read: empty.jpg: is empty",
        "alpr read: missing.jpg: does not exist",
        "alpr read: passed over, neither picture nor video: 1 of the files",
    ]


def test_annotated_pictures_and_close_ups_are_written_and_not_read_again(desk, photos, capsys):
    command = ["read", "photos", "--annotate", "photos/seen", "--closeups", "photos/cut"]
    assert main(command) == 0
    assert {str(path.relative_to(photos)) for path in photos.rglob("*.jpg")} == {
        "a.jpg", "none.jpg", "b/two.jpg", "seen/a.jpg", "seen/none.jpg", "seen/b/two.jpg",
        "cut/a-001.jpg", "cut/b/two-001.jpg", "cut/b/two-002.jpg",
    }  # fmt: skip
    with Image.open(photos / "seen/a.jpg") as seen:
        assert seen.width >= 640
        colors = {color for _, color in seen.convert("P", palette=Image.Palette.WEB).convert("RGB").getcolors(1 << 16)}
    assert len(colors) > 3  # an outline and letters on plain gray
    first = capsys.readouterr().out
    assert main(command) == 0
    assert capsys.readouterr().out == first


def test_a_picture_is_never_written_over(desk, photos, capsys):
    before = (photos / "a.jpg").read_bytes()
    assert main(["read", "photos/a.jpg", "--annotate", "."]) == 2
    assert main(["read", "photos", "--annotate", "photos"]) == 2
    assert "write over" in capsys.readouterr().err
    assert (photos / "a.jpg").read_bytes() == before


def test_ctrl_c_ends_with_what_was_read_so_far(desk, photos):
    for number in range(40):
        photo(photos / f"n{number:02}.jpg", ("8DEF456", 0.95, 10))
    command = [sys.executable, "-m", "alpr_cli", "read", "photos"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"STUB_SLOW": "0.5"}
    )
    lines = [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors == ""
    assert 3 <= len(lines) + len(rest.splitlines()) < 40


def test_lines_may_be_cut_short_by_whoever_takes_them(desk, photos):
    command = [sys.executable, "-m", "alpr_cli", "read", "photos", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 0


def test_without_the_models_one_command_is_named_that_installs_them(photos, monkeypatch, capsys):
    for python in (sys.executable, "/nowhere/python"):
        monkeypatch.setenv("ALPR_RECOGNIZER_PYTHON", python)
        if python == sys.executable and has_models():
            continue
        assert main(["read", "photos/a.jpg"]) == 78
        assert "make setup-models" in capsys.readouterr().err


def has_models():
    import importlib.util

    return importlib.util.find_spec("cv2") is not None


@pytest.mark.parametrize(
    "words", [[], ["a.jpg", "--fps", "0"], ["a.jpg", "--min-probability", "2"], ["a.jpg", "--for", "never"], ["--odd"]]
)
def test_wrong_usage_ends_with_two(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["read", *words])
    assert ended.value.code == 2


def test_times_are_given_with_their_unit():
    assert [read.seconds(text) for text in ("30s", "5m", "1h", "2.5")] == [30, 300, 3600, 2.5]
    with pytest.raises(argparse.ArgumentTypeError):
        read.seconds("0s")


def test_a_password_of_an_address_is_never_shown(desk, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    address = "rtsp://guard:hush@127.0.0.1:1/street?token=hush"
    found = inputs.find([address])
    assert [one.name for one in found.fit] == ["rtsp://127.0.0.1:1/street"]
    main(["read", address, "--for", "1s"])
    said = capsys.readouterr()
    assert "hush" not in said.out + said.err
    assert "guard" not in said.out + said.err


def test_files_are_told_apart_by_name_and_then_by_content(tmp_path):
    photo(tmp_path / "one/picture")
    (tmp_path / "one/clip.MP4").write_bytes(b"x")
    (tmp_path / "two/deep").mkdir(parents=True)
    (tmp_path / "two/deep/IMG_1.HEIC").write_bytes(b"x")
    (tmp_path / "two/.hidden.jpg").write_bytes(b"x")
    found = inputs.find([str(tmp_path / "one/picture"), str(tmp_path / "one"), str(tmp_path / "two")])
    assert [(one.kind, Path(one.name).name) for one in found.fit] == [
        ("picture", "picture"), ("video", "clip.MP4"), ("picture", "IMG_1.HEIC"),
    ]  # fmt: skip
    assert found.passed_over == 1  # the nameless picture: within a folder names decide
    assert found.unfit == ()
