"""What a simulated camera sees: a rendered drive, photographs, a video or a live address, as JPEG with a time."""

from __future__ import annotations

import io
import itertools
import queue
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alprcore.errors import Misconfigured

SCENE_FPS: Final = 5.0
"""Frames per second at which a rendered drive is drawn; another rate plays it slower or faster."""
PHOTOGRAPHS: Final = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif",
    ".jp2", ".pbm", ".pgm", ".ppm", ".pnm", ".tga",
})  # fmt: skip
VIDEOS: Final = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".mjpeg", ".mjpg",
    ".wmv", ".flv", ".3gp", ".h264", ".h265", ".hevc",
})  # fmt: skip
ADDRESSES: Final = ("rtsp://", "rtsps://", "http://", "https://")
_CHUNK: Final = 1 << 16
_QUALITY: Final = 90
_DRAWN_AHEAD: Final = 30
_CANARY_SEED: Final = 3
"""Of a daylight drive whose last picture the shipped models read with 99 % (7CNR001); of others they are less sure."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One JPEG and when it is due, seconds after the source began; None: as soon as it is there."""

    jpeg: bytes
    due_s: float | None


def pictures(
    source: str, *, fps: float, moment_s: float, part: int, parts: int, plates: Sequence[str] | None, seed: int
) -> Iterator[Picture]:
    """Give what one of `parts` cameras sees of a source.

    Every camera meets the whole drive or video, each with a drive of its own; photographs are dealt out between them,
    `moment_s` apart at least, because each is a moment of its own. Raises `Misconfigured` for an odd source.
    """
    path = Path(source)
    if source == "drive":
        return _ahead(_drive(seed + part, plates if plates is not None else 24, fps))
    if source == "canary":
        if plates is None or len(plates) != 1:
            raise Misconfigured("a canary shows one plate: name it with --plates")
        return _canary(plates[0], moment_s)
    if source.startswith(ADDRESSES):
        return _video(source, fps, live=True)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in PHOTOGRAPHS)
        if not files:
            raise Misconfigured(f"{source} holds no photograph")
        return _photographs(files[part::parts], max(1 / fps, moment_s))
    if path.suffix.lower() in VIDEOS and path.is_file():
        return _video(source, fps, live=False)
    if path.suffix.lower() in PHOTOGRAPHS and path.is_file():
        return _photographs([path], max(1 / fps, moment_s))
    raise Misconfigured(f"{source} is no folder, photograph, video or rtsp address")


def _drive(seed: int, vehicles: Sequence[str] | int, fps: float) -> Iterator[Picture]:
    from PIL import Image

    from alprdraw.scenes import render_drive

    for scene in render_drive(seed, vehicles):
        jpeg = io.BytesIO()
        Image.fromarray(scene.image).save(jpeg, "JPEG", quality=_QUALITY)
        yield Picture(jpeg.getvalue(), scene.offset.total_seconds() * SCENE_FPS / fps)


def _canary(plate: str, pace_s: float) -> Iterator[Picture]:
    """Draw a test plate once, and show it again and again, `pace_s` apart, for as long as somebody looks."""
    from PIL import Image

    from alprdraw.scenes import render_drive

    best = max(
        render_drive(_CANARY_SEED, [plate]), key=lambda scene: max((shown[3] for shown in scene.plates), default=0.0)
    )
    jpeg = io.BytesIO()
    Image.fromarray(best.image).save(jpeg, "JPEG", quality=_QUALITY)
    for number in itertools.count():
        yield Picture(jpeg.getvalue(), number * pace_s)


def _ahead(source: Iterator[Picture]) -> Iterator[Picture]:
    """Let a thread draw up to 30 pictures before they are due: on a busy machine a camera keeps its rhythm."""
    drawn: queue.Queue[Picture | BaseException | None] = queue.Queue(_DRAWN_AHEAD)
    given_up = threading.Event()

    def draw() -> None:
        try:
            for picture in source:
                _offer(drawn, picture, given_up)
                if given_up.is_set():
                    return
        # law-skip: broad-except - raised again by whoever takes the pictures
        except BaseException as error:  # noqa: BLE001
            _offer(drawn, error, given_up)
        _offer(drawn, None, given_up)

    threading.Thread(target=draw, daemon=True).start()
    try:
        while (item := drawn.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        given_up.set()


def _offer(
    drawn: queue.Queue[Picture | BaseException | None], item: Picture | BaseException | None, given_up: threading.Event
) -> None:
    while not given_up.is_set():
        try:
            drawn.put(item, timeout=0.2)
        except queue.Full:
            continue
        return


def _photographs(files: Sequence[Path], pace_s: float) -> Iterator[Picture]:
    for number, file in enumerate(files):
        data = file.read_bytes()
        yield Picture(data if data.startswith(b"\xff\xd8") else _as_jpeg(data), number * pace_s)


def _as_jpeg(data: bytes) -> bytes:
    from PIL import Image

    jpeg = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB").save(jpeg, "JPEG", quality=_QUALITY + 5)
    return jpeg.getvalue()


def _video(address: str, fps: float, *, live: bool) -> Iterator[Picture]:
    """Let ffmpeg decode, thin out and write JPEGs into a pipe; a full pipe holds it back."""
    transport = ["-rtsp_transport", "tcp"] if address.startswith("rtsp") else []
    command = [
        "ffmpeg", "-nostdin", "-loglevel", "error", *transport, "-i", address,
        "-an", "-vf", f"fps={fps}", "-c:v", "mjpeg", "-q:v", "3", "-f", "image2pipe", "-",
    ]  # fmt: skip
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise Misconfigured("ffmpeg is not installed; it decodes videos") from None
    try:
        for number, jpeg in enumerate(_split(process)):
            yield Picture(jpeg, None if live else number / fps)
    finally:
        process.terminate()
        process.wait()
    if process.returncode not in {0, -15, 255}:
        raise Misconfigured(f"ffmpeg could not read the source ({process.returncode})")


def _split(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Cut a stream of JPEGs behind each end marker: within pixel data FF is always followed by 00 (T.81, B.1.1.5)."""
    held = b""
    pipe = process.stdout
    while pipe is not None and (chunk := pipe.read(_CHUNK)):
        held += chunk
        while (end := held.find(b"\xff\xd9")) >= 0:
            yield held[: end + 2]
            held = held[end + 2 :]


class Pace:
    """Waits until pictures are due; when it falls behind it goes on from there instead of hurrying after."""

    def __init__(self) -> None:
        self._begun: float | None = None

    def wait_s(self, due_s: float | None) -> float:
        """Tell how long to wait for a picture that is due at this time of the source."""
        now = time.monotonic()
        if due_s is None:
            return 0.0
        if self._begun is None or now > self._begun + due_s + 1.0:
            self._begun = now - due_s
        return max(0.0, self._begun + due_s - now)
