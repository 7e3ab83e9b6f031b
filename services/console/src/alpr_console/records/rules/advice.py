"""What a person can do about a refusal of what concerns records; the refusal itself says what is wrong. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ADVICE: Final[Mapping[str, str]] = {
    "APPROVAL_REQUIRED": "It is fulfilled only after the decision: see who decides on this page.",
    "APPROVER_NOT_AUTHORISED": "Ask whoever your policy names, or a designee with this power (People, Assignments).",
    "AUTHOR_MUST_DIFFER": "A second person does this: ask a colleague.",
    "BOOKING_NUMBER_REQUIRED": "Give the number under which the evidence room took the medium.",
    "CASE_NUMBER_REQUIRED": "Give the case number.",
    "CHANGED_MEANWHILE": "Somebody else changed it just now. Reload the page and look before you repeat it.",
    "CUSTODIAN_APPROVAL_REQUIRED": "The custodian of records approves the change first: see Schedule.",
    "DOCUMENT_REQUIRED": "Attach the written request. Without it the request stays a draft.",
    "DVD_ANSWER_REQUIRED": "Say whether a copy on DVD was considered, and why or why not.",
    "FIELD_INVALID": "Complete the field named and send it again.",
    "HOLD_GROUND_NOT_IN_PROFILE": "It binds as a provisional hold until the program manager confirms or lifts it.",
    "HELD_IMAGE_DAMAGED": "An image under hold does not open: see Images that do not open, under Purge.",
    "LEDGER_UNAVAILABLE": "Nothing was read or released. Try again when the ledger records again.",
    "PURGE_RUNNING": "A purge runs already: see it under Purge.",
    "RECIPIENT_CLASS_NOT_PERMITTED": "The agency's policy does not permit this recipient. Deny the request.",
    "RETENTION_FLOOR": "The law keeps these records for a year at least. Nobody can shorten it here.",
    "ROLE_NOT_AUTHORISED": "If your duties need it, ask the ALPR administrator of your agency.",
    "SAME_PERSON": "A second person does this: ask a colleague.",
    "SCHEDULE_REQUIRED": "Enter the records retention schedule first: without it nothing is purged.",
    "SCOPE_CHANGED": "Somebody named other reads meanwhile. Reload the page and look before you decide.",
    "SECOND_PERSON_REQUIRED": "A second person does this: ask a colleague.",
    "STATE_CONFLICT": "It has moved on meanwhile. Reload the page.",
}
