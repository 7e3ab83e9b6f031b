"""The work on hits in PostgreSQL: steps are added, never changed, each with its ledger entry in one transaction."""

from .needs import keep_needs
from .steps import Answer, Made, WorkflowStore
from .work import Hooks, no_change, nobody

__all__ = ["Answer", "Hooks", "Made", "WorkflowStore", "keep_needs", "no_change", "nobody"]
