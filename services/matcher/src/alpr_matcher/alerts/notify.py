"""Decides what is sent of a hit: a new incident rings once, later sightings of it are updates."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Final

from alprcore.matching import short_state
from alprcore.model import (
    Hit,
    Notification,
    NotificationKind,
    NotificationStatus,
    WithdrawnReason,
    from_us,
    incident_id,
    notification_id,
    to_us,
)
from alprcore.policy import AgencyProfile

NOTICE: Final = "Unverified lead, not grounds for a stop."
"""Stands on every alert until a person has confirmed it (HIT-05)."""
REMEMBERED: Final = 16
"""Hits of one incident that are recognized when they come again after a restart."""
KEPT_S: Final = 86_400
"""The memory of alerts lives no longer than a day (RET-11)."""


_GONE: Final = "no longer listed"
_WITHDRAWN: Final[dict[str, str]] = {WithdrawnReason.LIST_WITHDRAWN: "its list is no longer kept"}


@dataclass(frozen=True, slots=True)
class SentHit:
    """One hit that was sent: which one, at which revision of its read, as which revision of the incident.

    `apart` names the incident where that is an older one than the one in memory; it is empty for all others.
    `recalled`: this was the recall of the incident.
    """

    hit_id: str
    read_revision: int
    revision: int
    captured_us: int = 0
    apart: str = ""
    recalled: bool = False
    told_us: int = 0


@dataclass(frozen=True, slots=True)
class LastSent:
    """The newest incident of one vehicle and entry. Holds no plate: it is kept under a keyed fingerprint."""

    incident_id: str
    revision: int
    last_seen: datetime
    sent_at: datetime
    partition: int
    hits: tuple[SentHit, ...]

    def to_json(self) -> bytes:
        """Lay out what the table keeps: ids and times."""
        moments = {"last_seen": to_us(self.last_seen), "sent_at": to_us(self.sent_at)}
        return json.dumps(asdict(self) | moments, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, value: bytes | None) -> LastSent | None:
        """Read what the table kept; None when there is nothing, or nothing that this release understands."""
        try:
            content = json.loads(value or b"null")
            return cls(
                incident_id=str(content["incident_id"]),
                revision=int(content["revision"]),
                last_seen=from_us(content["last_seen"]),
                sent_at=from_us(content["sent_at"]),
                partition=int(content["partition"]),
                hits=tuple(SentHit(**sent) for sent in content["hits"]),
            )
        except (ValueError, TypeError, KeyError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class Alert:
    """Send these as this revision of an incident, and remember `memory` once they are acknowledged.

    `before` is the revision that it follows and when that was told, as far as it is remembered.
    """

    incident_id: str
    revision: int
    notifications: tuple[Notification, ...]
    memory: LastSent
    before: tuple[int, datetime] | None = None


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Nothing is to be sent, and why."""

    reason: str


def decide_notification(
    hit: Hit, last: LastSent | None, profile: AgencyProfile, now: datetime, *, partition: int = 0
) -> Alert | Suppressed:
    """Decide what goes to each display target of the profile (HIT-02, HIT-03).

    A first sighting opens an incident and rings. Sightings within the profile's window of the last one,
    and corrections of a read already sent, update the incident without a sound. A sighting from before the window,
    which a spool brought late, belongs to an older incident, or opens one, and leaves the newest as it is: what is
    seen next still updates that. A hit that was the last one sent is sent again under the same ids, for it may have
    been lost on the way; an older one, or an older revision, is suppressed: what came after it has been sent.
    A withdrawn hit recalls its incident, once and without a sound; what is seen after that opens a new incident.
    The hits of an alert storm ring once together; `last` is then the memory of the storm.
    """
    if hit.withdrawn_at is not None:
        return _recall(hit, last, profile, now)  # also of a hit that waits: it may have been told before it was held
    if hit.held:
        return _storm(hit, last, profile, now, partition)
    own, captured = incident_id(hit.entry_id, hit.read.read_id), hit.read.captured_at
    opened = LastSent(own, 0, captured, now, partition, ())
    if last is None:
        return _alert(hit, "", opened, profile, now)
    before = next((sent for sent in last.hits if sent.hit_id == hit.hit_id), None)
    if before is None:
        since_last_s = (captured - last.last_seen).total_seconds()
        if since_last_s > profile.incident_window_s or _is_recalled(last, ""):
            older = tuple(replace(sent, apart=sent.apart or last.incident_id) for sent in last.hits)
            return _alert(hit, "", replace(opened, hits=older), profile, now)
        late = since_last_s < -profile.incident_window_s
        return _alert(hit, (_older_incident(hit, last, profile) or own) if late else "", last, profile, now)
    if hit.read.revision > before.read_revision:
        return _alert(hit, before.apart, last, profile, now)
    if hit.read.revision < before.read_revision:
        return Suppressed("READ_REVISED")
    if before.recalled or before.revision < _revision(last, before.apart):
        return Suppressed("SENT_BEFORE")
    incident = before.apart or last.incident_id
    notes = _notifications(hit, incident, before.revision, profile, now)
    told = _told(last, before.apart, before.revision)
    return Alert(incident, before.revision, notes, replace(last, sent_at=now), told)


