"""What the door asks of a question under each agency's policy, over HTTP, and what the ledger keeps of it."""

from datetime import timedelta

import pytest

from tests.fixtures.doors import QUERY, Doors, make_read, utc_now

pytestmark = pytest.mark.asyncio

AGENCIES = ("irvine", "westminster", "claremont", "escondido", "roseville")
PLATE = {"plate": "8TST001"}
STADIUM = {"south": 33.0, "west": -118.0, "north": 33.1, "east": -117.9}


async def ask(doors, agency, criteria=PLATE, *, who=None, **body):
    """Put a question that every profile would answer, changed by `body`; None leaves a field out."""
    asked = {name: value for name, value in {**QUERY, "criteria": criteria, **body}.items() if value is not None}
    person = who or doors.person(agency=agency)
    return await doors.http.post("/v1/queries", json=asked, headers=doors.auth(person))


async def log(doors, agency, kind):
    return await doors.audit.door.store.log(agency, 2**62, kind, 200)


async def refused(doors, agency, answer, status, code):
    """Assert a refusal that shows no row and is the agency's newest `refused` entry; gives the entry."""
    assert (answer.status_code, answer.json()["reason_code"]) == (status, code), answer.text
    assert "rows" not in answer.json()
    assert "8TST001" not in answer.text
    newest = (await log(doors, agency, "refused"))[0]
    assert newest["entry"]["reason_code"] == code
    return newest


