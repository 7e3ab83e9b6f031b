"""Videos and live streams become frames: decoded aside, thinned out to so many a second, each with its time."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from alpr_recognizer.models.jpeg import MOST_PIXELS
from alpr_recognizer.reading.pictures import Sight, UnreadableError

_OPEN_MS: Final = 15_000  # a camera answers within a few seconds, or it is not there
_READ_MS: Final = 15_000  # longer than the pause between two key frames of any camera
_QUALITY: Final = 92
_AHEAD: Final = 16  # frames decoded before they are asked for: two batches
_LOOK_UP_S: Final = 0.2
_LONGEST_GAP_S: Final = 10.0  # a stamp further ahead than that is a new clock, not a pause
_WHOLE: Final = 0.9
"""Least share of the frames that the file promises; with fewer it is cut off or damaged. Counts are estimates."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame of a video: seconds after its beginning, and the picture."""

    at_s: float
    sight: Sight


class Video:
    """A video file or a live stream, decoded by a thread of its own.

    A file is decoded as fast as it is read; of a live stream the newest frames count, and those that nobody had time for
    are passed over, so that the reads stay of now.
    """

    def __init__(self, address: str, *, fps: float, live: bool) -> None:
        """Open it. Raises `UnreadableError`."""
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")  # UDP loses parts of frames
        os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"  # quiet: it would print addresses, and those may hold a password
        import cv2

        self._cv2, self._fps, self._live = cv2, fps, live
        cv2.setLogLevel(0)
        self._capture: Any = cv2.VideoCapture(
            address,
            cv2.CAP_FFMPEG,
            [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_MS],
        )
        if not self._capture.isOpened():
            raise UnreadableError("gives no stream" if live else "is not a video, or damaged")
        self._native_fps: float = self._capture.get(cv2.CAP_PROP_FPS) or 25.0
        self._promised = 0 if live else max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self._given_up = threading.Event()
        self._frames: queue.Queue[Moment | UnreadableError | None] = queue.Queue(_AHEAD)

    @property
    def length_s(self) -> float | None:
        """Length in seconds, as far as the file knows it."""
        return self._promised / self._native_fps if self._promised else None

    def batches(self, most: int) -> Iterator[list[Moment]]:
        """Give the frames in order, up to `most` at once; of a live stream those that are there.

        Ends with the video, or soon after `stop`. Raises `UnreadableError` behind the last good frame when the video is
        cut off or the stream is lost.
        """
        threading.Thread(target=self._decode, daemon=True).start()
        end: UnreadableError | None = None
        going_on = True
        while going_on:
            batch: list[Moment] = []
            while going_on and len(batch) < most:
                try:
                    item = self._frames.get(timeout=0.0 if batch and self._live else _LOOK_UP_S)
                except queue.Empty:
                    going_on = not self._given_up.is_set()
                    if batch and self._live:
                        break
                    continue
                if isinstance(item, Moment):
                    batch.append(item)
                else:
                    end, going_on = item, False
            if batch:
                yield batch
            going_on = going_on and not self._given_up.is_set()
        if end is not None:
            raise end

    def stop(self) -> None:
        """Decode no further."""
        self._given_up.set()

    def _decode(self) -> None:
        step, due, number = 1 / self._fps, 0.0, 0
        slack = min(step, 1 / self._native_fps) / 2  # of two frames around the due time the nearer one is taken
        times = self._times()
        while not self._given_up.is_set() and self._capture.grab():
            at_s, number = next(times), number + 1
            if at_s + slack < due:
                continue
            due = max(due + step, at_s + step - slack)
            taken, picture = self._capture.retrieve()
            if taken:
                self._offer(Moment(at_s, self._sight(picture)))
        end: UnreadableError | None = None
        if self._live and not self._given_up.is_set():
            end = UnreadableError("the stream was lost")
        elif number < _WHOLE * self._promised and not self._given_up.is_set():
            end = UnreadableError(f"is cut off or damaged: {number} of {self._promised} frames can be decoded")
        self._capture.release()
        self._offer(end)

    def _times(self) -> Iterator[float]:
        """Tell the time of each frame that was grabbed: by its stamp, or by the count where stamps jump or are missing."""
        at_s = stamp = 0.0
        for number in itertools.count():
            before, stamp = stamp, self._capture.get(self._cv2.CAP_PROP_POS_MSEC) / 1000
            passed = stamp - before
            at_s += 0.0 if number == 0 else passed if 0 < passed < _LONGEST_GAP_S else 1 / self._native_fps
            yield at_s

    def _sight(self, picture: Any) -> Sight:
        height, width = picture.shape[:2]
        scale = max(1.0, (width * height / MOST_PIXELS) ** 0.5)
        if scale > 1.0:
            size = (int(width / scale), int(height / scale))
            picture = self._cv2.resize(picture, size, interpolation=self._cv2.INTER_AREA)
        _, jpeg = self._cv2.imencode(".jpg", picture, [self._cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        return Sight(bytes(jpeg), width, height, scale)

    def _offer(self, item: Moment | UnreadableError | None) -> None:
        while not self._given_up.is_set():
            try:
                self._frames.put(item, timeout=0.0 if self._live else _LOOK_UP_S)
            except queue.Full:
                if self._live:
                    self._forget_oldest()
                continue
            return

    def _forget_oldest(self) -> None:
        with contextlib.suppress(queue.Empty):
            self._frames.get_nowait()
