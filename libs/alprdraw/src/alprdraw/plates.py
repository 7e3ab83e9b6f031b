"""Draws one plate, seen from the front, clean, as it leaves the stamping press."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alprdraw import glyphs, twolines
from alprdraw.designs import Design, lay
from alprdraw.issued import issued
from alprdraw.layouts import (
    BLACK,
    BLUE,
    CITIES,
    CREAM,
    DEALERS,
    EU,
    EU_WEIGHTS,
    GOLD,
    GRAY,
    GREEN,
    MAROON,
    NAVY,
    RED,
    SKY,
    US,
    WHITE,
    WORDS,
    YELLOW,
    Color,
)
from alprdraw.numbers import number_for, spell
from alprdraw.sheet import (
    Line,
    Sheet,
    blank,
    blob,
    finish,
    frame,
    hardware,
    label,
    pick,
    plain_hardware,
    scenery,
    vary,
    write,
)

# How often each family is drawn when no style is asked for.
STYLES: Final[dict[str, float]] = {
    "us": 0.44, "us-vanity": 0.1, "us-plain": 0.05, "eu": 0.19, "br-old": 0.09, "br-mercosul": 0.03, "ar-old": 0.05,
    "ar-mercosul": 0.05,
}  # fmt: skip


# Plates that carry their number in two lines: motorcycles, and the square plates of Europe. Drawn only when asked for,
# by `style="two-line"` or by one of these names: a reader of one line must not meet them unprepared.
TWO_LINE: Final[dict[str, float]] = {
    "us-moto": 0.25, "eu-square": 0.35, "br-moto-old": 0.14, "br-moto": 0.12, "ar-moto-old": 0.07, "ar-moto": 0.07,
}  # fmt: skip

_ISSUED_SHARE: Final = 0.65  # of US plates that follow a known issue; the rest mix names, colors and pictures freely
_INK_GROUND: Final[tuple[tuple[Color, Color], ...]] = (
    (NAVY, WHITE), (BLACK, WHITE), (RED, WHITE), (GREEN, WHITE), (BLACK, YELLOW), (NAVY, GOLD), (WHITE, NAVY), (WHITE, GREEN),
    (GOLD, NAVY), (WHITE, RED), (BLUE, CREAM), (WHITE, BLACK), (MAROON, GRAY), (YELLOW, BLACK),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RenderedPlate:
    """A drawn plate and what it says."""

    image: NDArray[np.uint8]  # height x width x 3, RGB
    text: str  # A-Z and 0-9, no separators, small stacked letters left out
    style: str  # one of STYLES or TWO_LINE
    state: str | None  # "us-ca"
    region: str  # "us", "eu", "br", "ar"
    country: str | None = None  # "CZ", of European plates whose band shows the country's letters
    lines: tuple[Line, ...] = ()  # from top to bottom; their texts joined are `text`


def _vanity(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.35:
        word = pick(rng, WORDS) + pick(rng, WORDS) if rng.random() < 0.5 else pick(rng, WORDS)
        text = word[:8]
        if rng.random() < 0.4:
            at = int(rng.integers(len(text) + 1))
            text = (text[:at] + pick(rng, list("0123456789 -")) + text[at:])[:8]
        return text.strip(" -")
    share = pick(rng, [0.0, 0.3, 0.5, 0.8, 1.0])
    length = int(rng.integers(3, 9)) if rng.random() < 0.8 else int(rng.integers(1, 4))
    chars = [spell(rng, "1" if rng.random() < share else "A") for _ in range(length)]
    if length > 3 and rng.random() < 0.4:
        chars.insert(int(rng.integers(1, length)), pick(rng, [" ", "-", ".", "#"]))
    return "".join(chars)


def _us(
    rng: np.random.Generator, style: str, state: str | None, text: str | None, *, as_issued: bool = False
) -> tuple[Sheet, str, str | None]:
    code = state if state in US else pick(rng, list(US))
    facts = US[code]
    if style == "us" and (as_issued or rng.random() < _ISSUED_SHARE):
        return (*_issued(rng, pick(rng, issued(code)), facts.patterns, text, by_lot=not as_issued), code)
    at = int(rng.integers(len(facts.grounds)))
    ground = facts.grounds[at]
    ink = facts.inks[at % len(facts.inks)] if rng.random() < 0.6 else pick(rng, facts.inks)
    if style != "us" or abs(sum(ink) - sum(ground)) < 150 or rng.random() < 0.12:
        ink, ground = pick(rng, _INK_GROUND)
    high = 116 if rng.random() < 0.5 else 124
    sheet = blank(rng, 240, high, ground, ink)
    if style == "us":
        number = number_for(rng, facts.patterns, text) if text or rng.random() < 0.8 else _vanity(rng)
    else:
        number = text or _vanity(rng)
    if style != "us-plain":
        scenery(sheet, ground)
    top, bottom = rng.uniform(0.2, 0.3) * high, rng.uniform(0.74, 0.84) * high
    if style == "us-plain" and rng.random() < 0.5:
        top, bottom = rng.uniform(0.1, 0.25) * high, rng.uniform(0.76, 0.92) * high
    left, right = rng.uniform(0.02, 0.06) * 240, rng.uniform(0.94, 0.98) * 240
    if len(number) <= 7 and style != "us-plain" and rng.random() < 0.16:
        wide = rng.uniform(0.14, 0.24) * 240
        if rng.random() < 0.8:
            blob(sheet, left, top, left + wide, bottom)
            left += wide + 3
        else:
            blob(sheet, right - wide, top, right, bottom)
            right -= wide + 3
    shown = number
    if len(number) <= 7 and rng.random() < 0.1:
        before, after = pick(rng, [("!", ""), ("!", ""), ("", "!"), ("!", "!")])
        shown = before + number + after
    _write_names(sheet, facts.name, facts.slogans, top, bottom)
    face = int(rng.integers(glyphs.STROKE_FACES)) if rng.random() < 0.8 else int(rng.integers(glyphs.FACES))
    write(sheet, shown, (left, top, right, bottom), face, rng.uniform(0.05, 0.16), rng.uniform(0.85, 1.15))
    hardware(sheet)
    return sheet, number, code


def _issued(
    rng: np.random.Generator, plan: Design, usual: tuple[str, ...], text: str | None, *, by_lot: bool
) -> tuple[Sheet, str]:
    """Draw a plate of one known issue; its numbers follow the issue's patterns, or by lot any pattern or none."""
    high = 116 if rng.random() < 0.5 else 124
    sheet = lay(rng, plan, 240, high)
    patterns = plan.patterns if plan.patterns and (not by_lot or rng.random() < 0.8) else usual
    number = number_for(rng, patterns, text) if text or not by_lot or rng.random() < 0.85 else _vanity(rng)
    left, top, right, bottom = plan.room
    room = (left * 240, (top + rng.normal(0, 0.012)) * high, right * 240, (bottom + rng.normal(0, 0.012)) * high)
    face = int(rng.integers(glyphs.STROKE_FACES)) if rng.random() < 0.85 else int(rng.integers(glyphs.FACES))
    write(sheet, number, room, face, rng.uniform(0.05, 0.14), rng.uniform(0.85, 1.1))
    hardware(sheet)
    return sheet, number


