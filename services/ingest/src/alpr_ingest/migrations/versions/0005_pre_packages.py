"""Packages of lists for devices, which versions each device holds, and checks before a shift."""

from __future__ import annotations

from alembic import op

revision = "0005_pre_packages"
down_revision = "0004_pre_special"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # Nonces of devices' calls, kept for as long as a call could be sent again.
    """CREATE TABLE ingest.device_calls (
        device_id text NOT NULL REFERENCES ingest.devices,
        nonce text NOT NULL,
        called_at timestamptz NOT NULL,
        PRIMARY KEY (device_id, nonce)
    )""",
    # Up to which version entries that a list lost are forgotten: older copies are brought up to date as a whole.
    """CREATE TABLE ingest.list_floors (
        agency text NOT NULL,
        code text NOT NULL,
        version bigint NOT NULL,
        PRIMARY KEY (agency, code),
        FOREIGN KEY (agency, code) REFERENCES ingest.hotlists
    )""",
    # What a device said it holds, newest package first: a later report replaces it whole.
    """CREATE TABLE ingest.device_copies (
        device_id text PRIMARY KEY REFERENCES ingest.devices,
        agency text NOT NULL,
        package_id text NOT NULL,
        issued_at timestamptz NOT NULL,
        reported_at timestamptz NOT NULL
    )""",
    """CREATE TABLE ingest.device_list_state (
        device_id text NOT NULL REFERENCES ingest.device_copies ON DELETE CASCADE,
        code text NOT NULL,
        version bigint NOT NULL CHECK (version > 0),
        held_since timestamptz NOT NULL,
        PRIMARY KEY (device_id, code)
    )""",
    """CREATE TABLE ingest.shift_checks (
        check_id uuid PRIMARY KEY,
        agency text NOT NULL,
        device_id text NOT NULL REFERENCES ingest.devices,
        checked_by text NOT NULL,
        checked_at timestamptz NOT NULL,
        result text NOT NULL CHECK (result IN ('ready', 'not_ready')),
        gate_overridden boolean NOT NULL,
        override_reason text NOT NULL,
        outdated jsonb NOT NULL,
        profile_version text NOT NULL,
        CHECK (NOT gate_overridden OR (result = 'ready' AND override_reason <> ''))
    )""",
    "CREATE INDEX shift_checks_device ON ingest.shift_checks (device_id, checked_at DESC)",
    "GRANT SELECT, INSERT, DELETE ON ingest.device_calls TO alpr_ingest",
    "GRANT SELECT, INSERT, UPDATE ON ingest.list_floors, ingest.device_copies TO alpr_ingest",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ingest.device_list_state TO alpr_ingest",
    "GRANT SELECT, INSERT ON ingest.shift_checks TO alpr_ingest",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
