"""Lists, hot plates, approvals and canvasses in a real browser, with the real services behind the console."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from alpr_cli import demo
from alprcore import plates, wire
from alprcore.kafka import KafkaSettings, Publisher
from alprcore.model import GeoPoint, Location, LocationQuality
from alprcore.topics import Topic
from tests.fixtures.browser import look, needs_chromium, opened_page, sign_in, until
from tests.fixtures.doors import make_read

pytestmark = needs_chromium
LISTED = 230
"""Entries of the file: a dry run of fewer would tell about single vehicles, and is refused."""
LINES = ["plate,state,reason,notes", *(f"8W{number:05},US-CA,stolen_vehicle,made up" for number in range(LISTED))]
LINES.insert(3, ",US-CA,stolen_vehicle,no plate")


@pytest.fixture
def page():
    with opened_page() as page:
        yield page
        # reads of these tests have no pictures, and every look at the live page asks for them
        page.troubles[:] = [one for one in page.troubles if "410 (Gone)" not in one]


@pytest.fixture
def entered(stack, page):
    """A page on which somebody signs in, after whoever did before."""

    def sign(username, path):
        page.goto("about:blank")  # a page that still looks after its session would find it gone
        page.context.clear_cookies()
        sign_in(page, stack.console, username, stack.demo_password)
        page.goto(stack.console + path)
        page.troubles.clear()  # the page that is come by shows hits, too
        return page

    return sign


def seen(stack, plate, number, **changes):
    """Publish a read, as the recognizer does, at a place and time of the test's own."""
    read = make_read(plate, number=number, state="US-CA", **changes)

    async def send():
        async with Publisher(KafkaSettings(bootstrap=stack.bootstrap)) as publisher:
            headers = wire.headers_for(Topic.READS, id=read.read_id, source="recognizer", time=datetime.now(UTC))
            key = plates.skeleton(read.plate)
            await publisher.publish(Topic.READS, key=key, value=wire.encode_read(read), headers=headers)

    with ThreadPoolExecutor(1) as pool:  # the browser's own loop runs in this thread
        pool.submit(asyncio.run, send()).result()
    return read


def a_list(stack, **changes):
    """Make a list as the administrator; answers its code."""
    code = f"WEB{secrets.token_hex(3).upper()}"
    body = {
        "code": code, "name": "Made in a browser test", "source": "made-up records", "advisory_class": "stolen_vehicle",
        "legitimate_interest": "made-up stolen vehicles of this test", **changes,
    }  # fmt: skip
    with demo.Session(stack.console, "administrator", stack.demo_password) as admin:
        admin.call("POST", "/v1/hotlists", json=body)
    return code


def choose(page, lines):
    """Choose a file as the source sends it, made a moment ago."""
    page.set_input_files("#file", {"name": "list.csv", "mimeType": "text/csv", "buffer": "\n".join(lines).encode()})
    page.select_option("#layout", "generic_csv")
    wall = "new Intl.DateTimeFormat('sv-SE', {timeZone: document.body.dataset.timezone, dateStyle: 'short', timeStyle: 'medium'}).format(new Date()).replace(' ', 'T')"
    page.fill("#source_time", page.evaluate(wall))


@pytest.mark.requirement("HOT-13", partial="the console's pages; hits and vehicle copies are tested elsewhere")
@pytest.mark.requirement("HOT-04", partial="a file through the pages; matching after the switch is tested elsewhere")
def test_a_file_is_previewed_tried_and_put_in_force_by_keyboard(stack, entered):
    code = a_list(stack)
    page = entered("administrator", f"/lists/{code}")
    assert "Never loaded" in page.inner_text("main")
    choose(page, LINES)
    page.focus("#upload button[value=previews]")
    page.keyboard.press("Enter")
    until(page, "document.activeElement.id === 'preview'")
    figures = dict(
        zip(page.locator("#preview dt").all_inner_texts(), page.locator("#preview dd").all_inner_texts(), strict=True)
    )
    assert (figures["Entries"], figures["Added"], figures["Left out"]) == (f"{LISTED}", f"{LISTED}", "1")
    assert not {"false", "null"}.intersection(page.inner_text("#preview").split())
    page.click("#preview summary")
    assert page.locator("#preview tbody tr").all_inner_texts()[0].split("\t") == ["4", "there is no plate"]
    page.focus("#upload button[value=dry-runs]")
    page.keyboard.press("Enter")
    page.wait_for_selector("#preview .dry")
    said = page.inner_text("#preview .dry")
    assert said.startswith("It would have made ")
    assert "alerts in the last 24 h" in said
    assert look(page, "preview") == []
    assert "Never loaded" in page.inner_text("header.found"), "a preview changed something"
    page.focus("#put-in-force button.main")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=In force")
    assert "less than a minute" in page.inner_text(".age.good")
    page.click(f"a[href='/lists/{code}/loads/1']")
    assert "there is no plate" in page.inner_text("main")
    assert look(page, "rejects") == []

    page.goto(f"{stack.console}/lists/{code}")
    choose(page, LINES[:2])
    page.click("#upload button[value=previews]")
    page.wait_for_selector("#preview .note.bad")
    assert "Compare the counts with the source" in page.inner_text("#preview .note.bad")
    page.fill("#force_reason", "The source removed its records")
    page.click("#put-in-force button.main")
    page.wait_for_selector("text=forced past")
    assert "The source removed its records" in page.inner_text("main")
    page.click("text=Go back to the previous version")
    page.fill("#note", "Half of the list is missing after all")
    page.click("#go-back button.main")
    page.wait_for_selector("text=Going back is asked for")
    assert look(page, "list") == []


