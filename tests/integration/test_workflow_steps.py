"""The work on a hit over the API, row by row and policy by policy: checks, answers, broadcasts, actions, ends."""

import pytest
import pytest_asyncio

from alprcore.model import DeviceKind, StateMatch
from tests.fixtures.desk import desk
from tests.fixtures.hit_work import BASIS, REASON, SAID, HitWork
from tests.fixtures.postgres import _database

pytestmark = pytest.mark.asyncio(loop_scope="module")
FIVE = ("irvine", "westminster", "claremont", "escondido", "roseville")
MOBILE = DeviceKind.MOBILE


@pytest.fixture(scope="module")
def database(pg_admin_dsn, pg_template):
    with _database(pg_admin_dsn, "steps", f"TEMPLATE {pg_template}") as (_, made):
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def at_work(database, tmp_path_factory):
    async with desk(database, tmp_path_factory.mktemp("steps")) as made:
        yield HitWork(made)


@pytest.mark.requirement("HIT-06")
async def test_a_read_is_confirmed_before_claremont_broadcasts_it(at_work):
    hit, who = await at_work.hit("claremont"), at_work.person("dispatcher", "claremont")
    body = at_work.broadcast_body("claremont")
    assert await at_work.refused(hit, "broadcasts", who, body) == "MISREAD_CHECK_REQUIRED"
    assert (
        await at_work.refused(hit, "broadcasts", who, {**body, "override_reason": REASON}) == "MISREAD_CHECK_REQUIRED"
    )
    vehicle = await at_work.client("claremont", "car-6")
    found = await at_work.check(hit, who, "misread", state="unknown", corrected_text="7WRX999")
    assert (found["state"], found["read_check"]["corrected_text"]) == ("misread", "7WRX999")
    assert await at_work.refused(hit, "broadcasts", who, body) == "HIT_CLOSED"
    assert await at_work.refused(
        hit, "verifications", who, {"source": "CLETS", "route": "dispatch", "result": "active"}
    ) == ("HIT_CLOSED")
    recalls = await at_work.told(hit, "recall")
    assert vehicle
    assert [(told.client_kind.value, told.screen_text) for told in recalls] == [
        ("vehicle", "MISREAD: do not act on this hit")
    ]
    card = await at_work.made.get(f"/v1/hits/{hit.hit_id}", who)
    assert (card["plate"], card["workflow_state"]) == (hit.read.plate.reveal(), "misread")  # what was read stays
    await at_work.post(hit, "closure", who, {})
    # a second look may find that it was right after all; what was closed stays closed
    assert (await at_work.check(hit, who))["state"] == "closed"
    other = await at_work.hit("claremont")
    await at_work.check(other, who, "misread", state="unknown")
    assert [task["kind"] for task in (await at_work.work(other, who))["tasks"] if not task["closed_at"]] == []
    assert (await at_work.check(other, who))[
        "state"
    ] == "read_checked"  # taken back: the field hears of it, the clock runs
    assert [told.screen_text[:9] for told in await at_work.told(other, "update")] == ["CORRECTED"]
    assert [task["kind"] for task in (await at_work.work(other, who))["tasks"] if not task["closed_at"]] == [
        "broadcast"
    ]


@pytest.mark.requirement("HIT-06")
async def test_escondido_goes_on_without_a_read_check_for_a_reason(at_work):
    hit, who = await at_work.hit("escondido"), at_work.person("dispatcher", "escondido")
    body = {"source": "CLETS", "route": "dispatch", "result": "active"}
    assert await at_work.refused(hit, "verifications", who, body) == "MISREAD_CHECK_REQUIRED"
    done = await at_work.post(hit, "verifications", who, {**body, "override_reason": REASON})
    assert done["overridden"] == ["read_check"]
    told = await at_work.events(hit, "gate_overridden")
    assert [(event.facts["step"], event.personal["override_reason"]) for event in told] == [("read_check", REASON)]


