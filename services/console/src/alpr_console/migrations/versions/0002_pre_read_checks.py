"""What people found on comparing reads with their pictures: corrected texts beside the read ones, misreads by device."""

from __future__ import annotations

from alembic import op

revision = "0002_pre_read_checks"
down_revision = "0001_pre_console"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE console.read_checks (
        hit_id text NOT NULL,
        check_no integer NOT NULL,
        agency text NOT NULL,
        read_id text NOT NULL,
        device_id text NOT NULL,
        camera_id text NOT NULL,
        reader text NOT NULL,
        result text NOT NULL CHECK (result IN ('correct', 'misread')),
        method text NOT NULL,
        state_confirmed text NOT NULL,
        plate_text text,
        corrected_text text,
        person_id text NOT NULL,
        full_name text NOT NULL,
        checked_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (hit_id, check_no)
    )
    """,
    "CREATE INDEX read_checks_device ON console.read_checks (agency, device_id, read_id)",
    "CREATE INDEX read_checks_expiry ON console.read_checks (expires_at) WHERE plate_text IS NOT NULL",
    "ALTER TABLE console.read_checks ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE console.read_checks FORCE ROW LEVEL SECURITY",
    "CREATE POLICY read_checks_rows ON console.read_checks USING (true)",
    """
    CREATE POLICY read_checks_agency ON console.read_checks AS RESTRICTIVE
    USING (current_setting('console.agency', true) IN (agency, '*'))
    """,
    # a finding is never changed or removed; its texts are cleared when the record they belong to falls due
    "GRANT SELECT, INSERT, UPDATE (plate_text, corrected_text) ON console.read_checks TO alpr_console",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
