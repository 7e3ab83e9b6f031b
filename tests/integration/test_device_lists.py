"""Copies of lists on devices: pulled under the device's own key, whole and as differences, and asked for at a shift."""

import asyncio
import csv
import io
import json
import sqlite3
import time
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest

from alpr_cli.device import Unit
from alpr_cli.device_copy import DeviceCopy
from alpr_cli.main import main
from alprcore import wire
from alprcore.copies import SIGNER, sign_call
from alprcore.errors import Transient
from alprcore.model import Plate
from alprcore.profiles import load_profiles
from alprcore.seal import SigningKey, new_image_key, note_verifier
from tests.fixtures import postgres
from tests.integration.ingest_world import World, serving

AGENCIES = ("irvine", "westminster", "claremont", "escondido", "roseville")
SHIPPED = load_profiles()
REASON = "No link in the garage this morning"
every_agency = pytest.mark.parametrize("agency", AGENCIES)


@pytest.fixture(scope="module")
def ingest(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    with postgres._database(pg_admin_dsn, "test", f"TEMPLATE {pg_template}") as (_, database):
        made = World(database, kafka_bootstrap, "carried.", tmp_path_factory.mktemp("carried"))
        asyncio.run(made.make_topics())
        with serving(made) as one, httpx.Client(base_url=str(made.http.base_url), timeout=60) as one.calls:
            yield one


class Car:
    """A mobile unit with its key and its file."""

    def __init__(self, ingest, folder, agency, device_id, register=True):
        self.ingest, self.device_id, self.agency = ingest, device_id, agency
        self.key, self.path, self.http = ingest.world.device_key, folder / device_id, ingest.calls
        if register:
            body = ingest.world.device(device_id, kind="mobile", carrier="unit 7", position=None)
            answer = ingest.call("POST", "/v1/devices", agency=agency, json=body)
            assert answer.status_code == 201, answer.text

    def unit(self, key=None):
        verifier = note_verifier(SIGNER, self.ingest.world.package_key.public)
        return Unit(self.http, str(self.http.base_url), self.device_id, key or self.key, verifier)

    @contextmanager
    def copy(self):
        with DeviceCopy.open(self.path) as copy:
            yield copy

    def pull(self, **more):
        with self.copy() as copy:
            self.unit().pull(copy, now=self.ingest.now(), **more)
            return copy.versions()

    def found(self, *plates):
        with self.copy() as copy:
            return [text for text in plates if copy.find(Plate(text), self.ingest.now())]

    def entries(self):
        """Entry id, plate and seal of everything in the file."""
        database = sqlite3.connect(self.path)
        rows = {(e.hex(), c, p, s, k) for e, c, p, s, k in database.execute("SELECT * FROM entries")}
        database.close()
        return rows

    def check(self, role="officer", **body):
        return self.ingest.call(
            "POST", f"/v1/devices/{self.device_id}/shift-checks", agency=self.agency, roles=(role,), json=body
        )

    def shown(self):
        path = f"/v1/devices/{self.device_id}/lists"
        return self.ingest.call("GET", path, agency=self.agency, roles=("officer",)).json()

    def send(self, method="GET", path="lists/package", query="have=&wait=0", body=b"", *, headers=None, now=None):
        at = f"/v1/devices/{self.device_id}/{path}"
        seal_key = new_image_key()[1] if method == "GET" else b""
        now = now or self.ingest.now()
        signed = sign_call(self.key, self.device_id, method, at, query, body, seal_key, now) | (headers or {})
        return signed, self.http.request(method, f"{at}?{query}" if query else at, content=body, headers=signed)


@pytest.fixture
def car(ingest, tmp_path, request):
    return Car(ingest, tmp_path, "demo", f"car-{abs(hash(request.node.name)) % 10**9}")


def load(ingest, agency, code, plates, **fields):
    text = "plate,state,reason\n" + "".join(f"{plate},US-CA,{reason}\n" for plate, reason in plates.items())
    answer = ingest.run(ingest.world.load(code, text, agency=agency, source_time=ingest.now(), **fields))
    assert answer.status_code == 201, answer.text
    return answer.json()["version"]


def own_list(ingest, code):
    made = {"code": code, "name": code.capitalize(), "source": "detectives", "advisory_class": "official"}
    interest = {"legitimate_interest": "vehicles of felons of this county"}
    assert ingest.call("POST", "/v1/hotlists", json=made | interest).status_code == 201


def in_force(ingest, agency):
    rows = ingest.rows("SELECT * FROM ingest.entries WHERE agency = $1 AND until_version = 0", agency)
    return {(row["entry_id"].hex, row["code"], row["plate"], row["sealed"], row["key_id"]) for row in rows}


def events(ingest, *subjects):
    """What the ledger is told of these, by kind, once nothing waits to be sent."""
    ingest.until(lambda: ingest.rows("SELECT count(*) FROM ingest.outbox")[0][0] == 0)
    found = {}
    for _, _, _, value, headers in ingest.lying("audit"):
        one = wire.decode_audit_event(value, headers)
        if one.facts.get("subject") in subjects:
            found.setdefault(one.kind, []).append(one)
    return found


def code_of(answer):
    return answer.status_code, answer.json().get("reason_code")


@pytest.mark.requirement("HOT-21")
@pytest.mark.requirement("HOT-04", partial="a mobile copy; lists and matcher are their own tests")
@every_agency
def test_a_unit_with_an_old_list_is_not_ready_without_a_reason(ingest, tmp_path, agency):
    code = SHIPPED[agency].lists[0].code
    one, two = {"8AAA111": "stolen_vehicle", "8AAA222": "stolen_vehicle"}, {"8AAA222": "warrant", "8AAA333": "other"}
    load(ingest, agency, code, one)
    car = Car(ingest, tmp_path, agency, f"{agency}-7")
    assert car.check().json()["result"] == "not_ready"  # it holds nothing yet
    assert car.pull() == {code: 1}
    assert car.entries() == in_force(ingest, agency)
    ready = car.check()
    assert (ready.status_code, ready.json()["result"], ready.json()["gate_overridden"]) == (201, "ready", False)

    load(ingest, agency, code, two)
    refused = car.check()
    assert (refused.status_code, refused.json()["result"]) == (201, "not_ready")
    assert (refused.json()["reason_code"], refused.json()["gate_overridden"]) == ("NOT_UPDATED", False)
    assert [(x["code"], x["held"], x["in_force"]) for x in refused.json()["lists"]] == [(code, 1, 2)]
    assert code in refused.json()["detail"]
    shown = car.shown()
    assert (shown["current"], shown["lists"][0]["held"], shown["lists"][0]["in_force"]) == (False, 1, 2)
    assert car.check(override_reason="  ok ").json()["result"] == "not_ready"
    driven = car.check(override_reason=REASON).json()
    assert (driven["result"], driven["gate_overridden"]) == ("ready", True)
    [kept] = ingest.rows("SELECT * FROM ingest.shift_checks WHERE device_id = $1 AND gate_overridden", car.device_id)
    assert (kept["override_reason"], str(kept["check_id"])) == (REASON, driven["check_id"])

    assert car.found("8AAA111", "8AAA222") == ["8AAA111", "8AAA222"]
    assert car.pull() == {code: 2}  # as a difference
    assert car.entries() == in_force(ingest, agency)
    assert car.found("8AAA111", "8AAA222", "8AAA333") == ["8AAA222", "8AAA333"]
    assert (car.shown()["current"], car.check().json()["result"]) == (True, "ready")

    told = events(ingest, car.device_id, refused.json()["check_id"])
    [counted], [entered] = told["gate_overridden"], told["shift_check"]
    assert (counted.facts["step"], counted.facts["about"]) == ("list_versions", driven["check_id"])
    assert counted.personal["override_reason"] == REASON
    assert (entered.outcome, entered.reason_code) == ("refused", "NOT_UPDATED")
    assert f"{code} 1<2" in entered.facts["outdated"]
    assert {one.facts["lists"] for one in told["list_package_issued"]} == {f"{code} 0>1", f"{code} 1>2"}


def test_only_who_works_with_units_may_take_one_into_service(ingest, car):
    assert code_of(car.check(role="auditor")) == (403, "ROLE_NOT_AUTHORISED")
    foreign = ingest.call("POST", f"/v1/devices/{car.device_id}/shift-checks", agency="irvine", json={})
    assert code_of(foreign) == (404, "DEVICE_UNKNOWN")


def test_a_call_counts_once_and_only_from_the_device(ingest, car, tmp_path):
    headers, answer = car.send()
    assert answer.status_code == 200
    again = car.http.get(f"/v1/devices/{car.device_id}/lists/package?have=&wait=0", headers=headers)
    assert code_of(again) == (401, "CALL_REPEATED")
    assert code_of(car.send(now=ingest.now() - timedelta(minutes=5))[1]) == (401, "SIGNATURE_EXPIRED")
    assert code_of(car.http.get(f"/v1/devices/{car.device_id}/lists/package")) == (401, "SIGNATURE_MISSING")
    other = Car(ingest, tmp_path, "demo", f"{car.device_id}-b")
    headers, _ = other.send()
    taken = car.http.get(f"/v1/devices/{car.device_id}/lists/package?have=&wait=0", headers=headers)
    assert code_of(taken) == (401, "SIGNATURE_INVALID")
    car.key = SigningKey(b"\x09" * 32)
    assert code_of(car.send()[1]) == (401, "SIGNATURE_INVALID")
    stranger = Car(ingest, tmp_path, "demo", "nobody-knows-it", register=False)
    assert code_of(stranger.send()[1]) == (403, "DEVICE_UNKNOWN")


def test_a_device_out_of_service_gets_nothing(ingest, car):
    path = f"/v1/devices/{car.device_id}/service-state"
    assert ingest.call("PUT", path, json={"in_service": False}).status_code == 200
    assert code_of(car.send()[1]) == (403, "DEVICE_OUT_OF_SERVICE")


def test_what_is_asked_wrongly_is_answered_clearly(ingest, car):
    assert code_of(car.send(query="have=SVS&wait=0")[1]) == (422, "FIELD_INVALID")
    assert car.send(query="have=&wait=61")[1].status_code == 422
    assert code_of(car.send("POST", "lists/state", "", b"{}")[1]) == (422, "FIELD_INVALID")
    assert code_of(car.send("POST", "lists/state", "", b"x" * 70_000)[1]) == (413, "REQUEST_TOO_LARGE")


def test_a_report_is_kept_once_and_never_goes_back(ingest, car):
    load(ingest, "demo", "SVS", {"8BBB111": "other"})
    car.pull()
    with car.copy() as copy:
        package_id, issued_at = copy.newest()
        held = copy.versions()

    def report(issued, lists, package=package_id):
        said = {"package_id": package, "issued_at": wire.rfc3339(issued), "lists": lists}
        return car.send("POST", "lists/state", "", httpx.Request("POST", "http://x", json=said).content)[1]

    assert report(issued_at, held).status_code == 200
    assert code_of(report(issued_at - timedelta(seconds=1), held, "p-0")) == (409, "STATE_OLDER")
    assert code_of(report(issued_at, held | {"SVS": held["SVS"] + 1})) == (422, "VERSION_UNKNOWN")
    assert code_of(report(issued_at, {"NOLIST": 1})) == (422, "LIST_UNKNOWN")
    assert {one["code"]: one["held"] for one in car.shown()["lists"]} == held
    assert code_of(report(issued_at + timedelta(hours=1), held, "p-2")) == (422, "FIELD_INVALID")


def test_entries_that_are_forgotten_make_the_package_whole(ingest, car):
    """A unit that was away while what left a list was forgotten must not keep what it cannot be told of."""
    own_list(ingest, "OWNLIST")
    load(ingest, "demo", "OWNLIST", {"8CCC111": "other", "8CCC222": "other"})
    car.pull()
    for plates in ({"8CCC222": "other"}, {"8CCC222": "other", "8CCC333": "other"}, {"8CCC333": "other"}):
        version = load(ingest, "demo", "OWNLIST", plates)
    store_of = "INSERT INTO ingest.list_floors VALUES ('demo', 'OWNLIST', $1) RETURNING version"
    gone = "DELETE FROM ingest.entries WHERE agency = 'demo' AND code = 'OWNLIST' AND until_version = $1 RETURNING 1"
    assert ingest.rows(gone, version - 2)
    ingest.rows(store_of, version - 2)
    assert car.pull()["OWNLIST"] == version
    assert car.found("8CCC111", "8CCC222", "8CCC333") == ["8CCC333"]
    assert car.entries() == in_force(ingest, "demo")
    told = events(ingest, car.device_id)["list_package_issued"]
    assert any(f"OWNLIST 0>{version}" in one.facts["lists"] for one in told)


def test_a_unit_with_a_link_is_told_within_seconds(ingest, car):
    """Long polling: the answer comes when something is in force that the unit does not hold."""
    load(ingest, "demo", "SVS", {"8DDD111": "other"})
    car.pull()
    begun = time.monotonic()
    car.pull(wait_s=2)
    assert time.monotonic() - begun > 1.5  # nothing new: it waited
    entered = ingest.call(
        "POST", "/v1/hot-plates", roles=("officer",), who={"category": "sworn", "training": ("alpr", "learn")},
        json={
            "plate": "8DDD999", "state": "US-CA", "also_entered_in": [],
            "expires_at": wire.rfc3339(ingest.now() + timedelta(hours=2)),
        },
    )  # fmt: skip
    assert entered.status_code == 201, entered.text
    begun = time.monotonic()
    ends = begun + 20
    while not car.found("8DDD999") and time.monotonic() < ends:
        car.pull(wait_s=20)
    assert car.found("8DDD999")
    assert time.monotonic() - begun < 15
    with car.copy() as copy:  # and is not used beyond the end of the hot plate, which the unit cannot see
        assert not copy.find(Plate("8DDD999"), ingest.now() + timedelta(hours=2, minutes=1))
        assert copy.find(Plate("8DDD111"), ingest.now() + timedelta(hours=2, minutes=1))


def test_a_large_list_travels_in_pages(ingest, car, tmp_path):
    own_list(ingest, "FELONY")
    numbers = range(6_000)
    with (tmp_path / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("plate", "state", "reason"), *((f"9T{n:05}", "US-CA", "other") for n in numbers)])
    answer = ingest.run(ingest.world.load("FELONY", (tmp_path / "list.csv").read_bytes(), source_time=ingest.now()))
    assert answer.status_code == 201, answer.text
    car.pull()
    assert car.entries() == in_force(ingest, "demo")
    assert car.found("9T00000", "9T03000", "9T05999") == ["9T00000", "9T03000", "9T05999"]


