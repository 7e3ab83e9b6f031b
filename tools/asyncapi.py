"""Makes proto/asyncapi.yaml (AsyncAPI 3.0) from proto/topics and proto/alpr; with --check finds drift.

Channels are all topics with their dead letters; operations are those of outsiders: cameras, CAD, witnesses.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

PROTO = Path(__file__).resolve().parent.parent / "proto"
TARGET = PROTO / "asyncapi.yaml"
PROTOBUF = "application/vnd.google.protobuf;version=3"
CONFIGURATION = {
    "cleanup": "cleanup.policy",
    "retention_ms": "retention.ms",
    "retention_bytes": "retention.bytes",
    "max_message_bytes": "max.message.bytes",
}  # the settings that the Kafka binding 0.5.0 knows
OPERATIONS = {
    "publishFrames": ("send", "frames", "A camera fleet publishes signed frames."),
    "receiveCadHits": ("receive", "cad.hits", "A CAD system receives its agency's hits."),
    "receiveCadNotifications": ("receive", "cad.notifications", "A CAD system receives its agency's notifications."),
    "sendCadStatus": ("send", "cad.status", "A CAD system says what became of a notification."),
    "witnessCheckpoints": ("receive", "audit.checkpoints", "A witness follows the ledger's signed tree heads."),
}


def message_sources() -> dict[str, tuple[str, str]]:
    """Find for every message the file that defines it and the comment before it."""
    found = {}
    for path in sorted((PROTO / "alpr/v1").glob("*.proto")):
        text = path.read_text("utf-8")
        for match in re.finditer(r"^((?://[^\n]*\n)*)message (\w+) \{", text, re.MULTILINE):
            comment = " ".join(line.removeprefix("//").strip() for line in match[1].splitlines())
            found[f"alpr.v1.{match[2]}"] = (text, comment)
    return found


def channel(spec: dict[str, Any], rules: dict[str, Any], address: str, message: str, purpose: str) -> dict[str, Any]:
    """Describe one topic."""
    settings: dict[str, Any] = {}
    for key, name in CONFIGURATION.items():
        if key in rules:
            settings[name] = rules[key].split(",") if key == "cleanup" else rules[key]
    made: dict[str, Any] = {
        "address": address.replace("<agency>", "{agency}"),
        "description": purpose,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {
            "kafka": {"partitions": rules["partitions"], "topicConfiguration": settings, "bindingVersion": "0.5.0"}
        },
        "x-writers": spec["writers"],
        "x-readers": spec["readers"],
    }
    if "<agency>" in address:
        made["parameters"] = {"agency": {"description": "The agency whose own topic this is."}}
    return made


def document() -> dict[str, Any]:
    """Build the whole description."""
    channels: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    sources = message_sources()
    for path in sorted((PROTO / "topics").glob("*.yaml")):
        name, spec = path.stem, yaml.safe_load(path.read_text("utf-8"))
        channels[name] = channel(spec, spec, spec["topic"], name, spec["purpose"])
        key = {"type": "string", "description": spec["key"]}
        kinds = spec["value"].split()[1:] or [spec["value"]]
        message: dict[str, Any] = {"name": kinds[0], "bindings": {"kafka": {"key": key}}}
        if spec["value"] in sources:
            text, comment = sources[spec["value"]]
            message |= {
                "description": comment,
                "contentType": "application/protobuf",
                "headers": {"$ref": "#/components/schemas/cloudEventHeaders"},
                "payload": {"schemaFormat": PROTOBUF, "schema": text},
            }
        elif spec["value"].startswith("application/cloudevents+json"):
            message |= {
                "description": f"CloudEvents type {' or '.join(kinds)}: cad.schema.json says it field by field.",
                "contentType": "application/cloudevents+json",
                "payload": {"$ref": "#/components/schemas/cloudEvent"},
            }
        else:
            message |= {"contentType": "application/json", "payload": {"description": "internal to the matcher"}}
        messages[name] = message
        if "dead_letter" in spec:
            dead = f"{name}.dlq"
            purpose = f"What no retry could save of {spec['topic']}: the original bytes and headers, with the reason."
            letters = spec["dead_letter"]
            writers = [*spec.get("groups", ()), *letters.get("writers", ())]  # who only follows puts nothing aside
            channels[dead] = channel(
                {"writers": writers, "readers": ["operator", *letters.get("groups", ())]},
                spec["dead_letter"], f"{spec['topic']}.dlq", "deadLetter", purpose,
            )  # fmt: skip
    messages["deadLetter"] = {
        "name": "deadLetter",
        "headers": {"$ref": "#/components/schemas/deadLetterHeaders"},
        "payload": {"description": "The original value, byte by byte."},
    }
    text = {"type": "string"}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Plateline",
            "version": "1.0.0",
            "description": "Frames in, hits out. Delivery is at least once: drop what carries an id you have seen.",
            "license": {"name": "AGPL-3.0-or-later"},
        },
        "defaultContentType": "application/protobuf",
        "channels": channels,
        "operations": {
            name: {"action": action, "channel": {"$ref": f"#/channels/{target}"}, "summary": summary}
            for name, (action, target, summary) in OPERATIONS.items()
        },
        "components": {
            "messages": messages,
            "schemas": {
                "cloudEventHeaders": {
                    "type": "object",
                    "description": "CloudEvents 1.0, Kafka binding, binary content mode.",
                    "required": ["ce_type"],
                    "properties": {
                        "ce_specversion": {"const": "1.0"},
                        **dict.fromkeys(("ce_type", "ce_source", "ce_id", "ce_time", "traceparent"), text),
                        "content-type": {"const": "application/protobuf"},
                    },
                },
                "cloudEvent": {
                    "type": "object",
                    "description": "CloudEvents 1.0 JSON, structured content mode; cad.schema.json says field by field, see proto/examples.",
                    "required": ["specversion", "type", "source", "id", "subject", "time", "data"],
                    "properties": {
                        "specversion": {"const": "1.0"},
                        **dict.fromkeys(("type", "source", "id", "subject", "time"), text),
                        "data": {"type": "object"},
                    },
                },
                "deadLetterHeaders": {
                    "type": "object",
                    "required": ["dlq-code", "dlq-message", "dlq-service", "dlq-version"],
                    "properties": {
                        f"dlq-{name}": text
                        for name in (
                            "topic",
                            "partition",
                            "offset",
                            "timestamp",
                            "code",
                            "message",
                            "service",
                            "version",
                        )
                    },
                },
            },
        },
    }


class Plain(yaml.SafeDumper):
    """Writes long texts as blocks and repeats nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Write every part out."""
        return True


Plain.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def write_or_check(target: Path, text: str, arguments: Sequence[str], remedy: str = "make proto") -> int:
    """Write a generated file; with --check only say whether it is what would be written."""
    if "--check" not in arguments:
        target.write_text(text, "utf-8")
    elif not target.is_file() or target.read_text("utf-8") != text:
        print(f"{target.relative_to(PROTO.parent)} is stale, run `{remedy}`")
        return 1
    return 0


def main(arguments: Sequence[str]) -> int:
    """Write or check."""
    header = "# Made by tools/asyncapi.py from proto/topics and proto/alpr; do not edit.\n"
    text = header + yaml.dump(document(), Dumper=Plain, sort_keys=False, width=110, allow_unicode=True)
    return write_or_check(TARGET, text, arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
