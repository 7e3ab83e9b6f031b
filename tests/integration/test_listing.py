"""Hot plates, partial plates and special lists over the doors of ingest, under every agency's policy."""

import asyncio
import json
from collections import Counter
from datetime import datetime, timedelta

import pytest

from alprcore import wire
from alprcore.plates import LIVE_PATTERNS, skeleton
from alprcore.profiles import load_profiles
from alprcore.wire import rfc3339
from tests.fixtures import postgres
from tests.integration.ingest_world import World, serving

AGENCIES = ("irvine", "westminster", "claremont", "escondido", "roseville")
SHIPPED = load_profiles()
SYSTEM = {"claremont": "STOLEN_VEHICLES", "irvine": "STOLEN_VEHICLES", "westminster": "STOLEN_VEHICLES"}
PERSON = {"category": "sworn", "training": ("alpr", "learn")}
OTHER = PERSON | {"person_id": "p-2", "username": "officer2", "full_name": "Second Officer"}
every_agency = pytest.mark.parametrize("agency", AGENCIES)


@pytest.fixture(scope="module")
def ingest(pg_admin_dsn, pg_template, kafka_bootstrap, tmp_path_factory):
    with postgres._database(pg_admin_dsn, "test", f"TEMPLATE {pg_template}") as (_, database):
        folder = tmp_path_factory.mktemp("entered")
        made = World(database, kafka_bootstrap, "entered.", folder)
        asyncio.run(made.make_topics())
        with serving(made) as one:
            yield one


def officer(agency, who=PERSON, role="officer"):
    """The training that the agency asks for, of everybody and of those in the field."""
    needs = SHIPPED[agency].access.training
    tags = {f"{need.tag}@{need.context}" if need.context else need.tag for need in needs}
    return {"agency": agency, "roles": (role,), "who": who | {"training": tuple(tags)}}


def hot_plate(ingest, plate, *, hours=2.0, **changes):
    ends = rfc3339(ingest.now() + timedelta(hours=hours))
    return {"plate": plate, "state": "US-CA", "expires_at": ends, "also_entered_in": []} | changes


def enter(ingest, agency, plate, *, hours=2.0, who=PERSON, **changes):
    body = hot_plate(ingest, plate, hours=hours, **changes)
    return ingest.call("POST", "/v1/hot-plates", json=body, **officer(agency, who))


def extend(ingest, agency, one, *, hours=9.0, who=OTHER):
    longer = {"expires_at": rfc3339(ingest.now() + timedelta(hours=hours)), "reason": "still at large"}
    return ingest.call("POST", f"/v1/hot-plates/{one['entry_id']}/extensions", json=longer, **officer(agency, who))


def withdraw(ingest, agency, one, who=PERSON, kind="hot-plates"):
    path = f"/v1/{kind}/{one['entry_id']}/withdrawals"
    return ingest.call("POST", path, json={"reason": "vehicle found"}, **officer(agency, who))


def state(ingest, agency, one, kind="hot-plates"):
    return ingest.call("GET", f"/v1/{kind}/{one['entry_id']}", **officer(agency)).json()


def active(ingest, agency, one, kind="hot-plates"):
    return ingest.until(lambda: (now := state(ingest, agency, one, kind))["entry_state"] == "active" and now)


def code(answer):
    return answer.status_code, answer.json().get("reason_code")


def in_bucket(ingest, plate, agency):
    """The entries of a plate that the newest bucket of its skeleton carries in the version in force."""
    version = ingest.rows("SELECT version FROM ingest.hotlists WHERE agency = $1 AND code = 'HOTPLATE'", agency)[0][0]
    newest = {}
    for _, _, key, value, headers in ingest.lying("hotlist"):
        newest[key] = wire.decode_bucket(value, headers) if value is not None else ()
    found = newest.get(skeleton(plate), ())
    return [entry for entry in found if entry.agency == agency and entry.in_version(version)]


def events(ingest, subject):
    told = (wire.decode_audit_event(value, headers) for _, _, _, value, headers in ingest.lying("audit"))
    return [event for event in told if event.facts.get("subject") == subject]


