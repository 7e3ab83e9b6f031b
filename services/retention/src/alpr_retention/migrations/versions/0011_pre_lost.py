"""Images of held reads that do not open, and what two people decided about them; release files that were disposed of."""

from __future__ import annotations

from alembic import op

revision = "0011_pre_lost"
down_revision = "0010_pre_quarantine"
branch_labels = None
depends_on = None

IN_SCOPE = "agency = ANY (string_to_array(current_setting('alpr.agencies', true), ','))"

STATEMENTS = (
    # What the camera signed of the frame that was read: number, whether it said its place, side, SHA-256, signature, key.
    "ALTER TABLE retention.reads ADD COLUMN frame jsonb",
    # A held read stays in its day until its image opens again or two people have said that it is lost.
    """CREATE TABLE retention.damaged_images (
        agency text NOT NULL CHECK (agency <> '' AND position(',' in agency) = 0),
        read_id uuid NOT NULL,
        role text NOT NULL,
        due_day date NOT NULL,
        code text NOT NULL,
        state text NOT NULL CHECK (state IN ('open', 'declared', 'lost', 'missing', 'mended')),
        hold_ids uuid[] NOT NULL,
        found_at timestamptz NOT NULL,
        declared_by text NOT NULL DEFAULT '',
        declared_name text NOT NULL DEFAULT '',
        declared_at timestamptz,
        note text NOT NULL DEFAULT '',
        confirmed_by text NOT NULL DEFAULT '',
        confirmed_name text NOT NULL DEFAULT '',
        confirmed_at timestamptz,
        run_id uuid,
        PRIMARY KEY (agency, read_id, role),
        CHECK (state NOT IN ('declared', 'lost') OR (declared_by <> '' AND declared_at IS NOT NULL)),
        CHECK (state <> 'lost' OR (confirmed_at IS NOT NULL AND confirmed_by NOT IN ('', declared_by)))
    )""",
    "CREATE INDEX damaged_images_run ON retention.damaged_images (run_id) WHERE run_id IS NOT NULL",
    "ALTER TABLE retention.damaged_images ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE retention.damaged_images FORCE ROW LEVEL SECURITY",
    "CREATE POLICY door ON retention.damaged_images USING (true) WITH CHECK (true)",
    f"""CREATE POLICY agency ON retention.damaged_images AS RESTRICTIVE
        USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})""",
    "GRANT SELECT, INSERT, UPDATE ON retention.damaged_images TO alpr_retention",
    # Letters that no registered device has signed and of which so many came that the rest was only counted.
    """CREATE TABLE retention.quarantine_floods (
        agency text NOT NULL CHECK (agency <> '' AND position(',' in agency) = 0),
        received_on date NOT NULL,
        topic text NOT NULL,
        reason_code text NOT NULL,
        letters bigint NOT NULL,
        bytes bigint NOT NULL,
        first_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        PRIMARY KEY (agency, received_on, topic, reason_code)
    )""",
    "ALTER TABLE retention.quarantine_floods ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE retention.quarantine_floods FORCE ROW LEVEL SECURITY",
    "CREATE POLICY door ON retention.quarantine_floods USING (true) WITH CHECK (true)",
    f"""CREATE POLICY agency ON retention.quarantine_floods AS RESTRICTIVE
        USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})""",
    "GRANT SELECT, INSERT, UPDATE ON retention.quarantine_floods TO alpr_retention",
    r"""CREATE OR REPLACE FUNCTION retention.keep_paper() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        -- whole files whose time is over, by the one function that judges that (RET-16)
        IF TG_OP = 'DELETE' AND current_setting('alpr.disposing', true) <> '' AND (
            SELECT c.relowner = current_user\:\:regrole FROM pg_class AS c WHERE c.oid = TG_RELID) THEN
            RETURN OLD;
        END IF;
        IF TG_OP <> 'UPDATE' OR TG_TABLE_NAME IN ('release_acts', 'share_items') THEN
            RAISE EXCEPTION 'FILE_IMMUTABLE' USING ERRCODE = 'check_violation';
        END IF;
        IF TG_TABLE_NAME = 'release_requests' THEN
            IF OLD.submitted_at IS NOT NULL AND
                (OLD.agency, OLD.agency_name, OLD.requester_name, OLD.requester_title, OLD.requester_contact,
                 OLD.intended_purpose, OLD.recipient_class, OLD.received_as, OLD.case_number, OLD.taken_by,
                 OLD.taken_at, OLD.document, OLD.submitted_by, OLD.submitted_at, OLD.basis)
                IS DISTINCT FROM
                (NEW.agency, NEW.agency_name, NEW.requester_name, NEW.requester_title, NEW.requester_contact,
                 NEW.intended_purpose, NEW.recipient_class, NEW.received_as, NEW.case_number, NEW.taken_by,
                 NEW.taken_at, NEW.document, NEW.submitted_by, NEW.submitted_at, NEW.basis)
            OR OLD.decision IS NOT NULL AND
                (OLD.decision, OLD.read_ids, OLD.approved_ids, OLD.query_id, OLD.scoped_by)
                IS DISTINCT FROM (NEW.decision, NEW.read_ids, NEW.approved_ids, NEW.query_id, NEW.scoped_by)
            OR OLD.state IN ('denied', 'fulfilled', 'routed_to_records', 'refused', 'withdrawn')
                AND OLD.state <> NEW.state THEN
                RAISE EXCEPTION 'FILE_IMMUTABLE' USING ERRCODE = 'check_violation';
            END IF;
        ELSIF TG_TABLE_NAME = 'share_deliveries' THEN
            IF (OLD.agency, OLD.request_id, OLD.recipient_agency, OLD.recipient_person, OLD.method,
                OLD.package_id, OLD.package_sha256, OLD.prepared_at)
                IS DISTINCT FROM
               (NEW.agency, NEW.request_id, NEW.recipient_agency, NEW.recipient_person, NEW.method,
                NEW.package_id, NEW.package_sha256, NEW.prepared_at)
            OR OLD.delivered_at IS NOT NULL AND (OLD.delivered_at, OLD.delivered_by, OLD.voided_at, OLD.handed_ids)
                IS DISTINCT FROM (NEW.delivered_at, NEW.delivered_by, NEW.voided_at, NEW.handed_ids)
            OR OLD.acknowledged_at IS NOT NULL AND (OLD.acknowledged_at, OLD.acknowledged_by)
                IS DISTINCT FROM (NEW.acknowledged_at, NEW.acknowledged_by) THEN
                RAISE EXCEPTION 'FILE_IMMUTABLE' USING ERRCODE = 'check_violation';
            END IF;
        ELSIF OLD.acknowledged_at IS NOT NULL OR (OLD.forwarded_to, OLD.forwarded_at)
            IS DISTINCT FROM (NEW.forwarded_to, NEW.forwarded_at) THEN
            RAISE EXCEPTION 'FILE_IMMUTABLE' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$""",
    # A file goes as a whole, with its list of what was handed over, never within a year of its end, whatever is asked.
    r"""CREATE FUNCTION retention.dispose_file(of_agency text, file uuid, before date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        IF before > current_date - interval '1 year' THEN
            RAISE EXCEPTION 'RETENTION_FLOOR' USING ERRCODE = 'check_violation';
        END IF;
        PERFORM FROM retention.release_requests AS r
            WHERE r.agency = of_agency AND r.request_id = file AND r.closed_on < before FOR UPDATE;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
        PERFORM set_config('alpr.disposing', file\:\:text, true);
        DELETE FROM retention.share_items AS i USING retention.share_deliveries AS d
            WHERE d.request_id = file AND i.delivery_id = d.delivery_id;
        DELETE FROM retention.share_deliveries AS d WHERE d.request_id = file;
        DELETE FROM retention.release_filings AS f WHERE f.request_id = file;
        DELETE FROM retention.release_acts AS a WHERE a.request_id = file;
        DELETE FROM retention.release_requests AS r WHERE r.request_id = file;
        PERFORM set_config('alpr.disposing', '', true);
        RETURN true;
    END $$""",
    "REVOKE ALL ON FUNCTION retention.dispose_file(text, uuid, date) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION retention.dispose_file(text, uuid, date) TO alpr_retention",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
