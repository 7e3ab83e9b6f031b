import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpr_matcher.lists import EntryView, ListVersions, PackedBuckets, skeleton_number
from alprcore.errors import InvalidMessage
from alprcore.model import Plate
from alprcore.plates import skeleton
from tests.unit.matcher.build import make_entry, make_version

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
skeletons = st.text(LETTERS, min_size=1, max_size=12)


@given(st.sets(skeletons, max_size=50))
def test_no_two_skeletons_share_a_number(texts):
    numbers = {skeleton_number(text) for text in texts}
    assert len(numbers) == len(texts)
    assert all(0 < number < 2**64 for number in numbers)


@pytest.mark.parametrize("text", ["", "abc", "A_B", " A1", "A1\n", "A" * 13, "Ä1", "٣٤"])
def test_what_is_no_skeleton_is_refused(text):
    with pytest.raises(InvalidMessage) as caught:
        skeleton_number(text)
    assert caught.value.code == "FIELD_INVALID"
    assert text == "" or text not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.one_of(st.none(), st.binary(max_size=40_000))), max_size=120))
def test_packed_buckets_hold_what_a_dict_holds(steps):
    packed, plain = PackedBuckets(), {}
    for number, bucket in steps:
        if bucket is None:
            packed.remove(number)
            plain.pop(number, None)
        else:
            packed.put(number, bucket)
            plain[number] = bucket
    assert len(packed) == len(plain)
    assert {number: packed.get(number) for number in range(42) if packed.get(number) is not None} == plain


def test_outdated_buckets_give_their_room_back():
    packed, chance = PackedBuckets(), random.Random(1)
    for turn in range(20):
        for number in range(1, 2001):
            packed.put(number, bytes([turn]) * chance.randrange(150, 350))
    assert packed.size < 3 * 2000 * 250
    assert all(packed.get(number)[:1] == b"\x13" for number in range(1, 2001))
    for number in range(1, 2001):
        packed.remove(number)
    assert len(packed) == 0
    assert packed.size < 600_000


def test_a_million_entries_stay_small():
    packed = PackedBuckets()
    for number in range(1, 100_001):
        packed.put(number * 7919, b"x" * 250)
    assert packed.size < 100_000 * 320  # five million: under 1.6 GB


def decode(value):
    return tuple(make_entry(text) for text in value.decode().split(","))


def test_a_read_finds_every_entry_of_its_skeleton_in_its_partition():
    view = EntryView(decode)
    view.apply(0, skeleton("0ABC"), b"OABC,0ABC")
    assert [entry.plate.reveal() for entry in view.entries(0, skeleton("QABC"))] == ["OABC", "0ABC"]
    assert view.entries(1, skeleton("QABC")) == ()
    assert view.entries(0, "OTHER") == ()
    view.apply(0, skeleton("0ABC"), None)
    assert view.entries(0, skeleton("0ABC")) == ()
    assert view.buckets == 0


def test_a_dropped_partition_is_forgotten_and_others_are_not():
    view = EntryView(decode)
    view.apply(0, "AAA1", b"AAA1")
    view.apply(3, "AAA2", b"AAA2")
    view.drop(0)
    view.drop(7)
    assert view.entries(0, "AAA1") == ()
    assert len(view.entries(3, "AAA2")) == 1


@given(st.text(LETTERS, min_size=1, max_size=12))
def test_a_look_alike_is_found_under_the_same_skeleton(plate):
    view = EntryView(decode)
    view.apply(0, skeleton(plate), plate.encode())
    smeared = plate.translate(str.maketrans("0O1I2Z5S8B6G", "O0I1Z2S5B8G6"))
    assert view.entries(0, skeleton(Plate(smeared))) == decode(plate.encode())


@pytest.mark.requirement("HOT-04", partial="the load that overwrites is ingest's")
def test_a_version_is_in_force_once_the_worker_is_past_its_end_offset():
    versions = ListVersions()
    versions.announce(make_version(version=1, ends={0: 10, 1: 5}))
    versions.announce(make_version(version=2, ends={0: 20, 1: 50}))
    name = ("demo", "SVS")
    assert versions.in_force(0, 9) is None
    assert versions.waiting(0, 9) == (name,)
    assert versions.in_force(0, 10)[name].version == 1
    assert versions.in_force(0, 19)[name].version == 1
    assert versions.in_force(0, 20)[name].version == 2
    assert versions.in_force(1, 20)[name].version == 1  # the other partition is not there yet
    assert versions.in_force(0, 9) is None or versions.in_force(0, 9)[name].version == 1


def test_nothing_is_judged_while_a_list_has_no_version_in_force():
    versions = ListVersions()
    assert versions.in_force(0, 0) == {}
    versions.announce(make_version("SVS"))
    versions.announce(make_version("BOLO", ends={0: 3}))
    assert versions.in_force(0, 2) is None
    assert set(versions.in_force(0, 3)) == {("demo", "SVS"), ("demo", "BOLO")}
    versions.withdraw("demo", "SVS")
    assert set(versions.in_force(0, 3)) == {("demo", "BOLO")}


def test_the_same_announcement_again_changes_nothing_and_an_older_number_starts_afresh():
    versions = ListVersions()
    versions.announce(make_version(version=4, ends={0: 3}))
    versions.announce(make_version(version=4, ends={0: 3}))
    assert versions.in_force(0, 5)["demo", "SVS"].version == 4
    versions.announce(make_version(version=1, ends={0: 6}))
    assert versions.in_force(0, 5) is None
    assert versions.in_force(0, 6)["demo", "SVS"].version == 1


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=8).map(sorted),
    st.lists(st.integers(0, 40), min_size=1, max_size=30).map(sorted),
)
def test_the_version_in_force_never_goes_back_and_is_always_one(ends, positions):
    versions = ListVersions()
    for number, end in enumerate(ends, start=1):
        versions.announce(make_version(version=number, ends={0: end}))
    seen = 0
    for position in positions:
        found = versions.in_force(0, position)
        expected = sum(end <= position for end in ends)
        assert (found is None) == (expected == 0)
        if found is not None:
            assert found["demo", "SVS"].version == expected >= seen
            seen = expected
