"""Who may export, what an export still lacks, and how a package is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from alprcore.evidence import BATCH, EXPORT_ROLES, MEDIA, Cover, Kind
from alprcore.model import ADMITTED, Decision, Person, Refused
from alprcore.policy import AgencyProfile

HAND_ROLES: Final = EXPORT_ROLES | {"alpr_admin"}
"""Who hands releases over (SHR-03)."""
BOOK_ROLES: Final = EXPORT_ROLES | {"custodian", "retention_officer"}
"""Who writes down media and books them: no plate is shown by that (ADM-04)."""
CLETS_ROLES: Final = frozenset({"supervisor", "program_manager", "clets_coordinator"})
"""Who authorizes that CLETS text goes along (SEC-06)."""
CLETS_FOR: Final = timedelta(days=7)
"""How long such an authority can be used, for one package."""
READ_ROLES: Final = HAND_ROLES | BOOK_ROLES | {"auditor", "chief_admin_assistant"}
PAPERS_WITHIN: Final = timedelta(minutes=15)
"""How long a begun package waits for what ledger and console know of its reads."""
KEPT_FOR: Final = timedelta(days=7)
"""How long a built package waits to be taken; a working copy of reads is not kept for longer."""
TAKING_FOR: Final = timedelta(hours=2)
"""After this a hand-out that never ended is taken for broken off: a DVD at 1 MB/s takes 80 minutes."""
LIVE: Final = frozenset({"opened", "building", "ready"})
"""States in which a package has a working copy."""
_CLETS: Final = Refused("SEC-06", "CLETS_NOT_AUTHORIZED", "CLETS text is released only by who holds its grant")
_SECOND: Final = Refused("SEC-06", "CLETS_NOT_AUTHORIZED", "another person must have authorized it for this hold first")


def may_export(person: Person) -> Decision:
    """Whoever may hold records and may see plates may have them written to media (RET-12, ADM-04)."""
    if EXPORT_ROLES.isdisjoint(person.roles):
        return Refused("RET-12", "ROLE_NOT_AUTHORISED", "your role may not export evidence")
    return ADMITTED


def may_take(person: Person, kind: str) -> Decision:
    """A release is handed over by whoever works on requests, evidence by whoever may export it."""
    if kind == Kind.HOLD.value:
        return may_export(person)
    if HAND_ROLES.isdisjoint(person.roles):
        return Refused("SHR-03", "ROLE_NOT_AUTHORISED", "your role may not hand a release over")
    return ADMITTED


def may_book(person: Person) -> Decision:
    """Media are written down and booked by whoever exports, or keeps the records."""
    if BOOK_ROLES.isdisjoint(person.roles):
        return Refused("RET-12", "ROLE_NOT_AUTHORISED", "your role may not book evidence")
    return ADMITTED


def may_authorize_clets(person: Person) -> Decision:
    """CLETS text is authorized by whoever answers for it and may see it (SEC-06)."""
    if "clets" not in person.grants:
        return _CLETS
    if CLETS_ROLES.isdisjoint(person.roles):
        return Refused("SEC-06", "ROLE_NOT_AUTHORISED", "your role may not authorize the release of CLETS text")
    return ADMITTED


def may_release_clets(person: Person, authorized_by: str) -> Decision:
    """CLETS text leaves only separately authorized: by another person's own act, through one with the grant (SEC-06)."""
    if "clets" not in person.grants:
        return _CLETS
    return _SECOND if authorized_by in {"", person.person_id} else ADMITTED


def may_witness(witness: str, *exporters: str) -> Decision:
    """A witness is another person than the exporter (RET-12)."""
    if _same(witness, *exporters):
        return Refused("RET-12", "WITNESS_IS_EXPORTER", "the witness is another person than the exporter")
    return ADMITTED


