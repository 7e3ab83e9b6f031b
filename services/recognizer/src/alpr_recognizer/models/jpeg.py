"""What a JPEG says of itself, judged before a single pixel is decoded (ITU-T T.81)."""

from __future__ import annotations

from typing import Final

from alprcore.errors import InvalidMessage

MOST_PIXELS: Final = 12_000_000
"""Largest frame, 12 MP: a decoded one is 36 MB, and a small file can claim far more than memory holds."""

_SOI: Final = b"\xff\xd8"
_EOI: Final = b"\xff\xd9"
_SOS: Final = 0xDA
_NO_FRAME_HEADER: Final = frozenset({0xC4, 0xC8, 0xCC})  # DHT, JPG, DAC share the range of the frame headers
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_APP1, _APP15, _APP14, _COM = 0xE1, 0xEF, 0xEE, 0xFE


def _segments(data: bytes) -> list[tuple[int, int, int]]:
    """List marker, begin and end of every segment up to the first scan; raises `InvalidMessage`."""
    if data[:2] != _SOI:
        raise InvalidMessage("NOT_A_JPEG", "the image does not begin like a JPEG")
    found: list[tuple[int, int, int]] = []
    place = 2
    while True:
        if place + 4 > len(data):
            raise InvalidMessage("JPEG_TRUNCATED", "the image ends inside its header")
        if data[place] != 0xFF:
            raise InvalidMessage("NOT_A_JPEG", "the image's header is broken")
        marker = data[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        if marker in _STANDALONE:
            place += 2
            continue
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if end > len(data):
            raise InvalidMessage("JPEG_TRUNCATED", "the image ends inside its header")
        found.append((marker, place, end))
        if marker == _SOS:
            return found
        place = end


def check(data: bytes) -> tuple[int, int]:
    """Give width and height of a JPEG that may be decoded.

    Raises `InvalidMessage` NOT_A_JPEG, JPEG_TRUNCATED or IMAGE_TOO_LARGE.
    """
    size: tuple[int, int] | None = None
    scan = 0
    for marker, place, end in _segments(data):
        scan = end
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME_HEADER:
            height, width = (int.from_bytes(data[place + at : place + at + 2], "big") for at in (5, 7))
            size = (width, height)
    if size is None or 0 in size:
        raise InvalidMessage("NOT_A_JPEG", "the image has no size")
    if size[0] * size[1] > MOST_PIXELS:
        raise InvalidMessage("IMAGE_TOO_LARGE", f"{size[0]} x {size[1]} pixels are more than 12 million")
    if data.rfind(_EOI, scan) < 0:
        raise InvalidMessage("JPEG_TRUNCATED", "the image ends before its end marker")
    return size


def strip(data: bytes) -> bytes:
    """Drop what a camera wrote beside the picture (place, owner, thumbnail, comments); the pixels stay as they are.

    APP14 stays, because it says how the colors are coded. Raises `InvalidMessage` like `check`.
    """
    kept = [_SOI]
    after = 2
    for marker, place, end in _segments(data):
        after = end
        if not (_APP1 <= marker <= _APP15 and marker != _APP14) and marker != _COM:
            kept.append(data[place:end])
    end = data.rfind(_EOI, after)
    if end < 0:
        raise InvalidMessage("JPEG_TRUNCATED", "the image ends before its end marker")
    return b"".join((*kept, data[after : end + 2]))
