"""How far retention's purges are applied, and indexes to find what is kept about a hit."""

from __future__ import annotations

from alembic import op

revision = "0013_pre_purge"
down_revision = "0012_post_workflow"
branch_labels = None
depends_on = None

STATEMENTS = (
    # offsets and counts alone, of all agencies: no row policy
    """
    CREATE TABLE console.purge_positions (
        partition integer PRIMARY KEY,
        next_offset bigint NOT NULL CHECK (next_offset >= 0)
    )
    """,
    """
    CREATE TABLE console.purge_orders (
        order_id text NOT NULL,
        part integer NOT NULL,
        gone jsonb NOT NULL,
        applied_at timestamptz NOT NULL,
        PRIMARY KEY (order_id, part)
    )
    """,
    "GRANT SELECT, INSERT, UPDATE, DELETE ON console.purge_orders TO alpr_console",
    "CREATE INDEX hit_steps_hit ON console.hit_steps (agency, hit_id)",
    "CREATE INDEX cad_events_hit ON console.cad_events (agency, hit_id)",
    "CREATE INDEX cad_statuses_hit ON console.cad_statuses (agency, hit_id)",
    # what used to go after a week stays for the record's time: whoever asks for the newest finds them by time
    "CREATE INDEX notifications_notified ON console.notifications (agency, notified_at)",
    "CREATE INDEX incidents_shown ON console.incidents (agency, shown_at) WHERE shown_at IS NOT NULL",
    "CREATE INDEX deliveries_client ON console.deliveries (client_id)",
    "GRANT SELECT, INSERT, UPDATE ON console.purge_positions TO alpr_console",
    # a registration names a person: it leaves with the hit's time on the screens, before the hit's own record does
    "GRANT DELETE ON console.registration_lookups TO alpr_console",
)


def upgrade() -> None:
    """Expand: what is there keeps its meaning."""
    for statement in STATEMENTS:
        op.execute(statement)
