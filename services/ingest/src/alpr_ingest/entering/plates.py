"""Hot plates and partial plates from entry to end: enters them, tells the matchers, ends them by the clock."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Final

from alpr_ingest.app import Relay, audit_message, first_of
from alpr_ingest.hotlists import ActiveList, version_of
from alpr_ingest.loading import ListLoader
from alpr_ingest.store import EnteredPlate, Outgoing, Store, TakenOver
from alprcore.errors import InvalidMessage, Transient
from alprcore.model import Entry, EntryDetails, Person, Plate, make_id
from alprcore.policy import (
    INFORMATION_ONLY,
    AgencyProfile,
    EntryState,
    HotPlateDraft,
    ListRule,
    entry_state,
    handed_over_at,
    has_partial_room,
)
from alprcore.seal import ListKeys
from alprcore.topics import Topic
from alprcore.wire import decode_entry_details, encode_entry_details, encode_list_version, encode_partial, rfc3339

logger = logging.getLogger(__name__)

HOT_PLATE: Final = "hot_plate"
PARTIAL: Final = "partial"
CODES: Final = {HOT_PLATE: "HOTPLATE", PARTIAL: "PARTIAL"}
"""Code of the list that the entries of a kind stand on."""
PARTIALS: Final = ListRule("PARTIAL", "Partial plates of major crimes", PARTIAL, INFORMATION_ONLY, "other", 1)
"""Every agency has this list, named by its policy or not (USE-10)."""
_SWEEP_S: Final = 1.0
"""How often ends are looked for; an entry matches until its end at most, whenever it is removed (HOT-19)."""
_TAKEN_OVER_S: Final = 5.0
_LEAVING_S: Final = 0.05
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry as a person may see it: opened, and where it stands."""

    one: EnteredPlate
    details: EntryDetails
    state: EntryState


