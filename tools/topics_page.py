"""Makes docs/topics.md, the description of every topic for readers, from what proto/asyncapi.yaml says; --check finds drift."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncapi  # beside this script

TARGET = Path(__file__).resolve().parent.parent / "docs/topics.md"
HEAD = """<!-- Made by tools/topics_page.py from proto/topics and proto/alpr; do not edit. -->
# Topics

Every topic of Plateline, who writes and reads it, and what a message is. Delivery is at least once: drop what carries
an id (`ce_id`, or `id` in JSON) that you have seen. The same for machines, with every message's fields:
[`proto/asyncapi.yaml`](../proto/asyncapi.yaml) (AsyncAPI 3.0). What a CAD system does with its topics: [cad.md](cad.md).
"""
DAY_MS = 86_400_000


def kept(bindings: dict[str, Any]) -> str:
    """Say how long a topic keeps a message."""
    settings = bindings["topicConfiguration"]
    if settings["cleanup.policy"] == ["compact"]:
        return "the newest of each key"
    span = int(settings["retention.ms"])
    words = f"{span // DAY_MS} days" if span % DAY_MS == 0 and span > DAY_MS else f"{span // 3_600_000} hours"
    return f"{words}, the newest of each key" if "compact" in settings["cleanup.policy"] else words


def fields(schema: str, name: str) -> Iterator[tuple[str, str, str]]:
    """Give the fields of a protobuf message: name, type, and what the comment before each says."""
    body = re.search(rf"^message {name} \{{\n(.*?)^\}}", schema, re.MULTILINE | re.DOTALL)
    words: list[str] = []
    for line in (body[1] if body else "").splitlines():
        text = line.strip()
        if text.startswith("//"):
            words.append(text.removeprefix("//").strip())
            continue
        if found := re.match(r"((?:repeated |optional )?[\w.]+(?:<[^>]*>)?) (\w+) = \d+", text):
            yield found[2], found[1], " ".join(words)
        words = []


def section(name: str, channel: dict[str, Any], message: dict[str, Any], outsiders: Sequence[str]) -> Iterator[str]:
    """Describe one topic."""
    bindings = channel["bindings"]["kafka"]
    yield f"\n## `{channel['address']}`\n"
    yield channel["description"]
    for summary in outsiders:
        yield f"\n**{summary}**"
    yield ""
    yield f"- Key: {message['bindings']['kafka']['key']['description']}"
    yield f"- Value: `{message['name']}`, {message.get('contentType', '')}".rstrip(", ")
    yield f"- Written by {', '.join(channel['x-writers'])}; read by {', '.join(channel['x-readers'])}"
    yield f"- {bindings['partitions']} partition{'' if bindings['partitions'] == 1 else 's'}, keeps {kept(bindings)}"
    if (asyncapi.PROTO / "examples" / name).is_dir():
        yield f"- Examples: [`proto/examples/{name}`](../proto/examples/{name})"
    if "cloudevents+json" in message.get("contentType", ""):
        yield "- Fields: [`proto/cad.schema.json`](../proto/cad.schema.json)"
        return
    rows = list(fields(message.get("payload", {}).get("schema", ""), message["name"].rpartition(".")[2]))
    if rows:
        yield "\n| field | type | |\n|---|---|---|"
        yield from (f"| `{field}` | {kind.replace('|', '')} | {words} |" for field, kind, words in rows)


def page() -> str:
    """Build the whole page: the topics that outsiders use first."""
    document = asyncapi.document()
    outside: dict[str, list[str]] = {}
    for operation in document["operations"].values():
        outside.setdefault(operation["channel"]["$ref"].rpartition("/")[2], []).append(operation["summary"])
    lines = [HEAD]
    names = [name for name in document["channels"] if not name.endswith(".dlq")]
    for name in sorted(names, key=lambda name: (name not in outside, name)):
        message = document["components"]["messages"][name]
        lines += section(name, document["channels"][name], message, outside.get(name, ()))
    lines.append(
        "\n## Dead letters\n\nEach topic has `<topic>.dlq`: what no retry could save, the original bytes and headers, with"
        " the reason in headers `dlq-code` and `dlq-message`. `alpr dlq list|show|replay`."
    )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write or check."""
    return asyncapi.write_or_check(TARGET, page(), arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
