"""From the search form to a query's body."""

import pytest

from alpr_console.queries import rules
from alpr_console.records.rules.sections import may_look
from alprcore.model import Person, Refused
from alprcore.policy import HOLD_PLACERS, RELEASE_TAKERS, ROLES
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


ROW = {
    "plate": "8K8O042",
    "state": "US-CA",
    "state_confidence": 0.914,
    "match": {"kind": "lookalike", "positions": [2]},
    "characters": [["8", 0.99, "", 0.0], ["K", 0.99, "", 0.0], ["8", 0.62, "B", 0.31]],
}


@pytest.mark.parametrize(
    ("row", "criteria", "words"),
    [
        ({**ROW, "plate": "8KBO042"}, {"plate": "8KBO042"}, "Exact: the plate read is the plate asked for."),
        (ROW, {"plate": "8KBO042", "lookalike": True}, "Look-alike: position 3 read 8, asked B."),
        ({"plate": "8K8O042"}, {"plate": "8KBO042"}, "Look-alike: position 3 read 8, asked B."),
        (ROW, {"partial": "8K?O04?"}, "Partial: 8K?O04? fits 8K8O042 (? is 8, 2)."),
        (ROW, {"partial": "8K*"}, "Partial: 8K* fits 8K8O042."),
        (ROW, {"state": "US-CA"}, "State CA was asked for, CA was read (91 % sure)."),
        (ROW, {}, "The reader was unsure of position 3: 8 (62 %) or B (31 %)."),
        (ROW, {"list_code": "SVS"}, "It made a hit on SVS (Stolen vehicles)."),
        ({**ROW, "list_code": "SVS"}, {}, "It was a hit on SVS (Stolen vehicles)."),
        (
            {"plate": "", "state": "unknown"},
            {"device_id": "x"},
            "No plate could be read here; it answers by place and time.",
        ),
        ({**ROW, "state": "unknown"}, {}, "State not read: compare it in the picture."),
    ],
)
def test_why_a_row_matched_is_said_in_words(row, criteria, words):
    assert words in rules.why(row, criteria, {"SVS": "Stolen vehicles"})


def test_a_drawn_shape_goes_along_and_replaces_the_sides():
    form = {"polygon": "38.1,-121.2 38.2,-121.2 38.2,-121.1", "south": "1"}
    body = rules.query_body(form, "UTC")
    assert body["criteria"] == {"polygon": [[38.1, -121.2], [38.2, -121.2], [38.2, -121.1]]}


@pytest.mark.parametrize("shape", ["1,2 3,4", "1,2 3,4 x,y", "1,2 3,4 5", "nan,1 2,2 3,3", "1,1 " * 51])
def test_what_is_no_shape_is_refused(shape):
    assert isinstance(rules.query_body({"polygon": shape}, "UTC"), Refused)


def test_every_refusal_the_door_knows_says_what_to_do():
    for code in ("PURPOSE_REQUIRED", "CASE_NUMBER_REQUIRED", "NEED_TO_KNOW_REQUIRED", "FIRST_AMENDMENT_PROHIBITED"):
        assert rules.advice(code).field
        assert rules.advice(code).do
    assert rules.advice("NEVER_HEARD_OF") == rules.Advice("", "")


def test_the_map_shows_devices_that_have_a_place():
    devices = [
        {"device_id": "a", "name": "", "kind": "fixed", "position": {"latitude": 1.0, "longitude": 2.0}},
        {"device_id": "b", "name": "Mobile", "kind": "mobile", "position": None},
    ]
    assert rules.positions(devices) == [
        {"id": "a", "name": "a", "kind": "fixed", "latitude": 1.0, "longitude": 2.0},
    ]


@pytest.mark.parametrize("role", ROLES)
def test_whoever_is_offered_a_hold_or_a_release_beside_an_answer_gets_its_form_and_its_door(role):
    offered = {act for act, _, _ in rules.acts_on(person(role))}
    assert ("hold" in offered) == may_look("/records/holds/new", {role}) == (role in HOLD_PLACERS)
    assert ("release" in offered) == (role in RELEASE_TAKERS)
    assert "release" not in offered or may_look("/records/releases/new", {role})
