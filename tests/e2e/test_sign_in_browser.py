"""Signing in, setting up and the locked screen in a real browser, with a virtual security key, by keyboard alone."""

import os
import secrets
import time
from pathlib import Path

import pytest

from alpr_console.accounts.rules import totp
from tests.fixtures import people
from tests.fixtures.browser import needs_chromium, opened_page, until, violations
from tests.fixtures.console import running_console, sql, wait_for
from tests.fixtures.postgres import _database

pytestmark = needs_chromium
NEW_PASSWORD = "79 kestrels above the levee"
SHOTS = os.environ.get("ALPR_TEST_SHOTS", "")


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder, prefix = tmp_path_factory.mktemp("sign_in_web"), f"siw{secrets.token_hex(3)}."
    with (
        _database(pg_admin_dsn, "siginweb", f"TEMPLATE {pg_template}") as (_, database),
        running_console(database, kafka_bootstrap, prefix, folder) as running,
    ):
        running.url = running.url.replace("127.0.0.1", "localhost")  # an address without a name has no security keys
        yield running


@pytest.fixture
def page(console):
    with opened_page() as opened:
        yield opened


def security_key(page):
    """Plug a virtual security key into the browser; it verifies its person by itself."""
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "usb", "hasUserVerification": True, "isUserVerified": True}
    key = tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]
    return lambda verified: tools.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": verified})


def fill_in(page, console, username, password=people.PASSWORD):
    """Sign in by keyboard: the first field has the focus, Enter acknowledges the notice and signs in."""
    page.goto(f"{console.url}/login")
    until(page, "document.activeElement.name === 'username'")
    page.keyboard.type(username)
    page.keyboard.press("Tab")
    page.keyboard.type(password)
    page.keyboard.press("Enter")


def code_now(secret=people.TOTP):
    return totp(secret, int(time.time()) // 30)


def seen(page, name):
    """axe-core finds nothing; where a folder for pictures is given, one is kept."""
    assert violations(page) == []
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def forget_code(console, username):
    sql(console, "UPDATE console.people SET totp_last_step = 0 WHERE username = $1", username)


@pytest.mark.requirement("SEC-03", partial="one control of many: CJIS AC-8, IA-2, IA-5")
def test_a_first_sign_in_sets_up_a_password_a_key_and_an_authenticator(page, console):
    username = people.make_person(console, "irvine", "dispatcher")
    sql(
        console,
        "UPDATE console.people SET password_first = true, password_at = now(), totp_secret = '' WHERE username = $1",
        username,
    )
    verified = security_key(page)
    page.goto(f"{console.url}/")
    page.wait_for_url("**/login")
    assert "monitored, recorded" in page.inner_text("#notice")
    seen(page, "login")
    fill_in(page, console, username)
    page.wait_for_url("**/setup")
    assert "own password" in page.inner_text("h1")
    seen(page, "setup-password")
    page.fill("[name=new]", NEW_PASSWORD)
    page.fill("[name=again]", NEW_PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("#add-key")
    seen(page, "setup-factor")
    page.goto(f"{console.url}/hits")
    page.wait_for_url("**/setup")  # nothing else opens before
    page.fill("#label", "Blue key")
    page.keyboard.press("Enter")
    page.wait_for_url("**/hits")
    page.goto(f"{console.url}/account")
    assert "Blue key" in page.inner_text("main")
    page.click("text=Set up an authenticator app")
    page.wait_for_selector(".qr-box svg")
    seen(page, "account-qr")
    page.fill("#code", code_now(page.inner_text(".secret code")))
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Your authenticator is set up.")
    seen(page, "account")
    page.click(".menu summary")
    page.click("text=Sign out")
    page.wait_for_url("**/login")
    # the next sign-in: password, then the key
    fill_in(page, console, username, NEW_PASSWORD)
    page.wait_for_selector("#use-key")
    seen(page, "second")
    verified(False)
    page.click("#use-key")
    page.wait_for_selector("#key-trouble:not([hidden])", timeout=130_000)
    verified(True)
    page.click("#use-key")
    page.wait_for_url("**/hits")
    assert page.troubles == []


@pytest.mark.requirement("SEC-03", partial="one control of many: CJIS AC-11")
def test_an_idle_page_hides_itself_and_comes_back_as_it_was(page, console):
    username = people.make_person(console, "irvine", "investigator")
    forget_code(console, username)
    fill_in(page, console, username)
    page.wait_for_selector("#code")
    page.keyboard.type(code_now())
    page.keyboard.press("Enter")
    page.wait_for_url("**/hits")
    page.goto(f"{console.url}/search")
    field = page.locator("main textarea, main input[type=text]").first
    field.fill("half a word")
    page.wait_for_load_state("networkidle")  # what the page asks as it opens is a use of the session
    sql(
        console,
        "UPDATE console.sessions s SET last_seen_at = now() - interval '31 min' FROM console.people p"
        " WHERE p.person_id = s.person_id AND p.username = $1",
        username,
    )
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_selector("dialog.lock[open]")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).visibility") == "hidden"
    assert page.title() == "Locked – Plateline"
    seen(page, "lock")
    page.keyboard.press("Escape")
    assert page.is_visible("dialog.lock")
    until(page, "document.activeElement.id === 'lock-password'")
    forget_code(console, username)
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog.lock .note:not([hidden])")
    page.troubles.clear()  # the refused attempt is an error to the browser
    page.keyboard.type(people.PASSWORD)
    page.keyboard.press("Tab")
    page.keyboard.type(code_now())
    with page.expect_response("**/v1/session/activity"):  # the page says by itself that it is used again
        page.keyboard.press("Enter")
    page.wait_for_selector("dialog.lock", state="detached")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).visibility") == "visible"
    assert field.input_value() == "half a word"
    meta = page.evaluate("document.querySelector('meta[name=csrf]').content")
    until(page, f"[...document.querySelectorAll('input[name=csrf]')].every((one) => one.value === '{meta}')")
    # a page that is opened while the session is locked asks first
    sql(console, "UPDATE console.sessions SET last_seen_at = now() - interval '31 min'")
    page.goto(f"{console.url}/search")
    page.wait_for_url("**/locked?next=%2Fsearch")
    seen(page, "locked")


def test_an_administrator_sees_what_happened_and_releases(page, console):
    username = people.make_person(console, "irvine", "officer")
    admin_name = people.make_person(console, "irvine", "alpr_admin")
    for _ in range(5):
        fill_in(page, console, username, "wrong")
        page.wait_for_selector(".note.bad")
    fill_in(page, console, username)
    page.wait_for_selector("text=until an ALPR administrator releases it")
    seen(page, "login-locked")
    page.troubles.clear()  # refused sign-ins are errors to the browser
    forget_code(console, admin_name)
    fill_in(page, console, admin_name)
    page.wait_for_selector("#code")
    page.keyboard.type(code_now())
    page.keyboard.press("Enter")
    page.wait_for_selector("a[href='/alerts']")
    page.click("a[href='/alerts']")
    seen(page, "alerts")
    page.click("text=Release account")
    locked = "SELECT 1 FROM console.people WHERE username = $1 AND locked_at IS NOT NULL"
    wait_for("the release", lambda: not sql(console, locked, username))
