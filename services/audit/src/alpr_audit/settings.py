from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from alprcore.keys import KeySource
from alprcore.runtime import ServiceSettings


class AuditSettings(ServiceSettings):
    """What the ledger and the query door can be told."""

    model_config = SettingsConfigDict(env_prefix="ALPR_AUDIT_")

    port: int = Field(8084, ge=0, le=65535, description="port of the HTTP door; 0: any free one")
    database_url: SecretStr = Field(description="PostgreSQL as alpr_audit: the ledger")
    reader_database_url: SecretStr = Field(description="PostgreSQL as alpr_reader: executes the search, nothing else")
    person_public_key: str = Field(description="base64 of the 32 bytes that verify person tokens")
    events_key_file: KeySource = Field(
        default="",
        description="the X25519 key that opens what others tell of people (as ledger_key_file); none: not sealed",
    )
    ledger_key_file: KeySource = Field(
        description="the Ed25519 key that signs tree heads: a file of mode 0600, env:NAME or exec:program"
    )
    ledger_origin: str = Field(description="name of this ledger, first line of every checkpoint")
    checkpoint_file: Path = Field(
        description="the last signed head, outside the database and its backups: a restored backup cannot fork unnoticed"
    )
    checkpoint_log: Path | None = Field(
        None, description="public file to which checkpoints are appended; default: beside checkpoint_file, .log"
    )
    publish_seconds: float = Field(
        1.0, gt=0, description="longest time between two published checkpoints of a growing log"
    )
    answer_seconds: float = Field(5.0, gt=0, description="longest wait for an entry to be committed before a 503")
    public_folder: Path | None = Field(
        None, description="folder of static files (C2SP tlog-tiles) for a web server: checkpoint and tiles of hashes"
    )
    public_entries: bool = Field(
        False,
        description="also publish the entries; names, plates and reasons are in no entry, only commitments to them",
    )
    witnesses: tuple[str, ...] = Field(
        (), description="who cosigns the heads (C2SP tlog-witness), each `name+id+key https://address`"
    )
    cosigned_file: Path | None = Field(
        None, description="the newest cosigned head; default: beside checkpoint_file, .cosigned"
    )
    custodians: tuple[str, ...] = Field(
        (), description="verification keys name+id+key of who may order a new epoch; two of them sign the order"
    )
    order_file: Path | None = Field(
        None, description="the signed order to open a new epoch; default: beside checkpoint_file, .rollover"
    )
    personal_years: int = Field(
        3, ge=1, description="years after which names, plates and reasons are erased from the ledger; entries stay"
    )
    erase_hours: float = Field(24.0, gt=0, description="how often expired personal content is looked for")
    queries_per_minute: int = Field(30, ge=0, description="questions one person may ask in a minute; 0: any number")
    agency_queries_per_minute: int = Field(
        600, ge=0, description="questions all people of one agency may ask in a minute; 0: any number"
    )
    views_per_minute: int = Field(
        600, ge=0, description="single reads and images one person may open in a minute; 0: any number"
    )
    looks_per_minute: int = Field(
        120, ge=0, description="looks into the ledger a person may take in a minute; 0: any number"
    )
    exports_per_hour: int = Field(20, ge=0, description="answers one person may take away in an hour; 0: any number")
    learn_tenants: dict[str, str] = Field(
        {}, description="address of the external LEARN tenant by agency, as JSON; nothing else is ever called"
    )
    learn_tokens_file: Path | None = Field(
        None, description="JSON file with the token by which each agency's LEARN tenant knows us"
    )
    learn_seconds: float = Field(5.0, gt=0, description="longest wait for an external LEARN tenant before a 503")
    review_seconds: float = Field(
        60.0, gt=0, description="how often audits are opened, late ones told of, and misuse patterns followed"
    )
