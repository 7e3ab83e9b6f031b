"""What papers about a request say: the form, the signed form, letters of refusal, the cover of what is handed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from alprcore.policy import NEVER_RECIPIENTS, AgencyProfile

from .deciding import LABELS, Asked, RecipientClass, Route, State, route_of

_FIELDS: Final[Mapping[str, str]] = {
    "agency_name": "Name of the agency",
    "requester_name": "Name of the person requesting",
    "intended_purpose": "",
    "requester_title": "Title of the person requesting",
    "requester_contact": "Where the answer goes",
    "case_number": "Case number of the requester",
}


def field_labels(profile: AgencyProfile) -> dict[str, str]:
    """Name the fields of a written request in the agency's own words (SHR-02)."""
    return {name: label or profile.sharing.purpose_label for name, label in _FIELDS.items()}


def form_of(profile: AgencyProfile) -> dict[str, Any]:
    """Describe the agency's form: fields, classes with what becomes of each, bases, approvers, file (C-13 to C-16)."""
    sharing, governance = profile.sharing, profile.governance
    return {
        "fields": [
            {"name": name, "label": label, "required": name in sharing.request_fields}
            for name, label in field_labels(profile).items()
        ],
        "classes": [{"code": one.value, "label": LABELS[one], "route": _route(one, profile)} for one in RecipientClass],
        "legal_bases": [{"code": code, "label": label} for code, label in sharing.legal_bases.items()],
        "policy_bases": list(sharing.policy_bases),
        "approvers": [profile.role_title(role) for role in governance.release_approvers],
        "designees": sharing.approver_designees,
        "file_scope": sharing.file_scope,
        "file_keeper": profile.role_title(sharing.file_keeper),
        "file_policy": sharing.file_policy,
        "other_requests": sharing.other_requests,
        "public_basis": list(sharing.public_basis),
        "confidentiality": sharing.confidentiality,
    }


def _route(one: RecipientClass, profile: AgencyProfile) -> str:
    route = route_of(one, profile)
    return "never" if one.value in NEVER_RECIPIENTS and route is Route.REFUSE else route.value


def signed_form(
    asked: Asked, profile: AgencyProfile, request_id: str, signed_by: str, witness: str, at: datetime
) -> str:
    """Write the form that a requester signs at the agency's screen: it is the written request then (SHR-02)."""
    said = {name: getattr(asked, name) for name in _FIELDS}
    lines = [f"{label}: {said[name]}" for name, label in field_labels(profile).items() if said[name]]
    return "\n".join(
        [
            profile.name,
            "Request for automated license plate reader data",
            f"Request {request_id}",
            "",
            *lines,
            f"Kind of requester: {LABELS[asked.recipient_class]}",
            "",
            f"Signed by: {signed_by}",
            f"Signed at: {_local(at, profile)}",
            f"Witnessed by: {witness}",
            "",
        ]
    )


def letter(
    profile: AgencyProfile, asked: Asked, request_id: str, state: State, at: datetime, *, reason: str = "",
    basis: Sequence[str] = (), signed: tuple[str, str] = ("", ""),
) -> str:  # fmt: skip
    """Write the letter to a requester whose request is refused, denied or handed on (SHR-06, SHR-08).

    It bears the moment of the decision, states the agency's own basis, is signed by name and office of who decided, or by
    the agency, and says nothing of whether any data exists.
    """
    closing = {
        State.ROUTED: f"Your request has been handed to the Records function and is handled under the "
        f"{profile.sharing.other_requests}. You will hear from there.",
        State.REFUSED: "Your request is therefore refused. This letter does not say whether such data exists.",
        State.DENIED: f"Your request was reviewed and is denied. Reason: {reason}",
    }[state]
    reasons = [f"- {one}" for one in basis] if state is not State.DENIED else []
    return "\n".join(
        [
            profile.name,
            _local(at, profile),
            "",
            f"To: {', '.join(filter(None, (asked.requester_name, asked.requester_title, asked.agency_name)))}",
            f"Your request for automated license plate reader data, our number {request_id}",
            "",
            *(
                ["Automated license plate reader data is not released on such a request:", *reasons, ""]
                if reasons
                else []
            ),
            closing,
            "",
            ", ".join(filter(None, (*signed, profile.name))),
            "",
        ]
    )


def cover_lines(
    profile: AgencyProfile, request_id: str, recipient: str, method: str, facts: Mapping[str, str]
) -> tuple[str, ...]:
    """Write what the cover of a release says beside purpose and confidentiality (SHR-09)."""
    grounds = {
        "legal_basis": "Legal basis",
        "citation": "Citation",
        "policy_basis": "Shared under the policy of",
        "approved_by": "Approved by",
        "delegation_id": "Under delegation",
    }
    return (
        f"Release request: {request_id}",
        f"Handed to: {recipient}",
        f"By: {method.replace('_', ' ')}",
        *(f"{label}: {facts[name]}" for name, label in grounds.items() if facts.get(name)),
        "Purpose limit: for the stated purpose only; any other use takes a new written request.",
        f"Please acknowledge receipt to {profile.name}, naming the number of this request.",
    )


def _local(at: datetime, profile: AgencyProfile) -> str:
    return at.astimezone(ZoneInfo(profile.timezone)).strftime("%B %-d, %Y, %H:%M %Z")
