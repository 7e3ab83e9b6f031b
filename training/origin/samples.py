"""What the origin network learns from: photographed plates whose origin is known and drawn ones, seen as a camera does."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alprdraw.glyphs import ALPHABET, STROKE_FACES, glyph
from alprdraw.plates import STYLES, TWO_LINE, render_plate

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from model import HEIGHT, ORIGINS, OTHER_EU, UNKNOWN, WIDTH
from split import held_out

Picture = NDArray[np.uint8]
Quad = NDArray[np.float32]  # 4 corners (x, y), clockwise from the upper left
PLACE = {name: at for at, name in enumerate(ORIGINS)}
# A share of the samples each; drawn US plates carry the designs of which no photograph is at hand.
SHARES = {"real-us": 0.32, "real-other": 0.08, "drawn-us": 0.45, "drawn-other": 0.09, "nothing": 0.06}
REUSE = 8  # views of one drawing: drawing costs 5 ms, a view 2
LEAST_SEEN = 55  # pixels: of a narrower plate a country's letters cannot be told


@dataclass(frozen=True, slots=True)
class Shot:
    """A plate in a photograph: BGR with some surroundings, where it lies in it, and where it comes from."""

    picture: Picture
    quad: Quad
    origin: str
    file: str


def rectangle(x: float, y: float, w: float, h: float) -> Quad:
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)


def seen() -> dict[str, str]:
    """What a person saw on the US street scenes, whose labels name no state; `unknown` where a person could not tell."""
    with Path(__file__).with_name("seen.csv").open(newline="") as file:
        return {row["file"]: row["state"] for row in csv.DictReader(file)}


def told(row: dict[str, str], by_eye: dict[str, str]) -> str | None:
    """Where the plate of a labeled photograph comes from; None where nobody wrote it down and the number does not say."""
    state = row["state"] or by_eye.get(row["file"], "")
    if state:
        return UNKNOWN if state == UNKNOWN else f"US-{state.upper()}"
    text, region = row["plate_text"], row["region"]
    if region in {"br", "ar"}:
        return region.upper()
    if region == "eu-ro":
        return "RO" if float(row["w"]) >= LEAST_SEEN else None
    if region == "eu":  # a set of Czech and Slovak cars, the two told apart by the order of letters and digits
        if re.fullmatch(r"\d[A-Z][0-9A-Z]\d{4}", text):
            return "CZ"
        if re.fullmatch(r"[A-Z]{2}\d{3}[A-Z]{2}", text):
            return "SK"
    return None


def shots(data: Path, *, kept_back: bool) -> list[Shot]:
    """All photographed plates of known origin, of the training part or of the part kept back."""
    found, by_eye = [], seen()
    with (data / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            origin = told(row, by_eye)
            if origin is None or held_out(row["file"]) != kept_back:
                continue
            picture = cv2.imread(str(data / row["file"]))
            if row["w"] and row["kind"] == "scene":
                x, y, w, h = (float(row[k]) for k in ("x", "y", "w", "h"))
                x0, y0 = max(0, int(x - 0.3 * w)), max(0, int(y - 0.5 * h))
                picture = picture[y0 : int(y + 1.5 * h), x0 : int(x + 1.3 * w)].copy()
                quad = rectangle(x - x0, y - y0, w, h)
            else:
                quad = rectangle(0, 0, picture.shape[1], picture.shape[0])
            found.append(Shot(picture, quad, origin, row["file"]))
    return found


def cut(picture: Picture, quad: Quad, out: tuple[float, float, float, float]) -> Picture:
    """Cut the box around a plate, sides moved out by shares of width and height, and stretch it to 160x80."""
    (x0, y0), (x1, y1) = quad.min(0), quad.max(0)
    w, h = x1 - x0, y1 - y0
    a, b = max(0, round(x0 - out[0] * w)), max(0, round(y0 - out[1] * h))
    c, d = min(picture.shape[1], round(x1 + out[2] * w)), min(picture.shape[0], round(y1 + out[3] * h))
    way = cv2.INTER_AREA if c - a > WIDTH else cv2.INTER_LINEAR
    return cv2.resize(picture[b:d, a:c], (WIDTH, HEIGHT), interpolation=way)


def renumber(rng: np.random.Generator, picture: Picture) -> Picture:
    """Give a photographed crop another number, so that its own is not what the network learns the state by.

    The number's middle band, or its left or right part, is rubbed out to the ground's color, with some of the ground's
    shading, and other letters are set there in the ink's color. The words above and below stay untouched.
    """
    h, w = picture.shape[:2]
    top, low = int(rng.uniform(0.26, 0.32) * h), int(rng.uniform(0.72, 0.79) * h)
    left, right = ((0.04, 0.96), (0.04, 0.42), (0.58, 0.96))[int(rng.integers(3))]
    x0, x1 = int(left * w), int(right * w)
    band = picture[top:low, x0:x1]
    gray = band.mean(2)
    dark = np.median(gray) > gray.mean() - 2
    kernel = np.ones((25, 25), np.uint8)
    ground = cv2.blur(cv2.dilate(band, kernel) if dark else cv2.erode(band, kernel), (15, 15))
    limit = np.percentile(gray, 12 if dark else 88)
    ink = np.median(band[gray <= limit] if dark else band[gray >= limit], axis=0)
    done = picture.copy()
    done[top:low, x0:x1] = ground
    face, wide = int(rng.integers(STROKE_FACES)), rng.uniform(0.09, 0.125) * w
    tall, x = int((low - top) * rng.uniform(0.86, 0.98)), x0 + 2.0
    while x + wide < x1:
        if rng.random() < 0.88:
            mask = glyph(face, ALPHABET[int(rng.integers(36))]).resize((max(4, int(wide * 0.85)), tall))
            share = np.asarray(mask, np.float32)[:, :, None] / 255
            y = top + (low - top - tall) // 2
            spot = done[y : y + tall, int(x) : int(x) + mask.width]
            done[y : y + tall, int(x) : int(x) + mask.width] = spot * (1 - share) + ink * share
        x += wide
    return done


def _seat(rng: np.random.Generator, plate: Picture, grounds: list[Picture]) -> tuple[Picture, Quad, float]:
    """Lay a drawn plate on paint or a piece of a photograph, sometimes in a dealer's frame: how much of it is hidden too."""
    h, w = plate.shape[:2]
    mx, my = int(0.2 * w), int(0.3 * h)
    size = (w + 2 * mx, h + 2 * my)
    if rng.random() < 0.4:
        ground = grounds[int(rng.integers(len(grounds)))]
        canvas = cv2.resize(ground, size)
    else:
        tone = np.clip(rng.uniform(5, 240) + rng.normal(0, 20, (2, 2, 1)) + rng.normal(0, 14, (1, 1, 3)), 0, 255)
        canvas = cv2.resize(tone.astype(np.uint8), size, interpolation=cv2.INTER_LINEAR)
    canvas[my : my + h, mx : mx + w] = plate
    hidden = 0.0
    kind = rng.random()
    if kind < 0.3:  # a frame's rim over the edges
        color = tuple(int(c) for c in np.clip(rng.choice([15, 40, 130, 200]) + rng.normal(0, 12, 3), 0, 255))
        for low in (False, True):
            over = rng.uniform(0.0, 0.22) if rng.random() < 0.4 else rng.uniform(0.0, 0.06)
            hidden += 0.5 * (over > 0.12)
            y = (my + h - int(over * h), my + h + int(0.06 * h)) if low else (my - int(0.06 * h), my + int(over * h))
            cv2.rectangle(canvas, (mx - 4, y[0]), (mx + w + 4, y[1]), color, -1)
            if over > 0.08:
                word = "".join(chr(65 + int(i)) for i in rng.integers(26, size=int(rng.integers(5, 12))))
                tone = 230 if sum(color) < 380 else 20
                cv2.putText(canvas, word, (mx + 30, y[1] - 3), 0, over * h / 40, (tone, tone, tone), 1, cv2.LINE_AA)
        side = int(rng.uniform(0, 0.04) * w)
        cv2.rectangle(canvas, (mx - 4, my), (mx + side, my + h), color, -1)
        cv2.rectangle(canvas, (mx + w - side, my), (mx + w + 4, my + h), color, -1)
    return canvas, rectangle(mx, my, w, h), hidden


