"""Makes what the chart deploy/helm/plateline takes from elsewhere; --check finds drift. `python -m tools.chart`.

values.schema.json (from deploy/helm/schema.yaml and the services' own settings), files/wire.json (topics, principals and
rights, as `alpr topics table` prints them), and the copies of deploy/monitoring's rules and dashboards: a chart holds all
that it renders.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

import yaml

from alpr_cli.main import main as alpr
from alprcore.runtime import ServiceSettings
from tools.asyncapi import write_or_check

ROOT: Final = Path(__file__).resolve().parent.parent
CHART: Final = ROOT / "deploy/helm/plateline"
SERVICES: Final = ("ingest", "recognizer", "matcher", "audit", "retention", "console")
DECIDED: Final = frozenset(
    {
        "host", "port", "kafka_bootstrap", "kafka_security", "topic_prefix", "tls_cert_file", "tls_key_file", "doors_ca_file",
        "database_url", "reader_database_url", "person_public_key", "person_key_file", "list_keys_file", "package_key_file",
        "ledger_key_file", "events_key_file", "events_public_key", "ledger_origin", "checkpoint_file", "checkpoint_log", "public_folder", "cosigned_file", "order_file",
        "image_keys_dir", "state_dir", "objects_url", "backend", "public_url", "ops_host", "ops_port",
        "ingest_url", "audit_url", "retention_url", "purge_doors",
        "feed_drop_folder", "seed_demo", "demo_password", "reader", "load_test",
    }
)  # fmt: skip
"""Settings that the templates write, and those of one machine, a demonstration or a load test: no value for them."""
NARROWED: Final[dict[str, dict[str, Any]]] = {
    "allow_test": {"const": False},
    "webhook_plain_http": {"const": False},
    "password_length": {"minimum": 15},
    "queries_per_minute": {"minimum": 1},
    "agency_queries_per_minute": {"minimum": 1},
    "views_per_minute": {"minimum": 1},
    "looks_per_minute": {"minimum": 1},
    "exports_per_hour": {"minimum": 1},
    "purge_every_hours": {"maximum": 24},
    "shutdown_seconds": {"minimum": 10, "maximum": 30},
    "banner": {"minLength": 40},
    "log_level": {"enum": ["info", "warning", "error"]},
    "traces_url": {"pattern": "^(https://.+)?$"},
    "url": {"pattern": "^(https://.+)?$"},
    "registration_url": {"pattern": "^(https://.+)?$"},
    "oidc_issuer": {"pattern": "^(https://.+)?$"},
    "witnesses": {"items": {"type": "string", "pattern": "^\\S+ https://\\S+$"}},
    "learn_tenants": {"additionalProperties": {"type": "string", "pattern": "^https://"}},
}
"""Where a cluster allows less than the service: nothing made up counts, nothing is unlimited, everything travels by TLS."""
_NETWORKS: Final = frozenset({"ipv4network", "ipv6network"})
_OUTSIDE: Final = {"type": "string", "pattern": "^/(run|etc)/extra(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$"}
"""Files that a setting names come with `mounts` and `files`; no other place of a pod is writable or shared."""


def settings_of(service: str) -> type[ServiceSettings]:
    """Find the settings class of a service."""
    module = importlib.import_module(f"alpr_{service}.settings")
    [found] = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, ServiceSettings) and kind.__module__ == module.__name__
    ]
    return found


def narrowed(service: str, name: str, schema: Any) -> Any:
    """Turn a part of pydantic's schema into ours: no defaults of this machine, closed networks, files that were mounted."""
    if isinstance(schema, list):
        return [narrowed(service, "", part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if {part.get("format") for part in schema.get("anyOf", [])} == _NETWORKS:
        return {"$ref": "#/$defs/cidr"}
    if schema.get("format") == "path" or any(part.get("format") == "path" for part in schema.get("anyOf", [])):
        return {**_OUTSIDE, "description": schema.get("description", "")}
    if name.endswith(("_file", "_folder")) and schema.get("type") == "string":
        return {**_OUTSIDE, "description": schema.get("description", "")}
    kept = {key: value for key, value in schema.items() if key not in {"default", "title", "env_names"}}
    if "$ref" in kept:
        kept["$ref"] = kept["$ref"].replace("#/$defs/", f"#/$defs/{service}.")
    properties = {key: narrowed(service, key, value) for key, value in kept.get("properties", {}).items()}
    others = {key: narrowed(service, "", value) for key, value in kept.items() if key != "properties"}
    return others | ({"properties": properties} if properties else {}) | NARROWED.get(name, {})


def settings_schemas(service: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the schema of a service's settings and of what they are made of, by name."""
    schema = settings_of(service).model_json_schema()
    for name, part in schema.pop("$defs", {}).items():
        if name not in {"Plaintext", "Sasl", "Tls"}:
            yield f"{service}.{name}", narrowed(service, "", part)
    properties = {name: part for name, part in schema["properties"].items() if name not in DECIDED}
    yield (
        f"{service}.settings",
        narrowed(service, "", {"type": "object", "additionalProperties": False, "properties": properties}),
    )


def schema_text() -> str:
    """Build values.schema.json."""
    schema = yaml.safe_load((CHART.parent / "schema.yaml").read_text("utf-8"))
    for service in SERVICES:
        own = schema["$defs"][service]
        settings = {"settings": {"$ref": f"#/$defs/{service}.settings"}}
        schema["$defs"][service] = {**own, "properties": {**own["properties"], **settings}}
        schema["$defs"].update(settings_schemas(service))
    return json.dumps(schema, indent=1) + "\n"


def wire_text() -> str:
    """Build files/wire.json: what the command prints, with the names of agencies, fleets and witnesses left open."""
    with redirect_stdout(io.StringIO()) as printed:
        if status := alpr(["topics", "table"]):
            message = f"alpr topics table ended with {status}"
            raise SystemExit(message)
    return json.dumps(json.loads(printed.getvalue()), indent=1) + "\n"


def copies() -> dict[Path, str]:
    """Give every file that is made, with its text."""
    made = {CHART / "values.schema.json": schema_text(), CHART / "files/wire.json": wire_text()}
    for kind, ending in (("rules", "yml"), ("dashboards", "json")):
        for file in sorted((ROOT / "deploy/monitoring" / kind).glob(f"*.{ending}")):
            made[CHART / "files" / kind / file.name] = file.read_text("utf-8")
    return made


def main(arguments: Sequence[str]) -> int:
    """Write or check; a file that nothing makes any more is drift, too."""
    made = copies()
    status = 0
    for file in sorted((CHART / "files").rglob("*.*")):
        if file not in made and "--check" not in arguments:
            file.unlink()
        elif file not in made:
            print(f"{file.relative_to(ROOT)} is made by nothing any more: run `make chart`")
            status = 1
    for target, text in made.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        status |= write_or_check(target, text, arguments, "make chart")
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
