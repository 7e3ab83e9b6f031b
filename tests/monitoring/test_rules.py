"""Alerts fire when they should and only then, say who is woken and what to do, and read what the services export."""

import functools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.monitoring.exported import SERVICES, exported, modules_with_metrics

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy/monitoring"
RULES = sorted(MONITORING.glob("rules/*.yml"))
DASHBOARDS = sorted(MONITORING.glob("dashboards/*.json"))
FOREIGN = {"up", "process_start_time_seconds", "process_resident_memory_bytes", "process_cpu_seconds_total"}
"""What Prometheus itself and its client library export."""

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is missing")


@functools.cache
def rules(kind):
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text("utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


@functools.cache
def scenarios():
    return yaml.safe_load(Path(__file__).with_name("alerts.yml").read_text("utf-8"))


def expressions():
    """Everything that is asked of Prometheus, with where it stands."""
    for rule in rules("expr"):
        yield rule.get("alert") or rule["record"], rule["expr"]
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            for target in panel.get("targets", ()):
                yield f"{path.stem}: {panel['title']}", target["expr"]


def promtool(*arguments, cwd):
    return subprocess.run(["promtool", *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def needed(rule):
    """A rule and the records that it reads, those that others read first: promtool evaluates everything it is given."""
    found = [rule]
    for name in sorted(names_in(rule["expr"])):
        for record in rules("record"):
            if record["record"] == name:
                found = [*needed(record), *(one for one in found if one != record)]
    return [one for number, one in enumerate(found) if one not in found[:number]]


def at_once(questions, folder):
    """Run promtool over questions, pairs of a rule and its test, all in one process; answers what it says."""
    files = []
    for number, (rule, test) in enumerate(questions):
        (folder / f"{number}.yml").write_text(
            yaml.safe_dump({"groups": [{"name": "g", "rules": needed(rule)}]}), "utf-8"
        )
        document = {"rule_files": [f"{number}.yml"], "evaluation_interval": "1m", "tests": [test]}
        files.append(f"{number}_test.yml")
        (folder / files[-1]).write_text(yaml.safe_dump(document), "utf-8")
    return promtool("test", "rules", *files, cwd=folder)


def told(series):
    return [{"series": name, "values": str(values)} for name, values in series.items()]


def asked(alert, scenario, fires):
    rule = next(rule for rule in rules("alert") if rule["alert"] == alert)
    expected = [
        {"exp_labels": {**scenario.get("labels", {}), **rule["labels"]}, "exp_annotations": rule["annotations"]}
    ]
    question = {"eval_time": scenario["at"], "alertname": alert, "exp_alerts": expected if fires else []}
    return rule, {"interval": "1m", "input_series": told(scenario["series"]), "alert_rule_test": [question]}


@needs_promtool
def test_rules_are_well_formed():
    found = promtool("check", "rules", *map(str, RULES), cwd=ROOT)
    assert found.returncode == 0, found.stdout + found.stderr


@needs_promtool
def test_every_alert_fires_when_it_should_and_only_then(tmp_path):
    alerts = scenarios()
    tests = [
        asked(alert, both[kind], kind == "fires")
        for alert, both in alerts.items()
        for kind in ("fires", "quiet")
    ]  # fmt: skip
    found = at_once(tests, tmp_path)
    assert found.returncode == 0, (found.stdout + found.stderr)[-4000:]


@needs_promtool
def test_a_quiet_scenario_that_fires_is_found(tmp_path):
    """The other way round, so that a test of nothing is not taken for a proof."""
    alerts = scenarios()
    found = at_once([asked("PlatelineStormGoesOn", alerts["PlatelineStormGoesOn"]["fires"], fires=False)], tmp_path)
    assert found.returncode != 0


def test_every_alert_has_its_scenarios():
    names = [rule["alert"] for rule in rules("alert")]
    assert len(names) == len(set(names))
    assert set(scenarios()) == set(names)
    assert all(set(both) == {"fires", "quiet"} for both in scenarios().values())


SLO_SERIES = {
    "alerts": {
        'alpr_pipeline_captured_to_notification_seconds_count{device_kind="fixed"}': "0+60x120",
        'alpr_pipeline_captured_to_notification_seconds_bucket{device_kind="fixed",le="5.0"}': "0+54x120",
        'alpr_pipeline_captured_to_notification_seconds_count{device_kind="mobile"}': "0+60x120",
    },
    "frames": {
        'alpr_http_requests_total{component="ingest",route="/v1/frames",status="2xx"}': "0+54x120",
        'alpr_http_requests_total{component="ingest",route="/v1/frames",status="5xx"}': "0+6x120",
        'alpr_http_requests_total{component="ingest",route="/v1/lists",status="5xx"}': "0+6x120",
    },
    "searches": {
        'alpr_audit_queries_total{outcome="answered"}': "0+44x120",
        'alpr_audit_queries_total{outcome="refused"}': "0+10x120",
        'alpr_audit_queries_total{outcome="unavailable"}': "0+6x120",
    },
    "pages": {
        'alpr_http_requests_total{component="console",route="/hits",status="4xx"}': "0+54x120",
        'alpr_http_requests_total{component="console",route="/hits",status="5xx"}': "0+6x120",
    },
    "ledger": {
        "alpr_audit_append_seconds_count": "0+60x120",
        'alpr_audit_append_seconds_bucket{le="0.1"}': "0+54x120",
    },
}


@needs_promtool
@pytest.mark.parametrize("window", ["5m", "30m", "1h", "6h", "3d"])
def test_a_tenth_of_bad_events_is_a_tenth_of_errors(tmp_path, window):
    ratio = next(rule for rule in rules("record") if rule["record"] == f"alpr:slo_errors:ratio{window}")
    questions = []
    for slo, series in SLO_SERIES.items():
        question = {
            "expr": f'round(alpr:slo_errors:ratio{window}{{slo="{slo}"}}, 0.0001)',
            "eval_time": "100m",
            "exp_samples": [{"labels": f'{{slo="{slo}"}}', "value": 0.1}],
        }
        questions.append((ratio, {"interval": "1m", "input_series": told(series), "promql_expr_test": [question]}))
    found = at_once(questions, tmp_path)
    assert found.returncode == 0, (found.stdout + found.stderr)[-4000:]


def test_every_objective_has_a_budget():
    budgets = {rule["labels"]["slo"] for rule in rules("record") if rule["record"] == "alpr:slo_budget"}
    for part in ("alpr:slo_all:rate5m", "alpr:slo_bad:rate5m"):
        assert {rule["labels"]["slo"] for rule in rules("record") if rule["record"] == part} == budgets
    assert budgets == set(SLO_SERIES)


def test_every_alert_says_whom_it_wakes_and_what_to_do():
    runbook = (ROOT / "docs/runbook.md").read_text("utf-8")
    sections = re.findall(r"^## (\S+)$", runbook, re.MULTILINE)
    for rule in rules("alert"):
        name, notes = rule["alert"], rule["annotations"]
        assert rule["labels"]["severity"] in {"page", "ticket"}, name
        assert notes["summary"], name
        assert notes["description"], name
        assert notes["runbook_url"] == f"docs/runbook.md#{name.lower()}"
        assert name in sections, name
    assert sorted(sections) == sorted(rule["alert"] for rule in rules("alert"))
    for section in re.split(r"^## ", runbook, flags=re.MULTILINE)[1:]:
        name, _, body = section.partition("\n")
        assert re.search(r"^1\. ", body, re.MULTILINE), f"{name}: no first step"
        assert "**Means**" in body, name


def names_in(expression):
    """Metric and record names that an expression reads, with the labels it names."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"(?<![\w:$])(alpr[_:][\w:]+|up|process_\w+)(?![\w:]*\()", bare))


def test_every_metric_that_is_asked_for_is_exported():
    known, recorded = exported(), {rule["record"] for rule in rules("record")}
    unknown = {
        (where, name)
        for where, expression in expressions()
        for name in names_in(expression)
        if name not in known and name not in recorded and name not in FOREIGN
    }
    assert not unknown


def test_every_label_that_is_asked_for_is_exported():
    known, places = exported(), {"job", "component", "instance", "le"}
    wrong = set()
    for where, expression in expressions():
        for name, matchers in re.findall(r"(alpr_\w+)\{([^}]*)\}", expression):
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', matchers)))
            wrong |= {(where, name, label) for label in labels - places - set(known[name])}
    assert not wrong


def test_every_metric_of_the_services_is_on_a_dashboard_or_behind_an_alert():
    """A metric that nobody looks at is not needed."""
    read = {name for _, expression in expressions() for name in names_in(expression)}
    read |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in read}
    unread = {name for name in exported() if re.sub(r"_(bucket|sum|count)$", "", name) not in read}
    assert not unread


def test_metrics_are_made_where_they_are_found():
    shared = {ROOT / f"libs/alprcore/src/alprcore/{name}.py" for name in ("ops", "tracing", "outbox", "kafka/follow")}
    own = {ROOT / f"services/{service}/src/alpr_{service}/metrics.py" for service in SERVICES}
    assert modules_with_metrics() == shared | own


def test_no_metric_has_a_label_for_contents():
    allowed = {
        "action", "agency", "camera", "check", "code", "device_kind", "door", "grade", "kind", "leg", "list", "list_code",
        "method", "outcome", "owner", "pattern", "reason", "reason_code", "result", "route", "sound", "status", "table",
        "target", "topic", "way", "why",
    }  # fmt: skip
    assert {label for labels in exported().values() for label in labels} <= allowed


def test_the_dashboards_are_those_of_the_script():
    found = subprocess.run(
        [sys.executable, "tools/dashboards.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr


def test_the_dashboards_are_sound():
    titles = set()
    for path in DASHBOARDS:
        board = json.loads(path.read_text("utf-8"))
        titles.add(board["uid"])
        numbers = [panel["id"] for panel in board["panels"]]
        assert len(numbers) == len(set(numbers)), path.name
        taken = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
            assert not cells & taken, (path.name, panel["title"])
            assert place["x"] + place["w"] <= 24, (path.name, panel["title"])
            taken |= cells
            if panel["type"] != "row":
                assert panel["targets"]
                assert all(t["datasource"]["uid"] == "${datasource}" for t in panel["targets"])
    assert len(titles) == len(DASHBOARDS) == 5


def test_compose_scrapes_every_service():
    jobs = yaml.safe_load((MONITORING / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    components = {group["labels"]["component"] for job in jobs for group in job["static_configs"]}
    assert {job["job_name"] for job in jobs} == {"plateline"}
    assert components == {path.name for path in (ROOT / "services").iterdir() if (path / "pyproject.toml").exists()}
