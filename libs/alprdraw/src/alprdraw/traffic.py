"""Draws traffic before a standing camera: several lanes, speeds, hours and weathers, parked cars, trucks, motorcycles.

Harder than `scenes`: plates of many issues between 60 and 200 pixels wide, vehicles that hide each other, motion blur,
sensor noise, rain, and lettering that is no plate. What is drawn is known, so that reads can be judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from alprdraw.layouts import US
from alprdraw.plates import RenderedPlate, render_plate
from alprdraw.signs import render_sign
from alprdraw.street import HORIZON, draw_street
from alprdraw.vehicle import Vehicle, draw_motorcycle, draw_truck, draw_vehicle

KINDS: Final = ("car", "truck", "motorcycle", "parked")
HOURS: Final = ("day", "dusk", "night", "rain")

_CHOSEN: Final = 0.04  # share of vehicles with a number of the owner's choice
_ABROAD: Final = 0.16
_FOREIGN: Final = ("eu", "br-old", "br-mercosul", "ar-old", "ar-mercosul")
_LENS: Final = 1.5  # focal length over the frame's width
_HIGH: Final = 1.4  # meters of the camera above the road
_FAR: Final = 12.0  # meters, where a vehicle comes into view
_SHUTTER_S: Final = 1 / 500  # half of it is what cameras made for plates use
_GAIN: Final = {"day": 1.0, "dusk": 0.6, "night": 0.22, "rain": 0.72}
_NOISE: Final = {"day": 2.5, "dusk": 5.0, "night": 8.0, "rain": 4.0}


@dataclass(frozen=True, slots=True)
class Driven:
    """One vehicle of the traffic and when and where it is seen."""

    number: int
    kind: str
    vehicle: Vehicle
    plate: RenderedPlate
    lane: float  # meters right of the camera
    enters_s: float
    speed: float  # meters a second toward the camera; 0: parked
    nearest: float  # meters, where it has passed

    def reach(self, second: float) -> float | None:
        """Give its distance in meters, None when it is not there."""
        if self.speed == 0:
            return self.nearest
        reach = _FAR - self.speed * (second - self.enters_s)
        return reach if self.nearest <= reach <= _FAR else None


@dataclass(frozen=True, slots=True)
class TrafficFrame:
    """One picture and the plates in it: vehicle's number and left, top, width, height in pixels, `hidden` ones too."""

    image: NDArray[np.uint8]  # height x width x 3, RGB
    second: float
    plates: tuple[tuple[int, float, float, float, float], ...]
    hidden: frozenset[int]


@dataclass(frozen=True, slots=True)
class Scene:
    """One camera's street for a while."""

    hour: str
    fps: float
    vehicles: tuple[Driven, ...]
    frames: tuple[float, ...]  # seconds
    size: tuple[int, int] = (1280, 720)


def _style(rng: np.random.Generator, kind: str) -> str:
    """Choose a plate as a US street shows them: numbers as states issue them, few chosen by their owners, few foreign."""
    if kind == "motorcycle":
        return "us-moto"
    drawn = rng.random()
    if drawn < _CHOSEN:
        return "us-vanity"
    return str(rng.choice(_FOREIGN if drawn < _CHOSEN + _ABROAD else list(US)))


def _vehicle(rng: np.random.Generator, kind: str) -> tuple[Vehicle, RenderedPlate]:
    plate = render_plate(rng, style=_style(rng, kind), as_issued=True)
    while not 4 <= len(plate.text) <= 8:
        plate = render_plate(rng, style=_style(rng, kind), as_issued=True)
    shown = Image.fromarray(plate.image)
    if kind == "motorcycle":
        return draw_motorcycle(rng, shown), plate
    if kind == "truck":
        return draw_truck(rng, shown, Image.fromarray(render_sign(rng, "lettering"))), plate
    return draw_vehicle(rng, shown), plate


