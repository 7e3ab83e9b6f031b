"""The chart of deploy/helm: what it renders, and what it refuses. What needs Helm itself is skipped without it."""

import copy
import functools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from tools.chart import settings_of

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/plateline"
HERE = Path(__file__).resolve().parent
CASES = sorted(path.stem for path in (HERE / "cases").glob("*.yaml"))
UNSAFE = yaml.safe_load((HERE / "unsafe.yaml").read_text())
SERVICES = {"ingest", "recognizer", "matcher", "audit", "retention", "console"}
TOOLS = f"{os.environ['PATH']}:{Path.home() / 'go/bin'}"
HELM, SCORE = (shutil.which(name, path=TOOLS) for name in ("helm", "kube-score"))
KUBERNETES = ("--kube-version", "1.34")
needs_helm = pytest.mark.skipif(not HELM, reason="helm is not installed (go install helm.sh/helm/v3/cmd/helm@latest)")


def helm(*arguments, text=None):
    return subprocess.run([HELM, *arguments], input=text, capture_output=True, text=True, timeout=60)


def template(case, values=None):
    over = ["--values", "-"] if values is not None else []
    return helm(
        "template", "alpr", str(CHART), "--namespace", "plateline", *KUBERNETES, "--values", str(HERE / f"cases/{case}.yaml"), *over,
        text=yaml.safe_dump(values) if values is not None else None,
    )  # fmt: skip


@functools.cache
def rendered(case):
    """The committed golden: what a rule says of it holds without Helm, too."""
    return [one for one in yaml.safe_load_all((HERE / f"goldens/{case}.yaml").read_text()) if one]


def kinds(case, *names):
    return [one for one in rendered(case) if one["kind"] in names]


