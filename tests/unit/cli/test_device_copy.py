"""A device's file of lists: packages are taken whole or not at all, and what left a list is not found any more."""

import io
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from alpr_cli.device_copy import CopyBroken, DeviceCopy
from alprcore.copies import SIGNER, ListCopy, PackageHead, PackageReader, PackageWriter
from alprcore.errors import InvalidMessage
from alprcore.model import Entry, Plate
from alprcore.seal import SigningKey, new_content_key, new_image_key, note_verifier

NOW = datetime(2026, 3, 2, 14, 5, tzinfo=UTC)
KEY = SigningKey(b"\x01" * 32)
VERIFIER = note_verifier(SIGNER, KEY.public)
PRIVATE, PUBLIC = new_image_key()


def entry(number, code="SVS"):
    return Entry(str(UUID(int=number)), Plate(f"8TST{number:03}"), "demo", code, 1, 0, b"sealed", "k1")


def listed(version, base, entries, code="SVS", until=None):
    until = NOW + timedelta(days=1) if until is None else until
    return ListCopy(code, code, "core", "official", "stolen_vehicle", version, base, entries, NOW, until)


def package(*lists, after=0, device="unit-7", agency="demo", nonce="n"):
    """A package of (list, removed, put); `after` seconds after the first."""
    content_key, sealed = new_content_key(PUBLIC, "p-1")
    issued = NOW + timedelta(seconds=after)
    head = PackageHead("p-1", agency, device, issued, nonce, sealed, tuple(one for one, _, _ in lists))
    writer = PackageWriter(head, content_key, KEY)
    sent = writer.opening
    for one, removed, put in lists:
        if one.kind != "same":
            sent += writer.begin(one.code) + writer.removed(UUID(int=n) for n in removed)
            sent += writer.put(entry(n, one.code) for n in put)
    return sent + writer.close()


def take(copy, sent, now=NOW):
    copy.apply(PackageReader(io.BytesIO(sent), VERIFIER), PRIVATE, device_id="unit-7", nonce="n", now=now)


def plates(copy):
    return [n for n in range(10) if copy.find(Plate(f"8TST{n:03}"), NOW)]


@pytest.fixture
def copy(tmp_path):
    with DeviceCopy.open(tmp_path / "lists") as made:
        take(made, package((listed(3, 0, 3), (), (1, 2, 3))))
        yield made


@pytest.mark.requirement("HOT-04", partial="a device's copy; lists and matcher are their own tests")
def test_what_left_a_list_stops_matching_at_once(copy, tmp_path):
    take(copy, package((listed(4, 3, 3), (1,), (4,)), after=1))
    assert (plates(copy), copy.versions()) == ([2, 3, 4], {"SVS": 4})
    take(copy, package((listed(5, 0, 1), (), (7,)), after=2))
    assert plates(copy) == [7]
    assert b"8TST003" not in (tmp_path / "lists").read_bytes()  # overwritten, not only unlinked


def test_an_entry_that_left_and_came_back_is_there(copy):
    take(copy, package((listed(6, 3, 3), (2,), (2,)), after=1))
    assert plates(copy) == [1, 2, 3]


def test_unchanged_lists_hold_longer_and_those_that_are_gone_go(copy):
    later = NOW + timedelta(days=2)
    both = (listed(3, 3, 3, until=later), (), ()), (listed(1, 0, 1, "SLR"), (), (5,))
    take(copy, package(*both, after=1))
    assert plates(copy) == [1, 2, 3, 5]
    assert copy.find(Plate("8TST001"), NOW + timedelta(hours=30))
    assert not copy.find(Plate("8TST005"), NOW + timedelta(hours=30))  # its copy is out of date
    take(copy, package((listed(3, 3, 3), (), ()), after=2))
    assert (plates(copy), copy.versions()) == ([1, 2, 3], {"SVS": 3})


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (package((listed(4, 0, 1), (), (9,)), after=1, device="unit-8"), "PACKAGE_FOREIGN"),
        (package((listed(4, 0, 1), (), (9,)), after=1, agency="other"), "PACKAGE_FOREIGN"),
        (package((listed(4, 0, 1), (), (9,)), after=1, nonce="another"), "PACKAGE_NOT_ASKED"),
        (package((listed(4, 0, 1, until=NOW), (), (9,)), after=1), "PACKAGE_EXPIRED"),
        (package((listed(4, 0, 1), (), (9,)), after=0), "PACKAGE_OLDER"),
        (package((listed(2, 0, 1), (), (9,)), after=1), "PACKAGE_OLDER"),
        (package((listed(4, 2, 1), (), (9,)), after=1), "PACKAGE_BASE"),
        (package((listed(4, 3, 9), (1,), (9,)), after=1), "COPY_BROKEN"),
        (package((listed(4, 3, 3), (1,), (9,)), after=1)[:-1], "SEAL_BROKEN"),
        (package((listed(4, 3, 3), (1,), (9,)), after=1)[:-1] + b"\0", "SEAL_BROKEN"),
    ],
)
def test_a_refused_package_changes_nothing(copy, sent, code):
    before = copy.newest()
    with pytest.raises(InvalidMessage) as raised:
        take(copy, sent)
    assert raised.value.code == code
    assert (plates(copy), copy.versions(), copy.newest()) == ([1, 2, 3], {"SVS": 3}, before)


def test_a_list_that_does_not_come_out_right_is_named(copy):
    with pytest.raises(CopyBroken) as raised:
        take(copy, package((listed(4, 3, 9), (), (4,)), after=1))
    assert raised.value.list_code == "SVS"


def test_who_starts_anew_takes_an_older_version(copy):
    copy.forget()
    assert (plates(copy), copy.newest()) == ([], None)
    take(copy, package((listed(2, 0, 1), (), (9,)), after=-5))
    assert plates(copy) == [9]


def test_who_compares_while_a_package_comes_sees_the_lists_as_they_were(copy, tmp_path):
    sent = package((listed(4, 0, 4_000), (), range(10, 4_010)), after=1)
    seen = []

    class Slow(io.BytesIO):
        def read(self, size=-1):
            with DeviceCopy.open(tmp_path / "lists") as other:
                seen.append((other.versions(), plates(other)))
            return super().read(size)

    copy.apply(PackageReader(Slow(sent), VERIFIER), PRIVATE, device_id="unit-7", nonce="n", now=NOW)
    assert len(seen) >= 4
    assert set(map(str, seen)) == {str(({"SVS": 3}, [1, 2, 3]))}
    assert (copy.versions(), plates(copy)) == ({"SVS": 4}, [])
    assert len(copy.find(Plate("8TST4000"), NOW)) == 1
