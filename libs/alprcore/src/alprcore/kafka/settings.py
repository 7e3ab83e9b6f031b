"""How to reach the brokers."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FilePath, SecretStr, model_validator
from typing_extensions import override

from alprcore.errors import Misconfigured
from alprcore.tls import client_context

MAX_REQUEST_BYTES: Final = 2 * 1024 * 1024
"""Largest message we send or fetch: a dead letter is a full-size frame (1 MiB) and its reason."""


class Plaintext(BaseModel):
    """No encryption: for a broker on the loopback address."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["plaintext"] = "plaintext"

    def params(self) -> dict[str, Any]:
        """Answer what the client library wants to be told."""
        return {"security_protocol": "PLAINTEXT"}


class Tls(BaseModel):
    """TLS; with certificate and key also the client proves who it is (mTLS). Renewed files need no restart."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["tls"] = "tls"
    ca_file: FilePath
    cert_file: FilePath | None = None
    key_file: FilePath | None = None

    def params(self) -> dict[str, Any]:
        """Answer what the client library wants to be told. Raises `Misconfigured`."""
        return {"security_protocol": "SSL", "ssl_context": _context(self.ca_file, self.cert_file, self.key_file)}


class Sasl(BaseModel):
    """User name and password over TLS (SCRAM, RFC 5802); the password from a file or the environment, never from git.

    The file is read again at every sign-in to a broker (PLAIN: at the start), so that a password is changed while
    services run: connections that are open stay.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["sasl"] = "sasl"
    ca_file: FilePath | None = None
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    username: str
    password: SecretStr | None = None
    password_file: FilePath | None = None

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if (self.password is None) == (self.password_file is None):
            raise ValueError("password or password_file: one of them")
        return self

    def params(self) -> dict[str, Any]:
        """Answer what the client library wants to be told. Raises `Misconfigured`."""
        given = self.password
        return {
            "security_protocol": "SASL_SSL",
            "ssl_context": _context(self.ca_file, None, None),
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": _Password.of(self.password_file) if given is None else given.get_secret_value(),
        }


@cache
def _context(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """One context for all clients of a process, some of which live for a second: a renewal is noticed once."""
    return client_context(ca_file, cert_file, key_file)


class _Password(str):
    """The content of a file: the client library encodes it for every sign-in, which reads the file again."""

    __slots__ = ("file",)
    file: Path | None

    @classmethod
    def of(cls, file: Path | None) -> Self:
        """Read for the first time. Raises `Misconfigured`."""
        made = cls(_secret(file))
        made.file = file
        return made

    @override
    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        try:
            return _secret(self.file).encode(encoding, errors)
        except Misconfigured:  # being replaced: the last one that was read may still be right
            return super().encode(encoding, errors)


def _secret(file: Path | None) -> str:
    try:
        text = "" if file is None else file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"the broker's password file cannot be read: {type(error).__name__}") from error
    if not text:
        raise Misconfigured("the broker's password file is empty")
    return text


KafkaSecurity = Annotated[Plaintext | Tls | Sasl, Field(discriminator="kind")]


class KafkaSettings(BaseModel):
    """Brokers, prefix of all topic names, and how to be let in."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    bootstrap: str
    topic_prefix: str = ""
    security: KafkaSecurity = Field(default_factory=Plaintext)

    def client_params(self) -> dict[str, Any]:
        """Answer the part of aiokafka's arguments that every client needs."""
        return {"bootstrap_servers": self.bootstrap, "client_id": "plateline", **self.security.params()}
