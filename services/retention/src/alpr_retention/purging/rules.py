"""What a run of the purge says of itself: totals, stores, who has not answered yet, and the certificate's outcome."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from alprcore.model import ADMITTED, Decision, Person, Refused

COUNTED: Final = ("reads", "hits", "held", "images")
OPEN: Final = frozenset({"planned", "cut", "keyless", "cleared"})
"""States of an item that something is still to be done about."""
STOPPING: Final = frozenset({"RETENTION_SCHEDULE_MISSING", "CUSTODIAN_APPROVAL_REQUIRED", "RETENTION_CHANGE_PENDING"})
"""Why an agency's own policy keeps its records from going: its certificate says `stopped` (RET-05, RET-14)."""

LOSS_ROLES: Final = frozenset({"custodian", "program_manager", "retention_officer"})
"""Who answers for the records and may say that an image of a held one is lost."""
LOSS_SETTLERS: Final = frozenset({"custodian", "program_manager"})
"""Whose agreement, as a second person's, lets a held read go on without it."""
BARRING: Final = frozenset({"open", "declared"})
"""States of a damaged image in which its read keeps the whole day of its agency from being purged."""
SEEN: Final[Mapping[str, tuple[str, str]]] = {
    "damaged": ("held_image_damaged", "it does not open as it was stored; its day is not purged"),
    "missing": ("held_image_missing", "it is gone from the store and under no hold's key either"),
    "lost": ("held_image_lost", "the read is kept without it, as two people decided"),
    "mended": ("held_image_mended", "it opens again"),
}
"""What a run says of an image of a held read: the kind of its entry, and words."""
DECIDED: Final[Mapping[str, str]] = {
    "declare": "image_loss_declared",
    "confirm": "image_loss_confirmed",
    "deny": "image_loss_denied",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one service said to the parts of one order so far."""

    service: str
    parts: int
    gone: Mapping[str, int]
    left: Mapping[str, int]
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class Item:
    """One agency's records of one due day in one run: those of the day itself, or those that a hold kept beyond it."""

    agency: str
    due_day: date
    kind: str
    state: str
    reason_code: str = ""
    profile_version: str = ""
    reads: int = 0
    hits: int = 0
    held: int = 0
    images: int = 0
    key_destroyed: bool = False
    parts: int = 0
    holds: Mapping[str, int] = field(default_factory=dict)
    stores: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    strays: Sequence[str] = ()
    answers: Sequence[Answer] = ()


def may_decide_loss(person: Person, image: Mapping[str, Any], decision: str) -> Decision:
    """Decide whether this person may say that a held image is lost, or agree or not as the second (RET-07, RET-10).

    An image that is evidence goes by two people of those who answer for the records, as a hold does.
    """
    settles = decision != "declare"
    if (LOSS_SETTLERS if settles else LOSS_ROLES).isdisjoint(person.roles):
        return Refused("RET-07", "ROLE_NOT_AUTHORISED", "those who answer for the records decide on a lost image")
    if image["state"] != ("declared" if settles else "open"):
        return Refused("RET-07", "STATE_CONFLICT", "nothing is to be decided about this image now")
    if settles and person.person_id == image["declared_by"]:
        return Refused("RET-07", "SECOND_PERSON_REQUIRED", "another person than the one who declared it lost")
    return ADMITTED


def loss_acts(person: Person, image: Mapping[str, Any]) -> list[str]:
    """List what this person may do about a damaged image next."""
    return [act for act in DECIDED if may_decide_loss(person, image, act) is ADMITTED]


def silent(item: Item, doors: Iterable[str]) -> tuple[str, ...]:
    """Name the services that have not answered every part of what they were told about these records."""
    heard = {answer.service: answer.parts for answer in item.answers}
    return tuple(door for door in doors if heard.get(door, 0) < item.parts)


def left_over(item: Item) -> tuple[str, ...]:
    """Name the services in which something could not go."""
    return tuple(answer.service for answer in item.answers if any(answer.left.values()))


def settled(item: Item, doors: Iterable[str]) -> bool:
    """Tell whether nothing more is to be done or waited for about these records."""
    return item.state not in OPEN or (item.state == "cleared" and not silent(item, doors))


def outcome_of(items: Sequence[Item], doors: Sequence[str]) -> str:
    """Say how a run ended for one agency: complete, incomplete, or stopped by its own policy (RET-14).

    Complete is only what is gone from every store: no step open, nobody silent, nothing left.
    """
    reasons = {item.reason_code for item in items if item.reason_code}
    if reasons and reasons <= STOPPING:
        return "stopped"
    whole = all(item.state in ("cleared", "done") and not silent(item, doors) and not left_over(item) for item in items)
    return "complete" if whole else "incomplete"


def errors_of(items: Sequence[Item], doors: Sequence[str]) -> list[str]:
    """Name what stands against `complete`: reason codes, and PURGE_UNANSWERED or PURGE_LEFT with the service."""
    found = {item.reason_code for item in items if item.reason_code}
    found |= {"PURGE_BROKE_OFF" for item in items if item.state in (OPEN - {"cleared"}) | {"broken"}}
    for item in items:
        if item.state in ("cleared", "done"):
            found |= {f"PURGE_UNANSWERED {door}" for door in silent(item, doors)}
        found |= {f"PURGE_LEFT {service}" for service in left_over(item)}
    return sorted(found)


def totals_of(items: Iterable[Item]) -> dict[str, int]:
    """Add up what went, what stays held, and the keys that were destroyed."""
    sums: Counter[str] = Counter(dict.fromkeys((*COUNTED, "keys"), 0))
    for item in items:
        sums.update({name: getattr(item, name) for name in COUNTED})
        sums["keys"] += item.key_destroyed
    return dict(sums)


def stores_of(items: Sequence[Item], doors: Sequence[str]) -> list[dict[str, Any]]:
    """Say of every store what went from it, what is left, and whether it is still waited for."""
    totals = totals_of(items)
    cut = [item for item in items if item.state not in ("planned", "refused", "broken")]
    cleared = all(item.state in ("cleared", "done") for item in cut)
    keyless = all(item.state in ("keyless", "cleared", "done") for item in cut)
    own = [
        ("database", "done", {"reads": totals["reads"], "hits": totals["hits"]}),
        ("image_keys", "done" if keyless else "waiting", {"keys": totals["keys"]}),
        ("objects", "done" if cleared else "waiting", {"images": totals["images"]}),
    ]
    inner: dict[str, Counter[str]] = {}
    for item in items:
        for name, gone in item.stores.items():
            inner.setdefault(name, Counter()).update(gone)
    own += [(name, "done" if cleared else "waiting", dict(gone)) for name, gone in sorted(inner.items())]
    told: list[dict[str, Any]] = [
        {"store": name, "state": state, "gone": gone, "left": {}, "answered_at": None} for name, state, gone in own
    ]
    return told + [_door(door, cut) for door in doors]


def _door(door: str, items: Sequence[Item]) -> dict[str, Any]:
    gone: Counter[str] = Counter()
    left: Counter[str] = Counter()
    last: datetime | None = None
    for answer in (answer for item in items for answer in item.answers if answer.service == door):
        gone.update(answer.gone)
        left.update(answer.left)
        last = max(last, answer.answered_at) if last else answer.answered_at
    missing = any(door in silent(item, [door]) for item in items)
    heard = "done" if last else "not_asked"
    state = "waiting" if missing else "left" if any(left.values()) else heard
    return {
        "store": door,
        "state": state,
        "gone": dict(gone),
        "left": {name: number for name, number in left.items() if number},
        "answered_at": last.isoformat() if last else None,
    }


def day_of(item: Item, doors: Sequence[str] = ()) -> dict[str, Any]:
    """Write one item as people and programs read it; ids and counts only. What waits for nobody more is done."""
    waits = item.state != "cleared" or bool(silent(item, doors))
    return {
        "day": item.due_day.isoformat(),
        "kind": item.kind,
        "state": item.state if waits else "done",
        "reason_code": item.reason_code,
        **{name: getattr(item, name) for name in COUNTED},
        "key_destroyed": item.key_destroyed,
        "stores": {
            **{name: dict(gone) for name, gone in item.stores.items()},
            **{answer.service: dict(answer.gone) for answer in item.answers},
        },
        "holds": dict(item.holds),
    }


def report_of(
    run: Mapping[str, Any],
    items: Sequence[Item],
    doors: Sequence[str],
    lost: Sequence[Mapping[str, str]] = (),
    profile_version: str = "",
) -> dict[str, Any]:
    """Write what a run did for one agency so far: days, totals, every store, the holds it met, what went wrong.

    `lost` are images without which held reads went on. A run that met nothing of the agency says that nothing was due,
    under `profile_version`, and no store is asked (RET-15).
    """
    ordered = sorted(items, key=lambda item: (item.due_day, item.kind))
    holds: Counter[str] = Counter()
    for item in ordered:
        holds.update(item.holds)
    return {
        "run_id": run["run_id"],
        "as_of": run["as_of"],
        "started_at": run["started_at"],
        "profile_version": next((item.profile_version for item in ordered if item.profile_version), profile_version),
        "outcome": outcome_of(ordered, doors),
        "days": [day_of(item, doors) for item in ordered],
        "totals": totals_of(ordered),
        "stores": stores_of(ordered, doors),
        "holds": [{"hold_id": hold, "reads": reads} for hold, reads in sorted(holds.items())],
        "lost_images": [dict(one) for one in lost],
        "errors": errors_of(ordered, doors),
    }


def certificate_of(report: Mapping[str, Any], agency: str, now: datetime) -> tuple[dict[str, Any], str]:
    """Make the certificate of a run and the SHA-256 of its canonical JSON (RFC 8785 for these types), in hex.

    A store that is still waited for when the certificate is made is `missing` in it.
    """
    stores = [{**one, "state": "missing" if one["state"] == "waiting" else one["state"]} for one in report["stores"]]
    certificate = {**report, "stores": stores, "agency": agency, "finished_at": now.isoformat()}
    canonical = json.dumps(certificate, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return certificate, hashlib.sha256(canonical.encode()).hexdigest()
