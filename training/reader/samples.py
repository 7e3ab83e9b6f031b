"""What the reader learns from: drawn plates and photographed ones, both seen as a camera sees them."""

from __future__ import annotations

import csv
import hashlib
import pickle
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from alprdraw.plates import render_plate

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from model import ALPHABET, HEIGHT, WIDTH
from split import held_out

Picture = NDArray[np.uint8]
Quad = NDArray[np.float32]  # 4 corners (x, y), clockwise from the upper left

# How often a photographed sample comes from each set; US scenes weigh most: they are few, small and hardest.
REAL_SHARES = {
    "openalpr_us_states": 0.23, "openalpr_us": 0.26, "openalpr_br_crops": 0.16, "openalpr_eu": 0.12, "ankandrew_ar": 0.2,
    "openalpr_br": 0.03,
}  # fmt: skip
REUSE = 3  # views of one drawing: drawing costs 5 ms, a view 1 ms
# Families drawn more often than alprdraw would: what the photographs ask most of, and lines of plates with two.
DRAWN_MORE = {
    "two-line": 0.12, "ar-old": 0.12, "ar-mercosul": 0.04, "us-vanity": 0.04, "br-old": 0.05, "eu": 0.04, "us-mo": 0.07,
    "us-ca": 0.03, "us-tx": 0.03,
}  # fmt: skip
VIDEO = 0.4  # share of drawn US plates seen by a video camera from afar: 42 to 85 pixels, sharpened and hard compressed
STREET = 0.35  # share of what is not photographed that comes out of drawn traffic (`streets.py`), if there is any
STRAIGHT = 0.45  # share of views that were rectified by the plate's corners before reading, the rest is cut by the box


@dataclass(frozen=True, slots=True)
class Photograph:
    """A plate in a photograph: BGR with some surroundings, and where the plate lies in it."""

    picture: Picture
    quad: Quad
    text: str
    source: str
    file: str


def rectangle(x: float, y: float, w: float, h: float) -> Quad:
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)