def pods(case):
    """(name of the object, labels, pod) of everything that runs."""
    for one in rendered(case):
        spec = one.get("spec", {})
        if one["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if one["kind"] in {"Deployment", "StatefulSet", "Job", "CronJob"}:
            yield one["metadata"]["name"], spec["template"]["metadata"]["labels"], spec["template"]["spec"]


def containers(pod):
    return [*pod.get("initContainers", []), *pod["containers"]]


def merged(base, over):
    """As Helm lays one file of values over another: None takes a value away."""
    result = copy.deepcopy(base)
    for name, value in over.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged(result[name], value)
        else:
            result[name] = copy.deepcopy(value)
    return result


@functools.cache
def values_of(case):
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    return merged(values, yaml.safe_load((HERE / f"cases/{case}.yaml").read_text()))


@functools.cache
def validator():
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


# what it is made of


def test_generated_files_are_what_the_product_says_today():
    done = subprocess.run(
        [sys.executable, "-m", "tools.chart", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_helm
@pytest.mark.parametrize("case", CASES)
def test_what_is_rendered_is_the_golden(case):
    """After a change on purpose: `make helm GOLDENS=write`, and read the difference."""
    done = template(case)
    assert done.returncode == 0, done.stderr
    golden = HERE / f"goldens/{case}.yaml"
    if os.environ.get("GOLDENS") == "write":
        golden.write_text(done.stdout)
    assert done.stdout == golden.read_text()


@needs_helm
@pytest.mark.parametrize("case", CASES)
def test_helm_finds_nothing_to_complain_about(case):
    done = helm("lint", "--strict", *KUBERNETES, str(CHART), "--values", str(HERE / f"cases/{case}.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(
    not SCORE, reason="kube-score is not installed (go install github.com/zegl/kube-score/cmd/kube-score)"
)
@pytest.mark.parametrize("case", CASES)
def test_a_linter_of_policies_finds_nothing_critical_but_what_is_meant(case):
    meant = {
        "container-image-pull-policy": "a tag does not move, and a site without a registry pulls nothing",
        "deployment-strategy": "audit and retention end before they start again: one holds the volume",
        "deployment-replicas": "the same",
        "deployment-has-host-podantiaffinity": "topology spread does that",
    }
    ignored = [word for name in meant for word in ("--ignore-test", name)]
    done = subprocess.run(
        [SCORE, "score", "--output-format", "ci", "--ignore-container-cpu-limit", *ignored,  # throttled means late
         str(HERE / f"goldens/{case}.yaml")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "[OK]" in done.stdout, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith(("[CRITICAL]", "[WARNING]"))] == []


@needs_helm
def test_dashboards_and_rules_are_those_of_the_monitoring():
    done = template("existing", {"monitoring": {"prometheus": {"enabled": True}, "dashboards": {"enabled": True}}})
    assert done.returncode == 0, done.stderr
    objects = [one for one in yaml.safe_load_all(done.stdout) if one]
    boards = {}
    for one in objects:
        if one["metadata"].get("labels", {}).get("grafana_dashboard"):
            boards |= {name: json.loads(text) for name, text in one["data"].items()}
    folder = ROOT / "deploy/monitoring/dashboards"
    assert boards == {file.name: json.loads(file.read_text()) for file in folder.glob("*.json")}
    [rules] = [one["spec"]["groups"] for one in objects if one["kind"] == "PrometheusRule"]
    written = [group for file in sorted((ROOT / "deploy/monitoring/rules").glob("*.yml"))
               for group in yaml.safe_load(file.read_text())["groups"]]  # fmt: skip
    assert rules[:-1] == written
    monitors = {one["metadata"]["labels"]["app.kubernetes.io/component"] for one in objects if
                one["kind"] == "ServiceMonitor"}  # fmt: skip
    assert monitors == SERVICES


# what it refuses


@pytest.mark.parametrize("case", CASES)
def test_the_cases_themselves_are_accepted(case):
    assert [error.message for error in validator().iter_errors(values_of(case))] == []


@pytest.mark.requirement("SEC-01", partial="the chart's part: what a cluster is refused")
@pytest.mark.parametrize("one", UNSAFE, ids=lambda one: one["why"])
def test_an_unsafe_value_is_refused_by_the_schema(one):
    faults = [error.message for error in validator().iter_errors(merged(values_of("existing"), one["values"]))]
    assert (not faults) == (one.get("by") == "template"), faults


@needs_helm
@pytest.mark.skipif("GOLDENS" not in os.environ, reason="Helm itself is asked for each in `make helm`")
@pytest.mark.parametrize("one", UNSAFE, ids=lambda one: one["why"])
def test_helm_refuses_an_unsafe_value(one):
    done = template("existing", one["values"])
    assert done.returncode != 0
    assert "schema" in done.stderr or one.get("by") == "template", done.stderr


def test_there_are_more_than_thirty_of_them_each_with_its_reason():
    assert len({one["why"] for one in UNSAFE}) == len(UNSAFE) >= 30


# what runs


@pytest.mark.parametrize("case", CASES)
def test_every_container_is_least_privileged(case):
    seen = 0
    for name, _, pod in pods(case):
        assert pod["automountServiceAccountToken"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys(), name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not any("hostPath" in volume for volume in pod["volumes"]), name
        for container in containers(pod):
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True, name
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["privileged"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
            assert "memory" in container["resources"]["limits"], name
            assert not container["image"].endswith(":latest"), name
            assert ":" in container["image"].rpartition("/")[2], name
            seen += 1
    assert seen >= len(SERVICES)


def selects(policy, labels):
    return policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize("case", CASES)
def test_every_pod_is_closed_both_ways_and_opened_to_named_peers_only(case):
    policies = kinds(case, "NetworkPolicy")
    closed = [one for one in policies if not {"ingress", "egress"} & one["spec"].keys()]
    assert closed
    assert all(set(one["spec"]["policyTypes"]) == {"Ingress", "Egress"} for one in policies)
    for name, labels, _ in pods(case):
        assert any(selects(one, labels) for one in closed), name
    for one in policies:
        for way, peers in (("ingress", "from"), ("egress", "to")):
            for rule in one["spec"].get(way, []):
                assert rule[peers], one["metadata"]["name"]
                assert rule["ports"], one["metadata"]["name"]
                for peer in rule[peers]:
                    assert peer, one["metadata"]["name"]
                    assert all(peer.values()), one["metadata"]["name"]
                    assert not peer.get("ipBlock", {}).get("cidr", "").endswith("/0")


@pytest.mark.parametrize("case", CASES)
def test_jobs_that_run_before_an_install_bring_their_network_with_them(case):
    """The policies of the release are not there yet: the job's own comes before it, by its weight."""
    policies = kinds(case, "NetworkPolicy")
    hooked = [one for one in policies if "helm.sh/hook" in one["metadata"].get("annotations", {})]
    for name, labels, _ in pods(case):
        [job] = [one for one in rendered(case) if one["metadata"]["name"] == name and "spec" in one and one["kind"] in
                 {"Deployment", "StatefulSet", "Job", "CronJob"}]  # fmt: skip
        notes = job["metadata"].get("annotations", {})
        if "helm.sh/hook" in notes:
            [policy] = [one for one in hooked if selects(one, labels)]
            weight = policy["metadata"]["annotations"]["helm.sh/hook-weight"]
            assert int(weight) < int(notes["helm.sh/hook-weight"]), name


@pytest.mark.parametrize("case", CASES)
def test_secrets_are_named_and_never_rendered(case):
    assert kinds(case, "Secret") == []
    text = (HERE / f"goldens/{case}.yaml").read_text()
    assert "PRIVATE KEY" not in text
    for name, _, pod in pods(case):
        for container in containers(pod):
            for variable in container.get("env", []):
                if "PASSWORD" in variable["name"] or "SECRET" in variable["name"] or "ACCESS_KEY" in variable["name"]:
                    assert "secretKeyRef" in variable["valueFrom"], name
            words = " ".join(map(str, [*container.get("command", []), *container.get("args", [])]))
            assert "$(" not in words, f"{name}: a secret among arguments is visible to everyone on the node"


@pytest.mark.parametrize("case", CASES)
def test_each_service_sees_its_own_keys_and_logins_only(case):
    seen = {}
    for name, labels, pod in pods(case):
        component = labels["app.kubernetes.io/component"]
        if component in SERVICES:
            sources = next(one["projected"]["sources"] for one in pod["volumes"] if one["name"] == "secrets")
            paths = [item["path"].split("/") for one in sources for item in one["secret"]["items"]]
            seen[component] = tuple({name for folder, name in paths if folder == kind} for kind in ("keys", "database"))
    assert seen == {
        "audit": ({"events.key", "ledger.key"}, {"alpr_audit", "alpr_reader"}),
        "ingest": ({"list.keys", "package.key"}, {"alpr_ingest"}),
        "matcher": ({"list.keys"}, set()),
        "recognizer": (set(), set()),
        "retention": (set(), {"alpr_retention"}),
        "console": ({"list.keys", "person.key"}, {"alpr_console"}),
    }


@pytest.mark.parametrize("case", CASES)
def test_services_stop_gracefully_and_are_not_restarted_for_what_they_wait_for(case):
    for _, labels, pod in pods(case):
        if labels["app.kubernetes.io/component"] in SERVICES:
            [container] = pod["containers"]
            wait = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
            assert pod["terminationGracePeriodSeconds"] >= wait + 25 + 5
            assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
            assert container["livenessProbe"]["httpGet"]["path"] == "/livez"


@pytest.mark.parametrize("case", CASES)
def test_every_service_has_a_budget_a_spread_and_certificates(case):
    budgets = {one["metadata"]["name"]: one["spec"] for one in kinds(case, "PodDisruptionBudget")}
    for one in kinds(case, "Deployment"):
        service = one["metadata"]["labels"]["app.kubernetes.io/component"]
        name = one["metadata"]["name"]
        assert budgets[name]["maxUnavailable"] == 1
        assert budgets[name]["selector"] == one["spec"]["selector"]
        pod = one["spec"]["template"]["spec"]
        assert ("topologySpreadConstraints" in pod) == (service not in {"audit", "retention"})
        if service in {"audit", "retention"}:
            assert one["spec"]["replicas"] == 1
            assert one["spec"]["strategy"] == {"type": "Recreate"}
            assert any("persistentVolumeClaim" in volume for volume in pod["volumes"])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_accepts_the_settings_it_is_given(case, service, monkeypatch, tmp_path):
    """With every file that they name there: what the chart writes, the service reads."""
    [settings] = [one for one in kinds(case, "ConfigMap") if one["metadata"]["name"].endswith(f"-{service}") and
                  "settings.yaml" in one.get("data", {})]  # fmt: skip
    text = settings["data"]["settings.yaml"]
    for place in ("/run/plateline", "/run/extra", "/etc/extra"):
        text = text.replace(place, f"{tmp_path}{place}")
    for word in re.findall(rf"{tmp_path}/[\w/.-]+", text):
        file = Path(word)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("synthetic")
    (tmp_path / "settings.yaml").write_text(text)
    monkeypatch.setenv(f"ALPR_{service.upper()}_CONFIG", str(tmp_path / "settings.yaml"))
    kind = settings_of(service)
    loaded = kind.load()
    assert loaded.kafka_security.kind in {"sasl", "tls"}
    assert loaded.tls_cert_file
    assert kind.model_fields.keys() >= yaml.safe_load(text).keys()


# the brokers


@pytest.mark.parametrize("case", ["strimzi", "bundled"])
def test_topics_and_rights_are_those_of_the_table(case):
    from alprcore.access import access_table
    from alprcore.kafka import load_topic_specs

    values = values_of(case)
    names = {"agencies": values["agencies"], "fleets": values["fleets"], "witnesses": values["witnesses"]}
    prefix = values["kafka"]["topicPrefix"]
    table = access_table(load_topic_specs(), prefix=prefix, **names)
    users = {one["metadata"]["name"]: one["spec"] for one in kinds(case, "KafkaUser")}
    assert users.keys() == {principal.name for principal in table}
    for principal in table:
        rendered_rules = {
            (rule["resource"]["type"], rule["resource"]["name"], frozenset(rule["operations"]))
            for rule in users[principal.name]["authorization"]["acls"]
        }
        assert rendered_rules == {(one.on.value, one.name, frozenset(one.operations)) for one in principal.grants}
        assert all(
            rule["resource"]["patternType"] == "literal" for rule in users[principal.name]["authorization"]["acls"]
        )
    topics = {one["spec"]["topicName"]: one["spec"] for one in kinds(case, "KafkaTopic")}
    expected = {
        prefix + spec.name.replace("<agency>", agency): spec
        for spec in load_topic_specs()
        for agency in (values["agencies"] if "<agency>" in spec.name else [""])
    }
    assert topics.keys() == expected.keys()
    for name, spec in expected.items():
        assert topics[name]["partitions"] == spec.partitions
        assert topics[name]["replicas"] >= 3
        assert dict(spec.config).items() <= topics[name]["config"].items()
    [cluster] = kinds(case, "Kafka")
    assert [listener["tls"] for listener in cluster["spec"]["kafka"]["listeners"]] == [True]
    assert cluster["spec"]["kafka"]["authorization"] == {"type": "simple"}


# order of an upgrade


@pytest.mark.parametrize("case", CASES)
def test_migrations_go_before_and_after_the_new_code_and_audit_before_retention(case):
    jobs = {one["metadata"]["name"]: one for one in kinds(case, "Job")}
    for target, hook in (("pre", "pre-upgrade"), ("head", "post-upgrade")):
        [job] = [one for name, one in jobs.items() if name.endswith(f"-migrate-{target}")]
        assert hook in job["metadata"]["annotations"]["helm.sh/hook"].split(",")
        pod = job["spec"]["template"]["spec"]
        steps = [container["command"][-4:] for container in containers(pod)]
        assert [step[1] for step in steps] == ["audit", "ingest", "retention", "console"]
        assert {(step[0], step[2], step[3]) for step in steps} == {("up", "--target", target)}
        assert pod["restartPolicy"] == "Never"


# as Kubernetes sees it


@pytest.mark.parametrize("case", CASES)
def test_objects_are_what_kubernetes_understands(case):
    """Its own schemas, strictly; those of Strimzi, KEDA, cert-manager and the Prometheus operator are not at hand."""
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    foreign = ("strimzi.io", "keda.sh", "cert-manager.io", "coreos.com")
    checked = 0
    for one in rendered(case):
        if not any(name in one["apiVersion"] for name in foreign):
            validate.validate(one, validate.latest_version(), strict=True)
            checked += 1
    assert checked > 20
