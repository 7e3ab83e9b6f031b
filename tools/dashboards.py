"""Makes deploy/monitoring/dashboards/*.json, the Grafana dashboards, from the panels below; --check finds drift."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "deploy/monitoring/dashboards"
CONSUMERS = (
    "recognizer", "matcher", "audit", "retention", "retention_letters", "retention_answers", "console", "console_cad",
)  # fmt: skip
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 24, 8
NONE = " or vector(0)"
"""What may never have happened shows 0 instead of nothing."""


@dataclass(frozen=True)
class Panel:
    """One picture: `queries` are pairs of expression and legend, `alarm` the value from which it is red."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    about: str = ""
    alarm: float | None = None
    width: int = 8


@dataclass(frozen=True)
class Dashboard:
    """One page of panels in titled rows."""

    uid: str
    title: str
    rows: Sequence[tuple[str, Sequence[Panel]]]
    variables: Sequence[dict[str, Any]] = field(default_factory=tuple)


def rate(name: str, by: str, where: str = "") -> str:
    """Events a second, summed by labels."""
    return f"sum by ({by}) (rate({name}{where}[$__rate_interval]))"


def total(name: str, where: str = "") -> str:
    """Events a second of all together."""
    return f"sum(rate({name}{where}[$__rate_interval]))"