def photographs(data: Path, *, kept_back: bool) -> list[Photograph]:
    """All plates with a text, of the training part or of the part kept back."""
    found = []
    wrong = _wrong_labels()
    with (data / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if not kept_back and _hash(row["file"]) in wrong:
                continue
            text = "".join(c for c in row["plate_text"].upper() if c in ALPHABET)
            if not text or held_out(row["file"]) != kept_back:
                continue
            picture = cv2.imread(str(data / row["file"]))
            if row["w"]:
                x, y, w, h = (float(row[k]) for k in ("x", "y", "w", "h"))
                x0, y0 = max(0, int(x - 0.5 * w)), max(0, int(y - 0.7 * h))
                picture = picture[y0 : int(y + 1.7 * h), x0 : int(x + 1.5 * w)].copy()
                quad = rectangle(x - x0, y - y0, w, h)
            else:
                quad = rectangle(0, 0, picture.shape[1], picture.shape[0])
            found.append(Photograph(picture, quad, text, row["file"].split("/")[0], row["file"]))
    return found


def _wrong_labels() -> set[str]:
    """Photographs to learn nothing from: looked at one by one, they show another number than their label says."""
    with Path(__file__).with_name("wrong.csv").open(newline="") as file:
        return {row["sha256_of_file_name"] for row in csv.DictReader(file)}


def _hash(file: str) -> str:
    return hashlib.sha256(file.rpartition("/")[2].encode()).hexdigest()


def cut(picture: Picture, quad: Quad, jitter: tuple[float, float, float, float]) -> Picture:
    """Cut the box around a plate, each side moved out by a share of its width or height, and stretch it to 48x192."""
    (x0, y0), (x1, y1) = quad.min(0), quad.max(0)
    w, h = x1 - x0, y1 - y0
    left, top, right, low = jitter
    box = [x0 - left * w, y0 - top * h, x1 + right * w, y1 + low * h]
    height, width = picture.shape[:2]
    a, b = max(0, round(box[0])), max(0, round(box[1]))
    c, d = min(width, round(box[2])), min(height, round(box[3]))
    piece = picture[b:d, a:c]
    return cv2.resize(piece, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA if c - a > 2 * WIDTH else cv2.INTER_LINEAR)


def _seat(rng: np.random.Generator, plate: Picture, grounds: list[Picture]) -> tuple[Picture, Quad]:
    """Lay a drawn plate on a piece of a photograph, a bumper or a dealer's frame."""
    h, w = plate.shape[:2]
    mx, my = int(0.25 * w), int(0.45 * h)
    size = (w + 2 * mx, h + 2 * my)
    kind = rng.random()
    if kind < 0.45 and grounds:
        ground = grounds[int(rng.integers(len(grounds)))]
        gh, gw = ground.shape[:2]
        cw, ch = int(gw * rng.uniform(0.2, 0.6)), int(gh * rng.uniform(0.15, 0.5))
        x, y = int(rng.integers(gw - cw)), int(rng.integers(gh - ch))
        canvas = cv2.resize(ground[y : y + ch, x : x + cw], size)
    else:
        tone = rng.uniform(10, 235) if rng.random() < 0.6 else rng.uniform(5, 60)
        corners = np.clip(tone + rng.normal(0, 25, (2, 2, 1)) + rng.normal(0, 14, (1, 1, 3)), 0, 255).astype(np.uint8)
        canvas = cv2.resize(corners, size, interpolation=cv2.INTER_LINEAR)
        for _ in range(int(rng.integers(0, 4))):
            y = int(rng.integers(size[1]))
            color = tuple(int(c) for c in np.clip(tone + rng.normal(0, 50, 3), 0, 255))
            cv2.line(canvas, (0, y), (size[0], y + int(rng.normal(0, 8))), color, int(rng.integers(1, 7)))
    if rng.random() < 0.35:
        edge = rng.uniform(0.01, 0.09, 4) * h
        color = tuple(int(c) for c in np.clip(rng.choice([15, 30, 60, 190, 225]) + rng.normal(0, 10, 3), 0, 255))
        a, b = (mx - int(edge[0]), my - int(edge[1])), (mx + w + int(edge[2]), my + h + int(edge[3] * 1.5))
        cv2.rectangle(canvas, a, b, color, -1)
    canvas[my : my + h, mx : mx + w] = plate
    if rng.random() < 0.18:  # a holder's rim over the upper or lower edge of the plate
        over = int(rng.uniform(0.02, 0.1) * h)
        color = tuple(int(c) for c in np.clip(rng.choice([15, 40, 200]) + rng.normal(0, 10, 3), 0, 255))
        y = my if rng.random() < 0.5 else my + h - over
        cv2.rectangle(canvas, (mx, y), (mx + w, y + over), color, -1)
    return canvas, rectangle(mx, my, w, h)


def _light(rng: np.random.Generator, picture: NDArray[np.float32], hard: float) -> NDArray[np.float32]:
    """Change the light: night, infrared, shade, glare, a color cast, dirt."""
    h, w = picture.shape[:2]
    picture = picture * (1 + rng.normal(0, 0.08 * hard, 3)).astype(np.float32)
    if rng.random() < 0.13:
        gray = picture @ np.array([0.114, 0.587, 0.299], np.float32)
        picture = np.repeat(gray[:, :, None], 3, 2)
        if rng.random() < 0.35:
            picture = picture * rng.uniform(0.7, 1.2, 3).astype(np.float32)
    if rng.random() < 0.5 * hard + 0.1:
        low, high = rng.uniform(0, 110 * hard), 255 - rng.uniform(0, 130 * hard)
        picture = low + picture * ((high - low) / 255) if rng.random() < 0.6 else picture * rng.uniform(0.25, 1.0)
    if rng.random() < 0.3:
        picture = 255 * np.power(
            np.clip(picture, 0, 255) / 255, np.exp(rng.normal(0, 0.45 * hard + 0.05)), dtype=np.float32
        )
    if rng.random() < 0.25 * hard + 0.05:
        slope = rng.normal(0, 1, 2)
        ramp = (
            slope[0] * np.linspace(-1, 1, w, dtype=np.float32)[None, :]
            + slope[1] * np.linspace(-1, 1, h, dtype=np.float32)[:, None]
        )
        if rng.random() < 0.5:
            ramp = (ramp > rng.normal(0, 0.5)).astype(np.float32)  # the hard edge of a shadow
        picture = picture * (1 - rng.uniform(0.1, 0.55) * np.clip(ramp, 0, 1))[:, :, None]
    if rng.random() < 0.16 * hard:
        ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
        spot = np.exp(
            -(((xs - rng.uniform(0, w)) / (w * rng.uniform(0.05, 0.35))) ** 2)
            - ((ys - rng.uniform(0, h)) / (h * rng.uniform(0.1, 0.6))) ** 2
        )
        picture = picture + (rng.uniform(40, 190) * spot)[:, :, None]
    if rng.random() < 0.15 * hard:
        grain = cv2.resize(
            rng.normal(0, 1, (int(rng.integers(3, 12)), int(rng.integers(6, 30)))).astype(np.float32), (w, h)
        )
        mud = np.clip(grain - rng.uniform(0.3, 1.5), 0, 1) * rng.uniform(0.3, 0.9)
        picture = picture * (1 - mud)[:, :, None] + mud[:, :, None] * rng.uniform(30, 160)
    return picture.astype(np.float32)


def _infrared(rng: np.random.Generator, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light a plate as an infrared flash at night does: gray, hard or faint, bright parts blooming into dark ones."""
    gray = picture @ np.array([0.114, 0.587, 0.299], np.float32)
    middle = float(gray.mean())
    gray = middle + (gray - middle) * rng.uniform(0.5, 2.2)
    gray = gray * rng.uniform(0.25, 1.1) if rng.random() < 0.4 else gray + rng.uniform(0, 90)
    if rng.random() < 0.6:
        glow = np.clip(gray - 190, 0, 120)
        gray = gray + rng.uniform(0.5, 2.0) * cv2.GaussianBlur(
            glow, (0, 0), max(0.6, gray.shape[1] * rng.uniform(0.006, 0.03))
        )
    return np.repeat(np.clip(gray, 0, 255)[:, :, None], 3, 2).astype(np.float32)


def _video(rng: np.random.Generator, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Do what a cheap video camera does: lose color detail, sharpen until edges ring, and compress in hard blocks."""
    low, high = rng.uniform(10, 95), rng.uniform(120, 240)
    picture = cv2.GaussianBlur(low + picture * ((high - low) / 255), (0, 0), rng.uniform(0.3, 0.9))
    ring = picture - cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.7, 1.6))
    bytes_ = np.clip(picture + rng.uniform(0.3, 2.5) * ring, 0, 255).astype(np.uint8)
    # The blocks lie anywhere on the plate, because the plate lies anywhere in the frame.
    above, left = (int(n) for n in rng.integers(0, 16, 2))
    frame = cv2.copyMakeBorder(bytes_, above, 8, left, 8, cv2.BORDER_REPLICATE)
    quality = int(rng.uniform(15, 60))
    frame = cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    height, width = picture.shape[:2]
    return frame[above : above + height, left : left + width].astype(np.float32)


