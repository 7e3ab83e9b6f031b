"""Every page of records, without a browser: with all that the door may say, with the least, and with a door that is shut."""

import asyncio
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest.mock import MagicMock, patch

import httpx
import pytest

import alpr_console.main
from alpr_console.breaches.store import BreachStore
from alpr_console.doors import DoorAway
from alpr_console.web import SignedIn, csrf_of
from alprcore.model import Person
from alprcore.profiles import load_profiles
from tests.fixtures.apps import console_settings
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
    SUBMITTED,
    answer_records,
    hold,
    stock,
)

NOW = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
LISTS = (
    "/records", "/records/purges", "/records/schedule", "/records/holds", "/records/holds/new", "/records/evidence",
    "/records/releases", "/records/releases/new", "/records/demands", "/records/sharing", "/records/sharing/new",
    "/records/sharing/repositories/arjis",
)  # fmt: skip
ONES = (
    f"/records/schedule/{CHANGE}", f"/records/purges/{RUN}", f"/records/purges/{RUNNING}", f"/records/holds/{HOLD}", f"/records/holds/{FOREIGN}",
    f"/records/evidence/{PACKAGE}", f"/records/releases/{SUBMITTED}", f"/records/releases/{REQUEST}",
    f"/records/demands/{DEMAND}", f"/records/sharing/{AGREEMENT}",
)  # fmt: skip
FEWEST = {
    "purges": {"run_id": RUN, "state": "running"}, "holds": {"hold_id": HOLD, "state": "active", "ground": "evidence"},
    "evidence": {"package_id": PACKAGE, "state": "opened"}, "releases": {"request_id": REQUEST, "state": "draft"},
    "schedule": {"change_id": CHANGE, "state": "counting"},
    "demands": {"demand_id": DEMAND, "kind": "subpoena", "reference": "R-1"}, "sharing": {"agreement_id": AGREEMENT, "state": "draft"},
}  # fmt: skip


class PlayedDoors:
    """Doors whose answers a test plays; remembers who asked."""

    def __init__(self):
        self.answers, self.asked, self.status, self.away = {}, [], 200, False

    def json(self, method, start, status, content):
        self.answers[method, start] = (status, content)

    async def call(self, door, method, path, person, *, query="", headers=None, content=None, timeout_s=None):
        if self.away:
            raise DoorAway(door, 503)
        self.asked.append((door, method, path, person))
        status, found = next(
            (one for (verb, start), one in self.answers.items() if verb == method and path.startswith(start)),
            (404, {"detail": "none"}),
        )
        body = json.dumps(found).encode()

        async def as_json():
            return found

        async def as_body():
            yield body

        return SimpleNamespace(status=status, headers={"content-type": "application/json"}, json=as_json, body=as_body)


class Desk:
    """The console's app in this process, with a session of any roles and agency and with played doors."""

    def __init__(self, folder):
        self.breaches = []

        async def waiting(_store, _person):
            return self.breaches

        with patch.object(BreachStore, "waiting", waiting):
            console = alpr_console.main.build(console_settings(folder), MagicMock(), {}, asyncio.Event(), lambda: NOW)
        self.app, self.doors, self.profiles, self.delegation = console.app, PlayedDoors(), load_profiles(), ""

        async def acting(_person, _power, _now):
            return self.delegation

        console.administration.acting = acting

    def get(self, path, roles, **more):
        return asyncio.run(self._get(path, roles, **more))

    async def _get(self, path, roles, *, agency="demo", method="GET", headers=None, breaches=0, **more):
        person = Person("p-1", "u", "Una User", "Example PD", agency, tuple(roles), "s-1", "192.0.2.7")
        session = SignedIn(person, self.profiles[agency], csrf_of("t"), False, None, breaches=breaches)

        async def find(_token, _now):
            return session

        async def touch(name, _now):
            self.touched.append(name)

        self.touched = []
        web = self.app.state.web
        refusals = SimpleNamespace(tell=lambda *_: asyncio.sleep(0))
        self.app.state.web = replace(web, find_session=find, touch_session=touch, doors=self.doors, refusals=refusals)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://console") as client:
            return await client.request(method, path, headers={"authorization": "Bearer t", **(headers or {})}, **more)


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture
def desk(office):
    office.doors, office.delegation = PlayedDoors(), ""
    return office


