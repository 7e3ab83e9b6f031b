"""Search over many due days: what each day may hold is noted beside it, so that few partitions are opened."""

from __future__ import annotations

from alembic import op

revision = "0002_pre_search"
down_revision = "0001_pre_records"
branch_labels = None
depends_on = None

IN_SCOPE = "agency = ANY (string_to_array(current_setting('alpr.agencies', true), ','))"

TABLES = (
    # A cell is a hundredth of a degree each way: an area is a handful of cells, and equality passes row security,
    # which no geometric index does.
    """ALTER TABLE retention.reads ADD COLUMN cell integer NOT NULL GENERATED ALWAYS AS (
        floor((latitude + 90) * 100)\\:\\:integer * 36001 + floor((longitude + 180) * 100)\\:\\:integer) STORED""",
    "CREATE INDEX reads_cell ON retention.reads (agency, cell, captured_at)",
    # The plates of an ended day, one a line, for patterns that no index can begin with. Goes with its day by DROP.
    """CREATE TABLE retention.day_plates (
        agency text NOT NULL CHECK (agency <> '' AND position(',' in agency) = 0),
        due_day date NOT NULL,
        plates text COLLATE "C" NOT NULL,
        skeletons text COLLATE "C" NOT NULL,
        PRIMARY KEY (agency, due_day)
    ) PARTITION BY RANGE (due_day)""",
    # A blocked Bloom filter of those plates and skeletons: says "not here" for sure and "maybe" for the rest.
    """CREATE TABLE retention.day_marks (
        agency text NOT NULL CHECK (agency <> '' AND position(',' in agency) = 0),
        due_day date NOT NULL,
        blocks integer NOT NULL CHECK (blocks > 0),
        marks bytea NOT NULL CHECK (octet_length(marks) = blocks * 32),
        made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (agency, due_day)
    ) WITH (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0,
            toast.autovacuum_vacuum_threshold = 0, toast.autovacuum_vacuum_scale_factor = 0)""",
    # Uncompressed, so that 32 bytes are read without the rest.
    "ALTER TABLE retention.day_marks ALTER COLUMN marks SET STORAGE EXTERNAL",
    "ALTER TABLE retention.day_plates ALTER COLUMN plates SET STORAGE EXTERNAL",
    "ALTER TABLE retention.day_plates ALTER COLUMN skeletons SET STORAGE EXTERNAL",
)

DAYS = (
    r"""CREATE OR REPLACE FUNCTION retention.ensure_day(day date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        parent text;
        part text;
    BEGIN
        IF day IS NULL OR NOT isfinite(day) THEN
            RAISE EXCEPTION 'a due day is a day';
        END IF;
        IF to_regclass('retention.day_plates' || to_char(day, '_YYYYMMDD')) IS NOT NULL THEN
            RETURN;
        END IF;
        PERFORM pg_advisory_xact_lock(x'616c7072'\:\:int, 2);
        FOREACH parent IN ARRAY ARRAY['reads', 'hits', 'day_plates'] LOOP
            part := parent || to_char(day, '_YYYYMMDD');
            CONTINUE WHEN to_regclass('retention.' || part) IS NOT NULL;
            EXECUTE format('CREATE TABLE retention.%I (LIKE retention.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS '
                'INCLUDING INDEXES INCLUDING GENERATED INCLUDING STORAGE, '
                'CONSTRAINT due CHECK (due_day >= %L AND due_day < %L))', part, parent, day, day + 1);
            EXECUTE format('ALTER TABLE retention.%I ATTACH PARTITION retention.%I FOR VALUES FROM (%L) TO (%L)',
                parent, part, day, day + 1);
            EXECUTE format('ALTER TABLE retention.%I DROP CONSTRAINT due', part);
        END LOOP;
    END $$""",
    "SELECT retention.ensure_day(day) FROM retention.due_days('infinity') AS day",
    r"""CREATE OR REPLACE FUNCTION retention.drop_day(day date) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        reads_gone bigint;
        hits_gone bigint;
        newest timestamptz;
        newest_hit timestamptz;
        still_held boolean;
        reads_part text := 'reads' || to_char(day, '_YYYYMMDD');
        hits_part text := 'hits' || to_char(day, '_YYYYMMDD');
        plates_part text := 'day_plates' || to_char(day, '_YYYYMMDD');
        attempts integer := 0;
    BEGIN
        IF to_regclass('retention.' || reads_part) IS NULL THEN
            RETURN jsonb_build_object('reads', 0, 'hits', 0);
        END IF;
        PERFORM pg_advisory_xact_lock(x'616c7072'\:\:int, 2);
        -- judged while searches go on and writers wait; all are kept out only for the moment of the drop itself
        EXECUTE format('LOCK TABLE retention.%I, retention.%I IN SHARE ROW EXCLUSIVE MODE', reads_part, hits_part);
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
        DELETE FROM retention.day_marks AS m WHERE m.due_day = day;
        DELETE FROM retention.captured_days AS d WHERE d.due_day = day;
        RETURN jsonb_build_object('reads', reads_gone, 'hits', hits_gone);
    END $$""",
)

