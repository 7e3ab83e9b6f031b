"""Draws a drive: what a camera in a patrol car sees while one vehicle after another comes near.

For demonstrations and tests, where no photograph of a real vehicle may be used. Nothing here is measured from the
world; the proportions (plate 12 inches, car 1.8 m, camera 1.4 m up) are those of a lane seen through a narrow lens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from alprdraw.plates import render_plate
from alprdraw.street import HORIZON, draw_street
from alprdraw.vehicle import Vehicle, draw_vehicle

STYLE: Final = "us-ca"

_LENS: Final = 1.5  # focal length over the frame's width
_CAMERA_HEIGHT: Final = 1.4  # meters above the road
_FAR: Final = 9.6  # meters: at 1280 px a plate is then 61 px wide
_NEAR: Final = 5.4  # meters: 108 px
_FRAME_STEP: Final = timedelta(milliseconds=200)
_VEHICLE_STEP: Final = timedelta(seconds=3)
_MARGIN: Final = 24  # pixels the street is larger on each side, so that the camera can sway


@dataclass(frozen=True, slots=True)
class SceneFrame:
    """One picture of a drive and what can be read in it."""

    image: NDArray[np.uint8]  # height x width x 3, RGB
    passage: int  # which vehicle, from 0
    plates: tuple[tuple[str, float, float, float, float], ...]  # text, left, top, width, height in pixels
    offset: timedelta  # since the drive began


@dataclass(frozen=True, slots=True)
class _Light:
    """What the hour does to a picture: gain for each color, and how strong the sensor's noise is."""

    gain: tuple[float, float, float]
    noise: float


def _light(rng: np.random.Generator) -> _Light:
    """Daylight, overcast or dusk; never so dark that a plate cannot be read."""
    level = float(rng.uniform(0.62, 1.12))
    warm = float(rng.normal(0, 0.04))
    dusk = rng.random() < 0.2
    gain = (level * (1 + warm), level, level * (1 - warm + 0.06 * dusk))
    return _Light(gain, float(rng.uniform(1.5, 4.0)) + 2.0 * dusk)


def _noise(rng: np.random.Generator, size: tuple[int, int], strength: float) -> Image.Image:
    """Sensor noise around mid-gray, larger than the frame so that every frame can take another part of it."""
    grain = 128 + strength * rng.standard_normal((size[1] + 128, size[0] + 128), np.float32)
    tile = Image.fromarray(grain.astype(np.uint8))
    return Image.merge("RGB", (tile, ImageChops.offset(tile, 61, 17), ImageChops.offset(tile, 23, 89)))


def _number(rng: np.random.Generator) -> str:
    """Draw a passenger car's number in California's pattern, 1ABC234, without I, O and Q."""
    digits, letters = rng.integers(0, 10, 4), rng.choice(list("ABCDEFGHJKLMNPRSTUVWXYZ"), 3)
    return f"{digits[0]}{''.join(letters)}{digits[1]}{digits[2]}{digits[3]}"


def _mount(frame: Image.Image, vehicle: Vehicle, reach: float, aside: float) -> tuple[float, float, float, float]:
    """Draw the vehicle `reach` meters ahead and `aside` meters right of the camera; returns the plate's box."""
    scale = _LENS * frame.width / reach  # pixels a meter
    across, up = round(vehicle.width * scale), round(vehicle.height * scale)
    small = vehicle.picture.resize((across, up), Image.Resampling.BILINEAR, reducing_gap=2.0)
    left = round(frame.width / 2 + aside * scale - across / 2)
    road = round(frame.height * HORIZON + _CAMERA_HEIGHT * scale)
    frame.paste(small, (left, road - up), small)
    x, y, w, h = vehicle.plate
    fx, fy = across / vehicle.width, up / vehicle.height
    return (left + x * fx, road - up + y * fy, w * fx, h * fy)


def _expose(frame: Image.Image, light: _Light, noise: Image.Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turn the drawn picture into a camera's: light and noise."""
    table = [min(255, round(value * gain)) for gain in light.gain for value in range(256)]
    lit = frame.point(table)
    dx, dy = (int(v) for v in rng.integers(0, 128, 2))
    grain = noise.crop((dx, dy, dx + frame.width, dy + frame.height))
    return np.asarray(ImageChops.add(lit, grain, 1.0, -128), dtype=np.uint8)


def _passage(seed: int, passage: int, text: str | None, size: tuple[int, int], frames: int) -> Iterator[SceneFrame]:
    rng = np.random.default_rng([seed, passage])
    plate = render_plate(rng, text=_number(rng) if text is None else text, style=STYLE)
    vehicle = draw_vehicle(rng, Image.fromarray(plate.image))
    wide = (size[0] + 2 * _MARGIN, size[1] + 2 * _MARGIN)
    street, light = draw_street(rng, wide), _light(rng)
    noise = _noise(rng, size, light.noise)
    aside, drift = float(rng.uniform(-0.75, 0.75)), float(rng.normal(0, 0.08))
    begun = passage * _VEHICLE_STEP
    for number in range(frames):
        part = number / max(frames - 1, 1)
        reach = _FAR + (_NEAR - _FAR) * part
        dx, dy = (int(v) for v in np.clip(rng.normal(0, 4, 2), -_MARGIN, _MARGIN) + _MARGIN)
        frame = street.crop((dx, dy, dx + size[0], dy + size[1]))
        box = _mount(frame, vehicle, reach, aside + drift * part)
        image = _expose(frame, light, noise, rng)
        yield SceneFrame(image, passage, ((plate.text, *box),), begun + number * _FRAME_STEP)


def render_drive(
    seed: int, vehicles: Sequence[str] | int, *, size: tuple[int, int] = (1280, 720), frames_per_vehicle: int = 5
) -> Iterator[SceneFrame]:
    """Draw a drive past `vehicles`: their plates' texts, or how many, with numbers drawn by lot.

    Every vehicle comes near over `frames_per_vehicle` frames, 0.2 s apart, a new one every 3 s; `size` is the frame's
    width and height in pixels, at least 640 x 360. Plates are of the style `us-ca`. The same arguments give the same
    pixels on machines with the same fonts. Raises ValueError for a smaller frame, a negative number of vehicles, fewer
    than one or more than 14 frames a vehicle (they would overlap the next), and what `render_plate` raises.
    """
    if size[0] < 640 or size[1] < 360:
        msg = f"a frame of {size[0]} x {size[1]} is too small to show a readable plate"
        raise ValueError(msg)
    if not 1 <= frames_per_vehicle <= _VEHICLE_STEP // _FRAME_STEP - 1:
        msg = "a vehicle takes 1 to 14 frames to pass"
        raise ValueError(msg)
    if isinstance(vehicles, int) and vehicles < 0:
        msg = "a drive cannot meet fewer than no vehicles"
        raise ValueError(msg)
    texts: Sequence[str | None] = [None] * vehicles if isinstance(vehicles, int) else vehicles

    def drive() -> Iterator[SceneFrame]:
        for passage, text in enumerate(texts):
            yield from _passage(seed, passage, text, size, frames_per_vehicle)

    return drive()
