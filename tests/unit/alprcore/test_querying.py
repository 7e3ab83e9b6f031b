"""The rules of the query door by themselves: words that say nothing, protected terms, approvals, recipients, places."""

import base64
import json
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alprcore import policy
from alprcore.model import Admitted, GeoPoint, Person, Refused
from alprcore.policy import Approval, Area, Criteria, Known, ProtectedEvent, Query, QueryRules
from alprcore.policy.querying import touches
from alprcore.profiles import load_profiles
from alprcore.seal import SigningKey, read_person, sign_person

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PROFILES = load_profiles()
with tempfile.TemporaryDirectory() as folder:
    KEY = SigningKey.generate(Path(folder) / "person.key")
RULES = QueryRules()
PARK = Area(33.0, -118.0, 33.1, -117.9)
EVENT = ProtectedEvent(7, PARK, NOW - 3 * HOUR, NOW - HOUR)


def person(agency="roseville", *roles, **changes):
    base = Person("p1", "jdoe", "Jane Doe", "Example PD", agency, roles or ("investigator",), "s1", "127.0.0.1")
    return replace(base, **{"category": "sworn", "training": ("alpr", "learn"), **changes})


@pytest.mark.parametrize(
    ("text", "empty"),
    [
        ("", True),
        ("susp", True),
        ("investigation", True),
        ("criminal investigation, ongoing", True),
        ("police business only", True),
        ("suspicious vehicle check", True),
        ("abc abc abc abc abc", True),
        ("26-000123 26-000124", True),
        ("aaaaaaaa bbbbbbbbb", True),
        ("burglary burglary burglary", True),
        ("ínvestigation\u200b of a case", True),
        ("burglary series, vehicle seen twice", False),
        ("stolen vehicle", False),
        ("hit and run on Main Street", False),
    ],
)
def test_a_reason_tells_something_or_is_none(text, empty):
    assert policy.says_nothing(text, RULES) is empty


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("who joined the protest", "protest*"),
        ("PROTESTERS at city hall", "protest*"),
        ("pro\u00adtest in the park", "protest*"),
        ("religious - service on Sunday", "religious service*"),
        ("a  union\nmeeting", "union meeting*"),
        ("pr\u00f3test", "protest*"),
        ("testing the camera", ""),
        ("contestant of a race robbed", ""),
        ("stolen from a church lot in March", ""),
    ],
)
def test_protected_terms_are_found_however_they_are_written(text, term):
    assert policy.protected_term(["plain words", text], RULES) == term


def test_a_profile_may_name_other_terms():
    rules = QueryRules(protected_terms=("bake sale",), vague_words=("bread",))
    assert policy.protected_term(["the Bake-Sale"], rules) == "bake sale"
    assert policy.protected_term(["the bakesales"], rules) == ""
    assert policy.protected_term(["a protest"], rules) == ""


@given(st.text(max_size=80))
def test_folding_is_stable_and_keeps_words_only(text):
    once = policy.folded(text)
    assert policy.folded(once) == once
    assert all(c.isalnum() or c == " " for c in once)


APPROVAL = Approval(5, "roseville", policy.OTHER_USE, "p9", NOW - HOUR, NOW + HOUR, case_number="26-7")


@pytest.mark.parametrize(
    ("approval", "holds"),
    [
        (APPROVAL, True),
        (replace(APPROVAL, case_number=" 26-7 "), True),
        (replace(APPROVAL, case_number="", for_username="jdoe"), True),
        (replace(APPROVAL, for_username="jdoe"), True),
        (None, False),
        (replace(APPROVAL, case_number="26-8"), False),
        (replace(APPROVAL, case_number=""), False),
        (replace(APPROVAL, case_number=" "), False),
        (replace(APPROVAL, case_number="", for_username="other"), False),
        (replace(APPROVAL, for_username="other"), False),
        (replace(APPROVAL, case_number="26-8", for_username="jdoe"), False),
        (replace(APPROVAL, agency="irvine"), False),
        (replace(APPROVAL, kind=policy.PROTECTED_EVENT), False),
        (replace(APPROVAL, approved_by="p1"), False),
        (replace(APPROVAL, revoked=True), False),
        (replace(APPROVAL, valid_from=NOW + HOUR), False),
        (replace(APPROVAL, valid_to=NOW - HOUR), False),
        (replace(APPROVAL, event_id=7), False),
    ],
)
def test_an_approval_carries_a_question_only_while_it_holds(approval, holds):
    query = Query("other_approved", "stolen school bus after the storm", Criteria(plate="8ABC123"),
                  case_number="26-7", attest_no_first_amendment=True)  # fmt: skip
    named = () if approval is None else (approval,)
    decision = policy.may_query(query, person(), PROFILES["roseville"], NOW, Known(named))
    assert isinstance(decision, Admitted) is holds
    if not holds:
        assert decision.reason_code == "APPROVAL_REQUIRED"


