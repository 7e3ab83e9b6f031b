"""Files of the sources that agencies name, loaded over the door; and registration data, which needs a permissible use."""

import asyncio
import zipfile
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from alprcore import wire
from alprcore.policy import ENTERED
from alprcore.profiles import load_profiles
from tests.fixtures import postgres
from tests.integration.ingest_world import World, serving
from tests.unit.alprcore.layout_files import LAYOUTS, LINES, line, of, text, zipped

AGENCIES = ("irvine", "westminster", "claremont", "escondido", "roseville")
SHIPPED = load_profiles()
BY_CODE = {
    "SVS": "ca_svs",
    "SFR": "ca_sfr",
    "SLR": "ca_slr",
    "NCIC": "ncic_fixed",
    "FWS": "ncic_csv",
    "BOLO": "vigilant",
}
OWN = "name: own\ntitle: The county's\ndelimiter: '|'\ncolumns: 2\nfields: {plate: 0, state: 1}\n"
OWNER = "TEST-PII OWNER 4711"
USE = "2721(b)(1)"
every_agency = pytest.mark.parametrize("agency", AGENCIES)


@pytest.fixture(scope="module")
def ingest(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    with postgres._database(pg_admin_dsn, "test", f"TEMPLATE {pg_template}") as (_, database):
        made = World(database, kafka_bootstrap, "layouts.", tmp_path_factory.mktemp("layouts"))
        own = tmp_path_factory.mktemp("own")
        (own / "county.yaml").write_text(OWN.replace("name: own", "name: county"))
        made.settings = partial(made.settings, layouts_folder=str(own))
        asyncio.run(made.make_topics())
        with serving(made) as one:
            yield one


def code(answer):
    return answer.status_code, answer.json().get("reason_code", "")


def send(ingest, agency, name, data, layout, **fields):
    sent = {"layout": layout, "source_time": datetime.now(UTC).isoformat(), **fields}
    file = {"file": ("list.txt", data, "application/octet-stream")}
    return ingest.call("POST", f"/v1/hotlists/{name}/loads", agency=agency, files=file, data=sent)


def new_list(**changes):
    return {
        "code": "OWNERS", "name": "Vehicles of wanted persons", "source": "Warrants and records",
        "legitimate_interest": "Wanted persons are found by their vehicles", "advisory_class": "wanted_person",
    } | changes  # fmt: skip


@pytest.mark.requirement("HOT-01")
@every_agency
def test_every_list_that_a_policy_names_is_there_and_is_loaded_from_its_sources_file(ingest, agency):
    named = [rule for rule in SHIPPED[agency].lists if rule.list_type not in ENTERED | {"special"}]
    there = {one["code"]: one for one in ingest.call("GET", "/v1/hotlists", agency=agency).json()["hotlists"]}
    assert {rule.code for rule in SHIPPED[agency].lists} <= there.keys()
    for rule in named:
        layout = LAYOUTS[BY_CODE.get(rule.code, "generic_csv")]
        use = {"permissible_use": USE} if rule.code == "DMV" else {}
        if use:
            assert code(send(ingest, agency, rule.code, text(layout), layout.name)) == (422, "DPPA_BASIS_REQUIRED")
        answer = send(ingest, agency, rule.code, text(layout), layout.name, **use)
        assert answer.status_code == 201, (rule.code, answer.text)
        assert (answer.json()["entries"], answer.json()["rejects"]) == (LINES, [])
    there = {one["code"]: one for one in ingest.call("GET", "/v1/hotlists", agency=agency).json()["hotlists"]}
    assert all(there[rule.code]["entries"] == LINES for rule in named)


@pytest.mark.requirement("HOT-01", partial="feeds by SFTP, HTTPS and folder are tested with the feeds")
def test_a_zip_of_californias_own_time_and_a_layout_of_ones_own(ingest):
    assert ingest.call("POST", "/v1/hotlists", json=new_list(code="CLEW"), agency="escondido").status_code == 201
    data = zipped(("svs.tbl", text(LAYOUTS["ca_svs"]).encode()), method=zipfile.ZIP_DEFLATED)
    answer = send(ingest, "escondido", "CLEW", data, "ca_svs", source_time="")
    assert answer.status_code == 201, answer.text
    row = next(
        r for r in ingest.call("GET", "/v1/hotlists", agency="escondido").json()["hotlists"] if r["code"] == "CLEW"
    )
    assert datetime.fromisoformat(row["source_time"]) == datetime(2026, 3, 14, 11, 30, tzinfo=UTC)
    cut = text(LAYOUTS["ca_svs"], count=LINES + 1)
    assert code(send(ingest, "escondido", "CLEW", cut, "ca_svs", source_time="")) == (422, "LIST_TRUNCATED")
    answer = send(ingest, "escondido", "CLEW", "QZX1|CA\nQZX2|NV\n", OWN, force="true", note="another source")
    assert (answer.status_code, answer.json()["entries"]) == (201, 2), answer.text
    answer = send(ingest, "escondido", "CLEW", "QZX1|CA\n", "county")  # from the folder
    assert (answer.status_code, answer.json()["entries"]) == (201, 1), answer.text
    wrong = OWN.replace("columns: 2", "columns: two")
    answer = send(ingest, "escondido", "CLEW", "QZX1|CA\n", wrong)
    assert code(answer) == (422, "LAYOUT_INVALID")
    assert "line 4: columns" in answer.json()["detail"]
    assert code(send(ingest, "escondido", "CLEW", "QZX1|CA\n", "xlsx")) == (422, "LAYOUT_UNKNOWN")
    listed = ingest.call("GET", "/v1/hotlists/layouts", agency="escondido").json()["layouts"]
    assert {one["name"] for one in listed} == {*LAYOUTS, "county"}


@pytest.mark.requirement("HOT-09", "SEC-05")
@every_agency
def test_a_list_of_registration_data_needs_a_permissible_use(ingest, agency):
    for source in ("California DMV", "vehicle registration of the state"):
        body = new_list(code="REGISTERED", source=source)
        for use in ({}, {"permissible_use": ""}, {"permissible_use": "2721(b)(12)"}, {"permissible_use": "mine"}):
            answer = ingest.call("POST", "/v1/hotlists", json=body | use, agency=agency)
            assert code(answer) == (422, "DPPA_BASIS_REQUIRED")
    made = ingest.call("POST", "/v1/hotlists", json=body | {"permissible_use": USE}, agency=agency)
    assert (made.status_code, made.json()["permissible_use"]) == (201, USE)
    path = "/v1/hotlists/REGISTERED/permissible-use"
    assert code(ingest.call("PUT", path, json={"permissible_use": ""}, agency=agency)) == (422, "DPPA_BASIS_REQUIRED")
    assert send(ingest, agency, "REGISTERED", "plate\nQZX9\n", "generic_csv").status_code == 201
    made = [
        event
        for event in audited(ingest)
        if event.facts.get("subject") == f"{agency}/REGISTERED" and event.outcome == "ok"
    ]
    assert {event.facts.get("permissible_use") for event in made if event.kind in {"list_created", "list_loaded"}} == {
        USE
    }


def audited(ingest):
    return [wire.decode_audit_event(value, headers) for _, _, _, value, headers in ingest.lying("audit")]


@pytest.mark.requirement("HOT-09", "SEC-05")
@every_agency
def test_an_entry_with_a_registered_owner_needs_a_permissible_use_and_keeps_it_sealed(ingest, agency):
    assert ingest.call("POST", "/v1/hotlists", json=new_list(), agency=agency).status_code == 201
    number = AGENCIES.index(agency)
    rows = f"plate,state,registered_owner\nQZX7{number},CA,{OWNER}\nQZX8{number},CA,\n"
    answer = send(ingest, agency, "OWNERS", rows, "generic_csv")
    assert code(answer) == (422, "DPPA_BASIS_REQUIRED")
    row = next(r for r in ingest.call("GET", "/v1/hotlists", agency=agency).json()["hotlists"] if r["code"] == "OWNERS")
    assert (row["version"], row["entries"]) == (0, 0)
    plain = rows.replace(OWNER, "")
    assert send(ingest, agency, "OWNERS", plain, "generic_csv").status_code == 201  # no owner, no use
    answer = send(ingest, agency, "OWNERS", rows, "generic_csv", permissible_use=USE)
    assert answer.status_code == 201, answer.text
    loads = ingest.call("GET", "/v1/hotlists/OWNERS/loads", agency=agency).json()["loads"]
    assert [one["permissible_use"] for one in loads] == [USE, ""]
    entries = [
        entry
        for _, _, _, value, headers in ingest.lying("hotlist")
        if value is not None
        for entry in wire.decode_bucket(value, headers)
        if entry.agency == agency and entry.plate.reveal() == f"QZX7{number}" and not entry.until_version
    ]
    opened = wire.decode_entry_details(
        ingest.world.list_keys.open(entries[-1].sealed, entries[-1].key_id, entry_id=entries[-1].entry_id)
    )
    assert (opened.registered_owner, opened.permissible_use) == (OWNER, USE)
    for table in ("entries", "loads", "load_rejects", "hotlists", "outbox"):
        [held] = ingest.rows(
            f"SELECT count(*) AS found FROM ingest.{table} t WHERE t::text LIKE '%' || $1 || '%'", OWNER
        )
        assert held["found"] == 0, table
        raw = OWNER.encode().hex()
        [held] = ingest.rows(f"SELECT count(*) AS found FROM ingest.{table} t WHERE t::text LIKE '%' || $1 || '%'", raw)
        assert held["found"] == 0, table
    for topic in ("hotlist", "hotlist.versions", "audit"):
        assert not [1 for _, _, _, value, _ in ingest.lying(topic) if OWNER.encode() in (value or b"")]


@pytest.mark.requirement("HOT-09")
@every_agency
def test_a_hot_plate_with_its_owner_needs_a_permissible_use(ingest, agency):
    needs = SHIPPED[agency].access.training
    tags = {f"{need.tag}@{need.context}" if need.context else need.tag for need in needs}
    who = {"agency": agency, "roles": ("officer",), "who": {"category": "sworn", "training": tuple(tags)}}
    plate = f"QZXH{AGENCIES.index(agency)}"
    body = {
        "plate": plate, "expires_at": wire.rfc3339(ingest.now() + timedelta(hours=2)), "also_entered_in": [],
        "registered_owner": OWNER,
    }  # fmt: skip
    assert code(ingest.call("POST", "/v1/hot-plates", json=body, **who)) == (422, "DPPA_BASIS_REQUIRED")
    made = ingest.call("POST", "/v1/hot-plates", json=body | {"permissible_use": USE}, **who)
    assert (made.status_code, made.json()["permissible_use"]) == (201, USE), made.text
    assert OWNER not in made.text
    assert OWNER not in ingest.call("GET", "/v1/hot-plates", **who).text
    one = ingest.call("GET", f"/v1/hot-plates/{made.json()['entry_id']}", **who).json()
    assert (one["registered_owner"], one["permissible_use"]) == (OWNER, USE)


def test_a_category_that_is_switched_off_is_left_out(ingest):
    answer = ingest.call("POST", "/v1/hotlists", json=new_list(code="FEDERAL"), agency="escondido")
    assert answer.status_code == 201
    off = ingest.call("PUT", "/v1/hotlists/FEDERAL/categories", json={"off": ["n"]}, agency="escondido")
    assert (off.status_code, off.json()) == (200, {"off": ["N"]})
    layout = LAYOUTS["ncic_fixed"]
    report = send(ingest, "escondido", "FEDERAL", text(layout), layout.name).json()
    letters = list(layout.categories)
    gone = sum(letters[number % len(letters)] == "N" for number in range(LINES))
    assert (report["entries"], report["category_off"]) == (LINES - gone, gone)
    body = [line(layout, of(number, layout) | {"category": "V"}) for number in range(LINES)]
    assert send(ingest, "escondido", "FEDERAL", text(layout, body), layout.name).json()["entries"] == LINES


def categories(ingest, name, *off):
    return ingest.call("PUT", f"/v1/hotlists/{name}/categories", json={"off": list(off)}, agency="escondido")


def test_a_stolen_vehicle_is_listed_whatever_else_its_plate_is_listed_for(ingest):
    """A layout without record numbers: each category of a plate is an entry, and one that is off hides no other."""
    answer = ingest.call("POST", "/v1/hotlists", json=new_list(code="STATE"), agency="escondido")
    assert answer.status_code == 201
    layout = LAYOUTS["ny"]
    body = [line(layout, of(0, layout) | {"category": category}) for category in "NVN"]
    both = send(ingest, "escondido", "STATE", text(layout, body), layout.name).json()
    assert (both["entries"], both["rejected"]) == (2, 1)
    assert categories(ingest, "STATE", "n").json() == {"off": ["N"]}
    one = send(ingest, "escondido", "STATE", text(layout, body), layout.name).json()
    assert (one["entries"], one["unchanged"], one["category_off"], one["rejected"]) == (1, 1, 2, 0)


def test_a_category_that_no_line_can_have_is_not_switched_off(ingest):
    answer = ingest.call("POST", "/v1/hotlists", json=new_list(code="WORDS"), agency="escondido")
    assert answer.status_code == 201
    assert code(categories(ingest, "WORDS", "stolen vehicel")) == (422, "CATEGORY_UNKNOWN")  # before its first file
    layout = LAYOUTS["tx_tcic"]
    assert send(ingest, "escondido", "WORDS", text(layout), layout.name).status_code == 201
    for said in ("STOLEN VEHICLE", "Q9", "", "*"):
        assert code(categories(ingest, "WORDS", "O", said)) == (422, "CATEGORY_UNKNOWN"), said
    assert categories(ingest, "WORDS", " 0").json() == {"off": ["O"]}  # written as that source writes it
    assert categories(ingest, "WORDS").json() == {"off": []}


def test_an_owner_in_a_column_of_ones_own_needs_a_permissible_use(ingest):
    answer = ingest.call("POST", "/v1/hotlists", json=new_list(code="TEMPLATE"), agency="escondido")
    assert answer.status_code == 201
    rows = f"Hot Plate,State,Alert,Reg Owner\nQZX91,CA,Stolen,{OWNER}\n"
    assert code(send(ingest, "escondido", "TEMPLATE", rows, "vigilant")) == (422, "DPPA_BASIS_REQUIRED")
    assert send(ingest, "escondido", "TEMPLATE", rows, "vigilant", permissible_use=USE).status_code == 201
