"""Who answers for a hit: taken, handed over, escalated when nobody does, and practiced on."""

import asyncio
import logging
from datetime import timedelta

import pytest

from alpr_console import metrics
from alprcore.model import DeviceKind, NotificationKind, NotificationStatus
from tests.fixtures.room import FIVE, bare, database, incident, ring, room, sign_in, sign_out, told

__all__ = ["database"]
pytestmark = pytest.mark.asyncio
FIXED_FROM_A_SCREEN = ("claremont", "escondido")


@pytest.mark.requirement("HIT-15")
@pytest.mark.parametrize("agency", FIVE)
async def test_a_fixed_hit_that_nobody_takes_is_escalated_to_the_supervisor(database, tmp_path, agency):
    async with room(database, tmp_path, agency) as made:
        hit, taken = await ring(made), await ring(made, "7DTY002")
        await ring(made, "7DTY003", kind=DeviceKind.MOBILE)
        await made.post(f"/v1/hits/{taken.hit_id}/acknowledge", made.first, {})
        limit = made.policies[agency].hits.acknowledge_s
        assert limit == 60

        made.later(seconds=limit - 1)
        assert (await made.console.duty.on_timer(made.now))["escalated"] == 0
        assert await told(made) == []
        made.later(seconds=1)
        both = await asyncio.gather(*(made.console.duty.on_timer(made.now) for _ in range(2)))  # as two replicas do
        assert sum(counts["escalated"] for counts in both) == 1

        (sent,) = await told(made)
        assert (sent.kind, sent.target, sent.status) == (
            NotificationKind.ESCALATION,
            "supervisor",
            NotificationStatus.ACTUAL,
        )
        assert sent.hit.hit_id == hit.hit_id
        (event,) = await made.events("hit_escalated")
        assert event.facts["hit_id"] == hit.hit_id
        assert event.facts["why"] == "acknowledge"
        card = await made.get(f"/v1/hits/{hit.hit_id}", made.boss)
        assert card["incident"]["escalated_at"] == made.now.isoformat()
        assert [row["hit_id"] for row in (await made.get("/v1/duty", made.boss))["escalations"]] == [hit.hit_id]

        # it comes back over the topic and stands among the notifications; a second replica tells nothing again
        before = legs()
        await made.console.hits.put_notification(sent, made.now)
        assert legs() == before  # how long people took is no leg of the pipeline
        rows = await made.sql("SELECT target FROM console.notifications WHERE kind = 'escalation'")
        assert [row["target"] for row in rows] == ["supervisor"]
        made.later(seconds=30)
        assert (await made.console.duty.on_timer(made.now))["escalated"] == 0
        assert len(await told(made)) == 1


def legs():
    return {
        sample.labels["leg"]: sample.value
        for metric in metrics.LEGS.collect()
        for sample in metric.samples
        if sample.name.endswith("_count")
    }


async def of(made, kind, agency):
    return [event for event in await made.events(kind) if event.agency == agency]


@pytest.mark.requirement("HIT-15")
@pytest.mark.parametrize("agency", FIXED_FROM_A_SCREEN)
async def test_a_room_without_a_dispatcher_is_alarmed_once_and_until_one_is_back(database, tmp_path, agency):
    async with room(database, tmp_path, agency) as made:
        assert (await made.console.duty.on_timer(made.now))["alarmed"] == 0
        await sign_out(made, "first")
        await sign_out(made, "second")
        made.later(seconds=100)
        assert (await made.console.duty.on_timer(made.now))["alarmed"] == 0
        made.later(seconds=30)
        assert (await made.console.duty.on_timer(made.now))["alarmed"] == 1  # the others have nobody who could
        assert (await made.console.duty.on_timer(made.now))["alarmed"] == 0
        (event,) = await of(made, "dispatch_unattended", agency)
        since = (made.now - timedelta(seconds=130)).isoformat()
        assert event.facts["since"] == since
        assert (await made.get("/v1/duty", made.boss))["unattended_since"] == since
        alerts = await made.sql("SELECT kind FROM console.alerts WHERE agency = $1", agency)
        assert [row["kind"] for row in alerts] == ["dispatch_unattended"]

        await sign_in(made, "second")
        await made.console.duty.on_timer(made.now)
        assert (await made.get("/v1/duty", made.boss))["unattended_since"] is None
        assert len(await made.events("dispatch_attended")) == 1


