"""What is posted to the doors, exactly; anything else is refused by the name of the field."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import Request
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    ValidationError,
)

from alprcore.answering import Refusal
from alprcore.model import ImageRole, Person
from alprcore.plates import normalize
from alprcore.policy import Area, Criteria, Query

BODY_LIMIT: Final = 64 * 1024
BODY_SECONDS: Final = 10.0
"""Time a body may take to arrive: a caller that drips bytes holds nothing for longer."""
INDEX_LIMIT: Final = 2**53
"""Entry numbers stay below what JSON numbers hold exactly."""
NAMED_APPROVALS: Final = 20
DECIMALS: Final = 6
"""Decimals of a degree that a search keeps: 0.11 m, and no number that JSON and PostgreSQL write differently."""


def in_utc(moment: datetime) -> datetime:
    """Write a moment in UTC: PostgreSQL reads no offset beyond 15:59. Raises `ValueError` beyond the calendar."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("beyond the calendar") from None


Moment = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""A moment, as posted with any offset and kept in UTC."""
EntryNumber = Annotated[int, Field(ge=0, lt=INDEX_LIMIT)]
"""The number of an entry of the ledger."""

_NO_REASONS: Final = frozenset({"criteria", "limit", "after", "source", "agency"})


class Body(BaseModel):
    """A posted body: known fields only."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSystem(StrEnum):
    """Whose data a question is put to: our own reads, or an external LEARN tenant (DEF-11)."""

    LOCAL = "local"
    LEARN = "learn"


class _Basis(Body):
    basis: str = Field(max_length=4000)


class AreaBody(Body):
    """A rectangle, as posted."""

    south: FiniteFloat
    west: FiniteFloat
    north: FiniteFloat
    east: FiniteFloat

    def area(self) -> Area:
        """The rectangle as the policy judges it and PostgreSQL searches it."""
        return Area(*(round(side, DECIMALS) for side in (self.south, self.west, self.north, self.east)))


class CriteriaBody(Body):
    """What is searched for, as posted; `polygon` lists corners as latitude and longitude."""

    plate: str = Field("", max_length=32)
    partial: str = Field("", max_length=32)
    lookalike: StrictBool = False
    state: str = Field("", max_length=16)
    captured_from: Moment | None = None
    captured_to: Moment | None = None
    area: AreaBody | None = None
    polygon: list[tuple[FiniteFloat, FiniteFloat]] = Field([], max_length=100)
    device_id: str = Field("", max_length=200)
    device_ids: list[str] = Field([], max_length=100)
    list_code: str = Field("", max_length=64)
    own_detections: StrictBool = False

    def criteria(self, person: Person) -> Criteria:
        """The criteria as the policy judges them: own detections are those of the asker's unit (QRY-01)."""
        named = tuple(dict.fromkeys([*filter(None, [self.device_id]), *self.device_ids]))
        if self.own_detections:
            named = tuple(name for name in person.devices if name in named or not named)
        return Criteria(
            plate=normalize(self.plate),
            partial=self.partial,
            lookalike=self.lookalike,
            state=self.state,
            captured_from=self.captured_from,
            captured_to=self.captured_to,
            area=self.area.area() if self.area else None,
            polygon=tuple(
                (round(latitude, DECIMALS), round(longitude, DECIMALS)) for latitude, longitude in self.polygon
            ),
            device_ids=named,
            list_code=self.list_code,
            own_detections=self.own_detections,
        )


class QueryBody(Body):
    """A query, as posted to /v1/queries."""

    purpose_code: str = Field("", max_length=64)
    justification: str = Field("", max_length=4000)
    case_number: str = Field("", max_length=100)
    no_case_number_reason: str = Field("", max_length=1000)
    offense_code: str = Field("", max_length=64)
    reasonable_suspicion: _Basis | None = None
    need_to_know: _Basis | None = None
    attest_no_first_amendment: StrictBool = False
    approval_id: EntryNumber | None = None
    approval_ids: list[EntryNumber] = Field([], max_length=NAMED_APPROVALS)
    on_behalf_of: str = Field("", max_length=200)
    source: SourceSystem = SourceSystem.LOCAL
    agency: str = Field("", max_length=100)
    criteria: CriteriaBody
    limit: int = 100
    after: str = Field("", max_length=100)

    def query(self, person: Person) -> Query:
        """The question as the policy judges it."""
        return Query(
            purpose_code=self.purpose_code,
            justification=self.justification,
            criteria=self.criteria.criteria(person),
            case_number=self.case_number,
            no_case_number_reason=self.no_case_number_reason,
            reasonable_suspicion=self.reasonable_suspicion.basis if self.reasonable_suspicion else "",
            need_to_know=self.need_to_know.basis if self.need_to_know else "",
            attest_no_first_amendment=self.attest_no_first_amendment,
            offense_code=self.offense_code,
            limit=self.limit,
            after=self.after,
        )

    def approvals(self) -> tuple[int, ...]:
        """The numbers of the approvals that the question names; a search may touch several protected events."""
        return tuple(dict.fromkeys((*(() if self.approval_id is None else (self.approval_id,)), *self.approval_ids)))

    def asked(self) -> dict[str, Any]:
        """What was submitted, word for word, times in UTC: criteria and reasons as the ledger keeps them (QRY-05)."""
        posted = self.model_dump(mode="json", exclude_unset=True)
        reasons = {name: value for name, value in posted.items() if name not in _NO_REASONS}
        return {"criteria": posted["criteria"], "reasons": reasons}


class ImageViewBody(Body):
    """A wish to look at one image of an answered read."""

    read_id: str = Field(max_length=36)
    role: ImageRole
    query_id: EntryNumber


def _place(item: Any) -> str:
    name = ".".join(map(str, item["loc"])) or "body"
    if item["type"] not in ("enum", "literal_error"):
        return name
    return f"{name} (one of {item['ctx']['expected']})"


async def read_body(request: Request, model: type[Body], person: Person) -> Any:
    """Read a body of at most 64 KiB as the model.

    Raises `Refusal` 408 for one that takes longer than 10 s to arrive, 413 for a larger one, and 422 with the names of
    the fields, and the values of a closed set, for anything else that is not the model.
    """
    raw = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > BODY_LIMIT:
                    raise Refusal(413, "BODY_TOO_LARGE", f"at most {BODY_LIMIT} bytes", person=person)
    except TimeoutError:
        raise Refusal(408, "BODY_TOO_SLOW", f"at most {BODY_SECONDS:.0f} s", person=person) from None
    if b"\\u0000" in raw or b"\x00" in raw:
        raise Refusal(422, "CRITERIA_INVALID", "a text holds characters that cannot be kept", person=person)
    try:
        return model.model_validate_json(bytes(raw))
    except ValidationError as error:
        places = sorted({_place(item) for item in error.errors(include_input=False)})
        raise Refusal(422, "CRITERIA_INVALID", f"wrong or unknown: {', '.join(places)}"[:500], person=person) from None
