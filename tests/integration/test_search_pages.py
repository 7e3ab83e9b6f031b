"""The search and audit pages under every profile: what the form asks, refusals in words, nothing typed becomes markup."""

import re

import pytest
import pytest_asyncio

from tests.fixtures.answers import answer_audits
from tests.fixtures.desk import desk
from tests.fixtures.people import AGENCIES

FORM = {
    "plate": "8KBO042",
    "purpose_code": "criminal_investigation",
    "justification": "A made-up burglary on Vernon Street",
    "attest_no_first_amendment": "1",
}
pytestmark = pytest.mark.asyncio
HOSTILE = "</textarea><script>alert(1)</script>{{ 7 * 7 }}"


@pytest_asyncio.fixture
async def made(pg_database, tmp_path):
    async with desk(pg_database, tmp_path) as made:
        yield made


def fields(page):
    """The form's fields by name, and whether each must be filled."""
    tags = re.findall(r"<(?:input|textarea|select)\b[^>]*\bname=\"(\w+)\"[^>]*>", page)
    required = re.findall(r"<(?:input|textarea|select)\b(?=[^>]*\brequired\b)[^>]*\bname=\"(\w+)\"[^>]*>", page)
    return set(tags), set(required)


@pytest.mark.requirement("QRY-02", partial="the page; the door is tested elsewhere")
@pytest.mark.requirement("QRY-03", partial="the page; the door is tested elsewhere")
@pytest.mark.requirement("QRY-04", partial="the page; the door is tested elsewhere")
@pytest.mark.requirement("USE-07", partial="the page; the door is tested elsewhere")
async def test_the_form_asks_what_the_profile_asks_and_nothing_else(made):
    for agency in AGENCIES:
        profile = made.policies[agency]
        answer = await made.http.get("/search", headers=made.as_("investigator", agency))
        assert answer.status_code == 200, agency
        asked, required = fields(answer.text)
        assert {"plate", "state", "captured_from", "device_id", "list_code", "own_detections", "polygon"} <= asked
        assert {"purpose_code", "justification"} <= required, agency
        assert ("reasonable_suspicion" in required) == profile.reasonable_suspicion_required, agency
        assert ("need_to_know" in required) == profile.need_to_know_required, agency
        assert ("no_case_number_reason" in asked) == (profile.case_number == "if_available"), agency
        assert ("attest_no_first_amendment" in required) == profile.first_amendment_block, agency
        offered = set(
            re.findall(r'<option value="(\w+)"', answer.text.split('id="purpose_code"')[1].split("</select>")[0])
        )
        assert offered == {purpose.code for purpose in profile.purposes if purpose.query}, agency
        assert f"owned by {profile.name}" in answer.text.replace("&#39;", "'"), agency


async def test_a_refusal_stands_beside_its_field_and_says_what_to_do(made):
    who = made.as_("investigator", "escondido")
    refused = {"reason_code": "NEED_TO_KNOW_REQUIRED", "detail": "state the need to know"}
    made.doors.answers["/v1/queries"] = (422, refused)
    answer = await made.http.post("/search", headers=who, data=FORM)
    assert answer.status_code == 422
    assert re.search(r'<textarea id="need_to_know"[^>]*aria-invalid="true"', answer.text)
    assert 'id="need_to_know-wrong">State the need to know.</span>' in answer.text
    assert "Say why your duties need the answer." in answer.text
    assert "8KBO042" in answer.text, "what was typed is kept"
    assert "<tbody" not in answer.text


@pytest.mark.requirement("QRY-01", partial="the page; the door is tested elsewhere")
@pytest.mark.parametrize("path", ["/v1/queries", "/v1/hit-queries"])
async def test_with_the_ledger_away_the_page_shows_nothing(made, path):
    who, form = made.as_("investigator"), {**FORM, "look_in": "hits" if "hit" in path else "reads"}
    made.doors.answers[path] = (503, {"reason_code": "LEDGER_UNAVAILABLE", "rows": [{"plate": "9ROW001"}]})
    answer = await made.http.post("/search", headers=who, data=form)
    assert answer.status_code == 503
    assert "Searching is closed" in answer.text
    assert "9ROW001" not in answer.text
    recorded = {"reason_code": "SEARCH_UNAVAILABLE", "detail": "the search could not be answered"}
    made.doors.answers[path] = (503, recorded)
    answer = await made.http.post("/search", headers=who, data=form)
    assert "The question is recorded" in answer.text


