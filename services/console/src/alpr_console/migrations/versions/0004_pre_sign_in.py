"""Second factors, password rules and sign-in through an identity provider."""

from __future__ import annotations

from alembic import op

revision = "0004_pre_sign_in"
down_revision = "0003_pre_people"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
