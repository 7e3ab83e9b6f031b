"""Holds: grounds, scopes as searches have them, reviews, release by two, case files; what they cover found by index."""

from __future__ import annotations

from alembic import op

revision = "0006_pre_holds"
down_revision = "0005_pre_schedule"
branch_labels = None
depends_on = None

IN_SCOPE = "agency = ANY (string_to_array(current_setting('alpr.agencies', true), ','))"
SCOPED = ("hold_acts", "hold_booked", "hold_case_files")

TABLES = (
    # A hold binds as long as `released_at` is empty, whatever its state: provisional ones bind too.
    r"""ALTER TABLE retention.holds
        ADD COLUMN state text NOT NULL DEFAULT 'active'
            CHECK (state IN ('active', 'provisional', 'release_requested', 'ended')),
        ADD COLUMN flag text NOT NULL DEFAULT '',
        ADD COLUMN scope jsonb CHECK (scope <> '{}'),
        ADD COLUMN query_entry bigint,
        ADD COLUMN forward boolean NOT NULL DEFAULT true,
        ADD COLUMN case_number text NOT NULL DEFAULT '',
        ADD COLUMN court_reference text NOT NULL DEFAULT '',
        ADD COLUMN note text NOT NULL DEFAULT '',
        ADD COLUMN placed_name text NOT NULL DEFAULT '',
        ADD COLUMN profile_version text NOT NULL DEFAULT '',
        ADD COLUMN dvd jsonb,
        ADD COLUMN review_due timestamptz NOT NULL DEFAULT clock_timestamp() + interval '90 days',
        ADD COLUMN overdue_told_at timestamptz,
        ADD COLUMN end_asked_by text NOT NULL DEFAULT '',
        ADD COLUMN end_asked_name text NOT NULL DEFAULT '',
        ADD COLUMN end_asked_at timestamptz,
        ADD COLUMN end_reason text NOT NULL DEFAULT '',
        ADD COLUMN released_by text NOT NULL DEFAULT '',
        ADD COLUMN released_name text NOT NULL DEFAULT '',
        ADD COLUMN reads_now bigint,
        ADD COLUMN hits_now bigint,
        ADD COLUMN counted_at timestamptz,
        ADD CHECK ((state = 'ended') = (released_at IS NOT NULL)) NOT VALID""",
    # Two of them ask for a criterion among the columns that 0001 has; `scope` may hold others.
    r"""DO $$
    DECLARE
        rule name;
    BEGIN
        FOR rule IN SELECT conname FROM pg_constraint WHERE conrelid = 'retention.holds'\:\:regclass AND contype = 'c'
            AND pg_get_constraintdef(oid) LIKE '%by_query%' AND pg_get_constraintdef(oid) LIKE '%num_nonnulls%'
        LOOP
            EXECUTE format('ALTER TABLE retention.holds DROP CONSTRAINT %I', rule);
        END LOOP;
    END $$""",
    """ALTER TABLE retention.holds ADD CONSTRAINT holds_scope CHECK (NOT by_query OR scope IS NOT NULL
        OR num_nonnulls(plate, device_id, captured_from, captured_to) > 0)""",
    "CREATE INDEX holds_binding ON retention.holds (agency) WHERE released_at IS NULL",
    "CREATE INDEX holds_placed ON retention.holds (agency, placed_at DESC, hold_id DESC)",
    """CREATE TABLE retention.hold_acts (
        act_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        hold_id uuid NOT NULL REFERENCES retention.holds,
        agency text NOT NULL CHECK (agency <> '' AND position(',' in agency) = 0),
        act text NOT NULL CHECK (act <> ''),
        at timestamptz NOT NULL,
        person_id text NOT NULL,
        name text NOT NULL,
        note text NOT NULL
    )""",
    "CREATE INDEX hold_acts_hold ON retention.hold_acts (hold_id, act_id)",
    # Reads that lie in the evidence room as a booked package: this hold no longer keeps them here.
    """CREATE TABLE retention.hold_booked (
        hold_id uuid NOT NULL REFERENCES retention.holds,
        read_id uuid NOT NULL,
        agency text NOT NULL CHECK (agency <> '' AND position(',' in agency) = 0),
        package_id text NOT NULL,
        booking_number text NOT NULL CHECK (booking_number <> ''),
        booked_at timestamptz NOT NULL,
        PRIMARY KEY (hold_id, read_id)
    )""",
    # What the records system says of a hold's case: the hold ends with the case file.
    """CREATE TABLE retention.hold_case_files (
        hold_id uuid PRIMARY KEY REFERENCES retention.holds,
        agency text NOT NULL CHECK (agency <> '' AND position(',' in agency) = 0),
        adapter text NOT NULL CHECK (adapter IN ('manual', 'stub', 'http')),
        status text NOT NULL CHECK (status IN ('', 'open', 'closed', 'unknown')),
        purge_on date,
        asked_at timestamptz,
        answered_at timestamptz,
        answered_by text NOT NULL DEFAULT '',
        problem text NOT NULL DEFAULT '',
        entered_by text NOT NULL DEFAULT '',
        entered_name text NOT NULL DEFAULT '',
        confirmed_by text NOT NULL DEFAULT ''
    )""",
)

