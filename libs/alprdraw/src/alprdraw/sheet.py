"""The sheet of metal a plate is made of: painting, lettering, pressing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from alprdraw import glyphs
from alprdraw.layouts import BLACK, BLUE, DEALERS, GOLD, GRAY, GREEN, NAVY, RED, SKY, WHITE, YELLOW, Color

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the number and where it stands: left, top, right, bottom in pixels of the plate's picture."""

    text: str
    box: tuple[float, float, float, float]


@dataclass(slots=True)
class Sheet:
    """The plate while it is drawn: the painted picture and, apart from it, what is pressed and inked."""

    rng: np.random.Generator
    picture: Image.Image
    ink: Color
    relief: Image.Image
    lines: list[Line] = field(default_factory=list)
    country: str | None = None

    @property
    def pen(self) -> ImageDraw.ImageDraw:
        """The brush for whatever lies flat on the metal."""
        return ImageDraw.Draw(self.picture)


def pick(rng: np.random.Generator, things: Sequence[T]) -> T:
    """Draw one of several by lot; numpy's own choice would turn colors into arrays."""
    return things[int(rng.integers(len(things)))]


def vary(rng: np.random.Generator, color: Color, by: float = 14) -> Color:
    """Shift a color as paint, age and light do; `by` is the deviation of each channel in steps of 256."""
    r, g, b = (int(np.clip(c + rng.normal(0, by), 0, 255)) for c in color)
    return r, g, b


def blob(sheet: Sheet, x0: float, y0: float, x1: float, y1: float) -> None:
    """A small picture between or beside the characters: a map, a fruit, a seal, a star."""
    rng, pen = sheet.rng, sheet.pen
    box = (x0, y0, max(x1, x0 + 2), max(y1, y0 + 2))
    color = vary(rng, pick(rng, [RED, BLUE, GREEN, GOLD, GRAY, SKY, sheet.ink]), 25)
    kind = rng.random()
    if kind < 0.35:
        pen.ellipse(box, fill=color)
        if rng.random() < 0.5:
            cx, cy, r = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, (box[2] - box[0]) * 0.28
            pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=vary(rng, pick(rng, [WHITE, YELLOW, RED]), 20))
    elif kind < 0.5:
        pen.rectangle(box, fill=None if rng.random() < 0.5 else color, outline=vary(rng, sheet.ink, 20))
    else:
        n = int(rng.integers(5, 10))
        turn = np.sort(rng.uniform(0, 2 * np.pi, n))
        far = rng.uniform(0.4, 1.0, n)
        cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        xs = cx + far * np.cos(turn) * (box[2] - box[0]) / 2
        ys = cy + far * np.sin(turn) * (box[3] - box[1]) / 2
        pen.polygon([(float(x), float(y)) for x, y in zip(xs, ys, strict=True)], fill=color)
        if rng.random() < 0.4:
            pen.line([(x0, y0), (x1, y1)], fill=vary(rng, WHITE, 20), width=2)


def _press(sheet: Sheet, mask: Image.Image, x: float, y: float) -> None:
    at = (round(x), round(y))
    sheet.picture.paste(sheet.ink, at, mask)
    sheet.relief.paste(255, at, mask)


