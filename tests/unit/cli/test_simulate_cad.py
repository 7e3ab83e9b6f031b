"""The simulated CAD system opens what is announced, and goes on with nothing that is taken back."""

import pytest

from alpr_cli.cad import opens, takes_back
from alprcore.errors import InvalidMessage


def event(msg_type, status="Actual"):
    return {"data": {"incident_id": "incident-1", "status": status, "cap": {"msgType": msg_type}}}


@pytest.mark.parametrize(
    ("message", "opened", "taken_back"),
    [
        (event("Alert"), "incident-1", ""),
        (event("Alert", "Test"), "", ""),
        (event("Update"), "", ""),
        (event("Cancel"), "", "incident-1"),
    ],
)
def test_an_alert_opens_and_a_cancel_takes_back(message, opened, taken_back):
    assert (opens(message), takes_back(message)) == (opened, taken_back)


def test_what_is_no_event_is_refused():
    with pytest.raises(InvalidMessage, match="FIELD_MISSING"):
        opens({"data": {"incident_id": "incident-1"}})
