"""Looks at the database with each service's own account: rights, encryption, tables, clock, purges and the ledger."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import asyncpg

from alpr_cli.doctor.found import Found
from alpr_cli.doctor.rules import (
    Finding,
    Level,
    head_size,
    head_text,
    is_local,
    judge_clock,
    judge_encryption,
    judge_heads,
    judge_login,
    judge_published,
    judge_purges,
    judge_schema,
    judge_server,
)
from alprcore.errors import InvalidMessage, Misconfigured
from alprcore.postgres import login, newest_revision
from alprcore.seal import SigningKey, note_verifier, verify_note

_TIMEOUT_S: Final = 10.0
_LOOKS: Final = 5
_LOGINS: Final = (
    ("audit", "database_url"),
    ("audit", "reader_database_url"),
    ("ingest", "database_url"),
    ("retention", "database_url"),
    ("console", "database_url"),
)
_AWAY: Final = (Misconfigured, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError)
_ROLE: Final = """
SELECT r.rolsuper AS superuser, r.rolbypassrls AS bypass, r.rolcreaterole OR r.rolcreatedb AS creates,
    EXISTS (SELECT FROM pg_class AS c WHERE c.relowner = r.oid AND c.relnamespace = to_regnamespace($1)) AS owner,
    coalesce((SELECT s.ssl FROM pg_stat_ssl AS s WHERE s.pid = pg_backend_pid()), false) AS encrypted
FROM pg_roles AS r WHERE r.rolname = current_user
"""
_SERVER: Final = """
SELECT name, current_setting(name, true) FROM unnest(ARRAY['fsync', 'full_page_writes', 'synchronous_commit',
    'data_checksums', 'log_statement', 'log_min_duration_statement', 'log_parameter_max_length',
    'log_parameter_max_length_on_error']) AS name
"""
_CHANGES: Final = """
SELECT t FROM unnest(ARRAY['audit.entries', 'audit.intents', 'audit.nodes', 'audit.head']) AS t
WHERE has_table_privilege(t, 'UPDATE') OR has_table_privilege(t, 'DELETE') OR has_table_privilege(t, 'TRUNCATE')
"""
_LAST_RUN: Final = """
SELECT outcome, finished_at FROM retention.purge_runs WHERE finished_at IS NOT NULL ORDER BY started_at DESC LIMIT 1
"""


async def check_databases(found: Found, now: datetime) -> list[Finding]:
    """Check every login that a setting names; what the server itself is told is judged once."""
    findings: list[Finding] = []
    judged = False
    for service, name in _LOGINS:
        if service not in found.settings:
            continue
        subject = service if name == "database_url" else f"{service}, searching"
        url = str(found.settings[service].get(name, ""))
        if not url:
            findings.append(Finding("database", subject, Level.FAIL, f"{name} is not set"))
            continue
        try:
            connection = await asyncpg.connect(**login(url), timeout=_TIMEOUT_S, command_timeout=_TIMEOUT_S)
        except _AWAY as error:
            words = f"does not answer this account: {type(error).__name__}"
            findings.append(
                Finding("database", subject, Level.FAIL, words, "look at address, account and certificates")
            )
            continue
        try:
            findings.append(Finding("database", subject, Level.OK, "answers"))
            findings += await _login(connection, subject, service, url)
            if not judged:
                findings += await _server(connection)
                judged = True
            if name == "database_url":
                findings += await _service(connection, service, found, now)
        except _AWAY as error:
            findings.append(Finding("database", subject, Level.FAIL, f"broke off: {type(error).__name__}"))
        finally:
            await connection.close()
    return findings


async def _login(connection: Any, subject: str, service: str, url: str) -> list[Finding]:
    role = await connection.fetchrow(_ROLE, service)
    local = is_local(urlsplit(url).netloc) or "/" in "".join(parse_qs(urlsplit(url).query).get("host", []))
    return [
        judge_login(subject, dict(role)),
        judge_encryption("database.tls", subject, encrypted=bool(role["encrypted"]), local=local),
    ]


async def _server(connection: Any) -> list[Finding]:
    told = {row[0]: str(row[1]) for row in await connection.fetch(_SERVER)}
    version = int(await connection.fetchval("SELECT current_setting('server_version_num')"))
    return [*judge_server(told, version), judge_clock("database", *await _ahead(connection))]


async def _ahead(connection: Any) -> tuple[float, float]:
    """By how many seconds the server's clock is ahead, and how exactly that is known: of several looks the quickest."""
    looks = []
    for _ in range(_LOOKS):
        before = time.time()
        theirs = (await connection.fetchval("SELECT clock_timestamp()")).timestamp()
        after = time.time()
        looks.append(((after - before) / 2, theirs - (before + after) / 2))
    unsure, ahead = min(looks)
    return ahead, unsure


