"""Draws the letters and digits of plates.

Plates are stamped with dies whose shapes no common font has: strokes of one width, rounded corners, narrow and tall.
So most faces here are drawn from strokes; the rest comes from whatever open fonts the machine has. No font is bundled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_FONTS: Final = (
    "LiberationSansNarrow-Bold.ttf",
    "RobotoCondensed-Bold.ttf",
    "DejaVuSansCondensed-Bold.ttf",
    "RobotoCondensed-Medium.ttf",
    "FreeSansBold.ttf",
    "LiberationSans-Bold.ttf",
    "Roboto-Bold.ttf",
    "DejaVuSansMono-Bold.ttf",
    "LiberationMono-Bold.ttf",
    "RobotoCondensed-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "FreeMonoBold.ttf",
)
_LABEL_FONTS: Final = (
    "LiberationSans-Bold.ttf",
    "LiberationSerif-Bold.ttf",
    "LiberationSerif-BoldItalic.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSerif-Bold.ttf",
    "FreeSerifBoldItalic.ttf",
    "Roboto-Medium.ttf",
    "DejaVuSerif-BoldItalic.ttf",
)
# Kinds of type on plates, and open fonts of that kind; those a machine lacks are passed over.
_TYPES: Final[dict[str, tuple[str, ...]]] = {
    "sans": ("LiberationSans-Bold.ttf", "Roboto-Bold.ttf", "FreeSansBold.ttf", "NimbusSans-Bold.otf"),
    "thin": ("LiberationSans-Regular.ttf", "Roboto-Medium.ttf", "NimbusSans-Regular.otf", "DejaVuSans.ttf"),
    "cond": ("RobotoCondensed-Bold.ttf", "LiberationSansNarrow-Bold.ttf", "DejaVuSansCondensed-Bold.ttf"),
    "slant": ("LiberationSans-BoldItalic.ttf", "DejaVuSans-BoldOblique.ttf", "NimbusSans-BoldItalic.otf"),
    "wide": ("DejaVuSans-Bold.ttf", "URWGothic-Demi.otf", "Roboto-Black.ttf"),
    "serif": ("LiberationSerif-Bold.ttf", "C059-Bold.otf", "P052-Bold.otf", "DejaVuSerif-Bold.ttf", "NimbusRoman-Bold.otf"),
    "book": ("C059-Roman.otf", "LiberationSerif-Regular.ttf", "P052-Roman.otf", "URWBookman-Light.otf"),
    "slab": ("RobotoSlab-Bold.otf", "URWBookman-Demi.otf", "DejaVuSerif-Bold.ttf"),
    "italic": ("LiberationSerif-BoldItalic.ttf", "C059-BdIta.otf", "P052-BoldItalic.otf", "FreeSerifBoldItalic.ttf"),
    "script": ("DancingScript-Bold.otf", "lobster.otf", "Z003-MediumItalic.otf", "FreeSerifBoldItalic.ttf"),
    "brush": ("lobster.otf", "DancingScript-Bold.otf", "URWBookman-DemiItalic.otf", "FreeSerifBoldItalic.ttf"),
    "gothic": ("URWGothic-Demi.otf", "URWGothic-Book.otf", "DejaVuSans-Bold.ttf"),
}  # fmt: skip
STROKE_FACES: Final = 48
FACES: Final = STROKE_FACES + len(_FONTS)
LABEL_FACES: Final = len(_LABEL_FONTS)
GB_FACE: Final = FACES  # British plates: 79 mm tall, 50 mm wide, strokes of 14 mm; 1 and I hardly wider than one stroke

_MASTER = 96  # pixels: taller than any letter drawn from it
_OVER = 2  # the strokes are drawn twice as large and reduced, for smooth edges

Point = tuple[float, float]
Path = list[Point]


@dataclass(frozen=True, slots=True)
class _Die:
    width: float  # of a letter, over its height
    pen: float  # stroke width, over the height
    round: float  # corner radius over the half width: 1 gives half circles
    mono: bool  # all letters equally wide, as on most US plates
    flat_three: bool
    bare_one: bool
    footed_one: bool
    barred_i: bool
    deep_m: bool
    open_six: bool
    slashed_zero: bool
    flat_a: bool
    round_cap: bool
    barred_j: bool


_GB_DIE: Final = _Die(
    width=0.63, pen=0.175, round=0.62, mono=False, flat_three=False, bare_one=False, footed_one=False, barred_i=False,
    deep_m=False, open_six=False, slashed_zero=False, flat_a=True, round_cap=False, barred_j=False,
)  # fmt: skip


@lru_cache(maxsize=STROKE_FACES + 1)
def _die(number: int) -> _Die:
    if number == GB_FACE:
        return _GB_DIE
    rng = np.random.default_rng(7000 + number)
    flags = rng.random(8)
    return _Die(
        width=float(rng.uniform(0.40, 0.66)),
        pen=float(rng.uniform(0.10, 0.185)),
        round=float(rng.uniform(0.35, 1.0)),
        mono=bool(rng.random() < 0.6),
        flat_three=bool(flags[0] < 0.25),
        bare_one=bool(flags[1] < 0.3),
        footed_one=bool(flags[2] < 0.35),
        barred_i=bool(flags[3] < 0.45),
        deep_m=bool(flags[4] < 0.4),
        open_six=bool(flags[5] < 0.3),
        slashed_zero=bool(flags[6] < 0.06),
        flat_a=bool(flags[7] < 0.35),
        round_cap=bool(rng.random() < 0.6),
        barred_j=bool(rng.random() < 0.4),
    )


def _arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float) -> Path:
    """Points of an elliptic arc; degrees, 0 to the right, growing clockwise on the picture."""
    steps = 8
    turn = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
    return [(cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in turn]


def _bowl(x0: float, y0: float, x1: float, y1: float, r: float) -> Path:
    r = min(r, (x1 - x0) / 2, (y1 - y0) / 2)
    return [
        *_arc(x0 + r, y0 + r, r, r, 180, 270),
        *_arc(x1 - r, y0 + r, r, r, 270, 360),
        *_arc(x1 - r, y1 - r, r, r, 0, 90),
        *_arc(x0 + r, y1 - r, r, r, 90, 180),
        (x0, y0 + r),
    ]


def _strokes(char: str, w: float, h: float, d: _Die) -> list[Path]:
    r = d.round * w / 2
    m = 0.47 * h
    top_left, top_right = _arc(r, r, r, r, 180, 270), _arc(w - r, r, r, r, 270, 360)
    low_right, low_left = _arc(w - r, h - r, r, r, 0, 90), _arc(r, h - r, r, r, 90, 180)
    match char:
        case "0" | "O":
            ring = [_bowl(0, 0, w, h, r)]
            return [*ring, [(0.15 * w, 0.8 * h), (0.85 * w, 0.2 * h)]] if d.slashed_zero and char == "0" else ring
        case "1":
            flag: Path = [] if d.bare_one else [(0.08 * w, 0.2 * h)]
            foot = [[(0.05 * w, h), (0.95 * w, h)]] if d.footed_one and not d.bare_one else []
            x = w * (0.5 if foot or d.bare_one else 0.65)
            return [[*flag, (x, 0), (x, h)], *foot]
        case "2":
            return [[(0, r), *top_left, *top_right, (w, 0.3 * h), (0.9 * w, 0.45 * h), (0, h), (w, h)]]
        case "3":
            low = min(r, (h - m) / 2)
            under = [*_arc(w - low, m + low, low, low, 270, 360), *low_right, *low_left]
            if d.flat_three:
                return [[(0, 0), (w, 0), (0.4 * w, m), *under]]
            up = min(r, m / 2)
            over = [*top_left, *top_right, *_arc(w - up, m - up, up, up, 0, 90)]
            return [[*over, (0.35 * w, m)], [(0.35 * w, m), *under]]
        case "4":
            return [[(0.72 * w, h), (0.72 * w, 0), (0, 0.7 * h), (w, 0.7 * h)]]
        case "5":
            s = min(r, (0.58 * h) / 2)
            belly = [*_arc(w - s, 0.42 * h + s, s, s, 270, 360), *low_right, *low_left]
            return [[(0.95 * w, 0), (0.06 * w, 0), (0.02 * w, 0.44 * h), *belly]]
        case "6" | "9":
            s = min(r, 0.28 * h)
            ring_path = _bowl(0, 0.43 * h, w, h, s)
            tail: Path = [(0.75 * w, 0), (0.03 * w, 0.6 * h)]
            if not d.open_six:
                tail = [(w, 0.22 * h), *reversed(top_right), *reversed(top_left), (0, 0.7 * h)]
            paths = [ring_path, tail]
            return paths if char == "6" else [[(w - x, h - y) for x, y in p] for p in paths]
        case "7":
            return [[(0, 0), (w, 0), (0.75 * w, 0.3 * h), (0.3 * w, h)]]
        case "8":
            return [_bowl(0.04 * w, 0, 0.96 * w, m, r), _bowl(0, m, w, h, r)]
        case "A":
            tops = [(0.4 * w, 0.0), (0.6 * w, 0.0)] if d.flat_a else [(0.5 * w, 0.0)]
            return [[(0, h), *tops, (w, h)], [(0.16 * w, 0.7 * h), (0.84 * w, 0.7 * h)]]
        case "B":
            up, low = min(r, m / 2), min(r, (h - m) / 2)
            first = [
                (0.0, 0.0),
                *_arc(0.95 * w - up, up, up, up, 270, 360),
                *_arc(0.95 * w - up, m - up, up, up, 0, 90),
            ]
            second = [(0.0, m), *_arc(w - low, m + low, low, low, 270, 360), *_arc(w - low, h - low, low, low, 0, 90)]
            return [[(0, h), *first, (0, m)], [*second, (0, h), (0, 0)]]
        case "C":
            return [
                [
                    (w, 0.28 * h),
                    *reversed(top_right),
                    *reversed(top_left),
                    *reversed(low_left),
                    *reversed(low_right),
                    (w, 0.72 * h),
                ]
            ]
        case "D":
            return [[(0, 0), *top_right, *low_right, (0, h), (0, 0)]]
        case "E":
            return [[(w, 0), (0, 0), (0, h), (w, h)], [(0, m), (0.85 * w, m)]]
        case "F":
            return [[(w, 0), (0, 0), (0, h)], [(0, m), (0.85 * w, m)]]
        case "G":
            hook = [(w, 0.25 * h), *reversed(top_right), *reversed(top_left), *reversed(low_left), *reversed(low_right)]
            return [[*hook, (w, 0.54 * h), (0.55 * w, 0.54 * h)]]
        case "H":
            return [[(0, 0), (0, h)], [(w, 0), (w, h)], [(0, m), (w, m)]]
        case "I":
            bars = [[(0.1 * w, 0.0), (0.9 * w, 0.0)], [(0.1 * w, h), (0.9 * w, h)]] if d.barred_i else []
            return [[(0.5 * w, 0), (0.5 * w, h)], *bars]
        case "J":
            x = 0.72 * w if d.barred_j else w
            bars = [[(0.25 * w, 0.0), (w, 0.0)]] if d.barred_j else []
            return (
                [[(x, 0), (x, h - r), (x - 0.1 * w, h - 0.3 * r), *low_left, (0, 0.68 * h)], *bars]
                if bars
                else [[(w, 0), *low_right, *low_left, (0, 0.68 * h)]]
            )
        case "K":
            return [[(0, 0), (0, h)], [(w, 0), (0.05 * w, 0.6 * h)], [(0.32 * w, 0.42 * h), (w, h)]]
        case "L":
            return [[(0, 0), (0, h), (w, h)]]
        case "M":
            return [[(0, h), (0, 0), (0.5 * w, h * (0.95 if d.deep_m else 0.55)), (w, 0), (w, h)]]
        case "N":
            return [[(0, h), (0, 0), (w, h), (w, 0)]]
        case "P" | "R":
            s = min(r, 0.27 * h)
            head = [
                (0.0, h),
                (0.0, 0.0),
                *_arc(w - s, s, s, s, 270, 360),
                *_arc(w - s, 0.54 * h - s, s, s, 0, 90),
                (0.0, 0.54 * h),
            ]
            return [head] if char == "P" else [head, [(0.5 * w, 0.54 * h), (w, h)]]
        case "Q":
            return [_bowl(0, 0, w, h, r), [(0.55 * w, 0.72 * h), (1.02 * w, 1.02 * h)]]
        case "S":
            up, low = min(r, m / 2), min(r, (h - m) / 2)
            upper = [
                (w, 0.25 * h),
                *reversed(top_right),
                *reversed(top_left),
                *reversed(_arc(up, m - up, up, up, 90, 180)),
            ]
            lower = [*_arc(w - low, m + low, low, low, 270, 360), *low_right, *low_left, (0, 0.76 * h)]
            return [[*upper, *lower]]
        case "T":
            return [[(0, 0), (w, 0)], [(0.5 * w, 0), (0.5 * w, h)]]
        case "U":
            return [[(0, 0), *reversed(low_left), *reversed(low_right), (w, 0)]]
        case "V":
            return [[(0, 0), (0.5 * w, h), (w, 0)]]
        case "W":
            return [[(0, 0), (0.22 * w, h), (0.5 * w, h * (0.05 if d.deep_m else 0.4)), (0.78 * w, h), (w, 0)]]
        case "X":
            return [[(0, 0), (w, h)], [(w, 0), (0, h)]]
        case "Y":
            return [[(0, 0), (0.5 * w, 0.5 * h), (w, 0)], [(0.5 * w, 0.5 * h), (0.5 * w, h)]]
        case _:
            return [[(0, 0), (w, 0), (0, h), (w, h)]]


def _stroke_glyph(number: int, char: str) -> Image.Image:
    die = _die(number)
    wide = die.width
    if number == GB_FACE:
        wide *= {"I": 0.28, "1": 0.42, "M": 1.08, "W": 1.12}.get(char, 1.0)
    elif not die.mono:
        wide *= {"I": 0.5, "1": 0.62, "J": 0.85, "M": 1.22, "W": 1.32, "L": 0.9, "E": 0.93, "F": 0.92}.get(char, 1.0)
    elif char == "I" and not die.barred_i:
        wide *= 0.6
    high = _MASTER * _OVER
    width, pen = max(8, round(wide * high)), max(3, round(die.pen * high))
    picture = Image.new("L", (max(width, pen + 4), high))
    draw = ImageDraw.Draw(picture)
    half = pen / 2
    for path in _strokes(char, picture.width - pen, high - pen, die):
        points = [(x + half, y + half) for x, y in path]
        draw.line(points, fill=255, width=pen, joint="curve")
        if die.round_cap:
            for x, y in (points[0], points[-1]):
                draw.ellipse((x - half, y - half, x + half, y + half), fill=255)
        else:
            for x, y in (points[0], points[-1]):
                draw.rectangle((x - half * 0.8, y - half * 0.8, x + half * 0.8, y + half * 0.8), fill=255)
    return picture.resize((max(4, picture.width // _OVER), _MASTER), Image.Resampling.BOX)


def _load(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        # A machine without this font still draws, with the one inside Pillow: plainer, never a failure.
        return ImageFont.load_default(size)


@lru_cache(maxsize=4096)
def glyph(face: int, char: str) -> Image.Image:
    """The mask of one letter, 96 pixels tall and cut to its sides; scale it to the size wanted."""
    if face < STROKE_FACES or face == GB_FACE:
        return _stroke_glyph(face, char)
    font = _load(_FONTS[(face - STROKE_FACES) % len(_FONTS)], 128)
    picture = Image.new("L", (200, 200))
    ImageDraw.Draw(picture).text((30, 20), char, fill=255, font=font)
    box = picture.getbbox() or (0, 0, 60, 96)
    letter = picture.crop(box)
    return letter.resize((max(6, round(letter.width * _MASTER / letter.height)), _MASTER), Image.Resampling.BILINEAR)


@lru_cache(maxsize=512)
def label_font(face: int, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font for the small lettering around the number: the state's name, the slogan, a dealer."""
    return _load(_LABEL_FONTS[face % LABEL_FACES], size)


@lru_cache(maxsize=32)
def type_faces(kind: str) -> tuple[str, ...]:
    """The open fonts of a kind of type that this machine has; the plain label font's name where it has none of them."""
    found = []
    for name in _TYPES[kind]:
        try:
            ImageFont.truetype(name, 10)
        except OSError:
            continue
        found.append(name)
    return tuple(found) or _LABEL_FONTS[:1]


@lru_cache(maxsize=1024)
def type_font(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """One of the fonts `type_faces` named, in a size."""
    return _load(name, size)
