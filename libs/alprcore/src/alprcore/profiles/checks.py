"""What the values of a profile must hold together, key by key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alprcore.model import DeviceKind
from alprcore.plates import MIN_PATTERN_FIXED
from alprcore.policy import (
    ACTIVITIES,
    COUNTERPARTIES,
    CUSTODY,
    EXPORT_MEDIA,
    FLOOR,
    HOLD_ENDS,
    HOLD_GROUNDS,
    HOT_PLATE_FIELDS,
    LONGEST,
    RECIPIENTS,
    REQUEST_FIELDS,
    ROLES,
    SOURCES,
    STEPS,
    WRITTEN_FIELDS,
    AgencyProfile,
    Gate,
    HitRules,
    RetentionRules,
    SharingRules,
    longest_period,
    read_period,
    shortest_period,
)
from alprcore.workflow import CONTENT, DOERS, RECOVERY, STOLEN_VEHICLE, BroadcastKind, Exigency, Route, Source, Step

_CLOCKS: Final = frozenset({"captured", "received"})
_CASE_NUMBER: Final = frozenset({"optional", "if_available"})
_SECOND_FACTOR: Final = frozenset({"required", "optional_on_loopback"})
_INTERVALS: Final = frozenset({"month", "quarter", "year"})
_MODES: Final = frozenset({"minimum", "fixed"})
_KINDS: Final = frozenset(kind.value for kind in DeviceKind)
_SCOPES: Final = frozenset({"system", "user_queries"})
_FILE_SCOPES: Final = frozenset({"approved", "all"})
_OTHER_ROUTES: Final = frozenset({"records", "refuse"})


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """What is wrong with one key of a profile: the key with dots and positions, and the words a person reads."""

    key: str
    words: str

    @property
    def text(self) -> str:
        """Say it in one line."""
        return f"{self.key}: {self.words}"


def one_of(words: Any) -> str:
    """Write a closed set for a person, in the order of the alphabet."""
    return ", ".join(sorted(str(word.value) if isinstance(word, StrEnum) else word for word in words))


def problems_of(profile: AgencyProfile) -> tuple[KeyProblem, ...]:
    """Say what is wrong with the values of a profile, key by key."""
    governance, access, audit, listing = profile.governance, profile.access, profile.audit, profile.listing
    roles = {
        "governance.access_managers": governance.access_managers,
        "governance.training_owners": governance.training_owners,
        "governance.release_approvers": governance.release_approvers,
        "governance.other_uses_approvers": governance.other_uses_approvers,
        "governance.role_titles": tuple(governance.role_titles),
        "audit.role": (audit.role,),
        "listing.special_approvers": listing.special_approvers,
        "listing.share_authorizers": listing.share_authorizers,
        "listing.hot_plate_roles": listing.hot_plate_roles,
    }
    checks = [
        ("policy_ref", bool(profile.policy_ref.strip()), "is empty"),
        ("policy_date", _is_day(profile.policy_date), "a day, year-month-day, or empty"),
        ("case_number", profile.case_number in _CASE_NUMBER, "optional or if_available"),
        ("second_factor", profile.second_factor in _SECOND_FACTOR, "required or optional_on_loopback"),
        ("display_targets", bool(profile.display_targets), "at least one"),
        ("purposes", len({p.code for p in profile.purposes}) == len(profile.purposes), "a code stands twice"),
        ("lists", len({rule.code for rule in profile.lists}) == len(profile.lists), "a code stands twice"),
        ("timezone", _is_zone(profile.timezone), "is not known"),
        ("governance.access_managers", bool(governance.access_managers), "at least one role (ACC-08)"),
        ("governance.training_owners", bool(governance.training_owners), "at least one role (TRN-01)"),
        ("governance.designee_since", _is_day(governance.designee_since), "a day, year-month-day, or empty"),
        ("access.other_sources", SOURCES.issuperset(access.other_sources), f"of {one_of(SOURCES)}"),
        ("access.grant_certifications", SOURCES.issuperset(access.grant_certifications), f"of {one_of(SOURCES)}"),
        (
            "access.policy_review_days",
            access.policy_review_days is None or access.policy_review_days >= 1,
            "at least 1, or absent",
        ),
        ("audit.interval", audit.interval in _INTERVALS, f"one of {one_of(_INTERVALS)}"),
        ("audit.scope", audit.scope in _SCOPES, f"one of {one_of(_SCOPES)}"),
        ("audit.overdue_days", audit.overdue_days >= 1, "at least 1"),
        ("audit.report_years", audit.report_years >= 2, "at least 2 (AUD-07)"),
        *_custody_checks(profile.sharing),
        ("listing.special_approvers", bool(listing.special_approvers), "at least one role (HOT-06)"),
        ("listing.share_authorizers", bool(listing.share_authorizers), "at least one role (HOT-08)"),
        ("listing.special_sources", listing.special_sources >= 2, "at least 2 (HOT-10)"),
        ("listing.hot_plate_days", 1 <= listing.hot_plate_days <= 30, "1 to 30 (HOT-16)"),
        ("listing.hot_plate_state_hours", 1 <= listing.hot_plate_state_hours <= 24, "1 to 24 (HOT-17)"),
        (
            "listing.hot_plate_fields",
            HOT_PLATE_FIELDS.issuperset(listing.hot_plate_fields),
            f"of {one_of(HOT_PLATE_FIELDS)}",
        ),
        ("listing.partial_days", 1 <= listing.partial_days <= 30, "1 to 30 (USE-10)"),
        ("listing.partial_fixed", listing.partial_fixed >= MIN_PATTERN_FIXED, f"at least {MIN_PATTERN_FIXED}"),
    ]
    checks += [(key, ROLES.issuperset(given), f"roles: {one_of(ROLES)}") for key, given in roles.items()]
    checks += [
        (f"access.training[{at}].activity", need.activity in ACTIVITIES, f"one of {one_of(ACTIVITIES)}")
        for at, need in enumerate(access.training)
    ]
    checks += _retention_checks(profile.retention)
    checks += _hit_checks(profile.hits)
    checks += _sharing_checks(profile.sharing)
    checks += [(f"gates.{step}", step in STEPS, f"no such step: {one_of(STEPS)}") for step in profile.gates]
    checks += [
        (f"gates.{step}", strength in set(Gate), "hard, soft or off (CFG-03)")
        for step, strength in profile.gates.items()
    ]
    return tuple(KeyProblem(key, words) for key, holds, words in checks if not holds)


def _custody_checks(sharing: SharingRules) -> list[tuple[str, bool, str]]:
    held = [role for custodian in sharing.custodians for role in custodian.roles]
    named = all(custodian.name.strip() and custodian.roles for custodian in sharing.custodians)
    out_of_state = "out_of_state" in sharing.agreement_kinds
    return [
        ("sharing.custodians", named and CUSTODY.issuperset(held), f"a name, and roles of {one_of(CUSTODY)} (SHR-11)"),
        ("sharing.standing_adapter", sharing.standing_adapter in ("", "arjis"), "arjis, or empty (SHR-10)"),
        (
            "sharing.standing_adapter",
            bool(sharing.standing_repository) or not sharing.standing_adapter,
            "names no repository: sharing.standing_repository is empty (SHR-10)",
        ),
        (
            "sharing.agreement_kinds",
            COUNTERPARTIES.issuperset(sharing.agreement_kinds),
            f"of {one_of(COUNTERPARTIES)}",
        ),
        (
            "sharing.home_state",
            not out_of_state or bool(sharing.home_state),
            "is empty, and other states are permitted",
        ),
        (
            "sharing.agreement_approvers",
            ROLES.issuperset(sharing.agreement_approvers) and bool(sharing.agreement_approvers),
            f"roles, at least one: {one_of(ROLES)}",
        ),
    ]


def _retention_checks(rules: RetentionRules) -> list[tuple[str, bool, str]]:
    texts = {"retention.mobile": rules.mobile, "retention.fixed": rules.fixed}
    texts |= {"retention.hits": rules.hits} if rules.hits else {}
    texts |= {f"retention.schedule[{at}].period": entry.period for at, entry in enumerate(rules.schedule)}
    checks: list[tuple[str, bool, str]] = [
        (key, read_period(text) is not None, "a number and minutes, days, months or years")
        for key, text in texts.items()
    ]
    sound = all(holds for _, holds, _ in checks)
    if sound:
        periods = [(key, read_period(text)) for key, text in texts.items()]
        least = "at least 1 year (RET-01); less takes a named statute"
        checks += [(key, bool(p and (p.reach >= FLOOR.reach or rules.statute)), least) for key, p in periods]
        checks += [(key, bool(p and p.reach <= LONGEST.reach), f"at most {LONGEST.count} years") for key, p in periods]
    less = sound and shortest_period(rules).reach < FLOOR.reach
    brief = sound and shortest_period(rules).unit == "minute"
    hit = read_period(rules.hits) if sound and rules.hits else None
    plain = longest_period(replace(rules, hits="")) if sound else None
    sets: list[tuple[str, tuple[str, ...], Any]] = [
        ("retention.hold_grounds", rules.hold_grounds, HOLD_GROUNDS),
        ("retention.hold_end", rules.hold_end, HOLD_ENDS),
        ("retention.export_media", rules.export_media, EXPORT_MEDIA),
        *((f"retention.schedule[{at}].devices", e.devices, _KINDS) for at, e in enumerate(rules.schedule)),
    ]
    for at, entry in enumerate(rules.schedule):
        place = f"retention.schedule[{at}]."
        checks += [
            (f"{place}series", bool(entry.series.strip()), "is empty"),
            (f"{place}approved_by", bool(entry.approved_by.strip()), "is empty"),
            (f"{place}approved_on", bool(entry.approved_on) and _is_day(entry.approved_on), "a day, year-month-day"),
        ]
    return [
        *checks,
        *((key, set(known).issuperset(given), f"of {one_of(known)}") for key, given, known in sets),
        ("retention.mode", rules.mode in _MODES, f"one of {one_of(_MODES)}"),
        ("retention.mode", rules.mode != "fixed" or not rules.schedule, "fixed takes no schedule beside the period"),
        ("retention.clock", rules.clock in _CLOCKS, "captured or received"),
        ("retention.statute", not rules.statute or not sound or less, "names a law for keeping less than 1 year only"),
        ("retention.hits", not brief or bool(hit), "days at least, where other reads go within minutes"),
        ("retention.hits", not hit or hit.unit != "minute", "days, months or years"),
        ("retention.hits", not (hit and plain) or hit.reach >= plain.reach, "no shorter than for other reads"),
        ("retention.hold_grounds", bool(rules.hold_grounds), "at least one (RET-07)"),
        ("retention.hold_end", bool(rules.hold_end), "at least one (RET-08)"),
        ("retention.hold_review_days", 1 <= rules.hold_review_days <= 90, "1 to 90 (RET-08)"),
        ("retention.backup_window_days", 1 <= rules.backup_window_days <= 35, "1 to 35 (RET-10)"),
    ]


def _hit_checks(hits: HitRules) -> list[tuple[str, bool, str]]:
    sequences = {
        "hits.fixed_sequence": hits.fixed_sequence,
        "hits.mobile_sequence": hits.mobile_sequence,
        "hits.desktop_sequence": hits.desktop_sequence,
    }
    sets: list[tuple[str, tuple[str, ...], Any]] = [
        *((key, steps, Step) for key, steps in sequences.items()),
        ("hits.fixed_checkers", hits.fixed_checkers, DOERS[Step.READ_CHECK]),
        ("hits.mobile_checkers", hits.mobile_checkers, DOERS[Step.READ_CHECK]),
        ("hits.verify_sources", hits.verify_sources, Source),
        ("hits.verify_routes", hits.verify_routes, Route),
        ("hits.exigencies", hits.exigencies, Exigency),
        ("hits.broadcast_content", hits.broadcast_content, CONTENT),
    ]
    needed = {key for key, *_ in sets} - {"hits.exigencies"}
    first = set(BroadcastKind) - {BroadcastKind.CLETS_RESULT}
    calls = {STOLEN_VEHICLE, RECOVERY}
    return [
        *((key, set(given) <= set(known), f"of {one_of(known)}") for key, given, known in sets),
        *((key, bool(given), "at least one") for key, given, _ in sets if key in needed),
        *((key, len(set(given)) == len(given), "a step stands twice") for key, given in sequences.items()),
        ("hits.broadcast_kind", hits.broadcast_kind in first, f"one of {one_of(first)}"),
        ("hits.call_types", calls <= hits.call_types.keys(), f"{one_of(calls)} among them (HIT-24, HIT-25)"),
        ("hits.acknowledge_s", hits.acknowledge_s >= 1, "at least 1 (HIT-15)"),
        ("hits.broadcast_s", hits.broadcast_s >= 0, "at least 0 (HIT-19)"),
        ("hits.confirm_after_s", hits.confirm_after_s >= 1, "at least 1 (HIT-10)"),
    ]


def _sharing_checks(sharing: SharingRules) -> list[tuple[str, bool, str]]:
    return [
        ("sharing.recipients", set(sharing.recipients) <= RECIPIENTS, f"of {one_of(RECIPIENTS)} (SHR-01, USE-08)"),
        (
            "sharing.request_fields",
            REQUEST_FIELDS >= set(sharing.request_fields) >= WRITTEN_FIELDS,
            f"{one_of(WRITTEN_FIELDS)} at least, of {one_of(REQUEST_FIELDS)} (SHR-02)",
        ),
        ("sharing.file_scope", sharing.file_scope in _FILE_SCOPES, f"one of {one_of(_FILE_SCOPES)}"),
        ("sharing.file_keeper", sharing.file_keeper in ROLES, f"a role: {one_of(ROLES)}"),
        ("sharing.file_years", sharing.file_years is None or sharing.file_years >= 1, "at least 1, or absent (RET-16)"),
        ("sharing.non_le_route", sharing.non_le_route in _OTHER_ROUTES, f"one of {one_of(_OTHER_ROUTES)}"),
        (
            "sharing.other_requests",
            sharing.non_le_route != "records" or bool(sharing.other_requests.strip()),
            "names the policy to which other requests go (SHR-06)",
        ),
        ("sharing.public_basis", bool(sharing.public_basis), "at least one (SHR-08)"),
        ("sharing.confidentiality", bool(sharing.confidentiality.strip()), "is empty (SHR-09)"),
    ]


def _is_day(text: str) -> bool:
    try:
        return not text or bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError):
        return False
