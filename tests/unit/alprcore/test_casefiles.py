"""What is believed of a records system's answer about a case file, and what is not."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from alpr_cli.rms import RecordsSystem, read_cases
from alprcore.casefiles import (
    LARGEST,
    TEST,
    CaseFile,
    Question,
    Status,
    answer_of,
    body_of,
    headers_of,
    read_answer,
    stub_answer,
)
from alprcore.errors import InvalidMessage, Misconfigured

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
QUESTION = Question("r-1", "escondido", "SIM-20240131", NOW)
JSON = {"content-type": "application/json; charset=utf-8"}
SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"


def answer(**changes):
    return {**answer_of(QUESTION, stub_answer(QUESTION, NOW), NOW), **changes}


def test_an_answer_as_agreed_is_read():
    found = read_answer(QUESTION, 200, JSON, json.dumps(answer()).encode(), NOW)
    assert (found.status, found.purge_on, found.test) == (Status.CLOSED, date(2024, 1, 31), True)
    real = answer(status="open", purge_on=None, test=False, answered_by="RMS of Escondido")
    found = read_answer(QUESTION, 200, JSON, json.dumps(real).encode(), NOW)
    assert (found.status, found.purge_on, found.test) == (Status.OPEN, None, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"form": "alpr.casefile.v2"}, {"request_id": "r-2"}, {"case_number": "SIM-1"}, {"status": "gone"},
        {"purge_on": "soon"}, {"purge_on": 20240131}, {"status": "unknown"}, {"answered_by": ""},
        {"answered_by": "a\nb"}, {"answered_by": "the RMS"}, {"answered_at": "2026-11-22T12:00:00"},
        {"answered_at": (NOW - timedelta(minutes=6)).isoformat()},
        {"answered_at": (NOW + timedelta(minutes=6)).isoformat()}, {"more": 1}, {"test": "no"},
    ],
)  # fmt: skip
def test_any_other_answer_says_nothing(wrong):
    with pytest.raises(InvalidMessage):
        read_answer(QUESTION, 200, JSON, json.dumps(answer(**wrong)).encode(), NOW)


def test_no_answer_at_all_says_nothing():
    body = json.dumps(answer()).encode()
    twice = body[:-1] + b', "status": "open"}'
    for status, headers, sent in (
        (500, JSON, body), (200, {"content-type": "text/html"}, body), (200, JSON, b"{"), (200, JSON, twice),
        (200, JSON, b" " * LARGEST + body),
    ):  # fmt: skip
        with pytest.raises(InvalidMessage):
            read_answer(QUESTION, status, headers, sent, NOW)


def test_the_stub_follows_the_case_number():
    cases = {
        "SIM-20240131": (Status.CLOSED, date(2024, 1, 31)),
        "SIM-20240231": (Status.OPEN, None),
        "26-000123": (Status.OPEN, None),
        "lost?": (Status.UNKNOWN, None),
    }
    for number, expected in cases.items():
        found = stub_answer(Question("r", "demo", number, NOW), NOW)
        assert ((found.status, found.purge_on), TEST in found.answered_by) == (expected, True)


def test_the_simulator_answers_signed_questions_from_its_file(tmp_path):
    cases = tmp_path / "cases.csv"
    cases.write_text("case_number,status,purge_on\nSIM-20240131,open,\n")
    system = RecordsSystem((SECRET,), cases)
    body = body_of(QUESTION)
    status, content = system.answer(body, headers_of(QUESTION, (SECRET,), NOW), NOW)
    found = read_answer(QUESTION, status, JSON, json.dumps(content).encode(), NOW)
    assert found == CaseFile(Status.OPEN, None, f"{TEST}, simulator", NOW, test=True)
    cases.write_text("case_number,status,purge_on\nSIM-20240131,closed,2026-11-01\n")
    assert system.answer(body, headers_of(QUESTION, (SECRET,), NOW), NOW)[1]["purge_on"] == "2026-11-01"
    assert system.answer(body, headers_of(QUESTION, (), NOW), NOW)[0] == 401
    late = headers_of(QUESTION, (SECRET,), NOW - timedelta(minutes=6))
    assert system.answer(body, late, NOW)[0] == 401
    assert RecordsSystem().answer(b'{"form": "alpr.casefile.v1"}', {}, NOW)[0] == 422
    assert RecordsSystem().answer(body, {}, NOW)[1]["purge_on"] == "2024-01-31"
    for text in ("a,b\n", "case_number,status,purge_on\nA,gone,\n", "case_number,status,purge_on\nA,closed,soon\n"):
        cases.write_text(text)
        with pytest.raises(Misconfigured):
            read_cases(cases)