def _light(rng: np.random.Generator, picture: NDArray[np.float32], hard: float) -> NDArray[np.float32]:
    h, w = picture.shape[:2]
    picture = (
        picture * (1 + rng.normal(0, 0.09 * hard, 3)).astype(np.float32) * np.float32(np.exp(rng.normal(0, 0.2 * hard)))
    )
    gray = picture @ np.array([0.114, 0.587, 0.299], np.float32)
    if rng.random() < 0.4:
        keep = rng.uniform(0.35, 1.35)
        picture = gray[:, :, None] + keep * (picture - gray[:, :, None])
    elif rng.random() < 0.05:
        picture = np.repeat(gray[:, :, None], 3, 2)
    if rng.random() < 0.35:
        low, high = rng.uniform(0, 80 * hard), 255 - rng.uniform(0, 90 * hard)
        picture = low + picture * ((high - low) / 255)
    if rng.random() < 0.3:
        picture = 255 * np.power(np.clip(picture, 0, 255) / 255, np.exp(rng.normal(0, 0.35 * hard)), dtype=np.float32)
    if rng.random() < 0.25:
        slope = rng.normal(0, 1, 2)
        ramp = (
            slope[0] * np.linspace(-1, 1, w, dtype=np.float32)[None]
            + slope[1] * np.linspace(-1, 1, h, dtype=np.float32)[:, None]
        )
        if rng.random() < 0.5:
            ramp = (ramp > rng.normal(0, 0.5)).astype(np.float32)  # the hard edge of a shadow
        picture = picture * (1 - rng.uniform(0.1, 0.5) * np.clip(ramp, 0, 1))[:, :, None]
    if rng.random() < 0.06 * hard:
        ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
        spot = np.exp(-(((xs - rng.uniform(0, w)) / (w * 0.2)) ** 2) - ((ys - rng.uniform(0, h)) / (h * 0.3)) ** 2)
        picture = picture + (rng.uniform(40, 160) * spot)[:, :, None]
    return picture.astype(np.float32)


