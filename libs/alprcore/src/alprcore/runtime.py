"""Starts and stops a service: settings, logs, signals, its HTTP door, and exit codes that say what happened.

0 stopped as asked; 69 what it depends on is away; 70 a fault in the program; 78 a setting is missing or wrong.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self, TypeVar

import yaml
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from alprcore import tracing
from alprcore.errors import Misconfigured, Transient
from alprcore.kafka import KafkaSecurity, KafkaSettings, Plaintext
from alprcore.ops import AsgiApp, configure_logging
from alprcore.tls import server_context

logger = logging.getLogger(__name__)

_SHARED: Final = ("kafka_bootstrap", "kafka_security", "topic_prefix", "log_level", "traces_url", "traces_share")
_DRAIN_S: Final = 5  # an open event stream ends with the service instead of holding it


class ServiceSettings(BaseSettings):
    """What every service can be told.

    A service subclasses it with `model_config = SettingsConfigDict(env_prefix="ALPR_<SERVICE>_")`. A value comes from
    ALPR_<SERVICE>_<NAME>, else (broker, prefix, log level and traces) from ALPR_<NAME>, else from the YAML file named by
    ALPR_<SERVICE>_CONFIG, else from the default.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="ALPR_", extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True
    )

    host: str = Field("127.0.0.1", description="address the HTTP door listens on")
    port: int = Field(8080, ge=0, le=65535, description="port of the HTTP door; 0: any free one")
    tls_cert_file: Path | None = Field(None, description="certificate and chain of the HTTP door; without: no TLS")
    tls_key_file: Path | None = Field(None, description="its key; both files are read again when they are renewed")
    kafka_bootstrap: str = Field("127.0.0.1:9092", description="brokers, host:port separated by commas")
    kafka_security: KafkaSecurity = Field(default_factory=Plaintext, description="how to reach the brokers, as JSON")
    topic_prefix: str = Field("", description="put before every topic name, to share a cluster")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")
    traces_url: str = Field(
        "", pattern="^(https?://.+)?$", description="collector of traces that speaks OTLP/HTTP; without: none are told"
    )
    traces_share: float = Field(0.01, ge=0, le=1, description="share of the traces that begin here which are told")
    shutdown_seconds: float = Field(25.0, gt=0, description="time to finish work in hand; below the grace of 30 s")

    @property
    def kafka(self) -> KafkaSettings:
        """The broker's part of the settings."""
        return KafkaSettings(
            bootstrap=self.kafka_bootstrap, topic_prefix=self.topic_prefix, security=self.kafka_security
        )

    @classmethod
    def load(cls) -> Self:
        """Read environment and file. Raises `Misconfigured` naming every setting that is wrong, never its value."""
        prefix = str(cls.model_config.get("env_prefix", ""))
        known = {f"{prefix}{name}".upper() for name in cls.model_fields} | {f"{prefix}CONFIG"}
        unknown = sorted(name for name in os.environ if name.upper().startswith(prefix) and name.upper() not in known)
        if unknown and prefix != "ALPR_":
            raise Misconfigured(f"unknown settings: {', '.join(unknown)}")
        try:
            return cls()
        except ValidationError as error:
            problems = [f"{prefix}{'.'.join(map(str, e['loc']))}".upper() + f": {e['msg']}" for e in error.errors()]
            raise Misconfigured("; ".join(problems)) from None
        except ValueError as error:  # a value that should be JSON is not
            raise Misconfigured(str(error)) from None

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources; files of secrets and .env are not read."""
        return init_settings, env_settings, _SharedSource(settings_cls, env_prefix="ALPR_"), _FileSource(settings_cls)


class _SharedSource(EnvSettingsSource):
    @override
    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__call__().items() if name in _SHARED}


class _FileSource(PydanticBaseSettingsSource):
    @override
    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    @override
    def __call__(self) -> dict[str, Any]:
        path = os.environ.get(f"{self.config.get('env_prefix', '')}CONFIG")
        if not path:
            return {}
        try:
            content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise Misconfigured(f"settings file {path}: {type(error).__name__}") from error
        if not isinstance(content, dict):
            raise Misconfigured(f"settings file {path}: not a mapping of names to values")
        return content


S = TypeVar("S", bound=ServiceSettings)


def describe_settings(settings_cls: type[ServiceSettings]) -> str:
    """List every setting of a service: environment name, type, default and meaning."""
    prefix = str(settings_cls.model_config.get("env_prefix", ""))
    lines = [f"{prefix}CONFIG  file\n    YAML file with the same settings in lower case"]
    for name, field in settings_cls.model_fields.items():
        kind = getattr(field.annotation, "__name__", str(field.annotation)).replace("typing.", "")
        default = "required" if field.is_required() else f"default: {field.get_default(call_default_factory=True)!r}"
        lines.append(f"{prefix}{name.upper()}  {kind}, {default}\n    {field.description or ''}".rstrip())
    return "\n".join(lines)


def run(
    service_name: str,
    settings_cls: type[S],
    serve: Callable[[S, asyncio.Event], Awaitable[None]],
    argv: Sequence[str] | None = None,
) -> int:
    """Run a service until a signal stops it; answers the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments:
        asked = arguments[0] in {"-h", "--help"}
        out = sys.stdout if asked else sys.stderr
        out.write(f"usage: alpr-{service_name} [--help]\n\n{describe_settings(settings_cls)}\n")
        return 0 if asked else os.EX_USAGE
    try:
        settings = settings_cls.load()
    except Misconfigured as error:
        sys.stderr.write(f"alpr-{service_name}: {error}\n")
        return os.EX_CONFIG
    configure_logging(service_name, settings.log_level)
    tracing.configure(service_name, settings.traces_url, settings.traces_share)
    try:
        return asyncio.run(_supervise(settings, serve))
    except BaseException as error:  # noqa: BLE001 - the one place that turns any failure into an exit status
        return _explain(service_name, error)
    finally:
        tracing.close()


