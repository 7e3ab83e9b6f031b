"""Accesses with the five groups that none may lack, audit reports, audit tasks, findings, employees' hashed plates."""

from __future__ import annotations

from alembic import op

revision = "0003_pre_reviews"
down_revision = "0002_pre_door"
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
    "trail_read",
    "verification_read",
)
_KINDS = ", ".join(f"'{kind}'" for kind in ACCESS_KINDS)
_REFUSED = """position('"outcome":"refused"'\\:\\:bytea in leaf) > 0"""
FIVE_GROUPS = ("person_id", "username", "full_name", "organization", "ip", "purpose_code")

STATEMENTS: tuple[str, ...] = (
    # AUD-02: who, when, from where, what, why. An access that lacks one cannot be committed, so nothing is answered.
    # The rows lie beside the committed content and go with it: erasing the one erases the other. A trigger does that, not
    # a foreign key, whose check of every new row would cost a fifth of the writer's rate.
    f"""CREATE TABLE audit.access_events (
        idx bigint PRIMARY KEY,
        occurred_at timestamptz NOT NULL,
        agency text NOT NULL CHECK (agency <> ''),
        kind text NOT NULL,
        outcome text NOT NULL,
        {" ".join(f"{name} text NOT NULL CHECK ({name} <> '')," for name in FIVE_GROUPS)}
        criteria jsonb NOT NULL CHECK (criteria <> '{{}}'\\:\\:jsonb),
        justification text NOT NULL,
        case_number text NOT NULL,
        session_id text NOT NULL
    )""",
    "CREATE INDEX access_events_when ON audit.access_events (agency, occurred_at)",
    "CREATE INDEX access_events_read ON audit.access_events ((criteria ->> 'read_id')) WHERE criteria ? 'read_id'",
    # The plan is made once, when the tables are empty: without the settings it would read all entries for ever after.
    f"""CREATE FUNCTION audit.note_accesses() RETURNS trigger LANGUAGE plpgsql
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
    """CREATE TRIGGER note_accesses AFTER INSERT ON audit.personal
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION audit.note_accesses()""",
    """CREATE FUNCTION audit.forget_accesses() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        DELETE FROM audit.access_events AS a USING gone WHERE a.idx = gone.idx;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER forget_accesses AFTER DELETE ON audit.personal
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION audit.forget_accesses()""",
    # AUD-04: what an entry is about, in words that carry nobody's name or plate
    "CREATE TABLE audit.links (subject text NOT NULL, idx bigint NOT NULL REFERENCES audit.entries ON DELETE CASCADE, PRIMARY KEY (subject, idx))",
    """CREATE FUNCTION audit.note_links() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        INSERT INTO audit.links
        SELECT DISTINCT CASE fact.key WHEN 'follows' THEN 'query_id' ELSE fact.key END || ' ' || fact.value, e.idx
        FROM fresh AS e
        CROSS JOIN LATERAL jsonb_each_text(convert_from(e.leaf, 'UTF8')\\:\\:jsonb -> 'facts') AS fact
        WHERE (e.kind NOT IN ('query', 'query_result', 'hit_query', 'hit_query_result', 'refused', 'sign_in')
               OR position('"follows":'\\:\\:bytea IN e.leaf) > 0)
          AND fact.key IN ('follows', 'query_id', 'read_id', 'hit_id', 'incident_id', 'hold_id', 'release_id', 'subject')
          AND fact.value <> '';
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER note_links AFTER INSERT ON audit.entries
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION audit.note_links()""",
    "CREATE INDEX personal_reads ON audit.personal USING gin ((content -> 'reads')) WHERE content ? 'reads'",
    f"CREATE INDEX entries_refused ON audit.entries (agency, committed_at) WHERE kind = 'gate_overridden' OR {_REFUSED}",
    """CREATE INDEX entries_accounts ON audit.entries (idx) WHERE kind IN
    ('access_restored', 'access_suspended', 'account_activated', 'account_disabled', 'account_opened')""",
    # AUD-03, AUD-07: written once, never changed, kept for two calendar years at least, whoever asks
    """CREATE TABLE audit.reports (
        report_id text PRIMARY KEY,
        agency text NOT NULL CHECK (agency <> ''),
        created_at timestamptz NOT NULL,
        retain_until timestamptz NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
        created_by jsonb NOT NULL,
        summary jsonb NOT NULL,
        document bytea NOT NULL,
        sha256 bytea NOT NULL CHECK (sha256 = sha256(document)),
        CHECK (retain_until AT TIME ZONE 'UTC' >= created_at AT TIME ZONE 'UTC' + interval '2 years')
    )""",
    "CREATE INDEX reports_newest ON audit.reports (agency, created_at DESC)",
    """CREATE FUNCTION audit.keep_reports() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND OLD.retain_until <= clock_timestamp() THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'RETENTION_FLOOR' USING ERRCODE = 'insufficient_privilege';
    END $$""",
    """CREATE TRIGGER keep_reports BEFORE UPDATE OR DELETE ON audit.reports
    FOR EACH ROW EXECUTE FUNCTION audit.keep_reports()""",
    """CREATE TRIGGER keep_all_reports BEFORE TRUNCATE ON audit.reports
    FOR EACH STATEMENT EXECUTE FUNCTION audit.keep_reports()""",
    # AUD-05, AUD-06
    """CREATE TABLE audit.tasks (
        task_id text PRIMARY KEY,
        agency text NOT NULL CHECK (agency <> ''),
        period text NOT NULL,
        scope text NOT NULL CHECK (scope IN ('system', 'user_queries')),
        role text NOT NULL,
        mode text NOT NULL CHECK (mode IN ('sample', 'all')),
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
        opened_at timestamptz NOT NULL,
        due_at timestamptz NOT NULL,
        seed text NOT NULL,
        figures jsonb NOT NULL,
        overdue_at timestamptz,
        UNIQUE (agency, period, scope)
    )""",
    """CREATE TABLE audit.task_items (
        task_id text NOT NULL REFERENCES audit.tasks,
        idx bigint NOT NULL REFERENCES audit.entries,
        flags text[] NOT NULL,
        PRIMARY KEY (task_id, idx)
    )""",
    """CREATE TABLE audit.task_findings (
        task_id text NOT NULL,
        idx bigint NOT NULL,
        number integer NOT NULL,
        result text NOT NULL CHECK (result IN ('ok', 'question', 'violation')),
        note text NOT NULL,
        reviewer jsonb NOT NULL,
        found_at timestamptz NOT NULL,
        PRIMARY KEY (task_id, idx, number),
        FOREIGN KEY (task_id, idx) REFERENCES audit.task_items
    )""",
    """CREATE TABLE audit.closures (
        task_id text PRIMARY KEY REFERENCES audit.tasks,
        closed_at timestamptz NOT NULL,
        closed_by jsonb NOT NULL,
        counts jsonb NOT NULL,
        statement text NOT NULL CHECK (statement <> '')
    )""",
    """CREATE FUNCTION audit.keep_closed() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        IF EXISTS (SELECT FROM audit.closures AS c WHERE c.task_id = NEW.task_id) THEN
            RAISE EXCEPTION 'TASK_CLOSED' USING ERRCODE = 'unique_violation';
        END IF;
        RETURN NEW;
    END $$""",
    """CREATE TRIGGER keep_closed BEFORE INSERT ON audit.task_findings
    FOR EACH ROW EXECUTE FUNCTION audit.keep_closed()""",
    # ACC-15: what the patterns found, and what a reviewer made of it
    """CREATE TABLE audit.findings (
        finding_id text PRIMARY KEY,
        agency text NOT NULL,
        kind text NOT NULL,
        level text NOT NULL CHECK (level IN ('notice', 'anomaly', 'critical')),
        subject jsonb NOT NULL,
        entries bigint[] NOT NULL,
        detail text NOT NULL,
        found_at timestamptz NOT NULL
    )""",
    "CREATE INDEX findings_newest ON audit.findings (agency, found_at DESC)",
    "CREATE INDEX findings_entries ON audit.findings USING gin (entries)",
    """CREATE TABLE audit.dispositions (
        finding_id text PRIMARY KEY REFERENCES audit.findings,
        result text NOT NULL CHECK (result IN ('explained', 'training', 'referred', 'misuse', 'false_alarm')),
        note text NOT NULL,
        reviewer jsonb NOT NULL,
        disposed_at timestamptz NOT NULL
    )""",
    """CREATE TABLE audit.employee_plates (
        plate_id text PRIMARY KEY,
        agency text NOT NULL,
        person_id text NOT NULL,
        username text NOT NULL,
        digest bytea NOT NULL CHECK (octet_length(digest) = 32),
        added_at timestamptz NOT NULL,
        UNIQUE (agency, username, digest)
    )""",
    """GRANT SELECT, INSERT ON audit.access_events, audit.links, audit.task_items, audit.task_findings, audit.closures,
    audit.findings, audit.dispositions, audit.tasks TO alpr_audit""",
    "GRANT UPDATE (overdue_at) ON audit.tasks TO alpr_audit",
    "GRANT SELECT, INSERT, DELETE ON audit.reports, audit.employee_plates TO alpr_audit",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
