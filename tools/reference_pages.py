"""Makes the pages of the documentation that follow from the code: settings, commands, metrics, and every HTTP way.

Nothing of them is committed: `make docs` makes them anew, so they cannot be behind.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import os
import re
import tempfile
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
SERVICES: Final = ("ingest", "recognizer", "matcher", "audit", "retention", "console")
DOORS: Final = ("console", "ingest", "audit", "retention")
NAMES: Final = (
    "commands.md",
    "settings.md",
    "metrics.md",
    *(f"http-{service}.md" for service in DOORS),
)
"""The pages, in the order of the navigation; beside each of the doors' lies its OpenAPI document."""
_SHORT: Final = {"str": "text", "int": "number", "float": "number", "bool": "`true` or `false`", "SecretStr": "secret"}
_KINDS: Final = {"Counter", "Gauge", "Histogram"}
_INTRO: Final = {
    "console": "The one address that people and programs reach: every path below `/v1` leads from here to the service that"
    " owns it. How to sign in, what a refusal looks like, and what is asked of every call: [the API](../api.md).",
    "ingest": "Devices reach it by themselves (`POST /v1/frames`, `/v1/devices/…/lists/…`), each call signed with the"
    " device's key ([contract](contract.md)); people come through the console.",
    "audit": "Reached through the console alone, with a token that says who asks and lives 5 s.",
    "retention": "Reached through the console alone, with a token that says who asks and lives 5 s.",
}


def pages() -> Mapping[str, str]:
    """Make every page and, for each door, `openapi-<service>.json`."""
    made = {"commands.md": commands(), "settings.md": settings(), "metrics.md": metrics()}
    for service, document in documents().items():
        made[f"http-{service}.md"] = http(service, document)
        made[f"openapi-{service}.json"] = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    return made


