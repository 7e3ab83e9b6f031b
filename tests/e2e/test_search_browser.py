"""From sign-in with a second factor to the auditor's page, in a real browser, with the ledger running and stopped."""

import re
import secrets
import time

import pytest

from alpr_console.accounts.rules import TOTP_STEP_S, totp
from tests.fixtures.browser import needs_chromium, opened_page, until, violations
from tests.fixtures.console import make_notification
from tests.fixtures.house import running_house
from tests.fixtures.people import PASSWORD, TOTP, make_person
from tests.fixtures.postgres import _database

pytestmark = needs_chromium
PLATE = "8HSE042"
INSIDE = (
    "[...document.querySelectorAll('.reads button, .reads img')].every((x) => x.getBoundingClientRect().right <= 1280)"
)
OPEN_PICTURES = "[...document.querySelectorAll('tr.shown img')].filter((image) => image.naturalWidth).length === 2"


@pytest.fixture(scope="module")
def house(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder, prefix = tmp_path_factory.mktemp("house"), f"hse{secrets.token_hex(3)}."
    with (
        _database(pg_admin_dsn, "house", f"TEMPLATE {pg_template}") as (_, database),
        running_house(database, kafka_bootstrap, prefix, folder, PLATE) as running,
    ):
        # one person per test: a code of the authenticator is taken once only
        roles = {
            "searcher": ("investigator",), "typist": ("investigator",), "desk": ("dispatcher", "investigator"),
            "latecomer": ("investigator",), "auditor": ("auditor",),
        }  # fmt: skip
        running.people = {name: make_person(running.console, "demo", *given) for name, given in roles.items()}
        yield running


@pytest.fixture
def page():
    with opened_page() as page:
        yield page


def sign_in_with_code(page, house, name):
    """Password, then the authenticator's code, as the person would. Answers the username."""
    username = house.people[name]
    page.goto(f"{house.console.url}/login")
    page.fill("[name=username]", username)
    page.fill("[name=password]", PASSWORD)
    page.click("button.main")
    page.wait_for_url("**/login*")
    page.wait_for_selector("#code")
    page.fill("#code", totp(TOTP, int(time.time()) // TOTP_STEP_S))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/(hits|search|audits)$"))
    return username


def search(page, house, *, look_in="reads"):
    page.goto(f"{house.console.url}/search")
    page.check(f"[name=look_in][value={look_in}]")
    page.fill("#plate", PLATE)
    page.select_option("#purpose_code", "criminal_investigation")
    page.fill("#case_number", "26-0042")
    page.fill("#justification", "A made-up burglary on Vernon Street")
    page.check("[name=attest_no_first_amendment]")
    page.click("#ask button.main")


@pytest.mark.requirement("AUD-01", partial="accesses of a unit that was offline: vehicle units are another program")
@pytest.mark.requirement("QRY-02")
def test_each_step_of_a_search_is_on_the_auditors_page(page, house):
    investigator = sign_in_with_code(page, house, "searcher")
    search(page, house)
    page.wait_for_selector("tbody tr")
    assert PLATE in page.inner_text("tbody")
    page.click("button.reason")
    assert "Exact: the plate read is the plate asked for." in page.inner_text("tr.because")
    page.click("button.show")
    until(page, OPEN_PICTURES)
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert page.evaluate(INSIDE), "every column lies inside the window, also with the pictures open"
    page.click("summary:has-text('Receipt')")
    with page.expect_download() as saved:
        page.click("#receipt-save")
    assert '"checkpoint"' in saved.value.path().read_text()
    assert PLATE not in page.url

    desk = page.context.browser.new_context().new_page()
    sign_in_with_code(desk, house, "auditor")
    desk.goto(f"{house.console.url}/audits/entries")
    desk.fill("#plate", PLATE)
    desk.select_option("#kind", "query")
    desk.click("#filter button.main")
    desk.wait_for_selector("tbody tr")
    assert PLATE not in desk.url
    desk.click("tbody tr >> nth=0 >> a")
    desk.wait_for_selector("ol.steps")
    deadline = time.monotonic() + 20  # the sign-in travels through the broker and may come after the search
    while "Signed in" not in desk.inner_text("ol.steps") and time.monotonic() < deadline:
        desk.wait_for_timeout(500)
        desk.reload()
    steps = re.findall("Signed in|Searched reads|Answer of a search|Opened an image", desk.inner_text("ol.steps"))
    assert sorted(steps) == [
        "Answer of a search",
        "Opened an image",
        "Opened an image",
        "Searched reads",
        "Signed in",
    ]
    assert desk.is_visible("text=Proof holds")
    facts = desk.inner_text("main")
    for words in (investigator, "A made-up burglary on Vernon Street", "26-0042", "127.0.0.1"):
        assert words in facts
    assert violations(desk) == []


def press_until(page, key, question, most=60):
    for _ in range(most):
        if page.evaluate(question):
            return
        page.keyboard.press(key)
    pytest.fail(f"{most} times {key} did not lead to {question}")


def test_by_keyboard_alone_from_the_form_to_the_picture(page, house):
    sign_in_with_code(page, house, "typist")
    page.goto(f"{house.console.url}/search")
    until(page, "document.activeElement.id === 'plate'")
    page.keyboard.type(PLATE)
    press_until(page, "Tab", "document.activeElement.id === 'purpose_code'")
    page.keyboard.type("Criminal inv")
    page.keyboard.press("Tab")
    page.keyboard.type("26-0042")
    press_until(page, "Tab", "document.activeElement.id === 'justification'")
    page.keyboard.type("A made-up burglary on Vernon Street")
    press_until(page, "Tab", "document.activeElement.name === 'attest_no_first_amendment'")
    page.keyboard.press("Space")
    press_until(page, "Tab", "document.activeElement.matches('#ask button.main')")
    page.keyboard.press("Enter")
    page.wait_for_selector("tbody tr")
    until(page, "document.activeElement.id === 'result'")
    press_until(page, "Tab", "document.activeElement.matches('button.show')")
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid", "the focus must be seen"
    page.keyboard.press("Enter")
    until(page, OPEN_PICTURES)
    assert violations(page) == []


@pytest.mark.requirement("QRY-01")
def test_without_the_ledger_nothing_is_shown_and_alerts_still_ring(page, house):
    sign_in_with_code(page, house, "desk")
    search(page, house)
    page.wait_for_selector("tbody tr")
    house.audit.stop()
    try:
        page.click("button.show")
        page.wait_for_selector("tr.shown .waiting:has-text('Not opened')")
        assert page.locator("tr.shown img").count() == 0
        for look_in in ("reads", "hits"):
            search(page, house, look_in=look_in)
            page.wait_for_selector(".note.bad")
            assert "Searching is closed" in page.inner_text("#answer")
            assert PLATE not in page.inner_text("#answer")
            assert page.locator("tbody").count() == 0
        page.troubles.clear()  # the refused calls are what this test is about

        page.goto(f"{house.console.url}/hits")
        page.wait_for_selector("#feed.good")
        page.click("#arm")
        page.wait_for_selector("#sound-state.good")
        house.console.publish(make_notification(house.hit))
        page.wait_for_selector(".detail .plate")
        assert page.get_attribute(".plate", "aria-label").startswith("Plate: 8, H, S, E")
        for role in ("closeup", "context"):
            until(page, f"document.querySelector('figure.{role} img')?.naturalWidth > 0")
        until(page, "document.querySelectorAll('.trail li.open').length === 0")
        page.goto(f"{house.console.url}/search/waiting")
        assert "ledger does not answer" in page.inner_text("main")
        page.troubles.clear()
    finally:
        house.audit.start()


def test_with_the_ledger_back_searches_are_answered_again(page, house):
    sign_in_with_code(page, house, "latecomer")
    search(page, house)
    page.wait_for_selector("tbody tr")
    search(page, house, look_in="hits")
    page.wait_for_selector("tbody tr")
    assert "SVS" in page.inner_text("tbody")
