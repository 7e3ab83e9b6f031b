"""What an entry says, byte for byte: twenty fixed ones, every required field, and nothing but canonical JSON."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alpr_audit import ledger

GOLDEN = Path(__file__).parent / "golden" / "entries.jsonl"
PERSON = {
    "person_id": "p-1", "username": "jdoe", "full_name": "Jane Doe", "organization": "Example PD", "agency": "demo",
    "roles": ["investigator"], "session_id": "s-1", "source_ip": "192.0.2.7",
    "authenticated_at": "2026-01-02T03:00:00Z", "authenticated_by": ["pwd", "otp"],
}  # fmt: skip
QUERY = ledger.Draft(
    kind="query",
    agency="demo",
    profile_version="demo@000000000000",
    facts={
        "purpose_code": "missing_person", "offense_code": "", "source_system": "local",
        "cameras": ledger.camera_scope(["cam-2", "cam-1"]), "sharing_agreement_id": "",
    },
    personal={
        "person": PERSON, "ip": "192.0.2.7", "criteria": {"plate": "8TST001"},
        "reasons": {"purpose_code": "missing_person", "justification": "Zoë is missing", "case_number": "26-1"},
        "on_behalf_of": "", "supervisor_id": "",
    },
    intent=ledger.Intent("p-1", ("demo",), {"act": "search", "search": {"plate": "8TST001", "limit": 1}}),
)  # fmt: skip
RESULT = ledger.Draft(
    kind="query_result", agency="demo", profile_version="demo@000000000000", about=3,
    facts={"rows": 1, "bytes": 812, "duration_ms": 7, "read_ids_sha256": ledger.read_ids_digest(["r-1"])},
    personal={"person": PERSON, "reads": {"r-1": "2026-01-02T03:04:05Z"}},
)  # fmt: skip
MADE = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def cases():
    """Twenty entries of the kinds and shapes that occur: draft, time, how far the clock was behind."""
    event = ledger.Draft(
        kind="sign_in", agency="demo", service="console", event_id="e-1", personal={"username": "jdoe"}
    )
    yield from ((QUERY, MADE, 0), (RESULT, MADE, 0), (event, MADE, 0))
    yield replace(QUERY, facts={**QUERY.facts, "source_system": "learn"}), MADE, 0
    yield replace(QUERY, agency="irvine", profile_version="irvine@1"), MADE, 0
    yield replace(RESULT, facts={**RESULT.facts, "rows": 0, "read_ids_sha256": ledger.read_ids_digest([])}), MADE, 0
    yield ledger.Draft(kind="refused", agency="demo", outcome="refused", reason_code="CASE_NUMBER_REQUIRED"), MADE, 0
    yield ledger.Draft(kind="redaction", agency="", facts={"from": 0, "through": 9, "years": 3}), MADE, 0
    yield ledger.Draft(kind="epoch_opened", agency="", facts={"origin": "a/epoch-2", "signers": ["a", "b"]}), MADE, 0
    yield replace(event, event_id="e-2", outcome="error"), MADE + timedelta(microseconds=1), 0
    yield replace(event, event_id="e-3"), MADE.replace(microsecond=0), 0
    yield replace(event, event_id="e-4"), MADE, 3600_000
    for number in (33.68, -117.8265, 1e-7, 5e-324, 1e21, -0.0, 9007199254740991, 123456.789):
        yield ledger.Draft(kind="area", agency="demo", facts={"number": number, "ä€": '\u2028 " \\ \x7f'}), MADE, 0


def golden():
    return [json.loads(line) for line in GOLDEN.read_text("utf-8").split("\n") if line]


def test_twenty_entries_keep_their_bytes_and_hashes():
    made = list(cases())
    kept = golden()
    assert len(made) == len(kept) == 20
    for number, ((draft, now, behind), line) in enumerate(zip(made, kept, strict=True)):
        entry = ledger.encode_draft(draft, bytes([number]) * 32, now, software="5" * 64, behind_ms=behind).leaf
        assert entry.decode() == line["entry"], number
        assert ledger.leaf_hash(entry).hex() == line["leaf_hash"], number
        assert ledger.decode_entry(entry)["v"] == 2
    assert not any("8TST001" in line["entry"] or "Doe" in line["entry"] for line in kept)


@pytest.mark.parametrize("entry", [line["entry"] for line in golden()[:8]])
def test_any_other_spelling_of_an_entry_is_refused(entry):
    fields = json.loads(entry)
    first, *rest = fields.items()
    for wrong in (
        json.dumps(fields),  # blanks
        json.dumps(dict([*rest, first]), separators=(",", ":"), ensure_ascii=False),  # another order
        entry.replace('"v":2', '"v":2.0'),
        entry.replace('"kind"', '"\\u006bind"'),
        entry[:-1] + ',"v":2}',  # a name twice
        " " + entry,
        entry + "\n",
    ):
        with pytest.raises(ledger.EntryInvalid):
            ledger.decode_entry(wrong.encode())


def without(draft, name):
    first, *rest = name.split(".")
    if not rest:
        return replace(draft, **{first: ""})
    copy = json.loads(json.dumps({"facts": draft.facts, "personal": draft.personal}))
    inner = copy[first]
    for step in rest[:-1]:
        inner = inner[step]
    del inner[rest[-1]]
    return replace(draft, **copy)


@pytest.mark.parametrize(
    ("draft", "name"), [(draft, name) for draft in (QUERY, RESULT) for name in ledger.REQUIRED[draft.kind]]
)
def test_an_entry_without_a_required_field_is_not_made(draft, name):
    assert ledger.missing(draft) == ()
    with pytest.raises(ledger.FieldsMissing) as caught:
        ledger.encode_draft(without(draft, name), bytes(32), MADE)
    assert any(named.endswith(name.split(".")[-1]) for named in caught.value.names)


@pytest.mark.parametrize("name", sorted(ledger.NEVER_EMPTY - {"facts.read_ids_sha256", "profile_version"}))
def test_a_required_field_that_says_nothing_is_missing_too(name):
    first, *rest = name.split(".")
    copy = json.loads(json.dumps({"facts": QUERY.facts, "personal": QUERY.personal}))
    inner = copy[first]
    for step in rest[:-1]:
        inner = inner[step]
    inner[rest[-1]] = ""
    with pytest.raises(ledger.FieldsMissing):
        ledger.encode_draft(replace(QUERY, **copy), bytes(32), MADE)


def test_a_result_that_never_came_needs_no_counts():
    failed = ledger.Draft(kind="query_result", agency="demo", outcome="error", facts={"error": "Transient"})
    assert ledger.missing(failed) == ()


def test_the_cameras_of_a_search_are_named_by_number_and_digest():
    assert ledger.camera_scope([])["count"] is None
    assert ledger.camera_scope(["b", "a"]) == ledger.camera_scope(["a", "b"])
    assert ledger.camera_scope(["a"]) != ledger.camera_scope(["b"])


def test_epochs_and_their_orders_read_back():
    assert ledger.epoch_of("a/b") == ("a/b", 1)
    assert ledger.epoch_of(ledger.epoch_origin("a/b", 12)) == ("a/b", 12)
    kept, stored = ledger.Head("a/b", 9, bytes(32)), ledger.Head("a/b/epoch-3", 5, b"\1" * 32)
    order = ledger.Rollover(ledger.next_epoch(kept, stored), kept, stored, "the database was restored")
    assert order.origin == "a/b/epoch-4"
    assert ledger.parse_rollover(order.text()) == order
    for text in ("", order.text() + "x\n", order.text().replace("v1", "v2"), order.text().replace(" 5 ", " x ")):
        with pytest.raises(ValueError):
            ledger.parse_rollover(text)
