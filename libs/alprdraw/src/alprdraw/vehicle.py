"""Draws a car seen square from the front or from behind, with its plate mounted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from alprdraw import glyphs

Color = tuple[int, int, int]

# Drawn this large and reduced into the frame: the plate is then about as wide as render_plate makes it.
PIXELS_PER_METER: Final = 560
PLATE_WIDTH: Final = 0.305  # meters: SAE J686 plates are 12 x 6 inches
LONG_PLATE_WIDTH: Final = 0.52  # meters: EU plates; Mercosul ones are 0.4
MOTORCYCLE_PLATE_WIDTH: Final = 0.2  # meters: 7 x 4 inches in most states, up to 0.2 elsewhere

_PAINTS: Final[tuple[Color, ...]] = (
    (226, 228, 230), (188, 192, 196), (122, 126, 130), (58, 60, 64), (24, 25, 28), (118, 20, 26), (28, 52, 104), (36, 70, 58),
    (150, 132, 104), (196, 88, 30), (70, 104, 140), (210, 200, 176),
)  # fmt: skip
_BADGES: Final = ("CORVANTE", "LUMEN", "HARRIER X", "VESTA", "T-LINE", "AWD", "ORION", "2.5 S", "HYBRID", "MERIDIAN")


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A drawn car: its picture with transparent surroundings, and where the plate sits in it, in meters.

    `left`, `top` are measured from the picture's top left corner; the tires touch the road at its lower edge.
    """

    picture: Image.Image  # RGBA, PIXELS_PER_METER pixels a meter
    plate: tuple[float, float, float, float]  # left, top, width, height

    @property
    def width(self) -> float:
        """Meters, mirrors within."""
        return self.picture.width / PIXELS_PER_METER

    @property
    def height(self) -> float:
        """Meters from the road to the roof."""
        return self.picture.height / PIXELS_PER_METER


def _shade(color: Color, by: float) -> Color:
    """Darken (below 1) or lighten (above 1) a paint."""
    red, green, blue = (min(255, max(0, round(c * by))) for c in color)
    return (red, green, blue)


def _px(*meters: float) -> list[float]:
    return [m * PIXELS_PER_METER for m in meters]


@dataclass(frozen=True, slots=True)
class _Body:
    """Measures of one car in meters from the top left of its picture."""

    width: float
    height: float
    belt: float  # where the windows end
    sill: float  # lower edge of the body
    roof: float  # half width of the roof
    paint: Color


def _glasshouse(pen: ImageDraw.ImageDraw, body: _Body, rng: np.random.Generator) -> None:
    middle, wide = body.width / 2, body.width / 2 - 0.1
    top = 0.04
    pen.polygon(
        _px(middle - body.roof, top, middle + body.roof, top, middle + wide, body.belt, middle - wide, body.belt),
        fill=_shade(body.paint, 0.92),
    )
    glass = (34, 40, 48) if rng.random() < 0.6 else (78, 92, 104)
    inset = 0.09
    corners = (
        *(middle - body.roof + inset, top + 0.07, middle + body.roof - inset, top + 0.07),
        *(middle + wide - inset - 0.04, body.belt - 0.03, middle - wide + inset + 0.04, body.belt - 0.03),
    )
    pen.polygon(_px(*corners), fill=glass)
    shine = middle + float(rng.uniform(-0.3, 0.2))
    pen.polygon(
        _px(
            shine, top + 0.09, shine + 0.16, top + 0.09, shine + 0.02, body.belt - 0.05, shine - 0.14, body.belt - 0.05
        ),
        fill=_shade(glass, 1.3),
    )
    for side in (-1, 1):  # mirrors
        edge = middle + side * (wide + 0.04)
        pen.ellipse(_px(edge - 0.1, body.belt - 0.12, edge + 0.1, body.belt + 0.03), fill=_shade(body.paint, 0.7))


def _shell(pen: ImageDraw.ImageDraw, body: _Body) -> None:
    """Tires, body side to side, and the bands of light that fall on sheet metal."""
    for left in (0.1, body.width - 0.34):
        pen.rounded_rectangle(_px(left, body.sill - 0.3, left + 0.24, body.height - 0.01), 30, fill=(18, 18, 19))
    pen.rounded_rectangle(_px(0.04, body.belt - 0.02, body.width - 0.04, body.sill), 70, fill=body.paint)
    pen.rectangle(_px(0.1, body.belt + 0.02, body.width - 0.1, body.belt + 0.08), fill=_shade(body.paint, 1.15))
    pen.rectangle(_px(0.06, body.sill - 0.12, body.width - 0.06, body.sill - 0.06), fill=_shade(body.paint, 0.55))


