"""Agreements between agencies and their effect on every search, the standing repository, demands of courts and people."""

from __future__ import annotations

from alembic import op

revision = "0009_pre_sharing"
down_revision = "0008_pre_releases"
branch_labels = None
depends_on = None

_SCOPE = "string_to_array(current_setting('alpr.agencies', true), ',')"
IN_SCOPE = f"agency = ANY ({_SCOPE})"
OF_EITHER = f"(giver = ANY ({_SCOPE}) OR receiver = ANY ({_SCOPE}))"
OF_GIVER = f"giver = ANY ({_SCOPE})"
_AGENCY = "agency text NOT NULL CHECK (agency <> '' AND position(',' in agency) = 0)"

AGREEMENTS: tuple[str, ...] = (
    # One agency lets another one search its reads: for which purposes, how far back, until when. A year at most.
    """CREATE TABLE retention.agreements (
        agreement_id uuid PRIMARY KEY,
        giver text NOT NULL CHECK (giver <> '' AND position(',' in giver) = 0),
        receiver text NOT NULL CHECK (receiver <> '' AND receiver <> giver AND position(',' in receiver) = 0),
        party_name text NOT NULL,
        party_kind text NOT NULL CHECK (party_kind IN ('in_state', 'out_of_state', 'federal')),
        party_state text NOT NULL,
        purposes text[] NOT NULL CHECK (cardinality(purposes) > 0),
        statute_basis text NOT NULL CHECK (statute_basis <> ''),
        words text NOT NULL,
        device_ids text[] NOT NULL,
        max_age_days integer CHECK (max_age_days > 0),
        with_images boolean NOT NULL,
        with_hits boolean NOT NULL,
        starts_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        profile_version text NOT NULL,
        created_by text NOT NULL,
        created_name text NOT NULL,
        created_at timestamptz NOT NULL,
        denied_at timestamptz,
        approved_at timestamptz,
        stopped_at timestamptz,
        stopped_by text NOT NULL DEFAULT '',
        stopped_name text NOT NULL DEFAULT '',
        stop_reason text NOT NULL DEFAULT '',
        CHECK (expires_at > starts_at),
        CHECK (expires_at AT TIME ZONE 'UTC' <= starts_at AT TIME ZONE 'UTC' + interval '1 year')
    )""",
    "CREATE INDEX agreements_parties ON retention.agreements (receiver, giver)",
    "CREATE INDEX agreements_giver ON retention.agreements (giver, created_at DESC)",
    """CREATE TABLE retention.agreement_approvals (
        agreement_id uuid NOT NULL REFERENCES retention.agreements,
        giver text NOT NULL,
        receiver text NOT NULL,
        approved_by text NOT NULL,
        approved_name text NOT NULL,
        approved_at timestamptz NOT NULL,
        decision text NOT NULL CHECK (decision IN ('approve', 'deny')),
        note text NOT NULL,
        PRIMARY KEY (agreement_id, approved_by)
    )""",
    # Which entries of the ledger rested on an agreement: no question, no person, no plate.
    """CREATE TABLE retention.agreement_uses (
        entry bigint PRIMARY KEY,
        agreement_id uuid NOT NULL REFERENCES retention.agreements,
        giver text NOT NULL,
        receiver text NOT NULL,
        act text NOT NULL,
        used_at timestamptz NOT NULL
    )""",
    "CREATE INDEX agreement_uses_of ON retention.agreement_uses (agreement_id, used_at DESC)",
    # In force: two different people said yes, nobody said no or stop, and its time runs. By the database's own clock.
    """CREATE FUNCTION retention.live_agreements(of_receiver text) RETURNS SETOF retention.agreements
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
        SELECT a.* FROM retention.agreements AS a
        WHERE a.receiver = of_receiver AND a.stopped_at IS NULL AND a.denied_at IS NULL
          AND a.starts_at <= clock_timestamp() AND a.expires_at > clock_timestamp()
          AND (SELECT count(DISTINCT p.approved_by) FROM retention.agreement_approvals AS p
               WHERE p.agreement_id = a.agreement_id AND p.decision = 'approve') >= 2
    $$""",
    # What the query door may tell and rest a question on; whose reads may be asked for is judged again at the search.
    """CREATE FUNCTION retention.agreements_of(
        of_receiver text, OUT agreement_id uuid, OUT giver text, OUT purposes text[], OUT device_ids text[],
        OUT max_age_days integer, OUT with_images boolean, OUT with_hits boolean, OUT expires_at timestamptz,
        OUT party_kind text, OUT party_state text
    ) RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        before text := coalesce(current_setting('alpr.agencies', true), '');
    BEGIN
        PERFORM set_config('alpr.agencies', of_receiver, true);
        RETURN QUERY SELECT a.agreement_id, a.giver, a.purposes, a.device_ids, a.max_age_days, a.with_images,
            a.with_hits, a.expires_at, a.party_kind, a.party_state
            FROM retention.live_agreements(of_receiver) AS a ORDER BY a.giver, a.expires_at DESC;
        PERFORM set_config('alpr.agencies', before, true);
    END $$""",
    # A question about another agency's reads, narrowed to what that agency agreed to; refused where it agreed to nothing.
    r"""CREATE FUNCTION retention.under_agreement(
        number bigint, asker text, scope text[], act text, query jsonb
    ) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        a retention.agreements;
        s jsonb := CASE act WHEN 'image' THEN query ELSE query -> 'search' END;
        oldest timestamptz;
        agreement uuid := CASE WHEN query ->> 'agreement' ~ '^[0-9a-f-]{36}$' THEN (query ->> 'agreement')\:\:uuid END;
    BEGIN
        IF asker IS NULL OR cardinality(scope) <> 1 OR act NOT IN ('search', 'hits', 'image') THEN
            RAISE EXCEPTION 'AGREEMENT_MISSING' USING ERRCODE = 'insufficient_privilege';
        END IF;
        PERFORM set_config('alpr.agencies', asker, true);
        SELECT * INTO a FROM retention.live_agreements(asker) AS l WHERE l.agreement_id = agreement AND l.giver = scope[1];
        IF a.agreement_id IS NULL THEN
            RAISE EXCEPTION 'AGREEMENT_MISSING' USING ERRCODE = 'insufficient_privilege';
        END IF;
        IF NOT coalesce(query ->> 'purpose', '') = ANY (a.purposes) THEN
            RAISE EXCEPTION 'AGREEMENT_PURPOSE' USING ERRCODE = 'insufficient_privilege';
        END IF;
        IF (act = 'hits' OR s ? 'list_code') AND NOT a.with_hits THEN
            RAISE EXCEPTION 'AGREEMENT_NO_HITS' USING ERRCODE = 'insufficient_privilege';
        END IF;
        IF act = 'image' AND NOT a.with_images THEN
            RAISE EXCEPTION 'AGREEMENT_NO_IMAGES' USING ERRCODE = 'insufficient_privilege';
        END IF;
        IF cardinality(a.device_ids) > 0 THEN
            s := s || jsonb_build_object('device_ids', to_jsonb(ARRAY(SELECT d FROM unnest(a.device_ids) AS d
                WHERE NOT s ? 'device_ids' OR s -> 'device_ids' ? d)));
        END IF;
        IF a.max_age_days IS NOT NULL THEN
            oldest := clock_timestamp() - make_interval(days => a.max_age_days);
            IF act = 'image' AND (s ->> 'captured_at')\:\:timestamptz < oldest THEN
                RAISE EXCEPTION 'AGREEMENT_MISSING' USING ERRCODE = 'insufficient_privilege';
            END IF;
            s := s || jsonb_build_object('captured_from',
                greatest((s ->> 'captured_from')\:\:timestamptz, oldest));
        END IF;
        INSERT INTO retention.agreement_uses (entry, agreement_id, giver, receiver, act, used_at)
        VALUES (number, a.agreement_id, a.giver, a.receiver, under_agreement.act, clock_timestamp())
        ON CONFLICT DO NOTHING;
        -- another agency never gets the sealed text of a list's entry, and no image's name where it gets no image
        RETURN CASE act WHEN 'image' THEN s ELSE query || jsonb_build_object('search', s, 'instead',
            CASE act WHEN 'hits' THEN '{"entry_sealed"\: "", "entry_key_id"\: ""}' ELSE '{}' END\:\:jsonb
            || CASE WHEN a.with_images THEN '{}' ELSE '{"images"\: []}' END\:\:jsonb) END;
    END $$""",
    # One committed intent answers once, within 30 s, for the act it names, on the primary; about the asker's own agency,
    # or about one other that agreed to it and has not stopped.
    r"""CREATE OR REPLACE FUNCTION retention.use_intent(entry bigint, act text, OUT scope text[], OUT query jsonb)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        committed timestamptz;
        asker text;
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
        asker := audit.asked_by(entry);
        IF scope IS DISTINCT FROM ARRAY[asker] THEN
            query := retention.under_agreement(entry, asker, scope, act, query);
        END IF;
        PERFORM set_config('alpr.agencies', array_to_string(scope, ','), true);
    END $$""",
    *(
        f"""CREATE OR REPLACE FUNCTION retention.search_{what}(entry bigint) RETURNS SETOF jsonb
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            scope text[];
            query jsonb;
        BEGIN
            SELECT u.scope, u.query INTO scope, query FROM retention.use_intent(entry, '{act}') AS u;
            RETURN QUERY SELECT a || coalesce(query -> 'instead', '{{}}')
                FROM retention.answer('{what}', scope, query -> 'search') AS a;
            PERFORM set_config('alpr.agencies', '', true);
        END $$"""
        for what, act in (("reads", "search"), ("hits", "hits"))
    ),
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
              AND (NOT $2 ? 'device_ids' OR $2 -> 'device_ids' ? r.device_id)
              AND (NOT $2 ? 'captured_from' OR r.captured_at >= ($2 ->> 'captured_from')\:\:timestamptz)
              AND i ->> 'role' = ($2 ->> 'role') LIMIT 1 $q$
        INTO image USING wanted_scope, wanted, days;
        PERFORM set_config('alpr.agencies', '', true);
        RETURN image;
    END $$""",
)

REPOSITORY: tuple[str, ...] = (
    # SHR-10: whether an agency's reads go to its standing repository. Nothing goes until somebody switched it on.
    f"""CREATE TABLE retention.repositories (
        {_AGENCY},
        adapter text NOT NULL,
        running boolean NOT NULL,
        reason text NOT NULL,
        changed_by text NOT NULL,
        changed_name text NOT NULL,
        changed_at timestamptz NOT NULL,
        PRIMARY KEY (agency, adapter)
    )""",
    # Reads that shall go, have gone or must come back. `sent_revision`: what may lie there; set before a batch leaves.
    f"""CREATE TABLE retention.repository_items (
        {_AGENCY},
        adapter text NOT NULL,
        read_id uuid NOT NULL,
        captured_at timestamptz NOT NULL,
        revision integer NOT NULL,
        sent_revision integer,
        take_back text NOT NULL DEFAULT '' CHECK (take_back IN ('', 'corrected', 'purged', 'recalled')),
        taking boolean NOT NULL DEFAULT false,
        look_at timestamptz NOT NULL,
        PRIMARY KEY (agency, adapter, read_id)
    )""",
    """CREATE INDEX repository_items_waiting ON retention.repository_items (agency, adapter)
        WHERE sent_revision IS NULL AND take_back = ''""",
    """CREATE INDEX repository_items_back ON retention.repository_items (agency, adapter)
        WHERE take_back <> '' AND NOT taking""",
    """CREATE INDEX repository_items_look ON retention.repository_items (agency, adapter, look_at)
        WHERE sent_revision IS NOT NULL AND take_back = ''""",
    """CREATE INDEX repository_items_lying ON retention.repository_items (agency, adapter, captured_at, read_id)
        WHERE sent_revision IS NOT NULL AND take_back = ''""",
    # The delivery record: which reads, when, what the repository answered; no plate.
    f"""CREATE TABLE retention.repository_batches (
        batch_id uuid PRIMARY KEY,
        {_AGENCY},
        adapter text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('reads', 'withdrawals')),
        state text NOT NULL CHECK (state IN ('made', 'delivered', 'refused')),
        read_ids uuid[] NOT NULL,
        revisions integer[] NOT NULL,
        reasons text[] NOT NULL,
        made_at timestamptz NOT NULL,
        next_at timestamptz NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        delivered_at timestamptz,
        problem text NOT NULL DEFAULT '',
        sha256 text NOT NULL DEFAULT '',
        CHECK (cardinality(read_ids) > 0 AND cardinality(read_ids) = cardinality(revisions))
    )""",
    """CREATE INDEX repository_batches_open ON retention.repository_batches (agency, adapter, next_at)
        WHERE state = 'made'""",
    "CREATE INDEX repository_batches_newest ON retention.repository_batches (agency, adapter, made_at DESC)",
    "CREATE INDEX repository_batches_reads ON retention.repository_batches USING gin (read_ids)",
)

DEMANDS: tuple[str, ...] = (
    # Discovery, subpoenas, court orders, and people who ask what is kept about their vehicle. No plate stands here.
    f"""CREATE TABLE retention.demands (
        demand_id uuid PRIMARY KEY,
        {_AGENCY},
        kind text NOT NULL CHECK (kind IN ('discovery', 'subpoena', 'court_order', 'subject_access')),
        reference text NOT NULL,
        requester text NOT NULL,
        wanted text NOT NULL,
        received_at timestamptz NOT NULL,
        due_at timestamptz NOT NULL,
        recorded_by text NOT NULL,
        recorded_name text NOT NULL,
        recorded_at timestamptz NOT NULL,
        profile_version text NOT NULL,
        hold_id text NOT NULL DEFAULT '',
        request_id text NOT NULL DEFAULT '',
        outcome text NOT NULL DEFAULT '' CHECK (outcome IN ('', 'answered', 'refused', 'no_records')),
        words text NOT NULL DEFAULT '',
        answer jsonb NOT NULL DEFAULT '{{}}',
        answered_by text NOT NULL DEFAULT '',
        answered_name text NOT NULL DEFAULT '',
        answered_at timestamptz,
        CHECK ((outcome = '') = (answered_at IS NULL))
    )""",
    "CREATE INDEX demands_newest ON retention.demands (agency, received_at DESC)",
)

SUBJECTS: tuple[str, ...] = (
    # What a person is told about a vehicle of theirs: how many reads, of which days, and until when they are kept at the
    # latest. Nothing of where, by which camera, on which list, or whether a hold keeps them. Only while the demand that
    # the entry names is open: a look for a person's vehicle rests on that person's question and on nothing else.
    r"""CREATE FUNCTION retention.subject_answer(entry bigint) RETURNS SETOF jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DECLARE
        scope text[];
        query jsonb;
        days date[];
        answer jsonb;
    BEGIN
        SELECT u.scope, u.query INTO scope, query FROM retention.use_intent(entry, 'subject') AS u;
        IF NOT EXISTS (SELECT FROM retention.demands AS d WHERE d.agency = ANY (scope) AND d.kind = 'subject_access'
                AND d.answered_at IS NULL AND d.demand_id\:\:text = (query #>> '{search,demand_id}')) THEN
            RAISE EXCEPTION 'DEMAND_UNKNOWN' USING ERRCODE = 'insufficient_privilege';
        END IF;
        SELECT d.days INTO days FROM retention.search_days(query -> 'search', scope, '-infinity', 'infinity') AS d;
        EXECUTE $q$
            SELECT jsonb_build_object('reads', count(*), 'first_on', min((r.captured_at AT TIME ZONE 'UTC')\:\:date),
                'last_on', max((r.captured_at AT TIME ZONE 'UTC')\:\:date),
                'kept_until', max(coalesce(r.was_due, r.due_day)))
            FROM retention.reads AS r
            WHERE r.agency = ANY ($1) AND r.due_day = ANY ($2) AND NOT r.retracted
              AND r.plate = ($3 #>> '{search,plate}')
              AND (NOT $3 -> 'search' ? 'state' OR r.state = ($3 #>> '{search,state}')) $q$
        INTO answer USING scope, days, query;
        PERFORM set_config('alpr.agencies', '', true);
        RETURN NEXT answer;
    END $$""",
)

RIGHTS: tuple[str, ...] = (
    "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA retention FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION retention.agreements_of(text) TO alpr_reader",
    "GRANT EXECUTE ON FUNCTION retention.subject_answer(bigint) TO alpr_reader",
    """GRANT SELECT, INSERT, UPDATE (denied_at, approved_at, stopped_at, stopped_by, stopped_name, stop_reason)
        ON retention.agreements TO alpr_retention""",
    "GRANT SELECT, INSERT ON retention.agreement_approvals TO alpr_retention",
    "GRANT SELECT ON retention.agreement_uses TO alpr_retention",
    "GRANT SELECT, INSERT, UPDATE ON retention.repositories, retention.repository_batches TO alpr_retention",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON retention.repository_items TO alpr_retention",
    """GRANT SELECT, INSERT, UPDATE (hold_id, request_id, outcome, words, answer, answered_by, answered_name, answered_at)
        ON retention.demands TO alpr_retention""",
)
BETWEEN_AGENCIES = ("agreements", "agreement_approvals", "agreement_uses")
OF_AN_AGENCY = ("repositories", "repository_items", "repository_batches", "demands")


def _guard(table: str, seen: str, written: str) -> None:
    op.execute(f"ALTER TABLE retention.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE retention.{table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY door ON retention.{table} USING (true) WITH CHECK (true)")
    op.execute(f"CREATE POLICY agency ON retention.{table} AS RESTRICTIVE USING ({seen}) WITH CHECK ({written})")


def upgrade() -> None:
    """Add agreements, repositories and demands; let searches go to another agency's reads under an agreement."""
    for statement in (*AGREEMENTS, *REPOSITORY, *DEMANDS, *SUBJECTS):
        op.execute(statement)
    for table in BETWEEN_AGENCIES:
        _guard(table, OF_EITHER, OF_EITHER if table == "agreement_uses" else OF_GIVER)
    for table in OF_AN_AGENCY:
        _guard(table, IN_SCOPE, IN_SCOPE)
    for statement in RIGHTS:
        op.execute(statement)