def _write_names(sheet: Sheet, name: str, slogans: tuple[str, ...], top: float, bottom: float) -> None:
    rng, high = sheet.rng, sheet.picture.height
    names = name.split("|")
    tint = sheet.ink if rng.random() < 0.6 else vary(rng, pick(rng, [RED, BLUE, NAVY, GREEN, BLACK]), 15)
    if rng.random() < 0.93:
        label(
            sheet,
            pick(rng, names),
            120 + rng.normal(0, 6),
            top * 0.5,
            top * rng.uniform(0.7, 1.0),
            tint,
            int(rng.integers(8)),
            130,
        )
    if rng.random() < 0.75:
        slogan = pick(rng, slogans) if rng.random() < 0.85 else pick(rng, DEALERS)
        room = high - bottom
        label(
            sheet,
            slogan,
            120 + rng.normal(0, 6),
            bottom + room * 0.5,
            room * rng.uniform(0.4, 0.85),
            tint,
            int(rng.integers(8)),
            180,
        )


def _eu(rng: np.random.Generator, text: str | None) -> tuple[Sheet, str]:
    weights = np.array([EU_WEIGHTS.get(c, 1.0) for c in EU])
    country = list(EU)[int(rng.choice(len(EU), p=weights / weights.sum()))]
    number = number_for(rng, EU[country], text)
    if text is None and rng.random() < 0.12:
        number = _vanity(rng).replace("#", " ")
    ink, ground = (
        (BLACK, WHITE)
        if rng.random() < 0.86
        else pick(rng, [(BLACK, YELLOW), (RED, WHITE), (GREEN, WHITE), (BLACK, GRAY)])
    )
    british = country == "GB" and rng.random() < 0.85
    if british:  # white in front, yellow behind
        ink, ground = BLACK, WHITE if rng.random() < 0.5 else YELLOW
    width, high = 280, int(rng.integers(56, 66))
    sheet = blank(rng, width, high, ground, ink)
    left = 6.0
    band = rng.random() + (0.35 if british else 0.0)
    if band < 0.82:
        bw = rng.uniform(0.07, 0.11) * width
        blue = vary(rng, (25, 70, 165), 18)
        if band < 0.68:
            sheet.pen.rectangle((0, 0, bw, high), fill=blue)
        else:
            blue = WHITE if rng.random() < 0.5 else blue
            sheet.pen.rectangle((2, 3, bw, high * 0.5), fill=vary(rng, pick(rng, [RED, BLUE]), 20))
        on = WHITE if band < 0.68 else BLACK
        if rng.random() < 0.8:
            for a in np.linspace(0, 2 * np.pi, 9):
                x, y = bw / 2 + bw * 0.28 * np.cos(a), high * 0.3 + bw * 0.28 * np.sin(a)
                sheet.pen.ellipse((x - 1, y - 1, x + 1, y + 1), fill=vary(rng, YELLOW))
        label(sheet, country, bw / 2, high * 0.76, high * 0.28, on, 0, bw)
        sheet.country = country
        left = bw + 3
    right = width - 6.0
    if country in {"I", "F"} and rng.random() < 0.6:
        sheet.pen.rectangle((width - 20, 0, width, high), fill=vary(rng, (25, 70, 165), 18))
        right = width - 23
    pad = rng.uniform(0.09, 0.2) * high
    face = int(rng.integers(glyphs.STROKE_FACES)) if rng.random() < 0.6 else int(rng.integers(glyphs.FACES))
    if british:
        face = glyphs.GB_FACE
    write(sheet, number, (left + 2, pad, right, high - pad), face, rng.uniform(0.04, 0.14), rng.uniform(0.8, 1.05))
    if rng.random() < 0.7:
        sheet.pen.rounded_rectangle(
            (1, 1, width - 2, high - 2), radius=5, outline=sheet.ink, width=int(rng.integers(1, 4))
        )
    if rng.random() < 0.3:
        frame(sheet)
    return sheet, number


