"""Who exports evidence, with whom as witness, to which media, and what an export still lacks."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from alpr_retention.evidence import rules
from alprcore.evidence import BATCH, EXPORT_ROLES
from alprcore.model import ADMITTED, Person
from alprcore.profiles import load_profiles

PROFILES = load_profiles()
PERSON = Person("p-1", "jdoe", "Jane Doe", "Example PD", "demo", ("investigator",), "s-1", "192.0.2.7")
NOW = datetime(2026, 3, 14, tzinfo=UTC)
PACKAGE = {
    "package_id": "k", "kind": "hold", "subject": "h", "state": "given", "entry": 1, "reads": 2, "hits": 0, "packed": 0,
    "exporter": "jdoe", "exporter_name": "Jane Doe", "clets": False, "medium": "dvd", "witness": "Sam Roe",
    "booking_number": "26-E-1", "redactions": [], "key_sha256": "", "problem": "", "closed_by": "", "closed_name": "",
    "opened_at": NOW, "built_at": NOW, "expires_at": NOW, "given_at": NOW, "closed_at": None,
}  # fmt: skip
VOLUME = {
    "number": 1, "name": "plateline-k-01.zip", "bytes": 9, "sha256": "", "sums_sha256": "", "serial": "DVD-1",
    "taken_at": NOW, "taken_by": "jdoe", "taken_name": "Jane Doe",
}  # fmt: skip


def code(decision):
    return getattr(decision, "reason_code", decision)


@pytest.mark.parametrize(
    "role", ["officer", "dispatcher", "auditor", "contractor", "alpr_admin", "custodian", "retention_officer"]
)
def test_who_may_not_hold_or_see_records_exports_none(role):
    assert code(rules.may_export(replace(PERSON, roles=(role,)))) == "ROLE_NOT_AUTHORISED"


@pytest.mark.parametrize("role", sorted(EXPORT_ROLES))
def test_who_may_hold_records_exports_them(role):
    assert rules.may_export(replace(PERSON, roles=(role,))) is ADMITTED


def test_an_administrator_hands_releases_over_and_takes_no_evidence():
    admin = replace(PERSON, roles=("alpr_admin",))
    assert rules.may_take(admin, "release") is ADMITTED
    assert code(rules.may_take(admin, "hold")) == "ROLE_NOT_AUTHORISED"
    assert code(rules.may_take(replace(PERSON, roles=("auditor",)), "release")) == "ROLE_NOT_AUTHORISED"


@pytest.mark.requirement("ADM-04", partial="packages; searches and runs are tested where they are")
def test_a_custodian_books_media_and_is_shown_no_plate():
    custodian = replace(PERSON, roles=("custodian",))
    assert rules.may_book(custodian) is ADMITTED
    assert code(rules.may_export(custodian)) == code(rules.may_take(custodian, "release")) == "ROLE_NOT_AUTHORISED"
    assert rules.may_do({**PACKAGE, "state": "ready"}, custodian) == ("media",)
    assert rules.may_do({**PACKAGE, "state": "given"}, custodian) == ("media", "book")
    assert code(rules.may_book(replace(PERSON, roles=("officer",)))) == "ROLE_NOT_AUTHORISED"


def test_clets_text_takes_the_grant_and_the_act_of_somebody_else():
    granted = replace(PERSON, grants=("clets",))
    assert rules.may_release_clets(granted, "p-2") is ADMITTED
    for refusal in (
        rules.may_release_clets(PERSON, "p-2"),
        rules.may_release_clets(granted, ""),
        rules.may_release_clets(granted, "p-1"),
    ):
        assert code(refusal) == "CLETS_NOT_AUTHORIZED"


def test_clets_text_is_authorized_by_who_answers_for_it_and_may_see_it():
    chief = replace(PERSON, roles=("supervisor",), grants=("clets",))
    assert rules.may_authorize_clets(chief) is ADMITTED
    assert code(rules.may_authorize_clets(replace(chief, grants=()))) == "CLETS_NOT_AUTHORIZED"
    assert code(rules.may_authorize_clets(replace(chief, roles=("investigator",)))) == "ROLE_NOT_AUTHORISED"


def test_the_witness_is_somebody_else():
    assert rules.may_witness("Sam Roe", "jdoe", "Jane Doe") is ADMITTED
    assert rules.may_witness("", "jdoe", "Jane Doe") is ADMITTED
    for name in (" jane doe", "J. Doe", "JANE-DOE", "jdoe"):
        assert code(rules.may_witness(name, "jdoe", "Jane Doe")) == "WITNESS_IS_EXPORTER"


@pytest.mark.parametrize("agency", ["irvine", "westminster", "claremont", "escondido", "roseville"])
def test_every_profile_offers_a_dvd_and_no_unknown_medium(agency):
    assert rules.may_use("dvd", PROFILES[agency]) is ADMITTED
    assert code(rules.may_use("floppy", PROFILES[agency])) == "MEDIUM_NOT_OFFERED"


def test_an_export_lacks_whatever_is_not_there():
    assert rules.missing(PACKAGE, [VOLUME]) == ()
    assert rules.missing({**PACKAGE, "booking_number": ""}, [VOLUME]) == ("booking_number",)
    assert rules.missing({**PACKAGE, "witness": ""}, [VOLUME]) == ("witness",)
    assert rules.missing(PACKAGE, [VOLUME, {**VOLUME, "number": 2, "serial": ""}]) == ("serial",)
    assert rules.missing({**PACKAGE, "state": "ready"}, [VOLUME]) == ("volumes",)
    assert rules.missing({**PACKAGE, "kind": "release", "booking_number": ""}, []) == ()


@pytest.mark.parametrize(
    ("state", "may"),
    [
        ("opened", ["media", "cancel"]),
        ("building", ["media", "cancel"]),
        ("ready", ["take", "media", "cancel"]),
        ("given", ["media", "book"]),
        ("closed", []),
        ("broken", []),
    ],
)
def test_what_can_be_done_next_follows_from_the_state(state, may):
    assert rules.shown({**PACKAGE, "state": state}, [VOLUME], PERSON)["may"] == may
    auditor = replace(PERSON, roles=("auditor",))
    assert rules.shown({**PACKAGE, "state": state}, [VOLUME], auditor)["may"] == []


def test_a_package_is_shown_without_its_key_and_with_its_progress():
    shown = rules.shown({**PACKAGE, "state": "building", "packed": 1, "content_key": b"k"}, [VOLUME])
    assert (shown["progress"], shown["hold_id"]) == ({"step": "building", "done": 1, "of": 2}, "h")
    assert "content_key" not in shown
    assert "request_id" in rules.shown({**PACKAGE, "kind": "release"}, [])


def test_papers_come_in_as_many_parts_as_it_takes():
    assert [rules.batches(reads) for reads in (1, BATCH, BATCH + 1)] == [1, 1, 2]
