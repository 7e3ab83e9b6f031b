"""Agency profiles as files: load, check key by key, version by content, turn to and from canonical JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import yaml
from typing_extensions import override

from alprcore.errors import InvalidMessage, Misconfigured
from alprcore.model import ClientKind
from alprcore.policy import AgencyProfile
from alprcore.profiles.checks import KeyProblem, one_of, problems_of
from alprcore.wire import decode_profile

__all__ = [
    "KeyProblem",
    "Profiles",
    "canonical",
    "document_from_yaml",
    "document_to_yaml",
    "load_profiles",
    "problems_of",
    "profile_from_json",
    "read_document",
    "shipped_documents",
]
_WORDS: Final[Mapping[Any, str]] = {
    str: "a text", bool: "true or false", int: "a whole number", float: "a number",
}  # fmt: skip


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
        AgencyProfile,
        _as_written_now(document),
        "",
        problems,
        computed={"version": f"{document.get('policy_ref')}@{digest}"},
    )
    if problems:
        return None, tuple(problems)
    profile = AgencyProfile(**values)
    problems += problems_of(profile)
    return (None if problems else profile), tuple(problems)


def _as_written_now(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read a document whose periods stand outside section `retention`, in years: agencies have such versions in force."""
    known = {"retention_years_mobile": "mobile", "retention_years_fixed": "fixed", "retention_clock": "clock"}
    section = document.get("retention", {})
    if known.keys().isdisjoint(document) or not isinstance(section, Mapping):
        return document
    before = {known[key]: document[key] for key in known if key in document}
    words = {
        key: f"{value} year{'' if value == 1 else 's'}" if type(value) is int else value
        for key, value in before.items()
    }
    rest = {key: value for key, value in document.items() if key not in known}
    return {**rest, "retention": {**words, **section}}


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
        problems.append(KeyProblem(key, f"target and client, one of {one_of(ClientKind)}"))
        return None


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