@pytest.mark.requirement("HIT-15")
async def test_a_room_that_nobody_ever_watched_is_alarmed_from_when_it_was_seen(database, tmp_path):
    async with bare(database, tmp_path) as made:
        await made.employ(*(made.as_("dispatcher", agency, name=agency) for agency in FIVE[:2]))
        began = made.now
        for alarmed in (0, 0, 2, 0):
            assert (await made.console.duty.on_timer(made.now))["alarmed"] == alarmed
            made.later(seconds=60)
        for agency in FIVE[:2]:
            (event,) = await of(made, "dispatch_unattended", agency)
            assert event.facts["since"] == began.isoformat()
        assert await of(made, "dispatch_unattended", FIVE[2]) == []  # nobody works there


async def test_a_gap_stays_one_when_the_session_before_it_is_forgotten(database, tmp_path):
    async with room(database, tmp_path, "irvine") as made:
        await sign_out(made, "first")
        await sign_out(made, "second")
        made.later(seconds=130)
        await made.console.duty.on_timer(made.now)
        await made.sql("DELETE FROM console.sessions WHERE ended_at IS NOT NULL")
        await made.console.duty.on_timer(made.now)
        assert await made.events("dispatch_attended") == []
        assert (await made.get("/v1/duty", made.boss))["unattended_since"] is not None


async def test_what_fails_for_one_agency_holds_up_no_other(database, tmp_path, caplog):
    async with room(database, tmp_path, "claremont") as made:
        bad = await ring(made)
        await made.sql("UPDATE console.hits SET wire = decode('ff', 'hex') WHERE hit_id = $1", bad.hit_id)
        made.agency = "roseville"
        good = await ring(made, "7DTY002")
        assert list(made.policies).index("claremont") < list(made.policies).index("roseville")
        made.later(seconds=60)
        with caplog.at_level(logging.ERROR, "alpr_console.timers"):
            counts = await made.console.duty.on_timer(made.now)
        assert counts["escalated"] == 1
        assert [event.facts["hit_id"] for event in await made.events("hit_escalated")] == [good.hit_id]
        assert [(entry.turn, entry.agency) for entry in caplog.records if entry.msg == "turn_failed"] == [
            ("escalate", "claremont")
        ]
        made.later(seconds=60)  # and the alarm of the same agency comes, too
        await made.console.duty.on_timer(made.now)
        assert len(await of(made, "dispatch_unattended", "claremont")) == 1


async def test_a_hit_belongs_to_who_took_it_until_another_takes_it_over(database, tmp_path):
    async with room(database, tmp_path, "claremont") as made:
        hit = await ring(made)
        await made.post(f"/v1/hits/{hit.hit_id}/acknowledge", made.first, {})
        assert (await made.get(f"/v1/hits/{hit.hit_id}", made.boss))["incident"]["owner"]["name"] == "First"
        made.later(seconds=5)
        await made.post(f"/v1/hits/{hit.hit_id}/acknowledge", made.second, {})
        assert (await incident(made, hit))["owner_name"] == "First"

        answer = await made.post(f"/v1/hits/{hit.hit_id}/ownership", made.second, {})
        assert answer["owner"] == {"name": "Second", "since": made.now.isoformat()}
        body = {"to": "p-claremont-first"}
        assert (await made.post(f"/v1/hits/{hit.hit_id}/ownership", made.second, body))["owner"]["name"] == "First"
        row = await incident(made, hit)
        assert (row["owner_id"], row["acknowledged_by"]) == ("p-claremont-first", "First")
        changed = await made.events("hit_owner_set")
        assert [(e.personal["from_name"], e.personal["to_name"]) for e in changed] == [
            ("First", "Second"),
            ("Second", "First"),
        ]

        officer = made.as_("officer", "claremont")
        refused = await made.post(f"/v1/hits/{hit.hit_id}/ownership", officer, {}, 403)
        assert refused["reason_code"] == "ROLE_NOT_AUTHORISED"
        gone = {"to": "p-claremont-nobody"}
        refused = await made.post(f"/v1/hits/{hit.hit_id}/ownership", made.first, gone, 409)
        assert refused["reason_code"] == "RECEIVER_NOT_ON_DUTY"
        await made.post("/v1/hits/no-such-hit/ownership", made.first, {}, 404)


