"""Calls for service, stolen vehicles, ends of the work: HIT-20 to HIT-25; and the same events under all five policies."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from alprcore.model import DeviceKind
from tests.fixtures.console import make_hit, make_notification
from tests.fixtures.desk import desk, put_hit
from tests.fixtures.hit_work import BASIS, CALL, REASON, HitWork, naming
from tests.fixtures.postgres import _database

pytestmark = pytest.mark.asyncio(loop_scope="module")
FIVE = ("irvine", "westminster", "claremont", "escondido", "roseville")
TEXT = "RECORD OF THE STATE SYSTEM"


@pytest.fixture(scope="module")
def database(pg_admin_dsn, pg_template):
    with _database(pg_admin_dsn, "calls", f"TEMPLATE {pg_template}") as (_, made):
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at_work(database, tmp_path_factory):
    async with desk(database, tmp_path_factory.mktemp("calls")) as made:
        yield HitWork(made)


async def call(at_work, hit, who, call_type="stolen_vehicle", **changes):
    return await at_work.post(hit, "calls", who, {"call_type": call_type, **CALL, **changes})


@pytest.mark.requirement("HIT-20")
async def test_a_roseville_hit_takes_a_call_of_a_known_type(at_work):
    hit, who = await at_work.hit("roseville", reason="warrant"), at_work.person("dispatcher", "roseville")
    await at_work.check(hit, who)
    await at_work.verify(hit, who, override_reason=REASON)
    types = [kind["code"] for kind in (await at_work.work(hit, who))["forms"]["call"]["types"]]
    assert {"stolen_vehicle", "stolen_vehicle_recovery"} <= set(types)
    assert await at_work.refused(hit, "closure", who, {"override_reason": REASON}) == "CALL_REQUIRED"
    assert await at_work.refused(hit, "calls", who, {"call_type": "picnic", **CALL}, 422) == "CALL_TYPE_UNKNOWN"
    officer = at_work.person("officer", "roseville", "vehicle")
    assert await at_work.refused(hit, "calls", officer, {"call_type": types[0], **CALL}, 403) == "ROLE_NOT_AUTHORISED"
    await call(at_work, hit, who, types[0])
    await at_work.broadcast(hit, who, "roseville")
    assert (await at_work.post(hit, "closure", who, {"override_reason": REASON}))["state"] == "closed"
    misread = await at_work.hit("roseville")
    await at_work.check(misread, who, "misread", state="unknown")
    await at_work.post(misread, "closure", who, {})  # a misread one closes without a call


@pytest.mark.requirement("HIT-21")
async def test_a_call_is_confirmed_by_the_verification_attached_to_it(at_work):
    hit, who = await at_work.hit("roseville"), at_work.person("dispatcher", "roseville")
    bare = at_work.made.as_("dispatcher", "roseville", name="bare")
    await at_work.check(hit, who)
    entered = await call(at_work, hit, who)
    path = f"calls/{entered['call_id']}/state"
    assert await at_work.refused(hit, path, who, {"state": "confirmed"}) == "CLETS_CONFIRMATION_REQUIRED"
    none = await at_work.verify(hit, who, "no_record", text=TEXT)
    body = {"state": "confirmed", "verification_id": none["verification_id"]}
    assert await at_work.refused(hit, path, who, body) == "CLETS_CONFIRMATION_REQUIRED"
    done = await at_work.verify(hit, who, text=TEXT)
    body["verification_id"] = done["verification_id"]
    assert (await at_work.post(hit, path, who, body))["verification_id"] == done["verification_id"]
    shown = (await at_work.work(hit, bare))["calls"][0]
    assert (shown["state"], shown["verification_id"]) == ("confirmed", done["verification_id"])
    assert TEXT not in str(await at_work.work(hit, bare))
    place = f"/v1/hits/{hit.hit_id}/verifications/{done['verification_id']}"
    assert (await at_work.made.get(place, bare, 403))["reason_code"] == "SOURCE_NOT_AUTHORISED"
    assert (await at_work.made.get(place, who))["text"] == TEXT
    other = await at_work.hit("roseville")
    assert (await at_work.post(other, path, who, body, 404))["reason_code"] == "HIT_UNKNOWN"
    # an answer that the policy does not count confirms nothing, nor one that a later answer has overtaken
    rms = at_work.made.as_("dispatcher", "roseville", name="rms", grants=["clets", "department_rms"])
    uncounted = await at_work.verify(hit, rms, source="OTHER")
    later = {"state": "confirmed", "verification_id": uncounted["verification_id"]}
    assert await at_work.refused(hit, path, who, later) == "CLETS_CONFIRMATION_REQUIRED"
    await at_work.verify(hit, who, "no_record", reference="T-2")
    again = await call(at_work, hit, who, "stolen_vehicle_recovery")
    assert await at_work.refused(hit, f"calls/{again['call_id']}/state", who, body) == "CLETS_CONFIRMATION_REQUIRED"


@pytest.mark.requirement("HIT-22", "HIT-23")
async def test_description_direction_and_the_main_channel_come_before_the_broadcast(at_work):
    hit, who = await at_work.hit("roseville"), at_work.person("dispatcher", "roseville")
    await at_work.check(hit, who)
    entered = await call(at_work, hit, who, direction_of_travel="")
    await at_work.verify(hit, who, override_reason=REASON)
    body = at_work.broadcast_body("roseville", override_reason=REASON)
    assert await at_work.refused(hit, "broadcasts", who, body, 422) == "DESCRIPTION_REQUIRED"
    said = {"vehicle_description": "White pickup", "direction_of_travel": "unknown"}
    await at_work.post(hit, f"calls/{entered['call_id']}/description", who, said)
    assert (await at_work.work(hit, who))["calls"][0]["direction_of_travel"] == "unknown"
    assert (
        await at_work.refused(hit, "broadcasts", who, {**body, "channels": ["tac-2"]}, 422) == "MAIN_CHANNEL_REQUIRED"
    )
    assert await at_work.refused(hit, "broadcasts", who, {**body, "audience": []}, 422) == "AUDIENCE_REQUIRED"
    await at_work.post(hit, "broadcasts", who, {**body, "channels": [*body["channels"], "tac-2"]})


@pytest.mark.requirement("HIT-24")
@pytest.mark.parametrize("occupied", ["yes", "unknown", ""])
async def test_a_confirmed_stolen_vehicle_takes_a_broadcast_and_a_call(at_work, occupied):
    hit, who = await at_work.hit("roseville"), at_work.person("dispatcher", "roseville")
    await at_work.check(hit, who)
    await at_work.verify(hit, who, override_reason=REASON)
    open_ones = [task["kind"] for task in (await at_work.work(hit, who))["tasks"] if not task["closed_at"]]
    assert sorted(open_ones) == ["broadcast", "call"]
    if occupied:
        await at_work.post(hit, "disposition", who, {"outcome": "stopped", "occupied": occupied})
    assert await at_work.refused(hit, "closure", who, {"override_reason": REASON}) == "BROADCAST_REQUIRED"
    other_type = next(code for code in at_work.made.policies["roseville"].hits.call_types if "stolen" not in code)
    await call(at_work, hit, who, other_type)
    await at_work.broadcast(hit, who, "roseville", override_reason=REASON)
    assert await at_work.refused(hit, "closure", who, {"override_reason": REASON}) == "CALL_REQUIRED"
    await call(at_work, hit, who)
    await at_work.post(hit, "closure", who, {"override_reason": REASON})
    assert [task["closed_at"] for task in (await at_work.work(hit, who))["tasks"] if task["closed_at"] is None] == []


@pytest.mark.requirement("HIT-25")
async def test_an_unoccupied_stolen_vehicle_left_behind_takes_a_recovery_call(at_work):
    hit, who = await at_work.hit("roseville"), at_work.person("dispatcher", "roseville")
    body = {"outcome": "other", "occupied": "no", "recovered": False}
    await at_work.check(hit, who)
    assert await at_work.refused(hit, "disposition", who, body) == "RECOVERY_CALL_REQUIRED"
    await call(at_work, hit, who, "stolen_vehicle_recovery")
    await at_work.post(hit, "disposition", who, body)
    found = await at_work.hit("roseville")
    lacking = {"outcome": "recovered", "occupied": "no", "recovered": True}
    assert await at_work.refused(found, "disposition", who, lacking, 422) == "FIELD_REQUIRED"
    at = at_work.made.now.isoformat()
    await at_work.post(found, "disposition", who, {**lacking, "place": "Fifth and Main", "recovered_at": at})
    kept = (await at_work.work(found, who))["disposition"]
    assert (kept["place"], kept["by"], kept["recovered_at"][:10]) == ("Fifth and Main", "Dispatcher", at[:10])


async def replay(at_work, agency):
    """The same events under one policy; answers what each met: the status and the code."""
    met = {}

    async def send(name, hit, step, who, body):
        at_work.made.later(seconds=1)
        answer = await at_work.made.http.post(f"/v1/hits/{hit.hit_id}/{step}", headers=who, json=naming(hit, body))
        met[name] = answer.status_code if answer.status_code == 201 else answer.json()["reason_code"]

    dispatcher, officer = at_work.person("dispatcher", agency), at_work.person("officer", agency, "vehicle")
    desktop = at_work.person("investigator", agency, "desktop")
    ask = {"source": "CLETS", "route": "dispatch", "result": "active"}
    fixed, mobile, other = [
        await at_work.hit(agency, kind) for kind in (DeviceKind.FIXED, DeviceKind.MOBILE, DeviceKind.FIXED)
    ]
    await at_work.check(fixed, dispatcher)
    await send("verify before broadcast", fixed, "verifications", dispatcher, ask)
    await send("broadcast before verify", await _checked(at_work, agency), "broadcasts", dispatcher,
               at_work.broadcast_body(agency))  # fmt: skip
    await at_work.check(mobile, officer, method="visual_on_vehicle")
    await send("stop unverified", mobile, "actions", officer, {"type": "traffic_stop", "independent_basis": BASIS})
    await send("stop unverified for a reason", mobile, "actions", officer,
               {"type": "traffic_stop", "reason": "not_practicable", "independent_basis": BASIS})  # fmt: skip
    await send("stop in an exigency", mobile, "actions", officer, {
        "type": "traffic_stop", "exigency": "officer_safety", "narrative": "driver reached for something",
        "independent_basis": BASIS, "override_reason": REASON})  # fmt: skip
    terminal = await at_work.hit(agency, DeviceKind.MOBILE)
    await at_work.check(terminal, officer, method="visual_on_vehicle")
    await send("own terminal before broadcast", terminal, "verifications", officer,
               {**ask, "route": "mobile_terminal", "override_reason": REASON})  # fmt: skip
    await send("desktop broadcast unverified", other, "broadcasts", desktop,
               at_work.broadcast_body(agency, client="desktop", override_reason=REASON))  # fmt: skip
    sure = await at_work.hit(agency, DeviceKind.MOBILE)
    await at_work.check(sure, officer, method="visual_on_vehicle")
    await at_work.verify(sure, dispatcher, override_reason=REASON)
    await send("stop on the hit alone", sure, "actions", officer, {"type": "traffic_stop", "override_reason": REASON})
    return met


async def _checked(at_work, agency):
    hit = await at_work.hit(agency)
    await at_work.check(hit, at_work.person("dispatcher", agency))
    return hit


SOFT = {
    "verify before broadcast": 201, "broadcast before verify": "STEP_OUT_OF_ORDER", "stop unverified": "REASON_REQUIRED",
    "stop unverified for a reason": 201, "stop in an exigency": 201, "own terminal before broadcast": 201,
    "desktop broadcast unverified": 201, "stop on the hit alone": 201,
}  # fmt: skip
"""Irvine and Westminster say should: everything goes on, most of it with a reason."""
MET = {
    "irvine": SOFT,
    "westminster": SOFT,
    "claremont": {
        **SOFT, "verify before broadcast": "STEP_OUT_OF_ORDER", "broadcast before verify": 201,
        "stop unverified": "CLETS_CONFIRMATION_REQUIRED", "stop unverified for a reason": "CLETS_CONFIRMATION_REQUIRED",
        "stop in an exigency": "CLETS_CONFIRMATION_REQUIRED", "desktop broadcast unverified": "MISREAD_CHECK_REQUIRED",
    },
    "escondido": {
        **SOFT, "stop unverified": "CLETS_CONFIRMATION_REQUIRED",
        "stop unverified for a reason": "CLETS_CONFIRMATION_REQUIRED",
    },
    "roseville": {
        **SOFT, "verify before broadcast": "STEP_OUT_OF_ORDER", "broadcast before verify": "DESCRIPTION_REQUIRED",
        "stop unverified": "CLETS_CONFIRMATION_REQUIRED",
        "stop unverified for a reason": "CLETS_CONFIRMATION_REQUIRED",
        "stop in an exigency": "CLETS_CONFIRMATION_REQUIRED", "own terminal before broadcast": "BROADCAST_FIRST",
        "desktop broadcast unverified": "CLETS_CONFIRMATION_REQUIRED",
        "stop on the hit alone": "INDEPENDENT_BASIS_REQUIRED",
    },
}  # fmt: skip


@pytest.mark.requirement("HIT-09", "HIT-12", "HIT-13", "HIT-14", "HIT-17", "HIT-18")
@pytest.mark.parametrize("agency", FIVE)
async def test_the_same_events_meet_each_policy_as_it_is_written(at_work, agency):
    """Conflicts C-08 to C-11 between the policies: strength, order, the own terminal, the basis of a stop."""
    assert await replay(at_work, agency) == MET[agency]


async def test_two_dispatchers_at_once_and_a_call_sent_twice(at_work):
    hit, who = await at_work.hit("claremont"), at_work.person("dispatcher", "claremont")
    other = at_work.made.as_("dispatcher", "claremont", name="other", grants=["clets"])
    path, body = f"/v1/hits/{hit.hit_id}", naming(hit, at_work.broadcast_body("claremont"))
    check = {"result": "correct", "method": "image_review", "state_confirmed": "match"}

    async def send(person, step, given):
        return await at_work.made.http.post(f"{path}/{step}", headers=person, json=given)

    first, second = await asyncio.gather(send(who, "read-check", check), send(who, "read-check", check))
    assert {first.status_code, second.status_code} == {201}
    assert sorted([first.json()["repeated"], second.json()["repeated"]]) == [False, True]
    await asyncio.gather(send(who, "broadcasts", body), send(other, "broadcasts", body), send(who, "broadcasts", body))
    rows = await at_work.made.sql(
        "SELECT step, person_id, step_no FROM console.hit_steps WHERE hit_id = $1 ORDER BY step_no", hit.hit_id
    )
    assert [row["step_no"] for row in rows] == [1, 2, 3]
    assert [row["step"] for row in rows] == ["read_check", "broadcast", "broadcast"]
    assert len({row["person_id"] for row in rows[1:]}) == 2
    closed = [at_work.person("dispatcher", "claremont"), other]
    await at_work.verify(hit, who)
    await at_work.broadcast(hit, who, "claremont", kind="clets_result")
    answers = await asyncio.gather(*(send(person, "closure", {}) for person in closed))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert len(await at_work.events(hit, "hit_closed")) == 1


async def test_a_second_sighting_belongs_to_the_same_work(at_work):
    first, who = await at_work.hit("claremont"), at_work.person("dispatcher", "claremont")
    again = make_hit(first.read.plate.reveal(), ordinal=2, now=at_work.made.now, agency="claremont")
    note = make_notification(again, revision=2, first=first)
    await at_work.made.console.hits.put_notification(note, at_work.made.now)
    await at_work.check(first, who)
    await at_work.broadcast(again, who, "claremont")
    work = await at_work.work(again, who)
    assert (work["work_id"], work["state"], work["hit_id"]) == (first.hit_id, "broadcast", again.hit_id)
    assert (await at_work.work(first, who))["broadcasts"] == work["broadcasts"]
    _, cards = await at_work.made.console.hits.live("claremont", at_work.made.now)
    card = next(card for card in cards if card["hit_id"] == again.hit_id)
    assert (card["work"]["work_id"], card["work"]["state"]) == (first.hit_id, "broadcast")


async def test_a_hit_that_is_worked_on_outlives_the_day_and_one_that_is_not_does_not(at_work):
    begun, idle = await at_work.hit("irvine"), await at_work.hit("irvine")
    who = at_work.person("dispatcher", "irvine")
    await at_work.check(begun, who)
    at_work.made.later(hours=25)
    assert (await at_work.work(begun, who))["state"] == "read_checked"
    await at_work.made.get(f"/v1/hits/{begun.hit_id}", who)
    await at_work.made.get(f"/v1/hits/{idle.hit_id}/work", who, 404)
    await at_work.verify(begun, who)
    await at_work.broadcast(begun, who, "irvine")
    await at_work.post(begun, "closure", who, {})
    await at_work.made.get(f"/v1/hits/{begun.hit_id}/work", who, 404)  # over, and older than a day
    at_work.made.now -= timedelta(hours=25)


@pytest.mark.parametrize("agency", ["claremont", "roseville"])
async def test_a_hit_whose_entry_is_withdrawn_takes_no_broadcast_and_can_be_closed(at_work, agency):
    hit, who = await at_work.hit(agency), at_work.person("dispatcher", agency)
    await at_work.check(hit, who)
    gone = replace(hit, revision=1, withdrawn_at=at_work.made.now, withdrawn_reason="not_listed")
    await put_hit(at_work.made, gone)
    assert (await at_work.work(hit, who))["state"] == "withdrawn"
    assert await at_work.refused(hit, "broadcasts", who, at_work.broadcast_body(agency)) == "HIT_CLOSED"
    if agency == "roseville":
        await call(at_work, hit, who)
    await at_work.post(hit, "closure", who, {})
    assert (await at_work.work(hit, who))["state"] == "closed"


async def test_what_is_not_understood_or_not_theirs_is_refused_without_a_trace(at_work):
    hit, who = await at_work.hit("claremont"), at_work.person("dispatcher", "claremont")
    plate = hit.read.plate.reveal()
    foreign, auditor = at_work.person("dispatcher", "irvine"), at_work.made.as_("auditor", "claremont")
    bare = at_work.made.as_("dispatcher", "claremont", name="bare")
    ask = {"source": "CLETS", "route": "dispatch", "result": "active"}
    tries = [
        ("read-check", who, {"result": "correct", "client_kind": "vehicle"}, 422),
        ("read-check", who, {"result": "dismissed"}, 422),
        ("read-check", who, {"result": "misread", "corrected_text": "7" * 33}, 422),
        ("verifications", who, {**ask, "text": "x" * 8001}, 422),
        ("verifications", who, {**ask, "adapter": "http"}, 422),
        ("verifications", bare, ask, 403),
        ("confirmations", who, {"source": "CLETS", "route": "dispatch"}, 409),
        ("broadcasts", who, {"kind": "initial", "content": {"plate": plate, "secret": "x"}}, 422),
        ("broadcasts", who, {"kind": "initial", "content": {"description": "x" * 501}}, 422),
        ("actions", who, {"type": "traffic_stop", "narrative": "x" * 2001}, 422),
        ("actions", who, {"type": "traffic_stop", "unverified_action": False}, 422),
        ("disposition", who, {"outcome": "recovered", "recovered_at": "yesterday"}, 422),
        ("calls/none/state", who, {"state": "confirmed"}, 404),
        ("calls/none/description", who, CALL, 404),
        *((step, foreign, body, 404) for step, body in (("read-check", {"result": "correct"}), ("closure", {}))),
        *((step, auditor, body, 403) for step, body in (
            ("read-check", {"result": "correct"}), ("verifications", ask), ("closure", {}), ("actions", {"type": "other"}),
        )),
    ]  # fmt: skip
    for step, person, body, status in tries:
        answer = await at_work.made.http.post(f"/v1/hits/{hit.hit_id}/{step}", headers=person, json=body)
        assert answer.status_code == status, (step, body, answer.text)
        assert plate not in answer.text
    assert await at_work.made.sql("SELECT 1 FROM console.hit_steps WHERE hit_id = $1", hit.hit_id) == []
    await at_work.made.get(f"/v1/hits/{hit.hit_id}/work", auditor, 403)
    await at_work.made.get(f"/v1/hits/{hit.hit_id}/work", foreign, 404)
