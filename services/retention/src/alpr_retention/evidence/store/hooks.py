"""What the feature that a package is about is told: each in the transaction of the change."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from alprcore.evidence import Item
from alprcore.model import Person


class Subject(Protocol):
    """What packages of a kind are about: holds, or release requests; `subject` is the id of one."""

    async def ready(
        self,
        connection: Any,
        agency: str,
        subject: str,
        package_id: str,
        items: Sequence[Item],
        sums_sha256: str,
        now: datetime,
        /,
    ) -> None:
        """A package was built and waits to be taken; `sums_sha256` names the signed list of its last volume."""

    async def given(
        self,
        connection: Any,
        agency: str,
        subject: str,
        package_id: str,
        person: Person,
        items: Sequence[Item],
        now: datetime,
        /,
    ) -> None:
        """The last volume of a package was handed out to a person."""

    async def broken(
        self,
        connection: Any,
        agency: str,
        subject: str,
        package_id: str,
        reason: str,
        now: datetime,
        handed: Sequence[Item],
        taker: tuple[str, str, datetime] | None,
        /,
    ) -> None:
        """A package ended before all of it was handed out.

        `handed` are the reads of the volumes whose hand-out ever began, `taker` id and name of who began first,
        and when; None when nobody did.
        """


class Unmoved:
    """A hold binds whatever becomes of an export, until it is booked."""

    async def ready(self, *_: Any) -> None:
        """Nothing follows."""

    async def given(self, *_: Any) -> None:
        """Nothing follows."""

    async def broken(self, *_: Any) -> None:
        """Nothing follows."""
