"""Each law finds what it forbids and lets pass what it allows."""

from pathlib import PurePosixPath

import pytest

from tools.laws.__main__ import LAWS
from tools.laws.harness import File

SERVICE = "services/ingest/src/alpr_ingest"
VERSIONS = f"{SERVICE}/migrations/versions"
QUERIES = f"{SERVICE}/queries.sql"

BROKEN = [
    ("contents-in-logs", f"{SERVICE}/api.py", 'logger.info("read_stored", extra={"plate": x})'),
    ("contents-in-logs", f"{SERVICE}/api.py", "log.info('read %s', read.plate.reveal())"),
    ("contents-in-logs", f"{SERVICE}/api.py", 'log.warning(f"refused {case_number}")'),
    ("contents-in-logs", f"{SERVICE}/api.py", "REFUSED.labels(officer=badge).inc()"),
    ("clock-in-main", f"{SERVICE}/api.py", "now = datetime.now(UTC)"),
    ("clock-in-main", f"{SERVICE}/store.py", "now = time.time()"),
    ("publish-only", f"{SERVICE}/api.py", "async def f(): await self._producer.send('reads', b'')"),
    ("broad-except", f"{SERVICE}/store.py", "try: f()\nexcept Exception: pass"),
    ("broad-except", f"{SERVICE}/store.py", "try: f()\nexcept: pass"),
    ("ids-from-model", f"{SERVICE}/admit.py", "import uuid\nfoo = uuid.uuid4()"),
    ("ids-from-model", f"{SERVICE}/admit.py", "from uuid import uuid1"),
    ("ids-from-model", f"{SERVICE}/admit.py", "foo = uuid5(SPACE, 'x')"),
    ("agency-scope", QUERIES, "-- find --\nSELECT * FROM reads WHERE skeleton = $1;"),
    ("own-schema", QUERIES, "-- find --\nSELECT 1 FROM console.hits WHERE agency_id = $1;"),
    ("own-schema", QUERIES, "-- find --\nSELECT * FROM retention.search_reads($1);"),
    ("sql-in-files", f"{SERVICE}/store.py", 'SQL = "SELECT * FROM audit_log WHERE agency_id = $1"'),
    ("revision-names", f"{VERSIONS}/0001_first.py", "revision = '0001_first'"),
    ("revision-names", f"{VERSIONS}/0001_pre_a.py", "revision = '0001_pre_b'"),
    ("revision-names", f"{VERSIONS}/0001_pre_{'x' * 30}.py", f"revision = '0001_pre_{'x' * 30}'"),
    ("one-statement", f"{VERSIONS}/0001_pre_a.py", "op.execute('CREATE TABLE a (); CREATE TABLE b ()')"),
    ("one-statement", f"{VERSIONS}/0001_pre_a.py", "op.execute(\"COMMENT ON TABLE a IS 'say :word'\")"),
    ("lock-places", "requirements/dev.txt", "--index-url https://packages.example/simple"),
    ("lock-places", "requirements/dev.txt", "-e file:///home/somebody/libs/alprcore"),
    ("lock-places", "requirements/dev.txt", "foo @ /home/somebody/foo"),
]

KEPT = [
    (f"{SERVICE}/api.py", 'logger.info("read_stored", extra={"read_id": read.id})'),
    (f"{SERVICE}/api.py", "READS.labels('first' if read.plate else 'unreadable').inc()"),
    (f"{SERVICE}/main.py", "now = datetime.now(UTC)"),
    ("libs/alprcore/src/alprcore/kafka/publish.py", "async def f(): await self._producer.send_and_wait('reads', b'')"),
    (f"{SERVICE}/app.py", "try: f()\nexcept Exception: pass"),
    (f"{SERVICE}/store.py", "try: f()\nexcept BaseException:\n    undo()\n    raise"),
    (
        f"{SERVICE}/store.py",
        "try: f()\n# law-skip: broad-except - the child sends whatever it was\nexcept Exception: pass",
    ),
    ("libs/alprcore/src/alprcore/model/ids.py", "foo = uuid5(SPACE, 'x')"),
    (QUERIES, "-- find --\nSELECT * FROM reads WHERE agency_id = $1;"),
    (QUERIES, "-- find --\n-- law-skip: agency-scope - the purge drops a day of every agency\nDELETE FROM reads;"),
    ("services/audit/src/alpr_audit/queries.sql", "-- find --\nSELECT * FROM retention.search_reads($1);"),
    ("services/audit/src/alpr_audit/queries.sql", "-- find --\nSELECT * FROM retention.search_hits($1);"),
    ("services/audit/src/alpr_audit/queries.sql", "-- find --\nSELECT * FROM retention.agreements_of($1);"),
    ("services/audit/src/alpr_audit/queries.sql", "-- find --\nSELECT retention.subject_answer($1);"),
    (f"{SERVICE}/api.py", '"""Select from reads what the door may show."""'),
    (f"{VERSIONS}/0001_pre_a.py", "revision = '0001_pre_a'\nop.execute(\"SELECT 'a;b', '1'::int;\")"),
    (f"{VERSIONS}/0001_pre_a.py", "op.execute('CREATE FUNCTION f() AS $$ BEGIN; x; END; $$ LANGUAGE plpgsql')"),
    ("requirements/dev.txt", "foo==1 \\\n    --hash=sha256:00\n    # via alprcore (libs/alprcore/pyproject.toml)"),
]


def broken(path, text):
    file = File(PurePosixPath(path), text)
    return {violation.law for law in LAWS for violation in law.violations(file)}


@pytest.mark.parametrize(("law", "path", "text"), BROKEN)
def test_a_violation_is_found(law, path, text):
    assert law in broken(path, text)


@pytest.mark.parametrize(("path", "text"), KEPT)
def test_what_is_allowed_passes(path, text):
    assert broken(path, text) == set()


def test_every_law_is_tried():
    assert {law for law, _, _ in BROKEN} == {law.name for law in LAWS}


def test_an_exception_needs_a_reason():
    assert "broad-except" in broken(f"{SERVICE}/store.py", "try: f()\nexcept Exception: pass  # law-skip: broad-except")
