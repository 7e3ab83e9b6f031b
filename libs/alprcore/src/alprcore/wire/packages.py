"""The parts of a package of lists for a device."""

from __future__ import annotations

from uuid import UUID

from alpr.v1 import packages_pb2
from alprcore.errors import InvalidMessage
from alprcore.model import Entry, PackagePart, Plate
from alprcore.wire import envelope as e


def encode_begin(list_code: str) -> bytes:
    """Lay out that what follows belongs to this list."""
    begin = packages_pb2.ListBegin(list_code=list_code)
    return packages_pb2.PackagePart(begin=begin).SerializeToString(deterministic=True)


def encode_removed(entry_id: UUID) -> bytes:
    """Lay out that the list no longer has an entry."""
    return packages_pb2.PackagePart(removed=entry_id.bytes).SerializeToString(deterministic=True)


def encode_put(entry: Entry) -> bytes:
    """Lay out an entry as a device keeps it: the plate readable, the rest sealed as it is."""
    put = packages_pb2.PackageEntry(
        entry_id=UUID(entry.entry_id).bytes, plate=entry.plate.reveal(), sealed=entry.sealed, key_id=entry.key_id
    )
    return packages_pb2.PackagePart(put=put).SerializeToString(deterministic=True)


def encode_end(put: int, removed: int) -> bytes:
    """Lay out the last part of a package, with how many entries it put and took out."""
    end = packages_pb2.PackageEnd(put=put, removed=removed)
    return packages_pb2.PackagePart(end=end).SerializeToString(deterministic=True)


def decode_part(data: bytes) -> PackagePart:
    """Read a part; raises `InvalidMessage`, also for one of a kind that is not known here."""
    message = e.parse(packages_pb2.PackagePart(), data, None)
    match message.WhichOneof("part"):
        case "begin":
            return PackagePart("begin", list_code=message.begin.list_code)
        case "removed":
            return PackagePart("removed", entry_id=message.removed)
        case "put":
            one = message.put
            return PackagePart(
                "put", entry_id=one.entry_id, plate=Plate(one.plate), sealed=one.sealed, key_id=one.key_id
            )  # fmt: skip
        case "end":
            return PackagePart("end", put=message.end.put, removed=message.end.removed)
        case None:
            raise InvalidMessage("FIELD_MISSING", "part: none of a kind that is known here")
