"""Files that leave: cells that are no formulas, and how often a person may ask."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpr_audit.api.asking import match_of, search_of
from alpr_audit.api.exports import cell
from alpr_audit.api.limits import KEPT, Limit, Limits
from alprcore.policy import Area, Criteria

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'=1"),
        ("\r=1", "'=1"),
        ("\x00=1", "'=1"),
        ("  =1", "'  =1"),
        ("\n=1", "'=1"),
        ("Main and 1st", "Main and 1st"),
        ("8TST001", "8TST001"),
        (-117.83, "-117.83"),
        (None, ""),
        (True, "true"),
    ],
)
def test_no_text_begins_like_a_formula(value, written):
    assert cell(value) == written


@given(st.text())
def test_whatever_a_text_holds_no_spreadsheet_runs_it(text):
    written = cell(text)
    assert not written.lstrip().startswith(("=", "+", "-", "@"))
    assert not any(c < " " for c in written)


def test_a_window_slides_and_refused_acts_do_not_count():
    limits = Limits({"queries": Limit(2, timedelta(seconds=60)), "agency": Limit(3, timedelta(seconds=60))})

    def ask(who, second):
        return limits.wait({"queries": who, "agency": "demo"}, NOW + timedelta(seconds=second))

    assert [ask("a", 0), ask("a", 10), ask("a", 20)] == [0, 0, 40]
    assert ask("a", 59.5) == 0.5
    assert ask("b", 59.6) == 0
    assert ask("c", 59.7) == pytest.approx(0.3)  # the agency's own limit
    assert ask("a", 60) == 0
    assert ask("a", 60.1) > 0


def test_a_limit_of_zero_admits_any_number():
    limits = Limits({"queries": Limit(0, timedelta(seconds=60))})
    assert all(limits.wait({"queries": "a"}, NOW) == 0 for _ in range(100))


def test_idle_askers_are_forgotten():
    limits = Limits({"queries": Limit(2, timedelta(seconds=60))})
    for number in range(KEPT + 1):
        limits.wait({"queries": str(number)}, NOW)
    limits.wait({"queries": "late"}, NOW + timedelta(seconds=61))
    assert len(limits._seen) == 1


def test_a_search_is_laid_out_as_the_database_reads_it():
    corners = ((33.5, -118.0), (34.0, -118.0), (34.0, -117.0))
    search = search_of(Criteria(plate="8TST001", lookalike=True, polygon=corners, device_ids=("d1",)), 10, "")
    assert search == {
        "skeleton": "8T5T001",
        "area": {"south": 33.5, "west": -118.0, "north": 34.0, "east": -117.0},
        "polygon": "((-118.0,33.5),(-118.0,34.0),(-117.0,34.0))",
        "device_ids": ["d1"],
        "limit": 10,
    }
    assert search_of(Criteria(area=Area(1, 2, 3, 4)), 5, "")["area"] == {"south": 1, "west": 2, "north": 3, "east": 4}
    for after in ("x", "2026-01-01T00:00:00/x", "yesterday/5a000000-0000-4000-8000-000000000001"):
        with pytest.raises(ValueError):
            search_of(Criteria(plate="8TST001"), 5, after)


def test_a_row_says_how_it_answers_the_plate():
    assert match_of({"plate": "8TST001"}, "8TST001", "8TST001") == {"kind": "exact", "positions": []}
    assert match_of({"skeleton": "8TST001"}, "8TST001", "8TSTOO1") == {"kind": "lookalike", "positions": [4, 5]}
    assert match_of({"partial": "8T*"}, "", "8TST001") == {"kind": "partial", "positions": []}
    assert match_of({"list_code": "SVS"}, "", "8TST001") == {"kind": "none", "positions": []}
