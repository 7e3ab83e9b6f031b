"""A new version of the policy in the middle of a shift: who is at work keeps the alerts, who comes reads it first."""

import contextlib
import secrets
import threading
import time

import httpx
import pytest

from alpr_console.accounts.rules import totp
from tests.fixtures import people
from tests.fixtures.console import make_hit, make_notification, running_console, sql, wait_for
from tests.fixtures.postgres import _database

PREFIX = f"ren{secrets.token_hex(3)}."


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder = tmp_path_factory.mktemp("renewed")
    with (
        _database(pg_admin_dsn, "renewed", f"TEMPLATE {pg_template}") as (_, database),
        running_console(database, kafka_bootstrap, PREFIX, folder) as running,
    ):
        yield running


class _Feed:
    """The live feed of a session: its status, the lines that came, and whether it ended."""

    def __init__(self, client):
        self.status, self.lines, self.ended = [], [], threading.Event()
        threading.Thread(target=self._listen, args=(client,), daemon=True).start()
        wait_for("the open feed", lambda: self.status)

    def _listen(self, client):
        with contextlib.suppress(httpx.HTTPError), client.stream("GET", "/v1/events", timeout=60) as answer:
            self.status.append(answer.status_code)
            for line in answer.iter_lines():
                self.lines.append(line)
        self.ended.set()


def outcome(answer):
    return answer.status_code, answer.json().get("reason_code") if answer.content else None


def put_in_force(manager, agency):
    """Write and approve a version; answers what the page says before the approval."""
    made = manager.post("/v1/profiles", json={"note": "the Chief's order of today", "changes": {"audible": False}})
    assert made.status_code == 201, made.text
    number = made.json()["number"]
    page = manager.get(f"/profile/versions/{number}").text
    approved = manager.post(f"/v1/profiles/{agency}/versions/{number}/approvals", json={})
    assert (approved.status_code, approved.json()["state"]) == (201, "in_force"), approved.text
    return page, approved.json()["version"]


@pytest.mark.requirement("CFG-02")
@pytest.mark.parametrize("agency", people.AGENCIES)
def test_who_is_at_work_keeps_the_alerts_and_who_comes_reads_the_new_version_first(console, agency):
    at_work, coming = (people.make_person(console, agency, "dispatcher") for _ in range(2))
    never = people.make_person(console, agency, "dispatcher", policy=False)
    managing = people.make_person(console, agency, "program_manager")
    with (
        people.signed_in(console, at_work) as shift,
        people.signed_in(console, never) as unread,
        people.signed_in(console, managing) as manager,
    ):
        feed = _Feed(shift)
        assert feed.status == [200]
        page, version = put_in_force(manager, agency)
        assert "Everybody reads and acknowledges the policy anew at their next sign-in" in page

        assert outcome(unread.get("/v1/hits")) == (403, "POLICY_NOT_READ")  # a new version opens no limited session
        assert shift.get("/v1/hits").status_code == 200
        shown = shift.get("/glossary").text
        assert "A new version of the policy is in force" in shown
        hit = make_hit(agency=agency)  # the feed looks after its session before it sends anything
        console.publish(make_notification(hit))
        wait_for("the alert", lambda: any(hit.hit_id in line for line in feed.lines))
        assert not feed.ended.is_set()

        with httpx.Client(base_url=console.url, timeout=30) as client:
            attempt = {"username": coming, "password": people.PASSWORD, "bearer": True}
            entered = client.post("/v1/session", json={**attempt, "code": totp(people.TOTP, int(time.time()) // 30)})
            assert entered.status_code == 201, entered.text
            client.headers["authorization"] = f"Bearer {entered.json()['token']}"
            for path in ("/v1/hits", "/v1/events"):
                assert outcome(client.get(path)) == (403, "POLICY_NOT_READ"), path
            assert client.post("/v1/policy-acknowledgments", json={"version": version}).status_code == 201
            assert client.get("/v1/hits").status_code == 200

        # a screen that is proved again and again is no way around: 12 hours after the change the session is limited
        changed = "UPDATE console.profile_in_force SET put_at = put_at - interval '12 hours' WHERE agency = $1"
        back = "UPDATE console.sessions SET started_at = started_at - interval '30 hours' WHERE person_id = $1"
        sql(console, back, people.person_id(at_work))
        assert shift.get("/v1/hits").status_code == 200
        sql(console, changed, agency)
        assert outcome(shift.get("/v1/hits")) == (403, "POLICY_NOT_READ")
        wait_for("the end of the feed", feed.ended.is_set)
        assert shift.post("/v1/policy-acknowledgments", json={"version": version}).status_code == 201
        assert shift.get("/v1/hits").status_code == 200
        assert "A new version of the policy" not in shift.get("/glossary").text
