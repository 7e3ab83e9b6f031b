"""Every `/v1` path of searches, images and devices that another service owns, as a way through the console."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from ..forwarding import forwards

FORWARDS: Final = (
    ("audit", "POST", "/v1/queries"),
    ("audit", "GET", "/v1/queries/incomplete"),
    ("audit", "POST", "/v1/queries/{query_id}/case-number"),
    ("audit", "POST", "/v1/hit-queries"),
    ("audit", "POST", "/v1/exports"),
    ("audit", "GET", "/v1/use-approvals"),
    ("audit", "POST", "/v1/use-approvals"),
    ("audit", "POST", "/v1/use-approvals/{approval_id}/revocation"),
    ("audit", "GET", "/v1/protected-events"),
    ("audit", "POST", "/v1/protected-events"),
    ("audit", "POST", "/v1/protected-events/{event_id}/end"),
    ("audit", "GET", "/v1/reads/{rest:path}"),
    ("audit", "POST", "/v1/image-views"),
    ("audit", "GET", "/v1/audit/{rest:path}"),
    ("audit", "POST", "/v1/audit/{rest:path}"),
    ("audit", "PUT", "/v1/audit/{rest:path}"),
    ("audit", "DELETE", "/v1/audit/{rest:path}"),
    ("retention", "GET", "/v1/images/{rest:path}"),
    ("retention", "GET", "/v1/live-hits/{rest:path}"),
    ("ingest", "GET", "/v1/devices"),
    ("ingest", "POST", "/v1/devices"),
    ("ingest", "GET", "/v1/devices/{rest:path}"),
    ("ingest", "PUT", "/v1/devices/{rest:path}"),
    ("ingest", "POST", "/v1/devices/{device_id}/shift-checks"),
)
"""Door, method and path. Frames are not among them: cameras reach ingest's own door."""


def router() -> APIRouter:
    """Give one route per forward."""
    return forwards(FORWARDS)