@pytest.mark.requirement("HOT-16")
@every_agency
def test_a_hot_plate_ends_within_thirty_days_of_24_hours(ingest, agency):
    plate = f"3TA{AGENCIES.index(agency)}EXP"
    missing = ingest.call(
        "POST", "/v1/hot-plates", json=hot_plate(ingest, plate) | {"expires_at": None}, **officer(agency)
    )
    assert code(missing) == (422, "EXPIRY_REQUIRED")
    assert code(enter(ingest, agency, plate, hours=30 * 24 + 1)) == (422, "EXPIRY_TOO_LONG")
    assert code(enter(ingest, agency, plate, hours=-1)) == (422, "EXPIRY_PAST")
    made = enter(ingest, agency, plate, hours=30 * 24)
    assert made.status_code == 201, made.text
    assert made.json()["entry_state"] == "not_active_yet"
    assert made.json()["back_search"]["allowed"] is True
    assert active(ingest, agency, made.json())["officer_name"] == "Test Administrator"


@pytest.mark.requirement("HOT-17")
@every_agency
def test_a_plate_that_also_goes_into_a_state_system_ends_within_24_hours(ingest, agency):
    plate = f"3TB{AGENCIES.index(agency)}HRS"
    unanswered = ingest.call(
        "POST", "/v1/hot-plates", json=hot_plate(ingest, plate) | {"also_entered_in": None}, **officer(agency)
    )
    assert code(unanswered) == (422, "ALSO_ENTERED_IN_REQUIRED")
    assert code(enter(ingest, agency, plate, hours=25, also_entered_in=["SVS"])) == (422, "EXPIRY_TOO_LONG")
    made = enter(ingest, agency, plate, hours=24, also_entered_in=["SVS"])
    assert made.status_code == 201, made.text
    assert made.json()["also_entered_in"] == ["SVS"]


@pytest.mark.requirement("HOT-17")
def test_a_plate_that_appears_in_a_state_systems_list_ends_24_hours_after_its_entry(ingest):
    made = {}
    for number, agency in enumerate(AGENCIES):
        plate, other = f"3TC{number}SYS", f"3TC{number}NEV"
        soon = enter(ingest, agency, plate, hours=5, state="", who=OTHER)
        made[agency] = [enter(ingest, agency, one, hours=100).json() for one in (plate, other)] + [soon.json()]
        made[agency].append(extend(ingest, agency, made[agency][0], hours=200).json())
        rows = f"plate,state,reason\n{plate},US-CA,stolen_vehicle\n{other},US-NV,stolen_vehicle\n"
        loaded = ingest.run(ingest.world.load(SYSTEM.get(agency, "SVS"), rows, agency=agency))
        assert loaded.status_code == 201, loaded.text
    for agency, (one, others, soon, following) in made.items():
        ended = ingest.until(
            lambda agency=agency, one=one: (now := state(ingest, agency, one))["handed_over_at"] and now
        )
        entered, expires_at = _moments(ended)
        assert expires_at - entered == timedelta(hours=24)
        assert state(ingest, agency, others)["expires_at"] == others["expires_at"]  # another state's plate
        assert state(ingest, agency, soon)["expires_at"] == soon["expires_at"]  # its date is the earlier one
        ingest.until(  # what would follow, a gap later, ends with it
            lambda agency=agency, one=following: state(ingest, agency, one)["entry_state"] == "expired"
        )
        ingest.until(
            lambda one=following: (
                {"hot_plate_handed_over", "hot_plate_expired"} <= {e.kind for e in events(ingest, one["entry_id"])}
            )
        )

    def told():
        entries = [entry for entry in in_bucket(ingest, "3TC4SYS", "roseville") if entry.entry_id == ended["entry_id"]]
        plain = [ingest.world.list_keys.open(e.sealed, e.key_id, entry_id=e.entry_id) for e in entries]
        return [wire.decode_entry_details(one).expires_at for one in plain] == [expires_at]

    ingest.until(told)  # the matchers too end it at that time, were ingest away by then


def _moments(one):
    return datetime.fromisoformat(one["entered_at"]), datetime.fromisoformat(one["expires_at"])


@pytest.mark.requirement("HOT-18")
@every_agency
def test_what_several_officers_are_told_is_complete(ingest, agency):
    plate = f"3TD{AGENCIES.index(agency)}SEV"
    whole = {"contact_phone": "555-0100", "case_number": "26-000123", "synopsis": "Fled a traffic stop, gray pickup"}
    for several in ({"kind": "several", "usernames": ["officer2", "officer3"]}, {"kind": "all"}):
        for left_out in whole:
            answer = enter(ingest, agency, plate, distribution=several, **(whole | {left_out: " "}))
            assert code(answer) == (422, "FIELD_MISSING")
            assert left_out in answer.json()["detail"]
        typed = hot_plate(ingest, plate, distribution=several, **whole) | {"officer_name": "Somebody Else"}
        assert code(ingest.call("POST", "/v1/hot-plates", json=typed, **officer(agency))) == (422, "FIELD_UNKNOWN")
    alone = {"kind": "one", "usernames": ["officer2"]}
    assert enter(ingest, agency, plate, who=OTHER, distribution=alone).status_code == 201
    made = enter(
        ingest, agency, plate, distribution={"kind": "several", "usernames": ["officer2", "officer3"]}, **whole
    )
    assert made.status_code == 201, made.text
    shown = state(ingest, agency, made.json())
    assert {name: shown[name] for name in whole} == whole
    assert (shown["officer_name"], shown["distribution"]) == ("Test Administrator", "officer2, officer3")


