"""Every metric that the services export, found in their code."""

import functools
import importlib
import re
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("ingest", "recognizer", "matcher", "audit", "retention", "console")
_CONSUMER = re.compile(r"ConsumerMetrics\((?:\"(\w+)\"|SERVICE)\)")


def _samples(metric):
    """The names under which a metric stands in an exposition."""
    name, labels = metric._name, tuple(metric._labelnames)
    if isinstance(metric, Counter):
        return {f"{name}_total": labels}
    if isinstance(metric, Histogram):
        return {f"{name}_bucket": (*labels,), f"{name}_sum": labels, f"{name}_count": labels}
    assert isinstance(metric, Gauge), f"{name}: {type(metric).__name__}"
    return {name: labels}


@functools.cache
def exported():
    """Sample names and their labels."""
    found = {}
    modules = [f"alpr_{service}.metrics" for service in SERVICES]
    modules += ["alprcore.ops", "alprcore.tracing", "alprcore.kafka.follow", "alprcore.outbox"]
    for name in modules:
        for metric in vars(importlib.import_module(name)).values():
            if isinstance(metric, MetricWrapperBase):
                found |= _samples(metric)
    ops = importlib.import_module("alprcore.ops")
    for service in _consumers():
        for metric in vars(ops.ConsumerMetrics(service)).values():
            found |= _samples(metric)
    return found


def _consumers():
    """The names of the consumers in the services' sources: their metrics are named after them."""
    found = set()
    for path in (ROOT / "services").glob("*/src/**/*.py"):
        for name in _CONSUMER.findall(path.read_text("utf-8")):
            found.add(name or path.relative_to(ROOT).parts[1])
    return found


def modules_with_metrics():
    """Every file that makes a metric."""
    sources = [*(ROOT / "services").glob("*/src/**/*.py"), *(ROOT / "libs/alprcore/src").glob("**/*.py")]
    making = re.compile(r"^\w+(?:: Final)? = (?:Counter|Gauge|Histogram)\(", re.MULTILINE)
    return {path for path in sources if making.search(path.read_text("utf-8"))}
