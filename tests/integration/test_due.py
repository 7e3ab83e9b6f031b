"""What has to follow on a hit in time, and what became of hits: late broadcasts, confirmations owed, figures, reviews."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from alprcore.model import DeviceKind, NotificationStatus
from tests.fixtures.console import make_hit, make_notification
from tests.fixtures.room import FIVE, database, incident, present, ring, room, told

__all__ = ["database"]
pytestmark = pytest.mark.asyncio
LIMITED = {"claremont": 60, "roseville": 120}
CONTENT = {
    "nature": "stolen vehicle", "vehicle": "white sedan", "plate": "7DUE001", "fixed_location": "Main St at 5th Ave",
    "description": "white sedan, two doors", "alert_info": "stolen vehicle", "direction": "north",
}  # fmt: skip


async def step(made, hit, what, who, body, status=201):
    reason = {} if "override_reason" in body else {"override_reason": "as the watch commander told"}
    return await made.post(f"/v1/hits/{hit.hit_id}/{what}", who, {**body, **reason}, status)


async def broadcast(made, hit):
    work = await made.get(f"/v1/hits/{hit.hit_id}/work", made.first)
    form = work["forms"]["broadcast"]
    if made.agency == "roseville":  # direction and description come first there (HIT-22)
        told = {"vehicle_description": CONTENT["description"], "direction_of_travel": "north"}
        await step(made, hit, "calls", made.first, {"call_type": "stolen_vehicle", **told})
    await step(
        made, hit, "broadcasts", made.first,
        {"kind": form["kind"], "content": {**CONTENT, "plate": hit.read.plate.reveal()}, "channels": form["channels"], "audience": form["audience"]},
    )  # fmt: skip


@pytest.mark.requirement("HIT-19")
@pytest.mark.requirement("HIT-13", partial="the order of the steps is tested with the work on hits")
@pytest.mark.parametrize("agency", LIMITED)
async def test_a_broadcast_that_is_late_is_an_event_and_a_prompt(database, tmp_path, agency):
    async with room(database, tmp_path, agency) as made:
        assert made.policies[agency].hits.broadcast_s == LIMITED[agency]
        late, timely = await ring(made), await ring(made, "7DUE002")
        made.later(seconds=3)
        for hit in (late, timely):
            await present(made, hit, made.first)
            await made.post(f"/v1/hits/{hit.hit_id}/acknowledge", made.first, {})
        await made.console.duty.on_timer(made.now)
        made.later(seconds=LIMITED[agency] - 1)
        await step(made, timely, "read-check", made.first, {"result": "correct", "state_confirmed": "match"})
        await broadcast(made, timely)
        assert (await made.console.duty.on_timer(made.now))["overdue"] == 0
        made.later(seconds=2)
        assert (await made.console.duty.on_timer(made.now))["overdue"] == 1
        assert (await made.console.duty.on_timer(made.now))["overdue"] == 0

        (event,) = await made.events("overdue_broadcast")
        assert event.facts["hit_id"] == late.hit_id
        card = await made.get(f"/v1/hits/{late.hit_id}", made.first)
        assert card["incident"]["overdue_at"] == made.now.isoformat()
        assert (await incident(made, timely))["overdue_at"] is None
        assert [sent.target for sent in await told(made) if sent.kind == "escalation"] == ["supervisor"]

        times = await made.get("/v1/figures/times?quarter=2027-Q1", made.boss)
        stages = {row["stage"]: row for row in times["stages"]}
        assert stages["shown_broadcast"]["hits"] == 1
        assert stages["shown_broadcast"]["p50"] == pytest.approx(LIMITED[agency] - 1)
        assert stages["captured_shown"]["p50"] == pytest.approx(4.4)
        assert times["overdue_broadcasts"] == 1
        assert times["broadcast_limit_s"] == LIMITED[agency]


async def test_where_the_policy_sets_no_time_no_broadcast_is_late(database, tmp_path):
    for agency in FIVE:
        if agency in LIMITED:
            continue
        async with room(database, tmp_path / agency, agency) as made:
            hit = await ring(made)
            await present(made, hit, made.first)
            await made.console.duty.on_timer(made.now)
            made.later(hours=2)
            assert (await made.console.duty.on_timer(made.now))["overdue"] == 0
            assert await made.events("overdue_broadcast") == []


@pytest.mark.requirement("HIT-10", partial="the exception itself is tested with the work on hits")
async def test_a_confirmation_owed_after_an_exigent_action_goes_to_the_supervisor(database, tmp_path):
    async with room(database, tmp_path, "escondido") as made:
        hit = await ring(made, kind=DeviceKind.MOBILE)
        await present(made, hit, made.first)
        body = {"type": "traffic_stop", "exigency": "officer_safety", "narrative": "the driver reached for a weapon"}
        await step(made, hit, "actions", made.first, body)
        made.later(minutes=14, seconds=59)
        assert (await made.console.duty.on_timer(made.now))["overdue"] == 0
        made.later(seconds=1)
        assert (await made.console.duty.on_timer(made.now))["overdue"] == 1
        (event,) = await made.events("task_overdue")
        assert (event.facts["why"], event.facts["hit_id"]) == ("confirm_after", hit.hit_id)
        (task,) = (await made.get(f"/v1/hits/{hit.hit_id}/work", made.boss))["tasks"]
        assert (task["kind"], task["closed_at"]) == ("confirm_after", None)
        await step(
            made, hit, "verifications", made.first,
            {"source": "CLETS", "route": "dispatch", "result": "active", "reference": "synthetic"},
        )  # fmt: skip
        (task,) = (await made.get(f"/v1/hits/{hit.hit_id}/work", made.boss))["tasks"]
        assert task["closed_at"] is not None


async def owe(made, hit, task_id, kind, **before):
    """Let a duty of a hit have been due since then."""
    await made.sql(
        "INSERT INTO console.tasks (task_id, agency, hit_id, kind, opened_at, due_at, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $5, $6)",
        task_id, made.agency, hit.hit_id, kind, made.now - timedelta(**before), made.now + timedelta(days=30),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["confirm_after", "clets_result"])
async def test_each_duty_of_a_hit_is_told_and_only_a_broadcast_is_counted_as_late(database, tmp_path, kind):
    async with room(database, tmp_path, "roseville") as made:
        hit = await ring(made)
        for number, name in enumerate(("one", "two"), 1):
            await owe(made, hit, name, kind, seconds=5)
            assert (await made.console.duty.on_timer(made.now))["overdue"] == 1
            sent = [one for one in await told(made) if one.kind == "escalation"]
            for one in sent:
                await made.console.hits.put_notification(one, made.now)
            rows = await made.sql("SELECT 1 AS told FROM console.notifications WHERE kind = 'escalation'")
            assert len(rows) == number
        assert (await incident(made, hit))["overdue_at"] is None
        assert (await made.get("/v1/figures/times?quarter=2027-Q1", made.boss))["overdue_broadcasts"] == 0

        await owe(made, hit, "three", "broadcast", seconds=5)
        assert (await made.console.duty.on_timer(made.now))["overdue"] == 1
        assert (await made.get("/v1/figures/times?quarter=2027-Q1", made.boss))["overdue_broadcasts"] == 1


async def test_a_timer_and_a_step_take_their_locks_in_one_order(database, tmp_path):
    async with room(database, tmp_path, "roseville") as made:
        hit = await ring(made)
        await owe(made, hit, "one", "broadcast", seconds=5)
        other = await asyncpg.connect(made.database.admin)
        try:
            async with other.transaction():  # a step: its duty first, then the numbers of the events
                await other.execute("UPDATE console.tasks SET closed_at = $1 WHERE task_id = 'one'", made.now)
                turn = asyncio.create_task(made.console.duty.on_timer(made.now))
                async with asyncio.timeout(20):
                    while not await made.sql(
                        "SELECT 1 AS waits FROM pg_stat_activity WHERE datname = current_database()"
                        " AND wait_event_type = 'Lock'"
                    ):
                        await asyncio.sleep(0.02)
                await other.execute("SELECT pg_advisory_xact_lock(hashtext('console.events'), hashtext('roseville'))")
        finally:
            await other.close()
        assert (await turn)["overdue"] == 0
        assert await made.events("overdue_broadcast") == []


async def test_an_answer_that_failed_replaces_none_in_the_figures(database, tmp_path):
    async with room(database, tmp_path, "irvine") as made:
        hit, failed = await ring(made), await ring(made, "7DUE002")
        said = {"source": "CLETS", "route": "dispatch", "reference": "synthetic"}
        for one, result in ((hit, "active"), (hit, "error"), (failed, "error")):
            await step(made, one, "verifications", made.first, {**said, "result": result})
            made.later(seconds=1)
        rows = await made.sql("SELECT kind FROM console.hit_steps WHERE hit_id = $1 ORDER BY step_no", hit.hit_id)
        assert [row["kind"] for row in rows] == ["active", "error"]
        assert (await made.get("/v1/figures/precision", made.boss))["total"]["active"] == 1
        rows = await made.sql("SELECT verification, verified_at IS NULL AS never FROM console.outcomes WHERE hit_id = $1",
                              failed.hit_id)  # fmt: skip
        assert [dict(row) for row in rows] == [{"verification": "", "never": True}]


async def test_figures_count_what_became_of_hits_and_leave_exercises_out(database, tmp_path):
    async with room(database, tmp_path, "irvine") as made:
        right, wrong, unseen = (
            await ring(made),
            await ring(made, "7DUE002"),
            await ring(made, "7DUE003", list_code="SLR"),
        )
        practice = make_hit("7DUE004", agency="irvine", now=made.now)
        await made.console.hits.put_notification(
            make_notification(practice, status=NotificationStatus.EXERCISE, notified_at=made.now), made.now
        )
        again = make_hit("7DUE001", ordinal=2, agency="irvine", now=made.now)  # a second sighting is no second hit
        again = replace(again, entry_id=right.entry_id)
        update = make_notification(again, first=right, revision=2, notified_at=made.now)
        await made.console.hits.put_notification(update, made.now)
        await step(made, right, "read-check", made.first, {"result": "correct", "state_confirmed": "match"})
        await step(made, wrong, "read-check", made.first, {"result": "misread", "corrected_text": "7DUE0O2"})
        await step(made, practice, "read-check", made.first, {"result": "misread", "corrected_text": "7DUE0O4"})
        await step(
            made, right, "verifications", made.first,
            {"source": "CLETS", "route": "dispatch", "result": "active", "reference": "synthetic"},
        )  # fmt: skip
        await step(made, right, "actions", made.first, {"type": "traffic_stop"})
        await made.post(f"/v1/hits/{right.hit_id}/disposition", made.first, {"outcome": "stopped"})

        figures = await made.get("/v1/figures/precision?quarter=2027-Q1", made.boss)
        total = figures["total"]
        assert (total["hits"], total["checked"], total["misreads"], total["precision"]) == (3, 2, 1, 0.5)
        assert (total["active"], total["stops"], total["dispositions"]) == (1, 1, {"stopped": 1})
        assert [(row["list_code"], row["hits"]) for row in figures["lists"]] == [("SLR", 1), ("SVS", 2)]
        assert [row["device_id"] for row in figures["devices"]] == [unseen.read.device_id]
        assert [row["grade"] for row in figures["grades"]] == ["exact"]
        assert (await made.get("/v1/figures/precision?quarter=2026-Q4", made.boss))["total"]["hits"] == 0
        await made.get("/v1/figures/precision", made.first, 403)
        await made.get("/v1/figures/precision?quarter=Q1", made.boss, 422)

        # they outlive the hits
        await made.sql("DELETE FROM console.hits")
        assert (await made.get("/v1/figures/precision", made.boss))["total"] == total
        page = (await made.http.get("/figures", headers={**made.boss, "accept": "text/html"})).text
        assert "50.0 %" in page


async def test_a_stop_of_the_wrong_vehicle_is_reviewed_once_and_closed_with_a_finding(database, tmp_path):
    async with room(database, tmp_path, "irvine") as made:
        hit = await ring(made)
        await step(made, hit, "actions", made.first, {"type": "traffic_stop", "reason": "not_practicable"})
        body = {"outcome": "stopped", "wrong_vehicle": True}
        await made.post(f"/v1/hits/{hit.hit_id}/disposition", made.first, body)
        assert await made.console.figures.open_reviews(made.now) == 1
        assert await made.console.figures.open_reviews(made.now) == 0
        (review,) = (await made.get("/v1/stop-reviews", made.boss))["reviews"]
        assert (review["hit_id"], review["closed_at"]) == (hit.hit_id, None)
        assert len(await made.events("stop_review_opened")) == 1

        path = f"/v1/stop-reviews/{review['review_id']}/closure"
        await made.post(path, made.boss, {"finding": "short"}, 422)
        await made.post(path, made.as_("alpr_admin", "irvine"), {"finding": "the plate was misread"}, 403)
        page = {**made.boss, "accept": "text/html"}
        answer = await made.http.post(
            f"/figures/reviews/{review['review_id']}", headers=page, data={"finding": "the plate was misread"}
        )
        assert answer.status_code == 303
        await made.post(path, made.boss, {"finding": "once more, the plate was misread"}, 404)
        (review,) = (await made.get("/v1/stop-reviews", made.boss))["reviews"]
        assert (review["closed_name"], review["finding"]) == ("Boss", "the plate was misread")
        (event,) = await made.events("stop_review_closed")
        assert event.personal["finding"] == "the plate was misread"
        assert (await made.get("/v1/figures/precision", made.boss))["total"]["wrong_vehicles"] == 1


async def test_a_hit_whose_duties_the_database_refuses_holds_up_no_other(database, tmp_path):
    async with room(database, tmp_path, "claremont") as made:
        bad, good = await ring(made), await ring(made, "7DUE002")
        for hit in (bad, good):
            await present(made, hit, made.first)
        kept = made.console.duty._hits.keep_tasks

        async def refusing(connection, agency, hit_id, now):
            if hit_id == bad.hit_id:
                await connection.execute("INSERT INTO console.tasks (task_id, agency, hit_id, kind, opened_at, expires_at)"
                                         " VALUES ('t', $1, $2, 'no such kind', $3, $3)", agency, hit_id, now)  # fmt: skip
            await kept(connection, agency, hit_id, now)

        made.console.duty._hits = replace(made.console.duty._hits, keep_tasks=refusing)
        await made.console.duty.on_timer(made.now)
        tasks = await made.sql("SELECT hit_id FROM console.tasks")
        assert [task["hit_id"] for task in tasks] == [good.hit_id]
