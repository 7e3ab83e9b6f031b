"""Rows of requests as the rules judge them and as a reader sees them; every act on the file and in the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from alprcore.model import Person
from alprcore.policy import AgencyProfile
from alprcore.postgres import load_queries
from alprcore.wire import rfc3339

from ...telling import Outbox
from .. import rules

QUERIES: Final = load_queries("alpr_retention.releases")
_HANDED: Final = ("delivered_by", "delivered_name", "delivered_at", "acknowledged_by", "acknowledged_at")
_PACKING: Final = frozenset({"building", "ready"})
_JSON: Final = ("document", "decision", "basis", "handing")


class Papers:
    """What every act on a request takes: the row under its lock, an act on file, an event for the ledger."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def find(self, agency: str, request_id: str) -> dict[str, Any] | None:
        """Find a request of an agency; None when it has none of this id."""
        async with self._outbox.change(agency) as connection:
            row = await connection.fetchrow(QUERIES["request"], agency, UUID(request_id))
        return None if row is None else unpacked(row)

    async def _locked(self, connection: Any, agency: str, request_id: str) -> dict[str, Any]:
        """Find and lock a request. Raises `KeyError` when the agency has none of this id."""
        row = await connection.fetchrow(QUERIES["lock_request"], agency, UUID(request_id))
        if row is None:
            raise KeyError(request_id)
        return unpacked(row)

    async def _act(
        self, connection: Any, person: Person | None, profile: AgencyProfile, request_id: str, act: str, now: datetime, *,
        note: str = "", facts: Mapping[str, str] | None = None, personal: Mapping[str, str] | None = None,
        kept: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Put an act on file and on its way to the ledger; `kept` stays on file alone, `personal` is erasable there.

        `person` None: this service did it by itself.
        """
        by_id, by_name = (person.person_id, person.full_name) if person else ("", "Plateline")
        number = await connection.fetchval(
            QUERIES["put_act"], UUID(request_id), profile.agency, act, now, by_id, by_name, note,
            json.dumps({**(facts or {}), **(kept or {})}),
        )  # fmt: skip
        await self._outbox.record(
            connection, person, f"release_{act}", request_id, str(number), now, agency=profile.agency,
            profile_version=profile.version, facts={"release_id": request_id, **(facts or {})}, personal=personal,
        )  # fmt: skip

    async def _forward(
        self, connection: Any, person: Person, profile: AgencyProfile, request_id: str, state: rules.State,
        now: datetime,
    ) -> None:  # fmt: skip
        """Forward a request to the file's keeper, once, where its state goes on file (SHR-04, SHR-05)."""
        if not rules.goes_on_file(state, profile):
            return
        keeper = profile.sharing.file_keeper
        if await connection.fetchval(QUERIES["forward"], UUID(request_id), person.agency, keeper, now):
            await self._act(connection, person, profile, request_id, "forwarded", now, facts={"forwarded_to": keeper})


def uuids(names: Iterable[Any]) -> list[UUID]:
    """Turn ids into what the database holds."""
    return [UUID(str(name)) for name in names]


def local_day(now: datetime, profile: AgencyProfile) -> date:
    """Give the agency-local day."""
    return now.astimezone(ZoneInfo(profile.timezone)).date()


def unpacked(row: Any) -> dict[str, Any]:
    """A row with its JSON columns read."""
    found = dict(row)
    return found | {name: json.loads(found[name]) for name in _JSON if found.get(name) is not None}


def asked_of(row: Mapping[str, Any]) -> rules.Asked:
    """What a request says."""
    return rules.Asked(
        row["agency_name"], row["requester_name"], row["intended_purpose"],
        rules.RecipientClass(row["recipient_class"]), rules.ReceivedAs(row["received_as"]), row["requester_title"],
        row["requester_contact"], row["case_number"],
    )  # fmt: skip


def known_of(row: Mapping[str, Any]) -> rules.Known:
    """A request as the rules judge it."""
    return rules.Known(
        agency=row["agency"],
        state=rules.State(row["state"]),
        asked=asked_of(row),
        taken_by=row["taken_by"],
        scoped_by=row["scoped_by"],
        documented=row["document"] is not None,
        read_ids=tuple(str(one) for one in row["read_ids"]),
        packing=row["package_state"] in _PACKING,
        unreceipted=bool(row["unreceipted"]),
        filed=row["forwarded_at"] is not None,
        filing_acknowledged=row["filed_at"] is not None,
    )


def shown(row: Mapping[str, Any], person: Person, profile: AgencyProfile) -> dict[str, Any]:
    """A request as a list shows it: everything but reads, history and what was handed over."""
    known, document, decision = known_of(row), row["document"], row["decision"]
    until = None if row["closed_on"] is None else rules.kept_until(row["closed_on"], profile)
    return {
        "request_id": str(row["request_id"]),
        "state": row["state"],
        **{
            name: row[name]
            for name in (
                "agency_name", "requester_name", "requester_title", "requester_contact", "intended_purpose",
                "recipient_class", "received_as", "case_number", "query_id", "taken_by", "taken_name", "submitted_by",
                "submitted_name", "profile_version",
            )
        },
        "recipient_label": rules.LABELS[known.asked.recipient_class],
        "route": rules.route_of(known.asked.recipient_class, profile).value,
        "taken_at": rfc3339(row["taken_at"]),
        "submitted_at": _time(row["submitted_at"]),
        "reads": len(row["read_ids"]),
        "document": document and {name: document[name] for name in ("name", "type", "bytes", "sha256", "signed_by")},
        "basis": row["basis"] or [],
        "decision": decision and {**decision, "reads": len(row["approved_ids"])},
        "filing": row["forwarded_at"] and {
            "forwarded_to": row["forwarded_to"],
            "forwarded_title": profile.role_title(row["forwarded_to"]),
            "forwarded_at": rfc3339(row["forwarded_at"]),
            "acknowledged_by": row["filed_by"],
            "acknowledged_name": row["filed_name"],
            "acknowledged_at": _time(row["filed_at"]),
        },
        "package": row["package_id"] and {
            "package_id": row["package_id"], "state": row["package_state"], "problem": row["package_problem"],
        },
        "kept_until": until and until.isoformat(),
        "letter": row["state"] in LETTERED,
        "may": list(rules.ways(known, person, profile)),
    }  # fmt: skip


LETTERED: Final = frozenset({"refused", "routed_to_records", "denied"})
"""States in which a requester is written to."""


def act_shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """An act as the file shows it."""
    return {
        "act": row["act"], "at": rfc3339(row["at"]), "by": row["by_id"], "name": row["by_name"], "note": row["note"],
        "facts": json.loads(row["facts"]),
    }  # fmt: skip


def delivery_shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """What was handed over, or lies ready, with the items by id and hash (SHR-12).

    Of a package that ended halfway, what is asked about a read of a volume that nobody took (`stayed`) is void.
    """
    row = {**row, **(dict.fromkeys(_HANDED) if row.get("stayed") else {})}
    state = "delivered" if row["delivered_at"] else "voided" if row["voided_at"] else "ready"
    return {
        "delivery_id": str(row["delivery_id"]),
        "state": state,
        "request_id": str(row["request_id"]),
        **{
            name: row[name]
            for name in (
                "recipient_agency", "recipient_person", "method", "package_id", "package_sha256", "delivered_by",
                "delivered_name", "acknowledged_by", "acknowledged_note",
            )
        },
        "prepared_at": rfc3339(row["prepared_at"]),
        "delivered_at": _time(row["delivered_at"]),
        "voided_at": _time(row["voided_at"]),
        "acknowledged_at": _time(row["acknowledged_at"]),
        "items": json.loads(row["items"] or "[]"),
    }  # fmt: skip


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
