"""Agency profiles as files: load, check key by key, version by content, turn to and from canonical JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date
from enum import StrEnum
from importlib import resources
from importlib.resources.abc import Traversable
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from typing_extensions import override

from alprcore.errors import InvalidMessage, Misconfigured
from alprcore.model import ClientKind
from alprcore.plates import MIN_PATTERN_FIXED
from alprcore.policy import (
    ACTIVITIES,
    HOT_PLATE_FIELDS,
    ROLES,
    SOURCES,
    STEPS,
    AgencyProfile,
    Gate,
    HitRules,
)
from alprcore.wire import decode_profile
from alprcore.workflow import CONTENT, DOERS, RECOVERY, STOLEN_VEHICLE, BroadcastKind, Exigency, Route, Source, Step

_CLOCKS: Final = frozenset({"captured", "received"})
_CASE_NUMBER: Final = frozenset({"optional", "if_available"})
_SECOND_FACTOR: Final = frozenset({"required", "optional_on_loopback"})
_INTERVALS: Final = frozenset({"month", "quarter", "year"})
_SCOPES: Final = frozenset({"system", "user_queries"})
_WORDS: Final[Mapping[Any, str]] = {
    str: "a text", bool: "true or false", int: "a whole number", float: "a number",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """What is wrong with one key of a profile: the key with dots and positions, and the words a person reads."""

    key: str
    words: str

    @property
    def text(self) -> str:
        """Say it in one line."""
        return f"{self.key}: {self.words}"


def load_profiles(folder: Traversable | None = None) -> dict[str, AgencyProfile]:
    """Load every `*.yaml` of the folder (default: the profiles that ship), by agency.

    Raises `Misconfigured` naming agency and key for anything missing, unknown or out of range.
    """
    profiles: dict[str, AgencyProfile] = {}
    for document in _documents(folder if folder is not None else _shipped()):
        agency = str(document["agency"])
        if agency in profiles:
            raise Misconfigured(f"profile {agency}: the agency has two profiles")
        try:
            profiles[agency] = profile_from_json(canonical(document))
        except Misconfigured as error:
            raise Misconfigured(f"profile {agency}: {error}") from error
    return profiles


def canonical(document: Mapping[str, Any]) -> str:
    """Write a document so that equal content gives equal text: sorted keys, no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def profile_from_json(text: str) -> AgencyProfile:
    """Build a profile from its document; the version is `<policy ref>@<12 hex digits of its SHA-256>`.

    Raises `Misconfigured` naming the key.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Misconfigured(f"not JSON: {error}") from error
    profile, problems = read_document(document)
    if profile is None:
        raise Misconfigured("; ".join(problem.text for problem in problems))
    return profile


def read_document(document: Any) -> tuple[AgencyProfile | None, tuple[KeyProblem, ...]]:
    """Read a profile's document: the profile, or None and everything that is wrong, key by key (CFG-02)."""
    if not isinstance(document, Mapping):
        return None, (KeyProblem("profile", "not a mapping"),)
    problems: list[KeyProblem] = []
    digest = hashlib.sha256(canonical(document).encode()).hexdigest()[:12]
    values = _fields(
        AgencyProfile, document, "", problems, computed={"version": f"{document.get('policy_ref')}@{digest}"}
    )
    if problems:
        return None, tuple(problems)
    profile = AgencyProfile(**values)
    problems += _rules_broken(profile)
    return (None if problems else profile), tuple(problems)


def _fields(
    kind: Any, given: Mapping[str, Any], place: str, problems: list[KeyProblem], computed: Mapping[str, Any]
) -> dict[str, Any]:
    values, hints = dict(computed), get_type_hints(kind)
    known = {field.name for field in fields(kind)} - computed.keys()
    problems += [KeyProblem(f"{place}{key}", "is not a key of a profile") for key in sorted(given.keys() - known)]
    for field in fields(kind):
        key = f"{place}{field.name}"
        if field.name in computed:
            continue
        if field.name in given:
            values[field.name] = _value(hints[field.name], given[field.name], key, problems)
        elif field.default is MISSING and field.default_factory is MISSING:
            problems.append(KeyProblem(key, "is missing"))
    return values


def _value(hint: Any, given: Any, key: str, problems: list[KeyProblem]) -> Any:
    """Turn a value of the document into what the profile's field holds; notes a problem when it does not fit."""
    origin, parts = get_origin(hint), get_args(hint)
    if key.startswith("display_targets["):  # written as a mapping, held as a pair
        return _target(given, key, problems)
    if is_dataclass(hint):
        if isinstance(given, Mapping):
            before = len(problems)
            values = _fields(hint, given, f"{key}.", problems, {})
            return hint(**values) if len(problems) == before and isinstance(hint, type) else None
        problems.append(KeyProblem(key, "a mapping"))
    elif origin is tuple:
        if isinstance(given, list):
            return tuple(_value(parts[0], item, f"{key}[{at}]", problems) for at, item in enumerate(given))
        problems.append(KeyProblem(key, "a list"))
    elif origin in (UnionType, Union):
        if given is None:
            return None
        return _value(next(part for part in parts if part is not type(None)), given, key, problems)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        if isinstance(given, Mapping) and all(isinstance(item, str) for item in given.values()):
            return dict(given)
        problems.append(KeyProblem(key, "a mapping of names to texts"))
    elif hint is float and isinstance(given, int | float) and not isinstance(given, bool):
        return float(given)
    elif type(given) is hint:
        return given
    else:
        problems.append(KeyProblem(key, _WORDS[hint]))
    return None