async def _supervise(settings: S, serve: Callable[[S, asyncio.Event], Awaitable[None]]) -> int:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    serving = asyncio.ensure_future(serve(settings, stop))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not serving.done():
        logger.info("service_stopping", extra={"grace_s": settings.shutdown_seconds})
        await asyncio.wait({serving}, timeout=settings.shutdown_seconds)
    if not serving.done():
        logger.error("service_stop_overdue")
        serving.cancel()
        await asyncio.wait({serving}, timeout=_DRAIN_S)
        return os.EX_SOFTWARE
    serving.result()
    if not stop.is_set():
        logger.error("service_ended_unasked")
        return os.EX_SOFTWARE
    logger.info("service_stopped")
    return 0


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _explain(service_name: str, error: BaseException) -> int:
    leaves = _leaves(error)
    for leaf in leaves:
        if isinstance(leaf, Misconfigured):
            sys.stderr.write(f"alpr-{service_name}: {leaf}\n")
            return os.EX_CONFIG
    for leaf in leaves:
        logger.critical("service_failed", exc_info=leaf)
    return os.EX_UNAVAILABLE if any(isinstance(leaf, Transient) for leaf in leaves) else os.EX_SOFTWARE


async def together(*jobs: Coroutine[Any, Any, None]) -> None:
    """Run a service's loops side by side; the first that fails ends them all, and its error ends the service."""
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(job)


def _own_certificate(settings: ServiceSettings) -> ssl.SSLContext | None:
    cert_file, key_file = settings.tls_cert_file, settings.tls_key_file
    if cert_file is None and key_file is None:
        return None
    if cert_file is None or key_file is None:
        raise Misconfigured("tls_cert_file and tls_key_file: both or none")
    return server_context(cert_file, key_file)


async def serve_http(app: AsgiApp, settings: ServiceSettings, stop: asyncio.Event) -> None:
    """Serve the HTTP door until `stop`, inside our loop and under our signals; with TLS where a certificate is set.

    Raises `Misconfigured`: the port is taken, or the certificate cannot be used.
    """
    import uvicorn

    context = _own_certificate(settings)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(2048)  # from here on a caller waits instead of being refused
    except OSError as error:
        listener.close()
        raise Misconfigured(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from error
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # a URL may name a read
        lifespan="off",
        proxy_headers=False,  # a forwarded address is believed only where a service says so
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=_DRAIN_S,
        ssl_context_factory=None if context is None else lambda _config, _default: context,
    )
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[assignment]  # uvicorn's own would take our signals
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    logger.info("http_listening", extra={"port": listener.getsockname()[1]})
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        server.should_exit = True
        await serving
