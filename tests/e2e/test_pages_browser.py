"""Every page in a real browser: clean to axe-core in both themes, no wider than a phone, and what only a browser shows."""

import json
import secrets
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from alprcore.profiles import load_profiles
from tests.fixtures.answers import FINDING, REPORT, TASK, answer_audits, answer_searches
from tests.fixtures.browser import look, needs_chromium, opened_page, sign_in, until, violations
from tests.fixtures.console import running_console, wait_for
from tests.fixtures.postgres import _database

pytestmark = needs_chromium
PAGES = {
    "investigator": ("/hits", "/search", "/search/waiting", "/devices", "/glossary", "/account", "/my-training", "/policy"),
    "administrator": ("/people", "/people/officer", "/people-assignments", "/people-reviews", "/alerts", "/cad"),
    "manager": ("/training", "/profile", "/profile/edit", "/guidelines", "/audits"),
    "supervisor": ("/search/approvals", "/search/waiting", "/operations", "/figures"),
    "auditor": (
        "/audits", "/audits/entries", "/audits/entries/0", "/audits/entries/5", "/audits/ledger", "/audits/reports",
        f"/audits/reports/{REPORT}", "/audits/reviews", f"/audits/reviews/{TASK}", "/audits/findings",
    ),
}  # fmt: skip


DECLARED = ("POST", "/v1/protected-events")
ENTERED = ("POST", "/v1/hot-plates")
ZONE = ZoneInfo(load_profiles()["demo"].timezone)


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder, prefix = tmp_path_factory.mktemp("pages"), f"pgs{secrets.token_hex(3)}."
    outline = folder / "outline.geojson"
    outline.write_text('{"type": "LineString", "coordinates": [[-121.32, 38.72], [-121.25, 38.79]]}')
    with (
        _database(pg_admin_dsn, "pages", f"TEMPLATE {pg_template}") as (_, database),
        running_console(database, kafka_bootstrap, prefix, folder, MAP_OUTLINE_FILE=str(outline)) as running,
    ):
        answer_searches(running.doors)
        answer_audits(running.doors)
        yield running


@pytest.fixture
def page():
    with opened_page() as page:
        yield page


def paths(console, since=0):
    """What the doors were asked, from the so-many-th call on."""
    return [path for _, path, _, _ in console.doors.asked[since:]]


def searched(page, console):
    page.goto(f"{console.url}/search")
    page.fill("#plate", "8KBO042")
    page.check("[name=lookalike]")
    page.select_option("#purpose_code", "criminal_investigation")
    page.fill("#justification", "A made-up robbery for this test")
    page.check("[name=attest_no_first_amendment]")
    page.click("#ask button.main")
    page.wait_for_selector("tbody tr")


@pytest.mark.requirement("SEC-07", partial="logs are checked by other tests; exports carry their own mark")
@pytest.mark.parametrize("username", PAGES)
def test_every_page_is_clean_in_light_and_dark_and_fits_a_phone(page, console, username):
    sign_in(page, console.url, username)
    wrong = []
    for path in PAGES[username]:
        page.goto(console.url + path)
        assert page.locator("h1").count() == 1, path
        assert "Confidential" in page.inner_text("header.top") or "CONFIDENTIAL" in page.inner_text("header.top"), path
        assert page.inner_text("footer").startswith("Confidential. For official use only."), path
        wrong += look(page, path)
    assert wrong == []


def test_the_pages_before_sign_in_are_clean(page, console):
    wrong = []
    for path in ("/login", "/public/policy", "/source"):
        page.goto(console.url + path)
        wrong += look(page, path)
    assert wrong == []


def test_an_answer_is_clean_in_every_view_and_opens_no_picture_by_itself(page, console):
    sign_in(page, console.url, "investigator")
    searched(page, console)
    asked = len(console.doors.asked)
    wrong = look(page, "list")
    for view in ("images", "map", "timeline"):
        page.click(f"[data-view={view}]")
        page.wait_for_selector(f".view[data-of={view}] :is(article, svg, ol)")
        wrong += look(page, view)
    assert wrong == []
    views = [path for path in paths(console, asked) if "image" in path]
    assert views == [], "a picture was opened that nobody asked for"
    page.click("[data-view=images]")
    page.click("text=Open pictures >> nth=0")
    until(page, "[...document.querySelectorAll('.shot img')].filter((image) => image.naturalWidth).length === 2")
    assert [path for path in paths(console, asked) if path == "/v1/image-views"] == ["/v1/image-views"] * 2