def view(
    rng: np.random.Generator, picture: Picture, quad: Quad, hard: float, *, drawn: bool, infrared: float = 0.06,
    video: bool = False,
) -> Picture:  # fmt: skip
    """Take one picture of a plate: where the box or the corners fall, how small, how blurred, in what light.

    `hard` runs from 0 (a clean frontal view) to 1, `infrared` is the chance of a night view, `video` says that a video
    camera takes it from afar. Returns [48, 192, 3] BGR.
    """
    w, h = quad[2] - quad[0]
    straight = rng.random() < STRAIGHT
    bent = hard * (0.3 if straight else 1.0)
    # Shape: a turn, a slant, perspective, and the shortening of a car seen from the side.
    narrow = rng.uniform(1 - 0.4 * hard, 1.0) if drawn and rng.random() < 0.5 else 1.0
    turn, slant = rng.normal(0, 0.055 * bent), rng.normal(0, 0.1 * bent)
    unit = rectangle(-0.5, -0.5, 1, 1) * np.array([w * narrow, h], np.float32)
    bend = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.array(
        [[1, slant * 0.5], [rng.normal(0, 0.06 * bent), 1]]
    )
    corners = unit @ bend.T + rng.normal(0, 0.018 * bent, (4, 2)) * np.array([w, h])
    (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
    out = rng.uniform(-0.05, 0.15, 4) if rng.random() < 0.75 else rng.uniform(-0.02, 0.05, 4)
    if straight:
        out = rng.uniform(-0.03, 0.09, 4)
    if not drawn:
        out = np.maximum(out, -0.03)
    bw, bh = x1 - x0, y1 - y0
    x0, x1, y0, y1 = x0 - out[0] * bw, x1 + out[1] * bw, y0 - out[2] * bh, y1 + out[3] * bh
    # Size on the sensor in pixels; real photographs are small already.
    wide = (
        float(np.exp(rng.uniform(np.log(180 - 130 * hard), np.log(200))))
        if drawn
        else float(min(w, 200) * np.exp(rng.uniform(-0.75 * hard, 0)))
    )
    if video:
        wide = float(np.exp(rng.uniform(np.log(42), np.log(85))))
    wide = max(wide, 38)
    tall = max(11.0, wide * (y1 - y0) / (x1 - x0))
    sx, sy = wide / (x1 - x0), tall / (y1 - y0)
    goal = ((corners - [x0, y0]) * [sx, sy]).astype(np.float32)
    shrink = max(1, round(0.9 * w / wide))
    source = cv2.blur(picture, (shrink, shrink)) if shrink > 1 else picture
    matrix = cv2.getPerspectiveTransform(quad.astype(np.float32), goal)
    border = cv2.BORDER_REPLICATE if rng.random() < 0.7 else cv2.BORDER_REFLECT_101
    small = cv2.warpPerspective(source, matrix, (round(wide), round(tall)), flags=cv2.INTER_LINEAR, borderMode=border)
    lit = small.astype(np.float32)
    lit = _infrared(rng, lit) if rng.random() < infrared else _light(rng, lit, 0.5 * hard if video else hard)
    if video:
        lit = _video(rng, lit)
    if rng.random() < 0.45 * hard:
        sigma = rng.uniform(0.2, 1.3) * (wide / 100 if drawn else wide / 150)
        lit = cv2.GaussianBlur(lit, (0, 0), max(sigma, 0.15))
    if rng.random() < 0.22 * hard:
        length = max(2, int(rng.uniform(0.02, 0.07) * wide))
        kernel = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, np.pi) if rng.random() < 0.5 else rng.normal(0, 0.1)
        middle, reach = (length - 1) / 2, np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
        cv2.line(
            kernel,
            tuple(np.round(middle - reach).astype(int).tolist()),
            tuple(np.round(middle + reach).astype(int).tolist()),
            1.0,
        )
        lit = cv2.filter2D(lit, -1, kernel / max(kernel.sum(), 1))
    if rng.random() < 0.15:  # cameras sharpen, and leave halos
        lit += rng.uniform(0.5, 2.0) * (lit - cv2.GaussianBlur(lit, (0, 0), max(0.5, wide / 120)))
    if rng.random() < 0.6:
        lit = lit + rng.normal(0, rng.uniform(1, 4 + 12 * hard), lit.shape).astype(np.float32)
    done = np.clip(lit, 0, 255).astype(np.uint8)
    if rng.random() < 0.7 * hard + 0.1:
        quality = int(rng.uniform(95 - 75 * hard, 96))
        done = cv2.imdecode(cv2.imencode(".jpg", done, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    way = (cv2.INTER_LINEAR, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[int(rng.integers(3))]
    result = cv2.resize(done, (WIDTH, HEIGHT), interpolation=way)
    if rng.random() < 0.03:
        result = 255 - result
    return result


def traffic(file: Path) -> list[tuple[bytes, Quad, str]]:
    """Plates cut out of drawn traffic, as `streets.py` wrote them: PNG with surroundings, where the line lies, its text."""
    found: list[tuple[bytes, Quad, str]] = pickle.loads(file.read_bytes())  # noqa: S301 - our own file
    return found


def samples(
    data: Path, seed: int, *, easy: int, real: float, streets: Path | None = None
) -> Iterator[tuple[Picture, str]]:
    """Endless samples: the first `easy` ones clear and rich in contrast, the rest as hard as the street.

    Without the clear beginning the CTC loss stays on its plateau: the network learns to print blanks.
    """
    passed = traffic(streets) if streets else []
    cv2.setNumThreads(0)
    rng = np.random.default_rng(seed)
    shots = photographs(data, kept_back=False)
    by_source = {name: [s for s in shots if s.source == name] for name in REAL_SHARES}
    shares = np.array([v if by_source[k] else 0.0 for k, v in REAL_SHARES.items()])
    shares /= shares.sum()
    grounds = [s.picture for s in shots if s.source in {"openalpr_us", "openalpr_eu", "openalpr_br"}]
    families, chances = list(DRAWN_MORE), np.array(list(DRAWN_MORE.values()))
    pool: list[tuple[Picture, Quad, str, str]] = []
    age = 0
    bar, given = 50.0, 0
    while True:
        if given >= easy and rng.random() < real:
            source = list(REAL_SHARES)[int(rng.choice(len(shares), p=shares))]
            shot = by_source[source][int(rng.integers(len(by_source[source])))]
            yield view(rng, shot.picture, shot.quad, float(rng.uniform(0.1, 0.8)), drawn=False), shot.text
            given += 1
            continue
        if passed and given >= easy and rng.random() < STREET:
            png, quad, text = passed[int(rng.integers(len(passed)))]
            picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
            yield view(rng, picture, quad, float(rng.uniform(0.0, 0.5)), drawn=False), text
            given += 1
            continue
        if age % REUSE == 0 or len(pool) < 256:
            wanted = rng.random()
            asked = None if wanted >= chances.sum() else families[int(np.searchsorted(chances.cumsum(), wanted))]
            if given < easy and asked == "two-line":
                asked = None
            entry = _drawing(rng, asked, grounds)
            if len(pool) < 2048:
                pool.append(entry)
            else:
                pool[int(rng.integers(len(pool)))] = entry
        age += 1
        seated, quad, text, family = pool[int(rng.integers(len(pool)))]
        hard = 0.1 if given < easy else float(rng.uniform(0.15, 1.0))
        infrared = 0.0 if given < easy else 0.6 if family.startswith("ar") else 0.08
        video = given >= easy and family.startswith("us") and rng.random() < VIDEO
        picture = view(rng, seated, quad, hard, drawn=True, infrared=infrared, video=video)
        if given < easy:
            contrast = float(picture.std())
            bar += 0.5 if contrast > bar else -1 / 6  # drifts to the upper quarter
            if contrast <= bar:
                continue
        given += 1
        yield picture, text


def _drawing(rng: np.random.Generator, family: str | None, grounds: list[Picture]) -> tuple[Picture, Quad, str, str]:
    """Draw a plate and lay it on a ground; of a plate with two lines one is chosen, its neighbor partly in the cut."""
    plate = render_plate(rng, style=family)
    seated, quad = _seat(rng, plate.image[:, :, ::-1], grounds)
    if len(plate.lines) < 2:
        return seated, quad, plate.text, plate.style
    at = int(rng.integers(len(plate.lines)))
    line, height = plate.lines[at], plate.image.shape[0]
    above, below = rng.uniform(0.02, 0.12, 2) * height
    top = 0.0 if at == 0 and rng.random() < 0.5 else max(0.0, line.box[1] - above)
    low = height if at == len(plate.lines) - 1 and rng.random() < 0.5 else min(height, line.box[3] + below)
    x, y = quad[0]
    return seated, rectangle(x, y + top, plate.image.shape[1], low - top), line.text, plate.style
