from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from alprcore.runtime import ServiceSettings


class AuditSettings(ServiceSettings):
    """What the ledger and the query door can be told."""

    model_config = SettingsConfigDict(env_prefix="ALPR_AUDIT_")

    port: int = Field(8084, ge=0, le=65535, description="port of the HTTP door; 0: any free one")
    database_url: SecretStr = Field(description="PostgreSQL as alpr_audit: the ledger")
    reader_database_url: SecretStr = Field(description="PostgreSQL as alpr_reader: executes the search, nothing else")
    person_public_key: str = Field(description="base64 of the 32 bytes that verify person tokens")
    ledger_key_file: Path = Field(description="file with the Ed25519 key that signs tree heads, mode 0600")
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