async def test_an_officers_look_is_no_ownership(database, tmp_path):
    async with room(database, tmp_path, "escondido") as made:
        hit = await ring(made)
        await made.post(f"/v1/hits/{hit.hit_id}/acknowledge", made.as_("officer", "escondido"), {})
        assert (await incident(made, hit))["owner_id"] == ""
        made.later(seconds=60)
        assert (await made.console.duty.on_timer(made.now))["escalated"] == 1
        await made.post(f"/v1/hits/{hit.hit_id}/acknowledge", made.first, {})
        assert (await incident(made, hit))["owner_name"] == "First"
        assert (await made.get("/v1/duty", made.boss))["escalations"] == []


async def test_a_shift_is_handed_over_whole_and_nothing_stays_behind(database, tmp_path):
    async with room(database, tmp_path, "roseville") as made:
        early = await ring(made)
        await made.post(f"/v1/hits/{early.hit_id}/acknowledge", made.first, {})
        body = {"to": "p-roseville-second", "note": "unit 12 is on its way"}
        offered = await made.post("/v1/handovers", made.first, body)
        assert (await made.post("/v1/handovers", made.first, body, 409))["reason_code"] == "HANDOVER_OPEN"
        late = await ring(made, "7DTY009")
        await made.post(f"/v1/hits/{late.hit_id}/acknowledge", made.first, {})

        (incoming,) = (await made.get("/v1/duty", made.second))["handovers"]
        assert (incoming["from"], incoming["note"], incoming["hits"], incoming["incoming"]) == (
            "First", body["note"], 2, True,
        )  # fmt: skip
        path = f"/v1/handovers/{offered['handover_id']}/acceptance"
        await made.post(path, made.boss, {}, 404)
        assert (await made.post(path, made.second, {}))["hits"] == 2
        await made.post(path, made.second, {}, 404)
        owners = await made.sql("SELECT DISTINCT owner_name FROM console.incidents")
        assert [row["owner_name"] for row in owners] == ["Second"]
        assert len((await made.get("/v1/duty", made.second))["mine"]) == 2
        (event,) = await made.events("shift_handed_over")
        assert (event.facts["hits"], event.personal["from_name"], event.personal["note"]) == (
            "2",
            "First",
            body["note"],
        )

        again = await made.post("/v1/handovers", made.second, {"to": "p-roseville-first"})
        await made.post(f"/v1/handovers/{again['handover_id']}/withdrawal", made.first, {})
        await made.post(f"/v1/handovers/{again['handover_id']}/acceptance", made.first, {}, 404)
        await made.post("/v1/handovers", made.second, {"to": "p-roseville-second"}, 409)