@pytest.mark.requirement("HIT-08")
async def test_another_state_asks_a_reason_or_closes_the_hit(at_work):
    hit, who = (
        await at_work.hit("escondido", state_match=StateMatch.MISMATCH),
        at_work.person("dispatcher", "escondido"),
    )
    await at_work.check(hit, who, state="unknown")
    await at_work.verify(hit, who, override_reason=REASON)
    body = at_work.broadcast_body("escondido")
    # the reason of the verification has answered for the state already; a hit without it is asked
    await at_work.post(hit, "broadcasts", who, body)
    other = await at_work.hit("escondido", state_match=StateMatch.MISMATCH)
    await at_work.check(other, who, state="unknown")
    assert await at_work.refused(other, "broadcasts", who, body) == "STATE_MISMATCH"
    assert (await at_work.post(other, "broadcasts", who, {**body, "override_reason": REASON}))["overridden"]
    wrong = await at_work.hit("escondido", state_match=StateMatch.MISMATCH)
    closed = await at_work.check(wrong, who, "wrong_state", state="mismatch")
    assert closed["state"] == "wrong_state"
    assert await at_work.refused(wrong, "broadcasts", who, {**body, "override_reason": REASON}) == "HIT_CLOSED"
    assert len(await at_work.told(wrong, "recall")) == len(
        [kind for _, kind in at_work.made.policies["escondido"].display_targets if kind.value != "dispatch_console"]
    )


@pytest.mark.requirement("HIT-09")
@pytest.mark.parametrize("agency", FIVE)
async def test_no_action_before_the_entry_is_confirmed(at_work, agency):
    soft = agency in ("irvine", "westminster")
    hit = await at_work.hit(agency, MOBILE)
    officer = at_work.person("officer", agency, "vehicle")
    await at_work.check(hit, officer, method="visual_on_vehicle")
    basis = {"independent_basis": BASIS}
    if soft:
        assert (await at_work.act(hit, officer, 422, **basis))["reason_code"] == "REASON_REQUIRED"
        done = await at_work.act(hit, officer, **basis, reason="not_practicable")
        assert done["unverified_action"] is True
        told = await at_work.events(hit, "gate_overridden")
        assert [(e.facts["step"], e.facts["unverified_action"]) for e in told if e.facts["step"] == "verify"] == [
            ("verify", "true")
        ]
        assert (await at_work.events(hit, "action_recorded"))[0].facts["unverified_action"] == "true"
    else:
        refused = await at_work.act(hit, officer, 409, **basis, override_reason=REASON)
        assert refused["reason_code"] == "CLETS_CONFIRMATION_REQUIRED"
    stale = await at_work.hit(agency, MOBILE)
    await at_work.check(stale, officer, method="visual_on_vehicle")
    dispatcher = at_work.person("dispatcher", agency)
    answer = await at_work.verify(stale, dispatcher, "not_active", override_reason=REASON)
    assert answer["state"] == "not_current"  # it closes the hit as not current
    assert (await at_work.act(stale, officer, 409, **basis))["reason_code"] == "HIT_CLOSED"


@pytest.mark.requirement("HIT-10")
async def test_an_exigent_action_opens_a_duty_that_only_a_verification_ends(at_work):
    hit, officer = await at_work.hit("escondido", MOBILE), at_work.person("officer", "escondido", "vehicle")
    body = {"exigency": "officer_safety", "narrative": "the driver reached for something", "override_reason": REASON}
    assert (await at_work.act(hit, officer, **body))["unverified_action"] is True
    task = next(task for task in (await at_work.work(hit, officer))["tasks"] if task["kind"] == "confirm_after")
    assert task["closed_at"] is None
    rows = await at_work.made.sql(
        "SELECT due_at - opened_at AS left FROM console.tasks WHERE task_id = $1", task["task_id"]
    )
    assert rows[0]["left"].total_seconds() == 900
    assert await at_work.refused(hit, "closure", officer, {"override_reason": REASON}) == "CLETS_CONFIRMATION_REQUIRED"
    await at_work.verify(hit, officer, route="mobile_terminal", result="error", override_reason=REASON)
    open_ones = [task["kind"] for task in (await at_work.work(hit, officer))["tasks"] if not task["closed_at"]]
    assert "confirm_after" in open_ones  # no answer confirms nothing
    await at_work.verify(hit, officer, route="mobile_terminal", override_reason=REASON)
    kept = await at_work.made.sql("SELECT closed_at FROM console.tasks WHERE task_id = $1", task["task_id"])
    assert kept[0]["closed_at"] is not None


