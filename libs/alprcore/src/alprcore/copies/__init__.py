"""Copies of lists on devices: how a device signs its calls, and the packages that it is answered with (HOT-21)."""

from alprcore.copies.calls import CALL_SECONDS, DeviceCall, claimed_device, read_call, sign_call
from alprcore.copies.head import SIGNER, ListCopy, PackageHead, read_have, write_have
from alprcore.copies.package import PackageReader, PackageWriter

__all__ = [
    "CALL_SECONDS",
    "SIGNER",
    "DeviceCall",
    "ListCopy",
    "PackageHead",
    "PackageReader",
    "PackageWriter",
    "claimed_device",
    "read_call",
    "read_have",
    "sign_call",
    "write_have",
]
