"""Steps of the work on a hit: added, never changed; what the profile forbids is refused by the database itself."""

from __future__ import annotations

from alembic import op

revision = "0008_pre_workflow"
down_revision = "0007_pre_lists"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE console.hit_steps (
        step_id text PRIMARY KEY,
        agency text NOT NULL,
        hit_id text NOT NULL,
        work_id text NOT NULL,
        step_no integer NOT NULL CHECK (step_no > 0),
        step text NOT NULL CHECK (step IN ('read_check', 'verify', 'broadcast', 'broadcast_result', 'call', 'describe',
            'nature_review', 'action', 'disposition', 'closure')),
        kind text NOT NULL,
        given jsonb NOT NULL,
        client_kind text NOT NULL CHECK (client_kind IN ('dispatch_console', 'vehicle', 'desktop')),
        roles text[] NOT NULL,
        person_id text NOT NULL,
        full_name text NOT NULL,
        override_reason text NOT NULL DEFAULT '',
        overridden text[] NOT NULL DEFAULT '{}',
        unverified boolean NOT NULL DEFAULT false,
        profile_version text NOT NULL,
        done_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        UNIQUE (agency, work_id, step_no)
    )
    """,
    "CREATE UNIQUE INDEX hit_steps_closed ON console.hit_steps (agency, work_id) WHERE step = 'closure'",
    "CREATE INDEX hit_steps_begun ON console.hit_steps (agency, done_at) WHERE step_no = 1",
    "CREATE INDEX hit_steps_expiry ON console.hit_steps (expires_at)",
    """
    CREATE TABLE console.call_states (
        call_id text NOT NULL REFERENCES console.hit_steps ON DELETE CASCADE,
        state_no integer NOT NULL CHECK (state_no > 0),
        agency text NOT NULL,
        state text NOT NULL CHECK (state IN ('confirmed', 'ended')),
        verification_id text REFERENCES console.hit_steps ON DELETE CASCADE,
        person_id text NOT NULL,
        full_name text NOT NULL,
        set_at timestamptz NOT NULL,
        PRIMARY KEY (call_id, state_no),
        CHECK (state <> 'confirmed' OR verification_id IS NOT NULL)
    )
    """,
    """
    CREATE TABLE console.tasks (
        task_id text PRIMARY KEY,
        agency text NOT NULL,
        hit_id text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('confirm_after', 'clets_result', 'broadcast', 'call')),
        opened_at timestamptz NOT NULL,
        due_at timestamptz,
        closed_at timestamptz,
        escalated_at timestamptz,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX tasks_hit ON console.tasks (agency, hit_id)",
    "CREATE INDEX tasks_due ON console.tasks (due_at) WHERE closed_at IS NULL AND escalated_at IS NULL",
    "CREATE INDEX tasks_expiry ON console.tasks (expires_at)",
    # what each step needs under a version of the profile, found by asking the rules; the newest edition holds
    """
    CREATE TABLE console.step_editions (
        agency text NOT NULL,
        profile_version text NOT NULL,
        place integer NOT NULL CHECK (place > 0),
        edition text NOT NULL,
        put_at timestamptz NOT NULL,
        PRIMARY KEY (agency, profile_version, place)
    )
    """,
    """
    CREATE TABLE console.step_needs (
        agency text NOT NULL,
        profile_version text NOT NULL,
        edition text NOT NULL,
        device_kind text NOT NULL,
        client_kind text NOT NULL,
        step text NOT NULL,
        needs jsonb NOT NULL,
        PRIMARY KEY (agency, profile_version, edition, device_kind, client_kind, step)
    )
    """,
    "CREATE INDEX notifications_hit ON console.notifications (agency, hit_id)",
)
CODES = (
    # replicas of the release before go on writing their codes until the new one has taken over: 0012 ends that
    "ALTER TABLE console.verifications DROP CONSTRAINT verifications_result_check",
    """
    ALTER TABLE console.verifications
        ADD CONSTRAINT verifications_result_check
            CHECK (result IN ('active', 'not_active', 'no_record', 'error', 'confirmed', 'not_current')),
        ADD COLUMN adapter text NOT NULL DEFAULT 'manual' CHECK (adapter IN ('manual', 'stub', 'http')),
        ADD COLUMN test boolean NOT NULL DEFAULT false
    """,
    "ALTER TABLE console.read_checks DROP CONSTRAINT read_checks_result_check",
    """
    ALTER TABLE console.read_checks
        ADD CONSTRAINT read_checks_result_check CHECK (result IN ('correct', 'misread', 'wrong_state'))
    """,
)
OLD_ROWS = (
    # the work that was done before there were steps: findings about reads, and what databases answered
    """
    CREATE FUNCTION console.take_over_work() RETURNS void LANGUAGE sql AS $$
        UPDATE console.verifications SET result = CASE result WHEN 'confirmed' THEN 'active' ELSE 'not_active' END
        WHERE result IN ('confirmed', 'not_current');
        INSERT INTO console.hit_steps
            (step_id, agency, hit_id, work_id, step_no, step, kind, given, client_kind, roles, person_id, full_name,
             override_reason, profile_version, done_at, expires_at)
        SELECT s.step_id, s.agency, s.hit_id, s.work_id,
               coalesce((SELECT max(n.step_no) FROM console.hit_steps n
                         WHERE n.agency = s.agency AND n.work_id = s.work_id), 0)
               + row_number() OVER (PARTITION BY s.agency, s.work_id ORDER BY s.done_at, s.step_id),
               s.step, s.kind, s.given, 'dispatch_console', '{}', s.person_id, s.full_name, s.override_reason,
               s.profile_version, s.done_at, s.expires_at
        FROM (
            SELECT 'check-' || c.hit_id || '-' || c.check_no AS step_id, c.agency, c.hit_id,
                   console.work_of(c.agency, c.hit_id) AS work_id, 'read_check' AS step, c.result AS kind,
                   jsonb_build_object('result', c.result, 'method', c.method, 'state_confirmed', c.state_confirmed,
                                      'corrected_text', c.corrected_text) AS given,
                   c.person_id, c.full_name, '' AS override_reason, '' AS profile_version, c.checked_at AS done_at,
                   c.expires_at
            FROM console.read_checks c
            WHERE c.plate_text IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM console.hit_steps k WHERE k.agency = c.agency AND k.hit_id = c.hit_id
                AND k.step = 'read_check' AND k.done_at = c.checked_at)
            UNION ALL
            SELECT v.verification_id, v.agency, v.hit_id, console.work_of(v.agency, v.hit_id), 'verify', v.result,
                   jsonb_build_object('source', v.source, 'route', v.route, 'result', v.result, 'reference', v.reference,
                                      'adapter', v.adapter, 'test', v.test),
                   v.person_id, v.full_name, v.override_reason, v.profile_version, v.verified_at, v.expires_at
            FROM console.verifications v
            WHERE NOT EXISTS (SELECT 1 FROM console.hit_steps k WHERE k.step_id = v.verification_id)
        ) AS s
    $$
    """,
    "SELECT set_config('console.agency', '*', true)",
    "SELECT console.take_over_work()",
)
RULES = (
    # one vehicle is one work: every hit of an incident belongs to the work of its first
    """
    CREATE FUNCTION console.work_of(an_agency text, a_hit text) RETURNS text LANGUAGE sql STABLE AS $$
        SELECT coalesce((
            SELECT f.hit_id FROM console.notifications f
            WHERE f.agency = an_agency AND f.client_kind = 'dispatch_console' AND f.kind IN ('hit', 'update', 'recall')
              AND f.incident_id = (
                SELECT n.incident_id FROM console.notifications n
                WHERE n.agency = an_agency AND n.hit_id = a_hit AND n.client_kind = 'dispatch_console'
                  AND n.kind IN ('hit', 'update', 'recall') ORDER BY n.revision DESC LIMIT 1)
            ORDER BY f.revision LIMIT 1), a_hit)
    $$
    """,
    """
    CREATE FUNCTION console.lock_work(a_work text) RETURNS void LANGUAGE sql AS $$
        SELECT pg_advisory_xact_lock(hashtext('console.work'), hashtext(a_work))
    $$
    """,
    # the newest answer of one kind of step in a work; NULL: none
    """
    CREATE FUNCTION console.newest_step(an_agency text, a_work text, a_step text) RETURNS text
    LANGUAGE sql STABLE AS $$
        SELECT s.kind FROM console.hit_steps s
        WHERE s.agency = an_agency AND s.work_id = a_work AND s.step = a_step AND s.kind NOT IN ('error', 'uncounted')
        ORDER BY s.step_no DESC LIMIT 1
    $$
    """,
    """
    CREATE FUNCTION console.has_step(an_agency text, a_work text, a_step text, a_kind text DEFAULT NULL)
    RETURNS boolean LANGUAGE sql STABLE AS $$
        SELECT EXISTS (SELECT 1 FROM console.hit_steps s WHERE s.agency = an_agency AND s.work_id = a_work
                       AND s.step = a_step AND (a_kind IS NULL OR s.kind = a_kind))
    $$
    """,
    # whether somebody works on it: such a hit stays on the screens beyond the day in which hits are live
    """
    CREATE FUNCTION console.work_open(an_agency text, a_hit text) RETURNS boolean LANGUAGE sql STABLE AS $$
        SELECT EXISTS (SELECT 1 FROM console.hit_steps s WHERE s.agency = an_agency AND s.work_id = w.work_id)
           AND NOT console.has_step(an_agency, w.work_id, 'closure')
           AND coalesce(console.newest_step(an_agency, w.work_id, 'read_check'), '') NOT IN ('misread', 'wrong_state')
           AND coalesce(console.newest_step(an_agency, w.work_id, 'verify'), '') <> 'not_active'
        FROM (SELECT console.work_of(an_agency, a_hit) AS work_id) AS w
    $$
    """,
    """
    CREATE FUNCTION console.stolen_and_active(an_agency text, a_work text) RETURNS boolean LANGUAGE sql STABLE AS $$
        SELECT coalesce(console.newest_step(an_agency, a_work, 'verify'), '') = 'active'
           AND EXISTS (SELECT 1 FROM console.hits h WHERE h.agency = an_agency AND h.hit_id = a_work
                       AND h.card ->> 'reason' = 'stolen_vehicle')
    $$
    """,
    # one need of a step, in the words of the step's needs: never stricter than the rules, which are asked first
    """
    CREATE FUNCTION console.need_met(a_need text, s console.hit_steps) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
    BEGIN
        RETURN CASE a_need
            WHEN 'not_closed' THEN NOT console.has_step(s.agency, s.work_id, 'closure')
            WHEN 'not_withdrawn' THEN NOT EXISTS (
                SELECT 1 FROM console.hits h WHERE h.agency = s.agency AND h.hit_id = s.work_id
                AND h.card ->> 'withdrawn_at' IS NOT NULL)
                OR coalesce(console.newest_step(s.agency, s.work_id, 'verify'), '') = 'not_active'
            WHEN 'not_misread' THEN
                coalesce(console.newest_step(s.agency, s.work_id, 'read_check'), '') <> 'misread'
            WHEN 'not_wrong_state' THEN
                coalesce(console.newest_step(s.agency, s.work_id, 'read_check'), '') <> 'wrong_state'
            WHEN 'not_obsolete' THEN
                coalesce(console.newest_step(s.agency, s.work_id, 'verify'), '') <> 'not_active'
            WHEN 'read_check' THEN console.has_step(s.agency, s.work_id, 'read_check', 'correct')
            WHEN 'visual_check' THEN EXISTS (
                SELECT 1 FROM console.hit_steps c WHERE c.agency = s.agency AND c.work_id = s.work_id
                AND c.step = 'read_check' AND c.kind = 'correct' AND c.given ->> 'method' = 'visual_on_vehicle')
            WHEN 'state_check' THEN NOT EXISTS (
                SELECT 1 FROM (
                    SELECT c.given ->> 'state_confirmed' AS found FROM console.hit_steps c
                    WHERE c.agency = s.agency AND c.work_id = s.work_id AND c.step = 'read_check'
                    ORDER BY c.step_no DESC LIMIT 1) AS newest WHERE newest.found = 'mismatch')
            WHEN 'verify' THEN console.has_step(s.agency, s.work_id, 'verify', 'active')
            WHEN 'answer' THEN console.newest_step(s.agency, s.work_id, 'verify') IS NOT NULL
            WHEN 'verify_or_exigency' THEN
                console.has_step(s.agency, s.work_id, 'verify', 'active') OR s.given ->> 'exigency' IS NOT NULL
            WHEN 'verify_after' THEN NOT EXISTS (
                SELECT 1 FROM console.hit_steps a WHERE a.agency = s.agency AND a.work_id = s.work_id
                AND a.step = 'action' AND a.given ->> 'exigency' IS NOT NULL
                AND NOT EXISTS (
                    SELECT 1 FROM console.hit_steps v WHERE v.agency = s.agency AND v.work_id = s.work_id
                    AND v.step = 'verify' AND (v.step_no > a.step_no OR v.kind = 'active')))
            WHEN 'broadcast' THEN console.has_step(s.agency, s.work_id, 'broadcast')
                OR coalesce(console.newest_step(s.agency, s.work_id, 'verify'), '') IN ('not_active', 'no_record')
            WHEN 'broadcast_result' THEN
                console.has_step(s.agency, s.work_id, 'broadcast_result')
                OR NOT console.has_step(s.agency, s.work_id, 'broadcast')
            WHEN 'call' THEN console.has_step(s.agency, s.work_id, 'call')
            WHEN 'describe' THEN EXISTS (
                SELECT 1 FROM console.hit_steps d WHERE d.agency = s.agency AND d.work_id = s.work_id
                AND d.step IN ('call', 'describe') AND d.given ->> 'direction_of_travel' <> ''
                AND d.given ->> 'vehicle_description' <> '')
                OR coalesce(console.newest_step(s.agency, s.work_id, 'verify'), '') IN ('not_active', 'no_record')
            WHEN 'nature_review' THEN console.has_step(s.agency, s.work_id, 'nature_review')
            WHEN 'basis' THEN s.kind NOT IN ('traffic_stop', 'investigative_stop', 'arrest')
                OR coalesce(s.given -> 'basis' ->> 'narrative', '') <> ''
            WHEN 'own_basis' THEN coalesce(s.given -> 'basis' ->> 'narrative', '') <> ''
                OR NOT EXISTS (SELECT 1 FROM console.hits h WHERE h.agency = s.agency AND h.hit_id = s.work_id
                               AND h.card ->> 'advisory_class' = 'information_only')
            WHEN 'stolen_broadcast' THEN console.has_step(s.agency, s.work_id, 'broadcast')
                OR NOT console.stolen_and_active(s.agency, s.work_id)
            WHEN 'stolen_call' THEN console.has_step(s.agency, s.work_id, 'call', 'stolen_vehicle')
                OR NOT console.stolen_and_active(s.agency, s.work_id)
                OR EXISTS (SELECT 1 FROM console.hit_steps d WHERE d.agency = s.agency AND d.work_id = s.work_id
                           AND d.step = 'disposition' AND d.given ->> 'occupied' = 'no')
            WHEN 'recovery_call' THEN console.has_step(s.agency, s.work_id, 'call', 'stolen_vehicle_recovery')
                OR s.given ->> 'occupied' <> 'no' OR (s.given ->> 'recovered')::boolean
                OR NOT EXISTS (SELECT 1 FROM console.hits h WHERE h.agency = s.agency AND h.hit_id = s.work_id
                               AND h.card ->> 'reason' = 'stolen_vehicle')
        END;
    END $$
    """,
    # an illegal step is refused here, whoever writes it
    """
    CREATE FUNCTION console.check_step() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        device text;
        version text;
        newest text;
        need record;
        needs jsonb;
        reasoned boolean;
        other_vehicle boolean;
        owed boolean;
        withdrawn boolean;
    BEGIN
        NEW.work_id := console.work_of(NEW.agency, NEW.hit_id);
        PERFORM console.lock_work(NEW.work_id);
        SELECT h.card ->> 'device_kind' INTO device FROM console.hits h
        WHERE h.agency = NEW.agency AND h.hit_id IN (NEW.work_id, NEW.hit_id) ORDER BY h.hit_id = NEW.work_id DESC LIMIT 1;
        SELECT f.version INTO version FROM console.profile_in_force f
        WHERE f.agency = NEW.agency ORDER BY f.place DESC LIMIT 1;
        IF device IS NULL OR version IS NULL OR version <> NEW.profile_version THEN
            RAISE EXCEPTION 'PROFILE_CHANGED' USING ERRCODE = 'check_violation', CONSTRAINT = 'profile_in_force';
        END IF;
        SELECT e.edition INTO newest FROM console.step_editions e
        WHERE e.agency = NEW.agency AND e.profile_version = version ORDER BY e.place DESC LIMIT 1;
        SELECT n.needs INTO needs FROM console.step_needs n
        WHERE n.agency = NEW.agency AND n.profile_version = version AND n.edition = newest
          AND n.device_kind = device AND n.client_kind = NEW.client_kind AND n.step = NEW.step;
        IF needs IS NULL THEN
            RAISE EXCEPTION 'STEP_UNKNOWN' USING ERRCODE = 'check_violation', CONSTRAINT = 'step_needs';
        END IF;
        -- a soft step that was left out with a reason is not asked for again
        reasoned := length(NEW.override_reason) >= 8 OR EXISTS (
            SELECT 1 FROM console.hit_steps o WHERE o.agency = NEW.agency AND o.work_id = NEW.work_id
            AND cardinality(o.overridden) > 0);
        other_vehicle := coalesce(console.newest_step(NEW.agency, NEW.work_id, 'read_check'), '')
            IN ('misread', 'wrong_state');
        owed := NOT console.need_met('verify_after', NEW);
        withdrawn := NOT console.need_met('not_withdrawn', NEW);
        FOR need IN SELECT * FROM jsonb_to_recordset(needs) AS n (need text, gate text, reason_code text) LOOP
            CONTINUE WHEN (NEW.step = 'closure' AND other_vehicle AND need.need NOT IN ('not_closed', 'verify_after'))
                -- what an end does not take any more is not asked before the hit is closed
                OR (NEW.step = 'closure' AND withdrawn AND need.need NOT IN ('not_closed', 'verify_after', 'read_check',
                    'visual_check', 'call', 'stolen_call'))
                OR (NEW.step = 'verify' AND owed AND need.need LIKE 'not\\_%');
            IF console.need_met(need.need, NEW) IS NOT TRUE AND (need.gate = 'hard' OR NOT reasoned) THEN
                RAISE EXCEPTION '%', need.reason_code USING ERRCODE = 'check_violation', CONSTRAINT = need.need;
            END IF;
        END LOOP;
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION console.check_call_state() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (SELECT 1 FROM console.hit_steps c WHERE c.step_id = NEW.call_id AND c.agency = NEW.agency
                       AND c.step = 'call')
           OR (NEW.verification_id IS NOT NULL AND NOT EXISTS (
               SELECT 1 FROM console.hit_steps v JOIN console.hit_steps c USING (agency, work_id)
               WHERE c.step_id = NEW.call_id AND v.step_id = NEW.verification_id AND v.step = 'verify'
                 AND (NEW.state <> 'confirmed' OR v.kind = 'active')))
        THEN
            RAISE EXCEPTION 'VERIFICATION_REQUIRED' USING ERRCODE = 'check_violation', CONSTRAINT = 'call_verification';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER check_call_state BEFORE INSERT ON console.call_states
    FOR EACH ROW EXECUTE FUNCTION console.check_call_state()
    """,
    # a duty ends once, and the one to confirm afterwards only by a verification (HIT-10)
    """
    CREATE FUNCTION console.check_task() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.closed_at IS NOT NULL AND NEW.closed_at IS DISTINCT FROM OLD.closed_at
           OR OLD.escalated_at IS NOT NULL AND NEW.escalated_at IS DISTINCT FROM OLD.escalated_at
           OR OLD.kind = 'confirm_after' AND NEW.closed_at IS NOT NULL
              AND NOT EXISTS (
                SELECT 1 FROM console.hit_steps v WHERE v.agency = OLD.agency AND v.work_id = OLD.hit_id
                AND v.step = 'verify' AND v.done_at >= OLD.opened_at)
        THEN
            RAISE EXCEPTION 'TASK_OPEN' USING ERRCODE = 'check_violation', CONSTRAINT = 'task_ends_once';
        END IF;
        RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER check_task BEFORE UPDATE ON console.tasks FOR EACH ROW EXECUTE FUNCTION console.check_task()",
)
TRIGGERS = (
    "CREATE TRIGGER check_step BEFORE INSERT ON console.hit_steps FOR EACH ROW EXECUTE FUNCTION console.check_step()",
)
SCOPED = ("hit_steps", "call_states", "tasks")
"""Tables about hits: a row is seen only by the agency the transaction speaks for ('*': the purge)."""
PURGED = ("hit_steps", "call_states", "tasks")
"""Rows go by the purge alone, which speaks for all agencies."""
RIGHTS = {
    "hit_steps": "SELECT, INSERT, DELETE",
    "call_states": "SELECT, INSERT, DELETE",
    "tasks": "SELECT, INSERT, UPDATE (closed_at, escalated_at), DELETE",
    "step_editions": "SELECT, INSERT",
    "step_needs": "SELECT, INSERT",
}
FUNCTIONS = (
    "work_of (text, text)",
    "lock_work (text)",
    "newest_step (text, text, text)",
    "has_step (text, text, text, text)",
    "work_open (text, text)",
    "stolen_and_active (text, text)",
    "need_met (text, console.hit_steps)",
    "check_step ()",
    "check_call_state ()",
    "check_task ()",
)


def upgrade() -> None:
    for statement in (*TABLES, *CODES, *RULES, *OLD_ROWS, *TRIGGERS):
        op.execute(statement)
    for table in SCOPED:
        op.execute(f"ALTER TABLE console.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE console.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_rows ON console.{table} USING (true)")
        op.execute(
            f"CREATE POLICY {table}_agency ON console.{table} AS RESTRICTIVE "
            "USING (current_setting('console.agency', true) IN (agency, '*'))"
        )
    for table in PURGED:
        op.execute(
            f"CREATE POLICY {table}_purge ON console.{table} AS RESTRICTIVE FOR DELETE "
            "USING (current_setting('console.agency', true) = '*')"
        )
    for function in FUNCTIONS:
        op.execute(f"GRANT EXECUTE ON FUNCTION console.{function} TO alpr_console")
    for table, rights in RIGHTS.items():
        op.execute(f"GRANT {rights} ON console.{table} TO alpr_console")