OFFICE = ("program_manager", "retention_officer", "custodian")


@pytest.mark.parametrize("path", [*LISTS, *ONES])
def test_every_page_shows_all_that_the_door_says(desk, path):
    answer_records(desk.doors, NOW)
    answer = desk.get(path, OFFICE)
    assert answer.status_code == 200, answer.text[:400]
    assert answer.text.count("<h1>") == 1
    assert "None" not in re.sub(r"<[^>]*>", " ", answer.text).replace("None.", "").replace("None ticked", "").replace(
        "None yet", ""
    )


@pytest.mark.parametrize("path", [*LISTS, *ONES])
def test_a_page_needs_no_more_than_a_state_and_a_number(desk, path):
    part = path.split("/")[2] if path.count("/") > 1 else ""
    desk.doors.json("GET", "/v1", 200, FEWEST[part] if path in ONES else {})
    answer = desk.get(path, OFFICE)
    assert answer.status_code == 200, answer.text[:400]


def test_the_overview_tells_what_every_hold_in_force_covers_whatever_its_state(desk):
    answer_records(desk.doors, NOW)
    held = [{"ground": "evidence", "holds": 1, "reads": 144, "hits": 23, "uncounted": 0}]
    desk.doors.json("GET", "/v1/retention/stock", 200, {**stock(NOW), "held": {"reads": 0}, "holds": held})
    desk.doors.json("GET", "/v1/holds", 200, {"holds": [], "next": None})
    page = desk.get("/records", OFFICE).text
    assert "Evidence" in page
    assert ">144<" in page
    assert "Nothing is held" not in page
    for holds, words in (([], "Nothing is held."), (None, "Not counted right now.")):
        desk.doors.json("GET", "/v1/retention/stock", 200, {**stock(NOW), "holds": holds})
        assert words in desk.get("/records", OFFICE).text


def test_a_run_that_met_nothing_claims_no_certificate_no_entry_and_no_answer_of_a_store(desk):
    doors = [{"store": "console", "state": "not_asked", "gone": {}, "left": {}, "answered_at": None}]
    empty = {"run_id": RUN, "state": "complete", "days": [], "stores": doors, "ledger_event": "", "certificate": None}
    desk.doors.json("GET", f"/v1/retention/runs/{RUN}", 200, empty)
    page = desk.get(f"/records/purges/{RUN}", OFFICE).text
    assert "Nothing was due." in page
    for claim in ("It is an entry of the ledger", "Print the certificate", "answered", "Answered"):
        assert claim not in page
    answer_records(desk.doors, NOW)
    page = desk.get(f"/records/purges/{RUN}", OFFICE).text
    assert "Nothing was due." not in page
    for claim in ("It is an entry of the ledger", "Print the certificate", "Not asked"):
        assert claim in page


def test_a_hold_waits_for_its_confirmation_only_while_it_is_provisional_and_says_when_it_was_counted(desk):
    for state, waits in (("provisional", True), ("active", False), ("release_requested", False), ("ended", False)):
        one = hold(HOLD, NOW, state=state, flag="HOLD_GROUND_NOT_IN_PROFILE")
        desk.doors.json("GET", f"/v1/holds/{HOLD}", 200, one)
        page = desk.get(f"/records/holds/{HOLD}", OFFICE).text
        assert ("This ground is not in the agency" in page) == waits, state
        assert "as of " in page


