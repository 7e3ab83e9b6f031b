"""Which broker a command talks to, and how it is let in: the same options for every command."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from alprcore.errors import Misconfigured
from alprcore.kafka import KafkaSecurity, KafkaSettings, Sasl

_SECURITY: TypeAdapter[KafkaSecurity] = TypeAdapter(KafkaSecurity)


def add_broker(parser: argparse.ArgumentParser) -> None:
    """Declare --bootstrap, --prefix and --security."""
    parser.add_argument("--bootstrap", default=os.environ.get("ALPR_KAFKA_BOOTSTRAP", "127.0.0.1:9092"))
    parser.add_argument("--prefix", default=os.environ.get("ALPR_TOPIC_PREFIX", ""), help="of the topic names")
    parser.add_argument(
        "--security",
        default="",
        help="how to be let in: JSON as in the services' kafka_security, or a file of it "
        "(default: ALPR_KAFKA_SECURITY, else no encryption)",
    )


def broker(options: argparse.Namespace) -> KafkaSettings:
    """Read the options. Raises `Misconfigured`."""
    given = str(options.security)
    text = given or os.environ.get("ALPR_KAFKA_SECURITY", "")
    try:
        if text and not text.lstrip().startswith("{"):
            text = Path(text).read_text("utf-8")
        security = _SECURITY.validate_json(text or '{"kind": "plaintext"}')
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"--security: {type(error).__name__}") from error
    except ValidationError as error:  # its own text would show the password
        raise Misconfigured("--security: " + "; ".join(str(one["msg"]) for one in error.errors())) from None
    if text == given and isinstance(security, Sasl) and security.password is not None:
        raise Misconfigured("--security: everybody on this machine sees a command's words: name a password_file")
    return KafkaSettings(bootstrap=options.bootstrap, topic_prefix=options.prefix, security=security)
