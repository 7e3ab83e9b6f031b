"""What is right and what is wrong about a deployment: judgments over what was found, without looking anywhere.

A check has a name that never changes, so that monitoring and the control register can rely on it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Final


class Level(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    """Nothing to be done, or not to be seen from here."""
    WARN = "warn"
    """Works, and should not stay so."""
    FAIL = "fail"
    """Does not work, or breaks a rule."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found about one thing, in words that hold no secret; `remedy` says what to do about it."""

    check: str
    subject: str
    level: Level
    words: str
    remedy: str = ""


CHECKS: Final[Mapping[str, str]] = {
    "settings": "every service's settings can be read and fit each other",
    "demonstration": "nothing that is only for trying is switched on",
    "broker": "the brokers answer with each service's own account",
    "broker.tls": "what goes to the brokers is encrypted",
    "topics": "topics are there, with the partitions and settings that the contract declares",
    "topics.retention": "no topic keeps records of reads longer than a policy allows (RET-11)",
    "topics.copies": "each partition has the copies that survive the loss of a broker",
    "database": "the database answers with each service's own account",
    "database.tls": "what goes to the database is encrypted",
    "database.rights": "no service's account is an administrator, owns its tables or passes by row security",
    "database.durable": "the database survives a power cut and tells of damaged pages",
    "database.log": "the database's log holds no values of statements",
    "schema": "the tables are what this release needs",
    "clock": "the clocks agree and are kept by a time service (CJIS AU-8)",
    "keys": "key files are there, hold keys, are closed to others, and fit each other",
    "keys.days": "keys for images of the days to come are ready",
    "objects": "images can be written, read and deleted",
    "ledger": "the head outside the database is signed, fresh and what the database holds",
    "ledger.rights": "the ledger's account can change and delete nothing in it",
    "purges": "purges of before are done in this database, and the last run is fresh and complete",
    "certificates": "no certificate ends soon",
    "disk": "there is room",
    "doors": "every service says that it is ready",
}
"""The checks by name and what each says when it is well."""

CERTIFICATE_WARN: Final = timedelta(days=30)
CERTIFICATE_FAIL: Final = timedelta(days=3)
DISK_WARN: Final = 0.20
DISK_FAIL: Final = 0.05
CLOCK_WARN_S: Final = 0.1
"""CJIS AU-8 counts hundredths of a second; a tenth is the alarm."""
CLOCK_FAIL_S: Final = 2.0
"""Person tokens live 5 s and may be 2 s ahead: beyond that nobody gets in."""
PURGE_WARN: Final = timedelta(hours=30)
PURGE_FAIL: Final = timedelta(hours=72)
PUBLISHED_LATE: Final = timedelta(minutes=5)
COPIES: Final = 3
OLDEST_SERVER: Final = 150000
_LEVELS: Final = (Level.OK, Level.NOTE, Level.WARN, Level.FAIL)
EXIT: Final[Mapping[Level, int]] = {Level.OK: 0, Level.NOTE: 0, Level.WARN: 10, Level.FAIL: 30}
"""Exit status by the worst finding."""


def worst(findings: Iterable[Finding]) -> Level:
    """Give the gravest level."""
    return max((finding.level for finding in findings), key=_LEVELS.index, default=Level.OK)