@pytest.mark.requirement("HOT-20")
@every_agency
def test_only_trained_people_of_the_named_roles_enter_plates(ingest, agency):
    plate = f"3TE{AGENCIES.index(agency)}WHO"
    body = hot_plate(ingest, plate)
    for role in ("officer", "investigator", "dispatcher", "alpr_admin"):
        untrained = officer(agency, role=role) | {"who": PERSON | {"training": ()}}
        for path, given in (("hot-plates", body), ("partial-plates", partial(ingest, agency))):
            assert code(ingest.call("POST", f"/v1/{path}", json=given, **untrained)) == (403, "TRAINING_MISSING")
        trained = officer(agency, PERSON | {"person_id": f"p-{role}"}, role)
        assert ingest.call("POST", "/v1/hot-plates", json=body, **trained).status_code == 201
    for role in ("supervisor", "auditor", "contractor", "custodian"):
        answer = ingest.call("POST", "/v1/hot-plates", json=body, **officer(agency, role=role))
        assert code(answer) == (403, "ROLE_NOT_AUTHORISED")
    assert ingest.call("GET", "/v1/hot-plates", **officer(agency, role="contractor")).status_code == 403


@pytest.mark.requirement("HOT-20")
@pytest.mark.requirement("HOT-19", partial="that no hit is made is tested with the matcher")
def test_an_entry_ends_by_itself_and_every_act_is_in_the_ledger(ingest):
    made = enter(ingest, "roseville", "3TFEND1", hours=3).json()
    active(ingest, "roseville", made)
    assert [entry.entry_id for entry in in_bucket(ingest, "3TFEND1", "roseville")] == [made["entry_id"]]
    changed = ingest.call(
        "POST",
        f"/v1/hot-plates/{made['entry_id']}/edits",
        json={"synopsis": "Gray, not blue"},
        **officer("roseville", OTHER),
    )
    assert (changed.status_code, changed.json()["synopsis"]) == (200, "Gray, not blue")
    ingest.ahead = timedelta(hours=3, seconds=1)
    try:
        assert state(ingest, "roseville", made)["entry_state"] == "expired"
        ingest.until(lambda: not in_bucket(ingest, "3TFEND1", "roseville"))
        kinds = ingest.until(
            lambda: len(told := Counter(event.kind for event in events(ingest, made["entry_id"]))) == 3 and told
        )
    finally:
        ingest.ahead = timedelta()
    assert set(kinds) == {"hot_plate_entered", "hot_plate_edited", "hot_plate_expired"}
    kept = ingest.rows("SELECT gone FROM ingest.entered WHERE entry_id = $1", made["entry_id"])
    assert [row["gone"] for row in kept] == [True]
    first = next(event for event in events(ingest, made["entry_id"]) if event.kind == "hot_plate_entered")
    assert first.personal["plate"] == "3TFEND1"
    assert "3TFEND1" not in str(dict(first.facts))


@pytest.mark.requirement("HOT-16")
def test_an_extension_is_a_new_entry_of_another_author(ingest):
    made = enter(ingest, "escondido", "3TGEXT1", hours=3).json()
    active(ingest, "escondido", made)
    path = f"/v1/hot-plates/{made['entry_id']}/extensions"
    longer = {"expires_at": rfc3339(ingest.now() + timedelta(hours=9)), "reason": "still at large"}
    assert code(ingest.call("POST", path, json=longer, **officer("escondido"))) == (403, "AUTHOR_MUST_DIFFER")
    late = longer | {"expires_at": rfc3339(ingest.now() + timedelta(days=31))}
    assert code(ingest.call("POST", path, json=late, **officer("escondido", OTHER))) == (422, "EXPIRY_TOO_LONG")
    new = ingest.call("POST", path, json=longer, **officer("escondido", OTHER)).json()
    assert new["entry_id"] != made["entry_id"]
    assert (new["officer_name"], new["extends"], new["effective_at"]) == (
        "Second Officer", made["entry_id"], made["expires_at"],
    )  # fmt: skip
    assert code(ingest.call("POST", path, json=longer, **officer("escondido", OTHER))) == (409, "ALREADY_EXTENDED")
    assert state(ingest, "escondido", new)["entry_state"] == "not_active_yet"
    ingest.until(lambda: len(in_bucket(ingest, "3TGEXT1", "escondido")) == 2)
    ingest.until(lambda: [event.kind for event in events(ingest, new["entry_id"])] == ["hot_plate_extended"])
    gone = ingest.call(
        "POST",
        f"/v1/hot-plates/{made['entry_id']}/withdrawals",
        json={"reason": "vehicle found"},
        **officer("escondido"),
    )
    assert set(gone.json()["withdrawn"]) == {made["entry_id"], new["entry_id"]}
    assert state(ingest, "escondido", new)["entry_state"] == "withdrawn"
    ingest.until(lambda: not in_bucket(ingest, "3TGEXT1", "escondido"))


