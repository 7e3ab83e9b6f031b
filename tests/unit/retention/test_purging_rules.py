"""What a run of the purge says of itself, and when it may say complete."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from alpr_retention.purging.rules import (
    STOPPING,
    Answer,
    Item,
    certificate_of,
    errors_of,
    loss_acts,
    may_decide_loss,
    outcome_of,
    report_of,
    settled,
    silent,
)
from alprcore import wire
from alprcore.errors import InvalidMessage
from alprcore.model import PURGE_PART, Person, PurgeAnswer, PurgeOrder, make_id
from alprcore.topics import Topic

DAY, NOW = date(2027, 3, 14), datetime(2027, 3, 16, tzinfo=UTC)
DOORS = ("console", "ingest")
RUN = {"run_id": "r-1", "as_of": "2027-03-15", "started_at": NOW.isoformat()}


def said(service, parts=1, **left):
    return Answer(service, parts, {"hits": 2}, left, NOW)


def item(state="cleared", **changes):
    whole = Item(
        "demo", DAY, "day", state, reads=8, hits=2, held=2, images=16, key_destroyed=True, parts=1,
        holds={"h-1": 2}, answers=(said("console"), said("ingest")),
    )  # fmt: skip
    return replace(whole, **changes)


def test_complete_is_only_what_is_gone_from_every_store():
    assert outcome_of([item(), item("done")], DOORS) == "complete"
    assert outcome_of([], DOORS) == "complete"
    for state in ("planned", "cut", "keyless", "broken", "refused"):
        assert outcome_of([item(), item(state)], DOORS) == "incomplete", state
    assert outcome_of([item(answers=(said("console"),))], DOORS) == "incomplete"
    assert outcome_of([item(parts=2)], DOORS) == "incomplete"
    assert outcome_of([item(answers=(said("console"), said("ingest", copies=1)))], DOORS) == "incomplete"


@pytest.mark.parametrize("code", sorted(STOPPING))
def test_stopped_is_only_what_the_agencys_own_policy_stops(code):
    barred = item("refused", reason_code=code, reads=0, answers=(), parts=0)
    assert outcome_of([barred], DOORS) == "stopped"
    assert outcome_of([barred, item("refused", reason_code="RETENTION_FLOOR")], DOORS) == "incomplete"
    assert errors_of([barred], DOORS) == [code]


def test_what_stands_against_complete_is_named():
    open_ones = [item("cut"), item(answers=(said("ingest", copies=1, other=0),))]
    assert errors_of(open_ones, DOORS) == ["PURGE_BROKE_OFF", "PURGE_LEFT ingest", "PURGE_UNANSWERED console"]
    assert errors_of([item(), item("done")], DOORS) == []


def test_an_item_waits_for_every_part_of_every_door_and_for_nothing_else():
    assert silent(item(parts=2, answers=(said("console", 2), said("ingest"))), DOORS) == ("ingest",)
    assert not settled(item(parts=2, answers=(said("console", 2), said("ingest"))), DOORS)
    assert settled(item(), DOORS)
    assert settled(item(answers=()), ())
    assert settled(item("refused", answers=()), DOORS)
    assert not settled(item("keyless"), DOORS)


def test_a_report_adds_up_and_its_certificate_is_bound_by_its_hash():
    held = item(kind="held", reads=1, hits=0, held=0, images=2, key_destroyed=False, holds={"h-2": 1})
    report = report_of(RUN, [held, item(), item(answers=(), due_day=date(2027, 3, 13))], DOORS)
    assert report["totals"] == {"reads": 17, "hits": 4, "held": 4, "images": 34, "keys": 2}
    assert [(day["day"], day["kind"]) for day in report["days"]] == [
        ("2027-03-13", "day"), ("2027-03-14", "day"), ("2027-03-14", "held"),
    ]  # fmt: skip
    assert report["holds"] == [{"hold_id": "h-1", "reads": 4}, {"hold_id": "h-2", "reads": 1}]
    states = {store["store"]: store["state"] for store in report["stores"]}
    assert states == {
        "database": "done",
        "image_keys": "done",
        "objects": "done",
        "console": "waiting",
        "ingest": "waiting",
    }
    certificate, sha256 = certificate_of(report, "demo", NOW)
    assert {store["state"] for store in certificate["stores"][3:]} == {"missing"}
    canonical = json.dumps(certificate, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert sha256 == hashlib.sha256(canonical.encode()).hexdigest()
    other = report_of(RUN, [replace(held, reads=2), item()], DOORS)
    assert certificate_of(other, "demo", NOW)[1] != sha256


def test_a_service_that_was_never_asked_is_not_said_to_have_answered():
    for items in ([], [item("refused", answers=(), parts=0)]):
        states = {store["store"]: store["state"] for store in report_of(RUN, items, DOORS)["stores"]}
        assert (states["console"], states["ingest"]) == ("not_asked", "not_asked")


def test_a_run_that_met_nothing_says_so_under_the_policy_in_force():
    report = report_of(RUN, [], DOORS, (), "demo@7")
    assert (report["outcome"], report["days"], report["errors"], report["lost_images"]) == ("complete", [], [], [])
    assert (report["profile_version"], report["totals"]["reads"]) == ("demo@7", 0)
    certificate, _ = certificate_of(report, "demo", NOW)
    assert {store["store"]: store["state"] for store in certificate["stores"]}["console"] == "not_asked"


def test_images_that_two_people_gave_up_stand_in_the_report():
    lost = {"read_id": "r-9", "role": "context", "state": "lost", "code": "IMAGE_DAMAGED"}
    assert report_of(RUN, [item()], DOORS, [lost])["lost_images"] == [lost]


def person(name, *roles):
    return Person(name, name, name.title(), "PD", "demo", roles, "s-1", "192.0.2.7")


def test_a_held_image_is_given_up_by_two_people_of_those_who_answer_for_records():
    def code(who, state, decision, by=""):
        decided = may_decide_loss(who, {"state": state, "declared_by": by}, decision)
        return getattr(decided, "reason_code", "")

    custodian, manager = person("c", "custodian"), person("m", "program_manager")
    officer, investigator = person("o", "retention_officer"), person("i", "investigator", "supervisor", "auditor")
    for who in (custodian, manager, officer):
        assert code(who, "open", "declare") == ""
        assert code(who, "lost", "declare") == code(who, "mended", "declare") == "STATE_CONFLICT"
    assert code(investigator, "open", "declare") == "ROLE_NOT_AUTHORISED"
    for decision in ("confirm", "deny"):
        assert code(manager, "declared", decision, "c") == ""
        assert code(manager, "declared", decision, "m") == "SECOND_PERSON_REQUIRED"
        assert code(officer, "declared", decision, "c") == "ROLE_NOT_AUTHORISED"
        assert code(manager, "open", decision) == code(manager, "lost", decision, "c") == "STATE_CONFLICT"
    assert loss_acts(custodian, {"state": "open", "declared_by": ""}) == ["declare"]
    assert loss_acts(manager, {"state": "declared", "declared_by": "c"}) == ["confirm", "deny"]
    assert loss_acts(manager, {"state": "declared", "declared_by": "m"}) == []


def an_order(**changes):
    ids = tuple(make_id("hit", str(n)) for n in range(3))
    order = PurgeOrder("o-1", "r-1", "demo", DAY, 0, 2, ids, ids, ids[:1], True, NOW)
    return replace(order, **changes)


def decoded(order):
    return wire.decode_purge_order(
        wire.encode_purge_order(order), {"ce_type": wire.CE_TYPE[Topic.PURGES].encode()}
    )  # fmt: skip


def test_an_answer_with_odd_ids_is_refused_as_a_message():
    good = PurgeAnswer(make_id("o"), make_id("r"), "demo", DAY, 0, "console", {"hits": 1}, {}, NOW)
    headers = {"ce_type": wire.CE_TYPE[Topic.PURGE_ANSWERS].encode()}
    assert wire.decode_purge_answer(wire.encode_purge_answer(good), headers) == good
    for odd in ({"order_id": "no-uuid"}, {"run_id": "x"}, {"agency": "a,b"}, {"part": 2**31}, {"service": "s" * 101}):
        with pytest.raises(InvalidMessage) as refused:
            wire.decode_purge_answer(wire.encode_purge_answer(replace(good, **odd)), headers)
        assert refused.value.code == "FIELD_INVALID"


def test_an_order_names_hits_with_their_reads_and_no_more_than_a_part_takes():
    assert decoded(an_order()) == an_order()
    many = tuple(make_id("hit", str(n)) for n in range(PURGE_PART + 1))
    for odd in ({"part": 2}, {"parts": 0}, {"read_ids": ()}, {"hit_ids": many, "read_ids": many}):
        with pytest.raises(InvalidMessage) as refused:
            decoded(an_order(**odd))
        assert refused.value.code == "FIELD_INVALID"
    whole = an_order(hit_ids=many[:PURGE_PART], read_ids=many[:PURGE_PART], held_read_ids=many[:1] * 30_000)
    assert len(wire.encode_purge_order(whole)) < 1_000_000
