"""What feeds may reach and read: addresses, credentials, the drop folder."""

import asyncio
import os
from dataclasses import replace
from ipaddress import ip_network

import pytest

from alpr_ingest.feeds import FeedKind
from alpr_ingest.pulling.folder import fetch
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


def test_a_credential_is_read_from_its_folder_and_from_nowhere_else(tmp_path):
    limits = replace(LIMITS, credentials_folder=tmp_path)
    (tmp_path / "doj").mkdir()
    (tmp_path / "doj/password").write_text("synthetic word \n")
    found = Credential(limits, "doj")
    assert found.text("password") == "synthetic word "  # only the line feed goes
    assert (found.text("private_key"), found.path("ca.pem")) == (None, None)
    (tmp_path / "doj/bearer").write_bytes(b"\xff")
    with pytest.raises(PullFailed):
        found.text("bearer")
    for name, where in (("dmv", limits), ("doj", LIMITS)):
        with pytest.raises(PullFailed) as failed:
            Credential(where, name)
        assert (failed.value.reason_code, failed.value.stop) == ("CREDENTIAL_MISSING", True)
    assert Credential(LIMITS, "").text("password") is None


def test_the_drop_folder_gives_plain_files_of_its_own_only(tmp_path):
    root, outside = tmp_path / "drop", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "svs.csv").write_text("plate")
    (root / "svs").symlink_to(outside)
    (root / "link.csv").symlink_to(outside / "svs.csv")
    os.mkfifo(root / "pipe.csv")
    (root / "large.txt").write_bytes(bytes(1_001))
    limits = replace(LIMITS, drop_folder=root)

    def feed(address):
        return replace(SFTP, kind=FeedKind.FOLDER, address=address)

    assert refused(fetch(feed("svs/svs.csv"), limits)) == "FOLDER_MISSING"
    assert refused(fetch(feed("*.csv"), limits)) == "FILE_MISSING"
    assert refused(fetch(feed("large.txt"), limits)) == "FILE_TOO_LARGE"
    assert refused(fetch(feed("none/a.csv"), limits)) == "FOLDER_MISSING"
    assert refused(fetch(feed("a.csv"), LIMITS)) == "FOLDER_MISSING"
    (root / "a.csv").write_text("plate")
    assert asyncio.run(fetch(feed("*.csv"), limits)).data == b"plate"
