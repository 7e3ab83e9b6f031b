"""What the ledger's entries, reports and tasks say in words, and whether a proof holds. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from alprcore.model import Person

LOOK_ROLES: Final = frozenset({"auditor", "alpr_admin", "program_manager"})
"""Who sees reports, reviews and findings; entries themselves are the auditor's (the door decides again)."""
PAGE_ENTRIES: Final = 50
KINDS: Final[Mapping[str, str]] = {
    "sign_in": "Signed in",
    "session_ended": "Signed out",
    "session_started": "Session began",
    "concurrent_session": "Second session at once",
    "query": "Searched reads",
    "query_result": "Answer of a search",
    "hit_query": "Searched past hits",
    "hit_query_result": "Answer of a search of hits",
    "image_view": "Opened an image",
    "export": "Took a copy",
    "export_result": "Copy handed out",
    "print": "Printed",
    "hit_view": "Opened a hit",
    "hit_presented": "Hit was shown",
    "hit_acknowledged": "Hit acknowledged",
    "storm_released": "Alert storm released",
    "cad_status": "CAD answered",
    "cad_endpoint_added": "CAD endpoint added",
    "cad_endpoint_enabled": "CAD endpoint switched on",
    "cad_endpoint_disabled": "CAD endpoint switched off",
    "cad_secret_rotated": "CAD secret replaced",
    "read_checked": "Read checked",
    "confirmation_asked": "Database asked for a confirmation",
    "hit_verified": "Hit verified",
    "verification_read": "Answer of a database read",
    "hit_broadcast": "Hit broadcast",
    "call_entered": "Call for service entered",
    "call_described": "Call described",
    "call_state_set": "Call changed",
    "nature_reviewed": "Nature of an advisory reviewed",
    "action_recorded": "Action recorded",
    "disposition_recorded": "Disposition recorded",
    "hit_closed": "Hit closed",
    "live_image_shown": "Live image shown",
    "entry_decrypted": "List entry opened",
    "case_number_added": "Case number added",
    "refused": "Refused",
    "gate_overridden": "Step overridden",
    "list_package_issued": "Lists handed to a device",
    "list_republished": "List published again",
    "shift_check": "Unit checked before a shift",
    "log_read": "Ledger read",
    "ledger_verified": "Ledger verified",
    "report_made": "Audit report made",
    "report_read": "Audit report read",
    "audit_opened": "Audit opened",
    "audit_closed": "Audit closed",
    "finding_recorded": "Review finding recorded",
    "account_created": "Account made",
    "account_disabled": "Account disabled",
    "grants_changed": "Rights changed",
    "profile_approved": "Policy version approved",
    "hold_placed": "Hold placed",
    "hold_covers": "Reads of a hold",
    "hold_read": "Hold opened",
    "hold_confirmed": "Hold confirmed",
    "hold_reviewed": "Hold reviewed",
    "hold_release_requested": "Release of a hold asked for",
    "hold_kept": "Hold kept",
    "hold_lifted": "Hold lifted",
    "hold_released": "Hold released",
    "hold_ended": "Hold ended",
    "package_opened": "Evidence package begun",
    "package_built": "Evidence package built",
    "package_given": "Evidence package handed out",
    "evidence_booked": "Evidence booked",
    "release_requested": "Release request taken in",
    "release_submitted": "Release request submitted",
    "release_approved": "Release approved",
    "release_denied": "Release denied",
    "release_delivered": "Read released",
    "disclosures_read": "Disclosures of a read looked up",
    "demand_recorded": "Demand recorded",
    "demand_answered": "Demand answered",
    "agreement_proposed": "Sharing agreement proposed",
    "agreement_approved": "Sharing agreement approved",
    "agreement_denied": "Sharing agreement denied",
    "agreement_stopped": "Sharing agreement stopped",
    "purge_requested": "Purge asked for",
    "purge": "Records purged",
    "destruction_report_sent": "Destruction report sent",
    "retention_change_noticed": "Change of the retention schedule noticed",
    "retention_change_approved": "Change of the retention schedule approved",
    "retention_change_done": "Change of the retention schedule applied",
    "held_image_damaged": "Held image does not open",
    "held_image_missing": "Held image is gone",
    "held_image_lost": "Read kept without an image",
    "held_image_mended": "Held image opens again",
    "image_loss_declared": "Held image declared lost",
    "image_loss_confirmed": "Loss of a held image confirmed",
    "image_loss_denied": "Loss of a held image denied",
    "release_file_disposed": "File of a request disposed of",
    "records_overdue": "Records past their day",
    "records_missing": "Records missing before their day",
    "breach_opened": "Breach reported",
    "breach_task_done": "Task of a breach done",
    "breach_closed": "Breach closed",
}
"""Kinds of entries in words; a kind that is not named is shown as its code, readable enough."""
OUTCOMES: Final = (("ok", "Done"), ("refused", "Refused"), ("error", "Failed"))
PATTERNS: Final[Mapping[str, str]] = {
    "repeat_plate": "The same plate again and again",
    "registered_plate": "A colleague's or own vehicle",
    "fan_out": "Many unrelated plates",
    "volume": "Far more searches than usual",
    "off_shift": "Searches off shift",
    "no_case_number": "No case number given later",
    "boilerplate": "The same phrase as justification",
    "concurrent_session": "Two sessions at once",
    "isolated_session": "A session from an unusual place",
    "unauthorised_access": "Access after it had ended",
    "failed_sign_ins": "Failed sign-ins",
    "refused_queries": "Many refused searches",
}
RESULTS: Final = (("ok", "In order"), ("question", "Question"), ("violation", "Violation"))
DISPOSITIONS: Final = (
    ("explained", "Explained"),
    ("training", "Training given"),
    ("referred", "Referred"),
    ("misuse", "Misuse"),
    ("false_alarm", "False alarm"),
)
_TONES: Final = {
    "ok": "good", "refused": "bad", "error": "bad", "violation": "bad", "question": "warn", "critical": "bad",
    "anomaly": "warn", "notice": "info", "overdue": "bad", "open": "info", "closed": "good",
}  # fmt: skip
_ID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_CRITERIA: Final = {
    "plate": "plate", "plates": "plates", "partial": "partial plate", "state": "state", "device_id": "device", "list_code": "list",
    "captured_from": "from", "captured_to": "to", "role": "image", "read_id": "read",
}  # fmt: skip