@pytest.mark.requirement("HOT-16")
def test_an_author_does_not_enter_a_living_plate_again(ingest):
    made = enter(ingest, "escondido", "3TNSAME").json()
    for again in ("US-CA", ""):
        assert code(enter(ingest, "escondido", "3TN SAME", state=again)) == (403, "AUTHOR_MUST_DIFFER")
    assert enter(ingest, "escondido", "3TNSAME", state="US-NV").status_code == 201  # another vehicle
    assert enter(ingest, "escondido", "3TNSAME", who=OTHER).status_code == 201  # for reasons of their own
    assert withdraw(ingest, "escondido", made).status_code == 201
    assert enter(ingest, "escondido", "3TNSAME").status_code == 201


@pytest.mark.requirement("HOT-16")
def test_an_extension_that_was_withdrawn_leaves_room_for_another(ingest):
    made = enter(ingest, "escondido", "3TNEXTD", hours=3).json()
    first = extend(ingest, "escondido", made).json()
    assert withdraw(ingest, "escondido", first).json()["withdrawn"] == [first["entry_id"]]
    assert state(ingest, "escondido", made)["extended_by"] is None
    second = extend(ingest, "escondido", made)
    assert second.status_code == 201, second.text
    assert state(ingest, "escondido", made)["extended_by"] == second.json()["entry_id"]
    assert code(extend(ingest, "escondido", made)) == (409, "ALREADY_EXTENDED")


@pytest.mark.requirement("HOT-19", partial="that no hit is made is tested with the matcher")
def test_every_living_entry_is_listed_page_by_page_before_those_that_ended(ingest):
    made = [enter(ingest, "claremont", f"3TP{number}ALL").json() for number in range(5)]
    assert withdraw(ingest, "claremont", made[4]).status_code == 201
    assert withdraw(ingest, "claremont", made[0]).status_code == 201

    def listed(**query):
        found, after = [], ""
        while after is not None:
            where = {"limit": 2, "after": after, **query}
            page = ingest.call("GET", "/v1/hot-plates", params=where, **officer("claremont")).json()
            assert len(page["hot_plates"]) <= 2
            found, after = found + page["hot_plates"], page["next"]
        return found

    living, everything = listed(), listed(ended=True)
    names = [one["entry_id"] for one in made]
    ours = [one["entry_id"] for one in living if one["entry_id"] in names]
    assert ours == [names[3], names[2], names[1]]
    ours = [one["entry_id"] for one in everything if one["entry_id"] in names]
    assert ours == [names[3], names[2], names[1], names[4], names[0]]
    assert len({one["entry_id"] for one in everything}) == len(everything)
    assert [one["entry_id"] for one in everything][: len(living)] == [one["entry_id"] for one in living]
    strange = ingest.call("GET", "/v1/hot-plates", params={"after": "x"}, **officer("claremont"))
    assert strange.status_code == 422


@pytest.mark.requirement("HOT-12", partial="the byte search over every store is its own test")
def test_nothing_but_the_plate_is_readable_in_database_and_topic(ingest):
    planted = "PLANTED-SYNOPSIS"
    made = enter(ingest, "irvine", "3THSEAL", synopsis=planted, case_number=planted).json()
    active(ingest, "irvine", made)
    dump = str(ingest.rows("SELECT * FROM ingest.entered")) + str(ingest.rows("SELECT * FROM ingest.entries"))
    assert "3THSEAL" in dump
    assert planted not in dump
    for _, _, _, value, _ in ingest.lying("hotlist"):
        assert planted.encode() not in (value or b"")
    shown = ingest.call("GET", "/v1/hot-plates", **officer("irvine")).json()["hot_plates"]
    assert planted in {one["synopsis"] for one in shown}
    ingest.until(lambda: any(e.kind == "hot_plates_read" for e in events(ingest, "irvine/hot_plate")))
    assert ingest.call("GET", f"/v1/hot-plates/{made['entry_id']}", **officer("claremont")).status_code == 404


