"""Profiles as data: the shipped ones load, broken ones are refused by name of the key."""

import json
from pathlib import Path

import pytest

from alprcore.errors import Misconfigured
from alprcore.glossary import terms
from alprcore.profiles import (
    canonical,
    document_from_yaml,
    document_to_yaml,
    load_profiles,
    profile_from_json,
    read_document,
    shipped_documents,
)

YEAR = {"mobile": "1 year", "fixed": "1 year", "clock": "received"}
ENTRY = {"series": "ALPR-1", "period": "18 months", "approved_by": "City Clerk", "approved_on": "2026-01-05"}


def test_the_five_agencies_and_the_demonstration_ship() -> None:
    assert set(load_profiles()) == {"irvine", "westminster", "claremont", "escondido", "roseville", "demo"}


def test_the_version_follows_the_content() -> None:
    document = json.loads(shipped_documents()["roseville"])
    before = profile_from_json(json.dumps(document))
    document["retention"]["fixed"] = "3 years"
    after = profile_from_json(json.dumps(document))
    assert before.version.startswith("426@")
    assert after.version.startswith("426@")
    assert before.version != after.version


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (
            "retention",
            {"mobile": "1 year", "fixed": "364 days", "clock": "received"},
            r"retention\.fixed: at least 1 year \(RET-01\)",
        ),
        (
            "retention",
            {"mobile": "1 year", "fixed": "365 days", "clock": "received"},
            r"retention\.fixed: at least 1 year \(RET-01\)",
        ),
        ("retention", {"mobile": "61 months", "fixed": "1 year", "clock": "received"}, r"retention\.mobile: at most 5"),
        ("retention", {"mobile": "a year", "fixed": "1 year", "clock": "received"}, r"retention\.mobile: a number and"),
        ("retention", {"mobile": "1 year", "fixed": "1 year", "clock": "whenever"}, r"retention\.clock"),
        ("retention", {"mobile": "1 year", "clock": "received"}, r"retention\.fixed: is missing"),
        ("retention", {**YEAR, "mode": "sometimes"}, r"retention\.mode: one of"),
        ("retention", {**YEAR, "hits": "11 months"}, r"retention\.hits: at least 1 year \(RET-01\)"),
        ("retention", {**YEAR, "fixed": "2 years", "hits": "18 months"}, r"retention\.hits: no shorter"),
        ("retention", {**YEAR, "statute": "Va. Code 2.2-5517"}, r"retention\.statute: names a law"),
        ("retention", {**YEAR, "mode": "fixed", "schedule": [ENTRY]}, r"retention\.mode: fixed takes no schedule"),
        (
            "retention",
            {**YEAR, "schedule": [{**ENTRY, "period": "300 days"}]},
            r"schedule\[0\]\.period: at least 1 year \(RET-01\)",
        ),
        ("retention", {**YEAR, "schedule": [{**ENTRY, "approved_on": ""}]}, r"schedule\[0\]\.approved_on: a day"),
        ("retention", {**YEAR, "schedule": [{**ENTRY, "approved_by": " "}]}, r"schedule\[0\]\.approved_by: is empty"),
        ("retention", {**YEAR, "schedule": [{**ENTRY, "devices": ["boat"]}]}, r"schedule\[0\]\.devices: of fixed"),
        ("retention", {**YEAR, "hold_grounds": ["curiosity"]}, r"retention\.hold_grounds: of discovery_request"),
        ("retention", {**YEAR, "hold_end": []}, r"retention\.hold_end: at least one"),
        ("retention", {**YEAR, "hold_review_days": 91}, r"retention\.hold_review_days: 1 to 90"),
        ("timezone", "Mars/Olympus", "timezone"),
        ("gates", {"verify": "maybe"}, "gates"),
        ("second_factor", "never", "second_factor"),
        ("display_targets", [], "display_targets"),
        ("invented", 1, "invented"),
        ("purposes", None, "purposes: a list"),
        ("policy_ref", 820, "policy_ref: a text"),
        ("audible", "yes", "audible: true or false"),
        ("gates", {"whistle": "hard"}, r"gates\.whistle: no such step"),
        ("governance", {"access_managers": "program_manager"}, r"governance\.access_managers: a list"),
        ("governance", {"access_managers": ["chief"]}, r"governance\.access_managers: roles"),
        ("governance", {"role_titles": {"sheriff": "Sheriff"}}, r"governance\.role_titles: roles"),
        ("governance", {"designee_since": "soon"}, r"governance\.designee_since: a day"),
        ("access", {"training": [{"activity": "fly", "tag": "alpr"}]}, r"access\.training\[0\]\.activity"),
        ("access", {"training": [{"activity": "query"}]}, r"access\.training\[0\]\.tag: is missing"),
        ("access", {"other_sources": ["gossip"]}, r"access\.other_sources"),
        ("audit", {"interval": "never"}, r"audit\.interval"),
        ("audit", {"report_years": 1}, "AUD-07"),
        ("hits", {"fixed_sequence": ["verify", "whistle"]}, r"hits\.fixed_sequence: of action"),
        ("hits", {"mobile_sequence": []}, r"hits\.mobile_sequence: at least one"),
        ("hits", {"desktop_sequence": ["verify", "verify"]}, r"hits\.desktop_sequence: a step stands twice"),
        ("hits", {"fixed_checkers": ["auditor"]}, r"hits\.fixed_checkers: of dispatcher"),
        ("hits", {"verify_sources": ["GOSSIP"]}, r"hits\.verify_sources"),
        ("hits", {"verify_routes": []}, r"hits\.verify_routes: at least one"),
        ("hits", {"exigencies": ["hurry"]}, r"hits\.exigencies"),
        ("hits", {"broadcast_kind": "clets_result"}, r"hits\.broadcast_kind: one of bolo, initial"),
        ("hits", {"broadcast_content": ["rumor"]}, r"hits\.broadcast_content"),
        ("hits", {"call_types": {"tas_hit": "TAS hit"}}, "HIT-24, HIT-25"),
        ("hits", {"call_types": ["tas_hit"]}, r"hits\.call_types: a mapping"),
        ("hits", {"confirm_after_s": 0}, "HIT-10"),
        ("sharing", {"recipients": ["commercial"]}, r"sharing\.recipients: of .*SHR-01, USE-08"),
        ("sharing", {"request_fields": ["agency_name"]}, r"sharing\.request_fields: agency_name, .*SHR-02"),
        ("sharing", {"request_fields": ["agency_name", "requester_name", "intended_purpose", "shoe"]}, "SHR-02"),
        ("sharing", {"file_scope": "some"}, r"sharing\.file_scope: one of all, approved"),
        ("sharing", {"file_keeper": "janitor"}, r"sharing\.file_keeper: a role"),
        ("sharing", {"file_years": 0}, "RET-16"),
        ("sharing", {"non_le_route": "lobby"}, r"sharing\.non_le_route: one of records, refuse"),
        ("sharing", {"non_le_route": "records"}, r"sharing\.other_requests: names the policy"),
        ("sharing", {"public_basis": []}, "SHR-08"),
        ("sharing", {"confidentiality": " "}, "SHR-09"),
        ("display_targets", [{"target": "dispatch", "client": "fax"}], r"display_targets\[0\]: target and client"),
    ],
)
def test_a_broken_profile_is_refused_by_the_name_of_the_key(key: str, value: object, words: str) -> None:
    document = json.loads(shipped_documents()["irvine"]) | {key: value}
    with pytest.raises(Misconfigured, match=words):
        profile_from_json(json.dumps(document))


