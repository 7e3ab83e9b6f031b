"""Who may list which vehicle, for how long, on what basis: the rules at their boundaries."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alprcore.model import ADMITTED, EntryDetails, Person, Refused
from alprcore.plates import LIVE_PATTERNS
from alprcore.policy import (
    EntryState,
    HotPlateDraft,
    ListSource,
    PartialDraft,
    ShareAuthorization,
    admit_hot_plate,
    admit_partial,
    advisory_of,
    basis_missing,
    entry_state,
    handed_over_at,
    has_partial_room,
    may_approve_list,
    may_authorize_share,
    may_create_list,
    may_enter,
    may_enter_again,
    may_extend,
    may_share,
    no_basis_alone,
    special_sources,
)
from alprcore.profiles import load_profiles

NOW = datetime(
    2026, 3, 7, 22, 0, tzinfo=UTC
)  # the clocks of California change that night: days have 24 hours all the same
PROFILES = load_profiles()
SECOND = timedelta(seconds=1)
RULES = "the rule alone; the whole check runs over the doors"
every_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())


def draft(expires_at=NOW + timedelta(hours=1), also=(), officers=("officer1",), **texts):
    return HotPlateDraft(expires_at, also, frozenset(officers), **texts)


def person(profile, *roles, training=None, **more):
    tags = {f"{n.tag}@{n.context}" if n.context else n.tag for n in profile.access.training}
    one = Person("p-1", "officer1", "First Officer", "PD", profile.agency, roles, "s", "ip", category="sworn")
    return replace(one, training=tuple(tags if training is None else training), **more)


def said(decision):
    return (decision.rule_id, decision.reason_code) if isinstance(decision, Refused) else decision


@pytest.mark.requirement("HOT-16", "HOT-17", partial=RULES)
@every_profile
def test_the_last_end_is_thirty_days_or_24_hours_to_the_second(profile):
    for also, rule, longest in (((), "HOT-16", timedelta(hours=720)), (("SVS",), "HOT-17", timedelta(hours=24))):
        assert admit_hot_plate(draft(NOW + longest, also), profile, NOW) == ADMITTED
        assert said(admit_hot_plate(draft(NOW + longest + SECOND, also), profile, NOW)) == (rule, "EXPIRY_TOO_LONG")
        assert said(admit_hot_plate(draft(None, also), profile, NOW)) == (rule, "EXPIRY_REQUIRED")
        assert said(admit_hot_plate(draft(NOW, also), profile, NOW)) == (rule, "EXPIRY_PAST")
        assert admit_hot_plate(draft(NOW + SECOND, also), profile, NOW) == ADMITTED
    assert said(admit_hot_plate(draft(also=None), profile, NOW)) == ("HOT-17", "ALSO_ENTERED_IN_REQUIRED")


@pytest.mark.requirement("HOT-18", partial=RULES)
@every_profile
@pytest.mark.parametrize("officers", [("officer1", "officer2"), ("all",)])
def test_each_field_that_several_officers_need_is_asked_for(profile, officers):
    whole = {"contact_phone": "555-0100", "case_number": "26-1", "synopsis": "gray pickup"}
    assert admit_hot_plate(draft(officers=officers, **whole), profile, NOW) == ADMITTED
    for name in whole:
        refused = admit_hot_plate(draft(officers=officers, **(whole | {name: " "})), profile, NOW)
        assert (said(refused), refused.detail) == (("HOT-18", "FIELD_MISSING"), name)
    assert (
        admit_hot_plate(draft(officers=officers[:1] if officers != ("all",) else ("officer1",)), profile, NOW)
        == ADMITTED
    )


@pytest.mark.requirement("HOT-20", partial=RULES)
@every_profile
def test_training_for_the_desk_or_for_the_car_is_enough_and_none_is_not(profile):
    for role in ("officer", "investigator", "dispatcher", "alpr_admin"):
        assert may_enter(person(profile, role), profile) == ADMITTED
        assert said(may_enter(person(profile, role, training=()), profile)) == ("HOT-20", "TRAINING_MISSING")
    for role in ("supervisor", "auditor", "contractor", "program_manager"):
        assert said(may_enter(person(profile, role), profile)) == ("HOT-20", "ROLE_NOT_AUTHORISED")
    assert said(may_enter(replace(person(profile, "officer"), agency="other"), profile))[1] == "ROLE_NOT_AUTHORISED"


@pytest.mark.requirement("HOT-20", partial=RULES)
def test_roseville_takes_the_system_of_the_desk_or_of_the_car():
    profile = PROFILES["roseville"]
    for tags, admitted in (
        (("alpr", "learn"), True),
        (("alpr", "cdms"), True),
        (("alpr",), False),
        (("learn",), False),
    ):
        assert (may_enter(person(profile, "officer", training=tags), profile) == ADMITTED) is admitted


@pytest.mark.requirement("HOT-16", partial=RULES)
def test_an_entry_is_followed_up_by_another_person_once_while_it_lives():
    other = person(PROFILES["roseville"], "officer", person_id="p-2")
    author = person(PROFILES["roseville"], "officer")
    assert may_extend("p-1", EntryState.ACTIVE, extended=False, person=other) == ADMITTED
    assert said(may_extend("p-1", EntryState.ACTIVE, extended=False, person=author))[1] == "AUTHOR_MUST_DIFFER"
    assert said(may_extend("p-1", EntryState.ACTIVE, extended=True, person=other))[1] == "ALREADY_EXTENDED"
    for ended in (EntryState.EXPIRED, EntryState.WITHDRAWN):
        assert said(may_extend("p-1", ended, extended=False, person=other))[1] == "ENTRY_NOT_LIVE"


@pytest.mark.requirement("HOT-19", partial=RULES)
def test_an_entry_is_active_from_its_begin_to_its_end_once_the_matchers_know():
    def at(moment, *, published=True, withdrawn=False):
        return entry_state(moment, NOW, NOW + SECOND, published=published, withdrawn=withdrawn)

    assert at(NOW) is EntryState.ACTIVE
    assert at(NOW - SECOND) is EntryState.NOT_ACTIVE_YET
    assert at(NOW, published=False) is EntryState.NOT_ACTIVE_YET
    assert at(NOW + SECOND) is EntryState.EXPIRED
    assert at(NOW + SECOND, published=False) is EntryState.EXPIRED
    assert at(NOW, withdrawn=True) is EntryState.WITHDRAWN


@pytest.mark.requirement("HOT-17", partial=RULES)
@every_profile
def test_a_plate_handed_over_ends_at_the_earlier_of_its_date_and_24_hours(profile):
    day = timedelta(hours=24)
    assert handed_over_at(NOW, NOW, NOW + 2 * day, profile.listing, NOW) == NOW + day
    assert handed_over_at(NOW, NOW, NOW + day - SECOND, profile.listing, NOW) == NOW + day - SECOND


@pytest.mark.requirement("HOT-17", partial=RULES)
@every_profile
def test_what_would_follow_a_plate_handed_over_ends_at_once(profile):
    day, later = timedelta(hours=24), NOW + timedelta(minutes=5)
    assert handed_over_at(NOW, NOW + 5 * day, NOW + 9 * day, profile.listing, later) == later
    assert handed_over_at(NOW, later, NOW + 9 * day, profile.listing, later) == NOW + day


@pytest.mark.requirement("HOT-16", partial=RULES)
def test_nobody_enters_again_what_lives_of_their_own():
    author = person(PROFILES["irvine"])
    assert said(may_enter_again({"p-2", "p-1"}, author)) == ("HOT-16", "AUTHOR_MUST_DIFFER")
    assert may_enter_again({"p-2"}, author) == ADMITTED
    assert may_enter_again((), author) == ADMITTED


@pytest.mark.requirement("USE-10", partial=RULES)
def test_no_agency_takes_the_room_for_partial_plates_from_another():
    agencies = [f"agency-{number}" for number in range(5)]
    live = dict.fromkeys(agencies, 0)
    while has_partial_room(live, agencies[0], len(agencies)):
        live[agencies[0]] += 1
    assert live[agencies[0]] == LIVE_PATTERNS // 2 // len(agencies) + LIVE_PATTERNS // 4
    for name in agencies[1:]:
        while has_partial_room(live, name, len(agencies)):
            live[name] += 1
    assert sum(live.values()) == LIVE_PATTERNS
    assert min(live.values()) == LIVE_PATTERNS // 2 // len(agencies)
    assert not has_partial_room({"gone": LIVE_PATTERNS}, agencies[0], len(agencies))


@pytest.mark.requirement("USE-10", partial=RULES)
@every_profile
def test_a_partial_plate_has_pattern_crime_case_reason_and_end(profile):
    purpose = profile.purposes[0].code
    good = PartialDraft("7A?C1*", NOW + timedelta(hours=720), purpose, "26-1", "seen leaving", "homicide")
    assert admit_partial(good, profile, NOW, room=True) == ADMITTED
    for change, expected in (
        ({"expires_at": None}, "EXPIRY_REQUIRED"),
        ({"expires_at": NOW + timedelta(hours=720) + SECOND}, "EXPIRY_TOO_LONG"),
        ({"purpose_code": ""}, "PURPOSE_REQUIRED"),
        ({"purpose_code": "curiosity"}, "PURPOSE_NOT_PERMITTED"),
        ({"case_number": " "}, "FIELD_MISSING"),
        ({"reason": ""}, "FIELD_MISSING"),
        ({"crime_type": "burglary"}, "FIELD_INVALID"),
        ({"pattern": "7A*"}, "PATTERN_INVALID"),
        ({"pattern": "7*C*1"}, "PATTERN_INVALID"),
        ({"pattern": "7ABC12345678?"}, "PATTERN_INVALID"),
        ({"pattern": "7ABC123"}, "PATTERN_INVALID"),
        ({"pattern": "7Ä?C1"}, "PATTERN_INVALID"),
    ):
        assert said(admit_partial(replace(good, **change), profile, NOW, room=True))[1] == expected, change
    assert admit_partial(replace(good, pattern="7A?C"), profile, NOW, room=True) == ADMITTED
    assert said(admit_partial(good, profile, NOW, room=False)) == ("USE-10", "TOO_MANY_PARTIALS")


@pytest.mark.requirement("HOT-06", partial=RULES)
@pytest.mark.requirement("HOT-07")
@every_profile
def test_special_lists_exist_where_the_policy_knows_them_and_inform_only(profile):
    purpose = profile.purposes[0].code
    decision = may_create_list("special", purpose, profile)
    assert said(decision) == (ADMITTED if profile.agency in ("roseville", "demo") else ("HOT-05", "SPECIAL_LISTS_OFF"))
    assert may_create_list("local", "", profile) == ADMITTED
    assert advisory_of("special", "wanted_person") == "information_only"
    assert advisory_of("local", "wanted_person") == "wanted_person"


@pytest.mark.requirement("HOT-06", "HOT-08", partial=RULES)
def test_the_manager_or_a_designee_of_this_power_decides_never_the_maker():
    profile = PROFILES["roseville"]
    captain = person(profile, "program_manager")
    designee = person(profile, "supervisor", powers=("approve_special_list:d-1",))
    sharer = person(profile, "supervisor", powers=("authorise_share:d-2",))
    for one, approves, shares in (
        (captain, True, True),
        (designee, True, False),
        (sharer, False, True),
        (person(profile, "supervisor"), False, False),
        (person(profile, "alpr_admin"), False, False),
        (replace(captain, agency="irvine"), False, False),
    ):
        assert (may_approve_list("special", "p-7", one, profile) == ADMITTED) is approves
        assert (may_authorize_share("special", "law_enforcement", one, profile) == ADMITTED) is shares
    assert said(may_approve_list("special", "p-1", captain, profile)) == ("HOT-06", "OWN_LIST")
    assert said(may_approve_list("core", "p-7", captain, profile)) == ("HOT-06", "APPROVAL_NOT_NEEDED")
    assert said(may_authorize_share("core", "law_enforcement", captain, profile)) == ("HOT-08", "LIST_NOT_SHAREABLE")
    for kind in ("commercial", "individual", "prosecutorial"):
        assert said(may_authorize_share("special", kind, captain, profile)) == (
            "USE-08",
            "RECIPIENT_CLASS_NOT_PERMITTED",
        )


@pytest.mark.requirement("HOT-08", partial=RULES)
def test_an_authorization_counts_from_its_date_to_its_end_and_for_its_agency():
    def decide(recipient="Sheriff", at=NOW, **paper):
        one = ShareAuthorization("a-1", "sheriff", **({"authorized_at": NOW} | paper))
        return said(may_share("special", recipient, "law_enforcement", [one], at))

    refused = ("HOT-08", "SHARE_NOT_AUTHORISED")
    assert decide() == ADMITTED
    assert decide(authorized_at=NOW + SECOND) == refused
    assert decide(valid_to=NOW) == refused
    assert decide(valid_to=NOW + SECOND) == ADMITTED
    assert decide("Another city") == refused
    assert said(may_share("special", "Sheriff", "law_enforcement", [], NOW)) == refused


@pytest.mark.requirement("HOT-10", partial=RULES)
def test_a_special_list_compares_two_named_systems_at_known_times():
    profile = PROFILES["roseville"]
    first, second = ListSource("WebKPF", NOW), ListSource("SSD RMS", NOW - SECOND)
    assert special_sources([first, second], profile, NOW) == ADMITTED
    for sources in ([], [first], [first, ListSource(" webkpf ", NOW)], [first, ListSource(" ", NOW)]):
        assert said(special_sources(sources, profile, NOW)) == ("HOT-10", "SOURCES_REQUIRED")
    late = ListSource("DMV", NOW + SECOND)
    assert said(special_sources([first, late], profile, NOW)) == ("HOT-10", "SOURCE_TIME_AHEAD")


@pytest.mark.requirement("HOT-11", "DEF-08", partial=RULES)
def test_case_incident_or_source_record_is_a_basis_and_notes_are_not():
    for details in (
        EntryDetails(basis="burglary series"),
        EntryDetails(case_number="26-1"),
        EntryDetails(source_key="R1"),
    ):
        assert not basis_missing(details)
    assert basis_missing(EntryDetails(notes="seen around", basis=" ", reason="special_hot_list"))


@pytest.mark.requirement("HOT-07")
def test_an_action_that_cites_only_what_informs_is_refused():
    assert said(no_basis_alone(["information_only"])) == ("HOT-07", "INFORMATION_ONLY")
    assert no_basis_alone(["information_only", "stolen_vehicle"]) is None
    assert no_basis_alone([]) is None
