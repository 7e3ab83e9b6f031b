"""Everything a CAD gets fits proto/cad.schema.json, and docs/cad.md names every field of it."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from jsonschema import Draft202012Validator

from alprcore import wire
from alprcore.links import image_links
from alprcore.model import Before, CadSaid, CadStatus, CapType, NotificationKind, NotificationStatus
from alprcore.seal import ListKeys
from tests.contract.contract import PROTO, example_bytes, examples
from tests.fixtures.console import make_hit, make_notification

SCHEMA = json.loads((PROTO / "cad.schema.json").read_text("utf-8"))
NOW = datetime(2027, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
KEYS = ListKeys({"k": bytes(32)}, "k")


def faults(event):
    """What is wrong with an event, by the definition of its own type."""
    kind = event["type"].rpartition(".")[2]
    validator = Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]})
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(event)]


def notified(hit, **changes):
    links = image_links(KEYS, "https://alpr.example", "demo", hit.hit_id, NOW)
    note = make_notification(hit, **changes)
    before = [Before("a-first", NOW - timedelta(minutes=1))] if note.revision > 1 else []
    return json.loads(wire.cad_event("notification", note, source="alpr-matcher", before=before, images=links))


def worked(kind="update", **changes):
    hit = make_hit(now=NOW)
    fields = {
        "event_id": "e-3", "incident_id": "i-1", "revision": 2, "update_no": 3, "cap_type": CapType.CANCEL,
        "status": NotificationStatus.ACTUAL, "work": {"change": "read_check", "result": "misread"},
        "source": "alpr-console", "now": NOW,
        "before": [Before("e-1", NOW - timedelta(seconds=9)), Before("e-2", NOW - timedelta(seconds=5))],
    }  # fmt: skip
    return json.loads(wire.cad_work(kind, hit, **(fields | changes)))


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("topic", ["cad.hits", "cad.notifications", "cad.status"])
def test_examples_fit(topic):
    for path in examples(topic):
        assert faults(json.loads(path.read_text("utf-8"))) == [], path.name


@pytest.mark.parametrize(
    "changes",
    [{}, {"revision": 2}, {"revision": 3, "kind": NotificationKind.RECALL}, {"status": NotificationStatus.EXERCISE}],
)
@pytest.mark.parametrize("hit", [{}, {"state": "", "entry_state": ""}, {"reason": "wanted_person"}])
def test_notifications_fit(changes, hit):
    assert faults(notified(make_hit(now=NOW, **hit), **changes)) == []


def test_what_people_did_and_calls_fit():
    assert faults(worked()) == []
    call = {"change": "call", "call_type": "stolen_vehicle", "vehicle_description": "white van", "call_id": "c-1"}
    assert faults(worked("call", work=call, cap_type=CapType.UPDATE)) == []


def test_what_the_simulator_says_fits():
    said = CadStatus("s-1", "i-1", CadSaid.REJECTED, NOW, reason="duplicate", simulated=True)
    assert faults(json.loads(wire.encode_cad_status(said, source="cad-simulator"))) == []


@pytest.mark.parametrize(
    ("place", "broken"),
    [
        (("eido", "eidoVersion"), "2.0"),
        (("eido", "incidentComponent", "incidentTypeCommonRegistryText"), ["ATL"]),
        (("eido", "vehicleComponent", 0, "vehicleRelationshipType"), ["SuspectVehicle"]),
        (("eido", "vehicleComponent", 0, "ncVehicleComponent", "identification", 0, "identificationID"), ["7ZZZ001"]),
        (("eido", "locationComponent", 0, "updatedByAgencyReference"), "demo"),
        (("cap", "sent"), "2027-03-01T12:00:00Z"),
        (("advisory",), False),
    ],
)
def test_the_schema_tells_right_from_wrong(place, broken):
    event = notified(make_hit(now=NOW))
    node = event["data"]
    for step in place[:-1]:
        node = node[step]
    assert place[-1] in node if isinstance(node, dict) else True
    node[place[-1]] = broken
    assert faults(event)


def test_every_reference_of_the_eido_points_at_one_of_its_components():
    eido = notified(make_hit(now=NOW))["data"]["eido"]

    def walk(node):
        if isinstance(node, dict):
            yield node
            for value in node.values():
                yield from walk(value)
        elif isinstance(node, list):
            for value in node:
                yield from walk(value)

    named = [node["$id"] for node in walk(eido) if "$id" in node]
    assert len(named) == len(set(named))
    references = {node["$ref"] for node in walk(eido) if "$ref" in node}
    assert references <= set(named)
    assert {one.rpartition(":")[2] for one in references} == {
        "agency", "location", "vehicle", "note", "image-closeup", "image-context",
    }  # fmt: skip


def test_cap_chain():
    first, update = notified(make_hit(now=NOW)), notified(make_hit(now=NOW), revision=2)
    recall = notified(make_hit(now=NOW), revision=3, kind=NotificationKind.RECALL)
    assert [one["data"]["cap"]["msgType"] for one in (first, update, recall)] == ["Alert", "Update", "Cancel"]
    assert "references" not in first["data"]["cap"]
    assert update["data"]["cap"]["references"] == "plateline.demo,a-first,2027-03-01T11:59:00-00:00"
    cancel = worked()["data"]["cap"]
    assert cancel["sent"] == "2027-03-01T12:00:00-00:00"
    assert cancel["references"] == (
        "plateline.demo,e-1,2027-03-01T11:59:51-00:00 plateline.demo,e-2,2027-03-01T11:59:55-00:00"
    )


def test_no_plate_and_nothing_sealed_in_an_address():
    event = notified(make_hit("7ZZZ042", now=NOW))
    for image in event["data"]["images"]:
        assert "7ZZZ042" not in image["url"]
    assert "sealed" not in json.dumps(event)


def test_the_handbook_names_every_field():
    text = (PROTO.parent / "docs/cad.md").read_text("utf-8")

    def fields(node):
        for name, value in node.get("properties", {}).items():
            yield name
            yield from fields(value)
        if isinstance(node.get("items"), dict):
            yield from fields(node["items"])

    kinds = ("hit", "notification", "call", "update", "status", "eido")
    missing = sorted({name for kind in kinds for name in fields(SCHEMA["$defs"][kind]) if f"`{name}`" not in text})
    assert missing == []


@pytest.mark.parametrize("path", examples("notifications"), ids=lambda path: path.stem)
def test_golden_files_hold_no_links_where_no_address_is_known(path):
    event = wire.cad_event(
        "notification", wire.decode_notification(example_bytes(path), {"ce_type": b"alpr.v1.notification"}), source="x"
    )
    assert "images" not in json.loads(event)["data"]
