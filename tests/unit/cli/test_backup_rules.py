"""What a backup says of itself and when it expires."""

from datetime import UTC, datetime, timedelta

import pytest

from alpr_cli.backup import rules

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
FACTS = rules.Facts(NOW.isoformat(), {"audit": "0001_pre_a"}, 12, "log\n12\nroot\n\n- signed\n", 3, 1, 170002)


def test_a_manifest_comes_back_as_written_and_others_are_refused():
    manifest = rules.Manifest(FACTS, 10, "ab", 2, 20)
    assert rules.decode_manifest(rules.encode_manifest(manifest)) == manifest
    assert rules.decode_facts(rules.encode_facts(FACTS)) == FACTS
    for wrong in ("{}", "[]", "x", rules.encode_manifest(manifest).replace("backup/1", "backup/2"), '{"form": "x"}'):
        with pytest.raises(ValueError):
            rules.decode_manifest(wrong)


def test_backups_expire_within_their_window_and_the_newest_never():
    names = [rules.set_name(NOW - timedelta(days=days)) for days in (1, 34, 36, 90)]
    assert rules.taken(names[0]) == NOW - timedelta(days=1)
    assert sorted(rules.expired([*names, "lost+found"], NOW, timedelta(days=35))) == sorted(names[2:])
    assert rules.expired(names[3:], NOW, timedelta(days=35)) == []


def test_keys_lie_apart_from_what_they_open():
    assert rules.refuse_places("/backup", "/backup/keys", False)
    assert rules.refuse_places("/backup/data", "/backup", False)
    assert rules.refuse_places("/backup", "/backup", False)
    assert rules.refuse_places("/backup", "/keys", True)
    assert not rules.refuse_places("/backup", "/keys", False)


def test_a_mirror_takes_what_is_new_or_of_another_size_and_loses_what_is_gone():
    assert rules.changes({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3, "d": 4}) == (["b", "d"], ["c"])


@pytest.mark.parametrize(
    ("kept", "state"),
    [
        (FACTS.head, "same"), ("log\n12\nroot\n\n- signed by another, too\n", "same"), ("", "lost"),
        ("log\n15\nlater\n\n- signed\n", "older"), ("log\n12\nfork\n\n- signed\n", "older"),
    ],
)  # fmt: skip
def test_the_ledger_in_a_backup_is_compared_with_the_head_outside(kept, state):
    assert rules.judge_head(FACTS, kept)[0] == state


def test_a_store_that_is_suddenly_empty_or_small_empties_no_mirror():
    assert rules.refuse_loss(5000, 5000, 0)
    assert rules.refuse_loss(3, 3, 0)
    assert rules.refuse_loss(50_000, 5001, 44_999)
    assert not rules.refuse_loss(50_000, 5000, 45_000)
    assert not rules.refuse_loss(800, 700, 100), "a small installation's first purge"
    assert not rules.refuse_loss(0, 0, 0)


def test_keys_that_vanish_without_a_mark_are_named():
    before = ["keys/ledger.key", "image-keys/demo/2026-01-01.key", "image-keys/demo/2026-01-02.key", "ledger/checkpoint",
              "image-keys/demo/sent-arjis/2026-01-01.sent"]  # fmt: skip
    now = ["keys/ledger.key", "image-keys/demo/2026-01-01.gone", "image-keys/demo/2026-01-02.key"]
    assert rules.missing_keys(before, now) == []
    assert rules.missing_keys(before, now[:2]) == ["image-keys/demo/2026-01-02.key"]
    assert rules.missing_keys(before, []) == [before[1], before[2], before[0]]
    assert rules.missing_keys(["image-keys/demo/2026-01-01.gone"], now[2:]) == ["image-keys/demo/2026-01-01.gone"]
