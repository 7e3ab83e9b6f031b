"""What the ledger is told, written with the change it tells of; purges as rows, their doors, the voucher for searches."""

from __future__ import annotations

from alembic import op

revision = "0004_pre_outbox"
down_revision = "0003_pre_gate"
branch_labels = None
depends_on = None

IN_SCOPE = "agency = ANY (string_to_array(current_setting('alpr.agencies', true), ','))"
SCOPED = ("purge_items", "purge_certificates", "purge_answers")

TABLES = (
    """CREATE TABLE retention.outbox (
        outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        topic text NOT NULL,
        key text NOT NULL,
        value bytea,
        headers jsonb NOT NULL,
        created_at timestamptz NOT NULL
    )""",
    # Under which holds a read was moved out of its due day: what a later purge names.
    "ALTER TABLE retention.reads ADD COLUMN held_under uuid[]",
    """ALTER TABLE retention.purge_runs
        ADD COLUMN asked_by text NOT NULL DEFAULT '',
        ADD COLUMN asked_name text NOT NULL DEFAULT '',
        ADD COLUMN asked_agency text NOT NULL DEFAULT '',
        ADD COLUMN settle_by timestamptz""",
    # One agency's records of one due day (or those of it that a hold kept beyond it) in one run, step by step.
    """CREATE TABLE retention.purge_items (
        run_id uuid NOT NULL REFERENCES retention.purge_runs,
        agency text NOT NULL CHECK (agency <> '' AND position(',' in agency) = 0),
        due_day date NOT NULL,
        kind text NOT NULL CHECK (kind IN ('day', 'held')),
        state text NOT NULL CHECK (state IN ('planned', 'cut', 'keyless', 'cleared', 'done', 'refused', 'broken')),
        reason_code text NOT NULL DEFAULT '',
        profile_version text NOT NULL DEFAULT '',
        reads bigint NOT NULL DEFAULT 0,
        hits bigint NOT NULL DEFAULT 0,
        held bigint NOT NULL DEFAULT 0,
        images bigint NOT NULL DEFAULT 0,
        key_destroyed boolean NOT NULL DEFAULT false,
        parts integer NOT NULL DEFAULT 0,
        holds jsonb NOT NULL DEFAULT '{}',
        stores jsonb NOT NULL DEFAULT '{}',
        strays text[] NOT NULL DEFAULT '{}',
        planned_at timestamptz NOT NULL,
        cut_at timestamptz,
        finished_at timestamptz,
        PRIMARY KEY (run_id, agency, due_day, kind)
    )""",
    "CREATE INDEX purge_items_open ON retention.purge_items (state) WHERE state IN ('planned', 'cut', 'keyless', 'cleared')",
    "CREATE INDEX purge_items_agency ON retention.purge_items (agency, planned_at)",
    # What each agency was told of a run: the certificate, again when a late answer completes it.
    """CREATE TABLE retention.purge_certificates (
        run_id uuid NOT NULL REFERENCES retention.purge_runs,
        agency text NOT NULL,
        outcome text NOT NULL CHECK (outcome IN ('complete', 'incomplete', 'stopped')),
        certificate jsonb NOT NULL,
        sha256 text NOT NULL,
        event_id text NOT NULL,
        made_at timestamptz NOT NULL,
        PRIMARY KEY (run_id, agency, sha256)
    )""",
    """CREATE TABLE retention.purge_answers (
        order_id uuid NOT NULL,
        service text NOT NULL,
        run_id uuid NOT NULL,
        agency text NOT NULL,
        due_day date NOT NULL,
        part integer NOT NULL,
        gone jsonb NOT NULL,
        remaining jsonb NOT NULL,
        answered_at timestamptz NOT NULL,
        PRIMARY KEY (order_id, service)
    )""",
    "CREATE INDEX purge_answers_run ON retention.purge_answers (run_id, agency, due_day)",
    # A database that was brought back from a backup answers nothing until its purges are done again.
    """CREATE TABLE retention.vouchers (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        started_at timestamptz NOT NULL,
        relation oid NOT NULL,
        made_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )""",
)