def _br_old(rng: np.random.Generator, text: str | None) -> tuple[Sheet, str]:
    number = number_for(rng, ("AAA.1111", "AAA-1111", "AAA 1111"), text)
    ink, ground = pick(
        rng,
        [(BLACK, GRAY), (BLACK, GRAY), (BLACK, (165, 170, 170)), (WHITE, (150, 35, 45)), (WHITE, BLACK), (RED, WHITE)],
    )
    high = int(rng.integers(72, 104))
    sheet = blank(rng, 230, high, ground, ink)
    label(
        sheet,
        pick(rng, CITIES).replace("_", " "),
        115,
        high * 0.14,
        high * rng.uniform(0.1, 0.15),
        sheet.ink,
        int(rng.integers(8)),
        140,
    )
    face = int(rng.integers(glyphs.FACES))
    write(
        sheet,
        number,
        (8, high * rng.uniform(0.26, 0.36), 222, high * rng.uniform(0.8, 0.94)),
        face,
        rng.uniform(0.04, 0.12),
        rng.uniform(0.9, 1.2),
    )
    plain_hardware(sheet)
    return sheet, number


def _mercosul(rng: np.random.Generator, region: str, text: str | None) -> tuple[Sheet, str]:
    patterns = ("AAA1A11",) if region == "br" else ("AA 111 AA", "AA 111 AA", "AA111AA")
    number = number_for(rng, patterns, text)
    high = int(rng.integers(74, 96))
    ink = BLACK if rng.random() < 0.85 else pick(rng, [RED, BLUE, GREEN])
    sheet = blank(rng, 240, high, WHITE, ink)
    band = high * rng.uniform(0.2, 0.27)
    blue = vary(rng, (25, 55, 150) if rng.random() < 0.8 else (25, 25, 40), 15)
    sheet.pen.rectangle((0, 0, 240, band), fill=blue)
    word = "BRASIL" if region == "br" else "REPUBLICA ARGENTINA"
    label(sheet, word, 120, band / 2, band * rng.uniform(0.55, 0.85), WHITE, 0, 170)
    sheet.pen.rectangle((218, 4, 234, band - 4), fill=vary(rng, pick(rng, [GREEN, SKY, YELLOW]), 20))
    face = int(rng.integers(glyphs.FACES))
    pad = rng.uniform(0.04, 0.1) * high
    write(sheet, number, (8, band + pad, 232, high - pad), face, rng.uniform(0.05, 0.14), rng.uniform(0.85, 1.1))
    if rng.random() < 0.5:
        sheet.pen.rounded_rectangle((1, 1, 238, high - 2), radius=6, outline=blue, width=2)
    plain_hardware(sheet)
    if rng.random() < 0.3:
        frame(sheet)
    return sheet, number


