"""The doors to images: what a committed entry names, what belongs to a live hit; and counts that name no read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from alprcore.answering import Refusal, problem
from alprcore.errors import InvalidMessage
from alprcore.model import ImageRole, Person
from alprcore.policy import AgencyProfile

from .. import metrics
from ..expiry import LIVE
from ..store import Images, Records
from ..telling import Outbox
from ..web import UUID_TEXT, Door

_SHOWN: Final = frozenset({ImageRole.CLOSEUP.value, ImageRole.CONTEXT.value})


def routes(
    door: Door, records: Records, images: Images, outbox: Outbox, profiles: Mapping[str, AgencyProfile]
) -> APIRouter:
    """The routes of images and counts."""
    router = APIRouter()

    async def shown(agency: str, image: dict[str, Any], person: Person) -> Response:
        try:
            data = await images.open(agency, image)
        except KeyError:
            metrics.IMAGES.labels("gone").inc()
            raise Refusal(410, "IMAGE_GONE", "the image is not kept any more", person=person) from None
        except InvalidMessage as error:
            metrics.IMAGES.labels("damaged").inc()
            return problem(500, error.code, "the stored image is not the one that was read")
        metrics.IMAGES.labels("opened").inc()
        return Response(data, media_type="image/jpeg", headers={"cache-control": "no-store"})

    @router.get("/v1/images/{entry}")
    async def get_image(request: Request, entry: int) -> Response:
        person = door.asker(request)
        if not 0 <= entry < 2**63:
            raise Refusal(422, "FIELD_INVALID", "entry", person=person)
        try:
            image = await records.open_view(entry, person.person_id)
        except PermissionError as error:
            metrics.IMAGES.labels("refused").inc()
            raise Refusal(403, str(error), "no fresh, unused entry of yours", person=person) from error
        if image is None:
            raise Refusal(404, "IMAGE_UNKNOWN", "the read has no such image", person=person)
        return await shown(image["agency"], image, person)

    @router.get("/v1/live-hits/{hit_id}/images/{role}")
    async def get_live_image(request: Request, hit_id: str, role: str) -> Response:
        person = door.asker(request)
        if not UUID_TEXT.fullmatch(hit_id) or role not in _SHOWN:
            raise Refusal(404, "HIT_UNKNOWN", "no such live hit", person=person)
        now = door.clock()
        found = await records.live_images(person.agency, hit_id, now - LIVE)
        image = next((image for image in found if image["role"] == role), None)
        if image is None:
            raise Refusal(404, "HIT_UNKNOWN", "no such live hit", person=person)
        profile = profiles.get(person.agency)
        facts = {"hit_id": hit_id, "role": role}
        await outbox.tell(
            person, "live_image_shown", f"{hit_id} {role}", now, facts, profile.version if profile else ""
        )
        return await shown(person.agency, image, person)

    @router.get("/v1/read-statistics")
    async def get_read_statistics(request: Request, device_id: str, days: int = 7) -> Response:
        """Counts by camera, and nothing of any one read: no ledger entry is needed."""
        person = door.asker(request)
        if not 1 <= days <= 366:
            raise Refusal(422, "FIELD_INVALID", "days", person=person)
        cameras = await records.camera_counts(person.agency, device_id, door.clock() - timedelta(days=days))
        return JSONResponse({"device_id": device_id, "days": days, "cameras": cameras})

    return router