VOUCHER = (
    # A restore starts another server process (physical) or makes other tables (logical): then nobody vouches.
    r"""CREATE FUNCTION retention.vouched() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT EXISTS (SELECT FROM retention.vouchers AS v
            WHERE v.started_at = pg_postmaster_start_time() AND v.relation = 'retention.reads'\:\:regclass\:\:oid)
    $$""",
    r"""CREATE FUNCTION retention.vouch() RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        INSERT INTO retention.vouchers (started_at, relation)
        VALUES (pg_postmaster_start_time(), 'retention.reads'\:\:regclass\:\:oid)
        ON CONFLICT (one) DO UPDATE SET started_at = excluded.started_at, relation = excluded.relation,
            made_at = clock_timestamp()
    $$""",
    """CREATE FUNCTION retention.need_voucher() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        IF NOT retention.vouched() THEN
            RAISE EXCEPTION 'PURGE_PENDING' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END $$""",
    # every answer of a search, an image or a package uses its ledger entry up here first
    """CREATE TRIGGER vouched BEFORE INSERT ON retention.used_entries
    FOR EACH ROW EXECUTE FUNCTION retention.need_voucher()""",
    "SELECT retention.vouch()",
)

PURGE = (
    # The least time that a record is kept, whatever any job, role or bug asks for.
    """CREATE FUNCTION retention.floor() RETURNS interval
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$ SELECT interval '1 year' $$""",
    # Reads that lie on a due day ('infinity': those moved out of theirs) under a hold in force.
    """CREATE FUNCTION retention.held_reads(of_agency text, day date) RETURNS TABLE (read_id uuid, hold_ids uuid[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        IF NOT EXISTS (SELECT FROM retention.holds AS h WHERE h.agency = of_agency AND h.released_at IS NULL) THEN
            RETURN;
        END IF;
        RETURN QUERY EXECUTE $q$
            SELECT r.read_id, array_agg(h.hold_id ORDER BY h.placed_at, h.hold_id)
            FROM retention.reads AS r JOIN retention.holds AS h ON h.agency = r.agency AND h.released_at IS NULL
                AND (r.read_id = ANY (h.read_ids) OR (h.by_query
                    AND (h.plate IS NULL OR h.plate = r.plate)
                    AND (h.device_id IS NULL OR h.device_id = r.device_id)
                    AND (h.captured_from IS NULL OR r.captured_at >= h.captured_from)
                    AND (h.captured_to IS NULL OR r.captured_at <= h.captured_to)))
            WHERE r.agency = $1 AND r.due_day = $2 GROUP BY r.read_id $q$ USING of_agency, day;
    END $$""",
    # Reads of a day that only holds cover which have ended: a certificate names them.
    r"""CREATE FUNCTION retention.ended_holds(of_agency text, day date) RETURNS TABLE (hold_id uuid, reads bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT NULL\:\:uuid, 0\:\:bigint WHERE false
    $$""",
    # Keeps writers out of a day until the transaction ends; searches go on. False: there is no such day.
    r"""CREATE FUNCTION retention.close_day(day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        IF to_regclass('retention.reads' || to_char(day, '_YYYYMMDD')) IS NULL THEN
            RETURN false;
        END IF;
        EXECUTE format('LOCK TABLE retention.%I, retention.%I IN SHARE ROW EXCLUSIVE MODE',
            'reads' || to_char(day, '_YYYYMMDD'), 'hits' || to_char(day, '_YYYYMMDD'));
        RETURN true;
    END $$""",
    # What a day holds, by agency, with the images that do not lie in its folders, in one pass over it; raises when floor
    # or hold forbid that the records of these agencies go.
    r"""CREATE FUNCTION retention.judge_day(day date, of_agencies text[], OUT agencies jsonb, OUT reads bigint, OUT hits bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET max_parallel_workers_per_gather = 0 AS $$
    DECLARE
        newest timestamptz;
        one text;
        scope text := coalesce(current_setting('alpr.agencies', true), '');
    BEGIN
        EXECUTE format($q$
            SELECT coalesce(jsonb_object_agg(c.agency, jsonb_build_object('reads', c.reads, 'hits', c.hits,
                    'strays', coalesce(c.strays, '[]'))), '{}'),
                coalesce(sum(c.reads), 0)\:\:bigint, coalesce(sum(c.hits), 0)\:\:bigint, max(c.newest)
            FROM (SELECT a.agency, sum(a.reads) AS reads, sum(a.hits) AS hits, max(a.newest) AS newest,
                    (SELECT jsonb_agg(DISTINCT i ->> 'key') FROM unnest(array_agg(a.elsewhere)) AS e,
                        jsonb_array_elements(e) AS row, jsonb_array_elements(row) AS i
                        WHERE i ->> 'key' <> '' AND strpos(i ->> 'key', '/' || a.agency || '/' || $2 || '/') = 0) AS strays
                FROM (SELECT agency, count(*) AS reads, 0 AS hits, max(received_at) AS newest,
                        jsonb_agg(images) FILTER (WHERE strpos(images #>> '{0,key}', '/' || agency || '/' || $2 || '/') = 0
                            OR strpos(images #>> '{1,key}', '/' || agency || '/' || $2 || '/') = 0) AS elsewhere
                        FROM retention.%I GROUP BY agency
                    UNION ALL SELECT agency, 0, count(*), max(received_at), NULL FROM retention.%I GROUP BY agency) AS a
                WHERE $1 IS NULL OR a.agency = ANY ($1) GROUP BY a.agency) AS c $q$,
            'reads' || to_char(day, '_YYYYMMDD'), 'hits' || to_char(day, '_YYYYMMDD'))
        INTO agencies, reads, hits, newest USING of_agencies, day\:\:text;
        IF newest + retention.floor() > clock_timestamp() OR day >= current_date THEN
            RAISE EXCEPTION 'RETENTION_FLOOR' USING ERRCODE = 'check_violation';
        END IF;
        -- from here to the end of the transaction a hold that comes waits
        PERFORM pg_advisory_xact_lock(x'616c7072'\:\:int, 3);
        FOR one IN SELECT jsonb_object_keys(agencies) LOOP
            PERFORM set_config('alpr.agencies', one, true);
            IF EXISTS (SELECT FROM retention.held_reads(one, day)) THEN
                RAISE EXCEPTION 'RECORD_HELD' USING ERRCODE = 'check_violation';
            END IF;
        END LOOP;
        PERFORM set_config('alpr.agencies', scope, true);
    END $$""",
    # The floor and the holds are judged once more here, in the transaction that drops: no job, role or bug passes.
    r"""CREATE OR REPLACE FUNCTION retention.drop_day(day date) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        agencies jsonb;
        reads_gone bigint;
        hits_gone bigint;
        reads_part text := 'reads' || to_char(day, '_YYYYMMDD');
        hits_part text := 'hits' || to_char(day, '_YYYYMMDD');
        plates_part text := 'day_plates' || to_char(day, '_YYYYMMDD');
        attempts integer := 0;
    BEGIN
        IF NOT retention.close_day(day) THEN
            RETURN jsonb_build_object('reads', 0, 'hits', 0, 'agencies', '{}'\:\:jsonb);
        END IF;
        -- judged while searches go on and writers wait; all are kept out only for the moment of the drop itself
        SELECT j.agencies, j.reads, j.hits INTO agencies, reads_gone, hits_gone FROM retention.judge_day(day, NULL) AS j;
        PERFORM pg_advisory_xact_lock(x'616c7072'\:\:int, 2);
        PERFORM set_config('alpr.agencies', coalesce((SELECT string_agg(DISTINCT d.agency, ',')
            FROM retention.captured_days AS d WHERE d.due_day = day), ''), true);
        DELETE FROM retention.day_marks AS m WHERE m.due_day = day;
        DELETE FROM retention.captured_days AS d WHERE d.due_day = day;
        LOOP
            BEGIN  -- a search holds the parents and opens the days after them: whoever waits lets go and comes again
                PERFORM set_config('lock_timeout', '100ms', true);
                LOCK TABLE ONLY retention.reads, ONLY retention.hits, ONLY retention.day_plates IN ACCESS EXCLUSIVE MODE;
                EXECUTE format('DROP TABLE IF EXISTS retention.%I', plates_part);
                EXECUTE format('DROP TABLE retention.%I', hits_part);
                EXECUTE format('DROP TABLE retention.%I', reads_part);
                EXIT;
            EXCEPTION WHEN lock_not_available THEN
                attempts := attempts + 1;
                IF attempts = 20 THEN
                    RAISE;
                END IF;
                PERFORM pg_sleep(0.2);
            END;
        END LOOP;
        PERFORM set_config('lock_timeout', '0', true);
        RETURN jsonb_build_object('reads', reads_gone, 'hits', hits_gone, 'agencies', agencies);
    END $$""",
    # Where one agency's records may not go, those of the others leave the day by rows.
    r"""CREATE FUNCTION retention.empty_day(day date, of_agencies text[]) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        agencies jsonb;
        reads_gone bigint;
        hits_gone bigint;
    BEGIN
        IF NOT retention.close_day(day) THEN
            RETURN jsonb_build_object('reads', 0, 'hits', 0, 'agencies', '{}'\:\:jsonb);
        END IF;
        SELECT j.agencies, j.reads, j.hits INTO agencies, reads_gone, hits_gone
        FROM retention.judge_day(day, of_agencies) AS j;
        PERFORM set_config('alpr.agencies', array_to_string(of_agencies, ','), true);
        DELETE FROM retention.hits AS h WHERE h.agency = ANY (of_agencies) AND h.due_day = day;
        DELETE FROM retention.reads AS r WHERE r.agency = ANY (of_agencies) AND r.due_day = day;
        DELETE FROM retention.day_plates AS p WHERE p.agency = ANY (of_agencies) AND p.due_day = day;
        DELETE FROM retention.day_marks AS m WHERE m.agency = ANY (of_agencies) AND m.due_day = day;
        DELETE FROM retention.captured_days AS d WHERE d.agency = ANY (of_agencies) AND d.due_day = day;
        RETURN jsonb_build_object('reads', reads_gone, 'hits', hits_gone, 'agencies', agencies);
    END $$""",
    # Records that a hold kept beyond their day and none keeps any more; the caller has the hold's lock.
    r"""CREATE FUNCTION retention.drop_released(of_agency text, day date) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        kept uuid[];
        reads_gone bigint;
        hits_gone bigint;
    BEGIN
        PERFORM pg_advisory_xact_lock(x'616c7072'\:\:int, 3);
        PERFORM set_config('alpr.agencies', of_agency, true);
        IF day >= current_date THEN
            RAISE EXCEPTION 'RETENTION_FLOOR' USING ERRCODE = 'check_violation';
        END IF;
        SELECT coalesce(array_agg(k.read_id), '{}') INTO kept FROM retention.held_reads(of_agency, 'infinity') AS k;
        DELETE FROM retention.hits AS h WHERE h.agency = of_agency AND h.due_day = 'infinity' AND h.was_due = day
            AND NOT EXISTS (SELECT FROM unnest(kept) AS k WHERE k = h.read_id);
        GET DIAGNOSTICS hits_gone = ROW_COUNT;
        DELETE FROM retention.reads AS r WHERE r.agency = of_agency AND r.due_day = 'infinity' AND r.was_due = day
            AND NOT EXISTS (SELECT FROM unnest(kept) AS k WHERE k = r.read_id);
        GET DIAGNOSTICS reads_gone = ROW_COUNT;
        RETURN jsonb_build_object('reads', reads_gone, 'hits', hits_gone);
    END $$""",
)

