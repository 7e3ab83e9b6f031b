"""Image keys in their folder: one for a day whoever asks at once, and on the disk before anything is sealed to it."""

import base64
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

from alpr_retention.store import ImageKeys, keys

DAY = "2027-01-02"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_whoever_asks_at_once_gets_the_same_key(tmp_path, monkeypatch):
    here, made = threading.Barrier(8), keys.new_image_key

    def all_at_once():
        here.wait(5)  # eight have found no key and make one each
        return made()

    monkeypatch.setattr(keys, "new_image_key", all_at_once)
    with ThreadPoolExecutor(8) as pool:
        halves = list(pool.map(lambda _: ImageKeys(tmp_path).ensure("demo", DAY), range(8)))
    assert len(set(halves)) == 1
    assert names(tmp_path / "demo") == [f"{DAY}.key"]
    private, public = (base64.b64decode(line) for line in (tmp_path / "demo" / f"{DAY}.key").read_text().split())
    assert (ImageKeys(tmp_path).private("demo", DAY), halves[0]) == (private, public)


def test_what_a_broken_start_left_behind_stops_nothing(tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / f".{DAY}.key.0123").write_text("half a k")
    assert len(ImageKeys(tmp_path).ensure("demo", DAY)) == 32
    assert ImageKeys(tmp_path).days() == [("demo", date.fromisoformat(DAY))]


def test_the_name_is_on_the_disk_before_the_key_is_given_out(tmp_path, monkeypatch):
    synced, sync = [], os.fsync

    def note(number):
        synced.append(names(tmp_path / "demo") if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        sync(number)

    monkeypatch.setattr(os, "fsync", note)
    ImageKeys(tmp_path).ensure("demo", DAY)
    assert synced == ["file", [f"{DAY}.key"]]


def test_many_keys_come_in_the_order_they_were_asked_for(tmp_path):
    keys = ImageKeys(tmp_path)
    wanted = [(agency, date(2027, 1, 1) + timedelta(days=day)) for day in range(3) for agency in ("demo", "other")]
    assert keys.ensure_all(wanted) == [keys.ensure(agency, day.isoformat()) for agency, day in wanted]
