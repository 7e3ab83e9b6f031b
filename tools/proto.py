"""Generates proto/gen from proto/alpr with the pinned protoc; `--check` only says whether it is stale."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROTO = Path(__file__).resolve().parents[1] / "proto"
GENERATED = PROTO / "gen"


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
    return {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*_pb2.py*"))}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        fresh = generate(Path(folder))
    present = {path.relative_to(GENERATED): path.read_bytes() for path in GENERATED.rglob("*_pb2.py*")}
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
