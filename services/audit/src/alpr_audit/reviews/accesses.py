"""What counts as an access to data, and the five groups that none may lack (AUD-01, AUD-02).

The groups are those of Claremont 820.5: date and time, address, plate or other elements, username with organization,
purpose. They contain the fields of every other agency's policy, so every access has them under every profile.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

HIT_RESPONSE: Final = "hit_response"
"""Purpose of seeing a hit that the system brought to a person: nobody asked, so nobody gave another."""
AUDIT: Final = "audit"
ACCESS_KINDS: Final[Mapping[str, str]] = {
    "entry_decrypted": HIT_RESPONSE,
    "export": "",
    "hit_presented": HIT_RESPONSE,
    "hit_query": "",
    "hit_view": HIT_RESPONSE,
    "image_view": "",
    "live_image_shown": HIT_RESPONSE,
    "log_read": AUDIT,
    "print": "",
    "query": "",
    "registration_read": HIT_RESPONSE,
    "release_delivered": "release_fulfilment",
    "report_made": AUDIT,
    "report_read": AUDIT,
    "shared_query": "",
    "trail_read": AUDIT,
    "verification_read": HIT_RESPONSE,
}
"""Kinds of entries that show data to a person, and the purpose where the system gives it; empty: the person does."""
QUERY_KINDS: Final = frozenset({"query", "hit_query"})
_IDS: Final = ("hit_id", "read_id", "incident_id", "role", "before", "kind", "limit", "report_id", "subject")
_PERSON: Final = ("person_id", "username", "full_name", "organization", "session_id", "source_ip")


def shaped(kind: str, facts: Mapping[str, Any], personal: Mapping[str, Any]) -> dict[str, Any]:
    """Lay another service's access out as this service lays out its own: person, address, criteria, reasons.

    Other services send flat texts; `criteria` may be JSON. What an access was about is in its facts where the
    service gave no criteria of its own. Kinds that are no access stay as they came, but for `reads`: the reads that an act
    is about, by which the trail of each finds it (AUD-04).
    """
    if kind not in ACCESS_KINDS or "person" in personal:
        return {**personal, "reads": _parsed(personal["reads"])} if personal.get("reads") else dict(personal)
    given = personal.get("criteria", "")
    criteria = _parsed(given) if given else {name: facts[name] for name in _IDS if facts.get(name)}
    purpose = personal.get("purpose_code") or facts.get("purpose_code") or ACCESS_KINDS[kind]
    reasons = {name: personal[name] for name in ("justification", "case_number") if personal.get(name)}
    person = {name: value for name, value in personal.items() if name not in {"criteria", "purpose_code", *reasons}}
    return {
        "person": person,
        "ip": personal.get("source_ip", ""),
        "criteria": criteria,
        "reasons": {"purpose_code": purpose, **reasons},
    }


def _parsed(text: Any) -> Any:
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return {"given": str(text)}
    return value if isinstance(value, dict) else {"given": text}


def given(kind: str) -> dict[str, Any]:
    """The reasons that the system gives by itself for accesses of a kind; none where the person gives them."""
    purpose = ACCESS_KINDS.get(kind, "")
    return {"reasons": {"purpose_code": purpose}} if purpose else {}


def lacking(kind: str, agency: str, personal: Mapping[str, Any]) -> tuple[str, ...]:
    """Name what an access fails to say; empty for a whole one and for what is no access."""
    if kind not in ACCESS_KINDS:
        return ()
    person = personal.get("person")
    reasons = personal.get("reasons")
    criteria = personal.get("criteria")
    texts = {
        "agency": agency,
        "ip": personal.get("ip"),
        "purpose_code": reasons.get("purpose_code") if isinstance(reasons, Mapping) else None,
        **{
            name: person.get(name) if isinstance(person, Mapping) else None
            for name in ("person_id", "username", "full_name", "organization")
        },
    }
    absent = [name for name, text in texts.items() if not (isinstance(text, str) and text)]
    return (*absent, *(() if isinstance(criteria, Mapping) and criteria else ("criteria",)))


@dataclass(frozen=True, slots=True)
class Access:
    """One access: who, when, from where, to what, why."""

    index: int
    at: datetime
    kind: str
    outcome: str
    person_id: str
    username: str
    full_name: str
    organization: str
    ip: str
    criteria: Mapping[str, Any] = field(default_factory=dict)
    purpose_code: str = ""
    justification: str = ""
    case_number: str = ""
    session_id: str = ""


def access_of(index: int, entry: Mapping[str, Any], content: Mapping[str, Any]) -> Access:
    """Read an access from its entry and the content that the entry commits to."""
    person, reasons = content["person"], content["reasons"]
    return Access(
        index=index,
        at=datetime.fromisoformat(entry["facts"].get("occurred_at") or entry["time"]),
        kind=entry["kind"],
        outcome=entry["outcome"],
        person_id=person["person_id"],
        username=person["username"],
        full_name=person["full_name"],
        organization=person["organization"],
        ip=content["ip"],
        criteria=content["criteria"],
        purpose_code=reasons["purpose_code"],
        justification=reasons.get("justification", ""),
        case_number=reasons.get("case_number", ""),
        session_id=person.get("session_id", ""),
    )


def elements(criteria: Mapping[str, Any]) -> str:
    """Say exactly which data was asked for, in one line: `plate 8TST001; captured_from 2026-01-02…` (AUD-03)."""
    return "; ".join(f"{name} {_words(value)}" for name, value in sorted(criteria.items()) if value not in ("", None))


def _words(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