def quantile(share: float, name: str, by: str = "", where: str = "") -> str:
    """A share of the observations is at most this."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({name}_bucket{where}[$__rate_interval])))"


def quantiles(name: str, where: str = "") -> list[tuple[str, str]]:
    """Median, 95th and 99th percentile."""
    return [(quantile(share, name, where=where), f"p{share * 100:.0f}") for share in (0.5, 0.95, 0.99)]


def calm(expression: str) -> str:
    """Show 0 where nothing was observed; a quantile of nothing is not a number."""
    return f"({expression} >= 0){NONE}"


def of_all(suffix: str) -> str:
    """The same metric of every consumer: each has its own name for it."""
    return " or ".join(f"rate(alpr_{name}_{suffix}[$__rate_interval])" for name in CONSUMERS)


AGENCY = {
    "name": "agency", "label": "Agency", "type": "query", "datasource": SOURCE, "refresh": 2, "sort": 1,
    "query": {"query": "label_values(alpr_recognizer_camera_in_service, agency)", "refId": "agency"},
    "includeAll": True, "allValue": ".*", "multi": True, "current": {"text": "All", "value": "$__all"},
}  # fmt: skip

FLEET = Dashboard("plateline-fleet", "Plateline: fleet", [
    ("Cameras", [
        Panel("Cameras in service", [(
            'count(max by (agency, camera) (alpr_recognizer_camera_in_service{agency=~"$agency"}))' + NONE, "cameras",
        )], kind="stat", width=6),
        Panel("Fixed cameras that are silent", [('count(alpr:camera_silent{agency=~"$agency"})' + NONE, "cameras")],
              kind="stat", alarm=1, width=6, about="Nothing let in for a quarter of an hour."),
        Panel("Devices whose frames are refused in numbers", [("sum(alpr_recognizer_devices_quarantined)", "devices")],
              kind="stat", alarm=1, width=6),
        Panel("Oldest test plate", [("max(alpr_console_canary_age_seconds)" + NONE, "age")],
              "s", "stat", alarm=180, width=6, about="Of the canary cameras; 0 where none is set up."),
        Panel("Longest silence, by camera", [(
            ("topk(20, time() - max by (agency, camera) "
            '(alpr_recognizer_camera_seen_timestamp_seconds{agency=~"$agency"}))'), "{{agency}} {{camera}}",
        )], "s", "table", width=12),
        Panel("Test plates by camera", [("max by (camera) (alpr_console_canary_age_seconds)" + NONE, "{{camera}}")],
              "s", width=12),
    ]),
    ("Frames", [
        Panel("Frames at the HTTP door", [(rate("alpr_ingest_frames_total", "outcome") + NONE, "{{outcome}}")], "reqps"),
        Panel("Refused at the HTTP door, by reason", [(
            rate("alpr_ingest_frames_total", "reason_code", '{outcome="refused"}') + NONE, "{{reason_code}}")], "reqps"),
        Panel("What became of frames", [(rate("alpr_recognizer_frames_total", "outcome"), "{{outcome}}")], "ops"),
        Panel("Put aside by the recognizer, by reason", [
            (rate("alpr_recognizer_refused_total", "code") + NONE, "{{code}}")], "ops"),
        Panel("Left out under load", [(total("alpr_recognizer_frames_skipped_total") + NONE, "near duplicates")], "ops"),
        Panel("Frames that expired unread", [("sum(increase(alpr_recognizer_frames_expired_total[1h]))", "in an hour")],
              alarm=1),
    ]),
    ("Plates", [
        Panel("Reads", [(rate("alpr_recognizer_reads_total", "kind"), "{{kind}}")], "ops"),
        Panel("Plates that could not be read, by reason", [
            (rate("alpr_recognizer_unreadable_total", "reason") + NONE, "{{reason}}")], "ops"),
        Panel("Reads compared with their picture, by people", [(
            "sum by (result) (increase(alpr_console_read_checks_total[1d]))" + NONE, "{{result}}")]),
    ]),
], [AGENCY])  # fmt: skip

PIPELINE = Dashboard("plateline-pipeline", "Plateline: pipeline", [
    ("Every hop", [
        Panel("Messages handled", [("sum by (component, topic) (alpr:messages:rate5m)", "{{component}} {{topic}}")], "ops"),
        Panel("Put aside within an hour", [(
            "sum by (component, topic, code) (alpr:dead_letters:increase1h)" + NONE, "{{component}} {{topic}} {{code}}")],
            alarm=1),
        Panel("Time to handle, p95", [(
            f"histogram_quantile(0.95, sum by (le, component, topic) ({of_all('handle_seconds_bucket')}))",
            "{{component}} {{topic}}")], "s"),
        Panel("Messages that wait", [("alpr:lag_messages", "{{component}} {{topic}}")]),
        Panel("How far back", [("alpr:behind_seconds", "{{component}} {{topic}}")], "s", alarm=60,
              about="Age of the newest handled message while others wait."),
        Panel("Newest handled message", [(
            "time() - max by (component, topic) (alpr:worker_newest_timestamp_seconds)", "{{component}} {{topic}}")], "s"),
        Panel("Legs of the way, p95", [(quantile(0.95, "alpr_pipeline_leg_seconds", "leg"), "{{leg}}")], "s", width=12),
        Panel("Checks that fail", [("count by (component, check) (alpr_health_ok == 0)" + NONE, "{{component}} {{check}}")],
              width=6, alarm=1),
        Panel("Changes that wait for Kafka", [
            ("sum by (component) (alpr_ingest_outbox_messages or alpr_outbox_waiting_messages)", "{{component}}")], width=6),
    ]),
    ("Recognizer", [
        Panel("Load", [("max(alpr_recognizer_load_level)", "level"), ("max(alpr_recognizer_frames_waited_seconds)", "waited, s")],
              about="Level 0: every frame is looked at; 3: all near-duplicates are left out."),
        Panel("Time of the models for a batch", quantiles("alpr_recognizer_model_seconds"), "s"),
        Panel("Capture to read", quantiles("alpr_recognizer_captured_to_read_seconds"), "s"),
        Panel("Open passages", [
            ("sum(alpr_recognizer_passages_open)", "open"),
            ("sum(increase(alpr_recognizer_passages_forced_total[1h]))", "ended by force in an hour")]),
    ]),
    ("Matcher", [
        Panel("Reads judged", [(rate("alpr_matcher_reads_judged_total", "outcome"), "{{outcome}}")], "ops"),
        Panel("Hits", [(rate("alpr_matcher_hits_total", "grade"), "{{grade}}")], "ops"),
        Panel("Read to hit", quantiles("alpr_matcher_read_to_hit_seconds"), "s"),
        Panel("Notifications", [(rate("alpr_matcher_notifications_total", "kind, target"), "{{kind}} {{target}}")], "ops"),
        Panel("Hits that sent nothing", [(rate("alpr_matcher_suppressed_total", "reason") + NONE, "{{reason}}")], "ops"),
        Panel("Storms", [("max(alpr_matcher_storms)", "going on"), (total("alpr_matcher_released_total"), "released a second")],
              alarm=1),
        Panel("Ready to judge", [("alpr_matcher_caught_up", "{{instance}}")]),
        Panel("Attempts repeated", [(rate("alpr_matcher_retries_total", "topic") + NONE, "{{topic}}")], "ops"),
        Panel("CAD topics that are missing", [(rate("alpr_matcher_cad_missing_total", "agency, topic") + NONE,
              "{{agency}} {{topic}}")], "ops"),
    ]),
    ("Console and CAD", [
        Panel("Hits and notifications stored", [(rate("alpr_console_hits_stored_total", "topic, outcome"),
              "{{topic}} {{outcome}}")], "ops"),
        Panel("Live screens", [("sum(alpr_console_live_streams)", "open")]),
        Panel("Shown to people, by sound", [(rate("alpr_console_presented_total", "sound") + NONE, "sound {{sound}}")], "ops"),
        Panel("Supervisors told, by what was late", [(
            "sum by (why) (increase(alpr_console_escalations_total[1h]))" + NONE, "{{why}}")]),
        Panel("To CAD systems", [(rate("alpr_console_cad_sent_total", "way, outcome"), "{{way}} {{outcome}}")], "ops"),
        Panel("CAD delivery, p99", [(calm(quantile(0.99, "alpr_console_cad_delivery_seconds")), "p99")], "s", alarm=5),
        Panel("CAD endpoints behind", [("max(alpr_console_cad_endpoints_behind)", "endpoints")], alarm=1),
        Panel("Answers of CAD systems", [(rate("alpr_console_cad_statuses_total", "outcome") + NONE, "{{outcome}}")], "ops"),
        Panel("Sign-ins", [(rate("alpr_console_sign_ins_total", "outcome"), "{{outcome}}")], "ops"),
        Panel("Messages relayed from the outbox", [
            (rate("alpr_console_outbox_published_total", "topic"), "console {{topic}}"),
            (total("alpr_retention_told_total"), "retention")], "ops"),
        Panel("Person tokens refused", [(rate("alpr_ingest_refused_tokens_total", "reason_code") + NONE, "{{reason_code}}")],
              "reqps"),
    ]),
    ("Doors and processes", [
        Panel("Requests", [(rate("alpr_http_requests_total", "component, status"), "{{component}} {{status}}")], "reqps"),
        Panel("Time to answer, p95", [(quantile(0.95, "alpr_http_request_seconds", "component"), "{{component}}")], "s"),
        Panel("Slowest routes, p95", [(
            f"topk(10, {quantile(0.95, 'alpr_http_request_seconds', 'component, method, route')})",
            "{{component}} {{method}} {{route}}")], "s"),
        Panel("Calls between services", [(rate("alpr_console_door_calls_total", "door, outcome"), "{{door}} {{outcome}}")],
              "reqps"),
        Panel("Memory", [('sum by (component) (process_resident_memory_bytes{job="plateline"})', "{{component}}")], "bytes"),
        Panel("Processor cores", [(rate("process_cpu_seconds_total", "component", '{job="plateline"}'), "{{component}}")]),
        Panel("Starts", [('max by (component) (changes(process_start_time_seconds{job="plateline"}[1h]))', "{{component}}")]),
        Panel("Spans for the collector of traces", [(rate("alpr_traces_spans_total", "outcome") + NONE, "{{outcome}}")], "ops"),
    ]),
])  # fmt: skip

LISTS = Dashboard("plateline-lists", "Plateline: lists", [
    ("Age", [
        Panel("Stale lists", [("sum(max by (agency, list) (alpr_ingest_list_stale))", "lists")], kind="stat", alarm=1, width=6),
        Panel("Oldest feed success", [(
            "max(time() - (alpr_ingest_feed_last_success_timestamp_seconds > 0))" + NONE, "age")], "s", "stat", width=6),
        Panel("Feeds that need a person", [("sum(max by (agency, list) (alpr_ingest_feed_stopped))" + NONE, "feeds")],
              kind="stat", alarm=1, width=6),
        Panel("Lists left out by matchers", [
            ("sum(increase(alpr_matcher_lists_left_out_total[1d]))" + NONE, "in a day")], kind="stat", alarm=1, width=6),
        Panel("Time since a list was confirmed", [(
            "max by (agency, list) (alpr_ingest_list_unconfirmed_seconds)", "{{agency}} {{list}}")], "s", width=12),
        Panel("Age of the version that reads are judged by", [(
            "max by (agency, list_code) (alpr_matcher_list_age_seconds)", "{{agency}} {{list_code}}")], "s", width=12),
    ]),
    ("Loads", [
        Panel("Loads", [("sum by (outcome, reason_code) (increase(alpr_ingest_list_loads_total[1d]))" + NONE,
              "{{outcome}} {{reason_code}}")]),
        Panel("Lines", [("sum by (outcome) (increase(alpr_ingest_list_lines_total[1d]))", "{{outcome}}")]),
        Panel("Time of a load, p95", [
            (calm("histogram_quantile(0.95, sum by (le) (increase(alpr_ingest_list_load_seconds_bucket[1d])))"), "p95")], "s"),
        Panel("Pulls of feeds", [("sum by (outcome, reason_code) (increase(alpr_ingest_feed_pulls_total[1d]))" + NONE,
              "{{outcome}} {{reason_code}}")]),
        Panel("Packages for devices", [("sum by (outcome) (increase(alpr_ingest_packages_total[1d]))" + NONE, "{{outcome}}")]),
        Panel("Changes that wait for Kafka", [("sum(alpr_ingest_outbox_messages)", "messages")], alarm=1000),
        Panel("Entries sealed with older keys", [("max(alpr_ingest_entries_of_older_keys)", "entries")]),
    ]),
    ("In the matcher", [
        Panel("Entries in view", [("sum(alpr_matcher_view_buckets)", "skeletons")]),
        Panel("Memory of the view", [("sum by (instance) (alpr_matcher_view_bytes)", "{{instance}}")], "bytes"),
        Panel("Hits by list", [(rate("alpr_matcher_hits_total", "list_code"), "{{list_code}}")], "ops"),
        Panel("Hits withdrawn", [(rate("alpr_matcher_withdrawn_total", "reason, list_code") + NONE, "{{reason}} {{list_code}}")],
              "ops"),
        Panel("Details that did not open", [(rate("alpr_matcher_seals_broken_total", "code") + NONE, "{{code}}")], "ops"),
        Panel("Followed messages that could not be read", [
            (rate("alpr_followed_skipped_total", "component, topic, code") + NONE, "{{component}} {{topic}} {{code}}")], "ops"),
    ]),
])  # fmt: skip

RECORDS = Dashboard("plateline-records", "Plateline: audit and records", [
    ("Ledger", [
        Panel("Entries in the signed tree", [("max(alpr_audit_ledger_size_entries)", "entries")], kind="stat", width=6),
        Panel("Writers", [("sum(alpr_audit_ledger_leading)", "writers")], kind="stat", width=6, about="Exactly one."),
        Panel("Age of the newest told head", [("time() - max(alpr_audit_checkpoint_timestamp_seconds)", "age")],
              "s", "stat", alarm=60, width=6),
        Panel("Since all witnesses cosigned", [("max(alpr_audit_cosigned_age_seconds)", "age")], "s", "stat", alarm=300, width=6),
        Panel("Entries", [(rate("alpr_audit_entries_total", "outcome"), "{{outcome}}")], "ops"),
        Panel("Time to a signed commit", quantiles("alpr_audit_append_seconds"), "s", alarm=0.1),
        Panel("Entries that wait, and entries per commit", [
            ("max(alpr_audit_waiting_entries)", "wait"),
            (f"{total('alpr_audit_batch_entries_sum')} / {total('alpr_audit_batch_entries_count')}", "per commit")]),
        Panel("Volume of the checkpoint files", [("max(alpr_audit_storage_used_ratio)", "used")], "percentunit", alarm=0.8),
        Panel("Heads not cosigned", [(rate("alpr_audit_witness_refusals_total", "reason"), "{{reason}}")], "ops"),
        Panel("Entries whose personal content was erased", [("sum(increase(alpr_audit_erased_entries_total[1d]))", "in a day")]),
    ]),
    ("Searches and review", [
        Panel("Questions", [(rate("alpr_audit_queries_total", "outcome"), "{{outcome}}")], "ops"),
        Panel("Time of a search in the database", quantiles("alpr_audit_search_seconds"), "s", alarm=0.25),
        Panel("Age of what searches find, p95", [(
            calm("histogram_quantile(0.95, sum by (le) (increase(alpr_audit_answer_age_days_bucket[1d])))"), "p95")], "d"),
        Panel("Findings of the misuse patterns", [
            ("max(alpr_audit_findings_open)", "open"), ("max(alpr_audit_review_age_days)", "days the oldest waits")]),
        Panel("Findings by pattern", [("sum by (pattern) (increase(alpr_audit_findings_total[1d]))" + NONE, "{{pattern}}")]),
        Panel("Audits overdue, entries unread", [
            ("max(alpr_audit_reviews_overdue)", "audits overdue"),
            ("sum(increase(alpr_audit_unread_entries_total[1d]))", "entries unread in a day")], alarm=1),
    ]),
    ("Keeping", [
        Panel("Kept", [(rate("alpr_retention_kept_total", "kind"), "{{kind}}")], "ops"),
        Panel("Purged in a day", [("sum by (kind) (increase(alpr_retention_purged_total[1d]))" + NONE, "{{kind}}")]),
        Panel("Runs of the purge in a day", [("sum by (outcome) (increase(alpr_retention_purge_runs_total[1d]))", "{{outcome}}")]),
        Panel("Overdue and gone early", [
            ("sum(max by (agency) (alpr_retention_overdue_records))" + NONE, "reads overdue"),
            ("max(alpr_retention_overdue_days)", "days overdue"),
            ("sum(max by (agency) (alpr_retention_premature_records))" + NONE, "gone early")], alarm=1, about="All must be 0."),
        Panel("Dead letters kept", [(rate("alpr_retention_letters_total", "topic, owner") + NONE, "{{topic}} {{owner}}")], "ops"),
        Panel("Images opened", [(rate("alpr_retention_images_total", "outcome"), "{{outcome}}")], "ops"),
        Panel("Image keys published since the start", [("sum(alpr_retention_image_keys)", "keys")]),
        Panel("Holds", [
            ("max(alpr_retention_holds_binding)", "binding"),
            ("max(alpr_retention_hold_reviews_overdue)", "review overdue"),
            ("max(alpr_retention_case_files_unanswered)", "records system silent"),
            ("max(alpr_retention_held_images_damaged)" + NONE, "held images damaged")]),
        Panel("Standing repositories", [(
            "sum by (kind, outcome) (increase(alpr_retention_repository_batches_total[1h]))", "{{kind}} {{outcome}}")]),
        Panel("Moved to another due day, agreements stopped", [
            ("sum(increase(alpr_retention_moved_total[1d]))", "moved"),
            ("sum(increase(alpr_retention_agreements_stopped_total[1d]))", "stopped")]),
        Panel("Removed elsewhere on retention's orders", [
            ("sum by (table) (increase(alpr_console_rows_purged_total[1d]))" + NONE, "console {{table}}"),
            ("sum(increase(alpr_ingest_entered_purged_total[1d]))", "entered plates")]),
        Panel("Published pages behind their policy", [("max(alpr_console_posting_outdated)", "agencies")], alarm=1),
    ]),
])  # fmt: skip

OBJECTIVES = ("alerts", "frames", "searches", "pages", "ledger")
SLO = Dashboard("plateline-slo", "Plateline: objectives", [
    ("Budget of three days", [
        Panel(name.capitalize(), [(
            f'clamp_min(1 - alpr:slo_errors:ratio3d{{slo="{name}"}} / on (slo) alpr:slo_budget, 0)', "left")],
            "percentunit", "stat", width=4)
        for name in OBJECTIVES
    ]),
    ("Burn", [
        Panel("Burn rate over an hour", [("alpr:slo_errors:ratio1h / on (slo) alpr:slo_budget", "{{slo}}")], alarm=14.4, width=12,
              about="1: the budget lasts as long as planned. 14.4 wakes somebody."),
        Panel("Burn rate over six hours", [("alpr:slo_errors:ratio6h / on (slo) alpr:slo_budget", "{{slo}}")], alarm=6, width=12),
    ]),
    ("From the camera to a person", [
        Panel("Capture to notification, fixed cameras",
              quantiles("alpr_pipeline_captured_to_notification_seconds", '{device_kind="fixed"}'), "s", alarm=5, width=12),
        Panel("Capture to notification", [(
            "sum by (le) (rate(alpr_pipeline_captured_to_notification_seconds_bucket[$__rate_interval]))", "{{le}}")],
            "s", "heatmap", width=12),
        Panel("Receipt of the frame to notification", quantiles("alpr_pipeline_frame_to_notification_seconds"), "s", alarm=3),
        Panel("Capture to hit, p95, by device kind", [
            (quantile(0.95, "alpr_matcher_captured_to_hit_seconds", "device_kind"), "{{device_kind}}")], "s"),
        Panel("Notification to screen", [(
            calm(quantile(share, "alpr_console_notification_to_shown_seconds")), f"p{share * 100:.0f}")
            for share in (0.5, 0.99)], "s", alarm=3),
    ]),
    ("Doors", [
        Panel("Time to accept frames", [(
            calm(quantile(share, "alpr_ingest_accept_seconds")), f"p{share * 100:.0f}") for share in (0.5, 0.99)], "s"),
        Panel("Faults of ours", [(
            'sum by (component) (rate(alpr_http_requests_total{status="5xx"}[$__rate_interval]))' + NONE, "{{component}}")],
            "reqps", alarm=1),
        Panel("Searches turned away", [(total("alpr_audit_queries_total", '{outcome="unavailable"}'), "a second")], "ops"),
    ]),
])  # fmt: skip

DASHBOARDS = {"fleet": FLEET, "pipeline": PIPELINE, "lists": LISTS, "records": RECORDS, "slo": SLO}


def drawn(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    """Lay out one panel as Grafana reads it."""
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.alarm is not None:
        steps.append({"color": "red", "value": panel.alarm})
    table, heat = panel.kind == "table", panel.kind == "heatmap"
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": SOURCE,
            "expr": expression,
            "legendFormat": legend,
            "instant": table,
            "range": not table,
            "format": "table" if table else "heatmap" if heat else "time_series",
        }
        for index, (expression, legend) in enumerate(panel.queries)
    ]
    custom = {"fillOpacity": 10, "thresholdsStyle": {"mode": "off" if panel.alarm is None else "line"}}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": targets,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
                **({"custom": custom} if panel.kind == "timeseries" else {}),
            },
            "overrides": [],
        },
        **(
            {"options": {"legend": {"displayMode": "list", "placement": "bottom"}}}
            if panel.kind == "timeseries"
            else {}
        ),
    }


def laid_out(dashboard: Dashboard) -> dict[str, Any]:
    """Lay out a dashboard: rows of panels from left to right, each row under its title."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in dashboard.rows:
        panels.append({
            "id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "panels": [],
            "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1},
        })  # fmt: skip
        top, left = top + 1, 0
        for panel in row:
            if left + panel.width > WIDTH:
                top, left = top + HEIGHT, 0
            place = {"x": left, "y": top, "w": panel.width, "h": HEIGHT}
            panels.append(drawn(panel, len(panels) + 1, place))
            left += panel.width
        top += HEIGHT
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}}
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["plateline"],
        "schemaVersion": 41,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "",
        "templating": {"list": [source, *dashboard.variables]},
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "tags": ["plateline"],
                "title": "Plateline",
                "asDropdown": True,
                "includeVars": False,
            }
        ],
        "panels": panels,
    }


def main() -> int:
    stale = []
    for name, dashboard in DASHBOARDS.items():
        path, text = TARGET / f"{name}.json", json.dumps(laid_out(dashboard), indent=1, ensure_ascii=False) + "\n"
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(text, "utf-8")
    if "--check" in sys.argv and stale:
        print(f"stale: {', '.join(stale)}; run python tools/dashboards.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
