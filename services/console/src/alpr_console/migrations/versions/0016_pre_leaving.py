"""The last day of an account that was given for a time, or whose person leaves."""

from __future__ import annotations

from alembic import op

revision = "0016_pre_leaving"
down_revision = "0014_pre_breaches"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE console.people ADD COLUMN leaves_on date")