@pytest.mark.parametrize(
    ("criteria", "touched"),
    [
        (Criteria(area=PARK), True),
        (Criteria(area=Area(33.05, -118.5, 33.5, -117.95)), True),
        (Criteria(area=Area(34.0, -118.0, 34.1, -117.9)), False),
        (Criteria(polygon=((33.05, -117.95), (33.5, -117.95), (33.5, -117.5))), True),
        (Criteria(area=PARK, captured_from=NOW - HOUR / 2), False),
        (Criteria(area=PARK, captured_to=NOW - 4 * HOUR), False),
        (Criteria(area=PARK, captured_to=NOW - 2 * HOUR), True),
        (Criteria(plate="8ABC123"), False),
        (Criteria(plate="8ABC123", area=PARK), True),
        (Criteria(captured_from=NOW - 2 * HOUR, captured_to=NOW), True),
        (Criteria(device_ids=("north",)), False),
        (Criteria(device_ids=("north", "park")), True),
        (Criteria(device_ids=("north", "car")), True),
        (Criteria(own_detections=True, device_ids=("car",)), False),
        (Criteria(list_code="SVS"), False),
        (Criteria(partial="8A*"), False),
        (Criteria(partial="*"), True),
        (Criteria(partial="8*", captured_from=NOW - 2 * HOUR, captured_to=NOW), True),
        (Criteria(partial="??", device_ids=("park",)), True),
        (Criteria(partial="8A*", device_ids=("park",)), True),
        (Criteria(partial="8A*", device_ids=("north",)), False),
    ],
)
def test_a_search_touches_a_protected_event_where_it_could_list_who_came(criteria, touched):
    known = Known(positions={"north": GeoPoint(34.0, -117.95), "park": GeoPoint(33.05, -117.95)})
    assert touches(criteria, EVENT, known, "p1") is touched


@pytest.mark.parametrize(
    ("ended_at", "ended_by", "begins", "touched"),
    [
        (NOW - 2 * HOUR, "p9", NOW - 2.5 * HOUR, True),
        (NOW - 2 * HOUR, "p9", NOW - 1.5 * HOUR, False),
        (NOW - 2 * HOUR, "p1", NOW - 1.5 * HOUR, True),
        (NOW, "p9", NOW - 1.5 * HOUR, True),
        (NOW, "p1", NOW - HOUR / 2, False),
        (NOW - 4 * HOUR, "p9", NOW - 4 * HOUR, False),
        (NOW - 4 * HOUR, "p1", NOW - 4 * HOUR, True),
    ],
)
def test_ending_an_event_frees_nothing_before_its_end_and_nothing_for_who_ended_it(ended_at, ended_by, begins, touched):
    event = replace(EVENT, ended_at=ended_at, ended_by=ended_by)
    criteria = Criteria(area=PARK, captured_from=begins, captured_to=NOW)
    assert touches(criteria, event, Known(), "p1") is touched


def test_a_search_over_two_events_needs_an_approval_of_each():
    events = (EVENT, replace(EVENT, event_id=8))
    seven, eight = (
        replace(APPROVAL, approval_id=n, kind=policy.PROTECTED_EVENT, event_id=n, agency="irvine") for n in (7, 8)
    )
    query = Query("criminal_investigation", "robbery at the north gate", Criteria(area=PARK), case_number="26-7",
                  attest_no_first_amendment=True)  # fmt: skip

    def decided(*named):
        return policy.may_query(query, person("irvine"), PROFILES["irvine"], NOW, Known(named, events))

    assert isinstance(decided(seven, eight), Admitted)
    for named in ((), (seven,), (eight,), (seven, replace(eight, revoked=True)), (seven, replace(seven, event_id=9))):
        refused = decided(*named)
        assert refused.reason_code == "FIRST_AMENDMENT_PROHIBITED"
        assert ("event 7: " in refused.detail, "event 8: " in refused.detail) == (
            seven not in named,
            eight not in named,
        )


@pytest.mark.requirement("TRN-02", partial="the query; access to data and devices is asked at sign-in")
@pytest.mark.parametrize(
    ("agency", "changes", "missing"),
    [
        ("claremont", {}, ""),
        ("claremont", {"training": ("alpr",)}, "alpr in FTO"),
        ("claremont", {"category": "communications"}, "alpr equipment"),
        ("claremont", {"category": "volunteer"}, "alpr"),
        ("claremont", {"category": ""}, "alpr"),
        ("escondido", {"training": ("alpr",)}, "alpr data"),
        ("roseville", {"training": ("learn",)}, "alpr"),
        ("roseville", {"training": ("alpr",)}, "learn"),
    ],
)
def test_the_door_asks_for_the_same_training_as_sign_in(agency, changes, missing):
    trained = {"training": ("alpr", "alpr@FTO", "alpr_data", "learn"), **changes}
    refused = policy.standing_refusal(person(agency, **trained), PROFILES[agency])
    assert (refused.reason_code if refused else "", missing in (refused.detail if refused else "")) == (
        "TRAINING_MISSING" if missing else "", True
    )  # fmt: skip