def _target(given: Any, key: str, problems: list[KeyProblem]) -> tuple[str, ClientKind] | None:
    try:
        return str(given["target"]), ClientKind(given["client"])
    except (KeyError, TypeError, ValueError):
        problems.append(KeyProblem(key, f"target and client, one of {_one_of(ClientKind)}"))
        return None


def _one_of(words: Any) -> str:
    return ", ".join(sorted(str(word.value) if isinstance(word, StrEnum) else word for word in words))


def _rules_broken(profile: AgencyProfile) -> list[KeyProblem]:
    governance, access, audit, listing = profile.governance, profile.access, profile.audit, profile.listing
    roles = {
        "governance.access_managers": governance.access_managers,
        "governance.training_owners": governance.training_owners,
        "governance.release_approvers": governance.release_approvers,
        "governance.other_uses_approvers": governance.other_uses_approvers,
        "governance.role_titles": tuple(governance.role_titles),
        "audit.role": (audit.role,),
        "listing.special_approvers": listing.special_approvers,
        "listing.share_authorizers": listing.share_authorizers,
        "listing.hot_plate_roles": listing.hot_plate_roles,
    }
    checks = [
        ("policy_ref", bool(profile.policy_ref.strip()), "is empty"),
        ("policy_date", _is_day(profile.policy_date), "a day, year-month-day, or empty"),
        ("retention_clock", profile.retention_clock in _CLOCKS, "captured or received"),
        ("case_number", profile.case_number in _CASE_NUMBER, "optional or if_available"),
        ("second_factor", profile.second_factor in _SECOND_FACTOR, "required or optional_on_loopback"),
        ("retention_years_mobile", profile.retention_years_mobile >= 1, "at least 1 (RET-01)"),
        ("retention_years_fixed", profile.retention_years_fixed >= 1, "at least 1 (RET-01)"),
        ("display_targets", bool(profile.display_targets), "at least one"),
        ("purposes", len({p.code for p in profile.purposes}) == len(profile.purposes), "a code stands twice"),
        ("lists", len({rule.code for rule in profile.lists}) == len(profile.lists), "a code stands twice"),
        ("timezone", _is_zone(profile.timezone), "is not known"),
        ("governance.access_managers", bool(governance.access_managers), "at least one role (ACC-08)"),
        ("governance.training_owners", bool(governance.training_owners), "at least one role (TRN-01)"),
        ("governance.designee_since", _is_day(governance.designee_since), "a day, year-month-day, or empty"),
        ("access.other_sources", SOURCES.issuperset(access.other_sources), f"of {_one_of(SOURCES)}"),
        ("access.grant_certifications", SOURCES.issuperset(access.grant_certifications), f"of {_one_of(SOURCES)}"),
        ("access.policy_review_days", (access.policy_review_days or 1) >= 1, "at least 1, or absent"),
        ("audit.interval", audit.interval in _INTERVALS, f"one of {_one_of(_INTERVALS)}"),
        ("audit.scope", audit.scope in _SCOPES, f"one of {_one_of(_SCOPES)}"),
        ("audit.overdue_days", audit.overdue_days >= 1, "at least 1"),
        ("audit.report_years", audit.report_years >= 2, "at least 2 (AUD-07)"),
        ("listing.special_approvers", bool(listing.special_approvers), "at least one role (HOT-06)"),
        ("listing.share_authorizers", bool(listing.share_authorizers), "at least one role (HOT-08)"),
        ("listing.special_sources", listing.special_sources >= 2, "at least 2 (HOT-10)"),
        ("listing.hot_plate_days", 1 <= listing.hot_plate_days <= 30, "1 to 30 (HOT-16)"),
        ("listing.hot_plate_state_hours", 1 <= listing.hot_plate_state_hours <= 24, "1 to 24 (HOT-17)"),
        (
            "listing.hot_plate_fields",
            HOT_PLATE_FIELDS.issuperset(listing.hot_plate_fields),
            f"of {_one_of(HOT_PLATE_FIELDS)}",
        ),
        ("listing.partial_days", 1 <= listing.partial_days <= 30, "1 to 30 (USE-10)"),
        ("listing.partial_fixed", listing.partial_fixed >= MIN_PATTERN_FIXED, f"at least {MIN_PATTERN_FIXED}"),
    ]
    checks += [(key, ROLES.issuperset(given), f"roles: {_one_of(ROLES)}") for key, given in roles.items()]
    checks += [
        (f"access.training[{at}].activity", need.activity in ACTIVITIES, f"one of {_one_of(ACTIVITIES)}")
        for at, need in enumerate(access.training)
    ]
    checks += _hit_checks(profile.hits)
    checks += [(f"gates.{step}", step in STEPS, f"no such step: {_one_of(STEPS)}") for step in profile.gates]
    checks += [
        (f"gates.{step}", strength in set(Gate), "hard, soft or off (CFG-03)")
        for step, strength in profile.gates.items()
    ]
    return [KeyProblem(key, words) for key, holds, words in checks if not holds]


