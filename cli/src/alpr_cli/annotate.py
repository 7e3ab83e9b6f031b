"""Pictures with what was read drawn into them, for a person to check at a glance."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont

from alpr_cli.tables import plate_words, reason_words, share

Read = Mapping[str, Any]
_SMALLEST: Final = 640
"""Pictures narrower than this are enlarged before anything is written into them: letters need pixels."""
_MOST_TIMES: Final = 8
_QUALITY: Final = 92
_SURE, _DOUBTFUL, _UNSURE, _UNREAD = (46, 204, 113), (241, 196, 15), (231, 76, 60), (170, 178, 189)
_GROUND: Final = (16, 20, 26)
_WHITE: Final = (255, 255, 255)


def draw(jpeg: bytes, reads: Sequence[Read], scale: float) -> Image.Image:
    """Draw plates and texts into a picture; `scale` is how many pixels of the reads one of its pixels stands for."""
    with Image.open(io.BytesIO(jpeg)) as opened:
        picture = opened.convert("RGB")
    times = min(_MOST_TIMES, max(1, -(-_SMALLEST // picture.width)))
    if times > 1:
        picture = picture.resize((picture.width * times, picture.height * times), Image.Resampling.LANCZOS)
    factor = times / scale
    size = max(15, round(min(picture.width / 42, picture.height / 16)))
    font = _font(size)
    stroke = max(2, round(size / 9))
    labels = [_label(read, font, size) for read in reads]
    need = max(
        (round(label.height - read["box"]["y"] * factor + stroke) for label, read in zip(labels, reads, strict=True)),
        default=0,
    )
    above = max(0, need)
    if above:  # a plate at the upper edge: its text stands above the picture rather than on the plate
        higher = Image.new("RGB", (picture.width, picture.height + above), _GROUND)
        higher.paste(picture, (0, above))
        picture = higher
    pen = ImageDraw.Draw(picture)
    for read in reads:
        outline = [(x * factor, y * factor + above) for x, y in _outline(read)]
        pen.line([*outline, outline[0]], fill=_GROUND, width=stroke + 2, joint="curve")
        pen.line([*outline, outline[0]], fill=_color(read), width=stroke, joint="curve")
    taken: list[tuple[int, int, int, int]] = []
    for label, read in zip(labels, reads, strict=True):
        top = min(y for _, y in _outline(read)) * factor + above - label.height - stroke
        left = min(read["box"]["x"] * factor, picture.width - label.width)
        place = _free((max(0, round(left)), max(0, round(top))), label.size, taken)
        taken.append((*place, place[0] + label.width, place[1] + label.height))
        picture.paste(label, place)
    return picture


def save(picture: Image.Image, file: Path) -> None:
    """Write a JPEG, making its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file, "JPEG", quality=_QUALITY, subsampling=0)


def _font(size: int) -> Any:
    """Take a face that tells O from 0 and I from 1 where there is one, else the one that Pillow brings along."""
    try:
        return ImageFont.truetype("DejaVuSansMono-Bold.ttf", size)
    except OSError:
        return ImageFont.load_default(size)


def _label(read: Read, font: Any, size: int) -> Image.Image:
    """Write plate, probability and state of origin on a strip of its own."""
    words = [plate_words(read), reason_words(read) or share(read["confidence"])]
    if read["state"] != "unknown":
        words.append(read["state"])
    pad = max(3, size // 4)
    left, top, right, bottom = font.getbbox("  ".join(words))
    strip = Image.new("RGB", (round(right - left) + 3 * pad, round(bottom - top) + 2 * pad), _GROUND)
    pen = ImageDraw.Draw(strip)
    pen.rectangle((0, 0, max(2, pad // 2), strip.height), fill=_color(read))
    pen.text((2 * pad - left, pad - top), "  ".join(words), font=font, fill=_WHITE)
    return strip


def _free(place: tuple[int, int], size: tuple[int, int], taken: Sequence[tuple[int, int, int, int]]) -> tuple[int, int]:
    """Move a strip up until it covers no other, as far as there is room."""
    x, y = place
    for _ in taken:
        under = [t for t in taken if x < t[2] and t[0] < x + size[0] and y < t[3] and t[1] < y + size[1]]
        if not under or min(t[1] for t in under) < size[1]:
            break
        y = min(t[1] for t in under) - size[1]
    return x, y


def _outline(read: Read) -> list[tuple[float, float]]:
    if read["corners"]:
        return [(corner["x"], corner["y"]) for corner in read["corners"]]
    box = read["box"]
    right, bottom = box["x"] + box["width"], box["y"] + box["height"]
    return [(box["x"], box["y"]), (right, box["y"]), (right, bottom), (box["x"], bottom)]


def _color(read: Read) -> tuple[int, int, int]:
    if not read["plate"]:
        return _UNREAD
    if read["confidence"] >= 0.9:
        return _SURE
    return _DOUBTFUL if read["confidence"] >= 0.5 else _UNSURE
