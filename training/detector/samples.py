"""Makes the pictures the detector is trained on: windows with plates at the sizes a 416-1280 px frame shows them.

Boxes of plates are known everywhere; their corners only where a plate of exact outline was pasted (`Made.known`).

A window is cut from a photograph at a random scale and place (source "real"), may get plates pasted onto it in
perspective ("pasted"), or is made of texture alone ("textured"); all three get things drawn in that are no plates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from patches import distractor
from photographs import Photograph
from signs import Image, Mask, dealer_frame

Quad = NDArray[np.float32]  # (4, 2): corners clockwise from the top left, in pixels
Boxes = NDArray[np.float32]  # (n, 4): x1, y1, x2, y2 in pixels

SIZE, LARGE = 256, 512  # pixels: most windows, and those that show a car with much of its street, or a close-up
LEAST_WIDTH = 10.0  # pixels; a narrower plate is painted out, not labeled: no reader could read it
LEAST_SHOWN = 0.75  # a plate cut off by more than a quarter is painted out: a reader would read half a number
REGION_SHARE = {"us": 0.42, "eu": 0.2, "ro": 0.3, "br": 0.08}
SOURCE_SHARE = (("real", 0.36), ("pasted", 0.51), ("textured", 0.13))


DECOYS = "decoys"  # beside the regions: the photographs that hold things easily taken for plates


@dataclass(frozen=True, slots=True)
class Sources:
    """What samples are made of: photographs, plates to paste, and drawn street scenes with their plates' boxes."""

    photographs: list[Photograph]
    plates: list[Image]
    exact: list[Image]  # plates whose picture ends where the plate ends
    rendered: Callable[[np.random.Generator], Image] | None = None
    drive: list[Photograph] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Made:
    """One training picture: BGR pixels (side, side, 3), its plates' boxes and corners, and whether those are known."""

    image: Image
    boxes: Boxes
    corners: NDArray[np.float32]  # (n, 4, 2) clockwise from the upper left, in pixels; may lie a little outside
    known: NDArray[np.bool_]  # (n,)


def _width(rng: np.random.Generator, side: int) -> float:
    """Plate width in the window, pixels: log-triangular from 11 to nearly the window's side, most near 40."""
    return float(np.exp(rng.triangular(np.log(11), np.log(40), np.log(0.88 * side))))


def _warp(image: Image, matrix: NDArray[np.float64], side: int, fill: tuple[int, int, int]) -> Image:
    out = cv2.warpAffine(
        image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )
    return np.asarray(out, np.uint8)


def _window(photograph: Photograph, rng: np.random.Generator, side: int, *, empty: bool) -> tuple[Image, list[Quad]]:
    """Cut one window: its pixels and where all the photograph's plates come to lie, also those outside."""
    boxes = photograph.boxes
    x1, y1, x2, y2 = boxes[int(rng.integers(0, len(boxes)))]
    scale = min(_width(rng, side) / max(float(x2 - x1), 1.0), 2.0)
    height, width = photograph.image.shape[:2]
    if side > SIZE:  # these are for what stands around a plate: mostly filled with photograph
        scale = min(max(scale, float(rng.uniform(0.6, 1.0)) * side / max(height, width)), 2.0)
    if empty and len(photograph.decoys) and rng.random() < 0.75:
        a, b, c, d = photograph.decoys[int(rng.integers(0, len(photograph.decoys)))]
        scale = min(_width(rng, side) / float(c - a), 2.0)
        source, target = np.array([(a + c) / 2, (b + d) / 2], np.float64), rng.uniform(30, side - 30, 2)
    elif empty:
        scale = float(np.exp(rng.uniform(np.log(side / max(height, width) * 0.8), np.log(1.4))))
        half = np.minimum(np.array([width, height]) / 2, side / 2 / scale)
        source = rng.uniform(half, np.array([width, height]) - half)
        target = np.array([side / 2, side / 2])
    else:
        source = np.array([(x1 + x2) / 2, (y1 + y2) / 2], np.float64)
        half = np.minimum(np.array([x2 - x1, y2 - y1]) * scale / 2 + 2, side / 2 - 1)
        # Of a few places for the plate, the one that fills most of the window with photograph.
        places = rng.uniform(half, side - half, (6, 2))
        reach = np.array([width, height])
        first, last = places - source * scale, places + (reach - source) * scale
        filled = (np.clip(last, 0, side) - np.clip(first, 0, side)).prod(1)
        target = places[int(filled.argmax())]
    sx, sy = scale * np.exp(rng.normal(0, 0.06, 2))
    if rng.random() < 0.4:
        sx = -sx
    turn = np.deg2rad(float(np.clip(rng.normal(0, 2.0), -6, 6)))
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([sx, sy])
    linear[0] += linear[1] * rng.normal(0, 0.03)
    shift = target - linear @ source
    level = 0
    while level + 1 < len(photograph.levels) and scale * 2 ** (level + 1) <= 1.1:
        level += 1
    fill = (114, 114, 114) if rng.random() < 0.7 else tuple(int(v) for v in rng.integers(0, 256, 3))
    image = _warp(
        photograph.levels[level], np.column_stack([linear * 2**level, shift]), side, (fill[0], fill[1], fill[2])
    )
    quads: list[Quad] = []
    for a, b, c, d in boxes:
        corners = np.array([[a, b], [c, b], [c, d], [a, d]], np.float64) @ linear.T + shift
        quads.append((corners[[1, 0, 3, 2]] if sx < 0 else corners).astype(np.float32))
    return image, quads


