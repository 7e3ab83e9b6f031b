"""The house keeps its shape: few files with known names, each explained, none too long."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("ingest", "recognizer", "matcher", "audit")
FEATURED = ("retention", "console")
SERVICES = (*SMALL, *FEATURED)
ROOMS = {"__main__", "main", "settings", "metrics", "api", "app", "store", "models"}
LONGEST_FILE, LONGEST_TEST = 450, 600  # about 400: nobody splits a file for a docstring; a story of tests may go on


def tracked(*patterns):
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def rule_rooms():
    """The rooms that the purity contract covers, as module names."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    return set(contracts["importlinter:contract:rules-are-pure"]["source_modules"].split())


@pytest.mark.parametrize("service", SMALL)
def test_a_small_service_has_at_most_eight_rooms_and_every_rule_room_is_pure(service):
    package = ROOT / f"services/{service}/src/alpr_{service}"
    names = {path.stem for path in package.glob("*.py")} - {"__init__"}
    assert len(names) <= 8
    assert {"__main__", "main", "settings", "metrics"} <= names
    assert {f"alpr_{service}.{name}" for name in names - ROOMS} <= rule_rooms()


@pytest.mark.parametrize("service", FEATURED)
def test_every_feature_has_the_same_rooms(service):
    package = ROOT / f"services/{service}/src/alpr_{service}"
    features = [path.parent for path in package.glob("*/rules.py")]
    assert features
    for feature in features:
        names = {path.stem for path in feature.glob("*.py")} - {"__init__"}
        assert names <= {"api", "pages", "store", "rules"}, feature.name
        assert f"alpr_{service}.{feature.name}.rules" in rule_rooms()


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_explains_itself(service):
    assert len((ROOT / f"services/{service}/README.md").read_text().split()) > 100


def test_every_topic_has_examples():
    for file in tracked("proto/topics/*.yaml"):
        spec = yaml.safe_load(file.read_text())
        if spec["value"].startswith("faust"):
            continue  # the stream library's own format
        topic = spec["topic"]
        assert list((ROOT / "proto/examples" / topic.replace("<agency>.", "")).iterdir()), topic


def test_no_file_is_too_long():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked("*.py", "*.sql", "*.html", "*.sh")
        if "gen" not in path.parts and "static" not in path.parts
        if (lines := len(path.read_text().splitlines()))
        > (LONGEST_TEST if path.name.startswith("test_") else LONGEST_FILE)
    }
    assert long == {}


def test_nothing_is_left_unfinished():
    marks = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    found = [str(path.relative_to(ROOT)) for path in tracked("*.py", "*.sql", "*.sh") if marks.search(path.read_text())]
    assert found == []


def test_every_decision_has_the_same_five_headings():
    decisions = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert [path.name[:4] for path in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    for path in decisions:
        headings = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Alternatives", "References"], path.name