def test_everything_that_is_wrong_is_named_at_once() -> None:
    document = json.loads(shipped_documents()["irvine"]) | {"timezone": "Mars/Olympus", "case_number": "never"}
    profile, problems = read_document(document)
    assert profile is None
    assert {problem.key for problem in problems} == {"timezone", "case_number"}


def test_an_operators_folder_adds_agencies_and_replaces_shipped_ones(tmp_path: Path) -> None:
    document = json.loads(shipped_documents()["irvine"])
    (tmp_path / "elm.yaml").write_text(document_to_yaml(document | {"agency": "elm", "name": "Elm Police"}))
    (tmp_path / "irvine.yaml").write_text(document_to_yaml(document | {"audible": False}))
    known = shipped_documents(tmp_path)
    assert set(known) == {*shipped_documents(), "elm"}
    assert profile_from_json(known["elm"]).name == "Elm Police"
    assert profile_from_json(known["irvine"]).audible is False
    (tmp_path / "elm.yaml").write_text(document_to_yaml(document | {"agency": "elm", "timezone": "Mars/Olympus"}))
    with pytest.raises(Misconfigured, match="elm: timezone"):
        shipped_documents(tmp_path)


def test_a_document_written_by_hand_says_the_same_as_the_shipped_one() -> None:
    for agency, shipped in shipped_documents().items():
        written = document_to_yaml(json.loads(shipped))
        assert canonical(document_from_yaml(written)) == shipped, agency
    assert document_from_yaml("policy_date: 2019-06-11") == {"policy_date": "2019-06-11"}
    with pytest.raises(Misconfigured, match="line 2"):
        document_from_yaml("agency: x\nname: [")
    with pytest.raises(Misconfigured, match="not a mapping"):
        document_from_yaml("- a list")
    with pytest.raises(Misconfigured, match="aliases are not read, line 2"):
        document_from_yaml("a: &a [x, x]\nb: [*a, *a]")


