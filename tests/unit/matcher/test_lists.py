import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpr_matcher.lists import EntryView, ListVersions
from alpr_matcher.lists import packed as packed_module
from alpr_matcher.lists.packed import PackedBuckets, skeleton_number, skeleton_numbers
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
        numbers = np.array([number], np.uint64)
        if bucket is None:
            packed.remove(numbers)
            plain.pop(number, None)
        else:
            packed.put(numbers, [bucket])
            plain[number] = bucket
    assert len(packed) == len(plain)
    assert {number: packed.get(number) for number in range(42) if packed.get(number) is not None} == plain


@pytest.mark.parametrize("seed", range(3))
def test_pages_of_buckets_hold_what_a_dict_holds(seed, monkeypatch):
    monkeypatch.setattr(packed_module, "_RECENT", 64)
    monkeypatch.setattr(packed_module, "_CHUNK", 2_000)
    packed, plain, chance = PackedBuckets(), {}, random.Random(seed)
    for _ in range(300):
        numbers = chance.sample(range(1, 1500), chance.randrange(1, 90))
        if chance.random() < 0.3:
            packed.remove(np.array(numbers, np.uint64))
            for number in numbers:
                plain.pop(number, None)
        else:
            page = {number: chance.randbytes(chance.choice((0, 1, 60, 400))) for number in numbers}
            packed.put(np.array(numbers, np.uint64), list(page.values()))
            plain |= page
        assert len(packed) == len(plain)
    assert {number: packed.get(number) for number in range(1500) if packed.get(number) is not None} == plain
    assert packed.size < 2.5 * sum(map(len, plain.values())) + 200 * 1500


def test_outdated_buckets_give_their_room_back():
    packed, chance = PackedBuckets(), random.Random(1)
    numbers = np.arange(1, 2001, dtype=np.uint64)
    for turn in range(20):
        packed.put(numbers, [bytes([turn]) * chance.randrange(150, 350) for _ in range(2000)])
    assert packed.size < 3 * 2000 * 250
    assert all(packed.get(number)[:1] == b"\x13" for number in range(1, 2001))
    packed.remove(numbers)
    assert len(packed) == 0
    assert packed.size < 1_200_000


def test_a_million_entries_stay_small():
    packed = PackedBuckets()
    for first in range(1, 100_001, 5_000):
        packed.put(np.arange(first, first + 5_000, dtype=np.uint64) * np.uint64(7919), [b"x" * 250] * 5_000)
    assert packed.size < 100_000 * 310  # five million: under 1.6 GB


def decode(value):
    return tuple(make_entry(text) for text in value.decode().split(","))


def plates_of(value):
    if value == b"garbage":
        raise InvalidMessage("MALFORMED", "no bucket")
    return value.decode().split(",")


def make_view():
    return EntryView(decode, plates_of)


def test_a_read_finds_every_entry_of_its_skeleton_in_its_partition():
    view = make_view()
    key = skeleton("0ABC").encode()
    assert view.take(0, [(key, b"OABC,0ABC")]) == {}
    assert [entry.plate.reveal() for entry in view.entries(0, skeleton("QABC"))] == ["OABC", "0ABC"]
    assert view.entries(1, skeleton("QABC")) == ()
    assert view.entries(0, "AAA1") == ()
    assert view.take(0, [(key, None)]) == {}
    assert view.entries(0, skeleton("0ABC")) == ()
    assert view.buckets == 0