def write(
    sheet: Sheet, number: str, box: tuple[float, float, float, float], face: int, gap: float, wide: float
) -> None:
    """Set the number into a box: `gap` between letters and `wide` as shares of the letter's height and width."""
    x0, y0, x1, y1 = box
    high = y1 - y0
    rng = sheet.rng
    space = {" ": rng.uniform(0.2, 0.5), "-": rng.uniform(0.25, 0.4), ".": rng.uniform(0.15, 0.3)}
    space |= {"#": rng.uniform(0.35, 0.7), "=": rng.uniform(0.3, 0.45), "!": rng.uniform(0.4, 0.6)}
    masks = {c: glyphs.glyph(face, c) for c in number if c.isalnum()}
    sizes = [masks[c].width / masks[c].height * wide if c.isalnum() else space.get(c, 0.3) for c in number]
    total = high * (sum(sizes) + gap * (len(number) - 1))
    squeeze = min(1.0, (x1 - x0) / total)
    x = x0 + ((x1 - x0) - total * squeeze) * rng.uniform(0.3, 0.7)
    sheet.lines.append(Line("".join(c for c in number if c.isalnum()), (x, y0, x + total * squeeze, y1)))
    for c, size in zip(number, sizes, strict=True):
        w = size * high * squeeze
        middle = x + w / 2
        if c.isalnum():
            mask = masks[c].resize((max(3, round(w)), round(high)), Image.Resampling.BOX, reducing_gap=2.0)
            _press(sheet, mask, x, y0)
        elif c == "-":
            _press(
                sheet,
                Image.new("L", (max(2, round(w * 0.6)), max(2, round(high * 0.11))), 255),
                x + w * 0.2,
                y0 + high * 0.44,
            )
        elif c == ".":
            side = 2 * max(1, round(high * 0.08))
            dot = Image.new("L", (side, side), 255)
            _press(sheet, dot, middle - side / 2, y0 + high * rng.uniform(0.4, 0.6) - side / 2)
        elif c == "#":
            blob(sheet, x + w * 0.1, y0 + high * rng.uniform(0, 0.3), x + w * 0.9, y0 + high * rng.uniform(0.7, 1))
        elif c == "=":
            r = w * 0.4
            if rng.random() < 0.6:
                blob(sheet, middle - r, y0 + high * 0.05, middle + r, y0 + high * 0.05 + 2 * r)
            blob(sheet, middle - r, y0 + high * 0.5, middle + r, y0 + high * 0.5 + 2 * r)
        elif c == "!":
            small = vary(rng, sheet.ink, 20)
            font = glyphs.label_font(0, max(6, round(high * 0.42)))
            for row in range(2):
                letter = pick(rng, list(LETTERS + "0123456789"))
                sheet.pen.text((middle, y0 + high * (0.27 + 0.5 * row)), letter, fill=small, font=font, anchor="mm")
        x += w + gap * high * squeeze


def label(sheet: Sheet, text: str, x: float, y: float, high: float, color: Color, face: int, most: float) -> None:
    """Letter a word or slogan centered on a point, no wider than `most` pixels."""
    size = max(5, round(high))
    font = glyphs.label_font(face, size)
    width = font.getlength(text) if text else 0
    if width > most:
        font = glyphs.label_font(face, max(5, int(size * most / width)))
    sheet.pen.text((x, y), text, fill=color, font=font, anchor="mm")


def blank(rng: np.random.Generator, width: int, height: int, ground: Color, ink: Color) -> Sheet:
    """Cut an empty plate of width x height pixels in one color."""
    return Sheet(
        rng, Image.new("RGB", (width, height), vary(rng, ground)), vary(rng, ink, 10), Image.new("L", (width, height))
    )


def scenery(sheet: Sheet, ground: Color) -> None:
    """Paint what many US plates have behind the number: fading colors, hills, a sun, a silhouette."""
    rng, (w, h) = sheet.rng, sheet.picture.size
    kind = rng.random()
    if kind < 0.3:
        return
    dark_ink = sum(sheet.ink) < 380
    pale = [(215, 230, 245), (250, 235, 200), (245, 215, 205), (215, 240, 215), (250, 240, 150), WHITE, (150, 190, 225)]
    deep = [(40, 50, 110), (20, 80, 60), (120, 30, 40), (30, 30, 35), (60, 100, 160)]
    shades = pale if dark_ink else deep
    if kind < 0.75:
        stops = np.array([pick(rng, shades) if rng.random() < 0.7 else ground for _ in range(3)], dtype=np.float32)
        at = np.linspace(0, 2, h, dtype=np.float32)
        column = np.stack([np.interp(at, [0, 1, 2], stops[:, i]) for i in range(3)], axis=1)
        sheet.picture.paste(Image.fromarray(np.broadcast_to(column[:, None, :], (h, w, 3)).astype(np.uint8)))
    pen = sheet.pen
    if rng.random() < 0.4:
        n = int(rng.integers(4, 9))
        top = h * rng.uniform(0.4, 0.85)
        ridge = [(w * i / (n - 1), top + float(rng.normal(0, h * 0.08))) for i in range(n)]
        pen.polygon([*ridge, (w, h), (0, h)], fill=vary(rng, pick(rng, shades), 15))
    if rng.random() < 0.3:
        r, cx, cy = h * rng.uniform(0.1, 0.4), w * rng.uniform(0.1, 0.9), h * rng.uniform(0.2, 0.8)
        pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=vary(rng, pick(rng, shades), 15))
    for edge in (0, 1):
        if rng.random() < 0.22:
            deepness = rng.uniform(0.12, 0.27) * h
            y = (0, deepness) if edge == 0 else (h - deepness, h)
            pen.rectangle((0, y[0], w, y[1]), fill=vary(rng, pick(rng, [NAVY, BLUE, RED, YELLOW, GREEN, GOLD]), 20))


