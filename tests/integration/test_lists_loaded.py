"""From a file to the version in force: previews, guards, changes, the way back, and loads that run side by side."""

import asyncio
import itertools
import json
import time
from datetime import timedelta

import asyncpg
import pytest

from alpr_ingest.store.entered import QUERIES
from alprcore import wire
from alprcore.plates import skeleton
from alprcore.wire import rfc3339
from tests.fixtures import postgres
from tests.integration.ingest_world import World, serving

CAPTAIN = {"person_id": "p-9", "username": "captain", "full_name": "Test Captain"}
NUMBERS = itertools.count(1)
NOTE = "Counted again with the state's help desk"


@pytest.fixture(scope="module")
def ingest(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    with postgres._database(pg_admin_dsn, "test", f"TEMPLATE {pg_template}") as (_, database):
        made = World(database, kafka_bootstrap, "loaded.", tmp_path_factory.mktemp("loaded"))
        asyncio.run(made.make_topics())
        with serving(made) as one:
            yield one


@pytest.fixture
def fresh(ingest):
    """A list of this test's own: its code."""
    code = f"TEST{next(NUMBERS)}"
    body = {
        "code": code, "name": "Test list", "source": "local investigations", "advisory_class": "stolen_vehicle",
        "legitimate_interest": "Vehicles of a local theft series",
    }  # fmt: skip
    assert ingest.call("POST", "/v1/hotlists", json=body).status_code == 201
    return code


def send(ingest, code, text, *, to="loads", hours_ago=0.0, **fields):
    content = text if isinstance(text, bytes) else text.encode()
    when = {"source_time": rfc3339(ingest.now() - timedelta(hours=hours_ago))} if hours_ago is not None else {}
    return ingest.call(
        "POST", f"/v1/hotlists/{code}/{to}",
        files={"file": ("list", content, "text/csv")}, data={"layout": "generic_csv"} | when | fields,
    )  # fmt: skip


def load(ingest, code, text, **options):
    answer = send(ingest, code, text, **options)
    assert answer.status_code == 201, answer.text
    return answer.json()


def csv(*plates, state="CA"):
    return "plate,state,notes\n" + "".join(f"{plate},{state},a\n" for plate in plates)


def ncic(number, plate):
    return f"{number:<10}CA031000020260105{plate:<10}CA".ljust(45) + "2015TOYCAM4DBLK    \n"


def show(ingest, code):
    return ingest.call("GET", f"/v1/hotlists/{code}").json()


def numbers(report):
    return {name: report[name] for name in ("entries", "added", "changed", "removed", "unchanged", "rejected")}


def buckets(ingest):
    """What the newest message of every skeleton says."""
    newest = {}
    for _, _, key, value, headers in ingest.lying("hotlist"):
        newest[key] = wire.decode_bucket(value, headers) if value is not None else ()
    return newest


def in_force(ingest, code):
    """The plates of a list in the version in force, as a matcher would find them, with their details."""
    version = show(ingest, code)["version"]
    keys = ingest.world.list_keys
    return {
        entry.plate.reveal(): wire.decode_entry_details(keys.open(entry.sealed, entry.key_id, entry_id=entry.entry_id))
        for bucket in buckets(ingest).values()
        for entry in bucket
        if entry.list_code == code and entry.in_version(version)
    }


def events(ingest, subject):
    told = (wire.decode_audit_event(value, headers) for _, _, _, value, headers in ingest.lying("audit"))
    return [event for event in told if event.facts.get("subject") == subject]


def test_a_preview_counts_names_the_guards_and_keeps_nothing(ingest, fresh):
    load(ingest, fresh, csv("1PRE001", "1PRE002", "1PRE003", "1PRE004", "1PRE005"), hours_ago=2)
    text = "plate,state,notes\n1PRE001,CA,a\n1PRE002,CA,changed\n1PRE009,CA,a\n,CA,a\n1PRE009,CA,a\n"
    kept = "SELECT (SELECT count(*) FROM ingest.entries), (SELECT count(*) FROM ingest.loads)"
    before, messages = ingest.rows(kept), len(ingest.lying("hotlist"))
    answer = send(ingest, fresh, text, to="previews", hours_ago=1)
    assert answer.status_code == 200, answer.text
    preview = answer.json()
    assert preview["rejects"] == [
        {"line": 5, "reason_code": "PLATE_MISSING"}, {"line": 6, "reason_code": "DUPLICATE"},
    ]  # fmt: skip
    assert preview["guards"] == []
    assert (ingest.rows(kept), len(ingest.lying("hotlist"))) == (before, messages)
    report = load(ingest, fresh, text, hours_ago=1)
    assert numbers(report) == numbers(preview)
    assert numbers(report) == {
        "entries": 3, "added": 1, "changed": 1, "removed": 3, "unchanged": 1, "rejected": 2,
    }  # fmt: skip
    hit = send(ingest, fresh, csv("1PRE001"), to="previews", hours_ago=3).json()["guards"]
    assert [one["reason_code"] for one in hit] == ["LIST_OLDER_THAN_ACTIVE", "LIST_SHRUNK"]
    changes = ingest.call("GET", f"/v1/hotlists/{fresh}/loads/{report['version']}/changes").json()
    assert numbers(changes) == numbers(report)


def test_a_guard_over_sizes_is_lifted_by_force_with_a_note_that_is_on_record(ingest, fresh):
    plates = [f"2GRD{number:03}" for number in range(4)]
    load(ingest, fresh, csv(*plates), hours_ago=5)
    shrunk = send(ingest, fresh, csv(plates[0]), hours_ago=4)
    assert (shrunk.status_code, shrunk.json()["reason_code"]) == (409, "LIST_SHRUNK")
    bare = send(ingest, fresh, csv(plates[0]), hours_ago=4, force="true")
    assert (bare.status_code, bare.json()["reason_code"]) == (422, "FIELD_MISSING")
    assert load(ingest, fresh, csv(plates[0]), hours_ago=4, force="true", note=NOTE)["lifted"] == ["LIST_SHRUNK"]
    many = csv(*(f"2G{number:05}" for number in range(1_002)))
    grown = send(ingest, fresh, many, hours_ago=3)
    assert (grown.status_code, grown.json()["reason_code"]) == (409, "LIST_GREW")
    assert load(ingest, fresh, many, hours_ago=3, force="true", note=NOTE)["lifted"] == ["LIST_GREW"]
    older = send(ingest, fresh, many, hours_ago=9, force="true", note=NOTE)
    assert (older.status_code, older.json()["reason_code"]) == (409, "LIST_OLDER_THAN_ACTIVE")
    told = ingest.until(lambda: (found := events(ingest, f"demo/{fresh}")) and len(found) >= 7 and found)
    told.sort(key=lambda event: event.occurred_at)
    lifted = [(e.facts["lifted"], e.personal["note"]) for e in told if "lifted" in e.facts]
    assert lifted == [("LIST_SHRUNK", NOTE), ("LIST_GREW", NOTE)]
    assert sorted(e.reason_code for e in told if e.outcome == "refused") == [
        "LIST_GREW", "LIST_OLDER_THAN_ACTIVE", "LIST_SHRUNK",
    ]  # fmt: skip
    rows = ingest.call("GET", f"/v1/hotlists/{fresh}/loads").json()["loads"]
    assert [(one["version"], one["lifted"], one["note"]) for one in rows] == [
        (3, ["LIST_GREW"], NOTE), (2, ["LIST_SHRUNK"], NOTE), (1, [], ""),
    ]  # fmt: skip


def test_the_very_file_that_is_in_force_makes_no_new_version(ingest, fresh):
    when = rfc3339(ingest.now() - timedelta(hours=1))
    first = load(ingest, fresh, csv("3IDN001"), hours_ago=None, source_time=when)
    again = load(ingest, fresh, csv("3IDN001"), hours_ago=None, source_time=when)
    assert (first["identical"], again["identical"], again["version"]) == (False, True, 1)
    later = load(ingest, fresh, csv("3IDN001"))
    assert (later["identical"], later["version"], later["unchanged"]) == (False, 2, 1)
    [told] = ingest.until(lambda: [e for e in events(ingest, f"demo/{fresh}") if e.kind == "list_confirmed"])
    assert told.facts["version"] == "1"
    confirmed = "SELECT asked_by FROM ingest.pulls WHERE code = $1 AND outcome = 'unchanged'"
    assert [row["asked_by"] for row in ingest.rows(confirmed, fresh)] == ["p-1"]
    nowhen = send(ingest, fresh, csv("3IDN002"), hours_ago=None)
    assert (nowhen.status_code, nowhen.json()["reason_code"]) == (422, "SOURCE_TIME_MISSING")


def test_the_same_file_read_otherwise_is_a_load(ingest, fresh):
    """Another layout or another category that is off makes another list of the very same bytes."""
    when = rfc3339(ingest.now() - timedelta(hours=1))
    text = "HEADER\n" + ncic("V000000001", "3WAY001") + ncic("N000000002", "3WAY002")
    first = load(ingest, fresh, text, hours_ago=None, source_time=when, layout="ncic_fixed")
    assert ingest.call("PUT", f"/v1/hotlists/{fresh}/categories", json={"off": ["N"]}).status_code == 200
    again = load(ingest, fresh, text, hours_ago=None, source_time=when, layout="ncic_fixed")
    assert (first["entries"], again["entries"], again["identical"]) == (2, 1, False)


def test_of_lines_of_one_entry_in_an_incremental_file_the_last_one_holds(ingest, fresh):
    load(ingest, fresh, csv("4LST001", "4LST002", "4LST003", "4LST004"), hours_ago=2)
    steps = [
        ("4LST001", "", "remove"), ("4LST001", "a", "add"),  # as it was
        ("4LST002", "", "remove"), ("4LST002", "new", "add"),  # changed
        ("4LST003", "new", "add"), ("4LST003", "", "remove"),  # gone
        ("4LST009", "a", "add"), ("4LST009", "", "remove"),  # never there
        ("4LST008", "", "remove"), ("4LST008", "a", "add"),  # new
    ]  # fmt: skip
    text = "plate,state,notes,action\n" + "".join(f"{plate},CA,{note},{action}\n" for plate, note, action in steps)
    preview = send(ingest, fresh, text, to="previews", hours_ago=1, mode="incremental").json()
    report = load(ingest, fresh, text, hours_ago=1, mode="incremental")
    assert numbers(report) == numbers(preview)
    assert (report["added"], report["changed"], report["removed"], report["entries"]) == (1, 1, 1, 4)
    notes = {plate: details.notes for plate, details in in_force(ingest, fresh).items()}
    assert notes == {"4LST001": "a", "4LST002": "new", "4LST004": "a", "4LST008": "a"}
    whole = load(ingest, fresh, text, hours_ago=0.5)
    assert set(in_force(ingest, fresh)) == {"4LST001", "4LST002", "4LST008"}
    assert (whole["entries"], whole["removed"]) == (3, 1)


def test_an_incremental_file_adds_and_takes_out(ingest, fresh):
    load(ingest, fresh, csv("4INC001", "4INC002", "4INC003"), hours_ago=2)
    text = "plate,state,notes,action\n4INC004,CA,a,add\n4INC002,CA,new,add\n4INC001,CA,,remove\n4INC009,CA,,remove\n"
    preview = send(ingest, fresh, text, to="previews", hours_ago=1, mode="incremental").json()
    report = load(ingest, fresh, text, hours_ago=1, mode="incremental")
    assert numbers(report) == numbers(preview)
    assert (report["entries"], report["added"], report["changed"], report["removed"]) == (3, 1, 1, 1)
    found = in_force(ingest, fresh)
    assert set(found) == {"4INC002", "4INC003", "4INC004"}
    assert found["4INC002"].notes == "new"


def test_lines_of_a_category_that_is_switched_off_are_counted_and_not_taken(ingest, fresh):
    plates = (("V000000001", "5CAT001"), ("N000000002", "5CAT002"), ("V000000003", "5CAT003"))
    text = "HEADER\n" + "".join(ncic(*one) for one in plates)
    answer = ingest.call("PUT", f"/v1/hotlists/{fresh}/categories", json={"off": ["N"]})
    assert answer.status_code == 200, answer.text
    report = load(ingest, fresh, text, layout="ncic_fixed")
    assert (report["entries"], report["category_off"], report["rejected"]) == (2, 1, 0)
    assert set(in_force(ingest, fresh)) == {"5CAT001", "5CAT003"}


def test_rejected_lines_are_kept_with_the_load_and_read_by_pages(ingest, fresh, monkeypatch):
    monkeypatch.setattr("alpr_ingest.api.loads._PAGE", 3)
    text = "plate,state\n6REJ001,CA\n" + ",CA\n" * 4 + "6REJ002,ZZ\n"
    version = load(ingest, fresh, text)["version"]
    path = f"/v1/hotlists/{fresh}/loads/{version}/rejects"
    first = ingest.call("GET", path).json()
    assert first["rejects"] == [{"line": n, "reason_code": "PLATE_MISSING"} for n in (3, 4, 5)]
    assert (first["after"], first["codes"]) == (5, {"PLATE_MISSING": 4, "STATE_UNKNOWN": 1})  # of all lines, not these
    assert (first["load"]["version"], first["load"]["rejected"]) == (version, 5)
    second = ingest.call("GET", path, params={"after": first["after"]}).json()
    assert [one["line"] for one in second["rejects"]] == [6, 7]
    assert (second["rejects"][-1]["reason_code"], second["after"]) == ("STATE_UNKNOWN", None)
    gone = ingest.call("GET", f"/v1/hotlists/{fresh}/loads/9/rejects")
    assert (gone.status_code, gone.json()["reason_code"]) == (404, "LIST_VERSION_UNKNOWN")


@pytest.mark.requirement("HOT-13", partial="hit and screens show it elsewhere")
def test_a_list_tells_its_times_and_its_age(ingest, fresh):
    when = ingest.now() - timedelta(hours=9)
    load(ingest, fresh, csv("7AGE001"), hours_ago=None, source_time=rfc3339(when))
    shown = show(ingest, fresh)
    assert shown["source_time"] == rfc3339(when)
    assert 32_400 <= shown["age_s"] < 32_460
    assert shown["stale"] is False
    assert shown["loaded_at"] > shown["source_time"]


@pytest.mark.requirement("HOT-04", partial="that the matcher follows is tested with it")
def test_the_version_before_comes_back_when_another_person_approves(ingest, fresh):
    when = ingest.now() - timedelta(hours=6)
    load(ingest, fresh, csv("8OLD001", "8BTH001", "8BTH002"), hours_ago=None, source_time=rfc3339(when))
    none = ingest.call("POST", f"/v1/hotlists/{fresh}/rollbacks", json={"note": NOTE})
    assert (none.status_code, none.json()["reason_code"]) == (409, "ROLLBACK_NOTHING_KEPT")
    text = "plate,state,notes\n8NEW001,CA,a\n8BTH001,CA,a\n8BTH002,CA,wrong\n"
    assert load(ingest, fresh, text, hours_ago=1)["version"] == 2
    assert show(ingest, fresh)["rollback_to"] == 1
    asked = ingest.call("POST", f"/v1/hotlists/{fresh}/rollbacks", json={"note": NOTE})
    assert asked.status_code == 201, asked.text
    assert set(in_force(ingest, fresh)) == {"8NEW001", "8BTH001", "8BTH002"}
    path = f"/v1/hotlists/{fresh}/rollbacks/{asked.json()['rollback_id']}/approvals"
    own = ingest.call("POST", path, roles=("alpr_admin", "program_manager"))
    assert (own.status_code, own.json()["reason_code"]) == (403, "AUTHOR_MUST_DIFFER")
    other = ingest.call("POST", path, roles=("officer",), who=CAPTAIN)
    assert (other.status_code, other.json()["reason_code"]) == (403, "APPROVER_NOT_AUTHORISED")
    done = ingest.call("POST", path, roles=("program_manager",), who=CAPTAIN)
    assert done.status_code == 201, done.text
    report = done.json()
    assert (report["version"], report["entries"]) == (3, 3)
    assert (report["added"], report["changed"], report["removed"]) == (1, 1, 1)
    found = in_force(ingest, fresh)
    assert set(found) == {"8OLD001", "8BTH001", "8BTH002"}
    assert found["8BTH002"].notes == "a"
    shown = show(ingest, fresh)
    assert (shown["source_time"], shown["entries"], shown["rollback_to"]) == (rfc3339(when), 3, None)
    again = ingest.call("POST", path, roles=("program_manager",), who=CAPTAIN)
    assert (again.status_code, again.json()["reason_code"]) == (409, "ROLLBACK_DONE")
    kinds = ingest.until(
        lambda: len(found := [e.kind for e in events(ingest, f"demo/{fresh}") if "roll" in e.kind]) >= 5 and found
    )
    assert kinds.count("list_rolled_back") == 1
    [row] = ingest.call("GET", f"/v1/hotlists/{fresh}/rollbacks").json()["rollbacks"]
    assert (row["asked_by"], row["approved_by"], row["version"], row["note"]) == ("p-1", "p-9", 3, NOTE)
    assert load(ingest, fresh, csv("8BTH001", "8BTH002", "8FIX001"), hours_ago=0.5)["version"] == 4


def test_a_rollback_that_was_overtaken_by_a_load_is_refused(ingest, fresh):
    load(ingest, fresh, csv("9OUT001"), hours_ago=3)
    load(ingest, fresh, csv("9OUT002"), hours_ago=2)
    asked = ingest.call("POST", f"/v1/hotlists/{fresh}/rollbacks", json={"note": NOTE}).json()
    load(ingest, fresh, csv("9OUT003"), hours_ago=1)
    path = f"/v1/hotlists/{fresh}/rollbacks/{asked['rollback_id']}/approvals"
    late = ingest.call("POST", path, roles=("program_manager",), who=CAPTAIN)
    assert (late.status_code, late.json()["reason_code"]) == (409, "ROLLBACK_OUTDATED")
    assert set(in_force(ingest, fresh)) == {"9OUT003"}


@pytest.mark.requirement("HOT-16", partial="the limits of its expiry are tested with the entry")
def test_loads_side_by_side_and_a_hot_plate_in_their_middle_lose_nothing(ingest, fresh, monkeypatch):
    """Both lists share every skeleton; 60 pages are published while a hot plate of one of them is entered.

    The files are read in children, as large ones are.
    """
    monkeypatch.setattr("alpr_ingest.loading.publishing.PAGE", 50)
    monkeypatch.setattr("alpr_ingest.reading.process.CHILD_FROM", 1)
    plates = [f"1S{number:05}" for number in range(3_000)]
    loop, world = ingest.loop, ingest.world
    both = [
        asyncio.run_coroutine_threadsafe(world.load(code, csv(*plates, state=state)), loop)
        for code, state in ((fresh, "CA"), ("SVS", "NV"))
    ]
    ingest.until(lambda: (show(ingest, fresh)["loading"] or {}).get("published", 0) > 0)
    begun = time.monotonic()
    body = {
        "plate": plates[-1], "state": "US-OR", "also_entered_in": [],
        "expires_at": rfc3339(ingest.now() + timedelta(hours=2)),
    }  # fmt: skip
    officer = {"roles": ("officer",), "who": {"category": "sworn", "training": ("alpr",)}}
    entered = ingest.call("POST", "/v1/hot-plates", json=body, **officer)
    assert entered.status_code == 201, entered.text
    path = f"/v1/hot-plates/{entered.json()['entry_id']}"
    ingest.until(lambda: ingest.call("GET", path, **officer).json()["entry_state"] == "active", seconds=5)
    print(f"{time.monotonic() - begun:.2f} s from entry to active in the middle of two loads")
    assert not all(one.done() for one in both)
    for one in both:
        answer = one.result(120)
        assert (answer.status_code, answer.json()["entries"]) == (201, len(plates))
    newest = buckets(ingest)
    rows = ingest.rows("SELECT skeleton, entry_id, from_version, until_version FROM ingest.entries WHERE NOT spent")
    wanted = {}
    for row in rows:
        wanted.setdefault(row["skeleton"], set()).add((str(row["entry_id"]), row["from_version"], row["until_version"]))
    found = {
        key: {(entry.entry_id, entry.from_version, entry.until_version) for entry in bucket}
        for key, bucket in newest.items()
        if bucket
    }
    assert found == wanted
    assert {entry.list_code for entry in newest[skeleton(plates[-1])]} == {fresh, "SVS", "HOTPLATE"}


def test_what_was_previewed_against_another_version_is_not_put_in_force(ingest, fresh):
    """Asked where the list is held: a version that came while the load waited for it counts too."""
    load(ingest, fresh, csv("3AGN001"), hours_ago=2)
    load(ingest, fresh, csv("3AGN001", "3AGN002"), hours_ago=1)
    late = send(ingest, fresh, csv("3AGN003"), against="1")
    assert (late.status_code, late.json()["reason_code"]) == (409, "CHANGED_MEANWHILE")
    odd = send(ingest, fresh, csv("3AGN003"), against="second")
    assert (odd.status_code, odd.json()["detail"]) == (422, "against")
    assert load(ingest, fresh, csv("3AGN003"), against="2")["version"] == 3


@pytest.mark.parametrize("named", [True, False])
def test_a_file_that_is_too_large_is_refused_with_its_reason(ingest, fresh, monkeypatch, named):
    """With and without a length that says so; nothing of it is kept."""
    app = ingest.rows("SELECT count(*) FROM ingest.loads")[0][0]
    monkeypatch.setattr("alpr_ingest.api.loads._FIELDS_BYTES", 4096 - 256 * 2**20)
    body = b'--b\r\ncontent-disposition: form-data; name="file"; filename="l"\r\n\r\n' + b"x" * 9_000 + b"\r\n--b--\r\n"

    async def post():
        async def pieces():
            for at in range(0, len(body), 1000):
                yield body[at : at + 1000]

        headers = ingest.world.person(now=ingest.now()) | {"content-type": "multipart/form-data; boundary=b"}
        path = f"/v1/hotlists/{fresh}/loads"
        return await ingest.world.http.post(path, content=body if named else pieces(), headers=headers)

    answer = ingest.run(post())
    assert (answer.status_code, answer.json()["reason_code"]) == (413, "LIST_TOO_LARGE")
    assert ingest.rows("SELECT count(*) FROM ingest.loads")[0][0] == app


def test_a_lost_topic_is_published_again_from_the_database(ingest, fresh):
    """The version stays; it is announced with where the topic ends now, so that no matcher waits for what was."""
    load(ingest, fresh, csv("5REP001", "5REP002"))
    ingest.rows('UPDATE ingest.hotlists SET end_offsets = \'{"0": 900000, "1": 900000}\' WHERE code = $1', fresh)
    count = len([key for _, _, key, _, _ in ingest.lying("hotlist") if key == skeleton("5REP001")])
    answer = ingest.call("POST", f"/v1/hotlists/{fresh}/republications")
    assert (answer.status_code, answer.json()) == (201, {"version": 1, "buckets": 2})
    lying = ingest.lying("hotlist")
    assert len([key for _, _, key, _, _ in lying if key == skeleton("5REP001")]) == count + 1
    ends = {}
    for partition, offset, _, _, _ in lying:
        ends[partition] = max(ends.get(partition, 0), offset + 1)
    announced = lambda: [  # noqa: E731
        wire.decode_list_version(value, headers)
        for _, _, key, value, headers in ingest.lying("hotlist.versions")
        if key == f"demo/{fresh}"
    ]
    newest = ingest.until(lambda: len(found := announced()) == 2 and found)[-1]
    assert (newest.version, newest.entries) == (1, 2)
    assert all(offset <= ends[partition] for partition, offset in newest.end_offsets.items())
    assert load(ingest, fresh, csv("5REP003"))["version"] == 2  # goes on from there
    assert all(offset < 900_000 for offset in ingest.until(lambda: announced()[2:])[-1].end_offsets.values())
    never = ingest.call("POST", "/v1/hotlists/SLR/republications", agency="roseville")
    assert (never.status_code, never.json()["reason_code"]) == (409, "LIST_NEVER_LOADED")
    partial = ingest.call("POST", "/v1/hotlists/PARTIAL/republications")
    assert (partial.status_code, partial.json()["reason_code"]) == (409, "LIST_NOT_REPUBLISHABLE")


def test_sources_and_layouts_that_cannot_be_read_are_refused(ingest, fresh):
    for fields, named in (
        ({"sources": "[1]"}, "sources"),
        ({"sources": json.dumps([{"name": "RMS", "as_of": "2026-01-02"}])}, "sources"),
        ({"mode": "half"}, "mode"),
        ({"entries": "many"}, "entries"),
        ({"source_time": "yesterday"}, "source_time"),
    ):
        answer = send(ingest, fresh, csv("1ODD001"), **fields)
        assert (answer.status_code, answer.json()["reason_code"], answer.json()["detail"]) == (
            422, "FIELD_INVALID", named,
        )  # fmt: skip
    unknown = send(ingest, fresh, csv("1ODD001"), layout="excel")
    assert (unknown.status_code, unknown.json()["reason_code"]) == (422, "LAYOUT_UNKNOWN")
    deep = send(ingest, fresh, csv("1ODD001"), sources="[" * 5_000)
    assert (deep.status_code, deep.json()["detail"]) == (422, "sources")
    odd = send(ingest, fresh, csv("1ODD001"), entries="\N{SUPERSCRIPT TWO}")
    assert (odd.status_code, odd.json()["detail"]) == (422, "entries")


def test_who_waits_for_a_busy_list_is_told_so_and_keeps_nobody_else_out(ingest, fresh, monkeypatch):
    monkeypatch.setattr("alpr_ingest.store.changing._WAIT_S", 0.5)
    load(ingest, fresh, csv("2BSY001"), hours_ago=1)
    busy = "SELECT pg_advisory_lock(hashtext('ingest.list'), hashtext($1))"

    async def held():
        holder = await asyncpg.connect(ingest.world.database.admin)
        try:
            await holder.fetch(busy, f"demo/{fresh}")
            waiting = [asyncio.create_task(ingest.world.load(fresh, csv("2BSY002"))) for _ in range(25)]
            await asyncio.sleep(0.2)
            shown = await ingest.world.call("GET", "/v1/hotlists")
            return shown.status_code, [(await one).json().get("reason_code") for one in waiting]
        finally:
            await holder.close()

    status, codes = ingest.run(held())
    assert (status, set(codes)) == (200, {"LIST_BUSY"})
    assert load(ingest, fresh, csv("2BSY002"))["version"] == 2


@pytest.mark.requirement("HOT-17", partial="that a hot plate ends is tested with its entry")
def test_hot_plates_are_looked_up_by_their_skeletons_whatever_the_statistics_say(ingest):
    """A hot plate does not wait until a million entries of a load have been read through for others of its plate."""

    async def plan():
        connection = await asyncpg.connect(ingest.world.database.admin)
        try:
            async with connection.transaction():
                await connection.execute(QUERIES["by_skeleton"])
                asked = ("demo", ["SVS"], ingest.now())
                return [row[0] for row in await connection.fetch("EXPLAIN " + QUERIES["taken_over"], *asked)]
        finally:
            await connection.close()

    told = "\n".join(ingest.run(plan()))
    assert "entries_skeleton" in told
    assert "Seq Scan on entries" not in told
