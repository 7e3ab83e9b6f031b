"""Who may write, approve and withdraw a version, and what differs between two documents."""

from datetime import UTC, datetime, timedelta

import pytest

from alpr_console.profiles import rules
from alprcore.model import ADMITTED, Person, Refused
from alprcore.policy import ROLES

NOW = datetime(2027, 3, 1, tzinfo=UTC)
DRAFT = rules.Draft(number=3, based_on="426@a", author_id="p-author")


def person(*roles, person_id="p-1", agency="roseville"):
    return Person(person_id, "u", "U", "O", agency, roles, "s", "127.0.0.1")


def approve(who, draft=DRAFT, *, waiting=(), managers=1, version="426@a", delegated=False):
    found = rules.may_approve(
        who, draft, version_in_force=version, waiting=waiting, managers=managers, delegated=delegated
    )
    return found.reason_code if isinstance(found, Refused) else "approved"


def test_only_those_who_answer_for_the_rules_write_them():
    allowed = {role for role in ROLES if rules.may_draft(person(role)) is ADMITTED}
    assert allowed == {"program_manager", "training_manager", "custodian"}


def test_only_the_program_manager_or_a_designee_approves():
    assert {role for role in ROLES if approve(person(role)) == "approved"} == {"program_manager"}
    assert approve(person("supervisor"), delegated=True) == "approved"


@pytest.mark.parametrize(("managers", "ends"), [(0, "approved"), (1, "approved"), (2, "APPROVER_NOT_AUTHORISED")])
def test_the_author_approves_only_where_nobody_else_can(managers, ends):
    assert approve(person("program_manager", person_id="p-author"), managers=managers) == ends
    assert approve(person("program_manager"), managers=managers) == "approved"


def test_a_designee_never_approves_what_they_wrote():
    author = person("custodian", person_id="p-author")
    assert approve(author, delegated=True) == "APPROVER_NOT_AUTHORISED"


def test_a_version_is_decided_once_and_against_what_is_in_force():
    manager = person("program_manager")
    for state in ("approved", "withdrawn"):
        assert approve(manager, rules.Draft(3, "426@a", "p-2", **{state: True})) == "VERSION_DECIDED"
    assert approve(manager, version="426@b") == "VERSION_OUTDATED"
    assert approve(manager, waiting=[2]) == "VERSION_WAITS"


def test_who_withdraws():
    for who in (person("program_manager"), person("custodian", person_id="p-author")):
        assert rules.may_withdraw(who, DRAFT) is ADMITTED
    assert rules.may_withdraw(person("custodian"), DRAFT).reason_code == "ROLE_NOT_AUTHORISED"
    assert rules.may_withdraw(person("supervisor"), DRAFT, delegated=True) is ADMITTED
    gone = rules.Draft(3, "426@a", "p-2", approved=True, in_force=True)
    assert rules.may_withdraw(person("program_manager"), gone).reason_code == "VERSION_DECIDED"


def test_a_version_comes_into_force_now_or_later():
    assert rules.effective(None, NOW) == NOW
    assert rules.effective(NOW, NOW) == NOW
    assert rules.effective(NOW + timedelta(days=1), NOW) == NOW + timedelta(days=1)
    for moment in (NOW - timedelta(microseconds=1), (NOW + timedelta(days=1)).replace(tzinfo=None)):
        assert rules.effective(moment, NOW).reason_code == "EFFECTIVE_IN_PAST"


def test_what_differs_is_named_by_key():
    before = {"a": 1, "b": {"c": [1, 2], "d": "x"}, "purposes": [{"code": "p", "label": "P"}, {"code": "q"}]}
    after = {"a": 1, "b": {"c": [1, 3]}, "purposes": [{"code": "q"}, {"code": "p", "label": "R"}], "e": {}}
    assert [(change.key, change.before, change.after) for change in rules.changes(before, after)] == [
        ("b.c", [1, 2], [1, 3]),
        ("b.d", "x", None),
        ("e", None, {}),
        ("purposes[p].label", "P", "R"),
    ]
    assert rules.changes(before, before) == []


def test_edits_leave_the_document_as_it_was():
    document = {"a": {"b": 1}, "c": 2}
    assert rules.edited(document, {"a.b": 3, "c": None, "d.e": "x"}) == {"a": {"b": 3}, "d": {"e": "x"}}
    assert document == {"a": {"b": 1}, "c": 2}
    with pytest.raises(KeyError, match=r"c\.d"):
        rules.edited(document, {"c.d": 1})


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({}, "draft"),
        ({"approved_at": NOW}, "approved"),
        ({"withdrawn_at": NOW}, "withdrawn"),
        ({"approved_at": NOW, "withdrawn_at": NOW}, "withdrawn"),
        ({"approved_at": NOW, "place": 4}, "in_force"),
        ({"approved_at": NOW, "place": 3}, "superseded"),
    ],
)
def test_the_state_of_a_version(row, state):
    assert rules.state({"approved_at": None, "withdrawn_at": None, "place": None, **row}, 4) == state