class Entering:
    """Enters plates one by one. Every method raises `Transient` while database or broker are away."""

    def __init__(
        self,
        store: Store,
        loader: ListLoader,
        keys: ListKeys,
        relay: Relay,
        profiles: Mapping[str, AgencyProfile],
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._loader = loader
        self._keys = keys
        self._relay = relay
        self._profiles = profiles
        self._clock = clock
        self._kick = asyncio.Event()

    async def enter_hot_plate(
        self, person: Person, plate: Plate, draft: HotPlateDraft, details: EntryDetails, now: datetime,
        extends: EnteredPlate | None = None,
    ) -> EnteredPlate:  # fmt: skip
        """Keep a hot plate that the rules admitted. Raises `Taken` when what it extends has a successor already.

        A successor takes effect at the end of what it extends: the two never make two hits of one read.
        """
        begins = now if extends is None else max(now, extends.expires_at)
        if draft.expires_at is None:
            raise ValueError("a hot plate without an end")
        told = replace(details, reason=details.reason or HOT_PLATE, effective_at=begins, expires_at=draft.expires_at)
        one = self._sealed(HOT_PLATE, person, plate, told, now, extends)
        kind = "hot_plate_entered" if extends is None else "hot_plate_extended"
        facts = {
            "expires_at": rfc3339(draft.expires_at),
            "distribution": "all" if told.distribution == "all" else str(max(1, len(draft.officers))),
            "also_entered_in": told.also_entered_in,
            **({} if extends is None else {"extends": extends.entry_id}),
        }
        event = self._event(kind, one, person, now, facts=facts)
        await self._store.enter(one, [event])
        self._wake()
        return one

    async def enter_partial(
        self, person: Person, pattern: Plate, details: EntryDetails, expires_at: datetime, now: datetime
    ) -> EnteredPlate:
        """Keep a partial plate that the rules admitted. Raises `Taken` when no more can be matched."""
        told = replace(details, effective_at=now, expires_at=expires_at)
        one = self._sealed(PARTIAL, person, pattern, told, now, None)
        facts = {"expires_at": rfc3339(expires_at), "crime_type": told.crime_type}
        event = self._event("partial_plate_entered", one, person, now, facts=facts)
        value = encode_partial(one.entry(CODES[PARTIAL], 1))
        entry = Outgoing(Topic.HOTLIST_PARTIALS, one.entry_id, value, one.entry_id, now)
        room = partial(has_partial_room, agency=person.agency, agencies=len(self._profiles))
        await self._store.enter_partial(one, room, lambda active: [entry, _version(active, now), event])
        self._wake()
        return one

    async def edit(self, person: Person, one: EnteredPlate, details: EntryDetails, now: datetime) -> bool:
        """Change what is said of a hot plate, not its plate and not its end; False when it changed meanwhile."""
        before = self.open(one)
        changed = [name for name in _EDITED if getattr(before, name) != getattr(details, name)]
        sealed, key_id = self._keys.seal(encode_entry_details(details), entry_id=one.entry_id)
        event = self._event(
            "hot_plate_edited", one, person, now, facts={"fields": ", ".join(changed)}, revision=one.revision + 1
        )
        done = await self._store.change_entered(replace(one, sealed=sealed, key_id=key_id), now, [event])
        self._wake()
        return done

    async def withdraw(self, person: Person, one: EnteredPlate, reason: str, now: datetime) -> list[str]:
        """End an entry, and what follows it, at once; answers which were ended."""
        kind = f"{_EVENTS[one.kind]}_withdrawn"

        def messages(ended: Sequence[str]) -> list[Outgoing]:
            told = [
                audit_message(kind, name, "end", person, now, personal={"note": reason}) for name in ended
            ]  # fmt: skip
            return told + (_tombstones(ended, now) if one.kind == PARTIAL else [])

        announcing = (lambda active: [_version(active, now)]) if one.kind == PARTIAL else None
        ended = await self._store.withdraw(one.agency, one.kind, one.entry_id, now, messages, announcing)
        self._wake()
        return ended

    async def authors_of(self, agency: str, plate: Plate, state: str, now: datetime) -> set[str]:
        """Name the authors of the hot plates that live of this vehicle: of the characters, and of no other state."""
        asked, found = EntryDetails(state=state), await self._store.living_of_plate(agency, plate, now)
        return {one.author for one in found if not _other_state(self._opened(one) or EntryDetails(), asked)}

    def open(self, one: EnteredPlate | TakenOver | Entry) -> EntryDetails:
        """Open the sealed part. Raises `InvalidMessage`."""
        return decode_entry_details(self._keys.open(one.sealed, one.key_id, entry_id=one.entry_id))

    def _opened(self, one: EnteredPlate | TakenOver) -> EntryDetails | None:
        try:
            return self.open(one)
        except InvalidMessage as error:
            logger.warning("entry_details_closed", extra={"code": error.code, "entry_id": one.entry_id})
            return None

    def shown(self, entries: Sequence[EnteredPlate], now: datetime) -> list[Shown]:
        """Open entries for a person, and tell where each stands; one whose key is lost is shown without details."""
        found: list[Shown] = []
        for one in entries:
            state = entry_state(
                now, one.effective_at, one.expires_at, published=one.told > 0, withdrawn=one.withdrawn_at is not None
            )
            found.append(Shown(one, self._opened(one) or EntryDetails(), state))
        return found

    async def run(self, stop: asyncio.Event, beat: Callable[[], None]) -> None:
        """Tell the matchers of what was entered and end what is over, until `stop`."""
        clock, looked = asyncio.get_running_loop().time, float("-inf")
        while not stop.is_set():
            beat()
            self._kick.clear()
            now = self._clock()
            try:
                async with self._store.ending() as mine:
                    if mine:
                        await self._tell(now, stop, beat)
                        if clock() - looked >= _TAKEN_OVER_S:
                            await self._hand_over(now)  # after what waits to be matched; its own ends are told next
                            looked = clock()
                        await self._store.partials_told(now)
                        while await self._store.end_partials(now, _BATCH, self._ended_partials(now)) == _BATCH:
                            pass
            except Transient as error:
                logger.warning("entered_plates_wait", extra={"reason": str(error)})
            self._relay.kick()
            await first_of(self._kick, stop, timeout_s=_SWEEP_S)

    async def _tell(self, now: datetime, stop: asyncio.Event, beat: Callable[[], None]) -> None:
        """Put hot plates in force and out of it, each agency's in one change of its list (design: within 5 s)."""
        for agency, group in groupby(await self._store.untold(now, _BATCH), lambda one: one.agency):
            rows = list(group)
            alive = [one for one in rows if one.withdrawn_at is None and now < one.expires_at]
            ended = [one for one in rows if one not in alive]
            expired = [one for one in ended if one.withdrawn_at is None]
            events = [
                audit_message("hot_plate_expired", one.entry_id, "end", _system(agency), now) for one in expired
            ]  # fmt: skip
            target = await self._store.hotlist(agency, CODES[HOT_PLATE])
            if target is not None:
                # also for one that ended before anybody was told: a change that was cut off may have put it in force
                add = [one.entry(CODES[HOT_PLATE], 0) for one in alive]
                close = {one.entry_id for one in rows}
                await self._loader.change(target, add, close, None, now, events)
                await self._left(f"{agency}/{CODES[HOT_PLATE]}", stop, beat)
            else:
                await self._store.put_out(events)
            await self._store.told(alive, [one.entry_id for one in ended], self._clock())

    async def _left(self, key: str, stop: asyncio.Event, beat: Callable[[], None]) -> None:
        """Wait until the version of a list has left for the matchers: what waits here matches nothing yet."""
        self._relay.kick()
        while not stop.is_set() and await self._store.waits(Topic.HOTLIST_VERSIONS, key):
            beat()
            await asyncio.sleep(_LEAVING_S)

    async def _hand_over(self, now: datetime) -> None:
        """End hot plates early whose plate stands in a state system's list now (HOT-17)."""
        for agency in await self._store.agencies_of_hot_plates(now):
            profile = self._profiles.get(agency)
            if profile is None:
                continue
            taken: set[str] = set()
            for found in await self._store.taken_over(agency, profile.listing.state_systems, now):
                one = found.hot_plate
                if one.entry_id in taken:
                    continue
                details, other = self._opened(one), self._opened(found)
                if details is None or (other is not None and _other_state(details, other)):
                    continue
                taken.add(one.entry_id)
                end = handed_over_at(one.entered_at, one.effective_at, one.expires_at, profile.listing, now)
                sealed, key_id = self._keys.seal(
                    encode_entry_details(replace(details, expires_at=end)), entry_id=one.entry_id
                )
                facts = {"list": found.list_code, "expires_at": rfc3339(end)}
                event = audit_message("hot_plate_handed_over", one.entry_id, "1", _system(agency), now, facts=facts)
                changed = replace(one, sealed=sealed, key_id=key_id, expires_at=end, handed_over_at=now)
                await self._store.change_entered(changed, now, [event])

    def _ended_partials(
        self, now: datetime
    ) -> Callable[[str, Sequence[str]], tuple[list[Outgoing], Callable[[ActiveList], list[Outgoing]]]]:
        def messages(agency: str, ids: Sequence[str]) -> tuple[list[Outgoing], Callable[[ActiveList], list[Outgoing]]]:
            events = [audit_message("partial_plate_expired", name, "end", _system(agency), now) for name in ids]
            return _tombstones(ids, now) + events, lambda active: [_version(active, now)]

        return messages

    def _sealed(
        self, kind: str, person: Person, plate: Plate, details: EntryDetails, now: datetime,
        extends: EnteredPlate | None,
    ) -> EnteredPlate:  # fmt: skip
        if details.effective_at is None or details.expires_at is None:
            raise ValueError("an entry without begin or end")
        name = make_id(kind, person.agency, person.person_id, rfc3339(now), secrets.token_hex(16))
        named = replace(details, source_key=name, officer_name=person.full_name)
        sealed, key_id = self._keys.seal(encode_entry_details(named), entry_id=name)
        return EnteredPlate(
            entry_id=name, kind=kind, agency=person.agency, plate=plate, sealed=sealed, key_id=key_id,
            author=person.person_id, entered_at=now, effective_at=details.effective_at, expires_at=details.expires_at,
            extends="" if extends is None else extends.entry_id,
        )  # fmt: skip

    def _event(
        self, kind: str, one: EnteredPlate, person: Person, now: datetime, *, facts: dict[str, str], revision: int = 1,
    ) -> Outgoing:  # fmt: skip
        # the plate and the entry's id: what else was said of the vehicle stays sealed, in the ledger too (HOT-12)
        personal = {"plate": one.plate.reveal()}
        return audit_message(kind, one.entry_id, str(revision), person, now, facts=facts, personal=personal)

    def _wake(self) -> None:
        self._relay.kick()
        self._kick.set()


_EVENTS: Final = {HOT_PLATE: "hot_plate", PARTIAL: "partial_plate"}
_EDITED: Final = ("contact_phone", "case_number", "synopsis", "distribution")


def _other_state(one: EntryDetails, other: EntryDetails) -> bool:
    """Tell whether two entries of the same characters are plates of two states."""
    return bool(one.state and other.state) and one.state != other.state


def _system(agency: str) -> Person:
    """Who ends what nobody withdrew."""
    return Person("", "system", "system", "", agency, (), "", "")


def _tombstones(ids: Iterable[str], now: datetime) -> list[Outgoing]:
    return [Outgoing(Topic.HOTLIST_PARTIALS, name, None, name, now) for name in ids]


def _version(active: ActiveList, now: datetime) -> Outgoing:
    """Announce the list of partial plates: it lies on one topic of its own, so no offsets are waited for."""
    key = f"{active.agency}/{active.code}"
    message = version_of(active, active.version, active.entries, now, now)
    return Outgoing(Topic.HOTLIST_VERSIONS, key, encode_list_version(message), f"{key}/{active.version}", now)
