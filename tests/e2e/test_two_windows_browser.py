"""A mobile hit from its ring to a closed call in two windows, a vehicle's and a dispatcher's, by keys alone."""

from contextlib import ExitStack
from dataclasses import replace

import pytest

from alpr_console.web import COOKIE
from alprcore.model import ClientKind, DeviceKind
from tests.fixtures.browser import needs_chromium, opened_page, picture, take_by_key, until, violations
from tests.fixtures.console import make_hit, make_notification, sealed
from tests.fixtures.people import AGENCIES, PROFILES, make_person, put, session_of, signed_in
from tests.fixtures.postgres import _database
from tests.fixtures.served import served

pytestmark = needs_chromium
VEHICLE, DISPATCH = "vehicle", "dispatch"
WHO = {
    "claremont": {"read_check": VEHICLE, "verify": DISPATCH, "action": VEHICLE},
    "escondido": {"read_check": VEHICLE, "verify": VEHICLE, "nature_review": VEHICLE},
    "irvine": {"verify": DISPATCH, "action": VEHICLE},
    "roseville": {
        "broadcast": VEHICLE, "call": DISPATCH, "verify": DISPATCH, "describe": DISPATCH, "broadcast_result": DISPATCH,
        "action": VEHICLE,
    },
    "westminster": {"verify": VEHICLE, "action": VEHICLE},
}  # fmt: skip
"""Who does which step of the profile's mobile sequence; the dispatcher enters the outcome and closes."""
WATCHED = "window.pointed = 0; addEventListener('pointerdown', () => { window.pointed += 1; }, true);"
REASON = "The officer stands beside the vehicle and reads the plate"
REFUSED = "Boolean(document.querySelector('.refusal:not([hidden])'))"
FORM = "document.activeElement?.closest('[data-step-form]')?.dataset.stepForm ?? ''"
STATUS = "(step) => document.querySelector(`.checklist [data-key='step-${step}']`)?.className ?? ''"


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, tmp_path_factory):
    with (
        _database(pg_admin_dsn, "windows", f"TEMPLATE {pg_template}") as (_, database),
        served(database, tmp_path_factory.mktemp("windows")) as running,
    ):
        running.doors.answers["GET", "/v1/live-hits/"] = (200, "image/jpeg", picture(300, 120))
        yield running


@pytest.fixture(scope="module")
def windows(console):
    """A vehicle's terminal and a dispatcher's screen in two sessions of one browser."""
    with opened_page(1280, 800) as dispatch:
        vehicle = dispatch.context.browser.new_context(viewport={"width": 1024, "height": 768}).new_page()
        vehicle.on("pageerror", lambda error: dispatch.troubles.append(str(error)))
        for page in (vehicle, dispatch):
            page.context.add_init_script(WATCHED)
        yield {VEHICLE: vehicle, DISPATCH: dispatch}
        # a gate that asks for a reason is a 409, which the browser notes by itself
        dispatch.troubles[:] = [one for one in dispatch.troubles if "409 (Conflict)" not in one]


def enter(page, console, token, path):
    page.context.clear_cookies()
    page.context.add_cookies([{"name": COOKIE, "value": token, "url": console.url}])
    page.goto(f"{console.url}{path}")


def choose(page, plate):
    """Choose the hit by keys and take it."""
    page.wait_for_selector(f".ticket:has-text('{plate}')")
    while plate not in (page.text_content(".ticket[aria-current]") or ""):
        page.keyboard.press("j")
    page.wait_for_selector(".checklist")
    take_by_key(page)


def do(page, step):
    """Fill in the form that has the focus, and send it."""
    until(page, f"({FORM}) === '{step}'")
    if step == "read_check":
        page.keyboard.type("On the vehicle")  # as an officer compares it (HIT-16)
        while page.evaluate("document.activeElement.name") != "state_confirmed":
            page.keyboard.press("Tab")
        page.keyboard.type("As listed")
    elif step == "verify":
        while page.evaluate("document.activeElement.name") != "result":
            page.keyboard.press("Tab")
        page.keyboard.press("Space")
    elif step == "broadcast":
        while page.evaluate("document.activeElement.name") != "channels":
            page.keyboard.press("Tab")
        page.keyboard.type("car-to-car")
    elif step == "call":
        page.keyboard.type(page.inner_text("[data-field=call_type] .hint").removeprefix("for this hit: "))
    elif step == "action":
        acted(page)
    elif step == "disposition":
        recovered(page)
    if page.evaluate("Boolean(document.activeElement.closest('form').querySelector('.reason:not([hidden])'))"):
        while page.evaluate("document.activeElement.name") != "override_reason":
            page.keyboard.press("Tab")
        page.keyboard.type(REASON)
    page.keyboard.press("Enter" if step == "closure" else "Control+Enter")
    until(page, f"{REFUSED} || ({STATUS})('{step}').includes('done')")
    if page.evaluate(REFUSED) and page.evaluate("document.activeElement.name") == "override_reason":
        page.keyboard.type(REASON)  # a gate that a reason passes asks for it
        page.keyboard.press("Control+Enter")