async def _service(connection: Any, service: str, found: Found, now: datetime) -> list[Finding]:
    findings = [await _schema(connection, service)]
    if service == "audit":
        findings += await _ledger(connection, found, now)
    if service == "retention":
        vouched = bool(await connection.fetchval("SELECT retention.vouched()"))
        last = await connection.fetchrow(_LAST_RUN)
        outcome, finished = (str(last["outcome"]), last["finished_at"]) if last else ("", None)
        findings += judge_purges(vouched, outcome, finished, now, due=False)
    return findings


async def _schema(connection: Any, schema: str) -> Finding:
    package = f"alpr_{schema}"
    try:
        if not (files(package) / "migrations").is_dir():
            raise ModuleNotFoundError(package)
    except ModuleNotFoundError:
        return Finding("schema", schema, Level.NOTE, "this release's migrations are not installed here")
    try:
        revision = await connection.fetchval(f"SELECT version_num FROM {schema}.alembic_version")  # noqa: S608 - one of four
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError):
        revision = ""
    return judge_schema(schema, str(revision or ""), newest_revision(package, "pre"), newest_revision(package))


async def _ledger(connection: Any, found: Found, now: datetime) -> list[Finding]:
    settings = found.settings["audit"]
    findings: list[Finding] = []
    open_tables = [row[0] for row in await connection.fetch(_CHANGES)]
    if open_tables:
        words = f"may change {', '.join(open_tables)}"
        findings.append(
            Finding("ledger.rights", "audit", Level.FAIL, words, "revoke it: migrations grant INSERT and SELECT")
        )
    else:
        findings.append(Finding("ledger.rights", "audit", Level.OK, "may add and read, nothing else"))
    row = await connection.fetchrow("SELECT size, note, committed_at FROM audit.head ORDER BY size DESC LIMIT 1")
    size, note = (int(row["size"]), str(row["note"])) if row else (0, "")
    behind = now - row["committed_at"] if row else now - now
    if not settings.get("checkpoint_file"):
        findings.append(Finding("ledger", "head", Level.FAIL, "checkpoint_file is not set"))
        return findings
    file = found.place("audit", settings["checkpoint_file"])
    kept = file.read_text("utf-8") if file.is_file() else ""
    if not kept and not file.parent.is_dir():
        findings.append(Finding("ledger", "head", Level.NOTE, f"the folder of {file} is not to be seen from here"))
        return findings
    findings.append(judge_heads(head_size(kept) if kept else None, size, same=head_text(kept) == head_text(note)))
    findings.append(_signed(found, settings, kept))
    folder = found.place("audit", settings["public_folder"]) if settings.get("public_folder") else None
    if folder is not None and folder.is_dir():
        shown = [
            head_size(one.read_text("utf-8")) for one in (*folder.glob("checkpoint"), *folder.glob("*/checkpoint"))
        ]
        findings.append(judge_published("public folder", max(shown, default=0), size, behind))
    if settings.get("witnesses"):
        cosigned = found.place("audit", settings.get("cosigned_file") or file.with_suffix(".cosigned"))
        by_them = head_size(cosigned.read_text("utf-8")) if cosigned.is_file() else 0
        findings.append(judge_published("witnesses", by_them, size, behind))
    return findings


def _signed(found: Found, settings: Mapping[str, Any], note: str) -> Finding:
    """Whether the ledger's own key signed the head that is kept outside."""
    if not note:
        return Finding("ledger", "signature", Level.NOTE, "nothing is signed yet")
    origin = note.partition("\n")[0]
    try:
        public = SigningKey.load(found.key("audit", settings.get("ledger_key_file", ""))).public
        verify_note(note, note_verifier(origin, public))
    except (Misconfigured, InvalidMessage, OSError) as error:
        words = f"the head's signature does not hold under the ledger's key: {type(error).__name__}"
        return Finding("ledger", "signature", Level.FAIL, words, "alpr audit fsck")
    return Finding("ledger", "signature", Level.OK, f"signed as {origin}")


def database_certificate(url: str) -> bytes | None:
    """Fetch the certificate that a PostgreSQL server shows, DER; None when it speaks in the clear or is away."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5432), timeout=_TIMEOUT_S) as plain:
            plain.sendall(_SSL_REQUEST)
            if plain.recv(1) != b"S":
                return None
            with unverified().wrap_socket(plain) as wrapped:
                return wrapped.getpeercert(binary_form=True)
    except OSError:
        return None


_SSL_REQUEST: Final = (8).to_bytes(4) + (80877103).to_bytes(4)  # PostgreSQL protocol 3, message SSLRequest


def unverified() -> ssl.SSLContext:
    """A context that takes any certificate: to look at one, also when it is over; nothing is sent through it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def utc_now() -> datetime:
    """The clock of this command."""
    return datetime.now(UTC)
