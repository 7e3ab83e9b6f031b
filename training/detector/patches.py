"""Things that are not plates, drawn small: lettering, signs, badges, grilles, lamps. The detector must ignore them.

Boards with real lettering come from `signs`; the rest is drawn here.
"""

from __future__ import annotations

import cv2
import numpy as np
import signs
from signs import Patch

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WORDS = [
    "TAXI", "POLICE", "SUV", "4X4", "TURBO", "STOP", "EXIT", "MAIN", "ST", "SALE", "OPEN", "BANK", "CAFE", "HOTEL", "PARKING", "ONE", "WAY", "YIELD", "BUS", "AMBULANCE", "RENT", "QUATTRO", "HYBRID", "LIMITED", "SPORT", "SCHOOL", "SPEED", "LIMIT", "25", "35", "45", "65", "FIRE", "PIZZA", "MARKET", "AUTO", "GLASS", "SERVICE", "SHERIFF",
]  # fmt: skip
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
)


def _color(rng: np.random.Generator) -> tuple[int, int, int]:
    if rng.random() < 0.4:
        gray = int(rng.choice([rng.integers(0, 60), rng.integers(190, 256)]))
        return (gray, gray, gray)
    b, g, r = rng.integers(0, 256, 3)
    return (int(b), int(g), int(r))


def _text(rng: np.random.Generator) -> str:
    kind = rng.random()
    if kind < 0.45:
        return str(rng.choice(_WORDS))
    if kind < 0.6:
        return f"{rng.integers(200, 999)}-{rng.integers(200, 999)}-{rng.integers(1000, 9999)}"
    if kind < 0.7:
        return f"20{rng.integers(10, 30)}-{rng.integers(10, 13)}-{rng.integers(10, 31)} {rng.integers(10, 24)}:59:07"
    count = int(rng.integers(2, 12))
    return "".join(rng.choice(list(_LETTERS), count))


def _lettering(rng: np.random.Generator) -> Patch:
    """Bare letters on whatever is behind them: brand and model names, shop fronts, a camera's time stamp."""
    font, thick = int(rng.choice(_FONTS)), int(rng.integers(1, 5))
    text = _text(rng)
    (width, height), base = cv2.getTextSize(text, font, 1.4, thick)
    mask = np.zeros((height + base + 6, width + 6), np.uint8)
    cv2.putText(mask, text, (3, height + 2), font, 1.4, 255, thick, cv2.LINE_AA)
    image = np.empty((*mask.shape, 3), np.uint8)
    image[:] = _color(rng)
    return image, mask.astype(np.float32) / 255


def _sign(rng: np.random.Generator) -> Patch:
    """A filled board of a shape no plate has (round, tall, three- or eight-cornered, or a long banner) with lettering."""
    shape = rng.integers(0, 4)
    wide = shape == 3
    height, width = (40, int(rng.integers(300, 420))) if wide else (120, int(rng.integers(60, 140)))
    image, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    ground, ink = _color(rng), _color(rng)
    center = (width // 2, height // 2)
    if shape == 0:
        cv2.ellipse(mask, center, (width // 2 - 1, height // 2 - 1), 0, 0, 360, 255, -1, cv2.LINE_AA)
    elif shape == 1:
        corners = int(rng.choice([3, 4, 8]))
        turn = np.linspace(0, 2 * np.pi, corners, endpoint=False) + rng.choice([0, np.pi / corners])
        points = np.stack([center[0] + width / 2 * np.cos(turn), center[1] + height / 2 * np.sin(turn)], 1)
        cv2.fillPoly(mask, [points.astype(np.int32)], 255, cv2.LINE_AA)
    else:
        mask[:] = 255
    image[:] = ground
    if rng.random() < 0.6:
        edges, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(image, edges, -1, ink, int(rng.integers(4, 14)))
    for line in range(1 if wide else int(rng.integers(1, 4))):
        text = _text(rng)[: 30 if wide else 6]
        at = (int(rng.integers(4, 30)), height // 2 + 10 if wide else 35 + 35 * line)
        cv2.putText(image, text, at, int(rng.choice(_FONTS)), 1.1, ink, int(rng.integers(1, 5)), cv2.LINE_AA)
    return image, mask.astype(np.float32) / 255


def _grille(rng: np.random.Generator) -> Patch:
    """Bars or a mesh, bright on dark: what a radiator, a louver or a fence looks like."""
    width, height = int(rng.integers(90, 260)), int(rng.integers(30, 100))
    image = np.empty((height, width, 3), np.uint8)
    image[:] = int(rng.integers(5, 70))
    bright, step = int(rng.integers(80, 240)), int(rng.integers(5, 18))
    thick = int(rng.integers(1, max(2, step // 2)))
    kind = rng.integers(0, 3)
    if kind != 1:
        for y in range(step // 2, height, step):
            cv2.line(image, (0, y), (width, y), (bright, bright, bright), thick)
    if kind != 0:
        for x in range(step // 2, width, step):
            cv2.line(image, (x, 0), (x, height), (bright, bright, bright), thick)
    mask = np.zeros((height, width), np.uint8)
    cv2.rectangle(mask, (6, 6), (width - 7, height - 7), 255, -1)
    mask = cv2.GaussianBlur(cv2.dilate(mask, np.ones((9, 9), np.uint8)), (0, 0), 1.5)
    return image, mask.astype(np.float32) / 255


def _badge(rng: np.random.Generator) -> Patch:
    """A maker's emblem: an oval or a ring with a letter or strokes in it."""
    width, height = int(rng.integers(40, 110)), int(rng.integers(35, 60))
    image, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    image[:], ink = _color(rng), _color(rng)
    center = (width // 2, height // 2)
    cv2.ellipse(mask, center, (width // 2 - 2, height // 2 - 2), 0, 0, 360, 255, -1, cv2.LINE_AA)
    cv2.ellipse(image, center, (width // 2 - 3, height // 2 - 3), 0, 0, 360, ink, 3, cv2.LINE_AA)
    text = _text(rng)[: int(rng.integers(1, 5))]
    cv2.putText(image, text, (width // 5, height // 2 + 8), int(rng.choice(_FONTS)), 0.9, ink, 2, cv2.LINE_AA)
    return image, mask.astype(np.float32) / 255


def _lamp(rng: np.random.Generator) -> Patch:
    """A head or tail lamp, or its glare."""
    width, height = int(rng.integers(30, 120)), int(rng.integers(20, 70))
    tint = np.array([(40, 40, 220), (60, 160, 250), (240, 245, 250)][int(rng.integers(0, 3))], np.float32)
    ys, xs = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    glow = np.exp(-(xs**2 + ys**2) * float(rng.uniform(1, 4)))
    image = np.clip(tint * (0.5 + glow[..., None]), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        mask = np.clip(glow * 1.6 - 0.3, 0, 1)
    else:
        mask = np.ones((height, width), np.float32)
        image[:: int(rng.integers(4, 12))] //= 2
    return image, mask.astype(np.float32)


_KINDS = (_lettering, _lettering, _sign, _sign, _grille, _badge, _lamp)


def distractor(rng: np.random.Generator) -> Patch:
    """Draw one thing that is no plate: BGR pixels and how opaque each is, 0 to 1."""
    kinds = signs.KINDS if rng.random() < 0.6 else _KINDS
    return kinds[int(rng.integers(0, len(kinds)))](rng)
