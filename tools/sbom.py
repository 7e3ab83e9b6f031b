"""Writes the list of what an image holds, as CycloneDX 1.6, while the image is built; asks nobody.

It is made of what pip says it installed, of the wheels built here and of the base system's own records, and it fails
where an installed package is not the one in the lock file, byte for byte. The same input gives the same output.
"""

from __future__ import annotations

import argparse
import email
import hashlib
import json
import platform
import re
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

Component = dict[str, Any]
STATUS, RELEASE = Path("/var/lib/dpkg/status"), Path("/etc/os-release")
WEIGHTS = (".onnx", ".int8.bin")
"""Files of a wheel that are trained models: they are listed one by one."""


class NotAsLockedError(Exception):
    """Something is installed that the lock file does not name."""


def normal(name: str) -> str:
    """Spell a distribution's name as indexes do (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> dict[tuple[str, str], set[str]]:
    """Read a lock file: the SHA-256 sums that are allowed, by name and version."""
    sums: dict[tuple[str, str], set[str]] = {}
    plain = re.sub(r"^\s*#.*\n?", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    for line in plain.splitlines():
        if found := re.match(r"([\w.-]+)==([^\s;]+)", line.strip()):
            allowed = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
            sums.setdefault((normal(found[1]), found[2]), set()).update(allowed)
    return sums


def python_component(name: str, version: str, about: Mapping[str, Any], sha256: str = "") -> Component:
    """Describe a Python package."""
    purl = f"pkg:pypi/{quote(normal(name))}@{quote(version)}"
    one: Component = {"type": "library", "bom-ref": purl, "name": normal(name), "version": version, "purl": purl}
    if text := about.get("summary"):
        one["description"] = text
    if expression := about.get("license_expression"):
        one["licenses"] = [{"expression": expression}]
    elif (words := about.get("license")) and "\n" not in words and len(words) <= 100:
        one["licenses"] = [{"license": {"name": words}}]
    if sha256:
        one["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    return one


def installed(report: Mapping[str, Any], allowed: Mapping[tuple[str, str], set[str]]) -> list[Component]:
    """Read pip's report of an installation. Raises `NotAsLockedError` naming what the lock file does not allow."""
    components = []
    for item in report["install"]:
        about = item["metadata"]
        name, version = normal(about["name"]), about["version"]
        sha256 = item["download_info"]["archive_info"]["hashes"]["sha256"]
        if sha256 not in allowed.get((name, version), set()):
            raise NotAsLockedError(f"{name} {version} is installed, and the lock file does not allow these bytes")
        components.append(python_component(name, version, about, sha256))
    return components


def wheel(file: Path) -> tuple[list[Component], Mapping[str, Sequence[str]]]:
    """Describe one of our own wheels and the models in it; also what it needs, by its reference."""
    with zipfile.ZipFile(file) as archive:
        record = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        head = email.message_from_bytes(archive.read(record))
        about = {"summary": head["Summary"], "license_expression": head["License-Expression"]}
        own = python_component(head["Name"], head["Version"], about, hashlib.sha256(file.read_bytes()).hexdigest())
        models = [
            {
                "type": "machine-learning-model",
                "bom-ref": f"{own['bom-ref']}#{name}",
                "name": name.rpartition("/")[2],
                "version": head["Version"],
                "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(archive.read(name)).hexdigest()}],
            }
            for name in sorted(archive.namelist())
            if name.endswith(WEIGHTS)
        ]
    return [own, *models], {own["bom-ref"]: head.get_all("Requires-Dist") or []}


def debian(status: str, release: str) -> list[Component]:
    """Read the base system's record of its packages."""
    facts = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    distribution = f"{facts.get('ID', 'debian')}-{facts.get('VERSION_ID', '')}".replace('"', "").rstrip("-")
    components = []
    for block in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if re.match(r"[A-Z][\w-]*: ", line))
        if fields.get("Status") == "install ok installed":
            name, version = fields["Package"], fields["Version"]
            place = f"?arch={fields['Architecture']}&distro={distribution}"
            purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}{place}"
            components.append({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl})
    return components


def needs(wanted: Mapping[str, Sequence[str]], components: Iterable[Component]) -> list[dict[str, Any]]:
    """Say what depends on what, among what is there: an extra that was not asked for is not."""
    there = {one["name"]: one["bom-ref"] for one in components if one.get("purl", "").startswith("pkg:pypi/")}
    graph = []
    for reference, requirements in sorted(wanted.items()):
        names = {normal(found[0]) for one in requirements if (found := re.match(r"[\w.-]+", one))}
        graph.append({"ref": reference, "dependsOn": sorted(there[name] for name in names & there.keys())})
    return graph


def document(image: str, version: str, components: Sequence[Component], graph: Sequence[Any]) -> dict[str, Any]:
    """Put the list together."""
    reference = f"pkg:oci/{image.rpartition('/')[2]}@{version}"
    unique = {one["bom-ref"]: one for one in components}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": reference,
                "name": image,
                "version": version,
                "licenses": [{"expression": "AGPL-3.0-or-later"}],
            }
        },
        "components": [unique[key] for key in sorted(unique)],
        "dependencies": [{"ref": reference, "dependsOn": sorted(unique)}, *graph],
    }


def of_image(options: argparse.Namespace) -> dict[str, Any]:
    """Describe the image that is being built. Raises `NotAsLockedError`."""
    report = json.loads(options.installed.read_text("utf-8"))
    components = installed(report, locked(options.lock.read_text("utf-8")))
    wanted = {
        component["bom-ref"]: item["metadata"].get("requires_dist", [])
        for component, item in zip(components, report["install"], strict=True)
    }
    for file in sorted(options.wheels.glob("*.whl")):
        own, own_needs = wheel(file)
        components += own
        wanted |= own_needs
    for base in distributions():  # the base image's own, pip for one
        components.append(python_component(base.metadata["Name"], base.version, {}))
    python = platform.python_version()
    components.append(
        {
            "type": "application",
            "bom-ref": f"pkg:generic/python@{python}",
            "name": "python",
            "version": python,
            "purl": f"pkg:generic/python@{python}",
        }
    )
    components += debian(STATUS.read_text("utf-8"), RELEASE.read_text("utf-8"))
    return document(options.image, options.version, components, needs(wanted, components))


def main() -> int:
    """Write the list to standard output; 1 when the image is not what the lock file says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--image", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--installed", type=Path, required=True, help="pip's report (pip install --report)")
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--wheels", type=Path, required=True, help="folder of the wheels that were built here")
    try:
        found = of_image(parser.parse_args())
    except NotAsLockedError as error:
        print(f"sbom: {error}", file=sys.stderr)
        return 1
    json.dump(found, sys.stdout, indent=1, sort_keys=True)
    print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