def partial(ingest, agency, pattern="7A?C1*", **changes):
    return {
        "pattern": pattern, "expires_at": rfc3339(ingest.now() + timedelta(hours=2)), "case_number": "26-000456",
        "purpose_code": SHIPPED[agency].purposes[0].code, "crime_type": "homicide", "reason": "Seen leaving the scene",
    } | changes  # fmt: skip


@pytest.mark.requirement("USE-10", partial="the search of kept reads and the hit are tested with console and matcher")
@every_agency
def test_a_partial_plate_names_crime_case_reason_and_end(ingest, agency):
    for change, expected in (
        ({"case_number": ""}, (422, "FIELD_MISSING")),
        ({"reason": " "}, (422, "FIELD_MISSING")),
        ({"expires_at": None}, (422, "EXPIRY_REQUIRED")),
        ({"crime_type": "parking"}, (422, "FIELD_INVALID")),
        ({"pattern": "7A*"}, (422, "PATTERN_INVALID")),
        ({"pattern": "7ABC123"}, (422, "PATTERN_INVALID")),
        ({"purpose_code": "curiosity"}, (403, "PURPOSE_NOT_PERMITTED")),
    ):
        given = partial(ingest, agency, **change)
        assert code(ingest.call("POST", "/v1/partial-plates", json=given, **officer(agency))) == expected


@pytest.mark.requirement("USE-10", partial="the search of kept reads and the hit are tested with console and matcher")
def test_a_partial_plate_is_announced_and_ends(ingest):
    path, made = "/v1/partial-plates", {}
    for agency in AGENCIES:
        answer = ingest.call("POST", path, json=partial(ingest, agency), **officer(agency))
        assert answer.status_code == 201, answer.text
        made[agency] = one = answer.json()
        search = one["back_search"]
        assert (search["allowed"], search["pattern"], search["captured_from"]) == (True, "7A?C1*", None)
    for agency, one in made.items():
        active(ingest, agency, one, "partial-plates")
    lying = {key: (value, headers) for _, _, key, value, headers in ingest.lying("hotlist.partials")}
    versions = {key: (value, headers) for _, _, key, value, headers in ingest.lying("hotlist.versions")}
    for agency, one in made.items():
        entry = wire.decode_partial(*lying[one["entry_id"]])
        plain = ingest.world.list_keys.open(entry.sealed, entry.key_id, entry_id=entry.entry_id)
        assert (entry.plate.reveal(), entry.list_code, entry.agency) == ("7A?C1*", "PARTIAL", agency)
        assert wire.decode_entry_details(plain).case_number == "26-000456"
        version = wire.decode_list_version(*versions[f"{agency}/PARTIAL"])
        assert (version.list_type, version.advisory_class) == ("partial", "information_only")
        assert entry.in_version(version.version)
        gone = ingest.call("POST", f"{path}/{one['entry_id']}/withdrawals", json={"reason": "found"}, **officer(agency))
        assert (gone.status_code, gone.json()["entry_state"]) == (201, "withdrawn")
    names = {one["entry_id"] for one in made.values()}

    def ended():
        return names <= {key for _, _, key, value, _ in ingest.lying("hotlist.partials") if value is None}

    ingest.until(ended)


@pytest.mark.requirement("USE-10", partial="the search of kept reads and the hit are tested with console and matcher")
def test_a_partial_plate_expires_by_itself(ingest):
    one = ingest.call("POST", "/v1/partial-plates", json=partial(ingest, "irvine", "4T?E*"), **officer("irvine")).json()
    active(ingest, "irvine", one, "partial-plates")
    ingest.ahead = timedelta(hours=2, seconds=1)
    try:
        assert state(ingest, "irvine", one, "partial-plates")["entry_state"] == "expired"
        ingest.until(
            lambda: [v for _, _, k, v, _ in ingest.lying("hotlist.partials") if k == one["entry_id"]][-1] is None
        )
    finally:
        ingest.ahead = timedelta()
    ingest.until(lambda: "partial_plate_expired" in {event.kind for event in events(ingest, one["entry_id"])})


