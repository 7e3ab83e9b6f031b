"""Sign-in on a real database: first passwords, second factors, lockout, locked screens, sessions and their limits."""

import itertools
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from alpr_console.accounts.rules import totp
from alprcore.model import ListAlarm, make_id
from tests.fixtures import people
from tests.fixtures.console import publish, running_console, sql, wait_for
from tests.fixtures.desk import desk
from tests.fixtures.postgres import _database
from tests.fixtures.security_key import PRESENT, SecurityKey

PREFIX = f"sig{secrets.token_hex(3)}."
ORIGIN, SITE = "https://alpr.example", "alpr.example"
NEW_PASSWORD = "79 kestrels above the levee"
_addresses = (f"10.1.{number // 250}.{number % 250 + 1}" for number in itertools.count())


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sign_in")
    settings = {
        "TRUSTED_PROXIES": '["127.0.0.1/32"]',
        "DISPATCH_NETWORKS": '["10.9.0.0/24"]',
        "PUBLIC_URL": ORIGIN,
        "FAILURES_PER_MINUTE": "10",
    }
    with (
        _database(pg_admin_dsn, "signin", f"TEMPLATE {pg_template}") as (_, database),
        running_console(database, kafka_bootstrap, PREFIX, folder, **settings) as running,
    ):
        running.told = people.Told(running)
        yield running
        running.told.close()


@contextmanager
def caller(console, address=None):
    """A client at an address of its own, behind the proxy that the console trusts."""
    headers = {"x-forwarded-for": address or next(_addresses)}
    with httpx.Client(base_url=console.url, timeout=30, headers=headers) as client:
        yield client


