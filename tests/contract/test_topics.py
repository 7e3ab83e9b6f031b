"""The topic files say what the design says, for every topic that the code knows."""

import pytest

from alprcore.topics import Topic
from tests.contract.contract import FILES, PROTO, TOPICS

SPECS = [pytest.param(spec, id=name) for name, spec in TOPICS.items()]
FIELDS = {
    "topic", "purpose", "key", "value", "writers", "readers", "groups", "partitions", "cleanup", "retention_ms",
    "retention_bytes", "segment_ms", "max_compaction_lag_ms", "max_message_bytes", "dead_letter",
}  # fmt: skip


def test_every_topic_of_the_code_has_a_file_and_the_other_way_round():
    written = {spec["topic"] for spec in TOPICS.values() if not spec["topic"].endswith("-changelog")}
    assert written == {topic.value for topic in Topic}


def test_installed_topics_are_the_written_ones():
    assert {path.stem for path in (PROTO / "topics").glob("*.yaml")} == set(TOPICS)


@pytest.mark.parametrize("spec", SPECS)
def test_fields(spec):
    assert set(spec) <= FIELDS
    assert all(spec[name] for name in ("topic", "purpose", "key", "value", "writers", "readers", "partitions"))


@pytest.mark.parametrize("spec", SPECS)
def test_old_records_go_in_time(spec):
    for rules in filter(None, (spec, spec.get("dead_letter"))):
        if "delete" in rules["cleanup"]:
            assert 0 < rules["segment_ms"] <= rules["retention_ms"] / 4
        else:
            assert 0 < rules["segment_ms"] <= rules["max_compaction_lag_ms"] / 4
            assert "retention_ms" not in rules


def test_topics_joined_by_skeleton_have_equally_many_partitions():
    assert (
        len({TOPICS[name]["partitions"] for name in ("reads", "hotlist", "hits", "alpr-matcher-last_sent-changelog")})
        == 1
    )


def test_topics_that_are_followed_whole_have_one_partition():
    compacted = {name for name, spec in TOPICS.items() if spec["cleanup"] == "compact"} - {"hotlist"}
    assert {TOPICS[name]["partitions"] for name in compacted} == {1}


def test_a_dead_letter_holds_more_than_the_message_it_was():
    for spec in TOPICS.values():
        if "dead_letter" in spec:
            assert spec["dead_letter"]["max_message_bytes"] > spec["max_message_bytes"]


@pytest.mark.parametrize("spec", SPECS)
def test_values_are_messages_of_the_contract(spec):
    known = {f"alpr.v1.{name}" for file in FILES for name in file.message_types_by_name}
    assert spec["value"] in known or spec["value"].startswith(("application/cloudevents+json ", "faust json"))
