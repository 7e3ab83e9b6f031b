"""Generates proto/gen, proto/asyncapi.yaml, docs/topics.md and the accounts in docs/security.md from proto/alpr and proto/topics with the pinned protoc; `--check` only says whether it is stale."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import access_page  # beside this script
import asyncapi
import topics_page

PROTO = Path(__file__).resolve().parents[1] / "proto"
GENERATED = PROTO / "gen"
TOPICS = Path("alpr/topics")


def generate(out: Path) -> dict[Path, bytes]:
    """Runs protoc with mypy-protobuf into `out`; returns each generated file by its place below `out`."""
    sources = sorted(str(path.relative_to(PROTO)) for path in (PROTO / "alpr").rglob("*.proto"))
    beside_python = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where protoc-gen-mypy is
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={out}", f"--mypy_out=quiet:{out}", *sources],
        cwd=PROTO,
        env=os.environ | {"PATH": beside_python},
        check=True,
    )
    (out / TOPICS).mkdir()
    for topic in (PROTO / "topics").glob("*.yaml"):  # installed beside the messages, so that every service finds them
        shutil.copyfile(topic, out / TOPICS / topic.name)
    return contents(out)


def contents(root: Path) -> dict[Path, bytes]:
    """Read everything below `root` that this script writes."""
    found = [*root.rglob("*_pb2.py*"), *(root / TOPICS).glob("*.yaml")]
    return {path.relative_to(root): path.read_bytes() for path in sorted(found)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    told = ["--check"] if check else []
    return generate_code(check=check) or asyncapi.main(told) or topics_page.main(told) or access_page.main(told)


def generate_code(*, check: bool) -> int:
    with tempfile.TemporaryDirectory() as folder:
        fresh = generate(Path(folder))
    present = contents(GENERATED)
    if fresh == present:
        return 0
    if check:
        stale = sorted(str(path) for path in fresh.keys() | present.keys() if fresh.get(path) != present.get(path))
        print(f"proto/gen is stale, run `make proto`: {', '.join(stale)}", file=sys.stderr)
        return 1
    for path in present.keys() - fresh.keys():
        (GENERATED / path).unlink()
    for path, content in fresh.items():
        (GENERATED / path).parent.mkdir(parents=True, exist_ok=True)
        (GENERATED / path).write_bytes(content)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
