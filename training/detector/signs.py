"""Boards with real lettering that are no plates: traffic and street signs, shop fronts, displays, stickers, doors.

Each is a word list, colors and a shape. What could be taken for a plate by its outline (a sticker, a street name) is
drawn so that a person would not: words in small letters, a telephone number, a slogan, no number of a plate's kind.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw

from alprdraw.glyphs import LABEL_FACES, glyph, label_font

Image = NDArray[np.uint8]
Mask = NDArray[np.float32]
Patch = tuple[Image, Mask]
Color = tuple[int, int, int]

_NAMES = (
    "Main", "Oak", "Maple", "Church", "Park", "Washington", "Lake", "Hill", "Mill", "River", "Cedar", "Elm", "Sunset",
    "Lincoln", "Jackson", "Spring", "Center", "Union", "Prospect", "Highland", "Dale", "Pine", "Station", "School",
)  # fmt: skip
_TRADES = (
    "Plumbing", "Electric", "Roofing", "Pizza", "Bakery", "Florist", "Heating & Air", "Moving", "Rental", "Coffee",
    "Market", "Auto Parts", "Tires", "Pharmacy", "Hair Salon", "Dry Cleaning", "Hardware", "Furniture", "Diner",
    "Bank", "Hotel", "Laundry", "Books", "Express", "Logistics", "Catering", "Painting", "Landscaping", "Towing",
)  # fmt: skip
_SLOGANS = (
    "Baby on board", "I love my dog", "Proud parent", "How's my driving?", "No fear", "Coexist", "Go Team!", "Just married",
    "My other car", "Local 1245", "Vote", "Support our troops", "Student driver", "Honk", "Keep back 200 ft", "Be kind",
)  # fmt: skip
_MAKES = (
    "TURBO", "HYBRID", "LIMITED", "4x4", "SPORT", "V6", "AWD", "LX", "GT", "SE", "XLT", "Classic", "Diesel", "EV", "S",
    "PREMIUM", "2.0 TDI", "Touring", "1500", "F-150", "3500 HD", "Super Duty",
)  # fmt: skip
_TOWNS = ("Downtown", "Airport", "Central", "Harbor", "University", "North Gate", "City Hall", "Mall", "Depot", "Zoo")
_LIMITS = ("SPEED LIMIT 25", "SPEED LIMIT 35", "SPEED LIMIT 55", "SPEED LIMIT 70", "NO PARKING ANY TIME", "ONE WAY",
    "NO TURN ON RED", "ROAD WORK AHEAD", "STOP HERE", "2 HOUR PARKING", "TOW AWAY ZONE", "DO NOT ENTER",
    "BUS LANE", "EXIT 24", "RIGHT LANE ENDS", "BUMP", "WRONG WAY", "KEEP RIGHT", "SCHOOL 20 MPH", "NO OUTLET")  # fmt: skip

_WHITE, _BLACK = (238, 238, 234), (20, 20, 22)
_SIGN_COLORS: tuple[tuple[Color, Color], ...] = (
    (_WHITE, _BLACK), (_WHITE, _BLACK), (_WHITE, (20, 20, 190)), ((40, 110, 20), _WHITE), ((60, 120, 30), _WHITE),
    ((150, 70, 10), _WHITE), ((30, 190, 245), _BLACK), ((20, 130, 240), _BLACK), ((30, 30, 190), _WHITE),
)  # fmt: skip


def _any(rng: np.random.Generator, things: tuple[str, ...]) -> str:
    return things[int(rng.integers(0, len(things)))]


def _paint(rng: np.random.Generator) -> tuple[Color, Color]:
    """Ground and ink of a shop or a van: any color, with lettering that stands out."""
    ground = (int(rng.integers(0, 256)), int(rng.integers(0, 256)), int(rng.integers(0, 256)))
    return ground, (_WHITE if sum(ground) < 400 else _BLACK)


def _phone(rng: np.random.Generator) -> str:
    parts = int(rng.integers(200, 999)), int(rng.integers(200, 999)), int(rng.integers(1000, 9999))
    form = ("{}-{}-{}", "({}) {}-{}", "{}.{}.{}", "1-{}-{}-{}", "0{} {} {}")[int(rng.integers(0, 5))]
    return form.format(*parts)


def _lines(
    rng: np.random.Generator, lines: list[str], ground: Color, ink: Color, *, edge: bool, bare: bool = False
) -> Patch:
    """Set lines of lettering on a board that fits them; `bare` leaves the board away."""
    face = int(rng.integers(0, LABEL_FACES))
    font = label_font(face, int(rng.integers(22, 42)))
    gauge = ImageDraw.Draw(Pictures.new("L", (4, 4)))
    spans = [gauge.textbbox((0, 0), line, font=font) for line in lines]
    step = max(b[3] for b in spans) + int(rng.integers(2, 8))
    pad_x, pad_y = int(rng.integers(6, 26)), int(rng.integers(5, 16))
    width, height = round(max(b[2] for b in spans)) + 2 * pad_x, round(step * len(lines)) + 2 * pad_y
    cover, board = Pictures.new("L", (width, height)), Pictures.new("RGB", (width, height), ground)
    pen, shape = ImageDraw.Draw(board), ImageDraw.Draw(cover)
    shape.rounded_rectangle((0, 0, width - 1, height - 1), int(rng.choice([0, 2, 7, 12])), fill=255)
    if edge:
        pen.rounded_rectangle((3, 3, width - 4, height - 4), 6, outline=ink, width=int(rng.integers(1, 4)))
    if bare:
        shape.rectangle((0, 0, width, height), fill=0)
    for number, (line, span) in enumerate(zip(lines, spans, strict=True)):
        at = ((width - span[2]) / 2, pad_y + number * step)
        pen.text(at, line, font=font, fill=ink)
        if bare:
            shape.text(at, line, font=font, fill=255)
    return np.asarray(board, np.uint8), np.asarray(cover, np.float32) / 255


def _traffic(rng: np.random.Generator) -> Patch:
    """Speed limits, parking rules, warnings: a few words, one to a line or two."""
    words = _any(rng, _LIMITS).split()
    lines = words if len(words) < 3 or rng.random() < 0.6 else [" ".join(words[:2]), " ".join(words[2:])]
    ground, ink = _SIGN_COLORS[int(rng.integers(0, len(_SIGN_COLORS)))]
    return _lines(rng, lines, ground, ink, edge=rng.random() < 0.6)


def _speed(rng: np.random.Generator) -> Patch:
    """The number of a limit or a route alone, in letters as plates have, on a square, a disc or a tall board."""
    number = str(rng.choice([5 * int(rng.integers(2, 17)), int(rng.integers(1, 999))]))
    face = int(rng.integers(0, 60))
    marks = [glyph(face, char) for char in number]
    width, height = sum(m.width for m in marks) + 8 * len(marks) + 40, int(rng.integers(150, 230))
    ground, ink = _SIGN_COLORS[int(rng.integers(0, len(_SIGN_COLORS)))]
    cover, board = Pictures.new("L", (width, height)), Pictures.new("RGB", (width, height), ground)
    pen, shape = ImageDraw.Draw(board), ImageDraw.Draw(cover)
    if rng.random() < 0.5:
        shape.rounded_rectangle((0, 0, width - 1, height - 1), 10, fill=255)
        pen.rounded_rectangle((4, 4, width - 5, height - 5), 8, outline=ink, width=4)
    else:
        shape.ellipse((0, 0, width - 1, height - 1), fill=255)
        pen.ellipse((0, 0, width - 1, height - 1), outline=(30, 30, 190), width=14)
    left = 20
    for mark in marks:
        board.paste(ink, (left, height // 2 - 40), mark)
        left += mark.width + 8
    return np.asarray(board, np.uint8), np.asarray(cover, np.float32) / 255


def _street(rng: np.random.Generator) -> Patch:
    """A street's name on a long board, as on a corner."""
    kind = _any(rng, ("St", "Ave", "Rd", "Blvd", "Ln", "Dr", "Way", "ST", "AVE"))
    name = _any(rng, _NAMES) if rng.random() < 0.8 else f"{rng.integers(1, 99)}th"
    text = f"{name} {kind}" if rng.random() < 0.7 else f"{name} {kind}".upper()
    ground, ink = _SIGN_COLORS[int(rng.integers(3, 6))] if rng.random() < 0.7 else _SIGN_COLORS[0]
    return _lines(rng, [text], ground, ink, edge=rng.random() < 0.5)


