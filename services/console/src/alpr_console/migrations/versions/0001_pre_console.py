"""People, sessions, live hits and their event numbers, the outbox and the profiles in force."""

from __future__ import annotations

from alembic import op

revision = "0001_pre_console"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE console.people (
        person_id text PRIMARY KEY,
        username text NOT NULL UNIQUE,
        full_name text NOT NULL,
        organization text NOT NULL,
        agency text NOT NULL,
        roles text[] NOT NULL,
        password_hash text NOT NULL,
        totp_secret text NOT NULL DEFAULT '',
        totp_last_step bigint NOT NULL DEFAULT 0,
        failures integer NOT NULL DEFAULT 0,
        last_failure_at timestamptz,
        disabled_at timestamptz,
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE console.sessions (
        session_id text PRIMARY KEY,
        token_hash bytea NOT NULL UNIQUE,
        person_id text NOT NULL REFERENCES console.people,
        source_ip text NOT NULL,
        started_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        ended_at timestamptz,
        end_reason text NOT NULL DEFAULT '',
        sound_armed_at timestamptz,
        muted_until timestamptz
    )
    """,
    "CREATE INDEX sessions_last_seen ON console.sessions (last_seen_at)",
    """
    CREATE TABLE console.hits (
        hit_id text PRIMARY KEY,
        agency text NOT NULL,
        revision integer NOT NULL,
        matched_at timestamptz NOT NULL,
        card jsonb NOT NULL,
        entry_id text NOT NULL,
        entry_sealed bytea NOT NULL,
        entry_key_id text NOT NULL,
        stored_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX hits_newest ON console.hits (agency, matched_at DESC, hit_id)",
    "CREATE INDEX hits_expiry ON console.hits (expires_at)",
    """
    CREATE TABLE console.notifications (
        notification_id text PRIMARY KEY,
        incident_id text NOT NULL,
        agency text NOT NULL,
        revision integer NOT NULL,
        kind text NOT NULL,
        status text NOT NULL,
        target text NOT NULL,
        client_kind text NOT NULL,
        audible boolean NOT NULL,
        screen_text text NOT NULL,
        hit_id text NOT NULL,
        place text NOT NULL,
        captured_at timestamptz NOT NULL,
        notified_at timestamptz NOT NULL,
        profile_version text NOT NULL,
        stored_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX notifications_incident ON console.notifications (incident_id, revision)",
    "CREATE INDEX notifications_expiry ON console.notifications (expires_at)",
    """
    CREATE TABLE console.incidents (
        incident_id text PRIMARY KEY,
        agency text NOT NULL,
        notification_id text NOT NULL,
        revision integer NOT NULL,
        hit_id text NOT NULL,
        opened_at timestamptz NOT NULL,
        acknowledged_at timestamptz,
        acknowledged_by text NOT NULL DEFAULT '',
        shown_at timestamptz,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX incidents_newest ON console.incidents (agency, opened_at DESC, incident_id)",
    "CREATE INDEX incidents_hit ON console.incidents (hit_id)",
    "CREATE INDEX incidents_expiry ON console.incidents (expires_at)",
    """
    CREATE TABLE console.events (
        agency text NOT NULL,
        event_no bigint NOT NULL,
        incident_id text NOT NULL,
        stored_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (agency, event_no)
    )
    """,
    "CREATE INDEX events_expiry ON console.events (expires_at)",
    "CREATE TABLE console.event_numbers (agency text PRIMARY KEY, last_no bigint NOT NULL)",
    """
    CREATE TABLE console.presented (
        hit_id text NOT NULL,
        session_id text NOT NULL,
        agency text NOT NULL,
        person_id text NOT NULL,
        sound boolean NOT NULL,
        screen boolean NOT NULL,
        presented_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (hit_id, session_id)
    )
    """,
    "CREATE INDEX presented_expiry ON console.presented (expires_at)",
    """
    CREATE TABLE console.outbox (
        outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        topic text NOT NULL,
        key text NOT NULL,
        value bytea NOT NULL,
        headers jsonb NOT NULL,
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE console.profile_versions (
        agency text NOT NULL,
        version text NOT NULL,
        document text NOT NULL,
        effective_at timestamptz NOT NULL,
        PRIMARY KEY (agency, version)
    )
    """,
)
SCOPED = ("hits", "notifications", "incidents", "events", "presented")
"""Tables with plate data: a row is seen only by the agency the transaction speaks for ('*': the purge)."""
RIGHTS = {
    "people": "SELECT, INSERT, UPDATE",
    "sessions": "SELECT, INSERT, UPDATE, DELETE",
    "hits": "SELECT, INSERT, UPDATE, DELETE",
    "notifications": "SELECT, INSERT, DELETE",
    "incidents": "SELECT, INSERT, UPDATE, DELETE",
    "events": "SELECT, INSERT, DELETE",
    "event_numbers": "SELECT, INSERT, UPDATE",
    "presented": "SELECT, INSERT, DELETE",
    "outbox": "SELECT, INSERT, DELETE",
    "profile_versions": "SELECT, INSERT",
}


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    for table in SCOPED:
        op.execute(f"ALTER TABLE console.{table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE console.{table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_rows ON console.{table} USING (true)")
        op.execute(
            f"CREATE POLICY {table}_agency ON console.{table} AS RESTRICTIVE "
            "USING (current_setting('console.agency', true) IN (agency, '*'))"
        )
    for table, rights in RIGHTS.items():
        op.execute(f"GRANT {rights} ON console.{table} TO alpr_console")
