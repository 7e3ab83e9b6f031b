"""A hit is worked to its end at a dispatcher's screen, by keys alone, under every profile; and what the screen must not do."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest

from alpr_console.web import COOKIE
from alprcore.model import StateMatch
from tests.fixtures.browser import look, needs_chromium, opened_page, picture, take_by_key, until, violations
from tests.fixtures.console import make_hit, make_notification, running_console, sealed
from tests.fixtures.people import AGENCIES, PROFILES, make_person, put, session_of, signed_in
from tests.fixtures.postgres import _database

pytestmark = needs_chromium
SEQUENCES = {
    "claremont": ["read_check", "broadcast", "verify", "broadcast_result"],
    "escondido": ["read_check", "verify", "broadcast"],
    "irvine": ["read_check", "verify", "broadcast"],
    "roseville": ["call", "verify", "describe", "broadcast"],
    "westminster": ["read_check", "verify", "broadcast"],
}
FORM = "document.activeElement?.closest('[data-step-form]')?.dataset.stepForm ?? ''"
NEXT = "document.activeElement?.closest('[data-step]')?.dataset.step ?? ''"
MOVED_ON = f"Boolean({NEXT}) || Boolean(document.querySelector('.ticket.ended, .refusal:not([hidden])'))"
WATCHED = """
    window.pointed = 0;
    addEventListener('pointerdown', () => { window.pointed += 1; }, true);
    window.contexts = [];
    window.AudioContext = class extends AudioContext { constructor() { super(); window.contexts.push(this); } };
"""
SMALL = """[...document.querySelectorAll('main :is(button, input, select, textarea, a.button), header button')]
    .filter((one) => one.checkVisibility() && !one.closest('label.check'))
    .map((one) => [one.id || one.className || one.tagName, one.getBoundingClientRect()])
    .filter(([, box]) => box.width && (box.width < 24 || box.height < 24)).map(([name]) => name)"""


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder, prefix = tmp_path_factory.mktemp("dispatch"), f"dsp{secrets.token_hex(3)}."
    with (
        _database(pg_admin_dsn, "dispatch", f"TEMPLATE {pg_template}") as (_, database),
        running_console(database, kafka_bootstrap, prefix, folder) as running,
    ):
        running.doors.answers["GET", "/v1/live-hits/"] = (200, "image/jpeg", picture(300, 120))
        running.dispatchers = {agency: make_person(running, agency, "dispatcher") for agency in AGENCIES}
        put(running, ("UPDATE console.people SET grants = '{clets,federal}' WHERE username LIKE 'p%'",))
        yield running


@pytest.fixture(scope="module")
def window(console):
    with opened_page(1280, 800) as page:
        page.context.add_init_script(WATCHED)
        yield page


def open_as(page, console, agency, path="/hits"):
    token = session_of(console, console.dispatchers[agency])
    page.goto("about:blank")  # the page of the other agency asks no more
    page.context.clear_cookies()
    page.context.add_cookies([{"name": COOKIE, "value": token, "url": console.url}])
    page.goto(f"{console.url}{path}")
    return page


def stolen(console, agency, plate, **changes):
    hit = make_hit(plate, agency=agency, **changes)
    return sealed(hit, console.keys, vehicle_year="2014", vehicle_color="WHI", vehicle_make="Honda")


def shown(page, console, agency, plate, **changes):
    """The page of an agency's dispatcher, with one hit chosen by keys."""
    hit = stolen(console, agency, plate, **changes)
    console.publish(make_notification(hit))
    open_as(page, console, agency)
    page.wait_for_selector(f".ticket:has-text('{plate}')")
    page.wait_for_selector(".checklist")
    while plate not in (page.text_content(".ticket[aria-current]") or ""):
        page.keyboard.press("j")
    until(page, f"[...document.querySelectorAll('.plate b')].map((one) => one.textContent).join('') === '{plate}'")
    page.wait_for_selector(".checklist")
    return hit


def listed(page):
    return page.eval_on_selector_all(
        ".checklist >> nth=0 >> [data-step]", "heads => heads.map((one) => one.dataset.step)"
    )


def fill(page, step, result="Space"):
    """What a dispatcher types for a step, from the first field of its form on; the rest is filled in already."""
    if step == "read_check":
        page.keyboard.press("Tab")
        page.keyboard.type("As listed")
    elif step == "verify":
        while page.evaluate("document.activeElement.name") != "result":
            page.keyboard.press("Tab")
        page.keyboard.press(result)
    elif step == "call":
        page.keyboard.type(page.inner_text("[data-field=call_type] .hint").removeprefix("for this hit: "))
    page.keyboard.press("Enter" if step == "closure" else "Control+Enter")