def acted(page):
    """Fill in a stop, with its own basis where the policy asks one: a hit alone is none (HIT-12)."""
    page.keyboard.type("Traffic stop")
    if page.locator("[name=basis_type]").count():
        while page.evaluate("document.activeElement.name") != "basis_type":
            page.keyboard.press("Tab")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
        page.keyboard.type("The driver fled when the patrol car turned around")


def recovered(page):
    """Fill in that the vehicle was recovered: where is typed, the time is there already (HIT-25)."""
    for name, keys in (("outcome", "ArrowDown"), ("occupied", "Space"), ("recovered", "ArrowLeft")):
        while page.evaluate("document.activeElement.name") != name:
            page.keyboard.press("Tab")
        page.keyboard.press(keys)
    page.keyboard.press("Tab")
    page.keyboard.type("Main Street at 5th Avenue")
    assert page.locator("[name=recovered_at]").input_value()


def settled(pages, step):
    """Both windows show that it was done, the other one by itself."""
    for page in pages:
        until(page, f"{REFUSED} || ({STATUS})('{step}').includes('done')")
        assert "done" in page.evaluate(STATUS, step), (step, page.locator(".refusal:visible").all_inner_texts())


@pytest.mark.requirement("HIT-26")
@pytest.mark.parametrize("agency", AGENCIES)
def test_a_mobile_hit_is_closed_in_two_windows_by_keys_alone(windows, console, agency):
    sequence = PROFILES[agency].hits.mobile_sequence
    assert set(sequence) == WHO[agency].keys()
    officer, dispatcher = (make_person(console, agency, role) for role in ("officer", "dispatcher"))
    put(console, ("UPDATE console.people SET grants = '{clets,federal}' WHERE username LIKE 'p%'",))
    with ExitStack() as stack:
        car = session_of(console, officer)
        client = stack.enter_context(signed_in(console, dispatcher))
        enter(windows[VEHICLE], console, car, "/unit")
        windows[VEHICLE].keyboard.type("1A12")
        windows[VEHICLE].keyboard.press("Enter")
        windows[VEHICLE].wait_for_selector("#feed.good")
        enter(windows[DISPATCH], console, session_of(console, dispatcher), "/hits")
        windows[DISPATCH].wait_for_selector("#feed.good")
        hit = make_hit("7MOB001", agency=agency, device_name="Unit 1A12")
        hit = replace(hit, read=replace(hit.read, device_kind=DeviceKind.MOBILE))
        hit = sealed(hit, console.keys, vehicle_year="2014", vehicle_color="WHI", vehicle_make="Honda")
        console.put(make_notification(hit), make_notification(hit, client=ClientKind.VEHICLE, target="vehicles"))
        for page in windows.values():
            choose(page, "7MOB001")
            assert violations(page) == []
        for number, step in enumerate(sequence, 1):
            page = windows[WHO[agency][step]]
            if "done" in page.evaluate(STATUS, step):
                continue  # the call's form asked for description and direction
            page.keyboard.press("Escape")
            page.keyboard.press(str(number))
            do(page, step)
            settled(windows.values(), step)
        page = windows[DISPATCH]
        if PROFILES[agency].hits.stolen_call:  # confirmed: now it is a stolen vehicle's call (HIT-24)
            page.keyboard.press("Escape")
            page.keyboard.press(str(sequence.index("call") + 1))
            until(page, f"({FORM}) === 'call'")
            assert page.locator("[name=call_type]").input_value() == "", "what is entered is chosen by a person"
            page.keyboard.type("Stolen vehicle")
            assert page.locator("[name=call_type]").input_value() == "stolen_vehicle"
            page.keyboard.press("Control+Enter")
            until(page, f"({FORM}) !== 'call'")
        for step in ("disposition", "closure"):
            page.keyboard.press("Escape")
            page.keyboard.press(page.inner_text(f"[data-key='step-{step}'] .sign"))
            do(page, step)
            settled([page], step)
        windows[VEHICLE].wait_for_selector(".ticket.ended:has-text('7MOB001')")
        assert [page.evaluate("window.pointed") for page in windows.values()] == [0, 0]
        assert [violations(page) for page in windows.values()] == [[], []]
        work = client.get(f"/v1/hits/{hit.hit_id}/work").json()
        assert work["state"] == "closed"
        assert work["disposition"]["recovered"] is True
        assert work["disposition"]["recovered_at"]
        assert [step["step"] for step in work["steps"] if step["listed"]] == list(sequence)
        told = client.get(f"/v1/hits/{hit.hit_id}/notifications").json()["notifications"]
        assert all(
            row["delivered_at"] and row["presented_at"] and row["acknowledged_at"]
            for row in told
            if row["kind"] == "hit"
        )
