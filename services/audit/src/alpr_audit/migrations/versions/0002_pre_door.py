"""Use approvals, protected events and queries whose case number is still to come."""

from __future__ import annotations

from alembic import op

revision = "0002_pre_door"
down_revision = "0001_pre_ledger"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
