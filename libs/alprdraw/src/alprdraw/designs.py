"""How the plates of the states look: ground, lettering, simple pictures; told in a few words each and drawn from them.

The tables in `issued_a_m.py` and `issued_n_w.py` hold facts only: which words stand where in which color and kind of type,
and a sketch of what lies behind the number. A sketch is made of ovals, ridges, stars and the like; nothing was traced.

A design is written so:

- ground: colors from top to bottom, one letter each (`Wp` fades from white to pale blue);
- words: `text;y;size;color;type[;x[;most]]`, several with `|` between them; y, size, x and most (the greatest width) in
  percent of the plate; a text may offer a choice with `/`, and `{county}` stands for a county's name;
- art: `shape color x0 y0 x1 y1`, several with `;` between them, in percent of the plate, painted in this order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image

from alprdraw import glyphs
from alprdraw.layouts import BLACK, BLUE, CREAM, GOLD, GRAY, GREEN, MAROON, NAVY, RED, SKY, WHITE, YELLOW, Color
from alprdraw.sheet import Sheet, blank, pick, vary

COLORS: Final[dict[str, Color]] = {
    "W": WHITE, "K": BLACK, "N": NAVY, "B": BLUE, "R": RED, "G": GREEN, "Y": YELLOW, "C": CREAM, "S": SKY, "O": GOLD,
    "M": MAROON, "A": GRAY, "p": (208, 226, 242), "t": (60, 180, 205), "o": (228, 110, 45), "u": (110, 60, 130),
    "g": (198, 224, 196), "k": (240, 205, 195), "b": (125, 85, 55), "d": (45, 70, 150), "y": (248, 236, 150),
    "e": (110, 165, 110), "v": (205, 190, 222), "s": (110, 165, 215), "m": (150, 150, 160),
}  # fmt: skip
COUNTIES: Final = (
    "ADAMS", "ALLEN", "ANOKA", "BENTON", "BIBB", "BOONE", "BUTLER", "CASS", "CHEROKEE", "CLARK", "CLAY", "CLINTON", "COBB",
    "COLUMBIA", "DADE", "DALLAS", "DAVIDSON", "DAVIS", "DUVAL", "FAYETTE", "FRANKLIN", "FULTON", "GRANT", "GREENE", "HAMILTON",
    "HARDIN", "HARRIS", "HENRY", "HINDS", "JACKSON", "JEFFERSON", "JOHNSON", "JONES", "KNOX", "LAKE", "LEE", "LINCOLN", "LINN",
    "LOGAN", "MADISON", "MARION", "MARSHALL", "MERCER", "MONROE", "MORGAN", "ORANGE", "PERRY", "PIKE", "POLK", "PULASKI",
    "RANDOLPH", "RANKIN", "SCOTT", "SHELBY", "STORY", "SUMNER", "TAYLOR", "UNION", "WARREN", "WASHINGTON", "WAYNE", "YORK",
)  # fmt: skip

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Word:
    """Lettering: its choices, where its middle stands and how large it is, in shares of the plate."""

    texts: tuple[str, ...]
    y: float
    size: float
    color: str
    kind: str
    x: float
    most: float


@dataclass(frozen=True, slots=True)
class Design:
    """One issue of one state."""

    ground: str
    ink: str
    words: tuple[Word, ...]
    art: tuple[tuple[str, str, Box], ...]
    patterns: tuple[str, ...]
    room: Box  # where the number stands


def design(
    ground: str,
    ink: str,
    words: str,
    art: str = "",
    patterns: str = "",
    room: tuple[int, int, int, int] = (3, 27, 97, 80),
) -> Design:
    """Read a design from its short form."""
    lettering = []
    for part in filter(None, words.split("|")):
        text, y, size, color, kind, *rest = part.split(";")
        x, most = (float(v) / 100 for v in (*rest, *("50", "62")[len(rest) :]))
        lettering.append(Word(tuple(text.split("/")), float(y) / 100, float(size) / 100, color, kind, x, most))
    shapes = []
    for part in filter(None, (p.strip() for p in art.split(";"))):
        shape, color, *box = part.split()
        x0, y0, x1, y1 = (float(v) / 100 for v in box)
        shapes.append((shape, color, (x0, y0, x1, y1)))
    x0, y0, x1, y1 = (v / 100 for v in room)
    return Design(
        ground, ink, tuple(lettering), tuple(shapes), tuple(filter(None, patterns.split("|"))), (x0, y0, x1, y1)
    )


def lay(rng: np.random.Generator, plan: Design, width: int, high: int) -> Sheet:
    """Paint everything of a design but the number: its colors, its pictures, its words, each a little off."""
    sheet = blank(rng, width, high, COLORS[plan.ground[0]], COLORS[plan.ink])
    sheet.picture.paste(vary(rng, COLORS[plan.ground[0]], 7), (0, 0, width, high))
    if len(plan.ground) > 1:
        stops = np.array([vary(rng, COLORS[c], 9) for c in plan.ground], np.float32)
        at = np.linspace(0, len(stops) - 1, high, dtype=np.float32)
        column = np.stack([np.interp(at, np.arange(len(stops)), stops[:, i]) for i in range(3)], axis=1)
        sheet.picture.paste(Image.fromarray(np.broadcast_to(column[:, None, :], (high, width, 3)).astype(np.uint8)))
    for shape, color, box in plan.art:
        if rng.random() < 0.95:
            dx, dy = rng.normal(0, 0.008, 2)
            x0, y0, x1, y1 = box
            _paint(sheet, shape, color, ((x0 + dx) * width, (y0 + dy) * high, (x1 + dx) * width, (y1 + dy) * high))
    grow = rng.uniform(0.88, 1.1)
    for word in plan.words:
        if rng.random() < 0.96:
            _letter(sheet, word, grow)
    return sheet


def _letter(sheet: Sheet, word: Word, grow: float) -> None:
    rng, (w, h) = sheet.rng, sheet.picture.size
    text = pick(rng, word.texts).replace("{county}", pick(rng, COUNTIES))
    size = max(5, round(word.size * h * grow * rng.uniform(0.94, 1.06)))
    alternatives = glyphs.type_faces(word.kind)
    face = alternatives[0] if rng.random() < 0.6 else pick(rng, alternatives)
    font = glyphs.type_font(face, size)
    width = font.getlength(text)
    if width > word.most * w:
        font = glyphs.type_font(face, max(5, int(size * word.most * w / width)))
    x, y = (word.x + rng.normal(0, 0.008)) * w, (word.y + rng.normal(0, 0.008)) * h
    sheet.pen.text((x, y), text, fill=vary(rng, COLORS[word.color], 14), font=font, anchor="mm")


@lru_cache(maxsize=256)
def _outline(seed: int, points: int) -> tuple[tuple[float, float], ...]:
    """A ragged ring around the middle of a unit square, always the same for one seed: a map, a beast, a bird."""
    rng = np.random.default_rng(seed)
    turn = np.sort(rng.uniform(0, 2 * np.pi, points))
    far = rng.uniform(0.55, 1.0, points) * 0.5
    return tuple((0.5 + float(f * np.cos(t)), 0.5 + float(f * np.sin(t))) for f, t in zip(far, turn, strict=True))


def _paint(sheet: Sheet, shape: str, color: str, box: Box) -> None:
    rng, pen = sheet.rng, sheet.pen
    x0, y0, x1, y1 = box
    w, h = max(x1 - x0, 1.0), max(y1 - y0, 1.0)
    fills = [vary(rng, COLORS[c], 14) for c in color]
    fill = fills[0]
    match shape:
        case "rect":
            pen.rectangle((x0, y0, x0 + w, y0 + h), fill=fill)
        case "oval":
            pen.ellipse((x0, y0, x0 + w, y0 + h), fill=fill)
        case "ring":
            pen.ellipse((x0, y0, x0 + w, y0 + h), outline=fill, width=2)
        case "box":
            pen.rounded_rectangle((x0, y0, x0 + w, y0 + h), radius=4, outline=fill, width=2)
        case "bands":  # stripes one under the other
            for i, one in enumerate(fills):
                pen.rectangle((x0, y0 + h * i / len(fills), x0 + w, y0 + h * (i + 1) / len(fills)), fill=one)
        case "ridge" | "hills":  # a skyline; the same one for a design, like the plate's own
            seed, n = round(x0 * 7 + w) % 97 + len(color), 12 if shape == "ridge" else 40
            shapes = np.random.default_rng(seed)
            if shape == "ridge":
                tops = shapes.uniform(0, 1, n)
            else:
                at = np.linspace(0, 2 * np.pi, n)
                tops = 0.5 + 0.3 * np.sin(at * shapes.uniform(0.7, 2) + seed) + 0.2 * np.sin(at * 3 + seed)
            line = [(x0 + w * i / (n - 1), y0 + h * 0.6 * float(t)) for i, t in enumerate(tops)]
            pen.polygon([*line, (x0 + w, y0 + h), (x0, y0 + h)], fill=fill)
        case "blot":  # a map, an animal, a flower: ragged, inner part in the second color
            ring = _outline(round(w * 3 + h) % 89 + ord(color[0]), 11)
            pen.polygon([(x0 + px * w, y0 + py * h) for px, py in ring], fill=fill)
            if len(fills) > 1:
                pen.ellipse((x0 + 0.3 * w, y0 + 0.3 * h, x0 + 0.7 * w, y0 + 0.7 * h), fill=fills[1])
        case "tri":
            pen.polygon([(x0, y0 + h), (x0 + w / 2, y0), (x0 + w, y0 + h)], fill=fill)
        case "wedge":  # a triangle in the upper left corner of its box
            pen.polygon([(x0, y0), (x0 + w, y0), (x0, y0 + h)], fill=fill)
        case "tree":
            for i in range(3):
                half, top = w * (0.25 + 0.125 * i), y0 + h * 0.25 * i
                pen.polygon(
                    [(x0 + w / 2 - half, top + h * 0.4), (x0 + w / 2, top), (x0 + w / 2 + half, top + h * 0.4)],
                    fill=fill,
                )
            pen.rectangle((x0 + w * 0.45, y0 + h * 0.85, x0 + w * 0.55, y0 + h), fill=fill)
        case "star":
            turn = -np.pi / 2 + np.arange(10) * np.pi / 5
            far = np.where(np.arange(10) % 2 == 0, 0.5, 0.2)
            cx, cy = x0 + w / 2, y0 + h / 2
            points = [
                (cx + float(f * np.cos(t)) * w, cy + float(f * np.sin(t)) * h) for f, t in zip(far, turn, strict=True)
            ]
            pen.polygon(points, fill=fill)
        case "stars":
            for _ in range(18):
                x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
                pen.rectangle((x, y, x + 1.5, y + 1.5), fill=fill)
        case "sun":
            cx, cy = x0 + w / 2, y0 + h / 2
            for t in np.arange(16) * np.pi / 8:
                pen.line(
                    (cx, cy, cx + w * 0.5 * float(np.cos(t)), cy + h * 0.5 * float(np.sin(t))), fill=fills[-1], width=2
                )
            pen.ellipse((x0 + w * 0.27, y0 + h * 0.27, x1 - w * 0.27, y1 - h * 0.27), fill=fill)
        case "zia":  # a ring with rays in four groups
            pen.ellipse((x0 + w * 0.34, y0 + h * 0.34, x1 - w * 0.34, y1 - h * 0.34), outline=fill, width=3)
            for o in (-0.12, -0.04, 0.04, 0.12):
                pen.line((x0 + w * (0.5 + o), y0, x0 + w * (0.5 + o), y0 + h * 0.3), fill=fill, width=2)
                pen.line((x0 + w * (0.5 + o), y0 + h * 0.7, x0 + w * (0.5 + o), y1), fill=fill, width=2)
                pen.line((x0, y0 + h * (0.5 + o), x0 + w * 0.3, y0 + h * (0.5 + o)), fill=fill, width=2)
                pen.line((x0 + w * 0.7, y0 + h * (0.5 + o), x1, y0 + h * (0.5 + o)), fill=fill, width=2)
        case "bow":  # a rainbow: arcs under each other
            step = h * 0.06
            for i, one in enumerate(fills):
                pen.arc(
                    (x0 + i * step, y0 + i * step, x1 - i * step, y1 * 2 - y0 - i * step),
                    180,
                    360,
                    fill=one,
                    width=round(step + 1),
                )
        case "flag":
            for i in range(7):
                tone = fills[0] if i % 2 == 0 else WHITE
                pen.rectangle((x0, y0 + h * i / 7, x0 + w, y0 + h * (i + 1) / 7), fill=tone)
            pen.rectangle((x0, y0, x0 + w * 0.45, y0 + h * 0.55), fill=fills[-1])
        case "stem":  # ears of corn, grass, reed
            for i in range(7):
                x = x0 + w * i / 6
                pen.line(
                    (x, y1, x + rng.normal(0, 0.08) * w, y0 + rng.uniform(0, 0.3) * h),
                    fill=fills[i % len(fills)],
                    width=1,
                )
        case _:
            msg = f"no such shape: {shape}"
            raise ValueError(msg)
