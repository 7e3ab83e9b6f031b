"""How a deployment is judged, without one."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from alpr_cli.doctor import controls, rules
from alpr_cli.doctor.broker import Seen, judge_topics
from alpr_cli.doctor.found import look, operator
from alpr_cli.doctor.rules import Finding, Level
from alprcore.errors import Misconfigured
from alprcore.kafka import load_topic_specs

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
SPECS = load_topic_specs()
WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1:9092", True), ("localhost:9092", True), ("[::1]:9092", True), ("user:word@127.0.0.1:5432", True),
        ("broker.example:9092", False), ("10.0.0.7:9092", False), ("[2001:db8::1]:9092", False), ("kafka", False),
    ],
)  # fmt: skip
def test_only_this_machines_own_addresses_are_local(address, local):
    assert rules.is_local(address) is local
    level = rules.judge_encryption("broker.tls", "x", encrypted=False, local=local).level
    assert level is (Level.OK if local else Level.WARN)
    assert rules.judge_encryption("broker.tls", "x", encrypted=True, local=local).level is Level.OK


@pytest.mark.parametrize(
    ("left", "level"),
    [
        (timedelta(days=31), Level.OK), (timedelta(days=30), Level.WARN), (timedelta(days=4), Level.WARN),
        (timedelta(days=3), Level.FAIL), (timedelta(0), Level.FAIL), (-timedelta(days=1), Level.FAIL),
    ],
)  # fmt: skip
def test_certificates_are_told_of_in_time(left, level):
    assert rules.judge_certificate("x", NOW + left, NOW).level is level


@pytest.mark.parametrize(
    ("ahead", "unsure", "level"),
    [
        (0.09, 0.0, Level.OK),
        (0.05, 0.08, Level.OK),
        (0.11, 0.0, Level.WARN),
        (0.3, 0.25, Level.NOTE),
        (-2.5, 0.1, Level.FAIL),
    ],
)
def test_a_clock_counts_as_wrong_beyond_what_is_known_of_it(ahead, unsure, level):
    assert rules.judge_clock("database", ahead, unsure).level is level


@pytest.mark.parametrize(("free", "level"), [(21, Level.OK), (19, Level.WARN), (4, Level.FAIL)])
def test_room_on_disks(free, level):
    assert rules.judge_disk("x", free, 100).level is level


@pytest.mark.parametrize(
    ("mode", "level"),
    [(0o100600, Level.OK), (0o100440, Level.OK), (0o100640, Level.OK), (0o100644, Level.FAIL), (0o100620, Level.FAIL)],
)
def test_keys_may_be_read_by_a_group_and_by_nobody_else(mode, level):
    assert rules.judge_mode("x", mode).level is level


@pytest.mark.parametrize(
    ("found", "level"),
    [("", Level.FAIL), ("0002_pre_a", Level.FAIL), ("0003_pre_b", Level.WARN), ("0004_post_c", Level.OK),
     ("0005_pre_d", Level.NOTE)],
)  # fmt: skip
def test_a_schema_is_as_new_as_this_release_needs(found, level):
    assert rules.judge_schema("ingest", found, "0003_pre_b", "0004_post_c").level is level


def test_a_server_that_can_lose_or_tell_is_named():
    sound = {
        "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "data_checksums": "on", "log_statement": "none",
        "log_min_duration_statement": "-1", "log_parameter_max_length": "-1", "log_parameter_max_length_on_error": "0",
    }  # fmt: skip
    assert {one.level for one in rules.judge_server(sound, 170002)} == {Level.OK}
    for wrong, check in (
        ({"fsync": "off"}, "database.durable"),
        ({"full_page_writes": "off"}, "database.durable"),
        ({"synchronous_commit": "off"}, "database.durable"),
        ({"data_checksums": "off"}, "database.durable"),
        ({"log_statement": "all"}, "database.log"),
        ({"log_min_duration_statement": "0"}, "database.log"),
        ({"log_parameter_max_length_on_error": "-1"}, "database.log"),
    ):
        bad = [one.check for one in rules.judge_server(sound | wrong, 170002) if one.level is not Level.OK]
        assert bad == [check], wrong
    assert rules.worst(rules.judge_server(sound, 140012)) is Level.FAIL
    told = {"log_statement": "all", "log_parameter_max_length": "0"}  # without values nothing is given away
    assert rules.worst(rules.judge_server(sound | told, 170002)) is Level.OK


@pytest.mark.parametrize(
    ("kept", "stored", "same", "level"),
    [(None, 0, False, Level.NOTE), (None, 5, False, Level.FAIL), (7, 5, False, Level.FAIL), (5, 5, True, Level.OK),
     (5, 5, False, Level.FAIL), (4, 5, False, Level.WARN)],
)  # fmt: skip
def test_a_ledger_behind_its_signed_head_came_back_from_a_backup(kept, stored, same, level):
    assert rules.judge_heads(kept, stored, same=same).level is level


def test_purges_are_vouched_for_fresh_and_complete():
    def judged(vouched, outcome, hours):
        finished = None if hours is None else NOW - timedelta(hours=hours)
        return rules.worst(rules.judge_purges(vouched, outcome, finished, NOW, due=False))

    assert judged(True, "complete", 20) is Level.OK
    assert judged(True, "incomplete", 2) is Level.WARN
    assert judged(True, "complete", 40) is Level.WARN
    assert judged(True, "complete", 80) is Level.FAIL
    assert judged(False, "complete", 2) is Level.FAIL
    assert judged(True, "", None) is Level.NOTE


def test_what_is_for_trying_only_is_named():
    assert [one.level for one in rules.judge_demonstration({"console": {}, "recognizer": {}})] == [Level.OK]
    told = rules.judge_demonstration(
        {
            "console": {
                "seed_demo": "True",
                "confirmations": {"irvine": {"allow_test": True}},
                "webhook_plain_http": True,
            },
            "recognizer": {"reader": "fake"},
            "retention": {"case_files": {"irvine": {"allow_test": "true"}}},
        }
    )
    assert sorted(one.subject for one in told) == ["console", "console", "console", "recognizer", "retention"]
    assert rules.worst(told) is Level.FAIL


def test_services_that_are_told_different_things_are_named():
    (told,) = rules.judge_agreement({"ingest": {"objects_url": "s3://a"}, "retention": {"objects_url": "s3://b"}})
    assert told.level is Level.FAIL
    assert rules.judge_agreement({"ingest": {"objects_url": "s3://a"}, "retention": {"objects_url": "s3://a"}}) == []


def seen(**changes):
    """A broker as the contract declares it, of one agency; a topic may be changed or left out (None)."""
    topics, configs = {}, {}
    for spec in SPECS:
        name = spec.name.replace("<agency>", "demo")
        topics[name], configs[name] = [(1, 3, 3)] * spec.partitions, dict(spec.config)
    for given, change in changes.items():
        name = given.replace("__", ".")
        if change is None:
            del topics[name], configs[name]
        elif isinstance(change, dict):
            configs[name] |= change
        else:
            topics[name] = change
    return Seen(brokers=3, topics=topics, configs=configs, creates=False)


def test_topics_are_compared_with_the_contract():
    assert {one.level for one in judge_topics(seen(), SPECS, WEEK, ["demo"], certain=True, whole=True)} == {Level.OK}

    def bad(whole=True, agencies=("demo",), certain=True, **changes):
        told = judge_topics(seen(**changes), SPECS, WEEK, agencies, certain=certain, whole=whole)
        return {(one.check, one.subject, one.level) for one in told if one.level is not Level.OK}

    assert bad(reads=None) == {("topics", "reads", Level.FAIL)}
    assert bad(reads=None, whole=False) == {("topics", "reads", Level.NOTE)}
    assert ("topics", "cad.irvine.hits", Level.FAIL) in bad(agencies=("demo", "irvine"))
    assert bad(agencies=("demo", "irvine"), certain=False) == set(), (
        "a profile that ships is no agency of this deployment"
    )
    assert bad(reads={"retention.ms": str(30 * 86_400_000)}) == {
        ("topics", "reads", Level.WARN), ("topics.retention", "reads", Level.FAIL)
    }  # fmt: skip
    assert bad(hits=[(1, 3, 3)] * 3) == {("topics", "hits", Level.FAIL)}
    assert bad(audit=[(1, 1, 1)]) >= {("topics.copies", "audit", Level.WARN)}
    assert ("topics.copies", "frames", Level.WARN) in bad(frames=[(1, 3, 3), (2, 3, 2), (3, 3, 3), (1, 3, 3)])
    assert ("topics.copies", "frames", Level.FAIL) in bad(frames=[(1, 3, 3), (-1, 3, 0), (3, 3, 3), (1, 3, 3)])


def test_settings_are_read_as_services_read_them(tmp_path):
    (tmp_path / "one.yaml").write_text("kafka_bootstrap: a:1\nport: 5\n")
    environment = {
        "ALPR_AUDIT_CONFIG": str(tmp_path / "one.yaml"),
        "ALPR_AUDIT_PORT": "6",
        "ALPR_KAFKA_BOOTSTRAP": "b:2",
        "ALPR_CONSOLE_CONFIRMATIONS": json.dumps({"irvine": {"adapter": "http"}}),
    }
    found = look(None, ("audit", "console", "ingest"), environment)
    assert set(found.settings) == {"audit", "console"}
    assert found.settings["audit"]["port"] == "6"  # a service's own variable goes before its file
    assert found.settings["audit"]["kafka_bootstrap"] == "b:2"  # and a shared one, too
    assert found.settings["console"]["confirmations"]["irvine"]["adapter"] == "http"
    folder = tmp_path / "out"
    (folder / "audit").mkdir(parents=True)
    (folder / "audit" / "settings.yaml").write_text("ledger_key_file: /run/plateline/ledger.key\n")
    (folder / "audit" / "ledger.key").write_text("k")
    found = look(folder, ("audit",), environment)
    assert found.settings == {"audit": {"ledger_key_file": "/run/plateline/ledger.key"}}
    assert found.key("audit", "/run/plateline/ledger.key") == folder / "audit" / "ledger.key"
    assert found.key("audit", "exec:/usr/bin/kms get ledger") == "exec:/usr/bin/kms get ledger"


def test_a_broker_setting_that_is_wrong_is_named_without_its_value():
    with pytest.raises(Misconfigured) as told:
        operator({"ALPR_KAFKA_BOOTSTRAP": "b:2", "ALPR_KAFKA_SECURITY": '{"kind": "sasl", "password": "s3cret"}'})
    assert "s3cret" not in str(told.value)
    assert "username" in str(told.value)


def test_an_open_check_opens_its_controls_and_words_stay_true():
    control = controls.Control("SC-8", "in transit", "", tests=("t::a",), checks=("broker.tls",))
    fine, bad = Finding("broker.tls", "audit", Level.OK, "encrypted"), Finding("broker.tls", "x", Level.WARN, "clear")
    assert controls.judge_control(control, [fine]).state == "met"
    assert "seen here: broker.tls" in controls.judge_control(control, [fine]).words
    assert "seen here" not in controls.judge_control(control, []).words
    standing = controls.judge_control(control, [fine, bad])
    assert standing.state == "open"
    assert "clear" in standing.words
    off = controls.Control("SC-19", "voice", "", not_applicable="none is carried")
    assert controls.judge_control(off, [bad]).state == "not applicable"
    paper = controls.Control("PE-3", "places", "", procedure=controls.Procedure("Places", "manager", "p.md#places"))
    assert controls.judge_control(paper, [bad]).state == "procedure"
