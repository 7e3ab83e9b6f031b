"""Which entered plates a purge may take."""

from datetime import UTC, datetime

import pytest

from alpr_ingest.hotlists import over


@pytest.mark.parametrize(
    ("entries", "gone"),
    [
        ([("a", None, 1), ("b", None, 9), ("c", None, None)], {"a"}),
        ([("a", None, 1), ("b", "a", 2)], {"a", "b"}),
        ([("a", None, 1), ("b", "a", None)], set()),  # it lives on in its extension
        ([("a", None, 1), ("b", "a", 2), ("c", "b", 9)], set()),
        ([("a", None, 1), ("b", "a", 9), ("c", "b", 2)], {"c"}),
        ([("b", "x", 1)], {"b"}),  # what it extended is gone already
    ],
)
def test_an_entered_plate_is_over_for_good_when_nothing_that_lives_goes_back_to_it(entries, gone):
    ends = [(entry, before, end and datetime(2020, 1, end, tzinfo=UTC)) for entry, before, end in entries]
    assert over(ends, lambda end: end < datetime(2020, 1, 5, tzinfo=UTC)) == gone