@pytest.mark.requirement("USE-10", partial="the search of kept reads and the hit are tested with console and matcher")
def test_no_more_partial_plates_live_than_a_worker_can_try(ingest):
    ingest.rows(
        """INSERT INTO ingest.entered (entry_id, kind, agency, plate, skeleton, sealed, key_id, author, entered_at,
            effective_at, expires_at, told) SELECT gen_random_uuid(), 'partial', 'irvine', '9Z?' || n, '', '', '', '',
            now(), now(), now() + interval '1 day', 1 FROM generate_series(1, $1::integer) AS n""",
        LIVE_PATTERNS // 2,
    )
    try:
        full, free = (
            ingest.call("POST", "/v1/partial-plates", json=partial(ingest, agency, "5K?J*"), **officer(agency))
            for agency in ("irvine", "claremont")
        )
        assert code(full) == (409, "TOO_MANY_PARTIALS")
        assert free.status_code == 201, free.text
    finally:
        ingest.rows("DELETE FROM ingest.entered WHERE key_id = ''")


@pytest.mark.requirement("HOT-19", partial="that no hit is made is tested with the matcher")
def test_a_plate_told_twice_after_an_interruption_is_one_entry(ingest):
    made = enter(ingest, "claremont", "3TJTWCE").json()
    active(ingest, "claremont", made)
    ingest.rows(
        "UPDATE ingest.entered SET told = 0 WHERE entry_id = $1", made["entry_id"]
    )  # killed before it was noted
    active(ingest, "claremont", made)
    assert [entry.entry_id for entry in in_bucket(ingest, "3TJTWCE", "claremont")] == [made["entry_id"]]
    path = f"/v1/hot-plates/{made['entry_id']}/withdrawals"
    ingest.call("POST", path, json={"reason": "vehicle found"}, **officer("claremont"))
    ingest.until(lambda: not in_bucket(ingest, "3TJTWCE", "claremont"))


@pytest.mark.requirement("HOT-19", partial="that no hit is made is tested with the matcher")
def test_a_plate_withdrawn_before_it_was_noted_as_told_is_taken_off(ingest):
    """Ingest was killed behind the change and before its note, and the plate was withdrawn before ingest came back."""
    made = enter(ingest, "claremont", "3TKLLED").json()
    active(ingest, "claremont", made)
    ingest.rows("UPDATE ingest.entered SET told = 0, withdrawn_at = now() WHERE entry_id = $1", made["entry_id"])
    ingest.until(lambda: not in_bucket(ingest, "3TKLLED", "claremont"))


@pytest.mark.requirement("HOT-12", partial="the byte search over every store is its own test")
def test_the_ledger_names_every_entry_that_was_shown(ingest, monkeypatch):
    monkeypatch.setattr("alpr_ingest.api.entered._NAMED_AT_ONCE", 2)
    for number in range(5):
        assert enter(ingest, "westminster", f"3TNAME{number}").status_code == 201
    shown = ingest.call("GET", "/v1/hot-plates", **officer("westminster")).json()["hot_plates"]

    def named():
        told = [e for e in events(ingest, "westminster/hot_plate") if e.kind == "hot_plates_read"]
        return {name for one in told for name in one.facts["entry_ids"].split(", ")}

    ingest.until(lambda: named() >= {one["entry_id"] for one in shown})


def test_no_list_of_files_takes_the_code_of_entered_plates(ingest):
    for kept in ("HOTPLATE", "PARTIAL"):
        answer = ingest.call("POST", "/v1/hotlists", json=new_list(code=kept, list_type="local"), agency="roseville")
        assert code(answer) == (409, "LIST_EXISTS")


# special lists


CAPTAIN = PERSON | {"person_id": "p-9", "username": "captain", "full_name": "Services Captain"}
TWO_SOURCES = [
    {"name": "WebKPF", "as_of": "2026-01-02T06:00:00Z"},
    {"name": "SSD RMS", "as_of": "2026-01-02T05:00:00Z"},
]


def new_list(agency="roseville", **changes):
    return {
        "code": "BURGLARY", "name": "Vehicles of the burglary series", "source": "Crime analysis",
        "legitimate_interest": "A series of commercial burglaries since May", "advisory_class": "wanted_person",
        "list_type": "special", "purpose_code": SHIPPED[agency].purposes[0].code,
    } | changes  # fmt: skip


def post(ingest, path, body, agency="roseville", roles=("program_manager",), who=CAPTAIN):
    return ingest.call("POST", path, json=body, agency=agency, roles=roles, who=who)


def load(ingest, list_code, rows, **fields):
    return ingest.run(ingest.world.load(list_code, "plate,state,basis\n" + rows, agency="roseville", **fields))


