"""What ingest can be told."""

from __future__ import annotations

import base64
import binascii
from ipaddress import IPv4Network, IPv6Network
from typing import ClassVar

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from alprcore.keys import KeySource
from alprcore.runtime import ServiceSettings


class Settings(ServiceSettings):
    """Settings of ingest, ALPR_INGEST_<NAME>."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="ALPR_INGEST_")

    port: int = Field(8081, ge=0, le=65535, description="port of the HTTP door; 0: any free one")
    database_url: SecretStr = Field(description="postgresql:// address of the role alpr_ingest")
    events_public_key: str = Field(
        default="", description="base64 key to which the ledger's texts about people are sealed; without: not sealed"
    )
    objects_url: str = Field(description="where large images go: file:///folder or s3://bucket/prefix")
    person_public_key: str = Field(description="base64 of the key that the console signs person tokens with")
    list_keys_file: KeySource = Field(
        description="keys that seal list entries, the last one seals: a file, env:NAME or exec:program"
    )
    package_key_file: KeySource = Field(
        "", description="key that signs packages of lists for devices (as list_keys_file); none: devices get no lists"
    )
    package_valid_hours: float = Field(
        24.0, gt=0, le=24 * 31, description="how long a device may use its copies of lists without a new package"
    )
    largest_list_bytes: int = Field(256 * 2**20, gt=0, description="largest list file that may be uploaded")
    clean_after_seconds: float = Field(
        600.0, ge=0, description="how long closed list entries stay on the topic, for workers that still use them"
    )
    layouts_folder: str = Field(
        "", description="folder of an agency's own layouts of list files, *.yaml; none: those that ship"
    )
    feed_hosts: list[str] = Field(
        default_factory=list, description="hosts that lists may be fetched from, as JSON: host or host:port"
    )
    feed_private_networks: list[IPv4Network | IPv6Network] = Field(
        default_factory=list, description="networks of private addresses that those hosts may have, as JSON"
    )
    feed_credentials_folder: str = Field(
        "", description="folder of secrets for feeds: one folder each, with username, password, private_key and so on"
    )
    feed_drop_folder: str = Field("", description="folder below which files of lists are dropped; none: no such feeds")
    feed_max_bytes: int = Field(256 * 2**20, gt=0, description="largest file that a feed may bring")
    feed_timeout_seconds: float = Field(300.0, gt=0, description="longest time that fetching one file may take")
    feed_settle_seconds: float = Field(
        2.0, ge=0, description="how long a dropped file must stay as it is before it is read"
    )
    dry_run_least: int = Field(
        200,
        ge=1,
        description="entries that a file must add or remove for a dry run: fewer would be a search for plates",
    )
    feed_poll_seconds: float = Field(5.0, gt=0, description="how often due feeds and the ages of lists are looked at")

    @field_validator("person_public_key")
    @classmethod
    def _is_a_key(cls, value: str) -> str:
        try:
            key = base64.b64decode(value, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != 32:
            raise ValueError("not the base64 of 32 bytes")
        return value

    @property
    def person_key(self) -> bytes:
        """The key that verifies person tokens."""
        return base64.b64decode(self.person_public_key)