def test_why_nothing_is_purged_begins_as_a_sentence_does(desk):
    purge = {
        "runs": False,
        "reason_code": "RETENTION_CHANGE_PENDING",
        "words": "the changed rules are not approved yet",
    }
    desk.doors.json("GET", "/v1/retention/schedule", 200, {"purge": purge})
    assert "The changed rules are not approved yet" in desk.get("/records/schedule", OFFICE).text


def test_a_demand_can_name_every_hold_that_binds_whatever_its_state(desk):
    answer_records(desk.doors, NOW)
    over = hold(RUN, NOW, state="ended")
    desk.doors.json(
        "GET", "/v1/holds", 200, {"holds": [hold(HOLD, NOW), hold(FOREIGN, NOW, state="provisional"), over]}
    )
    page = desk.get("/records/demands", OFFICE).text
    assert [f'value="{name}"' in page for name in (HOLD, FOREIGN, RUN)] == [True, True, False]


@pytest.mark.requirement("SEC-02", partial="the first page; who is told and the tasks are tested with the feature")
def test_what_waits_about_a_breach_stands_before_everything_else_with_the_time_it_has(desk):
    answer_records(desk.doors, NOW)
    desk.breaches = [
        {"incident_id": RUN, "words": "A breach was reported.", "due_at": None},
        {"incident_id": RUNNING, "words": "Stop it.", "due_at": NOW - timedelta(minutes=1)},
    ]
    page = desk.get("/records", ("program_manager",)).text
    assert page.index(f"/records/breaches/{RUN}") < page.index(f"/records/breaches/{RUNNING}")
    assert page.index(f"/records/breaches/{RUNNING}") < page.index("Decide on a request")
    assert "Late" in page[page.index("Stop it.") : page.index("Decide on a request")]
    desk.breaches = []
    assert f'href="/records/breaches/{RUN}' not in desk.get("/records", ("program_manager",)).text


@pytest.mark.parametrize("waits", [0, 1, 3])
def test_a_breach_that_waits_for_somebody_is_said_on_top_of_every_page(desk, waits):
    answer_records(desk.doors, NOW)
    page = desk.get("/records/releases", ("alpr_admin",), breaches=waits).text
    words = {0: None, 1: "Breach: 1 waits for you", 3: "Breach: 3 wait for you"}[waits]
    assert ("Breach:" not in page) if words is None else (words in page)


@pytest.mark.parametrize("path", ["/records", "/records/holds", f"/records/holds/{HOLD}", "/records/releases"])
def test_a_shut_door_is_said_on_the_page_and_never_a_blank_one(desk, path):
    desk.doors.away = True
    answer = desk.get(path, OFFICE)
    assert answer.status_code == 503
    assert "Records do not answer right now. Nothing was changed" in answer.text
    desk.doors.away = False
    desk.doors.json("GET", "/v1", 403, {"detail": "your role may not see this", "reason_code": "ROLE_NOT_AUTHORISED"})
    answer = desk.get(path, OFFICE)
    assert answer.status_code == 403
    assert "Your role may not see this" in answer.text


def test_a_page_that_looks_by_itself_keeps_no_idle_session_alive(desk):
    answer_records(desk.doors, NOW)
    desk.get(f"/records/purges/{RUNNING}", OFFICE, headers={"x-watch": "1"})
    assert desk.touched == []
    desk.get(f"/records/purges/{RUNNING}", OFFICE)
    assert desk.touched == ["s-1"]


@pytest.mark.parametrize(
    ("roles", "path"),
    [
        (("officer",), "/records/holds"),
        (("investigator",), "/records/purges"),
        (("chief_admin_assistant",), "/records/holds"),
        (("auditor", "contractor"), "/records/holds/new"),
    ],
)
def test_the_form_or_page_that_is_of_no_use_to_a_role_is_refused_or_offers_nothing(desk, roles, path):
    answer_records(desk.doors, NOW)
    answer = desk.get(path, roles)
    if answer.status_code == 200:
        assert 'data-send="POST /v1/holds"' not in answer.text
    else:
        assert answer.status_code == 403