@pytest.mark.parametrize("agency", sorted(PROFILES))
@pytest.mark.parametrize("recipient", ["commercial", "private_entity", "individual", "law_enforcement"])
def test_some_recipients_are_given_nothing_under_any_profile(agency, recipient):
    decision = policy.may_receive(recipient)
    assert isinstance(decision, Refused) is (recipient != "law_enforcement"), agency
    assert recipient not in PROFILES[agency].sharing.recipients or recipient == "law_enforcement"


def test_only_the_named_approvers_approve():
    def code(kind, agency, role):
        decision = policy.may_approve(kind, person(agency, role), PROFILES[agency])
        return decision.reason_code if isinstance(decision, Refused) else "admitted"

    assert code(policy.OTHER_USE, "roseville", "supervisor") == "admitted"
    assert code(policy.OTHER_USE, "roseville", "alpr_admin") == "admitted"
    assert code(policy.OTHER_USE, "roseville", "investigator") == "ROLE_NOT_AUTHORISED"
    assert code(policy.OTHER_USE, "irvine", "supervisor") == "PURPOSE_NOT_PERMITTED"
    assert code(policy.PROTECTED_EVENT, "irvine", "supervisor") == "admitted"
    assert code(policy.PROTECTED_EVENT, "irvine", "program_manager") == "ROLE_NOT_AUTHORISED"


@pytest.mark.parametrize(
    ("changes", "agency", "state"),
    [
        ({"case_number": "26-1"}, "escondido", "given"),
        ({"no_case_number_reason": "being written"}, "escondido", "due"),
        ({"no_case_number_reason": "being written"}, "irvine", "due"),
        ({}, "irvine", "none"),
    ],
)
def test_a_case_number_is_given_due_or_not_asked_for(changes, agency, state):
    query = Query("criminal_investigation", "stolen school bus", Criteria(), **changes)
    assert policy.case_number_state(query, PROFILES[agency]) == state


@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode())), st.text())
def test_a_strange_token_is_invalid_and_nothing_else(left, right):
    for token in (left, f"{left}.{right}", f"{left}.{right}.{left}"):
        with pytest.raises(PermissionError, match="TOKEN_INVALID"):
            read_person(token, bytes(32), NOW)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda part: st.lists(part, max_size=3)
                    | st.dictionaries(st.sampled_from(("issued_us", "person_id", "roles", "agency")), part), max_leaves=8))  # fmt: skip
def test_a_signed_token_of_another_shape_is_invalid_and_nothing_else(content):
    payload = json.dumps(content).encode()
    parts = (payload, KEY.sign(b"alpr-person-v1\n" + payload))
    token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    with pytest.raises(PermissionError, match="TOKEN_INVALID"):
        read_person(token, KEY.public, NOW)


@given(st.lists(st.text(max_size=10), max_size=5).map(tuple), st.text(max_size=20))
def test_a_person_comes_back_as_signed(texts, name):
    asked = person(full_name=name, devices=texts, training=texts)
    assert read_person(sign_person(KEY, asked, NOW), KEY.public, NOW) == asked


@pytest.mark.parametrize("agency", sorted(PROFILES))
@pytest.mark.parametrize(
    ("purpose", "criteria", "code"),
    [
        ("upload_check", Criteria(device_ids=("north",)), "admitted"),
        ("criminal_investigation", Criteria(device_ids=("north",)), "PURPOSE_NOT_PERMITTED"),
        ("audit", Criteria(device_ids=("north",)), "PURPOSE_NOT_PERMITTED"),
        ("upload_check", Criteria(plate="8ABC123"), "CRITERIA_INVALID"),
        ("upload_check", Criteria(plate="8ABC123", device_ids=("north",)), "CRITERIA_INVALID"),
        ("upload_check", Criteria(partial="8A*", device_ids=("north",)), "CRITERIA_INVALID"),
        ("upload_check", Criteria(area=PARK, device_ids=("north",)), "CRITERIA_INVALID"),
        ("upload_check", Criteria(list_code="SVS", device_ids=("north",)), "CRITERIA_INVALID"),
        ("upload_check", Criteria(captured_from=NOW - HOUR, captured_to=NOW), "CRITERIA_INVALID"),
    ],
)
def test_a_contractor_searches_the_devices_under_maintenance_and_no_vehicle(agency, purpose, criteria, code):
    query = Query(purpose, "camera reads nothing since Monday", criteria, case_number="26-7", need_to_know="contract",
                  reasonable_suspicion="none, maintenance", attest_no_first_amendment=True)  # fmt: skip
    trained = {"training": ("alpr", "alpr@FTO", "alpr_data", "learn"), "category": "contractor"}
    decision = policy.may_query(query, person(agency, "contractor", **trained), PROFILES[agency], NOW)
    assert (decision.reason_code if isinstance(decision, Refused) else "admitted") == code
