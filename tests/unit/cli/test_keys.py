"""`alpr keys`: what a cluster's Secrets are made of, drawn once and kept."""

import base64
import stat

import yaml

from alpr_cli.main import main
from alprcore.access import access_table
from alprcore.kafka import load_topic_specs
from alprcore.migrate import ROLES
from alprcore.seal import SigningKey, sign_note, verify_note

ORIGIN = "ledger.example/test"


def drawn(folder, capsys, *more):
    assert main(["keys", "--out", str(folder), "--origin", ORIGIN, *more]) == 0
    return yaml.safe_load(capsys.readouterr().out)


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_role_and_principal_gets_a_password_of_its_own_and_nobody_else_reads_it(tmp_path, capsys):
    drawn(tmp_path, capsys, "--agency", "demo", "--fleet", "north")
    found = files(tmp_path)
    assert {path.name for path in found if path.parts[0] == "database"} == set(ROLES)
    table = access_table(load_topic_specs(), agencies=["demo"], fleets=["north"], witnesses=[])
    assert {path.parts[1] for path in found if path.parts[0] == "kafka"} == {one.name for one in table}
    assert {"cad-demo", "fleet-north", "alpr-matcher"} <= {one.name for one in table}
    passwords = [content for path, content in found.items() if path.parts[0] != "keys"]
    assert len(set(passwords)) == len(passwords)
    assert min(map(len, passwords)) >= 43
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in tmp_path.rglob("*") if path.is_file())


def test_the_public_part_is_that_of_the_keys(tmp_path, capsys):
    public = drawn(tmp_path, capsys)
    person = SigningKey.load(tmp_path / "keys/person.key")
    assert base64.b64decode(public["personPublicKey"]) == person.public
    head = sign_note(SigningKey.load(tmp_path / "keys/ledger.key"), ORIGIN, f"{ORIGIN}\n0\nroot\n")
    assert verify_note(head, public["audit"]["verify"]["key"])
    secret = b"".join(files(tmp_path).values()).decode("latin-1")
    assert not any(len(word) > 30 and word in secret for word in str(public).split("'"))


def test_a_repetition_keeps_everything_and_draws_what_is_missing(tmp_path, capsys):
    drawn(tmp_path, capsys, "--agency", "demo")
    before = files(tmp_path)
    drawn(tmp_path, capsys, "--agency", "demo", "--agency", "other")
    after = files(tmp_path)
    assert before.items() <= after.items()
    assert [str(path) for path in after.keys() - before.keys()] == ["kafka/cad-other/password"]
