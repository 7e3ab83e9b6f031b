"""What a CAD's answers come to in any order, how messages are signed, where they go and when they are tried again."""

import random
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpr_console.cad import rules
from alprcore.hooks import signatures
from alprcore.model import CadSaid, CadStatus, CapType, Refused

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
INSIDE = (ip_network("10.20.0.0/16"), ip_network("127.0.0.0/8"), ip_network("fd00::/8"))


def said(*statuses, **fields):
    """Answers one second apart."""
    return [
        CadStatus(f"s-{number}", "i-1", CadSaid(status), NOW + timedelta(seconds=number), **fields)
        for number, status in enumerate(statuses)
    ]


def outcome(answers):
    stands = rules.standing(answers)
    return (stands.last.status.value if stands.last else ""), [one.said.status.value for one in stands.problems]


@pytest.mark.parametrize(
    ("statuses", "status", "problems"),
    [
        ([], "", []),
        (["accepted"], "accepted", []),
        (["accepted", "dispatched", "on_scene", "closed"], "closed", []),
        (["rejected"], "rejected", []),
        (["rejected", "accepted", "dispatched"], "dispatched", []),
        (["accepted", "closed"], "closed", []),
        (["accepted", "dispatched", "dispatched", "on_scene", "dispatched", "on_scene"], "on_scene", []),
        (["dispatched"], "", ["dispatched"]),
        (["accepted", "on_scene"], "accepted", ["on_scene"]),
        (["rejected", "dispatched"], "rejected", ["dispatched"]),
        (["accepted", "dispatched", "rejected"], "dispatched", ["rejected"]),
        (["accepted", "closed", "dispatched", "on_scene"], "closed", ["dispatched", "on_scene"]),
        (["accepted", "accepted"], "accepted", []),
        (["accepted", "closed", "closed"], "closed", []),
    ],
)
def test_illegal_jumps_are_kept_and_not_applied(statuses, status, problems):
    assert outcome(said(*statuses)) == (status, problems)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_answers_that_come_out_of_order_come_to_the_same(order):
    answers = said("accepted", "dispatched", "on_scene", "closed")
    assert outcome([answers[number] for number in order]) == ("closed", [])


@given(st.lists(st.sampled_from([*CadSaid]), max_size=12), st.randoms(use_true_random=False))
def test_repeats_and_any_order_change_nothing(statuses, dice: random.Random):
    answers = said(*statuses)
    shuffled = answers + dice.choices(answers, k=len(answers)) if answers else []
    dice.shuffle(shuffled)
    assert rules.standing(shuffled) == rules.standing(answers)
    stands = rules.standing(answers)
    closed = [number for number, one in enumerate(statuses) if one is CadSaid.CLOSED]
    if stands.last and stands.last.status is CadSaid.CLOSED:
        assert stands.last.event_id in {f"s-{number}" for number in closed}


def test_the_card_says_what_happened():
    accepted, dispatched = said("accepted", call_number="26-17")[0], said("rejected", "dispatched", unit="Car 4")[1]
    card = rules.fact(rules.standing([accepted, dispatched]))
    assert (card["status"], card["call_number"], card["unit"]) == ("dispatched", "26-17", "Car 4")
    rejected = rules.fact(rules.standing(said("rejected", reason="duplicate of 26-11", simulated=True)))
    assert rejected["reason"] == "duplicate of 26-11"
    assert rejected["simulated"] is True
    assert "nobody" in rejected["words"]
    jump = rules.fact(rules.standing(said("on_scene")))
    assert jump["status"] == ""
    assert jump["problems"][0]["reason_code"] == "CAD_OUT_OF_ORDER"
    late = rules.fact(rules.standing(said("accepted", "closed", "on_scene")))
    assert late["problems"][0]["reason_code"] == "CAD_CLOSED"


@pytest.mark.parametrize(
    ("change", "facts", "type_"),
    [
        ("read_check", {"result": "misread"}, CapType.CANCEL),
        ("read_check", {"result": "wrong_state"}, CapType.CANCEL),
        ("read_check", {"result": "correct", "state": "wrong_state"}, CapType.CANCEL),
        ("read_check", {"result": "correct", "state": "read_checked"}, CapType.UPDATE),
        ("closure", {"result": "closed", "state": "misread"}, CapType.UPDATE),
        ("verification", {"result": "active"}, CapType.UPDATE),
        ("closure", {}, CapType.UPDATE),
        ("disposition", {"outcome": "misread"}, CapType.UPDATE),
    ],
)
def test_a_misread_takes_everything_back(change, facts, type_):
    assert rules.cap_type(change, facts) is type_


