"""Audit reports, audit tasks, samples and findings."""

from __future__ import annotations

from alembic import op

revision = "0003_pre_reviews"
down_revision = "0002_pre_door"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