def test_a_service_that_is_away_is_no_refusal(ingest, car):
    unit = Unit(car.http, "http://127.0.0.1:9", car.device_id, car.key, "")
    with car.copy() as copy, pytest.raises(Transient):
        unit.pull(copy)


def test_people_are_told_what_packages_are_signed_with(ingest):
    told = ingest.call("GET", "/v1/hotlists/package-key", roles=("alpr_admin",)).json()
    assert told == {"verifier": note_verifier(SIGNER, ingest.world.package_key.public)}


def test_the_command_makes_a_key_pulls_and_compares(ingest, tmp_path, capsys, monkeypatch):
    said = lambda *words: (main(["device", *map(str, words)]), capsys.readouterr())  # noqa: E731
    status, told = said("key", tmp_path / "key")
    device = ingest.world.device("cli-car", kind="mobile", position=None, public_key=told.out.strip())
    assert ingest.call("POST", "/v1/devices", json=device).status_code == 201
    load(ingest, "demo", "SVS", {"8EEE111": "other"})
    verifier = ingest.call("GET", "/v1/hotlists/package-key").json()["verifier"]
    copy = ("--copy", tmp_path / "lists")
    pull = ("pull", "--url", ingest.world.http.base_url, "--device", "cli-car", "--key", tmp_path / "key", *copy)
    status, told = said(*pull, "--trust", note_verifier(SIGNER, ingest.world.device_key.public))
    assert (status, "NOTE_INVALID" in told.err) == (1, True)
    status, told = said(*pull, "--trust", verifier)
    assert (status, "SVS" in told.out) == (0, True)
    monkeypatch.setattr("sys.stdin", io.StringIO("8eee 111\n8EEE112\n"))
    status, told = said("match", *copy, "--json")
    lists = [json.loads(line)["lists"] for line in told.out.splitlines()]
    assert (status, lists) == (0, [["SVS"], []])
    status, told = said("status", *copy, "--json")
    assert {json.loads(line)["code"] for line in told.out.splitlines()} >= {"SVS"}
    shown = ingest.call("GET", "/v1/devices/cli-car/lists").json()
    assert shown["current"]
    assert said(*pull, "--trust", verifier, "--fresh")[0] == 0
