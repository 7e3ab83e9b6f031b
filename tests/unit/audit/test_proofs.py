"""The verifier under attack: no mutated proof is accepted, none makes it fail in another way than to say no."""

import base64
import hashlib
import random
import time
from datetime import UTC, datetime

import pytest

from alpr_audit import ledger
from alpr_cli import verify
from alpr_cli.audit.proofs import parse_proof
from alprcore.errors import InvalidMessage
from alprcore.seal import SigningKey, cosign, note_verifier, read_cosignature, sign_note, verify_note

LARGEST = 300
LEAVES = [hashlib.sha256(b"\x00" + str(number).encode()).digest() for number in range(LARGEST)]
NODES = {}
ROOTS = [ledger.EMPTY_ROOT]
_tree = ledger.Tree()
for _index, _leaf in enumerate(LEAVES):
    NODES[0, _index] = _leaf
    NODES.update({(level, at): value for level, at, value in _tree.append(_leaf)})
    ROOTS.append(_tree.root())


def path(ranges):
    return [ledger.range_hash(begin, end, NODES) for begin, end in ranges]


def inclusion(chance):
    size = chance.randint(1, LARGEST)
    index = chance.randrange(size)
    return [index, size, LEAVES[index], path(ledger.inclusion_ranges(index, size)), ROOTS[size]]


def consistency(chance):
    new = chance.randint(1, LARGEST)
    old = chance.randint(1, new)
    return [old, new, ROOTS[old], ROOTS[new], path(ledger.consistency_ranges(old, new))]


def flipped(chance, part):
    bits = bytearray(part)
    bits[chance.randrange(len(bits))] ^= 1 << chance.randrange(8)
    return bytes(bits)


