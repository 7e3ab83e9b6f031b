"""Looking after people in a real browser: a new colleague from an empty form to a first password, by keyboard."""

import secrets

import pytest

from tests.fixtures import browser
from tests.fixtures.browser import needs_chromium, opened_page
from tests.fixtures.console import running_console
from tests.fixtures.postgres import _database

pytestmark = needs_chromium
PREFIX = f"peo{secrets.token_hex(3)}."


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder = tmp_path_factory.mktemp("people-browser")
    with (
        _database(pg_admin_dsn, "people_browser", f"TEMPLATE {pg_template}") as (_, database),
        running_console(database, kafka_bootstrap, PREFIX, folder) as running,
    ):
        yield running


def fill(page, **fields):
    for name, value in fields.items():
        page.fill(f"dialog[open] [name={name}]", value)


def test_a_new_colleague_from_form_to_first_password(console):
    with opened_page() as page:
        browser.sign_in(page, console.url, "manager")
        page.goto(f"{console.url}/training")
        page.focus("[data-opens=new-course]")
        page.keyboard.press("Enter")
        fill(page, name="ALPR basics", version="2026-1", tags="alpr")
        page.keyboard.press("Enter")
        page.wait_for_selector("td form[data-send$='approval'] button")
        page.click("td form[data-send$='approval'] button")
        page.wait_for_selector("td form[data-send$='approval'] button", state="detached")
        assert browser.violations(page) == []

        page.goto(f"{console.url}/people")
        assert browser.violations(page) == []
        page.click("[data-opens=new-account]")
        fill(page, full_name="Dispatch Desk", username="rory.adams", employee_id="2201", job_title="Police Officer")
        page.select_option("dialog[open] [name=category]", "sworn")
        page.check("dialog[open] [value=officer]")
        page.click("dialog[open] button.main")
        page.wait_for_selector("dialog[open] [data-refusal]:has-text('first and the last name')")
        page.troubles.clear()  # the refusal's own 422
        fill(page, full_name="Rory Adams")
        page.click("dialog[open] button.main")
        page.click("a[href='/people/rory.adams']")
        page.wait_for_selector("main:has-text('Training to see any data')")
        page.click("form[data-send$='activation'] button")
        page.wait_for_selector("form[data-send$='activation'] [data-refusal]")
        page.troubles.clear()

        page.goto(f"{console.url}/training")
        page.click("[data-opens=new-record]")
        page.select_option("dialog[open] [name=username]", "rory.adams")
        page.select_option("dialog[open] [name=course_id]", label="ALPR basics, version 2026-1")
        fill(page, trainer="Lee Morgan")
        page.click("dialog[open] button.main")
        page.wait_for_selector("dialog[open]", state="detached")
        page.goto(f"{console.url}/people/rory.adams")
        page.click("form[data-send$='activation'] button")
        page.wait_for_selector("form[data-send$='activation']", state="detached")
        page.click("form[data-send$='acknowledgments'] button")
        page.wait_for_selector("form[data-send$='acknowledgments']", state="detached")
        page.wait_for_selector("main:has-text('Everything the policy asks for is on file')")
        page.click("form[data-send$='credentials'] button")
        page.wait_for_selector("form[data-send$='credentials'] output:visible")
        assert len(page.text_content("form[data-send$='credentials'] output")) >= 12
        assert browser.violations(page) == []


def test_every_page_about_people_is_accessible(console):
    with opened_page() as page:
        browser.sign_in(page, console.url, "manager")
        for path in ("/people-assignments", "/people-reviews", "/my-training", "/policy", "/people/dispatcher"):
            page.goto(console.url + path)
            assert browser.violations(page) == []
