"""What an agency's CAD gets with an alert: only with topics of its own, with the chain before it, with links that open."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from alpr_matcher.alerts.notify import LastSent, decide_notification
from alpr_matcher.streams import cad
from alprcore.kafka import KafkaSettings
from alprcore.seal import ListKeys
from alprcore.topics import Topic
from tests.contract.test_cad_schema import faults
from tests.unit.matcher.build import NOW, PROFILE
from tests.unit.matcher.test_notify import after, make_hit

KEYS = ListKeys({"k": bytes(32)}, "k")


def made(hit, alert, monkeypatch, topics=("hits", "notifications"), public_url="https://alpr.example"):
    async def existing(_):
        return frozenset(f"t.cad.{hit.read.agency}.{name}" for name in topics)

    monkeypatch.setattr(cad, "existing_topics", existing)
    settings = SimpleNamespace(
        kafka=KafkaSettings(bootstrap="x:1", topic_prefix="t."), public_url=public_url, link_minutes=15
    )
    return asyncio.run(cad.CadTopics(settings, KEYS, "alpr-matcher", lambda: NOW).messages(hit, alert))


def test_hit_and_notifications_for_the_agency_that_has_topics(monkeypatch):
    hit = make_hit()
    out = made(hit, decide_notification(hit, None, PROFILE, NOW), monkeypatch)
    assert [topic for topic, *_ in out] == [Topic.CAD_HITS] + [Topic.CAD_NOTIFICATIONS] * len(PROFILE.display_targets)
    for _, name, value, agency in out:
        event = json.loads(value)
        assert faults(event) == []
        assert (event["id"], agency) == (name, hit.read.agency)
        assert [image["role"] for image in event["data"]["images"]] == ["closeup", "context"]
        assert hit.read.plate.reveal() not in "".join(image["url"] for image in event["data"]["images"])


@pytest.mark.parametrize(("topics", "count"), [((), 0), (("hits",), 1), (("status",), 0)])
def test_an_agency_without_topics_gets_nothing(topics, count, monkeypatch):
    hit = make_hit()
    assert len(made(hit, decide_notification(hit, None, PROFILE, NOW), monkeypatch, topics)) == count


def test_no_links_where_nobody_said_under_which_address(monkeypatch):
    hit = make_hit()
    (_, _, value, _), *_ = made(hit, decide_notification(hit, None, PROFILE, NOW), monkeypatch, public_url="")
    assert "images" not in json.loads(value)["data"]


def chain(alert, hit, monkeypatch):
    caps = [json.loads(value)["data"]["cap"] for _, _, value, _ in made(hit, alert, monkeypatch, ("notifications",))]
    return [(cap["msgType"], cap["identifier"], cap.get("references", "").split(",")) for cap in caps]


def test_each_message_names_the_one_before_for_the_same_target(monkeypatch):
    first_hit, second_hit, third_hit = (after(60 * n, n + 1) for n in range(3))
    first = decide_notification(first_hit, None, PROFILE, NOW)
    second = decide_notification(second_hit, first.memory, PROFILE, NOW + timedelta(minutes=1))
    kept = LastSent.from_json(second.memory.to_json())  # as the table has it after a restart
    third = decide_notification(third_hit, kept, PROFILE, NOW + timedelta(minutes=2))
    opened, updated, again = (
        chain(alert, hit, monkeypatch) for alert, hit in ((first, first_hit), (second, second_hit), (third, third_hit))
    )
    assert {kind for kind, _, _ in opened} == {"Alert"}
    assert all(references == [""] for _, _, references in opened)
    sender = f"plateline.{first_hit.read.agency}"
    sent = NOW.strftime("%Y-%m-%dT%H:%M:%S-00:00")
    for (_, before, _), (kind, name, references), (_, _, later) in zip(opened, updated, again, strict=True):
        assert (kind, references) == ("Update", [sender, before, sent])
        assert later[1] == name


def test_a_recall_cancels_what_was_told(monkeypatch):
    hit = make_hit()
    first = decide_notification(hit, None, PROFILE, NOW)
    gone = replace(hit, revision=1, withdrawn_at=NOW, withdrawn_reason="not_listed")
    recall = decide_notification(gone, first.memory, PROFILE, NOW + timedelta(seconds=5))
    for (_, before, _), (kind, _, references) in zip(
        chain(first, hit, monkeypatch), chain(recall, gone, monkeypatch), strict=True
    ):
        assert (kind, references[1]) == ("Cancel", before)


def test_memory_of_an_older_release_is_understood():
    old = json.loads(decide_notification(make_hit(), None, PROFILE, NOW).memory.to_json())
    for sent in old["hits"]:
        del sent["told_us"]
    memory = LastSent.from_json(json.dumps(old).encode())
    assert memory is not None
    assert decide_notification(after(5, 2), memory, PROFILE, NOW).before is None
