"""The pages of records in a real browser: pictures, holds, packages, releases, sharing; by keyboard, in both themes, on a phone."""

import json
import secrets
from datetime import UTC, datetime

import pytest

from tests.fixtures.answers import answer_searches
from tests.fixtures.browser import look, needs_chromium, opened_page, sign_in, until
from tests.fixtures.console import running_console
from tests.fixtures.kept import (
    AGREEMENT,
    CHANGE,
    DEMAND,
    FOREIGN,
    HOLD,
    PACKAGE,
    REQUEST,
    RUN,
    RUNNING,
    SHA,
    SUBMITTED,
    answer_records,
    run,
)
from tests.fixtures.postgres import _database

pytestmark = needs_chromium
PAGES = {
    "manager": (
        "/records", "/records/purges", f"/records/purges/{RUN}", "/records/schedule",
        f"/records/schedule/{CHANGE}", "/records/holds", f"/records/holds/{HOLD}",
        f"/records/holds/{FOREIGN}", "/records/holds/new", "/records/evidence", f"/records/evidence/{PACKAGE}",
        "/records/sharing/new", "/records/breaches", "/records/breaches/new",
    ),
    "retention": (
        "/records/releases", f"/records/releases/{REQUEST}", f"/records/releases/{SUBMITTED}", "/records/releases/new", "/records/demands",
        f"/records/demands/{DEMAND}", "/records/sharing", f"/records/sharing/{AGREEMENT}", "/records/sharing/repositories/arjis",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder, prefix = tmp_path_factory.mktemp("records"), f"rec{secrets.token_hex(3)}."
    with (
        _database(pg_admin_dsn, "records", f"TEMPLATE {pg_template}") as (_, database),
        running_console(database, kafka_bootstrap, prefix, folder) as running,
    ):
        answer_searches(running.doors)
        answer_records(running.doors)
        yield running


@pytest.fixture
def page():
    with opened_page() as page:
        yield page


def sent(console, method, path):
    """The bodies with which a door was asked, oldest first."""
    return [
        json.loads(body or b"{}") for verb, asked, _, body in console.doors.asked if (verb, asked) == (method, path)
    ]


@pytest.mark.requirement("SEC-07", partial="the pages of records; logs and exports are tested elsewhere")
@pytest.mark.parametrize("username", PAGES)
def test_every_page_of_records_is_clean_in_light_and_dark_and_fits_a_phone(page, console, username):
    sign_in(page, console.url, username)
    wrong = []
    for path in PAGES[username]:
        page.goto(console.url + path)
        assert page.locator("h1").count() == 1, path
        assert "Not shown" not in page.inner_text("main"), path
        assert page.inner_text("footer").startswith("Confidential. For official use only."), path
        wrong += look(page, path)
    assert wrong == []


def test_what_is_stored_due_and_held_is_a_picture_and_a_table_and_what_waits_is_named(page, console):
    sign_in(page, console.url, "manager")
    page.goto(f"{console.url}/records")
    assert page.locator("#ages svg rect").count() == 7
    assert "Covered by" in page.inner_text(".card:has(#held)") or "Evidence" in page.inner_text(".card:has(#held)")
    page.click("#days summary")
    assert page.locator("#days tbody tr").count() == 30
    tiles = dict(
        zip(page.locator(".tiles dt").all_inner_texts(), page.locator(".tiles strong").all_inner_texts(), strict=True)
    )
    assert tiles["Reads stored"] == "1,204,331"
    assert tiles["Overdue"].startswith("0")
    waiting = page.locator(".tasks li").all_inner_texts()
    assert any("Confirm or lift a provisional hold" in one for one in waiting)
    assert any("Decide on a request" in one for one in waiting)
    assert any("Approve a change of the schedule" in one for one in waiting)


def test_a_purge_is_previewed_begun_and_watched_until_its_certificate_stands(page, console):
    sign_in(page, console.url, "retention")
    page.goto(f"{console.url}/records/purges")
    page.focus("#purge-preview button.main")
    page.keyboard.press("Enter")
    page.wait_for_selector("#purge-run")
    assert "3,000 reads would go" in page.inner_text("#purge-plan")
    assert "custodian of records approves" in page.inner_text("#purge-plan .note")
    assert look(page, "preview") == []
    page.on("dialog", lambda asked: asked.accept())
    page.click("#purge-run")
    page.wait_for_url(f"**/records/purges/{RUN}")
    assert {"No answer", "Something stayed"} <= set(
        page.locator("main .badge.bad").all_inner_texts()
    ) or page.inner_text("main").count("✕") >= 2
    assert page.locator("text=Hold 00000003").count() == 1
    now, address = datetime.now(UTC), f"/v1/retention/runs/{RUNNING}"
    console.doors.json("GET", address, 200, run(RUNNING, now, "running", settled=1))
    page.goto(f"{console.url}/records/purges/{RUNNING}")
    assert page.locator("progress").get_attribute("value") == "33.3"
    console.doors.json("GET", address, 200, run(RUNNING, now, "running", settled=2))
    until(page, "document.querySelector('progress')?.value > 60")
    console.doors.json("GET", address, 200, run(RUNNING, now))
    page.wait_for_selector("header.found .badge.good")


@pytest.mark.requirement("RET-13", partial="the form; the answer is demanded by retention")
@pytest.mark.requirement("RET-07", partial="the form and the words; what binds is tested with retention")
def test_reads_of_a_search_are_held_by_keyboard_and_the_form_asks_what_the_ground_needs(page, console):
    sign_in(page, console.url, "investigator")
    page.goto(f"{console.url}/search")
    page.fill("#plate", "8KBO042")
    page.select_option("#purpose_code", "criminal_investigation")
    page.fill("#justification", "A made-up robbery for this test")
    page.check("[name=attest_no_first_amendment]")
    page.click("#ask button.main")
    page.wait_for_selector("tbody tr")
    assert look(page, "answer with boxes") == []
    page.focus("tbody tr:nth-child(2) [name=read_id]")
    page.keyboard.press("Space")
    page.focus("#hold-these")
    page.keyboard.press("Enter")
    page.wait_for_url("**/records/holds/new")
    assert "1 read chosen from the answer of ledger entry 1204" in page.inner_text("main")
    assert page.url.endswith("/records/holds/new"), "nothing of a search stands in an address"
    page.select_option("#ground", "discovery_request")
    assert "provisional" in page.inner_text("#ground-hint")
    assert page.is_hidden("#dvd")
    page.select_option("#ground", "evidence")
    page.fill("#case_number", "26-000123")
    page.check("[name=_dvd][value=yes]")
    page.fill("[name=_dvd_reason]", "booked with the evidence room")
    assert look(page, "form for a hold") == []
    page.click("#hold-form button.main")
    page.wait_for_url(f"**/records/holds/{HOLD}")
    (body,) = sent(console, "POST", "/v1/holds")
    assert body == {
        "ground": "evidence", "case_number": "26-000123", "dvd": {"considered": True, "reason": "booked with the evidence room"},
        "read_ids": ["5a1f0000-0000-5000-8000-000000000001"],
    }  # fmt: skip


def test_a_hold_by_place_and_time_says_only_what_was_chosen(page, console):
    sign_in(page, console.url, "investigator")
    page.goto(f"{console.url}/records/holds/new")
    page.fill("[name=_plate]", "8ABC123")
    page.click("#hold-kind [data-kind=place]")
    assert page.is_hidden("[name=_plate]")
    page.select_option("#ground", "evidence")
    page.fill("#case_number", "26-9")
    page.fill("[name=_captured_from]", "2026-11-20T08:00")
    for side, value in (("south", "38.7"), ("west", "-121.3"), ("north", "38.8"), ("east", "-121.2")):
        page.fill(f"#_{side}", value)
    page.click("#hold-form button.main")
    page.wait_for_url(f"**/records/holds/{HOLD}")
    query = sent(console, "POST", "/v1/holds")[-1]["query"]
    assert query == {
        "captured_from": "2026-11-20T16:00:00.000Z",
        "area": {"south": 38.7, "west": -121.3, "north": 38.8, "east": -121.2},
    }


@pytest.mark.requirement("SHR-02", partial="the form; what may be missing is tested with retention")
def test_a_request_is_taken_in_with_its_document_and_submitted(page, console):
    sign_in(page, console.url, "retention")
    page.goto(f"{console.url}/records/releases/new")
    page.fill("#agency_name", "Made-up County Sheriff")
    page.fill("#requester_name", "Dee Deputy")
    page.select_option("#recipient_class", "commercial")
    assert "permits no release" in page.inner_text("#recipient_class-hint")
    page.select_option("#recipient_class", "law_enforcement")
    page.fill("#intended_purpose", "A made-up robbery series")
    page.select_option("#received_as", "letter")
    page.set_input_files(
        "[name=_document]", {"name": "Letter of Dee.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4 made up"}
    )
    page.click("#request-form button[value=submit]")
    page.wait_for_url(f"**/records/releases/{SUBMITTED}")
    asked = [(verb, path, body) for verb, path, _, body in console.doors.asked if SUBMITTED in path and verb != "GET"]
    assert [(verb, path.rpartition("/")[2]) for verb, path, _ in asked] == [("PUT", "document"), ("POST", "submission")]
    assert asked[0][2] == b"%PDF-1.4 made up"
    assert sent(console, "POST", "/v1/release-requests")[-1]["recipient_class"] == "law_enforcement"


def test_a_request_is_decided_and_a_read_s_disclosures_are_listed(page, console):
    sign_in(page, console.url, "manager")
    page.goto(f"{console.url}/records/releases/{SUBMITTED}")
    page.check("[name=decision][value=approve]")
    page.select_option("#legal_basis", "consent")
    page.fill("#citation", "Policy 820.6")
    page.click("summary:has-text('Approve only some')")
    page.check(f"[name=read_ids][value='{HOLD}']")
    with page.expect_navigation():  # the page goes on by itself when the decision is taken
        page.click("#decision-form button.main")
    body = sent(console, "POST", f"/v1/release-requests/{SUBMITTED}/decisions")[-1]
    assert body == {
        "decision": "approve",
        "legal_basis": "consent",
        "citation": "Policy 820.6",
        "read_ids": [HOLD],
        "scope_sha256": SHA,
        "clets_authorized": False,
    }
    page.goto(f"{console.url}/records/releases")
    page.fill("#read_id", HOLD)
    page.click("#disclosures-form button")
    page.wait_for_selector("#disclosed li")
    assert "Made-up County Sheriff · Dee Deputy" in page.inner_text("#disclosed")
    assert HOLD not in page.url


@pytest.mark.requirement("ADM-06", partial="the navigation of the parts of records")
@pytest.mark.parametrize(
    ("username", "seen", "closed"),
    [
        ("investigator", "/records/holds", "/records/purges"),
        ("administrator", "/records/releases", "/records/holds"),
        ("dispatcher", "", "/records"),
    ],
)
def test_everybody_is_shown_what_is_of_use_to_them_and_refused_the_rest(page, console, username, seen, closed):
    sign_in(page, console.url, username)
    if seen:
        page.click("nav[aria-label=Main] a[href='/records']")
        assert page.url == console.url + seen
    else:
        assert page.locator("nav[aria-label=Main] a[href='/records']").count() == 0
    answer = page.goto(console.url + closed)
    assert answer.status == 403
    page.troubles.clear()


def test_a_field_that_the_door_refuses_is_marked_and_named_as_its_label_does(page, console):
    problem = {"detail": "expires_at: after its beginning", "reason_code": "FIELD_INVALID"}
    console.doors.json("POST", "/v1/sharing-agreements", 422, problem)
    sign_in(page, console.url, "manager")
    page.goto(f"{console.url}/records/sharing/new")
    page.evaluate(
        "const form = document.getElementById('agreement-form'); form.noValidate = true; form.requestSubmit()"
    )
    page.wait_for_selector("#agreement-form [data-refusal]")
    assert "Until: after its beginning" in page.inner_text("#agreement-form [data-refusal]")
    assert page.get_attribute("[name=expires_at]", "aria-invalid") == "true"
    assert all("422" in trouble for trouble in page.troubles), page.troubles
    page.troubles.clear()  # the refusal that this test asked for
