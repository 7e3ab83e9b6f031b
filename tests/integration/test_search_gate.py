"""The gate in PostgreSQL: who may touch what, and that reads answer committed intents only, whoever asks."""

import hashlib
import json
import random
import re
from datetime import timedelta

import asyncpg
import pytest

from alpr_audit import ledger
from alpr_cli.local import LocalPostgres
from alpr_cli.roles import Database
from alprcore.migrate import ROLES, migrate
from alprcore.model import make_id
from tests.fixtures.doors import JPEG, Doors, make_hit, make_read, utc_now

pytestmark = pytest.mark.asyncio

SCHEMAS = ("audit", "ingest", "retention", "console")
RETENTION = {
    "reads": "SELECT INSERT UPDATE",
    "hits": "SELECT INSERT UPDATE",
    "live_hits": "SELECT INSERT UPDATE DELETE",
    "holds": "SELECT INSERT UPDATE DELETE",
    "hold_acts": "SELECT INSERT",
    "hold_booked": "SELECT INSERT",
    "hold_case_files": "SELECT INSERT UPDATE",
    "captured_days": "SELECT INSERT",
    "used_entries": "SELECT DELETE",
    "purge_runs": "SELECT INSERT UPDATE",
    "purge_items": "SELECT INSERT UPDATE",
    "purge_certificates": "SELECT INSERT UPDATE",
    "purge_answers": "SELECT INSERT",
    "outbox": "SELECT INSERT DELETE",
    "frame_quarantine": "SELECT INSERT DELETE",  # and UPDATE of where a held letter lies
    "alembic_version": "SELECT",
    "deployment": "SELECT",
    "rules_known": "SELECT INSERT UPDATE",
    "changes": "SELECT INSERT UPDATE",
    "change_days": "SELECT INSERT UPDATE",
    "resettle": "SELECT INSERT UPDATE DELETE",
    "moved_objects": "SELECT INSERT DELETE",
    "move_generation": "SELECT",
    "premature": "SELECT",
    "swept": "SELECT INSERT UPDATE",
    "destruction_reports": "SELECT INSERT",
    "report_receipts": "SELECT INSERT",
    "packages": "SELECT INSERT UPDATE",
    "package_items": "SELECT INSERT UPDATE",
    "package_volumes": "SELECT INSERT UPDATE",
    "clets_authorities": "SELECT INSERT",  # and UPDATE of the package that used it
    "release_requests": "SELECT INSERT UPDATE",  # what was submitted and decided stands, a trigger sees to it
    "release_acts": "SELECT INSERT",
    "release_filings": "SELECT INSERT UPDATE",
    "share_deliveries": "SELECT INSERT UPDATE",
    "share_items": "SELECT INSERT",
    "agreements": "SELECT INSERT",  # and UPDATE of how it was decided and stopped
    "agreement_approvals": "SELECT INSERT",
    "agreement_uses": "SELECT",  # written by the search itself
    "repositories": "SELECT INSERT UPDATE",
    "repository_items": "SELECT INSERT UPDATE DELETE",
    "repository_batches": "SELECT INSERT UPDATE",
    "damaged_images": "SELECT INSERT UPDATE",
    "quarantine_floods": "SELECT INSERT UPDATE",
    "demands": "SELECT INSERT",  # and UPDATE of what was answered
}
"""What alpr_retention holds; of every other table, the partitions and the notes of days among them, nothing."""
LEDGER = {
    "entries": "SELECT INSERT",
    "personal": "SELECT INSERT",
    "intents": "SELECT",  # and INSERT of four columns: the time is the database's
    "nodes": "SELECT INSERT",
    "head": "SELECT INSERT",
}
"""What alpr_audit holds of the ledger: it adds, and changes nothing."""
EXECUTABLE = {
    "alpr_reader": {"retention.search_reads", "retention.search_hits", "retention.agreements_of",
                    "retention.subject_answer"},
    "alpr_retention": {
        "retention.stored_day", "retention.ensure_day", "retention.due_days", "retention.held", "retention.drop_day",
        "retention.open_view", "retention.open_package", "retention.note_day", "retention.unnoted_days",
        "retention.close_day", "retention.empty_day", "retention.drop_released", "retention.drop_again", "retention.floor",
        "retention.vouched", "retention.vouch", "retention.held_reads", "retention.ended_holds", "retention.hold_reads", "retention.scope_of",
        "retention.searched", "retention.frame_held",
        "retention.declare_statute", "retention.move_lock", "retention.keep_lock", "retention.count_day",
        "retention.note_premature", "retention.stock", "retention.uncount", "retention.sweep",
        "retention.dispose_file",
    },
    "alpr_retention_owner": {"audit.permitted", "audit.asked_by"},
}  # fmt: skip
"""Functions that lead to plate data, and who may call them; nobody else, and never PUBLIC."""
WITHOUT_PLATES = {"alembic_version", "captured_days", "used_entries", "purge_runs", "outbox", "vouchers", "deployment",
                  "move_generation"}  # fmt: skip
