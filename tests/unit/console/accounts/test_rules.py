"""Who may sign in, the one-time codes, and how long a session lives."""

from datetime import UTC, datetime, timedelta

import pytest

from alpr_console.accounts import rules
from alprcore.model import ADMITTED
from alprcore.profiles import load_profiles

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
PROFILES = load_profiles()
# RFC 6238, appendix B: the ASCII secret "12345678901234567890" with SHA-1; the last six of its eight digits
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def login(**changes):
    fields = {
        "password_ok": True,
        "disabled": False,
        "failures": 0,
        "last_failure_at": None,
        "second_factor_enrolled": False,
        "second_factor_ok": False,
    }
    return rules.Login(**{**fields, **changes})


def code_of(decision):
    return getattr(decision, "reason_code", "admitted")


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_rfc(seconds, code):
    assert rules.totp(SECRET, seconds // 30) == code


def test_a_code_opens_once_and_only_near_its_time():
    moment = datetime.fromtimestamp(1234567890, UTC)
    step = rules.totp_step(SECRET, "005924", 0, moment)
    assert step == 1234567890 // 30
    assert rules.totp_step(SECRET, "005924", step, moment) is None
    assert rules.totp_step(SECRET, "005924", 0, moment + timedelta(seconds=30)) == step
    assert rules.totp_step(SECRET, "005924", 0, moment + timedelta(seconds=90)) is None
    assert rules.totp_step(SECRET, "000000", 0, moment) is None


def test_only_the_demonstration_on_this_machine_goes_without_a_second_factor():
    assert rules.may_sign_in(login(), PROFILES["demo"], loopback=True, now=NOW) is ADMITTED
    assert (
        code_of(rules.may_sign_in(login(), PROFILES["demo"], loopback=False, now=NOW)) == "SECOND_FACTOR_NOT_ENROLLED"
    )
    for agency in set(PROFILES) - {"demo"}:
        decision = rules.may_sign_in(login(), PROFILES[agency], loopback=True, now=NOW)
        assert code_of(decision) == "SECOND_FACTOR_NOT_ENROLLED", agency
    enrolled = login(second_factor_enrolled=True)
    assert code_of(rules.may_sign_in(enrolled, PROFILES["irvine"], loopback=False, now=NOW)) == "SECOND_FACTOR_WRONG"
    enrolled = login(second_factor_enrolled=True, second_factor_ok=True)
    assert rules.may_sign_in(enrolled, PROFILES["irvine"], loopback=False, now=NOW) is ADMITTED


def test_a_locked_account_refuses_even_the_right_password_until_the_window_has_passed():
    tried = login(failures=rules.MAX_FAILURES, last_failure_at=NOW - timedelta(minutes=14))
    assert code_of(rules.may_sign_in(tried, PROFILES["demo"], loopback=True, now=NOW)) == "ACCOUNT_LOCKED"
    assert rules.may_sign_in(tried, PROFILES["demo"], loopback=True, now=NOW + timedelta(minutes=2)) is ADMITTED
    fewer = login(failures=rules.MAX_FAILURES - 1, last_failure_at=NOW)
    assert rules.may_sign_in(fewer, PROFILES["demo"], loopback=True, now=NOW) is ADMITTED


def test_a_disabled_account_looks_like_a_wrong_password():
    wrong = rules.may_sign_in(login(password_ok=False), PROFILES["demo"], loopback=True, now=NOW)
    disabled = rules.may_sign_in(login(disabled=True), PROFILES["demo"], loopback=True, now=NOW)
    unknown = rules.may_sign_in(login(), None, loopback=True, now=NOW)
    assert wrong == disabled == unknown
    assert code_of(wrong) == "CREDENTIALS_WRONG"


@pytest.mark.parametrize(
    ("started", "seen", "alive"),
    [(1, 1, True), (700, 29, True), (700, 31, False), (719, 1, True), (721, 1, False)],
)
def test_a_session_ends_when_idle_and_after_a_shift(started, seen, alive):
    begun, last = NOW - timedelta(minutes=started), NOW - timedelta(minutes=seen)
    assert rules.session_alive(begun, last, NOW) is alive