@pytest.mark.requirement("HOT-02", "HOT-06")
@pytest.mark.requirement("HOT-07")
def test_a_special_list_is_loaded_only_after_somebody_elses_approval(ingest):
    maker = {"roles": ("program_manager",), "who": PERSON | {"person_id": "p-8"}}
    path = "/v1/hotlists/BURGLARY/approvals"
    silent = new_list() | {"legitimate_interest": ""}
    assert code(ingest.call("POST", "/v1/hotlists", json=silent, agency="roseville", **maker))[0] == 422
    odd = new_list(purpose_code="curiosity")
    assert code(ingest.call("POST", "/v1/hotlists", json=odd, agency="roseville", **maker)) == (
        403,
        "PURPOSE_NOT_PERMITTED",
    )
    made = ingest.call("POST", "/v1/hotlists", json=new_list(), agency="roseville", **maker)
    assert (made.status_code, made.json()["approved"]) == (201, False)
    assert made.json()["advisory_class"] == "information_only"  # whatever was asked for
    sources = json.dumps(TWO_SOURCES)
    row = "3TKSPEC,US-CA,case 26-77\n"
    assert code(load(ingest, "BURGLARY", row, sources=sources)) == (409, "LIST_NOT_APPROVED")
    assert code(ingest.call("POST", path, json={}, agency="roseville", **maker)) == (403, "OWN_LIST")
    for roles, who in ((("alpr_admin",), CAPTAIN), (("officer",), CAPTAIN), (("auditor",), CAPTAIN)):
        assert code(post(ingest, path, {}, roles=roles, who=who)) == (403, "APPROVER_NOT_AUTHORISED")
    other = CAPTAIN | {"powers": ("authorise_share:d-1",)}
    assert code(post(ingest, path, {}, roles=("supervisor",), who=other)) == (403, "APPROVER_NOT_AUTHORISED")
    assert not [key for _, _, key, _, _ in ingest.lying("hotlist.versions") if key == "roseville/BURGLARY"]
    designee = CAPTAIN | {"powers": ("approve_special_list:d-7",)}
    approved = post(ingest, path, {"note": "seen"}, roles=("supervisor",), who=designee)
    assert (approved.status_code, approved.json()["delegation_id"]) == (201, "d-7")
    assert code(post(ingest, path, {})) == (409, "LIST_APPROVED")
    assert code(post(ingest, "/v1/hotlists/SVS/approvals", {})) == (409, "APPROVAL_NOT_NEEDED")
    loaded = load(ingest, "BURGLARY", row, sources=sources)
    assert loaded.status_code == 201, loaded.text
    versions = {key: (value, headers) for _, _, key, value, headers in ingest.lying("hotlist.versions")}
    ingest.until(lambda: "roseville/BURGLARY" in {key for _, _, key, _, _ in ingest.lying("hotlist.versions")})
    versions = {key: (value, headers) for _, _, key, value, headers in ingest.lying("hotlist.versions")}
    version = wire.decode_list_version(*versions["roseville/BURGLARY"])
    assert (version.list_type, version.advisory_class) == ("special", "information_only")
    told = [wire.decode_audit_event(value, headers) for _, _, _, value, headers in ingest.lying("audit")]
    created = next(e for e in told if e.kind == "list_created" and e.facts["subject"] == "roseville/BURGLARY")
    assert (created.facts["person_id"], created.personal["legitimate_interest"]) == (
        "p-8", new_list()["legitimate_interest"],
    )  # fmt: skip
    assert "d-7" in {event.facts.get("delegation_id") for event in told if event.kind == "list_approved"}


@pytest.mark.requirement("HOT-06", partial="the approval itself is tested under the policy that knows special lists")
@pytest.mark.parametrize("agency", [agency for agency in AGENCIES if agency != "roseville"])
def test_an_agency_whose_policy_knows_no_special_lists_makes_none(ingest, agency):
    answer = post(ingest, "/v1/hotlists", new_list(agency), agency)
    assert code(answer) == (403, "SPECIAL_LISTS_OFF")
    assert post(ingest, "/v1/hotlists", new_list(agency, list_type="local"), agency).status_code == 201


