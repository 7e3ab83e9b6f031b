"""Who may do what on the brokers, as the topics declare it."""

import json

import pytest

from alprcore.access import Kind, On, Operation, access_table, as_commands, as_data
from alprcore.kafka import load_topic_specs

SPECS = load_topic_specs()
READ, WRITE, DESCRIBE = Operation.READ, Operation.WRITE, Operation.DESCRIBE


def table(**names):
    return {principal.name: principal for principal in access_table(SPECS, **names)}


def may(principal, operation, on=On.TOPIC):
    return {grant.name for grant in principal.grants if grant.on is on and operation in grant.operations}


@pytest.mark.requirement("SEC-01", partial="the table itself; the broker's answers are in test_wire_access")
def test_the_recognizer_sees_neither_lists_nor_notifications():
    recognizer = table(agencies=["alder"])["alpr-recognizer"]
    assert may(recognizer, READ) == {"frames", "devices", "profiles", "image.keys"}
    assert may(recognizer, WRITE) == {"reads", "frames.dlq"}
    assert may(recognizer, READ, On.GROUP) == {"alpr-recognizer"}
    assert not {name for name in may(recognizer, DESCRIBE) if name.startswith(("hotlist", "notifications", "hits"))}


def test_a_camera_fleet_writes_frames_and_does_nothing_else():
    fleet = table(fleets=["north"])["fleet-north"]
    assert [(grant.on, grant.name, grant.operations) for grant in fleet.grants] == [
        (On.TOPIC, "frames", {WRITE, DESCRIBE})
    ]
    assert (fleet.kind, fleet.per) == (Kind.FLEET, "")


def test_a_cad_has_the_topics_of_its_agency_alone():
    found = table(agencies=["alder", "birch"])
    for agency, other in (("alder", "birch"), ("birch", "alder")):
        cad = found[f"cad-{agency}"]
        assert may(cad, READ) == {f"cad.{agency}.hits", f"cad.{agency}.notifications"}
        assert f"cad.{agency}.status" in may(cad, WRITE)
        assert may(cad, READ, On.GROUP) == {f"cad-{agency}"}
        assert not [grant for grant in cad.grants if other in grant.name]


def test_who_looks_after_autoscaling_reads_nothing():
    scaler = table(agencies=["alder"])["alpr-scaler"]
    assert {operation for grant in scaler.grants for operation in grant.operations} == {DESCRIBE}
    assert may(scaler, DESCRIBE, On.GROUP) >= {"alpr-recognizer", "alpr-matcher", "alpr-retention", "alpr-console"}


def test_nothing_but_topics_and_groups_by_their_full_names():
    for principal in access_table(SPECS, agencies=["alder"], fleets=["north"], witnesses=["court"]):
        assert principal.grants
        for grant in principal.grants:
            assert "*" not in grant.name
            assert "<" not in grant.name
            assert DESCRIBE in grant.operations


def test_placeholders_stay_until_names_are_known_and_repeat_the_same_grants():
    open_table = table()
    assert {"cad-<agency>", "fleet-<fleet>", "witness-<witness>"} <= set(open_table)
    (repeated,) = [grant for grant in open_table["alpr-matcher"].grants if grant.name == "cad.<agency>.hits"]
    assert repeated.per == "agency"
    closed = table(agencies=["alder"], fleets=[], witnesses=[])
    assert not {"cad-<agency>", "fleet-<fleet>", "witness-<witness>"} & set(closed)
    assert may(closed["alpr-matcher"], WRITE) == {
        name.replace("<agency>", "alder") for name in may(open_table["alpr-matcher"], WRITE)
    }


def test_a_prefix_stands_before_topics_groups_and_principals():
    plain, prefixed = table(agencies=["alder"]), table(agencies=["alder"], prefix="city.")
    assert {f"city.{name}" for name in plain} == set(prefixed)
    assert {f"city.{grant.name}" for one in plain.values() for grant in one.grants} == {
        grant.name for one in prefixed.values() for grant in one.grants
    }


@pytest.mark.parametrize("name", ["*", "", "al der", "'; rm", "<agency>", "a" * 101])
def test_a_name_that_would_become_another_rule_is_refused(name):
    with pytest.raises(ValueError, match="letters, digits"):
        access_table(SPECS, agencies=[name])


def test_every_reader_with_a_group_may_put_aside_what_it_cannot_read():
    found = table(agencies=["alder"])
    written = {spec.name for spec in SPECS}
    for spec in SPECS:
        for role in spec.groups:
            if role == "CAD" or f"{spec.name}.dlq" not in written:
                continue
            assert f"{spec.name}.dlq".replace("<agency>", "alder") in may(found[f"alpr-{role}"], WRITE)


def test_the_layouts_say_the_same():
    whole = access_table(SPECS, agencies=["alder"], fleets=["north"], witnesses=[])
    data = json.loads(json.dumps(as_data(SPECS, whole)))
    assert {one["name"] for one in data["principals"]} == {one.name for one in whole}
    assert sum(len(one["grants"]) for one in data["principals"]) == sum(len(one.grants) for one in whole)
    assert {one["name"] for one in data["topics"] if one["per"]} == {
        f"cad.<agency>.{name}{end}" for name in ("hits", "notifications", "status") for end in ("", ".dlq")
    }
    lines = as_commands(whole)
    assert len(lines) == sum(len(one.grants) for one in whole)
    assert (
        "--add --allow-principal 'User:fleet-north' --operation Describe --operation Write --topic 'frames' "
        "--resource-pattern-type literal"
    ) in lines