def may_look(person: Person) -> bool:
    """Tell whether the audit pages are of any use to this person."""
    return not LOOK_ROLES.isdisjoint(person.roles)


def may_read_entries(person: Person) -> bool:
    """Tell whether single entries are open to this person."""
    return "auditor" in person.roles


def in_words(kind: str) -> str:
    """Say a kind of entry or a pattern in words."""
    return KINDS.get(kind) or PATTERNS.get(kind) or kind.replace("_", " ").capitalize()


def tone(word: str) -> str:
    """Give the color of a badge for an outcome, a result, a level or a state."""
    return _TONES.get(word, "plain")


def log_filter(form: Mapping[str, str]) -> dict[str, Any]:
    """Make the body of a look into the ledger of the form's fields; empty ones are left out."""
    body: dict[str, Any] = {
        name: value
        for name in ("kind", "username", "outcome", "plate", "case_number", "from", "to")
        if (value := form.get(name, "").strip())
    }
    if "plate" in body:
        body["plate"] = "".join(body["plate"].upper().split()).replace("-", "")
    if (before := form.get("before", "").strip()).isdigit():
        body["before"] = int(before)
    return {**body, "limit": PAGE_ENTRIES}


def who(personal: Mapping[str, Any] | None) -> dict[str, str]:
    """Find who acted in an entry's personal content, as doors and as services write it."""
    content = personal or {}
    person = content.get("person")
    found = person if isinstance(person, Mapping) else content
    names = ("username", "full_name", "organization", "source_ip", "session_id")
    return {name: str(found.get(name) or "") for name in names}


