"""Evidence and release packages: their reads, their volumes, the media they were written to, and their booking."""

from __future__ import annotations

from alembic import op

revision = "0007_pre_evidence"
down_revision = "0006_pre_holds"
branch_labels = None
depends_on = None

SCOPED = ("packages", "package_items", "package_volumes", "clets_authorities")
IN_SCOPE = "agency = ANY (string_to_array(current_setting('alpr.agencies', true), ','))"

STATEMENTS: tuple[str, ...] = (
    # A package is made under one entry of the ledger, and an entry makes one package.
    """CREATE TABLE retention.packages (
        package_id uuid PRIMARY KEY,
        agency text NOT NULL CHECK (agency <> ''),
        kind text NOT NULL CHECK (kind IN ('hold', 'release')),
        subject uuid NOT NULL,
        entry bigint NOT NULL UNIQUE,
        state text NOT NULL CHECK (state IN
            ('opened', 'building', 'ready', 'given', 'closed', 'cancelled', 'broken', 'expired')),
        opened_at timestamptz NOT NULL,
        exporter_id text NOT NULL CHECK (exporter_id <> ''),
        exporter text NOT NULL CHECK (exporter <> ''),
        exporter_name text NOT NULL,
        profile_version text NOT NULL,
        cover jsonb NOT NULL,
        clets boolean NOT NULL,
        clets_authorized_by text NOT NULL,
        clets_basis text NOT NULL,
        medium text NOT NULL,
        serial text NOT NULL,
        witness text NOT NULL,
        reads integer NOT NULL CHECK (reads > 0),
        hits integer NOT NULL CHECK (hits >= 0),
        papers integer NOT NULL DEFAULT 0,
        attempt integer NOT NULL DEFAULT 0,
        packed integer NOT NULL DEFAULT 0,
        redactions jsonb NOT NULL DEFAULT '[]',
        key_sha256 text NOT NULL DEFAULT '',
        content_key bytea,
        problem text NOT NULL DEFAULT '',
        built_at timestamptz,
        expires_at timestamptz,
        given_at timestamptz,
        closed_at timestamptz,
        closed_by text NOT NULL DEFAULT '',
        closed_name text NOT NULL DEFAULT '',
        booking_number text NOT NULL DEFAULT '',
        cleared_at timestamptz,
        -- what lets a hold end was written to media that somebody witnessed and booked (RET-12)
        CHECK (state <> 'closed' OR (kind = 'hold' AND booking_number <> '' AND witness <> '' AND given_at IS NOT NULL)),
        CHECK (NOT clets OR (clets_authorized_by <> '' AND clets_basis <> ''))
    )""",
    "CREATE INDEX packages_agency ON retention.packages (agency, opened_at DESC)",
    "CREATE INDEX packages_subject ON retention.packages (agency, subject)",
    "CREATE INDEX packages_open ON retention.packages (opened_at) WHERE cleared_at IS NULL",
    """CREATE TABLE retention.package_items (
        package_id uuid NOT NULL REFERENCES retention.packages,
        agency text NOT NULL,
        position integer NOT NULL,
        read_id uuid NOT NULL,
        due_day date NOT NULL,
        captured_at timestamptz NOT NULL,
        record_sha256 text NOT NULL DEFAULT '',
        images jsonb NOT NULL DEFAULT '[]',
        volume integer,
        PRIMARY KEY (package_id, position),
        UNIQUE (package_id, read_id)
    )""",
    "CREATE INDEX package_items_read ON retention.package_items (agency, read_id)",
    """CREATE TABLE retention.package_volumes (
        package_id uuid NOT NULL REFERENCES retention.packages,
        agency text NOT NULL,
        number integer NOT NULL CHECK (number > 0),
        parts integer NOT NULL CHECK (parts > 0),
        bytes bigint NOT NULL,
        sha256 text NOT NULL,
        sums_sha256 text NOT NULL,
        serial text NOT NULL DEFAULT '',
        began_at timestamptz,
        began_by text NOT NULL DEFAULT '',
        began_name text NOT NULL DEFAULT '',
        taking_at timestamptz,
        taken_at timestamptz,
        taken_by text NOT NULL DEFAULT '',
        taken_name text NOT NULL DEFAULT '',
        PRIMARY KEY (package_id, number)
    )""",
    # The authority of another person under which one package of a hold carries CLETS text (SEC-06).
    """CREATE TABLE retention.clets_authorities (
        authority_id uuid PRIMARY KEY,
        agency text NOT NULL CHECK (agency <> ''),
        hold_id uuid NOT NULL,
        person_id text NOT NULL CHECK (person_id <> ''),
        full_name text NOT NULL,
        basis text NOT NULL CHECK (basis <> ''),
        authorized_at timestamptz NOT NULL,
        package_id uuid UNIQUE REFERENCES retention.packages
    )""",
    "CREATE INDEX clets_authorities_hold ON retention.clets_authorities (agency, hold_id)",
    # The intent that a package is made under: committed, fresh, unused, of this person, and about this very subject.
    r"""CREATE FUNCTION retention.open_package(entry bigint, person text, of_agency text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        before text := current_setting('alpr.agencies', true);
        wanted jsonb;
        wanted_scope text[];
    BEGIN
        IF (SELECT i.person_id FROM audit.permitted(entry) AS i) IS DISTINCT FROM person OR person IS NULL THEN
            RAISE EXCEPTION 'LEDGER_ENTRY_MISSING' USING ERRCODE = 'insufficient_privilege';
        END IF;
        SELECT u.scope, u.query INTO wanted_scope, wanted FROM retention.use_intent(entry, 'package') AS u;
        IF wanted_scope IS DISTINCT FROM ARRAY[of_agency] THEN
            RAISE EXCEPTION 'LEDGER_ENTRY_MISSING' USING ERRCODE = 'insufficient_privilege';
        END IF;
        PERFORM set_config('alpr.agencies', before, true);
        RETURN wanted -> 'search';
    END $$""",
    "REVOKE ALL ON FUNCTION retention.open_package(bigint, text, text) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION retention.open_package(bigint, text, text) TO alpr_retention",
    # What is known of packages outlives their reads: ids, hashes and names of files, no plate. Nothing is deleted.
    "GRANT SELECT, INSERT, UPDATE ON retention.packages, retention.package_items, retention.package_volumes TO alpr_retention",
    "GRANT SELECT, INSERT, UPDATE (package_id) ON retention.clets_authorities TO alpr_retention",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    for table in SCOPED:
        op.execute(f"ALTER TABLE retention.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE retention.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY door ON retention.{table} USING (true) WITH CHECK (true)")
        op.execute(
            f"CREATE POLICY agency ON retention.{table} AS RESTRICTIVE USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})"
        )
