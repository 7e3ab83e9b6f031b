"""Reads and hits, partitioned by the day on which they fall due, scoped by agency; holds, purge runs."""

from alembic import op

revision = "0001_pre_records"
down_revision = None
branch_labels = None
depends_on = None

SCOPED = ("reads", "hits", "live_hits", "holds")
IN_SCOPE = "agency = ANY (string_to_array(current_setting('alpr.agencies', true), ','))"

TABLES = (
    """CREATE TABLE retention.reads (
        read_id uuid NOT NULL,
        due_day date NOT NULL,
        agency text NOT NULL CHECK (agency <> '' AND position(',' in agency) = 0),
        revision integer NOT NULL CHECK (revision >= 0),
        retracted boolean NOT NULL,
        plate text COLLATE "C" NOT NULL,
        skeleton text COLLATE "C" NOT NULL,
        state text NOT NULL,
        confidence double precision NOT NULL,
        captured_at timestamptz NOT NULL,
        received_at timestamptz NOT NULL,
        read_at timestamptz NOT NULL,
        stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        device_id text NOT NULL,
        device_kind text NOT NULL,
        device_name text NOT NULL,
        camera_id text NOT NULL,
        direction text NOT NULL,
        latitude double precision NOT NULL,
        longitude double precision NOT NULL,
        images jsonb NOT NULL,
        details jsonb NOT NULL,
        was_due date,
        PRIMARY KEY (read_id, due_day)
    ) PARTITION BY RANGE (due_day)""",
    "CREATE INDEX reads_plate ON retention.reads (agency, plate, captured_at)",
    "CREATE INDEX reads_skeleton ON retention.reads (agency, skeleton, captured_at)",
    "CREATE INDEX reads_captured ON retention.reads (agency, captured_at)",
    "CREATE INDEX reads_device ON retention.reads (agency, device_id, captured_at)",
    """CREATE TABLE retention.hits (
        hit_id uuid NOT NULL,
        due_day date NOT NULL,
        read_id uuid NOT NULL,
        agency text NOT NULL CHECK (agency <> '' AND position(',' in agency) = 0),
        revision integer NOT NULL,
        list_code text NOT NULL,
        list_version integer NOT NULL,
        entry_id uuid NOT NULL,
        grade text NOT NULL,
        state_match text NOT NULL,
        reason text NOT NULL,
        advisory_class text NOT NULL,
        captured_at timestamptz NOT NULL,
        received_at timestamptz NOT NULL,
        matched_at timestamptz NOT NULL,
        details jsonb NOT NULL,
        was_due date,
        PRIMARY KEY (hit_id, due_day)
    ) PARTITION BY RANGE (due_day)""",
    "CREATE INDEX hits_list ON retention.hits (agency, list_code, captured_at)",
    "CREATE INDEX hits_read ON retention.hits (read_id)",
    # Held records have no due day: they leave it for the end of time until their hold ends.
    "CREATE TABLE retention.reads_held PARTITION OF retention.reads FOR VALUES FROM ('infinity') TO (MAXVALUE)",
    "CREATE TABLE retention.hits_held PARTITION OF retention.hits FOR VALUES FROM ('infinity') TO (MAXVALUE)",
    # Which due days hold reads captured on which days: bounds of a search, and where a repeat must be looked for.
    """CREATE TABLE retention.captured_days (
        agency text NOT NULL,
        captured_on date NOT NULL,
        due_day date NOT NULL,
        PRIMARY KEY (agency, captured_on, due_day)
    )""",
    "CREATE INDEX captured_days_due ON retention.captured_days (due_day)",
    # Hits of the last day with their two images, so that a live hit shows while the ledger is away.
    """CREATE TABLE retention.live_hits (
        hit_id uuid PRIMARY KEY,
        agency text NOT NULL,
        matched_at timestamptz NOT NULL,
        images jsonb NOT NULL
    )""",
    "CREATE INDEX live_hits_matched ON retention.live_hits (matched_at)",
    """CREATE TABLE retention.holds (
        hold_id uuid PRIMARY KEY,
        agency text NOT NULL,
        ground text NOT NULL CHECK (ground <> ''),
        case_reference text NOT NULL CHECK (case_reference <> ''),
        placed_by text NOT NULL,
        placed_at timestamptz NOT NULL,
        read_ids uuid[] NOT NULL,
        by_query boolean NOT NULL,
        plate text COLLATE "C",
        device_id text,
        captured_from timestamptz,
        captured_to timestamptz,
        released_at timestamptz,
        CHECK (by_query OR cardinality(read_ids) > 0),
        CHECK (NOT by_query OR num_nonnulls(plate, device_id, captured_from, captured_to) > 0)
    )""",
    "CREATE TABLE retention.used_entries (entry bigint PRIMARY KEY, used_at timestamptz NOT NULL)",
    "CREATE INDEX used_entries_at ON retention.used_entries (used_at)",
    """CREATE TABLE retention.purge_runs (
        run_id uuid PRIMARY KEY,
        as_of date NOT NULL,
        started_at timestamptz NOT NULL,
        finished_at timestamptz,
        outcome text NOT NULL CHECK (outcome IN ('running', 'complete', 'incomplete')),
        certificate jsonb NOT NULL
    )""",
)

