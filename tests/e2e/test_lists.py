"""What of lists takes several services at once: a designee's power, past reads of a partial plate."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest

from alpr_cli import demo

REASONS = {"justification": "A witness of the made-up homicide", "attest_no_first_amendment": True}


@pytest.fixture
def as_person(stack):
    def signed_in(username):
        return demo.Session(stack.console, username, stack.demo_password)

    return signed_in


@pytest.mark.requirement("ACC-10", partial="the approval of a special list; other powers are tested elsewhere")
@pytest.mark.requirement("HOT-06", partial="by role or designee, never by the creator; matching is tested elsewhere")
def test_a_special_list_is_approved_by_a_designee_and_by_nobody_else(as_person):
    code = f"SPD{secrets.token_hex(3).upper()}"
    body = {
        "code": code, "name": "Made in a test", "source": "made-up RMS", "advisory_class": "information_only",
        "legitimate_interest": "made-up series of this test", "list_type": "special",
        "purpose_code": "criminal_investigation",
    }  # fmt: skip
    path = f"/v1/hotlists/{code}/approvals"
    with as_person("administrator") as admin, as_person("supervisor") as supervisor, as_person("manager") as manager:
        admin.call("POST", "/v1/hotlists", json=body)
        for session in (admin, supervisor):
            refused = session.call("POST", path, json={"note": ""}, allow=(403,))
            assert refused.json()["reason_code"] in ("APPROVER_NOT_AUTHORISED", "OWN_LIST"), refused.text
        ends = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        given = {"power": "approve_special_list", "designee": "supervisor", "ends_at": ends}
        delegation = manager.call("POST", "/v1/delegations", json=given).json()["delegation_id"]
        try:
            assert "Approve " + code in supervisor.call("GET", "/approvals").text
            approved = supervisor.call("POST", path, json={"note": "for the captain"})
        finally:
            manager.call("DELETE", f"/v1/delegations/{delegation}")
        assert (approved.status_code, approved.json()["delegation_id"]) == (201, delegation)
        assert "Approve " + code not in supervisor.call("GET", "/approvals").text
        approval = manager.call("GET", f"/v1/hotlists/{code}").json()["approval"]
        assert approval["approver_name"] == "Sam Supervisor"


@pytest.mark.requirement("USE-10", partial="entry and search of past reads at once; matches are tested elsewhere")
def test_a_partial_plate_stands_even_when_the_search_of_past_reads_is_refused(as_person):
    entry = {
        "pattern": f"9?{secrets.randbelow(900) + 100}*", "state": "US-CA", "case_number": "26-000111",
        "crime_type": "homicide", "purpose_code": "criminal_investigation", "reason": "a white pickup left the scene",
        "expires_at": (datetime.now(UTC) + timedelta(days=2)).isoformat(),
    }  # fmt: skip
    with as_person("investigator") as session:
        silent = session.call("POST", "/v1/partial-plates", json=entry).json()
        assert "past" not in silent
        refused = session.call("POST", "/v1/partial-plates", json={**entry, "back_search": {}}).json()
        assert refused["entry_state"] in ("not_active_yet", "active")
        assert refused["past"]["status"] in (403, 422)
        assert refused["past"]["reason_code"] == "PURPOSE_REQUIRED"
        found = session.call("POST", "/v1/partial-plates", json={**entry, "back_search": REASONS}).json()
        assert (found["past"]["status"], found["past"]["rows"]) == (200, [])
        assert found["past"]["receipt"]["index"] > 0
        wrong = session.call(
            "POST", "/v1/partial-plates", json={**entry, "case_number": "", "back_search": REASONS}, allow=(422,)
        )
        assert "past" not in wrong.json()
        for one in (silent, refused, found):
            session.call(
                "POST", f"/v1/partial-plates/{one['entry_id']}/withdrawals", json={"reason": "the test is over"}
            )


def test_a_load_is_refused_when_another_version_came_into_force_since_its_preview(as_person):
    code = f"SPV{secrets.token_hex(3).upper()}"
    body = {
        "code": code, "name": "Made in a test", "source": "made-up records", "advisory_class": "stolen_vehicle",
        "legitimate_interest": "made-up vehicles of this test",
    }  # fmt: skip
    with as_person("administrator") as admin, as_person("retention") as stranger:
        admin.call("POST", "/v1/hotlists", json=body)
        file = {"file": ("list.csv", b"plate,state,reason\n8VRS001,US-CA,stolen_vehicle\n", "text/csv")}
        sent = {"layout": "generic_csv", "source_time": (datetime.now(UTC) - timedelta(minutes=1)).isoformat()}
        seen = admin.call("POST", f"/v1/hotlists/{code}/previews", files=file, data=sent).json()["version"]
        path = f"/v1/hotlists/{code}/loads"
        assert admin.call("POST", path, files=file, data={**sent, "against": seen}).json()["version"] == seen + 1
        later = {**sent, "source_time": datetime.now(UTC).isoformat(), "against": seen}
        refused = admin.call("POST", path, files=file, data=later, allow=(409,))
        assert (refused.status_code, refused.json()["reason_code"]) == (409, "CHANGED_MEANWHILE")
        for way in ("/v1/hotlists", f"/v1/hotlists/{code}", path, f"/v1/hotlists/{code}/shares"):
            assert stranger.call("GET", way, allow=(403,)).status_code == 403, way
