"""The papers of a package: asked for in parts, put together again."""

import pytest

from alpr_console.packages import rules


def test_parts_have_no_more_hits_than_one_call_takes_and_lose_none():
    reads = {f"r{n}": "2026-01-01" for n in range(10)}
    hits = {f"r{n}-h{m}": f"r{n}" for n in range(10) for m in range(90)}
    parts = list(rules.parts(reads, hits))
    assert max(len(part["hits"]) for part in parts) <= rules.HITS_AT_ONCE
    assert [read for part in parts for read in part["reads"]] == list(reads)
    assert {hit for part in parts for hit in part["hits"]} == set(hits)
    assert all(read in part["reads"] for part in parts for read in part["hits"].values())


def test_reads_without_hits_go_in_one_part():
    assert list(rules.parts({"a": "1", "b": "2"}, {})) == [{"reads": {"a": "1", "b": "2"}, "hits": {}}]
    assert list(rules.parts({}, {})) == []


def test_an_entry_about_reads_of_two_parts_is_about_all_of_them():
    events = {}
    rules.merge(events, [{"index": 7, "kind": "query_result", "read_ids": ["b"]}])
    rules.merge(events, [{"index": 7, "kind": "query_result", "read_ids": ["a", "b"]}])
    assert events == {7: {"index": 7, "kind": "query_result", "read_ids": ["a", "b"]}}


@pytest.mark.parametrize(("status", "content"), [(503, {}), (403, {"reason_code": "X"}), (200, None), (200, [])])
def test_an_answer_that_is_none_is_not_taken(status, content):
    with pytest.raises(rules.NotBrought):
        rules.brought(status, content)