def _recall(hit: Hit, last: LastSent | None, profile: AgencyProfile, now: datetime) -> Alert | Suppressed:
    """Recall the incident of a hit whose entry is no longer in force, unless another hit of it has done so."""
    before = next((sent for sent in last.hits if sent.hit_id == hit.hit_id), None) if last is not None else None
    if last is None or before is None:
        return Suppressed("NOT_TOLD")  # nobody was told of it, or newer hits of its incident recall that
    if not _is_recalled(last, before.apart):
        return _alert(hit, before.apart, last, profile, now)
    if not before.recalled:
        return Suppressed("RECALLED")
    incident = before.apart or last.incident_id
    notes = _notifications(hit, incident, before.revision, profile, now)
    told = _told(last, before.apart, before.revision)
    return Alert(incident, before.revision, notes, replace(last, sent_at=now), told)


def _storm(
    hit: Hit, last: LastSent | None, profile: AgencyProfile, now: datetime, partition: int
) -> Alert | Suppressed:
    """Announce a storm with the first of its hits; the others wait with it."""
    if last is not None and all(sent.hit_id != hit.hit_id for sent in last.hits):
        return Suppressed("STORM")
    sent = SentHit(hit.hit_id, hit.read.revision, 1, to_us(hit.read.captured_at))
    memory = LastSent(hit.storm_id, 1, hit.read.captured_at, now, partition, (sent,))
    return Alert(hit.storm_id, 1, _notifications(hit, hit.storm_id, 1, profile, now), memory)


def _is_recalled(last: LastSent, apart: str) -> bool:
    return any(sent.recalled for sent in last.hits if sent.apart == apart)


def _older_incident(hit: Hit, last: LastSent, profile: AgencyProfile) -> str:
    """Find the older incident within whose window a late sighting lies."""
    window_us, captured_us = profile.incident_window_s * 1e6, to_us(hit.read.captured_at)
    near = (s.apart for s in last.hits if s.apart and abs(captured_us - s.captured_us) <= window_us)
    return next((apart for apart in near if not _is_recalled(last, apart)), "")


def _revision(last: LastSent, apart: str) -> int:
    """Say how far the incident in memory has come, or an older one."""
    return max((s.revision for s in last.hits if s.apart == apart), default=0) if apart else last.revision


def _alert(hit: Hit, apart: str, last: LastSent, profile: AgencyProfile, now: datetime) -> Alert:
    """Send a hit as the next revision of the incident in memory, or of an older one, which moves nothing in memory."""
    incident, revision = apart or last.incident_id, _revision(last, apart) + 1
    recalled = hit.withdrawn_at is not None
    captured_us = to_us(hit.read.captured_at)
    sent = SentHit(hit.hit_id, hit.read.revision, revision, captured_us, apart, recalled, to_us(now))
    # a hit that stands again, by a later revision of its read, makes its incident stand again
    others = (replace(o, recalled=False) if o.apart == apart else o for o in last.hits if o.hit_id != hit.hit_id)
    memory = replace(last, sent_at=now, hits=(*_remembered(tuple(others), now), sent))
    if not apart:
        memory = replace(memory, revision=revision, last_seen=max(last.last_seen, hit.read.captured_at))
    notes, told = _notifications(hit, incident, revision, profile, now), _told(last, apart, revision)
    return Alert(incident, revision, notes, memory, told)


