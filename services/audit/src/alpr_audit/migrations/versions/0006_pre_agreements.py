"""Searches under an agreement: whose question an entry is, and the entry of the agency whose reads were asked for."""

from __future__ import annotations

from alembic import op

revision = "0006_pre_agreements"
down_revision = "0005_pre_permits"
branch_labels = None
depends_on = None

ACCESS_KINDS = (
    "entry_decrypted",
    "export",
    "hit_presented",
    "hit_query",
    "hit_view",
    "image_view",
    "live_image_shown",
    "log_read",
    "print",
    "query",
    "registration_read",
    "release_delivered",
    "report_made",
    "report_read",
    "shared_query",
    "trail_read",
    "verification_read",
)
_KINDS = ", ".join(f"'{kind}'" for kind in ACCESS_KINDS)

STATEMENTS: tuple[str, ...] = (
    # Retention compares the agency of an entry with the agencies that it asks about: an agreement lies between the two.
    """CREATE FUNCTION audit.asked_by(entry bigint) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT e.agency FROM audit.entries AS e WHERE e.idx = entry
    $$""",
    "REVOKE ALL ON FUNCTION audit.asked_by(bigint) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION audit.asked_by(bigint) TO alpr_retention_owner",
    # What another agency searched stands among the accesses of the agency whose reads they are (AUD-01, AUD-03).
    f"""CREATE OR REPLACE FUNCTION audit.note_accesses() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    SET jit = off AS $$
    BEGIN
        INSERT INTO audit.access_events
        SELECT f.idx,
               coalesce(l.entry -> 'facts' ->> 'occurred_at', l.entry ->> 'time')\\:\\:timestamptz,
               e.agency, e.kind, l.entry ->> 'outcome',
               f.content -> 'person' ->> 'person_id', f.content -> 'person' ->> 'username',
               f.content -> 'person' ->> 'full_name', f.content -> 'person' ->> 'organization',
               f.content ->> 'ip', f.content -> 'reasons' ->> 'purpose_code', f.content -> 'criteria',
               coalesce(f.content -> 'reasons' ->> 'justification', ''),
               coalesce(f.content -> 'reasons' ->> 'case_number', ''),
               coalesce(f.content -> 'person' ->> 'session_id', '')
        FROM fresh AS f JOIN audit.entries AS e USING (idx)
        CROSS JOIN LATERAL (SELECT convert_from(e.leaf, 'UTF8')\\:\\:jsonb AS entry OFFSET 0) AS l
        WHERE e.kind IN ({_KINDS});
        RETURN NULL;
    END $$""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
