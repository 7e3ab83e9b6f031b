"""Witnesses: others who saw that the log only grew, and sign it (C2SP tlog-witness, tlog-cosignature)."""

from __future__ import annotations

import asyncio
import base64
import http.client
import logging
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from alprcore.errors import InvalidMessage, Misconfigured, Transient
from alprcore.seal import read_cosignature

from .. import ledger, metrics
from .opening import read_note_file, write_note_file

logger = logging.getLogger(__name__)

OVERDUE: Final = timedelta(minutes=5)
"""A witness that signed nothing for so long is an alarm: the log stands still for it, or splits."""
_ANSWER_S: Final = 10.0
_ANSWER_BYTES: Final = 64 * 1024


class WitnessRefused(Exception):
    """A witness that does not follow: `reason` is `conflict`, `inconsistent`, `unknown` or `invalid`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Witness:
    """Where a witness takes checkpoints, and by which key its cosignatures are known."""

    url: str
    key: str


def read_witness(setting: str) -> Witness:
    """Read `<name+id+key> <address>`; raises `Misconfigured`."""
    key, _, url = setting.partition(" ")
    if key.count("+") < 2 or not url.startswith(("http://", "https://")):
        raise Misconfigured("ALPR_AUDIT_WITNESSES: each reads `name+id+key https://address`")
    return Witness(url.rstrip("/"), key)


def request_body(old: int, proof: list[bytes], note: str) -> bytes:
    """Lay out a submission: the size that the witness signed last, the proof from there, the checkpoint."""
    lines = [f"old {old}", *(base64.b64encode(part).decode() for part in proof)]
    return ("\n".join(lines) + f"\n\n{note}").encode()


def _post(url: str, body: bytes) -> tuple[int, str, str]:
    request = urllib.request.Request(url, body, {"Content-Type": "text/plain; charset=utf-8"})
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:
            return answer.status, "", answer.read(_ANSWER_BYTES).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            kind = error.headers.get("Content-Type", "")
            return error.code, kind, error.read(_ANSWER_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise Transient(f"witness: {type(error).__name__}") from error


class Witnesses:
    """Keeps the newest head that witnesses cosigned, and the file that holds it."""

    def __init__(
        self,
        witnesses: tuple[Witness, ...],
        file: Path,
        prove: Callable[[int, int], Awaitable[list[bytes]]],
        clock: Callable[[], datetime],
    ) -> None:
        self._witnesses, self._file, self._prove, self._clock = witnesses, file, prove, clock
        self._sizes: dict[tuple[Witness, str], int] = {}
        self._since, self._behind = clock(), True
        self.note = read_note_file(file) or ""

    @property
    def size(self) -> int:
        """Entries under the newest cosigned head."""
        try:
            return ledger.parse_head(self.note.partition("\n\n")[0] + "\n").size
        except ValueError:
            return 0

    def overdue(self) -> bool:
        """Whether a witness has been behind for five minutes."""
        return self._behind and self._clock() - self._since > OVERDUE

    async def submit(self, head: ledger.Head, note: str) -> None:
        """Have a head cosigned by all witnesses; what they refuse is told by metric and log, never passed over."""
        signed = []
        for witness in self._witnesses:
            try:
                signed.append(await self._ask(witness, head, note))
            except WitnessRefused as error:
                metrics.WITNESS_REFUSALS.labels(error.reason).inc()
                logger.error("witness_refused", extra={"reason": error.reason, "size": head.size})
            except Transient as error:
                metrics.WITNESS_REFUSALS.labels("unreachable").inc()
                logger.warning("witness_away", extra={"reason": str(error), "size": head.size})
        if signed:
            self.note = note + "".join(signed)
            await asyncio.to_thread(write_note_file, self._file, self.note)
        self._behind = len(signed) < len(self._witnesses)
        if not self._behind:
            self._since = self._clock()

    def behind(self) -> bool:
        """Whether a witness has not cosigned the head that was submitted last."""
        return self._behind

    def tell_age(self) -> None:
        """Tell how long a witness has been behind; a log that stands still and is cosigned whole is not late."""
        metrics.COSIGNED_AGE.set((self._clock() - self._since).total_seconds() if self._behind else 0)

    async def _ask(self, witness: Witness, head: ledger.Head, note: str) -> str:
        """Submit one head; answers the cosignature line. Raises `WitnessRefused` or `Transient`."""
        old = self._sizes.get((witness, head.origin), 0)
        for again in (True, False):
            proof = await self._prove(old, head.size) if 0 < old < head.size else []
            status, kind, text = await asyncio.to_thread(
                _post, f"{witness.url}/add-checkpoint", request_body(old, proof, note)
            )
            stated = text.strip()
            if status == http.HTTPStatus.OK:
                line = _cosignature(text, note, witness.key)
                self._sizes[witness, head.origin] = head.size
                return line
            known = kind.startswith("text/x.tlog.size") and stated.isascii() and stated.isdigit()
            if (
                status == http.HTTPStatus.CONFLICT
                and again
                and known
                and int(stated) <= head.size
                and int(stated) != old
            ):
                old = int(stated)
                continue
            break
        if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR or status == http.HTTPStatus.TOO_MANY_REQUESTS:
            raise Transient(f"witness: {status}")
        names = {http.HTTPStatus.CONFLICT: "conflict", http.HTTPStatus.UNPROCESSABLE_ENTITY: "inconsistent"}
        raise WitnessRefused(
            names.get(http.HTTPStatus(status), "unknown" if status == http.HTTPStatus.NOT_FOUND else "invalid")
        )


def _cosignature(answer: str, note: str, key: str) -> str:
    """Pick the line that this witness signed over the checkpoint."""
    for line in answer.splitlines(keepends=True):
        try:
            read_cosignature(note + line, key)
        except InvalidMessage:
            continue
        return line
    raise WitnessRefused("invalid")
