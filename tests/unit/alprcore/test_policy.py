"""Policy decisions, and that two agencies differ only by what their profiles say."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alprcore import policy
from alprcore.model import (
    Admitted,
    Camera,
    Device,
    DeviceKind,
    Frame,
    GeoPoint,
    Location,
    LocationQuality,
    Person,
    Refused,
    Siting,
    View,
    frame_id,
)
from alprcore.policy import AgencyProfile, Area, Criteria, Query
from alprcore.profiles import load_profiles

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PROFILES = load_profiles()
DEVICE = Device(
    device_id="pole-7",
    agency="demo",
    kind=DeviceKind.FIXED,
    name="Main and 3rd",
    carrier="pole",
    cameras=(Camera("pole-7-n", "north", ("N",)),),
    siting=Siting(public_view=True, approver="A. Example", declared_on=date(2026, 1, 1)),
    in_service=True,
    position=GeoPoint(33.6, -117.8),
    public_key=bytes(32),
)


def make_frame(**changes: object) -> Frame:
    base = Frame(
        frame_id=frame_id("pole-7-n", 1, bytes(32)),
        agency="demo",
        device_id="pole-7",
        camera_id="pole-7-n",
        sequence=1,
        captured_at=NOW,
        received_at=None,
        location=Location(GeoPoint(33.6, -117.8), LocationQuality.REGISTERED),
        sha256=bytes(32),
        signature=b"s" * 64,
        view=View.REAR,
        image=b"jpeg",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def person(agency: str, *roles: str) -> Person:
    trained = ("alpr", "alpr@FTO", "alpr_data", "learn", "cdms")
    return Person(
        "p1", "jdoe", "Jane Doe", "Example PD", agency, roles, "s1", "127.0.0.1", category="sworn", training=trained
    )


def query(**changes: object) -> Query:
    base = Query(
        purpose_code="criminal_investigation",
        justification="burglary series, vehicle seen twice",
        criteria=Criteria(plate="8ABC123"),
        attest_no_first_amendment=True,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def code(decision: Admitted | Refused) -> str:
    return decision.reason_code if isinstance(decision, Refused) else "admitted"


@pytest.mark.parametrize(
    ("device", "frame", "signature_ok", "expected"),
    [
        (DEVICE, make_frame(), True, "admitted"),
        (None, make_frame(), True, "DEVICE_UNKNOWN"),
        (replace(DEVICE, agency="irvine"), make_frame(), True, "AGENCY_MISMATCH"),
        (replace(DEVICE, cameras=()), make_frame(), True, "CAMERA_UNKNOWN"),
        (DEVICE, make_frame(signature=b""), True, "SIGNATURE_MISSING"),
        (DEVICE, make_frame(), False, "SIGNATURE_INVALID"),
        (replace(DEVICE, in_service=False), make_frame(), True, "DEVICE_OUT_OF_SERVICE"),
        (replace(DEVICE, siting=None), make_frame(), True, "SITING_NOT_DECLARED"),
        (replace(DEVICE, siting=Siting(False, "", None)), make_frame(), True, "SITING_NOT_DECLARED"),
        (replace(DEVICE, position=None), make_frame(location=None), True, "FIELD_MISSING"),
        (DEVICE, make_frame(captured_at=NOW + timedelta(hours=1)), True, "CLOCK_AHEAD"),
        (DEVICE, make_frame(captured_at=NOW - timedelta(hours=4)), True, "admitted"),
    ],
)
def test_a_frame_is_admitted_only_from_a_known_declared_signed_device(
    device: Device | None, frame: Frame, *, signature_ok: bool, expected: str
) -> None:
    assert code(policy.may_collect(frame, device, signature_ok=signature_ok, now=NOW)) == expected


@pytest.mark.parametrize(
    ("agency", "changes", "roles", "expected"),
    [
        ("roseville", {}, ("investigator",), "admitted"),
        ("roseville", {}, (), "ROLE_NOT_AUTHORISED"),
        ("roseville", {}, ("auditor",), "PURPOSE_NOT_PERMITTED"),
        ("roseville", {"purpose_code": "audit"}, ("auditor",), "admitted"),
        ("roseville", {"purpose_code": "audit"}, ("officer",), "PURPOSE_NOT_PERMITTED"),
        ("roseville", {"purpose_code": "upload_check"}, ("officer",), "PURPOSE_NOT_PERMITTED"),
        ("roseville", {"purpose_code": ""}, ("officer",), "PURPOSE_REQUIRED"),
        ("roseville", {"justification": "because"}, ("officer",), "PURPOSE_REQUIRED"),
        ("roseville", {"purpose_code": "electronic_surveillance"}, ("officer",), "PURPOSE_NOT_PERMITTED"),
        ("irvine", {"purpose_code": "electronic_surveillance"}, ("officer",), "admitted"),
        ("claremont", {"purpose_code": "department_civil_or_admin_action"}, ("officer",), "PURPOSE_NOT_PERMITTED"),
        ("westminster", {"purpose_code": "department_civil_or_admin_action"}, ("officer",), "admitted"),
        ("escondido", {"purpose_code": "objective_1_match"}, ("officer",), "PURPOSE_NOT_PERMITTED"),
        ("escondido", {}, ("officer",), "REASONABLE_SUSPICION_REQUIRED"),
        ("escondido", {"reasonable_suspicion": "seen fleeing"}, ("officer",), "NEED_TO_KNOW_REQUIRED"),
        ("irvine", {"attest_no_first_amendment": False}, ("officer",), "FIRST_AMENDMENT_PROHIBITED"),
        ("irvine", {"criteria": Criteria()}, ("officer",), "CRITERIA_INVALID"),
        ("irvine", {"criteria": Criteria(partial="7*")}, ("officer",), "CRITERIA_INVALID"),
        ("irvine", {"criteria": Criteria(partial="7A*C*")}, ("officer",), "CRITERIA_INVALID"),
        ("irvine", {"criteria": Criteria(partial="7A%C")}, ("officer",), "CRITERIA_INVALID"),
        ("irvine", {"criteria": Criteria(area=Area(34, -118, 33, -117))}, ("officer",), "CRITERIA_INVALID"),
        ("irvine", {"limit": 501}, ("officer",), "CRITERIA_INVALID"),
    ],
)
def test_a_query_passes_only_with_role_reason_and_sound_criteria(
    agency: str, changes: dict[str, object], roles: tuple[str, ...], expected: str
) -> None:
    assert code(policy.may_query(query(**changes), person(agency, *roles), PROFILES[agency], NOW)) == expected


def test_a_person_of_another_agency_is_refused() -> None:
    decision = policy.may_query(query(), person("irvine", "investigator"), PROFILES["roseville"], NOW)
    assert code(decision) == "ROLE_NOT_AUTHORISED"


@pytest.mark.parametrize(
    ("agency", "expected"),
    [("irvine", date(2027, 3, 2)), ("claremont", date(2028, 2, 28)), ("escondido", date(2028, 2, 28))],
)
def test_the_due_day_follows_clock_and_period_of_the_profile(agency: str, expected: date) -> None:
    captured = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)  # 28 February, 23:30 in California
    received = datetime(2026, 3, 2, 20, tzinfo=UTC)
    assert policy.due_day(captured, received, DeviceKind.FIXED, PROFILES[agency]) == expected


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    st.timedeltas(timedelta(0), timedelta(days=400)),
    st.sampled_from(sorted(PROFILES)),
    st.sampled_from(DeviceKind),
)
def test_nothing_falls_due_within_a_year_of_its_receipt(
    captured: datetime, delay: timedelta, agency: str, kind: DeviceKind
) -> None:
    received = captured + delay
    due = policy.due_day(captured, received, kind, PROFILES[agency])
    assert (due - received.date()).days >= 364


def test_a_second_factor_is_spared_only_for_a_watermarked_agency_on_this_machine() -> None:
    assert not policy.second_factor_needed(PROFILES["demo"], loopback=True)
    assert policy.second_factor_needed(PROFILES["demo"], loopback=False)
    assert policy.second_factor_needed(replace(PROFILES["demo"], watermark=""), loopback=True)
    assert policy.second_factor_needed(PROFILES["roseville"], loopback=True)


def outcomes(profile: AgencyProfile) -> Iterator[tuple[str, str]]:
    """Replay one set of events under a profile: each result with the profile keys that may decide it."""
    asker = person(profile.agency, "investigator")
    for purpose in sorted({p.code for each in PROFILES.values() for p in each.purposes}):
        for suspicion, need in (("", ""), ("seen fleeing", ""), ("seen fleeing", "assigned to the case")):
            for case in ("", "26-0001"):
                asked = query(purpose_code=purpose, reasonable_suspicion=suspicion, need_to_know=need, case_number=case)
                yield f"query {purpose} {suspicion} {need} {case}", code(policy.may_query(asked, asker, profile, NOW))
    for kind in DeviceKind:
        for delay in (timedelta(0), timedelta(days=3)):
            yield f"due {kind} {delay}", policy.due_day(NOW - delay, NOW, kind, profile).isoformat()
    frame = make_frame(agency=profile.agency)
    device = replace(DEVICE, agency=profile.agency)
    for name, sent, known in (("sound", frame, device), ("undeclared", frame, replace(device, siting=None))):
        yield f"frame {name}", code(policy.may_collect(sent, known, signature_ok=True, now=NOW))


QUERY_KEYS = (
    "purposes",
    "reasonable_suspicion_required",
    "need_to_know_required",
    "case_number",
    "first_amendment_block",
    "querying",
    "governance",
    "access",
)
DUE_KEYS = ("retention", "timezone")


@pytest.mark.parametrize("left", sorted(PROFILES))
@pytest.mark.parametrize("right", sorted(PROFILES))
def test_two_profiles_differ_only_by_what_they_configure(left: str, right: str) -> None:
    """Give one profile the other's configured values: the same events then end the same way, whatever its name."""
    mine, other = PROFILES[left], PROFILES[right]
    borrowed = replace(mine, **{key: getattr(other, key) for key in (*QUERY_KEYS, *DUE_KEYS)})
    assert dict(outcomes(borrowed)) == dict(outcomes(other))
    plain = {name: (a, b) for (name, a), (_, b) in zip(outcomes(mine), outcomes(other), strict=True) if a != b}
    assert all(name.startswith(("query", "due")) for name in plain)
    same_query_rules = all(getattr(mine, key) == getattr(other, key) for key in QUERY_KEYS)
    same_due_rules = all(getattr(mine, key) == getattr(other, key) for key in DUE_KEYS)
    assert not (same_query_rules and any(name.startswith("query") for name in plain))
    assert not (same_due_rules and any(name.startswith("due") for name in plain))
