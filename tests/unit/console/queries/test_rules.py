"""From the search form to a query's body."""

import pytest

from alpr_console.queries import rules
from alprcore.model import Person, Refused
from alprcore.profiles import load_profiles

PROFILES = load_profiles()


def person(*roles, agency="demo"):
    return Person("p", "u", "U", "O", agency, roles, "s", "127.0.0.1")


@pytest.mark.parametrize(
    ("typed", "criteria"),
    [
        ("7abc 123", {"plate": "7ABC123"}),
        ("7ab-c123", {"plate": "7ABC123"}),
        ("7a?c*", {"partial": "7A?C*"}),
        ("", {}),
    ],
)
def test_the_plate_field_takes_whole_and_partial_plates(typed, criteria):
    assert rules.query_body({"plate": typed}, "UTC")["criteria"] == criteria


def test_times_are_the_agencys_and_leave_as_utc():
    form = {"captured_from": "2026-07-01T08:30", "captured_to": "2026-12-01T08:30", "state": "ca"}
    assert rules.query_body(form, "America/Los_Angeles")["criteria"] == {
        "captured_from": "2026-07-01T15:30:00+00:00",
        "captured_to": "2026-12-01T16:30:00+00:00",
        "state": "US-CA",
    }


@pytest.mark.parametrize(
    "form", [{"captured_from": "noon"}, {"south": "1"}, {"south": "a", "west": "1", "north": "2", "east": "2"}]
)
def test_what_cannot_be_read_is_refused(form):
    refused = rules.query_body(form, "UTC")
    assert isinstance(refused, Refused)
    assert refused.reason_code == "CRITERIA_INVALID"


def test_reasons_go_along_and_empty_fields_do_not():
    body = rules.query_body(
        {"purpose_code": "x", "justification": " because ", "need_to_know": "why", "attest_no_first_amendment": "1"},
        "UTC",
    )
    assert body == {
        "purpose_code": "x",
        "justification": "because",
        "attest_no_first_amendment": True,
        "criteria": {},
        "limit": 50,
        "need_to_know": {"basis": "why"},
    }


def test_purposes_are_the_profiles_and_those_of_the_role():
    offered = dict(rules.purposes_for(person("investigator"), PROFILES["demo"]))
    assert offered["criminal_investigation"] == "Criminal investigation"
    assert "audit" not in offered
    assert [code for code, _ in rules.purposes_for(person("auditor"), PROFILES["demo"])] == ["audit"]
    matching_only = {p.code for p in PROFILES["claremont"].purposes if not p.query}
    offered = {
        code for code, _ in rules.purposes_for(person("investigator", agency="claremont"), PROFILES["claremont"])
    }
    assert offered
    assert not offered & matching_only
