"""The same events under two agencies' profiles end the same way, but for what section 4 of the policies sets apart."""

from datetime import timedelta

import asyncpg
import pytest

from tests.fixtures.doors import Doors, make_read, utc_now

pytestmark = pytest.mark.asyncio

BARE = {"justification": "two burglaries, one vehicle", "attest_no_first_amendment": True}
SUSPICION = {"reasonable_suspicion": {"basis": "seen leaving the scene"}}
NEED = {"need_to_know": {"basis": "assigned to the case"}}
EVENTS = {
    "criminal investigation": {"purpose_code": "criminal_investigation"},
    "with suspicion": {"purpose_code": "criminal_investigation", **SUSPICION},
    "with need to know": {"purpose_code": "criminal_investigation", **SUSPICION, **NEED},
    "with a case number": {"purpose_code": "criminal_investigation", **SUSPICION, **NEED, "case_number": "26-0001"},
    "surveillance": {"purpose_code": "electronic_surveillance", **SUSPICION, **NEED, "case_number": "26-0001"},
    "civil matter": {"purpose_code": "department_civil_or_admin_action", **SUSPICION, **NEED, "case_number": "26-1"},
    "canvass": {"purpose_code": "crime_scene_canvass", **SUSPICION, **NEED, "case_number": "26-0001"},
    "protected activity": {"purpose_code": "criminal_investigation", "attest_no_first_amendment": False},
}
REFUSED = "PURPOSE_NOT_PERMITTED"
COMMON = dict.fromkeys(EVENTS, "answered") | {"protected activity": "FIRST_AMENDMENT_PROHIBITED"}
EXPECTED = {
    "irvine": COMMON | {"canvass": REFUSED},
    "westminster": COMMON | {"canvass": REFUSED},
    "roseville": COMMON | {"surveillance": REFUSED},
    "claremont": COMMON | {"surveillance": REFUSED, "civil matter": REFUSED, "canvass": REFUSED},
    "escondido": COMMON
    | {
        "criminal investigation": "REASONABLE_SUSPICION_REQUIRED",
        "with suspicion": "NEED_TO_KNOW_REQUIRED",
        "with need to know": "CASE_NUMBER_REQUIRED",
        "surveillance": REFUSED,
        "civil matter": REFUSED,
        "canvass": REFUSED,
        "protected activity": "REASONABLE_SUSPICION_REQUIRED",
    },
}
YEARS_KEPT = {"irvine": 1, "westminster": 1, "roseville": 1, "claremont": 2, "escondido": 2}


async def replay(doors, agency):
    """Put every event to the query door as a person of this agency; gives how each ended."""
    ended = {}
    for name, body in EVENTS.items():
        asked = {**BARE, "criteria": {"plate": "8CFG001"}, **body}
        who = doors.auth(doors.person(agency=agency))
        answer = await doors.http.post("/v1/queries", json=asked, headers=who)
        assert answer.status_code in (200, 403, 422), answer.text
        if answer.status_code == 200:
            assert [row["agency"] for row in answer.json()["rows"]] == [agency]
        ended[name] = "answered" if answer.status_code == 200 else answer.json()["reason_code"]
    return ended


@pytest.mark.requirement("CFG-01")
async def test_only_the_configured_differences_appear(pg_database, tmp_path):
    captured = utc_now() - timedelta(days=1)
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(
            *(make_read("8CFG001", number=n, agency=a, captured_at=captured) for n, a in enumerate(EXPECTED))
        )
        assert {agency: await replay(doors, agency) for agency in EXPECTED} == EXPECTED
        connection = await asyncpg.connect(pg_database.admin)
        try:
            rows = await connection.fetch("SELECT agency, due_day FROM retention.reads")
        finally:
            await connection.close()
    kept = {row["agency"]: round((row["due_day"] - captured.date()).days / 365) for row in rows}
    assert kept == YEARS_KEPT