NOTES = (
    # 256 bits of a block, two in each of its four words; which block, a second hash tells. Its path is not pinned,
    # so that it is inlined: 100,000 keys a day.
    r"""CREATE FUNCTION retention.mark_word(hash bigint, word integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT (1\:\:bigint << (hash >> 12 * word & 63)\:\:int) | (1\:\:bigint << (hash >> 12 * word + 6 & 63)\:\:int)
    $$""",
    # An ended day is read once and noted; a record that comes later takes the note away (trigger `unnoted`). Writer
    # and noter exclude each other by a lock on the day, so no note lacks a committed read.
    r"""CREATE FUNCTION retention.note_day(of_agency text, day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET work_mem = '64MB' AS $$
    DECLARE
        plate_list text;
        skeleton_list text;
        longest integer;
        keys integer;
        block_count integer;
        body bytea;
    BEGIN
        PERFORM set_config('alpr.agencies', of_agency, true);
        PERFORM pg_advisory_xact_lock(x'616c7073'\:\:int, day - date '2000-01-01');
        IF to_regclass('retention.day_plates' || to_char(day, '_YYYYMMDD')) IS NULL THEN
            RETURN false;
        END IF;
        EXECUTE $q$SELECT coalesce(string_agg(plate, E'\n' ORDER BY plate), ''), max(length(plate)), count(*) FROM (
            SELECT DISTINCT plate FROM retention.reads WHERE agency = $1 AND due_day = $2 AND plate <> '') AS p $q$
        INTO plate_list, longest, keys USING of_agency, day;
        IF longest > 20 THEN
            RETURN false;  -- what a pattern's * may stand for below
        END IF;
        EXECUTE $q$SELECT coalesce(string_agg(skeleton, E'\n' ORDER BY skeleton), ''), count(*) + $3 FROM (
            SELECT DISTINCT skeleton FROM retention.reads WHERE agency = $1 AND due_day = $2 AND plate <> '') AS p $q$
        INTO skeleton_list, keys USING of_agency, day, keys;
        block_count := keys * 12 / 256 + 1;  -- 12 bits a key: 1 in 200 days is opened in vain
        SELECT string_agg(coalesce(b.words, decode(repeat('00', 32), 'hex')), ''\:\:bytea ORDER BY n)
        INTO body
        FROM generate_series(0, block_count - 1) AS n LEFT JOIN (
            SELECT place % block_count AS block,
                int8send(bit_or(retention.mark_word(h, 0))) || int8send(bit_or(retention.mark_word(h, 1)))
                || int8send(bit_or(retention.mark_word(h, 2))) || int8send(bit_or(retention.mark_word(h, 3))) AS words
            FROM (SELECT hashtextextended(k, 0) AS h, hashtextextended(k, 1) & 9223372036854775807 AS place
                FROM (SELECT string_to_table(plate_list, E'\n') UNION SELECT string_to_table(skeleton_list, E'\n'))
                    AS keyed (k) OFFSET 0) AS hashed
            GROUP BY 1) AS b ON b.block = n;
        EXECUTE $q$INSERT INTO retention.day_plates (agency, due_day, plates, skeletons) VALUES ($1, $2, $3, $4)
            ON CONFLICT (agency, due_day) DO UPDATE SET plates = excluded.plates, skeletons = excluded.skeletons $q$
        USING of_agency, day, plate_list, skeleton_list;
        INSERT INTO retention.day_marks AS m (agency, due_day, blocks, marks) VALUES (of_agency, day, block_count, body)
        ON CONFLICT (agency, due_day) DO UPDATE SET blocks = excluded.blocks, marks = excluded.marks,
            made_at = clock_timestamp();
        PERFORM set_config('alpr.agencies', '', true);
        RETURN true;
    END $$""",
    # Days whose last day of capture has ended everywhere; today's days are written all the time.
    """CREATE FUNCTION retention.unnoted_days(of_agency text, before date, at_most integer) RETURNS SETOF date
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        PERFORM set_config('alpr.agencies', of_agency, true);
        RETURN QUERY SELECT d.due_day FROM retention.captured_days AS d
        WHERE d.agency = of_agency AND isfinite(d.due_day)
          AND NOT EXISTS (SELECT FROM retention.day_marks AS m WHERE m.agency = of_agency AND m.due_day = d.due_day)
        GROUP BY d.due_day HAVING max(d.captured_on) < before ORDER BY d.due_day DESC LIMIT at_most;
        PERFORM set_config('alpr.agencies', '', true);
    END $$""",
    r"""CREATE FUNCTION retention.unnote() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        IF isfinite(NEW.due_day) THEN
            PERFORM pg_advisory_xact_lock_shared(x'616c7073'\:\:int, NEW.due_day - date '2000-01-01');
            DELETE FROM retention.day_marks AS m WHERE m.agency = NEW.agency AND m.due_day = NEW.due_day;
        END IF;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER unnoted AFTER INSERT OR UPDATE OF plate, skeleton, agency, due_day ON retention.reads
    FOR EACH ROW EXECUTE FUNCTION retention.unnote()""",
)

