"""Who may sign in, what a password must be, the one-time codes, and how long a session lives."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

from alpr_console.accounts import rules
from alprcore.model import ADMITTED, Person
from alprcore.profiles import load_profiles

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
PROFILES = load_profiles()
# RFC 6238, appendix B: the ASCII secret "12345678901234567890" with SHA-1; the last six of its eight digits
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
PERSON = Person("p", "jroe", "Jo Roe", "Irvine Police Department", "irvine", ("officer",), "s", "10.0.0.7")
IDLE = timedelta(minutes=30)


def login(**changes):
    fields = {
        "password_ok": True,
        "disabled": False,
        "locked_at": None,
        "second_factor_enrolled": False,
        "second_factor_ok": False,
    }
    return rules.Login(**{**fields, **changes})


def decide(tried, agency="demo", *, loopback=True, opens_after=None, now=NOW):
    profile = PROFILES[agency] if agency else None
    decision = rules.may_sign_in(tried, profile, loopback=loopback, opens_after=opens_after, now=now)
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
    assert rules.totp_used(SECRET, "005924", step, moment)
    assert not rules.totp_used(SECRET, "005924", 0, moment)
    assert not rules.totp_used(SECRET, "000000", step, moment)


def test_only_the_demonstration_on_this_machine_goes_without_a_second_factor():
    assert decide(login()) == "admitted"
    assert decide(login(), loopback=False) == "SECOND_FACTOR_NOT_ENROLLED"
    for agency in set(PROFILES) - {"demo"}:
        assert decide(login(), agency) == "SECOND_FACTOR_NOT_ENROLLED", agency
    assert decide(login(second_factor_enrolled=True), "irvine", loopback=False) == "SECOND_FACTOR_WRONG"
    assert decide(login(second_factor_enrolled=True, second_factor_ok=True), "irvine", loopback=False) == "admitted"
    assert decide(login(second_factor_enrolled=True, code_used=True), "irvine", loopback=False) == "SECOND_FACTOR_WRONG"


def test_a_first_password_opens_the_way_to_a_second_factor_for_three_days():
    first = login(password_first=True, password_at=NOW - timedelta(hours=71))
    assert decide(first, "irvine", loopback=False) == "admitted"
    assert decide(replace(first, password_at=NOW - timedelta(hours=73)), "irvine") == "FIRST_PASSWORD_EXPIRED"
    assert decide(replace(first, password_at=None), "irvine") == "FIRST_PASSWORD_EXPIRED"
    code = lambda refusal: refusal and refusal.reason_code  # noqa: E731
    assert code(rules.left_to_set_up(password_first=True, enrolled=False, waived=False)) == "PASSWORD_FIRST"
    assert (
        code(rules.left_to_set_up(password_first=False, enrolled=False, waived=False)) == "SECOND_FACTOR_NOT_ENROLLED"
    )
    assert rules.left_to_set_up(password_first=False, enrolled=True, waived=False) is None
    assert rules.left_to_set_up(password_first=False, enrolled=False, waived=True) is None


def test_a_locked_account_refuses_even_the_right_password_until_it_is_released():
    tried = login(locked_at=NOW - timedelta(days=300))
    assert decide(tried) == "ACCOUNT_LOCKED"
    assert decide(tried, opens_after=timedelta(minutes=15)) == "admitted"
    assert decide(login(locked_at=NOW - timedelta(minutes=14)), opens_after=timedelta(minutes=15)) == "ACCOUNT_LOCKED"
    assert [rules.locks(failures) for failures in (4, 5, 6)] == [False, True, True]


def test_a_disabled_account_looks_like_a_wrong_password():
    assert decide(login(password_ok=False)) == decide(login(disabled=True)) == decide(login(), None)
    assert decide(login(password_ok=False)) == "CREDENTIALS_WRONG"


def test_an_account_of_the_provider_takes_no_password():
    assert decide(login(by_provider=True)) == "PROVIDER_SIGN_IN_REQUIRED"
    assert decide(login(by_provider=True, password_ok=False)) == "CREDENTIALS_WRONG"


@pytest.mark.parametrize(
    ("proved", "seen", "exempt", "state"),
    [
        (1, 1, False, "open"),
        (700, 29, False, "open"),
        (700, 30, False, "locked"),
        (700, 300, True, "open"),
        (720, 1, False, "locked"),
        (720, 1, True, "locked"),
        (900, 719, False, "locked"),
        (900, 720, True, "over"),
    ],
)
def test_a_session_locks_when_idle_and_after_a_shift_and_is_over_in_the_end(proved, seen, exempt, state):
    begun, last = NOW - timedelta(minutes=proved), NOW - timedelta(minutes=seen)
    assert rules.session_state(begun, last, IDLE, NOW, exempt=exempt) == state
    if state == "open":
        at = rules.locks_at(begun, last, IDLE, exempt=exempt)
        assert at > NOW
        if not exempt:
            assert rules.session_state(begun, last, IDLE, at, exempt=exempt) == "locked"


def test_only_dispatchers_in_a_named_room_are_not_locked():
    room = (ip_network("10.9.0.0/24"),)
    assert rules.lock_exempt(("dispatcher",), "10.9.0.4", room)
    assert not rules.lock_exempt(("investigator",), "10.9.0.4", room)
    assert not rules.lock_exempt(("dispatcher",), "10.9.1.4", room)
    assert not rules.lock_exempt(("dispatcher",), "", room)
    assert not rules.lock_exempt(("dispatcher",), "10.9.0.4", ())


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short one", "PASSWORD_TOO_SHORT"),
        ("x" * 1001, "PASSWORD_TOO_LONG"),
        ("passwordpassword", "PASSWORD_EASY"),
        ("P@ssw0rdP@ssw0rd", "PASSWORD_EASY"),
        ("Welcome2026Police!", "PASSWORD_EASY"),
        ("jroeirvinepolice1", "PASSWORD_EASY"),
        ("aaaaaaaaaaaaaaaaaa", "PASSWORD_EASY"),
        ("abcdefghijklmnopq", "PASSWORD_EASY"),
        ("123456789012345678", "PASSWORD_EASY"),
        ("qwertyuiopasdfghj", "PASSWORD_EASY"),
        ("zyxwvutsrqponmlkj", "PASSWORD_EASY"),
        ("four wheels and a plate", None),
        ("correct horse battery", None),
        ("79 kestrels 12 above", None),
        ("ñandú über straße 冬の夜", None),
    ],
)
def test_passwords_that_are_guessed_first_are_refused_and_long_ones_of_any_kind_taken(password, code):
    fault = rules.password_fault(password, PERSON, 15)
    assert (fault and fault.reason_code) == code


def test_what_opens_an_account_is_changed_only_by_a_fresh_proof():
    proved = replace(PERSON, authenticated_at=(NOW - timedelta(minutes=14)).isoformat())
    assert rules.fresh(proved, NOW) is ADMITTED
    assert rules.fresh(proved, NOW + timedelta(minutes=2)).reason_code == "PROVE_AGAIN"
    assert rules.fresh(PERSON, NOW).reason_code == "PROVE_AGAIN"


@pytest.mark.parametrize(
    ("known", "found", "moved"), [(0, 0, True), (0, 1, True), (7, 8, True), (7, 7, False), (7, 0, False)]
)
def test_a_keys_counter_only_grows(known, found, moved):
    assert rules.counter_moved(known, found) is moved


def test_an_address_waits_after_its_wrong_attempts_and_no_other_does():
    attempts = rules.Attempts(3, most=2)
    for second in range(3):
        assert not attempts.waits("10.0.0.1", NOW)
        attempts.failed("10.0.0.1", NOW + timedelta(seconds=second))
    assert attempts.waits("10.0.0.1", NOW + timedelta(seconds=59))
    assert not attempts.waits("10.0.0.2", NOW)
    assert not attempts.waits("10.0.0.1", NOW + timedelta(seconds=60))
    for address in ("10.0.0.3", "10.0.0.4"):  # no more addresses are kept than was said
        attempts.failed(address, NOW + timedelta(seconds=3))
    assert not attempts.waits("10.0.0.1", NOW + timedelta(seconds=3))