PLATE_TABLES = {"hits", "notifications", "incidents", "events", "presented", "read_checks", "verifications",
                "verification_texts", "registration_lookups", "hit_steps"}  # fmt: skip
FORBIDDEN = asyncpg.InsufficientPrivilegeError


async def rows_of(database, statement, *values, login=""):
    connection = await asyncpg.connect(database.url(login) if login else database.admin)
    try:
        return await connection.fetch(statement, *values)
    finally:
        await connection.close()


async def test_every_role_holds_its_own_schema_and_nothing_of_the_others(pg_database):
    await rows_of(pg_database, "SELECT retention.ensure_day('2031-02-03')")
    found = await rows_of(
        pg_database,
        """SELECT n.nspname AS schema, c.relname AS name, r.role, r.role = c.relowner::regrole::text AS owns, string_agg(p.privilege, ' ') AS rights
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        CROSS JOIN unnest($1::text[]) AS r (role)
        CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) WITH ORDINALITY
            AS p (privilege, place)
        WHERE n.nspname = ANY ($2) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
          AND has_table_privilege(r.role, c.oid, p.privilege)
        GROUP BY 1, 2, 3, 4""".replace("string_agg(p.privilege, ' ')", "string_agg(p.privilege, ' ' ORDER BY p.place)"),
        list(ROLES),
        list(SCHEMAS),
    )
    assert len({row["name"] for row in found}) > 30
    wrong = []
    for row in found:
        service = row["role"].removeprefix("alpr_")
        if row["owns"] and service == f"{row['schema']}_owner":
            continue
        expected = {"retention": RETENTION, "audit": LEDGER}.get(row["schema"], {}) if service == row["schema"] else {}
        if service == row["schema"] and (row["name"] in expected or service == "retention"):
            right = row["rights"] == expected.get(row["name"])
        else:
            right = service == row["schema"] and "TRUNCATE" not in row["rights"]
        if not right:
            wrong.append((row["role"], f"{row['schema']}.{row['name']}", row["rights"]))
    assert wrong == []
    held = {row["name"] for row in found if row["role"] == "alpr_retention"}
    assert held == set(RETENTION)
    assert {row["name"] for row in found if row["role"] == "alpr_audit"} >= set(LEDGER)


async def test_no_column_and_no_membership_opens_a_way_round(pg_database):
    columns = await rows_of(
        pg_database,
        """SELECT c.oid::regclass::text AS name, a.attname, x.grantee::regrole::text AS role, x.privilege_type
        FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace,
            aclexplode(a.attacl) AS x WHERE n.nspname = ANY ($1)""",
        list(SCHEMAS),
    )
    granted = {
        (row["name"], row["role"], row["privilege_type"])
        for row in columns
        if row["name"].startswith(("audit.", "retention."))
    }
    assert {entry for entry in granted if entry[2] == "SELECT"} == set()
    assert {row["attname"] for row in columns if row["name"] == "audit.intents"} == {
        "idx", "person_id", "agency_scope", "query",
    }  # fmt: skip
    roles = await rows_of(
        pg_database,
        """SELECT r.rolname, r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication AS strong,
            ARRAY(SELECT m.roleid::regrole::text FROM pg_auth_members AS m WHERE m.member = r.oid) AS member_of
        FROM pg_roles AS r WHERE r.rolname = ANY ($1)""",
        list(ROLES),
    )
    assert len(roles) == len(ROLES)
    assert [(row["rolname"], row["member_of"]) for row in roles if row["strong"] or row["member_of"]] == []


