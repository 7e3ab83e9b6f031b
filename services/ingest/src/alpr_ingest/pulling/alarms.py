"""Tells of lists that something is wrong with: once in the ledger and once on `hotlist.alarms`, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from alpr_ingest.app import audit_message
from alpr_ingest.hotlists import ActiveList
from alpr_ingest.store import Outgoing, Store
from alprcore.model import AuditEvent, ListAlarm, Person, event_id, make_id
from alprcore.topics import Topic
from alprcore.wire import encode_audit_event, encode_list_alarm, rfc3339

STALE: Final = "HOTLIST_STALE"
LOADS_MISSED: Final = "LIST_LOADS_MISSED"
RULES: Final[Mapping[str, str]] = {"special": "HOT-05"}
"""Requirement that a list's loads follow, by its type; HOT-03 for all others."""


class Alarm(StrEnum):
    """What may be wrong with a list."""

    STALE = "stale"
    LOADS_MISSED = "loads_missed"
    FEED_STOPPED = "feed_stopped"


def feed_person(agency: str) -> Person:
    """Give who fetches lists: no person, and every entry it makes says so."""
    return Person("system:feed", "feed", "Automatic list feed", "Plateline", agency, (), "", "")


def alarm_messages(
    target: ActiveList, kind: Alarm, reason_code: str, now: datetime, facts: Mapping[str, str], *, revision: str
) -> list[Outgoing]:
    """Make the entry of the ledger and the message for the console."""
    subject = f"{target.agency}/{target.code}"
    event = AuditEvent(
        event_id=event_id(subject, f"list_{kind}", revision),
        occurred_at=now,
        agency=target.agency,
        kind=f"list_{kind}",
        service="ingest",
        reason_code=reason_code,
        facts={**facts, "subject": subject, "list": target.code, "rule_id": RULES.get(target.list_type, "HOT-03")},
    )
    entry = Outgoing(Topic.AUDIT, event.event_id, encode_audit_event(event), event.event_id, now)
    alarm = ListAlarm(
        alarm_id=make_id("list_alarm", subject, kind, revision),
        agency=target.agency,
        list_code=target.code,
        list_name=target.name,
        kind=kind,
        reason_code=reason_code,
        raised_at=now,
        facts=dict(facts),
    )
    return [entry, Outgoing(Topic.HOTLIST_ALARMS, subject, encode_list_alarm(alarm), alarm.alarm_id, now)]


async def raise_alarm(
    store: Store, target: ActiveList, kind: Alarm, reason_code: str, now: datetime, facts: Mapping[str, str]
) -> bool:
    """Raise an alarm that stands until it is cleared; answers False when it stands already."""
    messages = alarm_messages(target, kind, reason_code, now, facts, revision=rfc3339(now))
    return await store.raise_alarm(target.agency, target.code, kind, reason_code, now, messages)


def ended_message(target: ActiveList, kind: Alarm, now: datetime) -> Outgoing:
    """Make the ledger's entry of an alarm that has ended."""
    facts = {"list": target.code, "alarm": kind.value}
    subject = f"{target.agency}/{target.code}"
    return audit_message("list_alarm_ended", subject, rfc3339(now), feed_person(target.agency), now, facts=facts)


async def clear_alarm(store: Store, target: ActiveList, kind: Alarm, now: datetime) -> bool:
    """Clear an alarm, if it stands; the ledger is told."""
    return await store.clear_alarm(target.agency, target.code, kind, [ended_message(target, kind, now)])
