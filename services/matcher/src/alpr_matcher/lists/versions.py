"""The version of each list in force, partition by partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alprcore.model import ListVersion

ListName = tuple[str, str]
"""Agency and list code."""

_KEPT_VERSIONS: Final = 16  # announced versions of one list that may wait for their end offsets


class ListVersions:
    """Which version of each list is in force, partition by partition.

    A version is announced when ingest has written it whole; it is in force in a partition as soon as the
    worker has read that partition of `hotlist` up to the end offset named in the announcement. Until then
    the version before stays in force, so a read is judged against exactly one version of each list.

    A list whose version names an offset that its partition does not come to, because the topic was lost, holds up the
    reads of all agencies. After a while it can be left out of a partition, until it is announced anew.
    """

    __slots__ = ("_announced", "_cached", "_changes", "_left_out")

    def __init__(self) -> None:
        self._announced: dict[ListName, tuple[ListVersion, ...]] = {}
        self._changes = 0
        self._cached: dict[int, tuple[int, int, int, Mapping[ListName, ListVersion], frozenset[ListName]]] = {}
        self._left_out: dict[int, frozenset[ListName]] = {}

    def announce(self, version: ListVersion) -> None:
        """Take note of a version. Another one that is not newer starts the list afresh: its writer knows.

        One that is known changes nothing: a writer that was killed says its last ones again, in order.
        """
        name = (version.agency, version.list_code)
        known = self._announced.get(name, ())
        if version in known:
            return
        newest = known[-1].version if known else -1
        if version.version == newest:
            known = known[:-1]
        elif version.version < newest:
            known = ()
        self._announced[name] = (*known, version)[-_KEPT_VERSIONS:]
        self._left_out = {partition: left - {name} for partition, left in self._left_out.items()}
        self._changes += 1

    def withdraw(self, agency: str, list_code: str) -> None:
        """Forget a list that is no longer kept: its entries stop matching."""
        self._announced.pop((agency, list_code), None)
        self._changes += 1

    def in_force(self, partition: int, position: int, *, whole: bool = False) -> Mapping[ListName, ListVersion] | None:
        """Give the one version of each list that holds for a worker at this position of its partition.

        `position` is the offset of the next message to read. None while a list has no version in force
        yet: then nothing may be judged, or its entries would be missed. Lists that were left out are not there; with
        `whole` the answer is None then.
        """
        changes, since, until, versions, missing = self._cached.get(partition, (-1, 0, 0, {}, frozenset()))
        if changes != self._changes or not since <= position < until:
            versions, missing, until = self._choose(partition, position)
            self._cached[partition] = (self._changes, position, until, versions, missing)
        passed = frozenset() if whole else self._left_out.get(partition, frozenset())
        return versions if missing <= passed else None

    def leave_out(self, partition: int, names: tuple[ListName, ...]) -> None:
        """Judge reads of a partition without these lists until they are announced anew, or have a version in force."""
        self._left_out[partition] = self._left_out.get(partition, frozenset()) | frozenset(names)

    def _choose(self, partition: int, position: int) -> tuple[Mapping[ListName, ListVersion], frozenset[ListName], int]:
        chosen: dict[ListName, ListVersion] = {}
        until = 1 << 63
        missing = set()
        for name, known in self._announced.items():
            reached = [v for v in known if v.end_offsets.get(partition, 0) <= position]
            until = min([until, *(o for v in known if (o := v.end_offsets.get(partition, 0)) > position)])
            if reached:
                chosen[name] = reached[-1]
            else:
                missing.add(name)
        return chosen, frozenset(missing), until

    def waiting(self, partition: int, position: int) -> tuple[ListName, ...]:
        """Name the lists that have no version in force at this position, for a person who looks for the reason."""
        return tuple(
            name
            for name, known in self._announced.items()
            if all(version.end_offsets.get(partition, 0) > position for version in known)
        )

    def __len__(self) -> int:
        return len(self._announced)

    def newest(self) -> tuple[ListVersion, ...]:
        """Give the newest announced version of every list."""
        return tuple(known[-1] for known in self._announced.values())