def _hit_checks(hits: HitRules) -> list[tuple[str, bool, str]]:
    sequences = {
        "hits.fixed_sequence": hits.fixed_sequence,
        "hits.mobile_sequence": hits.mobile_sequence,
        "hits.desktop_sequence": hits.desktop_sequence,
    }
    sets: list[tuple[str, tuple[str, ...], Any]] = [
        *((key, steps, Step) for key, steps in sequences.items()),
        ("hits.fixed_checkers", hits.fixed_checkers, DOERS[Step.READ_CHECK]),
        ("hits.mobile_checkers", hits.mobile_checkers, DOERS[Step.READ_CHECK]),
        ("hits.verify_sources", hits.verify_sources, Source),
        ("hits.verify_routes", hits.verify_routes, Route),
        ("hits.exigencies", hits.exigencies, Exigency),
        ("hits.broadcast_content", hits.broadcast_content, CONTENT),
    ]
    needed = {key for key, *_ in sets} - {"hits.exigencies"}
    first = set(BroadcastKind) - {BroadcastKind.CLETS_RESULT}
    calls = {STOLEN_VEHICLE, RECOVERY}
    return [
        *((key, set(given) <= set(known), f"of {_one_of(known)}") for key, given, known in sets),
        *((key, bool(given), "at least one") for key, given, _ in sets if key in needed),
        *((key, len(set(given)) == len(given), "a step stands twice") for key, given in sequences.items()),
        ("hits.broadcast_kind", hits.broadcast_kind in first, f"one of {_one_of(first)}"),
        ("hits.call_types", calls <= hits.call_types.keys(), f"{_one_of(calls)} among them (HIT-24, HIT-25)"),
        ("hits.acknowledge_s", hits.acknowledge_s >= 1, "at least 1 (HIT-15)"),
        ("hits.broadcast_s", hits.broadcast_s >= 0, "at least 0 (HIT-19)"),
        ("hits.confirm_after_s", hits.confirm_after_s >= 1, "at least 1 (HIT-10)"),
    ]


def _is_day(text: str) -> bool:
    try:
        return not text or bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError):
        return False


class _Texts(yaml.SafeLoader):
    """Reads days as texts, as a profile holds them, and no aliases: a few of them can stand for gigabytes."""

    @override
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not read", problem_mark=self.get_mark())
        return super().compose_node(parent, index)


_Texts.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def document_from_yaml(text: str) -> dict[str, Any]:
    """Read a document that somebody wrote by hand. Raises `Misconfigured` with the line."""
    try:
        document = yaml.load(text, Loader=_Texts)  # noqa: S506 - a safe loader that makes fewer types
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise Misconfigured(f"not YAML: {error.problem}{line}") from error
    except yaml.YAMLError as error:
        raise Misconfigured("not YAML") from error
    if not isinstance(document, dict):
        raise Misconfigured("not a mapping")
    return document


def document_to_yaml(document: Mapping[str, Any]) -> str:
    """Write a document for a person to read and change, in the order of the dataclass."""
    order = [field.name for field in fields(AgencyProfile)]
    ordered = {name: document[name] for name in sorted(document, key=order.index)}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=110)


class Profiles(dict[str, AgencyProfile]):
    """The policy in force by agency, kept up to date from topic `profiles` (CFG-02)."""

    def apply(self, key: str, value: bytes | None, headers: Mapping[str, bytes]) -> None:
        """Take a profile in force, or its end. Raises `InvalidMessage`."""
        if value is None:
            self.pop(key, None)
            return
        record = decode_profile(value, headers)
        try:
            self[record.agency] = profile_from_json(record.document)
        except Misconfigured as error:
            raise InvalidMessage("FIELD_INVALID", f"document: {error}") from error


def shipped_documents(added: Traversable | None = None) -> dict[str, str]:
    """Give the canonical JSON of every profile that ships, by agency: what topic `profiles` carries first.

    `added` is the operator's own folder: its documents come on top, and stand in the place of a shipped one. Raises
    `Misconfigured` naming agency and key.
    """
    documents = {str(document["agency"]): canonical(document) for document in _documents(_shipped())}
    if added is not None:
        load_profiles(added)
        documents |= {str(document["agency"]): canonical(document) for document in _documents(added)}
    return documents


def _shipped() -> Traversable:
    return resources.files("alprcore").joinpath("agency_profiles")


def _documents(place: Traversable) -> Iterator[dict[str, Any]]:
    for file in sorted(place.iterdir(), key=lambda item: item.name):
        if file.name.endswith(".yaml"):
            try:
                document = yaml.safe_load(file.read_text("utf-8"))
            except yaml.YAMLError as error:
                raise Misconfigured(f"profile {file.name}: {error}") from error
            if not isinstance(document, dict) or "agency" not in document:
                raise Misconfigured(f"profile {file.name}: no agency")
            yield document
