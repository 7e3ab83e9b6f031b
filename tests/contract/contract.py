"""The contract as the tests see it: topics, examples, generated modules."""

from importlib import import_module, resources
from pathlib import Path

import yaml
from google.protobuf import message_factory, symbol_database, text_format

PROTO = Path(__file__).resolve().parents[2] / "proto"
MODULES = [import_module(f"alpr.v1.{path.stem}_pb2") for path in sorted((PROTO / "alpr/v1").glob("*.proto"))]
FILES = [module.DESCRIPTOR for module in MODULES]
TOPICS = {
    file.name.removesuffix(".yaml"): yaml.safe_load(file.read_text("utf-8"))
    for file in sorted((resources.files("alpr") / "topics").iterdir(), key=lambda item: item.name)
}


def message_class(name: str):
    descriptor = symbol_database.Default().pool.FindMessageTypeByName(name)
    return message_factory.GetMessageClass(descriptor)


def examples(topic: str) -> list[Path]:
    return sorted((PROTO / "examples" / topic).iterdir()) if (PROTO / "examples" / topic).is_dir() else []


def example_bytes(path: Path) -> bytes:
    text = path.read_text("utf-8")
    name = next(line.split()[-1] for line in text.splitlines() if line.startswith("# proto-message:"))
    return text_format.Parse(text, message_class(name)()).SerializeToString(deterministic=True)
