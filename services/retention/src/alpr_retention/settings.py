from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from alprcore.runtime import ServiceSettings


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
    purge_every_hours: float = Field(24.0, gt=0, description="time between two purges; also one at every start")
    keys_every_seconds: float = Field(5.0, gt=0, description="how often new image keys and partitions are made")
    notes_every_seconds: float = Field(60.0, gt=0, description="how often the plates of ended due days are noted")