@pytest.mark.requirement("HIT-10")
@pytest.mark.parametrize("agency", ["claremont", "roseville"])
async def test_no_exigency_excuses_where_the_policy_knows_none(at_work, agency):
    hit, officer = await at_work.hit(agency, MOBILE), at_work.person("officer", agency, "vehicle")
    await at_work.check(hit, officer, method="visual_on_vehicle")
    body = {"exigency": "officer_safety", "narrative": "the driver reached for something", "independent_basis": BASIS}
    assert (await at_work.act(hit, officer, 409, **body))["reason_code"] == "CLETS_CONFIRMATION_REQUIRED"


@pytest.mark.requirement("HIT-11")
async def test_the_nature_of_the_advisory_is_reviewed_before_an_action(at_work):
    hit, officer = await at_work.hit("escondido", MOBILE), at_work.person("officer", "escondido", "vehicle")
    await at_work.check(hit, officer)
    await at_work.verify(hit, officer, route="mobile_terminal")
    assert (await at_work.act(hit, officer, 409))["reason_code"] == "NATURE_REVIEW_REQUIRED"
    await at_work.post(hit, "nature-review", officer, {"nature": "stolen_vehicle"})
    assert (await at_work.act(hit, officer))["overridden"] == []
    reviewed = (await at_work.work(hit, officer))["nature_review"]
    assert (reviewed["nature"], reviewed["by"]) == ("stolen_vehicle", "Officer")


@pytest.mark.requirement("HIT-12")
@pytest.mark.parametrize("agency", FIVE)
async def test_a_hit_alone_is_no_basis_of_a_stop_in_roseville(at_work, agency):
    hit, dispatcher = await at_work.hit(agency, MOBILE), at_work.person("dispatcher", agency)
    officer = at_work.person("officer", agency, "vehicle")
    await at_work.check(hit, officer, method="visual_on_vehicle")
    await at_work.verify(hit, dispatcher, override_reason=REASON)
    if agency != "roseville":
        await at_work.act(hit, officer, override_reason=REASON)
        return
    only_the_hit = {"type": "probable_cause", "narrative": "ALPR hit on stolen vehicle"}
    for basis in (None, only_the_hit):
        refused = await at_work.act(hit, officer, 409, independent_basis=basis, override_reason=REASON)
        assert refused["reason_code"] == "INDEPENDENT_BASIS_REQUIRED"
    await at_work.act(hit, officer, independent_basis=BASIS, override_reason=REASON)


@pytest.mark.requirement("HIT-13")
async def test_claremont_broadcasts_at_once_then_asks_then_tells_the_answer(at_work):
    hit, who = await at_work.hit("claremont"), at_work.person("dispatcher", "claremont")
    await at_work.check(hit, who)
    body = {"source": "CLETS", "route": "dispatch", "result": "active"}
    assert await at_work.refused(hit, "verifications", who, body) == "STEP_OUT_OF_ORDER"
    for field in ("nature", "vehicle", "plate", "fixed_location"):
        lacking = at_work.broadcast_body("claremont", content={**SAID, field: " "})
        answer = await at_work.post(hit, "broadcasts", who, lacking, 422)
        assert field in answer["detail"]
    other = at_work.broadcast_body("claremont", content={**SAID, "plate": "7WRK999 CA"})
    assert await at_work.refused(hit, "broadcasts", who, other, 422) == "FIELD_INVALID"
    await at_work.broadcast(hit, who, "claremont")
    await at_work.verify(hit, who)
    tasks = {task["kind"]: task for task in (await at_work.work(hit, who))["tasks"]}
    assert tasks["broadcast"]["closed_at"] is not None
    assert tasks["clets_result"]["closed_at"] is None
    assert await at_work.refused(hit, "closure", who, {"override_reason": REASON}) == "STEP_OUT_OF_ORDER"
    await at_work.broadcast(hit, who, "claremont", kind="clets_result")
    assert (await at_work.work(hit, who))["broadcasts"][-1]["content"][
        "result"
    ] == "active"  # the word that was put on the air
    assert (await at_work.post(hit, "closure", who, {}))["state"] == "closed"
    rows = await at_work.made.sql(
        "SELECT step, done_at FROM console.hit_steps WHERE hit_id = $1 ORDER BY step_no", hit.hit_id
    )
    assert [row["step"] for row in rows] == ["read_check", "broadcast", "verify", "broadcast_result", "closure"]