async def test_what_is_typed_or_stored_never_becomes_markup(made):
    who = made.as_("investigator")
    hostile = {"plate": HOSTILE, "device_name": HOSTILE, "read_id": HOSTILE, "captured_at": HOSTILE, "state": HOSTILE}
    made.doors.answers["/v1/queries"] = (200, {"query_id": 1, "receipt": {}, "rows": [hostile], "next": HOSTILE})
    form = {**FORM, "justification": HOSTILE, "case_number": HOSTILE, "approval_id": ""}
    answer = await made.http.post("/search", headers=who, data=form)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "49" not in re.findall(r"&lt;/script&gt;([^<]*)<", answer.text)
    assert answer.text.count("{{ 7 * 7 }}") >= 3, "shown as it was typed"


@pytest.mark.requirement("SEC-07", partial="logs are checked by other tests")
async def test_no_plate_and_no_person_stands_in_an_address(made):
    made.doors.answers["/v1/queries"] = (200, {"query_id": 1, "receipt": {}, "rows": [{"plate": "8KBO042"}]})
    pages = [await made.http.post("/search", headers=made.as_("investigator"), data=FORM)]
    answer_audits(_Json(made.doors))
    auditor = made.as_("auditor")
    found = {"plate": "8KBO042", "username": "jdoe"}
    pages.append(await made.http.post("/audits/entries", headers=auditor, data=found))
    for page in pages:
        assert page.status_code == 200
        assert "8KBO042" in page.text
        addresses = " ".join(re.findall(r'(?:href|src|action)="([^"]*)"', page.text))
        assert "8KBO042" not in addresses
        assert "jdoe" not in addresses
        assert all('method="post"' in form for form in re.findall(r"<form[^>]*action=[^>]*>", page.text))


class _Json:
    """The desk's doors, told as those of a running console are."""

    def __init__(self, doors):
        self.answers, self._told = {}, doors.answers

    def json(self, _method, path, status, content):
        self._told[path] = (status, content)


@pytest.mark.requirement("AUD-05", partial="the pages; tasks are tested at the door")
async def test_audit_pages_open_to_their_roles_only(made):
    answer_audits(_Json(made.doors))
    for role in ("officer", "dispatcher", "investigator", "supervisor", "contractor"):
        for path in ("/audits", "/audits/entries", "/audits/reports", "/audits/reviews", "/audits/findings"):
            assert (await made.http.get(path, headers=made.as_(role))).status_code == 403, (role, path)
    manager = await made.http.get("/audits", headers=made.as_("program_manager"))
    assert manager.status_code == 200
    assert "Audit overdue." in manager.text
    assert 'href="/audits/entries"' not in manager.text
    assert 'href="/audits/entries"' in (await made.http.get("/audits", headers=made.as_("auditor"))).text
    made.doors.answers["/v1/audit/log"] = (403, {"reason_code": "ROLE_NOT_AUTHORISED", "detail": "auditors only"})
    refused = await made.http.get("/audits/entries", headers=made.as_("program_manager"))
    assert refused.status_code == 403
    assert "Not shown.</strong> Auditors only" in refused.text


async def test_another_agencys_reads_are_offered_while_an_agreement_is_in_force(made):
    who = made.as_("investigator", "irvine")
    assert 'name="agency"' not in (await made.http.get("/search", headers=who)).text
    made.doors.answers["/v1/shared-agencies"] = (200, {"agencies": [
        {"agency": "roseville", "name": "Roseville Police Department"}, {"agency": "roseville", "name": "Roseville Police Department"},
    ]})  # fmt: skip
    page = (await made.http.get("/search", headers=who)).text
    assert page.count('<option value="roseville"') == 1
    refused = {
        "reason_code": "AGREEMENT_MISSING",
        "detail": "no agreement in force lets you search this agency's reads",
    }
    made.doors.answers["/v1/queries"] = (403, refused)
    answer = await made.http.post("/search", headers=who, data={**FORM, "agency": "roseville"})
    assert answer.status_code == 403
    assert re.search(r'<select id="agency"[^>]*aria-invalid="true"', answer.text)
    assert "Ask that agency, or search your own." in answer.text
    answer = {"query_id": 7, "source_system": "local", "case_number_due": False, "receipt": {}, "rows": [
        {"read_id": "5a1f0000-0000-5000-8000-000000000001", "plate": "8KBO042", "state": "US-CA", "captured_at": "2027-03-01T10:00:00+00:00",
         "device_id": "d", "device_name": "D", "camera_id": "c", "direction": "N", "confidence": 0.9, "latitude": 38.7, "longitude": -121.2,
         "match": {"kind": "exact", "positions": []}, "images": []},
    ]}  # fmt: skip
    made.doors.answers["/v1/queries"] = (200, answer)
    shown = (await made.http.post("/search", headers=who, data={**FORM, "agency": "roseville"})).text
    assert "8KBO042" in shown
    assert 'data-opens="take"' not in shown, "what another agency lets one see is not taken away"
    assert "-these" not in shown
