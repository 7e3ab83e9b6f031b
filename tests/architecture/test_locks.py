"""The lock files agree with each other and pin every package by hash."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "requirements"
FILES = sorted(FOLDER.glob("*.txt"))


def pins(file):
    """(name, version, marker, hashes) of each package."""
    text = re.sub(r"^\s*#.*\n?", "", file.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip():
            requirement, *hashes = line.split("--hash=")
            name, _, rest = requirement.partition("==")
            version, _, marker = rest.partition(";")
            yield name.strip(), version.strip(), marker.strip(), hashes


def test_there_is_a_file_for_every_service_and_for_development():
    assert {file.stem for file in FILES} == {
        *("ingest", "recognizer", "recognizer-gpu", "matcher", "audit", "retention", "console", "cli"),
        *("dev", "models", "test", "build"),
    }  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_package_is_pinned_by_hash(file):
    found = list(pins(file))
    assert found
    assert [name for name, version, _, hashes in found if not version or not hashes] == []


def test_one_version_per_package_over_all_files():
    versions = defaultdict(set)
    for file in FILES:
        for name, version, marker, _ in pins(file):
            versions[name, marker].add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("heavy", "files"),
    [
        ("ultralytics", {"models"}),
        ("paddlepaddle", {"models"}),
        ("torch", {"models", "recognizer-gpu"}),
        ("openvino", {"models", "recognizer"}),
    ],
)
def test_what_is_heavy_stays_where_it_is_needed(heavy, files):
    assert {file.stem for file in FILES if heavy in {name for name, *_ in pins(file)}} == files


@pytest.mark.parametrize(
    ("file", "opencv"),
    [
        ("models", "opencv-contrib-python"),
        ("recognizer", "opencv-python-headless"),
        ("recognizer-gpu", "opencv-python-headless"),
    ],
)
def test_one_opencv_and_everywhere_the_same_release(file, opencv):
    found = {name: version for name, version, *_ in pins(FOLDER / f"{file}.txt") if name.startswith("opencv")}
    assert found == {opencv: "4.10.0.84"}
