"""What the matcher can be told."""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from alpr_matcher.alerts.storms import Limits
from alprcore.keys import KeySource
from alprcore.runtime import ServiceSettings


class Settings(ServiceSettings):
    """Settings of the matcher: environment ALPR_MATCHER_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="ALPR_MATCHER_")

    list_keys_file: KeySource = Field(
        description="keys that open the sealed part of list entries, one a line: a file, env:NAME or exec:program"
    )
    public_url: str = Field(
        "", description="address of the console, for the links to images that a CAD gets; empty: no links are sent"
    )
    link_minutes: int = Field(15, ge=1, le=60, description="how long a link to an image opens")
    list_wait_seconds: float = Field(
        60.0,
        ge=1,
        description="how long reads wait for a list that its topic does not bring, before they go on without",
    )
    storm_window_seconds: int = Field(600, ge=10, description="hits are counted over this long to find an alert storm")
    storm_times: float = Field(10.0, ge=1, description="a storm makes this many times its usual hits")
    storm_least_device: int = Field(60, ge=1, description="and at least this many of a camera in the window")
    storm_least_list: int = Field(100, ge=1, description="or at least this many of a list")
    state_dir: Path = Field(
        Path(gettempdir()) / "alpr-matcher", description="folder for the stream library; nothing in it outlives a stop"
    )

    def storm_limits(self) -> Limits:
        """Give what begins an alert storm."""
        return Limits(self.storm_window_seconds, self.storm_times, self.storm_least_device, self.storm_least_list)
