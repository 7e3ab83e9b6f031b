"""How to reach the brokers."""

from __future__ import annotations

import ssl
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, FilePath, SecretStr

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
    """TLS; with certificate and key also the client proves who it is (mTLS)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["tls"] = "tls"
    ca_file: FilePath
    cert_file: FilePath | None = None
    key_file: FilePath | None = None

    def params(self) -> dict[str, Any]:
        """Answer what the client library wants to be told."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        if self.cert_file is not None:
            context.load_cert_chain(str(self.cert_file), str(self.key_file) if self.key_file else None)
        return {"security_protocol": "SSL", "ssl_context": context}


class Sasl(BaseModel):
    """User name and password over TLS (SCRAM); the password comes from the environment, never from a file in git."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["sasl"] = "sasl"
    ca_file: FilePath | None = None
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    username: str
    password: SecretStr

    def params(self) -> dict[str, Any]:
        """Answer what the client library wants to be told."""
        return {
            "security_protocol": "SASL_SSL",
            "ssl_context": ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None),
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password.get_secret_value(),
        }


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
