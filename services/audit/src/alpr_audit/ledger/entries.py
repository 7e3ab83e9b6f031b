"""An entry before it has a place: what it must say, and its bytes.

Every entry says version, time, kind, agency, service, outcome, reason code, the policy in force and the digest of
the software that wrote it. A query says who asked from where and in which session, how and when that person signed
in, for what purpose, offense and case, on whose behalf, in which source and over which cameras (SB 34 1798.90.52,
CJIS AU-3, AUD-01, AUD-02, DEF-11).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ..reviews.accesses import lacking
from .jcs import EntryInvalid, canonical, commit, encode_entry

VERSION: Final = 2
REDACTION: Final = "redaction"
"""Kind of the entry that says whose personal content was erased: facts `from` and `through`, both included."""
_PERSON: Final = (
    "person_id", "username", "full_name", "organization", "agency", "roles", "session_id", "source_ip",
    "authenticated_at", "authenticated_by",
)  # fmt: skip
_ASKED: Final = (
    "profile_version",
    *(f"facts.{name}" for name in ("purpose_code", "offense_code", "source_system", "cameras.count",
                                   "cameras.sha256", "sharing_agreement_id")),
    *(f"personal.person.{name}" for name in _PERSON),
    "personal.ip", "personal.criteria", "personal.reasons", "personal.on_behalf_of", "personal.supervisor_id",
)  # fmt: skip
_ANSWERED: Final = tuple(f"facts.{name}" for name in ("rows", "bytes", "duration_ms", "read_ids_sha256"))
REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("query", "hit_query", "export"), _ASKED),
    **dict.fromkeys(("query_result", "hit_query_result", "export_result"), _ANSWERED),
}
"""What entries of a kind must say, by dotted name. The field is there even where it has nothing to say."""
NEVER_EMPTY: Final = frozenset(
    {"profile_version", "facts.purpose_code", "facts.source_system", "facts.read_ids_sha256", "facts.cameras.sha256",
     "personal.person.person_id", "personal.person.username", "personal.person.agency", "personal.ip"}
)  # fmt: skip


OWN_KINDS: Final = frozenset(
    {
        *REQUIRED, REDACTION, "epoch_opened", "image_view", "log_read", "proof_read", "ledger_verified",
        "use_approval", "use_approval_revoked", "use_approvals_read", "protected_event", "protected_event_ended",
        "protected_events_read", "case_number_added", "incomplete_queries_read", "report_made", "report_read",
        "report_removed", "shared_query", "shared_query_result", "trail_read", "audit_finding", "audit_closed", "finding_disposed", "employee_plate_added",
        "employee_plate_removed",
    }
)  # fmt: skip
"""Kinds that this service alone writes, because it acts on what they say; from elsewhere they are refused."""
LONGEST_NAME: Final = 200
"""Characters of what stands in an index of the database, which takes no key of a third of a page."""
_LINKS: Final = ("follows", "query_id", "read_id", "hit_id", "incident_id", "hold_id", "release_id", "subject")


class FieldsMissing(EntryInvalid):
    """An entry that does not say what its kind must say; `names` are the dotted names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(f"missing: {', '.join(names)}")
        self.names = names


def read_ids_digest(read_ids: Iterable[str]) -> str:
    """Name a set of answered reads without telling them: SHA-256 over the ids, one per line, in answer order."""
    return hashlib.sha256("".join(f"{read_id}\n" for read_id in read_ids).encode()).hexdigest()


def camera_scope(device_ids: Iterable[str]) -> dict[str, Any]:
    """Say over which cameras a search went: how many, and the digest of their sorted ids; all of them: None."""
    listed = sorted(device_ids)
    return {"count": len(listed) or None, "sha256": read_ids_digest(listed)}


@dataclass(frozen=True, slots=True)
class Intent:
    """What an entry permits: who asks, about which agencies, exactly what."""

    person_id: str
    agency_scope: tuple[str, ...]
    query: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it has a place; `personal` is committed to by a salted hash and kept beside the tree."""

    kind: str
    agency: str
    service: str = "audit"
    outcome: str = "ok"
    reason_code: str = ""
    profile_version: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    personal: Mapping[str, Any] = field(default_factory=dict)
    event_id: str = ""
    about: int | None = None
    intent: Intent | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """An entry's bytes, and what is kept beside it in canonical JSON; empty where there is nothing."""

    leaf: bytes
    personal: bytes
    query: bytes