def _box(quad: Quad) -> NDArray[np.float32]:
    return np.concatenate([quad.min(0), quad.max(0)])


def _around(image: Image, quad: Quad, rim: int) -> tuple[slice, slice, NDArray[np.float32]] | None:
    """The part of the picture a quadrilateral touches: rows, columns, and its corner; None where it lies outside."""
    low = np.floor(np.clip(quad.min(0) - rim, 0, image.shape[1])).astype(int)
    high = np.ceil(np.clip(quad.max(0) + rim, 0, image.shape[1])).astype(int)
    if (high - low).min() < 2:
        return None
    return slice(low[1], high[1]), slice(low[0], high[0]), low.astype(np.float32)


def _paint_out(image: Image, quad: Quad, rng: np.random.Generator) -> None:
    """Cover a plate by the color around it, so that it neither counts as a plate nor as a place without one."""
    center = quad.mean(0)
    part = _around(image, center + (quad - center) * 1.5, 2)
    if part is None:
        return
    rows, columns, corner = part
    view = image[rows, columns]
    ring, inner = np.zeros(view.shape[:2], np.uint8), np.zeros(view.shape[:2], np.uint8)
    cv2.fillConvexPoly(ring, (center + (quad - center) * 1.5 - corner).round().astype(np.int32), 255)
    cv2.fillConvexPoly(inner, (center + (quad - center) * 1.15 - corner).round().astype(np.int32), 255)
    if not inner.any():
        return
    ring[inner > 0] = 0
    beside = view[ring > 0]
    color = beside[rng.integers(0, len(beside), 3)].mean(0) if len(beside) else np.full(3, 114.0)
    soft = cv2.GaussianBlur(inner.astype(np.float32) / 255, (0, 0), 1.2)[..., None]
    noise = 4 * rng.standard_normal(view.shape, np.float32)
    view[:] = np.clip(view * (1 - soft) + (color.astype(np.float32) + noise) * soft, 0, 255).astype(np.uint8)


