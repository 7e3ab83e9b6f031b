"""Who may do what on the brokers: one table for every principal, made of what the topics say of writers and readers.

The command that sets up a broker, the chart for clusters and the test on a secured broker all use this table (SEC-01:
least-privilege service accounts, per-topic ACLs). It only allows, every name is literal, and nothing of the cluster, no
transactional id and no other group is in it: what it does not name is refused by the broker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from alprcore.topics import TopicSpec, bounded, dead_letters


class Kind(StrEnum):
    """What kind of client a principal is."""

    SERVICE = "service"
    OPERATOR = "operator"
    SCALER = "scaler"
    CAD = "cad"
    FLEET = "fleet"
    WITNESS = "witness"


class On(StrEnum):
    """What a grant is about, as the brokers call it."""

    TOPIC = "topic"
    GROUP = "group"


class Operation(StrEnum):
    """What may be done with it, as the brokers call it."""

    DESCRIBE = "Describe"
    DESCRIBE_CONFIGS = "DescribeConfigs"
    READ = "Read"
    WRITE = "Write"


SERVICES: Final = ("audit", "ingest", "recognizer", "matcher", "retention", "console")
OPERATOR: Final = "alpr-operator"
"""Looks after dead letters and after how topics are kept: `alpr dlq`, `alpr doctor`."""
SCALER: Final = "alpr-scaler"
"""Sees how far a group is behind, nothing of what the messages say: for autoscaling."""
KEEPER: Final = "alpr-retention"
"""Sees how long every topic of ALPR records is kept, whoever uses it (RET-11)."""
_OUTSIDE: Final = {
    "CAD": ("cad-<agency>", Kind.CAD),
    "cameras": ("fleet-<fleet>", Kind.FLEET),
    "witnesses": ("witness-<witness>", Kind.WITNESS),
}
_PLACES: Final = ("agency", "fleet", "witness")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True, slots=True)
class Grant:
    """What may be done with one topic or group; `per` says for which names it is repeated, empty for none."""

    on: On
    name: str
    operations: frozenset[Operation]
    per: str = ""


@dataclass(frozen=True, slots=True)
class Principal:
    """One account at the brokers with all that it may do; `per` says for which names it is repeated."""

    name: str
    kind: Kind
    grants: tuple[Grant, ...]
    per: str = ""


def access_table(
    specs: Sequence[TopicSpec],
    *,
    agencies: Sequence[str] | None = None,
    fleets: Sequence[str] | None = None,
    witnesses: Sequence[str] | None = None,
    prefix: str = "",
) -> tuple[Principal, ...]:
    """List every principal with its grants, for these agencies (a CAD each), camera fleets and witnesses.

    None leaves the placeholder in the names, for whoever repeats them later. `prefix` stands before the names of
    topics, groups and principals, so that two installations share a cluster. Raises `ValueError` for a name that is none.
    """
    names = dict(zip(_PLACES, (agencies, fleets, witnesses), strict=True))
    for name in (name for some in names.values() for name in some or ()):
        if not _NAME.fullmatch(name):
            raise ValueError("the name of an agency, fleet or witness has letters, digits, - and _ only")
    table = [_prefixed(principal, prefix) for principal in _principals(specs)]
    for place, chosen in names.items():
        if chosen is not None:
            table = [one for principal in table for one in _repeated(principal, place, chosen)]
    return tuple(table)


def _principals(specs: Sequence[TopicSpec]) -> list[Principal]:
    found: dict[str, dict[tuple[On, str], set[Operation]]] = {f"alpr-{name}": {} for name in SERVICES}
    found |= {OPERATOR: {}, SCALER: {}} | {name: {} for name, _ in _OUTSIDE.values()}

    def grant(principal: str, on: On, name: str, *operations: Operation) -> None:
        found[principal].setdefault((on, name), {Operation.DESCRIBE}).update(operations)

    letters = {spec.name for spec in specs if dead_letters("") in spec.name}
    for spec in specs:
        for role in spec.writers:
            grant(_principal(role), On.TOPIC, spec.name, Operation.WRITE)
        for role in spec.readers:
            grant(_principal(role), On.TOPIC, spec.name, Operation.READ)
        for role, group in spec.groups.items():
            grant(_principal(role), On.GROUP, group, Operation.READ)
            grant(OPERATOR, On.GROUP, group)
            if role in SERVICES:
                grant(SCALER, On.GROUP, group)
                grant(SCALER, On.TOPIC, spec.name)
        grant(OPERATOR, On.TOPIC, spec.name, Operation.DESCRIBE_CONFIGS)
        if spec.name in letters:
            grant(OPERATOR, On.TOPIC, spec.name, Operation.READ)
        if dead_letters(spec.name) in letters:
            grant(OPERATOR, On.TOPIC, spec.name, Operation.WRITE)  # a dead letter is played again
        if bounded(spec.name):
            users = {_principal(role) for role in (*spec.writers, *spec.readers) if role in SERVICES}
            for principal in users | {KEEPER}:
                grant(principal, On.TOPIC, spec.name, Operation.DESCRIBE_CONFIGS)
    return [_made(name, grants) for name, grants in found.items()]


def _principal(role: str) -> str:
    if role in _OUTSIDE:
        return _OUTSIDE[role][0]
    if role not in SERVICES:
        raise ValueError(f"{role}: no service, and no kind of client from outside")
    return f"alpr-{role}"


def _made(name: str, grants: Mapping[tuple[On, str], Iterable[Operation]]) -> Principal:
    kinds = {OPERATOR: Kind.OPERATOR, SCALER: Kind.SCALER} | dict(_OUTSIDE.values())
    per = _place(name)
    listed = tuple(
        Grant(on, thing, frozenset(operations), "" if per else _place(thing))
        for (on, thing), operations in sorted(grants.items())
    )
    return Principal(name, kinds.get(name, Kind.SERVICE), listed, per)


def _place(name: str) -> str:
    return next((place for place in _PLACES if f"<{place}>" in name), "")


def _prefixed(principal: Principal, prefix: str) -> Principal:
    grants = tuple(replace(grant, name=prefix + grant.name) for grant in principal.grants)
    return replace(principal, name=prefix + principal.name, grants=grants)


def _repeated(principal: Principal, place: str, names: Sequence[str]) -> list[Principal]:
    """Put names in: one principal for each, or one that has the grant for each."""
    mark = f"<{place}>"
    if principal.per == place:
        return [
            Principal(
                principal.name.replace(mark, name),
                principal.kind,
                tuple(replace(grant, name=grant.name.replace(mark, name)) for grant in principal.grants),
            )
            for name in names
        ]
    grants: list[Grant] = []
    for grant in principal.grants:
        if grant.per == place:
            grants += [replace(grant, name=grant.name.replace(mark, name), per="") for name in names]
        else:
            grants.append(grant)
    return [replace(principal, grants=tuple(grants))]


def as_data(specs: Sequence[TopicSpec], table: Sequence[Principal], prefix: str = "") -> dict[str, Any]:
    """Lay topics and table out for a file of JSON: what a chart or another tool makes resources from."""
    return {
        "prefix": prefix,
        "topics": [
            {"name": prefix + spec.name, "partitions": spec.partitions, "config": dict(spec.config),
             "per": _place(spec.name)}
            for spec in specs
        ],
        "principals": [
            {
                "name": principal.name,
                "kind": principal.kind.value,
                "per": principal.per,
                "grants": [
                    {"type": grant.on.value, "name": grant.name, "operations": sorted(grant.operations),
                     "per": grant.per}
                    for grant in principal.grants
                ],
            }
            for principal in table
        ],
    }  # fmt: skip


def as_commands(table: Sequence[Principal]) -> list[str]:
    """Write the table as arguments of Kafka's own tool `kafka-acls.sh`, one line a grant."""
    return [
        " ".join(
            [
                f"--add --allow-principal 'User:{principal.name}'",
                *(f"--operation {operation.value}" for operation in sorted(grant.operations)),
                f"--{grant.on.value} '{grant.name}' --resource-pattern-type literal",
            ]
        )
        for principal in table
        for grant in principal.grants
    ]
