"""What the published guidelines say, section by section, from the settings in force. Pure, tested word by word."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from alprcore.model import ADMITTED, Decision, DeviceKind, Person, Refused
from alprcore.policy import AgencyProfile, TrainingNeed, period_of, unscheduled

APPROVER: Final = "program_manager"
POWER: Final = "approve_guidelines"
"""What a program manager may give to a designee (ACC-10)."""
OUTDATED: Final = "POSTING_OUTDATED"
MAKERS: Final = frozenset({APPROVER, "alpr_admin", "custodian", "training_manager"})
READERS: Final = MAKERS | {"auditor", "supervisor", "retention_officer", "clets_coordinator"}
TITLES: Final[Mapping[str, str]] = {
    "a": "Who may use or access the system",
    "b": "Training",
    "c": "How the system is monitored",
    "d": "Records of access",
    "e": "Who oversees the program now",
    "f": "Retention and destruction",
    "g": "Posting",
}
"""Sections a to g of California Civil Code 1798.90.51 (b) (2) as the agencies letter them (ADM-01)."""
ACTIVITIES: Final[Mapping[str, str]] = {
    "access_data": "To see ALPR data",
    "query": "To query ALPR data",
    "operate_device": "To operate ALPR equipment",
    "device_session": "To start a session on a device",
}
LOGGED: Final = (
    "date and time", "user name", "full name", "organization", "network address", "data queried", "purpose",
    "justification", "case number, or why there is none", "outcome and reason of a refusal", "policy version in force",
)  # fmt: skip
"""What every entry about access holds, whatever the agency's own report shows (AUD-01, AUD-02)."""
RECIPIENTS: Final[Mapping[str, str]] = {
    "law_enforcement": "law enforcement agencies",
    "prosecutorial": "prosecuting agencies",
    "as_permitted_by_law": "others only as permitted by law",
    "governmental_law_enforcement_or_public_safety":
        "governmental entities with a law enforcement or public safety purpose",
}  # fmt: skip
INTERVALS: Final[Mapping[str, str]] = {
    "month": "every month",
    "quarter": "every calendar quarter",
    "year": "every year",
}
ALERTS: Final = (
    "an audit that is overdue", "repeated failed sign-ins", "repeated queries of one plate", "unusual numbers of queries",
    "queries outside the shift", "access by an account that was not authorized at the time",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its letter, title, sentences, and a list below them."""

    letter: str
    title: str
    text: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the guidelines tell besides the profile, read when they are made.

    `courses` are the agency's approved courses; `last_audit` is the day the newest audit was closed and its period,
    empty when none was; `ledger_state` says how checking the log ended; `ways` are the ways to data and the kinds of
    entries that each of them makes, as the program itself lists and checks them (AUD-08).
    """

    courses: tuple[Mapping[str, Any], ...] = ()
    last_audit: str = ""
    last_audit_period: str = ""
    ledger_state: str = ""
    ways: tuple[tuple[str, str, str], ...] = ()


def may_read(person: Person) -> Decision:
    """Decide whether this person sees guidelines that are not published yet."""
    if READERS.isdisjoint(person.roles):
        return Refused("ADM-01", "ROLE_NOT_AUTHORISED", "the guidelines are open to those who manage the program")
    return ADMITTED


def may_make(person: Person) -> Decision:
    """Decide whether this person may have the guidelines made anew."""
    if MAKERS.isdisjoint(person.roles):
        return Refused("ADM-01", "ROLE_NOT_AUTHORISED", "the guidelines are made by those who manage the program")
    return ADMITTED


def may_decide(person: Person, *, delegated: bool) -> Decision:
    """Decide whether this person may approve or publish guidelines: the program manager, or a designee (ACC-10)."""
    if APPROVER not in person.roles and not delegated:
        return Refused("ADM-01", "ROLE_NOT_AUTHORISED", "the guidelines are approved by the program manager")
    return ADMITTED


def guidelines(profile: AgencyProfile, facts: Facts) -> tuple[Section, ...]:
    """Write sections a to g from what is configured; a section that nothing is configured for stays empty (ADM-01)."""
    makers = (_titles, _training, _monitoring, _records, _designee, _retention, _posting)
    return tuple(
        Section(letter, TITLES[letter], *maker(profile, facts)) for letter, maker in zip(TITLES, makers, strict=True)
    )


def empty(sections: Iterable[Section]) -> tuple[str, ...]:
    """Name the sections that say nothing."""
    return tuple(section.letter for section in sections if not section.text and not section.items)


def may_stand(profile: AgencyProfile, sections: Iterable[Section]) -> Decision:
    """Decide whether a set may be approved: where the policy asks for sections a to g, none is empty (ADM-01)."""
    missing = empty(sections)
    if missing and profile.governance.guidelines_required:
        named = ", ".join(f"section {letter} ({TITLES[letter].lower()})" for letter in missing)
        return Refused("ADM-01", "GUIDELINE_SECTION_EMPTY", f"nothing is configured for {named}")
    return ADMITTED


_Words = tuple[tuple[str, ...], tuple[str, ...]]


def _titles(profile: AgencyProfile, _facts: Facts) -> _Words:
    governance = profile.governance
    items = [*governance.titles, *(f"{title} (independent contractor)" for title in governance.contractor_titles)]
    text = []
    if items:
        text.append("Members and independent contractors with these job titles may be authorized to use the system.")
    if profile.access.categories:
        text.append(f"Access is limited to these categories: {', '.join(profile.access.categories)}.")
    return tuple(text), tuple(items)


def _training(profile: AgencyProfile, facts: Facts) -> _Words:
    owners = " or ".join(profile.role_title(role) for role in profile.governance.training_owners)
    text = [f"Training comes before access. Courses are approved, and completion is recorded, by: {owners}."]
    if profile.access.policy_read:
        text.append("Everybody reads this policy before a user name and password are issued.")
    if profile.access.policy_review_days:
        text.append(f"The policy is read again every {profile.access.policy_review_days} days.")
    if profile.access.certifications:
        text.append(f"Certification needed before access: {', '.join(profile.access.certifications).upper()}.")
    return tuple(text), tuple(_need(need, facts.courses) for need in profile.access.training)


def _need(need: TrainingNeed, courses: Sequence[Mapping[str, Any]]) -> str:
    who = f", {' and '.join(need.categories)}" if need.categories else ""
    how = f", within the {need.context} program" if need.context else ""
    fitting = [course for course in courses if need.tag in course["tags"] and course["approved_at"] is not None]
    head = f"{ACTIVITIES[need.activity]}{who}{how}: "
    if not fitting:
        return f"{head}training “{need.tag}”; no course is approved yet."
    return head + "; ".join(_course(course) for course in sorted(fitting, key=lambda item: str(item["approved_at"])))


def _course(course: Mapping[str, Any]) -> str:
    valid = f", valid {course['valid_days']} days" if course.get("valid_days") else ""
    return f"{course['name']}, version {course['version']}, approved {_day(course['approved_at'])}{valid}"


def _monitoring(profile: AgencyProfile, facts: Facts) -> _Words:
    audit = profile.audit
    what = "User queries are" if audit.scope == "user_queries" else "Use of the system is"
    text = [
        (
            f"{what} audited {INTERVALS[audit.interval]} by: {profile.role_title(audit.role)}. "
            f"An audit that is open {audit.overdue_days} days after its period raises an alert."
        ),
        f"Last audit closed: {facts.last_audit or 'none yet'}"
        + (f", for {facts.last_audit_period}." if facts.last_audit_period else "."),
        f"Audit reports are kept {audit.report_years} years.",
        (
            "Entries of the log are chained and sealed: a changed or missing entry is found when the log is checked. "
            f"Last check: {facts.ledger_state or 'not available'}."
        ),
        "Alerts are raised for:",
    ]
    return tuple(text), ALERTS


def _records(profile: AgencyProfile, facts: Facts) -> _Words:
    shown = ", ".join(word.replace("_", " ") for word in profile.audit.report_fields)
    text = [
        f"Every access writes an entry before anything is shown. Each entry holds: {', '.join(LOGGED)}.",
        f"An audit report shows: {shown}.",
    ]
    kinds = {kind.strip().replace("_", " ") for *_, made in facts.ways for kind in made.split(",")}
    if kinds:
        text.append(
            f"{len(facts.ways)} ways lead to data, and the program is checked to have no other. They write entries of "
            "these kinds:"
        )
    return tuple(text), tuple(sorted(kind[:1].upper() + kind[1:] for kind in kinds))


def _designee(profile: AgencyProfile, _facts: Facts) -> _Words:
    governance = profile.governance
    if not (governance.designee_title.strip() and governance.designee_name.strip()):
        return (), ()
    since = f", since {governance.designee_since}" if governance.designee_since else ""
    return (f"{governance.designee_title} {governance.designee_name}{since}.",), ()


def _retention(profile: AgencyProfile, _facts: Facts) -> _Words:
    if not profile.governance.custodian:
        return (), ()
    who = profile.role_title("custodian")
    return (
        (
            (
                f"The program manager works with the {who} on retention and destruction; the {who} sees the schedule, "
                "holds and every purge report, and approves changes of the schedule with the program manager."
            ),
            retention(profile),
        ),
        (),
    )


def _posting(profile: AgencyProfile, _facts: Facts) -> _Words:
    asked = "The policy asks for conspicuous posting." if profile.governance.posting_required else ""
    told = (
        "This policy, its procedures and the person who oversees the program are published on the web, "
        "open to everybody without signing in."
    )
    return tuple(filter(None, (asked, told))), ()


def retention(profile: AgencyProfile) -> str:
    """Say how long reads are kept and from when on, and by what law where it is less than a year."""
    rules = profile.retention
    mobile, fixed = period_of(rules, DeviceKind.MOBILE).words, period_of(rules, DeviceKind.FIXED).words
    clock = "capture" if rules.clock == "captured" else "arrival on the server"
    least = "at least " if unscheduled(rules) else ""
    kept = (
        f"Reads are kept {least}{fixed}"
        if mobile == fixed
        else f"Reads of mobile units are kept {least}{mobile}, of fixed devices {fixed},"
    )
    hits = f" Reads that hit a list are kept {rules.hits}." if rules.hits else ""
    law = f" {rules.statute} asks for it." if rules.statute else ""
    if least:
        return (
            f"{kept} from {clock}, and purged when the department's records retention schedule says so, "
            f"unless held as evidence.{hits}"
        )
    return f"{kept} from {clock} and purged the day after, unless held as evidence.{hits}{law}"


def privacy(profile: AgencyProfile) -> tuple[tuple[str, str], ...]:
    """List the privacy measures in force, each a name and a sentence, straight from the settings (USE-13)."""
    recipients = ", ".join(RECIPIENTS.get(code, code.replace("_", " ")) for code in profile.sharing.recipients)
    rows = [
        ("Retention period", retention(profile)),
        ("Audit interval", f"Access is audited {INTERVALS[profile.audit.interval]}."),
        ("Sharing", f"Data may go to: {recipients}."),
        ("Other requests", _sentence(profile.sharing.other_requests)),
        ("Standing repository", _sentence(profile.sharing.standing_repository)),
        ("Owner of the data", f"{profile.sharing.owner[:1].upper()}{profile.sharing.owner[1:]}."),
        ("Permitted use", f"{profile.base_rule[:1].upper()}{profile.base_rule[1:]}."),
        ("Purposes", "; ".join(purpose.label for purpose in profile.purposes) + "."),
        (
            "Least data",
            "A read holds plate, place, time and pictures. It names no person, and no face is cut out of a picture.",
        ),
        (
            "Protected activity",
            "Queries about activity protected by the First Amendment are refused."
            if profile.first_amendment_block
            else "",
        ),
        ("Breach", f"Breaches follow the {profile.governance.breach_route}."),
    ]
    return tuple((name, words) for name, words in rows if words)


def document(
    profile: AgencyProfile, sections: Iterable[Section], made_at: datetime
) -> tuple[dict[str, Any], str, bytes]:
    """Lay out a set for keeping: the document, its canonical text and the SHA-256 over that text."""
    content = {
        "agency": profile.agency,
        "name": profile.name,
        "policy_ref": profile.policy_ref,
        "profile_version": profile.version,
        "made_at": made_at.isoformat(),
        "sections": [asdict(section) for section in sections],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return content, text, hashlib.sha256(text.encode()).digest()


def sections_of(content: Mapping[str, Any]) -> tuple[Section, ...]:
    """Read the sections back from a kept document."""
    return tuple(
        Section(item["letter"], item["title"], tuple(item["text"]), tuple(item["items"]))
        for item in content["sections"]
    )


def posting(profile: AgencyProfile, rows: Iterable[Mapping[str, Any]]) -> tuple[str, str]:
    """Compare what is published with what is approved and in force: `current` or POSTING_OUTDATED, and why (ADM-05).

    `rows` are the kept sets, each with number, profile_version, approved_at and published_at.
    """
    sets = list(rows)
    published = max((row for row in sets if row["published_at"]), key=lambda row: row["number"], default=None)
    approved = max((row for row in sets if row["approved_at"]), key=lambda row: row["number"], default=None)
    if published is None:
        if profile.governance.posting_required:
            return OUTDATED, "nothing is published yet"
        return "current", "posting is offered, not asked for"
    if approved is not None and approved["number"] > published["number"]:
        return OUTDATED, "approved guidelines are not published yet"
    if published["profile_version"] != profile.version:
        return OUTDATED, "the policy in force is newer than what is published"
    return "current", ""


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _day(moment: Any) -> str:
    return moment.date().isoformat() if isinstance(moment, datetime) else str(moment)[:10]
