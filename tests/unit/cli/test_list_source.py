"""The simulated sources of lists: true to their layouts, whole, and the same file from one call to the next."""

import io
from datetime import UTC, datetime

import pytest

from alpr_cli.list_source import SOURCES, source_of, write
from alpr_cli.main import main
from alprcore.layouts import Line, read_list, shipped
from alprcore.profiles import load_profiles

NOW = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)


def read(code, data):
    reading = read_list(io.BytesIO(data), shipped()[source_of(code).layout], now=NOW)
    return list(reading), reading.end


@pytest.mark.parametrize("code", SOURCES)
def test_every_line_of_a_source_is_read_by_its_layout(code):
    items, end = read(code, write(source_of(code), range(7, 27), NOW))
    assert end.refused is None
    assert [item.plate.reveal() for item in items if isinstance(item, Line)] == [f"ZQ{n:05d}" for n in range(7, 27)]
    assert end.source_time in {None, NOW}  # where the layout has a place for it, to the minute


def test_every_list_of_every_policy_has_a_source_of_its_own():
    fed = {rule.code for profile in load_profiles().values() for rule in profile.lists if rule.list_type != "hot_plate"}
    assert fed <= SOURCES.keys()


def test_the_command_writes_the_file_whole(tmp_path, capsys):
    out = tmp_path / "svs.tbl"
    assert main(["simulate-list", "SVS", str(out), "--entries", "3"]) == 0
    items, end = read("SVS", out.read_bytes())
    assert (len(items), end.refused) == (3, None)
    assert "layout ca_svs" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["svs.tbl"]
    assert main(["simulate-list", "SVS", str(out), "--entries", "0"]) == 2
