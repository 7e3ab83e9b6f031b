"""How what is given for a step lies in the database and comes back; who sees it, and who may use which source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from alprcore.model import ADMITTED, ClientKind, Decision, NotificationStatus, Person, Plate, Refused, StateMatch
from alprcore.plates import LONGEST, normalize
from alprcore.policy import AgencyProfile, Overridden
from alprcore.workflow import (
    DOERS,
    Action,
    ActionType,
    Basis,
    BasisType,
    Broadcast,
    BroadcastKind,
    Call,
    CheckMethod,
    CheckResult,
    Description,
    Disposition,
    Done,
    Exigency,
    Given,
    NatureReview,
    Occupied,
    Outcome,
    ReadCheck,
    Result,
    Route,
    Source,
    Step,
    Verification,
    Work,
    answer,
)

UNCOUNTED: Final = "uncounted"
"""Kind of a verification by a source whose answer the policy does not count."""
_OPENED_BY: Final[Mapping[Source, frozenset[str]]] = {
    Source.CLETS: frozenset({"clets"}),
    Source.NCIC: frozenset({"clets", "federal"}),
    Source.OTHER: frozenset({"department_rms", "state", "federal"}),
}


def source_open(person: Person, source: Source) -> Decision:
    """Decide whether a person may use a source or read its answer: ALPR access alone grants none (ACC-07)."""
    if _OPENED_BY[source].isdisjoint(person.grants):
        return Refused("ACC-07", "SOURCE_NOT_AUTHORISED", f"your account holds no grant for {source.value}")
    return ADMITTED


def enters_no_calls(person: Person) -> bool:
    """Tell whether calls for service are no duty of a person's roles (HIT-20)."""
    return DOERS[Step.CALL].isdisjoint(person.roles)


def acts_from(client_kind: ClientKind, roles: Iterable[str]) -> ClientKind:
    """Say from where somebody acts: whoever has not signed on as a vehicle or a desktop is at a dispatch console only in a
    role of Dispatch, and else counts as a desktop (HIT-17, HIT-18: nobody chooses a rule by not signing on).
    """
    at_dispatch = client_kind is not ClientKind.DISPATCH_CONSOLE or not DOERS[Step.CALL].isdisjoint(roles)
    return client_kind if at_dispatch else ClientKind.DESKTOP


def is_practice(adapter: str, status: str) -> bool:
    """Tell whether an agency's own switch would be asked about an exercise; made-up answers are what exercises are for."""
    return adapter == "http" and status == NotificationStatus.EXERCISE


def attached(
    profile: AgencyProfile, work: Work, rows: Sequence[Mapping[str, Any]], verification_id: str
) -> Verification | None:
    """Give the verification that a call can be confirmed with: one that counts, of a hit whose newest answer is active."""
    newest = answer(profile, work)
    row = next((row for row in rows if row["step_id"] == verification_id and row["kind"] == Result.ACTIVE), None)
    given = from_row(row).given if row and newest and newest.result is Result.ACTIVE else None
    return given if isinstance(given, Verification) and row and row["step"] == Step.VERIFY else None


def may_open(person: Person) -> tuple[str, ...]:
    """Name the sources that are open to a person."""
    return tuple(source.value for source in Source if not isinstance(source_open(person, source), Refused))


def correct(person: Person, read: str, result: CheckResult, corrected_text: str) -> Plate | Refused:
    """Judge the corrected text of a finding: whether it corrects anything, and is a plate (HIT-07). Empty: nobody can tell
    what the plate says. It stands beside what was read, never in its place.
    """
    if DOERS[Step.READ_CHECK].isdisjoint(person.roles):
        return Refused("HIT-06", "ROLE_NOT_AUTHORISED", "read checks are made by dispatchers, officers and supervisors")
    corrected = normalize(corrected_text)
    if result is CheckResult.CORRECT and corrected:
        return Refused("HIT-06", "CORRECTION_OF_CORRECT", "a read that is correct has no corrected text")
    if len(corrected) > LONGEST or corrected == read or (corrected_text.strip() and not corrected):
        return Refused("HIT-07", "CORRECTION_INVALID", "the corrected text is the text that was read, or no plate")
    return corrected


def kind_of(profile: AgencyProfile, given: Given) -> str:
    """Give the word by which a step of its sort is told from others: result, kind, type, class or outcome."""
    if isinstance(given, Verification) and given.source not in profile.hits.verify_sources:
        return UNCOUNTED
    if isinstance(given, ReadCheck | Verification):
        return given.result.value
    if isinstance(given, Broadcast):
        return given.kind.value
    if isinstance(given, Call):
        return given.call_type
    if isinstance(given, NatureReview):
        return given.nature
    if isinstance(given, Action):
        return given.type.value
    return given.outcome.value if isinstance(given, Disposition) else ""


def laid_out(given: Given) -> dict[str, Any]:
    """Lay out what was given as JSON."""
    fields = asdict(given)
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()}


def from_row(row: Mapping[str, Any]) -> Done:
    """Read a step as it lies in the database. Raises `KeyError` for a step that no rule knows."""
    given = _READERS[row["step"]](row["given"])
    left_out = tuple(Overridden(step, row["override_reason"]) for step in row["overridden"])
    return Done(
        given, row["done_at"], ClientKind(row["client_kind"]), frozenset(row["roles"]), row["full_name"], left_out
    )


def _read_check(given: Mapping[str, Any]) -> ReadCheck:
    state = StateMatch(given["state_confirmed"])
    return ReadCheck(CheckResult(given["result"]), CheckMethod(given["method"]), state)


def _verification(given: Mapping[str, Any]) -> Verification:
    return Verification(Source(given["source"]), Route(given["route"]), Result(given["result"]))


def _broadcast(given: Mapping[str, Any]) -> Broadcast:
    return Broadcast(BroadcastKind(given["kind"]), given["content"], tuple(given["channels"]), tuple(given["audience"]))


def _call(given: Mapping[str, Any]) -> Call:
    return Call(given["call_type"], given["vehicle_description"], given["direction_of_travel"])


def _description(given: Mapping[str, Any]) -> Description:
    return Description(given["vehicle_description"], given["direction_of_travel"])


def _nature(given: Mapping[str, Any]) -> NatureReview:
    return NatureReview(given["nature"])


def _action(given: Mapping[str, Any]) -> Action:
    basis, exigency = given["basis"], given["exigency"]
    return Action(
        ActionType(given["type"]),
        given["reason"],
        Basis(BasisType(basis["type"]), basis["narrative"]) if basis else None,
        Exigency(exigency) if exigency else None,
        given["narrative"],
    )


def _disposition(given: Mapping[str, Any]) -> Disposition:
    recovered_at = given["recovered_at"]
    return Disposition(
        Outcome(given["outcome"]),
        Occupied(given["occupied"]),
        given["recovered"],
        given["place"],
        datetime.fromisoformat(recovered_at) if recovered_at else None,
        given["wrong_vehicle"],
    )


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Given]]] = {
    "read_check": _read_check,
    "verify": _verification,
    "broadcast": _broadcast,
    "broadcast_result": _broadcast,
    "call": _call,
    "describe": _description,
    "nature_review": _nature,
    "action": _action,
    "disposition": _disposition,
}