async def test_every_function_is_owned_pinned_and_granted_by_name(pg_database):
    functions = await rows_of(
        pg_database,
        """SELECT n.nspname AS schema, n.nspname || '.' || p.proname AS name, p.prosecdef AS definer,
            p.proowner::regrole::text AS owner, coalesce(p.proconfig, '{}') AS config,
            ARRAY(SELECT CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END
                FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS x) AS callers
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = ANY ($1)""",
        list(SCHEMAS),
    )
    assert len(functions) > 10
    callable_by = {}
    for row in functions:
        assert row["owner"] == f"alpr_{row['schema']}_owner", row["name"]
        assert "PUBLIC" not in row["callers"], row["name"]
        if row["definer"]:
            assert "search_path=pg_catalog, pg_temp" in row["config"], row["name"]
        for role in set(row["callers"]) - {row["owner"]}:
            callable_by.setdefault(role, set()).add(row["name"])
    assert callable_by["alpr_reader"] == EXECUTABLE["alpr_reader"]
    assert callable_by["alpr_retention"] == EXECUTABLE["alpr_retention"]
    assert callable_by["alpr_retention_owner"] == EXECUTABLE["alpr_retention_owner"]
    for role in ("alpr_audit", "alpr_console", "alpr_ingest"):
        assert all(name.startswith(role.removeprefix("alpr_") + ".") for name in callable_by.get(role, ())), role


async def test_rows_with_plates_are_behind_forced_restrictive_policies(pg_database):
    tables = await rows_of(
        pg_database,
        """SELECT n.nspname AS schema, c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS forced,
            EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND NOT p.polpermissive AND p.polcmd = '*'
                AND pg_get_expr(p.polqual, c.oid) ~ '(alpr.agencies|console.agency)'
                AND p.polroles = '{0}') AS restricted
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('retention', 'console') AND c.relkind IN ('r', 'p') AND NOT c.relispartition""",
    )
    open_ones = {f"{row['schema']}.{row['name']}" for row in tables if not (row["forced"] and row["restricted"])}
    assert open_ones & {f"console.{name}" for name in PLATE_TABLES} == set()
    assert {name for name in open_ones if name.startswith("retention.")} == {f"retention.{n}" for n in WITHOUT_PLATES}
    reader = await rows_of(
        pg_database, "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'", login="reader"
    )
    assert reader[0]["setting"] == "10000"


def act_of(plate="8TST001", **more):
    return {"act": "search", "search": {"plate": plate, "limit": 5, **more}}


async def test_an_intent_answers_once_as_it_was_committed_and_nothing_else_does(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read(), hits=[make_hit(make_read())])

        async def intent(act, kind="tested"):
            return (await doors.audit.door.record(kind, doors.person(), facts={}, personal={}, act=act)).index

        async def refused(code, call, index):
            with pytest.raises(FORBIDDEN, match=code):
                await doors.sql(f"SELECT retention.{call}($1)", index, login="reader")

        search, hits = await intent(act_of()), await intent({**act_of(), "act": "hits"})
        await refused("LEDGER_ENTRY_MISSING", "search_hits", search)
        await refused("LEDGER_ENTRY_MISSING", "search_reads", hits)
        for call, index in (("search_reads", search), ("search_hits", hits)):
            (row,) = await doors.sql(f"SELECT retention.{call}($1)", index, login="reader")
            assert json.loads(row[0])["plate"] == "8TST001"
            await refused("LEDGER_ENTRY_USED", call, index)
        area = {
            "area": {"south": 33.5, "west": -118.25, "north": 34, "east": -117.125},
            "captured_from": "2020-01-01T00:00:00+00:00",
        }
        assert (
            len(await doors.sql("SELECT retention.search_reads($1)", await intent(act_of(**area)), login="reader")) == 1
        )

        changes = {
            "query = jsonb_set(query, '{search,plate}', '\"OTHER\"')": "LEDGER_ENTRY_ALTERED",
            "query = query - 'search' || '{\"search\": {\"limit\": 500}}'": "LEDGER_ENTRY_ALTERED",
            "agency_scope = '{escondido}'": "LEDGER_ENTRY_ALTERED",
            "agency_scope = '{demo,escondido}'": "LEDGER_ENTRY_ALTERED",
            "person_id = 'p-2'": "LEDGER_ENTRY_ALTERED",
            "committed_at = now() - interval '31 s'": "LEDGER_ENTRY_STALE",
        }
        for change, code in changes.items():
            index = await intent(act_of())
            with pytest.raises(FORBIDDEN):
                await doors.sql(f"UPDATE audit.intents SET {change} WHERE idx = $1", index, login="audit")
            await doors.sql(f"UPDATE audit.intents SET {change} WHERE idx = $1", index)  # as the database's owner
            await refused(code, "search_reads", index)
        assert await doors.sql("SELECT 1 FROM retention.used_entries WHERE entry = $1", index) == []