def test_who_has_no_overview_begins_at_their_own_page(desk):
    answer_records(desk.doors, NOW)
    answer = desk.get("/records", ("investigator",))
    assert (answer.status_code, answer.headers["location"]) == (303, "/records/holds")
    answer = desk.get("/records", ("chief_admin_assistant",))
    assert answer.headers["location"] == "/records/releases"


@pytest.mark.requirement("SEC-07", partial="texts of pages; logs and addresses are tested elsewhere")
def test_a_hostile_answer_is_text_and_no_markup(desk):
    answer_records(desk.doors, NOW)
    bad = "<script>alert(1)</script>"
    row = {
        "hold_id": HOLD,
        "state": bad,
        "ground": bad,
        "case_number": bad,
        "scope": {"words": bad},
        "placed_name": bad,
    }
    desk.doors.json("GET", "/v1/holds", 200, {"holds": [row]})
    answer = desk.get("/records/holds", OFFICE)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in answer.text


@pytest.mark.parametrize("agency", ["irvine", "westminster", "claremont", "escondido", "roseville"])
def test_the_forms_speak_the_words_of_each_agency(desk, agency):
    answer_records(desk.doors, NOW)
    answer = desk.get("/records/releases/new", OFFICE, agency=agency)
    assert ("Reason for the request" in answer.text) == (agency == "claremont")
    answer = desk.get(f"/records/holds/{HOLD}", OFFICE, agency=agency)
    assert ("purged" in answer.text and "case file" in answer.text.lower()) or agency != "escondido"
    answer = desk.get("/records/breaches/new", ("officer",), agency=agency)
    assert desk.profiles[agency].governance.breach_route in answer.text


@pytest.mark.requirement("SHR-03", partial="what the token carries; the decision is tested with retention")
@pytest.mark.parametrize(
    "path",
    [
        "/records/releases",
        f"/records/releases/{SUBMITTED}",
        "/v1/release-requests",
        f"/v1/release-requests/{SUBMITTED}/decisions",
    ],
)
def test_a_designee_asks_about_releases_with_their_power_and_about_nothing_else(desk, path):
    answer_records(desk.doors, NOW)
    desk.delegation = "d-7"
    method = "POST" if path.endswith("/decisions") else "GET"
    desk.get(path, ("supervisor",), method=method)
    asked = [(path, person.powers) for _, _, path, person in desk.doors.asked if "release-requests" in path]
    assert asked
    assert {powers for _, powers in asked} == {("approve_release:d-7",)}
    desk.doors.asked.clear()
    desk.get("/v1/holds", ("supervisor",))
    assert [person.powers for *_, person in desk.doors.asked] == [()]


def test_a_volume_is_passed_through_with_the_person_who_takes_it(desk):
    desk.doors.answers["GET", f"/v1/evidence-exports/{PACKAGE}/volumes/1"] = (200, {"zip": "made up"})
    answer = desk.get(f"/v1/evidence-exports/{PACKAGE}/volumes/1", OFFICE)
    assert answer.json() == {"zip": "made up"}
    assert desk.doors.asked[-1][:3] == ("retention", "GET", f"/v1/evidence-exports/{PACKAGE}/volumes/1")


@pytest.mark.requirement("ADM-04", partial="where the role begins; the doors are tested with retention")
@pytest.mark.parametrize(
    ("roles", "page"),
    [
        (("custodian",), "/records"),
        (("retention_officer",), "/records"),
        (("chief_admin_assistant",), "/records"),
        (("auditor",), "/search"),
        (("investigator",), "/hits"),
        (("clets_coordinator",), "/account"),
    ],
)
def test_everybody_begins_at_a_page_that_is_open_to_them(desk, roles, page):
    answer = desk.get("/", roles)
    assert (answer.status_code, answer.headers["location"]) == (303, page)
