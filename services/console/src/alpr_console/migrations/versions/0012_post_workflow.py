"""What replicas of the release before wrote about hits while the new one took over: steps, too, with the codes of today."""

from __future__ import annotations

from alembic import op

revision = "0012_post_workflow"
down_revision = "0011_pre_units"
branch_labels = None
depends_on = None

STATEMENTS = (
    "SELECT set_config('console.agency', '*', true)",
    # it was done under the rules of then
    "ALTER TABLE console.hit_steps DISABLE TRIGGER check_step",
    "SELECT console.take_over_work()",
    "ALTER TABLE console.hit_steps ENABLE TRIGGER check_step",
    "DROP FUNCTION console.take_over_work()",
    "ALTER TABLE console.verifications DROP CONSTRAINT verifications_result_check",
    """
    ALTER TABLE console.verifications
        ADD CONSTRAINT verifications_result_check CHECK (result IN ('active', 'not_active', 'no_record', 'error'))
    """,
)


def upgrade() -> None:
    """Take over, and end the codes of before."""
    for statement in STATEMENTS:
        op.execute(statement)
