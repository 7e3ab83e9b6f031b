"""Pursuits with an ALPR unit and deployments: prompts where the policy asks for them, purposes, approvals."""

from datetime import timedelta

import pytest

from tests.fixtures.room import bare, database

__all__ = ["database"]
pytestmark = pytest.mark.asyncio
PROMPTING, SILENT = "roseville", ("irvine", "westminster", "claremont", "escondido")
EVENTS = ("enough_vehicles", "helicopter_arrived", "supervisor_terminated")


async def pursuit(made, agency, unit="12A"):
    dispatcher = made.as_("dispatcher", agency)
    opened = await made.post("/v1/pursuits", dispatcher, {"unit": unit, "device_id": "car-12"})
    return dispatcher, opened["pursuit_id"]


async def prompts(made, agency):
    rows = await made.sql(
        "SELECT target, client_kind, kind, words FROM console.prompts WHERE agency = $1 ORDER BY kind, client_kind",
        agency,
    )
    return [(row["target"], row["client_kind"], row["kind"]) for row in rows]


@pytest.mark.requirement("OPS-01")
async def test_each_of_three_events_prompts_unit_and_dispatcher_and_ends_nothing(database, tmp_path):
    async with bare(database, tmp_path) as made:
        dispatcher, name = await pursuit(made, PROMPTING)
        path = f"/v1/pursuits/{name}"
        for event in EVENTS:
            told = await made.post(f"{path}/events", dispatcher, {"kind": event})
            assert told["prompted"] == ["12A", "dispatch"]
            assert told["reached"] == 0
        assert (await made.post(f"{path}/events", dispatcher, {"kind": EVENTS[1]}))["prompted"] == []
        assert await prompts(made, PROMPTING) == [
            (target, kind, event)
            for event in EVENTS
            for target, kind in (("dispatch", "dispatch_console"), ("12A", "vehicle"))
        ]
        (row,) = (await made.get("/v1/pursuits", dispatcher))["pursuits"]
        assert (row["outcome"], row["closed_at"]) == ("", None)
        assert [event["kind"] for event in row["events"]] == list(EVENTS)

        await made.post(f"{path}/outcome", dispatcher, {"outcome": "ended"}, 422)
        await made.post(f"{path}/outcome", dispatcher, {"outcome": "ended", "reason": "  "}, 422)
        body = {"outcome": "continued", "reason": "the only unit in sight"}
        await made.post(f"{path}/outcome", made.as_("officer", PROMPTING), body)
        (row,) = (await made.get("/v1/pursuits", dispatcher))["pursuits"]
        assert (row["outcome"], row["reason"]) == ("continued", body["reason"])
        await made.post(f"{path}/events", dispatcher, {"kind": EVENTS[0]}, 404)
        (event,) = await made.events("pursuit_closed")
        assert (event.facts["outcome"], event.personal["reason"]) == ("continued", body["reason"])


@pytest.mark.requirement("OPS-01")
async def test_dispatch_learns_how_many_clients_of_the_unit_were_reached(database, tmp_path):
    async with bare(database, tmp_path) as made:
        officer = made.as_("officer", PROMPTING)
        await made.employ(officer)
        session = f"s-{PROMPTING}-officer"
        await made.sql(
            "INSERT INTO console.sessions (session_id, token_hash, person_id, source_ip, started_at, last_seen_at,"
            " authenticated_at) VALUES ($1, $2, $3, '127.0.0.1', $4, $4, $4)",
            session, session.encode(), f"p-{PROMPTING}-officer", made.now,
        )  # fmt: skip
        await made.post("/v1/session/unit", officer, {"client_kind": "vehicle", "unit": "12A"})
        for unit, reached in (("12a", 1), ("99", 0)):
            dispatcher, name = await pursuit(made, PROMPTING, unit)
            told = await made.post(f"/v1/pursuits/{name}/events", dispatcher, {"kind": EVENTS[0]})
            assert (told["prompted"], told["reached"]) == ([unit, "dispatch"], reached)
            html = {**dispatcher, "accept": "text/html"}
            page = await made.http.post(f"/operations/pursuits/{name}/events", headers=html, data={"kind": EVENTS[1]})
            words = f"Nobody is signed on as unit {unit}: tell it by radio."
            assert (page.status_code, words in page.text) == ((303, False) if reached else (200, True))


async def test_where_the_policy_asks_for_no_prompt_the_event_is_logged_alone(database, tmp_path):
    async with bare(database, tmp_path) as made:
        for agency in SILENT:
            dispatcher, name = await pursuit(made, agency)
            told = await made.post(f"/v1/pursuits/{name}/events", dispatcher, {"kind": "helicopter_arrived"})
            assert told["prompted"] == []
            assert await prompts(made, agency) == []
            (row,) = (await made.get("/v1/pursuits", dispatcher))["pursuits"]
            assert [event["kind"] for event in row["events"]] == ["helicopter_arrived"]
        await made.post("/v1/pursuits", made.as_("officer", "irvine"), {"unit": "7"}, 403)
        await made.post("/v1/pursuits", made.as_("dispatcher", "irvine"), {"unit": " "}, 422)


