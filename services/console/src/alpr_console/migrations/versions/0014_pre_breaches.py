"""Breaches of security or data, their tasks, who was told of them, and their course."""

from __future__ import annotations

from alembic import op

revision = "0014_pre_breaches"
down_revision = "0013_pre_purge"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE console.breaches (
        incident_id text PRIMARY KEY,
        agency text NOT NULL,
        kind text NOT NULL,
        title text NOT NULL,
        description text NOT NULL,
        discovered_at timestamptz NOT NULL,
        occurred_from timestamptz,
        occurred_to timestamptz,
        affected jsonb NOT NULL,
        counts jsonb,
        policy text NOT NULL,
        profile_version text NOT NULL,
        opened_by text NOT NULL,
        opened_name text NOT NULL,
        opened_at timestamptz NOT NULL,
        closed_at timestamptz,
        closed_name text NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX breaches_newest ON console.breaches (agency, opened_at DESC)",
    """
    CREATE TABLE console.breach_tasks (
        task_id text PRIMARY KEY,
        incident_id text NOT NULL REFERENCES console.breaches,
        agency text NOT NULL,
        number integer NOT NULL,
        code text NOT NULL,
        words text NOT NULL,
        role text NOT NULL,
        due_at timestamptz NOT NULL,
        done_at timestamptz,
        done_by text NOT NULL DEFAULT '',
        done_name text NOT NULL DEFAULT '',
        note text NOT NULL DEFAULT '',
        UNIQUE (incident_id, number)
    )
    """,
    """
    CREATE TABLE console.breach_notices (
        notice_id text PRIMARY KEY,
        incident_id text NOT NULL REFERENCES console.breaches,
        agency text NOT NULL,
        role text NOT NULL,
        words text NOT NULL,
        raised_at timestamptz NOT NULL,
        seen_at timestamptz,
        seen_by text NOT NULL DEFAULT '',
        seen_name text NOT NULL DEFAULT '',
        UNIQUE (incident_id, role)
    )
    """,
    "CREATE INDEX breach_notices_unseen ON console.breach_notices (agency, role) WHERE seen_at IS NULL",
    # the course of a breach is only ever added to
    """
    CREATE TABLE console.breach_entries (
        entry_id text PRIMARY KEY,
        incident_id text NOT NULL REFERENCES console.breaches,
        agency text NOT NULL,
        at timestamptz NOT NULL,
        person_id text NOT NULL,
        full_name text NOT NULL,
        words text NOT NULL
    )
    """,
    "CREATE INDEX breach_entries_of ON console.breach_entries (incident_id, at)",
)
RIGHTS = {
    "breaches": "SELECT, INSERT, UPDATE (counts, closed_at, closed_name)",
    "breach_tasks": "SELECT, INSERT, UPDATE (done_at, done_by, done_name, note)",
    "breach_notices": "SELECT, INSERT, UPDATE (seen_at, seen_by, seen_name)",
    "breach_entries": "SELECT, INSERT",
}


def upgrade() -> None:
    """Add breaches."""
    for statement in STATEMENTS:
        op.execute(statement)
    for table, rights in RIGHTS.items():
        op.execute(f"ALTER TABLE console.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE console.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_rows ON console.{table} USING (true)")
        op.execute(
            f"CREATE POLICY {table}_agency ON console.{table} AS RESTRICTIVE"
            " USING (current_setting('console.agency', true) IN (agency, '*'))"
        )
        op.execute(f"GRANT {rights} ON console.{table} TO alpr_console")