def test_the_vector_of_the_specification():
    """Standard Webhooks 1.0.0, the example of its reference libraries."""
    made = signatures([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_secrets_make_two_signatures_the_new_one_first():
    other = rules.new_secret(bytes(32))
    assert other == "whsec_" + "A" * 43 + "="
    both = signatures([other, SECRET], "m", 1, b"{}").split(" ")
    assert both == [signatures([one], "m", 1, b"{}") for one in (other, SECRET)]
    assert both[0] != both[1]
    for changed in (("n", 1, b"{}"), ("m", 2, b"{}"), ("m", 1, b"{ }")):
        assert signatures([SECRET], *changed) != both[1]


@pytest.mark.parametrize("secret", ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!", "whsk_AAAA"])
def test_a_secret_of_another_form_signs_nothing(secret):
    with pytest.raises(ValueError, match=r".+"):
        signatures([secret], "m", 1, b"")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://cad.example/hits", None),
        ("https://cad.example:8443/a?b=c", None),
        ("https://10.20.3.4/hits", None),
        ("http://cad.example/hits", "URL_NOT_HTTPS"),
        ("ftp://cad.example/hits", "URL_NOT_HTTPS"),
        ("file:///etc/passwd", "URL_INVALID"),
        ("https:///hits", "URL_INVALID"),
        ("https://user:word@cad.example/", "URL_INVALID"),
        ("https://cad.example/#part", "URL_INVALID"),
        ("https://cad.example:99999/", "URL_INVALID"),
        ("https://cad.example/\r\nX: y", "URL_INVALID"),
        ("https://cäd.example/", "URL_INVALID"),
        ("https://cad.example/" + "a" * 500, "URL_INVALID"),
        ("https://192.168.1.1/", "ADDRESS_NOT_ALLOWED"),
        ("https://169.254.169.254/latest", "ADDRESS_NOT_ALLOWED"),
        ("https://[::1]/", "ADDRESS_NOT_ALLOWED"),
    ],
)
def test_where_messages_may_go(url, code):
    judged = rules.endpoint_url(url, plain=False, networks=INSIDE)
    assert (judged.reason_code if isinstance(judged, Refused) else None) == code


@pytest.mark.parametrize(
    ("url", "named"),
    [("https://10.9.9.9/", True), ("https://127.0.0.1/", True), ("https://169.254.169.254/", False)],
)
def test_a_refused_address_names_the_setting_where_it_would_help(url, named):
    refused = rules.endpoint_url(url, plain=False, networks=())
    assert ("ALPR_CONSOLE_WEBHOOK_NETWORKS" in refused.detail) is named


def test_plain_http_goes_only_where_it_is_allowed():
    assert rules.endpoint_url("http://cad.example/", plain=True, networks=()) == "http://cad.example/"


@pytest.mark.parametrize(
    ("address", "opens"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("10.20.1.1", True), ("127.0.0.1", True), ("fd00::7", True),
        ("::ffff:10.20.1.1", True), ("10.21.1.1", False), ("192.168.0.1", False), ("172.16.0.1", False),
        ("169.254.169.254", False), ("fe80::1", False), ("0.0.0.0", False), ("::", False), ("::1", False),
        ("224.0.0.1", False), ("ff02::1", False), ("255.255.255.255", False), ("100.64.0.1", False),
        ("::ffff:169.254.169.254", False), ("64:ff9b::a9fe:a9fe", False), ("2002:a9fe:a9fe::1", False),
    ],
)  # fmt: skip
def test_addresses(address, opens):
    assert rules.address_open(ip_address(address), INSIDE) is opens


def test_link_local_stays_shut_whatever_was_allowed():
    assert not rules.address_open(ip_address("169.254.169.254"), [ip_network("0.0.0.0/0")])


def test_tries_spread_and_never_end():
    seconds = [(rules.next_try(n, 0.0, None, NOW) - NOW).total_seconds() for n in range(1, 12)]
    assert seconds[:4] == [1, 2, 4, 8]
    assert seconds[-1] == 150
    assert (rules.next_try(10_000, 1.0, None, NOW) - NOW).total_seconds() == 300
    assert (rules.next_try(1, 0.0, 90.0, NOW) - NOW).total_seconds() == 90
    assert (rules.next_try(1, 0.0, 1e9, NOW) - NOW).total_seconds() == 3600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120), (" 5 ", 5), ("Mon, 01 Mar 2027 12:01:30 GMT", 90), ("Mon, 01 Mar 2027 11:00:00 GMT", 0),
        ("soon", None), ("", None), ("-4", None), ("1e9", None), ("9" * 40, None), ("٣", None),
    ],
)  # fmt: skip
def test_retry_after(header, seconds):
    assert rules.retry_after(header, NOW) == seconds