def _shop(rng: np.random.Generator) -> Patch:
    """A shop's or a van's lettering: a name, a trade, a telephone number, with or without a board."""
    ground, ink = _paint(rng)
    lines = [f"{_any(rng, _NAMES)} {_any(rng, _TRADES)}"]
    if rng.random() < 0.5:
        lines.append(_phone(rng))
    if rng.random() < 0.3:
        lines.append(f"www.{_any(rng, _NAMES).lower()}.com")
    if rng.random() < 0.3:
        lines = [_any(rng, _TRADES)]
    return _lines(rng, lines, ground, ink, edge=rng.random() < 0.3, bare=rng.random() < 0.45)


def _telephone(rng: np.random.Generator) -> Patch:
    """A telephone or fleet number on a door or a tailgate, without a board."""
    text = (
        _phone(rng)
        if rng.random() < 0.6
        else f"{_any(rng, ('USDOT', 'MC', 'KY', 'GVW', 'No.', 'UNIT'))} {rng.integers(10, 999999)}"
    )
    ground, ink = _paint(rng)
    return _lines(rng, [text], ground, ink, edge=False, bare=True)


def _display(rng: np.random.Generator) -> Patch:
    """A bus's destination or a taxi's roof light: dots of light on black."""
    number = str(int(rng.integers(1, 199)))
    text = f"{number} {_any(rng, _TOWNS)}" if rng.random() < 0.8 else _any(rng, ("TAXI", "NOT IN SERVICE", "EXPRESS"))
    glow = ((20, 150, 250), (60, 200, 250), (230, 240, 240), (60, 230, 90))[int(rng.integers(0, 4))]
    image, mask = _lines(rng, [text], (14, 12, 12), glow, edge=False)
    image = image.copy()
    step = int(rng.integers(3, 5))
    image[::step] //= 3
    image[:, ::step] //= 3
    return image, mask


