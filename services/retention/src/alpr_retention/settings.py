from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from alprcore.calling import AskedSystem, CalledSystem
from alprcore.runtime import ServiceSettings


class RetentionSettings(ServiceSettings):
    """What the keeper of reads, hits and images can be told."""

    model_config = SettingsConfigDict(env_prefix="ALPR_RETENTION_")

    port: int = Field(8085, ge=0, le=65535, description="port of the HTTP door; 0: any free one")
    database_url: SecretStr = Field(description="PostgreSQL as alpr_retention")
    events_public_key: str = Field(
        default="", description="base64 key to which the ledger's texts about people are sealed; without: not sealed"
    )
    objects_url: str = Field(description="where images lie: file:///folder or s3://bucket/prefix")
    image_keys_dir: Path = Field(
        description="private image keys, one file per agency and due day; outside the database and its backups"
    )
    person_public_key: str = Field(description="base64 of the 32 bytes that verify person tokens")
    statutory_retention: str = Field(
        "",
        description="name of the statute under which this deployment keeps records for less than a year; its own only",
    )
    quarantine_strangers: int = Field(
        10_000,
        ge=1,
        description="dead letters that no registered device signed, kept whole for each agency and day; more are counted",
    )
    purge_every_hours: float = Field(24.0, gt=0, description="time between two purges; also one at every start")
    purge_doors: str = Field(
        "console,ingest", description="services that must answer each purge order, by comma; a silent one is certified"
    )
    purge_answer_minutes: float = Field(
        10.0, gt=0, description="how long a purge waits for these answers before its certificate calls them missing"
    )
    keys_every_seconds: float = Field(5.0, gt=0, description="how often new image keys and partitions are made")
    notes_every_seconds: float = Field(60.0, gt=0, description="how often the plates of ended due days are noted")
    repositories: dict[str, CalledSystem] = Field(
        default={},
        description="where agencies' standing repositories take batches, by agency, as JSON; without: none goes",
    )
    repositories_every_seconds: float = Field(
        15.0, gt=0, description="time between two turns of sending to repositories"
    )
    case_files: dict[str, AskedSystem] = Field(
        default={}, description="who knows the case files of holds, by agency, as JSON; without: persons enter it"
    )
    case_files_every_seconds: float = Field(3600.0, gt=0, description="time between two questions about a case file")
