"""What is answered is what the ledger says its entry permits: checked against the entry, not only against a row."""

from __future__ import annotations

from alembic import op

revision = "0003_pre_gate"
down_revision = "0002_pre_search"
branch_labels = None
depends_on = None

GATE = (
    # One committed intent answers once, within 30 s, for the act it names, on the primary.
    r"""CREATE OR REPLACE FUNCTION retention.use_intent(entry bigint, act text, OUT scope text[], OUT query jsonb)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        committed timestamptz;
    BEGIN
        IF pg_is_in_recovery() THEN
            RAISE EXCEPTION 'LEDGER_NOT_PRIMARY' USING ERRCODE = 'insufficient_privilege';
        END IF;
        SELECT i.agency_scope, i.query, i.committed_at INTO scope, query, committed FROM audit.permitted(entry) AS i;
        IF committed IS NULL OR query ->> 'act' IS DISTINCT FROM act THEN
            RAISE EXCEPTION 'LEDGER_ENTRY_MISSING' USING ERRCODE = 'insufficient_privilege';
        END IF;
        IF committed <= clock_timestamp() - interval '30 seconds' THEN
            RAISE EXCEPTION 'LEDGER_ENTRY_STALE' USING ERRCODE = 'insufficient_privilege';
        END IF;
        INSERT INTO retention.used_entries (entry, used_at) VALUES (use_intent.entry, clock_timestamp())
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'LEDGER_ENTRY_USED' USING ERRCODE = 'insufficient_privilege';
        END IF;
        PERFORM set_config('alpr.agencies', array_to_string(scope, ','), true);
    END $$""",
    # The image that a committed intent names: where it lies and which key opens it.
    r"""CREATE OR REPLACE FUNCTION retention.open_view(entry bigint, person text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        wanted jsonb;
        wanted_scope text[];
        image jsonb;
        captured timestamp;
        days date[];
    BEGIN
        IF (SELECT i.person_id FROM audit.permitted(entry) AS i) IS DISTINCT FROM person OR person IS NULL THEN
            RAISE EXCEPTION 'LEDGER_ENTRY_MISSING' USING ERRCODE = 'insufficient_privilege';
        END IF;
        SELECT u.scope, u.query INTO wanted_scope, wanted FROM retention.use_intent(entry, 'image') AS u;
        captured := (wanted ->> 'captured_at')\:\:timestamptz AT TIME ZONE 'UTC';
        SELECT coalesce(array_agg(DISTINCT d.due_day), '{}') INTO days FROM retention.captured_days AS d
        WHERE d.agency = ANY (wanted_scope) AND d.captured_on BETWEEN captured\:\:date - 1 AND captured\:\:date + 1;
        EXECUTE $q$
            SELECT i || jsonb_build_object('agency', r.agency, 'read_id', r.read_id)
            FROM retention.reads AS r, jsonb_array_elements(r.images) AS i
            WHERE r.agency = ANY ($1) AND r.due_day = ANY ($3) AND NOT r.retracted
              AND r.read_id = ($2 ->> 'read_id')\:\:uuid
              AND i ->> 'role' = ($2 ->> 'role') LIMIT 1 $q$
        INTO image USING wanted_scope, wanted, days;
        PERFORM set_config('alpr.agencies', '', true);
        RETURN image;
    END $$""",
)


def upgrade() -> None:
    for statement in GATE:
        op.execute(statement)