def _front(pen: ImageDraw.ImageDraw, body: _Body, rng: np.random.Generator) -> float:
    """Hood edge, lamps and grille; returns how high the plate's middle sits above the sill, meters."""
    middle, top = body.width / 2, body.belt + 0.12
    lamp_wide, lamp_high = float(rng.uniform(0.26, 0.38)), float(rng.uniform(0.11, 0.17))
    for side in (-1, 1):
        inner = middle + side * (body.width / 2 - 0.1 - lamp_wide)
        outer = middle + side * (body.width / 2 - 0.1)
        box = _px(min(inner, outer), top, max(inner, outer), top + lamp_high)
        pen.rounded_rectangle(box, 22, fill=(206, 212, 216), outline=(70, 74, 78), width=6)
        center = (inner + outer) / 2
        pen.ellipse(_px(center - 0.06, top + 0.01, center + 0.06, top + lamp_high - 0.01), fill=(250, 250, 240))
    half = body.width / 2 - 0.16 - lamp_wide
    low = top + float(rng.uniform(0.12, 0.2))
    pen.rounded_rectangle(_px(middle - half, top + 0.01, middle + half, low), 26, fill=(28, 29, 31))
    for y in np.arange(top + 0.03, low - 0.01, float(rng.uniform(0.025, 0.05))):
        pen.line(_px(middle - half + 0.03, float(y), middle + half - 0.03, float(y)), fill=(104, 107, 110), width=5)
    pen.ellipse(
        _px(middle - 0.06, top + 0.01, middle + 0.06, top + 0.1), fill=(176, 180, 184), outline=(60, 62, 66), width=5
    )
    pen.rounded_rectangle(_px(0.24, body.sill - 0.2, body.width - 0.24, body.sill - 0.07), 24, fill=(26, 27, 29))
    return 0.27


def _rear(pen: ImageDraw.ImageDraw, body: _Body, rng: np.random.Generator) -> float:
    """Tail lamps, trunk edge, badges and bumper; returns how high the plate's middle sits above the sill, meters."""
    middle, top = body.width / 2, body.belt + 0.12
    tall = rng.random() < 0.5
    lamp_wide, lamp_high = (0.17, 0.3) if tall else (0.36, 0.14)
    lit = rng.random() < 0.4
    for side in (-1, 1):
        outer = middle + side * (body.width / 2 - 0.07)
        inner = outer - side * lamp_wide
        box = _px(min(inner, outer), top, max(inner, outer), top + lamp_high)
        pen.rounded_rectangle(box, 20, fill=(232, 36, 30) if lit else (138, 14, 18), outline=(60, 8, 10), width=5)
        white = _px(min(inner, outer) + 0.02, top + lamp_high * 0.6, max(inner, outer) - 0.02, top + lamp_high * 0.85)
        pen.rectangle(white, fill=(208, 190, 190))
    pen.rectangle(_px(0.26, top - 0.03, body.width - 0.26, top - 0.015), fill=_shade(body.paint, 0.5))
    pen.ellipse(
        _px(middle - 0.055, top, middle + 0.055, top + 0.085), fill=(186, 190, 194), outline=(70, 72, 76), width=5
    )
    font = glyphs.label_font(int(rng.integers(0, glyphs.LABEL_FACES)), 40)
    for left in (0.52, body.width - 0.72):
        name = _BADGES[int(rng.integers(0, len(_BADGES)))]
        pen.text(
            (left * PIXELS_PER_METER, (top + 0.01) * PIXELS_PER_METER),
            name,
            font=font,
            fill=(196, 199, 202),
            anchor="mt",
        )
    bumper = _px(0.05, body.sill - 0.2, body.width - 0.05, body.sill - 0.04)
    pen.rounded_rectangle(bumper, 30, fill=(40, 41, 43) if rng.random() < 0.5 else _shade(body.paint, 0.8))
    return 0.37


def _weather(picture: Image.Image) -> Image.Image:
    """Light falls from above: the body darkens toward the road."""
    fall = np.linspace(255, 150, picture.height).astype(np.uint8)
    ramp = Image.fromarray(np.repeat(fall[:, None], picture.width, 1))
    red, green, blue, cover = picture.split()
    bands = [ImageChops.multiply(band, ramp) for band in (red, green, blue)]
    return Image.merge("RGBA", (*bands, cover))


def plate_width(plate: Image.Image) -> float:
    """Width of a plate in meters, told by its shape: 12 x 6 inches, or 520 x 110 mm where it is long."""
    return LONG_PLATE_WIDTH if plate.width > 3 * plate.height else PLATE_WIDTH