@pytest.mark.requirement("HOT-16", partial="the page; the limits are tested at ingest's door")
@pytest.mark.requirement("HOT-18", partial="the page and the hit; each refusal is tested at ingest's door")
def test_a_hot_plate_is_entered_by_keyboard_becomes_active_rings_and_is_recalled(stack, entered):
    page = entered("dispatcher", "/hits")
    page.wait_for_selector("#feed.good")
    page.click("#arm")
    plate = f"8H{secrets.randbelow(90000) + 10000}"
    form = page.context.new_page()
    form.goto(f"{stack.console}/hot-plates/new")
    assert look(form, "new hot plate") == []
    form.keyboard.type(plate)
    form.keyboard.press("Tab")
    form.keyboard.type("ca")
    form.focus("[name=_kind][value=all]")
    form.keyboard.press("Space")
    for field, text in {
        "#contact_phone": "555-0100",
        "#case_number": "26-000321",
        "#synopsis": "Left a made-up robbery",
    }.items():
        form.focus(field)
        form.keyboard.type(text)
    form.focus("#hot-plate button.main")
    form.keyboard.press("Enter")
    form.wait_for_selector("[data-refusal]")
    assert "Tick the state systems" in form.inner_text("[data-refusal]"), "not answered is not the same as none"
    form.focus("[name=_none]")
    form.keyboard.press("Space")
    form.focus("#hot-plate button.main")
    form.keyboard.press("Enter")
    form.wait_for_url("**/hot-plates")
    form.wait_for_selector(f"tr[data-entry-state=active]:has-text('{plate}')", timeout=20_000)
    assert "left" in form.inner_text(f"tr:has-text('{plate}') [data-left]")
    assert look(form, "hot plates") == []

    now = datetime.now(UTC)
    seen(stack, plate, secrets.randbelow(2**31), captured_at=now, received_at=now, read_at=now)
    page.click(f".ticket:has-text('{plate}')", timeout=30_000)  # other hits of the day may lie above it
    page.wait_for_selector(f".detail.information:has-text('{plate}')")
    for words in ("26-000321", "555-0100", "Dana Dispatcher", "Left a made-up robbery"):
        assert words in page.inner_text(".detail"), words
    form.click(f"tr:has-text('{plate}') button.bad")
    form.fill("dialog[open] textarea", "Entered by mistake")
    form.click("dialog[open] button.bad")
    form.wait_for_selector(f"tr:has-text('{plate}')", state="detached")
    page.wait_for_selector(f".ticket:has-text('{plate}'):has-text('WITHDRAWN')", timeout=30_000)
    page.troubles.clear()  # this read has no pictures, and the page has asked for them


