"""Training gates, the policy's reading, access reviews and units, under every agency's policy."""

import secrets
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from alprcore.model import make_id
from alprcore.policy import local_day
from tests.fixtures.console import sql, wait_for
from tests.fixtures.people import (
    AGENCIES,
    PROFILES,
    certification,
    codes,
    make_person,
    office,
    person_id,
    put,
    reading,
    run_timer,
    sign_in,
    signed_in,
    standing,
)
from tests.fixtures.postgres import _database

PREFIX = f"trn{secrets.token_hex(3)}."
OWNERS = {
    "irvine": "training_manager", "westminster": "training_manager", "claremont": "program_manager",
    "escondido": "program_manager", "roseville": "alpr_admin",
}  # fmt: skip


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    with (
        _database(pg_admin_dsn, "training", f"TEMPLATE {pg_template}") as (_, database),
        office(database, kafka_bootstrap, PREFIX, folder) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def managers(console):
    return console.managers


@pytest.fixture(scope="module")
def owners(console, managers):
    """Each agency's training owner, signed in; an administrator among them is assigned to it (ACC-09)."""
    with ExitStack() as stack:
        found = {}
        for agency, role in OWNERS.items():
            username = make_person(console, agency, role)
            if role == "alpr_admin":
                made = managers[agency].post("/v1/assignments", json={"username": username, "scope": "training"})
                assert made.status_code == 201
            found[agency] = stack.enter_context(signed_in(console, username))
        yield found


@pytest.fixture(scope="module")
def told(console):
    return console.told


def approved_course(owner, *tags, **changes):
    body = {"name": f"Course {secrets.token_hex(3)}", "version": "1", "tags": list(tags), **changes}
    course = owner.post("/v1/courses", json=body).json()["course_id"]
    assert owner.post(f"/v1/courses/{course}/approval").status_code == 201
    return course


def completion(agency, username, course, **changes):
    day = local_day(PROFILES[agency], datetime.now(UTC)).isoformat()
    return {"username": username, "course_id": course, "completed_on": day, "trainer": "Lee Morgan", **changes}


def tags_of(agency):
    return sorted({need.tag for need in PROFILES[agency].access.training})


@pytest.mark.requirement("ACC-03")
@pytest.mark.parametrize("agency", AGENCIES)
def test_nobody_comes_in_untrained(console, agency, told):
    username = make_person(console, agency, "officer", training=False)
    assert codes(sign_in(console, username)) == [(403, "TRAINING_MISSING")]
    with signed_in(console, username) as client:  # a session from before the training ran out
        answers = [
            client.get("/v1/hits"),
            client.get("/v1/events"),
            client.post("/v1/queries", json={}),
            client.post("/v1/device-sessions", json={"device_id": "unit-7"}),
        ]
        assert codes(*answers) == [(403, "TRAINING_MISSING")] * 4
    tried = wait_for("the sign-in's entry", lambda: told("sign_in", person_id(username)))
    assert {(one.outcome, one.reason_code) for one in tried} == {("refused", "TRAINING_MISSING")}
    mine = lambda: [one for one in told("refused") if one.personal.get("username") == username]  # noqa: E731
    wait_for("the refusals' entry", mine)
    with signed_in(console, make_person(console, agency, "officer")) as trained:
        assert trained.post("/v1/device-sessions", json={"device_id": "unit-7"}).status_code == 201


@pytest.mark.requirement("TRN-01")
@pytest.mark.parametrize("agency", AGENCIES)
def test_only_the_training_owner_approves_and_records(console, owners, agency, told):
    username, owner = make_person(console, agency, "officer", training=False), owners[agency]
    body = {"name": f"ALPR basics {agency}", "version": "2026-1", "tags": tags_of(agency)}
    course = owner.post("/v1/courses", json=body).json()["course_id"]
    done = completion(agency, username, course, context="FTO")
    assert codes(owner.post("/v1/training-records", json=done)) == [(422, "COURSE_NOT_APPROVED")]
    for role in ("officer", "supervisor", "auditor"):
        with signed_in(console, make_person(console, agency, role)) as other:
            refused = (
                other.post("/v1/courses", json=body),
                other.post(f"/v1/courses/{course}/approval"),
                other.post("/v1/training-records", json=done),
            )
            assert codes(*refused) == [(403, "ROLE_NOT_AUTHORISED")] * 3
    assert owner.post(f"/v1/courses/{course}/approval").status_code == 201
    assert codes(owner.post("/v1/training-records", json={**done, "trainer": " "})) == [(422, "FIELD_INVALID")]
    assert codes(owner.post("/v1/training-records", json={**done, "completed_on": "2099-01-01"})) == [
        (422, "FIELD_INVALID")
    ]
    assert owner.post("/v1/training-records", json={**done, "passed": False}).status_code == 201
    assert codes(sign_in(console, username)) == [(403, "TRAINING_MISSING")]
    assert owner.post("/v1/training-records", json=done).status_code == 201
    assert sign_in(console, username).status_code == 201
    (paper, failed) = owner.get(f"/v1/people/{username}/papers").json()["records"]
    assert {paper["passed"], failed["passed"]} == {True, False}
    assert (paper["version"], paper["trainer"], paper["context"]) == ("2026-1", "Lee Morgan", "FTO")
    results = lambda: {one.facts["result"] for one in told("training_recorded", person_id(username))}  # noqa: E731
    wait_for("both entries", lambda: results() == {"passed", "failed"})


def made_over_the_api(console, managers, agency, category, **changes):
    """An account without papers, made by the program manager; answers its username."""
    number = secrets.token_hex(3)
    role = {"communications": "dispatcher"}.get(category, "officer")
    body = {
        "username": f"sam.{number}", "full_name": "Sam Ortega", "employee_id": number, "category": category,
        "job_title": "Police Officer", "roles": [role], **changes,
    }  # fmt: skip
    assert managers[agency].post("/v1/accounts", json=body).status_code == 201
    kinds = PROFILES[agency].access.certifications
    person = make_id("person", agency, body["username"])
    put(console, *(certification(agency, person, kind, datetime.now(UTC)) for kind in kinds))
    return body["username"]


@pytest.mark.requirement("TRN-02")
@pytest.mark.parametrize("agency", AGENCIES)
def test_sworn_are_trained_in_the_field_training_program(console, managers, owners, agency):
    username = made_over_the_api(console, managers, agency, "sworn")
    course = approved_course(owners[agency], *tags_of(agency))
    activation = f"/v1/accounts/{username}/activation"
    assert codes(managers[agency].post(activation)) == [(403, "TRAINING_MISSING")]
    owners[agency].post("/v1/training-records", json=completion(agency, username, course, context="initial"))
    answer = managers[agency].post(activation)
    if agency != "claremont":
        assert answer.status_code == 201
        return
    assert codes(answer) == [(403, "TRAINING_MISSING")]
    lacking = {one["username"] for one in managers[agency].get("/v1/training-report?lacks=alpr@FTO").json()["people"]}
    assert username in lacking
    owners[agency].post("/v1/training-records", json=completion(agency, username, course, context="FTO"))
    assert managers[agency].post(activation).status_code == 201
    report = managers[agency].get("/v1/training-report?lacks=alpr@FTO").json()["people"]
    assert username not in {one["username"] for one in report}


@pytest.mark.requirement("TRN-03")
def test_communications_staff_learn_equipment_and_policy(console, managers, owners):
    username = made_over_the_api(console, managers, "claremont", "communications")
    activation, owner = f"/v1/accounts/{username}/activation", owners["claremont"]
    equipment, policy = approved_course(owner, "alpr_equipment"), approved_course(owner, "alpr_policy")
    owner.post("/v1/training-records", json=completion("claremont", username, equipment))
    refused = managers["claremont"].post(activation)
    assert codes(refused) == [(403, "TRAINING_MISSING")]
    assert "alpr policy" in refused.json()["detail"]
    assert "recorded by the" in refused.json()["detail"]  # a way out, not only a wall
    assert PROFILES["claremont"].role_title("program_manager") in refused.json()["detail"]
    assert "equipment" not in refused.json()["detail"]
    owner.post("/v1/training-records", json=completion("claremont", username, policy))
    assert managers["claremont"].post(activation).status_code == 201


@pytest.mark.requirement("TRN-04", partial="the query's refusal: test_query_door")
def test_administrators_see_who_lacks_cdms_or_learn(console, owners):
    cdms = make_person(console, "roseville", "officer", tags=["alpr", "cdms"])
    learn = make_person(console, "roseville", "officer", tags=["alpr", "learn"])
    assert standing(console, cdms).training[0].tags == ("alpr", "cdms")
    lacks = {
        tag: {one["username"] for one in owners["roseville"].get(f"/v1/training-report?lacks={tag}").json()["people"]}
        for tag in ("learn", "cdms")
    }
    assert (cdms in lacks["learn"], learn in lacks["learn"]) == (True, False)
    assert (cdms in lacks["cdms"], learn in lacks["cdms"]) == (False, True)
    planned = {
        "course_id": approved_course(owners["roseville"], "learn"),
        "starts_at": (datetime.now(UTC) + timedelta(days=3)).isoformat(),
        "place": "Room 2",
        "usernames": [cdms],
    }
    assert owners["roseville"].post("/v1/training-sessions", json=planned).status_code == 201
    for changes, status in (({"usernames": [cdms, "p0.irvine"]}, 404), ({"starts_at": "2026-01-01T00:00:00Z"}, 422)):
        assert owners["roseville"].post("/v1/training-sessions", json={**planned, **changes}).status_code == status
    with signed_in(console, cdms) as client:
        assert [one["place"] for one in client.get("/v1/my-training").json()["planned"]] == ["Room 2"]
        assert client.post("/v1/training-sessions", json=planned).status_code == 403
        assert client.post("/v1/device-sessions", json={"device_id": "unit-3"}).status_code == 201
    with signed_in(console, learn) as client:
        refused = client.post("/v1/device-sessions", json={"device_id": "unit-3"})
        assert codes(refused) == [(403, "TRAINING_MISSING")]
        assert "cdms" in refused.json()["detail"]


@pytest.mark.requirement("TRN-05")
@pytest.mark.parametrize("agency", AGENCIES)
def test_credentials_come_after_training_and_policy(console, managers, owners, agency, told):
    username = made_over_the_api(console, managers, agency, "sworn")
    client, route = managers[agency], f"/v1/accounts/{username}/credentials"
    assert codes(client.post(route)) == [(409, "ACCOUNT_NOT_ACTIVE")]
    course = approved_course(owners[agency], *tags_of(agency))
    owners[agency].post("/v1/training-records", json=completion(agency, username, course, context="FTO"))
    assert client.post(f"/v1/accounts/{username}/activation").status_code == 201
    unread = client.post(route)
    assert codes(unread) == [(403, "POLICY_NOT_READ")]
    assert "Policy read and signed on paper" in unread.json()["detail"]  # the way out, as the page calls it
    assert "Policy read and signed on paper" in client.get(f"/people/{username}").text
    (row,) = sql(console, "SELECT password_hash FROM console.people WHERE username = $1", username)
    assert row["password_hash"] == ""
    older = client.post("/v1/policy-acknowledgments", json={"version": "older", "username": username})
    assert codes(older) == [(409, "POLICY_CHANGED")]
    read = {"version": PROFILES[agency].version, "username": username}
    assert client.post("/v1/policy-acknowledgments", json=read).status_code == 201
    issued = client.post(route)
    assert issued.status_code == 201
    assert len(issued.json()["first_password"]) >= 12
    (row,) = sql(console, "SELECT password_hash FROM console.people WHERE username = $1", username)
    assert issued.json()["first_password"] not in row["password_hash"]
    (event,) = wait_for("the entry", lambda: told("credentials_issued", make_id("person", agency, username)))
    assert issued.json()["first_password"] not in str(event)


@pytest.mark.requirement("TRN-06")
@pytest.mark.parametrize("agency", AGENCIES)
def test_an_overdue_review_leaves_the_policy_page_only(console, managers, agency):
    now = datetime.now(UTC)
    overdue, soon = (make_person(console, agency, "officer", policy=False) for _ in range(2))
    put(
        console,
        reading(agency, person_id(overdue), now - timedelta(days=366)),
        reading(agency, person_id(soon), now - timedelta(days=360)),
    )
    assert sign_in(console, overdue).status_code == 201
    with signed_in(console, overdue) as client, signed_in(console, soon) as other:
        kept = client.get("/v1/hits")
        if agency != "claremont":
            assert kept.status_code == 200
            return
        assert codes(kept, client.get("/v1/devices")) == [(403, "POLICY_NOT_READ")] * 2
        assert client.get("/hits").headers["location"] == "/policy"
        assert client.get("/policy").status_code == 200
        mine = other.get("/v1/my-training").json()["policy"]
        assert (mine["state"], mine["urgent"]) == ("due", True)
        assert "yearly review of the policy is due in" in other.get("/glossary").text
        report = {
            one["username"]: one["policy"] for one in managers[agency].get("/v1/training-report").json()["people"]
        }
        assert (report[overdue]["state"], report[soon]["state"]) == ("overdue", "due")
        for_others = client.post(
            "/v1/policy-acknowledgments", json={"version": PROFILES[agency].version, "username": soon}
        )
        assert codes(for_others) == [(403, "POLICY_NOT_READ")]
        read = client.post("/v1/policy-acknowledgments", json={"version": PROFILES[agency].version})
        assert read.status_code == 201
        assert client.get("/v1/hits").status_code == 200


@pytest.mark.requirement("TRN-08")
@pytest.mark.parametrize("agency", AGENCIES)
def test_operating_a_device_takes_its_own_training(console, agency):
    data = sorted({need.tag for need in PROFILES[agency].access.training if need.activity == "access_data"})
    with signed_in(console, make_person(console, agency, "officer", tags=data)) as client:
        assert client.get("/v1/hits").status_code == 200
        started = client.post("/v1/device-sessions", json={"device_id": "unit-5"})
        if agency in ("escondido", "roseville"):
            assert codes(started) == [(403, "TRAINING_MISSING")]
            return
        assert started.status_code == 201
        session = started.json()["device_session_id"]
        assert client.delete(f"/v1/device-sessions/{session}").status_code == 204
        assert codes(client.delete(f"/v1/device-sessions/{session}")) == [(404, "DEVICE_SESSION_UNKNOWN")]


def forget_reviews(console, *agencies):
    """Delete reviews in one statement: the console's own timer opens one whenever there is none."""
    accounts = "DELETE FROM console.review_accounts WHERE agency = ANY($1)"
    sql(console, f"WITH a AS ({accounts}) DELETE FROM console.review_cycles WHERE agency = ANY($1)", list(agencies))


@pytest.mark.requirement("ACC-12")
@pytest.mark.parametrize("agency", ["roseville", "irvine"])
def test_an_account_nobody_decided_on_is_out_after_the_review(console, managers, agency):
    kept, dropped, forgotten = (make_person(console, agency, "officer") for _ in range(3))
    client = managers[agency]
    forget_reviews(console, agency)
    opened = client.post("/v1/access-reviews")
    assert opened.status_code == 201
    assert codes(client.post("/v1/access-reviews")) == [(409, "REVIEW_OPEN")]
    cycle = f"/v1/access-reviews/{opened.json()['cycle_id']}"
    listed = {one["username"] for one in client.get(cycle).json()["accounts"]}
    assert {kept, dropped, forgotten} <= listed
    assert codes(client.put(f"{cycle}/decisions/{kept}", json={"decision": "keep", "reason": ""})) == [
        (422, "FIELD_INVALID")
    ]
    need = {"decision": "keep", "reason": "patrols with unit 7"}
    assert client.put(f"{cycle}/decisions/{kept}", json=need).status_code == 204
    gone = {"decision": "disable", "reason": "moved to another unit"}
    assert client.put(f"{cycle}/decisions/{dropped}", json=gone).status_code == 204
    with signed_in(console, make_person(console, agency, "program_manager")) as other:
        assert other.put(f"{cycle}/decisions/{forgotten}", json=gone | {"decision": "perhaps"}).status_code == 422
        for username in listed - {kept, dropped, forgotten}:  # the manager's own account among them
            assert other.put(f"{cycle}/decisions/{username}", json=need).status_code == 204
    own = next(one for one in listed if client.get(f"/v1/accounts/{one}").json()["roles"] == ["program_manager"])
    assert codes(client.put(f"{cycle}/decisions/{own}", json=need)) == [(403, "OWN_ACCOUNT")]
    assert sign_in(console, forgotten).status_code == 201
    assert codes(client.post(f"{cycle}/closure")) == [(409, "REVIEW_UNDECIDED")], "shut out before the quarter ended"
    assert sign_in(console, forgotten).status_code == 201
    put(console, ("UPDATE console.review_cycles SET due_at = now() WHERE cycle_id = $1", cycle.rpartition("/")[2]))
    assert client.post(f"{cycle}/closure").status_code == 204
    answer = sign_in(console, forgotten)
    if agency == "irvine":
        assert answer.status_code == 201
        return
    assert codes(answer) == [(403, "ACCESS_REVIEW_OVERDUE")]
    assert sign_in(console, kept).status_code == 201
    assert client.get(f"/v1/accounts/{dropped}").json()["state"] == "disabled"
    with signed_in(
        console, make_person(console, agency, "program_manager")
    ) as other:  # undecided ones may be decided late
        assert other.put(f"{cycle}/decisions/{forgotten}", json=need).status_code == 204
    assert sign_in(console, forgotten).status_code == 201
    (row,) = [one for one in client.get(cycle).json()["accounts"] if one["username"] == forgotten]
    assert (row["decision"], row["reason"]) == ("keep", "patrols with unit 7")
    assert row["decided_by"]


def review(console, agency, client):
    """A review of this quarter, just opened; answers its path."""
    forget_reviews(console, agency)
    return f"/v1/access-reviews/{client.post('/v1/access-reviews').json()['cycle_id']}"


@pytest.mark.requirement("ACC-12")
def test_a_manager_nobody_decided_on_still_decides_on_others_and_does_no_more(console, managers):
    boss, officer = (make_person(console, "roseville", role) for role in ("program_manager", "officer"))
    cycle = review(console, "roseville", managers["roseville"])
    put(console, ("UPDATE console.review_cycles SET due_at = now() WHERE agency = 'roseville'",))
    assert codes(sign_in(console, officer)) == [(403, "ACCESS_REVIEW_OVERDUE")]
    assert sign_in(console, boss).status_code == 201
    with signed_in(console, boss) as client:
        shut = (client.get("/v1/accounts"), client.post("/v1/queries", json={}), client.post(f"{cycle}/closure"))
        assert codes(*shut) == [(403, "OWN_ACCESS_REVIEW_OVERDUE")] * 3
        need = {"decision": "keep", "reason": "patrols with unit 7"}
        assert client.get(cycle).status_code == 200
        assert client.get(f"/people-reviews/{cycle.rpartition('/')[2]}").status_code == 200
        assert client.put(f"{cycle}/decisions/{officer}", json=need).status_code == 204
        assert codes(client.put(f"{cycle}/decisions/{boss}", json=need)) == [(403, "OWN_ACCOUNT")]
    assert sign_in(console, officer).status_code == 201
    review(console, "roseville", managers["roseville"])


@pytest.mark.requirement("ACC-12")
def test_the_only_manager_decides_on_the_own_account_and_the_ledger_says_so(console, managers, told):
    boss = make_person(console, "westminster", "program_manager")
    cycle = review(console, "westminster", managers["westminster"])
    others = [
        row["username"]
        for row in sql(
            console,
            "SELECT username FROM console.people WHERE agency = 'westminster' AND disabled_at IS NULL"
            " AND roles && '{program_manager,alpr_admin}' AND username <> $1",
            boss,
        )
    ]
    need = {"decision": "keep", "reason": "runs the program"}
    with signed_in(console, boss) as client:
        assert codes(client.put(f"{cycle}/decisions/{boss}", json=need)) == [(403, "OWN_ACCOUNT")]
        put(console, ("UPDATE console.people SET disabled_at = now() WHERE username = ANY($1)", others))
        try:
            assert client.put(f"{cycle}/decisions/{boss}", json=need).status_code == 204
        finally:
            put(console, ("UPDATE console.people SET disabled_at = NULL WHERE username = ANY($1)", others))
    (event,) = wait_for("the decision", lambda: told("access_review_decided", person_id(boss)))
    assert (event.facts["own"], event.facts["decision"]) == ("true", "keep")


def test_the_timer_opens_and_closes_the_quarters_review_where_the_profile_asks(console, told):
    username, now = make_person(console, "roseville", "officer"), datetime.now(UTC)
    later = now + timedelta(days=93)
    forget_reviews(console, "roseville", "irvine")
    put(console, ("UPDATE console.people SET last_login_at = $1", later))
    run_timer(console, now)
    run_timer(console, later)
    cycles = sql(
        console,
        "SELECT agency, opened_at, closed_at FROM console.review_cycles WHERE agency IN ('roseville', 'irvine') ORDER BY opened_at",
    )
    assert [one["agency"] for one in cycles] == ["roseville", "roseville"]
    assert [one["closed_at"] for one in cycles] == [later, None]
    state = lambda: sql(console, "SELECT suspended FROM console.people WHERE username = $1", username)[0]["suspended"]  # noqa: E731
    assert state() == "ACCESS_REVIEW_OVERDUE"
    sql(console, "DELETE FROM console.review_accounts WHERE agency = 'roseville'")
    run_timer(console, now)
    assert state() == ""
    seen = lambda kind: told(kind, person_id(username))  # noqa: E731
    wait_for("out and in again", lambda: seen("access_suspended") and seen("access_restored"))


@pytest.mark.requirement("ACC-14")
@pytest.mark.parametrize("agency", AGENCIES)
def test_a_unit_takes_an_employee_cleared_trained_and_with_an_account(console, managers, agency):
    client = managers[agency]

    def assign(username):
        return client.post("/v1/unit-assignments", json={"username": username, "device_id": "unit-9"})

    trained = make_person(console, agency, "officer", active=False)
    assert codes(assign(trained), assign("nobody.here")) == [(409, "ACCOUNT_MISSING")] * 2
    bare = assign(make_person(console, agency, "officer", active=False, training=False, certified=False))
    asked = {"ACCOUNT_MISSING", "TRAINING_MISSING"} | ({"CLEARANCE_MISSING"} if agency == "roseville" else set())
    assert all(code in bare.json()["detail"] for code in asked), bare.text
    assert codes(assign(make_person(console, agency, "contractor"))) == [(409, "EMPLOYEE_REQUIRED")]
    officer = make_person(console, agency, "officer")
    made = assign(officer)
    assert made.status_code == 201, made.text
    assert standing(console, officer).devices == ("unit-9",)
    assert client.delete(f"/v1/unit-assignments/{made.json()['unit_id']}").status_code == 204
    assert standing(console, officer).devices == ()