def number(chance, value):
    return chance.choice((value - 1, value + 1, value ^ 2, value * 2, value // 2, -value, 0, 2**63, 2**64 + value))


def width(chance, value):
    """Another size of the whole tree. One more or less is no mutation: the path often has the same shape, and which
    size a root belongs to is said by the signed head, not by the path."""
    return chance.choice((value * 2, value // 2, -value, 0, 2**63, 2**64 + value))


def mutate(chance, case, hashes, proof):
    """One of the negative classes of the transparency-dev suite; `hashes` and `proof` are places in the case."""
    wrong = list(case)
    parts = list(case[proof])
    place = chance.randrange(len(parts) + 1)
    kind = chance.randrange(13)
    if kind == 0:
        wrong[0] = number(chance, case[0])
    elif kind == 1:
        wrong[1] = width(chance, case[1])
    elif kind == 2:
        at = chance.choice(hashes)
        wrong[at] = flipped(chance, case[at])
    elif kind == 3:
        wrong[chance.choice(hashes)] = chance.choice((b"", chance.randbytes(32), ledger.EMPTY_ROOT, bytes(31)))
    elif kind == 4:
        wrong[hashes[0]], wrong[hashes[1]] = case[hashes[1]], case[hashes[0]]
    elif kind == 5 and parts:
        at = chance.randrange(len(parts))
        wrong[proof] = [*parts[:at], flipped(chance, parts[at]), *parts[at + 1 :]]
    elif kind == 6:
        wrong[proof] = [*parts[:place], chance.randbytes(32), *parts[place:]]
    elif kind == 7 and parts:
        at = chance.randrange(len(parts))
        wrong[proof] = parts[:at] + parts[at + 1 :]
    elif kind == 8:
        wrong[proof] = [*parts, case[chance.choice(hashes)]]
    elif kind == 9:
        wrong[proof] = [case[chance.choice(hashes)], *parts]
    elif kind == 10 and parts:
        wrong[proof] = parts[: chance.randrange(len(parts))]
    elif kind == 11 and len(parts) > 1:
        chance.shuffle(parts)
        wrong[proof] = parts
    else:
        wrong[proof] = [*parts[:place], chance.choice((b"", b"\x01", bytes(33))), *parts[place:]]
    return wrong


def attack(seed, count):
    """Mutate that many proofs; answers how many were accepted although nothing says so, and the slowest verdict."""
    chance, accepted, slowest = random.Random(seed), [], 0.0
    for _ in range(count):
        if chance.random() < 0.5:
            case = inclusion(chance)
            wrong = mutate(chance, case, (2, 4), 3)
            begun = time.process_time()
            yes = verify.verify_inclusion(*wrong)
            same = [wrong[0], wrong[1], wrong[2], wrong[4]] == [case[0], case[1], case[2], case[4]] and wrong[
                3
            ] == case[3]
        else:
            case = consistency(chance)
            wrong = mutate(chance, case, (2, 3), 4)
            begun = time.process_time()
            yes = verify.verify_consistency(*wrong)
            same = wrong == case
        slowest = max(slowest, time.process_time() - begun)
        # a mutation may leave the statement true: equal sizes swap equal roots, a shuffle of one keeps its order
        if yes and not same:
            accepted.append(wrong)
    return accepted, slowest


def test_no_mutated_proof_is_accepted():
    accepted, slowest = attack(7, 20_000)
    assert not accepted, accepted[0]
    assert slowest < 1


@pytest.mark.long
def test_none_of_a_million_mutated_proofs_is_accepted():
    for seed in range(100):
        accepted, slowest = attack(seed, 10_000)
        assert not accepted, accepted[0]
        assert slowest < 1


def test_every_sound_proof_is_accepted():
    for size in range(1, 130):
        for index in range(size):
            assert verify.verify_inclusion(
                index, size, LEAVES[index], path(ledger.inclusion_ranges(index, size)), ROOTS[size]
            )
            old = index + 1
            proof = path(ledger.consistency_ranges(old, size))
            assert verify.verify_consistency(old, size, ROOTS[old], ROOTS[size], proof)


def test_nothing_is_proved_of_an_empty_or_a_longer_tree():
    assert not verify.verify_consistency(0, 8, ledger.EMPTY_ROOT, ROOTS[8], [])
    assert not verify.verify_consistency(0, 0, ledger.EMPTY_ROOT, ledger.EMPTY_ROOT, [])
    assert not verify.verify_consistency(9, 8, ROOTS[9], ROOTS[8], [])
    assert not verify.verify_consistency(8, 8, ROOTS[8], ROOTS[7], [])
    assert not verify.verify_consistency(8, 8, ROOTS[8], ROOTS[8], [ROOTS[1]])
    for wrong in (lambda: ledger.consistency_ranges(0, 8), lambda: ledger.inclusion_ranges(8, 8)):
        with pytest.raises(ValueError):
            wrong()


FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


def test_the_published_signed_note_verifies_and_no_altered_one():
    assert verify_note(NOTE, FOO) == "This is an example message.\n"
    chance = random.Random(3)
    for _ in range(400):
        at = chance.randrange(len(NOTE))
        wrong = NOTE[:at] + chance.choice("Aa0+/=\n ") + NOTE[at + 1 :]
        try:
            text = verify_note(wrong, FOO)
        except InvalidMessage:
            continue
        assert wrong == NOTE or text == "This is an example message.\n"  # only what is not signed may differ


@pytest.fixture(name="keys", scope="module")
def _keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return SigningKey.generate(folder / "log.key"), SigningKey.generate(folder / "witness.key")


def test_proof_files_verify_and_every_altered_one_is_refused(keys):
    log, witness = keys
    entry = b'{"kind":"query","v":2}'
    nodes, tree = {}, ledger.Tree()
    for number_, leaf in enumerate([*LEAVES[:9], ledger.leaf_hash(entry), *LEAVES[10:20]]):
        nodes[0, number_] = leaf
        nodes.update({(level, at): value for level, at, value in tree.append(leaf)})
    head = ledger.Head("log.test/a", 20, tree.root())
    note = sign_note(log, "log.test/a", head.text())
    note += cosign(witness, "witness.test/b", head.text(), datetime.now(UTC))
    steps = [ledger.range_hash(begin, end, nodes) for begin, end in ledger.inclusion_ranges(9, 20)]
    text = ledger.proof_text(9, steps, note, entry)
    key = note_verifier("log.test/a", log.public)
    seen = note_verifier("witness.test/b", witness.public, cosigner=True)
    assert verify.verify_receipt(text, key, [seen]).code == verify.SOUND
    assert parse_proof(text).entry == entry
    assert read_cosignature(note, seen)
    lines = text.split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", f"extra {base64.b64encode(entry).decode()}", "index 9"]
    wrong = [
        text.replace("index 9", "index 8"), text.replace("index 9", "index 09"), text.replace("@v1", "@v2"),
        text.replace(lines[3], lines[4], 1), text.replace(lines[3] + "\n", "", 1), text.replace("\n20\n", "\n21\n"),
        text.replace(lines[1], "extra " + base64.b64encode(b"{}").decode()), "", "\n\n", text[: len(text) // 2],
        text.replace("index 9\n", "index 9\n" + "\n".join(lines[3:4] * 64) + "\n"),
    ]  # fmt: skip
    for altered in wrong:
        assert verify.verify_receipt(altered, key, [seen]).code in (verify.DIVERGED, verify.INVALID)
    alone = text[: text.index("— witness.test/b")]
    assert verify.verify_receipt(alone, key).code == verify.SOUND
    assert verify.verify_receipt(alone, key, [seen]).code == verify.INVALID  # nobody saw it
    chance = random.Random(5)
    for _ in range(2000):
        at = chance.randrange(len(text) - 200)  # all but the cosignature, which the first key does not cover
        altered = text[:at] + chr(chance.randrange(32, 127)) + text[at + 1 :]
        if altered != text:
            finding = verify.verify_receipt(altered, key)
            assert finding.code != verify.SOUND or parse_proof(altered) == parse_proof(text)