def cell(text: str) -> str:
    """Make one cell of a table of any text."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;").strip()


def commands() -> str:
    """Describe every subcommand of `alpr` as it describes itself."""
    from alpr_cli.main import COMMANDS

    os.environ["COLUMNS"] = "110"  # argparse would ask the terminal
    lines = [
        "# Commands",
        "",
        "What `alpr` can do. Exit statuses: 0 done, 69 something needed is away, 78 a setting is wrong.",
        "",
    ]
    lines += [f"- [`alpr {name}`](#alpr-{name}): {cell(purpose)}" for name, (_, purpose) in COMMANDS.items()]
    for name, (module, purpose) in COMMANDS.items():
        parser = argparse.ArgumentParser(prog=f"alpr {name}", description=f"{purpose[0].upper()}{purpose[1:]}.")
        importlib.import_module(module).add_arguments(parser)
        lines += ["", f"## alpr {name}", "", "```", parser.format_help().rstrip()]
        lines += [f"\n{sub.format_help().rstrip()}" for sub in _below(parser)]
        lines += ["```"]
    return "\n".join(lines) + "\n"


def _below(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in parser._actions:  # noqa: SLF001 argparse has no other way to its subcommands
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for sub in action.choices.values():
                yield sub
                yield from _below(sub)


@cache
def settings_classes() -> Mapping[str, Any]:
    """The settings of every service, and those that all of them have."""
    from alprcore.runtime import ServiceSettings

    found = {}
    for service in SERVICES:
        module = importlib.import_module(f"alpr_{service}.settings")
        own = [
            one for one in vars(module).values()
            if isinstance(one, type) and issubclass(one, ServiceSettings) and one.__module__ == module.__name__
        ]  # fmt: skip
        (found[service],) = own
    return {"": ServiceSettings} | found


def settings() -> str:
    """Describe every setting of every service."""
    base, *_ = settings_classes().values()
    lines = [
        "# Settings", "",
        ("Each is an environment variable, or the same name in lower case without its prefix in the YAML file that"
        " `ALPR_<SERVICE>_CONFIG` names. A setting that nobody knows stops the start. Lists and mappings are JSON."
        " Secrets are named by file wherever there is one. `python -m alpr_<service> --help` prints the same."),
        "", "## Every service", "",
        "`ALPR_<SERVICE>_<NAME>`; broker, prefix and log level also as `ALPR_<NAME>` for all.", "",
        *_table("", base.model_fields),
    ]  # fmt: skip
    for service, cls in settings_classes().items():
        if service:
            own = {
                name: field for name, field in cls.model_fields.items()
                if name not in base.model_fields or field.description != base.model_fields[name].description
            }  # fmt: skip
            lines += ["", f"## {service}", "", *_table(f"ALPR_{service.upper()}_", own)]
    return "\n".join(lines) + "\n"


def _table(prefix: str, fields: Mapping[str, Any]) -> Iterator[str]:
    yield "| setting | kind | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in fields.items():
        default = "**required**" if field.is_required() else f"`{_plain(field.get_default(call_default_factory=True))}`"
        meaning = cell(field.description or "")
        yield f"| `{prefix}{name.upper()}` | {kind(field.annotation)} | {default.replace('``', 'none')} | {meaning} |"


def _plain(value: Any) -> str:
    if hasattr(value, "model_dump"):
        value = value.model_dump(exclude_none=True)
    if isinstance(value, bool):
        return str(value).lower()
    if value in {None, ""} if isinstance(value, str | None) else not value and value != 0:
        return ""
    return (
        json.dumps(value)
        if isinstance(value, list | tuple | dict)
        else ""
        if "Secret" in type(value).__name__
        else str(value)
    )


def kind(annotation: Any) -> str:
    """Say what a value is, for people."""
    if typing.get_origin(annotation) is typing.Literal:
        return ", ".join(f"`{one}`" for one in typing.get_args(annotation))
    words = [
        _SHORT.get(word, word)
        for word in re.findall(r"[A-Za-z_]\w*", str(annotation))
        if word.islower() or word[0].isupper()
    ]
    name = getattr(annotation, "__name__", "")
    if name in _SHORT:
        return _SHORT[name]
    if "Path" in words:
        return "path"
    if name in {"dict", "list", "tuple"} or re.match(r"(dict|list|tuple)\[", str(annotation)):
        return "JSON object" if "dict" in (name, str(annotation)[:4]) else "JSON list"
    return next((_SHORT[word] for word in re.findall(r"\w+", str(annotation)) if word in _SHORT), "JSON object")


def metrics() -> str:
    """Describe every metric with what to do about it, as it stands beside its definition."""
    lines = [
        "# Metrics", "",
        ("Served at `/metrics` of every service; the console serves them on `ALPR_CONSOLE_OPS_PORT` alone. Names and labels hold"
        " no plate, person or case. What to do when an alarm goes off stands in the runbook; this is every name."),
        "", ("Every service that reads topics has four besides: `alpr_<service>_messages_total{topic,outcome}`,"
        " `alpr_<service>_handle_seconds{topic}`, `alpr_<service>_lag_messages{topic}`,"
        " `alpr_<service>_dead_letters_total{topic,code}`."),
    ]  # fmt: skip
    place = ""
    for home, name, made, meaning, labels, advice in exported():
        if home != place:
            place = home
            lines += ["", f"## {home}", "", "| metric | kind | meaning | what to do |", "|---|---|---|---|"]
        shown = f"{name}{{{','.join(labels)}}}" if labels else name
        lines.append(f"| `{shown}` | {made.lower()} | {cell(meaning)} | {cell(advice)} |")
    return "\n".join(lines) + "\n"


def exported() -> Iterator[tuple[str, str, str, str, tuple[str, ...], str]]:
    """Every metric with a name of its own in the sources: home, name, kind, meaning, labels, advice."""
    for path in [*sorted(ROOT.glob("services/*/src/**/*.py")), *sorted(ROOT.glob("libs/alprcore/src/**/*.py"))]:
        text = path.read_text("utf-8")
        if "prometheus_client" not in text:
            continue
        home = path.relative_to(ROOT).parts[1]
        body, lines = ast.parse(text).body, [*text.splitlines(), ""]
        for statement, after in zip(body, [*body[1:], None], strict=True):
            match after:
                case ast.Expr(value=ast.Constant(value=str(advice))):
                    pass
                case _:
                    below = lines[statement.end_lineno or 0]
                    advice = below.removeprefix("# ") if below.startswith("# ") else ""
            for node in ast.walk(statement):
                match node:
                    case ast.Call(
                        func=ast.Name(id=made),
                        args=[ast.Constant(value=str(name)), ast.Constant(value=str(meaning)), *rest],
                    ) if made in _KINDS and name.startswith("alpr_"):
                        labels = [
                            one.value for part in [*rest, *(k.value for k in node.keywords if k.arg == "labelnames")]
                            if isinstance(part, ast.List | ast.Tuple) for one in part.elts if isinstance(one, ast.Constant)
                        ]  # fmt: skip
                        yield home, name, made, meaning, tuple(map(str, labels)), advice


@cache
def documents() -> Mapping[str, Any]:
    """The OpenAPI document of every door, of the ways that programs use."""
    from tests.fixtures.apps import every_app

    with tempfile.TemporaryDirectory() as folder:
        apps = every_app(Path(folder))
        found = {}
        for service in DOORS:
            document = apps[service].openapi()
            document["info"]["title"] = f"Plateline {service}"
            document["paths"] = {
                path: ways for path, ways in sorted(document["paths"].items()) if path.startswith("/v1/")
            }
            found[service] = document
    return found


def http(service: str, document: Mapping[str, Any]) -> str:
    """Describe the ways of one door: what each does, what it takes, and which entries it leaves in the ledger."""
    from alprcore import audited

    lines = [
        f"# HTTP: {service}", "", _INTRO[service], "",
        (f"The same for programs: [openapi-{service}.json](openapi-{service}.json) (OpenAPI {document['openapi']})."
        " Under each way stands the entry it leaves in the ledger before anything is answered."),
    ]  # fmt: skip
    for path, ways in document["paths"].items():
        for method, way in ways.items():
            name = f"{method.upper()} {path}"
            lines += ["", f"## {name}", ""]
            if words := way.get("description"):
                lines += [cell(words), ""]
            lines += [f"- Ledger: {_entry(audited, service, name)}"]
            if parameters := way.get("parameters"):
                lines += ["", "| parameter | in | kind | |", "|---|---|---|---|"]
                lines += [_parameter(one, document) for one in parameters]
            lines += _body(way.get("requestBody"), document)
    return "\n".join(lines) + "\n"


def _entry(audited: Any, service: str, name: str) -> str:
    """What the way leaves in the ledger; paths that take the rest are written without `:path` in OpenAPI."""
    declared = {way.replace(":path", ""): kinds for way, kinds in audited.DATA[service].items()}
    if kinds := declared.get(name):
        words = ", ".join(f"`{one}`" for one in kinds.split())
        return f"made by the service behind it, {kinds.removeprefix('> ')}" if kinds.startswith(">") else words
    reasons = (
        why for why, ways in audited.NO_DATA[service].items() if name in {way.replace(":path", "") for way in ways}
    )
    return f"only where it is refused or changes something. It is about: {next(reasons, 'no data')}"


def _resolve(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Any = document
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return typing.cast("Mapping[str, Any]", found)


def _type(schema: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return (
            " or ".join(dict.fromkeys(_type(one, document) for one in choices if one.get("type") != "null")) or "null"
        )
    if "$ref" in schema:
        resolved = _resolve(schema, document)
        return _type(resolved, document) if "enum" in resolved else "object " + schema["$ref"].rpartition("/")[2]
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), document)}"
    return str(schema.get("format") or schema.get("type") or "any")


def _parameter(one: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    needed = "required" if one.get("required") else ""
    words = ", ".join(filter(None, (needed, one.get("description", ""))))
    return f"| `{one['name']}` | {one['in']} | {_type(one.get('schema', {}), document)} | {cell(words)} |"


def _body(body: Mapping[str, Any] | None, document: Mapping[str, Any]) -> Iterator[str]:
    for media, content in (body or {}).get("content", {}).items():
        schema = _resolve(content.get("schema", {}), document)
        words = cell(schema.get("description", "")).removeprefix("Body of ")
        yield from ("", f"Body `{media}`{f': {words}' if words else ''}", "")
        if not schema.get("properties"):
            yield f"{_type(schema, document)}"
            continue
        yield from ("| field | kind | |", "|---|---|---|")
        for name, field in schema["properties"].items():
            needed = "required" if name in schema.get("required", ()) else ""
            words = ", ".join(filter(None, (needed, field.get("description", ""))))
            yield f"| `{name}` | {_type(field, document)} | {cell(words)} |"