COVER = (
    # What a hold covers, as a search has it; holds placed by the release before have it in columns.
    """CREATE FUNCTION retention.scope_of(h retention.holds) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
        SELECT coalesce(h.scope, jsonb_strip_nulls(jsonb_build_object('plate', h.plate,
            'device_ids', CASE WHEN h.device_id IS NOT NULL THEN jsonb_build_array(h.device_id) END,
            'captured_from', h.captured_from, 'captured_to', h.captured_to)))
    $$""",
    # Conditions on a read `r` with the values in them, so that the planner sees how rare each is. What a search leaves
    # out (retracted reads, areas by cell when a plate is named) a hold keeps.
    r"""CREATE FUNCTION retention.scope_terms(s jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        partial text := CASE WHEN s ? 'partial' THEN 'plate' WHEN s ? 'partial_skeleton' THEN 'skeleton' END;
        pattern text := coalesce(s ->> 'partial', s ->> 'partial_skeleton');
        known text := substring(pattern FROM '^[A-Z0-9]*');
        terms text := '';
        south numeric := floor((s #>> '{area,south}')\:\:numeric * 100);
        north numeric := floor((s #>> '{area,north}')\:\:numeric * 100);
        west numeric := floor((s #>> '{area,west}')\:\:numeric * 100);
        east numeric := floor((s #>> '{area,east}')\:\:numeric * 100);
    BEGIN
        IF s ? 'plate' THEN
            terms := terms || format(' AND r.plate = %L', s ->> 'plate');
        END IF;
        IF s ? 'skeleton' THEN
            terms := terms || format(' AND r.skeleton = %L', s ->> 'skeleton');
        END IF;
        IF partial IS NOT NULL THEN
            terms := terms || format(' AND r.%1$I LIKE %2$L AND r.%1$I >= %3$L AND r.%1$I < %4$L', partial,
                translate(pattern, '?*', '_%'), known, known || '~');
        END IF;
        IF s ? 'state' THEN
            terms := terms || format(' AND r.state = %L', s ->> 'state');
        END IF;
        IF s ? 'captured_from' THEN
            terms := terms || format(' AND r.captured_at >= %L\:\:timestamptz', s ->> 'captured_from');
        END IF;
        IF s ? 'captured_to' THEN
            terms := terms || format(' AND r.captured_at <= %L\:\:timestamptz', s ->> 'captured_to');
        END IF;
        IF s ? 'device_ids' THEN
            terms := terms || format(' AND r.device_id = ANY (%L\:\:text[])',
                ARRAY(SELECT jsonb_array_elements_text(s -> 'device_ids')));
        END IF;
        IF s ? 'area' THEN
            terms := terms || format(' AND r.latitude BETWEEN %L AND %L AND r.longitude BETWEEN %L AND %L',
                s #>> '{area,south}', s #>> '{area,north}', s #>> '{area,west}', s #>> '{area,east}');
            IF NOT s ?| ARRAY['plate', 'skeleton'] AND (north - south + 1) * (east - west + 1) <= 1000 THEN
                terms := terms || format(' AND r.cell = ANY (%L\:\:integer[])', ARRAY(
                    SELECT (y + 9000) * 36001 + x + 18000 FROM generate_series(south\:\:integer, north\:\:integer) AS y,
                        generate_series(west\:\:integer, east\:\:integer) AS x));
            END IF;
        END IF;
        IF s ? 'polygon' THEN
            terms := terms || format(' AND point(r.longitude, r.latitude) <@ %L\:\:polygon', s ->> 'polygon');
        END IF;
        RETURN terms;
    END $$""",
    # The reads of one due day ('infinity': those moved) that the named holds cover. Each hold asks an index: the cost
    # grows with the holds, not with the day. Hits count with their reads: a read misread keeps the hit on its plate.
    r"""CREATE FUNCTION retention.hold_matches(of_agency text, day date, which uuid[])
    RETURNS TABLE (read_id uuid, hold_id uuid, placed_at timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    #variable_conflict use_column
    DECLARE
        suffix text := CASE WHEN isfinite(day) THEN to_char(day, '_YYYYMMDD') ELSE '_held' END;
        reads_part text := format('retention.%I', 'reads' || suffix);
        hits_part text := format('retention.%I', 'hits' || suffix);
        first_on date;
        last_on date;
        h record;
        branches text[] := '{}';
        plates boolean := false;
        places boolean := false;
    BEGIN
        IF to_regclass(reads_part) IS NULL OR cardinality(which) = 0 THEN
            RETURN;
        END IF;
        SELECT min(d.captured_on), max(d.captured_on) INTO first_on, last_on
        FROM retention.captured_days AS d WHERE d.agency = of_agency AND d.due_day = day;
        FOR h IN
            SELECT x.hold_id, x.placed_at, x.by_query, retention.scope_of(x) AS scope, cardinality(x.read_ids) AS named
            FROM retention.holds AS x WHERE x.agency = of_agency AND x.hold_id = ANY (which)
        LOOP
            IF h.named > 0 AND NOT coalesce(branches[1] LIKE '%unnest%', false) THEN
                branches := format('SELECT n.id, x.hold_id, x.placed_at FROM retention.holds AS x '
                    'CROSS JOIN LATERAL unnest(x.read_ids) AS n (id) WHERE x.agency = $1 AND x.hold_id = ANY ($2) AND ('
                    'EXISTS (SELECT FROM %s AS r WHERE r.read_id = n.id AND r.agency = $1) '
                    'OR EXISTS (SELECT FROM %s AS t WHERE t.read_id = n.id AND t.agency = $1))', reads_part, hits_part)
                    || branches;
            END IF;
            CONTINUE WHEN NOT h.by_query
                OR ((h.scope ->> 'captured_from')\:\:timestamptz AT TIME ZONE 'UTC')\:\:date > last_on
                OR ((h.scope ->> 'captured_to')\:\:timestamptz AT TIME ZONE 'UTC')\:\:date < first_on;
            branches := branches || format('SELECT r.read_id, %L\:\:uuid, %L\:\:timestamptz FROM %s AS r '
                'WHERE r.agency = $1%s%s', h.hold_id, h.placed_at, reads_part, retention.scope_terms(h.scope),
                CASE WHEN h.scope ?| ARRAY['list_code', 'hits'] THEN format(' AND EXISTS (SELECT FROM %s AS t '
                    'WHERE t.read_id = r.read_id AND (t.list_code = %L) IS NOT FALSE)', hits_part,
                    h.scope ->> 'list_code') ELSE '' END);
            plates := plates OR h.scope ? 'plate';
            places := places OR NOT h.scope ?| ARRAY['plate', 'skeleton', 'partial', 'partial_skeleton'];
        END LOOP;
        IF plates THEN
            branches := branches || format('SELECT t.read_id, x.hold_id, x.placed_at FROM (SELECT y.hold_id, y.placed_at, '
                'retention.scope_of(y) AS s FROM retention.holds AS y WHERE y.agency = $1 AND y.hold_id = ANY ($2) '
                'AND y.by_query) AS x JOIN %s AS t ON t.details ->> ''entry_plate'' = x.s ->> ''plate'' '
                'LEFT JOIN %s AS r ON r.read_id = t.read_id WHERE t.agency = $1 '
                'AND (t.captured_at >= (x.s ->> ''captured_from'')\:\:timestamptz) IS NOT FALSE '
                'AND (t.captured_at <= (x.s ->> ''captured_to'')\:\:timestamptz) IS NOT FALSE '
                'AND (x.s -> ''device_ids'' ? r.device_id) IS NOT FALSE', hits_part, reads_part);
        END IF;
        IF places THEN  -- of a hit whose read is not here only the time is known
            branches := branches || format('(WITH lone AS MATERIALIZED (SELECT t.read_id, t.captured_at FROM %s AS t '
                'WHERE t.agency = $1 AND NOT EXISTS (SELECT FROM %s AS r WHERE r.read_id = t.read_id)), '
                'placed AS MATERIALIZED (SELECT y.hold_id, y.placed_at, retention.scope_of(y) AS s '
                'FROM retention.holds AS y WHERE y.agency = $1 AND y.hold_id = ANY ($2) AND y.by_query) '
                'SELECT t.read_id, x.hold_id, x.placed_at FROM lone AS t, placed AS x '
                'WHERE NOT x.s ?| ARRAY[''plate'', ''skeleton'', ''partial'', ''partial_skeleton''] '
                'AND (t.captured_at >= (x.s ->> ''captured_from'')\:\:timestamptz) IS NOT FALSE '
                'AND (t.captured_at <= (x.s ->> ''captured_to'')\:\:timestamptz) IS NOT FALSE)', hits_part, reads_part);
        END IF;
        IF cardinality(branches) > 0 THEN
            RETURN QUERY EXECUTE 'SELECT DISTINCT m.* FROM (' || array_to_string(branches, ' UNION ALL ')
                || ') AS m (read_id, hold_id, placed_at) WHERE NOT EXISTS (SELECT FROM retention.hold_booked AS b '
                'WHERE b.hold_id = m.hold_id AND b.read_id = m.read_id)' USING of_agency, which;
        END IF;
    END $$""",
    # What a purge must not take: asked for the plan, for the move, and once more in the transaction that drops.
    """CREATE OR REPLACE FUNCTION retention.held_reads(of_agency text, day date)
    RETURNS TABLE (read_id uuid, hold_ids uuid[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT m.read_id, array_agg(m.hold_id ORDER BY m.placed_at, m.hold_id)
        FROM retention.hold_matches(of_agency, day, ARRAY(SELECT h.hold_id FROM retention.holds AS h
            WHERE h.agency = of_agency AND h.released_at IS NULL)) AS m
        GROUP BY m.read_id
    $$""",
    # Which holds kept reads of this day once and keep them no more: what a purge item names (RET-08).
    """CREATE OR REPLACE FUNCTION retention.ended_holds(of_agency text, day date) RETURNS TABLE (hold_id uuid, reads bigint)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT m.hold_id, count(*) FROM retention.hold_matches(of_agency, day, ARRAY(SELECT h.hold_id
            FROM retention.holds AS h WHERE h.agency = of_agency AND h.released_at IS NOT NULL
              AND h.released_at > clock_timestamp() - interval '61 months')) AS m
        WHERE NOT EXISTS (SELECT FROM retention.held_reads(of_agency, day) AS k WHERE k.read_id = m.read_id)
        GROUP BY m.hold_id
    $$""",
    # One hold's reads over every due day that may hold them, the newest first; named ones only until all are found.
    r"""CREATE FUNCTION retention.hold_reads(of_agency text, which uuid, at_most integer)
    RETURNS TABLE (read_id uuid, due_day date)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    #variable_conflict use_column
    DECLARE
        s jsonb;
        wanted uuid[];
        found uuid[];
        days date[];
        day date;
        suffix text;
        so_far integer := 0;
    BEGIN
        SELECT CASE WHEN h.by_query AND cardinality(h.read_ids) = 0 THEN retention.scope_of(h) ELSE '{}' END,
            CASE WHEN NOT h.by_query THEN ARRAY(SELECT n.id FROM unnest(h.read_ids) AS n (id) WHERE NOT EXISTS (
                SELECT FROM retention.hold_booked AS b WHERE b.hold_id = which AND b.read_id = n.id)) END
        INTO s, wanted FROM retention.holds AS h WHERE h.agency = of_agency AND h.hold_id = which;
        IF s ? 'plate' THEN  -- a hit on this plate may lie on a day without the plate
            s := s - 'plate';
        END IF;
        SELECT d.days INTO days FROM retention.search_days(s, ARRAY[of_agency],
            coalesce((s ->> 'captured_from')\:\:timestamptz, '-infinity'),
            coalesce((s ->> 'captured_to')\:\:timestamptz, 'infinity')) AS d;
        FOREACH day IN ARRAY coalesce(days, '{}') LOOP
            IF wanted IS NULL THEN
                found := ARRAY(SELECT m.read_id FROM retention.hold_matches(of_agency, day, ARRAY[which]) AS m);
            ELSE
                suffix := CASE WHEN isfinite(day) THEN to_char(day, '_YYYYMMDD') ELSE '_held' END;
                CONTINUE WHEN to_regclass('retention.reads' || suffix) IS NULL;
                EXECUTE format('SELECT coalesce(array_agg(n.id), ''{}'') FROM unnest($2) AS n (id) WHERE '
                    'EXISTS (SELECT FROM retention.%I AS r WHERE r.read_id = n.id AND r.agency = $1) '
                    'OR EXISTS (SELECT FROM retention.%I AS t WHERE t.read_id = n.id AND t.agency = $1)',
                    'reads' || suffix, 'hits' || suffix) INTO found USING of_agency, wanted;
            END IF;
            CONTINUE WHEN cardinality(found) = 0;
            RETURN QUERY SELECT f, day FROM unnest(found) AS f LIMIT at_most - so_far;
            so_far := so_far + cardinality(found);
            wanted := CASE WHEN wanted IS NOT NULL
                THEN ARRAY(SELECT n FROM unnest(wanted) AS n WHERE NOT EXISTS (SELECT FROM unnest(found) AS f WHERE f = n)) END;
            EXIT WHEN so_far >= at_most OR cardinality(wanted) = 0;
        END LOOP;
    END $$""",
    # A frame that nobody could read has no plate: holds of a place or a time keep it, holds of a plate alone do not.
    r"""CREATE FUNCTION retention.frame_held(
        of_agency text, device text, captured timestamptz, latitude float8, longitude float8
    ) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT EXISTS (
            SELECT FROM (SELECT retention.scope_of(h) AS s FROM retention.holds AS h
                WHERE h.agency = of_agency AND h.released_at IS NULL AND h.by_query) AS x
            WHERE s ?| ARRAY['device_ids', 'captured_from', 'captured_to', 'area', 'polygon'] AND NOT s ? 'hits'
              AND (s -> 'device_ids' ? device) IS NOT FALSE
              AND (captured >= (s ->> 'captured_from')\:\:timestamptz) IS NOT FALSE
              AND (captured <= (s ->> 'captured_to')\:\:timestamptz) IS NOT FALSE
              AND (latitude BETWEEN (s #>> '{area,south}')\:\:float8 AND (s #>> '{area,north}')\:\:float8) IS NOT FALSE
              AND (longitude BETWEEN (s #>> '{area,west}')\:\:float8 AND (s #>> '{area,east}')\:\:float8) IS NOT FALSE
              AND (point(longitude, latitude) <@ (s ->> 'polygon')\:\:polygon) IS NOT FALSE)
    $$""",
    # Row by row, for the release before: where it cannot see a criterion, it holds.
    r"""CREATE OR REPLACE FUNCTION retention.held(
        of_agency text, id uuid, of_plate text, of_device text, captured timestamptz
    ) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
        SELECT EXISTS (
            SELECT FROM (SELECT x.*, retention.scope_of(x) AS s FROM retention.holds AS x
                WHERE x.agency = of_agency AND x.released_at IS NULL) AS h
            WHERE NOT EXISTS (SELECT FROM retention.hold_booked AS b WHERE b.hold_id = h.hold_id AND b.read_id = id)
              AND (id = ANY (h.read_ids)
                OR (h.by_query
                    AND (s ->> 'plate' = of_plate) IS NOT FALSE
                    AND (s -> 'device_ids' ? of_device) IS NOT FALSE
                    AND (captured >= (s ->> 'captured_from')\:\:timestamptz) IS NOT FALSE
                    AND (captured <= (s ->> 'captured_to')\:\:timestamptz) IS NOT FALSE)))
    $$""",
    # A search of one's own as it stands in the ledger, at any age: holding shows nothing, so it need not be fresh.
    # Of past hits (`hits`) only reads that hit are held: the time they were asked for has every other vehicle's, too.
    r"""CREATE FUNCTION retention.searched(entry bigint, person text, of_agency text)
    RETURNS jsonb LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        found record;
    BEGIN
        SELECT i.person_id, i.agency_scope, i.query, i.committed_at INTO found FROM audit.permitted(entry) AS i;
        IF found.person_id IS DISTINCT FROM person OR person IS NULL OR NOT of_agency = ANY (found.agency_scope)
            OR found.query ->> 'act' NOT IN ('search', 'hits')
        THEN
            RAISE EXCEPTION 'LEDGER_ENTRY_MISSING' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN jsonb_build_object('committed_at', found.committed_at, 'search', found.query -> 'search' || CASE
            WHEN found.query ->> 'act' = 'hits' THEN jsonb_build_object('hits', true) ELSE '{}' END);
    END $$""",
)

GRANTS = (
    "GRANT SELECT, INSERT ON retention.hold_acts, retention.hold_booked TO alpr_retention",
    "GRANT SELECT, INSERT, UPDATE ON retention.hold_case_files TO alpr_retention",
    """REVOKE ALL ON FUNCTION retention.scope_of(retention.holds), retention.scope_terms(jsonb),
        retention.hold_matches(text, date, uuid[]), retention.held_reads(text, date), retention.ended_holds(text, date),
        retention.hold_reads(text, uuid, integer), retention.searched(bigint, text, text),
        retention.frame_held(text, text, timestamptz, float8, float8) FROM PUBLIC""",
    """GRANT EXECUTE ON FUNCTION retention.scope_of(retention.holds), retention.held_reads(text, date),
        retention.ended_holds(text, date), retention.hold_reads(text, uuid, integer),
        retention.searched(bigint, text, text), retention.frame_held(text, text, timestamptz, float8, float8)
        TO alpr_retention""",
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
    for statement in (*COVER, *GRANTS):
        op.execute(statement)
