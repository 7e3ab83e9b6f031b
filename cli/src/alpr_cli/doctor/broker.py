"""Looks at the brokers: do they answer each account, are topics as declared, does one keep records too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, NoError, for_code

from alpr_cli.doctor.found import Found, operator
from alpr_cli.doctor.rules import (
    Finding,
    Level,
    is_local,
    judge_copies,
    judge_encryption,
    judge_partitions,
    judge_topic,
)
from alprcore.errors import Misconfigured, Transient
from alprcore.kafka import KafkaSettings, Plaintext, load_topic_specs
from alprcore.kafka.publish import translated
from alprcore.profiles import load_profiles
from alprcore.topics import TopicSpec, bounded, stream_fault, streams_keep


@dataclass(frozen=True, slots=True)
class Seen:
    """What one account sees: topics with the leader, copies and copies in sync of each partition, their settings."""

    brokers: int
    topics: Mapping[str, Sequence[tuple[int, int, int]]]
    configs: Mapping[str, Mapping[str, str]]
    creates: bool | None
    """Whether the broker makes topics that nobody declared; None: not to be seen with this account."""


async def check_brokers(found: Found, environment: Mapping[str, str], agencies: Sequence[str] | None) -> list[Finding]:
    """Check that each service's account is let in, then the topics with the account that sees most."""
    findings: list[Finding] = []
    seen: Seen | None = None
    asked: dict[str, Finding] = {}
    try:
        own = operator(environment)
    except Misconfigured as error:
        findings.append(Finding("settings", "ALPR_KAFKA_SECURITY", Level.FAIL, str(error)))
        own = None
    accounts: list[tuple[str, KafkaSettings]] = [("operator", own)] if own else []
    for service in found.settings:
        try:
            accounts.append((service, found.kafka(service)))
        except Misconfigured as error:
            findings.append(Finding("broker", service, Level.FAIL, f"kafka_security: {error}", "see docs/security.md"))
    for subject, settings in accounts:
        name = settings.model_dump_json()
        if name in asked:
            findings.append(Finding("broker", subject, asked[name].level, asked[name].words, asked[name].remedy))
            continue
        try:
            looked = await see(settings)
            if seen is None or len(looked.topics) > len(seen.topics):
                seen = looked
            asked[name] = Finding("broker", subject, Level.OK, f"{looked.brokers} brokers answer")
        except (Transient, Misconfigured, KafkaError, OSError) as error:
            words = f"do not answer this account: {error or type(error).__name__}"
            asked[name] = Finding("broker", subject, Level.FAIL, words, "look at address, account and certificates")
        findings.append(asked[name])
        clear = isinstance(settings.security, Plaintext)
        local = all(map(is_local, settings.bootstrap.split(",")))
        findings.append(judge_encryption("broker.tls", subject, encrypted=not clear, local=local))
    if seen is not None:
        specs, longest = load_topic_specs(), streams_keep(load_profiles().values())
        known = sorted(load_profiles()) if agencies is None else agencies
        findings += judge_topics(seen, specs, longest, known, certain=agencies is not None, whole=own is not None)
    return findings


async def see(settings: KafkaSettings) -> Seen:
    """Look at everything that an account may see. Raises `Transient`."""
    admin = AIOKafkaAdminClient(**settings.client_params())
    with translated():
        try:
            await admin.start()
            prefix = settings.topic_prefix
            names = sorted(name for name in await admin.list_topics() if name.startswith(prefix) and name[:2] != "__")
            described = await admin.describe_topics(names) if names else []
            wanted = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
            answers = await admin.describe_configs(wanted) if wanted else []
            cluster = await admin.describe_cluster()
            brokers = [str(one["node_id"]) for one in cluster["brokers"]]
            own = await admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, brokers[0])])
        finally:
            await admin.close()
    configs = {name: config for answer in answers for name, config in _configs(answer)}
    (broker,) = [config for answer in own for _, config in _configs(answer)] or [{}]
    creates = broker.get("auto.create.topics.enable")
    return Seen(
        brokers=len(brokers),
        topics={
            topic["topic"].removeprefix(prefix): [
                (one["leader"], len(one["replicas"]), len(one["isr"])) for one in topic["partitions"]
            ]
            for topic in described
        },
        configs={name.removeprefix(prefix): config for name, config in configs.items()},
        creates=None if creates is None else creates == "true",
    )


def judge_topics(
    seen: Seen, specs: Iterable[TopicSpec], longest: timedelta, agencies: Sequence[str], *, certain: bool, whole: bool
) -> list[Finding]:
    """Compare topics with those declared, none of records kept beyond `longest` (RET-11).

    `certain`: these agencies are those of the deployment, so that their CAD topics must be there. `whole`: the account
    sees everything, so a topic that it does not see is missing.
    """
    findings: list[Finding] = []
    for spec in specs:
        per_agency = "<agency>" in spec.name
        for name in [spec.name.replace("<agency>", agency) for agency in agencies] if per_agency else [spec.name]:
            partitions = seen.topics.get(name)
            if partitions is None:
                if per_agency and not certain:
                    continue  # an agency whose profile ships need not be one of this deployment
                words = "is not there" if whole else "is not there, or not open to this account"
                findings.append(
                    Finding("topics", name, Level.FAIL if whole else Level.NOTE, words, "alpr topics apply")
                )
                continue
            findings += judge_topic(name, spec.config, seen.configs.get(name, {}))
            odd = judge_partitions(name, spec.partitions, len(partitions))
            copies = judge_copies(
                name,
                min(copies for _, copies, _ in partitions),
                min(in_sync for _, _, in_sync in partitions),
                sum(leader < 0 for leader, _, _ in partitions),
                seen.brokers,
            )
            findings += [one for one in (odd, copies) if one is not None]
    for name in sorted(filter(bounded, seen.topics)):
        if fault := stream_fault(name, seen.configs.get(name, {}), longest):
            findings.append(Finding("topics.retention", name, Level.FAIL, fault, "alpr topics apply"))
    if seen.creates:
        words = "brokers make topics that nobody declared: they keep what is sent there by their own rules"
        findings.append(Finding("topics", "brokers", Level.WARN, words, "auto.create.topics.enable=false"))
    counted = f"{len(seen.topics)} topics"
    for check in ("topics", "topics.retention", "topics.copies"):
        if all(finding.check != check or finding.level is Level.NOTE for finding in findings):
            findings.append(Finding(check, "all", Level.OK, counted))
    return findings


def _configs(answer: Any) -> list[tuple[str, dict[str, str]]]:
    """Settings by name; empty for what this account may not see."""
    return [
        (name, {entry[0]: entry[1] for entry in entries} if for_code(code) is NoError else {})
        for code, _, _, name, entries, *_ in answer.resources
    ]
