"""An external LEARN tenant as one more source behind the same door (DEF-11).

The adapter speaks to one address per agency, set by the operator, and to nothing else: no redirect is followed and no
proxy of the environment is used. The tenant is asked only after the intent is committed, as PostgreSQL is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

import httpx
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from alprcore.errors import Transient

ANSWER_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of an answer: 500 detections of 8 KiB, more than any has."""


class Detection(BaseModel):
    """One detection as a tenant answers it; what else it says is not taken over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    detection_id: str = Field(min_length=1, max_length=100)
    plate: str = Field(min_length=1, max_length=32)
    state: str = Field("", max_length=16)
    captured_at: AwareDatetime
    device_name: str = Field("", max_length=200)
    latitude: FiniteFloat = Field(ge=-90, le=90)
    longitude: FiniteFloat = Field(ge=-180, le=180)
    owner: str = Field("", max_length=200)
    simulated: bool = False


_DETECTIONS: Final = TypeAdapter(list[Detection])


class Learn:
    """Asks the tenant of an agency. `tenants`: address by agency; `tokens`: what each tenant knows us by."""

    def __init__(self, tenants: Mapping[str, str], tokens: Mapping[str, str], patience_s: float) -> None:
        self._tenants = {agency: url.rstrip("/") for agency, url in tenants.items()}
        self._tokens = dict(tokens)
        self._patience = patience_s
        self._client = httpx.AsyncClient(timeout=patience_s, follow_redirects=False, trust_env=False)

    def serves(self, agency: str) -> bool:
        """Tell whether this agency has a tenant."""
        return agency in self._tenants

    async def search(self, agency: str, entry: int, search: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Put a search to the agency's tenant, naming the ledger entry that permits it.

        Raises `Transient` when it does not answer in time, answers with anything but 200, too much, or not in the
        agreed form. Rows carry `source_system` and name the owner that the tenant gives.
        """
        url = self._tenants.get(agency)
        if url is None:
            raise Transient("no tenant for this agency")
        headers = {"authorization": f"Bearer {self._tokens.get(agency, '')}", "content-type": "application/json"}
        body = json.dumps({"entry": entry, "search": search}).encode()
        try:
            async with asyncio.timeout(self._patience):
                async with self._client.stream(
                    "POST", f"{url}/detections/search", content=body, headers=headers
                ) as answer:
                    if answer.status_code != 200:
                        raise Transient(f"the tenant answered {answer.status_code}")
                    raw = bytearray()
                    async for chunk in answer.aiter_bytes():
                        raw += chunk
                        if len(raw) > ANSWER_LIMIT:
                            raise Transient("the tenant answered too much")
            detections = _DETECTIONS.validate_python(json.loads(raw)["detections"])
        except (TimeoutError, httpx.HTTPError) as error:
            raise Transient(f"the tenant does not answer: {type(error).__name__}") from error
        except (ValueError, KeyError, TypeError, ValidationError, RecursionError) as error:
            raise Transient("the tenant answered in another form") from error
        return [_row(detection) for detection in detections[: int(search["limit"])]]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _row(detection: Detection) -> dict[str, Any]:
    return {
        "read_id": detection.detection_id,
        "plate": detection.plate,
        "state": detection.state,
        "captured_at": detection.captured_at.isoformat(),
        "device_name": detection.device_name,
        "latitude": detection.latitude,
        "longitude": detection.longitude,
        "agency": detection.owner,
        "simulated": detection.simulated,
        "images": [],
    }
