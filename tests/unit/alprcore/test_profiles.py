"""Profiles as data: the shipped ones load, broken ones are refused by name of the key."""

import json
from pathlib import Path

import pytest

from alprcore.errors import Misconfigured
from alprcore.glossary import terms
from alprcore.profiles import load_profiles, profile_from_json, shipped_documents


def test_the_five_agencies_and_the_demonstration_ship() -> None:
    assert set(load_profiles()) == {"irvine", "westminster", "claremont", "escondido", "roseville", "demo"}


def test_the_version_follows_the_content() -> None:
    document = json.loads(shipped_documents()["roseville"])
    before = profile_from_json(json.dumps(document))
    document["retention_years_fixed"] = 3
    after = profile_from_json(json.dumps(document))
    assert before.version.startswith("426@")
    assert after.version.startswith("426@")
    assert before.version != after.version


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("retention_years_fixed", 0, "RET-01"),
        ("retention_clock", "whenever", "retention_clock"),
        ("timezone", "Mars/Olympus", "timezone"),
        ("gates", {"verify": "maybe"}, "gates"),
        ("second_factor", "never", "second_factor"),
        ("display_targets", [], "display_targets"),
        ("invented", 1, "invented"),
        ("purposes", None, "not iterable"),
    ],
)
def test_a_broken_profile_is_refused_by_the_name_of_the_key(key: str, value: object, words: str) -> None:
    document = json.loads(shipped_documents()["irvine"]) | {key: value}
    with pytest.raises(Misconfigured, match=words):
        profile_from_json(json.dumps(document))


def test_a_folder_with_two_profiles_of_one_agency_is_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(shipped_documents()["irvine"])
    with pytest.raises(Misconfigured, match="irvine: the agency has two profiles"):
        load_profiles(tmp_path)


def test_every_wording_defines_every_term() -> None:
    common = [term.code for term in terms("")]
    for profile in load_profiles().values():
        worded = terms(profile.wording)
        assert [term.code for term in worded] == common
        assert all(term.wording for term in worded)
