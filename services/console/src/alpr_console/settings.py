"""Every setting of the console, from `ALPR_CONSOLE_<NAME>` or the YAML file named by `ALPR_CONSOLE_CONFIG`."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from alprcore.calling import AskedSystem
from alprcore.keys import KeySource
from alprcore.runtime import ServiceSettings


class Settings(ServiceSettings):
    """What one console process needs to know."""

    model_config = SettingsConfigDict(env_prefix="ALPR_CONSOLE_", extra="forbid", frozen=True)

    port: int = Field(default=8080, description="port people's browsers reach; 0 picks a free one")
    ops_host: str = Field(default="127.0.0.1", description="address of /metrics: never one that browsers reach")
    ops_port: int | None = Field(
        default=None, ge=0, le=65535, description="port of /metrics; without: not served; 0 picks a free one"
    )
    database_url: SecretStr = Field(description="PostgreSQL, role alpr_console; a direct connection (LISTEN)")
    events_public_key: str = Field(
        default="", description="base64 key to which the ledger's texts about people are sealed; without: not sealed"
    )
    person_key_file: KeySource = Field(
        description="Ed25519 key that signs the 5-second person tokens for the other doors: a file, env:NAME or exec:program"
    )
    list_keys_file: KeySource | None = Field(
        default=None,
        description="keys that open an entry's details when a hit is shown, and that seal what other databases said and "
        "authenticators' secrets; without: none of these",
    )
    ingest_url: str = Field(default="http://127.0.0.1:8081", description="door of ingest")
    audit_url: str = Field(default="http://127.0.0.1:8084", description="door of audit")
    retention_url: str = Field(default="http://127.0.0.1:8085", description="door of retention")
    doors_ca_file: Path | None = Field(
        default=None, description="who signs the certificates of these doors (https); without: the machine's list"
    )
    door_timeout_s: float = Field(default=20.0, gt=0, description="longest wait for another door's answer")
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(), description="networks whose X-Forwarded-For is believed (QRY-07), as a JSON list"
    )
    source_url: str = Field(
        default="", description="where the exact source of the running version is offered (AGPL section 13)"
    )
    map_outline_file: Path | None = Field(
        default=None, description="GeoJSON of streets or borders, drawn under the search map; without: positions only"
    )
    registration_url: str = Field(
        default="", description="address of the vehicle registration source; without: registrations are not looked up"
    )
    confirmations: dict[str, AskedSystem] = Field(
        default={}, description="who tells whether an entry is active, by agency, as JSON; without: a person types it"
    )
    statutory_retention: str = Field(
        "",
        description="name of the statute under which this deployment keeps records for less than a year; its own only",
    )
    profiles_folder: Path | None = Field(
        default=None, description="folder with the first profiles of further agencies, one YAML file each"
    )
    keep_hits_days: int = Field(
        default=7, ge=1, le=365, description="days a hit stays on screens; its record stays until retention purges it"
    )
    canary_cameras: dict[str, tuple[str, ...]] = Field(
        default={}, description="cameras that send a test plate each minute, by agency, as a JSON object of lists"
    )
    canary_limit_s: float = Field(
        default=180.0, ge=60, description="seconds without a camera's test plate after which the chain counts as broken"
    )
    seed_demo: bool = Field(default=False, description="make the demonstration's people at start")
    demo_password: SecretStr = Field(default=SecretStr(""), description="their password, as long as password_length")
    public_url: str = Field(
        default="", description="address people type, as https://alpr.example: security keys and the provider need it"
    )
    link_minutes: int = Field(
        default=15, ge=1, le=60, description="how long a link to an image opens that a CAD got; needs public_url"
    )
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(),
        description="networks inside, as a JSON list, where CAD systems take messages; else public ones only",
    )
    webhook_authorities_file: Path | None = Field(
        default=None, description="PEM file of an own certificate authority that CAD systems' certificates come from"
    )
    webhook_plain_http: bool = Field(default=False, description="let messages to CAD systems go by HTTP, too")
    second_factors: Literal["any", "security_key"] = Field(
        default="any",
        description="what counts beside the password; security_key: no codes, which can be told to a false site "
        "(CJIS IA-2); whoever has a code only comes as far as setting up a key; needs public_url",
    )
    password_scheme: Literal["argon2id", "pbkdf2_sha256"] = Field(
        default="argon2id", description="how passwords are kept; pbkdf2_sha256 where FIPS 140 is demanded"
    )
    password_length: int = Field(default=15, ge=8, le=128, description="shortest password that people may choose")
    lockout_minutes: int = Field(
        default=0, ge=0, description="minutes after which a locked account opens by itself; 0: an administrator does"
    )
    idle_lock_minutes: int = Field(default=30, ge=1, le=30, description="minutes without use that lock the screen")
    dispatch_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(), description="staffed dispatch rooms, whose dispatchers' screens never lock for being idle"
    )
    failures_per_minute: int = Field(default=30, ge=5, description="wrong sign-ins a minute from one address")
    banner: str = Field(
        default=(
            "You are about to use a restricted law enforcement information system. Use is monitored, recorded and "
            "audited. Unauthorized use is prohibited and may be punished under criminal and civil law. Signing in "
            "means that you consent to monitoring and recording."
        ),
        description="what is acknowledged at every sign-in (CJIS AC-8)",
    )
    oidc_issuer: str = Field(default="", description="identity provider (OpenID Connect); empty: local accounts only")
    oidc_client_id: str = Field(default="", description="our name at the provider")
    oidc_client_secret_file: Path | None = Field(default=None, description="file with our secret at the provider")
    oidc_required_acr: tuple[str, ...] = Field(default=(), description="values of acr, one of which must be told")
    oidc_required_amr: tuple[str, ...] = Field(default=(), description="values of amr, all of which must be told")
    oidc_scopes: tuple[str, ...] = Field(default=("openid", "profile"), description="scopes asked for")
    oidc_agency_claim: str = Field(default="", description="claim that names the person's agency; empty: not compared")
    oidc_agencies: dict[str, str] = Field(default={}, description="that claim's values and the agencies they mean")
