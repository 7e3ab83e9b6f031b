"""What the audit pages say of entries, and whether a proof holds."""

import base64
import hashlib
import random

import pytest

from alpr_console.audits import rules
from alprcore.model import Person


def person(*roles):
    return Person("p", "u", "U", "O", "demo", roles, "s", "127.0.0.1")


def head(leaves):
    """Root and inclusion paths by the definition of RFC 6962 2.1, not by the arithmetic under test."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest(), [[]]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    (left, left_paths), (right, right_paths) = head(leaves[:split]), head(leaves[split:])
    root = hashlib.sha256(b"\1" + left + right).digest()
    return root, [[*path, right] for path in left_paths] + [[*path, left] for path in right_paths]


def proofs(size):
    leaves = [f'{{"entry":{index}}}'.encode() for index in range(size)]
    root, paths = head(leaves)
    note = f"test/ledger\n{size}\n{base64.b64encode(root).decode()}\n\n— test/ledger c2lnbmF0dXJl\n"
    for index, path in enumerate(paths):
        yield (
            index,
            {
                "leaf": leaves[index].decode(),
                "tree_size": size,
                "inclusion": [part.hex() for part in path],
                "root": root.hex(),
                "checkpoint": note,
            },
        )


@pytest.mark.parametrize("size", [*range(1, 20), 64, 100])
def test_every_proof_of_every_size_holds(size):
    assert all(rules.proof_holds(index, proof) for index, proof in proofs(size))


def test_a_changed_proof_never_holds():
    draw = random.Random(6962)
    for index, proof in proofs(37):
        for name in ("leaf", "inclusion", "tree_size", "checkpoint"):
            broken = dict(proof)
            if name == "leaf":
                broken["leaf"] = proof["leaf"].replace("entry", "entri")
            elif name == "inclusion":
                at = draw.randrange(len(proof["inclusion"]))
                broken["inclusion"] = [
                    f"{int(part, 16) ^ 1 << draw.randrange(256):064x}" if number == at else part
                    for number, part in enumerate(proof["inclusion"])
                ]
            elif name == "tree_size":
                broken["tree_size"] = 38
            else:
                broken["checkpoint"] = proof["checkpoint"].replace("37", "36")
            assert not rules.proof_holds(index, broken), (index, name)
        assert not rules.proof_holds(index + 1, proof)
        assert not rules.proof_holds(index, {**proof, "inclusion": [*proof["inclusion"], "00" * 32]})
        assert not rules.proof_holds(index, {**proof, "inclusion": proof["inclusion"][:-1]})


@pytest.mark.parametrize(
    "proof", [{}, {"leaf": "x", "tree_size": "?"}, {"inclusion": ["zz"], "tree_size": 1, "leaf": ""}]
)
def test_what_is_no_proof_does_not_hold(proof):
    assert rules.proof_holds(0, proof) is False


def test_the_filter_carries_what_was_typed_and_nothing_empty():
    form = {"plate": "8kb o-042", "kind": "", "username": " jdoe ", "before": "12", "limit": "9999"}
    assert rules.log_filter(form) == {"plate": "8KBO042", "username": "jdoe", "before": 12, "limit": rules.PAGE_ENTRIES}
    assert rules.log_filter({"before": "x'; --"}) == {"limit": rules.PAGE_ENTRIES}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"entry": {"reason_code": "PURPOSE_REQUIRED"}, "personal": None}, "PURPOSE_REQUIRED"),
        ({"entry": {"facts": {"rows": 9}}, "personal": {}}, "9 rows"),
        (
            {"entry": {}, "personal": {"criteria": {"plate": "8KBO042", "lookalike": True}}},
            "plate 8KBO042, look-alikes too",
        ),
        ({"entry": {}, "personal": {"criteria": '{"state": "US-CA"}'}}, "state US-CA"),
        (
            {"entry": {}, "personal": {"criteria": '{"hit_id": ["h"], "plates": ["7ABC001", "8KBO042"]}'}},
            "plates 7ABC001, 8KBO042",
        ),
        ({"entry": {"facts": {"subject": "p1"}}, "personal": {}}, "p1"),
        ({"entry": {"facts": {"subject": "p1"}}, "personal": {"person_id": "p1"}}, ""),
        ({"entry": {"facts": {"subject": "5a1f0000-0000-5000-8000-000000000001"}}, "personal": {}}, "id 5a1f0000"),
    ],
)
def test_an_entry_in_a_line(row, words):
    assert rules.what(row) == words


def test_an_entry_stands_at_the_time_it_happened():
    row = {
        "entry": {"facts": {"occurred_at": "2027-01-02T03:00:00+00:00"}},
        "committed_at": "2027-01-02T09:00:00+00:00",
    }
    assert rules.when(row) == "2027-01-02T03:00:00+00:00"
    assert rules.when({**row, "entry": {"facts": {}}}) == row["committed_at"]


def test_who_acted_is_found_in_both_shapes():
    nested = rules.who({"person": {"username": "jdoe", "full_name": "Jane Doe"}})
    flat = rules.who({"username": "jdoe", "full_name": "Jane Doe", "source_ip": None})
    assert nested == flat
    assert rules.who(None)["username"] == ""


@pytest.mark.parametrize(
    ("personal", "words"),
    [
        (None, ""),  # erased: a person may have stood there
        ({}, "the system (retention)"),
        ({"read_ids": ["r"]}, "the system (retention)"),
        ({"username": "jdoe"}, ""),
        ({"person": {"full_name": "Jane Doe"}}, ""),
    ],
)
def test_what_a_service_did_by_itself_is_never_called_erased(personal, words):
    assert rules.doer({"entry": {"service": "retention"}, "personal": personal}) == words


def test_nested_content_is_laid_out_and_nothing_is_lost():
    content = {
        "person": {"full_name": "Jane Doe", "roles": ["auditor", "x"]},
        "empty": "",
        "steps": [{"at": 1}],
        "on": True,
    }
    assert rules.flat(content) == [
        ("person.full name", "Jane Doe"),
        ("person.roles", "auditor, x"),
        ("steps.1.at", "1"),
        ("on", "yes"),
    ]


def test_entries_are_the_auditors_and_reports_a_few_roles():
    assert rules.may_look(person("auditor"))
    assert rules.may_read_entries(person("auditor"))
    assert rules.may_look(person("alpr_admin"))
    assert not rules.may_read_entries(person("alpr_admin"))
    assert not rules.may_look(person("dispatcher", "officer"))


def test_a_kind_without_words_is_shown_as_its_code():
    assert rules.in_words("something_new") == "Something new"
    assert rules.in_words("query") == "Searched reads"


def test_what_happens_to_records_can_be_chosen_in_the_filter():
    prefixes = {kind.split("_")[0] for kind in rules.KINDS}
    wanted = {"hold", "package", "evidence", "release", "demand", "agreement", "purge", "retention", "breach"}
    assert wanted <= prefixes
    assert rules.in_words("purge") == "Records purged"
