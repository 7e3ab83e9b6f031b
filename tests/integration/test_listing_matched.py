"""From the entry of a plate to the hit: ingest and one matcher on one broker."""

import asyncio
import json
import time
from datetime import timedelta

import pytest

from alprcore import wire
from alprcore.model import Grade, MatchKind, NotificationKind
from alprcore.wire import rfc3339
from tests.fixtures import postgres
from tests.integration import matcher_world
from tests.integration.ingest_world import World, serving

AGENCY = "roseville"
OFFICER = {"category": "sworn", "training": ("alpr", "learn")}
CAPTAIN = OFFICER | {"person_id": "p-9", "username": "captain"}


@pytest.fixture(scope="module")
def scene(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder = tmp_path_factory.mktemp("listed")
    with (
        matcher_world.world(kafka_bootstrap, folder, agencies=(AGENCY,)) as made,
        postgres._database(pg_admin_dsn, "test", f"TEMPLATE {pg_template}") as (_, database),
    ):
        world = World(database, kafka_bootstrap, made.kafka.topic_prefix, folder)
        asyncio.run(world.make_topics())
        made.worker()
        with serving(world) as ingest:
            made.workers[0].wait_ready()
            yield ingest, made


def call(ingest, path, body, *, roles=("officer",), who=OFFICER):
    answer = ingest.call("POST", path, json=body, agency=AGENCY, roles=roles, who=who)
    assert answer.status_code == 201, answer.text
    return answer.json()


def hot_plate(ingest, plate, seconds=600.0, **changes):
    ends = rfc3339(ingest.now() + timedelta(seconds=seconds))
    body = {"plate": plate, "state": "US-CA", "expires_at": ends, "also_entered_in": []} | changes
    return call(ingest, "/v1/hot-plates", body)


def state(ingest, one, kind="hot-plates"):
    answer = ingest.call("GET", f"/v1/{kind}/{one['entry_id']}", agency=AGENCY, roles=("officer",), who=OFFICER)
    return answer.json()["entry_state"]


def active(ingest, one, kind="hot-plates"):
    ingest.until(lambda: state(ingest, one, kind) == "active")
    return one


def hit_of(made, plate, seconds=20):
    """Read a plate again and again until a read makes a hit; answers the first one."""
    ends, reads = time.monotonic() + seconds, []
    while time.monotonic() < ends:
        reads.append(made.make_read(plate, agency=AGENCY))
        made.send_reads(reads[-1])
        wanted = {read.read_id for read in reads}
        found = made.wait(lambda wanted=wanted: [h for h in made.hits() if h.read.read_id in wanted], timeout=0.4)
        if found:
            return found[0]
    raise AssertionError("no hit")


@pytest.mark.requirement("HOT-16")
def test_a_hot_plate_is_matched_within_seconds_of_its_entry(scene, record_property):
    ingest, made = scene
    begun = time.monotonic()
    one = hot_plate(ingest, "3TVHOT1", synopsis="gray pickup")
    hit = hit_of(made, "3TVHOT1")
    record_property("seconds_from_entry_to_hit", time.monotonic() - begun)
    assert (hit.entry_id, hit.list_code, hit.reason) == (one["entry_id"], "HOTPLATE", "hot_plate")
    assert not hit.list_stale
    plain = ingest.world.list_keys.open(hit.entry_sealed, hit.entry_key_id, entry_id=hit.entry_id)
    assert wire.decode_entry_details(plain).synopsis == "gray pickup"


@pytest.mark.requirement("HOT-19")
def test_a_hot_plate_that_expired_a_second_ago_makes_no_hit(scene):
    ingest, made = scene
    stays = active(ingest, hot_plate(ingest, "3TVSTAY"))
    ends = hot_plate(ingest, "3TVEND1", seconds=4)
    ingest.until(lambda: state(ingest, ends) == "expired")
    time.sleep(1)
    late, control = made.make_read("3TVEND1", agency=AGENCY), made.make_read("3TVSTAY", agency=AGENCY)
    made.send_reads(late, control)
    assert [hit.entry_id for hit in made.hits_of(control, count=1)] == [stays["entry_id"]]
    assert made.settled()
    assert late.read_id not in {hit.read.read_id for hit in made.hits()}
    assert state(ingest, ends) == "expired"


@pytest.mark.requirement("HOT-16")
def test_a_plate_that_is_extended_makes_one_hit_per_read(scene):
    ingest, made = scene
    first = active(ingest, hot_plate(ingest, "3TVEXT1", seconds=300))
    longer = {"expires_at": rfc3339(ingest.now() + timedelta(hours=2)), "reason": "still at large"}
    call(ingest, f"/v1/hot-plates/{first['entry_id']}/extensions", longer, who=CAPTAIN)
    both = "SELECT count(*) FROM ingest.entered WHERE plate = '3TVEXT1' AND told > 0"
    ingest.until(lambda: ingest.rows(both)[0][0] == 2)
    read = made.make_read("3TVEXT1", agency=AGENCY)
    made.send_reads(read)
    made.hits_of(read, count=1)
    assert made.settled()
    assert [hit.entry_id for hit in made.hits() if hit.read.read_id == read.read_id] == [first["entry_id"]]


@pytest.mark.requirement("HOT-20", partial="who may enter and withdraw is tested over the doors")
def test_a_withdrawn_hot_plate_recalls_what_was_told(scene):
    ingest, made = scene
    one = hot_plate(ingest, "3TVGONE")
    hit = hit_of(made, "3TVGONE")
    call(ingest, f"/v1/hot-plates/{one['entry_id']}/withdrawals", {"reason": "vehicle found"})

    def recalled():
        notes = [note for note in made.notifications() if note.hit.entry_id == one["entry_id"]]
        return [note for note in notes if note.kind is NotificationKind.RECALL]

    assert made.wait(recalled)[0].hit.hit_id == hit.hit_id
    late = made.make_read("3TVGONE", agency=AGENCY)
    made.send_reads(late)
    assert made.settled()
    assert late.read_id not in {hit.read.read_id for hit in made.hits()}


@pytest.mark.requirement("HOT-06")
@pytest.mark.requirement("HOT-07")
def test_a_special_list_matches_after_its_approval_and_informs_only(scene):
    ingest, made = scene
    sources = [{"name": name, "as_of": "2026-01-02T06:00:00Z"} for name in ("WebKPF", "SSD RMS")]
    rows = "plate,state,basis,advisory_class\n3TVSPEC,US-CA,case 26-77,wanted_person\n"

    def load():
        return ingest.run(ingest.world.load("SPECIAL", rows, agency=AGENCY, sources=json.dumps(sources)))

    assert load().json()["reason_code"] == "LIST_NOT_APPROVED"
    control = active(ingest, hot_plate(ingest, "3TVCTRL"))
    before, beside = made.make_read("3TVSPEC", agency=AGENCY), made.make_read("3TVCTRL", agency=AGENCY)
    made.send_reads(before, beside)
    assert made.hits_of(beside, count=1)[0].entry_id == control["entry_id"]
    assert made.settled()
    assert before.read_id not in {hit.read.read_id for hit in made.hits()}
    call(ingest, "/v1/hotlists/SPECIAL/approvals", {}, roles=("program_manager",), who=CAPTAIN)
    loaded = load()
    assert loaded.status_code == 201, loaded.text
    hit = hit_of(made, "3TVSPEC")
    assert (hit.list_code, hit.advisory_class, hit.advisory) == ("SPECIAL", "information_only", True)
    told = made.notifications_of(hit, count=1)
    assert {note.hit.advisory_class for note in told if note.kind is NotificationKind.HIT} == {"information_only"}


@pytest.mark.requirement("USE-10", partial="the search of kept reads is tested with the console")
def test_a_partial_plate_makes_a_partial_hit_with_its_case(scene):
    ingest, made = scene
    body = {
        "pattern": "7A?C1*", "expires_at": rfc3339(ingest.now() + timedelta(hours=2)), "case_number": "26-000456",
        "purpose_code": "criminal_investigation", "crime_type": "homicide", "reason": "Seen leaving the scene",
    }  # fmt: skip
    one = active(ingest, call(ingest, "/v1/partial-plates", body), "partial-plates")
    hit = hit_of(made, "7AKC123")
    assert (hit.entry_id, hit.match_kind, hit.grade) == (one["entry_id"], MatchKind.PARTIAL, Grade.PARTIAL)
    assert (hit.reason, hit.advisory, hit.advisory_class) == ("other", True, "information_only")
    plain = ingest.world.list_keys.open(hit.entry_sealed, hit.entry_key_id, entry_id=hit.entry_id)
    assert wire.decode_entry_details(plain).case_number == "26-000456"


@pytest.mark.requirement("HOT-04")
def test_a_version_overwrites_the_one_before_and_a_rollback_brings_it_back(scene):
    ingest, made = scene

    def load(*plates, hours_ago):
        text = "plate,state\n" + "".join(f"{plate},US-CA\n" for plate in plates)
        when = ingest.now() - timedelta(hours=hours_ago)
        return ingest.run(ingest.world.load("SVS", text, agency=AGENCY, source_time=when))

    def silent(plate, beside):
        """No hit of a plate, while a read that came after it made one."""
        read, control = made.make_read(plate, agency=AGENCY), made.make_read(beside, agency=AGENCY)
        made.send_reads(read, control)
        made.hits_of(control, count=1)
        return made.settled() and read.read_id not in {hit.read.read_id for hit in made.hits()}

    assert load("3TVALW1", "3TVALW2", "3TVGNE1", hours_ago=3).status_code == 201
    first = hit_of(made, "3TVGNE1")
    assert (first.list_code, first.list_version) == ("SVS", 1)
    assert load("3TVALW1", "3TVALW2", "3TVNEW1", hours_ago=1).status_code == 201
    hit_of(made, "3TVNEW1")
    assert silent("3TVGNE1", "3TVALW1")
    old = load("3TVALW1", "3TVALW2", "3TVGNE1", hours_ago=2)
    assert (old.status_code, old.json()["reason_code"]) == (409, "LIST_OLDER_THAN_ACTIVE")
    asked = call(ingest, "/v1/hotlists/SVS/rollbacks", {"note": "The state's extract was cut"}, roles=("alpr_admin",))
    path = f"/v1/hotlists/SVS/rollbacks/{asked['rollback_id']}/approvals"
    assert call(ingest, path, {}, roles=("program_manager",), who=CAPTAIN)["version"] == 3
    back = hit_of(made, "3TVGNE1")
    assert (back.entry_id, back.list_version) == (first.entry_id, 3)
    assert back.list_source_time == first.list_source_time
    assert silent("3TVNEW1", "3TVALW2")
