"""Requests for release, their file, and what was given to whom."""

from __future__ import annotations

from alembic import op

revision = "0008_pre_releases"
down_revision = "0007_pre_evidence"
branch_labels = None
depends_on = None

SCOPED = ("release_requests", "release_acts", "release_filings", "share_deliveries", "share_items")
IN_SCOPE = "agency = ANY (string_to_array(current_setting('alpr.agencies', true), ','))"

STATEMENTS: tuple[str, ...] = (
    """CREATE TABLE retention.release_requests (
        request_id uuid PRIMARY KEY,
        agency text NOT NULL CHECK (agency <> '' AND position(',' in agency) = 0),
        state text NOT NULL CHECK (state IN ('draft', 'submitted', 'approved', 'denied', 'fulfilled',
            'routed_to_records', 'refused', 'withdrawn')),
        agency_name text NOT NULL,
        requester_name text NOT NULL,
        requester_title text NOT NULL,
        requester_contact text NOT NULL,
        intended_purpose text NOT NULL,
        recipient_class text NOT NULL,
        received_as text NOT NULL,
        case_number text NOT NULL,
        read_ids uuid[] NOT NULL,
        query_id bigint,
        scoped_by text NOT NULL,
        taken_by text NOT NULL,
        taken_name text NOT NULL,
        taken_at timestamptz NOT NULL,
        document jsonb,
        submitted_by text,
        submitted_name text,
        submitted_at timestamptz,
        basis jsonb,
        decision jsonb,
        approved_ids uuid[] NOT NULL DEFAULT '{}',
        closed_on date,
        package_id text,
        package_state text CHECK (package_state IN ('building', 'ready', 'given', 'broken')),
        package_problem text NOT NULL DEFAULT '',
        handing jsonb,
        profile_version text NOT NULL,
        CHECK (state NOT IN ('approved', 'fulfilled') OR (decision IS NOT NULL AND cardinality(approved_ids) > 0)),
        CHECK (state = 'draft' OR state = 'withdrawn' OR (document IS NOT NULL AND submitted_at IS NOT NULL)),
        CHECK (package_id IS NULL OR state IN ('approved', 'fulfilled')),
        CHECK (approved_ids <@ read_ids)
    )""",
    "CREATE INDEX release_requests_newest ON retention.release_requests (agency, taken_at DESC, request_id)",
    """CREATE TABLE retention.release_acts (
        request_id uuid NOT NULL REFERENCES retention.release_requests,
        number integer NOT NULL,
        agency text NOT NULL,
        act text NOT NULL,
        at timestamptz NOT NULL,
        by_id text NOT NULL,
        by_name text NOT NULL,
        note text NOT NULL,
        facts jsonb NOT NULL,
        PRIMARY KEY (request_id, number)
    )""",
    """CREATE TABLE retention.release_filings (
        request_id uuid PRIMARY KEY REFERENCES retention.release_requests,
        agency text NOT NULL,
        forwarded_to text NOT NULL,
        forwarded_at timestamptz NOT NULL,
        acknowledged_by text,
        acknowledged_name text,
        acknowledged_at timestamptz
    )""",
    # One handing over of data to somebody outside. It stands before the first byte can be taken; delivered_at says when
    # the last one went, voided_at that nothing was taken and nothing can be any more. With both some volumes went, the
    # first at delivered_at: handed_ids names their reads.
    """CREATE TABLE retention.share_deliveries (
        delivery_id uuid PRIMARY KEY,
        agency text NOT NULL,
        request_id uuid NOT NULL REFERENCES retention.release_requests,
        recipient_agency text NOT NULL,
        recipient_person text NOT NULL,
        method text NOT NULL,
        package_id text NOT NULL,
        package_sha256 text NOT NULL,
        prepared_at timestamptz NOT NULL,
        delivered_by text,
        delivered_name text,
        delivered_at timestamptz,
        voided_at timestamptz,
        acknowledged_by text,
        acknowledged_at timestamptz,
        acknowledged_note text NOT NULL DEFAULT '',
        handed_ids uuid[] CHECK (cardinality(handed_ids) > 0),
        CHECK ((voided_at IS NOT NULL AND delivered_at IS NOT NULL) = (handed_ids IS NOT NULL))
    )""",
    "CREATE INDEX share_deliveries_request ON retention.share_deliveries (request_id)",
    """CREATE TABLE retention.share_items (
        delivery_id uuid NOT NULL REFERENCES retention.share_deliveries,
        agency text NOT NULL,
        read_id uuid NOT NULL,
        kind text NOT NULL,
        sha256 text NOT NULL,
        PRIMARY KEY (delivery_id, read_id, kind)
    )""",
    "CREATE INDEX share_items_read ON retention.share_items (agency, read_id)",
    # A request is a paper: what it says stands with its submission, who decided what with the decision, for everybody.
    """CREATE FUNCTION retention.keep_paper() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
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
    "GRANT SELECT, INSERT, UPDATE ON retention.release_requests, retention.release_filings TO alpr_retention",
    "GRANT SELECT, INSERT, UPDATE ON retention.share_deliveries TO alpr_retention",
    "GRANT SELECT, INSERT ON retention.release_acts, retention.share_items TO alpr_retention",
    "REVOKE ALL ON FUNCTION retention.keep_paper() FROM PUBLIC",
)


def upgrade() -> None:
    """Make the tables, scoped by agency, and let nobody change or remove what is on file."""
    for statement in STATEMENTS:
        op.execute(statement)
    for table in SCOPED:
        op.execute(f"ALTER TABLE retention.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE retention.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY door ON retention.{table} USING (true) WITH CHECK (true)")
        op.execute(
            f"CREATE POLICY agency ON retention.{table} AS RESTRICTIVE USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})"
        )
        op.execute(
            f"CREATE TRIGGER paper BEFORE UPDATE OR DELETE ON retention.{table} "
            "FOR EACH ROW EXECUTE FUNCTION retention.keep_paper()"
        )
        op.execute(
            f"CREATE TRIGGER whole BEFORE TRUNCATE ON retention.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION retention.keep_paper()"
        )
