"""What the chart's jobs run is what the product understands, in the order of the hooks, on a real database."""

import argparse
import asyncio
import importlib
from pathlib import Path

import pytest
import yaml

from alprcore import migrate, postgres
from alprcore.migrate import ROLES

HERE = Path(__file__).resolve().parent
SCHEMAS = ("audit", "ingest", "retention", "console")


def jobs(case, *kinds):
    found = [one for one in yaml.safe_load_all((HERE / f"goldens/{case}.yaml").read_text()) if one]
    return [one for one in found if one["kind"] in kinds]


def job(case, ending):
    [one] = [one for one in jobs(case, "Job", "CronJob") if one["metadata"]["name"].endswith(ending)]
    spec = one["spec"] if one["kind"] == "Job" else one["spec"]["jobTemplate"]["spec"]
    return spec["template"]["spec"]


def environment(container, database):
    """The container's variables, with addresses of the test's database in place of the cluster's."""
    values = {}
    for variable in container["env"]:
        name = variable["name"]
        if "secretKeyRef" in variable.get("valueFrom", {}):
            role = variable["valueFrom"]["secretKeyRef"]["key"]
            url = database.url(role.removeprefix("alpr_"))
            values[name] = url.partition("://")[2].partition("@")[0].partition(":")[2]
        else:
            role = variable["value"].partition("://")[2].partition("@")[0]
            values[name] = database.url(role.removeprefix("alpr_")) if role in ROLES else database.admin
    return values


def carry_out(pod, database):
    """In this process: seventeen interpreters would take longer to start than the work takes."""
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        assert container["command"][:3] == ["python", "-m", "alprcore.migrate"]
        with pytest.MonkeyPatch.context() as inside:
            for name, value in environment(container, database).items():
                inside.setenv(name, value)
            assert migrate.main(container["command"][3:]) == 0, container["name"]


def stands_at(database, schema):
    async def ask():
        pool = await postgres.connect(database.url(schema), max=1)
        try:
            await postgres.require_schema(pool, schema, f"alpr_{schema}")  # what a service asks before it starts
            return await pool.fetchval(f"SELECT version_num FROM {schema}.alembic_version")
        finally:
            await pool.close()

    return asyncio.run(ask())


def test_an_install_prepares_migrates_and_lets_every_service_start(pg_empty):
    carry_out(job("existing", "-database"), pg_empty)
    carry_out(job("existing", "-migrate-pre"), pg_empty)
    for schema in SCHEMAS:
        assert stands_at(pg_empty, schema) == postgres.newest_revision(f"alpr_{schema}", "pre")
    carry_out(job("existing", "-migrate-head"), pg_empty)
    for schema in SCHEMAS:
        assert stands_at(pg_empty, schema) == postgres.newest_revision(f"alpr_{schema}")
    carry_out(job("existing", "-migrate-pre"), pg_empty)  # an upgrade to the same release changes nothing
    carry_out(job("existing", "-migrate-head"), pg_empty)
    assert stands_at(pg_empty, "console") == postgres.newest_revision("alpr_console")


@pytest.mark.parametrize(("module", "ending"), [("alpr_cli.topics", "-topics"), ("alpr_cli.verify", "-verify")])
def test_the_words_of_a_job_are_those_of_the_command(module, ending):
    [container] = job("existing", ending)["containers"]
    command, _, *words = container["command"]
    parser = argparse.ArgumentParser(exit_on_error=False)
    importlib.import_module(module).add_arguments(parser)
    options = parser.parse_args(words)
    assert command == "alpr"
    if ending == "-topics":
        assert (options.action, options.replication, options.min_insync) == ("apply", 3, 2)
        assert (options.agency, options.fleet, options.witness) == (
            ["northside", "southside"],
            ["patrol"],
            ["university"],
        )
    else:
        assert options.audit_command == "fsck"
        assert options.checkpoint == Path("/data/checkpoint")
        assert "@" in options.copy
        assert "password" not in options.copy