def code_now(secret=people.TOTP):
    return totp(secret, int(time.time()) // 30)


def unused(console, username):
    """Forget which code was used last: tests are faster than the clock."""
    sql(console, "UPDATE console.people SET totp_last_step = 0 WHERE username = $1", username)


def attempt(username, **changes):
    return {"username": username, "password": people.PASSWORD, "code": code_now(), "bearer": True, **changes}


@contextmanager
def signed_in(console, username, address=None):
    """Sign in as a program does, with password and code."""
    unused(console, username)
    with caller(console, address) as client:
        answer = client.post("/v1/session", json=attempt(username))
        assert answer.status_code == 201, answer.text
        client.headers["authorization"] = f"Bearer {answer.json()['token']}"
        yield client


def reason(answer):
    return answer.status_code, answer.json()["reason_code"] if answer.content else ""


def events(console, kind, username, **wanted):
    """What the ledger's topic says of a person, of one kind."""
    return [
        event
        for event in console.told(kind)
        if event.personal.get("username") == username
        and all(getattr(event, name) == value for name, value in wanted.items())
    ]


def first_credentials(console, username):
    """Bring an account into the state in which credentials were just issued."""
    sql(
        console,
        "UPDATE console.people SET password_first = true, password_at = now(), totp_secret = '' WHERE username = $1",
        username,
    )


@pytest.mark.requirement("TRN-05", partial="that no credential exists before is tested with the accounts")
@pytest.mark.requirement("SEC-03", partial="one control of many: CJIS IA-2, IA-5")
@pytest.mark.parametrize("agency", people.AGENCIES)
def test_a_first_password_opens_nothing_but_the_way_to_ones_own(console, agency):
    username = people.make_person(console, agency, "dispatcher")
    first_credentials(console, username)
    with caller(console) as client:
        answer = client.post("/v1/session", json=attempt(username, code=""))
        client.headers["authorization"] = f"Bearer {answer.json()['token']}"
        assert reason(client.get("/v1/hits")) == (403, "PASSWORD_FIRST")
        assert reason(client.post("/v1/me/totp")) == (403, "PASSWORD_FIRST")
        put = lambda new: reason(client.put("/v1/me/password", json={"new": new}))  # noqa: E731
        assert put("short one") == (422, "PASSWORD_TOO_SHORT")
        assert put("passwordpassword") == (422, "PASSWORD_EASY")
        assert put(people.PASSWORD) == (422, "PASSWORD_SAME")
        assert put(NEW_PASSWORD) == (204, "")
        assert reason(client.get("/v1/hits")) == (403, "SECOND_FACTOR_NOT_ENROLLED")
        secret = client.post("/v1/me/totp").json()["secret"]
        assert reason(client.put("/v1/me/totp", json={"code": "000000"})) == (401, "SECOND_FACTOR_WRONG")
        assert client.put("/v1/me/totp", json={"code": code_now(secret)}).status_code == 204
        (row,) = sql(console, "SELECT totp_secret FROM console.people WHERE username = $1", username)
        assert (row["totp_secret"][:5], secret in row["totp_secret"]) == ("lk-1 ", False)
        session = client.get("/v1/session").json()
        assert (session["limit"], sorted(session["authenticated_by"])) == (None, ["mfa", "otp", "pwd"])
        assert client.get("/v1/hits").status_code == 200
        assert reason(client.post("/v1/session", json=attempt(username))) == (401, "CREDENTIALS_WRONG")
    if agency == "irvine":
        wait_for("the factor in the ledger", lambda: events(console, "second_factor_added", username))
        changed = wait_for("the password in the ledger", lambda: events(console, "password_changed", username))
        assert [event.facts["first"] for event in changed] == ["true"]


@pytest.mark.asyncio
async def test_secrets_from_before_they_were_sealed_are_sealed_and_open_for_their_person_only(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        await made.employ(made.as_("officer"), made.as_("dispatcher"))
        await made.sql("UPDATE console.people SET totp_secret = $1", people.TOTP)
        factors = made.console.accounts.factors
        assert [await factors.seal_secrets(), await factors.seal_secrets()] == [2, 0]
        officer, other = await made.sql("SELECT person_id, totp_secret FROM console.people ORDER BY username DESC")
        for kept, whose, opened in ((officer, officer, people.TOTP), (officer, other, "")):
            assert factors._on.opened(kept["totp_secret"], whose["person_id"]) == opened
        assert people.TOTP not in str([officer, other])


def test_a_first_password_is_good_for_three_days(console):
    username = people.make_person(console, "irvine", "officer")
    first_credentials(console, username)
    sql(console, "UPDATE console.people SET password_at = now() - interval '73 hours' WHERE username = $1", username)
    with caller(console) as client:
        assert reason(client.post("/v1/session", json=attempt(username))) == (401, "FIRST_PASSWORD_EXPIRED")


@pytest.mark.requirement("SEC-03", partial="one control of many: CJIS IA-2")
@pytest.mark.parametrize("agency", people.AGENCIES)
def test_every_agency_demands_the_second_step(console, agency):
    username = people.make_person(console, agency, "dispatcher")
    with caller(console) as client:
        given = {"username": username, "password": people.PASSWORD, "banner": "b-1", "bearer": True}
        begun = client.post("/v1/sign-in", json=given)
        assert begun.status_code == 200
        step = begun.json()["step"]
        assert begun.json()["ways"] == ["totp"]
        assert "token" not in begun.json()
        finish = lambda code: client.post("/v1/sign-in/second", json={"step": step, "code": code, "bearer": True})  # noqa: E731
        assert reason(finish("000000")) == (401, "SECOND_FACTOR_WRONG")
        token = finish(code_now()).json()["token"]
        assert reason(finish(code_now())) == (401, "STEP_EXPIRED")  # a step is taken once
        session = client.get("/v1/session", headers={"authorization": f"Bearer {token}"}).json()
        assert (session["username"], session["authenticated_by"]) == (username, ["pwd", "otp", "mfa"])
        assert session["training"]
        sql(console, "UPDATE console.people SET totp_secret = '' WHERE username = $1", username)
        assert reason(client.post("/v1/session", json=attempt(username))) == (401, "SECOND_FACTOR_NOT_ENROLLED")
    if agency == "irvine":
        (entry,) = wait_for("the sign-in", lambda: events(console, "sign_in", username, outcome="ok"))
        assert entry.facts["banner"] == "b-1"
        assert (entry.facts["authenticated_by"], entry.facts["idle_lock"]) == ("pwd otp mfa", "30 min")


def test_five_wrong_attempts_lock_until_an_administrator_releases_it(console):
    username = people.make_person(console, "irvine", "dispatcher")
    admin_name = people.make_person(console, "irvine", "alpr_admin")
    with caller(console) as client, ThreadPoolExecutor(8) as pool:
        tries = [attempt(username, password="wrong"), attempt(username, code="000000")] * 4
        codes = [reason(answer)[1] for answer in pool.map(lambda body: client.post("/v1/session", json=body), tries)]
        counted = {"CREDENTIALS_WRONG", "SECOND_FACTOR_WRONG"}
        assert sum(code in counted for code in codes) == 5, codes  # also when they all come at once
        assert set(codes) <= counted | {"ACCOUNT_LOCKED"}
        assert reason(client.post("/v1/session", json=attempt(username))) == (401, "ACCOUNT_LOCKED")
        sql(console, "UPDATE console.people SET locked_at = now() - interval '40 days' WHERE username = $1", username)
        assert reason(client.post("/v1/session", json=attempt(username))) == (401, "ACCOUNT_LOCKED")
    with signed_in(console, admin_name) as admin:
        (alert,) = [a for a in admin.get("/v1/alerts").json()["alerts"] if a["username"] == username]
        assert (alert["kind"], alert["seen_at"]) == ("account_locked", None)
        assert admin.delete(f"/v1/people/{username}/lock").status_code == 204
        assert admin.post(f"/v1/alerts/{alert['alert_id']}/seen").status_code == 204
    with signed_in(console, username) as client:
        assert reason(client.delete(f"/v1/people/{username}/lock")) == (403, "ROLE_NOT_AUTHORISED")
    wait_for("the lock in the ledger", lambda: events(console, "account_locked", username))
    assert wait_for("the release", lambda: events(console, "account_released", admin_name))


def test_a_name_that_is_no_accounts_locks_like_any_other(console):
    username = people.make_person(console, "irvine", "officer")
    said = []
    for name in (username, "nobody-of-this-name"):
        with caller(console) as client:
            answers = [client.post("/v1/session", json=attempt(name, password="wrong")) for _ in range(6)]
            said.append([(answer.status_code, answer.json()) for answer in answers])
    assert said[0] == said[1]
    assert said[0][5][1]["reason_code"] == "ACCOUNT_LOCKED"


def test_a_body_that_is_too_long_is_refused_before_it_is_in_memory(console):
    with caller(console) as client:
        for path, kind in (("/v1/session", "application/json"), ("/login", "application/x-www-form-urlencoded")):
            answer = client.post(path, content=b"x" * 70_000, headers={"content-type": kind})
            assert answer.status_code == 413, path
        answer = client.post("/v1/accounts", content=b"[" * 1_100_000, headers={"content-type": "application/json"})
        assert answer.status_code == 413


def test_an_address_that_guesses_many_names_waits(console):
    with caller(console) as client, caller(console) as neighbor:
        answers = [client.post("/v1/session", json=attempt(f"nobody{number}")) for number in range(11)]
        assert [reason(answer) for answer in answers[:10]] == [(401, "CREDENTIALS_WRONG")] * 10
        assert reason(answers[10]) == (429, "TOO_MANY_ATTEMPTS")
        assert answers[10].headers["retry-after"] == "60"
        assert reason(neighbor.post("/v1/session", json=attempt("nobody"))) == (401, "CREDENTIALS_WRONG")


@pytest.mark.requirement("USE-04")
@pytest.mark.parametrize("agency", people.AGENCIES)
def test_a_second_address_raises_an_alert(console, agency):
    username = people.make_person(console, agency, "officer")
    admin_name = people.make_person(console, agency, "alpr_admin")
    with signed_in(console, username, "10.2.0.12"), signed_in(console, username, "10.2.0.12"):
        with signed_in(console, admin_name) as admin:
            assert username not in {alert["username"] for alert in admin.get("/v1/alerts").json()["alerts"]}
        with signed_in(console, username, "10.2.0.99"), signed_in(console, admin_name) as admin:
            (alert,) = [a for a in admin.get("/v1/alerts").json()["alerts"] if a["username"] == username]
            assert alert["kind"] == "concurrent_session"
            assert alert["facts"] == {"source_ip": "10.2.0.99", "other_addresses": "10.2.0.12"}
            assert admin.get("/v1/session").json()["alerts"] >= 1
            assert "Signed in at two places" in admin.get("/alerts").text
            assert admin.post(f"/v1/alerts/{alert['alert_id']}/seen").status_code == 204
    with signed_in(console, username, "10.2.0.12") as client:
        assert reason(client.get("/v1/alerts")) == (403, "ROLE_NOT_AUTHORISED")
    # signing in once more from the first address is an alert of its own: the topic's partitions give no order

    def others():
        return {entry.personal["other_addresses"] for entry in events(console, "concurrent_session", username)}

    wait_for("both entries", lambda: others() == {"10.2.0.12", "10.2.0.99"})


@pytest.mark.requirement("HOT-03", partial="what the console makes of an alarm; that it is raised is shown at ingest")
@pytest.mark.requirement("HOT-05", partial="what the console makes of an alarm; that it is raised is shown at ingest")
@pytest.mark.parametrize("agency", people.AGENCIES)
def test_an_alarm_of_a_list_is_put_before_the_administrators_of_its_agency_once(console, agency):
    stale = ListAlarm(
        make_id("list_alarm", agency, PREFIX), agency, "SVS", "Stolen vehicles", "stale", "HOTLIST_STALE",
        datetime.now(UTC), {"since": "2026-03-08T10:00:00Z"},
    )  # fmt: skip
    missed = replace(
        stale, alarm_id=make_id("list_alarm", agency, PREFIX, "2"), kind="loads_missed",
        reason_code="LIST_LOADS_MISSED", facts={"day": "2026-03-08", "loads": "1", "needed": "2"},
    )  # fmt: skip
    publish(console.bootstrap, console.prefix, stale, stale, missed)  # Kafka may bring it twice
    with signed_in(console, people.make_person(console, agency, "alpr_admin")) as admin:

        def alarms():
            return [a for a in admin.get("/v1/alerts").json()["alerts"] if a["kind"].startswith("list_")]

        wait_for("both alarms", lambda: len(alarms()) >= 2)
        assert sorted((a["kind"], a["username"], a["facts"]["reason_code"]) for a in alarms()) == [
            ("list_loads_missed", "SVS", "LIST_LOADS_MISSED"), ("list_stale", "SVS", "HOTLIST_STALE"),
        ]  # fmt: skip
        page = admin.get("/alerts").text
        assert "A list is too old" in page
        assert "2026-03-08: 1 of 2 loads" in page
        for alarm in alarms():
            assert admin.post(f"/v1/alerts/{alarm['alert_id']}/seen").status_code == 204


def idle(console, client, minutes, column="last_seen_at"):
    session = make_id("session", token_hash(client).hex())
    sql(
        console,
        f"UPDATE console.sessions SET {column} = now() - make_interval(mins => $2) WHERE session_id = $1",
        session,
        minutes,
    )


def token_hash(client):
    from alpr_console.web import token_hash as hashed

    return hashed(client.headers["authorization"].removeprefix("Bearer "))


@pytest.mark.requirement("SEC-03", partial="one control of many: CJIS AC-11, IA-5")
def test_an_idle_screen_is_locked_and_opens_again_for_its_person_only(console):
    username = people.make_person(console, "irvine", "dispatcher")
    with signed_in(console, username) as client:
        idle(console, client, 29)
        assert client.get("/v1/hits").status_code == 200
        idle(console, client, 31)
        assert reason(client.get("/v1/hits")) == (401, "SESSION_LOCKED")
        assert reason(client.get("/v1/events")) == (401, "SESSION_LOCKED")
        assert reason(client.post("/v1/session/activity")) == (401, "SESSION_LOCKED")
        assert client.get("/hits").headers["location"] == "/locked?next=%2Fhits"
        assert client.get("/v1/session").json()["limit"] == "SESSION_LOCKED"
        assert "This screen is locked" in client.get("/locked").text
        unused(console, username)
        prove = lambda **body: client.post("/v1/session/proof", json=body)  # noqa: E731
        assert reason(prove(password="wrong", code=code_now())) == (401, "CREDENTIALS_WRONG")
        assert reason(prove(password=people.PASSWORD)) == (401, "SECOND_FACTOR_WRONG")
        assert reason(client.get("/v1/hits")) == (401, "SESSION_LOCKED")
        old = client.headers["authorization"]
        client.headers["authorization"] = f"Bearer {prove(password=people.PASSWORD, code=code_now()).json()['token']}"
        assert client.get("/v1/hits").status_code == 200
        assert reason(client.get("/v1/hits", headers={"authorization": old})) == (401, "NO_SESSION")
        sql(console, "UPDATE console.sessions SET authenticated_at = now() - interval '12 hours' WHERE token_hash = $1",
            token_hash(client))  # fmt: skip
        assert reason(client.get("/v1/hits")) == (401, "SESSION_LOCKED")
        sql(console, "UPDATE console.sessions SET last_seen_at = now() - interval '12 hours' WHERE token_hash = $1",
            token_hash(client))  # fmt: skip
        assert reason(client.get("/v1/hits")) == (401, "NO_SESSION")
    wait_for("the unlocking", lambda: events(console, "session_unlocked", username))
    assert wait_for("the end", lambda: events(console, "session_ended", username))[0].facts["reason"] == "unused"


def test_a_dispatch_room_that_the_operator_named_is_not_locked_and_the_ledger_says_so(console):
    username = people.make_person(console, "irvine", "dispatcher")
    other = people.make_person(console, "irvine", "investigator")
    with signed_in(console, username, "10.9.0.4") as client:
        idle(console, client, 300)
        assert client.get("/v1/hits").status_code == 200
    with signed_in(console, other, "10.9.0.5") as client:
        idle(console, client, 31)
        assert reason(client.get("/v1/hits")) == (401, "SESSION_LOCKED")
    (entry,) = wait_for("the sign-in", lambda: events(console, "sign_in", username))
    assert entry.facts["idle_lock"] == "exempt"


@pytest.mark.requirement("TRN-06")
def test_an_overdue_review_leaves_only_the_policy_open(console):
    username = people.make_person(console, "claremont", "dispatcher", policy=False)
    long_ago = datetime.now(UTC) - timedelta(days=366)
    people.put(console, people.reading("claremont", people.person_id(username), long_ago))
    with signed_in(console, username) as client:
        assert client.get("/v1/session").json()["limit"] == "POLICY_NOT_READ"
        for path in ("/v1/hits", "/v1/events", "/v1/me/sessions", "/v1/glossary", "/v1/devices"):
            assert reason(client.get(path)) == (403, "POLICY_NOT_READ"), path
        for path in ("/", "/hits", "/search", "/account", "/devices"):
            assert client.get(path).headers["location"] == "/policy", path
        assert client.get("/policy").status_code == 200
        version = people.PROFILES["claremont"].version
        done = client.post("/v1/policy-acknowledgments", json={"version": version})
        assert done.status_code == 201, done.text
        assert client.get("/v1/hits").status_code == 200
    for agency in ("irvine", "westminster"):  # whose policies ask for no yearly review
        name = people.make_person(console, agency, "dispatcher", policy=False)
        people.put(console, people.reading(agency, people.person_id(name), long_ago))
        with signed_in(console, name) as client:
            limit = client.get("/v1/session").json()["limit"]
            assert limit == (None if people.PROFILES[agency].access.policy_review_days is None else "POLICY_NOT_READ")


@pytest.mark.parametrize("agency", people.AGENCIES)
def test_a_refusal_by_papers_is_one_entry_and_papers_that_lapse_limit_a_session_at_once(console, agency):
    untrained = people.make_person(console, agency, "officer", training=False)
    with caller(console) as client:
        assert reason(client.post("/v1/session", json=attempt(untrained))) == (403, "TRAINING_MISSING")
    username = people.make_person(console, agency, "dispatcher")
    with signed_in(console, username) as client:
        assert client.get("/v1/hits").status_code == 200
        people.put(console, ("DELETE FROM console.training_records WHERE person_id = $1", people.person_id(username)))
        assert reason(client.get("/v1/hits")) == (403, "TRAINING_MISSING")
        assert client.get("/hits").status_code == 403
        assert "Not open to you" in client.get("/hits").text
    found = wait_for("the refusal", lambda: events(console, "sign_in", untrained))
    assert [(e.outcome, e.reason_code) for e in found] == [("refused", "TRAINING_MISSING")]
    assert not events(console, "refused", untrained)


def test_own_sessions_are_listed_and_ended(console):
    username = people.make_person(console, "irvine", "officer")
    with signed_in(console, username, "10.3.0.1") as one, signed_in(console, username, "10.3.0.2") as other:
        sessions = one.get("/v1/me/sessions").json()["sessions"]
        assert {(s["source_ip"], s["this"]) for s in sessions} == {("10.3.0.1", True), ("10.3.0.2", False)}
        (theirs,) = [s["session_id"] for s in sessions if not s["this"]]
        assert one.delete(f"/v1/me/sessions/{theirs}").status_code == 204
        assert reason(other.get("/v1/session")) == (401, "NO_SESSION")
        assert reason(one.delete(f"/v1/me/sessions/{theirs}")) == (404, "SESSION_UNKNOWN")
        assert one.get("/account").status_code == 200
        with signed_in(console, username, "10.3.0.1") as third:
            change = {"current": people.PASSWORD, "new": NEW_PASSWORD}
            assert reason(third.put("/v1/me/password", json={**change, "current": "x"})) == (401, "CREDENTIALS_WRONG")
            (row,) = sql(console, "SELECT failures FROM console.people WHERE username = $1", username)
            assert row["failures"] == 1  # a guess is a guess, wherever it is made
            assert third.put("/v1/me/password", json=change).status_code == 204
            assert third.get("/v1/session").status_code == 200
            assert reason(one.get("/v1/session")) == (401, "NO_SESSION")


@contextmanager
def with_key(console, agency="irvine"):
    """A person with a session and a registered security key."""
    username = people.make_person(console, agency, "dispatcher")
    key = SecurityKey(ORIGIN, SITE)
    with signed_in(console, username) as client:
        options = client.post("/v1/me/keys/options").json()
        body = {"label": "blue", "answer": key.register(options)}
        assert client.post("/v1/me/keys", json=body).status_code == 204
        yield username, key, client


def by_key(console, username, answer):
    """Sign in with a password and whatever `answer` makes of the options."""
    with caller(console) as client:
        given = {"username": username, "password": people.PASSWORD, "bearer": True}
        begun = client.post("/v1/sign-in", json=given).json()
        assert "security_key" in begun["ways"]
        body = {"step": begun["step"], "answer": answer(begun["options"]), "bearer": True}
        return client.post("/v1/sign-in/second", json=body)


@pytest.mark.requirement("SEC-03", partial="one control of many: CJIS IA-2(1), (2), (8)")
def test_a_security_key_is_a_second_factor_and_lies_are_refused(console):
    with with_key(console) as (username, key, client):
        assert [one["label"] for one in client.get("/v1/me/keys").json()["keys"]] == ["blue"]
        good = by_key(console, username, key.sign)
        assert good.status_code == 201
        session = client.get("/v1/session", headers={"authorization": f"Bearer {good.json()['token']}"}).json()
        assert session["authenticated_by"] == ["pwd", "hwk", "user", "mfa"]
        old = {}
        by_key(console, username, lambda options: old.update(options) or key.sign(options))
        stranger = SecurityKey(ORIGIN, SITE)
        lies = {
            "another key": stranger.sign,
            "another site": lambda options: key.sign(options, site="elsewhere.example"),
            "another origin": lambda options: key.sign(options, origin="https://elsewhere.example"),
            "an old challenge": lambda options: key.sign(options, challenge=old["challenge"]),
            "nobody verified": lambda options: key.sign(options, flags=PRESENT),
            "a registration": lambda options: key.sign(options, kind="webauthn.create"),
            "nonsense": lambda _: {"rawId": "AA", "response": 7},
        }
        for name, lie in lies.items():
            assert reason(by_key(console, username, lie)) == (401, "SECOND_FACTOR_WRONG"), name
            sql(console, "UPDATE console.people SET failures = 0 WHERE username = $1", username)
        key.count = 0  # a copy that never heard of the others' use
        assert reason(by_key(console, username, key.sign)) == (401, "SECOND_FACTOR_WRONG")
    kinds = sql(console, "SELECT kind FROM console.alerts WHERE username = $1", username)
    assert {"kind": "security_key_copied"} in kinds


def test_several_keys_and_the_last_second_factor_stays(console):
    with with_key(console, "roseville") as (username, first, client):
        second = SecurityKey(ORIGIN, SITE)
        options = client.post("/v1/me/keys/options").json()
        assert [item["id"] for item in options["excludeCredentials"]]
        for lie in (
            second.register(options, origin="https://elsewhere.example"),
            second.register(options, flags=PRESENT),
        ):
            assert reason(client.post("/v1/me/keys", json={"label": "x", "answer": lie})) == (
                422,
                "SECURITY_KEY_REFUSED",
            )
        options = client.post("/v1/me/keys/options").json()
        assert client.post("/v1/me/keys", json={"label": "red", "answer": second.register(options)}).status_code == 204
        assert by_key(console, username, second.sign).status_code == 201
        assert client.delete("/v1/me/totp").status_code == 204
        names = [one["key_id"] for one in client.get("/v1/me/keys").json()["keys"]]
        assert client.delete(f"/v1/me/keys/{names[0]}").status_code == 204
        assert reason(client.delete(f"/v1/me/keys/{names[1]}")) == (409, "LAST_SECOND_FACTOR")
        assert reason(by_key(console, username, first.sign)) == (401, "SECOND_FACTOR_WRONG")
        sql(console, "UPDATE console.sessions SET authenticated_at = now() - interval '16 min' WHERE token_hash = $1",
            token_hash(client))  # fmt: skip
        assert reason(client.post("/v1/me/keys/options")) == (403, "PROVE_AGAIN")
        answer = second.sign(client.post("/v1/session/proof/options").json())
        proved = client.post("/v1/session/proof", json={"answer": answer})
        assert proved.status_code == 200
        client.headers["authorization"] = f"Bearer {proved.json()['token']}"
        assert client.post("/v1/me/keys/options").status_code == 200


def test_where_only_keys_count_a_code_leads_no_further_than_to_a_key(console, kafka_bootstrap, tmp_path):
    """A code can be told to a false site, a key signs for the right one only (CJIS IA-2, phishing-resistant)."""
    settings = {"TRUSTED_PROXIES": '["127.0.0.1/32"]', "PUBLIC_URL": ORIGIN, "SECOND_FACTORS": "security_key",
                "LIST_KEYS_FILE": console.environment["ALPR_CONSOLE_LIST_KEYS_FILE"]}  # fmt: skip
    username, key = people.make_person(console, "irvine", "dispatcher"), SecurityKey(ORIGIN, SITE)
    with running_console(console.database, kafka_bootstrap, PREFIX, tmp_path, **settings) as strict:
        with signed_in(strict, username) as client:
            assert client.get("/v1/session").json()["limit"] == "SECOND_FACTOR_NOT_ENROLLED"
            assert reason(client.post("/v1/me/totp")) == (403, "SECURITY_KEY_NEEDED")
            options = client.post("/v1/me/keys/options").json()
            assert client.post("/v1/me/keys", json={"label": "k", "answer": key.register(options)}).status_code == 204
            assert client.get("/v1/session").json()["limit"] is None
            (one,) = client.get("/v1/me/keys").json()["keys"]
            assert reason(client.delete(f"/v1/me/keys/{one['key_id']}")) == (409, "LAST_SECOND_FACTOR")
        unused(strict, username)
        with caller(strict) as client:
            assert reason(client.post("/v1/session", json=attempt(username))) == (401, "SECOND_FACTOR_WRONG")
            begun = client.post("/v1/sign-in", json={"username": username, "password": people.PASSWORD}).json()
            assert begun["ways"] == ["security_key"]
        assert by_key(strict, username, key.sign).status_code == 201