def _told(last: LastSent, apart: str, revision: int) -> tuple[int, datetime] | None:
    """Say which revision of the incident was told before this one, and when."""
    before = [(s.revision, s.told_us) for s in last.hits if s.apart == apart and s.revision < revision and s.told_us]
    number, told_us = max(before, default=(0, 0))
    return (number, from_us(told_us)) if number else None


def _remembered(hits: tuple[SentHit, ...], now: datetime) -> tuple[SentHit, ...]:
    """Keep the last hits, and one of each older incident of the day, or that could not be recalled."""
    recent, since_us = hits[1 - REMEMBERED :], to_us(now) - KEPT_S * 1_000_000
    kept = {sent.apart: sent for sent in hits[: 1 - REMEMBERED] if not sent.apart or sent.captured_us >= since_us}
    for sent in recent:
        kept.pop(sent.apart, None)
    return (*kept.values(), *recent)


def _notifications(
    hit: Hit, incident: str, revision: int, profile: AgencyProfile, now: datetime
) -> tuple[Notification, ...]:
    canary = hit.read.canary
    text = f"EXERCISE, a test plate. {screen_text(hit, now)}" if canary else screen_text(hit, now)
    return tuple(
        Notification(
            notification_id=notification_id(incident, target, revision),
            incident_id=incident,
            revision=revision,
            agency=hit.read.agency,
            kind=_kind(hit, revision),
            status=NotificationStatus.EXERCISE if canary else NotificationStatus(profile.notification_status),
            target=target,
            client_kind=client_kind,
            audible=revision == 1 and profile.audible and not canary,
            screen_text=text,
            hit=hit,
            notified_at=now,
            profile_version=profile.version,
        )
        for target, client_kind in profile.display_targets
    )


def _kind(hit: Hit, revision: int) -> NotificationKind:
    if hit.withdrawn_at is not None:
        return NotificationKind.RECALL
    if hit.held:
        return NotificationKind.STORM
    return NotificationKind.HIT if revision == 1 else NotificationKind.UPDATE


def screen_text(hit: Hit, now: datetime) -> str:
    """Write the note on the screen: advisory class first, then plate, match, list and its age, and the notice.

    It may hold the plate: it goes to the people who are to look for it, never into a log.
    """
    read = hit.read
    listed = " ".join(part for part in (hit.entry_plate.reveal(), short_state(hit.entry_state)) if part)
    age = words_for(hit.list_age_s)
    carrier = ", ".join(part for part in (read.device_kind.value, read.direction) if part)
    recalled = [f"WITHDRAWN: {_WITHDRAWN.get(hit.withdrawn_reason, _GONE)}. Do not act on it."]
    parts = [
        *(recalled if hit.withdrawn_at is not None else ()),
        *(
            (f"{hit.storm_reason} They are recorded and wait for release. One of them:",)
            if hit.held and hit.withdrawn_at is None
            else ()
        ),
        f"{spell(hit.advisory_class).upper()}: {listed}, {spell(hit.reason)}.",
        hit.explanation,
        f"Seen {read.captured_at:%Y-%m-%d %H:%M:%S} UTC by {read.device_name or read.device_id} ({carrier}).",
        f"List {hit.list_name or hit.list_code}, {age} old{', OVERDUE FOR RENEWAL' if hit.list_stale else ''}.",
    ]
    if hit.delayed or hit.released_at is not None:
        late = int((now - read.captured_at).total_seconds())
        why = "DELAYED" if hit.delayed else "It waited in an alert storm"
        parts.append(f"{why}: captured {words_for(late)} ago.")
    return " ".join((*parts, NOTICE))


def spell(code: str) -> str:
    """Turn a code into words: `stolen_vehicle` is a stolen vehicle."""
    return code.replace("_", " ").strip()


def words_for(seconds: int) -> str:
    """Say a span of time with its two largest units: `2 d 3 h`, `9 h`, `12 min`, `40 s`."""
    seconds = max(0, seconds)
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    for (size, name), (smaller, smaller_name) in pairwise(units):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            minor = rest // smaller
            return f"{whole} {name} {minor} {smaller_name}" if minor and size > 60 else f"{whole} {name}"
    return f"{seconds} s"