def draw_vehicle(rng: np.random.Generator, plate: Image.Image) -> Vehicle:
    """Draw a car of random make-up with `plate` (RGB, seen from the front) on its front bumper or its trunk lid."""
    van = rng.random() < 0.35
    width = float(rng.uniform(1.72, 1.9)) + 0.06 * van
    height = float(rng.uniform(1.66, 1.82)) if van else float(rng.uniform(1.36, 1.5))
    belt = height * float(rng.uniform(0.4, 0.45))
    paint = _PAINTS[int(rng.integers(0, len(_PAINTS)))]
    body = _Body(width, height, belt, height - 0.2, width * (0.37 if van else 0.32), paint)
    size = (round(width * PIXELS_PER_METER), round(height * PIXELS_PER_METER))
    picture = Image.new("RGBA", size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    shadow = Image.new("L", size, 0)
    ImageDraw.Draw(shadow).ellipse(_px(0.02, height - 0.16, width - 0.02, height + 0.04), fill=200)
    picture.putalpha(shadow.resize((size[0] // 8, size[1] // 8)).filter(ImageFilter.GaussianBlur(3)).resize(size))
    _shell(pen, body)
    _glasshouse(pen, body, rng)
    raised = (_rear if rng.random() < 0.5 else _front)(pen, body, rng)
    wide = plate_width(plate) * float(rng.uniform(0.97, 1.03))
    high = wide * plate.height / plate.width
    left, top = (width - wide) / 2, body.sill - raised - high / 2
    rim = float(rng.choice([0.0, 0.0, 0.012, 0.02]))
    well = _px(left - 0.05, top - 0.035, left + wide + 0.05, top + high + 0.03)
    pen.rounded_rectangle(well, 18, fill=_shade(paint, 0.45))
    if rim:
        frame = _px(left - rim, top - rim, left + wide + rim, top + high + rim)
        pen.rounded_rectangle(frame, 10, fill=(30, 30, 32) if rng.random() < 0.6 else (190, 192, 194))
    picture = _weather(picture)
    # Mounted after the light has fallen on the body: sheeting throws light back and stays the brightest thing there.
    mounted = plate.convert("RGB").resize(
        (round(wide * PIXELS_PER_METER), round(high * PIXELS_PER_METER)), Image.Resampling.LANCZOS
    )
    picture.paste(mounted, (round(left * PIXELS_PER_METER), round(top * PIXELS_PER_METER)))
    return Vehicle(picture, (left, top, wide, high))


def draw_truck(rng: np.random.Generator, plate: Image.Image, lettering: Image.Image | None) -> Vehicle:
    """Draw a box truck from behind: doors, lamps, a bumper with the plate, and `lettering` (RGB) that is no plate."""
    width, height = float(rng.uniform(2.2, 2.5)), float(rng.uniform(2.7, 3.2))
    paint = _PAINTS[int(rng.integers(0, 3))] if rng.random() < 0.7 else _PAINTS[int(rng.integers(0, len(_PAINTS)))]
    size = (round(width * PIXELS_PER_METER), round(height * PIXELS_PER_METER))
    picture = Image.new("RGBA", size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    for left in (0.12, width - 0.5):
        pen.rounded_rectangle(_px(left, height - 0.75, left + 0.38, height - 0.01), 30, fill=(18, 18, 19))
    pen.rectangle(_px(0.02, 0.02, width - 0.02, height - 0.62), fill=paint)
    pen.line(_px(width / 2, 0.05, width / 2, height - 0.65), fill=_shade(paint, 0.5), width=8)
    pen.rectangle(_px(0.04, height - 0.62, width - 0.04, height - 0.34), fill=(44, 45, 47))
    for left in (0.1, width - 0.32):
        pen.rectangle(_px(left, height - 0.56, left + 0.22, height - 0.42), fill=(148, 16, 20))
    picture = _weather(picture)
    if lettering is not None:
        across = round(float(rng.uniform(0.5, 0.9)) * PIXELS_PER_METER)
        word = lettering.convert("RGB").resize((across, round(across * lettering.height / lettering.width)))
        picture.paste(word, (round(width * PIXELS_PER_METER * 0.08), round(height * PIXELS_PER_METER * 0.3)))
    wide = plate_width(plate)
    box = (width * float(rng.uniform(0.3, 0.6)), height - 0.6, wide, wide * plate.height / plate.width)
    return _mounted(picture, plate, box)


def draw_motorcycle(rng: np.random.Generator, plate: Image.Image) -> Vehicle:
    """Draw a motorcycle from behind: tire, fender, lamp, rider's back, and its small plate."""
    width, height = 0.8, 1.6
    paint = _PAINTS[int(rng.integers(0, len(_PAINTS)))]
    picture = Image.new("RGBA", (round(width * PIXELS_PER_METER), round(height * PIXELS_PER_METER)), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    middle = width / 2
    pen.rounded_rectangle(_px(middle - 0.08, 0.95, middle + 0.08, height - 0.01), 40, fill=(20, 20, 21))
    pen.rounded_rectangle(_px(middle - 0.26, 0.28, middle + 0.26, 0.9), 90, fill=_shade(paint, 0.5))
    pen.ellipse(_px(middle - 0.13, 0.01, middle + 0.13, 0.3), fill=paint)
    pen.rounded_rectangle(_px(middle - 0.15, 0.8, middle + 0.15, 1.0), 30, fill=paint)
    pen.rounded_rectangle(_px(middle - 0.09, 0.9, middle + 0.09, 0.98), 16, fill=(180, 20, 22))
    picture = _weather(picture)
    wide = MOTORCYCLE_PLATE_WIDTH
    return _mounted(picture, plate, (middle - wide / 2, 1.02, wide, wide * plate.height / plate.width))


def _mounted(picture: Image.Image, plate: Image.Image, box: tuple[float, float, float, float]) -> Vehicle:
    left, top, wide, high = (round(meters * PIXELS_PER_METER) for meters in box)
    picture.paste(plate.convert("RGB").resize((wide, high), Image.Resampling.LANCZOS), (left, top))
    return Vehicle(picture, box)
