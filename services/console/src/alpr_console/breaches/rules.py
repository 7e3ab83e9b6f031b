"""What a breach record says, who works on it, and what the agency's policy demands of it (SEC-02). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from alprcore.model import Person, Refused
from alprcore.policy import AgencyProfile

KINDS: Final[Mapping[str, str]] = {
    "unauthorized_access": "Unauthorized access",
    "disclosure": "Data given to somebody who may not have it",
    "stolen_credentials": "Stolen or shared credentials",
    "lost_device": "Lost or stolen device",
    "lost_media": "Lost or stolen medium with data",
    "malware": "Malicious software",
    "tampering": "Records altered",
    "other": "Other",
}
DATA: Final[Mapping[str, str]] = {
    "reads": "Plate reads",
    "hits": "Hits",
    "images": "Images",
    "hot_lists": "Hot lists, or what a criminal justice database answered",
    "personal_information": "Names, addresses or other personal information",
    "ledger": "The record of accesses",
    "credentials": "Passwords, keys or tokens",
}
NOTIFIED: Final = ("program_manager", "custodian")
"""Roles that every breach is brought to at once."""
WORKERS: Final = frozenset({"program_manager", "custodian", "alpr_admin", "auditor"})
"""Who sees breach records and works on them; anybody who is signed in reports one."""
CLOSERS: Final = frozenset({"program_manager"})
REPORT_WITHIN: Final = timedelta(hours=1)
"""An incident with criminal justice information is reported within the hour (CJIS Security Policy, IR-6)."""
LONGEST: Final = 4000
_TITLE: Final = 200
_FIRST_DAY: Final = timedelta(hours=24)
_MONTH: Final = timedelta(days=30)
_CRIMINAL_JUSTICE: Final = frozenset({"hot_lists", "hits"})


@dataclass(frozen=True, slots=True)
class Draft:
    """A breach as reported: what happened, found when, from when to when, and whose data and accounts it touches.

    `captured_from` and `captured_to` bound the records concerned, `device_ids` their devices (none: all of them);
    `persons` is how many people must be thought of, None while nobody knows.
    """

    kind: str
    title: str
    description: str
    discovered_at: datetime
    occurred_from: datetime | None
    occurred_to: datetime | None
    data: tuple[str, ...]
    device_ids: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    captured_from: datetime | None = None
    captured_to: datetime | None = None
    persons: int | None = None

    def affected(self) -> dict[str, Any]:
        """Lay out whom and what it concerns, as the record keeps it."""
        return {
            "data": list(self.data),
            "device_ids": list(self.device_ids),
            "accounts": list(self.accounts),
            "captured_from": self.captured_from.isoformat() if self.captured_from else None,
            "captured_to": self.captured_to.isoformat() if self.captured_to else None,
            "persons": self.persons,
        }


@dataclass(frozen=True, slots=True)
class Task:
    """Something that has to be done about a breach: code, words, whose it is, until when."""

    code: str
    words: str
    role: str
    due_at: datetime


def may_look(person: Person) -> bool:
    """Tell whether breach records are open to this person."""
    return not WORKERS.isdisjoint(person.roles)


may_work = may_look


def may_open(_person: Person) -> bool:
    """Tell whether this person may report a breach: whoever sees one says so, whatever the role."""
    return True


def may_close(person: Person) -> bool:
    """Tell whether this person may close a breach record."""
    return not CLOSERS.isdisjoint(person.roles)


def refusal(draft: Draft, now: datetime) -> Refused | None:
    """Refuse a report that says too little to act on."""
    since, until = draft.occurred_from, draft.occurred_to
    first, last = draft.captured_from, draft.captured_to
    checks = (
        (draft.kind not in KINDS, f"kind: one of {', '.join(KINDS)}"),
        (not draft.title.strip() or len(draft.title) > _TITLE, f"title: up to {_TITLE} characters"),
        (not draft.description.strip(), "description: what is known so far"),
        (not set(draft.data) <= DATA.keys(), f"data: of {', '.join(DATA)}"),
        (draft.discovered_at > now + timedelta(minutes=5), "discovered_at: not in the future"),
        (since is not None and until is not None and since > until, "occurred_to: not before occurred_from"),
        (first is not None and last is not None and first > last, "captured_to: not before captured_from"),
        (draft.persons is not None and draft.persons < 0, "persons: a number of people"),
    )
    return next((Refused("SEC-02", "FIELD_INVALID", words) for wrong, words in checks if wrong), None)


def policy_words(profile: AgencyProfile) -> str:
    """Say which policy a breach follows under this profile."""
    return f"Security and data breaches follow the {profile.governance.breach_route} ({profile.policy_ref})."


def tasks(draft: Draft, profile: AgencyProfile, now: datetime) -> tuple[Task, ...]:
    """Name what has to be done about a breach, by whom and until when; each rests on the agency's policy (SEC-02)."""
    policy, manager = profile.governance.breach_route, "program_manager"
    found = [
        Task("FOLLOW_POLICY", f"Follow the procedure of the {policy} for breaches.", manager, now + _FIRST_DAY),
        Task(
            "CONTAIN", "Stop it: disable accounts, end sessions, stop agreements and the standing repository.",
            "alpr_admin", now + REPORT_WITHIN,
        ),
        Task("COUNT", "Find out how many records and which accounts are concerned.", "alpr_admin", now + _FIRST_DAY),
        Task("PRESERVE", "Verify the ledger and keep what it says of the time concerned.", "auditor", now + _FIRST_DAY),
    ]  # fmt: skip
    if _CRIMINAL_JUSTICE & set(draft.data):
        words = "Report to the CJIS Systems Agency's information security officer within one hour (CJIS IR-6)."
        found.insert(1, Task("REPORT_CJIS", words, manager, draft.discovered_at + REPORT_WITHIN))
    if {"personal_information", "reads", "hits", "images"} & set(draft.data):
        words = f"Decide under the {policy} and Civil Code 1798.29 who must be told, and tell them."
        found.append(Task("TELL_PERSONS", words, "custodian", now + _MONTH))
    for custodian in profile.sharing.custodians:
        if "owner" not in custodian.roles:
            words = f"Tell {custodian.name}, which holds data of the agency too."
            found.append(Task("TELL_CUSTODIAN", words, "custodian", now + _FIRST_DAY))
    words = f"File the record as the {policy} says, with what was learned and what was changed."
    found.append(Task("REVIEW", words, manager, now + _MONTH))
    return tuple(found)


