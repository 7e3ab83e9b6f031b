"""Plates that carry their number in two lines: motorcycles everywhere, and the square plates of Europe.

Sizes as issued: US motorcycles 7 x 4 in, EU 280 x 200 and 240 x 130 mm, Brazil and Argentina 187 to 200 x 136 to 170 mm.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from alprdraw import glyphs
from alprdraw.layouts import BLACK, CITIES, EU_WEIGHTS, GRAY, GREEN, NAVY, RED, SKY, US, WHITE, YELLOW, Color
from alprdraw.numbers import number_for
from alprdraw.sheet import Sheet, blank, frame, label, pick, plain_hardware, scenery, vary, write

_US_PATTERNS: Final = ("AA/1111", "111/AAA", "1111/A", "AAA/11", "11/A111", "A11/111", "AA1/111", "MC/11111", "11A/11")
_EU_PATTERNS: Final[dict[str, tuple[str, ...]]] = {
    "SK": ("AA/111AA", "AA=/111AA"),
    "CZ": ("1A1/1111", "1AA/1111", "1A/1111"),
    "RO": ("AA=11/AAA", "A=111/AAA", "AA 11/AAA"),
    "D": ("AAA=/AA 111", "AA=/A 1111", "A=/AA 1111", "AA/AA 11", "AAA/A 111"),
    "PL": ("AA/11111", "AAA/11AA", "AAA/1111"),
    "H": ("AAA/111", "AA AA/111"),
    "A": ("AA=/111AA", "A/1111A"),
    "F": ("AA-/111-AA", "AA/111-AA"),
    "I": ("AA/11111", "AA/111AA"),
    "E": ("1111/AAA", "A1111/AAA"),
    "NL": ("AA/11-11", "11-AA/AA"),
    "B": ("1-AAA/111", "M-AAA/111"),
    "GB": ("AA11/AAA", "A111/AAA"),
    "BG": ("AA/1111 A", "A 1111/AA"),
}
_SOUTH_PATTERNS: Final[dict[str, str]] = {
    "br-moto-old": "AAA/1111", "br-moto": "AAA/1A11", "ar-moto-old": "111/AAA", "ar-moto": "A11/1AAA",
}  # fmt: skip


def _halves(rng: np.random.Generator, patterns: tuple[str, ...], text: str | None) -> tuple[str, str]:
    number = number_for(rng, patterns, text)
    if "/" not in number:
        cut = (len(number) + 1) // 2
        return number[:cut], number[cut:]
    upper, lower = number.split("/")
    return upper, lower


def _face(rng: np.random.Generator) -> int:
    return int(rng.integers(glyphs.STROKE_FACES)) if rng.random() < 0.65 else int(rng.integers(glyphs.FACES))


def _two(sheet: Sheet, halves: tuple[str, str], box: tuple[float, float, float, float], first_left: float) -> None:
    """Set both lines into a box; the upper one begins at `first_left`, right of a band or a coat of arms."""
    rng = sheet.rng
    left, top, right, bottom = box
    room = bottom - top
    share = rng.uniform(0.42, 0.5) if rng.random() < 0.7 else rng.uniform(0.3, 0.42)
    gap = rng.uniform(0.03, 0.1) * room
    face, wide = _face(rng), rng.uniform(0.85, 1.15)
    upper, lower = halves
    middle = top + share * room
    write(sheet, upper, (first_left, top, right, middle), face, rng.uniform(0.06, 0.2), wide)
    if lower:
        write(sheet, lower, (left, middle + gap, right, bottom), face, rng.uniform(0.06, 0.18), wide)


def us(rng: np.random.Generator, text: str | None) -> tuple[Sheet, str, str]:
    """A US motorcycle's plate: the state's name above, two lines of number."""
    code = pick(rng, list(US))
    facts = US[code]
    ground, ink = pick(rng, facts.grounds), pick(rng, facts.inks)
    if abs(sum(ink) - sum(ground)) < 200:
        ink, ground = (BLACK, WHITE) if rng.random() < 0.6 else (NAVY, WHITE)
    high = 112.0
    sheet = blank(rng, 190, int(high), ground, ink)
    if rng.random() < 0.5:
        scenery(sheet, ground)
    top, bottom = rng.uniform(0.14, 0.22) * high, rng.uniform(0.84, 0.95) * high
    tint = sheet.ink if rng.random() < 0.6 else vary(rng, pick(rng, [RED, NAVY, GREEN, BLACK]), 15)
    name = pick(rng, facts.name.split("|"))
    label(sheet, name, 95, top * 0.5, top * rng.uniform(0.7, 0.95), tint, int(rng.integers(8)), 130)
    if bottom < 0.9 * high and rng.random() < 0.6:
        word = "MOTORCYCLE" if rng.random() < 0.4 else pick(rng, facts.slogans)
        label(sheet, word, 95, (bottom + high) / 2, (high - bottom) * 0.75, tint, int(rng.integers(8)), 130)
    left = rng.uniform(0.04, 0.12) * 190
    halves = _halves(rng, _US_PATTERNS, text)
    _two(sheet, halves, (left, top + 2, 190 - left, bottom), left + (24 if rng.random() < 0.15 else 0))
    for x in (0.12, 0.88):
        if rng.random() < 0.3:
            color = vary(rng, pick(rng, [YELLOW, RED, GREEN, WHITE, SKY]), 20)
            y = rng.uniform(0.04, 0.1) * high
            sheet.pen.rectangle((x * 190 - 12, y, x * 190 + 12, y + 14), fill=color)
    plain_hardware(sheet)
    return sheet, "".join(halves), code


def eu(rng: np.random.Generator, text: str | None) -> tuple[Sheet, str]:
    """A European square or motorcycle plate: the band at the upper left, two lines of number."""
    weights = np.array([EU_WEIGHTS.get(c, 1.0) for c in _EU_PATTERNS])
    country = list(_EU_PATTERNS)[int(rng.choice(len(weights), p=weights / weights.sum()))]
    width = 200
    high = int(width * (rng.uniform(0.68, 0.84) if rng.random() < 0.7 else rng.uniform(0.5, 0.62)))
    colors: list[tuple[Color, Color]] = [(BLACK, WHITE)] * 8 + [(BLACK, YELLOW), (RED, WHITE), (GREEN, WHITE)]
    sheet = blank(rng, width, high, *reversed(pick(rng, colors)))
    first = 10.0
    if rng.random() < 0.8:
        band, deep = rng.uniform(0.11, 0.17) * width, high * (1.0 if rng.random() < 0.25 else rng.uniform(0.4, 0.52))
        sheet.pen.rectangle((0, 0, band, deep), fill=vary(rng, (25, 70, 165), 18))
        reach = band * 0.27
        for turn in np.linspace(0, 2 * np.pi, 9):
            x, y = band / 2 + reach * np.cos(turn), high * 0.15 + reach * np.sin(turn)
            sheet.pen.ellipse((x - 1, y - 1, x + 1, y + 1), fill=YELLOW)
        label(sheet, country, band / 2, high * 0.36, high * 0.14, WHITE, 0, band)
        sheet.country = country
        first = band + 6
    pad = rng.uniform(0.05, 0.11) * high
    left = first if first > 10 and rng.random() < 0.25 else 9.0
    halves = _halves(rng, _EU_PATTERNS[country], text)
    _two(sheet, halves, (left, pad, width - 9, high - pad), first)
    if rng.random() < 0.7:
        sheet.pen.rounded_rectangle((1, 1, width - 2, high - 2), radius=6, outline=sheet.ink, width=2)
    if rng.random() < 0.25:
        frame(sheet)
    return sheet, "".join(halves)


def south(rng: np.random.Generator, family: str, text: str | None) -> tuple[Sheet, str]:
    """A motorcycle's plate of Brazil or Argentina, of the old series or of Mercosul."""
    width, old = 190, family.endswith("old")
    high = int(width * rng.uniform(0.68, 0.86))
    argentine_old = family == "ar-moto-old"
    ground = GRAY if family == "br-moto-old" else WHITE
    ink = BLACK
    if family == "br-moto-old" and rng.random() < 0.25:
        ink, ground = (WHITE, (150, 35, 45)) if rng.random() < 0.7 else (RED, WHITE)
    sheet = blank(rng, width, high, ground, WHITE if argentine_old else ink)
    head = high * rng.uniform(0.14, 0.2)
    if argentine_old:
        low = high * rng.uniform(0.84, 0.95)
        sheet.pen.rounded_rectangle((6, head, width - 6, low), radius=6, fill=vary(rng, BLACK, 10))
        label(sheet, "ARGENTINA", width / 2, head / 2, head * 0.7, NAVY, 0, width * 0.6)
        box = (14.0, head + 5, width - 14.0, low - 5)
    elif old:
        city = pick(rng, CITIES).replace("_", " ")
        label(sheet, city, width / 2, head * 0.6, head * 0.75, sheet.ink, int(rng.integers(8)), width * 0.7)
        box = (12.0, head + 4, width - 12.0, high * 0.93)
    else:
        sheet.pen.rectangle((0, 0, width, head), fill=vary(rng, (25, 55, 150), 15))
        word = "BRASIL" if family == "br-moto" else "REPUBLICA ARGENTINA"
        label(sheet, word, width / 2, head / 2, head * 0.7, WHITE, 0, width * 0.65)
        box = (12.0, head + 6, width - 12.0, high * 0.94)
    halves = _halves(rng, (_SOUTH_PATTERNS[family],), text)
    _two(sheet, halves, box, box[0])
    plain_hardware(sheet)
    return sheet, "".join(halves)