def _ar_old(rng: np.random.Generator, text: str | None) -> tuple[Sheet, str]:
    number = number_for(rng, ("AAA 111", "AAA 111", "AAA#111"), text).replace("#", " ")
    high = int(rng.integers(78, 108))
    sheet = blank(rng, 230, high, WHITE, WHITE)
    inset, top, low = rng.uniform(0.0, 0.08) * 230, high * rng.uniform(0.1, 0.25), high * rng.uniform(0.78, 0.95)
    sheet.pen.rounded_rectangle((inset, top, 230 - inset, low), radius=6, fill=vary(rng, BLACK, 10))
    name = "ARGENTINA" if rng.random() < 0.8 else pick(rng, DEALERS)
    label(sheet, name, 115, low + (high - low) / 2, (high - low) * 0.8, NAVY, int(rng.integers(8)), 150)
    pad = rng.uniform(0.04, 0.16) * (low - top)
    face = int(rng.integers(glyphs.FACES))
    write(
        sheet,
        number,
        (inset + 4, top + pad, 226 - inset, low - pad),
        face,
        rng.uniform(0.05, 0.14),
        rng.uniform(0.85, 1.1),
    )
    plain_hardware(sheet)
    return sheet, number


def render_plate(
    rng: np.random.Generator, *, text: str | None = None, style: str | None = None, as_issued: bool = False
) -> RenderedPlate:
    """Draw one plate; without `text` the number is drawn by lot after the patterns of the style.

    `style` is a name of STYLES or TWO_LINE, a state such as `us-tx`, or `two-line` for any of TWO_LINE. `as_issued`: a US
    plate is a known issue with a number of its own pattern; otherwise some mix names, colors and numbers freely. The same
    generator state gives the same picture on machines with the same fonts. Raises ValueError for a style that is not known
    or a text with no letter or digit.
    """
    if text is not None:
        text = "".join(c for c in text.upper() if c in glyphs.ALPHABET)
        if not text:
            msg = "a plate needs at least one of A-Z and 0-9"
            raise ValueError(msg)
    state: str | None = style if style in US else None
    family = "us" if state else style
    if family is None or family == "two-line":
        table = TWO_LINE if family else STYLES
        shares = np.array(list(table.values()))
        family = list(table)[int(rng.choice(len(shares), p=shares / shares.sum()))]
    match family:
        case "us" | "us-vanity" | "us-plain":
            sheet, number, state = _us(rng, family, state, text, as_issued=as_issued)
        case "eu":
            sheet, number = _eu(rng, text)
        case "br-old":
            sheet, number = _br_old(rng, text)
        case "br-mercosul" | "ar-mercosul":
            sheet, number = _mercosul(rng, family[:2], text)
        case "ar-old":
            sheet, number = _ar_old(rng, text)
        case "us-moto":
            sheet, number, state = twolines.us(rng, text)
        case "eu-square":
            sheet, number = twolines.eu(rng, text)
        case "br-moto-old" | "br-moto" | "ar-moto-old" | "ar-moto":
            sheet, number = twolines.south(rng, family, text)
        case _:
            msg = f"no such style: {style}"
            raise ValueError(msg)
    depth = float(rng.uniform(0.1, 0.6)) if rng.random() < 0.7 else 0.0
    plain = "".join(c for c in number if c in glyphs.ALPHABET)
    return RenderedPlate(finish(sheet, depth), plain, family, state, family[:2], sheet.country, tuple(sheet.lines))
