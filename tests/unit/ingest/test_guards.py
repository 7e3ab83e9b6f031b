"""What a list takes of a file, what keeps a file from replacing the version in force, and what a reason lifts."""

from datetime import UTC, datetime, timedelta

import pytest

from alpr_ingest.hotlists import LIFTABLE, ActiveList, guards, left_out, unfit, version_of
from alprcore.layouts import Line
from alprcore.model import EntryDetails, Plate

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def active(**changes):
    fields = {
        "agency": "demo", "code": "SVS", "name": "n", "list_type": "core", "advisory_class": "a", "default_reason": "r",
        "source": "s", "loads_per_day": 2, "approved": True, "version": 3, "entries": 100,
        "source_time": NOW - timedelta(hours=6), "loaded_at": NOW - timedelta(hours=5),
    }  # fmt: skip
    return ActiveList(**fields | changes)


NEVER = {"version": 0, "entries": 0, "source_time": None}


@pytest.mark.parametrize(
    ("changes", "entries", "age_h", "expected"),
    [
        ({}, 100, 1, []),
        ({}, 100, 6, []),
        ({}, 100, 7, ["LIST_OLDER_THAN_ACTIVE"]),
        ({}, 50, 1, []),
        ({}, 49, 1, ["LIST_SHRUNK"]),
        ({}, 49, 7, ["LIST_OLDER_THAN_ACTIVE", "LIST_SHRUNK"]),
        ({}, 100, -1, ["SOURCE_TIME_AHEAD"]),
        ({}, 1_100, 1, []),
        ({}, 1_101, 1, ["LIST_GREW"]),
        ({"entries": 10_000}, 30_000, 1, []),
        ({"entries": 10_000}, 30_001, 1, ["LIST_GREW"]),
        (NEVER, 1, 1000, []),
        (NEVER, 5_000_000, 1, []),
        ({"approved": False, "list_type": "special"}, 100, 1, ["LIST_NOT_APPROVED"]),
        ({"list_type": "hot_plate"}, 100, 1, ["LIST_NOT_LOADABLE"]),
        ({"list_type": "partial"}, 100, 1, ["LIST_NOT_LOADABLE"]),
    ],
)
def test_which_load_may_replace_what_is_active(changes, entries, age_h, expected):
    source_time = NOW - timedelta(hours=age_h)
    assert [one.reason_code for one in guards(active(**changes), entries, source_time, now=NOW)] == expected


def test_only_guards_over_sizes_can_be_lifted():
    assert {"LIST_SHRUNK", "LIST_GREW"} == LIFTABLE


@pytest.mark.parametrize(
    ("list_type", "details", "expected"),
    [
        ("special", EntryDetails(), "BASIS_MISSING"),
        ("special", EntryDetails(basis="Burglary series, report 26-0001"), ""),
        ("core", EntryDetails(), ""),
        ("local", EntryDetails(), ""),
    ],
)
def test_a_special_list_takes_no_entry_without_its_basis_in_criminal_activity(list_type, details, expected):
    assert unfit(list_type, details) == expected


def test_a_list_is_stale_when_its_interval_has_passed():
    assert active(loads_per_day=2).max_age_s == 43_200


OWNED = {"registered_owner": "A. Person"}


@pytest.mark.parametrize(
    ("changes", "details", "category", "removal", "use", "expected"),
    [
        ({}, {}, "A", False, "", ""),
        ({"categories_off": frozenset({"A"})}, {}, "A", False, "", "CATEGORY_OFF"),
        ({"categories_off": frozenset({"A"})}, {}, "B", False, "", ""),
        ({"categories_off": frozenset({""})}, {}, "", False, "", ""),
        ({"categories_off": frozenset({"A"})}, {}, "A", True, "", "CATEGORY_OFF"),
        ({"categories_off": frozenset({"A"})}, OWNED, "A", False, "", "CATEGORY_OFF"),
        ({"list_type": "special"}, OWNED, "", True, "", ""),
        ({"list_type": "special"}, OWNED, "", False, "", "DPPA_BASIS_REQUIRED"),
        ({"list_type": "special"}, OWNED, "", False, "2721(b)(1)", "BASIS_MISSING"),
        ({}, OWNED, "", False, "2721(b)(1)", ""),
    ],
)
def test_a_list_takes_a_line_unless_category_use_or_basis_is_wanting(
    changes, details, category, removal, use, expected
):
    line = Line(7, Plate("7ABC123"), EntryDetails(**details), category, removal)
    assert left_out(active(**changes), line, use) == expected


def test_a_version_is_told_with_the_words_of_its_list():
    told = version_of(active(), 4, 120, NOW - timedelta(hours=1), NOW, {0: 17})
    assert (told.agency, told.list_code, told.version, told.entries) == ("demo", "SVS", 4, 120)
    assert (told.source_time, told.loaded_at) == (NOW - timedelta(hours=1), NOW)
    assert (told.max_age_s, told.default_reason, told.end_offsets) == (43_200, "r", {0: 17})
    assert version_of(active(), 4, 120, NOW, NOW).end_offsets == {}