@pytest.mark.requirement("HIT-14")
async def test_escondido_confirms_and_then_broadcasts_a_bolo(at_work):
    hit, who = await at_work.hit("escondido"), at_work.person("dispatcher", "escondido")
    await at_work.check(hit, who)
    body = at_work.broadcast_body("escondido")
    assert body["kind"] == "bolo"
    assert await at_work.refused(hit, "broadcasts", who, body) == "STEP_OUT_OF_ORDER"
    await at_work.verify(hit, who)
    for field in ("plate", "description", "alert_info"):
        lacking = {**body, "content": {name: text for name, text in SAID.items() if name != field}}
        assert field in (await at_work.post(hit, "broadcasts", who, lacking, 422))["detail"]
    assert (await at_work.post(hit, "broadcasts", who, body))["overridden"] == []
    other = await at_work.hit("escondido")
    assert (await at_work.post(other, "broadcasts", who, {**body, "override_reason": REASON}))["overridden"] == [
        "read_check", "order_fixed",
    ]  # fmt: skip


@pytest.mark.requirement("HIT-16")
async def test_claremont_takes_dispatchs_word_and_the_officers_eye(at_work):
    hit, dispatcher = await at_work.hit("claremont", MOBILE), at_work.person("dispatcher", "claremont")
    officer = at_work.person("officer", "claremont", "vehicle")
    await at_work.check(hit, dispatcher)
    await at_work.verify(hit, dispatcher)
    assert (await at_work.act(hit, officer, 409))["reason_code"] == "MISREAD_CHECK_REQUIRED"
    await at_work.check(hit, officer)  # a look at the picture is none at the plate
    assert (await at_work.act(hit, officer, 409))["reason_code"] == "MISREAD_CHECK_REQUIRED"
    await at_work.check(hit, officer, method="visual_on_vehicle")
    assert (await at_work.act(hit, officer))["unverified_action"] is False
    assert len((await at_work.work(hit, officer))["verifications"]) == 1


@pytest.mark.requirement("HIT-17", "HIT-26")
@pytest.mark.parametrize("agency", FIVE)
async def test_a_vehicle_broadcasts_first_in_roseville_only(at_work, agency):
    hit, officer = await at_work.hit(agency, MOBILE), at_work.person("officer", agency, "vehicle")
    await at_work.check(hit, officer, method="visual_on_vehicle")
    body = {"source": "CLETS", "route": "mobile_terminal", "result": "active", "override_reason": REASON}
    if agency != "roseville":
        done = await at_work.post(hit, "verifications", officer, body)
        rows = (await at_work.work(hit, officer))["verifications"]
        assert [(row["verification_id"], row["route"]) for row in rows] == [
            (done["verification_id"], "mobile_terminal")
        ]
        return
    assert await at_work.refused(hit, "verifications", officer, body) == "BROADCAST_FIRST"
    await at_work.broadcast(hit, officer, agency, client="vehicle")
    told = (await at_work.work(hit, officer))["broadcasts"][0]
    assert (told["channels"], told["by"], told["client_kind"]) == (["car-to-car"], "Officer", "vehicle")
    dispatcher = at_work.person("dispatcher", agency)
    await at_work.verify(hit, dispatcher, override_reason=REASON)


@pytest.mark.requirement("HIT-17", "HIT-18")
async def test_nobody_chooses_a_rule_by_not_signing_on(at_work):
    hit, officer = await at_work.hit("roseville", MOBILE), at_work.person("officer", "roseville")
    assert (await at_work.work(hit, officer))["client_kind"] == "desktop"
    body = at_work.broadcast_body("roseville", client="desktop", override_reason=REASON)
    assert await at_work.refused(hit, "broadcasts", officer, body) == "CLETS_CONFIRMATION_REQUIRED"
    for role in ("dispatcher", "supervisor"):
        assert (await at_work.work(hit, at_work.person(role, "roseville")))["client_kind"] == "dispatch_console"


