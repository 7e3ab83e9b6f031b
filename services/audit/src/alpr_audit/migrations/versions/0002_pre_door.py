"""Use approvals, protected events and queries whose case number is still to come."""

from __future__ import annotations

from alembic import op

revision = "0002_pre_door"
down_revision = "0001_pre_ledger"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    # Approvals and protected events are looked up at every search by area; they are few among millions of entries.
    """CREATE INDEX entries_declared ON audit.entries (kind, agency, idx)
        WHERE kind IN ('use_approval', 'protected_event')""",
    "CREATE INDEX personal_case_due ON audit.personal (idx) WHERE content ->> 'case_number' = 'due'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
