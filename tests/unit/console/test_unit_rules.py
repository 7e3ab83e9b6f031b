"""Who signs on as what, and which clients a notification is for: the rules of vehicles and desktops."""

from datetime import UTC, datetime

import pytest

from alpr_console.units import rules
from alprcore.model import ADMITTED, Broadcast, ClientKind, NotificationKind, Person, Refused
from alprcore.profiles import load_profiles
from tests.fixtures.console import make_hit, make_notification

PROFILES = load_profiles()
VEHICLE, DESKTOP, CONSOLE = ClientKind.VEHICLE, ClientKind.DESKTOP, ClientKind.DISPATCH_CONSOLE
CLIENTS = (
    rules.Client("c-1", "s-1", VEHICLE, "12", "p-1", ("officer",)),
    rules.Client("c-2", "s-2", VEHICLE, "14", "p-2", ("officer", "supervisor")),
    rules.Client("c-3", "s-3", DESKTOP, "DESK", "p-3", ("supervisor",)),
)


def person(*roles, agency="roseville", devices=()):
    return Person("p", "p", "P", "PD", agency, roles, "s", "127.0.0.1", devices=devices)


def notified(kind=NotificationKind.HIT, client=VEHICLE, target="vehicles", **more):
    return make_notification(make_hit(), client=client, target=target, kind=kind, **more)


@pytest.mark.parametrize(
    ("notification", "told"),
    [
        (notified(), ["c-1", "c-2"]),
        (notified(NotificationKind.UPDATE), ["c-1", "c-2"]),
        (notified(NotificationKind.RECALL, DESKTOP, "desktops"), ["c-3"]),
        (notified(client=CONSOLE, target="dispatch"), []),
        (notified(NotificationKind.BROADCAST, target="c-1"), ["c-1"]),
        (notified(NotificationKind.BROADCAST, target="gone"), []),
        (notified(NotificationKind.ESCALATION, CONSOLE, "supervisor"), ["c-2", "c-3"]),
    ],
)
def test_each_notification_goes_to_the_clients_it_is_for(notification, told):
    assert [one.client_id for one in rules.recipients(notification, CLIENTS)] == told


@pytest.mark.parametrize(
    ("who", "wish", "code"),
    [
        (person("officer"), rules.Wish(VEHICLE, "1A-12"), ""),
        (person("officer", devices=("car-1",)), rules.Wish(VEHICLE, "12", device_id="car-1"), ""),
        (person("investigator"), rules.Wish(DESKTOP, "D"), ""),
        (person("officer"), rules.Wish(CONSOLE, "12"), "CLIENT_NOT_SHOWN"),
        (person("officer", agency="claremont"), rules.Wish(DESKTOP, "12"), "CLIENT_NOT_SHOWN"),
        (person("dispatcher"), rules.Wish(VEHICLE, "12"), "ROLE_NOT_AUTHORISED"),
        (person("investigator"), rules.Wish(VEHICLE, "12"), "ROLE_NOT_AUTHORISED"),
        (person("officer"), rules.Wish(VEHICLE, ""), "FIELD_INVALID"),
        (person("officer"), rules.Wish(VEHICLE, "A" * 13), "FIELD_INVALID"),
        (person("officer"), rules.Wish(VEHICLE, "12 "), "FIELD_INVALID"),
        (person("officer", devices=("car-1",)), rules.Wish(VEHICLE, "12", device_id="car-2"), "DEVICE_NOT_ASSIGNED"),
        (person("officer", devices=("car-1",)), rules.Wish(DESKTOP, "12", device_id="car-1"), "FIELD_INVALID"),
    ],
)
def test_a_sign_on_is_decided_by_role_display_call_sign_and_device(who, wish, code):
    decision = rules.may_sign_on(who, PROFILES[who.agency], wish)
    assert (decision.reason_code if isinstance(decision, Refused) else decision) == (code or ADMITTED)


def test_a_call_sign_is_written_in_one_way_and_a_broadcast_laid_out_by_field():
    assert rules.call_sign("  1a   12 ") == "1A 12"
    at = datetime(2027, 3, 1, 12, tzinfo=UTC)
    said = Broadcast("b", "bolo", {"plate": "7ABC123"}, ("main",), ("patrol",), "Dana", at)
    content = rules.content(notified(NotificationKind.BROADCAST, target="c-1", broadcast=said))
    assert (content["fields"], content["by"], content["at"]) == ({"plate": "7ABC123"}, "Dana", at.isoformat())
    assert rules.content(notified()) == {}
