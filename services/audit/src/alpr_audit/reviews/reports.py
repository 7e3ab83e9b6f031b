"""Audit reports: one row per access with the columns of the agency's policy, totals, and what was refused (AUD-03)."""

from __future__ import annotations

import csv
import hashlib
import html
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from alprcore.model import ADMITTED, Decision, Refused
from alprcore.policy import AgencyProfile, add_years

from ..ledger import canonical
from .accesses import Access, elements

COLUMNS: Final[Mapping[str, str]] = {
    "user_name": "Name of user",
    "date": "Date",
    "time": "Time",
    "data_queried": "Data queried",
    "justification": "Justification",
    "case_number": "Case number",
    "ip_address": "IP address",
    "organization": "Username and organization",
}
"""Columns that a profile can ask for in `audit.report_fields`, with their headings."""
ALWAYS: Final[Mapping[str, str]] = {"kind": "Act", "entry": "Ledger entry"}
"""Columns that every report has: what was done, and where the ledger proves it."""
FLOOR_YEARS: Final = 2
"""No report is deleted before two calendar years are over, whatever the profile says (Escondido 1.62 V.C.1)."""
ROWS_LIMIT: Final = 20_000
SPAN_LIMIT: Final = timedelta(days=366)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused call, or several of one minute that share an entry."""

    reason_code: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Override:
    """A soft step that a person left out, with the reason given (CFG-03)."""

    username: str
    full_name: str
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class Order:
    """What a report is asked for: the period, and what narrows it; empty filters take everything."""

    starts_at: datetime
    ends_at: datetime
    username: str = ""
    kind: str = ""
    purpose_code: str = ""
    case_number: str = ""

    def filters(self) -> dict[str, str]:
        """The filters that are set, by name."""
        named = {"username": self.username, "kind": self.kind, "purpose_code": self.purpose_code}
        return {name: value for name, value in {**named, "case_number": self.case_number}.items() if value}

    def takes(self, access: Access) -> bool:
        """Tell whether an access of the period belongs in the report."""
        return all(getattr(access, name) == value for name, value in self.filters().items())


def may_order(order: Order, now: datetime) -> Decision:
    """Check the period: it has begun, it has a length, and it is a year at most."""
    if order.ends_at <= order.starts_at or order.starts_at > now:
        return Refused("AUD-03", "PERIOD_INVALID", "from lies before to, and not in the future")
    if order.ends_at - order.starts_at > SPAN_LIMIT:
        return Refused("AUD-03", "PERIOD_TOO_LONG", "a report covers a year at most")
    return ADMITTED


def columns_of(profile: AgencyProfile) -> dict[str, str]:
    """The columns of the agency's reports with their headings, in the profile's order."""
    return {**{code: COLUMNS[code] for code in profile.audit.report_fields if code in COLUMNS}, **ALWAYS}


def row_of(access: Access, columns: Iterable[str], zone: ZoneInfo) -> dict[str, str]:
    """Lay one access out; the time is the agency's, to the second, with its offset."""
    local = access.at.astimezone(zone)
    values = {
        "user_name": access.full_name,
        "date": local.date().isoformat(),
        "time": local.strftime("%H:%M:%S%z"),
        "data_queried": elements(access.criteria),
        "justification": f"{access.purpose_code}: {access.justification}"
        if access.justification
        else access.purpose_code,
        "case_number": access.case_number,
        "ip_address": access.ip,
        "organization": f"{access.username}, {access.organization}",
        "kind": access.kind,
        "entry": str(access.index),
    }
    return {code: values[code] for code in columns}


def totals_of(accesses: Sequence[Access], refusals: Sequence[Refusal], overrides: Sequence[Override]) -> dict[str, Any]:
    """Count what the report covers; overrides by user, step and reason."""
    with_case = sum(bool(access.case_number) for access in accesses)
    refused = Counter[str]()
    for refusal in refusals:
        refused[refusal.reason_code] += refusal.count
    counted = Counter(overrides)
    return {
        "accesses": len(accesses),
        "people": len({access.person_id for access in accesses}),
        "by_kind": dict(sorted(Counter(access.kind for access in accesses).items())),
        "by_purpose": dict(sorted(Counter(access.purpose_code for access in accesses).items())),
        "with_case_number": with_case,
        "without_case_number": len(accesses) - with_case,
        "refused": refused.total(),
        "refused_by_code": dict(sorted(refused.items())),
        "override_count": counted.total(),
        "overrides": [
            {"username": o.username, "full_name": o.full_name, "step": o.step, "reason": o.reason, "count": count}
            for o, count in sorted(counted.items(), key=lambda item: (item[0].username, item[0].step, item[0].reason))
        ],
    }


@dataclass(frozen=True, slots=True)
class Report:
    """A frozen report: its canonical bytes, their hash, what lists show of it, and until when it is kept."""

    document: bytes
    sha256: str
    summary: Mapping[str, Any]
    retain_until: datetime


