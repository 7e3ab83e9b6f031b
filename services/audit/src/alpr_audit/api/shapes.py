"""What is posted to the doors, exactly; anything else is refused by the name of the field."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, ValidationError

from alprcore.model import ImageRole, Person
from alprcore.plates import normalize
from alprcore.policy import Area, Criteria, Query

from .answers import Refusal

BODY_LIMIT: Final = 64 * 1024


class Body(BaseModel):
    """A posted body: known fields only."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Basis(Body):
    basis: str = Field(max_length=4000)


class _AreaBody(Body):
    south: float = Field(allow_inf_nan=False)
    west: float = Field(allow_inf_nan=False)
    north: float = Field(allow_inf_nan=False)
    east: float = Field(allow_inf_nan=False)


class CriteriaBody(Body):
    """What is searched for, as posted."""

    plate: str = Field("", max_length=32)
    partial: str = Field("", max_length=32)
    lookalike: StrictBool = False
    state: str = Field("", max_length=16)
    captured_from: AwareDatetime | None = None
    captured_to: AwareDatetime | None = None
    area: _AreaBody | None = None
    device_id: str = Field("", max_length=200)
    list_code: str = Field("", max_length=64)
    own_detections: StrictBool = False


class QueryBody(Body):
    """A query, as posted to /v1/queries."""

    purpose_code: str = Field("", max_length=64)
    justification: str = Field("", max_length=4000)
    case_number: str = Field("", max_length=100)
    no_case_number_reason: str = Field("", max_length=1000)
    reasonable_suspicion: _Basis | None = None
    need_to_know: _Basis | None = None
    attest_no_first_amendment: StrictBool = False
    criteria: CriteriaBody
    limit: int = 100
    after: str = Field("", max_length=100)

    def query(self) -> Query:
        """The question as the policy judges it."""
        c = self.criteria
        return Query(
            purpose_code=self.purpose_code,
            justification=self.justification,
            criteria=Criteria(
                **{**dict(c), "area": Area(**dict(c.area)) if c.area else None, "plate": normalize(c.plate)}
            ),
            case_number=self.case_number,
            no_case_number_reason=self.no_case_number_reason,
            reasonable_suspicion=self.reasonable_suspicion.basis if self.reasonable_suspicion else "",
            need_to_know=self.need_to_know.basis if self.need_to_know else "",
            attest_no_first_amendment=self.attest_no_first_amendment,
            limit=self.limit,
            after=self.after,
        )


class ImageViewBody(Body):
    """A wish to look at one image of an answered read."""

    read_id: str = Field(max_length=36)
    role: ImageRole
    query_id: int = Field(ge=0, lt=2**53)


async def read_body(request: Request, model: type[Body], person: Person) -> Any:
    """Read a body of at most 64 KiB as the model; raises `Refusal` 413, or 422 with the names of the fields."""
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > BODY_LIMIT:
            raise Refusal(413, "BODY_TOO_LARGE", f"at most {BODY_LIMIT} bytes", person=person)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        places = sorted({".".join(map(str, item["loc"])) or "body" for item in error.errors(include_input=False)})
        raise Refusal(422, "CRITERIA_INVALID", f"wrong or unknown: {', '.join(places)}"[:500], person=person) from None