@pytest.mark.requirement("OPS-03")
@pytest.mark.parametrize("agency", AGENCIES)
def test_a_fixed_hit_is_worked_to_its_end_by_keys_alone(window, console, agency):
    page = window
    hit = shown(page, console, agency, "7FXD001")
    assert listed(page) == SEQUENCES[agency] == list(PROFILES[agency].hits.fixed_sequence)
    assert violations(page) == []
    take_by_key(page)
    done = []
    page.keyboard.press("s")
    while page.locator(".ticket.ended").count() == 0:
        assert len(done) < 12, done
        step = page.evaluate(FORM)
        assert step, f"the focus is lost after {done}"
        if step == "broadcast":
            said = page.inner_text(".aloud")
            for words in ("Stolen vehicle hit.", "California plate 7 Frank X-ray David 0 0 1.", "Seen at ", "bound."):
                assert words in said, said
            assert page.locator("[name=plate][readonly]").count() == 1
        done.append(step)
        fill(page, step)
        until(page, MOVED_ON)
        assert page.locator(".refusal:visible").count() == 0, (done, page.inner_text(".refusal:visible"))
        if step != "closure":  # nothing opens by itself: the keys of one step never fall into the next one's form
            assert page.locator(".step-form").count() == 0, done
            assert "Enter or S opens it" in page.inner_text("#say")
            page.keyboard.press("Enter" if len(done) % 2 else "s")
    with_call = {"describe"} if "call" in done else set()  # the call's form asks for description and direction
    worked = dict.fromkeys(step for step in done if step in SEQUENCES[agency])
    assert list(worked) == [step for step in SEQUENCES[agency] if step not in with_call], done
    assert done[-1] == "closure"
    assert page.evaluate("window.pointed") == 0
    with signed_in(console, console.dispatchers[agency]) as client:
        work = client.get(f"/v1/hits/{hit.hit_id}/work").json()
    assert work["state"] == "closed"
    assert [step["step"] for step in work["steps"] if step["listed"]] == SEQUENCES[agency]


def test_what_a_hit_still_takes_when_it_is_over_is_offered_until_it_is_closed(window, console):
    page = window
    first = shown(page, console, "claremont", "7NOT001")
    page.keyboard.press("s")
    for step in ("read_check", "broadcast", "verify", "broadcast_result", "closure"):
        until(page, f"({FORM}) === {step!r}")
        if step == "broadcast_result":
            assert "not current" in page.inner_text(".notice").lower()
            assert "Not active: cancel" in page.inner_text(".aloud")
        fill(page, step, result="ArrowRight")
        if step != "closure":
            until(page, f"Boolean({NEXT})")
            page.keyboard.press("s")
    page.wait_for_selector(".step.done [data-step=closure]")
    assert page.locator(".step-form").count() == 0
    # the work is over, the vehicle is not gone: its next passage is said aloud
    later = datetime.now(UTC) + timedelta(seconds=5)
    passed = stolen(console, "claremont", "7NOT001", ordinal=2, now=later)
    console.publish(make_notification(passed, revision=2, first=first))
    page.wait_for_selector(".ticket.ended:has-text('7NOT001') .tag:has-text('Seen again after closing')")
    assert "Seen again after it was closed" in page.text_content("#shout")


def test_what_is_being_typed_is_left_alone_by_whatever_arrives(window, console):
    page = window
    first = shown(page, console, "claremont", "7TYP001")
    page.keyboard.press("s")
    assert page.evaluate(FORM) == "read_check"
    page.focus("#corrected")
    page.keyboard.type("7TY")
    page.evaluate("document.activeElement.marked = true")
    console.publish(make_notification(stolen(console, "claremont", "7TYP001", ordinal=2), revision=2, first=first))
    console.publish(make_notification(stolen(console, "claremont", "7TYP002", advisory_class="felony_vehicle")))
    page.wait_for_selector(".ticket:has-text('7TYP001') .tag:has-text('Seen 2×')")
    page.wait_for_selector(".ticket.high:has-text('7TYP002')")
    page.keyboard.type("P0O1")
    assert page.evaluate("document.activeElement.marked && document.activeElement.value") == "7TYP0O1"
    assert "7TYP001" in page.text_content(".ticket[aria-current]")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    assert "7TYP002" in page.text_content(".ticket[aria-current]")
    page.keyboard.press("j")
    until(page, "document.querySelector('#corrected')?.value === '7TYP0O1'")


def test_a_refusal_names_its_rule_and_a_gate_that_can_be_passed_asks_why(window, console):
    page = window
    shown(page, console, "claremont", "7REF001")
    page.keyboard.press("2")
    assert page.evaluate(FORM) == "broadcast"
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".refusal:visible")
    assert "HIT-06 · MISREAD_CHECK_REQUIRED" in page.inner_text(".refusal:visible")
    assert page.evaluate("document.activeElement.className.includes('refusal')")
    assert page.locator(".reason:visible").count() == 0, "no reason passes a hard gate"
    assert violations(page) == []

    shown(page, console, "escondido", "7REF002")
    page.keyboard.press("3")
    assert page.evaluate(FORM) == "broadcast"
    page.keyboard.press("Control+Enter")
    until(page, "document.activeElement?.name === 'override_reason'")
    page.keyboard.type("The officer is beside the vehicle and reads the plate to me")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".step.done [data-step=broadcast]")
    assert page.locator(".step.left_out").count() == 2, "what was passed over is said beside its step"
    assert [one for one in page.troubles if "409" not in one] == []
    page.troubles.clear()  # the refusals are what this test is about


