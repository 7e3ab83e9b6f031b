"""Accounts and who manages them, under every agency's policy: one console, real database, real broker."""

import asyncio
import json
import re
import secrets
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from alpr_console.accounts.rules import totp
from alprcore.model import make_id
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
)
from tests.fixtures.postgres import _database

PREFIX = f"ppl{secrets.token_hex(3)}."
WAITS = """
    SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')
"""


@pytest.fixture(scope="module")
def console(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    with (
        _database(pg_admin_dsn, "people", f"TEMPLATE {pg_template}") as (_, database),
        office(database, kafka_bootstrap, PREFIX, folder) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def managers(console):
    return console.managers


@pytest.fixture(scope="module")
def told(console):
    return console.told


def draft(agency="irvine", **changes):
    number = secrets.token_hex(3)
    fields = {
        "username": f"jo.{number}",
        "full_name": "Jo Rivera",
        "employee_id": f"N-{number}",
        "category": "sworn",
        "job_title": "Police Officer",
        "roles": ["officer"],
    }
    return {**fields, **changes}


def give_papers(console, agency, username, *, tags=None, context="FTO", policy=True, certified=True):
    """Put on file what the agency asks of a person that was made over the API."""
    now, profile, person = datetime.now(UTC), PROFILES[agency], make_id("person", agency, username)
    covered = sorted(tags or {need.tag for need in profile.access.training})
    course = make_id("course", agency, username)
    rows = [
        (
            "INSERT INTO console.courses VALUES ($1, $2, $3, '1', $4, NULL, 'test', $5, 'test', $5)",
            course, agency, f"Course for {username}", covered, now,
        ),
        (
            "INSERT INTO console.training_records VALUES ($1, $2, $3, $4, $5, $6, NULL, 'A. Trainer', true, 'test', $7)",
            make_id("training", person, course), agency, person, course, context, now.date() - timedelta(days=1), now,
        ),
    ]  # fmt: skip
    rows += [certification(agency, person, kind, now) for kind in (profile.access.certifications if certified else ())]
    put(console, *rows, *([reading(agency, person, now)] if policy else []))
    return person


@pytest.mark.requirement("ACC-02")
@pytest.mark.parametrize("agency", AGENCIES)
def test_an_account_names_one_person(managers, agency):
    client, good = managers[agency], draft(agency)
    for changes, status, code in (
        ({"employee_id": ""}, 422, "PERSON_ID_REQUIRED"),
        ({"full_name": "Dispatch Desk"}, 422, "GENERIC_NAME"),
        ({"full_name": "Patrol Unit 4"}, 422, "GENERIC_NAME"),
        ({"full_name": "Rivera"}, 422, "GENERIC_NAME"),
        ({"username": "dispatch2"}, 422, "GENERIC_NAME"),
        ({"username": "Jo R"}, 422, "FIELD_INVALID"),
        ({"roles": ["chief"]}, 422, "ROLE_UNKNOWN"),
        ({"roles": ["alpr_admin", "auditor"]}, 422, "ROLES_CONFLICT"),
    ):
        answer = client.post("/v1/accounts", json={**good, **changes})
        assert codes(answer) == [(status, code)], changes
    lacking = {name: value for name, value in good.items() if name != "employee_id"}
    assert client.post("/v1/accounts", json=lacking).status_code == 422
    assert client.post("/v1/accounts", json=good).status_code == 201
    twin = client.post("/v1/accounts", json={**good, "username": f"x{good['username']}"})
    again = client.post("/v1/accounts", json={**good, "employee_id": "somebody-else"})
    assert codes(twin, again) == [(409, "ACCOUNT_EXISTS"), (409, "USERNAME_TAKEN")]


@pytest.mark.requirement("DEF-09")
@pytest.mark.requirement("ACC-08")
@pytest.mark.parametrize("agency", AGENCIES)
def test_only_the_profiles_access_managers_make_accounts(console, managers, agency, told):
    assert managers[agency].post("/v1/accounts", json=draft(agency)).status_code == 201
    for role in ("officer", "dispatcher", "supervisor", "training_manager", "custodian", "auditor", "contractor"):
        username = make_person(console, agency, role)
        with signed_in(console, username) as client:
            refused = client.post("/v1/accounts", json=draft(agency))
            assert codes(refused) == [(403, "ROLE_NOT_AUTHORISED")], role
    wait_for(
        "the refusal in the ledger's topic",
        lambda: [
            one
            for one in told("refused")
            if one.reason_code == "ROLE_NOT_AUTHORISED" and one.personal.get("username") == username
        ],
    )
    allowed = set(PROFILES[agency].governance.access_managers)
    for role in ("alpr_admin", "clets_coordinator"):
        username = make_person(console, agency, role)
        assigned = managers[agency].post("/v1/assignments", json={"username": username, "scope": "access"})
        assert assigned.status_code == 201
        with signed_in(console, username) as client:
            made = client.post("/v1/accounts", json=draft(agency))
            assert made.status_code == (201 if role in allowed else 403), (agency, role)


@pytest.mark.requirement("ACC-08")
@pytest.mark.parametrize("agency", AGENCIES)
def test_every_change_is_on_the_ledger_with_what_stood_before(console, managers, agency, told):
    client, first = managers[agency], draft(agency)
    made = client.post("/v1/accounts", json=first).json()["person_id"]
    body = {name: value for name, value in first.items() if name != "username"}
    changed = client.put(f"/v1/accounts/{first['username']}", json={**body, "roles": ["officer", "investigator"]})
    assert changed.status_code == 204, changed.text
    (event,) = wait_for("the change in the ledger's topic", lambda: told("account_changed", made))
    assert json.loads(event.facts["before"])["roles"] == ["officer"]
    assert json.loads(event.facts["after"])["roles"] == ["investigator", "officer"]
    assert not any(name in event.facts["after"] for name in ("employee_id", "job_title", first["employee_id"]))
    assert event.personal["name_after"] == "Jo Rivera"
    assert event.profile_version == PROFILES[agency].version
    account = client.get(f"/v1/accounts/{first['username']}").json()
    assert (account["roles"], account["state"]) == (["investigator", "officer"], "created")


@pytest.mark.requirement("ACC-08")
def test_roles_that_manage_access_come_from_the_program_manager(console, managers):
    admin = make_person(console, "roseville", "alpr_admin")
    managers["roseville"].post("/v1/assignments", json={"username": admin, "scope": "access"})
    with signed_in(console, admin) as client:
        refused = client.post("/v1/accounts", json=draft(roles=["program_manager"], job_title="Sergeant"))
        assert codes(refused) == [(403, "ROLE_NOT_AUTHORISED")]
        own = client.put(f"/v1/people/{admin}/state", json={"disabled": True})
        assert codes(own) == [(403, "OWN_ACCOUNT")]
        plain = make_person(console, "roseville", "officer")
        assert client.post(f"/v1/accounts/{plain}/credentials").status_code == 201
    made = managers["roseville"].post("/v1/accounts", json=draft(roles=["alpr_admin"], category="technology"))
    assert made.status_code == 201


def fields_of(client, username, **changes):
    """What `PUT /v1/accounts/{username}` takes, as it stands."""
    account = client.get(f"/v1/accounts/{username}").json()
    names = ("full_name", "employee_id", "category", "job_title", "roles")
    return {name: account[name] for name in names} | changes


@pytest.mark.requirement("ACC-08")
@pytest.mark.parametrize("kind", ["alpr_admin", "designee"])
def test_nobody_becomes_a_manager_or_an_auditor_by_resetting_the_account(console, managers, kind):
    manager = managers["roseville"]
    actor = make_person(console, "roseville", "alpr_admin" if kind == "alpr_admin" else "supervisor")
    if kind == "alpr_admin":
        made = manager.post("/v1/assignments", json={"username": actor, "scope": "access"})
    else:
        ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        made = manager.post("/v1/delegations", json={"power": "manage_access", "designee": actor, "ends_at": ends})
    assert made.status_code == 201
    with signed_in(console, actor) as client:
        for role in ("program_manager", "alpr_admin", "auditor"):
            other = make_person(console, "roseville", role)
            answers = (
                client.post(f"/v1/accounts/{other}/credentials"),
                client.put(f"/v1/people/{other}/state", json={"disabled": True}),
                client.put(f"/v1/accounts/{other}", json=fields_of(manager, other, roles=["officer"])),
            )
            assert codes(*answers) == [(403, "ROLE_NOT_AUTHORISED")] * 3, role
            assert sign_in(console, other).status_code == 201, "the account's password was changed"
            assert manager.post(f"/v1/accounts/{other}/credentials").status_code == 201


def test_a_change_is_judged_by_what_stands_when_it_is_made(console, managers):
    admin, target = make_person(console, "roseville", "alpr_admin"), make_person(console, "roseville", "officer")
    managers["roseville"].post("/v1/assignments", json={"username": admin, "scope": "access"})
    body = fields_of(managers["roseville"], target)

    async def meanwhile(client):
        connection = await asyncpg.connect(console.database.admin)
        try:
            async with connection.transaction():
                await connection.execute("SELECT set_config('console.agency', '*', true)")
                await connection.execute("UPDATE console.people SET roles = '{auditor}' WHERE username = $1", target)
                asked = asyncio.create_task(asyncio.to_thread(client.put, f"/v1/accounts/{target}", json=body))
                for _ in range(200):  # the request has read the account, and waits for the row
                    await asyncio.sleep(0.1)
                    if await connection.fetchval(WAITS):
                        break
            return await asked
        finally:
            await connection.close()

    with signed_in(console, admin) as client:
        assert codes(asyncio.run(meanwhile(client))) == [(403, "ROLE_NOT_AUTHORISED")]
    assert managers["roseville"].get(f"/v1/accounts/{target}").json()["roles"] == ["auditor"]


@pytest.mark.requirement("ACC-09")
@pytest.mark.parametrize("agency", ["irvine", "roseville", "westminster"])
def test_an_administrator_acts_under_a_living_assignment_only(console, managers, agency):
    admin = make_person(console, agency, "alpr_admin")
    with signed_in(console, admin) as client:
        assert codes(client.post("/v1/accounts", json=draft(agency))) == [(403, "ASSIGNMENT_MISSING")]
        past = datetime.now(UTC) - timedelta(days=2)
        ended = {"starts_at": past.isoformat(), "ends_at": (past + timedelta(days=1)).isoformat()}
        for body, status in (
            ({"scope": "equipment"}, 403),
            ({"scope": "access", **ended}, 403),
            ({"scope": "access"}, 201),
        ):
            made = managers[agency].post("/v1/assignments", json={"username": admin, **body})
            assert made.status_code == 201
            assert client.post("/v1/accounts", json=draft(agency)).status_code == status, body
        assert managers[agency].delete(f"/v1/assignments/{made.json()['assignment_id']}").status_code == 204
        assert client.post("/v1/accounts", json=draft(agency)).status_code == 403
        refused = client.post("/v1/assignments", json={"username": admin, "scope": "access"})
        assert codes(refused) == [(403, "ROLE_NOT_AUTHORISED")]


@pytest.mark.requirement("ACC-10", partial="release requests, the power of the row's check, are not built")
@pytest.mark.parametrize("agency", ["irvine", "roseville", "westminster"])
def test_a_power_is_exercised_by_its_named_designee_for_its_time(console, managers, agency, told):
    designee = make_person(console, agency, "supervisor", title="Sergeant")
    ends = datetime.now(UTC) + timedelta(seconds=3600)
    body = {"power": "manage_access", "designee": designee, "ends_at": ends.isoformat()}
    with signed_in(console, designee) as client:
        assert codes(client.post("/v1/accounts", json=draft(agency))) == [(403, "ROLE_NOT_AUTHORISED")]
        made = managers[agency].post("/v1/delegations", json=body)
        assert made.status_code == 201, made.text
        delegation, account = made.json()["delegation_id"], draft(agency)
        done = client.post("/v1/accounts", json=account)
        assert done.status_code == 201
        passed_on = client.post("/v1/delegations", json={**body, "designee": make_person(console, agency, "officer")})
        assert codes(passed_on) == [(403, "APPROVER_NOT_AUTHORISED")]
        admin = make_person(console, agency, "alpr_admin")
        managers[agency].post("/v1/assignments", json={"username": admin, "scope": "access"})
        with signed_in(console, admin) as assigned:
            assert codes(assigned.post("/v1/delegations", json=body)) == [(403, "ROLE_NOT_AUTHORISED")]
        (event,) = wait_for("the act", lambda: told("account_created", done.json()["person_id"]))
        assert event.facts["delegation_id"] == delegation
        assert managers[agency].delete(f"/v1/delegations/{delegation}").status_code == 204
        assert codes(client.post("/v1/accounts", json=draft(agency))) == [(403, "APPROVER_NOT_AUTHORISED")]
    listed = managers[agency].get("/v1/delegations").json()["delegations"]
    (row,) = [one for one in listed if one["delegation_id"] == delegation]
    assert (row["designee_title"], row["power"]) == ("Sergeant", "manage_access")
    assert row["designee_name"]
    given = lambda: [one for one in told("delegation_made") if one.facts["delegation_id"] == delegation]  # noqa: E731
    (event,) = wait_for("the delegation's entry", given)
    assert (event.personal["title"], "title" in event.facts) == ("Sergeant", False)


@pytest.mark.requirement("ACC-10", partial="release requests, the power of the row's check, are not built")
def test_a_delegation_ends_with_the_office_of_who_gave_it(console, managers):
    giver, designee = make_person(console, "irvine", "program_manager"), make_person(console, "irvine", "supervisor")
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {"power": "manage_access", "designee": designee, "ends_at": ends}
    with signed_in(console, giver) as client:
        for role in ("auditor", "contractor"):
            conflict = client.post("/v1/delegations", json={**body, "designee": make_person(console, "irvine", role)})
            assert codes(conflict) == [(422, "ROLES_CONFLICT")], role
        unknown = client.post("/v1/delegations", json={**body, "power": "approve_other_use"})
        assert codes(unknown) == [(403, "ROLE_NOT_AUTHORISED")], "a power that no act asks for"
        assert client.post("/v1/delegations", json=body).status_code == 201
    with signed_in(console, designee) as client:
        assert client.post("/v1/accounts", json=draft()).status_code == 201
        changed = fields_of(managers["irvine"], giver, roles=["officer"])
        assert managers["irvine"].put(f"/v1/accounts/{giver}", json=changed).status_code == 204
        assert codes(client.post("/v1/accounts", json=draft())) == [(403, "APPROVER_NOT_AUTHORISED")]


@pytest.mark.requirement("ACC-11")
@pytest.mark.parametrize("agency", AGENCIES)
def test_a_disabled_account_is_out_at_once_and_stays_on_record(console, managers, agency, told):
    username = make_person(console, agency, "officer")
    with signed_in(console, username) as client:
        assert client.get("/v1/session").status_code == 200
        for unsaid in ({}, {"reason": " "}):
            refused = managers[agency].put(f"/v1/people/{username}/state", json={"disabled": True, **unsaid})
            assert codes(refused) == [(422, "FIELD_INVALID")]
        done = managers[agency].put(f"/v1/people/{username}/state", json={"disabled": True, "reason": "left"})
        assert done.status_code == 204
        assert codes(client.get("/v1/session")) == [(401, "NO_SESSION")]  # the very next call
    row = managers[agency].get(f"/v1/accounts/{username}").json()
    assert row["state"] == "disabled"
    assert (
        ": left. The account and everything it did stay on record." in managers[agency].get(f"/people/{username}").text
    )
    assert sign_in(console, username).status_code in (401, 403)
    with pytest.raises(Exception, match="permission denied"):
        put_as_console(console, "DELETE FROM console.people WHERE username = $1", username)
    (event,) = wait_for("the entry", lambda: told("account_disabled", person_id(username)))
    assert event.personal["reason"] == "left"
    assert "left" not in event.facts.values(), "a person's words stay where they can be erased"
    listed = managers[agency].get("/v1/accounts").json()["accounts"]
    assert all("last_login_at" in one and "sessions" in one for one in listed)
    assert {one["username"].partition(".")[2] for one in listed if one["username"].startswith("p")} <= {agency}


def put_as_console(console, statement, *values):
    async def run():
        connection = await asyncpg.connect(console.database.url("console"))
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()

    asyncio.run(run())


@pytest.mark.requirement("ACC-04")
@pytest.mark.parametrize("agency", AGENCIES)
def test_only_eligible_categories_get_an_account(console, managers, agency):
    made = managers[agency].post("/v1/accounts", json=draft(agency, category="records_clerk"))
    if agency != "claremont":
        assert made.status_code == 201
        return
    assert codes(made) == [(422, "CATEGORY_NOT_ELIGIBLE")]
    for category, roles in (("sworn", ["officer"]), ("communications", ["dispatcher"]), ("technology", ["auditor"])):
        assert managers[agency].post("/v1/accounts", json=draft(category=category, roles=roles)).status_code == 201
    # the profile changed under an account that was eligible before: it is out at its next call
    username = make_person(console, agency, "officer", category="records_clerk")
    assert codes(sign_in(console, username)) == [(403, "CATEGORY_NOT_ELIGIBLE")]


@pytest.mark.requirement("ACC-05")
@pytest.mark.parametrize("agency", AGENCIES)
def test_claremont_wants_a_living_clets_certification(console, agency):
    without = make_person(console, agency, "officer", certified=False)
    expired = make_person(console, agency, "officer", certified=False)
    put(console, certification(agency, person_id(expired), "clets", datetime.now(UTC), days=-2))
    for username in (without, expired):
        answer = sign_in(console, username)
        if agency == "claremont":
            assert codes(answer) == [(403, "CLETS_CERT_MISSING")]
        elif agency != "escondido":
            assert answer.status_code == 201, answer.text
    assert sign_in(console, make_person(console, agency, "officer")).status_code == 201


@pytest.mark.requirement("ACC-06")
@pytest.mark.parametrize("agency", AGENCIES)
def test_a_contractor_is_cleared_and_out_when_the_contract_ends(console, managers, agency):
    client, body = managers[agency], draft(agency, category="contractor", roles=["contractor"])
    body["job_title"] = "ALPR Maintenance Technician"
    assert codes(client.post("/v1/accounts", json={**body, "roles": ["contractor", "officer"]})) == [
        (422, "ROLES_CONFLICT")
    ]
    assert client.post("/v1/accounts", json=body).status_code == 201
    give_papers(console, agency, body["username"])
    activation = f"/v1/accounts/{body['username']}/activation"
    assert codes(client.post(activation)) == [(403, "CONTRACTOR_CLEARANCE_MISSING")]
    today = datetime.now(UTC).date()
    paper = {
        "username": body["username"],
        "contract_id": "C-2026-4",
        "contract_end": (today + timedelta(days=90)).isoformat(),
        "live_scan_on": today.isoformat(),
        "no_convictions": True,
    }
    part = client.post("/v1/clearances", json=paper)
    assert (part.status_code, part.json()["complete"]) == (201, False)
    assert codes(client.post(activation)) == [(403, "CONTRACTOR_CLEARANCE_MISSING")]
    waiver = {"waiver_sha256": "cd" * 32, "waiver_on": today.isoformat()}
    assert client.post("/v1/clearances", json={**paper, **waiver}).json()["complete"] is True
    assert client.post(activation).status_code == 201
    past = make_person(console, agency, "contractor")
    assert sign_in(console, past).status_code == 201
    put(
        console,
        (
            "UPDATE console.clearances SET contract_end = $2 WHERE person_id = $1",
            person_id(past), today - timedelta(days=2),
        ),
    )  # fmt: skip
    assert codes(sign_in(console, past)) == [(403, "CONTRACT_ENDED")]


@pytest.mark.requirement("ACC-13")
@pytest.mark.parametrize("agency", AGENCIES)
def test_escondido_wants_the_criteria_of_other_criminal_justice_data(console, managers, agency):
    client, body = managers[agency], draft(agency)
    assert client.post("/v1/accounts", json=body).status_code == 201
    give_papers(console, agency, body["username"], certified=agency != "escondido")
    activation = client.post(f"/v1/accounts/{body['username']}/activation")
    if agency != "escondido":
        assert activation.status_code == 201, activation.text
        return
    assert codes(activation) == [(403, "CJI_CRITERIA_MISSING")]
    paper = {"username": body["username"], "kind": "cji_access", "issuer": "Agency", "expires_on": "2036-01-01"}
    assert client.post("/v1/certifications", json=paper).status_code == 201
    assert client.post(f"/v1/accounts/{body['username']}/activation").status_code == 201


@pytest.mark.requirement("ADM-02")
@pytest.mark.parametrize("agency", ["westminster", "roseville", "irvine"])
def test_only_published_titles_are_activated(console, managers, agency):
    client, body = managers[agency], draft(agency, job_title="Astrologer")
    assert client.post("/v1/accounts", json=body).status_code == 201
    give_papers(console, agency, body["username"])
    activation = f"/v1/accounts/{body['username']}/activation"
    if agency == "irvine":
        assert client.post(activation).status_code == 201
        return
    assert codes(client.post(activation)) == [(422, "TITLE_NOT_AUTHORISED")]
    fields = {name: value for name, value in body.items() if name != "username"}
    changed = client.put(f"/v1/accounts/{body['username']}", json={**fields, "job_title": "Detective"})
    assert changed.status_code == 204
    assert client.post(activation).status_code == 201
    again = client.put(f"/v1/accounts/{body['username']}", json={**fields, "job_title": "Astrologer"})
    assert codes(again) == [(422, "TITLE_NOT_AUTHORISED")]


@pytest.mark.requirement("ACC-07", partial="verification and result routes: hits/ and the door")
@pytest.mark.parametrize("agency", AGENCIES)
def test_other_sources_are_granted_by_name(console, managers, agency, told):
    username, client = make_person(console, agency, "dispatcher", certified=False), managers[agency]
    route = f"/v1/accounts/{username}/grants"
    assert codes(client.put(route, json={"grants": ["dmv"]})) == [(422, "FIELD_INVALID")]
    assert codes(client.put(route, json={"grants": ["clets"]})) == [(403, "CLETS_CERT_MISSING")]
    put(console, certification(agency, person_id(username), "clets", datetime.now(UTC)))
    assert client.put(route, json={"grants": ["clets", "state"]}).status_code == 204
    assert client.get(f"/v1/accounts/{username}").json()["grants"] == ["clets", "state"]
    (event,) = wait_for("the grant", lambda: told("grants_changed", person_id(username)))
    assert (event.facts["before"], event.facts["after"]) == ("", "clets state")
    with signed_in(console, make_person(console, agency, "officer")) as other:
        assert codes(other.put(route, json={"grants": []})) == [(403, "ROLE_NOT_AUTHORISED")]


def test_idle_accounts_and_ended_contracts_are_closed_by_the_timer(console, managers, told):
    idle, used = make_person(console, "irvine", "officer"), make_person(console, "irvine", "officer")
    ended = make_person(console, "irvine", "contractor")
    old, today = datetime.now(UTC) - timedelta(days=91), datetime.now(UTC).date()
    put(
        console,
        ("UPDATE console.people SET activated_at = $2 WHERE username = ANY($1)", [idle, used], old),
        ("UPDATE console.people SET last_login_at = now() WHERE username = $1", used),
        (
            "UPDATE console.clearances SET contract_end = $2 WHERE person_id = $1",
            person_id(ended), today - timedelta(days=2),
        ),
    )  # fmt: skip
    run_timer(console)
    rows = sql(
        console, "SELECT username, disabled_at FROM console.people WHERE username = ANY($1)", [idle, used, ended]
    )
    assert {row["username"] for row in rows if row["disabled_at"]} == {idle, ended}
    causes = lambda: {one.facts.get("cause") for one in told("account_disabled")}  # noqa: E731
    wait_for("both causes", lambda: {"INACTIVE_90_DAYS", "CONTRACT_ENDED"} <= causes())
    opened = managers["irvine"].put(f"/v1/people/{idle}/state", json={"disabled": False, "reason": "back from leave"})
    assert opened.status_code == 204
    run_timer(console)
    assert managers["irvine"].get(f"/v1/accounts/{idle}").json()["state"] == "active"


def test_an_account_given_for_a_time_ends_by_itself_and_its_managers_are_told(console, managers):
    """CJIS AC-2(2), AC-2h: temporary accounts and those of people who leave."""
    client, body, last = managers["irvine"], draft("irvine"), (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    assert client.post("/v1/accounts", json={**body, "leaves_on": last}).status_code == 201
    address = f"/v1/accounts/{body['username']}"

    def told():
        rows = sql(console, "SELECT kind, facts FROM console.alerts WHERE username = $1", body["username"])
        return {row["kind"]: json.loads(row["facts"]) for row in rows}

    run_timer(console)
    assert (client.get(address).json()["leaves_on"], told()) == (last, {"account_leaving": {"last_day": last}})
    put(console, ("UPDATE console.people SET leaves_on = now()::date - 2 WHERE username = $1", body["username"]))
    run_timer(console)
    assert client.get(address).json()["state"] == "disabled"
    assert told()["account_closed"] == {"cause": "the last day of the account is over"}


def test_people_of_one_agency_are_nobody_to_another(console, managers):
    stranger = make_person(console, "irvine", "officer")
    client = managers["westminster"]
    answers = (
        client.get(f"/v1/accounts/{stranger}"),
        client.post(f"/v1/accounts/{stranger}/activation"),
        client.put(f"/v1/people/{stranger}/state", json={"disabled": True}),
        client.get(f"/v1/people/{stranger}/papers"),
    )
    assert codes(*answers) == [(404, "PERSON_UNKNOWN")] * 4


def test_papers_of_another_agency_are_not_there_for_sql(console):
    """Row-level security on every table of papers: silence sees nothing, a voice sees its own agency."""
    for agency in ("irvine", "westminster"):
        make_person(console, agency, "contractor")

    async def seen(table, spoken_for):
        connection = await asyncpg.connect(console.database.url("console"))
        try:
            async with connection.transaction():
                await connection.execute("SELECT set_config('console.agency', $1, true)", spoken_for)
                rows = await connection.fetch(f"SELECT DISTINCT agency FROM console.{table}")
                return {row["agency"] for row in rows}
        finally:
            await connection.close()

    tables = sql(
        console,
        "SELECT c.table_name AS name FROM information_schema.columns c JOIN pg_class r ON r.relname = c.table_name"
        " WHERE c.table_schema = 'console' AND c.column_name = 'agency' AND r.relrowsecurity AND r.relkind = 'r'",
    )
    names = {row["name"] for row in tables}
    assert {"courses", "training_records", "certifications", "clearances", "policy_readings", "assignments"} <= names
    assert {"delegations", "unit_assignments", "device_sessions", "review_cycles", "review_accounts"} <= names
    for table in sorted(names):
        assert asyncio.run(seen(table, "")) == set(), table
        assert asyncio.run(seen(table, "irvine")) <= {"irvine"}, table
    assert asyncio.run(seen("clearances", "irvine")) == {"irvine"}


def test_pages_about_people_open_to_those_who_look_after_them(console, managers):
    username = make_person(console, "roseville", "officer")
    unit = managers["roseville"].post("/v1/unit-assignments", json={"username": username, "device_id": "unit-2"})
    assert (
        f"DELETE /v1/unit-assignments/{unit.json()['unit_id']}" in managers["roseville"].get(f"/people/{username}").text
    )
    for path in ("/people", f"/people/{username}", "/people-assignments", "/people-reviews", "/training"):
        shown = managers["roseville"].get(path)
        assert shown.status_code == 200, (path, shown.text[:200])
        assert "Roseville" in shown.text
        with signed_in(console, username) as client:
            assert client.get(path).status_code == 403, path
            assert client.get("/my-training").status_code == 200
            assert client.get("/policy").status_code == 200
    with httpx.Client(base_url=console.url) as nobody:
        assert nobody.get("/people").headers["location"] == "/login"


def test_the_first_person_of_an_agency_is_made_on_the_machine_and_can_work(console, told):
    command = [
        sys.executable,
        "-m",
        "alpr_console",
        "add-person",
        "westminster",
        "lstone",
        "Lou Stone",
        "program_manager",
    ]
    made = subprocess.run(command, env=console.environment, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stderr
    put(console, ("UPDATE console.people SET password_first = false WHERE username = 'lstone'",))
    password = re.search(r"password (\S+)", made.stdout)[1]
    code = totp(re.search(r"secret=([A-Z2-7]+)", made.stdout)[1], int(time.time()) // 30)
    with httpx.Client(base_url=console.url) as client:
        body = {"username": "lstone", "password": password, "code": code}
        opened = client.post("/v1/session", json=body)
        assert opened.status_code == 201, opened.text
        client.headers["x-csrf-token"] = opened.json()["csrf"]
        assert client.post("/v1/accounts", json=draft("westminster")).status_code == 201
        papers = client.get("/v1/people/lstone/papers").json()
        # whose papers nobody witnessed: they count for this person, and for nobody who comes later
        ask = "SELECT course_id FROM console.courses WHERE agency = 'westminster' AND created_by = $1"
        ((attested,),) = [row.values() for row in sql(console, ask, "operator of the installation")]
        assert attested not in {one["course_id"] for one in client.get("/v1/courses").json()["courses"]}
        today = datetime.now(UTC).date().isoformat()
        borrowed = {"username": "lstone", "course_id": attested, "completed_on": today, "trainer": "Lou Stone"}
        assert client.post("/v1/training-records", json=borrowed).status_code in (403, 404, 422)
    assert papers["records"][0]["trainer"] == "operator of the installation"
    wait_for("the operator's word", lambda: told("papers_attested", make_id("person", "westminster", "lstone")))