SEARCH = (
    # The conditions are chosen here, the values travel as parameters: nothing a person types becomes SQL.
    # $1 what is searched for, $2 days, $3 agencies, $4 and $5 times of capture, $6 plates or skeletons, $7 how many.
    r"""CREATE FUNCTION retention.conditions(s jsonb, agencies integer, listed boolean) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        partial text := CASE WHEN s ? 'partial' THEN 'plate' WHEN s ? 'partial_skeleton' THEN 'skeleton' END;
        terms text := CASE WHEN agencies = 1 THEN 'r.agency = ($3)[1]' ELSE 'r.agency = ANY ($3)' END
            || ' AND r.due_day = ANY ($2) AND NOT r.retracted AND r.captured_at >= $4 AND r.captured_at <= $5';
        south numeric := floor((s #>> '{area,south}')\:\:numeric * 100);
        north numeric := floor((s #>> '{area,north}')\:\:numeric * 100);
        west numeric := floor((s #>> '{area,west}')\:\:numeric * 100);
        east numeric := floor((s #>> '{area,east}')\:\:numeric * 100);
    BEGIN
        IF s ? 'plate' THEN
            terms := terms || ' AND r.plate = ($1 ->> ''plate'')';
        END IF;
        IF s ? 'skeleton' THEN
            terms := terms || ' AND r.skeleton = ($1 ->> ''skeleton'')';
        END IF;
        IF partial IS NOT NULL AND listed THEN
            terms := terms || format(' AND r.%I = ANY ($6)', partial);
        ELSIF partial IS NOT NULL THEN
            terms := terms || replace(replace(
                ' AND r.@ LIKE translate($1 ->> ''#'', ''?*'', ''_%'') AND r.@ >= substring($1 ->> ''#'' FROM '
                '''^[A-Z0-9]*'') AND r.@ < substring($1 ->> ''#'' FROM ''^[A-Z0-9]*'') || ''~''',
                '@', partial), '#', CASE partial WHEN 'plate' THEN 'partial' ELSE 'partial_skeleton' END);
        END IF;
        IF s ? 'state' THEN
            terms := terms || ' AND r.state = ($1 ->> ''state'')';
        END IF;
        IF s ? 'area' THEN
            terms := terms || ' AND r.latitude BETWEEN ($1 #>> ''{area,south}'')\:\:float8'
                ' AND ($1 #>> ''{area,north}'')\:\:float8 AND r.longitude BETWEEN ($1 #>> ''{area,west}'')\:\:float8'
                ' AND ($1 #>> ''{area,east}'')\:\:float8';
            -- a plate is rarer than a place; and a large area has more cells than a search should ask for
            IF NOT listed AND NOT s ?| ARRAY['plate', 'skeleton', 'read_id', 'read_ids']
                AND (north - south + 1) * (east - west + 1) <= 1000
            THEN
                terms := terms || format(' AND r.cell = ANY (%L)', ARRAY(SELECT (y + 9000) * 36001 + x + 18000
                    FROM generate_series(south\:\:integer, north\:\:integer) AS y,
                        generate_series(west\:\:integer, east\:\:integer) AS x));
            END IF;
        END IF;
        IF s ? 'polygon' THEN
            terms := terms || ' AND point(r.longitude, r.latitude) <@ ($1 ->> ''polygon'')\:\:polygon';
        END IF;
        IF s ? 'device_ids' THEN
            terms := terms || ' AND r.device_id = ANY (ARRAY(SELECT jsonb_array_elements_text($1 -> ''device_ids'')))';
        END IF;
        IF s ? 'read_ids' THEN
            terms := terms
                || ' AND r.read_id = ANY (ARRAY(SELECT jsonb_array_elements_text($1 -> ''read_ids'')\:\:uuid))';
        END IF;
        IF s ? 'read_id' THEN
            terms := terms || ' AND r.read_id = ($1 ->> ''read_id'')\:\:uuid';
        END IF;
        RETURN terms;
    END $$""",
    # The due days that may hold what is searched for, those with the newest captures first; `noted` where plates are.
    r"""CREATE FUNCTION retention.search_days(
        s jsonb, scope text[], begins timestamptz, ends timestamptz,
        OUT days date[], OUT newest date[], OUT noted boolean[]
    ) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        key text := coalesce(s ->> 'skeleton', s ->> 'plate');
        place bigint := hashtextextended(key, 1) & 9223372036854775807;
        h bigint := hashtextextended(key, 0);
        wanted bit(256) := ('x' || encode(int8send(retention.mark_word(h, 0)) || int8send(retention.mark_word(h, 1))
            || int8send(retention.mark_word(h, 2)) || int8send(retention.mark_word(h, 3)), 'hex'))\:\:bit(256);
    BEGIN
        SELECT array_agg(f.due_day ORDER BY f.last DESC, f.due_day DESC),
            array_agg(f.last ORDER BY f.last DESC, f.due_day DESC),
            array_agg(f.noted ORDER BY f.last DESC, f.due_day DESC)
        INTO days, newest, noted
        FROM (
            SELECT d.due_day, max(d.last) AS last, bool_and(m.blocks IS NOT NULL) AS noted
            FROM (
                SELECT c.agency, c.due_day, max(c.captured_on) AS last FROM retention.captured_days AS c
                WHERE c.agency = ANY (scope)
                  AND c.captured_on BETWEEN (begins AT TIME ZONE 'UTC')\:\:date AND (ends AT TIME ZONE 'UTC')\:\:date
                GROUP BY c.agency, c.due_day
            ) AS d LEFT JOIN retention.day_marks AS m ON m.agency = d.agency AND m.due_day = d.due_day
            WHERE key IS NULL OR m.blocks IS NULL OR wanted = wanted
                & ('x' || encode(substring(m.marks FROM (place % m.blocks)\:\:int * 32 + 1 FOR 32), 'hex'))\:\:bit(256)
            GROUP BY d.due_day
        ) AS f;
    END $$""",
    # Few days at a time, the newest first, until there are enough rows that no later day can be newer than.
    r"""CREATE FUNCTION retention.answer(what text, scope text[], s jsonb) RETURNS SETOF jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET random_page_cost = 1.1
    SET max_parallel_workers_per_gather = 0 AS $$
    DECLARE
        begins timestamptz := coalesce((s ->> 'captured_from')\:\:timestamptz, '-infinity');
        ends timestamptz := least(coalesce((s ->> 'captured_to')\:\:timestamptz, 'infinity'),
            coalesce((s #>> '{after,captured_at}')\:\:timestamptz, 'infinity'));
        wanted integer := least((s ->> 'limit')\:\:int, 500);
        pattern text := coalesce(s ->> 'partial', s ->> 'partial_skeleton');
        -- three characters to begin with are found faster by the index
        by_note boolean := pattern !~ '^[A-Z0-9]{3}' AND pattern ~ '^[A-Z0-9?*]+$';
        regex text := '^' || replace(replace(pattern, '?', '.'), '*', '.{0,20}') || '$';
        noted_as text := CASE WHEN s ? 'partial' THEN 'plates' ELSE 'skeletons' END;
        step integer := 4;
        source text;
        query text;
        days date[];
        newest date[];
        noted boolean[];
        at_day integer := 1;
        chunk date[];
        matching date[];
        lines integer;
        keys text[];
        rows jsonb[];
        found jsonb[] := '{}';
    BEGIN
        SELECT d.days, d.newest, d.noted INTO days, newest, noted
        FROM retention.search_days(s, scope, begins, ends) AS d;
        IF what = 'hits' THEN
            source := 'SELECT h.captured_at, h.hit_id AS id, to_jsonb(h) - ''was_due'' - ''details'' || h.details || '
                'jsonb_build_object(''plate'', r.plate, ''state'', r.state, ''device_id'', r.device_id, '
                '''device_name'', r.device_name, ''camera_id'', r.camera_id, ''latitude'', r.latitude, '
                '''longitude'', r.longitude, ''images'', r.images) AS answer FROM retention.hits AS h '
                'JOIN retention.reads AS r ON r.read_id = h.read_id AND r.due_day = h.due_day AND r.agency = h.agency '
                'WHERE h.due_day = ANY ($2)' || CASE WHEN s ? 'list_code' THEN ' AND h.list_code = ($1 ->> ''list_code'')'
                ELSE '' END || ' AND ';
        ELSE
            source := 'SELECT r.captured_at, r.read_id AS id, jsonb_build_object(''read_id'', r.read_id, '
                '''revision'', r.revision, ''agency'', r.agency, ''plate'', r.plate, ''state'', r.state, '
                '''confidence'', r.confidence, ''captured_at'', r.captured_at, ''received_at'', r.received_at, '
                '''read_at'', r.read_at, ''device_id'', r.device_id, ''device_kind'', r.device_kind, '
                '''device_name'', r.device_name, ''camera_id'', r.camera_id, ''direction'', r.direction, '
                '''latitude'', r.latitude, ''longitude'', r.longitude, ''images'', r.images) || r.details AS answer FROM '
                || CASE WHEN s ? 'list_code' THEN '(SELECT DISTINCT h.read_id, h.due_day FROM retention.hits AS h '
                'WHERE h.agency = ANY ($3) AND h.due_day = ANY ($2) AND h.list_code = ($1 ->> ''list_code'')) AS h '
                'JOIN retention.reads AS r ON r.read_id = h.read_id AND r.due_day = h.due_day'
                ELSE 'retention.reads AS r' END || ' WHERE ';
        END IF;
        WHILE at_day <= cardinality(days) LOOP
            keys := NULL;
            chunk := days[at_day\:at_day + step - 1];
            IF by_note THEN
                -- days with notes and days without are asked apart
                chunk := days[at_day\:at_day + coalesce(array_position(noted[at_day\:at_day + step - 1], NOT noted[at_day]),
                    cardinality(chunk) + 1) - 2];
            END IF;
            at_day := at_day + cardinality(chunk);
            IF by_note AND noted[at_day - 1] THEN
                EXECUTE format('SELECT count(*), array_agg(DISTINCT f.key), array_agg(DISTINCT f.due_day) FROM (SELECT p.due_day, '
                    'm[1] AS key FROM retention.day_plates AS p, regexp_matches(p.%I, $3, ''gn'') AS m '
                    'WHERE p.agency = ANY ($1) AND p.due_day = ANY ($2) LIMIT 2000) AS f', noted_as)
                INTO lines, keys, matching USING scope, chunk, regex;
                IF lines >= 2000 THEN
                    keys := NULL;  -- so common that the newest reads show them soonest
                ELSE
                    chunk := matching;
                END IF;
            END IF;
            step := least(step * 2, CASE WHEN by_note THEN 32 ELSE 64 END);
            CONTINUE WHEN cardinality(chunk) IS NULL;
            query := format('SELECT array_agg(x.answer ORDER BY x.captured_at DESC, x.id DESC) FROM (%s%s%s '
                'ORDER BY 1 DESC, 2 DESC LIMIT $7) AS x', source,
                retention.conditions(s, cardinality(scope), keys IS NOT NULL),
                CASE WHEN s ? 'after' THEN format(' AND (%s) < (($1 #>> ''{after,captured_at}'')\:\:timestamptz, '
                    '($1 #>> ''{after,read_id}'')\:\:uuid)', CASE what WHEN 'hits' THEN 'h.captured_at, h.hit_id'
                    ELSE 'r.captured_at, r.read_id' END) ELSE '' END);
            EXECUTE query INTO rows
            USING s, chunk, scope, begins, ends, keys, wanted;
            CONTINUE WHEN rows IS NULL;
            found := found || rows;
            IF cardinality(found) >= wanted THEN
                SELECT array_agg(f ORDER BY (f ->> 'captured_at')\:\:timestamptz DESC,
                    coalesce(f ->> 'hit_id', f ->> 'read_id')\:\:uuid DESC) INTO found FROM unnest(found) AS f;
                found := found[1\:wanted];
                EXIT WHEN at_day > cardinality(days) OR (found[wanted] ->> 'captured_at')\:\:timestamptz
                    AT TIME ZONE 'UTC' >= newest[at_day] + 1;
            END IF;
        END LOOP;
        RETURN QUERY SELECT f FROM unnest(found) WITH ORDINALITY AS u (f, n)
            ORDER BY (f ->> 'captured_at')\:\:timestamptz DESC, coalesce(f ->> 'hit_id', f ->> 'read_id')\:\:uuid DESC
            LIMIT wanted;
    END $$""",
    *(
        f"""CREATE OR REPLACE FUNCTION retention.search_{what}(entry bigint) RETURNS SETOF jsonb
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            scope text[];
            query jsonb;
        BEGIN
            SELECT u.scope, u.query INTO scope, query FROM retention.use_intent(entry, '{act}') AS u;
            RETURN QUERY SELECT a FROM retention.answer('{what}', scope, query -> 'search') AS a;
            PERFORM set_config('alpr.agencies', '', true);
        END $$"""
        for what, act in (("reads", "search"), ("hits", "hits"))
    ),
)

GRANTS = (
    "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA retention FROM PUBLIC",
    """GRANT EXECUTE ON FUNCTION retention.note_day(text, date), retention.unnoted_days(text, date, integer)
        TO alpr_retention""",
    "GRANT EXECUTE ON FUNCTION retention.search_hits(bigint) TO alpr_reader",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    for table in ("day_plates", "day_marks"):
        op.execute(f"ALTER TABLE retention.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE retention.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY door ON retention.{table} USING (true) WITH CHECK (true)")
        op.execute(
            f"CREATE POLICY agency ON retention.{table} AS RESTRICTIVE USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})"
        )
    for statement in (*DAYS, *NOTES, *SEARCH, *GRANTS):
        op.execute(statement)