AGAIN = (
    # Records that were purged once a hold had ended, and that a backup brought back with the hold: only as long as
    # nobody vouches for the database, so that no held record can go by this way in a running one.
    r"""CREATE FUNCTION retention.drop_again(of_agency text, ids uuid[]) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        reads_gone bigint;
        hits_gone bigint;
    BEGIN
        IF retention.vouched() THEN
            RAISE EXCEPTION 'RECORD_HELD' USING ERRCODE = 'check_violation';
        END IF;
        PERFORM set_config('alpr.agencies', of_agency, true);
        DELETE FROM retention.hits AS h WHERE h.agency = of_agency AND h.due_day = 'infinity' AND h.read_id = ANY (ids);
        GET DIAGNOSTICS hits_gone = ROW_COUNT;
        DELETE FROM retention.reads AS r WHERE r.agency = of_agency AND r.due_day = 'infinity' AND r.read_id = ANY (ids);
        GET DIAGNOSTICS reads_gone = ROW_COUNT;
        RETURN jsonb_build_object('reads', reads_gone, 'hits', hits_gone);
    END $$""",
)

GRANTS = (
    "GRANT SELECT, INSERT, DELETE ON retention.outbox TO alpr_retention",
    "GRANT SELECT, INSERT, UPDATE ON retention.purge_items, retention.purge_certificates TO alpr_retention",
    "GRANT SELECT, INSERT ON retention.purge_answers TO alpr_retention",
    "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA retention FROM PUBLIC",
    """GRANT EXECUTE ON FUNCTION retention.vouched(), retention.vouch(), retention.floor(),
        retention.held_reads(text, date), retention.ended_holds(text, date), retention.close_day(date), retention.drop_day(date),
        retention.empty_day(date, text[]), retention.drop_released(text, date),
        retention.drop_again(text, uuid[]) TO alpr_retention""",
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
    for statement in (*VOUCHER, *PURGE, *AGAIN, *GRANTS):
        op.execute(statement)
