"""Who may be given data and who decides it: the rules by themselves, under every profile."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from alpr_retention.releases import rules
from alpr_retention.releases.rules import Judgment, ReceivedAs, RecipientClass, Route, State, Verdict
from alprcore import audited
from alprcore.model import ADMITTED, Person, Refused
from alprcore.policy import QUERY_ROLES, ROLES
from alprcore.profiles import load_profiles

PROFILES = load_profiles()
AGENCIES = ("irvine", "westminster", "claremont", "escondido", "roseville")
READS = ("11111111-1111-5111-8111-111111111111", "22222222-2222-5222-8222-222222222222")
AT = datetime(2026, 3, 7, 18, 30, tzinfo=UTC)
ALONE = "the rules alone; the whole check runs over the API"
BASES = {
    "legal_basis": "official_purpose",
    "citation": "Civil Code 1798.90.55",
    "policy_basis": "CalDOJ",
    "authorized_purpose": "investigates the theft of vehicles",
    "note": "reviewed with the case file",
}
every_agency = pytest.mark.parametrize("agency", AGENCIES)


def asked(**changes):
    said = {
        "agency_name": "Elm Police",
        "requester_name": "Ada Elm",
        "intended_purpose": "series of vehicle thefts",
        "recipient_class": RecipientClass.LAW_ENFORCEMENT,
        "received_as": ReceivedAs.LETTER,
        **changes,
    }
    return rules.Asked(**said)


def known(agency, state=State.SUBMITTED, recipient=RecipientClass.LAW_ENFORCEMENT, **changes):
    one = rules.Known(agency, state, asked(recipient_class=recipient), "clerk", "clerk", True, READS)
    return replace(one, **changes)


def person(agency, *roles, person_id="boss", powers=()):
    return Person(person_id, person_id, "A Person", "PD", agency, roles, "s", "ip", powers=powers)


def approver(agency):
    return person(agency, PROFILES[agency].governance.release_approvers[0])


def code(decision):
    return decision.reason_code if isinstance(decision, Refused) else ""


def decided(agency, recipient=RecipientClass.LAW_ENFORCEMENT, who=None, state=State.SUBMITTED, **changes):
    judgment = Judgment(Verdict.APPROVE, **{"scope_sha256": rules.scope_digest(READS), **BASES, **changes})
    return code(rules.decide(known(agency, state, recipient), judgment, who or approver(agency), PROFILES[agency]))


COVERED = {
    "irvine": {"law_enforcement", "prosecutor", "as_permitted_by_law"},
    "westminster": {"law_enforcement", "prosecutor", "as_permitted_by_law"},
    "roseville": {"law_enforcement", "prosecutor", "as_permitted_by_law"},
    "claremont": {"law_enforcement"},
    "escondido": {"law_enforcement", "prosecutor", "governmental"},
}


@pytest.mark.requirement("SHR-01", partial=ALONE)
@every_agency
@pytest.mark.parametrize("recipient", RecipientClass)
def test_only_the_classes_of_the_policy_can_be_approved(agency, recipient):
    changes = {"legal_basis": "court_order"} if recipient is RecipientClass.AS_PERMITTED_BY_LAW else {}
    expected = "" if recipient.value in COVERED[agency] else "RECIPIENT_CLASS_NOT_PERMITTED"
    assert decided(agency, recipient, **changes) == expected


@every_agency
@pytest.mark.parametrize("recipient", RecipientClass)
def test_what_submitting_makes_of_a_class(agency, recipient):
    made = rules.submit(known(agency, State.DRAFT, recipient), PROFILES[agency])
    if recipient.value in COVERED[agency] | {"law_enforcement", "prosecutor"}:
        assert made == rules.Submitted(State.SUBMITTED)
        return
    state = State.REFUSED if agency in ("claremont", "escondido") else State.ROUTED
    assert made == rules.Submitted(state, PROFILES[agency].sharing.public_basis)


@pytest.mark.requirement("USE-08", partial=ALONE)
@every_agency
@pytest.mark.parametrize("role", sorted(ROLES))
@pytest.mark.parametrize("state", State)
def test_nobody_approves_commercial_private_and_personal_requests_in_any_state(agency, role, state):
    for recipient in ("commercial", "private_entity", "individual"):
        refused = decided(agency, RecipientClass(recipient), person(agency, role), state)
        assert refused == "RECIPIENT_CLASS_NOT_PERMITTED"


@pytest.mark.requirement("USE-08", partial=ALONE)
def test_no_service_has_a_way_that_sells_data():
    named = {way.lower() for service in audited.DATA for way in audited.DATA[service]}
    named |= {way.lower() for kinds in audited.NO_DATA.values() for listed in kinds.values() for way in listed}
    assert len(named) > 100
    words = ("price", "sale", "sell", "invoice", "billing", "licen", "subscri", "bulk", "purchase")
    assert [way for way in sorted(named) for word in words if word in way] == []


@pytest.mark.requirement("SHR-03", partial=ALONE)
@every_agency
def test_exactly_the_named_roles_decide_and_a_designee_where_the_policy_knows_one(agency):
    deciding = {role for role in ROLES if decided(agency, who=person(agency, role)) == ""}
    expected = {"program_manager", "supervisor"} if agency == "claremont" else {"program_manager"}
    assert deciding == expected
    assert decided(agency, who=person(agency, "sergeant")) == "APPROVER_NOT_AUTHORISED"
    designee = person(agency, "investigator", powers=("approve_release:d-1",))
    assert decided(agency, who=designee) == ("APPROVER_NOT_AUTHORISED" if agency == "claremont" else "")
    assert rules.under(designee, PROFILES[agency]) == ("" if agency == "claremont" else "d-1")
    other_power = person(agency, "investigator", powers=("authorise_share:d-1",))
    assert decided(agency, who=other_power) == "APPROVER_NOT_AUTHORISED"
    elsewhere = "irvine" if agency != "irvine" else "roseville"
    assert decided(agency, who=person(elsewhere, "program_manager")) == "APPROVER_NOT_AUTHORISED"
    assert decided(agency, who=replace(approver(agency), person_id="clerk")) == "AUTHOR_MUST_DIFFER"


def test_whoever_keeps_the_file_neither_decides_nor_hands_over():
    both = person("claremont", "chief_admin_assistant", "supervisor")
    assert decided("claremont", who=both) == "APPROVER_NOT_AUTHORISED"
    assert code(rules.may_fulfil(known("claremont", State.APPROVED), both, PROFILES["claremont"])) == (
        "ROLE_NOT_AUTHORISED"
    )
    assert "chief_admin_assistant" not in QUERY_ROLES  # a file is no reason to search


@pytest.mark.requirement("SHR-07", partial=ALONE)
@every_agency
def test_an_approval_cites_its_bases_where_the_policy_asks_for_them(agency):
    lacking = {"legal_basis": "", "citation": ""}
    expected = "" if agency == "claremont" else "LEGAL_BASIS_REQUIRED"
    assert {decided(agency, **{name: ""}) for name in lacking} == {expected}
    assert decided(agency, legal_basis="because") == expected
    unnamed = "POLICY_BASIS_REQUIRED" if agency == "escondido" else ""
    assert decided(agency, policy_basis="") == unnamed
    assert decided(agency, policy_basis="ours") == unnamed
    assert decided(agency, authorized_purpose=" ") == unnamed
    assert decided(agency, policy_basis="FBI") == ""


@pytest.mark.parametrize("agency", ["irvine", "westminster", "roseville"])
def test_another_recipient_takes_the_law_that_permits_it_and_a_note(agency):
    by_law = RecipientClass.AS_PERMITTED_BY_LAW
    assert decided(agency, by_law, legal_basis="court_order") == ""
    assert decided(agency, by_law, legal_basis="court_order", note="") == "LEGAL_BASIS_REQUIRED"
    assert decided(agency, by_law, legal_basis="court_order", citation="") == "LEGAL_BASIS_REQUIRED"
    assert decided(agency, by_law, legal_basis="official_purpose") == "LEGAL_BASIS_REQUIRED"


@every_agency
def test_an_approval_narrows_and_a_denial_gives_a_reason(agency):
    profile, boss = PROFILES[agency], approver(agency)
    assert decided(agency, read_ids=READS[:1]) == ""
    assert decided(agency, read_ids=("33333333-3333-5333-8333-333333333333",)) == "SCOPE_WIDER"
    nothing = known(agency, read_ids=())
    assert code(rules.decide(nothing, Judgment(Verdict.APPROVE, **BASES), boss, profile)) == "SCOPE_REQUIRED"
    assert code(rules.decide(nothing, Judgment(Verdict.DENY, note=" no  "), boss, profile)) == "REASON_REQUIRED"
    assert rules.decide(nothing, Judgment(Verdict.DENY, note="no case is named"), boss, profile) == ADMITTED


@pytest.mark.requirement("SHR-03", partial=ALONE)
@every_agency
def test_an_approval_is_of_the_reads_that_were_looked_at_and_that_another_named(agency):
    profile, boss = PROFILES[agency], approver(agency)
    assert decided(agency, scope_sha256="") == "SCOPE_REQUIRED"
    assert decided(agency, scope_sha256="", read_ids=READS) == ""
    swapped = known(agency, read_ids=READS[:1])
    seen = Judgment(Verdict.APPROVE, scope_sha256=rules.scope_digest(READS), **BASES)
    assert code(rules.decide(swapped, seen, boss, profile)) == "SCOPE_CHANGED"
    assert code(rules.decide(swapped, replace(seen, read_ids=READS[:1]), boss, profile)) == "SCOPE_CHANGED"
    assert rules.scope_digest(READS) == rules.scope_digest(READS[::-1])
    own = known(agency, scoped_by=boss.person_id)
    for judgment in (seen, Judgment(Verdict.DENY, note="no case is named")):
        assert code(rules.decide(own, judgment, boss, profile)) == "AUTHOR_MUST_DIFFER"
    assert "decide" not in rules.ways(own, boss, profile)
    assert "scope" in rules.ways(own, boss, profile)


@every_agency
@pytest.mark.parametrize("state", State)
def test_only_a_submitted_request_is_decided_and_only_an_approved_one_fulfilled(agency, state):
    assert decided(agency, state=state) == ("" if state is State.SUBMITTED else "STEP_OUT_OF_ORDER")
    refused = code(rules.may_fulfil(known(agency, state), approver(agency), PROFILES[agency]))
    expected = {State.APPROVED: "", State.FULFILLED: "STEP_OUT_OF_ORDER"}.get(state, "APPROVAL_REQUIRED")
    assert refused == expected
    packing = known(agency, state, packing=True)
    assert code(rules.may_fulfil(packing, approver(agency), PROFILES[agency])) == (expected or "STEP_OUT_OF_ORDER")


@pytest.mark.requirement("SHR-02", partial=ALONE)
@every_agency
def test_nothing_leaves_the_draft_without_its_fields_and_its_paper(agency):
    profile = PROFILES[agency]
    for name in ("agency_name", "requester_name", "intended_purpose"):
        draft = known(agency, State.DRAFT, asked=asked(**{name: "  "}))
        assert (code(rules.submit(draft, profile)), rules.fields_missing(draft.asked, profile)) == (
            "FIELD_MISSING", (name,),
        )  # fmt: skip
    for received in ReceivedAs:
        bare = known(agency, State.DRAFT, asked=asked(received_as=received), documented=False)
        assert code(rules.submit(bare, profile)) == "DOCUMENT_REQUIRED"
    assert code(rules.submit(known(agency), profile)) == "STEP_OUT_OF_ORDER"


@pytest.mark.parametrize("state", State)
def test_what_goes_on_file_and_how_long_it_stays(state):
    for agency in ("irvine", "westminster", "roseville"):
        assert rules.goes_on_file(state, PROFILES[agency]) is (state in (State.APPROVED, State.FULFILLED))
        assert rules.kept_until(date(2026, 3, 7), PROFILES[agency]) is None
    for agency in ("claremont", "escondido"):
        assert rules.goes_on_file(state, PROFILES[agency]) is (state is not State.DRAFT)
    assert rules.kept_until(date(2024, 2, 29), PROFILES["escondido"]) == date(2026, 3, 1)


def test_the_file_is_one_roles_to_keep():
    for agency in AGENCIES:
        profile = PROFILES[agency]
        filed = known(agency, filed=True)
        keeping = {role for role in ROLES if rules.may_file(filed, person(agency, role), profile) == ADMITTED}
        assert keeping == {"chief_admin_assistant" if agency == "claremont" else "program_manager"}
        keeper = person(agency, *keeping)
        assert code(rules.may_file(known(agency), keeper, profile)) == "STEP_OUT_OF_ORDER"
        assert code(rules.may_file(replace(filed, filing_acknowledged=True), keeper, profile)) == "STEP_OUT_OF_ORDER"


@every_agency
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("role", sorted(ROLES))
def test_what_is_offered_is_what_would_be_admitted(agency, state, role):
    one, who, profile = known(agency, state), person(agency, role), PROFILES[agency]
    ways = rules.ways(one, who, profile)
    assert ("fulfil" in ways) == (rules.may_fulfil(one, who, profile) == ADMITTED)
    assert ("decide" in ways) == (decided(agency, who=who, state=state) == "")
    assert ("submit" in ways) <= (state is State.DRAFT)
    assert ("withdraw" in ways) <= (state in (State.DRAFT, State.SUBMITTED, State.APPROVED))


@pytest.mark.requirement("SHR-08", partial=ALONE)
@every_agency
def test_a_letter_states_the_agencys_basis_and_tells_nothing_of_data(agency):
    profile = PROFILES[agency]
    made = rules.submit(known(agency, State.DRAFT, RecipientClass.MEDIA), profile)
    text = rules.letter(profile, asked(), "r-1", made.state, AT, basis=made.basis)
    assert all(reason in text for reason in profile.sharing.public_basis)
    assert (profile.name in text, "r-1" in text, "2026, 10:30 PST" in text) == (True, True, True)
    assert ("Records Maintenance and Release Policy" in text) is (agency in ("irvine", "westminster", "roseville"))
    if agency == "escondido":
        assert "6254(f)" in text
        assert "6254(k)" in text
    denied = rules.letter(profile, asked(), "r-1", State.DENIED, AT, reason="no case is named", basis=made.basis)
    assert "no case is named" in denied
    assert not any(reason in denied for reason in profile.sharing.public_basis)


@pytest.mark.requirement("SHR-09", partial=ALONE)
@every_agency
def test_a_cover_names_request_recipient_grounds_and_limit(agency):
    profile = PROFILES[agency]
    facts = {"legal_basis": "Court order", "approved_by": "B. Oss, Commander", "delegation_id": ""}
    lines = rules.cover_lines(profile, "r-1", "Ada Elm", "portable_media", facts)
    assert lines[:3] == ("Release request: r-1", "Handed to: Ada Elm", "By: portable media")
    assert "Legal basis: Court order" in lines
    assert not any("delegation" in line for line in lines)
    assert any("Purpose limit" in line for line in lines)
    assert "onfidential" in profile.sharing.confidentiality


def test_the_form_differs_by_profile_as_the_policies_do():
    """C-13 to C-16: approver, recipients, requests on file, other requesters."""
    forms = {agency: rules.form_of(PROFILES[agency]) for agency in AGENCIES}
    assert {agency: (form["approvers"], form["designees"]) for agency, form in forms.items()} == {
        "irvine": (["Support Services Commander"], True),
        "westminster": (["Professional Standards Unit Commander"], True),
        "claremont": (["Division Commander", "Watch Commander or Detective Bureau Lieutenant"], False),
        "escondido": (["ALPR System Administrator"], True),
        "roseville": (["Services Division Captain"], True),
    }
    assert {agency: (form["file_scope"], form["file_keeper"]) for agency, form in forms.items()} == {
        "irvine": ("approved", "Support Services Commander"),
        "westminster": ("approved", "Professional Standards Unit Commander"),
        "claremont": ("all", "Administrative Assistant of the Chief of Police"),
        "escondido": ("all", "ALPR System Administrator"),
        "roseville": ("approved", "Services Division Captain"),
    }
    decides = {a: {c["code"] for c in f["classes"] if c["route"] == Route.DECIDE} for a, f in forms.items()}
    assert decides == {agency: covered | {"law_enforcement", "prosecutor"} for agency, covered in COVERED.items()}
    never = {"commercial", "private_entity", "individual"}
    routed = {a: {c["code"]: c["route"] for c in f["classes"]} for a, f in forms.items()}
    assert all({routed[a][c] for c in never} == {"never"} for a in ("claremont", "escondido"))
    assert all({routed[a][c] for c in never} == {"records"} for a in ("irvine", "westminster", "roseville"))
    assert forms["claremont"]["fields"][2] == {
        "name": "intended_purpose", "label": "Reason for the request", "required": True,
    }  # fmt: skip
    assert [field["name"] for field in forms["escondido"]["fields"] if field["required"]] == [
        "agency_name", "requester_name", "intended_purpose",
    ]  # fmt: skip


def test_a_signed_form_holds_what_was_asked_and_who_saw_it_signed():
    text = rules.signed_form(asked(case_number="26-1"), PROFILES["claremont"], "r-1", "Ada Elm", "C. Lerk", AT)
    for part in ("Reason for the request: series of vehicle thefts", "Signed by: Ada Elm", "Witnessed by: C. Lerk",
                 "Case number of the requester: 26-1", "March 7, 2026, 10:30 PST"):  # fmt: skip
        assert part in text
    assert "Title of the person" not in text
