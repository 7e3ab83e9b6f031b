"""What an agency's policy allows: pure functions over a versioned profile.

No agency is named here; every difference between agencies is a value of its profile
(CFG-01, docs/decisions/0006). Each function gives `Admitted` or `Refused`, never raises for a refusal.
"""

from .access import second_factor_needed
from .collecting import CLOCK_AHEAD_LIMIT, may_collect
from .keeping import FLOOR_YEARS, add_years, due_day, hit_is_delayed
from .profile import AccessRules, AgencyProfile, AuditRules, Governance, ListRule, Purpose, TrainingNeed
from .querying import (
    MAX_ROWS,
    MIN_JUSTIFICATION,
    MIN_PATTERN_FIXED,
    QUERY_ROLES,
    SYSTEM_PURPOSES,
    Area,
    Criteria,
    Query,
    may_query,
)

__all__ = [
    "CLOCK_AHEAD_LIMIT",
    "FLOOR_YEARS",
    "MAX_ROWS",
    "MIN_JUSTIFICATION",
    "MIN_PATTERN_FIXED",
    "QUERY_ROLES",
    "SYSTEM_PURPOSES",
    "AccessRules",
    "AgencyProfile",
    "Area",
    "AuditRules",
    "Criteria",
    "Governance",
    "ListRule",
    "Purpose",
    "Query",
    "TrainingNeed",
    "add_years",
    "due_day",
    "hit_is_delayed",
    "may_collect",
    "may_query",
    "second_factor_needed",
]
