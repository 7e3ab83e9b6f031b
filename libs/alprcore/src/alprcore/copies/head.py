"""The head of a package: for which device, of when, which versions of which lists. Readable and signed; no entry in it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from alprcore.errors import InvalidMessage
from alprcore.model import from_us, to_us
from alprcore.seal import SigningKey, sign_note, verify_note

SIGNER: Final = "plateline-lists"
"""Name under which packages are signed (C2SP signed-note)."""
FORM: Final = "plateline-list-package/v1"
_HAVE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,19}:[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class ListCopy:
    """One list in a package: what the device has of it afterwards.

    `base` is the version that the package starts from: 0 for a whole list, `version` when nothing of it has changed.
    `entries` is how many the device has then; after `valid_until` the copy is no longer used.
    """

    code: str
    name: str
    list_type: str
    advisory_class: str
    default_reason: str
    version: int
    base: int
    entries: int
    source_time: datetime
    valid_until: datetime

    @property
    def kind(self) -> str:
        """Full, delta, or same when there is nothing to bring."""
        return "full" if self.base == 0 else "same" if self.base == self.version else "delta"


@dataclass(frozen=True, slots=True)
class PackageHead:
    """What a package says of itself. Lists that it does not name are no longer the agency's: their copies go."""

    package_id: str
    agency: str
    device_id: str
    issued_at: datetime
    nonce: str
    sealed_key: bytes
    lists: tuple[ListCopy, ...]

    def signed(self, key: SigningKey) -> bytes:
        """Write the head as a signed note."""
        lists = [
            {
                "code": one.code, "name": one.name, "list_type": one.list_type, "advisory_class": one.advisory_class,
                "default_reason": one.default_reason, "version": one.version, "base": one.base,
                "entries": one.entries, "source_time_us": to_us(one.source_time),
                "valid_until_us": to_us(one.valid_until),
            }
            for one in self.lists
        ]  # fmt: skip
        said = {
            "package_id": self.package_id, "agency": self.agency, "device_id": self.device_id,
            "issued_us": to_us(self.issued_at), "nonce": self.nonce,
            "sealed_key": base64.b64encode(self.sealed_key).decode(), "lists": lists,
        }  # fmt: skip
        text = json.dumps(said, separators=(",", ":"), sort_keys=True, ensure_ascii=True)
        return sign_note(key, SIGNER, f"{FORM}\n{text}\n").encode()

    @classmethod
    def read(cls, note: bytes, verifier: str) -> PackageHead:
        """Read the head that the holder of `verifier` (a vkey) signed.

        Raises `InvalidMessage` NOTE_INVALID (not signed by it, or altered) or PACKAGE_INVALID (not of this form).
        """
        try:
            form, _, text = verify_note(note.decode("utf-8"), verifier).partition("\n")
        except UnicodeDecodeError as error:
            raise InvalidMessage("NOTE_INVALID", "no valid signature of this verifier") from error
        try:
            if form != FORM:
                raise ValueError(form)
            said = json.loads(text)
            return cls(
                said["package_id"], said["agency"], said["device_id"], from_us(said["issued_us"]), said["nonce"],
                base64.b64decode(said["sealed_key"], validate=True), tuple(_list_copy(one) for one in said["lists"]),
            )  # fmt: skip
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidMessage("PACKAGE_INVALID", f"not a {FORM}") from error


def _list_copy(said: dict[str, Any]) -> ListCopy:
    return ListCopy(
        said["code"], said["name"], said["list_type"], said["advisory_class"], said["default_reason"],
        int(said["version"]), int(said["base"]), int(said["entries"]), from_us(said["source_time_us"]),
        from_us(said["valid_until_us"]),
    )  # fmt: skip


def write_have(held: Mapping[str, int]) -> str:
    """Write which version of each list a device holds: `SLR:4,SVS:12`."""
    return ",".join(f"{code}:{version}" for code, version in sorted(held.items()))


def read_have(text: str) -> dict[str, int]:
    """Read what a device holds; raises `ValueError` when it is not written like that or names a list twice."""
    parts = text.split(",") if text else []
    pairs = (part.partition(":") for part in parts if _HAVE.fullmatch(part))
    held = {code: int(version) for code, _, version in pairs}
    if len(held) != len(parts):
        raise ValueError("CODE:version, with a comma between them")
    return held
