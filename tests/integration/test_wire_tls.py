"""TLS between services and to the database, keys from where an agency keeps them, and what accounts may read there."""

import asyncio
import base64
import ipaddress
import os
import pwd
import shutil
import ssl
import sys
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from cryptography import x509
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from alpr_cli.local import free_port
from alpr_cli.main import main
from alpr_console.doors import DoorAway, Doors
from alprcore.errors import InvalidMessage, Misconfigured, Transient
from alprcore.keys import key_text
from alprcore.migrate import ROLES, prepare_database
from alprcore.model import AuditEvent, Person, event_id
from alprcore.postgres import connect, translated
from alprcore.runtime import ServiceSettings, serve_http
from alprcore.seal import ListKeys, SigningKey, TextsKey
from alprcore.tls import client_context, server_context
from alprcore.told import opened, sealing
from alprcore.topics import Topic
from alprcore.wire import decode_audit_event, encode_audit_event
from tests.fixtures.certificates import Certificates

HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
PERSON = Person("p-1", "tester", "Tess Tester", "a test", "alder", ("officer",), "s-1", "127.0.0.1")


def utc_now():
    return datetime.now(UTC)


async def hello(_request):
    return PlainTextResponse("hello")


@asynccontextmanager
async def door(cert, key):
    """A service's HTTP door with this certificate; answers its port."""
    settings = ServiceSettings(port=free_port(), tls_cert_file=cert, tls_key_file=key)
    stop = asyncio.Event()
    serving = asyncio.create_task(serve_http(Starlette(routes=[Route("/v1/hello", hello)]), settings, stop))
    for _ in range(100):
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", settings.port)
            writer.close()
            break
        await asyncio.sleep(0.05)
    try:
        yield settings.port
    finally:
        stop.set()
        await serving


async def ask(url, authorities):
    doors = Doors({"audit": url}, SigningKey(b"k" * 32), utc_now, 5.0, authorities)
    try:
        answer = await doors.call("audit", "GET", "/v1/hello", PERSON)
        return (await answer.response.aread()).decode()
    finally:
        await doors.close()


def test_the_console_believes_a_door_by_its_certificate_alone(tmp_path):
    ours = Certificates(tmp_path)
    cert, key = ours.issue("audit", HERE)
    elsewhere, other = ours.issue("elsewhere", x509.DNSName("elsewhere.example")), tmp_path / "other"
    other.mkdir()
    unknown = Certificates(other)

    async def tried():
        async with door(cert, key) as port:
            url = f"https://127.0.0.1:{port}"
            assert await ask(url, ours.ca) == "hello"
            for authorities in (unknown.ca, None):
                with pytest.raises(DoorAway):
                    await ask(url, authorities)
            with pytest.raises(DoorAway):
                await ask(f"http://127.0.0.1:{port}", ours.ca)
        async with door(*elsewhere) as port:
            with pytest.raises(DoorAway):
                await ask(f"https://127.0.0.1:{port}", ours.ca)

    asyncio.run(tried())
    for context in (client_context(ours.ca), server_context(cert, key)):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


