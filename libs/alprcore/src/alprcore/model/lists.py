"""List entries, their sealed part, and the version of a list in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from alprcore.model.reads import Plate


class HitReason(StrEnum):
    """Why a plate is listed; lists may bring further codes (DEF-06)."""

    STOLEN_VEHICLE = "stolen_vehicle"
    STOLEN_PLATE = "stolen_plate"
    LOST_PLATE_OR_VEHICLE = "lost_plate_or_vehicle"
    FELONY_VEHICLE = "felony_vehicle"
    FELONY_WARRANT = "felony_warrant"
    WARRANT = "warrant"
    WANTED_PERSON = "wanted_person"
    MISSING_PERSON = "missing_person"
    MISSING_CHILD = "missing_child"
    AMBER_ALERT = "amber_alert"
    DV_PROTECTIVE_ORDER = "dv_protective_order"
    TERRORISM_RELATED = "terrorism_related"
    BOLO = "bolo"
    PROBABLE_CAUSE_BULLETIN = "probable_cause_bulletin"
    SPECIAL_HOT_LIST = "special_hot_list"
    HOT_PLATE = "hot_plate"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of one list: plate in the clear, everything else sealed (HOT-12)."""

    entry_id: str
    plate: Plate
    agency: str
    list_code: str
    from_version: int
    until_version: int
    sealed: bytes
    key_id: str

    def in_version(self, version: int) -> bool:
        """Tell whether this list version carries the entry."""
        return self.from_version <= version and (self.until_version == 0 or version < self.until_version)


@dataclass(frozen=True, slots=True)
class EntryDetails:
    """The sealed part of an entry.

    `basis` is the criminal activity an entry of a special list rests on (HOT-11); `officer_name`, `contact_phone`,
    `case_number` and `synopsis` are what several officers need of a hot plate (HOT-18); `distribution` is `all` or
    user names, `also_entered_in` codes of state systems (HOT-17), both with commas between them.
    """

    state: str = ""
    reason: str = ""
    advisory_class: str = ""
    source_key: str = ""
    originating_agency: str = ""
    effective_at: datetime | None = None
    expires_at: datetime | None = None
    vehicle_year: str = ""
    vehicle_make: str = ""
    vehicle_model: str = ""
    vehicle_style: str = ""
    vehicle_color: str = ""
    notes: str = ""
    case_number: str = ""
    basis: str = ""
    synopsis: str = ""
    officer_name: str = ""
    contact_phone: str = ""
    distribution: str = ""
    also_entered_in: str = ""
    crime_type: str = ""
    permissible_use: str = ""
    registered_owner: str = ""


@dataclass(frozen=True, slots=True)
class ListVersion:
    """The version of a list in force, and how far a worker must have read `hotlist` to use it."""

    agency: str
    list_code: str
    version: int
    name: str
    source: str
    source_time: datetime
    loaded_at: datetime
    max_age_s: int
    advisory_class: str
    default_reason: str
    list_type: str
    entries: int
    end_offsets: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PackagePart:
    """One part of a package of lists: a list begins, an entry was removed or is put, or the end with both counts.

    `entry_id` has sixteen bytes; what does not belong to its kind is empty.
    """

    kind: Literal["begin", "removed", "put", "end"]
    list_code: str = ""
    entry_id: bytes = b""
    plate: Plate = Plate("")  # noqa: RUF009 - a text, which nothing changes
    sealed: bytes = b""
    key_id: str = ""
    put: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class ListAlarm:
    """Something is wrong with a list and a person should know: `stale`, `loads_missed` or `feed_stopped` (HOT-03)."""

    alarm_id: str
    agency: str
    list_code: str
    list_name: str
    kind: str
    reason_code: str
    raised_at: datetime
    facts: Mapping[str, str] = field(default_factory=dict)