def doer(row: Mapping[str, Any]) -> str:
    """Name the service that made an entry by itself; empty where a person stands in it, or stood before the erasure."""
    personal, person = row.get("personal"), who(row.get("personal"))
    if personal is None or person["username"] or person["full_name"]:
        return ""
    return f"the system ({(row.get('entry') or {}).get('service') or 'a service'})"


def what(row: Mapping[str, Any]) -> str:
    """Say in a line what an entry is about: the plate asked for, the number of rows, the refusal, the subject."""
    entry, personal = row.get("entry") or {}, row.get("personal") or {}
    facts = entry.get("facts") or {}
    if code := entry.get("reason_code"):
        return str(code)
    if words := criteria_words(personal.get("criteria")):
        return words
    if "rows" in facts:
        return f"{facts['rows']} rows"
    subject = str(facts.get("subject") or "")
    if subject and subject in (personal.get("person_id"), who(personal)["session_id"]):
        return ""  # the person, who stands beside it
    return (f"id {subject[:8]}" if _ID.fullmatch(subject) else subject) or str(facts.get("purpose_code") or "")


def when(row: Mapping[str, Any]) -> str:
    """Say when it happened: the moment that another service gave, else that of the entry."""
    facts = (row.get("entry") or {}).get("facts") or {}
    return str(facts.get("occurred_at") or row["committed_at"])


def criteria_words(criteria: Any) -> str:
    """Say what was searched for: `plate 8KBO042, state US-CA, look-alikes too`."""
    if isinstance(criteria, str):
        try:
            return criteria_words(json.loads(criteria)) if criteria[:1] == "{" else criteria
        except ValueError:
            return criteria
    if not isinstance(criteria, Mapping):
        return ""
    parts = [f"{words} {_short(name, criteria[name])}" for name, words in _CRITERIA.items() if criteria.get(name)]
    parts += [words for name, words in (("lookalike", "look-alikes too"), ("own_detections", "own detections"),
                                        ("area", "an area"), ("polygon", "a drawn area")) if criteria.get(name)]  # fmt: skip
    return ", ".join(parts)


def _short(name: str, value: Any) -> str:
    # the first eight characters tell two reads of a page apart; the whole id stands on the entry's own page
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return str(value)[:8] if name == "read_id" else str(value)


def flat(content: Any, name: str = "") -> list[tuple[str, str]]:
    """Lay out nested content as pairs of a dotted name and a text, in the order it was written."""
    if isinstance(content, Mapping):
        return [pair for key, value in content.items() for pair in flat(value, f"{name}.{key}" if name else str(key))]
    if isinstance(content, Sequence) and not isinstance(content, str):
        if any(isinstance(item, Mapping | list) for item in content):
            return [pair for at, item in enumerate(content, 1) for pair in flat(item, f"{name}.{at}")]
        content = ", ".join(str(item) for item in content)
    text = ("yes" if content else "no") if isinstance(content, bool) else str("" if content is None else content)
    return [(name.replace("_", " "), text)] if text else []


def proof_holds(index: int, proof: Mapping[str, Any]) -> bool:
    """Recompute the head from an entry and its path, and find that head in the signed note (RFC 9162 2.1.3.2).

    The signature of the note is not checked here: that is done with the ledger's public key, away from this service.
    """
    try:
        leaf, size = str(proof["leaf"]).encode(), int(proof["tree_size"])
        path = [bytes.fromhex(part) for part in proof["inclusion"]]
        note = str(proof["checkpoint"]).splitlines()
    except (KeyError, TypeError, ValueError):
        return False
    if not 0 <= index < size:
        return False
    at, last, root = index, size - 1, hashlib.sha256(b"\0" + leaf).digest()
    for part in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            root = hashlib.sha256(b"\1" + part + root).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = hashlib.sha256(b"\1" + root + part).digest()
        at, last = at >> 1, last >> 1
    # a head is three lines: origin, size, root in base64 (C2SP tlog-checkpoint)
    return last == 0 and note[1:3] == [str(size), base64.b64encode(root).decode()]