def is_local(address: str) -> bool:
    """Tell whether an address of the form host, host:port or [host]:port is this machine's own."""
    host = address.rsplit("@", 1)[-1]
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    if host in {"localhost", ""} or host.startswith("/"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def judge_encryption(check: str, subject: str, *, encrypted: bool, local: bool) -> Finding:
    """Judge a connection: in the clear it may go to this machine only (SEC-01)."""
    if encrypted:
        return Finding(check, subject, Level.OK, "encrypted")
    if local:
        return Finding(check, subject, Level.OK, "in the clear, on this machine only")
    return Finding(check, subject, Level.WARN, "in the clear over a network", "set it up with TLS: docs/security.md")


def judge_topic(name: str, declared: Mapping[str, str], found: Mapping[str, str]) -> list[Finding]:
    """Compare a topic's settings with those declared."""
    wrong = [
        f"{key} is {found.get(key, 'not known')}, declared {value}"
        for key, value in sorted(declared.items())
        if found.get(key) != value
    ]
    remedy = "alpr topics apply" if wrong else ""
    return [Finding("topics", name, Level.WARN, words, remedy) for words in wrong]


def judge_partitions(name: str, declared: int, found: int) -> Finding | None:
    """Compare a topic's number of partitions: fewer is too few, more is a choice where nothing is joined by key."""
    if found == declared:
        return None
    level = Level.FAIL if found < declared else Level.NOTE
    return Finding("topics", name, level, f"{found} partitions, declared {declared}", "alpr topics apply")


def judge_copies(name: str, copies: int, in_sync: int, leaderless: int, brokers: int) -> Finding | None:
    """Judge the copies of a topic's weakest partition."""
    if leaderless:
        words = f"{leaderless} partitions have no leader: nothing can be written there"
        return Finding("topics.copies", name, Level.FAIL, words, "bring the broker back that holds them")
    if in_sync < copies:
        words = f"a partition has {in_sync} of {copies} copies in sync"
        return Finding("topics.copies", name, Level.WARN, words, "look at the brokers: one is away or behind")
    if copies < min(COPIES, brokers):
        words = f"{copies} copies on {brokers} brokers"
        return Finding("topics.copies", name, Level.WARN, words, f"give it {COPIES} copies (kafka-reassign-partitions)")
    return None


def judge_certificate(subject: str, ends: datetime, now: datetime) -> Finding:
    """Judge how long a certificate still holds."""
    left = ends - now
    words = f"ends {ends:%Y-%m-%d %H:%M} UTC"
    if left <= timedelta(0):
        return Finding("certificates", subject, Level.FAIL, f"{words}: it is over", "renew it now")
    if left <= CERTIFICATE_FAIL:
        return Finding("certificates", subject, Level.FAIL, f"{words}, in {left.days} days", "renew it now")
    if left <= CERTIFICATE_WARN:
        return Finding("certificates", subject, Level.WARN, f"{words}, in {left.days} days", "renew it")
    return Finding("certificates", subject, Level.OK, words)


def judge_clock(subject: str, ahead_s: float, unsure_s: float) -> Finding:
    """Judge another clock against ours: `ahead_s` by how much it is ahead, `unsure_s` how exactly that is known."""
    words = f"{ahead_s * 1000:+.0f} ms, known to {unsure_s * 1000:.0f} ms"
    away = max(0.0, abs(ahead_s) - unsure_s)
    if away > CLOCK_FAIL_S:
        return Finding("clock", subject, Level.FAIL, words, "set the clocks by NTP: sign-in and signatures need them")
    if away > CLOCK_WARN_S:
        return Finding("clock", subject, Level.WARN, words, "set the clocks by NTP")
    if unsure_s > CLOCK_WARN_S:
        return Finding("clock", subject, Level.NOTE, f"{words}: it answers too slowly to tell a tenth of a second")
    return Finding("clock", subject, Level.OK, words)


def judge_disk(subject: str, free: int, total: int) -> Finding:
    """Judge how much of a disk is free, in bytes."""
    share = free / total if total else 0.0
    words = f"{share:.0%} free, {free / 1e9:.1f} GB"
    if share < DISK_FAIL:
        return Finding("disk", subject, Level.FAIL, words, "make room now: writing is about to stop")
    if share < DISK_WARN:
        return Finding("disk", subject, Level.WARN, words, "make room")
    return Finding("disk", subject, Level.OK, words)


def judge_mode(subject: str, mode: int, *, folder: bool = False) -> Finding:
    """Judge who may read a key file: its owner, and a group where a cluster mounts it so; never everybody."""
    bits = stat.S_IMODE(mode)
    remedy = f"chmod {'700' if folder else '600'}"
    if bits & 0o007:
        return Finding("keys", subject, Level.FAIL, f"mode {bits:04o}: open to everybody", remedy)
    if bits & 0o020:
        return Finding("keys", subject, Level.FAIL, f"mode {bits:04o}: its group may change it", remedy)
    words = f"mode {bits:04o}"
    return Finding("keys", subject, Level.OK, words + (": its group may read it" if bits & 0o040 else ""))


def judge_schema(schema: str, found: str, needed: str, newest: str) -> Finding:
    """Judge a schema's revision: below `needed` this release does not start, below `newest` a step is left to do."""
    if not found or found[:4] < needed[:4]:
        words = f"stands at {found or 'nothing'}, this release needs {needed}"
        return Finding("schema", schema, Level.FAIL, words, f"python -m alprcore.migrate up {schema} --target pre")
    if found[:4] > newest[:4]:
        return Finding("schema", schema, Level.NOTE, f"stands at {found}, newer than this release's {newest}")
    if found != newest:
        words = f"stands at {found}; {newest} follows when every service runs this release"
        return Finding("schema", schema, Level.WARN, words, f"python -m alprcore.migrate up {schema}")
    return Finding("schema", schema, Level.OK, found)


def judge_server(found: Mapping[str, str], version: int) -> list[Finding]:
    """Judge a database server's own settings: durability, damaged pages, and what its log says of statements."""
    findings = []
    for name in ("fsync", "full_page_writes"):
        if found.get(name) != "on":
            words = f"{name} is {found.get(name)}: a power cut destroys data"
            findings.append(Finding("database.durable", "server", Level.FAIL, words, f"{name} = on"))
    if found.get("synchronous_commit") == "off":
        words = "synchronous_commit is off: what was acknowledged can be lost"
        findings.append(Finding("database.durable", "server", Level.FAIL, words, "synchronous_commit = on"))
    if found.get("data_checksums") != "on":
        words = "pages have no checksums: damage stays unnoticed"
        findings.append(
            Finding("database.durable", "server", Level.WARN, words, "pg_checksums --enable, server stopped")
        )
    if version < OLDEST_SERVER:
        words = f"server {version // 10000}: 15 is the oldest that is tested"
        findings.append(Finding("database.durable", "server", Level.FAIL, words, "bring the server to a later version"))
    if not findings:
        findings.append(Finding("database.durable", "server", Level.OK, f"version {version // 10000}, checksums on"))
    values = found.get("log_statement", "none") in {"mod", "all"} or found.get("log_min_duration_statement") != "-1"
    if values and found.get("log_parameter_max_length") != "0":
        words = "statements are logged with their values: plates get into the server's log (SEC-07)"
        findings.append(Finding("database.log", "server", Level.FAIL, words, "log_parameter_max_length = 0"))
    elif found.get("log_parameter_max_length_on_error") != "0":
        words = "a failing statement is logged with its values (SEC-07)"
        findings.append(Finding("database.log", "server", Level.FAIL, words, "log_parameter_max_length_on_error = 0"))
    else:
        findings.append(Finding("database.log", "server", Level.OK, "no values of statements are logged"))
    return findings


def judge_login(service: str, role: Mapping[str, Any]) -> Finding:
    """Judge a service's login: `superuser`, `bypass`, `owner` and `creates` are powers that it must not have."""
    powers = [words for key, words in _POWERS.items() if role.get(key)]
    if powers:
        remedy = "log in as the role of prepare: alpr_<service>"
        return Finding("database.rights", service, Level.FAIL, "; ".join(powers), remedy)
    return Finding("database.rights", service, Level.OK, "runs with what migrations grant and nothing else")


_POWERS: Final = {
    "superuser": "is an administrator",
    "bypass": "passes by row security",
    "creates": "may create roles or databases",
    "owner": "owns tables of its schema",
}


def head_size(note: str) -> int:
    """Read from a signed head how many entries it covers; 0 for none."""
    lines = note.split("\n")
    return int(lines[1]) if len(lines) > 1 and lines[1].isdigit() else 0


def head_text(note: str) -> str:
    """Give a signed head without its signatures, which may be several."""
    return note.partition("\n\n")[0]


def judge_heads(kept: int | None, stored: int, *, same: bool) -> Finding:
    """Judge the ledger's head outside the database against the one in it, by their numbers of entries.

    `kept` None: there is no head outside. `same`: where sizes are equal, whether the heads are.
    """
    restored = "the ledger goes on by an order of two custodians: docs/operations/backup.md"
    if kept is None:
        if not stored:
            return Finding("ledger", "head", Level.NOTE, "there is no entry yet")
        words = f"{stored} entries and no signed head outside the database: a copy would go unnoticed"
        return Finding("ledger", "head", Level.FAIL, words, restored)
    if kept > stored:
        words = f"the database has {stored} entries, {kept} were signed: it came back from a backup"
        return Finding("ledger", "head", Level.FAIL, words, restored)
    if kept < stored or not same:
        words = f"the head outside the database ({kept} entries) is not the one in it ({stored})"
        level = Level.WARN if kept < stored else Level.FAIL
        return Finding("ledger", "head", level, words, "alpr audit fsck; start the audit service")
    return Finding("ledger", "head", Level.OK, f"{stored} entries, signed, the same in and outside the database")


def judge_published(name: str, size: int, stored: int, behind: timedelta) -> Finding:
    """Judge a public copy of the head: `behind` is for how long the database has had a newer one."""
    if size < stored and behind > PUBLISHED_LATE:
        words = f"{size} of {stored} entries are public, for {behind.total_seconds() / 60:.0f} min"
        return Finding("ledger", name, Level.WARN, words, "look at alpr_audit_* metrics and the audit service's log")
    return Finding("ledger", name, Level.OK, f"{size} of {stored} entries")


def judge_purges(vouched: bool, outcome: str, finished: datetime | None, now: datetime, *, due: bool) -> list[Finding]:
    """Judge the purge: whether this database is vouched for (RET-10), and how the last run ended."""
    findings = []
    if not vouched:
        words = "this database began anew and its purges are not done again yet: nothing is answered"
        findings.append(Finding("purges", "voucher", Level.FAIL, words, "start retention and look at its log"))
    if finished is None:
        level = Level.WARN if due else Level.NOTE
        findings.append(Finding("purges", "last run", level, "none has ended yet"))
        return findings
    age = now - finished
    words = f"{outcome}, {age.total_seconds() / 3600:.0f} h ago"
    if age > PURGE_FAIL:
        findings.append(Finding("purges", "last run", Level.FAIL, words, "start retention: records fall due"))
    elif age > PURGE_WARN or outcome != "complete":
        findings.append(Finding("purges", "last run", Level.WARN, words, "see the certificate: docs/records.md"))
    else:
        findings.append(Finding("purges", "last run", Level.OK, words))
    return findings


def judge_demonstration(settings: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Look for what is only for trying, in the settings by service."""
    console, recognizer = settings.get("console", {}), settings.get("recognizer", {})
    retention = settings.get("retention", {})
    found = []
    if _on(console.get("seed_demo")):
        words = "people of the demonstration are made at every start"
        found.append(("console", Level.WARN, words, "ALPR_CONSOLE_SEED_DEMO=false, and disable their accounts"))
    if _on(console.get("webhook_plain_http")):
        found.append(("console", Level.WARN, "messages to CAD systems may go by HTTP", "webhook_plain_http = false"))
    if recognizer.get("reader", "models") != "models" or _on(recognizer.get("load_test")):
        found.append(("recognizer", Level.FAIL, "it reads made-up frames instead of plates", "reader = models"))
    for service, name, mapping in (
        ("console", "confirmations", console.get("confirmations")),
        ("retention", "case_files", retention.get("case_files")),
    ):
        made_up = [
            key for key, one in (mapping or {}).items() if isinstance(one, Mapping) and _on(one.get("allow_test"))
        ]
        if made_up:
            words = f"answers of {name} that are made up count for {', '.join(sorted(made_up))}"
            found.append((service, Level.WARN, words, f"{name}: allow_test = false"))
    findings = [Finding("demonstration", *one) for one in found]
    return findings or [Finding("demonstration", "all services", Level.OK, "nothing is for trying only")]


def judge_agreement(settings: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Compare what several services must be told alike; of secrets it sees digests only."""
    findings = []
    for name in _ALIKE:
        told = {service: str(one[name]) for service, one in sorted(settings.items()) if one.get(name)}
        if len(set(told.values())) > 1:
            words = f"{name} differs between {', '.join(told)}"
            findings.append(Finding("settings", name, Level.FAIL, words, "run alpr prepare again, or set them alike"))
    return findings


_ALIKE: Final = (
    "kafka_bootstrap",
    "topic_prefix",
    "objects_url",
    "person_public_key",
    "statutory_retention",
)


def _on(value: object) -> bool:
    return str(value).lower() in {"true", "1", "yes", "on"}


def summary(findings: Sequence[Finding]) -> dict[str, int]:
    """Count findings by level."""
    return {level.value: sum(finding.level is level for finding in findings) for level in _LEVELS}
