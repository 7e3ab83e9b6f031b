"""A posted question as it is judged, recorded and executed: numbers and times that every part writes alike."""

import json
import re
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from alpr_audit.api.asking import search_of
from alpr_audit.api.shapes import CriteriaBody, QueryBody
from alprcore.model import Person

PERSON = Person("p1", "jdoe", "Jane Doe", "Example PD", "demo", ("investigator",), "s1", "127.0.0.1")


def recorded(**criteria):
    posted = CriteriaBody.model_validate_json(json.dumps(criteria))
    return search_of(posted.criteria(PERSON), 10, "")


def test_coordinates_are_kept_with_six_decimals():
    area = recorded(area={"south": 1e-7, "west": -118.00000049, "north": 33.1234567, "east": 1.2e-6})["area"]
    assert area == {"south": 0, "west": -118, "north": 33.123457, "east": 0.000001}
    assert re.findall(r"[-.\d]+", recorded(polygon=[[33.1234567, -1.25], [1.5, 2], [3, 4]])["polygon"]) == [
        "-1.25", "33.123457", "2.0", "1.5", "4.0", "3.0"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["captured_from", "captured_to"])
def test_times_are_kept_in_utc(name):
    assert recorded(**{name: "2026-01-01T23:59:00+23:59"})[name] == datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    for beyond in ("0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00"):
        with pytest.raises(ValidationError):
            recorded(**{name: beyond})


@pytest.mark.parametrize("after", ["2026-01-01T00:00:00", "0001-01-01T00:00:00+12:00", "x", "2026-01-01T00:00:00Z"])
def test_an_after_that_no_answer_gave_is_none(after):
    with pytest.raises(ValueError, match=r"."):
        search_of(CriteriaBody().criteria(PERSON), 10, f"{after}/{'1' * 8}" if after.endswith("Z") else after)


def test_approvals_are_named_once_each():
    body = QueryBody.model_validate({"criteria": {}, "approval_id": 7, "approval_ids": [8, 7, 9]})
    assert body.approvals() == (7, 8, 9)
    assert QueryBody.model_validate({"criteria": {}}).approvals() == ()
    with pytest.raises(ValidationError):
        QueryBody.model_validate({"criteria": {}, "approval_ids": list(range(21))})
