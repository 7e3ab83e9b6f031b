"""The list of what an image holds is true: byte for byte what the lock file allows, and nothing besides."""

import io
import json
import zipfile

import pytest

from tools import images, sbom

SUM, OTHER = "a" * 64, "b" * 64
LOCK = f"""\
# made by hand
anyio==4.1.0 ; python_version < '3.14' \\
    --hash=sha256:{SUM} \\
    --hash=sha256:{OTHER}
    # via something
typing-extensions==4.16.0 \\
    --hash=sha256:{OTHER}
"""


def item(name, version, digest, **about):
    return {
        "metadata": {"name": name, "version": version, **about},
        "download_info": {"url": "https://somewhere.example/x.whl", "archive_info": {"hashes": {"sha256": digest}}},
    }


def test_a_lock_file_says_which_bytes_are_allowed():
    assert sbom.locked(LOCK) == {("anyio", "4.1.0"): {SUM, OTHER}, ("typing-extensions", "4.16.0"): {OTHER}}


def test_what_is_installed_is_listed_with_its_bytes_and_not_its_place():
    report = {"install": [item("Typing_Extensions", "4.16.0", OTHER, license_expression="PSF-2.0", summary="hints")]}
    assert sbom.installed(report, sbom.locked(LOCK)) == [
        {
            "type": "library",
            "bom-ref": "pkg:pypi/typing-extensions@4.16.0",
            "name": "typing-extensions",
            "version": "4.16.0",
            "purl": "pkg:pypi/typing-extensions@4.16.0",
            "description": "hints",
            "licenses": [{"expression": "PSF-2.0"}],
            "hashes": [{"alg": "SHA-256", "content": OTHER}],
        }
    ]


@pytest.mark.parametrize(
    ("name", "version", "digest"), [("anyio", "4.1.0", "c" * 64), ("anyio", "4.1.1", SUM), ("stranger", "1", SUM)]
)
def test_what_the_lock_file_does_not_allow_stops_the_build(name, version, digest):
    with pytest.raises(sbom.NotAsLockedError, match=name):
        sbom.installed({"install": [item(name, version, digest)]}, sbom.locked(LOCK))


def test_our_own_wheels_are_listed_with_the_models_in_them(tmp_path):
    file = tmp_path / "alpr_recognizer-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            "alpr_recognizer-0.1.0.dist-info/METADATA",
            "Metadata-Version: 2.4\nName: alpr-recognizer\nVersion: 0.1.0\nRequires-Dist: numpy>=2\n"
            "Requires-Dist: torch>=2.9; extra == 'gpu'\n",
        )
        archive.writestr("alpr_recognizer/weights/detector/plate.onnx", b"weights")
        archive.writestr("alpr_recognizer/main.py", b"")
    components, wanted = sbom.wheel(file)
    assert [(one["type"], one["name"]) for one in components] == [
        ("library", "alpr-recognizer"),
        ("machine-learning-model", "plate.onnx"),
    ]
    numpy = sbom.python_component("numpy", "2.3.5", {})
    assert sbom.needs(wanted, [*components, numpy]) == [
        {"ref": "pkg:pypi/alpr-recognizer@0.1.0", "dependsOn": ["pkg:pypi/numpy@2.3.5"]}
    ]


def test_the_base_system_is_listed_by_its_own_record():
    status = (
        "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.41-12+deb13u1\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n"
    )
    [one] = sbom.debian(status, 'ID=debian\nVERSION_ID="13"\n')
    assert one["purl"] == "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64&distro=debian-13"


def test_the_document_is_the_same_for_the_same_contents():
    parts = [sbom.python_component(name, "1", {}) for name in ("zeta", "alpha", "alpha")]
    made = sbom.document("plateline/audit", "0.1.0", parts, [])
    assert made == sbom.document("plateline/audit", "0.1.0", parts[::-1], [])
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    references = [one["bom-ref"] for one in made["components"]]
    assert references == sorted(set(references))
    assert made["dependencies"][0] == {"ref": made["metadata"]["component"]["bom-ref"], "dependsOn": references}
    json.dump(made, io.StringIO())


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, None),
        ({"User": ""}, "runs as root"),
        ({"User": "0:0"}, "runs as root"),
        ({"Healthcheck": None}, "has no health check"),
        ({"Labels": {}}, "lacks the label version"),
        ({"Env": ["PATH=/bin", "DATABASE_PASSWORD=x"]}, "holds DATABASE_PASSWORD in its environment"),
    ],
)
def test_an_image_is_looked_at_after_it_was_built(changed, fault):
    labels = {f"org.opencontainers.image.{label}": "x" for label in images.LABELS}
    config = {
        "User": "10001:10001",
        "Healthcheck": {"Test": ["CMD"]},
        "Labels": labels,
        "Env": ["PATH=/bin"],
        **changed,
    }
    found = images.faults("plateline/audit", config)
    assert (fault in found) if fault else found == []


def test_what_an_image_holds_and_its_list_does_not_name_is_told():
    listed = [sbom.python_component("typing_extensions", "4.16.0", {}), sbom.python_component("pip", "25", {})]
    assert images.differences(listed, [["typing_extensions", "4.16.0"]]) == set()
    assert images.differences(listed, [["typing_extensions", "4.15.0"]]) == {("typing-extensions", "4.15.0")}