def view(rng: np.random.Generator, picture: Picture, quad: Quad, hard: float, *, drawn: bool) -> tuple[Picture, float]:
    """Take one picture of a plate: [80, 160, 3] BGR, and how many pixels wide it was on the sensor."""
    w, h = quad[2] - quad[0]
    turn, slant = rng.normal(0, 0.04 * hard), rng.normal(0, 0.05 * hard)
    unit = rectangle(-0.5, -0.5, 1, 1) * np.array([w, h], np.float32)
    bend = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.array([[1, slant], [0, 1]])
    corners = unit @ bend.T + rng.normal(0, 0.014 * hard, (4, 2)) * np.array([w, h])
    (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
    out = rng.uniform(-0.04, 0.1, 4) if rng.random() < 0.6 else rng.uniform(-0.02, 0.03, 4)
    bw, bh = x1 - x0, y1 - y0
    x0, x1, y0, y1 = x0 - out[0] * bw, x1 + out[1] * bw, y0 - out[2] * bh, y1 + out[3] * bh
    wide = (
        float(np.exp(rng.uniform(np.log(50), np.log(190))))
        if rng.random() < 0.75 * hard + 0.1
        else rng.uniform(140, 190)
    )
    wide = min(wide, max(float(w) * 1.05, 30.0))
    tall = max(12.0, wide * (y1 - y0) / (x1 - x0))
    goal = ((corners - [x0, y0]) * [wide / (x1 - x0), tall / (y1 - y0)]).astype(np.float32)
    shrink = max(1, round(0.9 * w / wide))
    source = cv2.blur(picture, (shrink, shrink)) if shrink > 1 else picture
    border = cv2.BORDER_REPLICATE if drawn or rng.random() < 0.5 else cv2.BORDER_CONSTANT
    rim = tuple(float(c) for c in np.clip(rng.uniform(0, 200) + rng.normal(0, 20, 3), 0, 255))
    matrix = cv2.getPerspectiveTransform(quad.astype(np.float32), goal)
    small = cv2.warpPerspective(
        source, matrix, (round(wide), round(tall)), flags=cv2.INTER_LINEAR, borderMode=border, borderValue=rim
    )
    lit = _light(rng, small.astype(np.float32), hard)
    if rng.random() < 0.45 * hard:
        lit = cv2.GaussianBlur(lit, (0, 0), max(rng.uniform(0.2, 1.6) * wide / 120, 0.15))
    if rng.random() < 0.5:
        lit = lit + rng.normal(0, rng.uniform(1, 3 + 9 * hard), lit.shape).astype(np.float32)
    done = np.clip(lit, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        quality = int(rng.uniform(92 - 62 * hard, 96))
        done = cv2.imdecode(cv2.imencode(".jpg", done, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    way = cv2.INTER_AREA if wide > WIDTH else cv2.INTER_LINEAR
    return cv2.resize(done, (WIDTH, HEIGHT), interpolation=way), wide


def target(origin: str, wide: float, hidden: float) -> NDArray[np.float32]:
    """What the network should answer: the origin, and a share for `unknown` where it can hardly be seen."""
    goal = np.zeros(len(ORIGINS), np.float32)
    doubt = float(np.clip((70 - wide) / 40, 0, 0.5) + 0.4 * hidden)
    goal[PLACE[origin]] += 1 - doubt
    goal[0] += doubt
    return goal


_BAND = {"A": "AT", "B": "BE", "CZ": "CZ", "D": "DE", "E": "ES", "F": "FR", "GB": "GB", "H": "HU", "I": "IT", "NL": "NL", "PL": "PL",
         "RO": "RO", "SK": "SK"}  # fmt: skip


def draw(rng: np.random.Generator, kind: str) -> tuple[Picture, str]:
    """Draw a plate and say where it comes from: BGR."""
    if kind == "drawn-us":
        if rng.random() < 0.04:
            plate = render_plate(rng, style="us-moto")
        else:
            plate = render_plate(rng, style=ORIGINS[1 + int(rng.integers(51))].lower())
        return plate.image[:, :, ::-1], (plate.state or UNKNOWN).upper()
    if kind == "nothing":
        return render_plate(rng, style="us-plain").image[:, :, ::-1], UNKNOWN
    families = [name for name in (*STYLES, *TWO_LINE) if not name.startswith("us")]
    style = "eu" if rng.random() < 0.6 else families[int(rng.integers(len(families)))]
    plate = render_plate(rng, style=style)
    origin = plate.region.upper() if plate.region != "eu" else _BAND.get(plate.country or "", OTHER_EU)
    return plate.image[:, :, ::-1], origin if plate.region != "eu" or plate.country else UNKNOWN


def samples(data: Path, seed: int) -> Iterator[tuple[Picture, NDArray[np.float32]]]:
    """Endless samples: a picture and what to answer."""
    cv2.setNumThreads(0)
    rng = np.random.default_rng(seed)
    everything = shots(data, kept_back=False)
    us = [s for s in everything if s.origin == UNKNOWN or s.origin.startswith("US-")]
    other = [s for s in everything if s.origin != UNKNOWN and not s.origin.startswith("US-")]
    by_origin: dict[str, dict[str, list[Shot]]] = {"real-us": {}, "real-other": {}}
    for kind, group in (("real-us", us), ("real-other", other)):
        for shot in group:
            by_origin[kind].setdefault(shot.origin, []).append(shot)
    grounds = [s.picture for s in other[::5]]
    kinds = list(SHARES)
    pools: dict[str, list[tuple[Picture, Quad, str, float]]] = {kind: [] for kind in kinds}
    drawn = dict.fromkeys(kinds, 0)
    renumbered: dict[str, Picture] = {}
    while True:
        kind = kinds[int(rng.choice(len(kinds), p=list(SHARES.values())))]
        if kind.startswith("real"):
            names = list(by_origin[kind])
            weights = np.sqrt([len(by_origin[kind][name]) for name in names])
            group = by_origin[kind][names[int(rng.choice(len(names), p=weights / weights.sum()))]]
            shot = group[int(rng.integers(len(group)))]
            crop = shot.picture
            if kind == "real-us" and shot.picture.shape[1] > 300 and rng.random() < 0.6:
                if shot.file not in renumbered or rng.random() < 0.25:
                    renumbered[shot.file] = renumber(rng, crop)
                crop = renumbered[shot.file]
            picture, wide = view(rng, crop, shot.quad, float(rng.uniform(0.1, 1.0)), drawn=False)
            yield picture, target(shot.origin, wide, 0.0)
            continue
        if kind == "nothing" and rng.random() < 0.4:
            ground = grounds[int(rng.integers(len(grounds)))]
            h, w = ground.shape[:2]
            x, y = int(rng.integers(max(1, w // 2))), int(rng.integers(max(1, h // 4)))
            piece = ground[y : y + max(8, h // 4), x : x + max(16, w // 2)]
            yield cv2.resize(piece, (WIDTH, HEIGHT)), target(UNKNOWN, 200, 0)
            continue
        pool = pools[kind]
        if drawn[kind] % REUSE == 0 or len(pool) < 64:
            plate, origin = draw(rng, kind)
            seated, quad, hidden = _seat(rng, plate, grounds)
            entry = (seated, quad, origin, hidden)
            if len(pool) < 700:
                pool.append(entry)
            else:
                pool[int(rng.integers(len(pool)))] = entry
        drawn[kind] += 1
        seated, quad, origin, hidden = pool[int(rng.integers(len(pool)))]
        picture, wide = view(rng, seated, quad, float(rng.uniform(0.1, 1.0)), drawn=True)
        yield picture, target(origin, wide, hidden)