def _sticker(rng: np.random.Generator) -> Patch:
    """A bumper sticker: a slogan in one or two lines on a colored strip."""
    words = _any(rng, _SLOGANS)
    ground, ink = _paint(rng)
    lines = [words] if rng.random() < 0.6 or " " not in words else words.split(" ", 1)
    return _lines(rng, lines, ground, ink, edge=rng.random() < 0.3)


def _model(rng: np.random.Generator) -> Patch:
    """A maker's or a model's name in chrome letters on the body, or in an oval."""
    ink = int(rng.integers(120, 256)) if rng.random() < 0.7 else int(rng.integers(0, 60))
    ground = tuple(int(v) for v in rng.integers(0, 70, 3))
    return _lines(rng, [_any(rng, _MAKES)], (ground[0], ground[1], ground[2]), (ink, ink, ink), edge=False, bare=True)


def _house(rng: np.random.Generator) -> Patch:
    """A house's number on a plaque or straight on the wall."""
    ground, ink = ((150, 60, 20), _WHITE) if rng.random() < 0.4 else _paint(rng)
    return _lines(rng, [str(rng.integers(1, 9999))], ground, ink, edge=rng.random() < 0.4, bare=rng.random() < 0.5)


KINDS = (_traffic, _traffic, _speed, _street, _shop, _shop, _telephone, _display, _sticker, _sticker, _model, _house)


def dealer_frame(rng: np.random.Generator) -> tuple[NDArray[np.float64], Image]:
    """Draw a dealer's plate holder with lettering above and below: by how much it is larger than the plate, and it."""
    share = np.array([rng.uniform(1.06, 1.12), rng.uniform(1.3, 1.5)])
    tone = int(rng.choice([rng.integers(0, 50), rng.integers(150, 250)]))
    ink = (235, 235, 235) if tone < 100 else (25, 25, 25)
    board = Pictures.new("RGB", (400, 220), (tone, tone, tone))
    pen = ImageDraw.Draw(board)
    rim = (220 - 220 / float(share[1])) / 2
    font = label_font(int(rng.integers(0, LABEL_FACES)), max(8, round(rim * 0.8)))
    if rng.random() < 0.7:
        pen.text((200, rim / 2), f"{_any(rng, _NAMES)} Motors", font=font, fill=ink, anchor="mm")
    if rng.random() < 0.7:
        pen.text((200, 220 - rim / 2), _any(rng, ("www.auto.com", "Pre-owned", "Sales & Service")), font=font, fill=ink,
                 anchor="mm")  # fmt: skip
    return share, np.asarray(board, np.uint8)
