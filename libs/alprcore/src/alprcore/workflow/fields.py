"""What is given for a step: which fields the profile asks, and what a form shows of them."""

from __future__ import annotations

import re
from typing import Final

from alprcore.model import ClientKind, DeviceKind, Refused
from alprcore.plates import normalize
from alprcore.policy import LEAST_REASON, AgencyProfile, Gate, strength_of

from .facts import (
    Action,
    Broadcast,
    BroadcastKind,
    Call,
    Description,
    Disposition,
    Exigency,
    Forms,
    Given,
    NatureReview,
    Route,
    Scene,
    Sequence,
    Source,
    Verification,
)
from .progress import device_sequence

CONTENT: Final = ("nature", "vehicle", "plate", "fixed_location", "description", "alert_info", "direction")
"""What a broadcast may have to say; the profile names what it must (HIT-27)."""
FIELD_CODES: Final = frozenset(
    {"FIELD_REQUIRED", "REASON_REQUIRED", "DESCRIPTION_REQUIRED", "MAIN_CHANNEL_REQUIRED", "AUDIENCE_REQUIRED"}
    | {"CALL_TYPE_UNKNOWN", "ROUTE_NOT_PERMITTED", "BROADCAST_KIND_INVALID", "FIELD_INVALID"}
)
"""Refusals of what was given, not of when: 422."""
_ORIGIN: Final = re.compile(r"[\s,(]+(?:US-)?[A-Z]{2}\)?\s*$", re.IGNORECASE)
"""A state behind a plate: `7ABC123 CA`, `7ABC123 (CA)`, `7ABC123, US-CA`."""


def status_of(refused: Refused) -> int:
    """Give the HTTP status of a refusal: 422 for what was given, 403 for who, 409 for when."""
    if refused.reason_code in FIELD_CODES:
        return 422
    return 403 if refused.reason_code == "ROLE_NOT_AUTHORISED" else 409


def forms(profile: AgencyProfile, scene: Scene) -> Forms:
    """Say what the forms of the steps ask of whoever looks at the hit."""
    rules, kind = profile.hits, BroadcastKind(profile.hits.broadcast_kind)
    result = BroadcastKind.CLETS_RESULT
    return Forms(
        kind=kind,
        content=required_content(profile, scene, kind),
        channels=required_channels(profile, scene),
        audience=required_audience(profile, scene, kind),
        result_content=required_content(profile, scene, result),
        result_audience=required_audience(profile, scene, result),
        call_types=rules.call_types,
        sources=tuple(Source(name) for name in rules.verify_sources),
        routes=tuple(Route(name) for name in rules.verify_routes),
        exigencies=tuple(Exigency(name) for name in rules.exigencies),
        independent_basis=strength_of(profile, "independent_basis") is not Gate.OFF,
        visual=device_sequence(scene) is Sequence.MOBILE and rules.mobile_visual,
    )


def required_content(profile: AgencyProfile, scene: Scene, kind: BroadcastKind) -> tuple[str, ...]:
    """Give what a broadcast must say (HIT-27): a vehicle's own hit has no fixed location, a result names its plate."""
    if kind is BroadcastKind.CLETS_RESULT:
        return ("plate",)
    mobile = scene.device_kind is DeviceKind.MOBILE
    return tuple(name for name in profile.hits.broadcast_content if not (mobile and name == "fixed_location"))


def required_channels(profile: AgencyProfile, scene: Scene) -> tuple[str, ...]:
    """Give the channels that a broadcast must contain: the floor binds Dispatch, others name the one they used (HIT-23)."""
    return profile.hits.channels if scene.client_kind is ClientKind.DISPATCH_CONSOLE else ()


def required_audience(profile: AgencyProfile, scene: Scene, kind: BroadcastKind) -> tuple[str, ...]:
    """Give whom a broadcast by Dispatch must reach (HIT-13, HIT-23)."""
    if scene.client_kind is not ClientKind.DISPATCH_CONSOLE:
        return ()
    rules = profile.hits
    return (rules.result_audience or rules.audience) if kind is BroadcastKind.CLETS_RESULT else rules.audience


def field_refusal(profile: AgencyProfile, scene: Scene, given: Given) -> Refused | None:
    """Refuse what was given when it lacks what the profile asks."""
    if isinstance(given, Verification) and given.route not in profile.hits.verify_routes:
        return Refused("HIT-26", "ROUTE_NOT_PERMITTED", f"route: {', '.join(profile.hits.verify_routes)}")
    if isinstance(given, Broadcast):
        return _broadcast_lacks(profile, scene, given)
    if isinstance(given, Call) and given.call_type not in profile.hits.call_types:
        return Refused("HIT-20", "CALL_TYPE_UNKNOWN", f"call_type: {', '.join(profile.hits.call_types)}")
    if isinstance(given, Description) and not (given.vehicle_description.strip() and given.direction_of_travel.strip()):
        return Refused("HIT-22", "FIELD_REQUIRED", "vehicle_description, direction_of_travel: a value, or unknown")
    if isinstance(given, NatureReview) and not given.nature.strip():
        return Refused("HIT-11", "FIELD_REQUIRED", "nature: which kind of advisory it is")
    if isinstance(given, Action) and given.exigency and len(" ".join(given.narrative.split())) < LEAST_REASON:
        return Refused("HIT-10", "FIELD_REQUIRED", "narrative: why confirming first would have been unsafe")
    if isinstance(given, Disposition) and given.recovered and not (given.place.strip() and given.recovered_at):
        return Refused("HIT-25", "FIELD_REQUIRED", "place, recovered_at: where and when it was recovered")
    return None


def _broadcast_lacks(profile: AgencyProfile, scene: Scene, given: Broadcast) -> Refused | None:
    rules = profile.hits
    if given.kind not in (rules.broadcast_kind, BroadcastKind.CLETS_RESULT):
        return Refused("HIT-27", "BROADCAST_KIND_INVALID", f"kind: {rules.broadcast_kind}, clets_result")
    content = required_content(profile, scene, given.kind)
    missing = [name for name in content if not given.content.get(name, "").strip()]
    if missing:
        return Refused("HIT-27", "FIELD_REQUIRED", f"content: {', '.join(missing)}")
    if not _names_the_plate(scene, given.content.get("plate", "")):
        return Refused("HIT-27", "FIELD_INVALID", "plate: not the plate of this hit")
    channels = required_channels(profile, scene)
    if not set(channels) <= set(given.channels):
        return Refused("HIT-23", "MAIN_CHANNEL_REQUIRED", f"channels: {', '.join(channels)} at least")
    if rules.channels and not given.channels:
        return Refused("HIT-17", "FIELD_REQUIRED", "channels: the one that was used")
    audience = required_audience(profile, scene, given.kind)
    if not set(audience) <= set(given.audience):
        return Refused("HIT-23", "AUDIENCE_REQUIRED", f"audience: {', '.join(audience)} at least")
    return None


def _names_the_plate(scene: Scene, text: str) -> bool:
    """Tell whether a text to be broadcast is a plate of the hit, with or without a state behind it."""
    said = {normalize(text), normalize(_ORIGIN.sub("", text))} - {""}
    return not said or not scene.plates or not said.isdisjoint(normalize(plate) for plate in scene.plates)
