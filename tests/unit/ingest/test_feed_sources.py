"""What feeds may reach and read: addresses, credentials, the drop folder."""

import asyncio
import os
from dataclasses import replace
from hashlib import sha256
from ipaddress import ip_network

import pytest

from alpr_ingest.feeds import FeedKind
from alpr_ingest.pulling.folder import fetch, put_away
from alpr_ingest.pulling.source import Credential, Limits, PullFailed, resolve
from tests.unit.ingest.test_feeds import SFTP

LIMITS = Limits(("doj.example",), (), None, None, 1_000, 5.0, 0.0)


def refused(told):
    with pytest.raises(PullFailed) as failed:
        asyncio.run(told)
    return failed.value.reason_code


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.20.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "::1", "fe80::1", "fd00::1", "::ffff:10.1.2.3"],
)  # fmt: skip
def test_an_address_inside_is_reached_only_where_the_operator_says_so(address):
    assert refused(resolve(LIMITS, address, 443)) == "ADDRESS_NOT_ALLOWED"
    inside = replace(LIMITS, private_networks=(ip_network("10.1.2.0/24"), ip_network("fd00::/8")))
    if address in {"10.1.2.3", "fd00::1", "::ffff:10.1.2.3"}:
        assert asyncio.run(resolve(inside, address, 443))
    else:
        assert refused(resolve(inside, address, 443)) == "ADDRESS_NOT_ALLOWED"


def test_an_address_outside_is_reached():
    assert asyncio.run(resolve(LIMITS, "93.184.215.14", 443)) == "93.184.215.14"


def test_a_credential_is_its_agencys_and_is_shown_to_the_hosts_it_names_only(tmp_path):
    limits = replace(LIMITS, credentials_folder=tmp_path)
    own = tmp_path / "roseville/doj"
    own.mkdir(parents=True)
    (own / "password").write_text("synthetic word \n")
    (own / "hosts").write_text("doj.example\nother.example:2222\n")
    found = Credential(limits, SFTP)
    assert found.text("password") == "synthetic word "  # only the line feed goes
    assert (found.text("private_key"), found.path("ca.pem")) == (None, None)
    (own / "bearer").write_bytes(b"\xff")
    with pytest.raises(PullFailed):
        found.text("bearer")
    for feed, where, code in (
        (replace(SFTP, credential="dmv"), limits, "CREDENTIAL_MISSING"),
        (replace(SFTP, agency="irvine"), limits, "CREDENTIAL_MISSING"),
        (SFTP, LIMITS, "CREDENTIAL_MISSING"),
        (replace(SFTP, address="sftp://evil.example/svs.txt"), limits, "CREDENTIAL_NOT_FOR_HOST"),
        (replace(SFTP, address="sftp://doj.example:2222/svs.txt"), limits, "CREDENTIAL_NOT_FOR_HOST"),
    ):
        with pytest.raises(PullFailed) as failed:
            Credential(where, feed)
        assert (failed.value.reason_code, failed.value.stop) == (code, True)
    assert Credential(LIMITS, replace(SFTP, credential="")).text("password") is None


def test_the_drop_folder_gives_plain_files_of_its_own_only(tmp_path):
    root, outside = tmp_path / "drop/roseville", tmp_path / "drop/irvine"
    root.mkdir(parents=True)
    outside.mkdir()
    (outside / "svs.csv").write_text("plate")
    (root / "svs").symlink_to(outside)
    (root / "link.csv").symlink_to(outside / "svs.csv")
    os.mkfifo(root / "pipe.csv")
    (root / "large.txt").write_bytes(bytes(1_001))
    limits = replace(LIMITS, drop_folder=tmp_path / "drop")

    def feed(address):
        return replace(SFTP, kind=FeedKind.FOLDER, address=address)

    assert refused(fetch(feed("svs/svs.csv"), limits)) == "FOLDER_MISSING"
    assert refused(fetch(feed("*.csv"), limits)) == "FILE_MISSING"
    assert refused(fetch(feed("large.txt"), limits)) == "FILE_TOO_LARGE"
    assert refused(fetch(feed("none/a.csv"), limits)) == "FOLDER_MISSING"
    assert refused(fetch(feed("a.csv"), LIMITS)) == "FOLDER_MISSING"
    (root / "a.csv").write_text("plate")
    found = asyncio.run(fetch(feed("*.csv"), limits))
    assert (found.source.read(), found.size, found.digest) == (b"plate", 5, sha256(b"plate").digest())


def test_a_loaded_file_is_moved_and_the_next_one_of_its_name_is_not(tmp_path):
    root = tmp_path / "roseville"
    root.mkdir()
    limits, file = replace(LIMITS, drop_folder=tmp_path), root / "a.csv"
    feed = replace(SFTP, kind=FeedKind.FOLDER, address="a.csv")
    file.write_text("plate")
    first = asyncio.run(fetch(feed, limits))
    put_away(first.place, 7)
    assert (root / "loaded/7_a.csv").read_text() == "plate"
    file.write_text("plate")
    second = asyncio.run(fetch(feed, limits))
    (root / "b.csv").write_text("later")
    (root / "b.csv").replace(file)  # the source drops the next one while this one is being loaded
    put_away(second.place, 8)
    assert file.read_text() == "later"
    assert [path.name for path in (root / "loaded").iterdir()] == ["7_a.csv"]
