"""A dispatcher's screen in a real browser: signs in, arms the sound, sees a hit arrive with both pictures."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from alprcore.model import Difference, Grade, MatchKind, StateMatch, StateScore, Vehicle
from tests.fixtures import browser
from tests.fixtures.browser import needs_chromium, opened_page, picture, until
from tests.fixtures.console import make_hit, make_notification, running_console, sealed
from tests.fixtures.postgres import _database

pytestmark = needs_chromium
# what the eye gets: the color of an element's text against the first opaque background under it, as WCAG 2.2 counts it
CONTRAST = """selectors => {
  const channel = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const contrast = (element) => {
    let ground = element;
    while (ground.parentElement && (parse(getComputedStyle(ground).backgroundColor)[3] ?? 1) === 0) ground = ground.parentElement;
    const [back, front] = [getComputedStyle(ground).backgroundColor, getComputedStyle(element).color].map((c) => light(parse(c)));
    return (Math.max(back, front) + 0.05) / (Math.min(back, front) + 0.05);
  };
  return selectors.flatMap((selector) => [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility())
    .map((element) => [selector, contrast(element)]));
}"""
TEXTS = (
    ".band h2", ".band p strong", ".notice", ".keys dt", ".keys strong", ".letter b", ".letter.doubtful small",
    ".facts dt", ".facts dd", ".check-form label", "#read-misread", ".trail time", ".trail small", ".ticket .class", ".ticket .age", ".tag", "#acknowledge",
    "footer p", ".watermark", ".pill", "nav a",
)  # fmt: skip


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder, prefix = tmp_path_factory.mktemp("console"), f"web{secrets.token_hex(3)}."
    with (
        _database(pg_admin_dsn, "browser", f"TEMPLATE {pg_template}") as (_, database),
        running_console(database, kafka_bootstrap, prefix, folder) as running,
    ):
        yield running


@pytest.fixture
def page(console):
    with opened_page() as page:
        yield page


def sign_in(page, console, username):
    browser.sign_in(page, console.url, username)


def with_pictures(console, hit):
    for role, size in (("closeup", (300, 120)), ("context", (640, 360))):
        console.doors.answers["GET", f"/v1/live-hits/{hit.hit_id}/images/{role}"] = (200, "image/jpeg", picture(*size))
    return hit


def felony(console, plate, **changes):
    fields = {"reason": "felony_vehicle", "advisory_class": "felony_vehicle", "list_code": "SFR"}
    return with_pictures(console, make_hit(plate, **{**fields, **changes}))


@pytest.mark.requirement("HIT-02")
@pytest.mark.requirement("HOT-13", partial="the console's screen; the notification is the matcher's")
@pytest.mark.requirement("HOT-14", partial="the console's screen; the hit is the matcher's")
def test_a_hit_arrives_live_with_sound_and_both_pictures(page, console):
    sign_in(page, console, "dispatcher")
    page.wait_for_selector("#feed.good")
    assert page.is_visible("#unarmed")
    assert "Sound is not armed" in page.inner_text("#unarmed")
    page.click("#arm")
    page.wait_for_selector("#sound-state.good")
    assert page.is_hidden("#unarmed")
    hit = felony(
        console,
        "8KBO042",
        doubtful=(2,),
        entry_plate="8K8O042",
        grade=Grade.LOOKALIKE,
        match_kind=MatchKind.LOOKALIKE,
        differences=(Difference(2, "B", "8", 0.62),),
        explanation="Position 3: read B, listed 8.",
    )
    hit = sealed(hit, console.keys, vehicle_year="2014", vehicle_make="Honda")
    console.publish(make_notification(hit))
    page.wait_for_selector(".detail.high")
    detail = page.inner_text("#detail")
    for words in (
        "Felony vehicle",
        "High priority",
        "LIST",
        "Look-alike match",
        "Position 3",
        "2014 Honda",
        "SFR",
        "4 h 01 min old",
    ):
        assert words.lower() in detail.lower(), words
    assert "unverified lead, not grounds for a stop" in page.inner_text(".notice").lower()
    assert page.get_attribute(".plate", "aria-label") == "Plate: 8, K, B doubtful, 62 %, O, 0, 4, 2"
    for role in ("closeup", "context"):
        until(page, f"document.querySelector('figure.{role} img')?.naturalWidth > 0")
    assert "Felony vehicle" in page.text_content("#shout")
    with console.sign_in() as client:
        until(page, "document.querySelectorAll('.trail li.open').length === 0")
        presented = client.get(f"/v1/hits/{hit.hit_id}").json()["presented"]
    assert [(p["sound"], p["screen"]) for p in presented] == [(True, True)]

    second = felony(console, "8KBO042", ordinal=2, device_name="Second St")
    console.publish(make_notification(second, revision=2, first=hit))
    page.wait_for_selector("text=Seen 2×")
    assert page.locator(".ticket").count() == 1
    with console.sign_in() as client:
        page.wait_for_timeout(500)
        presented = client.get(f"/v1/hits/{second.hit_id}").json()["presented"]
    assert [(p["sound"], p["screen"]) for p in presented] == [(False, True)], "an update must not ring again"

    page.click("#acknowledge")
    page.wait_for_selector(".band .done")
    assert "Dana Dispatcher" in page.inner_text(".band .done")
    assert page.locator(".ticket").count() == 1, "an acknowledged hit stays in the queue"


def test_what_machine_and_list_say_of_state_and_color_stand_side_by_side_and_a_person_checks_the_read(page, console):
    hit = felony(console, "7CMP001", state="US-NV", state_match=StateMatch.MISMATCH, grade=Grade.STATE_MISMATCH)
    origins = (StateScore("US-NV", 0.97), StateScore("US-CA", 0.02), StateScore("unknown", 0.01))
    read = replace(hit.read, state_confidence=0.97, origins=origins, vehicle=Vehicle("WHI", 0.81))
    hit = sealed(replace(hit, read=read), console.keys, vehicle_color="BLU", vehicle_make="Honda")
    unsaid = felony(console, "7CMP002", state="unknown", state_match=StateMatch.UNKNOWN)
    unsaid = replace(unsaid, read=replace(unsaid.read, state_confidence=0.0))
    console.publish(make_notification(unsaid))
    sign_in(page, console, "dispatcher")
    page.click(".ticket:has-text('7CMP002')")
    assert page.inner_text(".reading p >> nth=0") == "State unknown"
    assert "estimated by machine" not in page.inner_text("#detail")
    console.publish(make_notification(hit))
    page.click(".ticket:has-text('7CMP001')")
    assert page.inner_text(".reading p >> nth=0") == "State NV 97 %"
    detail = page.inner_text("#detail")
    for words in ("read NV 97 % (or CA 2 %) · listed CA", "blue Honda", "white 81 %"):
        assert words in detail, words
    assert "estimated by machine, not verified" in detail
    page.fill("#corrected", "7CMPOO1")
    page.click("#read-misread")
    page.wait_for_selector("#read-check.amber")
    assert "the plate says 7CMPOO1, read as 7CMP001" in page.inner_text("#read-check")
    assert page.get_attribute(".plate", "aria-label") == "Plate: 7, C, M, P, 0, 0, 1"
    assert "misread: do not act on this hit" in page.inner_text(".notice").lower()
    assert page.inner_text(".ticket:has-text('7CMP001') .tag.bad") == "Misread"
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_light_and_dark_keep_their_contrast(page, console):
    console.publish(make_notification(felony(console, "7CON001", doubtful=(4,))))
    sign_in(page, console, "dispatcher")
    page.wait_for_selector(".letter.doubtful")
    page.emulate_media(reduced_motion="reduce")
    seen = {}
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        seen[theme] = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        found = page.evaluate(CONTRAST, list(TEXTS))
        assert {selector for selector, _ in found} >= {".notice", ".letter b", ".letter.doubtful small", "#acknowledge"}
        assert [(selector, round(ratio, 1)) for selector, ratio in found if ratio < 4.5] == [], theme
    assert seen["light"] != seen["dark"]
    page.click("#theme")
    assert page.get_attribute("html", "data-theme") == "light"
    page.reload()
    assert page.get_attribute("html", "data-theme") == "light"


def test_the_queue_works_by_keyboard_and_on_a_phone(page, console):
    for number in (1, 2):
        console.publish(make_notification(with_pictures(console, make_hit(f"7KEY00{number}", list_code=f"L{number}"))))
    sign_in(page, console, "dispatcher")
    for number in (1, 2):
        page.wait_for_selector(f".ticket:has-text('7KEY00{number}')")
    # in one step: a receipt may redraw the queue at any time, and it keeps the focus that it finds
    until(
        page,
        "(() => { const first = document.querySelector('.ticket'); first.focus(); return document.activeElement === first; })()",
    )
    page.keyboard.press("ArrowDown")
    second = page.locator(".ticket").nth(1)
    assert second.get_attribute("aria-current") == "true"
    assert second.evaluate("element => element === document.activeElement")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click(".back")
    assert page.is_hidden("#detail")
    page.click(".ticket >> nth=0")
    assert page.is_visible("#detail")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_interrupted_feed_says_so_and_a_disabled_account_is_cleared(page, console):
    import signal

    console.publish(make_notification(felony(console, "7OFF001")))
    sign_in(page, console, "dispatcher")
    page.wait_for_selector(".ticket")
    console.process.send_signal(signal.SIGSTOP)
    try:
        page.wait_for_selector("#stale", state="visible", timeout=25_000)
        assert "interrupted" in page.inner_text("#stale")
    finally:
        console.process.send_signal(signal.SIGCONT)
    page.wait_for_selector("#stale", state="hidden", timeout=25_000)
    with console.sign_in("administrator") as admin:
        admin.put("/v1/people/dispatcher/state", json={"disabled": True, "reason": "left"})
        try:
            page.wait_for_url("**/login", timeout=6_000)
            assert "7OFF001" not in page.content()
            page.troubles.clear()  # the lost connection and the 401 are what this test is about
        finally:
            admin.put("/v1/people/dispatcher/state", json={"disabled": False, "reason": "is back"})


def test_a_search_shows_pictures_on_demand_and_no_plate_in_the_address(page, console):
    read = {
        "read_id": "5a1f0000-0000-5000-8000-000000000001",
        "plate": "7SRC001",
        "state": "US-CA",
        "captured_at": datetime.now(UTC).isoformat(),
        "device_name": "Main St at 5th Ave",
        "camera_id": "demo-pole-1-cam",
        "direction": "N",
        "confidence": 0.94,
    }
    console.doors.json("POST", "/v1/queries", 200, {"query_id": 1204, "receipt": {"index": 1204}, "rows": [read]})
    console.doors.json("POST", "/v1/image-views", 201, {"entry": 1206})
    console.doors.answers["GET", "/v1/images/1206"] = (200, "image/jpeg", picture(640, 360))
    sign_in(page, console, "investigator")
    page.goto(f"{console.url}/search")
    page.fill("[name=plate]", "7src00?")
    page.select_option("[name=purpose_code]", "criminal_investigation")
    page.fill("[name=justification]", "A made-up robbery for this test")
    page.check("[name=attest_no_first_amendment]")
    page.click("button.main")
    page.wait_for_selector("tbody tr")
    assert "7SRC001" in page.inner_text("tbody")
    assert page.url == f"{console.url}/search"
    assert "ledger entry 1204" in page.inner_text(".found")
    asked = len(console.doors.asked)
    page.click("button.show")
    until(page, "[...document.querySelectorAll('tr.shown img')].filter(i => i.naturalWidth).length === 2")
    views = [json for method, path, _, json in console.doors.asked[asked:] if path == "/v1/image-views"]
    assert len(views) == 2
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_from_a_hit_to_the_search_form_with_its_plate_and_nothing_asked_yet(page, console):
    console.publish(make_notification(felony(console, "7TOS001")))
    sign_in(page, console, "dispatcher")
    page.click(".ticket:has-text('7TOS001')")
    asked = len(console.doors.asked)
    page.click("text=Search past reads of this plate")
    page.wait_for_url("**/search")
    assert page.input_value("#plate") == "7TOS001"
    assert "Results appear here." in page.inner_text("#answer")
    assert "/v1/queries" not in [path for _, path, _, _ in console.doors.asked[asked:]]
