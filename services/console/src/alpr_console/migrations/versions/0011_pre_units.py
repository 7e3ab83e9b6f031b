"""Clients in vehicles and on desktops, and what was delivered to them."""

from __future__ import annotations

from alembic import op

revision = "0011_pre_units"
down_revision = "0010_pre_cad"
branch_labels = None
depends_on = None

STATEMENTS = (
    # without row-level security, as console.sessions and console.people: a session and its client are found by the
    # session's secret, before anybody knows which agency the call speaks for; no plate stands here
    """
    CREATE TABLE console.clients (
        client_id text PRIMARY KEY,
        agency text NOT NULL,
        session_id text NOT NULL,
        person_id text NOT NULL REFERENCES console.people,
        client_kind text NOT NULL CHECK (client_kind IN ('vehicle', 'desktop')),
        unit text NOT NULL,
        shift text NOT NULL,
        device_id text NOT NULL,
        device_session_id text NOT NULL,
        signed_on_at timestamptz NOT NULL,
        signed_off_at timestamptz,
        off_reason text NOT NULL DEFAULT ''
    )
    """,
    # a session is one client at a time; whoever asks for a session finds its client by this
    "CREATE UNIQUE INDEX clients_on ON console.clients (session_id) WHERE signed_off_at IS NULL",
    "CREATE INDEX clients_agency ON console.clients (agency) WHERE signed_off_at IS NULL",
    """
    CREATE TABLE console.deliveries (
        delivery_id text PRIMARY KEY,
        agency text NOT NULL,
        event_no bigint NOT NULL,
        client_id text NOT NULL REFERENCES console.clients,
        session_id text NOT NULL,
        client_kind text NOT NULL,
        unit text NOT NULL,
        notification_id text NOT NULL,
        revision integer NOT NULL,
        kind text NOT NULL,
        incident_id text NOT NULL,
        hit_id text NOT NULL,
        audible boolean NOT NULL,
        screen_text text NOT NULL,
        content jsonb NOT NULL,
        notified_at timestamptz NOT NULL,
        stored_at timestamptz NOT NULL,
        delivered_at timestamptz,
        presented_at timestamptz,
        sound boolean,
        screen boolean,
        acknowledged_at timestamptz,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX deliveries_session ON console.deliveries (session_id, event_no)",
    "CREATE INDEX deliveries_hit ON console.deliveries (agency, hit_id)",
    "CREATE INDEX deliveries_expiry ON console.deliveries (expires_at)",
    "ALTER TABLE console.deliveries ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE console.deliveries FORCE ROW LEVEL SECURITY",
    "CREATE POLICY deliveries_rows ON console.deliveries USING (true)",
    """
    CREATE POLICY deliveries_agency ON console.deliveries AS RESTRICTIVE
    USING (current_setting('console.agency', true) IN (agency, '*'))
    """,
    # officer, unit, shift and start of a session on a device (DEF-10)
    """
    ALTER TABLE console.device_sessions
    ADD COLUMN unit text NOT NULL DEFAULT '', ADD COLUMN shift text NOT NULL DEFAULT ''
    """,
    # the dispatch console is one target, whoever watches there: when its notification first went out to a screen
    "ALTER TABLE console.notifications ADD COLUMN delivered_at timestamptz",
    "GRANT UPDATE (delivered_at) ON console.notifications TO alpr_console",
    "GRANT SELECT, INSERT, UPDATE (signed_off_at, off_reason), DELETE ON console.clients TO alpr_console",
    """
    GRANT SELECT, INSERT, DELETE, UPDATE (delivered_at, presented_at, sound, screen, acknowledged_at)
    ON console.deliveries TO alpr_console
    """,
)


def upgrade() -> None:
    """Add sign-ons and deliveries."""
    for statement in STATEMENTS:
        op.execute(statement)
