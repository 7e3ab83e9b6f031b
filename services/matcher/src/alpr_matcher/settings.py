"""What the matcher can be told."""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from alprcore.runtime import ServiceSettings


class Settings(ServiceSettings):
    """Settings of the matcher: environment ALPR_MATCHER_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="ALPR_MATCHER_")

    list_keys_file: Path = Field(description="keys that open the sealed part of list entries, one a line")
    state_dir: Path = Field(
        Path(gettempdir()) / "alpr-matcher", description="folder for the stream library; nothing in it outlives a stop"
    )
