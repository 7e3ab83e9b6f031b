"""What is given for a step and how it is laid out, what each step needs of the database, what a screen is shown. Pure."""

from alprcore.workflow import tasks as duties

from .given import (
    UNCOUNTED,
    acts_from,
    attached,
    correct,
    enters_no_calls,
    from_row,
    is_practice,
    kind_of,
    laid_out,
    may_open,
    source_open,
)
from .needs import Need, Needs, edition, needs_of
from .views import REDACTED, read_check, result_words, summary, task_row, without_text, work_view

__all__ = [
    "REDACTED",
    "UNCOUNTED",
    "Need",
    "Needs",
    "acts_from",
    "attached",
    "correct",
    "duties",
    "edition",
    "enters_no_calls",
    "from_row",
    "is_practice",
    "kind_of",
    "laid_out",
    "may_open",
    "needs_of",
    "read_check",
    "result_words",
    "source_open",
    "summary",
    "task_row",
    "without_text",
    "work_view",
]