@pytest.mark.requirement(
    "USE-01", partial="queries, image views and exports; canvass, releases and lists are built later"
)
@pytest.mark.requirement("USE-02")
@pytest.mark.requirement("USE-03")
@pytest.mark.requirement("USE-05")
@pytest.mark.requirement("USE-06")
async def test_each_agency_takes_its_own_purposes_and_no_other(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(*(make_read(number=n, agency=agency) for n, agency in enumerate(AGENCIES)))
        every = {p.code for agency in AGENCIES for p in doors.profiles[agency].purposes} - {"other_approved"}
        for agency in AGENCIES:
            listed = {p.code for p in doors.profiles[agency].purposes if p.query}
            for code in sorted(every):
                answer = await ask(doors, agency, purpose_code=code)
                if code in listed:
                    assert answer.status_code == 200, (agency, code, answer.text)
                    assert [row["agency"] for row in answer.json()["rows"]] == [agency]
                else:
                    await refused(doors, agency, answer, 403, "PURPOSE_NOT_PERMITTED")
            await refused(doors, agency, await ask(doors, agency, purpose_code=None), 422, "PURPOSE_REQUIRED")
            await refused(
                doors, agency, await ask(doors, agency, purpose_code="curiosity"), 403, "PURPOSE_NOT_PERMITTED"
            )
            kept = {entry["entry"]["facts"]["purpose_code"] for entry in await log(doors, agency, "query")}
            assert kept == listed - {"other_approved"}
        assert "electronic_surveillance" not in {p.code for p in doors.profiles["roseville"].purposes}
        assert "electronic_surveillance" in {p.code for p in doors.profiles["irvine"].purposes}
        for agency in AGENCIES:
            offered = "department_civil_or_admin_action" in {p.code for p in doors.profiles[agency].purposes}
            assert offered == (agency in {"irvine", "westminster", "roseville"})
        match = await ask(doors, "escondido", purpose_code="objective_1_match")
        await refused(doors, "escondido", match, 403, "PURPOSE_NOT_PERMITTED")


@pytest.mark.requirement(
    "USE-01", partial="queries, image views and exports; canvass, releases and lists are built later"
)
async def test_system_purposes_belong_to_their_roles(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read(agency="irvine"))

        async def as_role(role, code, criteria=PLATE, **changes):
            who = doors.person(agency="irvine", roles=(role,), **changes)
            return await ask(doors, "irvine", criteria, who=who, purpose_code=code)

        own = {"own_detections": True}
        assert (await as_role("auditor", "audit")).status_code == 200
        mine = await as_role("officer", "upload_check", own, devices=("irvine-device",))
        assert [row["device_id"] for row in mine.json()["rows"]] == ["irvine-device"]
        for answer in (
            await as_role("officer", "audit"),
            await as_role("auditor", "criminal_investigation"),
            await as_role("officer", "upload_check"),
            await as_role("investigator", "upload_check", own, devices=("irvine-device",)),
            await as_role("officer", "release_fulfilment"),
        ):
            await refused(doors, "irvine", answer, 403, "PURPOSE_NOT_PERMITTED")
        unnamed = await as_role("program_manager", "release_fulfilment")
        await refused(doors, "irvine", unnamed, 403, "APPROVAL_REQUIRED")


@pytest.mark.requirement("QRY-02")
@pytest.mark.requirement("QRY-03")
@pytest.mark.requirement("QRY-04")
@pytest.mark.requirement("USE-06")
async def test_reasons_are_asked_for_as_the_policy_says_and_kept(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            await _reasons_are_asked_for_as_the_policy_says_and_kept(doors, agency)


async def _reasons_are_asked_for_as_the_policy_says_and_kept(doors, agency):
    strict = agency == "escondido"
    for empty in ("", "susp", "investigation", "abc def ghi jkl mno", "criminal investigation", "xxxxxxxx xxxxxxxx",
                  "suspicious vehicle", "law enforcement purposes", None):  # fmt: skip
        answer = await ask(doors, agency, justification=empty)
        await refused(doors, agency, answer, 422, "PURPOSE_REQUIRED")
    cases = (
        ({"reasonable_suspicion": None}, "REASONABLE_SUSPICION_REQUIRED"),
        ({"reasonable_suspicion": {"basis": " "}}, "REASONABLE_SUSPICION_REQUIRED"),
        ({"need_to_know": None}, "NEED_TO_KNOW_REQUIRED"),
        ({"case_number": None}, "CASE_NUMBER_REQUIRED"),
    )
    for changes, code in cases:
        answer = await ask(doors, agency, **changes)
        if strict:
            await refused(doors, agency, answer, 422, code)
        else:
            assert answer.status_code == 200, (changes, answer.text)
    assert (await ask(doors, agency)).status_code == 200
    newest = (await log(doors, agency, "query"))[0]
    reasons = newest["personal"]["reasons"]
    assert (reasons["purpose_code"], reasons["justification"]) == (QUERY["purpose_code"], QUERY["justification"])
    assert reasons["reasonable_suspicion"] == QUERY["reasonable_suspicion"]
    assert reasons["need_to_know"] == QUERY["need_to_know"]
    assert newest["entry"]["facts"]["case_number"] == "given"


@pytest.mark.requirement("QRY-04")
async def test_a_missing_case_number_is_listed_and_added_once(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            await _a_missing_case_number_is_listed_and_added_once(doors, agency)


async def _a_missing_case_number_is_listed_and_added_once(doors, agency):
    later = {"case_number": None, "no_case_number_reason": "the report is being written"}
    answer = (await ask(doors, agency, **later)).json()
    assert answer["case_number_due"]
    index = answer["query_id"]
    await ask(doors, agency)  # one with its number: never listed

    async def waiting(**changes):
        who = doors.auth(doors.person(agency=agency, **changes))
        rows = (await doors.http.get("/v1/queries/incomplete", headers=who)).json()["rows"]
        return [(row["query_id"], row["overdue"]) for row in rows]

    async def add(number, **changes):
        who = doors.auth(doors.person(agency=agency, **changes))
        path = f"/v1/queries/{index}/case-number"
        return await doors.http.post(path, json={"case_number": number}, headers=who)

    assert await waiting() == [(index, False)]
    await doors.sql("UPDATE audit.entries SET committed_at = now() - interval '25 h' WHERE idx = $1", index)
    assert await waiting(person_id="p-2") == []
    assert await waiting(person_id="p-3", roles=("supervisor",)) == [(index, True)]
    await refused(doors, agency, await add("26-1", person_id="p-2"), 403, "QUERY_UNKNOWN")
    await refused(doors, agency, await add(" "), 422, "FIELD_INVALID")
    assert (await add("26-000777")).status_code == 201
    assert await waiting() == []
    await refused(doors, agency, await add("26-000778"), 409, "CASE_NUMBER_GIVEN")
    added = await log(doors, agency, "case_number_added")
    assert [(entry["entry"]["about"], entry["personal"]["case_number"]) for entry in added] == [(index, "26-000777")]


@pytest.mark.requirement(
    "TRN-04", partial="queries; the device session and the administrator's plan are the training pages'"
)
async def test_a_query_needs_the_training_that_the_policy_names(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            await _a_query_needs_the_training_that_the_policy_names(doors, agency)


async def _a_query_needs_the_training_that_the_policy_names(doors, agency):
    await doors.keep(make_read(agency=agency))
    answer = await ask(doors, agency, who=doors.person(agency=agency, training=("alpr", "cdms")))
    lacking = {"roseville": "learn", "escondido": "alpr data", "claremont": "alpr in FTO"}.get(agency)
    if lacking:
        await refused(doors, agency, answer, 403, "TRAINING_MISSING")
        assert lacking in answer.json()["detail"]
    else:
        assert len(answer.json()["rows"]) == 1
    trained = (await ask(doors, agency)).json()
    read_id = trained["rows"][0]["read_id"]
    untrained = doors.auth(doors.person(agency=agency, training=()))
    path = f"/v1/reads/{read_id}?query_id={trained['query_id']}"
    await refused(doors, agency, await doors.http.get(path, headers=untrained), 403, "TRAINING_MISSING")
    demoted = doors.auth(doors.person(agency=agency, roles=("retention_officer",)))
    await refused(doors, agency, await doors.http.get(path, headers=demoted), 403, "ROLE_NOT_AUTHORISED")


@pytest.mark.requirement("USE-07")
async def test_protected_activities_are_no_reason_and_are_flagged(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            await _protected_activities_are_no_reason_and_are_flagged(doors, agency)


async def _protected_activities_are_no_reason_and_are_flagged(doors, agency):
    await doors.keep(make_read(agency=agency))
    cases = (
        {"attest_no_first_amendment": False},
        {"attest_no_first_amendment": None},
        {"justification": "list everyone at the Protest downtown"},
        {"justification": "plates of people at a religious-service"},
        {"justification": "who attended the PRÓTEST in the park"},
        {"justification": "who came to the pro\u200btest in the park"},
        {"no_case_number_reason": "protesters are no case yet"},
        {"need_to_know": {"basis": "watching the union meeting"}},
    )
    for changes in cases:
        answer = await ask(doors, agency, **changes)
        entry = await refused(doors, agency, answer, 403, "FIRST_AMENDMENT_PROHIBITED")
        assert entry["entry"]["facts"]["review"] == "first_amendment"
        assert entry["personal"]["asked"]["criteria"] == PLATE
        assert entry["personal"]["person"]["username"] == "jdoe"
    assert (await ask(doors, agency, justification="van stolen from the church lot in March")).status_code == 200


@pytest.mark.requirement("USE-07")
async def test_searches_around_a_protected_event_need_a_supervisor(pg_database, tmp_path):
    now = utc_now()
    times = {"captured_from": (now - timedelta(hours=2)).isoformat(), "captured_to": now.isoformat()}
    before = {
        "captured_from": (now - timedelta(days=9)).isoformat(),
        "captured_to": (now - timedelta(days=8)).isoformat(),
    }
    corners = [[33.05, -117.95], [33.2, -117.95], [33.2, -117.8]]
    async with Doors(pg_database, tmp_path) as doors:
        supervisor = doors.person(person_id="p-9", username="boss", roles=("supervisor",), agency="irvine")

        async def post(path, who, **body):
            return await doors.http.post(path, json=body, headers=doors.auth(who))

        event = {"name": "march for parks", "area": STADIUM, "begins_at": (now - timedelta(hours=5)).isoformat(),
                 "ends_at": (now - timedelta(hours=1)).isoformat()}  # fmt: skip
        officer = doors.person(agency="irvine", roles=("officer",))
        await refused(doors, "irvine", await post("/v1/protected-events", officer, **event), 403, "ROLE_NOT_AUTHORISED")
        event_id = (await post("/v1/protected-events", supervisor, **event)).json()["event_id"]
        touching = ({"partial": "*", **times}, {"partial": "??", "device_ids": ["unknown-car"], **times},
                    {"area": STADIUM}, {"polygon": corners}, {"area": STADIUM, **times}, dict(times),
                    {"device_ids": ["unknown-car"], **times}, {"area": STADIUM, "plate": "8TST001"})  # fmt: skip
        for criteria in touching:
            entry = await refused(
                doors, "irvine", await ask(doors, "irvine", criteria), 403, "FIRST_AMENDMENT_PROHIBITED"
            )
            assert entry["entry"]["facts"]["review"] == "first_amendment"
        elsewhere = {"south": 34.0, "west": -118.0, "north": 34.1, "east": -117.9}
        for criteria in (PLATE, {"area": STADIUM, **before}, {"area": elsewhere, **times}):
            assert (await ask(doors, "irvine", criteria)).status_code == 200, criteria
        assert (await ask(doors, "westminster", {"area": STADIUM})).status_code == 200, "another agency's event"

        approval = {"kind": "protected_event", "event_id": event_id, "valid_from": (now - timedelta(hours=1)).isoformat(),
                    "valid_to": (now + timedelta(hours=1)).isoformat(),
                    "description": "robbery at the north gate, one car seen leaving",
                    "case_number": QUERY["case_number"]}  # fmt: skip
        own = (await post("/v1/use-approvals", supervisor, **approval)).json()["approval_id"]
        assert (await ask(doors, "irvine", {"area": STADIUM}, approval_id=own)).status_code == 200
        entry = (await log(doors, "irvine", "query"))[0]
        assert entry["entry"]["facts"]["approval_ids"] == [own]
        assert entry["personal"]["supervisor_id"] == "p-9"
        self_made = await ask(doors, "irvine", {"area": STADIUM}, approval_id=own, who=supervisor)
        await refused(doors, "irvine", self_made, 403, "FIRST_AMENDMENT_PROHIBITED")
        manager = doors.person(person_id="p-8", agency="irvine", roles=("program_manager",))
        denied = await post("/v1/use-approvals", manager, **approval)
        await refused(doors, "irvine", denied, 403, "ROLE_NOT_AUTHORISED")
        second = (await post("/v1/protected-events", supervisor, **event)).json()["event_id"]
        both = await ask(doors, "irvine", {"area": STADIUM}, approval_id=own)
        await refused(doors, "irvine", both, 403, "FIRST_AMENDMENT_PROHIBITED")
        assert f"event {second}: no such approval" in both.json()["detail"]
        other = (await post("/v1/use-approvals", supervisor, **{**approval, "event_id": second})).json()["approval_id"]
        assert (await ask(doors, "irvine", {"area": STADIUM}, approval_ids=[own, other])).status_code == 200
        assert (await log(doors, "irvine", "query"))[0]["entry"]["facts"]["approval_ids"] == [own, other]


@pytest.mark.requirement("USE-07")
async def test_ending_a_protected_event_frees_nothing_of_its_past(pg_database, tmp_path):
    now = utc_now()
    async with Doors(pg_database, tmp_path) as doors:
        boss = doors.person(person_id="p-9", username="boss", roles=("supervisor",), agency="irvine")

        async def post(path, **body):
            return await doors.http.post(path, json=body, headers=doors.auth(boss))

        async def searched(begins, who=None):
            times = {"captured_from": begins.isoformat(), "captured_to": (now + timedelta(hours=1)).isoformat()}
            return await ask(doors, "irvine", {"area": STADIUM, **times}, who=who)

        event = {"name": "march for parks", "area": STADIUM, "begins_at": (now - timedelta(hours=5)).isoformat(),
                 "ends_at": (now + timedelta(hours=5)).isoformat()}  # fmt: skip
        number = (await post("/v1/protected-events", **event)).json()["event_id"]
        end = f"/v1/protected-events/{number}/end"
        assert (await post(end, reason="it was called off")).status_code == 201
        again = await post(end, reason="again")
        await refused(doors, "irvine", again, 409, "ALREADY_ENDED")
        for who in (None, boss):
            past = await searched(now - timedelta(hours=2), who)
            await refused(doors, "irvine", past, 403, "FIRST_AMENDMENT_PROHIBITED")
        after = utc_now()
        assert (await searched(after)).status_code == 200
        own = await searched(after, boss)
        await refused(doors, "irvine", own, 403, "FIRST_AMENDMENT_PROHIBITED")
        events = await doors.http.get("/v1/protected-events", headers=doors.auth(boss))
        assert [(row["event_id"], row["ended"]) for row in events.json()["rows"]] == [(number, True)]


@pytest.mark.requirement("USE-11")
async def test_another_use_needs_an_approval_that_holds(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        for agency in AGENCIES:
            await _another_use_needs_an_approval_that_holds(doors, agency)


async def _another_use_needs_an_approval_that_holds(doors, agency):
    now = utc_now()
    await doors.keep(make_read(agency=agency))
    approver = doors.person(person_id="p-9", username="boss", roles=("supervisor",), agency=agency)

    async def approve(who=approver, begin=timedelta(hours=-1), end=timedelta(hours=1), **changes):
        body = {"kind": "other_use", "description": "search for the stolen school bus after the storm",
                "valid_from": (now + begin).isoformat(), "valid_to": (now + end).isoformat(), "case_number": QUERY["case_number"],
                **changes}  # fmt: skip
        return await doors.http.post("/v1/use-approvals", json=body, headers=doors.auth(who))

    if agency != "roseville":
        answer = await ask(doors, agency, purpose_code="other_approved", approval_id=1)
        await refused(doors, agency, answer, 403, "PURPOSE_NOT_PERMITTED")
        await refused(doors, agency, await approve(), 403, "PURPOSE_NOT_PERMITTED")
        return

    def other(number, **changes):
        return ask(doors, agency, purpose_code="other_approved", approval_id=number, **changes)

    administrator = doors.person(person_id="p-7", roles=("alpr_admin",), agency=agency)
    for who in (approver, administrator):
        made = (await approve(who)).json()
        assert made["number"] == made["approval_id"]
        answer = await other(made["approval_id"])
        assert len(answer.json()["rows"]) == 1
        entry = (await log(doors, agency, "query"))[0]
        assert entry["entry"]["facts"]["approval_ids"] == [made["approval_id"]]
        assert entry["entry"]["facts"]["purpose_code"] == "other_approved"
    number = made["approval_id"]
    past = (await approve(begin=timedelta(hours=-3), end=timedelta(hours=-2))).json()["approval_id"]
    future = (await approve(begin=timedelta(hours=2), end=timedelta(hours=3))).json()["approval_id"]
    query_id = (await ask(doors, agency)).json()["query_id"]
    for wrong in (None, 10**9, past, future, query_id):
        await refused(doors, agency, await other(wrong), 403, "APPROVAL_REQUIRED")
    await refused(doors, agency, await other(number, who=administrator), 403, "APPROVAL_REQUIRED")
    clerk = doors.person(person_id="p-6", roles=("investigator",), agency=agency)
    await refused(doors, agency, await approve(clerk), 403, "ROLE_NOT_AUTHORISED")
    await refused(doors, agency, await approve(description="other use"), 422, "FIELD_INVALID")
    await refused(doors, agency, await approve(end=timedelta(days=400)), 422, "FIELD_INVALID")
    await refused(doors, agency, await approve(case_number=" "), 422, "FIELD_INVALID")
    await refused(doors, agency, await other(number, case_number="26-000124"), 403, "APPROVAL_REQUIRED")
    mine = (await approve(case_number="", for_username="jdoe")).json()["approval_id"]
    assert (await other(mine, case_number="26-000124")).status_code == 200
    colleague = doors.person(person_id="p-5", username="other", agency=agency)
    await refused(doors, agency, await other(mine, who=colleague), 403, "APPROVAL_REQUIRED")
    revoke = f"/v1/use-approvals/{number}/revocation"
    answer = await doors.http.post(revoke, json={"reason": "storm is over"}, headers=doors.auth(approver))
    assert answer.status_code == 201
    await refused(doors, agency, await other(number), 403, "APPROVAL_REQUIRED")
    rows = (await doors.http.get("/v1/use-approvals", headers=doors.auth(clerk))).json()["rows"]
    assert {row["approval_id"]: row["ended"] for row in rows}[number]
    assert all(row["at"] and row["by"] and row["valid_from"] for row in rows)
