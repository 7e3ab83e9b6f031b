"""Decisions on how long records are kept: changes of the rules, moved due days, what is stored, who was told."""

from __future__ import annotations

from alembic import op

revision = "0005_pre_schedule"
down_revision = "0004_pre_outbox"
branch_labels = None
depends_on = None

IN_SCOPE = "agency = ANY (string_to_array(current_setting('alpr.agencies', true), ','))"
SCOPED = (
    "rules_known", "changes", "change_days", "resettle", "moved_objects", "premature", "destruction_reports",
    "report_receipts", "swept",
)  # fmt: skip
AGENCY = "agency text NOT NULL CHECK (agency <> '' AND position(',' in agency) = 0)"

TABLES = (
    # The law of this deployment; empty: none, and the one-year floor binds. Never two laws over the same records.
    """CREATE TABLE retention.deployment (
        single boolean PRIMARY KEY DEFAULT true CHECK (single),
        statute text NOT NULL,
        declared_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )""",
    # The rules under which the due days of an agency's stored records stand.
    f"""CREATE TABLE retention.rules_known (
        {AGENCY} PRIMARY KEY,
        rules jsonb NOT NULL,
        profile_version text NOT NULL,
        since timestamptz NOT NULL
    )""",
    f"""CREATE TABLE retention.changes (
        change_id uuid PRIMARY KEY,
        {AGENCY},
        kind text NOT NULL CHECK (kind IN ('change', 'what_if')),
        state text NOT NULL CHECK (state IN ('counting', 'awaiting', 'approved', 'done', 'superseded', 'previewed')),
        before jsonb NOT NULL,
        after jsonb NOT NULL,
        profile_version text NOT NULL,
        noticed_at timestamptz NOT NULL,
        asked_by text NOT NULL DEFAULT '',
        asked_name text NOT NULL DEFAULT '',
        counted_to date,
        counted_at timestamptz,
        approved_by text NOT NULL DEFAULT '',
        approved_name text NOT NULL DEFAULT '',
        approved_role text NOT NULL DEFAULT '',
        approved_at timestamptz,
        note text NOT NULL DEFAULT '',
        ended_at timestamptz,
        CHECK (kind = 'change' OR state IN ('counting', 'previewed')),
        CHECK (approved_by = '' OR approved_at IS NOT NULL)
    )""",
    "CREATE INDEX changes_agency ON retention.changes (agency, noticed_at)",
    """CREATE UNIQUE INDEX changes_open ON retention.changes (agency)
        WHERE kind = 'change' AND state IN ('counting', 'awaiting', 'approved')""",
    # What a change moves: from which due day to which, how many reads, how many of them lie there by now.
    f"""CREATE TABLE retention.change_days (
        change_id uuid NOT NULL REFERENCES retention.changes ON DELETE CASCADE,
        {AGENCY},
        from_day date NOT NULL,
        to_day date NOT NULL,
        reads bigint NOT NULL CHECK (reads >= 0),
        moved bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (change_id, from_day, to_day)
    )""",
    # Reads that must lie under another day than they were stored under: they hit a list and hits are kept longer, or
    # their images were sealed to another day.
    f"""CREATE TABLE retention.resettle (
        {AGENCY},
        read_id uuid NOT NULL,
        to_day date NOT NULL,
        reason text NOT NULL CHECK (reason IN ('hit', 'image_day')),
        captured_at timestamptz NOT NULL,
        look_at timestamptz NOT NULL DEFAULT '-infinity',
        PRIMARY KEY (agency, read_id)
    )""",
    # Sealed images that no row names any more: they were sealed anew under another day.
    f"""CREATE TABLE retention.moved_objects (
        object_key text PRIMARY KEY,
        {AGENCY},
        moved_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )""",
    # Records that were missed before their time; a finding stays until somebody has looked into it.
    f"""CREATE TABLE retention.premature (
        {AGENCY},
        due_day date NOT NULL,
        what text NOT NULL CHECK (what IN ('rows', 'partition', 'key')),
        found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        number bigint NOT NULL CHECK (number > 0),
        settled_at timestamptz,
        settled_by text NOT NULL DEFAULT '',
        settled_name text NOT NULL DEFAULT '',
        note text NOT NULL DEFAULT '',
        PRIMARY KEY (agency, due_day, what)
    )""",
    f"""CREATE TABLE retention.destruction_reports (
        report_id uuid PRIMARY KEY,
        {AGENCY},
        run_id uuid NOT NULL,
        made_at timestamptz NOT NULL,
        roles text[] NOT NULL,
        report jsonb NOT NULL
    )""",
    "CREATE INDEX destruction_reports_agency ON retention.destruction_reports (agency, made_at)",
    f"""CREATE TABLE retention.report_receipts (
        report_id uuid NOT NULL REFERENCES retention.destruction_reports,
        {AGENCY},
        person_id text NOT NULL,
        full_name text NOT NULL,
        role text NOT NULL,
        seen_at timestamptz NOT NULL,
        PRIMARY KEY (report_id, person_id)
    )""",
    # Reads without a hit that went within minutes, by hour: the ledger is told once the hour has passed.
    f"""CREATE TABLE retention.swept (
        {AGENCY},
        hour timestamptz NOT NULL,
        reads bigint NOT NULL,
        images bigint NOT NULL,
        told boolean NOT NULL DEFAULT false,
        PRIMARY KEY (agency, hour)
    )""",
    # How often reads were moved between days: who stores one looks up where it lies, and again when this grew.
    "CREATE TABLE retention.move_generation (single boolean PRIMARY KEY DEFAULT true CHECK (single), generation bigint NOT NULL)",
    "INSERT INTO retention.move_generation (generation) VALUES (0)",
    # What an ended day holds, beside its notes: reads, hits, images, reads by month of capture.
    "ALTER TABLE retention.day_marks ADD COLUMN counts jsonb",
)

