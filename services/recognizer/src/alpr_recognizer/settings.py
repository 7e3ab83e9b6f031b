"""What the recognizer can be told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from alprcore.runtime import ServiceSettings


class Settings(ServiceSettings):
    """Settings of the recognizer; see `--help`."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="ALPR_RECOGNIZER_")

    port: int = Field(8082, ge=0, le=65535, description="port of /livez, /readyz and /metrics; 0: any free one")
    objects_url: str = Field(description="object store for images: file:///folder or s3://bucket/prefix")
    weights: Path = Field(
        Path(__file__).parent / "weights",
        description="folder with detector/, reader/ and origin/; those shipped unless others are named",
    )
    backend: Literal["auto", "cpu-openvino", "cpu-onnxruntime", "gpu", "reference"] = Field(
        "auto",
        description="what the models run on; auto: the GPU where there is one, else the fastest way on the processor; "
        "reference: ultralytics and PaddleOCR themselves, slow, to compare with",
    )
    threads: int = Field(
        max(1, (os.cpu_count() or 2) - 1), ge=1, description="threads of the models; one core stays free"
    )
    wide: bool = Field(
        False,
        description="look at frames 1280 pixels wide or more at 1280 instead of 640: small plates, four times the work",
    )
    batch: int = Field(
        min(64, max(8, 2 * (os.cpu_count() or 2))),
        ge=1,
        le=64,
        description="most frames taken at once, of all cameras together; more is faster and later",
    )
    silent_seconds: float = Field(
        3.0, gt=0, description="what a passage says so far is told when its camera was silent for so long"
    )
    device_error_limit: int = Field(
        20, ge=1, description="refused frames of one device within a minute after which it is reported as quarantined"
    )
    canary_cameras: tuple[str, ...] = Field(
        (),
        description="cameras that send nothing but a test plate, as a JSON list: what they read is an exercise, "
        "compared and announced, neither recorded nor counted",
    )
    reader: Literal["models", "fake"] = Field(
        "models", description="fake: read the text written into made-up frames; for load tests only"
    )
    load_test: bool = Field(False, description="must be true for reader=fake")
