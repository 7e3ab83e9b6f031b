"""Clients in vehicles and on desktops: who is signed on is told, each by a row of its own (HIT-02..04, DEF-12)."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from alprcore.model import Broadcast, ClientKind, NotificationKind, make_id
from alprcore.profiles import load_profiles
from tests.fixtures.console import make_hit, make_notification, wait_for
from tests.fixtures.people import AGENCIES, make_person, person_id, put, signed_in
from tests.fixtures.postgres import _database
from tests.fixtures.served import Stream, served

PROFILES = load_profiles()
TARGETS = {ClientKind.DISPATCH_CONSOLE: "dispatch", ClientKind.VEHICLE: "vehicles", ClientKind.DESKTOP: "desktops"}


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, tmp_path_factory):
    with (
        _database(pg_admin_dsn, "units", f"TEMPLATE {pg_template}") as (_, database),
        served(database, tmp_path_factory.mktemp("units")) as running,
    ):
        yield running


@pytest.fixture
def inside(console):
    """Signs people in: `inside(agency, role)` gives their client."""
    with ExitStack() as stack:
        yield lambda agency, *roles, **papers: stack.enter_context(
            signed_in(console, make_person(console, agency, *roles, **papers))
        )


def sign_on(client, kind="vehicle", unit="12", **more):
    return client.post("/v1/session/unit", json={"client_kind": kind, "unit": unit, **more})


def announce(console, agency, plate, **changes):
    """A hit as the matcher announces it: one notification for each display target of the profile."""
    hit = make_hit(plate, agency=agency, **changes)
    console.put(
        *(make_notification(hit, client=kind, target=target) for target, kind in PROFILES[agency].display_targets)
    )
    return hit


def first(stream):
    """What a screen shows when it opens."""
    (snapshot,) = wait_for("what is shown", lambda: stream.named("snapshot"))
    return snapshot


def told(client, hit):
    answer = client.get(f"/v1/hits/{hit.hit_id}/notifications")
    assert answer.status_code == 200, answer.text
    return answer.json()["notifications"]


@pytest.mark.requirement("HIT-03")
@pytest.mark.parametrize("agency", AGENCIES)
def test_a_fixed_hit_goes_to_dispatch_and_to_the_vehicle_that_is_signed_on_and_to_no_other(console, inside, agency):
    on, off, dispatch = inside(agency, "officer"), inside(agency, "officer"), inside(agency, "dispatcher")
    assert sign_on(on, unit="12").status_code == 201
    assert sign_on(off, unit="14").status_code == 201
    assert off.delete("/v1/session/unit").status_code == 204
    hit = announce(console, agency, "7HIT003")
    rows = told(dispatch, hit)
    assert [(row["client_kind"], row["unit"], row["acknowledged_at"]) for row in rows] == [
        ("dispatch_console", "", None), ("vehicle", "12", None),
    ]  # fmt: skip
    screens = [Stream(dispatch), Stream(on)]
    for screen in screens:
        (snapshot,) = wait_for("what is shown", lambda screen=screen: screen.named("snapshot"))
        assert hit.hit_id in {card["hit_id"] for card in snapshot["incidents"]}
    assert all(row["delivered_at"] for row in told(dispatch, hit))
    (delivery,) = next(c for c in screens[1].named("snapshot")[0]["incidents"] if c["hit_id"] == hit.hit_id)[
        "deliveries"
    ]
    assert on.post(f"/v1/deliveries/{delivery['delivery_id']}/acknowledge").status_code == 201
    assert off.post(f"/v1/deliveries/{delivery['delivery_id']}/acknowledge").status_code == 404
    assert [bool(row["acknowledged_at"]) for row in told(dispatch, hit)] == [False, True]
    # the dispatcher's screen learns of it by itself
    wait_for(
        "the unit on the card",
        lambda: any(
            card["hit_id"] == hit.hit_id and card["told"]["acknowledged"] == ["12"]
            for card in screens[0].named("incident")
        ),
    )


@pytest.mark.requirement("DEF-12")
def test_one_hit_makes_a_notification_for_the_vehicle_and_one_for_the_desktop(console, inside):
    vehicle, desktop = inside("roseville", "officer"), inside("roseville", "investigator")
    assert sign_on(vehicle, "vehicle", "C7").status_code == 201
    assert sign_on(desktop, "desktop", "DESK 3").status_code == 201
    hit = announce(console, "roseville", "7DEF012")
    of_units = [row for row in told(vehicle, hit) if row["unit"] in ("C7", "DESK 3")]
    assert [row["client_kind"] for row in of_units] == ["desktop", "vehicle"]
    assert len({row["notification_id"] for row in of_units}) == 2


@pytest.mark.requirement("HIT-02")
@pytest.mark.parametrize("agency", AGENCIES)
def test_a_vehicle_is_told_aloud_and_in_words_and_its_receipt_says_both(console, inside, agency):
    client = inside(agency, "officer")
    assert sign_on(client, unit="21").status_code == 201
    hit = announce(console, agency, "7HIT002")
    shown = wait_for("the hit", lambda: [c for c in first(Stream(client))["incidents"] if c["hit_id"] == hit.hit_id])
    assert "Unverified lead" in shown[0]["screen_text"]
    (delivery,) = shown[0]["deliveries"]
    assert (delivery["audible"], delivery["presented_at"]) == (True, None)
    path = f"/v1/deliveries/{delivery['delivery_id']}/presented"
    assert client.post(path, json={"sound": True, "screen": True}).status_code == 201
    assert client.post(path, json={"sound": False, "screen": False}).status_code == 201  # a repeat changes nothing
    (receipt,) = [event for event in console.events("delivery_presented") if event.facts["hit_id"] == hit.hit_id]
    assert (receipt.facts["sound"], receipt.facts["screen"], receipt.facts["unit"]) == ("true", "true", "21")
    (row,) = console.sql(
        "SELECT sound, screen, presented_at FROM console.deliveries WHERE delivery_id = $1", delivery["delivery_id"]
    )
    assert (row["sound"], row["screen"], row["presented_at"] is None) == (True, True, False)
    # muting is this session's alone, ends by itself, and is recorded
    assert client.post("/v1/session/mute", json={"minutes": 16}).json()["reason_code"] == "MUTE_TOO_LONG"
    assert client.post("/v1/session/mute", json={"minutes": 15}).status_code == 200
    (muted,) = [event for event in console.events("sound_muted") if event.agency == agency]
    assert muted.facts["until"] > datetime.now(UTC).isoformat()


@pytest.mark.requirement("HIT-04")
@pytest.mark.parametrize("agency", AGENCIES)
def test_who_may_no_longer_come_in_is_told_nothing_more(console, inside, agency):
    names = {why: make_person(console, agency, "officer") for why in ("disabled", "untrained", "signed out")}
    with ExitStack() as stack:
        clients = {why: stack.enter_context(signed_in(console, name)) for why, name in names.items()}
        streams = {}
        for why, client in clients.items():
            assert sign_on(client, unit="31").status_code == 201
            streams[why] = Stream(client)
            wait_for("the feed", lambda why=why: streams[why].named("snapshot"))
        gone = "UPDATE console.people SET disabled_at = now() WHERE person_id = $1"
        put(console, (gone, person_id(names["disabled"])))
        lapsed = "DELETE FROM console.training_records WHERE person_id = $1"
        put(console, (lapsed, person_id(names["untrained"])))
        assert clients["signed out"].delete("/v1/session").status_code == 204
        hit = announce(console, agency, "7HIT004")
        for why, stream in streams.items():
            assert stream.ended.wait(5), f"{why}: the feed is still open"
            assert hit.hit_id not in {card["hit_id"] for card in stream.named("incident")}, why
            assert stream.events[-1][0] == "signed-out", why
            assert clients[why].get("/v1/events").status_code == (403 if why == "untrained" else 401), why
        rows = told(inside(agency, "dispatcher"), hit)
    assert not any(row["delivered_at"] for row in rows if row["unit"] == "31")
    assert len([row for row in rows if row["unit"] == "31"]) <= 1  # for who is only untrained it waits, undelivered
    # the record is closed with the end of the session
    assert console.run(console.console.units.sweep(datetime.now(UTC))) >= 2
    reasons = {e.facts["reason"] for e in console.events("client_signed_off") if e.agency == agency}
    assert reasons >= {"disabled", "signed_out"}


def test_a_sign_on_takes_the_role_the_display_the_device_and_its_training(console, inside):
    officer = inside("irvine", "officer")
    codes = lambda answer: (answer.status_code, answer.json()["reason_code"])  # noqa: E731
    assert codes(sign_on(officer, "desktop")) == (403, "CLIENT_NOT_SHOWN")  # irvine shows hits in vehicles and dispatch
    assert codes(sign_on(inside("irvine", "dispatcher"))) == (403, "ROLE_NOT_AUTHORISED")
    assert codes(sign_on(officer, unit="12;")) == (422, "FIELD_INVALID")
    assert codes(sign_on(officer, device_id="irvine-car-1")) == (403, "DEVICE_NOT_ASSIGNED")
    assert codes(officer.delete("/v1/session/unit")) == (404, "NOT_SIGNED_ON")
    assert officer.get("/v1/session/unit").json()["may_be"] == ["vehicle"]


@pytest.mark.requirement("DEF-10", partial="the indicator and local storage are the vehicle's own software")
@pytest.mark.requirement("TRN-08")
@pytest.mark.parametrize("agency", AGENCIES)
def test_signing_on_with_a_device_opens_a_session_on_it_that_ends_with_the_client(console, agency):
    name, device = make_person(console, agency, "officer"), f"{agency}-car-1"
    assign = (
        "INSERT INTO console.unit_assignments VALUES ($1, $2, $3, $4, now(), NULL, 'test')",
        make_id("unit", name), agency, person_id(name), device,
    )  # fmt: skip
    put(console, assign)
    with signed_in(console, name) as client:
        assert sign_on(client, unit=" 1a-12 ", device_id=device, shift="Night").json()["unit"] == "1A-12"
        assert sign_on(client, unit="1A-13", device_id=device, shift="Night").status_code == 201
        sessions = lambda: console.sql(  # noqa: E731
            "SELECT * FROM console.device_sessions WHERE person_id = $1 ORDER BY started_at", person_id(name)
        )
        first_one, second = sessions()
        assert (second["unit"], second["shift"], second["device_id"], second["ended_at"]) == (
            "1A-13",
            "Night",
            device,
            None,
        )
        assert first_one["ended_at"] is not None
        assert client.get("/v1/session/unit").json()["device_id"] == device
        assert client.delete("/v1/session/unit").status_code == 204
        assert sessions()[1]["ended_at"] is not None
        put(console, ("DELETE FROM console.training_records WHERE person_id = $1", person_id(name)))
        data_only = {need.tag for need in PROFILES[agency].access.training if need.activity == "access_data"}
        both = {need.tag for need in PROFILES[agency].access.training} - data_only
        if both:  # where operating a device takes a course of its own (TRN-08)
            assert sign_on(client, device_id=device).status_code == 403


def test_a_broadcast_goes_to_the_client_it_names_and_an_escalation_to_every_supervisor_in_the_field(console, inside):
    first_car, second_car, boss = inside("demo", "officer"), inside("demo", "officer"), inside("demo", "supervisor")
    ids = [
        sign_on(one, unit=unit).json()["client_id"] for one, unit in ((first_car, "1"), (second_car, "2"), (boss, "9"))
    ]
    streams = [Stream(one) for one in (first_car, second_car, boss)]
    for stream in streams:
        wait_for("the feed", lambda stream=stream: stream.named("snapshot"))
    hit = announce(console, "demo", "7BRD001")
    said = Broadcast(
        "b-1", "bolo", {"plate": "7BRD001", "direction": "N"}, ("primary",), ("patrol",), "Dana", datetime.now(UTC)
    )
    message = make_notification(
        hit, client=ClientKind.VEHICLE, target=ids[1], kind=NotificationKind.BROADCAST, broadcast=said,
        notification_id=make_id("told", "b-1", ids[1]),
    )  # fmt: skip
    raised = make_notification(
        hit, client=ClientKind.VEHICLE, target="supervisor", kind=NotificationKind.ESCALATION,
        notification_id=make_id("raised", hit.hit_id),
    )  # fmt: skip
    console.put(message, message, raised)
    got = wait_for("the broadcast", lambda: streams[1].named("message"))
    assert (got[0]["kind"], got[0]["content"]["fields"]["direction"], got[0]["content"]["by"]) == (
        "broadcast",
        "N",
        "Dana",
    )
    assert [one["kind"] for one in wait_for("the escalation", lambda: streams[2].named("message"))] == ["escalation"]
    wait_for("the hit itself", lambda: streams[0].named("incident"))
    assert (len(streams[1].named("message")), streams[0].named("message")) == (1, [])
    answer = second_car.post(f"/v1/deliveries/{got[0]['delivery_id']}/acknowledge")
    assert answer.status_code == 201
    (again,) = first(Stream(second_car))["messages"]
    assert again["acknowledged_at"]


def test_a_prompt_reaches_the_clients_of_its_unit_once(console, inside):
    car, other = inside("roseville", "officer"), inside("roseville", "officer")
    assert sign_on(car, unit="P7").status_code == sign_on(other, unit="P8").status_code == 201
    now = datetime.now(UTC)

    async def prompt():
        async with console.console.outbox.change("roseville") as connection:
            return await console.console.units.prompt(
                connection, "roseville", "p7", "pursuit-1", "A helicopter has arrived.", {"pursuit_id": "pursuit-1"},
                now, now + timedelta(days=1),
            )  # fmt: skip

    assert [console.run(prompt()) for _ in range(2)] == [1, 1]
    messages = wait_for("the prompt", lambda: first(Stream(car))["messages"])
    assert [(one["kind"], one["content"]["pursuit_id"]) for one in messages] == [("pursuit", "pursuit-1")]
    assert first(Stream(other))["messages"] == []


def test_a_screen_that_was_away_for_longer_than_events_are_kept_begins_anew(console, inside):
    client = inside("demo", "dispatcher")
    hit = announce(console, "demo", "7OLD001")
    (number,) = console.sql("SELECT max(event_no) AS last_no FROM console.events WHERE agency = 'demo'")
    stream = Stream(client, last_event_id=number["last_no"] - 1)
    wait_for("what it missed", lambda: stream.named("incident"))
    assert stream.named("snapshot") == []
    put(console, ("DELETE FROM console.events WHERE agency = 'demo'",))
    again = Stream(client, last_event_id=1)
    assert hit.hit_id in {card["hit_id"] for card in first(again)["incidents"]}