def may_use(medium: str, profile: AgencyProfile) -> Decision:
    """The media that the agency's policy offers (RET-12, RET-13)."""
    offered = tuple(one for one in profile.retention.export_media if one in MEDIA) or MEDIA
    if medium not in offered:
        return Refused("RET-12", "MEDIUM_NOT_OFFERED", f"one of {', '.join(offered)}")
    return ADMITTED


def _same(name: str, *others: str) -> bool:
    folded = _folded(name)
    return bool(folded) and folded in {_folded(other) for other in others}


def _folded(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def cover_of_hold(hold_id: str, facts: Mapping[str, Any], profile: AgencyProfile, purpose: str) -> Cover:
    """The cover of evidence under a hold: whose data, which case, by whom and why it is held."""
    ground = str(facts["ground"]).replace("_", " ")
    placed = f"Held by {facts['placed_by_name']} since {facts['placed_at']:%Y-%m-%d %H:%M} UTC"
    return Cover(
        title="ALPR evidence package",
        number=hold_id,
        agency_name=profile.name,
        purpose=purpose,
        confidentiality=f"CONFIDENTIAL - OFFICIAL USE ONLY - property of {profile.name}. "
        "ALPR data is investigation data: it is handed to nobody but those who need it for the case, and never published.",
        case_reference=str(facts["case_reference"]),
        lines=(f"{placed}, ground: {ground}.",),
        held_since=facts["placed_at"].isoformat(),
        held_by=str(facts["placed_by_name"]),
        held_on=f"held as evidence, ground: {ground}, case {facts['case_reference']}",
    )


def batches(reads: int) -> int:
    """In how many parts the papers of so many reads come."""
    return -(-reads // BATCH)


def missing(package: Mapping[str, Any], volumes: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What an export of evidence lacks before it can be closed (RET-12)."""
    if package["kind"] != Kind.HOLD.value:
        return ()
    return tuple(
        name
        for name, lacks in (
            ("volumes", package["state"] not in {"given", "closed"}),
            ("serial", not volumes or any(not volume["serial"] for volume in volumes)),
            ("witness", not package["witness"]),
            ("booking_number", not package["booking_number"]),
        )
        if lacks
    )


def may_do(package: Mapping[str, Any], person: Person) -> tuple[str, ...]:
    """What a person may do with a package next."""
    state, evidence = package["state"], package["kind"] == Kind.HOLD.value
    takes, books = (not isinstance(one, Refused) for one in (may_take(person, package["kind"]), may_book(person)))
    return tuple(
        act
        for act, open_ in (
            ("take", takes and state == "ready"),
            ("media", books and evidence and state in {"opened", "building", "ready", "given"}),
            ("book", books and evidence and state == "given"),
            ("cancel", takes and state in LIVE),
        )
        if open_
    )


def shown(
    package: Mapping[str, Any], volumes: Sequence[Mapping[str, Any]], person: Person | None = None
) -> dict[str, Any]:
    """A package as its door answers it."""
    subject = f"{'hold' if package['kind'] == Kind.HOLD.value else 'request'}_id"
    state = package["state"]
    done = package["reads"] if state in {"ready", "given", "closed"} else package["packed"]
    names = ("package_id", "kind", "subject", "state", "entry", "reads", "hits", "exporter", "exporter_name", "clets",
             "medium", "witness", "booking_number", "redactions", "key_sha256", "problem", "closed_by",
             "closed_name")  # fmt: skip
    times = ("opened_at", "built_at", "expires_at", "given_at", "closed_at")
    return {
        **{name: package[name] for name in names},
        subject: package["subject"],
        **{name: _time(package[name]) for name in times},
        "progress": {"step": state, "done": done, "of": package["reads"]},
        "volumes": [
            {
                **{name: volume[name] for name in ("number", "name", "bytes", "sha256", "sums_sha256", "serial",
                                                   "taken_by", "taken_name")},
                "taken_at": _time(volume["taken_at"]),
            }
            for volume in volumes
        ],
        "missing": list(missing(package, volumes)),
        "may": list(may_do(package, person)) if person else [],
    }  # fmt: skip


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
