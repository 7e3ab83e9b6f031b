"""Two verifiers that share nothing: ours in Python, and golang.org/x/mod/sumdb in Go, over one published log."""

import json
import random
import subprocess
from datetime import UTC, datetime

import pytest

from alpr_audit import ledger
from alpr_cli import verify
from alprcore.seal import SigningKey, cosign, note_verifier, sign_note
from tests.unit.audit.test_ledger import CONSISTENCY, INCLUSION, LEAF_HASHES, ROOTS
from tests.unit.audit.test_proofs import FOO, NOTE, mutate

ORIGIN, SEEN_BY = "plateline.test/ledger", "witness.test/one"


class Log:
    """A log of that many entries, published as static files."""

    def __init__(self, folder, size):
        self.folder, self.size, self.nodes, self.roots = folder, size, {}, [ledger.EMPTY_ROOT]
        tree, self.entries = ledger.Tree(), []
        for number in range(size):
            entry = b'{"kind":"test","number":%d,"v":2}' % number
            leaf = ledger.leaf_hash(entry)
            self.entries.append(entry)
            self.nodes[0, number] = leaf
            for level, index, value in tree.append(leaf):
                self.nodes[level, index] = value
            self.roots.append(tree.root())
        self.key, self.witness = (SigningKey.generate(folder / name) for name in ("log.key", "witness.key"))
        self.vkey = note_verifier(ORIGIN, self.key.public)
        self.seen = note_verifier(SEEN_BY, self.witness.public, cosigner=True)
        head = ledger.Head(ORIGIN, size, tree.root())
        self.note = sign_note(self.key, ORIGIN, head.text())
        self.note += cosign(self.witness, SEEN_BY, head.text(), datetime.now(UTC))
        self.public = folder / "public"
        for tile in ledger.tiles_between(0, size, entries=True):
            if tile.level == ledger.ENTRIES:
                begin = tile.index * ledger.WIDTH
                content = ledger.bundle(self.entries[begin : begin + tile.width])
            else:
                content = b"".join(self.nodes[place] for place in tile.places())
            path = self.public / tile.path()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (self.public / "checkpoint").write_text(self.note)

    def inclusion(self, index, size):
        path = [ledger.range_hash(b, e, self.nodes) for b, e in ledger.inclusion_ranges(index, size)]
        return [index, size, self.nodes[0, index], path, self.roots[size]]

    def consistency(self, old, new):
        path = [ledger.range_hash(b, e, self.nodes) for b, e in ledger.consistency_ranges(old, new)]
        return [old, new, self.roots[old], self.roots[new], path]


@pytest.fixture(name="log", scope="module")
def _log(tmp_path_factory):
    return Log(tmp_path_factory.mktemp("log"), 100_000)


def run(verifier, *arguments, text=None):
    return subprocess.run([verifier, *map(str, arguments)], input=text, capture_output=True, text=True, check=False)


def line(kind, case):
    """One proof as the Go verifier reads it."""
    if kind == "i":
        index, size, leaf, path, root = case
        first, second, one, two, parts = index, size, leaf, root, path
    else:
        first, second, one, two, parts = case
    return f"{kind} {first} {second} {one.hex()} {two.hex()} {','.join(part.hex() for part in parts)}\n"


def both(verifier, cases):
    """Verdicts of both verifiers; cases are (kind, case)."""
    ours = [verify.verify_inclusion(*case) if kind == "i" else verify.verify_consistency(*case) for kind, case in cases]
    done = run(verifier, "proofs", text="".join(line(kind, case) for kind, case in cases))
    assert done.returncode == 0, done.stderr
    theirs = [verdict == "1" for verdict in done.stdout.split()]
    assert len(theirs) == len(cases)
    return ours, theirs


