"""What the pages about lists say, in plain words: ages, states, refusals and what to do about them. Pure.

Whether something is permitted, ingest decides; a person is offered only what is of any use to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from alprcore.layouts import REJECTS, Layout
from alprcore.model import Person
from alprcore.policy import QUERY_ROLES, AgencyProfile

DELEGATED: Final = ("approve_special_list", "authorise_share")
"""Powers over lists that a named designee may exercise (ACC-10, HOT-06, HOT-08)."""
_DECISIONS: Final = ("/approvals", "/authorisations", "/shares")
LOADERS: Final = frozenset({"alpr_admin", "program_manager"})
READERS: Final = frozenset({"officer", "investigator", "dispatcher", "supervisor", "alpr_admin", "program_manager"})
CRIME_TYPES: Final[Mapping[str, str]] = {
    "homicide": "Homicide",
    "shooting": "Shooting",
    "major_incident": "Other major crime",
}
NEW_TYPES: Final = (
    ("local", "The agency's own list"),
    ("special", "Special hot list: waits for approval, its hits are informational only"),
)
HISTORY_SHOWN: Final = 20
REJECTS_SHOWN: Final = 200
_DAY_S: Final = 86_400

ADVICE: Final[Mapping[str, str]] = {
    "ALREADY_EXTENDED": "See the newer entry of this plate in the list.",
    "ALSO_ENTERED_IN_REQUIRED": "Tick the state systems it also goes into, or “None of them”.",
    "APPROVAL_NOT_NEEDED": "Only special lists are approved; this one is matched as it is.",
    "APPROVER_NOT_AUTHORISED": "Ask whoever your policy names, or a designee with this power (People, Assignments).",
    "AUTHOR_MUST_DIFFER": "Ask a colleague: somebody else must see the need, too.",
    "CASE_NUMBER_REQUIRED": "Give the case number.",
    "FEED_UNKNOWN": "Set up a feed first.",
    "CHANGED_MEANWHILE": "Somebody else changed it just now. Reload the page and look before you repeat it.",
    "COLUMNS_INVALID": "Check that the layout chosen is the one of this file.",
    "DPPA_BASIS_REQUIRED": "Choose the permissible use under 18 USC 2721, or take the registration data out.",
    "DRY_RUN_TOO_SMALL": "A dry run is for lists, not for single vehicles: search for those, with your reason.",
    "ENTRY_NOT_LIVE": "It no longer alerts. Enter the plate again if it is still needed.",
    "EXPIRY_PAST": "Choose a time that still lies ahead.",
    "EXPIRY_REQUIRED": "Give the day and time at which it must stop alerting.",
    "EXPIRY_TOO_LONG": "Choose an earlier end. It can be extended later by a new entry.",
    "LAYOUT_UNKNOWN": "Choose one of the layouts offered.",
    "LIST_APPROVED": "It is approved already: reload the page.",
    "LIST_EMPTY": "Check that the file and the layout belong together.",
    "LIST_EXISTS": "Open the list of this code, or choose another code.",
    "LIST_GREW": "Compare the counts with the source. If they are right, load it again and say why.",
    "LIST_NOT_APPROVED": "It takes a second person's approval first: see Approvals.",
    "LIST_NOT_LOADABLE": "This list is filled by its own form, not by files.",
    "LIST_NOT_SHAREABLE": "Only lists that the agency itself made are shared.",
    "LIST_OLDER_THAN_ACTIVE": "The file is older than what is in force. Ask the source for a newer one.",
    "LIST_SHRUNK": "Compare the counts with the source. If they are right, load it again and say why.",
    "LIST_TRUNCATED": "The file is cut short. Fetch it from the source again.",
    "LIST_UNKNOWN": "See Lists for the lists of your agency.",
    "OWN_LIST": "Somebody else approves what you made or loaded.",
    "PATTERN_INVALID": "? stands for one unknown character, * for any number. Give more of the characters seen.",
    "PURPOSE_NOT_PERMITTED": "Choose another purpose, or ask a supervisor who may approve it.",
    "PURPOSE_REQUIRED": "Choose a purpose and say in a sentence why it is needed.",
    "RECIPIENT_CLASS_NOT_PERMITTED": "The agency's policy does not permit this recipient.",
    "ROLLBACK_DONE": "It was approved already: reload the page.",
    "ROLLBACK_NOTHING_KEPT": "Ask the source for a corrected file and load that.",
    "ROLLBACK_OUTDATED": "A newer version came into force meanwhile. Ask again if it is wrong, too.",
    "ROLE_NOT_AUTHORISED": "If your duties need it, ask the ALPR administrator of your agency.",
    "SHARE_NOT_AUTHORISED": "It takes a dated authorization first: ask whoever your policy names for it.",
    "SOURCES_REQUIRED": "Name at least two systems and the time of their data.",
    "SOURCE_TIME_AHEAD": "The source time lies in the future. Check day, hour and time zone.",
    "SPECIAL_LISTS_OFF": "The agency's policy has no special lists. Its profile would have to be changed first.",
    "TOO_MANY_PARTIALS": "Withdraw partial plates that are no longer needed, then enter it again.",
    "TRAINING_MISSING": "Your page “My training” names what is missing; the training manager adds it.",
    "TRY_AGAIN": "Wait a moment and do it again.",
}
"""What a person can do about a refusal; the refusal itself says what is wrong (HOT, USE-10)."""

_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "not_active_yet": ("Not active yet", "warn"),
    "active": ("Active", "good"),
    "expired": ("Expired", "plain"),
    "withdrawn": ("Withdrawn", "plain"),
}
TYPES: Final[Mapping[str, str]] = {
    "core": "From a state or national system",
    "local": "The agency's own",
    "special": "Special list, takes approval",
    "hot_plate": "Hot plates",
    "partial": "Partial plates",
}


def decides(path: str) -> bool:
    """Tell whether a call is one in which a designee's power counts: an approval, an authorization, a share."""
    return path.startswith("/v1/hotlists/") and path.endswith(_DECISIONS)


