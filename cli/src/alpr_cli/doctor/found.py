"""What the services of a deployment are told: read as they read it, without starting one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from alpr_cli.wiring import SERVICES
from alprcore.errors import Misconfigured
from alprcore.kafka import KafkaSettings

_SHARED: Final = ("kafka_bootstrap", "kafka_security", "topic_prefix")


@dataclass(frozen=True, slots=True)
class Found:
    """Settings by service, and the folder below which each service's files lie as seen from here."""

    settings: Mapping[str, Mapping[str, Any]]
    folder: Path | None

    def place(self, service: str, value: object) -> Path:
        """Where a file of a service lies: under its own name, else below the folder that was prepared for it."""
        path = Path(str(value))
        if self.folder is None or path.exists():
            return path
        here = self.folder / service / path.name
        return here if here.exists() else path

    def key(self, service: str, value: object) -> Path | str:
        """A key's place; `env:` and `exec:` name other stores and stay as they are."""
        text = str(value)
        return text if text.startswith(("env:", "exec:")) else self.place(service, text)

    def kafka(self, service: str) -> KafkaSettings:
        """How a service reaches the brokers. Raises `Misconfigured` naming what is wrong, never its value."""
        one = self.settings[service]
        security = one.get("kafka_security") or {"kind": "plaintext"}
        return kafka_of(
            str(one.get("kafka_bootstrap", "127.0.0.1:9092")),
            str(one.get("topic_prefix", "")),
            {
                key: str(self.place(service, value)) if str(key).endswith("_file") and value else value
                for key, value in security.items()
            },
        )

    def files(self) -> Iterator[tuple[str, str, Path]]:
        """Every file of certificates that a setting names: service, setting, place."""
        for service, one in self.settings.items():
            for name, value in _leaves(one):
                if name.endswith(("cert_file", "ca_file", "authorities_file")) and value:
                    yield service, name, self.place(service, value)


def kafka_of(bootstrap: str, prefix: str, security: Mapping[str, Any]) -> KafkaSettings:
    """Judge the settings of a broker. Raises `Misconfigured`."""
    try:
        return KafkaSettings.model_validate(
            {"bootstrap": bootstrap, "topic_prefix": prefix, "security": dict(security)}
        )
    except ValidationError as error:
        where = sorted({".".join(map(str, one["loc"])) + f": {one['msg']}" for one in error.errors()})
        raise Misconfigured("; ".join(where)) from None


def look(folder: Path | None, services: Sequence[str], environment: Mapping[str, str]) -> Found:
    """Read the settings of these services; those that have none are left out.

    With `folder` they come from `<folder>/<service>/settings.yaml`; without it from the environment and the file that
    ALPR_<SERVICE>_CONFIG names, in the order in which the services themselves take them. Raises `Misconfigured`.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for service in services:
        prefix = f"ALPR_{service.upper()}_"
        own = {
            key.removeprefix(prefix).lower(): _plain(value)
            for key, value in environment.items()
            if key.startswith(prefix)
        }
        config = str(own.pop("config", ""))
        if folder is not None:
            own, config = {}, str(folder / service / "settings.yaml")
        content = _read(Path(config)) if config and Path(config).is_file() else {}
        if config and not content and folder is None:
            raise Misconfigured(f"settings file {config} is not there")
        shared = {
            name: _plain(environment[key])
            for name in _SHARED
            if folder is None and (key := f"ALPR_{name.upper()}") in environment
        }
        if content or own:
            found[service] = {**content, **shared, **own}
    return Found(found, folder)


def operator(environment: Mapping[str, str]) -> KafkaSettings | None:
    """How the operator reaches the brokers, where the environment says so. Raises `Misconfigured`."""
    bootstrap = environment.get("ALPR_KAFKA_BOOTSTRAP")
    if not bootstrap:
        return None
    security = _plain(environment.get("ALPR_KAFKA_SECURITY", "")) or {"kind": "plaintext"}
    if not isinstance(security, Mapping):
        raise Misconfigured("ALPR_KAFKA_SECURITY: not a JSON object")
    return kafka_of(bootstrap, environment.get("ALPR_TOPIC_PREFIX", ""), security)


def known(services: Sequence[str] | None) -> Sequence[str]:
    """Name the services to look at. Raises `Misconfigured` for one that there is not."""
    if not services:
        return SERVICES
    if unknown := set(services) - set(SERVICES):
        raise Misconfigured(f"no service is called {', '.join(sorted(unknown))}; there are {', '.join(SERVICES)}")
    return [service for service in SERVICES if service in services]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Misconfigured(f"settings file {path}: {type(error).__name__}") from error
    if not isinstance(content, dict):
        raise Misconfigured(f"settings file {path}: not a mapping of names to values")
    return {str(name): _plain(value) for name, value in content.items()}


def _plain(value: Any) -> Any:
    """Turn what a text holds as JSON into what it is, as the services do."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value
