"""Canvasses: area and window of an incident, its units, and the plates entered for it."""

from __future__ import annotations

from alembic import op

revision = "0007_pre_lists"
down_revision = "0006_pre_reasons"
branch_labels = None
depends_on = None

TABLES = (
    # the case number and what happened are sealed; where and when it was asked for is no secret of the case
    """
    CREATE TABLE console.canvasses (
        canvass_id text PRIMARY KEY,
        agency text NOT NULL,
        incident_type text NOT NULL,
        polygon text NOT NULL,
        captured_from timestamptz NOT NULL,
        captured_to timestamptz NOT NULL CHECK (captured_to > captured_from),
        purpose_code text NOT NULL CHECK (purpose_code <> ''),
        sealed bytea NOT NULL,
        key_id text NOT NULL,
        profile_version text NOT NULL,
        opened_by text NOT NULL,
        opened_name text NOT NULL,
        opened_at timestamptz NOT NULL,
        closed_at timestamptz,
        closed_name text NOT NULL DEFAULT '',
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX canvasses_agency ON console.canvasses (agency, opened_at)",
    "CREATE INDEX canvasses_expiry ON console.canvasses (expires_at)",
    """
    CREATE TABLE console.canvass_units (
        canvass_id text NOT NULL REFERENCES console.canvasses ON DELETE CASCADE,
        agency text NOT NULL,
        device_id text NOT NULL,
        full_name text NOT NULL,
        assigned_at timestamptz NOT NULL,
        PRIMARY KEY (canvass_id, device_id)
    )
    """,
    """
    CREATE TABLE console.canvass_entries (
        canvass_id text NOT NULL REFERENCES console.canvasses ON DELETE CASCADE,
        agency text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('partial', 'hot_plate')),
        entry_id text NOT NULL,
        full_name text NOT NULL,
        added_at timestamptz NOT NULL,
        PRIMARY KEY (canvass_id, kind, entry_id)
    )
    """,
)
RIGHTS = {
    "canvasses": "SELECT, INSERT, UPDATE, DELETE",
    "canvass_units": "SELECT, INSERT, DELETE",
    "canvass_entries": "SELECT, INSERT, DELETE",
}
"""Rows are seen only by the agency the transaction speaks for ('*': the purge)."""


def upgrade() -> None:
    """Expand: three new tables, nothing that exists changes."""
    for statement in TABLES:
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