FUNCTIONS = (
    # Reads are found by id on the few due days that reads of about that capture time lie on.
    r"""CREATE FUNCTION retention.stored_day(what text, id uuid, of_agency text, captured timestamptz) RETURNS date
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        day date;
        part text;
        key text := CASE what WHEN 'reads' THEN 'read_id' WHEN 'hits' THEN 'hit_id' END;
        found_id uuid;
    BEGIN
        FOR day IN
            SELECT DISTINCT d.due_day FROM retention.captured_days AS d
            WHERE d.agency = of_agency AND d.captured_on BETWEEN (captured AT TIME ZONE 'UTC')\:\:date - 1
                AND (captured AT TIME ZONE 'UTC')\:\:date + 1
        LOOP
            part := what || CASE WHEN day = 'infinity' THEN '_held' ELSE to_char(day, '_YYYYMMDD') END;
            CONTINUE WHEN to_regclass('retention.' || part) IS NULL;
            EXECUTE format('SELECT %I FROM retention.%I WHERE %I = $1 LIMIT 1', key, part, key) INTO found_id USING id;
            IF found_id IS NOT NULL THEN
                RETURN day;
            END IF;
        END LOOP;
        RETURN NULL;
    END $$""",
    # Made beside the parents and attached, which searches and inserts do not notice; PARTITION OF would block them.
    r"""CREATE FUNCTION retention.ensure_day(day date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        parent text;
        part text;
    BEGIN
        IF day IS NULL OR NOT isfinite(day) THEN
            RAISE EXCEPTION 'a due day is a day';
        END IF;
        IF to_regclass('retention.hits' || to_char(day, '_YYYYMMDD')) IS NOT NULL THEN
            RETURN;
        END IF;
        PERFORM pg_advisory_xact_lock(x'616c7072'\:\:int, 2);
        FOREACH parent IN ARRAY ARRAY['reads', 'hits'] LOOP
            part := parent || to_char(day, '_YYYYMMDD');
            CONTINUE WHEN to_regclass('retention.' || part) IS NOT NULL;
            EXECUTE format('CREATE TABLE retention.%I (LIKE retention.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS '
                'INCLUDING INDEXES, CONSTRAINT due CHECK (due_day >= %L AND due_day < %L))',
                part, parent, day, day + 1);
            EXECUTE format('ALTER TABLE retention.%I ATTACH PARTITION retention.%I FOR VALUES FROM (%L) TO (%L)',
                parent, part, day, day + 1);
            EXECUTE format('ALTER TABLE retention.%I DROP CONSTRAINT due', part);
        END LOOP;
    END $$""",
    """CREATE FUNCTION retention.due_days(before date) RETURNS SETOF date
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS day
        FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = to_regclass('retention.reads') AND c.relname ~ '^reads_[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') < before
        ORDER BY day
    $$""",
    """CREATE FUNCTION retention.held(of_agency text, id uuid, of_plate text, of_device text, captured timestamptz)
    RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
        SELECT EXISTS (
            SELECT FROM retention.holds AS h
            WHERE h.agency = of_agency AND h.released_at IS NULL AND (
                id = ANY (h.read_ids)
                OR (h.by_query
                    AND (h.plate IS NULL OR h.plate = of_plate)
                    AND (h.device_id IS NULL OR h.device_id = of_device)
                    AND (h.captured_from IS NULL OR captured >= h.captured_from)
                    AND (h.captured_to IS NULL OR captured <= h.captured_to))))
    $$""",
    # The floor and the holds are judged once more here, in the transaction that drops: no job, role or bug passes.
    r"""CREATE FUNCTION retention.drop_day(day date) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        reads_gone bigint;
        hits_gone bigint;
        newest timestamptz;
        newest_hit timestamptz;
        still_held boolean;
        reads_part text := 'reads' || to_char(day, '_YYYYMMDD');
        hits_part text := 'hits' || to_char(day, '_YYYYMMDD');
    BEGIN
        IF to_regclass('retention.' || reads_part) IS NULL THEN
            RETURN jsonb_build_object('reads', 0, 'hits', 0);
        END IF;
        PERFORM pg_advisory_xact_lock(x'616c7072'\:\:int, 2);
        EXECUTE format('LOCK TABLE retention.%I, retention.%I IN ACCESS EXCLUSIVE MODE', reads_part, hits_part);
        PERFORM set_config('alpr.agencies', coalesce((SELECT string_agg(DISTINCT d.agency, ',')
            FROM retention.captured_days AS d WHERE d.due_day = day), ''), true);
        EXECUTE format('SELECT count(*), max(received_at), bool_or(retention.held(agency, read_id, plate, device_id, '
            'captured_at)) FROM retention.%I', reads_part) INTO reads_gone, newest, still_held;
        EXECUTE format('SELECT count(*), max(received_at) FROM retention.%I', hits_part) INTO hits_gone, newest_hit;
        IF greatest(newest, newest_hit) + interval '1 year' > clock_timestamp() OR day >= current_date THEN
            RAISE EXCEPTION 'RETENTION_FLOOR' USING ERRCODE = 'check_violation';
        END IF;
        IF still_held THEN
            RAISE EXCEPTION 'RECORD_HELD' USING ERRCODE = 'check_violation';
        END IF;
        EXECUTE format('DROP TABLE retention.%I', hits_part);
        EXECUTE format('DROP TABLE retention.%I', reads_part);
        DELETE FROM retention.captured_days AS d WHERE d.due_day = day;
        RETURN jsonb_build_object('reads', reads_gone, 'hits', hits_gone);
    END $$""",
    # One committed intent answers once, within 30 s, for the act it names, on the primary.
    r"""CREATE FUNCTION retention.use_intent(entry bigint, act text, OUT scope text[], OUT query jsonb)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        committed timestamptz;
    BEGIN
        IF pg_is_in_recovery() THEN
            RAISE EXCEPTION 'LEDGER_NOT_PRIMARY' USING ERRCODE = 'insufficient_privilege';
        END IF;
        SELECT i.agency_scope, i.query, i.committed_at INTO scope, query, committed
        FROM audit.intents AS i WHERE i.idx = entry;
        IF NOT FOUND OR query ->> 'act' IS DISTINCT FROM act THEN
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
    # The conditions are chosen here, the values travel as parameters: nothing a person types becomes SQL.
    r"""CREATE FUNCTION retention.search_reads(entry bigint) RETURNS SETOF jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        scope text[];
        query jsonb;
        s jsonb;
        conditions text := '';
        days date[];
        begins timestamptz;
        ends timestamptz;
        pattern text;
        prefix text;
    BEGIN
        SELECT u.scope, u.query INTO scope, query FROM retention.use_intent(entry, 'search') AS u;
        s := query -> 'search';
        begins := (s ->> 'captured_from')\:\:timestamptz;
        ends := (s ->> 'captured_to')\:\:timestamptz;
        IF begins IS NOT NULL OR ends IS NOT NULL THEN
            SELECT coalesce(array_agg(DISTINCT d.due_day), '{}') INTO days FROM retention.captured_days AS d
            WHERE d.agency = ANY (scope)
              AND d.captured_on >= coalesce((begins AT TIME ZONE 'UTC')\:\:date, '-infinity')
              AND d.captured_on <= coalesce((ends AT TIME ZONE 'UTC')\:\:date, 'infinity');
            conditions := conditions || ' AND r.due_day = ANY ($2) AND r.captured_at >= coalesce($3, ''-infinity'')'
                ' AND r.captured_at <= coalesce($4, ''infinity'')';
        END IF;
        IF s ? 'plate' THEN
            conditions := conditions || ' AND r.plate = ($1 ->> ''plate'')';
        END IF;
        IF s ? 'skeleton' THEN
            conditions := conditions || ' AND r.skeleton = ($1 ->> ''skeleton'')';
        END IF;
        IF s ? 'partial' OR s ? 'partial_skeleton' THEN
            pattern := translate(coalesce(s ->> 'partial', s ->> 'partial_skeleton'), '?*', '_%');
            prefix := substring(pattern FROM '^[A-Z0-9]*');
            conditions := conditions || format(' AND r.%1$I LIKE $5 AND r.%1$I >= $6 AND r.%1$I < $6 || ''~''',
                CASE WHEN s ? 'partial' THEN 'plate' ELSE 'skeleton' END);
        END IF;
        IF s ? 'state' THEN
            conditions := conditions || ' AND r.state = ($1 ->> ''state'')';
        END IF;
        IF s ? 'area' THEN
            conditions := conditions || ' AND r.latitude BETWEEN ($1 #>> ''{area,south}'')\:\:float8'
                ' AND ($1 #>> ''{area,north}'')\:\:float8 AND r.longitude BETWEEN ($1 #>> ''{area,west}'')\:\:float8'
                ' AND ($1 #>> ''{area,east}'')\:\:float8';
        END IF;
        IF s ? 'device_ids' THEN
            conditions := conditions
                || ' AND r.device_id = ANY (ARRAY(SELECT jsonb_array_elements_text($1 -> ''device_ids'')))';
        END IF;
        IF s ? 'read_id' THEN
            conditions := conditions || ' AND r.read_id = ($1 ->> ''read_id'')\:\:uuid';
        END IF;
        IF s ? 'list_code' THEN
            conditions := conditions || ' AND EXISTS (SELECT FROM retention.hits AS h WHERE h.read_id = r.read_id'
                ' AND h.due_day = r.due_day AND h.agency = r.agency AND h.list_code = ($1 ->> ''list_code''))';
        END IF;
        IF s ? 'after' THEN
            conditions := conditions || ' AND (r.captured_at, r.read_id) < '
                '(($1 #>> ''{after,captured_at}'')\:\:timestamptz, ($1 #>> ''{after,read_id}'')\:\:uuid)';
        END IF;
        RETURN QUERY EXECUTE $q$
            SELECT jsonb_build_object(
                'read_id', r.read_id, 'revision', r.revision, 'agency', r.agency, 'plate', r.plate, 'state', r.state,
                'confidence', r.confidence, 'captured_at', r.captured_at, 'received_at', r.received_at,
                'read_at', r.read_at, 'device_id', r.device_id, 'device_kind', r.device_kind,
                'device_name', r.device_name, 'camera_id', r.camera_id, 'direction', r.direction,
                'latitude', r.latitude, 'longitude', r.longitude, 'images', r.images) || r.details
            FROM retention.reads AS r
            WHERE r.agency = ANY ($7) AND NOT r.retracted $q$ || conditions || $q$
            ORDER BY r.captured_at DESC, r.read_id DESC LIMIT least(($1 ->> 'limit')\:\:int, 500) $q$
        USING s, days, begins, ends, pattern, prefix, scope;
        PERFORM set_config('alpr.agencies', '', true);
    END $$""",
    # The image that a committed intent names: where it lies and which key opens it.
    r"""CREATE FUNCTION retention.open_view(entry bigint, person text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        wanted jsonb;
        wanted_scope text[];
        image jsonb;
        captured timestamp;
        days date[];
    BEGIN
        IF NOT EXISTS (SELECT FROM audit.intents AS i WHERE i.idx = entry AND i.person_id = person) THEN
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

GRANTS = (
    "GRANT SELECT, INSERT, UPDATE ON retention.reads, retention.hits TO alpr_retention",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON retention.live_hits, retention.holds TO alpr_retention",
    "GRANT SELECT, INSERT ON retention.captured_days TO alpr_retention",
    "GRANT SELECT, DELETE ON retention.used_entries TO alpr_retention",
    "GRANT SELECT, INSERT, UPDATE ON retention.purge_runs TO alpr_retention",
    "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA retention FROM PUBLIC",
    """GRANT EXECUTE ON FUNCTION retention.stored_day(text, uuid, text, timestamptz), retention.ensure_day(date),
        retention.due_days(date), retention.held(text, uuid, text, text, timestamptz), retention.drop_day(date),
        retention.open_view(bigint, text) TO alpr_retention""",
    "GRANT EXECUTE ON FUNCTION retention.search_reads(bigint) TO alpr_reader",
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
