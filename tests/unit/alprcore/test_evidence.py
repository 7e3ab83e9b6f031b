"""What a package is made of, and what of it a stranger can tell was changed."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from alprcore import evidence
from alprcore.evidence import About, Cover, File, Kind, LedgerEvent, Redaction, Verification, VolumeHead

ABOUT = About(
    package_id="6a4f3a9e-0000-5000-8000-000000000001",
    kind=Kind.HOLD,
    subject="6a4f3a9e-0000-5000-8000-000000000002",
    agency="irvine",
    agency_name="Irvine Police Department",
    exporter="Jane Doe (jdoe)",
    opened_at=datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC),
    profile_version="7",
    ledger_entry=41,
    key_sha256="ab" * 32,
    medium="dvd",
    witness="Sam Roe",
)
COVER = Cover(
    "ALPR evidence package", "H-1", "Irvine Police Department", "26-77", "CONFIDENTIAL", case_reference="26-77"
)
READ = {
    "read_id": "r-1",
    "agency": "irvine",
    "plate": "8TST001",
    "skeleton": "8TST001",
    "due_day": "2027-01-01",
    "was_due": None,
    "captured_at": "2026-01-02T03:04:05+00:00",
    "received_at": "2026-01-02T03:04:06+00:00",
    "read_at": "2026-01-02T03:04:07+00:00",
    "stored_at": "2026-01-02T03:04:08+00:00",
    "device_id": "cam-1",
    "camera_id": "c-1",
    "revision": 1,
    "images": [
        {"role": "closeup", "view": "rear", "key": "closeup/irvine/x.jpg", "sha256": "cd" * 32, "sealed_to": "x"}
    ],
    "details": {
        "reader": {"name": "reader", "sha256": "11"},
        "detector": {"name": "detector", "sha256": "22"},
        "characters": [["8", 0.99, "B", 0.01]],
    },
}
HIT = {
    "hit_id": "h-1",
    "matched_at": "2026-01-02T03:04:09+00:00",
    "list_code": "SVS",
    "list_version": 12,
    "due_day": "2027-01-01",
    "was_due": None,
    "details": {"explanation": "exact", "entry_sealed": "c2VjcmV0", "entry_key_id": "k"},
}


def heads(count):
    made = []
    for number in range(1, count + 1):
        previous = made[-1].sums_sha256 if made else ""
        made.append(VolumeHead("p", number, number == count, previous, f"sums-{number}"))
    return made


def codes(faults):
    return [(fault.code, fault.name) for fault in faults]


def test_a_read_goes_out_whole_but_for_the_stores_own_columns():
    shown = evidence.shown_read(READ)
    assert shown["plate"] == "8TST001"
    assert shown["characters"] == [["8", 0.99, "B", 0.01]]
    assert shown["reader"]["sha256"] == "11"
    assert shown["images"] == [{"role": "closeup", "view": "rear", "sha256": "cd" * 32}]
    assert shown.keys().isdisjoint({"due_day", "was_due", "skeleton", "details"})


def test_a_hit_names_list_and_version_and_keeps_the_entrys_seal_with_the_list():
    shown = evidence.shown_hit(HIT)
    assert (shown["list_code"], shown["list_version"], shown["explanation"]) == ("SVS", 12, "exact")
    assert not {"entry_sealed", "entry_key_id", "due_day"} & shown.keys()


def test_clets_text_stays_out_with_a_note_and_goes_only_with_its_own_authority():
    found = [
        Verification("h-1", "CLETS", "confirmed", "2026-01-02", "Ann", has_text=True, text="NIC/1 STOLEN"),
        Verification("h-1", "CLETS", "no_record", "2026-01-02", "Ann", has_text=False),
    ]
    said, notes = evidence.shown_verifications(found, clets=False)
    assert "NIC/1 STOLEN" not in json.dumps(said)
    assert said[0]["text_redacted"] == "SEC-06"
    assert [(note.rule, note.what, note.count) for note in notes] == [("SEC-06", "clets_text", 1)]
    said, notes = evidence.shown_verifications(found, clets=True)
    assert (said[0]["text"], notes) == ("NIC/1 STOLEN", ())
    # authorized, but the words did not come: they are missing, and that is said
    _, notes = evidence.shown_verifications([replace(found[0], text="")], clets=True)
    assert notes[0].count == 1


def test_custody_runs_from_the_camera_to_the_package_in_the_order_of_time():
    events = [LedgerEvent(9, "2026-01-31T16:00:00-08:00", "image_view", "jdoe", "Jane Doe", "proof")]
    chain = evidence.custody_of(
        READ | READ["details"], [HIT], events, {9: "ledger/9.tlog-proof"}, packed_at="2026-03-14T15:09:26+00:00",
        packed_by="Jane Doe",
    )  # fmt: skip
    assert [step["what"] for step in chain] == [
        "captured", "received", "read", "stored", "matched", "image_view", "packed",
    ]  # fmt: skip
    assert chain[5] == {
        "at": "2026-02-01T00:00:00.000000+00:00",
        "what": "image_view",
        "by": "Jane Doe",
        "words": "image opened",
        "ledger_entry": 9,
        "proof": "ledger/9.tlog-proof",
    }


def test_whoever_receives_a_release_is_not_told_who_else_looked():
    assert evidence.trail_note(Kind.HOLD, 3) == ()
    assert evidence.trail_note(Kind.RELEASE, 3)[0].count == 3


def test_a_file_takes_whole_sectors_of_a_disc():
    assert evidence.laid([1]) - evidence.laid([0]) == 2048
    assert evidence.laid([2048]) == evidence.laid([1])
    assert evidence.laid([2049]) - evidence.laid([2048]) == 2048


def test_no_name_in_a_package_tells_a_plate():
    names = [evidence.folder_of(1, "r-1"), evidence.volume_name(ABOUT.package_id, 3)]
    assert names == ["reads/00001-r-1", f"plateline-{ABOUT.package_id}-03"]


def test_the_manifest_says_package_place_reads_files_and_what_was_left_out():
    files = [File("reads/00001-r-1/read.json", 12, "ee" * 32)]
    notes = [Redaction("SEC-06", "clets_text", 1, "left out")]
    said = json.loads(
        evidence.manifest(ABOUT, COVER, [{"read_id": "r-1"}], files, notes, number=2, last=True, previous="ff" * 32)
    )
    assert said["volume"] == {"number": 2, "last": True, "previous_sums_sha256": "ff" * 32}
    assert said["files"] == [{"name": files[0].name, "bytes": 12, "sha256": "ee" * 32}]
    assert (said["package"]["kind"], said["package"]["ledger_entry"]) == ("hold", 41)
    assert said["redactions"][0]["rule"] == "SEC-06"


def test_the_table_carries_the_mark_and_no_formula():
    rows = list(csv.reader(io.StringIO(evidence.table([{"plate": "=1+1", "latitude": 33.5}], "CONFIDENTIAL").decode())))
    assert rows[0][:3] == ["number", "read_id", "plate"]  # no prose before the header: programs read it
    row = dict(zip(rows[0], rows[1], strict=True))
    assert (row["plate"], row["latitude"], row["mark"]) == ("'=1+1", "33.5", "CONFIDENTIAL")


def test_the_cover_says_confidentiality_purpose_and_what_is_left_out():
    notes = [Redaction("SEC-06", "clets_text", 2, "Words of CLETS are left out.")]
    text = evidence.cover_text(ABOUT, COVER, notes, number=1, reads=3).decode()
    for words in ("CONFIDENTIAL", "26-77", "Sam Roe", "Jane Doe (jdoe)", "2 x clets_text", ABOUT.key_sha256):
        assert words in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_list_of_sums_is_read_and_nothing_leaves_the_folder():
    files = [File("a.txt", 1, "ab" * 32), File("reads/b.jpg", 2, "cd" * 32)]
    assert evidence.parse_sums(evidence.sums(files).decode()) == {"a.txt": "ab" * 32, "reads/b.jpg": "cd" * 32}
    for name in ("/etc/passwd", "../x", "reads/../../x", "a\\b"):
        with pytest.raises(ValueError, match="leaves the folder"):
            evidence.parse_sums(f"{'ab' * 32} *{name}\n")
    for text in ("nonsense\n", f"{'ab' * 32} *a\n{'cd' * 32} *a\n"):
        with pytest.raises(ValueError, match="not a list"):
            evidence.parse_sums(text)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"manifest.json": "1", "a": "2"}, []),
        ({"manifest.json": "1", "a": "3"}, [("ALTERED", "a")]),
        ({"manifest.json": "1"}, [("MISSING", "a")]),
        ({"manifest.json": "1", "a": "2", "b": "4"}, [("NOT_LISTED", "b")]),
        ({"manifest.json": "1", "a": "2", "SHA256SUMS": "5", "SHA256SUMS.sig": "6"}, []),
    ],
)
def test_every_change_of_a_file_shows(found, expected):
    assert codes(evidence.compare({"manifest.json": "1", "a": "2"}, found)) == expected


def test_a_manifest_that_says_otherwise_than_the_sums_is_a_fault():
    manifest = {"files": [{"name": "a", "sha256": "1"}]}
    assert evidence.agree(manifest, {"a": "1", "manifest.json": "9"}) == []
    assert codes(evidence.agree(manifest, {"a": "2", "manifest.json": "9"})) == [("MANIFEST_DIFFERS", "a")]


def test_volumes_make_one_package_whole_or_not():
    one, two, three = heads(3)
    assert evidence.complete([three, one, two]) == []
    assert codes(evidence.complete([one, two])) == [("VOLUME_MISSING", "3")]
    assert ("VOLUME_MISSING", "2") in codes(evidence.complete([one, three]))
    assert codes(evidence.complete([one, replace(two, previous="other"), three])) == [("CHAIN_BROKEN", "2")]
    assert ("OTHER_PACKAGE", "p, q") in codes(evidence.complete([one, replace(two, package_id="q"), three]))
    assert codes(evidence.complete([])) == [("VOLUME_MISSING", "1")]


@pytest.mark.parametrize("manifest", [b"[]", b"{}", b"nonsense", b'{"format": "other", "volume": {}}'])
def test_another_manifest_is_none_of_ours(manifest):
    with pytest.raises(ValueError, match=r"manifest|format"):
        evidence.head_of(manifest, "ab" * 32)
