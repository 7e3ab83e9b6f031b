"""Addresses of a live hit's images for a dispatch system: signed, for a short time, without a plate.

An address says that we named this image; who asks for it proves that besides (ACC-01).
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode

from alprcore.model import ImageLink, ImageRole, Refused
from alprcore.seal import ListKeys

ROLES: Final = (ImageRole.CLOSEUP.value, ImageRole.CONTEXT.value)
LIFETIME_MINUTES: Final = 15
_DOMAIN: Final = "alpr-image-link-v1"


def image_links(
    keys: ListKeys, public_url: str, agency: str, hit_id: str, now: datetime, minutes: int = LIFETIME_MINUTES
) -> tuple[ImageLink, ...]:
    """Make the addresses of a hit's two images, which open until `minutes` after `now`.

    The signature (HMAC-SHA256 with the newest of the list keys, under a name of its own) covers agency, hit, role and
    the second at which the address ends.
    """
    ends = int(now.timestamp()) + 60 * minutes
    links = []
    for role in ROLES:
        signed = {"agency": agency, "expires": str(ends), "signature": _signatures(keys, agency, hit_id, role, ends)[0]}
        url = f"{public_url.rstrip('/')}/v1/cad/images/{quote(hit_id, safe='')}/{role}?{urlencode(signed)}"
        links.append(ImageLink(role, url, datetime.fromtimestamp(ends, UTC)))
    return tuple(links)


def opens(
    keys: ListKeys, agency: str, hit_id: str, role: str, ends: int, signature: str, now: datetime
) -> Refused | None:
    """Decide whether an address opens: made by us for exactly this image, with any key still in the file, not ended.

    The signature is looked at first: whoever made an address up learns nothing else.
    """
    given = signature.encode()
    if not any(hmac.compare_digest(ours.encode(), given) for ours in _signatures(keys, agency, hit_id, role, ends)):
        return Refused("CAD", "LINK_FORGED", "the address was not made here, or was changed")
    if now >= datetime.fromtimestamp(ends, UTC):
        return Refused("CAD", "LINK_EXPIRED", "the address has ended; later messages of the incident carry new ones")
    return None


def _signatures(keys: ListKeys, agency: str, hit_id: str, role: str, ends: int) -> Sequence[str]:
    signed = "\x1f".join((_DOMAIN, agency, hit_id, role, str(ends))).encode()
    return [urlsafe_b64encode(digest).decode().rstrip("=") for digest in keys.fingerprints(signed)]
