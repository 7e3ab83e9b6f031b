"""Who is asked whether an entry is active: a person, the agency's switch, or nobody but a made-up answer (HIT-09).

No code of the console reaches a verification by itself: either a person enters what the database said (`manual`), or
the switch that the operator named answered in the agreed form (`http`), or the answer is made up and says so in every
text (`stub`). Whatever goes wrong on the way is an answer of result `error`, which confirms nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import httpx

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
from alprcore.hooks import signatures
from alprcore.policy import AgencyProfile
from alprcore.workflow import Result

from .settings import ConfirmationSettings

MANUAL: Final = "manual"
STUB: Final = "stub"
HTTP: Final = "http"


class Confirmations:
    """Asks, for each agency, whoever the operator set. An agency without a setting has persons who type the answer."""

    def __init__(self, settings: Mapping[str, ConfirmationSettings], clock: Callable[[], datetime]) -> None:
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
    """An agency's switch: one address, asked by POST, never followed elsewhere."""

    def __init__(self, agency: str, settings: ConfirmationSettings) -> None:
        place = f"confirmations.{agency}"
        parts = urlsplit(settings.url)
        if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
            raise Misconfigured(f"{place}.url: an address without name, password or query")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname)):
            raise Misconfigured(f"{place}.url: answers are believed over HTTPS, or from this machine, only")
        if not settings.secret_file and not settings.cert_file:
            raise Misconfigured(f"{place}: secret_file (HMAC) or cert_file (mTLS) lets the switch know who asks")
        self._url = settings.url
        self._patience_s = settings.timeout_s
        try:
            lines = settings.secret_file.read_text("ascii").split() if settings.secret_file else []
            context = ssl.create_default_context(cafile=settings.ca_file)
            if settings.cert_file:
                context.load_cert_chain(settings.cert_file, settings.key_file)
            self._secrets = tuple(lines)
            if settings.secret_file and not lines:
                raise ValueError("no secret")
            signatures(lines, "", 0, b"")  # a secret that is none shows here, not at the first question
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise Misconfigured(f"{place}: {type(error).__name__} in its files") from error
        self._client = httpx.AsyncClient(
            timeout=settings.timeout_s, follow_redirects=False, trust_env=False, verify=context
        )

    async def ask(self, question: Question, clock: Callable[[], datetime]) -> Confirmation:
        """Ask once; the whole answer has to be here within the patience."""
        body, headers = body_of(question), headers_of(question, self._secrets, clock())
        try:
            async with asyncio.timeout(self._patience_s):
                async with self._client.stream("POST", self._url, content=body, headers=headers) as response:
                    return read_answer(question, response.status_code, response.headers, await _read(response), clock())
        except TimeoutError:
            return _failed(f"the switch gave no answer within {self._patience_s:g} s")
        except InvalidMessage as error:
            return _failed(f"the switch did not answer as agreed: {error.detail}")
        except (httpx.HTTPError, OSError) as error:
            return _failed(f"the switch cannot be reached: {type(error).__name__}")

    async def close(self) -> None:
        await self._client.aclose()


async def _read(response: httpx.Response) -> bytes:
    """Read an answer's body as it came, and no more of it than is believed."""
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > LARGEST:
            break
    return bytes(body)


def _failed(words: str) -> Confirmation:
    return Confirmation(Result.ERROR, failure=words)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