@pytest.mark.requirement("HOT-02", partial="the page; the refusal without a text is tested at ingest's door")
@pytest.mark.requirement("HOT-06", partial="the pages; that nothing matches before is tested with the matcher")
def test_a_special_list_waits_until_a_second_person_has_approved_it(stack, entered):
    code = f"SPX{secrets.token_hex(3).upper()}"
    page = entered("administrator", "/lists/new")
    assert look(page, "new list") == []
    for field, text in {"#code": code, "#name": "Auto theft series", "#source": "made-up RMS"}.items():
        page.fill(field, text)
    page.fill("#legitimate_interest", "Vehicles of a made-up auto theft series")
    page.select_option("#list_type", "special")
    page.select_option("#advisory_class", "information_only")
    page.select_option("#purpose_code", "criminal_investigation")
    page.click("main button.main")
    page.wait_for_url(f"**/lists/{code}")
    assert "Not matched yet" in page.inner_text("main")
    assert page.locator("#sources").count() == 1
    page.goto(f"{stack.console}/approvals")
    assert page.locator(f"#{code} button").count() == 0, "whoever made a list is offered to approve it"
    page = entered("manager", "/approvals")
    assert "Vehicles of a made-up auto theft series" in page.inner_text(f"#{code}")
    assert look(page, "approvals") == []
    page.focus(f"#note-{code}")
    page.keyboard.type("Looked at the sources")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#{code}", state="detached")
    assert code in page.inner_text("main")
    page.goto(f"{stack.console}/lists/{code}")
    assert "Approved by Morgan Manager" in page.inner_text("main")
    page.goto(f"{stack.console}/lists")
    assert look(page, "lists") == []


@pytest.mark.requirement("USE-09", partial="the pages; order and flag under each policy are tested elsewhere")
@pytest.mark.requirement("USE-10")
def test_a_canvass_asks_for_a_partial_plate_whose_past_and_coming_reads_are_found(stack, entered):
    middle = f"{secrets.randbelow(900) + 100}"
    where = Location(GeoPoint(38.7401, -121.2502), LocationQuality.REGISTERED)
    before = datetime.now(UTC) - timedelta(minutes=10)
    moments = {"captured_at": before, "received_at": before, "read_at": before}
    seen(stack, f"8CV{middle}1", secrets.randbelow(2**31), location=where, **moments)
    page = entered("dispatcher", "/canvasses/new")
    assert look(page, "new canvass") == []
    page.select_option("#incident_type", "homicide")
    page.fill("#case_number", "26-000654")
    page.fill("#justification", "A made-up homicide at the corner")
    page.select_option("#purpose_code", "criminal_investigation")
    for side, value in {"south": "38.73", "north": "38.75", "west": "-121.26", "east": "-121.24"}.items():
        page.fill(f"#{side}", value)
    page.click("#canvass button.main")
    page.wait_for_selector("#reads")
    assert "No unit is assigned" in page.inner_text("main")
    assert "even part of it" in page.inner_text("main")
    page.check("[name=attest_no_first_amendment]")
    page.click("#reads button.main")
    page.wait_for_selector("#found:not([hidden])")
    assert f"8CV{middle}1" in page.inner_text("#found")
    assert look(page, "canvass") == []

    page.click("text=Enter a partial plate")
    assert look(page, "new partial plate") == []
    page.fill("#pattern", f"8CV{middle[:2]}??")
    page.select_option("#crime_type", "homicide")
    page.fill("#case_number", "26-000654")
    page.fill("#reason", "A white pickup left northbound")
    page.select_option("#purpose_code", "criminal_investigation")
    page.fill("#_justification", "A witness of the homicide saw it")
    page.check("[name=_attest]")
    page.click("#partial-plate button.main")
    page.wait_for_selector("#past:not([hidden])")
    assert f"8CV{middle}1" in page.inner_text("#past")
    assert not {"false", "null"}.intersection(page.inner_text("#past").split())
    page.click("text=Back to the canvass")
    assert "even part of it" not in page.inner_text("main")
    page.goto(f"{stack.console}/partial-plates")
    page.wait_for_selector(f"tr[data-entry-state=active]:has-text('8CV{middle[:2]}??')", timeout=20_000)
    assert look(page, "partial plates") == []
    now = datetime.now(UTC)
    moments = {"captured_at": now, "received_at": now, "read_at": now}
    seen(stack, f"8CV{middle[:2]}9X", secrets.randbelow(2**31), location=where, **moments)
    page.goto(f"{stack.console}/hits")
    page.click(f".ticket:has-text('8CV{middle[:2]}9X')", timeout=30_000)
    page.wait_for_selector(".detail:has-text('Partial plate match')")
    assert "26-000654" in page.inner_text(".detail")
    page.troubles.clear()  # this read has no pictures, and the page has asked for them
    page.goto(f"{stack.console}/canvasses")
    assert page.locator("article .badge.bad").first.inner_text().strip().endswith("Priority")
    assert look(page, "canvasses") == []
