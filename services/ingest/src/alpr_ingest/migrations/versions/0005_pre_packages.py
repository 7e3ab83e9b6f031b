"""Packages of lists for devices, and the versions that devices hold."""

from alembic import op

revision = "0005_pre_packages"
down_revision = "0004_pre_special"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