def test_what_is_wrong_in_a_page_is_refused_and_changes_nothing_while_the_rest_counts():
    view = make_view()
    view.take(0, [(b"AAA0", b"AAA0"), (b"CCC0", b"CCC0")])
    page = [
        (b"AAA0", b"EEE0"),  # the plate belongs under another key
        (b"CCC0", b"garbage"),
        (b"aaa0", b"aaa0"),
        (b"A" * 13, b"A" * 13),
        (b"EEE0\0", b"EEE0"),
        (b"", None),
        (b"EEE0", b"EEEO,EEEQ"),
        (b"FFF0", b"FFF0,EEE0"),  # one of two is wrong
        (b"HHH0\nJJJ0", b"HHH0\nJJJ0"),
    ]
    refused = view.take(0, page)
    assert sorted(refused) == [0, 1, 2, 3, 4, 5, 7, 8]
    assert {error.code for error in refused.values()} == {"FIELD_INVALID", "MALFORMED"}
    found = {key: [entry.plate.reveal() for entry in view.entries(0, key)] for key in ("AAA0", "CCC0", "EEE0", "FFF0")}
    assert found == {"AAA0": ["AAA0"], "CCC0": ["CCC0"], "EEE0": ["EEEO", "EEEQ"], "FFF0": []}


def test_the_last_word_of_a_page_on_a_skeleton_counts_even_after_one_that_is_refused():
    view = make_view()
    page = [(b"AAA0", b"AAA0"), (b"AAA0", b"AAAO"), (b"CCC0", b"CCC0"), (b"CCC0", None), (b"AAA0", b"garbage")]
    assert list(view.take(0, page)) == [4]
    assert [entry.plate.reveal() for entry in view.entries(0, "AAA0")] == ["AAAO"]
    assert view.entries(0, "CCC0") == ()


@given(st.lists(st.text(LETTERS + "a_ \0", max_size=14), max_size=30))
def test_many_skeletons_become_the_numbers_that_single_ones_do(texts):
    def alone(text):
        try:
            return skeleton_number(text)
        except InvalidMessage:
            return 0

    assert skeleton_numbers([text.encode() for text in texts]).tolist() == list(map(alone, texts))


def test_a_dropped_partition_is_forgotten_and_others_are_not():
    view = make_view()
    view.take(0, [(b"AAA0", b"AAA0")])
    view.take(3, [(b"AAAC", b"AAAC")])
    view.drop(0)
    view.drop(7)
    assert view.entries(0, "AAA0") == ()
    assert len(view.entries(3, "AAAC")) == 1


@given(st.text(LETTERS, min_size=1, max_size=12))
def test_a_look_alike_is_found_under_the_same_skeleton(plate):
    view = make_view()
    assert view.take(0, [(skeleton(plate).encode(), plate.encode())]) == {}
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


def test_a_list_that_is_left_out_holds_up_nobody_until_it_is_said_anew():
    """One agency's lost list must not keep the reads of all others; recalls, which ask for `whole`, wait for it."""
    versions, name = ListVersions(), ("demo", "BOLO")
    versions.announce(make_version("SVS"))
    versions.announce(make_version("BOLO", ends={0: 30, 1: 30}))
    assert versions.in_force(0, 9) is None
    versions.leave_out(0, versions.waiting(0, 9))
    assert set(versions.in_force(0, 9)) == {("demo", "SVS")}
    assert versions.in_force(0, 9, whole=True) is None
    assert versions.in_force(1, 9) is None  # each partition waits for itself
    assert set(versions.in_force(0, 30)) == {("demo", "SVS"), name}  # it came after all
    versions.announce(make_version("BOLO", ends={0: 12}))  # published again, to where the topic ends now
    assert versions.in_force(0, 9) is None
    assert set(versions.in_force(0, 12, whole=True)) == {("demo", "SVS"), name}


def test_the_same_announcement_again_changes_nothing_and_an_older_number_starts_afresh():
    versions = ListVersions()
    versions.announce(make_version(version=4, ends={0: 3}))
    versions.announce(make_version(version=4, ends={0: 3}))
    assert versions.in_force(0, 5)["demo", "SVS"].version == 4
    versions.announce(make_version(version=5, ends={0: 4}))
    versions.announce(make_version(version=4, ends={0: 3}))  # said again by a writer that was killed
    assert versions.in_force(0, 5)["demo", "SVS"].version == 5
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