def test_the_published_vectors_hold_in_both(go_verifier, tmp_path):
    cases = [("i", [i, n, LEAF_HASHES[i], [bytes.fromhex(p) for p in path], bytes.fromhex(ROOTS[n - 1])])
             for i, n, path in INCLUSION]  # fmt: skip
    cases += [("c", [m, n, bytes.fromhex(ROOTS[m - 1]), bytes.fromhex(ROOTS[n - 1]), [bytes.fromhex(p) for p in path]])
              for m, n, path in CONSISTENCY]  # fmt: skip
    ours, theirs = both(go_verifier, cases)
    assert all(ours)
    assert all(theirs)
    (tmp_path / "note").write_text(NOTE)
    assert run(go_verifier, "note", FOO, tmp_path / "note").stdout == "This is an example message.\n"
    (tmp_path / "note").write_text(NOTE.replace("an example", "no example"))
    assert run(go_verifier, "note", FOO, tmp_path / "note").returncode == 30


def test_both_read_the_published_files_to_the_same_root(go_verifier, log):
    assert verify.verify_tiles(log.public, log.vkey, [log.seen]).code == verify.SOUND
    done = run(go_verifier, "folder", log.vkey, log.public, log.seen)
    assert (done.returncode, done.stdout.strip()) == (0, "100000"), done.stderr


def test_the_inclusion_of_all_hundred_thousand_entries_is_proved_from_the_tiles(go_verifier, log):
    done = run(go_verifier, "prove", log.public)
    assert (done.returncode, done.stdout.strip()) == (0, "100000"), done.stderr


def sample(log, chance, count):
    for _ in range(count):
        size = chance.randint(1, log.size)
        yield "i", log.inclusion(chance.randrange(size), size)
        yield "c", log.consistency(chance.randint(1, size), size)


def test_both_agree_on_sampled_proofs_and_on_mutated_ones(go_verifier, log):
    """A sample of 2,000 and as many mutations; every proof of the log is compared in the long run below."""
    chance = random.Random(11)
    sound = list(sample(log, chance, 1000))
    ours, theirs = both(go_verifier, sound)
    assert all(ours)
    assert all(theirs)
    places = {"i": ((2, 4), 3), "c": ((2, 3), 4)}
    altered = [(kind, mutate(chance, case, *places[kind])) for kind, case in sound]
    ours, theirs = both(go_verifier, altered)
    assert ours == theirs
    assert sum(ours) < len(altered) / 10  # a few mutations leave what was said as it was


@pytest.mark.long
def test_both_agree_on_every_inclusion_and_every_consistency_proof(go_verifier, log):
    """Each of the 100,000 entries under the last head, and the last head over each of the 100,000 before it."""
    for begin in range(0, log.size, 10_000):
        part = range(begin, begin + 10_000)
        cases = [("i", log.inclusion(index, log.size)) for index in part]
        cases += [("c", log.consistency(index + 1, log.size)) for index in part]
        ours, theirs = both(go_verifier, cases)
        assert all(ours)
        assert all(theirs)


def test_both_refuse_the_same_altered_files(go_verifier, log):
    def verdicts():
        ours = verify.verify_tiles(log.public, log.vkey).code == verify.SOUND
        return ours, run(go_verifier, "folder", log.vkey, log.public).returncode == 0

    chance = random.Random(2)
    paths = ["tile/0/000", "tile/0/390.p/160", "tile/1/000", "tile/1/001.p/134", "tile/entries/017", "checkpoint"]
    for path in paths:
        file = log.public / path
        before = file.read_bytes()
        at = chance.randrange(40, min(len(before), 60))
        file.write_bytes(before[:at] + bytes([before[at] ^ 4]) + before[at + 1 :])
        assert verdicts() == (False, False), path
        file.write_bytes(before)
    assert verdicts() == (True, True)


def test_a_proof_file_holds_in_both(go_verifier, log, tmp_path):
    index, size = 54_321, log.size
    text = ledger.proof_text(index, log.inclusion(index, size)[3], log.note, log.entries[index])
    file = tmp_path / "receipt.tlog-proof"
    file.write_text(text)
    assert verify.main(["receipt", str(file), "--key", log.vkey, "--witness", log.seen]) == 0
    assert run(go_verifier, "receipt", log.vkey, file).returncode == 0
    assert json.loads(log.entries[index])["number"] == index
    file.write_text(text.replace(f"index {index}", f"index {index + 1}"))
    assert verify.main(["receipt", str(file), "--key", log.vkey]) == 30
    assert run(go_verifier, "receipt", log.vkey, file).returncode == 30
