"""Files become frames: any picture a person has at hand is turned the right way up and made a JPEG the models take."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from alpr_recognizer.models.jpeg import MOST_PIXELS, check
from alprcore.errors import InvalidMessage

MOST_DECODED: Final = 200_000_000
"""Largest picture that is decoded at all, 200 MP: 600 MB in memory before it is made smaller."""
MOST_BYTES: Final = 500_000_000
"""Largest file that is opened; only a picture without compression has as many bytes as that."""
_QUALITY: Final = 95
_ORIENTATION: Final = 0x0112  # EXIF 2.32, 4.6.4 A
_QUARTER_TURNS: Final = frozenset({5, 6, 7, 8})
_HEIC: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})  # ISO/IEC 23008-12
_BROKEN: Final = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError)
"""What Pillow's decoders raise over damaged files."""


class UnreadableError(Exception):
    """A file or an address gives no picture; the text says why, for a person."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One picture as the models take it.

    `width` and `height` are those of the picture as a person sees it, in its own pixels; one pixel of the JPEG stands for
    `scale` of those; `note` says what was done to it, if a person should know.
    """

    jpeg: bytes
    width: int
    height: int
    scale: float = 1.0
    note: str = ""


def as_frame(file: Path) -> Sight:
    """Make a frame of a picture file: upright as its EXIF says, RGB, at most 12 MP.

    A JPEG that is all that already is passed on byte for byte, so that it is read as a camera's frame would be.
    Raises `UnreadableError`.
    """
    data = _bytes_of(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata, and about great size, which is judged here
        Image.MAX_IMAGE_PIXELS = None
        try:
            with Image.open(io.BytesIO(data)) as image:
                return _frame_of(image, data)
        except UnidentifiedImageError:
            heic = data[4:8] == b"ftyp" and data[8:12] in _HEIC
            raise UnreadableError(
                "is a HEIC picture, which needs to be saved as JPEG first" if heic else "is not a picture"
            ) from None
        except _BROKEN as error:
            cut = "truncated" in str(error).lower() or isinstance(error, EOFError)
            raise UnreadableError("is cut off, its end is missing" if cut else "is damaged") from error


def _bytes_of(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        data = file.read_bytes() if size <= MOST_BYTES else b""
    except OSError as error:
        raise UnreadableError((error.strerror or "cannot be opened").lower()) from error
    if size > MOST_BYTES:
        raise UnreadableError(f"is too large ({size / 1e6:.0f} MB)")
    if not data:
        raise UnreadableError("is empty")
    return data


def _frame_of(image: Image.Image, data: bytes) -> Sight:
    width, height = image.size
    if width * height > MOST_DECODED:  # before anything else: what follows may decode it
        raise UnreadableError(f"is too large ({width} x {height} pixels)")
    pages = getattr(image, "n_frames", 1)
    turned = image.getexif().get(_ORIENTATION, 1)
    if image.format == "JPEG" and image.mode in {"RGB", "L"} and turned == 1 and _taken_as_it_is(data):
        return Sight(data, width, height)
    notes = [f"only the first of {pages} pages is read"] if pages > 1 and image.format != "MPO" else []
    shrink = min(1.0, (MOST_PIXELS / (width * height)) ** 0.5)
    small = (max(1, int(width * shrink)), max(1, int(height * shrink)))
    if shrink < 1.0:
        notes.append(f"read at {small[0]} x {small[1]} of its {width} x {height} pixels")
        image.draft("RGB", small)  # a JPEG is then decoded smaller, in a fraction of the memory
    plain = _eight_bits(image)
    if shrink < 1.0:
        plain = plain.resize(small, Image.Resampling.LANCZOS)
    upright = _turn(plain, turned)
    if turned in _QUARTER_TURNS:
        width, height = height, width
    jpeg = io.BytesIO()
    upright.save(jpeg, "JPEG", quality=_QUALITY, subsampling=0)
    return Sight(jpeg.getvalue(), width, height, width / upright.width, "; ".join(notes))


def _taken_as_it_is(data: bytes) -> bool:
    """Tell whether the service itself would take this JPEG."""
    try:
        check(data)
    except InvalidMessage:
        return False
    return True


def _eight_bits(image: Image.Image) -> Image.Image:
    """Make it RGB of 8 bits a channel: what is transparent becomes white, 16 bits and more are scaled, not cut off."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        deep = np.nan_to_num(np.asarray(image, dtype=np.float64))
        most = 65535.0 if image.mode != "F" else max(1.0, float(deep.max(initial=0.0)))
        return Image.fromarray((deep.clip(0, most) * (255 / most)).astype(np.uint8)).convert("RGB")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        seen = image.convert("RGBA")
        ground = Image.new("RGBA", seen.size, "white")
        ground.alpha_composite(seen)
        return ground.convert("RGB")
    return image.convert("RGB")


def _turn(image: Image.Image, turned: int) -> Image.Image:
    """Turn a picture upright as EXIF's orientation 1..8 says."""
    exif = Image.Exif()
    exif[_ORIENTATION] = turned
    image.info["exif"] = exif.tobytes()
    return ImageOps.exif_transpose(image)