def notice_words(draft: Draft, profile: AgencyProfile) -> str:
    """Say in a notice that there is a breach and which policy it follows; what it is about stands in the record."""
    return f"{KINDS[draft.kind]}: a breach was reported. It follows the {profile.governance.breach_route}."


def works_on(record: Mapping[str, Any], person: Person) -> Refused | None:
    """Refuse work by somebody who has no part in it, or on a record that is closed."""
    if not may_work(person):
        return Refused("SEC-02", "ROLE_NOT_AUTHORISED", "breach records are not open to your role")
    if record["closed_at"] is not None:
        return Refused("SEC-02", "STATE_CONFLICT", "the record is closed")
    return None


def closes(record: Mapping[str, Any], person: Person, words: str) -> Refused | None:
    """Refuse to close a record with tasks still open, without a last word, or by anybody but the program's manager."""
    if not may_close(person):
        return Refused("SEC-02", "ROLE_NOT_AUTHORISED", "the program's manager closes a breach record")
    refused = works_on(record, person)
    if refused is not None:
        return refused
    if not words.strip():
        return Refused("SEC-02", "REASON_REQUIRED", "words: how it ended")
    left = [task["code"] for task in record["tasks"] if task["done_at"] is None]
    if left:
        return Refused("SEC-02", "STATE_CONFLICT", f"still to be done: {', '.join(left)}")
    return None


def shown(record: Mapping[str, Any], person: Person, profile: AgencyProfile, now: datetime) -> dict[str, Any]:
    """Lay out a breach record with its state, what is late, and what this person may do about it."""
    open_ = record["closed_at"] is None
    listed = [{**task, "overdue": task["done_at"] is None and task["due_at"] < now} for task in record["tasks"]]
    may = ["work"] if open_ and may_work(person) else []
    if closes(record, person, "-") is None:
        may.append("close")
    return {
        **record,
        "state": "open" if open_ else "closed",
        "kind_words": KINDS[record["kind"]],
        "policy": {"name": record["policy"], "words": policy_words(profile)},
        "tasks": listed,
        "may": may,
    }
