"""Agency profiles as files: load, check, version by content, turn to and from canonical JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from alprcore.errors import Misconfigured
from alprcore.model import ClientKind
from alprcore.policy import AccessRules, AgencyProfile, AuditRules, Governance, ListRule, Purpose, TrainingNeed

_GATES: Final = frozenset({"hard", "soft", "off"})
_CLOCKS: Final = frozenset({"captured", "received"})
_CASE_NUMBER: Final = frozenset({"optional", "if_available"})
_SECOND_FACTOR: Final = frozenset({"required", "optional_on_loopback"})


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
    if not isinstance(document, dict):
        raise Misconfigured("not a mapping")
    digest = hashlib.sha256(canonical(document).encode()).hexdigest()[:12]
    rest = dict(document)
    try:
        profile = AgencyProfile(
            version=f"{document['policy_ref']}@{digest}",
            purposes=tuple(Purpose(**item) for item in rest.pop("purposes")),
            lists=tuple(ListRule(**item) for item in rest.pop("lists")),
            display_targets=tuple((t["target"], ClientKind(t["client"])) for t in rest.pop("display_targets")),
            governance=Governance(**_tuples(rest.pop("governance", {}))),
            access=_access(rest.pop("access", {})),
            audit=AuditRules(**_tuples(rest.pop("audit", {}))),
            **rest,
        )
    except KeyError as error:
        raise Misconfigured(f"key {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise Misconfigured(str(error)) from error
    _check(profile)
    return profile


def _access(section: Mapping[str, Any]) -> AccessRules:
    rest = dict(section)
    needs = rest.pop("training", None)
    rules = AccessRules(**_tuples(rest))
    if needs is None:
        return rules
    return replace(rules, training=tuple(TrainingNeed(**_tuples(item)) for item in needs))


def _tuples(section: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in section.items()}


def _check(profile: AgencyProfile) -> None:
    checks = (
        (profile.retention_clock in _CLOCKS, "retention_clock: captured or received"),
        (profile.case_number in _CASE_NUMBER, "case_number: optional or if_available"),
        (profile.second_factor in _SECOND_FACTOR, "second_factor: required or optional_on_loopback"),
        (profile.retention_years_mobile >= 1, "retention_years_mobile: at least 1 (RET-01)"),
        (profile.retention_years_fixed >= 1, "retention_years_fixed: at least 1 (RET-01)"),
        (_GATES.issuperset(profile.gates.values()), "gates: hard, soft or off (CFG-03)"),
        (bool(profile.display_targets), "display_targets: at least one"),
        (len({p.code for p in profile.purposes}) == len(profile.purposes), "purposes: a code stands twice"),
        (len({rule.code for rule in profile.lists}) == len(profile.lists), "lists: a code stands twice"),
    )
    for holds, words in checks:
        if not holds:
            raise Misconfigured(words)
    try:
        ZoneInfo(profile.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Misconfigured(f"timezone: {profile.timezone} is not known") from error


def shipped_documents() -> dict[str, str]:
    """Give the canonical JSON of every profile that ships, by agency: what topic `profiles` carries."""
    return {str(document["agency"]): canonical(document) for document in _documents(_shipped())}


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
