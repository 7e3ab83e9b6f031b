"""What stands around a hit on a dispatcher's screen: the change of shift, a recall, the CAD's refusal, made-up answers."""

from datetime import UTC, datetime

import pytest

from alpr_console.web import COOKIE
from alprcore.model import CadSaid, CadStatus, NotificationKind, make_id
from tests.fixtures.browser import needs_chromium, opened_page, picture, take_by_key, until, violations
from tests.fixtures.console import make_hit, make_notification
from tests.fixtures.people import make_person, put, session_of, signed_in
from tests.fixtures.postgres import _database
from tests.fixtures.served import served

pytestmark = needs_chromium
AGENCY = "westminster"


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, tmp_path_factory):
    stub = {AGENCY: {"adapter": "stub", "allow_test": True}}
    with (
        _database(pg_admin_dsn, "shift", f"TEMPLATE {pg_template}") as (_, database),
        served(database, tmp_path_factory.mktemp("shift"), confirmations=stub) as running,
    ):
        running.doors.answers["GET", "/v1/live-hits/"] = (200, "image/jpeg", picture(300, 120))
        running.leaving, running.coming = (make_person(running, AGENCY, "dispatcher") for _ in range(2))
        put(running, ("UPDATE console.people SET grants = '{clets,federal}' WHERE username LIKE 'p%'",))
        yield running


@pytest.fixture(scope="module")
def windows(console):
    """The screens of who leaves and of who comes."""
    with opened_page(1280, 800) as leaving:
        coming = leaving.context.browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        coming.on("pageerror", lambda error: leaving.troubles.append(str(error)))
        for page, person in ((leaving, console.leaving), (coming, console.coming)):
            page.context.add_cookies([{"name": COOKIE, "value": session_of(console, person), "url": console.url}])
        yield leaving, coming


def ring(console, plate, **changes):
    hit = make_hit(plate, agency=AGENCY, **changes)
    console.put(make_notification(hit))
    return hit


def name_of(console, username):
    return console.sql("SELECT full_name FROM console.people WHERE username = $1", username)[0]["full_name"]


def choose(page, console, plate):
    page.goto(f"{console.url}/hits")
    page.wait_for_selector(f".ticket:has-text('{plate}')")
    keys = iter("kkkkkkkkjjjjjjjj")  # up to the first ticket, then down
    while (key := next(keys)) == "k" or plate not in (page.text_content(".ticket[aria-current]") or ""):
        page.keyboard.press(key)
    page.wait_for_selector(".checklist")


@pytest.mark.requirement("HIT-15")
def test_a_shift_is_handed_over_by_keys_and_the_hits_stay_somebodys_at_every_moment(windows, console):
    leaving, coming = windows
    hit = ring(console, "7SHF001")
    coming.goto(f"{console.url}/hits")
    coming.wait_for_selector("#feed.good")
    choose(leaving, console, "7SHF001")
    take_by_key(leaving)
    leaving.keyboard.press("h")
    leaving.wait_for_selector("#hand-over select option", state="attached", timeout=20_000)
    leaving.wait_for_selector("#shift-state:has-text('My open hits (1)')")
    assert violations(leaving) == []
    leaving.focus("#hand-over [name=to]")
    leaving.keyboard.press("Tab")
    leaving.keyboard.type("White sedan, last seen north of Main")
    leaving.keyboard.press("Tab")
    leaving.keyboard.press("Enter")
    leaving.wait_for_selector("#shift-said:has-text('stay yours until it is taken')")
    with signed_in(console, console.leaving) as client:
        assert client.get(f"/v1/hits/{hit.hit_id}/work").json()["owner"]["name"] == name_of(console, console.leaving)
    coming.reload()
    coming.wait_for_selector("#duty-banner:has-text('hands over 1 hit: White sedan')")
    coming.keyboard.press("h")
    coming.wait_for_selector("[data-deed=acceptance]:visible")
    assert violations(coming) == []
    coming.focus("[data-deed=acceptance]")
    coming.keyboard.press("Enter")
    coming.wait_for_selector("#shift-said:has-text('1 hits are yours')")
    with signed_in(console, console.coming) as client:
        assert client.get(f"/v1/hits/{hit.hit_id}/work").json()["owner"]["name"] == name_of(console, console.coming)


def test_a_recall_and_a_refusal_of_the_cad_are_said_and_stay(windows, console):
    page, _ = windows
    hit = ring(console, "7RCL001")
    other = ring(console, "7RCL002")
    choose(page, console, "7RCL002")
    said = CadStatus(
        make_id("said", other.hit_id), make_notification(other).incident_id, CadSaid.REJECTED, datetime.now(UTC),
        reason="duplicate of 26-000776",
    )  # fmt: skip
    console.run(console.console.cad.put_status(AGENCY, said, datetime.now(UTC)))
    page.wait_for_selector(".ticket:has-text('7RCL002') .tag:has-text('CAD rejected')")
    page.wait_for_selector(".cad.rejected[role=alert]:has-text('duplicate of 26-000776')")
    gone = make_hit("7RCL001", agency=AGENCY, withdrawn_at=datetime.now(UTC), withdrawn_reason="not_listed")
    console.put(make_notification(gone, revision=2, first=hit, kind=NotificationKind.RECALL))
    page.wait_for_selector(".ticket.ended:has-text('7RCL001') .tag:has-text('WITHDRAWN')")
    assert "Withdrawn: plate 7 R C L 0 0 1" in page.text_content("#say")
    assert violations(page) == []


@pytest.mark.requirement("HIT-09")
def test_a_made_up_answer_says_test_where_it_is_asked_and_wherever_it_stands(windows, console):
    page, _ = windows
    hit = ring(console, "7TST001")
    with signed_in(console, console.leaving) as client:
        looked = {"result": "correct", "method": "image_review", "state_confirmed": "match"}
        assert client.post(f"/v1/hits/{hit.hit_id}/read-check", json=looked).status_code == 201
    choose(page, console, "7TST001")
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    page.wait_for_selector("[data-step-form=verify] .test-stamp:has-text('Never act on it')")
    page.focus("#ask-adapter")
    page.keyboard.press("Enter")
    until(page, "[...document.querySelectorAll('.test-stamp')].some((one) => one.textContent === 'TEST')")
    assert violations(page) == []
