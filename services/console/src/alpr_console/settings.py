"""Every setting of the console, from `ALPR_CONSOLE_<NAME>` or the YAML file named by `ALPR_CONSOLE_CONFIG`."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from alprcore.runtime import ServiceSettings


class Settings(ServiceSettings):
    """What one console process needs to know."""

    model_config = SettingsConfigDict(env_prefix="ALPR_CONSOLE_", extra="forbid", frozen=True)

    port: int = Field(default=8080, description="port people's browsers reach; 0 picks a free one")
    database_url: SecretStr = Field(description="PostgreSQL, role alpr_console; a direct connection (LISTEN)")
    person_key_file: Path = Field(
        description="Ed25519 key file that signs the 5-second person tokens for the other doors"
    )
    list_keys_file: Path | None = Field(
        default=None, description="keys that open an entry's details when a hit is shown; without: not shown"
    )
    ingest_url: str = Field(default="http://127.0.0.1:8081", description="door of ingest")
    audit_url: str = Field(default="http://127.0.0.1:8084", description="door of audit")
    retention_url: str = Field(default="http://127.0.0.1:8085", description="door of retention")
    door_timeout_s: float = Field(default=20.0, gt=0, description="longest wait for another door's answer")
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(), description="networks whose X-Forwarded-For is believed (QRY-07), as a JSON list"
    )
    source_url: str = Field(
        default="", description="where the exact source of the running version is offered (AGPL section 13)"
    )
    keep_hits_days: int = Field(default=7, ge=1, le=365, description="days the console keeps its copy of a hit")
    seed_demo: bool = Field(default=False, description="make the demonstration's people at start")
    demo_password: SecretStr = Field(default=SecretStr(""), description="their password, at least 12 characters")