def placement(made, **changes):
    body = {
        "kind": "trailer_placement", "place": "Vernon St lot", "device_id": "trailer-1",
        "purpose_code": "stolen_plate", "starts_at": made.now.isoformat(),
        "ends_at": (made.now + timedelta(days=14)).isoformat(),
    }  # fmt: skip
    return {**body, **changes}


@pytest.mark.requirement("OPS-02")
@pytest.mark.parametrize("kind", ["fixed_siting", "trailer_placement", "canvass"])
async def test_every_deployment_has_purpose_author_and_times(database, tmp_path, kind):
    async with bare(database, tmp_path) as made:
        author = made.as_("supervisor", "roseville")
        without = placement(made, kind=kind)
        without.pop("purpose_code")
        refused = await made.post("/v1/deployments", author, without, 422)
        assert refused["reason_code"] == "PURPOSE_REQUIRED"
        for odd in ({"purpose_code": "curiosity"}, {"ends_at": made.now.isoformat()}, {"place": "", "device_id": ""}):
            await made.post("/v1/deployments", author, placement(made, kind=kind, **odd), 422)
        await made.post("/v1/deployments", made.as_("officer", "roseville"), placement(made), 403)

        name = (await made.post("/v1/deployments", author, placement(made, kind=kind)))["deployment_id"]
        (row,) = (await made.get("/v1/deployments", author))["deployments"]
        assert (row["kind"], row["purpose_code"], row["author_name"]) == (kind, "stolen_plate", "Supervisor")
        assert row["starts_at"] < row["ends_at"]
        (event,) = await made.events("deployment_made")
        assert event.facts["purpose_code"] == "stolen_plate"
        await made.post(f"/v1/deployments/{name}/end", author, {})
        await made.post(f"/v1/deployments/{name}/end", author, {}, 404)


@pytest.mark.requirement("OPS-02")
async def test_another_use_needs_a_valid_approval_of_somebody_else(database, tmp_path):
    async with bare(database, tmp_path) as made:
        author = made.as_("supervisor", "roseville")
        given = {
            "approval_id": 31, "kind": "other_use", "event_id": None, "case_number": "", "for_username": "supervisor",
            "valid_from": (made.now - timedelta(days=1)).isoformat(), "ended_at": None,
            "valid_to": (made.now + timedelta(days=1)).isoformat(), "username": "administrator",
        }  # fmt: skip
        body = placement(made, purpose_code="other_approved", approval_id="31")

        async def refused(**changes):
            made.doors.answers["/v1/use-approvals"] = (200, {"rows": [{**given, **changes}]})
            answer = await made.post("/v1/deployments", author, body, 403)
            assert answer["reason_code"] == "APPROVAL_REQUIRED"

        await refused(approval_id=30)
        await refused(valid_to=(made.now - timedelta(hours=1)).isoformat())
        await refused(ended_at=made.now.isoformat())
        await refused(username="supervisor")
        await refused(for_username="somebody else")
        made.doors.answers["/v1/use-approvals"] = (200, {"rows": [given]})
        await made.post("/v1/deployments", author, body)
        (row,) = (await made.get("/v1/deployments", author))["deployments"]
        assert row["approval_id"] == "31"
        abroad = made.as_("supervisor", "irvine")
        assert (await made.post("/v1/deployments", abroad, body, 422))["reason_code"] == "PURPOSE_NOT_PERMITTED"


async def test_the_page_takes_the_same_forms(database, tmp_path):
    async with bare(database, tmp_path) as made:
        boss = made.as_("supervisor", "roseville")
        html = {**boss, "accept": "text/html"}
        await made.http.post("/operations/pursuits", headers=html, data={"unit": "12A"})
        (row,) = (await made.get("/v1/pursuits", boss))["pursuits"]
        path = f"/operations/pursuits/{row['pursuit_id']}"
        await made.http.post(f"{path}/events", headers=html, data={"kind": "helicopter_arrived"})
        form = {
            "kind": "fixed_siting", "place": "Main St", "purpose_code": "stolen_plate", "starts_at": "2027-03-01T08:00",
            "ends_at": "2027-04-01T08:00",
        }  # fmt: skip
        answer = await made.http.post("/operations/deployments", headers=html, data=form)
        assert answer.status_code == 303, answer.text
        answer = await made.http.post("/operations/deployments", headers=html, data={**form, "purpose_code": ""})
        assert answer.status_code == 422
        page = (await made.http.get("/operations", headers=html)).text
        for words in ("Unit 12A", "A police helicopter has arrived", "Fixed siting: Main St"):
            assert words in page
        await made.http.post(f"{path}/outcome", headers=html, data={"outcome": "ended", "reason": "as the policy asks"})
        assert (await made.get("/v1/pursuits", boss))["pursuits"][0]["outcome"] == "ended"
        assert (await made.http.get("/operations", headers=made.as_("auditor", "roseville"))).status_code == 403
