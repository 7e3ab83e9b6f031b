"""proto/asyncapi.yaml is made from the topics and the messages, and says what they say now."""

import subprocess
import sys

import pytest
import yaml

from tests.contract.contract import PROTO, TOPICS

DOCUMENT = yaml.safe_load((PROTO / "asyncapi.yaml").read_text("utf-8"))


@pytest.mark.parametrize("maker", ["asyncapi.py", "topics_page.py"])
def test_no_drift(maker):
    tool = PROTO.parent / "tools" / maker
    done = subprocess.run([sys.executable, tool, "--check"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_topic_and_its_dead_letters_are_a_channel():
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    names = {spec["topic"] for spec in TOPICS.values()}
    dead = {f"{spec['topic']}.dlq" for spec in TOPICS.values() if "dead_letter" in spec}
    assert {address.replace("{agency}", "<agency>") for address in addresses} == names | dead


def test_references_point_at_something():
    def references(node):
        match node:
            case {"$ref": target}:
                yield target
            case dict():
                for value in node.values():
                    yield from references(value)
            case list():
                for value in node:
                    yield from references(value)

    targets = set(references(DOCUMENT))
    assert targets
    for target in targets:
        node = DOCUMENT
        for step in target.removeprefix("#/").split("/"):
            node = node[step.replace("~1", "/").replace("~0", "~")]


def test_outsiders_have_their_doors_and_no_other():
    operations = {name: (op["action"], op["channel"]["$ref"]) for name, op in DOCUMENT["operations"].items()}
    assert operations == {
        "publishFrames": ("send", "#/channels/frames"),
        "receiveCadHits": ("receive", "#/channels/cad.hits"),
        "receiveCadNotifications": ("receive", "#/channels/cad.notifications"),
        "sendCadStatus": ("send", "#/channels/cad.status"),
        "witnessCheckpoints": ("receive", "#/channels/audit.checkpoints"),
    }