FUNCTIONS = (
    r"""CREATE FUNCTION retention.move_lock() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        grown bigint;
    BEGIN
        PERFORM pg_advisory_xact_lock(x'616c7072'\:\:int, 5);
        UPDATE retention.move_generation SET generation = generation + 1 RETURNING generation INTO grown;
        RETURN grown;
    END $$""",
    r"""CREATE FUNCTION retention.keep_lock() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(x'616c7072'\:\:int, 5);
        RETURN (SELECT m.generation FROM retention.move_generation AS m);
    END $$""",
    """CREATE OR REPLACE FUNCTION retention.floor() RETURNS interval
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT CASE WHEN EXISTS (SELECT FROM retention.deployment AS d WHERE d.statute <> '')
            THEN interval '0' ELSE interval '1 year' END
    $$""",
    # The first due day on which nothing may be gone yet. Where a law gives minutes, records go on the day itself.
    """CREATE FUNCTION retention.early_from() RETURNS date
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT current_date + CASE WHEN retention.floor() = interval '0' THEN 2 ELSE 0 END
    $$""",
    # A law for less than a year is declared before the first record is stored, or never.
    """CREATE FUNCTION retention.declare_statute(of_statute text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        known text;
    BEGIN
        LOCK TABLE retention.deployment IN EXCLUSIVE MODE;
        SELECT d.statute INTO known FROM retention.deployment AS d;
        IF coalesce(known, '') = of_statute THEN
            INSERT INTO retention.deployment (statute) VALUES (of_statute) ON CONFLICT DO NOTHING;
            RETURN true;
        END IF;
        IF EXISTS (SELECT FROM retention.captured_days) THEN
            RETURN false;
        END IF;
        INSERT INTO retention.deployment (statute) VALUES (of_statute)
        ON CONFLICT (single) DO UPDATE SET statute = excluded.statute, declared_at = clock_timestamp();
        RETURN true;
    END $$""",
    # Counts an ended, noted day. Fewer reads than at the count before, and none of them moved: they went too early.
    r"""CREATE FUNCTION retention.count_day(of_agency text, day date) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        known jsonb;
        found_now jsonb;
        missed bigint;
    BEGIN
        PERFORM set_config('alpr.agencies', of_agency, true);
        PERFORM pg_advisory_xact_lock(x'616c7073'\:\:int, day - date '2000-01-01');
        SELECT m.counts INTO known FROM retention.day_marks AS m WHERE m.agency = of_agency AND m.due_day = day;
        IF NOT FOUND OR to_regclass('retention.reads' || to_char(day, '_YYYYMMDD')) IS NULL THEN
            RETURN NULL;
        END IF;
        EXECUTE $q$SELECT jsonb_build_object('reads', coalesce(sum(n), 0), 'images', coalesce(sum(pictures), 0),
            'months', coalesce(jsonb_object_agg(month, n), '{}'),
            'hits', (SELECT count(*) FROM retention.hits WHERE agency = $1 AND due_day = $2))
            FROM (SELECT to_char(captured_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, count(*) AS n,
                sum(jsonb_array_length(images)) AS pictures
                FROM retention.reads WHERE agency = $1 AND due_day = $2 GROUP BY 1) AS m $q$
        INTO found_now USING of_agency, day;
        missed := (known ->> 'reads')\:\:bigint - (found_now ->> 'reads')\:\:bigint;
        IF missed > 0 AND day >= retention.early_from() THEN
            PERFORM retention.note_premature(of_agency, day, 'rows', missed);
        END IF;
        UPDATE retention.day_marks AS m SET counts = found_now WHERE m.agency = of_agency AND m.due_day = day;
        RETURN found_now;
    END $$""",
    r"""CREATE FUNCTION retention.note_premature(of_agency text, day date, of_what text, missed bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        INSERT INTO retention.premature AS p (agency, due_day, what, number) VALUES (of_agency, day, of_what, missed)
        ON CONFLICT (agency, due_day, what) DO UPDATE SET
            number = CASE of_what WHEN 'rows' THEN p.number + excluded.number ELSE p.number END,
            settled_at = CASE of_what WHEN 'rows' THEN NULL ELSE p.settled_at END
    $$""",
    # What is known of an agency's due days: counted, noted and not counted, or written today and open.
    r"""CREATE FUNCTION retention.stock(of_agency text)
    RETURNS TABLE (due_day date, counts jsonb, noted boolean, stands boolean)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        PERFORM set_config('alpr.agencies', of_agency, true);
        RETURN QUERY SELECT d.due_day, m.counts, m.agency IS NOT NULL,
            to_regclass('retention.reads' || to_char(d.due_day, '_YYYYMMDD')) IS NOT NULL
        FROM (SELECT DISTINCT c.due_day FROM retention.captured_days AS c
            WHERE c.agency = of_agency AND isfinite(c.due_day)) AS d
        LEFT JOIN retention.day_marks AS m ON m.agency = of_agency AND m.due_day = d.due_day
        ORDER BY d.due_day;
    END $$""",
    # Reads are deleted: the count of their day begins anew, and before their time it is a finding, whoever did it. A
    # statement's trigger does not see reads that move between days.
    r"""CREATE FUNCTION retention.left_day() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        gone record;
        scope text := current_setting('alpr.agencies', true);
    BEGIN
        FOR gone IN SELECT o.agency, o.due_day, count(*) AS n FROM old_rows AS o WHERE isfinite(o.due_day)
            GROUP BY o.agency, o.due_day
        LOOP
            PERFORM set_config('alpr.agencies', gone.agency, true);
            UPDATE retention.day_marks AS m SET counts = NULL
            WHERE m.agency = gone.agency AND m.due_day = gone.due_day AND m.counts IS NOT NULL;
            IF gone.due_day >= retention.early_from() THEN
                PERFORM retention.note_premature(gone.agency, gone.due_day, 'rows', gone.n);
            END IF;
        END LOOP;
        PERFORM set_config('alpr.agencies', coalesce(scope, ''), true);
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER left_day AFTER DELETE ON retention.reads REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION retention.left_day()""",
    # Deletes reads whose period of minutes has ended. Only where a law says so, never one that hit or is held.
    r"""CREATE FUNCTION retention.sweep(of_agency text, day date, ids uuid[]) RETURNS SETOF uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        IF retention.floor() <> interval '0' OR day >= retention.early_from() THEN
            RAISE EXCEPTION 'RETENTION_FLOOR' USING ERRCODE = 'check_violation';
        END IF;
        PERFORM set_config('alpr.agencies', of_agency, true);
        RETURN QUERY DELETE FROM retention.reads AS r
        WHERE r.agency = of_agency AND r.due_day = day AND r.read_id = ANY (ids)
          AND NOT EXISTS (SELECT FROM retention.hits AS h WHERE h.agency = of_agency AND h.read_id = r.read_id)
          AND NOT EXISTS (SELECT FROM retention.held_reads(of_agency, day) AS k WHERE k.read_id = r.read_id)
        RETURNING r.read_id;
    END $$""",
    # Reads were moved to other days: what is left on this one is counted anew.
    """CREATE FUNCTION retention.uncount(of_agency text, day date) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        UPDATE retention.day_marks AS m SET counts = NULL WHERE m.agency = of_agency AND m.due_day = day
    $$""",
)

