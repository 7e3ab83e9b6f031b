"""Who holds a hit, what is due and who was told; shifts handed over, outcomes, pursuits, deployments, canaries."""

from __future__ import annotations

from alembic import op

revision = "0009_pre_duty"
down_revision = "0008_pre_workflow"
branch_labels = None
depends_on = None

CHANGES = (
    """
    ALTER TABLE console.incidents
        ADD COLUMN owner_id text NOT NULL DEFAULT '',
        ADD COLUMN owner_name text NOT NULL DEFAULT '',
        ADD COLUMN owned_since timestamptz,
        ADD COLUMN escalated_at timestamptz,
        ADD COLUMN overdue_at timestamptz,
        ADD COLUMN left_at timestamptz
    """,
    "CREATE INDEX incidents_owner ON console.incidents (agency, owner_id) WHERE owner_id <> ''",
    # the message a hit came in: whatever is told of it later carries the same hit
    "ALTER TABLE console.hits ADD COLUMN wire bytea NOT NULL DEFAULT ''",
    "ALTER TABLE console.sessions ADD COLUMN watched_at timestamptz",
    """
    CREATE INDEX hit_steps_wrong_vehicle ON console.hit_steps (agency)
    WHERE step = 'disposition' AND given ->> 'wrong_vehicle' = 'true'
    """,
)
OLD_ROWS = (
    # who took a hit of today owns it; that they went home since is no news
    "SELECT set_config('console.agency', '*', true)",
    """
    UPDATE console.incidents i
    SET owner_id = p.person_id, owner_name = p.full_name, owned_since = i.acknowledged_at, left_at = i.acknowledged_at
    FROM console.people p
    WHERE p.agency = i.agency AND p.full_name = i.acknowledged_by AND p.roles && ARRAY['dispatcher', 'supervisor']
      AND i.acknowledged_at IS NOT NULL
    """,
)
TABLES = (
    """
    CREATE TABLE console.handovers (
        handover_id text PRIMARY KEY,
        agency text NOT NULL,
        from_id text NOT NULL,
        from_name text NOT NULL,
        to_id text NOT NULL CHECK (to_id <> from_id),
        to_name text NOT NULL,
        note text NOT NULL,
        offered_at timestamptz NOT NULL,
        accepted_at timestamptz,
        withdrawn_at timestamptz,
        incidents text[] NOT NULL DEFAULT '{}',
        expires_at timestamptz NOT NULL,
        CHECK (accepted_at IS NULL OR withdrawn_at IS NULL)
    )
    """,
    # one open offer of a person at a time: what is handed over is handed to one
    """
    CREATE UNIQUE INDEX handovers_open ON console.handovers (agency, from_id)
    WHERE accepted_at IS NULL AND withdrawn_at IS NULL
    """,
    "CREATE INDEX handovers_expiry ON console.handovers (expires_at)",
    # times in which no dispatcher watched the queue
    """
    CREATE TABLE console.unattended (
        agency text NOT NULL,
        began_at timestamptz NOT NULL,
        alarmed_at timestamptz,
        ended_at timestamptz,
        PRIMARY KEY (agency, began_at)
    )
    """,
    "CREATE UNIQUE INDEX unattended_open ON console.unattended (agency) WHERE ended_at IS NULL",
    # what became of a hit, without its plate: kept for the figures of a quarter
    """
    CREATE TABLE console.outcomes (
        hit_id text PRIMARY KEY,
        agency text NOT NULL,
        device_id text NOT NULL,
        device_kind text NOT NULL,
        list_code text NOT NULL,
        grade text NOT NULL,
        captured_at timestamptz NOT NULL,
        notified_at timestamptz NOT NULL,
        shown_at timestamptz,
        acknowledged_at timestamptz,
        checked_at timestamptz,
        broadcast_at timestamptz,
        verified_at timestamptz,
        result_told_at timestamptz,
        misread boolean NOT NULL,
        wrong_state boolean NOT NULL,
        verification text NOT NULL,
        stopped boolean NOT NULL,
        disposition text NOT NULL,
        wrong_vehicle boolean NOT NULL,
        overdue boolean NOT NULL
    )
    """,
    "CREATE INDEX outcomes_captured ON console.outcomes (agency, captured_at)",
    """
    CREATE TABLE console.stop_reviews (
        review_id text PRIMARY KEY,
        agency text NOT NULL,
        hit_id text NOT NULL,
        device_id text NOT NULL,
        list_code text NOT NULL,
        grade text NOT NULL,
        opened_at timestamptz NOT NULL,
        closed_at timestamptz,
        closed_by text NOT NULL DEFAULT '',
        closed_name text NOT NULL DEFAULT '',
        finding text NOT NULL DEFAULT '',
        CHECK ((closed_at IS NULL) = (finding = ''))
    )
    """,
    """
    CREATE TABLE console.pursuits (
        pursuit_id text PRIMARY KEY,
        agency text NOT NULL,
        unit text NOT NULL CHECK (unit <> ''),
        device_id text NOT NULL,
        opened_by text NOT NULL,
        opened_name text NOT NULL,
        opened_at timestamptz NOT NULL,
        outcome text NOT NULL DEFAULT '' CHECK (outcome IN ('', 'ended', 'continued')),
        reason text NOT NULL DEFAULT '',
        closed_by text NOT NULL DEFAULT '',
        closed_name text NOT NULL DEFAULT '',
        closed_at timestamptz,
        CHECK ((outcome = '') = (closed_at IS NULL) AND (outcome = '') = (reason = ''))
    )
    """,
    "CREATE INDEX pursuits_newest ON console.pursuits (agency, opened_at DESC)",
    """
    CREATE TABLE console.pursuit_events (
        pursuit_id text NOT NULL REFERENCES console.pursuits ON DELETE CASCADE,
        agency text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('enough_vehicles', 'helicopter_arrived', 'supervisor_terminated')),
        full_name text NOT NULL,
        logged_at timestamptz NOT NULL,
        PRIMARY KEY (pursuit_id, kind)
    )
    """,
    """
    CREATE TABLE console.prompts (
        prompt_id text PRIMARY KEY,
        agency text NOT NULL,
        pursuit_id text NOT NULL REFERENCES console.pursuits ON DELETE CASCADE,
        target text NOT NULL,
        client_kind text NOT NULL CHECK (client_kind IN ('dispatch_console', 'vehicle')),
        kind text NOT NULL,
        words text NOT NULL,
        made_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX prompts_pursuit ON console.prompts (pursuit_id)",
    """
    CREATE TABLE console.deployments (
        deployment_id text PRIMARY KEY,
        agency text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('fixed_siting', 'trailer_placement', 'canvass')),
        device_id text NOT NULL,
        place text NOT NULL,
        purpose_code text NOT NULL CHECK (purpose_code <> ''),
        approval_id text NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
        author_id text NOT NULL,
        author_name text NOT NULL,
        made_at timestamptz NOT NULL,
        ended_at timestamptz,
        ended_name text NOT NULL DEFAULT '',
        CHECK (purpose_code <> 'other_approved' OR approval_id <> '')
    )
    """,
    "CREATE INDEX deployments_newest ON console.deployments (agency, starts_at DESC)",
    # the newest canary of each camera that arrived here, with the times of its way
    """
    CREATE TABLE console.canaries (
        agency text NOT NULL,
        camera_id text NOT NULL,
        device_id text NOT NULL,
        known_at timestamptz NOT NULL,
        captured_at timestamptz,
        notified_at timestamptz,
        arrived_at timestamptz,
        missing_since timestamptz,
        PRIMARY KEY (agency, camera_id)
    )
    """,
)
RIGHTS = {
    "handovers": "SELECT, INSERT, UPDATE, DELETE",
    "unattended": "SELECT, INSERT, UPDATE",
    "outcomes": "SELECT, INSERT, UPDATE",
    "stop_reviews": "SELECT, INSERT, UPDATE",
    "pursuits": "SELECT, INSERT, UPDATE",
    "pursuit_events": "SELECT, INSERT",
    "prompts": "SELECT, INSERT",
    "deployments": "SELECT, INSERT, UPDATE",
    "canaries": "SELECT, INSERT, UPDATE",
}
"""Rows are seen only by the agency the transaction speaks for ('*': the timers and the purge)."""


def upgrade() -> None:
    """Expand: columns with defaults and new tables; what exists keeps its meaning, and hits that were taken their owner."""
    for statement in (*CHANGES, *OLD_ROWS, *TABLES):
        op.execute(statement)
    for table, rights in RIGHTS.items():
        op.execute(f"ALTER TABLE console.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE console.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_rows ON console.{table} USING (true)")
        op.execute(
            f"CREATE POLICY {table}_agency ON console.{table} AS RESTRICTIVE "
            "USING (current_setting('console.agency', true) IN (agency, '*'))"
        )
        op.execute(f"GRANT {rights} ON console.{table} TO alpr_console")


def downgrade() -> None:
    """Undo it; the ledger keeps what was done."""
    for table in reversed(RIGHTS):
        op.execute(f"DROP TABLE console.{table}")
    op.execute("DROP INDEX console.hit_steps_wrong_vehicle")
    op.execute("ALTER TABLE console.sessions DROP COLUMN watched_at")
    op.execute("ALTER TABLE console.hits DROP COLUMN wire")
    op.execute(
        "ALTER TABLE console.incidents DROP COLUMN owner_id, DROP COLUMN owner_name, DROP COLUMN owned_since, "
        "DROP COLUMN escalated_at, DROP COLUMN overdue_at, DROP COLUMN left_at"
    )