@pytest.mark.requirement("QRY-01", partial="the page; the door is tested elsewhere")
def test_an_area_is_drawn_on_a_map_that_asks_no_other_server(page, console):
    sign_in(page, console.url, "investigator")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{console.url}/search")
    page.click("summary:has-text('Camera, list, area')")
    page.focus("#draw")
    page.keyboard.press("Enter")
    page.wait_for_selector("#area-map svg .device")
    assert page.locator("#area-map .outline").count() == 1
    assert violations(page) == []
    for key in ("ArrowLeft", "ArrowUp", "Enter", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
        page.wait_for_timeout(60)
    assert page.inner_text("#area-state") == "The rectangle is drawn."
    page.click("#area-use")
    sides = {side: float(page.input_value(f"#{side}")) for side in ("south", "west", "north", "east")}
    assert sides["south"] < sides["north"]
    assert sides["west"] < sides["east"]
    assert 38 < sides["south"] < 39
    assert {url.split("/")[2] for url in asked if url.startswith("http")} == {console.url.split("/")[2]}


def test_results_are_not_printed_before_the_door_has_recorded_it(page, console):
    sign_in(page, console.url, "investigator")
    searched(page, console)
    page.emulate_media(media="print")
    assert page.is_hidden("#answer-rows")
    assert page.is_visible(".unrecorded")
    assert "CONFIDENTIAL" in page.inner_text(".printed")
    page.emulate_media(media="screen")
    mark = {"export_id": 7, "mark": "CONFIDENTIAL copy", "watermark": "", "rows": []}
    console.doors.json("POST", "/v1/exports", 201, mark)
    page.evaluate("window.print = () => { window.printed = document.body.classList.contains('recorded'); }")
    page.click("text=Export or print")
    page.check("[name=take_format][value=print]")
    page.click("#take-form button.main")
    until(page, "window.printed === true")
    assert "Copy 7" in page.text_content(".printed")
    console.doors.answers["POST", "/v1/exports"] = (
        503,
        "application/problem+json",
        b'{"reason_code":"LEDGER_UNAVAILABLE"}',
    )
    page.click("text=Export or print")
    page.click("#take-form button.main")
    page.wait_for_selector("#take-wrong")
    assert "Nothing was taken" in page.inner_text("#take-wrong")
    page.troubles.clear()  # the refused call is what this test is about


@pytest.mark.requirement("AUD-05", partial="the page; tasks and their closure are tested at the door")
def test_a_review_is_done_by_keyboard(page, console):
    sign_in(page, console.url, "auditor")
    page.goto(f"{console.url}/audits/reviews/{TASK}")
    asked = len(console.doors.asked)
    page.keyboard.press("j")
    page.keyboard.press("1")
    page.wait_for_selector("li[data-entry='1000'] .badge.good")
    until(page, "document.activeElement.dataset.entry === '1001'")
    page.keyboard.press("3")
    until(page, "document.activeElement.name === 'note'")
    page.keyboard.type("No case of this number exists")
    page.keyboard.press("Enter")
    page.wait_for_selector("li[data-entry='1001'] .badge.bad")
    assert page.inner_text("#progress") == "2 of 3 decided"
    sent = [body for method, path, _, body in console.doors.asked[asked:] if path.endswith("/findings")]
    assert [b'"result":"ok"' in sent[0], b'"result":"violation"' in sent[1]] == [True, True]
    assert "somebody else reviews it" in page.inner_text("li[data-entry='1002']")
    page.goto(f"{console.url}/audits/findings")
    page.select_option("#result-" + FINDING, "explained")
    page.fill("#note-" + FINDING, "A stolen vehicle of a series, case 26-1")
    page.click("article form button.main")
    wait_for("the disposition", lambda: f"/v1/audit/findings/{FINDING}/disposition" in paths(console, asked))


@pytest.mark.requirement("USE-07", partial="the page; the door's decision is tested elsewhere")
def test_a_supervisor_approves_a_use_and_declares_an_event(page, console):
    sign_in(page, console.url, "supervisor")
    page.goto(f"{console.url}/search/approvals")
    page.click("text=Declare an event")
    page.fill("#name", "A made-up rally")
    for field in ("begins_at", "ends_at"):
        page.fill(f"#{field}", "2027-05-01T10:00")
    for side, value in {"south": "38.7", "north": "38.8", "west": "-121.3", "east": "-121.2"}.items():
        page.fill(f"#{side}", value)
    page.click("#declare button.main")
    page.wait_for_selector("dialog[open]", state="detached")
    posted = [json.loads(body) for method, path, _, body in console.doors.asked if (method, path) == DECLARED]
    assert posted == [
        {
            "name": "A made-up rally", "begins_at": "2027-05-01T17:00:00+00:00", "ends_at": "2027-05-01T17:00:00+00:00",
            "area": {"south": 38.7, "west": -121.3, "north": 38.8, "east": -121.2},
        }
    ]  # fmt: skip
    page.click("text=Approve a use")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.click("text=Revoke >> nth=0")
    page.fill("#reason-approval-77", "The parade is over")
    page.click("#end-approval-77 button.bad")
    wait_for("the revocation", lambda: "/v1/use-approvals/77/revocation" in paths(console))


def test_a_broken_proof_is_called_broken(page, console):
    sign_in(page, console.url, "auditor")
    page.goto(f"{console.url}/audits/entries/5")
    assert page.is_visible("text=Proof does not hold")
    assert page.is_visible("text=Personal content erased")
    page.goto(f"{console.url}/audits/entries/0")
    assert page.is_visible("text=Proof holds")


@pytest.mark.requirement("HOT-16", partial="the end on the form; the limits are tested at ingest's door")
def test_the_end_that_was_typed_for_a_hot_plate_is_sent(page, console):
    sign_in(page, console.url, "dispatcher")
    page.goto(f"{console.url}/hot-plates/new")
    now = datetime.now(ZONE)
    soon, late = ((now + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M") for hours in (1, 120))
    hint = "#expires_at-hint"
    page.check("[value=SVS]")
    assert page.input_value("#expires_at") == page.get_attribute("#expires_at", "max") < late, "nothing was typed"
    page.fill("#expires_at", soon)
    for act, box in ((page.check, "_none"), (page.check, "also_entered_in"), (page.uncheck, "also_entered_in")):
        act(f"[name={box}]")
        assert page.input_value("#expires_at") == soon
        assert "moved" not in page.inner_text(hint)
    # only a limit that is shorter moves it, says so, and gives it back when the limit is gone
    page.fill("#expires_at", late)
    page.check("[value=SVS]")
    assert page.input_value("#expires_at") == page.get_attribute("#expires_at", "max") < late
    assert page.inner_text(hint).startswith("At most 24 hours")
    assert page.inner_text(hint).endswith("Your end was later and has been moved to this limit")
    assert violations(page) == []
    page.check("[name=_none]")
    assert page.input_value("#expires_at") == late
    assert "moved" not in page.inner_text(hint)

    page.fill("#expires_at", soon)
    page.check("[value=SVS]")
    page.fill("#plate", "8END042")
    page.click("#hot-plate button.main")
    page.wait_for_selector("[data-refusal]")  # the door of this test enters nothing
    page.troubles.clear()
    (posted,) = [json.loads(body) for method, path, _, body in console.doors.asked if (method, path) == ENTERED]
    ends = datetime.fromisoformat(soon).replace(tzinfo=ZONE).astimezone(UTC)
    assert (datetime.fromisoformat(posted["expires_at"]), posted["also_entered_in"]) == (ends, ["SVS"])


@pytest.mark.requirement("ACC-07", partial="what the page says; who may grant is tested over the API")
def test_saved_grants_are_said(page, console):
    sign_in(page, console.url, "manager")
    page.goto(f"{console.url}/people/dispatcher")
    form = "form[data-says=Granted]"
    assert page.is_checked(f"{form} [value=clets]"), "the demonstration's dispatcher works with CLETS"
    for act, granted in ((page.check, "CLETS, state data"), (page.uncheck, "CLETS")):
        act(f"{form} [value=state]")
        assert page.locator(f"{form} [data-saved]").count() == 0, "what was saved before is not what stands there now"
        page.click(f"{form} button.main")
        page.wait_for_selector(f"{form} [data-saved]")
        assert page.inner_text(f"{form} [data-saved]") == f"Saved. Granted: {granted}."
    assert violations(page) == []
    page.reload()
    assert [page.is_checked(f"{form} [value={source}]") for source in ("clets", "state")] == [True, False]