GRANTS = (
    "GRANT SELECT, INSERT, UPDATE ON retention.rules_known, retention.changes, retention.change_days TO alpr_retention",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON retention.resettle TO alpr_retention",
    "GRANT UPDATE (settled_at, settled_by, settled_name, note) ON retention.premature TO alpr_retention",
    "GRANT SELECT, INSERT, UPDATE ON retention.swept TO alpr_retention",
    "GRANT SELECT, INSERT, DELETE ON retention.moved_objects TO alpr_retention",
    "GRANT SELECT ON retention.premature, retention.deployment, retention.move_generation TO alpr_retention",
    "GRANT SELECT, INSERT ON retention.destruction_reports, retention.report_receipts TO alpr_retention",
    "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA retention FROM PUBLIC",
    """GRANT EXECUTE ON FUNCTION retention.floor(), retention.declare_statute(text), retention.count_day(text, date),
        retention.note_premature(text, date, text, bigint), retention.stock(text),
        retention.uncount(text, date), retention.move_lock(), retention.keep_lock(),
        retention.sweep(text, date, uuid[]) TO alpr_retention""",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    for table in SCOPED:
        op.execute(f"ALTER TABLE retention.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE retention.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY door ON retention.{table} USING (true) WITH CHECK (true)")
        op.execute(
            f"CREATE POLICY agency ON retention.{table} AS RESTRICTIVE USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})"
        )
    for statement in (*FUNCTIONS, *GRANTS):
        op.execute(statement)
