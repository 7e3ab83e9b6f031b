"""How far retention's purges are applied; plates that people entered go with the records of their time."""

from __future__ import annotations

from alembic import op

revision = "0006_pre_purge"
down_revision = "0005_pre_packages"
branch_labels = None
depends_on = None

STATEMENTS = (
    """CREATE TABLE ingest.purge_positions (
        partition integer PRIMARY KEY,
        next_offset bigint NOT NULL CHECK (next_offset >= 0)
    )""",
    """CREATE TABLE ingest.purge_orders (
        order_id text NOT NULL,
        part integer NOT NULL,
        gone jsonb NOT NULL,
        applied_at timestamptz NOT NULL,
        PRIMARY KEY (order_id, part)
    )""",
    "GRANT SELECT, INSERT, UPDATE ON ingest.purge_positions TO alpr_ingest",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ingest.purge_orders TO alpr_ingest",
    "GRANT DELETE ON ingest.entered TO alpr_ingest",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