async def test_the_database_writes_what_was_committed_to_as_the_ledger_does(pg_database):
    draw = random.Random(6)
    numbers = [0, -0.0, 1e-6, 1e-7, -1.5e-7, 123e-9, 1e20, 1e21, 1.5e22, 33.68, -117.83, 0.1, 5e-324, 2**53 - 1, -1,
               1e6, 100.0, *(draw.uniform(-180, 180) * 10.0 ** draw.randint(-12, 3) for _ in range(200))]  # fmt: skip
    texts = ["", "8TST001", '"\\/\b\f\n\r\t', "\x01\x1f\x7f", "Ö€\u2028😀", "</script>"]
    values = [*numbers, *texts, None, True, [], {}, {"b": [1, {"é": 2, "a": []}], "a": 1.50, "": None, "aa": "x"}]
    connection = await asyncpg.connect(pg_database.admin)
    try:
        for value in values:
            written = ledger.canonical({"v": value}).decode()
            assert await connection.fetchval("SELECT audit.canonical($1::jsonb)", written) == written
    finally:
        await connection.close()


async def test_a_refused_statement_leaves_no_right_behind(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read())
        index = (await doors.audit.door.record("tested", doors.person(), facts={}, personal={}, act=act_of())).index
        reader = await asyncpg.connect(pg_database.url("reader"))
        try:
            whole = reader.transaction()
            await whole.start()
            assert len(await reader.fetch("SELECT retention.search_reads($1)", index)) == 1
            for statement in (f"SELECT retention.search_reads({index})", "SELECT * FROM retention.reads"):
                part = reader.transaction()
                await part.start()
                with pytest.raises(FORBIDDEN):
                    await reader.fetch(statement)
                await part.rollback()
                assert await reader.fetchval("SELECT current_setting('alpr.agencies', true)") == ""
            await whole.rollback()
            # what was rolled back was not handed out: the entry may be used once more, and only once
            assert len(await reader.fetch("SELECT retention.search_reads($1)", index)) == 1
            with pytest.raises(FORBIDDEN, match="LEDGER_ENTRY_USED"):
                await reader.fetch("SELECT retention.search_reads($1)", index)
        finally:
            await reader.close()