def hardware(sheet: Sheet) -> None:
    """Add stickers in the corners, bolts, the pressed rim."""
    rng, pen, (w, h) = sheet.rng, sheet.pen, sheet.picture.size
    for right in (False, True):
        for low in (False, True):
            if rng.random() < (0.25 if low else 0.4):
                sw, sh = w * rng.uniform(0.07, 0.13), h * rng.uniform(0.09, 0.17)
                x = w - sw - w * rng.uniform(0.01, 0.07) if right else w * rng.uniform(0.01, 0.07)
                y = h - sh - h * rng.uniform(0.02, 0.06) if low else h * rng.uniform(0.02, 0.06)
                color = vary(rng, pick(rng, [WHITE, YELLOW, RED, BLUE, GREEN, GOLD, sheet.ink]), 20)
                pen.rectangle((x, y, x + sw, y + sh), fill=color)
                words = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
                word = pick(rng, words) if rng.random() < 0.5 else str(rng.integers(1, 26)).zfill(2)
                on = BLACK if sum(color) > 380 else WHITE
                label(sheet, word, x + sw / 2, y + sh / 2, sh * 0.8, on, 0, sw)
    bolt = vary(rng, pick(rng, [GRAY, BLACK, WHITE, (110, 100, 90)]), 20)
    places = [(fx, fy) for fy in (0.09, 0.91) for fx in (0.22, 0.78)]
    share, r = rng.random(), max(2, round(h * rng.uniform(0.02, 0.04)))
    for fx, fy in places:
        if rng.random() < share:
            pen.ellipse((w * fx - r * 1.3, h * fy - r, w * fx + r * 1.3, h * fy + r), fill=bolt)
    if rng.random() < 0.4:
        inset = int(rng.integers(1, 4))
        color = sheet.ink if rng.random() < 0.5 else vary(rng, GRAY, 20)
        pen.rounded_rectangle(
            (inset, inset, w - 1 - inset, h - 1 - inset), radius=7, outline=color, width=int(rng.integers(1, 3))
        )


def plain_hardware(sheet: Sheet) -> None:
    """Add the rim and the two bolts of plates outside North America."""
    rng, pen, (w, h) = sheet.rng, sheet.pen, sheet.picture.size
    if rng.random() < 0.5:
        pen.rounded_rectangle(
            (2, 2, w - 3, h - 3), radius=6, outline=vary(rng, sheet.ink, 25), width=int(rng.integers(1, 3))
        )
    for fx in (0.25, 0.75):
        if rng.random() < 0.5:
            y, r = h * pick(rng, [0.12, 0.9]), max(2, h * 0.035)
            pen.ellipse((w * fx - r, y - r, w * fx + r, y + r), fill=vary(rng, pick(rng, [GRAY, BLACK, RED]), 20))


def frame(sheet: Sheet) -> None:
    """Set the plate into a dark holder with a dealer's name under it."""
    rng, (w, h) = sheet.rng, sheet.picture.size
    foot = round(h * rng.uniform(0.1, 0.28))
    color = vary(rng, pick(rng, [BLACK, BLACK, GRAY, BLUE, RED]), 15)
    whole = Image.new("RGB", (w + 8, h + foot + 4), color)
    whole.paste(sheet.picture, (4, 4))
    relief = Image.new("L", whole.size)
    relief.paste(sheet.relief, (4, 4))
    sheet.picture, sheet.relief = whole, relief
    sheet.lines = [Line(a.text, (a.box[0] + 4, a.box[1] + 4, a.box[2] + 4, a.box[3] + 4)) for a in sheet.lines]
    on = WHITE if sum(color) < 380 else BLACK
    label(
        sheet,
        pick(rng, DEALERS),
        w * rng.uniform(0.3, 0.7),
        h + 3 + foot / 2,
        foot * 0.8,
        on,
        int(rng.integers(8)),
        w * 0.7,
    )


def finish(sheet: Sheet, depth: float) -> NDArray[np.uint8]:
    """Press the letters: light falls from one side, so one edge of each stroke shines and the other is dark."""
    if depth <= 0:
        return np.asarray(sheet.picture, dtype=np.uint8).copy()
    soft = sheet.relief.filter(ImageFilter.BoxBlur(1))
    dx, dy = int(sheet.rng.integers(-1, 2)), 1 if sheet.rng.random() < 0.8 else -1
    slope = np.asarray(soft, dtype=np.int16) - np.asarray(ImageChops.offset(soft, dx, dy), dtype=np.int16)
    lit = np.asarray(sheet.picture, dtype=np.float32) + (slope * depth)[:, :, None]
    return np.clip(lit, 0, 255).astype(np.uint8)
