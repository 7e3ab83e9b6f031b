"""Who is asked whether an entry is active: a person, the agency's switch, or nobody but a made-up answer (HIT-09).

No code of the console reaches a verification by itself: either a person enters what the database said (`manual`), or
the switch that the operator named answered in the agreed form (`http`), or the answer is made up and says so in every
text (`stub`). Whatever goes wrong on the way is an answer of result `error`, which confirms nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from alprcore.calling import AskedSystem, Caller, CallFailed
from alprcore.confirming import (
    LARGEST,
    TEST,
    Confirmation,
    Question,
    body_of,
    headers_of,
    read_answer,
    stub_answer,
)
from alprcore.errors import InvalidMessage, Misconfigured
from alprcore.policy import AgencyProfile
from alprcore.workflow import Result

MANUAL: Final = "manual"
STUB: Final = "stub"
HTTP: Final = "http"


class Confirmations:
    """Asks, for each agency, whoever the operator set. An agency without a setting has persons who type the answer."""

    def __init__(self, settings: Mapping[str, AskedSystem], clock: Callable[[], datetime]) -> None:
        """Raises `Misconfigured` for a switch that cannot be asked safely, before anything is asked."""
        self._settings = settings
        self._clock = clock
        self._switches = {agency: _Switch(agency, one) for agency, one in settings.items() if one.adapter == HTTP}

    def check(self, profiles: Mapping[str, AgencyProfile]) -> None:
        """Refuse to start when answers would be made up for an agency that works for real.

        Demonstrations are told by their profile's watermark; everybody else has to permit it. Raises `Misconfigured`.
        """
        for agency, one in self._settings.items():
            if one.adapter == STUB and not self._may_test(agency, profiles.get(agency)):
                raise Misconfigured(
                    f"confirmations.{agency}: a stub makes its answers up; only a demonstration takes it, or allow_test"
                )

    def adapter_of(self, agency: str) -> str:
        """Say how this agency's hits are confirmed: `manual`, `stub` or `http`."""
        one = self._settings.get(agency)
        return one.adapter if one else MANUAL

    async def ask(self, profile: AgencyProfile, question: Question) -> Confirmation:
        """Ask whether the entry is active. Never raises for what others do: what fails is an answer of result error."""
        adapter = self.adapter_of(question.agency)
        if adapter == MANUAL:
            return _failed("answers are entered by hand here")
        tests = self._may_test(question.agency, profile)
        if adapter == STUB:
            return stub_answer(question, self._clock()) if tests else _failed("answers would be made up here")
        found = await self._switches[question.agency].ask(question, self._clock)
        if found.test and not tests:
            return _failed(f"the switch gave a test answer ({TEST}), which confirms nothing here")
        return found

    async def close(self) -> None:
        """Close the connections."""
        for switch in self._switches.values():
            await switch.close()

    def _may_test(self, agency: str, profile: AgencyProfile | None) -> bool:
        return self._settings[agency].allow_test or bool(profile and profile.watermark)


class _Switch:
    """An agency's switch, asked in the agreed form."""

    def __init__(self, agency: str, settings: AskedSystem) -> None:
        self._caller = Caller(f"confirmations.{agency}", settings)

    async def ask(self, question: Question, clock: Callable[[], datetime]) -> Confirmation:
        """Ask once; the whole answer has to be here within the patience."""
        headers = headers_of(question, self._caller.secrets, clock())
        try:
            reply = await self._caller.post(body_of(question), headers, LARGEST)
            return read_answer(question, reply.status, reply.headers, reply.body, clock())
        except CallFailed as error:
            return _failed(f"the switch: {error}")
        except InvalidMessage as error:
            return _failed(f"the switch did not answer as agreed: {error.detail}")

    async def close(self) -> None:
        await self._caller.close()


def _failed(words: str) -> Confirmation:
    return Confirmation(Result.ERROR, failure=words)
