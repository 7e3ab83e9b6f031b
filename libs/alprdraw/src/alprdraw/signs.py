"""Draws what a detector takes for a plate and is none: stickers, badges, lettering on trucks, signs, dealers' blanks."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from alprdraw import glyphs
from alprdraw.designs import COUNTIES
from alprdraw.layouts import BLACK, BLUE, CREAM, DEALERS, GOLD, GRAY, GREEN, NAVY, RED, WHITE, WORDS, YELLOW, Color
from alprdraw.numbers import spell
from alprdraw.sheet import Sheet, blank, label, pick, vary

KINDS: Final = ("sticker", "badge", "lettering", "sign", "dealer", "phone")

_SIGNS: Final = (
    "SPEED LIMIT|35", "NO PARKING|ANY TIME", "ONE WAY", "EXIT|24", "STOP", "YIELD", "SCHOOL|ZONE", "BUS STOP", "DETOUR",
    "SPEED LIMIT|65", "ROAD WORK|AHEAD", "DO NOT|ENTER", "TAXI", "POLICE", "FOR SALE", "OPEN", "CAFE", "HOTEL", "PIZZA",
)  # fmt: skip
_MODELS: Final = (
    "TURBO",
    "4X4",
    "GT",
    "SPORT",
    "LIMITED",
    "V6",
    "XLT",
    "LX",
    "AWD",
    "HYBRID",
    "TDI",
    "2.0",
    "GLS",
    "Z71",
)
_PAIRS: Final[tuple[tuple[Color, Color], ...]] = (
    (WHITE, BLACK), (WHITE, RED), (YELLOW, BLACK), (BLUE, WHITE), (GREEN, WHITE), (RED, WHITE), (BLACK, WHITE), (NAVY, GOLD),
    (CREAM, NAVY), (GRAY, BLACK),
)  # fmt: skip


def render_sign(rng: np.random.Generator, kind: str | None = None) -> NDArray[np.uint8]:
    """Draw one thing with letters on it that is no plate: height x width x 3, RGB, 120 to 280 pixels wide.

    `kind` is one of KINDS, by lot without it. Raises ValueError for any other.
    """
    kind = kind or pick(rng, KINDS)
    ground, ink = pick(rng, _PAIRS)
    match kind:
        case "sticker":
            lines = [pick(rng, WORDS) for _ in range(int(rng.integers(1, 4)))]
            sheet = blank(rng, 200, int(rng.integers(50, 130)), ground, ink)
        case "badge":
            lines = [pick(rng, _MODELS)]
            sheet = blank(
                rng, int(rng.integers(120, 200)), 44, vary(rng, pick(rng, [BLACK, GRAY, WHITE, RED, NAVY]), 25), GRAY
            )
        case "lettering":
            lines = [f"{pick(rng, COUNTIES)} {pick(rng, WORDS)}", pick(rng, (*WORDS, *DEALERS))][
                : int(rng.integers(1, 3))
            ]
            sheet = blank(rng, 280, int(rng.integers(50, 110)), ground, ink)
        case "sign":
            lines = pick(rng, _SIGNS).split("|")
            sheet = blank(rng, 160, int(rng.integers(60, 190)), ground, ink)
            sheet.pen.rounded_rectangle((3, 3, 156, sheet.picture.height - 4), radius=8, outline=sheet.ink, width=3)
        case "dealer":  # where a plate will be one day: the same shape, a name, no number
            lines = [pick(rng, DEALERS), f"of {pick(rng, COUNTIES).title()}"]
            sheet = blank(rng, 240, 120 if rng.random() < 0.6 else 60, ground, ink)
        case "phone":
            lines = [
                spell(
                    rng, pick(rng, ("1-800-111-1111", "(111) 111-1111", "111.111.1111", "USDOT 1111111", "MC 111111"))
                )
            ]
            sheet = blank(rng, 280, int(rng.integers(40, 60)), ground, ink)
        case _:
            msg = f"no such sign: {kind}"
            raise ValueError(msg)
    _fill(sheet, lines)
    return np.asarray(sheet.picture, dtype=np.uint8).copy()


def _fill(sheet: Sheet, lines: list[str]) -> None:
    rng, (width, high) = sheet.rng, sheet.picture.size
    step = high / (len(lines) + 0.4)
    for row, text in enumerate(lines):
        size = step * rng.uniform(0.6, 0.9)
        face = int(rng.integers(glyphs.LABEL_FACES))
        label(sheet, text, width / 2 + rng.normal(0, 3), step * (row + 0.7), size, sheet.ink, face, width * 0.9)
