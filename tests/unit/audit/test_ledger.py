import hashlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpr_audit import ledger
from alpr_audit.ledger import jcs
from alpr_cli import verify
from alpr_cli.audit import copies

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = [
    (0, 8, ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"]),
    (5, 8, ["bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (1, 5, ["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"]),
]  # fmt: skip
CONSISTENCY = [
    (1, 8, ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"]),
    (6, 8, ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]),
    (2, 5, ["5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"]),
    (6, 7, ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]),
]  # fmt: skip
LEAF_HASHES = [ledger.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]
OTHER = hashlib.sha256(b"other").digest()


def root_of(leaves):
    tree = ledger.Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def grown(leaves):
    """Every perfect subtree of a tree over these leaf hashes, as the writer stores them."""
    tree, nodes = ledger.Tree(), {}
    for index, leaf in enumerate(leaves):
        nodes[0, index] = leaf
        nodes.update({(level, at): value for level, at, value in tree.append(leaf)})
    return tree, nodes


NODES = grown(LEAF_HASHES)[1]


def proof(ranges, nodes=NODES):
    return [ledger.range_hash(begin, end, nodes) for begin, end in ranges]


def test_hashes_are_those_of_the_standard():
    assert ledger.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert ledger.leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert (
        ledger.node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    )
    for size, root in enumerate(ROOTS, start=1):
        assert root_of(LEAF_HASHES[:size]).hex() == root
        assert ledger.range_hash(0, size, NODES).hex() == root


@pytest.mark.parametrize(("index", "size", "expected"), INCLUSION)
def test_inclusion_proofs_are_those_of_the_standard(index, size, expected):
    made = proof(ledger.inclusion_ranges(index, size))
    assert [part.hex() for part in made] == expected
    assert verify.verify_inclusion(index, size, LEAF_HASHES[index], made, bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("old", "new", "expected"), CONSISTENCY)
def test_consistency_proofs_are_those_of_the_standard(old, new, expected):
    made = proof(ledger.consistency_ranges(old, new))
    assert [part.hex() for part in made] == expected
    roots = bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[new - 1])
    assert verify.verify_consistency(old, new, *roots, made)


def broken(parts, root):
    """The ways in which a proof may be wrong (the classes of the transparency-dev suite)."""
    yield [*parts, b""]
    yield [*parts, OTHER]
    yield [OTHER, *parts]
    yield [*parts, root]
    yield [root, *parts]
    for at in range(len(parts)):
        yield [*parts[:at], *parts[at + 1 :]]
        yield [*parts[:at], OTHER, *parts[at:]]
        for bit in (0, 7, 255):
            flipped = bytearray(parts[at])
            flipped[bit // 8] ^= 1 << bit % 8
            yield [*parts[:at], bytes(flipped), *parts[at + 1 :]]
    if parts:
        yield []


@pytest.mark.parametrize(("index", "size", "expected"), INCLUSION)
def test_wrong_inclusion_proofs_are_refused(index, size, expected):
    parts, root = [bytes.fromhex(part) for part in expected], bytes.fromhex(ROOTS[size - 1])
    leaf = LEAF_HASHES[index]
    for wrong in broken(parts, root):
        assert not verify.verify_inclusion(index, size, leaf, wrong, root)
    for at in {index - 1, index + 1, index ^ 2, index * 2, index // 2, -1, size} - {index}:
        assert not verify.verify_inclusion(at, size, leaf, parts, root)
    for total in {size * 2, size // 2, 0} - {size}:
        assert not verify.verify_inclusion(index, total, leaf, parts, root)
    for wrong_leaf, wrong_root in ((OTHER, root), (b"", root), (leaf, OTHER), (leaf, b""), (root, leaf)):
        assert not verify.verify_inclusion(index, size, wrong_leaf, parts, wrong_root)


@pytest.mark.parametrize(("old", "new", "expected"), CONSISTENCY)
def test_wrong_consistency_proofs_are_refused(old, new, expected):
    parts = [bytes.fromhex(part) for part in expected]
    before, after = bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[new - 1])
    for wrong in broken(parts, after):
        assert not verify.verify_consistency(old, new, before, after, wrong)
    for sizes in ((old - 1, new), (old + 1, new), (new, old), (old * 2, new), (old, new * 2), (0, new)):
        assert not verify.verify_consistency(*sizes, before, after, parts)
    for roots in ((after, before), (OTHER, after), (before, OTHER), (b"", after)):
        assert not verify.verify_consistency(old, new, *roots, parts)


def test_nothing_is_consistent_with_an_empty_tree():
    root = bytes.fromhex(ROOTS[7])
    assert not verify.verify_consistency(0, 8, ledger.EMPTY_ROOT, root, [])
    assert not verify.verify_consistency(0, 0, ledger.EMPTY_ROOT, ledger.EMPTY_ROOT, [])
    assert verify.verify_consistency(8, 8, root, root, [])
    assert not verify.verify_consistency(8, 8, root, OTHER, [])
    with pytest.raises(ValueError):
        ledger.consistency_ranges(0, 8)
    with pytest.raises(ValueError):
        ledger.inclusion_ranges(8, 8)


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70), st.data())
def test_every_proof_of_every_tree_verifies(entries, data):
    leaves = [ledger.leaf_hash(entry) for entry in entries]
    tree, nodes = grown(leaves)
    size = len(leaves)
    assert tree.root() == ledger.range_hash(0, size, nodes)
    index = data.draw(st.integers(0, size - 1))
    made = proof(ledger.inclusion_ranges(index, size), nodes)
    assert verify.verify_inclusion(index, size, leaves[index], made, tree.root())
    old = data.draw(st.integers(1, size))
    made = proof(ledger.consistency_ranges(old, size), nodes)
    assert verify.verify_consistency(old, size, root_of(leaves[:old]), tree.root(), made)


@given(st.integers(0, 300), st.integers(0, 40))
def test_a_tree_goes_on_from_its_stored_edge(size, more):
    leaves = [ledger.leaf_hash(str(index).encode()) for index in range(size + more)]
    _, nodes = grown(leaves[:size])
    resumed = ledger.Tree(size, nodes)
    kept = resumed.copy()
    for leaf in leaves[size:]:
        resumed.append(leaf)
    assert resumed.root() == root_of(leaves)
    assert (kept.size, kept.root()) == (size, root_of(leaves[:size]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e21, "1e+21"), (1e20, "100000000000000000000"), (1e-7, "1e-7"), (0.000001, "0.000001"), (-0.0, "0"),
        (333333333.33333329, "333333333.3333333"), (4.50, "4.5"), (2e-3, "0.002"), (34.0, "34"), (-117.8265, "-117.8265"),
        (1e23, "1e+23"), (5e-324, "5e-324"), (1.5e300, "1.5e+300"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_rfc_8785_demands(value, text):
    assert ledger.canonical(value).decode() == text


def test_keys_and_texts_are_written_as_rfc_8785_demands():
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\u00f6": 7}
    assert list(json.loads(ledger.canonical(value)).values()) == [2, 4, 6, 7, 1, 5, 3]
    assert ledger.canonical('\x0f\n"\\/€').decode() == '"\\u000f\\n\\"\\\\/€"'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, {1: 2}, "\ud800", b"x", {"a": {"b": object()}}])
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(ledger.EntryInvalid):
        ledger.canonical(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@given(JSON)
def test_the_quick_way_and_the_long_way_write_the_same(value):
    assert ledger.canonical(value) == jcs._write(value).encode()
    assert ledger.parse(ledger.canonical(value).decode()) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_a_round_trip_and_both_programs_write_them_alike(value):
    assert copies.canonical_text(value).encode() == ledger.canonical(value)
    assert float(json.loads(ledger.canonical(value))) == value


def test_entries_are_canonical_and_bounded():
    entry = ledger.encode_entry({"kind": "x", "a": 1})
    assert entry == b'{"a":1,"kind":"x"}'
    assert ledger.decode_entry(entry) == {"kind": "x", "a": 1}
    for wrong in (b'{"kind":"x","a":1}', b'{"a": 1}', b"[]", b"{", b"\xff"):
        with pytest.raises(ledger.EntryInvalid):
            ledger.decode_entry(wrong)
    with pytest.raises(ledger.EntryInvalid):
        ledger.encode_entry({"a": "x" * ledger.ENTRY_LIMIT})


def test_a_commitment_hides_its_content_behind_its_salt():
    content = {"plate": "8TST001"}
    one, two = ledger.commitment(b"\x01" * 32, content), ledger.commitment(b"\x02" * 32, content)
    assert one != two
    assert one == hashlib.sha256(b"\x01" * 32 + b'{"plate":"8TST001"}').hexdigest()
    with pytest.raises(ledger.EntryInvalid):
        ledger.commitment(b"short", content)


DRAFT = ledger.Draft(
    kind="question",
    agency="demo",
    profile_version="demo@000000000000",
    facts={"purpose_code": "missing_person"},
    personal={"person": {"person_id": "p-1"}, "criteria": {"plate": "8TST001"}},
    intent=ledger.Intent("p-1", ("demo",), {"act": "search", "search": {"plate": "8TST001", "limit": 1}}),
)
MADE = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def stored(**changes):
    salt = b"\x07" * 32
    leaf = ledger.encode_draft(DRAFT, salt, MADE).leaf
    fields = {
        "index": 3, "leaf": leaf, "leaf_hash": ledger.leaf_hash(leaf), "kind": "question", "agency": "demo",
        "event_id": None, "about": None, "salt": salt, "content": DRAFT.personal, "person_id": "p-1",
        "scope": ("demo",), "query": DRAFT.intent.query,
    }  # fmt: skip
    return ledger.Stored(**{**fields, **changes})


def test_the_form_of_an_entry_is_fixed():
    leaf = ledger.encode_draft(DRAFT, b"\x07" * 32, MADE).leaf
    assert json.loads(leaf)["time"] == "2026-01-02T03:04:05.678901Z"
    assert b"8TST001" not in leaf
    assert hashlib.sha256(leaf).hexdigest() == "6e9b3709b0c06ba030be5ee0a6fcef5e04155cb20b89183f8777b6d514008ccd"


def test_a_sound_entry_has_no_flaw_also_when_its_content_is_erased():
    assert ledger.flaw(stored(), 3) == ""
    erased = {"salt": None, "content": None, "person_id": None, "scope": None, "query": None}
    assert ledger.flaw(stored(**erased), 3) == ""
    assert ledger.flaw(stored(**{**erased, "person_id": "p-1"}), 3)  # the plate would still stand in the query


@pytest.mark.parametrize(
    "changes",
    [
        {"index": 4}, {"leaf": b"{}"}, {"leaf_hash": OTHER}, {"kind": "log_read"}, {"agency": "irvine"},
        {"event_id": "x"}, {"about": 1}, {"salt": b"\x08" * 32}, {"content": {"person": {"person_id": "p-1"}}},
        {"person_id": "p-2"}, {"person_id": None}, {"scope": ("demo", "irvine")}, {"query": {"act": "search"}},
        {"leaf": b"[]", "leaf_hash": ledger.leaf_hash(b"[]")}, {"leaf": b"x", "leaf_hash": ledger.leaf_hash(b"x")},
    ],
)  # fmt: skip
def test_whatever_differs_from_what_was_signed_is_a_flaw(changes):
    assert ledger.flaw(stored(**changes), 3)


def test_a_checkpoint_reads_back_and_odd_ones_are_refused():
    head = ledger.Head("ledger.example/plateline", 8, bytes.fromhex(ROOTS[7]))
    assert ledger.parse_head(head.text()) == head
    for text in ("", "a\n1\n", "a\n01\n" + head.text().split("\n")[2] + "\n", "a\n1\nAAAA\n", "a\n-1\nAAAA\n"):
        with pytest.raises(ValueError):
            ledger.parse_head(text)
