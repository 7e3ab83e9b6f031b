from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from alprcore.runtime import ServiceSettings


class RepositorySettings(BaseModel):
    """Where an agency's standing repository takes batches, and how it knows that they are ours: by signature or mTLS."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    secret_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    ca_file: Path | None = None
    timeout_s: float = Field(default=10.0, gt=0, le=60)


class CaseFileSettings(BaseModel):
    """Who tells the status and purge date of one agency's case files (RET-09, docs/records.md)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    adapter: Literal["manual", "stub", "http"] = Field(
        default="manual", description="two persons enter it, it is made up, or the records system gives it"
    )
    url: str = Field(default="", max_length=500, description="address of the records system, HTTPS")
    secret_file: Path | None = Field(default=None, description="secrets (whsec_…) that sign questions, newest first")
    cert_file: Path | None = Field(default=None, description="our certificate at the records system (mTLS)")
    key_file: Path | None = Field(default=None, description="its key")
    ca_file: Path | None = Field(default=None, description="who signs its certificate; without: the system's")
    timeout_s: float = Field(default=10.0, gt=0, le=60, description="longest wait for an answer")
    allow_test: bool = Field(default=False, description="let answers that are made up count outside a demonstration")


class RetentionSettings(ServiceSettings):
    """What the keeper of reads, hits and images can be told."""

    model_config = SettingsConfigDict(env_prefix="ALPR_RETENTION_")

    port: int = Field(8085, ge=0, le=65535, description="port of the HTTP door; 0: any free one")
    database_url: SecretStr = Field(description="PostgreSQL as alpr_retention")
    objects_url: str = Field(description="where images lie: file:///folder or s3://bucket/prefix")
    image_keys_dir: Path = Field(
        description="private image keys, one file per agency and due day; outside the database and its backups"
    )
    person_public_key: str = Field(description="base64 of the 32 bytes that verify person tokens")
    statutory_retention: str = Field(
        "",
        description="name of the statute under which this deployment keeps records for less than a year; its own only",
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
    repositories: dict[str, RepositorySettings] = Field(
        default={},
        description="where agencies' standing repositories take batches, by agency, as JSON; without: none goes",
    )
    repositories_every_seconds: float = Field(
        15.0, gt=0, description="time between two turns of sending to repositories"
    )
    case_files: dict[str, CaseFileSettings] = Field(
        default={}, description="who knows the case files of holds, by agency, as JSON; without: persons enter it"
    )
    case_files_every_seconds: float = Field(3600.0, gt=0, description="time between two questions about a case file")
