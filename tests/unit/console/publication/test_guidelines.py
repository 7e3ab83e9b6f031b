"""The guidelines, word by word where it matters, and when a posting is outdated."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from alpr_console.publication import rules
from alprcore.model import ADMITTED, Refused
from alprcore.profiles import load_profiles

PROFILES = load_profiles()
NOTHING = rules.Facts()
NOW = datetime(2027, 3, 1, tzinfo=UTC)
COURSES = (
    {"name": "FTO week", "version": "3", "tags": ["alpr"], "valid_days": 365, "approved_at": NOW},
    {"name": "Draft", "version": "4", "tags": ["alpr"], "valid_days": None, "approved_at": None},
)


def words(agency, letter, facts=NOTHING):
    section = next(part for part in rules.guidelines(PROFILES[agency], facts) if part.letter == letter)
    return [*section.text, *section.items]


def test_training_says_whom_it_concerns_and_which_course():
    said = words("claremont", "b", rules.Facts(courses=COURSES))
    assert (
        "To see ALPR data, sworn, within the FTO program: FTO week, version 3, approved 2027-03-01, valid 365 days"
        in said
    )
    assert "To see ALPR data, communications: training “alpr_policy”; no course is approved yet." in said
    assert "The policy is read again every 365 days." in said
    assert "Certification needed before access: CLETS." in said
    assert not any("Draft" in sentence for sentence in said)


def test_monitoring_says_who_and_when():
    assert words("roseville", "c")[0].startswith(
        "User queries are audited every calendar quarter by: ALPR Administrator."
    )
    assert "Last audit closed: none yet." in words("irvine", "c")


@pytest.mark.parametrize("agency", ["westminster", "roseville"])
def test_a_set_stands_when_the_agency_named_who_oversees_it(agency):
    profile = PROFILES[agency]
    refused = rules.may_stand(profile, rules.guidelines(profile, rules.Facts()))
    assert isinstance(refused, Refused)
    assert refused.detail == "nothing is configured for section e (who oversees the program now)"
    governance = replace(profile.governance, designee_title="Captain", designee_name="Kim Next")
    named = replace(profile, governance=governance)
    assert rules.may_stand(named, rules.guidelines(named, rules.Facts())) is ADMITTED
    untitled = replace(named, governance=replace(governance, titles=(), contractor_titles=()))
    assert "section a" in rules.may_stand(untitled, rules.guidelines(untitled, rules.Facts())).detail


@pytest.mark.parametrize("agency", ["irvine", "claremont", "escondido"])
def test_a_set_may_be_incomplete_where_the_policy_asks_for_none(agency):
    profile = PROFILES[agency]
    sections = rules.guidelines(profile, rules.Facts())
    assert rules.empty(sections)
    assert rules.may_stand(profile, sections) is ADMITTED


def test_the_document_is_the_same_for_the_same_content():
    sections = rules.guidelines(PROFILES["irvine"], rules.Facts())
    content, text, digest = rules.document(PROFILES["irvine"], sections, NOW)
    assert rules.document(PROFILES["irvine"], sections, NOW)[1:] == (text, digest)
    assert rules.sections_of(content) == sections
    assert len(digest) == 32


def kept(number, *, version, approved=False, published=False):
    return {
        "number": number, "profile_version": version, "approved_at": NOW if approved else None,
        "published_at": NOW if published else None,
    }  # fmt: skip


def test_when_a_posting_is_outdated():
    asked, offered = PROFILES["westminster"], PROFILES["irvine"]
    now = asked.version
    assert rules.posting(asked, [])[0] == "POSTING_OUTDATED"
    assert rules.posting(offered, [])[0] == "current"
    standing = kept(1, version=now, approved=True, published=True)
    assert rules.posting(asked, [standing])[0] == "current"
    assert rules.posting(asked, [standing, kept(2, version=now)])[0] == "current"  # a draft is nobody's word yet
    assert rules.posting(asked, [standing, kept(2, version=now, approved=True)])[0] == "POSTING_OUTDATED"
    older = kept(1, version="462@0", approved=True, published=True)
    assert rules.posting(asked, [older])[0] == "POSTING_OUTDATED"
    assert rules.posting(offered, [older])[0] == "POSTING_OUTDATED"