def test_who_may_not_is_asked_no_reason_and_goes_on_once_it_is_granted(window, console):
    page, person = window, console.dispatchers["escondido"]
    put(console, (f"UPDATE console.people SET grants = '{{}}' WHERE username = '{person}'",))
    shown(page, console, "escondido", "7GRA001")
    page.keyboard.press("2")
    assert page.evaluate(FORM) == "verify"
    fill(page, "verify")
    page.wait_for_selector(".refusal:visible:has-text('SOURCE_NOT_AUTHORISED')")
    assert page.locator(".reason:visible").count() == 0
    put(console, (f"UPDATE console.people SET grants = '{{clets}}' WHERE username = '{person}'",))
    page.focus("[name=reference]")
    page.keyboard.press("Control+Enter")
    until(page, "document.activeElement?.name === 'override_reason'")
    assert "override_reason" not in page.inner_text("main")
    page.keyboard.type("The officer is beside the vehicle and reads the plate to me")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".step.done [data-step=verify]")
    assert [one for one in page.troubles if "409" not in one and "403" not in one] == []
    page.troubles.clear()  # the refusals are what this test is about


def test_states_that_differ_are_said_and_a_wrong_state_ends_the_hit(window, console):
    page = window
    shown(page, console, "escondido", "7STA001", state="US-NV", state_match=StateMatch.MISMATCH)
    assert page.inner_text(".compared tr.differs").split() == ["State", "NV", "91", "%", "CA", "≠", "differs"]
    assert "State: read NV 91 % · listed CA" in page.inner_text(".compared .amber")
    page.keyboard.press("s")
    page.focus("#read-wrong-state")
    page.keyboard.press("Enter")
    page.wait_for_selector(".ticket.ended:has-text('7STA001'):has-text('Wrong state')")
    assert "wrong state: do not act on this hit" in page.inner_text(".notice").lower()


def test_sound_cannot_stop_without_a_word(window, console):
    page = open_as(window, console, "irvine")
    page.wait_for_selector("#unarmed:visible")
    page.focus("#arm")
    page.keyboard.press("Enter")
    page.wait_for_selector("#sound-state.good")
    page.evaluate("window.contexts[0].suspend()")
    page.wait_for_selector("#silent:visible")
    assert "Sound has stopped" in page.inner_text("#silent")
    assert page.inner_text("#sound-state") == "Sound stopped"
    page.focus("#arm-again")
    page.keyboard.press("Enter")
    page.wait_for_selector("#sound-state.good")
    assert page.is_hidden("#silent")
    page.evaluate("Object.defineProperty(window.contexts[0], 'currentTime', {value: 1})")
    page.wait_for_selector("#silent:visible", timeout=10_000)


def test_an_exercise_is_sent_from_the_screen_and_says_everywhere_what_it_is(window, console):
    page = open_as(window, console, "westminster")
    page.wait_for_selector("#shift-open:visible")
    page.keyboard.press("h")
    page.focus("#exercise")
    page.keyboard.press("Enter")
    page.wait_for_selector(".ticket .tag.drill")
    page.keyboard.press("Escape")
    page.wait_for_selector(".exercise:visible")
    assert page.inner_text(".band .tag.drill").lower() == "exercise"
    page.wait_for_selector(".checklist [data-step=broadcast]")
    page.keyboard.press("3")
    until(page, "(document.querySelector('.aloud')?.textContent ?? '').startsWith('EXERCISE, EXERCISE.')")


def test_single_keys_are_listed_and_can_be_switched_off(window, console):
    page = window
    shown(page, console, "westminster", "7OFF002")
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    assert "Acknowledge" in page.inner_text("#keys")
    assert violations(page) == []
    page.focus("#letters")
    page.keyboard.press("Space")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    page.wait_for_timeout(300)
    assert page.locator("#acknowledge").count() == 1
    page.evaluate("localStorage.removeItem('shortcuts')")


def test_the_screen_and_its_visual_language_hold_in_both_themes_and_on_a_phone(window, console):
    page = window
    shown(page, console, "roseville", "7AXE001", doubtful=(3,))
    assert look(page, "/hits") == []
    assert page.evaluate(SMALL) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(SMALL) == []
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"{console.url}/design")
    assert look(page, "/design") == []
    for theme in ("light", "dark"):
        page.click(f"[data-theme-is={theme}]")
        ratios = dict(
            page.eval_on_selector_all(
                "[data-token]",
                "all => all.map((one) => [one.dataset.token, parseFloat(one.querySelector('[data-ratio]').textContent)])",
            )
        )
        texts = ("ink", "dim", "accent", "high", "medium", "information", "good", "drill")
        assert {name: ratios[name] for name in texts if ratios[name] < 4.5} == {}, theme
