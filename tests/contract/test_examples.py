"""Every example is a message that the code can read, write again, and hand to each of its readers."""

import json

import pytest

from alprcore import wire
from alprcore.seal import ListKeys, SigningKey, verify
from alprcore.topics import Topic
from tests.contract.contract import TOPICS, example_bytes, examples
from tests.contract.readers import READERS

CODECS = {
    "frames": (wire.decode_frame, wire.encode_frame),
    "reads": (wire.decode_read, wire.encode_read),
    "hotlist": (wire.decode_bucket, wire.encode_bucket),
    "hotlist.partials": (wire.decode_partial, wire.encode_partial),
    "hotlist.versions": (wire.decode_list_version, wire.encode_list_version),
    "hotlist.alarms": (wire.decode_list_alarm, wire.encode_list_alarm),
    "devices.checks": (wire.decode_device_checks, wire.encode_device_checks),
    "devices": (wire.decode_device, wire.encode_device),
    "profiles": (wire.decode_profile, wire.encode_profile),
    "image.keys": (wire.decode_image_key, wire.encode_image_key),
    "hits": (wire.decode_hit, wire.encode_hit),
    "storm.releases": (wire.decode_storm_release, wire.encode_storm_release),
    "notifications": (wire.decode_notification, wire.encode_notification),
    "purges": (wire.decode_purge_order, wire.encode_purge_order),
    "purge.answers": (wire.decode_purge_answer, wire.encode_purge_answer),
    "audit": (wire.decode_audit_event, wire.encode_audit_event),
    "audit.checkpoints": (wire.decode_checkpoint, wire.encode_checkpoint),
}
BINARY = [pytest.param(topic, path, id=f"{topic}-{path.stem}") for topic in CODECS for path in examples(topic)]
JSON = [
    pytest.param(topic, path, id=f"{topic}-{path.stem}")
    for topic in ("cad.hits", "cad.notifications", "cad.status")
    for path in examples(topic)
]


def headers(topic):
    return {"ce_type": wire.CE_TYPE[Topic(topic)].encode()}


@pytest.mark.parametrize("name", [name for name, spec in TOPICS.items() if "dead_letter" in spec])
def test_every_topic_tells_at_least_two_stories(name):
    assert len(examples(name)) >= 2


def test_every_example_belongs_to_a_topic():
    assert set(CODECS) | {"cad.hits", "cad.notifications", "cad.status"} == {
        name for name, spec in TOPICS.items() if "dead_letter" in spec
    }


@pytest.mark.parametrize(("topic", "path"), BINARY)
def test_example_survives_the_round_trip(topic, path):
    decode, encode = CODECS[topic]
    original = example_bytes(path)
    model = decode(original, headers(topic))
    assert encode(model) == original
    assert decode(encode(model), headers(topic)) == model


@pytest.mark.parametrize(("topic", "path"), BINARY)
def test_every_reader_can_process_the_example(topic, path):
    processed = [
        read(example_bytes(path), headers(topic)) for (_, read_topic), read in READERS.items() if read_topic == topic
    ]
    assert processed


def test_readers_are_those_that_the_topics_name():
    named = {
        (reader, spec["topic"]) for spec in TOPICS.values() for reader in spec["readers"] if "cad." not in spec["topic"]
    }
    assert set(READERS) == {(reader, topic) for reader, topic in named if not topic.endswith("-changelog")}


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in examples("frames")])
def test_frames_are_signed_by_the_recipe_that_vendors_are_given(path):
    frame = wire.decode_frame(example_bytes(path), headers("frames"))
    public = SigningKey(bytes([7]) * 32).public
    assert verify(public, frame.signature, frame.signed_text())
    assert not verify(public, frame.signature, frame.signed_text() + b" ")


def test_sealed_details_open_with_the_example_key():
    keys = ListKeys({"lk-example": bytes([9]) * 32}, "lk-example")
    for path in examples("hotlist"):
        for entry in wire.decode_bucket(example_bytes(path), headers("hotlist")):
            details = wire.decode_entry_details(keys.open(entry.sealed, entry.key_id, entry_id=entry.entry_id))
            assert details.source_key


@pytest.mark.parametrize(("topic", "path"), JSON)
def test_cad_events_are_structured_cloudevents(topic, path):
    event = json.loads(path.read_text("utf-8"))
    assert event["specversion"] == "1.0"
    assert event["type"] in TOPICS[topic]["value"]
    assert {"id", "source", "subject", "time", "data"} <= event.keys()


@pytest.mark.parametrize("kind", ["hit", "notification"])
def test_cad_examples_are_what_the_projection_makes(kind):
    made = {path.stem: path for path in examples(f"cad.{kind}s")}
    decode = CODECS[f"{kind}s"][0]
    for path in (path for path in examples(f"{kind}s") if path.stem in made):  # a broadcast is no CAD's
        event = wire.cad_event(kind, decode(example_bytes(path), headers(f"{kind}s")), source="plateline/matcher")
        assert json.loads(event) == json.loads(made[path.stem].read_text("utf-8"))
        assert b"sealed" not in event