async def shown(port, context):
    """The serial number of the certificate that a new connection is shown."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    return found


def test_a_door_shows_a_renewed_certificate_and_keeps_the_old_one_while_the_new_is_half_written(tmp_path):
    ours = Certificates(tmp_path)
    cert, key = ours.issue("audit", HERE)

    async def renewed():
        context = client_context(ours.ca)
        async with door(cert, key) as port, httpx.AsyncClient(verify=context) as open_all_the_time:
            url = f"https://127.0.0.1:{port}/v1/hello"
            assert (await open_all_the_time.get(url)).text == "hello"
            first = await shown(port, context)
            whole = cert.read_bytes()
            cert.write_bytes(whole[: len(whole) // 2])
            assert await shown(port, context) == first
            ours.issue("audit", HERE)  # into the same files
            second = await shown(port, context)
            assert second != first
            assert (await open_all_the_time.get(url)).text == "hello"
            fresh, place = tmp_path / "fresh", tmp_path / "ca.pem"
            fresh.mkdir()
            next_ones = Certificates(fresh)
            trusting = client_context(place)
            for old, new in zip((cert, key), next_ones.issue("audit", HERE), strict=True):
                old.write_bytes(new.read_bytes())
            with pytest.raises(ssl.SSLCertVerificationError):
                await shown(port, trusting)
            place.write_bytes(place.read_bytes() + next_ones.ca.read_bytes())  # the next authority joins the old one
            assert await shown(port, trusting) not in (first, second)

    asyncio.run(renewed())


def test_a_certificate_that_is_none_keeps_a_service_from_starting(tmp_path):
    ours = Certificates(tmp_path)
    cert, key = ours.issue("audit", HERE)
    (tmp_path / "empty").touch()
    for settings in (
        {"tls_cert_file": cert},
        {"tls_key_file": key},
        {"tls_cert_file": tmp_path / "empty", "tls_key_file": key},
        {"tls_cert_file": ours.client_cert, "tls_key_file": key},
        {"tls_cert_file": tmp_path / "nowhere", "tls_key_file": key},
    ):
        with pytest.raises(Misconfigured):
            asyncio.run(serve_http(Starlette(), ServiceSettings(port=0, **settings), asyncio.Event()))


@pytest.fixture
def tls_database(pg_admin_dsn, pg_database):
    """The session's server with TLS switched on for this test, and the folder of its certificates."""
    if asyncio.run(first_value(pg_admin_dsn, "SELECT inet_server_addr()::text")) != "127.0.0.1/32":
        pytest.skip("the database is not a server of this machine: its certificate cannot be set")
    folder = Path(tempfile.mkdtemp(prefix="plateline-tls-"))
    folder.chmod(0o755)
    ours = Certificates(folder)
    cert, key = ours.issue("database", HERE)
    key.chmod(0o600)
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        for file in (cert, key):
            os.chown(file, owner.pw_uid, owner.pw_gid)
    before = asyncio.run(first_value(pg_admin_dsn, "SHOW ssl"))
    if before == "on":
        pytest.skip("the database has a certificate of its own, which this test does not replace")
    settings = {"ssl_cert_file": f"'{cert}'", "ssl_key_file": f"'{key}'", "ssl": "on"}
    try:
        asyncio.run(run(pg_admin_dsn, *(f"ALTER SYSTEM SET {name} = {value}" for name, value in settings.items())))
        asyncio.run(run(pg_admin_dsn, "SELECT pg_reload_conf()"))
        for _ in range(100):
            if asyncio.run(first_value(pg_admin_dsn, "SHOW ssl")) == "on":
                break
        else:
            pytest.skip("the database has no TLS")
        yield pg_database, ours
    finally:
        asyncio.run(run(pg_admin_dsn, *(f"ALTER SYSTEM RESET {name}" for name in settings), "SELECT pg_reload_conf()"))
        shutil.rmtree(folder, ignore_errors=True)


async def first_value(dsn, statement):
    return (await rows(dsn, statement))[0][0]


async def run(dsn, *statements):
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def with_query(url, query):
    return urlunsplit(urlsplit(url)._replace(query=query))


def test_the_database_is_reached_by_tls_and_under_its_own_name_only(tls_database, tmp_path):
    database, ours = tls_database
    other = tmp_path / "other"
    other.mkdir()
    unknown = Certificates(other).ca
    url = with_query(database.url("ingest"), f"sslmode=verify-full&sslrootcert={ours.ca}")

    async def reach(address):
        pool = await connect(address, max=1)
        try:
            return await pool.fetchrow("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        finally:
            await pool.close()

    assert tuple(asyncio.run(reach(url))) == (True, "TLSv1.3")
    with pytest.raises(Transient):
        asyncio.run(reach(with_query(url, f"sslmode=verify-full&sslrootcert={unknown}")))


def test_a_database_password_is_changed_while_its_service_goes_on(pg_database, tmp_path):
    parts = urlsplit(pg_database.url("ingest"))
    file = tmp_path / "password"
    file.write_text(f"{parts.password}\n")
    bare = parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port}", query=f"password_file={file}")

    async def rotate():
        pool = await connect(urlunsplit(bare), min=1, max=3)
        try:
            async with pool.acquire() as first:
                file.write_text("another one, which the server does not know")
                with pytest.raises(Transient), translated():
                    await pool.fetchval("SELECT 1")  # the pool grows while role and file differ: tried again later
                file.unlink()
                with pytest.raises(Transient), translated():
                    await pool.fetchval("SELECT 1")  # the last password that was read stands
                assert await first.fetchval("SELECT 1") == 1  # what is open stays open
                file.write_text(parts.password)
                async with pool.acquire() as second:
                    return await second.fetchval("SELECT current_user")
        finally:
            await pool.close()

    assert asyncio.run(rotate()) == "alpr_ingest"
    file.write_text("another one, which the server does not know")
    for wrong in (file, tmp_path / "nowhere"):
        with pytest.raises(Misconfigured):
            asyncio.run(connect(urlunsplit(bare._replace(query=f"password_file={wrong}"))))


@pytest.mark.requirement("SEC-01", partial="the database's accounts; those of the broker are in test_wire_access")
def test_the_recognizer_has_no_account_and_no_account_reads_another_service_s_lists(pg_database):
    assert not [role for role in ROLES if "recognizer" in role or "matcher" in role]
    with pytest.raises(Misconfigured):
        prepare_database(pg_database.admin, {"alpr_recognizer": "a wish"})

    async def open_to_others():
        names = [
            row["name"]
            for row in await rows(
                pg_database.admin,
                "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname = ANY ($1)",
                ["ingest", "audit", "retention", "console"],
            )
        ]
        assert "ingest.entries" in names
        found = []
        for login_name in ("ingest", "audit", "retention", "console", "reader"):
            theirs = [name for name in names if not name.startswith(f"{login_name}.")]
            found += [(login_name, name) for name in await readable(pg_database.url(login_name), theirs)]
        return found

    assert asyncio.run(open_to_others()) == []


