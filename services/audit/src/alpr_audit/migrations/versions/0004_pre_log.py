"""Epochs of the ledger and the erasure of expired personal content."""

from __future__ import annotations

from alembic import op

revision = "0004_pre_log"
down_revision = "0003_pre_reviews"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
