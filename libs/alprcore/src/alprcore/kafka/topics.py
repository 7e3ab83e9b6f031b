"""Creating topics from their YAML: the same file serves the local run, containers, clusters and tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import NoError, TopicAlreadyExistsError, for_code

from alprcore.errors import Misconfigured
from alprcore.kafka.publish import translated
from alprcore.kafka.settings import KafkaSettings
from alprcore.topics import TopicSpec, dead_letters

_CONFIG: Final = {
    "cleanup": "cleanup.policy",
    "retention_ms": "retention.ms",
    "retention_bytes": "retention.bytes",
    "segment_ms": "segment.ms",
    "max_compaction_lag_ms": "max.compaction.lag.ms",
    "max_message_bytes": "max.message.bytes",
}


def _spec(name: str, content: Mapping[str, Any]) -> TopicSpec:
    config = {_CONFIG[key]: str(content[key]) for key in _CONFIG if key in content}
    groups = content.get("groups", {})
    readers = tuple(content.get("readers", groups))
    return TopicSpec(name, int(content["partitions"]), config, tuple(content["writers"]), readers, groups)


def _dead_letter_spec(content: Mapping[str, Any]) -> TopicSpec:
    """Describe a topic's dead letters: who reads it in a group puts aside what no retry can save."""
    letters = content["dead_letter"]
    writers = [*content.get("groups", ()), *letters.get("writers", ())]
    return _spec(dead_letters(content["topic"]), {**letters, "writers": writers})


def load_topic_specs(folder: Path | None = None) -> list[TopicSpec]:
    """Read the topics, each with its dead letter topic, from a folder or from those shipped with the contract.

    Raises:
        Misconfigured: no topic is there.
    """
    where: Traversable = folder if folder is not None else files("alpr") / "topics"
    if folder is None and not where.is_dir():  # a checkout that is installed in place
        where = files("alpr").joinpath("..", "..", "topics")
    specs: list[TopicSpec] = []
    for entry in sorted(where.iterdir(), key=lambda item: item.name) if where.is_dir() else ():
        if entry.name.endswith(".yaml"):
            content = yaml.safe_load(entry.read_text(encoding="utf-8"))
            specs.append(_spec(content["topic"], content))
            if "dead_letter" in content:
                specs.append(_dead_letter_spec(content))
    if not specs:
        raise Misconfigured("no topic descriptions found")
    return specs


async def create_topics(
    settings: KafkaSettings, specs: Sequence[TopicSpec], *, agencies: Iterable[str] = (), replication: int = 1
) -> list[str]:
    """Create what does not exist yet; answers the names on the broker that were created.

    A topic with `<agency>` in its name is made once for each agency.
    """
    agencies = list(agencies)
    topics = [
        NewTopic(
            name=settings.topic_prefix + name,
            num_partitions=spec.partitions,
            replication_factor=replication,
            topic_configs=dict(spec.config),
        )
        for spec in specs
        for name in (
            [spec.name.replace("<agency>", agency) for agency in agencies] if "<agency>" in spec.name else [spec.name]
        )
    ]
    admin = AIOKafkaAdminClient(**settings.client_params())
    with translated():
        try:
            await admin.start()
            response = await admin.create_topics(topics)
        finally:
            await admin.close()
        created = []
        for name, code, *_ in response.topic_errors:
            error = for_code(code)
            if error is NoError:
                created.append(name)
            elif error is not TopicAlreadyExistsError:
                raise error(name)
    return created


async def existing_topics(settings: KafkaSettings) -> frozenset[str]:
    """Answer the names of all topics on the broker that we may see. Raises `Transient`."""
    admin = AIOKafkaAdminClient(**settings.client_params())
    with translated():
        try:
            await admin.start()
            return frozenset(await admin.list_topics())
        finally:
            await admin.close()
