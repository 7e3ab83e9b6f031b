"""The CAD page in a real browser: an endpoint is added, its secret shown once, and what the CAD said stands there."""

from datetime import UTC, datetime, timedelta

import pytest

from alpr_console.hits.rules import place
from alpr_console.web import COOKIE
from alprcore.model import CadSaid, CadStatus
from tests.fixtures import people
from tests.fixtures.browser import look, needs_chromium, opened_page
from tests.fixtures.console import make_hit, make_notification
from tests.fixtures.postgres import _database
from tests.fixtures.served import served

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, tmp_path_factory):
    with (
        _database(pg_admin_dsn, "cadpage", f"TEMPLATE {pg_template}") as (_, database),
        served(database, tmp_path_factory.mktemp("cadpage")) as running,
    ):
        yield running


@pytest.fixture
def page(console):
    """A browser with the session of an administrator."""
    token = people.session_of(console, people.make_person(console, "demo", "alpr_admin"))
    with opened_page() as page:
        page.context.add_cookies([{"name": COOKIE, "value": token, "url": console.url}])
        yield page


def test_an_endpoint_is_added_and_its_secret_is_shown_once(page, console):
    page.goto(f"{console.url}/cad")
    assert "The CAD has not said anything yet." in page.inner_text("main")
    page.fill("input[name=name]", "County dispatch")
    page.fill("input[name=url]", "https://cad.example/hits")
    page.click("text=Add an endpoint")
    shown = page.inner_text("main .note code")
    assert shown.startswith("whsec_")
    wrong = look(page, "the secret")
    page.goto(f"{console.url}/cad")
    assert "County dispatch" in page.inner_text("main")
    assert shown not in page.content()
    page.click("text=New secret")
    assert page.inner_text("main .note code") not in ("", shown)
    page.click("text=Switch off")
    assert "Switch on" in page.inner_text("main")
    page.fill("input[name=name]", "Inside")
    page.fill("input[name=url]", "https://10.0.0.1/hits")
    page.click("text=Add an endpoint")
    refused = page.inner_text("main .note.bad")
    assert refused.startswith("Refused.")
    assert "ALPR_CONSOLE_WEBHOOK_NETWORKS" in refused
    page.troubles.clear()  # the browser notes the 422
    assert wrong + look(page, "a refusal") == []


def test_what_the_cad_said_is_listed_with_what_was_not_applied(page, console):
    note, now = make_notification(make_hit("7PAG001")), datetime.now(UTC)
    console.put(note)
    for number, (said, reason) in enumerate([(CadSaid.REJECTED, "duplicate of 26-11"), (CadSaid.ON_SCENE, "")]):
        status = CadStatus(f"p-{number}", note.incident_id, said, now + timedelta(seconds=number), reason)
        console.run(console.console.cad.put_status("demo", status, now))
    page.goto(f"{console.url}/cad")
    words = page.inner_text("main")
    assert "duplicate of 26-11" in words
    assert words.count(f"{place(note.hit)}\nseen ") == 2
    assert "Not applied: CAD_OUT_OF_ORDER" in words
    assert look(page, "/cad") == []
