"""Papers of people: training, certifications, clearances, assignments, delegations, access reviews."""

from __future__ import annotations

from alembic import op

revision = "0003_pre_people"
down_revision = "0002_pre_read_checks"
branch_labels = None
depends_on = None

PEOPLE = (
    """
    ALTER TABLE console.people
        ADD COLUMN employee_id text NOT NULL DEFAULT '',
        ADD COLUMN category text NOT NULL DEFAULT '',
        ADD COLUMN job_title text NOT NULL DEFAULT '',
        ADD COLUMN grants text[] NOT NULL DEFAULT '{}',
        ADD COLUMN created_by text NOT NULL DEFAULT '',
        ADD COLUMN activated_at timestamptz,
        ADD COLUMN opened_at timestamptz,
        ADD COLUMN credentials_at timestamptz,
        ADD COLUMN last_login_at timestamptz,
        ADD COLUMN suspended text NOT NULL DEFAULT ''
    """,
    # accounts from before this migration were activated by being made; their papers are still asked for
    "UPDATE console.people SET activated_at = created_at, credentials_at = created_at",
    # one living account per person (ACC-02); rows are never deleted, so no username is ever given twice (CJIS IA-4d)
    """
    CREATE UNIQUE INDEX people_one_account ON console.people (agency, employee_id)
        WHERE disabled_at IS NULL AND employee_id <> ''
    """,
    "CREATE INDEX people_agency ON console.people (agency, username)",
)
TABLES = {
    "courses": """
        course_id text PRIMARY KEY,
        agency text NOT NULL,
        name text NOT NULL,
        version text NOT NULL,
        tags text[] NOT NULL,
        valid_days integer CHECK (valid_days > 0),
        created_by text NOT NULL,
        created_at timestamptz NOT NULL,
        approved_by text NOT NULL DEFAULT '',
        approved_at timestamptz,
        UNIQUE (agency, name, version)
    """,
    "training_records": """
        record_id text PRIMARY KEY,
        agency text NOT NULL,
        person_id text NOT NULL REFERENCES console.people,
        course_id text NOT NULL REFERENCES console.courses,
        context text NOT NULL,
        completed_on date NOT NULL,
        expires_on date,
        trainer text NOT NULL,
        passed boolean NOT NULL,
        recorded_by text NOT NULL,
        recorded_at timestamptz NOT NULL
    """,
    "training_sessions": """
        session_id text PRIMARY KEY,
        agency text NOT NULL,
        course_id text NOT NULL REFERENCES console.courses,
        starts_at timestamptz NOT NULL,
        place text NOT NULL,
        invited text[] NOT NULL,
        planned_by text NOT NULL,
        planned_at timestamptz NOT NULL
    """,
    "certifications": """
        certification_id text PRIMARY KEY,
        agency text NOT NULL,
        person_id text NOT NULL REFERENCES console.people,
        kind text NOT NULL,
        issuer text NOT NULL,
        expires_on date NOT NULL,
        recorded_by text NOT NULL,
        recorded_at timestamptz NOT NULL
    """,
    "clearances": """
        clearance_id text PRIMARY KEY,
        agency text NOT NULL,
        person_id text NOT NULL REFERENCES console.people,
        contract_id text NOT NULL,
        contract_end date,
        live_scan_on date,
        no_convictions boolean NOT NULL,
        waiver_sha256 text NOT NULL,
        waiver_on date,
        recorded_by text NOT NULL,
        recorded_at timestamptz NOT NULL
    """,
    "policy_readings": """
        agency text NOT NULL,
        person_id text NOT NULL REFERENCES console.people,
        version text NOT NULL,
        read_at timestamptz NOT NULL,
        method text NOT NULL CHECK (method IN ('screen', 'paper')),
        recorded_by text NOT NULL,
        PRIMARY KEY (person_id, read_at)
    """,
    "unit_assignments": """
        unit_id text PRIMARY KEY,
        agency text NOT NULL,
        person_id text NOT NULL REFERENCES console.people,
        device_id text NOT NULL,
        starts_at timestamptz NOT NULL,
        ended_at timestamptz,
        assigned_by text NOT NULL
    """,
    "device_sessions": """
        device_session_id text PRIMARY KEY,
        agency text NOT NULL,
        person_id text NOT NULL REFERENCES console.people,
        device_id text NOT NULL,
        started_at timestamptz NOT NULL,
        ended_at timestamptz
    """,
    "assignments": """
        assignment_id text PRIMARY KEY,
        agency text NOT NULL,
        person_id text NOT NULL REFERENCES console.people,
        scope text NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz,
        assigned_by text NOT NULL
    """,
    "delegations": """
        delegation_id text PRIMARY KEY,
        agency text NOT NULL,
        power text NOT NULL,
        delegator_id text NOT NULL REFERENCES console.people,
        designee_id text NOT NULL REFERENCES console.people,
        designee_name text NOT NULL,
        designee_title text NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL
    """,
    "review_cycles": """
        cycle_id text PRIMARY KEY,
        agency text NOT NULL,
        period text NOT NULL,
        opened_at timestamptz NOT NULL,
        due_at timestamptz NOT NULL,
        closed_at timestamptz,
        UNIQUE (agency, period)
    """,
    "review_accounts": """
        cycle_id text NOT NULL REFERENCES console.review_cycles,
        agency text NOT NULL,
        person_id text NOT NULL REFERENCES console.people,
        decision text CHECK (decision IN ('keep', 'disable')),
        reason text NOT NULL DEFAULT '',
        decided_by text NOT NULL DEFAULT '',
        decided_at timestamptz,
        PRIMARY KEY (cycle_id, person_id)
    """,
}
RIGHTS = {
    "courses": "SELECT, INSERT, UPDATE (approved_by, approved_at)",
    "training_records": "SELECT, INSERT",
    "training_sessions": "SELECT, INSERT",
    "certifications": "SELECT, INSERT",
    "clearances": "SELECT, INSERT",
    "policy_readings": "SELECT, INSERT",
    "unit_assignments": "SELECT, INSERT, UPDATE (ended_at)",
    "device_sessions": "SELECT, INSERT, UPDATE (ended_at)",
    "assignments": "SELECT, INSERT, UPDATE (ends_at)",
    "delegations": "SELECT, INSERT, UPDATE (ends_at)",
    "review_cycles": "SELECT, INSERT, UPDATE (closed_at)",
    "review_accounts": "SELECT, INSERT, UPDATE (decision, reason, decided_by, decided_at)",
}
BY_PERSON = ("training_records", "certifications", "clearances", "unit_assignments", "assignments", "review_accounts")
# everything on file about one person, in one call: it is asked with every request of a session
STANDING = """
    CREATE FUNCTION console.standing(person text, moment timestamptz) RETURNS jsonb
    LANGUAGE plpgsql AS $$
    DECLARE
        spoken_for text := coalesce(current_setting('console.agency', true), '');
        found jsonb;
    BEGIN
    PERFORM set_config('console.agency', '*', true);
    SELECT jsonb_build_object(
        'person_id', p.person_id, 'category', p.category, 'title', p.job_title, 'employee_id', p.employee_id,
        'state', CASE WHEN p.disabled_at IS NOT NULL THEN 'disabled'
                      WHEN p.activated_at IS NULL THEN 'created' ELSE 'active' END,
        'roles', p.roles, 'grants', p.grants,
        'devices', (SELECT coalesce(jsonb_agg(u.device_id ORDER BY u.device_id), '[]') FROM console.unit_assignments u
                    WHERE u.person_id = p.person_id AND u.starts_at <= moment AND u.ended_at IS NULL),
        'training', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                        'tags', c.tags, 'context', r.context, 'completed_on', r.completed_on,
                        'expires_on', r.expires_on, 'passed', r.passed,
                        'approved', c.approved_at IS NOT NULL) ORDER BY r.recorded_at), '[]')
                     FROM console.training_records r JOIN console.courses c USING (course_id)
                     WHERE r.person_id = p.person_id),
        'certifications', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                              'kind', t.kind, 'issuer', t.issuer, 'expires_on', t.expires_on)), '[]')
                           FROM console.certifications t WHERE t.person_id = p.person_id),
        'reading', (SELECT jsonb_build_object('version', k.version, 'at', k.read_at) FROM console.policy_readings k
                    WHERE k.person_id = p.person_id ORDER BY k.read_at DESC LIMIT 1),
        'clearance', (SELECT jsonb_build_object(
                         'contract_id', l.contract_id, 'contract_end', l.contract_end, 'live_scan_on', l.live_scan_on,
                         'no_convictions', l.no_convictions, 'waiver_sha256', l.waiver_sha256,
                         'waiver_on', l.waiver_on)
                      FROM console.clearances l WHERE l.person_id = p.person_id ORDER BY l.recorded_at DESC LIMIT 1),
        'review_overdue', EXISTS (SELECT 1 FROM console.review_accounts a JOIN console.review_cycles y USING (cycle_id)
                                  WHERE a.person_id = p.person_id AND a.decision IS NULL
                                    AND (y.closed_at IS NOT NULL OR y.due_at <= moment)))
    INTO found FROM console.people p WHERE p.person_id = person;
    PERFORM set_config('console.agency', spoken_for, true);
    RETURN found;
    END $$
"""


def upgrade() -> None:
    for statement in PEOPLE:
        op.execute(statement)
    for table, columns in TABLES.items():
        op.execute(f"CREATE TABLE console.{table} ({columns})")
        op.execute(f"ALTER TABLE console.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE console.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_rows ON console.{table} USING (true)")
        op.execute(
            f"CREATE POLICY {table}_agency ON console.{table} AS RESTRICTIVE "
            "USING (current_setting('console.agency', true) IN (agency, '*'))"
        )
        op.execute(f"GRANT {RIGHTS[table]} ON console.{table} TO alpr_console")
    for table in BY_PERSON:
        op.execute(f"CREATE INDEX {table}_person ON console.{table} (person_id)")
    op.execute(STANDING)
    op.execute("REVOKE ALL ON FUNCTION console.standing FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION console.standing TO alpr_console")