async def rows(dsn, statement, *arguments):
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()


async def readable(dsn, names):
    """Those of these tables that this account reads."""
    connection, found = await asyncpg.connect(dsn), []
    try:
        for name in names:
            try:
                await connection.fetch(f"SELECT * FROM {name} LIMIT 1")
            except asyncpg.InsufficientPrivilegeError:
                continue
            found.append(name)
    finally:
        await connection.close()
    return found


PROGRAM = "import sys; sys.stdout.write(open(sys.argv[1]).read())"


def test_a_key_comes_from_a_file_the_environment_or_the_agency_s_key_management(tmp_path, monkeypatch):
    made = ListKeys.generate(tmp_path / "list.keys", "list-1")
    sealed, key_id = made.seal(b"details", entry_id="e-1")
    monkeypatch.setenv("LIST_KEYS_OF_A_TEST", (tmp_path / "list.keys").read_text())
    program = tmp_path / "kms.py"
    program.write_text(PROGRAM)
    ways = (
        tmp_path / "list.keys",
        str(tmp_path / "list.keys"),
        "env:LIST_KEYS_OF_A_TEST",
        f"exec:{sys.executable} {program} {tmp_path / 'list.keys'}",
    )
    for way in ways:
        assert ListKeys.load(way).open(sealed, key_id, entry_id="e-1") == b"details"
    SigningKey.generate(tmp_path / "one.key")
    assert SigningKey.load(f"exec:{sys.executable} {program} {tmp_path / 'one.key'}").public


@pytest.mark.parametrize("reference", [
    "env:NO_SUCH_VARIABLE_OF_A_TEST", "exec:", "exec:/no/such/program", f"exec:{sys.executable} -c 1/0",
    "/no/such/file",
])  # fmt: skip
def test_a_key_that_does_not_come_names_the_setting_and_nothing_else(reference, monkeypatch):
    monkeypatch.setenv("HIDDEN_OF_A_TEST", "not to be shown")
    with pytest.raises(Misconfigured) as told:
        key_text(reference)
    assert "not to be shown" not in str(told.value)
    assert "ZeroDivision" not in str(told.value)


@pytest.mark.parametrize("load", [ListKeys.load, SigningKey.load, TextsKey.load, key_text])
@pytest.mark.parametrize("before", ["", 'exec:"'])
def test_a_key_that_stands_where_its_name_belongs_is_not_told(load, before):
    text = base64.b64encode(b"the very secret key of a service").decode()
    with pytest.raises(Misconfigured) as told:
        load(f"{before}{text}")
    assert text not in str(told.value)


def test_a_password_does_not_stand_in_a_command(capsys):
    way = '{"kind": "sasl", "username": "alpr-operator", "password": "a secret of this test"}'
    assert main(["dlq", "--security", way, "list"]) == os.EX_CONFIG
    told = capsys.readouterr().err
    assert "password_file" in told
    assert "a secret of this test" not in told


def event(personal):
    return AuditEvent(
        event_id=event_id("subject", "hit_presented", "1"), occurred_at=utc_now(), agency="alder", kind="hit_presented",
        service="console", facts={"hit_id": "h-1"}, personal=personal,
    )  # fmt: skip


def test_what_the_ledger_is_told_of_people_travels_sealed_and_is_opened_by_audit_alone(tmp_path):
    key, other = TextsKey.generate(tmp_path / "events.key"), TextsKey.generate(tmp_path / "other.key")
    told = event({"full_name": "Tess Tester", "plate": "7HGK418"})
    plain = encode_audit_event(told)
    assert b"Tess Tester" in plain, "the search finds what is not sealed"
    before = sealing(TextsKey.load(tmp_path / "events.key").public)
    value = before[Topic.AUDIT](plain)
    for needle in (b"Tess", b"7HGK418", base64.b64encode(b"Tess Tester")):
        assert needle not in value
    assert before[Topic.AUDIT](value) == value, "a dead letter that is played again is not sealed twice"
    seen = decode_audit_event(value, {"ce_type": b"alpr.v1.audit_event"})
    assert seen.facts == told.facts
    assert opened(seen, key) == told
    assert opened(seen, None).personal.keys() == {"sealed"}, "kept as it came, for whoever has the key"
    with pytest.raises(InvalidMessage):
        opened(seen, other)
    with pytest.raises(InvalidMessage):
        opened(replace(seen, event_id="another"), key)
    assert opened(told, key) == told, "the release before sent it in the clear"
    assert sealing("") == {}
    for wrong in ("no key", base64.b64encode(b"short").decode()):
        with pytest.raises(Misconfigured):
            sealing(wrong)