def make_report(
    order: Order,
    accesses: Sequence[Access],
    refusals: Sequence[Refusal],
    overrides: Sequence[Override],
    profile: AgencyProfile,
    created_by: Mapping[str, str],
    now: datetime,
) -> Report:
    """Freeze a report of these accesses: once hashed, no value in it can change unnoticed (AUD-03)."""
    columns, zone = columns_of(profile), ZoneInfo(profile.timezone)
    taken = [access for access in accesses if order.takes(access)]
    totals = totals_of(taken, refusals, overrides)
    until = retain_until(now, profile)
    summary = {
        "from": order.starts_at.isoformat(),
        "to": order.ends_at.isoformat(),
        "filters": order.filters(),
        "created_at": now.isoformat(),
        "created_by": dict(created_by),
        "retain_until": until.isoformat(),
        "accesses": totals["accesses"],
        "refused": totals["refused"],
        "overrides": totals["override_count"],
    }
    document = canonical(
        {
            **summary,
            "agency": profile.agency,
            "agency_name": profile.name,
            "policy": profile.version,
            "timezone": profile.timezone,
            "columns": [{"code": code, "label": label} for code, label in columns.items()],
            "rows": [row_of(access, columns, zone) for access in taken],
            "totals": totals,
        }
    )
    return Report(document, hashlib.sha256(document).hexdigest(), summary, until)


def retain_until(created_at: datetime, profile: AgencyProfile) -> datetime:
    """When a report may be deleted: two calendar years after it was made, or later where the profile says (AUD-07)."""
    moment = created_at.astimezone(UTC)
    day = add_years(moment.date(), max(FLOOR_YEARS, profile.audit.report_years))
    return datetime.combine(day, moment.timetz())


def may_delete(kept_until: datetime, now: datetime) -> Decision:
    """Refuse every role, the creator and the administrator too, before the time is over (AUD-07)."""
    if now < kept_until:
        return Refused("AUD-07", "RETENTION_FLOOR", f"kept until {kept_until.date().isoformat()}, whoever asks")
    return ADMITTED


def as_csv(report: Mapping[str, Any]) -> str:
    """Lay a report out for a spreadsheet; no cell can be taken for a formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    codes = [column["code"] for column in report["columns"]]
    writer.writerow([column["label"] for column in report["columns"]])
    writer.writerows([[inert(row[code]) for code in codes] for row in report["rows"]])
    writer.writerow([])
    for label, value in _totals(report):
        writer.writerow([inert(label), inert(value)])
    return out.getvalue()


def inert(text: str) -> str:
    """Quote a text that a spreadsheet would compute: a leading = + - @, tab or line end (CWE-1236)."""
    return "'" + text if text.startswith(_FORMULA) else text


def _totals(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    totals = report["totals"]
    lines = [("Accesses", totals["accesses"]), ("People", totals["people"])]
    lines += [("With case number", totals["with_case_number"]), ("Without", totals["without_case_number"])]
    lines += [(f"Act: {kind}", number) for kind, number in totals["by_kind"].items()]
    lines += [(f"Purpose: {code}", number) for code, number in totals["by_purpose"].items()]
    lines += [("Refused calls", totals["refused"])]
    lines += [(f"Refused: {code}", number) for code, number in totals["refused_by_code"].items()]
    lines += [("Steps overridden", totals["override_count"])]
    lines += [
        (f"Overridden by {o['full_name']} ({o['username']}): {o['step']}, {o['reason']}", o["count"])
        for o in totals["overrides"]
    ]
    return [(label, str(value)) for label, value in lines]


def as_html(report: Mapping[str, Any], sha256: str) -> str:
    """Lay a report out for paper: a page of its own with heading, table, totals and the hash that names it."""
    esc = html.escape
    heads = "".join(f'<th scope="col">{esc(column["label"])}</th>' for column in report["columns"])
    codes = [column["code"] for column in report["columns"]]
    rows = "".join(
        "<tr>" + "".join(f"<td>{esc(row[code])}</td>" for code in codes) + "</tr>\n" for row in report["rows"]
    )
    totals = "".join(
        f'<tr><th scope="row">{esc(label)}</th><td>{esc(value)}</td></tr>\n' for label, value in _totals(report)
    )
    by = report["created_by"]
    filters = ", ".join(f"{name} {value}" for name, value in report["filters"].items()) or "none"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Audit report</title>
<link rel="stylesheet" href="/static/base.css"></head><body class="paper"><main>
<h1>Audit report of {esc(report["agency_name"])}</h1>
<p>Accesses from {esc(report["from"])} to {esc(report["to"])}; filters: {esc(filters)}. Made {esc(report["created_at"])}
by {esc(by["full_name"])} ({esc(by["username"])}). Kept until {esc(report["retain_until"])}.</p>
<table class="list"><thead><tr>{heads}</tr></thead><tbody>
{rows}</tbody></table>
<h2>Totals</h2>
<table class="list"><tbody>
{totals}</tbody></table>
<p>SHA-256 of the frozen report: {esc(sha256)}</p>
</main></body></html>
"""
