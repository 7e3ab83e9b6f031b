"""What the images and docker-compose.yml promise, read without an engine; `make images smoke-compose` tries it with one."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("audit", "ingest", "retention", "matcher", "recognizer", "console")
DOCKERFILES = {name: ROOT / f"services/{name}/Dockerfile" for name in SERVICES} | {"cli": ROOT / "cli/Dockerfile"}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
PASSWORDS = {"POSTGRES_PASSWORD", "OBJECTS_KEY", "OBJECTS_SECRET", "GRAFANA_PASSWORD"}
ADDED = ("gpu", "existing")


def stages(name):
    """The instructions of a Dockerfile by stage, continued lines joined, comments left out."""
    text = re.sub(r"^#.*\n", "", DOCKERFILES[name].read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    head, *rest = re.split(r"^FROM ", text, flags=re.MULTILINE)
    return head, [[line.strip() for line in part.splitlines() if line.strip()] for part in rest]


def words(lines, instruction):
    return [line.removeprefix(instruction).strip() for line in lines if line.startswith(instruction + " ")]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_text_but_for_its_name(service):
    def unnamed(name):
        text = re.sub(r"^# another lock file.*\n", "", DOCKERFILES[name].read_text(), flags=re.MULTILINE)
        return text.replace(name.upper(), "NAME").replace(name, "name")

    assert unnamed(service) == unnamed("audit")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_is_for_nobody_in_particular_and_writes_nowhere_but_in_its_folders(name):
    head, (build, final) = stages(name)
    assert head.strip() == "ARG BASE=python:3.13-slim"
    assert [build[0], final[0]] == ["$BASE AS build", "$BASE"]
    assert words(final, "USER") == ["10001:10001"]
    assert final.index("USER 10001:10001") > max(final.index(line) for line in final if line.startswith("RUN "))
    assert len(words(final, "ENTRYPOINT")) == 1
    assert "PYTHONDONTWRITEBYTECODE=1" in words(final, "ENV")[0]
    assert "HOME=/tmp" in words(final, "ENV")[0]
    if name != "cli":
        [check] = words(final, "HEALTHCHECK")
        assert check.endswith('CMD ["python", "-m", "alprcore.probe"]')
        assert f"ALPR_{name.upper()}_PORT=8080" in words(final, "ENV")[0]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_an_image_holds_is_locked_and_listed(name):
    _, (build, final) = stages(name)
    installs = [
        part for line in words(build, "RUN") for part in line.split("&&") if re.search("pip (install|wheel)", part)
    ]
    assert len(installs) == 4
    for install in installs:
        assert "--require-hashes" in install or "--no-index" in install, install
    assert any("sbom.py" in line and ">sbom.cdx.json" in line for line in words(build, "RUN"))
    assert "--from=build /src/LICENSE /src/sbom.cdx.json /usr/share/doc/plateline/" in words(final, "COPY")
    labels = " ".join(words(final, "LABEL"))
    for label in ("title", "version", "revision", "licenses", "base.name"):
        assert f"org.opencontainers.image.{label}=" in labels
    lock = "cli" if name == "cli" else name
    assert (ROOT / f"requirements/{lock}.txt").exists()


@pytest.mark.parametrize("name", DOCKERFILES)
def test_no_secret_is_built_in(name):
    _, parts = stages(name)
    for line in (line for part in parts for line in part):
        if line.startswith(("ARG ", "ENV ")):
            assert not re.search(r"(PASSWORD|SECRET|TOKEN|_KEY)", line), line


def test_the_build_sees_sources_and_locks_only():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"
    assert allowed == {"proto", "libs", "services", "cli", "requirements/*.txt", "LICENSE", "tools/sbom.py"}


@pytest.mark.parametrize("service", COMPOSE)
def test_every_container_is_closed_and_limited(service):
    one = COMPOSE[service]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["mem_limit"]
    assert one["pids_limit"] > 0
    assert one["logging"]["options"]["max-size"]
    assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & one.keys()
    assert str(one.get("user", "10001")).partition(":")[0] not in {"0", "root"}
    assert not any("docker.sock" in str(volume) for volume in one.get("volumes", []))
    for port in one.get("ports", []):
        assert port.startswith("127.0.0.1:"), port
    if one["image"].startswith("plateline/"):
        assert "user" not in one  # the image's own, 10001
    assert one["image"].rpartition(":")[2] not in {"", "latest"}


@pytest.mark.parametrize("service", [name for name in COMPOSE if name not in {"bucket", "prepare", "alpr"}])
def test_every_container_tells_whether_it_is_well(service):
    assert service in SERVICES or COMPOSE[service]["healthcheck"]["test"][0] == "CMD"  # services: the image's own


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_time_to_finish_and_sees_its_own_secrets_only(service):
    one = COMPOSE[service]
    assert int(one["stop_grace_period"].removesuffix("s")) > 25 + 5  # their deadline and what uvicorn drains
    mounted = {volume.partition(":")[0] for volume in one["volumes"]}
    assert mounted & {*SERVICES, "authority", "objects"} == {service}
    writable = {volume for volume in one["volumes"] if not volume.endswith(":ro")}
    assert {volume.partition(":")[2] for volume in writable} <= {"/data", "/run/plateline"}
    assert any(volume.endswith("/run/plateline:ro") for volume in one["volumes"]) or service == "retention"


def test_no_password_is_written_down():
    text = (ROOT / "docker-compose.yml").read_text()
    for name in PASSWORDS:
        found = re.findall(rf"\$\{{{name}([^}}]*)\}}", text)
        assert found, name
        assert all(rest == "" or rest.startswith(":?") for rest in found), name
    for service, one in COMPOSE.items():
        environment = one.get("environment", {})
        for name, value in environment.items():
            if name.endswith(("PASSWORD", "_KEY", "SECRET")):
                assert str(value).startswith("${"), f"{service}: {name}"


def test_nothing_is_reached_from_outside_but_what_people_and_cameras_need():
    reached = {name for name, one in COMPOSE.items() if "outside" in one.get("networks", [])}
    assert (
        reached
        == {"console", "ingest", "prometheus", "grafana"}
        == {name for name, one in COMPOSE.items() if "ports" in one}
    )
    assert yaml.safe_load((ROOT / "docker-compose.yml").read_text())["networks"]["inside"] == {"internal": True}


def test_images_carry_the_version_of_the_project():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    ours = {one["image"] for one in COMPOSE.values() if one["image"].startswith("plateline/")}
    names = {"cli", *SERVICES}
    assert ours == {f"plateline/{name}:${{PLATELINE_TAG:-{version}}}" for name in names}
    for file in DOCKERFILES.values():
        assert f"ARG VERSION={version}\n" in file.read_text()


@pytest.mark.parametrize("added", ADDED)
def test_files_that_are_added_change_only_what_is_there(added):
    more = yaml.safe_load((ROOT / f"deploy/compose/{added}.yml").read_text())["services"]
    assert more.keys() <= COMPOSE.keys()
    if "recognizer" in more and added == "gpu":
        assert more["recognizer"]["build"]["args"]["VARIANT"] == "-gpu"
        assert (ROOT / "requirements/recognizer-gpu.txt").exists()


def test_at_a_broker_elsewhere_everybody_signs_in_as_itself_over_tls():
    more = yaml.safe_load((ROOT / "deploy/compose/existing.yml").read_text())["services"]
    accounts = {name: f"alpr-{name}" for name in SERVICES} | {
        "alpr": "alpr-operator",
        "prepare": "${ALPR_KAFKA_ADMIN:-admin}",
    }
    for service, account in accounts.items():
        security = json.loads(more[service]["environment"]["ALPR_KAFKA_SECURITY"])
        assert (security["kind"], security["username"]) == ("sasl", account)
        assert security["ca_file"]
        [volume] = more[service]["volumes"]
        assert volume.endswith(f"/{'admin' if service == 'prepare' else account}:/run/kafka:ro")


def test_passwords_are_drawn_once_and_for_the_owner_alone(tmp_path):
    file = tmp_path / "env"
    draw = [ROOT / "deploy/compose/env.sh", file]
    file.write_text("POSTGRES_PASSWORD=mine\nOBJECTS_KEY=\n")
    file.chmod(0o600)
    subprocess.run(draw, check=True)
    first = file.read_text()
    subprocess.run(draw, check=True)
    assert file.read_text() == first
    assert file.stat().st_mode & 0o077 == 0
    drawn = dict(line.split("=") for line in first.splitlines() if not line.endswith("="))
    assert drawn.keys() == PASSWORDS
    assert drawn["POSTGRES_PASSWORD"] == "mine"
    assert len({drawn[name] for name in PASSWORDS - {"POSTGRES_PASSWORD"}}) == 3
    assert all(re.fullmatch(r"[0-9a-f]{40}", drawn[name]) for name in PASSWORDS - {"POSTGRES_PASSWORD"})


def _compose_there():
    return (
        shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not _compose_there(), reason="docker compose is not here")
@pytest.mark.parametrize("added", [(), ("gpu",), ("existing",)], ids=lambda added: "+".join(added) or "alone")
def test_compose_takes_its_files(added, tmp_path):
    file = tmp_path / "env"
    subprocess.run([ROOT / "deploy/compose/env.sh", file], check=True)
    given = {
        "ALPR_OBJECTS": "s3://b/p", "AWS_ENDPOINT_URL": "https://objects.example", "ALPR_KAFKA": "k:9092",
        "DATABASE_URL": "postgresql://a:b@c/d", "ALPR_KAFKA_ACCOUNTS": "/somewhere",
    }  # fmt: skip
    files = [ROOT / "docker-compose.yml", *(ROOT / f"deploy/compose/{name}.yml" for name in added)]
    command = ["docker", "compose", "--env-file", file]
    for one in files:
        command += ["--file", one]
    told = subprocess.run(
        [*command, "--project-directory", ROOT, "config", "--quiet"],
        capture_output=True,
        text=True,
        env=os.environ | given,
    )
    assert told.returncode == 0, told.stderr


@pytest.mark.skipif(not _compose_there(), reason="docker compose is not here")
def test_compose_does_not_start_without_passwords(tmp_path):
    (tmp_path / "env").touch()
    clean = {name: value for name, value in os.environ.items() if name not in PASSWORDS}
    told = subprocess.run(
        ["docker", "compose", "--env-file", tmp_path / "env", "--file", ROOT / "docker-compose.yml", "config", "--quiet"],
        capture_output=True, text=True, env=clean,
    )  # fmt: skip
    assert told.returncode != 0
    assert "make up" in told.stderr