@pytest.mark.requirement("HOT-10", "HOT-11", "DEF-08")
def test_a_special_list_names_its_sources_and_a_basis_for_each_vehicle(ingest):
    assert post(ingest, "/v1/hotlists/SPECIAL/approvals", {}).status_code == 201  # named by the policy: nobody's own
    good = "".join(f"3TL{number}SPC,US-CA,case 26-{number}\n" for number in range(8))
    rows = good + "3TL8SPC,US-CA,\n3TL9SPC,US-CA, \n"
    assert code(load(ingest, "SPECIAL", rows)) == (422, "SOURCES_REQUIRED")
    for sources in (TWO_SOURCES[:1], [TWO_SOURCES[0]] * 2, [TWO_SOURCES[0], TWO_SOURCES[1] | {"name": " "}]):
        assert code(load(ingest, "SPECIAL", rows, sources=json.dumps(sources))) == (422, "SOURCES_REQUIRED")
    loaded = load(ingest, "SPECIAL", rows, sources=json.dumps(TWO_SOURCES))
    assert loaded.status_code == 201, loaded.text
    report = loaded.json()
    assert (report["entries"], report["rejected"]) == (8, 2)
    assert [(r["line"], r["reason_code"]) for r in report["rejects"]] == [(10, "BASIS_MISSING"), (11, "BASIS_MISSING")]
    loads = ingest.call("GET", "/v1/hotlists/SPECIAL/loads", agency="roseville").json()["loads"]
    assert {one["name"] for one in loads[0]["sources"]} == {"WebKPF", "SSD RMS"}
    assert all(one["as_of"] for one in loads[0]["sources"])


@pytest.mark.requirement("HOT-08")
def test_a_special_list_leaves_only_under_an_earlier_authorization(ingest):
    assert post(ingest, "/v1/hotlists", new_list(code="SHARED"), who=PERSON).status_code == 201
    assert post(ingest, "/v1/hotlists/SHARED/approvals", {}).status_code == 201
    soon = rfc3339(ingest.now() + timedelta(minutes=20))
    rows = f"plate,state,basis,expires_at\n3TMSHAR,US-CA,=HYPERLINK(26-9),\n3TMENDS,US-CA,case 26-8,{soon}\n"
    loaded = ingest.run(ingest.world.load("SHARED", rows, agency="roseville", sources=json.dumps(TWO_SOURCES)))
    assert loaded.status_code == 201, loaded.text
    path, partner = (
        "/v1/hotlists/SHARED/shares",
        {"recipient": "Sheriff of the county", "recipient_class": "law_enforcement"},
    )
    wish = partner | {"purpose": "Same series in their city"}
    assert code(post(ingest, path, wish)) == (403, "SHARE_NOT_AUTHORISED")
    assert post(ingest, "/v1/hotlists/SHARED/authorisations", partner, roles=("alpr_admin",)).status_code == 403
    for kind in ("commercial", "private_entity", "individual"):
        refused = post(ingest, "/v1/hotlists/SHARED/authorisations", partner | {"recipient_class": kind})
        assert code(refused) == (403, "RECIPIENT_CLASS_NOT_PERMITTED")
    ends = {"valid_to": rfc3339(ingest.now() + timedelta(hours=1))}
    designee = CAPTAIN | {"powers": ("authorise_share:d-3",)}
    given = post(ingest, "/v1/hotlists/SHARED/authorisations", partner | ends, roles=("supervisor",), who=designee)
    assert given.status_code == 201, given.text
    assert code(post(ingest, path, wish | {"recipient": "Another city"})) == (403, "SHARE_NOT_AUTHORISED")
    share = post(ingest, path, wish)
    assert share.status_code == 201, share.text
    deliveries = f"{path}/{share.json()['share_id']}/deliveries"
    ingest.ahead = timedelta(minutes=40)
    try:
        file = post(ingest, deliveries, None)
    finally:
        ingest.ahead = timedelta()
    assert file.status_code == 201, file.text
    assert [row.split(",")[0] for row in file.text.splitlines()] == ["plate", "3TMSHAR"]  # the other one has ended
    assert ",'=HYPERLINK(26-9)," in file.text
    assert ingest.rows("SELECT entries FROM ingest.share_deliveries")[0]["entries"] == 1
    rows = ingest.rows(
        "SELECT d.delivered_at, a.authorized_at FROM ingest.share_deliveries d, ingest.share_authorizations a"
    )
    assert len(rows) == 1
    assert rows[0]["authorized_at"] <= rows[0]["delivered_at"]
    ingest.ahead = timedelta(hours=2)
    try:
        assert code(post(ingest, deliveries, None)) == (403, "SHARE_NOT_AUTHORISED")
    finally:
        ingest.ahead = timedelta()
    told = ingest.call("GET", path, agency="roseville").json()
    assert [len(told[name]) for name in ("authorisations", "shares", "deliveries")] == [1, 1, 1]
    assert len(ingest.rows("SELECT FROM ingest.share_deliveries")) == 1
    assert code(post(ingest, "/v1/hotlists/SVS/shares", wish)) == (409, "LIST_NOT_SHAREABLE")