def test_what_binds_differs_as_the_policies_say() -> None:
    """Section 4.2 of the requirements, cell by cell for the parts that gate people (CFG-01)."""
    known = load_profiles()
    assert {name: p.governance.program_manager for name, p in known.items() if name != "demo"} == {
        "irvine": "Support Services Commander",
        "westminster": "Professional Standards Unit Commander",
        "claremont": "Division Commander",
        "escondido": "ALPR System Administrator",
        "roseville": "Services Division Captain",
    }
    assert {n for n, p in known.items() if p.governance.guidelines_required} == {"westminster", "roseville"}
    assert {n for n, p in known.items() if p.governance.posting_required} == {"westminster", "roseville"}
    assert {n: p.access.certifications for n, p in known.items() if p.access.certifications} == {
        "claremont": ("clets",),
        "escondido": ("cji_access",),
    }
    assert {n for n, p in known.items() if p.access.policy_review_days} == {"claremont"}
    assert {n for n, p in known.items() if p.access.review_quarterly} == {"roseville"}
    assert known["claremont"].access.categories == ("sworn", "communications", "technology", "contractor")
    assert known["roseville"].governance.training_owners == ("alpr_admin",)
    assert known["roseville"].governance.other_uses_approvers == ("supervisor", "alpr_admin")
    needs = {(need.activity, need.tag) for need in known["roseville"].access.training}
    assert {("query", "learn"), ("device_session", "cdms")} <= needs
    assert ("clets_coordinator" in known["escondido"].governance.access_managers) is True
    assert known["roseville"].role_title("program_manager") == "Services Division Captain"
    assert known["westminster"].role_title("training_manager") == "Training Sergeant"
    assert known["irvine"].role_title("alpr_admin") == "ALPR admin"


def test_a_folder_with_two_profiles_of_one_agency_is_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(shipped_documents()["irvine"])
    with pytest.raises(Misconfigured, match="irvine: the agency has two profiles"):
        load_profiles(tmp_path)


def test_every_wording_defines_every_term() -> None:
    common = [term.code for term in terms("")]
    for profile in load_profiles().values():
        worded = terms(profile.wording)
        assert [term.code for term in worded] == common
        assert all(term.wording for term in worded)
