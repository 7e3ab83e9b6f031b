"""Messages that could not be read: whose they are, when they fall due, and where they lie sealed."""

from __future__ import annotations

from alembic import op

revision = "0010_pre_quarantine"
down_revision = "0009_pre_sharing"
branch_labels = None
depends_on = None

IN_SCOPE = "agency = ANY (string_to_array(current_setting('alpr.agencies', true), ','))"

STATEMENTS = (
    # No plate and no picture here: what was sent lies in the object store, sealed to the due day.
    """CREATE TABLE retention.frame_quarantine (
        letter_id uuid PRIMARY KEY,
        due_day date NOT NULL,
        was_due date,
        agency text NOT NULL CHECK (agency <> '' AND position(',' in agency) = 0),
        topic text NOT NULL,
        reason_code text NOT NULL,
        service text NOT NULL,
        device_id text NOT NULL,
        camera_id text NOT NULL,
        device_kind text NOT NULL,
        captured_at timestamptz,
        received_at timestamptz NOT NULL,
        kept_at timestamptz NOT NULL,
        latitude double precision,
        longitude double precision,
        object_key text NOT NULL,
        sealed_to text NOT NULL,
        sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
        bytes bigint NOT NULL,
        image_missing boolean NOT NULL,
        CHECK ((due_day = 'infinity') = (was_due IS NOT NULL))
    )""",
    "CREATE INDEX frame_quarantine_due ON retention.frame_quarantine (agency, due_day)",
    "CREATE INDEX frame_quarantine_newest ON retention.frame_quarantine (agency, received_at DESC, letter_id DESC)",
    "ALTER TABLE retention.frame_quarantine ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE retention.frame_quarantine FORCE ROW LEVEL SECURITY",
    "CREATE POLICY door ON retention.frame_quarantine USING (true) WITH CHECK (true)",
    f"""CREATE POLICY agency ON retention.frame_quarantine AS RESTRICTIVE
        USING ({IN_SCOPE}) WITH CHECK ({IN_SCOPE})""",
    "GRANT SELECT, INSERT, DELETE ON retention.frame_quarantine TO alpr_retention",
    "GRANT UPDATE (due_day, was_due, object_key, sealed_to) ON retention.frame_quarantine TO alpr_retention",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
