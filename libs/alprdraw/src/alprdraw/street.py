"""Draws an empty street as a camera in a car sees it: sky, houses, trees, signs, sidewalks and the road."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from alprdraw import glyphs

Color = tuple[int, int, int]

HORIZON: Final = 0.4  # of the frame's height

_WALLS: Final[tuple[Color, ...]] = (
    (176, 150, 124), (150, 84, 66), (198, 190, 176), (122, 118, 112), (206, 178, 132), (142, 152, 160), (224, 218, 206),
)  # fmt: skip
_SHOPS: Final = (
    "CAFE",
    "MARKET",
    "BOOKS",
    "LAUNDRY",
    "HARDWARE",
    "BAKERY",
    "DINER",
    "FLOWERS",
    "SHOE REPAIR",
    "BARBER",
)
_ROADSIDE: Final = (("SPEED", "LIMIT", "35"), ("NO", "PARKING"), ("ONE", "WAY"), ("SCHOOL", "25"), ("BUS", "STOP"))


def _tint(color: Color, rng: np.random.Generator, spread: float = 12) -> Color:
    """Vary a color: mostly how bright it is, a little its hue."""
    common = rng.normal(0, spread)
    red, green, blue = (int(np.clip(c + common + rng.normal(0, spread / 4), 0, 255)) for c in color)
    return (red, green, blue)


def _ground(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Sky above, pavement below, both shaded along the picture's height, with the grain of asphalt."""
    width, height = size
    horizon = round(height * HORIZON)
    high, low = np.array([118, 158, 208.0]), np.array([212, 222, 230.0])
    if rng.random() < 0.4:
        high, low = np.array([176, 182, 190.0]), np.array([206, 208, 210.0])
    sky = np.linspace(0, 1, horizon)[:, None]
    far, near = float(rng.uniform(104, 136)), float(rng.uniform(76, 104))
    road = np.linspace(far, near, height - horizon)[:, None] * np.array([[1.0, 1.0, 1.02]])
    rows = np.concatenate([high * (1 - sky) + low * sky, road]).astype(np.uint8)
    picture = Image.fromarray(rows[:, None]).resize(size, Image.Resampling.NEAREST)
    grain = 128 + 5 * rng.standard_normal(((height - horizon) // 2, width // 2), np.float32)
    asphalt = Image.fromarray(grain.astype(np.uint8)).resize((width, height - horizon), Image.Resampling.NEAREST)
    below = (0, horizon, width, height)
    picture.paste(ImageChops.add(picture.crop(below), Image.merge("RGB", (asphalt,) * 3), 1.0, -128), below)
    return picture


def _house(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], rng: np.random.Generator) -> None:
    """One facade with rows of windows, sometimes a shop with its name above the door."""
    left, top, right, bottom = box
    wall = _tint(_WALLS[int(rng.integers(0, len(_WALLS)))], rng)
    pen.rectangle(box, fill=wall)
    pen.rectangle((left, top, right, top + 4), fill=_tint((90, 84, 80), rng))
    step_x, step_y = float(rng.uniform(26, 44)), float(rng.uniform(34, 52))
    pane = _tint((70, 84, 98), rng, 18)
    for y in np.arange(top + 14, bottom - step_y, step_y):
        for x in np.arange(left + 10, right - step_x * 0.6, step_x):
            pen.rectangle((float(x), float(y), float(x) + step_x * 0.5, float(y) + step_y * 0.55), fill=pane)
    if right - left > 90 and rng.random() < 0.6:
        board = _tint((60, 70, 90), rng, 40)
        pen.rectangle((left + 6, bottom - 46, right - 6, bottom - 26), fill=board)
        font = glyphs.label_font(int(rng.integers(0, glyphs.LABEL_FACES)), 15)
        name = _SHOPS[int(rng.integers(0, len(_SHOPS)))]
        pen.text(((left + right) / 2, bottom - 36), name, font=font, fill=(236, 232, 220), anchor="mm")


def _tree(pen: ImageDraw.ImageDraw, foot: tuple[float, float], tall: float, rng: np.random.Generator) -> None:
    x, y = foot
    pen.rectangle((x - tall * 0.03, y - tall * 0.5, x + tall * 0.03, y), fill=(74, 58, 44))
    for _ in range(26):
        dx, dy = rng.normal(0, tall * 0.14, 2)
        r = tall * float(rng.uniform(0.07, 0.14))
        leaf = _tint((58, 92, 46), rng, 14)
        pen.ellipse((x + dx - r, y - tall * 0.7 + dy - r, x + dx + r, y - tall * 0.7 + dy + r), fill=leaf)


def _sign(pen: ImageDraw.ImageDraw, foot: tuple[float, float], tall: float, rng: np.random.Generator) -> None:
    """A post with a tall board: lettering that is no plate."""
    x, y = foot
    pen.rectangle((x - 2, y - tall, x + 2, y), fill=(128, 130, 132))
    lines = _ROADSIDE[int(rng.integers(0, len(_ROADSIDE)))]
    half, high = tall * 0.14, tall * 0.36
    pen.rounded_rectangle(
        (x - half, y - tall, x + half, y - tall + high), 3, fill=(236, 236, 232), outline=(20, 20, 20)
    )
    each = high / (len(lines) + 0.4)
    for number, line in enumerate(lines):
        font = glyphs.label_font(0, max(6, round(min(each * 0.8, half * 3.2 / len(line)))))
        pen.text((x, y - tall + each * (number + 0.7)), line, font=font, fill=(20, 20, 20), anchor="mm")


def _row(pen: ImageDraw.ImageDraw, size: tuple[int, int], side: int, rng: np.random.Generator) -> None:
    """The houses along one side, the far ones smaller, up to the vanishing point."""
    width, height = size
    horizon = height * HORIZON
    reach = 0.06 * width
    while reach < 0.56 * width:
        wide = float(rng.uniform(0.12, 0.22)) * width * (0.35 + reach / width)
        tall = horizon * float(rng.uniform(0.45, 0.85)) * (0.35 + 1.1 * reach / width)
        foot = horizon + 0.09 * (reach + wide / 2) * height / width
        near, far = width / 2 + side * reach, width / 2 + side * (reach + wide)
        _house(pen, (min(near, far), horizon - tall, max(near, far), foot), rng)
        reach += wide


def draw_street(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Draw one stretch of street, RGB, with nobody on it; the vanishing point is at half width and HORIZON."""
    width, height = size
    horizon, middle = height * HORIZON, width / 2
    picture = _ground(size, rng)
    pen = ImageDraw.Draw(picture)
    for side in (-1, 1):
        _row(pen, size, side, rng)
        walk = _tint((150, 148, 142), rng, 6)
        curb, wall = middle + side * 0.78 * width, middle + side * 1.9 * width
        near = [(middle + side * 6, horizon + 2), (curb, height), (wall, height), (middle + side * 14, horizon + 2)]
        pen.polygon(near, fill=walk)
        stone = [(middle + side * 6, horizon + 2), (curb, height), (curb - side * 26, height)]
        pen.polygon(stone, fill=_tint((184, 182, 176), rng, 5))
    for left, right, paint in ((-0.012, 0.0, (206, 172, 60)), (0.008, 0.02, (206, 172, 60))):
        pen.polygon(
            [(middle, horizon + 4), (middle + right * width, height), (middle + left * width, height)], fill=paint
        )
    for side in (-1, 1):
        for reach in (0.16, 0.28, 0.42):
            foot = (middle + side * reach * width * float(rng.uniform(0.95, 1.1)), horizon + reach * 0.5 * height * 0.7)
            tall = reach * height * float(rng.uniform(0.9, 1.3))
            (_tree if rng.random() < 0.6 else _sign)(pen, foot, tall, rng)
    return picture.filter(ImageFilter.BoxBlur(0.7))