def missing(draft: Draft) -> tuple[str, ...]:
    """Name what the draft must say and does not; a search that is not recorded whole is not answered (AUD-02)."""
    absent = list(lacking(draft.kind, draft.agency, draft.personal))
    if draft.outcome == "error":
        return tuple(absent)  # a result that never came has no rows to count
    for path, names, filled in _PLACES.get(draft.kind, ()):
        found: Any = getattr(draft, path[0])
        for step in path[1:]:
            found = found.get(step) if isinstance(found, Mapping) else None
        said = found if isinstance(found, Mapping) else {}
        if not names <= said.keys():
            absent += [".".join((*path, name)) for name in sorted(names - said.keys())]
        absent += [".".join((*path, name)) for name in filled if name in said and not said[name]]
    if draft.kind in _PLACES and "profile_version" in REQUIRED[draft.kind] and not draft.profile_version:
        absent.append("profile_version")
    return tuple(absent)


_Place = tuple[tuple[str, ...], frozenset[str], tuple[str, ...]]


def _places(names: Iterable[str]) -> tuple[_Place, ...]:
    """Group dotted names by the object that holds them, so that each object is looked at once: path, names, filled."""
    places: dict[tuple[str, ...], set[str]] = {}
    for name in names:
        *path, last = name.split(".")
        if path:
            places.setdefault(tuple(path), set()).add(last)
    return tuple(
        (path, frozenset(lasts), tuple(last for last in sorted(lasts) if ".".join((*path, last)) in NEVER_EMPTY))
        for path, lasts in places.items()
    )


_PLACES: Final = {kind: _places(names) for kind, names in REQUIRED.items()}


def _bounded(draft: Draft) -> None:
    """Refuse names that no index can hold; raises `EntryInvalid`."""
    names = {name: getattr(draft, name) for name in ("kind", "agency", "service", "event_id", "profile_version")}
    names |= {name: draft.facts[name] for name in _LINKS if name in draft.facts}
    criteria = draft.personal.get("criteria")
    if isinstance(criteria, Mapping) and "read_id" in criteria:
        names["read_id of the criteria"] = criteria["read_id"]
    for name, value in names.items():
        if len(value if isinstance(value, str) else canonical(value)) > LONGEST_NAME:
            raise EntryInvalid(f"{name} is longer than {LONGEST_NAME} characters")


def encode_draft(draft: Draft, salt: bytes, now: datetime, *, software: str = "", behind_ms: int = 0) -> Encoded:
    """Make the entry's bytes as of now.

    `behind_ms`: by how much the clock stood before the time of the last entry; the time given is then that one's.
    Raises `FieldsMissing` when the kind demands more, and `EntryInvalid` for long texts and those no store can hold.
    """
    absent = missing(draft)
    if absent:
        raise FieldsMissing(absent)
    _bounded(draft)
    personal = canonical(draft.personal) if draft.personal else b""
    query = canonical(draft.intent.query) if draft.intent is not None else b""
    fields: dict[str, Any] = {
        "v": VERSION,
        "time": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "kind": draft.kind,
        "agency": draft.agency,
        "service": draft.service,
        "outcome": draft.outcome,
        "reason_code": draft.reason_code,
        "profile_version": draft.profile_version,
        "software": software,
        "facts": dict(draft.facts),
    }
    if behind_ms:
        fields["clock_behind_ms"] = behind_ms
    if draft.event_id:
        fields["event_id"] = draft.event_id
    if draft.about is not None:
        fields["about"] = draft.about
    if personal:
        fields["personal"] = commit(salt, personal)
    if draft.intent is not None:
        fields["scope"] = list(draft.intent.agency_scope)
        fields["permits"] = commit(salt, query)
    entry = encode_entry(fields)
    if b"\\u0000" in entry or b"\\u0000" in personal or b"\\u0000" in query:
        raise EntryInvalid("NUL in a text")  # PostgreSQL's jsonb refuses it
    return Encoded(entry, personal, query)