async def test_what_is_worked_on_for_more_than_a_day_is_handed_over_with_the_rest(database, tmp_path):
    async with room(database, tmp_path, "irvine") as made:
        worked, idle = await ring(made), await ring(made, "7DTY002")
        for hit in (worked, idle):
            await made.post(f"/v1/hits/{hit.hit_id}/acknowledge", made.first, {})
        check = {"result": "correct", "state_confirmed": "match", "override_reason": "as the watch commander told"}
        await made.post(f"/v1/hits/{worked.hit_id}/read-check", made.first, check)
        made.later(hours=25)
        for name in ("first", "second"):
            await sign_in(made, name)
        assert [row["hit_id"] for row in (await made.get("/v1/duty", made.first))["mine"]] == [worked.hit_id]

        offered = await made.post("/v1/handovers", made.first, {"to": "p-irvine-second"})
        (incoming,) = (await made.get("/v1/duty", made.second))["handovers"]
        assert incoming["hits"] == 1
        taken = await made.post(f"/v1/handovers/{offered['handover_id']}/acceptance", made.second, {})
        assert taken["hits"] == 1
        assert (await incident(made, worked))["owner_name"] == "Second"
        assert (await incident(made, idle))["owner_name"] == "First"  # nobody works on it, and its day is over


async def test_a_recalled_hit_is_handed_over_with_the_rest(database, tmp_path):
    async with room(database, tmp_path, "irvine") as made:
        hit = await ring(made)
        await made.post(f"/v1/hits/{hit.hit_id}/acknowledge", made.first, {})
        await made.sql("UPDATE console.notifications SET kind = 'recall' WHERE hit_id = $1", hit.hit_id)
        offered = await made.post("/v1/handovers", made.first, {"to": "p-irvine-second"})
        await made.post(f"/v1/handovers/{offered['handover_id']}/acceptance", made.second, {})
        assert (await incident(made, hit))["owner_name"] == "Second"


async def test_a_second_owner_who_went_home_is_told_like_the_first(database, tmp_path):
    async with room(database, tmp_path, "irvine") as made:
        hit = await ring(made)
        for number, name in enumerate(("first", "second"), 1):
            who = getattr(made, name)
            await made.post(f"/v1/hits/{hit.hit_id}/ownership", who, {})
            await sign_out(made, name)
            assert (await made.console.duty.on_timer(made.now))["escalated"] == 1
            assert len({sent.notification_id for sent in await told(made)}) == number
            made.later(seconds=10)


async def test_a_hit_whose_owner_went_home_is_escalated(database, tmp_path):
    async with room(database, tmp_path, "irvine") as made:
        hit = await ring(made)
        await made.post(f"/v1/hits/{hit.hit_id}/acknowledge", made.first, {})
        assert (await made.console.duty.on_timer(made.now))["escalated"] == 0
        await sign_out(made, "first")
        assert (await made.console.duty.on_timer(made.now))["escalated"] == 1
        assert (await made.console.duty.on_timer(made.now))["escalated"] == 0
        (event,) = await made.events("hit_escalated")
        assert event.facts["why"] == "left"
        await made.post(f"/v1/hits/{hit.hit_id}/ownership", made.second, {})
        assert (await made.get("/v1/duty", made.boss))["escalations"] == []


@pytest.mark.parametrize("kind", [DeviceKind.FIXED, DeviceKind.MOBILE])
async def test_an_exercise_goes_the_whole_way_and_says_so_everywhere(database, tmp_path, kind):
    async with room(database, tmp_path, "escondido") as made:
        answer = await made.post("/v1/exercises", made.boss, {"device_kind": kind.value}, 202)
        (sent,) = await told(made)
        assert sent.status is NotificationStatus.EXERCISE
        assert sent.screen_text.startswith("EXERCISE")
        await made.console.hits.put_notification(sent, made.now)
        card = await made.get(f"/v1/hits/{answer['hit_id']}", made.first)
        assert (card["plate"], card["list_code"], card["device_kind"]) == ("EXERCISE", "EXERCISE", kind.value)
        assert card["incident"]["status"] == "Exercise"
        await made.post("/v1/exercises", made.as_("officer", "escondido"), {}, 403)
        if kind is DeviceKind.FIXED:  # nobody takes it: that is practiced, too
            made.later(seconds=60)
            await made.console.duty.on_timer(made.now)
            assert (await told(made))[-1].status is NotificationStatus.EXERCISE
            assert (await told(made))[-1].screen_text.startswith("EXERCISE")