@pytest.mark.requirement("HIT-18")
async def test_a_roseville_desktop_confirms_before_it_broadcasts(at_work):
    hit, desktop = await at_work.hit("roseville"), at_work.person("investigator", "roseville", "desktop")
    body = at_work.broadcast_body("roseville", client="desktop", override_reason=REASON)
    assert await at_work.refused(hit, "broadcasts", desktop, body) == "CLETS_CONFIRMATION_REQUIRED"
    await at_work.verify(hit, desktop, route="desktop", override_reason=REASON)
    await at_work.post(hit, "broadcasts", desktop, body)


@pytest.mark.requirement("HIT-26")
async def test_escondidos_officer_leaves_a_step_out_for_a_reason_only(at_work):
    hit, officer = await at_work.hit("escondido", MOBILE), at_work.person("officer", "escondido", "vehicle")
    steps = [step for step in (await at_work.work(hit, officer))["steps"] if step["listed"]]
    assert [step["step"] for step in steps][:3] == ["read_check", "verify", "nature_review"]
    body = {"source": "CLETS", "route": "mobile_terminal", "result": "active"}
    assert await at_work.refused(hit, "verifications", officer, body) == "MISREAD_CHECK_REQUIRED"
    done = await at_work.post(hit, "verifications", officer, {**body, "override_reason": REASON})
    assert "read_check" in done["overridden"]


@pytest.mark.requirement("HIT-27")
@pytest.mark.parametrize("agency", ["claremont", "escondido", "roseville"])
async def test_every_signed_on_field_client_is_told_what_the_policy_names(at_work, agency):
    car, desk_ = (
        await at_work.client(agency, f"car-{agency}"),
        await at_work.client(agency, f"desk-{agency}", "desktop"),
    )
    hit, who = await at_work.hit(agency), at_work.person("dispatcher", agency)
    await at_work.check(hit, who)
    if agency == "roseville":
        await at_work.post(hit, "calls", who, {"call_type": "stolen_vehicle",
            "vehicle_description": "White pickup", "direction_of_travel": "north"})  # fmt: skip
    if agency != "claremont":
        await at_work.verify(hit, who)
    done = await at_work.broadcast(hit, who, agency)
    told = await at_work.told(hit, "broadcast")
    assert {car, desk_} <= {message.target for message in told}
    assert len({message.notification_id for message in told}) == len(told)
    said = {**SAID, "plate": f"{hit.read.plate.reveal()} CA"}
    for message in told:
        assert message.broadcast.broadcast_id == done["broadcast_id"]
        for field in at_work.made.policies[agency].hits.broadcast_content:
            assert message.broadcast.content[field] == said[field]
        assert message.broadcast.by == "Dispatcher"
    event = (await at_work.events(hit, "hit_broadcast"))[0]
    assert hit.read.plate.reveal() not in str(event.facts)


@pytest.mark.requirement("HOT-07")
async def test_a_special_list_hit_is_for_information(at_work):
    hit = await at_work.hit("roseville", reason="special_hot_list", advisory_class="information_only")
    who, officer = at_work.person("dispatcher", "roseville"), at_work.person("officer", "roseville", "vehicle")
    card = await at_work.made.get(f"/v1/hits/{hit.hit_id}", who)
    assert card["advisory_class"] == "information_only"
    await at_work.check(hit, officer, method="visual_on_vehicle")
    await at_work.verify(hit, who, override_reason=REASON)
    assert (await at_work.work(hit, who))["tasks"] == []  # no broadcast and no call by itself
    for basis in (None, {"type": "reasonable_suspicion", "narrative": "vehicle is on the special hot list"}):
        refused = await at_work.act(hit, officer, 409, type="other", independent_basis=basis, override_reason=REASON)
        assert refused["rule_id"] == "HOT-07"
    await at_work.act(hit, officer, type="other", independent_basis=BASIS, override_reason=REASON)