def entry_and_search(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Take a new partial plate apart: what ingest is told, and the query for its past reads, None when not asked for.

    The query speaks in the words of whoever enters the pattern: purpose, case number, reasons (USE-10, QRY-02).
    """
    entry = {name: value for name, value in body.items() if name != "back_search"}
    reasons = body.get("back_search")
    if not isinstance(reasons, Mapping):
        return entry, None
    criteria = {"partial": entry.get("pattern", "")}
    if entry.get("state"):
        criteria["state"] = entry["state"]
    search = {
        "purpose_code": entry.get("purpose_code", ""),
        "case_number": entry.get("case_number", ""),
        **{name: reasons[name] for name in ("justification", "attest_no_first_amendment") if name in reasons},
        "criteria": criteria,
        "limit": 100,
    }
    for name in ("reasonable_suspicion", "need_to_know"):
        if reasons.get(name):
            search[name] = {"basis": reasons[name]}
    return entry, search


def reads_lists(person: Person, _profile: AgencyProfile) -> bool:
    """Tell whether the pages about lists are of any use to this person."""
    return not (READERS | {"auditor"}).isdisjoint(person.roles)


def loads_lists(person: Person, _profile: AgencyProfile) -> bool:
    """Tell whom the forms for loading, feeds and categories are shown to."""
    return not LOADERS.isdisjoint(person.roles)


def reads_plates(person: Person, _profile: AgencyProfile) -> bool:
    """Tell whether the pages with hot plates and partial plates are of any use to this person."""
    return not READERS.isdisjoint(person.roles)


def enters_plates(person: Person, profile: AgencyProfile) -> bool:
    """Tell whom the forms for hot plates and partial plates are shown to; training is judged by ingest (HOT-20)."""
    return not set(profile.listing.hot_plate_roles).isdisjoint(person.roles)


def searches(person: Person, profile: AgencyProfile) -> bool:
    """Tell whether a search for past reads is offered to this person; the query door decides (USE-10)."""
    return profile.listing.back_search and not QUERY_ROLES.isdisjoint(person.roles)


def age_words(seconds: float | None) -> str:
    """Say how old something is in one unit that is read at a glance: `4 min`, `9 h 05 min`, `3 days`."""
    if seconds is None:
        return "never loaded"
    whole = max(0, round(seconds))
    if whole < 60:
        return "less than a minute"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 2 * _DAY_S:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // _DAY_S} days"


def age_tone(seconds: float | None, max_age_s: float) -> str:
    """Color an age (HOT-13): good within the list's interval, warn beyond it, bad beyond twice of it or never."""
    if seconds is None or seconds > 2 * max_age_s:
        return "bad"
    return "warn" if seconds > max_age_s else "good"


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out a list for its page: what ingest tells, with words and colors.

    `state_words` and `tone` say whether it can be relied on now: waiting for approval, never loaded, too old, in force.
    """
    refresh = row.get("refresh") or {}
    interval = int(refresh.get("max_age_s") or _DAY_S)
    age, filled_by_hand = row.get("age_s"), row.get("list_type") in ("hot_plate", "partial")
    tone = "plain" if filled_by_hand else age_tone(age, interval)
    if not row.get("approved", True):
        state, state_tone = "waits for approval", "warn"
    elif filled_by_hand:
        state, state_tone = "filled by its form", "plain"
    elif not row.get("version"):
        state, state_tone = "never loaded", "bad"
    elif row.get("stale"):
        state, state_tone = "too old", tone
    else:
        state, state_tone = "in force", "good"
    return {
        **row,
        "age_words": "–" if filled_by_hand else age_words(age),
        "tone": tone,
        "interval_words": age_words(interval).removesuffix(" 00 min"),
        "state_words": state,
        "state_tone": state_tone,
        "type_words": TYPES.get(str(row.get("list_type")), str(row.get("list_type", ""))),
        "by_hand": filled_by_hand,
        "feed_words": feed_words(row.get("feed")),
        "percent": percent(row.get("loading")),
    }


def feed_words(feed: Any) -> tuple[str, str]:
    """Say in words and a tone how a list's feed does; ('by hand', 'plain') without one."""
    if not isinstance(feed, Mapping):
        return "loaded by hand", "plain"
    kind = str(feed.get("kind", "")).upper() if feed.get("kind") != "folder" else "folder"
    if feed.get("reason_code"):
        return f"last pull from {kind} failed", "bad"
    return f"pulled from {kind}", "good"


def percent(progress: Any) -> int | None:
    """How far a load has come, 0 to 100: lines are read first, whose number nobody knows yet; None while none runs."""
    if not isinstance(progress, Mapping):
        return None
    whole = progress.get("buckets") or 0
    return min(100, int(100 * (progress.get("published") or 0) / whole)) if whole else 0


def history(loads: Sequence[Mapping[str, Any]], version: int, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Lay out a list's newest loads: by whom in names, and what became of each in a word and a tone."""
    found = []
    for load in loads[:HISTORY_SHOWN]:
        state = str(load.get("state", ""))
        if load.get("version") == version:
            words, tone = "in force", "good"
        elif state == "publishing":
            words, tone = "being put in force", "info"
        else:
            words, tone = code_words(state) if state and state != "active" else "replaced", "plain"
        lifted = load.get("lifted") or []
        marks = [code_words(one) for one in (lifted.split() if isinstance(lifted, str) else lifted)]
        by = str(load.get("loaded_by") or "")
        found.append({**load, "words": words, "tone": tone, "by": names.get(by, by), "marks": marks})
    return found


def asked_rollback(rollbacks: Sequence[Mapping[str, Any]], row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Find the rollback that waits for a decision: asked of the version in force, and not approved."""
    return next(
        (one for one in rollbacks if not one.get("approved_by") and one.get("from_version") == row.get("version")), None
    )


def vehicle_words(vehicle: Any) -> str:
    """Say a vehicle in a line: year, color, make, model, style."""
    if not isinstance(vehicle, Mapping):
        return ""
    return " ".join(str(vehicle[name]) for name in ("year", "color", "make", "model", "style") if vehicle.get(name))


def entry_state(row: Mapping[str, Any]) -> tuple[str, str]:
    """Say in words and a tone what an entry does now: not active yet, active, expired, withdrawn (HOT-16, HOT-19)."""
    code = str(row.get("entry_state") or "not_active_yet")
    return _STATES.get(code, (code_words(code), "plain"))


def lives(row: Mapping[str, Any]) -> bool:
    """Tell whether an entry alerts now or soon: it can be extended and withdrawn."""
    return str(row.get("entry_state", "")) in ("not_active_yet", "active")


def left_words(expires_at: str, now: datetime) -> tuple[str, str]:
    """Say how long an entry still alerts and color it: warn below 2 h, when somebody should decide on extending it."""
    try:
        seconds = (datetime.fromisoformat(expires_at) - now).total_seconds()
    except ValueError:
        return "no end", "plain"
    if seconds <= 0:
        return "over", "plain"
    return f"{age_words(seconds)} left", "warn" if seconds < 7200 else "good"


def code_words(code: str) -> str:
    """Say a code in words where nothing better is known: `FILE_NOT_FOUND` is `file not found`."""
    return code.lower().replace("_", " ")


def reject_words(code: str) -> str:
    """Say why a line was left out."""
    return REJECTS.get(code, code_words(code))


def rejects_shown(rejects: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Lay out a reject report: line and words; only the first lines, the whole report is fetched as data."""
    return [
        {"line": row.get("line", row.get("number")), "words": reject_words(str(row.get("reason_code", "")))}
        for row in rejects[:REJECTS_SHOWN]
    ]


def tallied(codes: Mapping[str, int]) -> list[tuple[str, int]]:
    """Say why lines were left out and how many for each reason, most frequent first; `codes` counts all of them."""
    counts: dict[str, int] = {}
    for code, lines in codes.items():
        words = reject_words(code)
        counts[words] = counts.get(words, 0) + lines
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def purposes(profile: AgencyProfile) -> tuple[tuple[str, str], ...]:
    """List the purposes under which a plate may be entered: code and words (USE-01)."""
    return tuple((purpose.code, purpose.label) for purpose in profile.purposes if purpose.query)


TABS: Final[tuple[tuple[str, str, Any], ...]] = (
    ("/lists", "Lists", reads_lists),
    ("/approvals", "Approvals", reads_lists),
    ("/hot-plates", "Hot plates", reads_plates),
    ("/partial-plates", "Partial plates", reads_plates),
)
"""Address, words, and whom it is of use to."""


def layouts_for(layouts: Sequence[Mapping[str, Any]], last: str = "") -> list[tuple[str, str]]:
    """List the layouts a file may have, name and words, the agency's own among them; the last one used comes first."""
    found = [(str(one["name"]), str(one.get("title") or code_words(one["name"]))) for one in layouts]
    if "\n" in last:  # a feed may carry its layout itself
        found.append((last, "This list's own layout"))
    return sorted(found, key=lambda one: (one[0] != last, one[1]))


def last_layout(feed: Mapping[str, Any], loads: Sequence[Mapping[str, Any]]) -> str:
    """Name the layout that this list's files have: its feed's, else that of the newest load."""
    used = next((str(load["layout"]) for load in loads if load.get("layout")), "")
    return str(feed.get("layout") or used)


def categories_of(layout: Layout | None, off: Sequence[str]) -> list[tuple[str, str]]:
    """List the categories that can be switched off: those of the files' layout, and those switched off already."""
    codes = set(off) | (set(layout.categories) if layout else set())
    return [(code, category_words(layout, code)) for code in sorted(codes)]


def category_words(layout: Layout | None, code: str) -> str:
    """Say a category of a list file: its own letter or word, and what its records mean."""
    meant = layout.categories.get(code) if layout else None
    words = (meant.name or code_words(meant.reason)) if meant else ""
    return f"{code}: {words}" if words and words != code else code


def entry_shown(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Lay out a hot plate or a partial plate for its page: state and time left in words and colors.

    `waits` says that it should be matched any moment; an extension begins only when the entry before it ends.
    """
    words, tone = entry_state(row)
    begins = str(row.get("effective_at") or "")
    later = row.get("entry_state") == "not_active_yet" and bool(begins) and datetime.fromisoformat(begins) > now
    if later:
        words, tone = "Begins later", "info"
    left, left_tone = left_words(str(row.get("expires_at") or ""), now) if lives(row) else ("", "plain")
    return {
        **row, "words": words, "tone": tone, "left": left, "left_tone": left_tone, "lives": lives(row),
        "begins": begins if later else "", "waits": row.get("entry_state") == "not_active_yet" and not later,
        "vehicle_words": vehicle_words(row.get("vehicle")),
    }  # fmt: skip


def limits(profile: AgencyProfile) -> dict[str, int]:
    """Give how long an entry may alert, in hours: a hot plate ordinarily (which the form fills in), one that also goes
    into a state system, and a partial plate (HOT-16, HOT-17, USE-10).
    """
    rules = profile.listing
    return {
        "hours": rules.hot_plate_days * 24, "state_hours": rules.hot_plate_state_hours,
        "partial_hours": rules.partial_days * 24, "fixed": rules.partial_fixed,
    }  # fmt: skip
