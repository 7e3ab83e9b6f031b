"""Papers of people: training, certifications, clearances, assignments, delegations, access reviews."""

from __future__ import annotations

from alembic import op

revision = "0003_pre_people"
down_revision = "0002_pre_read_checks"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
