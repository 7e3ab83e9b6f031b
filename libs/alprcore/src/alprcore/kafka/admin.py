"""Setting a broker up as the contract says: topics with their settings, access rules and SCRAM accounts.

The client library has no requests for access rules and accounts; they are laid out here (Kafka protocol: DescribeAcls
29, CreateAcls 30, DeleteAcls 31, IncrementalAlterConfigs 44, AlterUserScramCredentials 51; brokers from 2.7 to 4.x).
Everything may be repeated: only what differs is changed. Nothing is taken away unless that is asked for.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import NoError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    String,
    TaggedFields,
)
from typing_extensions import override

from alprcore.access import On, Operation, Principal
from alprcore.kafka.publish import translated
from alprcore.kafka.settings import KafkaSettings
from alprcore.topics import TopicSpec

SCRAM_ITERATIONS: Final = 8192
"""Twice the least of RFC 7677; the password is 256 random bits, so more of them protect nothing more."""
_SALT_BYTES: Final = 32
_SHA_512: Final = 2
_NOT_THERE: Final = 91  # RESOURCE_NOT_FOUND: the account signs in by a certificate, or is gone already
_WHO: Final = 3  # where a rule's fields name its principal
_ANY, _LITERAL, _ALLOW, _SET = 1, 3, 3, 0
_ON: Final = {On.TOPIC: 2, On.GROUP: 3}
_MAY: Final = {Operation.READ: 3, Operation.WRITE: 4, Operation.DESCRIBE: 8, Operation.DESCRIBE_CONFIGS: 10}
_TEXT, _SHORT = String("utf-8"), CompactString("utf-8")
_RULE: Final = (
    ("resource_type", Int8), ("resource_name", _TEXT), ("pattern_type", Int8), ("principal", _TEXT), ("host", _TEXT),
    ("operation", Int8), ("permission", Int8),
)  # fmt: skip


def _message(kind: type, key: int, version: int, *fields: Any, **more: Any) -> Any:
    """Lay out one kind of message; the library makes its own as classes, too."""
    return type(
        f"{kind.__name__}{key}", (kind,), {"API_KEY": key, "API_VERSION": version, "SCHEMA": Schema(*fields), **more}
    )


_DESCRIBED: Final = _message(
    Response, 29, 1, ("throttle_ms", Int32), ("error", Int16), ("message", _TEXT),
    ("resources", Array(
        ("type", Int8), ("name", _TEXT), ("pattern", Int8),
        ("rules", Array(("principal", _TEXT), ("host", _TEXT), ("operation", Int8), ("permission", Int8))),
    )),
)  # fmt: skip
_DESCRIBE: Final = _message(RequestStruct, 29, 1, *_RULE, RESPONSE_TYPE=_DESCRIBED)
_CREATED: Final = _message(
    Response, 30, 1, ("throttle_ms", Int32), ("results", Array(("error", Int16), ("message", _TEXT)))
)
_CREATE: Final = _message(RequestStruct, 30, 1, ("rules", Array(*_RULE)), RESPONSE_TYPE=_CREATED)
_DELETED: Final = _message(
    Response, 31, 1, ("throttle_ms", Int32),
    ("results", Array(
        ("error", Int16), ("message", _TEXT), ("matching", Array(("error", Int16), ("message", _TEXT), *_RULE)),
    )),
)  # fmt: skip
_DELETE: Final = _message(RequestStruct, 31, 1, ("rules", Array(*_RULE)), RESPONSE_TYPE=_DELETED)
_ALTERED: Final = _message(
    Response, 44, 0, ("throttle_ms", Int32),
    ("results", Array(("error", Int16), ("message", _TEXT), ("type", Int8), ("name", _TEXT))),
)  # fmt: skip
_ALTER: Final = _message(
    RequestStruct, 44, 0,
    ("resources", Array(
        ("type", Int8), ("name", _TEXT),
        ("configs", Array(("name", _TEXT), ("operation", Int8), ("value", _TEXT))),
    )),
    ("validate_only", Boolean), RESPONSE_TYPE=_ALTERED,
)  # fmt: skip
_CREDITED: Final = _message(
    Response, 51, 0, ("throttle_ms", Int32),
    ("results", CompactArray(("name", _SHORT), ("error", Int16), ("message", _SHORT), ("tags", TaggedFields))),
    ("tags", TaggedFields),
)  # fmt: skip
_CREDIT: Final = _message(
    RequestStruct, 51, 0,
    ("deletions", CompactArray(("name", _SHORT), ("mechanism", Int8), ("tags", TaggedFields))),
    ("upsertions", CompactArray(
        ("name", _SHORT), ("mechanism", Int8), ("iterations", Int32), ("salt", CompactBytes),
        ("salted_password", CompactBytes), ("tags", TaggedFields),
    )),
    ("tags", TaggedFields), RESPONSE_TYPE=_CREDITED, FLEXIBLE_VERSION=True,
)  # fmt: skip


class _Asked(Request[RequestStruct]):  # type: ignore[misc] # the library brings no types
    """One of the requests above with its fields; the library asks which version to build, there is one of each."""

    API_KEY = 0

    def __init__(self, kind: Any, *fields: Any) -> None:
        self.API_KEY, self._CLASSES = kind.API_KEY, (kind,)
        self._fields = fields

    @override
    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(*self._fields)


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """One access rule as brokers keep it: who may do what with which literal topic or group, from any host."""

    principal: str
    on: On
    name: str
    operation: Operation

    def fields(self) -> tuple[Any, ...]:
        """Lay it out for a request."""
        return (_ON[self.on], self.name, _LITERAL, f"User:{self.principal}", "*", _MAY[self.operation], _ALLOW)


@dataclass(frozen=True, slots=True)
class Changes:
    """What was changed on the broker; `differ` are topics whose number of partitions is not the declared one,
    `gone` accounts that lost their last rule because the table names them no longer.
    """

    settings: tuple[str, ...] = ()
    differ: tuple[str, ...] = ()
    added: int = 0
    removed: int = 0
    accounts: int = 0
    gone: tuple[str, ...] = ()


def rules_of(table: Sequence[Principal]) -> frozenset[Rule]:
    """Write the table as single rules."""
    return frozenset(
        Rule(principal.name, grant.on, grant.name, operation)
        for principal in table
        for grant in principal.grants
        for operation in grant.operations
    )


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**settings.client_params())
    with translated():
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()


async def _ask(admin: AIOKafkaAdminClient, kind: Any, *fields: Any) -> Any:
    return await admin._send_request(_Asked(kind, *fields))  # noqa: SLF001 - the library's own requests go this way


def _refused(code: int, message: object) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error(message)


async def settle_topics(settings: KafkaSettings, specs: Sequence[TopicSpec]) -> Changes:
    """Give every topic that is there (`specs` by their names on the broker) the settings declared for it.

    The number of partitions is never changed: keys would move to other partitions. Raises `Transient`.
    """
    async with _admin(settings) as admin:
        there = set(await admin.list_topics())
        wanted = {settings.topic_prefix + spec.name: spec for spec in specs}
        names = sorted(there & wanted.keys())
        described = await admin.describe_topics(names) if names else []
        sizes = {topic["topic"]: len(topic["partitions"]) for topic in described}
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        answers = await admin.describe_configs(resources) if resources else []
        found: dict[str, dict[str, str]] = {}
        for answer in answers:
            for code, message, _, name, entries, *_ in answer.resources:
                _refused(code, message)
                found[name] = {entry[0]: entry[1] for entry in entries}
        changes = []
        for name in names:
            new = {key: value for key, value in wanted[name].config.items() if found[name].get(key) != value}
            if new:
                changes.append((2, name, [(key, _SET, value) for key, value in sorted(new.items())]))
        if changes:
            altered = await _ask(admin, _ALTER, changes, False)
            for code, message, *_ in altered.results:
                _refused(code, message)
        differ = [name for name in names if sizes[name] != wanted[name].partitions]
    return Changes(settings=tuple(name for _, name, _ in changes), differ=tuple(differ))


async def settle_rules(settings: KafkaSettings, table: Sequence[Principal], *, prune: bool = False) -> Changes:
    """Give these principals the rules that they lack. Raises `Transient`.

    `prune`: the table is the whole. Rules of ours beyond it are taken away, also from principals that it names no longer;
    ours are those that begin with the prefix and `alpr-`, `cad-`, `fleet-` or `witness-`. What an administrator denied
    stays denied.
    """
    named = {f"User:{principal.name}" for principal in table}
    ours = re.compile(f"User:{re.escape(settings.topic_prefix)}(alpr|cad|fleet|witness)-.+")
    async with _admin(settings) as admin:
        described = await _ask(admin, _DESCRIBE, _ANY, None, _ANY, None, None, _ANY, _ANY)
        _refused(described.error, described.message)
        found = {
            (kind, name, pattern, *rule)
            for kind, name, pattern, rules in described.resources
            for rule in rules
            if rule[-1] == _ALLOW and (rule[0] in named or ours.fullmatch(rule[0]))
        }
        wanted = {rule.fields() for rule in rules_of(table)}
        missing, extra = sorted(wanted - found), sorted(found - wanted) if prune else []
        if missing:
            created = await _ask(admin, _CREATE, missing)
            for code, message in created.results:
                _refused(code, message)
        if extra:
            deleted = await _ask(admin, _DELETE, extra)
            for code, message, _ in deleted.results:
                _refused(code, message)
    gone = {rule[_WHO].removeprefix("User:") for rule in extra if rule[_WHO] not in named}
    return Changes(added=len(missing), removed=len(extra), gone=tuple(sorted(gone)))


async def settle_accounts(settings: KafkaSettings, passwords: Mapping[str, str], gone: Sequence[str] = ()) -> Changes:
    """Give accounts their passwords (SCRAM-SHA-512, RFC 5802): new ones are made, open connections stay.

    `gone` are accounts to remove, where they are.

    The broker gets salt and salted password, never the password itself. Raises `Transient`.
    """
    upsertions: list[tuple[Any, ...]] = []
    for name, password in sorted(passwords.items()):
        salt = os.urandom(_SALT_BYTES)
        salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, SCRAM_ITERATIONS)
        upsertions.append((name, _SHA_512, SCRAM_ITERATIONS, salt, salted, {}))
    async with _admin(settings) as admin:
        removed: list[tuple[Any, ...]] = [(name, _SHA_512, {}) for name in gone]
        credited = await _ask(admin, _CREDIT, removed, upsertions, {})
        for name, code, message, _ in credited.results:
            if code != _NOT_THERE or name not in gone:
                _refused(code, message)
    return Changes(accounts=len(upsertions))
