"""Which topics carry ALPR records, and how long they may keep them."""

from datetime import timedelta
from pathlib import Path

import pytest

from alprcore.kafka import load_topic_specs
from alprcore.profiles import load_profiles
from alprcore.topics import STREAMS_KEEP, Topic, bounded, stream_fault, streams_keep
from tests.fixtures.keeping import keeping

DAY_MS = 86_400_000
GOOD = {"cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS), "segment.ms": str(DAY_MS)}


@pytest.mark.parametrize("name", ["frames", "reads", "hits", "notifications", "cad.demo.hits", "cad.demo.status",
                                  "frames.dlq", "hotlist.dlq", "audit.dlq", "cad.demo.hits.dlq"])  # fmt: skip
def test_topics_with_records_and_all_dead_letters_are_bounded(name):
    assert bounded(name)


@pytest.mark.parametrize(
    "name", ["hotlist", "devices", "image.keys", "purges", "audit.checkpoints", "framesx", "my.reads"]
)
def test_other_topics_are_not(name):
    assert not bounded(name)


@pytest.mark.requirement("RET-11", partial="the rule; a service that starts is in test_streams_kept")
def test_every_topic_that_ships_with_records_is_kept_for_a_week_at_most_and_none_is_compacted():
    shipped = {spec.name.replace("<agency>", "demo"): spec.config for spec in load_topic_specs()}
    mine = {name: config for name, config in shipped.items() if bounded(name)}
    assert {"frames", "reads", "hits", "notifications", "frames.dlq", "reads.dlq", "hits.dlq"} <= mine.keys()
    assert len(mine) >= len(Topic)
    assert [fault for name, config in mine.items() if (fault := stream_fault(name, config, STREAMS_KEEP))] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cleanup.policy": "compact"}, "cleanup.policy is compact"),
        ({"cleanup.policy": "compact,delete"}, "cleanup.policy is compact,delete"),
        ({"retention.ms": str(7 * DAY_MS + 1)}, "at most 604800000"),
        ({"retention.ms": "-1"}, "retention.ms is -1"),
        ({"retention.ms": ""}, "retention.ms"),
        ({"segment.ms": str(2 * DAY_MS)}, "at most a quarter"),
        ({"segment.ms": "-1"}, "segment.ms"),
    ],
)
@pytest.mark.requirement("RET-11", partial="the rule; a service that starts is in test_streams_kept")
def test_a_topic_that_keeps_longer_is_named(change, words):
    fault = stream_fault("reads", GOOD | change, STREAMS_KEEP)
    assert fault.startswith("reads: ")
    assert words in fault
    assert stream_fault("reads", GOOD, STREAMS_KEEP) == ""
    assert "not known" in stream_fault("reads", {}, STREAMS_KEEP)


@pytest.mark.requirement("RET-11", partial="the rule; a service that starts is in test_streams_kept")
def test_no_topic_keeps_longer_than_the_shortest_period_of_a_policy():
    profiles = load_profiles()
    assert streams_keep(profiles.values()) == timedelta(days=7)
    assert streams_keep([]) == timedelta(days=7)
    short = keeping(profiles["demo"], mobile="3 days", schedule=(), statute="of another state")
    assert streams_keep([*profiles.values(), short]) == timedelta(days=3)
    assert "at most 259200000" in stream_fault("hits", GOOD, streams_keep([short]))


@pytest.mark.requirement("RET-11", partial="the rule; a service that starts is in test_streams_kept")
@pytest.mark.parametrize("service", ["ingest", "recognizer", "matcher", "audit", "retention", "console"])
def test_every_service_looks_at_its_topics_from_the_start(service):
    main = Path(__file__).parents[3] / "services" / service / "src" / f"alpr_{service}" / "main.py"
    assert "watch_streams(settings.kafka, " in main.read_text("utf-8")