def _paste(image: Image, patch: Image, quad: Quad, opaque: Mask | None, gain: float) -> None:
    """Lay a patch onto the picture in perspective, softened at its edges as a lens would."""
    part = _around(image, quad, 2)
    if part is None:
        return
    rows, columns, corner = part
    view = image[rows, columns]
    length = float(max(np.linalg.norm(quad[1] - quad[0]), 4))
    rise = float(max(np.linalg.norm(quad[3] - quad[0]), 3))
    if patch.shape[1] > length * 1.2:
        small = (max(round(length * 1.1), 4), max(round(rise * 1.1), 3))
        patch = np.asarray(cv2.resize(patch, small, interpolation=cv2.INTER_AREA), np.uint8)
        opaque = None if opaque is None else np.asarray(cv2.resize(opaque, small, interpolation=cv2.INTER_AREA))
    height, width = patch.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, (quad - corner).astype(np.float32))
    mask = np.ones((height, width), np.float32) if opaque is None else opaque
    size = (view.shape[1], view.shape[0])
    laid = cv2.warpPerspective(patch, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpPerspective(mask, matrix, size, flags=cv2.INTER_LINEAR)[..., None]
    view[:] = np.clip(view * (1 - cover) + laid * (cover * np.float32(gain)), 0, 255).astype(np.uint8)


def _place(center: NDArray[np.float64], width: float, aspect: float, rng: np.random.Generator, lean: float) -> Quad:
    """Corners of a plate of this width and aspect seen at a random slant; `lean` scales how slanted."""
    height = width / aspect
    corners = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    squeeze, turn, shear = 1 - abs(rng.normal(0, 0.16 * lean)), rng.normal(0, 0.06 * lean), rng.normal(0, 0.1 * lean)
    corners[:, 0] *= max(squeeze, 0.45)
    corners[:, 1] *= 1 + np.sign(corners[:, 0]) * float(np.clip(rng.normal(0, 0.04 * lean), -0.2, 0.2))
    corners[:, 1] += corners[:, 0] * (shear + turn)
    corners[:, 0] -= corners[:, 1] * turn
    corners += rng.normal(0, 0.015 * lean, (4, 2)) * height
    return (corners + center).astype(np.float32)


def _free(box: NDArray[np.float32], taken: list[NDArray[np.float32]], gap: float = 3.0) -> bool:
    return all(box[2] + gap < t[0] or box[0] - gap > t[2] or box[3] + gap < t[1] or box[1] - gap > t[3] for t in taken)


def _lean(rng: np.random.Generator, usual: float) -> float:
    """How slanted plates are: mostly as usual, every fifth as seen from a parked row or a motorcycle in a bend."""
    return usual if rng.random() < 0.8 else 2.2


def _plate(sources: Sources, rng: np.random.Generator) -> tuple[Image, bool]:
    """Take a plate to paste, and tell whether its picture ends exactly where the plate ends."""
    chance = rng.random()
    if sources.rendered is not None and chance < 0.55:
        return sources.rendered(rng), True
    if chance < 0.72 and sources.exact:
        return sources.exact[int(rng.integers(0, len(sources.exact)))], True
    return sources.plates[int(rng.integers(0, len(sources.plates)))], False


def _frame(image: Image, quad: Quad, rng: np.random.Generator) -> None:
    """The holder behind a plate: a rim a little larger than the plate, dark or bright, some with a dealer's name."""
    center = quad.mean(0)
    if rng.random() < 0.35:
        share, holder = dealer_frame(rng)
        _paste(image, holder, (center + (quad - center) * share).astype(np.float32), None, float(rng.uniform(0.5, 1.1)))
        return
    tone = int(rng.choice([rng.integers(0, 60), rng.integers(120, 255)]))
    grown = center + (quad - center) * np.array([rng.uniform(1.04, 1.12), rng.uniform(1.08, 1.25)])
    cv2.fillConvexPoly(image, grown.round().astype(np.int32), (tone, tone, tone), cv2.LINE_AA)


def _replace(image: Image, quad: Quad, sources: Sources, rng: np.random.Generator) -> tuple[Quad, bool]:
    """Put another plate where a real one is: the car, its shadows and its surroundings stay."""
    plate, exact = _plate(sources, rng)
    old = _box(quad)
    inside = image[max(int(old[1]), 0) : int(old[3]) + 1, max(int(old[0]), 0) : int(old[2]) + 1]
    gain = float(np.clip((inside.mean() + 12) / (plate.mean() + 12) * np.exp(rng.normal(0, 0.2)), 0.25, 1.5))
    aspect = plate.shape[1] / plate.shape[0]
    width, height = float(old[2] - old[0]), float(old[3] - old[1])
    width = min(max(width, height * aspect * 0.9) * rng.uniform(0.98, 1.2), 0.94 * image.shape[1])
    _paint_out(image, quad, rng)
    new = _place(quad.mean(0).astype(np.float64), width, aspect * np.exp(rng.normal(0, 0.05)), rng, _lean(rng, 0.6))
    if rng.random() < 0.35:
        _frame(image, new, rng)
    _paste(image, plate, new, None, gain)
    return new, exact


def _scatter(
    image: Image, taken: list[NDArray[np.float32]], sources: Sources, rng: np.random.Generator
) -> list[tuple[Quad, bool]]:
    """Paste one to three plates where there is room."""
    added: list[tuple[Quad, bool]] = []
    side = image.shape[1]
    for _ in range(int(rng.choice([1, 1, 2, 3])) * side // SIZE):
        (plate, exact), width = _plate(sources, rng), _width(rng, side)
        aspect = plate.shape[1] / plate.shape[0] * np.exp(rng.normal(0, 0.08))
        quad = _place(rng.uniform(8, side - 8, 2), width, float(aspect), rng, _lean(rng, 1.0))
        box = _box(quad)
        if box.min() < 1 or box.max() > side - 1 or not _free(box, taken):
            continue
        around = image[int(box[1]) : int(box[3]) + 1, int(box[0]) : int(box[2]) + 1]
        gain = float(np.clip((around.mean() + 60) / (plate.mean() + 20) * np.exp(rng.normal(0, 0.3)), 0.2, 1.4))
        if rng.random() < 0.35:
            _frame(image, quad, rng)
        _paste(image, plate, quad, None, gain)
        taken.append(box)
        added.append((quad, exact))
    return added


def _texture(sources: Sources, rng: np.random.Generator, side: int) -> Image:
    """A ground without meaning: blurred noise, a ramp, or a piece of photograph with its colors and place disturbed."""
    kind = rng.random()
    if kind < 0.4:
        photograph = sources.photographs[int(rng.integers(0, len(sources.photographs)))]
        image, quads = _window(photograph, rng, side, empty=True)
        for quad in quads:
            _paint_out(image, quad, rng)
        image = image[:, :, rng.permutation(3)]
        return np.ascontiguousarray(np.rot90(image, int(rng.integers(0, 4))))
    total = np.zeros((side, side, 3), np.float32)
    for octave in (4, 16, 64, 256):
        noise = rng.standard_normal((octave, octave, 3 if rng.random() < 0.5 else 1), np.float32)
        layer = cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC if octave < 64 else cv2.INTER_NEAREST)
        total += layer.reshape(side, side, -1) * float(rng.uniform(0, 45 if octave < 64 else 18))
    image = np.clip(total + rng.uniform(20, 235, 3), 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, 12))):
        corner, size = rng.integers(-40, side, 2), rng.integers(10, side * 2 // 3, 2)
        tone = tuple(int(v) for v in rng.integers(0, 256, 3))
        cv2.rectangle(image, corner.tolist(), (corner + size).tolist(), tone, -1 if rng.random() < 0.7 else 2)
    return image


def _distract(image: Image, taken: list[NDArray[np.float32]], rng: np.random.Generator) -> None:
    side = image.shape[1]
    for _ in range(int(rng.integers(1, 6)) * side // SIZE):
        patch, opaque = distractor(rng)
        width = float(np.exp(rng.uniform(np.log(16), np.log(0.6 * side))))
        quad = _place(rng.uniform(0, side, 2), width, patch.shape[1] / patch.shape[0], rng, 1.0)
        if _free(_box(quad), taken, 1.0):
            _paste(image, patch, quad, opaque, float(rng.uniform(0.5, 1.2)))


def _develop(image: Image, rng: np.random.Generator) -> Image:
    """What light, lens and camera do: exposure, color cast, night, blur, grain, compression."""
    work = image.astype(np.float32)
    if rng.random() < 0.12:
        work[:] = work.mean(2, keepdims=True)
    if rng.random() < 0.8:
        work = work * float(np.exp(rng.normal(0, 0.25))) + float(rng.normal(0, 14))
    if rng.random() < 0.4:
        work = work * np.exp(rng.normal(0, 0.12, 3)).astype(np.float32)
    if rng.random() < 0.12:
        work = work * rng.uniform((0.3, 0.25, 0.4), (0.9, 0.6, 0.9)).astype(np.float32)
    work = np.clip(work, 0, 255)
    if rng.random() < 0.3:
        work = 255 * (work / 255) ** float(np.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.3:
        work = cv2.GaussianBlur(work, (0, 0), float(rng.uniform(0.3, 1.3)))
    elif rng.random() < 0.1:
        length = int(rng.integers(3, 8))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1 / length
        work = cv2.filter2D(work, -1, kernel)
    if rng.random() < 0.4:
        work = work + float(rng.uniform(1, 11)) * rng.standard_normal(work.shape, np.float32)
    out = np.clip(work, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        _, packed = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))])
        out = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return out


