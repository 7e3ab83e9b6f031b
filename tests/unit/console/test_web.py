"""Whose address a call comes from."""

from ipaddress import ip_network

import pytest

from alpr_console.web import client_address, csrf_of, new_token, token_hash

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # nobody we trust wrote it
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.66, 198.51.100.1"], "198.51.100.1"),  # the caller's own invention stays to the left
        ("10.0.0.1", ["192.0.2.66", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_forwarded_addresses_count_as_far_as_trusted_proxies_wrote_them(peer, forwarded, address):
    assert client_address(peer, forwarded, PROXIES) == address


def test_neither_the_database_nor_a_page_holds_what_opens_a_session():
    token, kept = new_token()
    assert kept == token_hash(token)
    assert token.encode() not in kept
    assert token not in csrf_of(token)
    assert token_hash(csrf_of(token)) != kept