async def test_the_ledgers_role_cannot_make_an_intent_that_the_ledger_does_not_show(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        await doors.keep(make_read())
        known = (await doors.audit.door.record("tested", doors.person(), facts={}, personal={})).index
        doors.stop.set()
        await doors.writing
        act, salt = act_of(), b"\1" * 32

        async def forge(index, *, permits=None, under_head=True):
            leaf = ledger.canonical({
                "kind": "forged", "scope": ["demo"],
                "permits": permits or ledger.commitment(salt, act),
            })  # fmt: skip
            add = [
                ("INSERT INTO audit.entries (idx, leaf, leaf_hash, kind, agency) VALUES ($1, $2, $3, 'forged', 'demo')",
                 index, leaf, hashlib.sha256(b"\0" + leaf).digest()),
                ("INSERT INTO audit.personal (idx, salt, content) VALUES ($1, $2, $3)", index, salt,
                 json.dumps({"person": {"person_id": "p-9"}})),
                ("INSERT INTO audit.intents (idx, person_id, agency_scope, query) VALUES ($1, 'p-9', '{demo}', $2)",
                 index, json.dumps(act)),
            ]  # fmt: skip
            for statement in add:
                await doors.sql(*statement, login="audit")
            if under_head:
                statement = "INSERT INTO audit.head (size, root, note) VALUES ($1, $2, 'a note that nobody signed')"
                await doors.sql(statement, index + 1, b"\2" * 32, login="audit")

        intents = "INSERT INTO audit.intents (idx, person_id, agency_scope, query) VALUES ($1, 'p-9', '{demo}', $2)"
        with pytest.raises(asyncpg.ForeignKeyViolationError):  # without an entry
            await doors.sql(intents, known + 1, json.dumps(act), login="audit")
        await doors.sql(intents, known, json.dumps(act), login="audit")  # on an entry that permits nothing
        with pytest.raises(FORBIDDEN, match="LEDGER_ENTRY_ALTERED"):
            await doors.sql("SELECT retention.search_reads($1)", known, login="reader")
        with pytest.raises(FORBIDDEN):  # kept fresh by a time to come
            await doors.sql(
                "INSERT INTO audit.intents (idx, person_id, agency_scope, query, committed_at)"
                " VALUES ($1, 'p-9', '{demo}', '{}', 'infinity')", known, login="audit",
            )  # fmt: skip
        await forge(known + 1, under_head=False)
        with pytest.raises(FORBIDDEN, match="LEDGER_ENTRY_MISSING"):
            await doors.sql("SELECT retention.search_reads($1)", known + 1, login="reader")
        await forge(known + 2, permits="00" * 32)
        with pytest.raises(FORBIDDEN, match="LEDGER_ENTRY_ALTERED"):
            await doors.sql("SELECT retention.search_reads($1)", known + 2, login="reader")
        # What is left to someone who has the ledger's own role: to write the whole look down, unsigned, for all to find.
        await forge(known + 3)
        assert len(await doors.sql("SELECT retention.search_reads($1)", known + 3, login="reader")) == 1
        assert not (await doors.audit.door.store.verify(doors.audit.writer.verifier))["sound"]


async def test_an_image_opens_once_for_the_person_whose_view_was_recorded(pg_database, tmp_path):
    async with Doors(pg_database, tmp_path) as doors:
        read = await doors.with_images(make_read())
        await doors.keep(read)

        async def view(**changes):
            act = {"act": "image", "read_id": read.read_id, "role": "closeup",
                   "captured_at": read.captured_at.isoformat(), **changes}  # fmt: skip
            receipt = await doors.audit.door.record("tested", doors.person(), facts={}, personal={}, act=act)
            return receipt.index

        async def get(index, **person):
            return await doors.shelf.get(f"/v1/images/{index}", headers=doors.auth(**person))

        entry = await view()
        other = await get(entry, person_id="p-2")
        assert (other.status_code, other.json()["reason_code"]) == (403, "LEDGER_ENTRY_MISSING")
        shown = await get(entry)
        assert (shown.status_code, shown.content) == (200, JPEG)
        for index, code in ((entry, "LEDGER_ENTRY_USED"), (entry + 1000, "LEDGER_ENTRY_MISSING")):
            assert (await get(index)).json()["reason_code"] == code
        (await view(), await doors.sql("UPDATE audit.intents SET query = jsonb_set(query, '{role}', '\"context\"')"))
        newest = (await doors.sql("SELECT max(idx) FROM audit.intents"))[0][0]
        assert (await get(newest)).json()["reason_code"] == "LEDGER_ENTRY_ALTERED"
        searching = await doors.audit.door.record("tested", doors.person(), facts={}, personal={}, act=act_of())
        assert (await get(searching.index)).json()["reason_code"] == "LEDGER_ENTRY_MISSING"
        assert (await get(await view(read_id=make_id("read", "nowhere")))).status_code == 404
        with pytest.raises(FORBIDDEN):
            await doors.sql("SELECT retention.open_view($1, 'p-1')", await view(), login="reader")


async def test_a_replica_answers_nothing(tmp_path):
    with LocalPostgres(tmp_path / "state", durable=False) as dsn:
        database = Database(dsn, "tests")
        await _prepared(database)
    folder = (tmp_path / "state" / "postgres").resolve()
    (folder / "standby.signal").touch()
    with LocalPostgres(tmp_path / "state", durable=False) as dsn:
        database = Database(dsn, "tests")
        assert (await rows_of(database, "SELECT pg_is_in_recovery()"))[0][0]
        for call in ("search_reads(1)", "search_hits(1)"):
            with pytest.raises(FORBIDDEN, match="LEDGER_NOT_PRIMARY"):
                await rows_of(database, f"SELECT retention.{call}", login="reader")


async def _prepared(database):
    import asyncio

    def work():
        database.prepare()
        for schema in ("audit", "retention"):
            migrate(database.url(f"{schema}_owner"), f"alpr_{schema}", schema, "head")

    await asyncio.to_thread(work)


AGENCIES = ("demo", "escondido", "irvine", "roseville")
ODD = ("", "*", "%", "demo\0"[:4] + " ", "DEMO", "demo' OR true --", "{demo}", "demo;escondido", ",", "nobody", "NULL")


async def _furnish(doors):
    base = utc_now() - timedelta(days=2)
    for number, agency in enumerate(AGENCIES):
        reads = [
            make_read(f"7AGY{n:03}", number=1000 * number + n, agency=agency, captured_at=base + timedelta(minutes=n))
            for n in range(6)
        ]
        for read in reads:
            await doors.keep(read, hits=[make_hit(read)])
        await doors.sql(
            "INSERT INTO retention.holds (hold_id, agency, ground, case_reference, placed_by, placed_at, read_ids, by_query)"
            " VALUES (gen_random_uuid(), $1, 'g', 'c', 'p', now(), ARRAY[gen_random_uuid()], false)", agency,
        )  # fmt: skip
        await doors.sql(
            "INSERT INTO console.hits VALUES ('hit-' || $1, $1, 1, now(), '{}', 'e', '', 'k', now(), now())", agency
        )
        await doors.sql("INSERT INTO console.events VALUES ($1, 1, 'i', now(), now())", agency)


async def _fuzz(database, rounds, seed):
    """Random settings and statements as the services' own roles; every row must be of an agency that was named."""
    draw = random.Random(seed)
    statements = {
        "retention": (
            "alpr.agencies",
            [
                "SELECT agency FROM retention.reads WHERE agency = $1::text OR true",
                "SELECT agency FROM retention.reads WHERE plate LIKE '7AGY%' AND $1::text <> ''",
                "SELECT agency FROM retention.hits WHERE list_code = 'SVS' OR agency = $1::text",
                "SELECT agency FROM retention.holds WHERE $1::text IS NOT NULL",
                "SELECT agency FROM retention.live_hits ORDER BY $1::text",
                "SELECT r.agency FROM retention.reads r JOIN retention.hits h USING (read_id) WHERE h.agency <> $1::text OR true",
                "UPDATE retention.reads SET revision = revision WHERE agency = $1::text RETURNING agency",
            ],
        ),
        "console": (
            "console.agency",
            [
                "SELECT agency FROM console.hits WHERE agency = $1::text OR true",
                "SELECT agency FROM console.events WHERE $1::text <> 'x'",
            ],
        ),
    }
    foreign = seen = 0
    for role, (setting, asked) in statements.items():
        connection = await asyncpg.connect(database.url(role))
        try:
            for statement in asked:  # nothing named, nothing seen
                assert await connection.fetch(statement, "demo") == []
            for _ in range(rounds // 2):
                wanted = draw.sample(AGENCIES, draw.randrange(3)) + draw.sample(ODD, draw.randrange(2))
                spoken = ",".join(wanted) if role == "retention" else (wanted or [""])[0]
                if (role, spoken) == ("console", "*"):
                    continue  # the purge of live hits, which reads no card
                async with connection.transaction():
                    await connection.fetchval("SELECT set_config($1, $2, true)", setting, spoken)
                    rows = await connection.fetch(draw.choice(asked), draw.choice(AGENCIES + ODD))
                seen += len(rows)
                foreign += sum(row["agency"] not in re.split(",", spoken) for row in rows)
        finally:
            await connection.close()
    return seen, foreign


@pytest.mark.parametrize("rounds", [1_600, pytest.param(90_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
async def test_no_request_of_one_agency_sees_a_row_of_another(pg_database, tmp_path, rounds):
    async with Doors(pg_database, tmp_path) as doors:
        await _furnish(doors)
        seen, foreign = await _fuzz(pg_database, rounds, seed=8)
        assert seen > rounds
        assert foreign == 0
        draw = random.Random(9)
        reader = await asyncpg.connect(pg_database.url("reader"))
        for _ in range(rounds // 8):
            agency = draw.choice(AGENCIES)
            search = draw.choice([
                {"plate": f"7AGY00{draw.randrange(6)}"}, {"partial": "7A*"}, {"partial": "*00?"}, {"partial": "?AGY??3"},
                {"list_code": "SVS"}, {"device_ids": [f"{draw.choice(AGENCIES)}-device"]}, {"captured_from": "2020-01-01T00:00:00Z"},
                {"area": {"south": -90, "west": -180, "north": 90, "east": 180}}, {"agency": draw.choice(AGENCIES)},
            ])  # fmt: skip
            act, call = draw.choice([("search", "search_reads"), ("hits", "search_hits")])
            receipt = await doors.audit.door.record(
                "tested", doors.person(agency=agency), facts={}, personal={},
                act={"act": act, "search": {**search, "limit": 50}},
            )  # fmt: skip
            rows = await reader.fetch(f"SELECT retention.{call}($1)", receipt.index)
            assert {json.loads(row[0])["agency"] for row in rows} <= {agency}, search
        await reader.close()
