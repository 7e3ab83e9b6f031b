"""Which way into a service leaves which entry in the ledger (AUD-08); a way that is not listed here fails the check.

Data are reads, hits, images, what is known about them, and the record of who looked at them. A way to data names
the kinds of entries it makes, one at least before anything is shown; a way that forwards names what the door behind
it makes. Every other way is listed with the reason why it shows no data. Pages fetch their data by these ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from alprcore.errors import Misconfigured

_TO_RETENTION: Final = (
    "GET /v1/images/{rest:path}", "GET /v1/live-hits/{rest:path}", "POST /v1/purges", "POST /v1/holds",
    "GET /v1/holds/{rest:path}", "POST /v1/holds/{rest:path}", "GET /v1/evidence-exports/{rest:path}",
    "POST /v1/evidence-exports/{rest:path}", "POST /v1/release-requests", "GET /v1/release-requests/{rest:path}",
    "POST /v1/release-requests/{rest:path}", "PUT /v1/release-requests/{rest:path}",
    "DELETE /v1/release-requests/{rest:path}", "POST /v1/disclosures", "GET /v1/demands", "POST /v1/demands",
    "GET /v1/demands/{rest:path}", "POST /v1/demands/{rest:path}", "POST /v1/sharing-agreements",
    "POST /v1/sharing-agreements/{rest:path}", "POST /v1/repositories/{rest:path}", "GET /records/holds/{hold_id}",
    "GET /records/demands", "GET /records/demands/{demand_id}",
)  # fmt: skip
"""Ways of the console to data that only lead to retention, whose doors record them."""
DATA: Final[Mapping[str, Mapping[str, str]]] = {
    "audit": {
        "POST /v1/queries": "query query_result",
        "POST /v1/hit-queries": "hit_query hit_query_result",
        "GET /v1/reads/{read_id}": "query query_result",
        "POST /v1/image-views": "image_view",
        "POST /v1/exports": "export export_result",
        "POST /v1/subject-lookups": "query query_result",
        "POST /v1/package-intents": "export",
        "POST /v1/package-trails": "export_result",
        "GET /v1/queries/incomplete": "incomplete_queries_read",
        "POST /v1/queries/{query_id}/case-number": "case_number_added",
        "POST /v1/use-approvals": "use_approval",
        "GET /v1/use-approvals": "use_approvals_read",
        "POST /v1/use-approvals/{approval_id}/revocation": "use_approval_revoked",
        "POST /v1/protected-events": "protected_event",
        "GET /v1/protected-events": "protected_events_read",
        "POST /v1/protected-events/{event}/end": "protected_event_ended",
        "GET /v1/audit/verify": "ledger_verified",
        "GET /v1/audit/log": "log_read",
        "POST /v1/audit/log": "log_read",
        "GET /v1/audit/log/{index}": "log_read",
        "GET /v1/audit/proof/{index}": "proof_read",
        "GET /v1/audit/consistency": "proof_read",
        "POST /v1/audit/reports": "report_made",
        "GET /v1/audit/reports": "report_read",
        "GET /v1/audit/reports/{report_id}": "report_read",
        "DELETE /v1/audit/reports/{report_id}": "report_removed",
        "GET /v1/audit/trail": "trail_read",
        "GET /v1/audit/tasks": "report_read",
        "GET /v1/audit/tasks/{task_id}": "report_read",
        "POST /v1/audit/tasks/{task_id}/findings": "audit_finding",
        "POST /v1/audit/tasks/{task_id}/closure": "audit_closed",
        "GET /v1/audit/findings": "report_read",
        "POST /v1/audit/findings/{finding_id}/disposition": "finding_disposed",
        "POST /v1/audit/employee-plates": "employee_plate_added",
        "GET /v1/audit/employee-plates": "report_read",
        "DELETE /v1/audit/employee-plates/{plate_id}": "employee_plate_removed",
    },
    "retention": {
        "GET /v1/images/{entry}": "image_view",
        "GET /v1/live-hits/{hit_id}/images/{role}": "live_image_shown",
        "POST /v1/purges": "purge_requested",
        "POST /v1/sharing-agreements": "agreement_proposed",
        "POST /v1/sharing-agreements/{agreement_id}/approvals": "agreement_approved agreement_denied",
        "POST /v1/sharing-agreements/{agreement_id}/stop": "agreement_stopped",
        "POST /v1/repositories/{adapter}/stop": "repository_stopped",
        "POST /v1/repositories/{adapter}/start": "repository_started",
        "POST /v1/repositories/{adapter}/recall": "repository_recalled",
        "POST /v1/demands": "demand_recorded demand_read",
        "GET /v1/demands": "demand_read",
        "GET /v1/demands/{demand_id}": "demand_read",
        "POST /v1/demands/{demand_id}/answers": "demand_answered demand_read",
        "POST /v1/holds": "hold_placed",
        "GET /v1/holds/{hold_id}": "hold_read",
        "POST /v1/holds/{hold_id}/reviews": "hold_reviewed",
        "POST /v1/holds/{hold_id}/confirmations": "hold_confirmed",
        "POST /v1/holds/{hold_id}/lifts": "hold_lifted",
        "POST /v1/holds/{hold_id}/release-requests": "hold_release_requested",
        "POST /v1/holds/{hold_id}/releases": "hold_released hold_kept",
        "POST /v1/holds/{hold_id}/case-file": "hold_case_file_entered",
        "POST /v1/holds/{hold_id}/clets-authorities": "clets_authorized",
        "POST /v1/release-requests": "release_requested",
        "PUT /v1/release-requests/{request_id}/document": "release_document_added",
        "GET /v1/release-requests/{request_id}/document": "release_document_read",
        "POST /v1/release-requests/{request_id}/signed-form": "release_document_added",
        "PUT /v1/release-requests/{request_id}/scope": "release_scope_set",
        "POST /v1/release-requests/{request_id}/submission": "release_submitted",
        "POST /v1/release-requests/{request_id}/decisions": "release_approved release_denied",
        "POST /v1/release-requests/{request_id}/withdrawal": "release_withdrawn",
        "POST /v1/release-requests/{request_id}/filing": "release_filed",
        "POST /v1/release-requests/{request_id}/fulfilments": "release_packing",
        "POST /v1/release-requests/{request_id}/acknowledgment": "release_acknowledged",
        "POST /v1/disclosures": "disclosures_read",
        "POST /v1/evidence-exports": "package_opened",
        "GET /v1/evidence-exports/{package_id}/volumes/{number}": "evidence_taken release_delivered package_given",
        "POST /v1/evidence-exports/{package_id}/media": "evidence_media_set",
        "POST /v1/evidence-exports/{package_id}/bookings": "evidence_booked",
        "POST /v1/evidence-exports/{package_id}/cancellations": "package_cancelled",
        "POST /v1/packages/{package_id}/papers": "package_built",
    },
    "ingest": {
        "POST /v1/hotlists": "list_created",
        "POST /v1/hotlists/{code}/loads": "list_loaded",
        "POST /v1/hotlists/{code}/republications": "list_republished",
        "POST /v1/hotlists/{code}/rollbacks": "list_rollback_asked",
        "POST /v1/hotlists/{code}/rollbacks/{rollback_id}/approvals": "list_rolled_back",
        "POST /v1/hotlists/{code}/approvals": "list_approved",
        "POST /v1/hotlists/{code}/authorisations": "share_authorized",
        "POST /v1/hotlists/{code}/shares": "list_shared",
        "POST /v1/hotlists/{code}/shares/{share}/deliveries": "list_delivered",
        "GET /v1/devices/{device_id}/lists/package": "list_package_issued",
        "POST /v1/devices/{device_id}/shift-checks": "shift_check",
        "POST /v1/hot-plates": "hot_plate_entered",
        "GET /v1/hot-plates": "hot_plates_read",
        "GET /v1/hot-plates/{entry}": "hot_plates_read",
        "POST /v1/hot-plates/{entry}/edits": "hot_plate_edited",
        "POST /v1/hot-plates/{entry}/extensions": "hot_plate_extended",
        "POST /v1/hot-plates/{entry}/withdrawals": "hot_plate_withdrawn",
        "POST /v1/partial-plates": "partial_plate_entered",
        "GET /v1/partial-plates": "partial_plates_read",
        "GET /v1/partial-plates/{entry}": "partial_plates_read",
        "POST /v1/partial-plates/{entry}/withdrawals": "partial_plate_withdrawn",
        "POST /v1/hotlists/{code}/dry-runs": "list_dry_run",
        "PUT /v1/hotlists/{code}/feed": "feed_set",
        "DELETE /v1/hotlists/{code}/feed": "feed_removed",
        "POST /v1/hotlists/{code}/feed/pulls": "feed_pull_asked",
        "PUT /v1/hotlists/{code}/categories": "list_categories_set",
        "PUT /v1/hotlists/{code}/permissible-use": "list_basis_set",
    },
    "console": {
        "GET /v1/hits": "hit_view",
        "GET /v1/hits/{hit_id}": "hit_view",
        "GET /v1/events": "hit_view",
        "POST /v1/hits/{hit_id}/presented": "hit_presented",
        "POST /v1/hits/{hit_id}/acknowledge": "hit_acknowledged",
        "POST /v1/deliveries/{delivery_id}/presented": "delivery_presented",
        "POST /v1/deliveries/{delivery_id}/acknowledge": "delivery_acknowledged",
        "POST /v1/storms/{storm_id}/releases": "storm_released",
        "POST /v1/hits/{hit_id}/ownership": "hit_owner_set",
        "POST /v1/handovers": "shift_offered",
        "POST /v1/handovers/{handover_id}/acceptance": "shift_handed_over",
        "POST /v1/handovers/{handover_id}/withdrawal": "shift_offer_withdrawn",
        "POST /v1/exercises": "exercise_started",
        "POST /v1/hits/{hit_id}/read-check": "read_checked",
        "GET /v1/hits/{hit_id}/work": "hit_view",
        "POST /v1/hits/{hit_id}/verifications": "hit_verified",
        "POST /v1/hits/{hit_id}/confirmations": "confirmation_asked hit_verified",
        "POST /v1/hits/{hit_id}/broadcasts": "hit_broadcast",
        "POST /v1/hits/{hit_id}/calls": "call_entered",
        "POST /v1/hits/{hit_id}/calls/{call_id}/description": "call_described",
        "POST /v1/hits/{hit_id}/calls/{call_id}/state": "call_state_set",
        "POST /v1/hits/{hit_id}/nature-review": "nature_reviewed",
        "POST /v1/hits/{hit_id}/actions": "action_recorded",
        "POST /v1/hits/{hit_id}/disposition": "disposition_recorded",
        "POST /v1/hits/{hit_id}/closure": "hit_closed",
        "GET /v1/hits/{hit_id}/verifications/{verification_id}": "verification_read",
        "POST /v1/hits/{hit_id}/registration-lookups": "registration_asked registration_read",
        "GET /v1/hits/{hit_id}/registration-lookups/{lookup_id}": "registration_read",
        "GET /v1/cad/images/{hit_id}/{role}": "> retention",
        "GET /hits/{hit_id}/sources": "hit_view",
        "POST /hits/{hit_id}/sources/verification": "hit_view hit_verified",
        "POST /hits/{hit_id}/sources/text": "hit_view verification_read",
        "POST /hits/{hit_id}/sources/registration": "hit_view registration_asked registration_read",
        "POST /search": "> audit",
        "GET /search/waiting": "> audit",
        "POST /search/waiting/{query_id}": "> audit",
        "GET /search/approvals": "> audit",
        "POST /search/approvals": "> audit",
        "POST /search/approvals/events": "> audit",
        "POST /search/approvals/{number}/end": "> audit",
        "POST /v1/queries": "> audit",
        "POST /v1/subject-lookups": "> audit",
        "GET /v1/queries/incomplete": "> audit",
        "POST /v1/queries/{query_id}/case-number": "> audit",
        "POST /v1/hit-queries": "> audit",
        "POST /v1/exports": "> audit",
        "GET /v1/use-approvals": "> audit",
        "POST /v1/use-approvals": "> audit",
        "POST /v1/use-approvals/{approval_id}/revocation": "> audit",
        "GET /v1/protected-events": "> audit",
        "POST /v1/protected-events": "> audit",
        "POST /v1/protected-events/{event_id}/end": "> audit",
        "GET /v1/reads/{rest:path}": "> audit",
        "POST /v1/image-views": "> audit",
        "GET /v1/audit/{rest:path}": "> audit",
        "POST /v1/audit/{rest:path}": "> audit",
        "PUT /v1/audit/{rest:path}": "> audit",
        "DELETE /v1/audit/{rest:path}": "> audit",
        "GET /audits/entries": "> audit",
        "POST /audits/entries": "> audit",
        "GET /audits/entries/{index}": "> audit",
        "POST /audits/ledger": "> audit",
        "GET /audits/reports": "> audit",
        "POST /audits/reports": "> audit",
        "GET /audits/reports/{report_id}": "> audit",
        "GET /audits/reviews": "> audit",
        "GET /audits/reviews/{task_id}": "> audit",
        "POST /audits/reviews/{task_id}/closure": "> audit",
        "GET /audits/findings": "> audit",
        "POST /audits/findings/{finding_id}": "> audit",
        "POST /v1/evidence-exports": "> audit",
        "POST /v1/release-requests/{request_id}/fulfilments": "> audit",
        **dict.fromkeys(_TO_RETENTION, "> retention"),
        "POST /v1/hotlists": "> ingest",
        "GET /v1/hotlists/{rest:path}": "> ingest",
        "POST /v1/hotlists/{rest:path}": "> ingest",
        "POST /v1/devices/{device_id}/shift-checks": "> ingest",
        "PUT /v1/hotlists/{rest:path}": "> ingest",
        "DELETE /v1/hotlists/{rest:path}": "> ingest",
        "GET /v1/hot-plates": "> ingest",
        "POST /v1/hot-plates": "> ingest",
        "GET /v1/hot-plates/{rest:path}": "> ingest",
        "POST /v1/hot-plates/{rest:path}": "> ingest",
        "GET /v1/partial-plates": "> ingest",
        "POST /v1/partial-plates": "> ingest",
        "GET /v1/partial-plates/{rest:path}": "> ingest",
        "POST /v1/partial-plates/{rest:path}": "> ingest",
        "GET /hot-plates": "> ingest",
        "GET /partial-plates": "> ingest",
        "POST /v1/canvasses": "canvass_opened canvass_view",
        "GET /v1/canvasses": "canvass_view",
        "GET /v1/canvasses/{canvass_id}": "canvass_view",
        "PUT /v1/canvasses/{canvass_id}/units": "canvass_units canvass_view",
        "POST /v1/canvasses/{canvass_id}/entries": "canvass_entry_added canvass_view",
        "POST /v1/canvasses/{canvass_id}/closure": "canvass_closed canvass_view",
        "POST /v1/canvasses/{canvass_id}/reads": "> audit",
        "GET /canvasses": "canvass_view",
        "GET /canvasses/{canvass_id}": "canvass_view",
        "POST /v1/incidents": "breach_opened breach_view",
        "GET /v1/incidents": "breach_view",
        "GET /v1/incidents/{incident_id}": "breach_view",
        "POST /v1/incidents/{incident_id}/tasks/{task_id}": "breach_task_done breach_view",
        "POST /v1/incidents/{incident_id}/entries": "breach_noted breach_view",
        "POST /v1/incidents/{incident_id}/counts": "breach_counted breach_view",
        "POST /v1/incidents/{incident_id}/closure": "breach_closed breach_view",
        "POST /v1/incident-notices/{notice_id}/seen": "breach_notice_seen",
        "GET /records/breaches": "breach_view",
        "GET /records/breaches/{incident_id}": "breach_view",
    },
}
"""Ways to data by service, and the kinds of entries each makes; `> service`: the door behind it makes them."""

NO_DATA: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "audit": {
        "the signed head of the ledger, which anyone may know": ("GET /v1/audit/checkpoint",),
        "counts of audits and findings": ("GET /v1/audit/overview",),
        "which agreements are in force, and nothing of any read": ("GET /v1/shared-agencies",),
    },
    "retention": {
        "counts, and nothing of any one read": (
            "GET /v1/read-statistics", "GET /v1/retention/quarantine", "GET /v1/retention/runs",
            "GET /v1/retention/runs/{run_id}", "POST /v1/purges/previews",
        ),
        "images of held reads that do not open, by id; each decision about one leaves an entry of its own": (
            "GET /v1/retention/damaged-images", "POST /v1/retention/damaged-images/{read_id}/{role}/losses",
            "POST /v1/retention/damaged-images/{read_id}/{role}/settlements",
        ),
        "how long records are kept and what went: rules, counts, reports; each decision leaves an entry of its own": (
            "GET /v1/retention/stock", "GET /v1/retention/schedule", "GET /v1/retention/changes",
            "GET /v1/retention/changes/{change_id}", "POST /v1/retention/changes/previews",
            "POST /v1/retention/changes/{change_id}/approvals", "GET /v1/retention/reports",
            "POST /v1/retention/findings/settlements",
            "POST /v1/retention/reports/{report_id}/acknowledgments",
        ),
        "holds by case: what they cover in words and counts, never a plate": ("GET /v1/holds", "GET /v1/holds/grounds"),
        "with whom the agency shares, and what of its data lies where: names and counts, nothing of any read": (
            "GET /v1/sharing-agreements", "GET /v1/sharing-agreements/{agreement_id}", "GET /v1/repositories",
            "GET /v1/repositories/{adapter}/batches", "GET /v1/custodians", "POST /v1/affected-counts",
        ),
        "packages of evidence: ids, hashes and sizes, and the key that verifies them, which anyone may know": (
            "GET /v1/evidence-exports", "GET /v1/evidence-exports/{package_id}", "GET /v1/evidence-key",
            "GET /v1/packages/{package_id}/papers/{batch}",
        ),
        "requests for data from outside and their file: reads by id and hash, none by plate": (
            "GET /v1/release-requests", "GET /v1/release-requests/form", "GET /v1/release-requests/{request_id}",
            "DELETE /v1/release-requests/{request_id}", "GET /v1/release-requests/{request_id}/letter",
        ),
    },
    "ingest": {
        "pictures come in, nothing goes out": ("POST /v1/frames",),
        "devices and what they are": (
            "POST /v1/devices", "GET /v1/devices", "GET /v1/devices/{device_id}",
            "PUT /v1/devices/{device_id}/service-state", "PUT /v1/devices/{device_id}/siting",
            "GET /v1/devices/{device_id}/lists", "POST /v1/devices/{device_id}/lists/state",
        ),
        "lists and their ages, without any entry": (
            "GET /v1/hotlists", "GET /v1/hotlists/layouts", "GET /v1/hotlists/package-key", "GET /v1/hotlists/{code}", "GET /v1/hotlists/{code}/loads",
            "GET /v1/hotlists/{code}/loads/{version}/rejects", "GET /v1/hotlists/{code}/loads/{version}/changes",
            "GET /v1/hotlists/{code}/rollbacks", "GET /v1/hotlists/{code}/shares", "GET /v1/hotlists/{code}/feed",
            "GET /v1/hotlists/{code}/feed/pulls",
        ),
        "a file that the person has already, counted and not kept": ("POST /v1/hotlists/{code}/previews",),
    },
    "console": {
        "signing in and out, and one's own account": (
            "POST /v1/session", "GET /v1/session", "DELETE /v1/session", "POST /v1/session/activity",
            "POST /v1/session/proof/options", "POST /v1/session/proof", "POST /v1/session/sound", "POST /v1/session/mute",
            "GET /v1/session/unit", "POST /v1/session/unit", "DELETE /v1/session/unit",
            "GET /login/provider", "GET /login/provider/back", "POST /login/provider/logout",
            "POST /v1/sign-in", "POST /v1/sign-in/second", "PUT /v1/me/password", "POST /v1/me/totp", "PUT /v1/me/totp",
            "DELETE /v1/me/totp", "GET /v1/me/keys", "POST /v1/me/keys/options", "POST /v1/me/keys",
            "DELETE /v1/me/keys/{key_id}", "GET /v1/me/sessions", "DELETE /v1/me/sessions/{session_id}",
            "GET /v1/alerts", "POST /v1/alerts/{alert_id}/seen", "GET /login", "POST /login", "POST /login/second",
            "POST /logout", "GET /locked", "POST /locked", "GET /setup", "GET /account", "POST /account/password",
            "POST /account/totp", "POST /account/totp/confirm", "POST /account/totp/remove", "POST /account/keys/remove",
            "POST /account/sessions/end", "GET /alerts", "POST /alerts/{alert_id}",
        ),
        "accounts, training and reviews of people": (
            "GET /v1/accounts", "GET /v1/accounts/{username}", "POST /v1/accounts", "PUT /v1/accounts/{username}",
            "POST /v1/accounts/{username}/activation", "POST /v1/accounts/{username}/credentials",
            "PUT /v1/accounts/{username}/grants", "PUT /v1/people/{username}/state", "DELETE /v1/people/{username}/lock",
            "PUT /v1/people/{username}/provider", "DELETE /v1/people/{username}/provider",
            "GET /v1/people/{username}/papers", "GET /v1/assignments", "POST /v1/assignments",
            "DELETE /v1/assignments/{assignment_id}", "GET /v1/delegations", "POST /v1/delegations",
            "DELETE /v1/delegations/{delegation_id}", "GET /v1/access-reviews", "POST /v1/access-reviews",
            "GET /v1/access-reviews/{cycle_id}", "PUT /v1/access-reviews/{cycle_id}/decisions/{username}",
            "POST /v1/access-reviews/{cycle_id}/closure", "GET /v1/courses", "POST /v1/courses",
            "POST /v1/courses/{course_id}/approval", "GET /v1/training-sessions", "POST /v1/training-sessions",
            "POST /v1/training-records", "POST /v1/certifications",
            "POST /v1/clearances", "POST /v1/policy-acknowledgments", "GET /v1/my-training", "GET /v1/training-report",
            "POST /v1/unit-assignments", "DELETE /v1/unit-assignments/{unit_id}", "POST /v1/device-sessions",
            "DELETE /v1/device-sessions/{device_session_id}", "GET /people", "GET /people/{username}",
            "GET /people-assignments", "GET /people-reviews", "GET /people-reviews/{cycle_id}", "GET /training",
            "GET /my-training", "GET /policy",
        ),
        "an agency's policy and guidelines": (
            "GET /v1/profiles", "GET /v1/profiles/{agency}", "GET /v1/profiles/{agency}/versions",
            "GET /v1/profiles/{agency}/versions/{number}", "POST /v1/profiles", "POST /v1/profiles/{agency}/versions",
            "POST /v1/profiles/{agency}/versions/{number}/approvals",
            "POST /v1/profiles/{agency}/versions/{number}/withdrawals", "GET /profile", "GET /profile/edit",
            "POST /profile/edit", "POST /profile/designee", "GET /profile/versions/{number}",
            "POST /profile/versions/{number}/approve", "POST /profile/versions/{number}/withdraw", "GET /v1/guidelines",
            "GET /v1/guidelines/{number}", "POST /v1/guidelines", "POST /v1/guidelines/{number}/approvals",
            "POST /v1/guidelines/{number}/publications", "GET /public/policy", "GET /guidelines",
            "GET /guidelines/{number}", "POST /guidelines", "POST /guidelines/{number}/{act}",
        ),
        "that there is a breach, and which policy it follows": ("GET /v1/incident-notices",),
        "where a CAD takes messages, and what it answered: ids, statuses and units, no plate": (
            "GET /v1/cad/endpoints", "POST /v1/cad/endpoints", "POST /v1/cad/endpoints/{endpoint_id}/secret",
            "POST /v1/cad/endpoints/{endpoint_id}/state", "GET /v1/cad/statuses", "GET /cad", "POST /cad/endpoints",
            "POST /cad/endpoints/{endpoint_id}/secret", "POST /cad/endpoints/{endpoint_id}/{state}",
        ),
        "devices, lists and counts, without any read or entry": (
            "GET /v1/devices/{device_id}/statistics", "GET /devices", "GET /devices/{device_id}", "GET /v1/devices",
            "POST /v1/devices", "GET /v1/devices/{rest:path}", "PUT /v1/devices/{rest:path}", "GET /v1/hotlists",
            "GET /v1/retention/{rest:path}", "GET /lists", "GET /lists/{code}", "GET /lists/{code}/loads/{version}",
            "GET /approvals",
        ),
        "what was found about a hit, without plate, name or text": (
            "GET /v1/hits/{hit_id}/notifications", "GET /v1/hits/{hit_id}/verifications", "GET /v1/hits/{hit_id}/registration-lookups",
        ),
        "who is on duty, what is late and what changes hands, without any plate": ("GET /v1/duty", "GET /v1/chain"),
        "pursuits and where cameras were placed": (
            "GET /v1/pursuits", "POST /v1/pursuits", "POST /v1/pursuits/{pursuit_id}/events",
            "POST /v1/pursuits/{pursuit_id}/outcome", "GET /v1/deployments", "POST /v1/deployments",
            "POST /v1/deployments/{deployment_id}/end", "GET /operations", "POST /operations/pursuits",
            "POST /operations/pursuits/{pursuit_id}/events", "POST /operations/pursuits/{pursuit_id}/outcome",
            "POST /operations/deployments", "POST /operations/deployments/{deployment_id}/end",
        ),
        "counts of what hits came to, and reviews of wrong stops, without any plate": (
            "GET /v1/figures/precision", "GET /v1/figures/times", "GET /v1/stop-reviews",
            "POST /v1/stop-reviews/{review_id}/closure", "GET /figures", "POST /figures/reviews/{review_id}",
        ),
        "counts of audits and findings, the signed head of the ledger": ("GET /audits", "GET /audits/ledger"),
        "holds, packages and requests by state, in words and counts, without any read or plate": (
            "GET /v1/holds", "GET /v1/evidence-exports", "GET /v1/release-requests", "GET /records/holds",
            "GET /records/evidence", "GET /records/evidence/{package_id}", "GET /records/releases",
            "GET /records/releases/{request_id}",
        ),
        "counts of what is stored, due and purged, and the schedule, without any read": (
            "POST /v1/purges/previews", "POST /v1/retention/{rest:path}", "GET /records", "GET /records/purges", "GET /records/purges/{run_id}", "GET /records/schedule",
            "GET /records/schedule/{change_id}",
        ),
        "who may search whose data and who holds copies, without any read": (
            "GET /v1/sharing-agreements", "GET /v1/sharing-agreements/{rest:path}", "GET /v1/repositories",
            "GET /v1/repositories/{rest:path}", "GET /v1/custodians", "GET /v1/shared-agencies", "GET /records/sharing",
            "GET /records/sharing/{agreement_id}", "GET /records/sharing/repositories/{adapter}",
        ),
        "the public key of evidence packages": ("GET /v1/evidence-key",),
        "pages that are filled by the ways above, words and pictures of the product": (
            "GET /", "GET /hits", "GET /design", "GET /unit", "GET /search", "GET /search/outline", "GET /glossary",
            "GET /v1/glossary",
            "GET /source", "GET /v1/openapi.json", "GET /lists/new", "GET /hot-plates/new", "GET /partial-plates/new",
            "GET /canvasses/new", "GET /records/breaches/new", "GET /records/holds/new", "POST /records/holds/new", "GET /records/releases/new",
            "POST /records/releases/new", "GET /records/sharing/new",
        ),
    },
}  # fmt: skip
"""Ways that show no data, by service and reason."""


def ways(routes: Iterable[Any]) -> Iterator[str]:
    """Name every way of an app as `METHOD path`, also those of routers and apps within it; files are no ways."""
    for route in routes:
        inner = getattr(route, "original_router", route)
        path = getattr(route, "path", "")
        if hasattr(inner, "routes"):
            yield from (f"{way.split()[0]} {path}{way.split()[1]}" for way in ways(inner.routes or ()))
        elif path:
            yield from (f"{method} {path}" for method in sorted(getattr(route, "methods", None) or {"ANY"}))


def unaudited(service: str, routes: Iterable[Any]) -> tuple[str, ...]:
    """Name the ways of a service's app that have no audit hook declared and no reason to need none (AUD-08)."""
    known = DATA[service].keys() | {way for listed in NO_DATA[service].values() for way in listed}
    return tuple(way for way in ways(routes) if way not in known)


def require(service: str, routes: Iterable[Any]) -> None:
    """Let no service start with a way that nobody said to be audited; raises `Misconfigured` naming each (AUD-08)."""
    missing = unaudited(service, routes)
    if missing:
        raise Misconfigured(f"{service}: no audit hook is declared in alprcore.audited for {', '.join(missing)}")


def gone(service: str, routes: Iterable[Any]) -> tuple[str, ...]:
    """Name the declared ways that the app does not have: a list that says more than there is misleads."""
    there = set(ways(routes))
    known = [*DATA[service], *(way for listed in NO_DATA[service].values() for way in listed)]
    return tuple(way for way in known if way not in there)


def kinds(service: str, way: str) -> tuple[str, ...]:
    """The kinds of entries that a way to data makes; empty where the door behind it makes them."""
    made = DATA[service][way].split()
    return () if made[0] == ">" else tuple(made)


def covered() -> tuple[tuple[str, str, str], ...]:
    """List service, way and kinds of entries for every way to data that makes entries itself, for guidelines."""
    return tuple(
        (service, way, ", ".join(kinds(service, way)))
        for service, listed in DATA.items()
        for way in listed
        if kinds(service, way)
    )
