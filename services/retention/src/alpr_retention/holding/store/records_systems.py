"""Who is asked about the case file of a hold: a person, the agency's records system, or a made-up answer (RET-09).

Whatever goes wrong on the way says nothing: the hold goes on binding until somebody knows better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from alprcore.calling import AskedSystem, Caller, CallFailed
from alprcore.casefiles import LARGEST, CaseFile, Question, Status, body_of, headers_of, read_answer, stub_answer
from alprcore.errors import InvalidMessage
from alprcore.policy import AgencyProfile

from .. import rules

MANUAL: Final = "manual"
STUB: Final = "stub"
HTTP: Final = "http"


class RecordsSystems:
    """The records system of each agency. One without a setting has persons who enter what the case file says."""

    def __init__(self, settings: Mapping[str, AskedSystem], clock: Callable[[], datetime]) -> None:
        """Raises `Misconfigured` for a system that cannot be asked safely, before anything is asked."""
        self._settings, self._clock = settings, clock
        self._callers = {
            agency: Caller(f"case_files.{agency}", one) for agency, one in settings.items() if one.adapter == HTTP
        }

    def adapter_of(self, agency: str) -> str:
        """Say who is asked for this agency: `manual`, `stub` or `http`."""
        one = self._settings.get(agency)
        return one.adapter if one else MANUAL

    async def ask(
        self, profile: AgencyProfile, question: Question, known: rules.CaseFile | None
    ) -> tuple[rules.CaseFile, str]:
        """Ask about a case; answers what is known of it now, and who said so.

        A system that no longer knows a case leaves the purge date that it gave before. Never raises for what others do.
        """
        found = await self._answer(profile, question)
        before = known or rules.CaseFile(self.adapter_of(question.agency))
        before = replace(before, adapter=self.adapter_of(question.agency), asked_at=question.asked_at)
        before = replace(before, entered_by="", entered_name="", confirmed_by="")
        if found.status is None:
            return replace(before, problem=found.failure), ""
        day = before.purge_on if found.status is Status.UNKNOWN else found.purge_on
        now_known = replace(before, status=found.status.value, purge_on=day, answered_at=found.answered_at, problem="")
        return now_known, found.answered_by

    async def close(self) -> None:
        """Close the connections."""
        for caller in self._callers.values():
            await caller.close()

    async def _answer(self, profile: AgencyProfile, question: Question) -> CaseFile:
        settings = self._settings[question.agency]
        tests = settings.allow_test or bool(profile.watermark)
        if settings.adapter == STUB:
            return stub_answer(question, self._clock()) if tests else CaseFile(failure="answers would be made up here")
        caller = self._callers[question.agency]
        try:
            headers = headers_of(question, caller.secrets, self._clock())
            reply = await caller.post(body_of(question), headers, LARGEST)
            found = read_answer(question, reply.status, reply.headers, reply.body, self._clock())
        except CallFailed as error:
            return CaseFile(failure=f"the records system: {error}")
        except InvalidMessage as error:
            return CaseFile(failure=f"the records system did not answer as agreed: {error.detail}")
        if found.test and not tests:
            return CaseFile(failure="the records system gave a test answer, which says nothing here")
        return found