def plan_scene(seed: int, number: int, vehicles: int) -> Scene:
    """Plan one camera's traffic: vehicles on two lanes one after another, some close behind, up to two parked."""
    rng = np.random.default_rng([seed, number])
    hour, fps = HOURS[number % len(HOURS)], (5.0, 5.0, 10.0, 3.0)[number // len(HOURS) % 4]
    narrow = number % 5 == 4  # one lane straight ahead, seen until it fills the picture
    lanes, clear = ((0.0, 0.0) if narrow else (-1.5, 1.5)), [0.0, 0.0]
    driven: list[Driven] = []
    parked = int(rng.integers(0, 3))
    for index in range(vehicles):
        kind = "parked" if index < parked else str(rng.choice(["car", "truck", "motorcycle"], p=[0.8, 0.12, 0.08]))
        vehicle, plate = _vehicle(rng, kind)
        if kind == "parked":
            aside, reach = (2.75, 9.4) if index == 0 else (-2.7, 9.2)
            driven.append(Driven(index, kind, vehicle, plate, aside, 0.0, 0.0, reach))
            continue
        lane = 0 if narrow else int(rng.integers(0, 2))
        speed = float(rng.uniform(3.5, 9.0))
        nearest = 3.0 if narrow or kind == "motorcycle" else float(rng.uniform(4.9, 5.6))
        gap = float(rng.uniform(0.4, 2.5))
        enters = clear[lane] + gap if narrow else max(clear[lane] + gap, clear[1 - lane] - 1.0)
        clear[lane] = enters + (_FAR - nearest) / speed
        driven.append(
            Driven(
                index,
                kind,
                vehicle,
                plate,
                lanes[lane] * (0.4 if kind == "motorcycle" else 1.0),
                enters,
                speed,
                nearest,
            )
        )
    end = max([*clear, 5.0]) + 0.5 + 20.0 * (parked > 0 and number % 6 == 0)
    return Scene(hour, fps, tuple(driven), tuple(np.arange(0.0, end, 1 / fps).tolist()))


def render_scene(seed: int, number: int, scene: Scene) -> Iterator[TrafficFrame]:
    """Draw a planned scene, frame by frame; the same arguments give the same pixels on machines with the same fonts."""
    rng = np.random.default_rng([seed, number, 1])
    street = draw_street(rng, scene.size)
    _stand_signs(rng, street)
    for second in scene.frames:
        frame = street.copy()
        glow = Image.new("L", scene.size, 0)  # plates throw light back
        there = [(reach, one) for one in scene.vehicles if (reach := one.reach(second)) is not None]
        boxes: dict[int, tuple[float, float, float, float]] = {}
        hidden: set[int] = set()
        for reach, one in sorted(there, key=lambda pair: -pair[0]):
            place, box = _put(rng, frame, glow, one, reach)
            hidden |= {name for name, other in boxes.items() if _covered(other, place)}
            boxes[one.number] = box
        inside = {
            name: box
            for name, box in boxes.items()
            if box[0] > 4 and box[1] > 4 and box[0] + box[2] < scene.size[0] - 4 and box[1] + box[3] < scene.size[1] - 4
        }
        image = _expose(rng, frame, glow, scene.hour)
        plates = tuple((name, *box) for name, box in inside.items())
        yield TrafficFrame(image, second, plates, frozenset(hidden))


def _put(
    rng: np.random.Generator, frame: Image.Image, glow: Image.Image, one: Driven, reach: float
) -> tuple[tuple[float, float, float, float], tuple[float, float, float, float]]:
    """Draw one vehicle; its place and its plate's, left, top, right, bottom and left, top, width, height."""
    scale = _LENS * frame.width / reach
    across, up = round(one.vehicle.width * scale), round(one.vehicle.height * scale)
    small = one.vehicle.picture.resize((across, up), Image.Resampling.BILINEAR, reducing_gap=2.0)
    travelled = (
        one.speed * _SHUTTER_S * scale * (abs(one.lane) + _HIGH) / reach
    )  # px; a smear that long spreads by 0.29 of it
    small = small.filter(ImageFilter.GaussianBlur(0.4 + 0.29 * travelled))
    left = round(frame.width / 2 + one.lane * scale - across / 2 + rng.normal(0, 0.6))
    top = round(frame.height * HORIZON + _HIGH * scale + rng.normal(0, 0.6)) - up
    frame.paste(small, (left, top), small)
    x, y, w, h = one.vehicle.plate
    fx, fy = across / one.vehicle.width, up / one.vehicle.height
    box = (left + x * fx, top + y * fy, w * fx, h * fy)
    cover = small.getchannel("A").point([0] * 128 + [255] * 128)
    glow.paste(0, (left, top), cover)
    ImageDraw.Draw(glow).rectangle((box[0], box[1], box[0] + box[2], box[1] + box[3]), fill=255)
    return (left, top, left + across, top + up), box


def _covered(plate: tuple[float, float, float, float], place: tuple[float, float, float, float]) -> bool:
    x, y, w, h = plate
    return x < place[2] and place[0] < x + w and y < place[3] and place[1] < y + h


def _stand_signs(rng: np.random.Generator, street: Image.Image) -> None:
    """Put two boards with lettering at the roadside."""
    for side in (0.08, 0.86):
        board = Image.fromarray(render_sign(rng))
        across = int(rng.integers(50, 110))
        board = board.resize((across, max(8, round(across * board.height / board.width))))
        place = (round(street.width * (side + float(rng.uniform(-0.03, 0.03)))), round(street.height * 0.3))
        street.paste(board, place)


def _expose(rng: np.random.Generator, frame: Image.Image, glow: Image.Image, hour: str) -> NDArray[np.uint8]:
    """Turn the drawn picture into a camera's: the hour's light, rain, noise."""
    gain = _GAIN[hour] * float(rng.uniform(0.95, 1.05))
    dark = frame.point([min(255, round(value * gain)) for value in range(256)] * 3)
    if hour in ("dusk", "night"):
        lit = frame.point([min(255, round(value * 0.85)) for value in range(256)] * 3)
        dark.paste(lit, (0, 0), glow.filter(ImageFilter.GaussianBlur(0.8)))
    if hour == "rain":
        pen = ImageDraw.Draw(dark)
        for _ in range(260):
            x, y, long = rng.uniform(0, frame.width), rng.uniform(0, frame.height), rng.uniform(8, 26)
            pen.line((x, y, x + long * 0.15, y + long), fill=(150, 155, 160))
        dark = ImageChops.blend(dark, Image.new("RGB", frame.size, (128, 132, 136)), 0.12)
    pixels = np.asarray(dark, np.float32)
    grain = rng.standard_normal((*pixels.shape[:2], 1), np.float32) * _NOISE[hour]
    return np.clip(pixels + grain, 0, 255).astype(np.uint8)
