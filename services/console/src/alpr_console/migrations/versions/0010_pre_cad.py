"""What CAD systems answered, and what they are sent."""

from __future__ import annotations

from alembic import op

revision = "0010_pre_cad"
down_revision = "0009_pre_duty"
branch_labels = None
depends_on = None

TABLES = (
    # everything a CAD said, in the order it arrived; what holds is worked out from all of it
    """
    CREATE TABLE console.cad_statuses (
        agency text NOT NULL,
        event_id text NOT NULL,
        incident_id text NOT NULL,
        hit_id text NOT NULL,
        status text NOT NULL CHECK (status IN ('accepted', 'rejected', 'dispatched', 'on_scene', 'closed')),
        reason text NOT NULL,
        call_number text NOT NULL,
        unit text NOT NULL,
        simulated boolean NOT NULL,
        said_at timestamptz NOT NULL,
        stored_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (agency, event_id)
    )
    """,
    "CREATE INDEX cad_statuses_incident ON console.cad_statuses (agency, incident_id)",
    "CREATE INDEX cad_statuses_newest ON console.cad_statuses (agency, stored_at DESC)",
    "CREATE INDEX cad_statuses_expiry ON console.cad_statuses (expires_at)",
    """
    CREATE TABLE console.cad_endpoints (
        endpoint_id text PRIMARY KEY,
        agency text NOT NULL,
        name text NOT NULL,
        url text NOT NULL,
        sealed bytea NOT NULL,
        key_id text NOT NULL,
        old_sealed bytea,
        old_key_id text NOT NULL DEFAULT '',
        old_until timestamptz,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        disabled_at timestamptz,
        delivered bigint NOT NULL DEFAULT 0,
        failed bigint NOT NULL DEFAULT 0,
        given_up bigint NOT NULL DEFAULT 0,
        last_success_at timestamptz,
        last_failure_at timestamptz,
        last_failure text NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX cad_endpoints_agency ON console.cad_endpoints (agency, created_at)",
    # one message; update_no counts what people did with an incident, 0 is the matcher's own message
    """
    CREATE TABLE console.cad_events (
        event_id text PRIMARY KEY,
        agency text NOT NULL,
        incident_id text NOT NULL,
        hit_id text NOT NULL,
        kind text NOT NULL,
        update_no integer NOT NULL,
        sent_at timestamptz NOT NULL,
        body bytea NOT NULL,
        to_topic boolean NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX cad_events_incident ON console.cad_events (agency, incident_id, update_no)",
    "CREATE INDEX cad_events_topic ON console.cad_events (agency, sent_at, update_no) WHERE to_topic",
    "CREATE INDEX cad_events_expiry ON console.cad_events (expires_at)",
    """
    CREATE TABLE console.cad_deliveries (
        event_id text NOT NULL REFERENCES console.cad_events ON DELETE CASCADE,
        endpoint_id text NOT NULL REFERENCES console.cad_endpoints,
        agency text NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL,
        delivered_at timestamptz,
        PRIMARY KEY (endpoint_id, event_id)
    )
    """,
    "CREATE INDEX cad_deliveries_event ON console.cad_deliveries (event_id)",
    "CREATE INDEX cad_deliveries_due ON console.cad_deliveries (endpoint_id, next_at) WHERE delivered_at IS NULL",
)
RIGHTS = {
    "cad_statuses": "SELECT, INSERT, DELETE",
    "cad_endpoints": "SELECT, INSERT, UPDATE",
    "cad_events": "SELECT, INSERT, UPDATE (to_topic), DELETE",
    "cad_deliveries": "SELECT, INSERT, UPDATE, DELETE",
}


def upgrade() -> None:
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
