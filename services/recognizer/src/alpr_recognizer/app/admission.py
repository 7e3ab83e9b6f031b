"""What the recognizer lets in, and the images it takes and keeps: devices, profiles and keys decide."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from alpr_recognizer import metrics
from alprcore import policy, seal, wire
from alprcore.errors import InvalidMessage, Misconfigured, Transient
from alprcore.model import Device, Frame, ImageRef, ImageRole, Refused, View
from alprcore.objects import ImageStore
from alprcore.policy import AgencyProfile
from alprcore.profiles import profile_from_json

_KEY_PATIENCE_S: Final = 60.0  # retention publishes keys ahead; a day still without one after this is not coming


@dataclass(slots=True)
class Registry:
    """What the recognizer knows of devices, profiles and image keys: three topics, read whole."""

    devices: dict[str, Device] = field(default_factory=dict)
    profiles: dict[str, AgencyProfile] = field(default_factory=dict)
    keys: dict[tuple[str, date], bytes] = field(default_factory=dict)

    def take_device(self, key: str, value: bytes | None, headers: Mapping[str, bytes]) -> None:
        """Apply one message of `devices`."""
        device = None if value is None else wire.decode_device(value, headers)
        metrics.show_cameras(self.devices.pop(key, None), device)
        if device is not None:
            self.devices[key] = device

    def take_profile(self, key: str, value: bytes | None, headers: Mapping[str, bytes]) -> None:
        """Apply one message of `profiles`."""
        if value is None:
            self.profiles.pop(key, None)
            return
        record = wire.decode_profile(value, headers)
        try:
            self.profiles[record.agency] = profile_from_json(record.document)
        except Misconfigured as error:
            raise InvalidMessage("PROFILE_INVALID", str(error)) from error

    def take_key(self, key: str, value: bytes | None, headers: Mapping[str, bytes]) -> None:
        """Apply one message of `image.keys`; a day's end takes its key away."""
        if value is None:
            agency, _, day = key.rpartition("/")
            self.keys.pop((agency, date.fromisoformat(day)), None)
        else:
            found = wire.decode_image_key(value, headers)
            self.keys[found.agency, found.due_day] = found.public_key


class Admission:
    """Lets frames in by the rules of collection, and remembers devices and profiles of the frames that were let in."""

    def __init__(self, registry: Registry, clock: Callable[[], datetime]) -> None:
        self._registry = registry
        self._clock = clock
        self._devices: dict[str, Device] = {}
        self._profiles: dict[str, AgencyProfile] = {}
        self._key_missing: dict[tuple[str, date], float] = {}

    def admit(self, frame: Frame) -> Device:
        """Let a frame pass, whichever door it came through (USE-14), and answer whose it is.

        Raises `InvalidMessage` with the rule's code.
        """
        device = self._registry.devices.get(frame.device_id)
        genuine = device is not None and seal.verify(device.public_key, frame.signature, frame.signed_text())
        decision = policy.may_collect(frame, device, signature_ok=genuine, now=self._clock())
        if isinstance(decision, Refused):
            raise InvalidMessage(decision.reason_code, decision.detail)
        if device is None or frame.received_at is None:
            raise InvalidMessage("DEVICE_UNKNOWN", "no such device is registered")
        profile = self._registry.profiles.get(device.agency)
        if profile is None:
            raise InvalidMessage("PROFILE_MISSING", "no policy profile is in force for the device's agency")
        self._devices[device.device_id] = device
        self._profiles[device.agency] = profile
        self._expect_key(device.agency, policy.due_day(frame.captured_at, frame.received_at, device.kind, profile))
        return device

    def _expect_key(self, agency: str, day: date) -> None:
        """See that images of a due day can be sealed. Waits a minute for a missing key (`Transient`)."""
        if (agency, day) in self._registry.keys:
            self._key_missing.pop((agency, day), None)
            return
        since = self._key_missing.setdefault((agency, day), time.monotonic())
        if time.monotonic() - since < _KEY_PATIENCE_S:
            raise Transient(f"no image key for due day {day}")
        raise InvalidMessage("IMAGE_KEY_MISSING", f"no image key for due day {day}")

    def device_of(self, frame: Frame) -> Device:
        """Give the device of an admitted frame, also when it was struck off meanwhile."""
        return self._registry.devices.get(frame.device_id) or self._devices[frame.device_id]

    def profile_of(self, device: Device) -> AgencyProfile:
        """Give the profile under which a device's frames were admitted, also when it was withdrawn meanwhile."""
        return self._registry.profiles.get(device.agency) or self._profiles[device.agency]


async def fetch(store: ImageStore, frame: Frame) -> bytes:
    """Get a frame's picture, inline or from the store. Raises `InvalidMessage` when it is not the one that was signed."""
    image = frame.image
    if isinstance(image, ImageRef):
        try:
            data = await store.get(image.key)
            image = seal.open_once(image.once_key, data, aad=image.key.encode()) if image.once_key else data
        except (KeyError, ValueError) as error:
            raise InvalidMessage("IMAGE_MISSING", "the image is not in the store") from error
    if hashlib.sha256(image).digest() != frame.sha256:
        raise InvalidMessage("SHA256_MISMATCH", "the image is not the one that was signed")
    return image


async def keep(
    store: ImageStore, registry: Registry, data: bytes, *, role: ImageRole, name: str, due: tuple[str, date], view: View
) -> ImageRef:
    """Seal an image to its agency's due day and store it; a repeat overwrites itself."""
    key = f"{role.value}/{name}"
    public = registry.keys.get(due)
    if public is None:
        raise Transient("the image key of an open passage went away")
    await store.put(key, seal.seal_image(public, data, aad=key.encode()))
    return ImageRef(key, hashlib.sha256(data).digest(), role, view, due[1])
