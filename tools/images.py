"""Looks at the images that `docker compose build` made, writes down what each holds, and packs them for a site without
a registry. Needs Docker and Python, nothing of the project's environment.

    python3 tools/images.py build    all of them; build-gpu: the recognizer's for NVIDIA GPUs
    python3 tools/images.py check    user, health check, labels, no secret, size, list of contents (build/sbom/)
    python3 tools/images.py bundle   build/plateline-VERSION.tar: images, compose files and sums
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
SBOM = "/usr/share/doc/plateline/sbom.cdx.json"
MOST_ADDED_MB = 150
"""What a light image may add to its base."""
HEAVIER_MB = {"plateline/cli": 250, "plateline/recognizer": 1000}
"""The command draws pictures, the recognizer holds models and what runs them; on a GPU that is what it is."""
LABELS = ("title", "version", "licenses", "base.name")
BUNDLED = ("docker-compose.yml", ".env.example", "deploy/compose", "deploy/monitoring", "LICENSE")
_HOLDS = """
import json, importlib.metadata as m
print(json.dumps(sorted([d.metadata["Name"], d.version] for d in m.distributions(path=[
    p for p in __import__("sys").path if p.startswith("/opt/alpr")]))))
"""


def docker(*words: str) -> str:
    """Run a docker command; raises `CalledProcessError`, whose message is already on standard error."""
    return subprocess.run(["docker", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def drawn() -> Path:
    """Draw passwords that are only there so that compose takes its file: nothing is started with them."""
    BUILD.mkdir(exist_ok=True)
    file = BUILD / "images.env"
    subprocess.run([ROOT / "deploy/compose/env.sh", file], check=True)
    return file


def compose(*words: str) -> str:
    """Run docker compose without starting anything."""
    return docker("compose", "--env-file", str(drawn()), *words)


def build(*files: str, only: Sequence[str] = ()) -> int:
    """Build what compose builds, from these compose files; gives the exit status."""
    asked = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    os.environ["PLATELINE_REVISION"] = asked.stdout.strip()
    chosen = [word for file in files for word in ("--file", file)]
    command = ["docker", "compose", "--env-file", str(drawn()), *chosen, "build", *only]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def to_be_had(image: str) -> bool:
    """Tell whether an image is on this machine or can be pulled to it."""
    ways = (("image", "inspect"), ("pull", "--quiet"))
    return any(
        subprocess.run(["docker", *way, image], capture_output=True, check=False).returncode == 0 for way in ways
    )


def faults(name: str, config: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with an image's configuration."""
    found = []
    if str(config.get("User", "")).partition(":")[0] in {"", "0", "root"}:
        found.append("runs as root")
    if not name.startswith("plateline/cli") and not config.get("Healthcheck"):
        found.append("has no health check")
    labels = config.get("Labels") or {}
    found += [f"lacks the label {label}" for label in LABELS if not labels.get(f"org.opencontainers.image.{label}")]
    names = (entry.partition("=")[0] for entry in config.get("Env") or ())
    found += [f"holds {name} in its environment" for name in names if name.endswith(("PASSWORD", "SECRET", "_KEY"))]
    return found


def differences(listed: Iterable[Mapping[str, Any]], holds: Iterable[Sequence[str]]) -> set[tuple[str, str]]:
    """Compare the list of contents with what is there: packages that are only in one of the two."""
    named = {(one["name"], one["version"]) for one in listed if one.get("purl", "").startswith("pkg:pypi/")}
    there = {(name.lower().replace("_", "-").replace(".", "-"), version) for name, version in holds}
    return there - named  # the list also has the base image's own


def look(image: str) -> tuple[list[str], str]:
    """Look at one image: its faults, and a line for the table."""
    [told] = json.loads(docker("image", "inspect", image))
    config, name = told["Config"], image.partition(":")[0]
    found = faults(name, config)
    base = (config.get("Labels") or {}).get("org.opencontainers.image.base.name", "")
    [under] = json.loads(docker("image", "inspect", base))
    added = (told["Size"] - under["Size"]) / 1e6
    most = HEAVIER_MB.get(name, MOST_ADDED_MB)
    if added > most and not image.endswith("-gpu"):
        found.append(f"adds {added:.0f} MB to its base, more than {most}")
    inside = ("run", "--rm", "--network", "none", "--read-only", "--entrypoint")
    listing = docker(*inside, "cat", image, SBOM)
    (BUILD / "sbom").mkdir(parents=True, exist_ok=True)
    (BUILD / "sbom" / f"{image.replace('/', '-').replace(':', '-')}.cdx.json").write_text(listing)
    components = json.loads(listing)["components"]
    holds = json.loads(docker(*inside, "python", image, "-c", _HOLDS))
    found += [
        f"holds {name} {version}, which its list does not name" for name, version in differences(components, holds)
    ]
    line = f"{image:36} {told['Size'] / 1e6:7.0f} MB  {added:7.0f} MB added  {len(components):4} components"
    return found, line


def built() -> list[str]:
    """The images that compose builds."""
    services = json.loads(compose("config", "--format", "json"))["services"]
    return sorted({service["image"] for service in services.values() if "build" in service})


def check(images: Sequence[str]) -> int:
    """Look at all; 1 when one has a fault."""
    worst = 0
    for image in images:
        found, line = look(image)
        print(line)
        for fault in found:
            worst = 1
            print(f"  {image}: {fault}", file=sys.stderr)
    return worst


def bundle(version: str) -> int:
    """Pack the images and what starts them; whoever carries it compares SHA256SUMS."""
    folder = BUILD / f"plateline-{version}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in BUNDLED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
    shutil.copytree(BUILD / "sbom", folder / "sbom")
    every = sorted(set(compose("--profile", "*", "config", "--images").split()))
    here = [image for image in every if to_be_had(image)]
    for image in sorted(set(every) - set(here)):
        print(f"left out: {image} is neither on this machine nor to be pulled", file=sys.stderr)
    with (
        subprocess.Popen(["docker", "save", *here], stdout=subprocess.PIPE) as saving,
        gzip.open(folder / "images.tar.gz", "wb", compresslevel=6) as packed,
    ):
        shutil.copyfileobj(saving.stdout, packed, 1 << 20)
    if saving.returncode:
        return 1
    sums = [
        (hashlib.sha256(one.read_bytes()).hexdigest(), one.relative_to(folder))
        for one in sorted(folder.rglob("*"))
        if one.is_file()
    ]
    (folder / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for digest, name in sums))
    with tarfile.open(f"{folder}.tar", "w") as archive:
        archive.add(folder, folder.name)
    shutil.rmtree(folder)
    print(f"{folder}.tar: {Path(f'{folder}.tar').stat().st_size / 1e6:.0f} MB, {len(here)} images")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Do what is asked; without images named, all that compose builds are looked at."""
    if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
        print("no Docker engine answers on this machine", file=sys.stderr)
        return os.EX_UNAVAILABLE
    match list(arguments):
        case ["build"]:
            return build("docker-compose.yml")
        case ["build-gpu"]:
            return build("docker-compose.yml", "deploy/compose/gpu.yml", only=["recognizer"])
        case ["check", *images]:
            return check(images or built())
        case ["bundle"]:
            return bundle(built()[0].rpartition(":")[2])
        case _:
            print(__doc__, file=sys.stderr)
            return 64


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