def _pick(
    sources: Sources, rng: np.random.Generator, by_region: dict[str, list[Photograph]], *, empty: bool
) -> Photograph:
    if empty and rng.random() < 0.6 and by_region.get(DECOYS):
        return by_region[DECOYS][int(rng.integers(0, len(by_region[DECOYS])))]
    if sources.drive and rng.random() < (0.4 if empty else 0.12):
        return sources.drive[int(rng.integers(0, len(sources.drive)))]
    regions = [r for r in REGION_SHARE if by_region.get(r)]
    share = np.array([REGION_SHARE[r] for r in regions])
    pool = by_region[regions[int(rng.choice(len(regions), p=share / share.sum()))]]
    return pool[int(rng.integers(0, len(pool)))]


def grouped(photographs: list[Photograph]) -> dict[str, list[Photograph]]:
    """Sort photographs by region, and once more under DECOYS those that hold decoys."""
    groups: dict[str, list[Photograph]] = {DECOYS: [p for p in photographs if len(p.decoys)]}
    for photograph in photographs:
        groups.setdefault(photograph.region, []).append(photograph)
    return groups


def make(
    sources: Sources,
    rng: np.random.Generator,
    by_region: dict[str, list[Photograph]],
    kind: str | None = None,
    side: int = SIZE,
) -> Made:
    """Make one training picture and tell where its plates are."""
    kind = kind or str(rng.choice([k for k, _ in SOURCE_SHARE], p=[p for _, p in SOURCE_SHARE]))
    quads: list[Quad] = []
    if kind == "textured":
        image = _texture(sources, rng, side)
    else:
        empty = rng.random() < 0.28
        image, quads = _window(_pick(sources, rng, by_region, empty=empty), rng, side, empty=empty)
    kept: list[tuple[Quad, bool]] = []
    for quad in quads:
        box = _box(quad)
        shown = np.clip(box, 0, side)
        area = float((box[2] - box[0]) * (box[3] - box[1]))
        part = float((shown[2] - shown[0]) * (shown[3] - shown[1])) / max(area, 1e-6)
        if part <= 0:
            continue
        if part < LEAST_SHOWN or box[2] - box[0] < LEAST_WIDTH:
            _paint_out(image, quad, rng)
        elif kind == "pasted" and rng.random() < 0.7:
            kept.append(_replace(image, quad, sources, rng))
        else:
            kept.append((quad, False))
    taken = [_box(q) for q, _ in kept]
    if kind == "textured" or (kind == "pasted" and rng.random() < 0.45):
        kept += _scatter(image, taken, sources, rng)
    if rng.random() < (0.8 if kind == "textured" else 0.42):
        _distract(image, taken, rng)
    boxes = np.clip(np.array([_box(q) for q, _ in kept], np.float32).reshape(-1, 4), 0, side)
    corners = np.array([q for q, _ in kept], np.float32).reshape(-1, 4, 2)
    return Made(_develop(image, rng), boxes, corners, np.array([exact for _, exact in kept], np.bool_))
