"""Why an account is disabled, where whoever looks after people can see it."""

from __future__ import annotations

from alembic import op

revision = "0006_pre_reasons"
down_revision = "0005_pre_profiles"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand: one column more."""
    op.execute("ALTER TABLE console.people ADD COLUMN disabled_reason text NOT NULL DEFAULT ''")


def downgrade() -> None:
    """Undo it; the ledger keeps the reasons."""
    op.execute("ALTER TABLE console.people DROP COLUMN disabled_reason")
