"""List entries, the buckets they travel in, and the versions in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter

from alpr.v1 import hotlist_pb2
from alprcore.errors import InvalidMessage
from alprcore.model import Entry, EntryDetails, ListAlarm, ListVersion, to_us
from alprcore.topics import Topic
from alprcore.wire import envelope as e

_TEXTS = (
    "state",
    "reason",
    "advisory_class",
    "source_key",
    "originating_agency",
    "vehicle_year",
    "vehicle_make",
    "vehicle_model",
    "vehicle_style",
    "vehicle_color",
    "notes",
    "case_number",
    "basis",
    "synopsis",
    "officer_name",
    "contact_phone",
    "distribution",
    "also_entered_in",
    "crime_type",
    "permissible_use",
    "registered_owner",
)


_texts_of = attrgetter(*_TEXTS)

EntryRow = tuple[str, str, str, str, int, int, bytes, str]
"""The fields of an `Entry` in their order, the plate in the clear: what a store has, of a million entries at once."""


def _row_of(entry: Entry) -> EntryRow:
    return (
        entry.entry_id, entry.plate.reveal(), entry.agency, entry.list_code, entry.from_version, entry.until_version,
        entry.sealed, entry.key_id,
    )  # fmt: skip


def _put(message: hotlist_pb2.Entry, row: EntryRow) -> None:
    """Fill in an entry; set field by field, which takes half of what the constructor takes."""
    (
        message.entry_id, message.plate, message.agency, message.list_code, message.from_version, message.until_version,
        message.sealed, message.key_id,
    ) = row  # fmt: skip


def _from_entry(message: hotlist_pb2.Entry, *, pattern: bool) -> Entry:
    return Entry(
        entry_id=e.need("entry_id", message.entry_id),
        plate=e.plate("plate", e.need("plate", message.plate), pattern=pattern),
        agency=e.need("agency", message.agency),
        list_code=e.need("list_code", message.list_code),
        from_version=message.from_version,
        until_version=message.until_version,
        sealed=message.sealed,
        key_id=message.key_id,
    )


def encode_bucket(entries: tuple[Entry, ...]) -> bytes:
    """Lay out all entries of one skeleton for `hotlist`; an empty bucket is a tombstone, not a message."""
    return encode_bucket_rows(map(_row_of, entries))


def encode_bucket_rows(rows: Iterable[EntryRow]) -> bytes:
    """Lay out a bucket like `encode_bucket`, from the rows of a store."""
    bucket = hotlist_pb2.Bucket()
    for row in rows:
        _put(bucket.entries.add(), row)
    if not bucket.entries:
        raise ValueError("an empty bucket is published as a tombstone")
    return bucket.SerializeToString(deterministic=True)


def decode_bucket(value: bytes, headers: Mapping[str, bytes]) -> tuple[Entry, ...]:
    """Read all entries of one skeleton from `hotlist`."""
    message = e.parse(hotlist_pb2.Bucket(), value, headers, Topic.HOTLIST)
    return tuple(_from_entry(entry, pattern=False) for entry in message.entries)


def bucket_plates(value: bytes) -> list[str]:
    """Read only the plates of a bucket: for a view of millions, which builds entries when a read asks for them.

    Refuses what `decode_bucket` refuses, but for the letters of the plates; the type is the reader's to check.
    """
    plates = []
    for entry in e.parse(hotlist_pb2.Bucket(), value, None).entries:
        if not (entry.entry_id and entry.agency and entry.list_code):
            raise InvalidMessage("FIELD_MISSING", "entry_id, agency or list_code of an entry")
        plates.append(entry.plate)
    return plates


def encode_partial(entry: Entry) -> bytes:
    """Lay out a partial entry for `hotlist.partials`; its plate may hold `?` (one) and `*` (any run)."""
    message = hotlist_pb2.Entry()
    _put(message, _row_of(entry))
    return message.SerializeToString(deterministic=True)


def decode_partial(value: bytes, headers: Mapping[str, bytes]) -> Entry:
    """Read a partial entry of `hotlist.partials`."""
    return _from_entry(e.parse(hotlist_pb2.Entry(), value, headers, Topic.HOTLIST_PARTIALS), pattern=True)


def encode_entry_details(details: EntryDetails) -> bytes:
    """Lay out what `seal.ListKeys` is to seal."""
    message = hotlist_pb2.EntryDetails()
    for name, text in zip(_TEXTS, _texts_of(details), strict=True):
        if text:
            setattr(message, name, text)
    if details.effective_at is not None:
        message.effective_at_us = to_us(details.effective_at)
    if details.expires_at is not None:
        message.expires_at_us = to_us(details.expires_at)
    return message.SerializeToString(deterministic=True)


def decode_entry_details(value: bytes) -> EntryDetails:
    """Read what `seal.ListKeys` has opened."""
    message = e.parse(hotlist_pb2.EntryDetails(), value, None)
    return EntryDetails(
        **{name: getattr(message, name) for name in _TEXTS},
        effective_at=e.moment_or_none("effective_at", message.effective_at_us),
        expires_at=e.moment_or_none("expires_at", message.expires_at_us),
    )


def encode_list_version(version: ListVersion) -> bytes:
    """Lay out a version switch for `hotlist.versions`."""
    return hotlist_pb2.ListVersion(
        agency=version.agency,
        list_code=version.list_code,
        version=version.version,
        name=version.name,
        source=version.source,
        source_time_us=to_us(version.source_time),
        loaded_at_us=to_us(version.loaded_at),
        max_age_s=version.max_age_s,
        advisory_class=version.advisory_class,
        default_reason=version.default_reason,
        list_type=version.list_type,
        entries=version.entries,
        end_offsets=version.end_offsets,
    ).SerializeToString(deterministic=True)


def decode_list_version(value: bytes, headers: Mapping[str, bytes]) -> ListVersion:
    """Read a version switch of `hotlist.versions`."""
    message = e.parse(hotlist_pb2.ListVersion(), value, headers, Topic.HOTLIST_VERSIONS)
    return ListVersion(
        agency=e.need("agency", message.agency),
        list_code=e.need("list_code", message.list_code),
        version=message.version,
        name=message.name,
        source=message.source,
        source_time=e.moment("source_time", message.source_time_us),
        loaded_at=e.moment("loaded_at", message.loaded_at_us),
        max_age_s=message.max_age_s,
        advisory_class=e.need("advisory_class", message.advisory_class),
        default_reason=message.default_reason,
        list_type=message.list_type,
        entries=message.entries,
        end_offsets=dict(message.end_offsets),
    )


def encode_list_alarm(alarm: ListAlarm) -> bytes:
    """Lay out an alarm for `hotlist.alarms`."""
    return hotlist_pb2.ListAlarm(
        alarm_id=alarm.alarm_id,
        agency=alarm.agency,
        list_code=alarm.list_code,
        list_name=alarm.list_name,
        kind=alarm.kind,
        reason_code=alarm.reason_code,
        raised_at_us=to_us(alarm.raised_at),
        facts=alarm.facts,
    ).SerializeToString(deterministic=True)


def decode_list_alarm(value: bytes, headers: Mapping[str, bytes]) -> ListAlarm:
    """Read an alarm of `hotlist.alarms`."""
    message = e.parse(hotlist_pb2.ListAlarm(), value, headers, Topic.HOTLIST_ALARMS)
    return ListAlarm(
        alarm_id=e.need("alarm_id", message.alarm_id),
        agency=e.need("agency", message.agency),
        list_code=e.need("list_code", message.list_code),
        list_name=message.list_name,
        kind=e.need("kind", message.kind),
        reason_code=message.reason_code,
        raised_at=e.moment("raised_at", message.raised_at_us),
        facts=dict(message.facts),
    )
