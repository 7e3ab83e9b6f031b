"""Takes orders from the command, one JSON a line, and answers with events, one JSON a line, until everything is read.

Orders (standard input): first `{"models": …}`, then any number of `{"pictures": [file, …], …}` and `{"video": address, …}`, then
`{"end": true}`. `{"stop": true}`, or the end of the input, ends early: what was read so far is still told. An address may
hold a password, so it comes this way and not as an argument.

Events (standard output): `ready`, or `unfit` when the models cannot be loaded; then `picture`; `opened`,
`progress`, `passage` and `finished` of a video; and `failed`, each with the `source` as it was ordered; at last `done`.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TextIO

import alpr_recognizer
from alpr_recognizer.models import FrameResult, ModelInfo, ModelProcess, Reader
from alpr_recognizer.reading.passing import Row, Watch, is_plate, may_be_cut, picture_rows
from alpr_recognizer.reading.pictures import Sight, UnreadableError, as_frame
from alpr_recognizer.reading.videos import Video
from alprcore.errors import Misconfigured

_REASONS: Final = {
    "MODEL_FAILED": "makes the models fail",
    "IMAGE_TOO_LARGE": "is too large",
    "JPEG_TRUNCATED": "is cut off, its end is missing",
}
Order = Mapping[str, Any]


class Orders:
    """The orders as they come in, and whether an early end is wanted."""

    def __init__(self, source: TextIO) -> None:
        self.stopped = threading.Event()
        self._source = source
        self._waiting: queue.Queue[Order | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self._source:
            order = json.loads(line)
            if "stop" in order:
                break
            self._waiting.put(None if "end" in order else order)
        self.stopped.set()
        self._waiting.put(None)

    def __iter__(self) -> Iterator[Order]:
        """Give the orders until one says that they end here, or that everything ends."""
        while (order := self._waiting.get()) is not None and not self.stopped.is_set():
            yield order


class Desk:
    """Reads what the orders name and tells what it finds; pictures and close-ups go along when `extras` names them."""

    def __init__(self, reader: Reader, orders: Orders, answers: TextIO, extras: Sequence[str] = ()) -> None:
        self._reader, self._orders, self._answers, self._extras = reader, orders, answers, frozenset(extras)
        self._batch = reader.info.at_once  # while the models look at these, the next ones are decoded
        self._models = ThreadPoolExecutor(1)

    def work(self) -> None:
        """Read everything that is ordered, in that order."""
        for order in self._orders:
            if "pictures" in order:
                self._pictures(order["pictures"], cut=bool(order["cut"]))
            else:
                self._video(order)
        self._models.shutdown()
        self.tell("done")

    def tell(self, event: str, **facts: Any) -> None:
        """Answer one event."""
        self._answers.write(json.dumps({"event": event, **facts}, ensure_ascii=False, allow_nan=False) + "\n")
        self._answers.flush()

    def _pictures(self, files: Sequence[str], *, cut: bool) -> None:
        ahead: tuple[dict[str, Sight | UnreadableError], Future[list[FrameResult]]] | None = None
        for at in range(0, len(files), self._batch):
            if self._orders.stopped.is_set():
                break
            opened = {file: _open(file) for file in files[at : at + self._batch]}
            jpegs = [sight.jpeg for sight in opened.values() if isinstance(sight, Sight)]
            looking = self._models.submit(self._reader.find_plates, jpegs, cut=cut)
            if ahead is not None:
                self._tell_pictures(*ahead)
            ahead = opened, looking
        if ahead is not None:
            self._tell_pictures(*ahead)

    def _tell_pictures(self, opened: Mapping[str, Sight | UnreadableError], looking: Future[list[FrameResult]]) -> None:
        sights = [sight for sight in opened.values() if isinstance(sight, Sight)]
        seen = iter(self._as_plates(sights, looking.result()))
        for file, sight in opened.items():
            if isinstance(sight, UnreadableError):
                self.tell("failed", source=file, reason=str(sight))
            elif (result := next(seen)).error is not None:
                self.tell("failed", source=file, reason=_REASONS.get(result.error[0], "is damaged"))
            else:
                rows = picture_rows(sight, result.candidates, self._reader.info)
                self.tell(
                    "picture",
                    source=file,
                    width=sight.width,
                    height=sight.height,
                    note=sight.note,
                    reads=[row.fields() | self._closeup(row) for row in rows],
                    **self._jpeg(sight.jpeg, sight.scale),
                )

    def _as_plates(self, sights: Sequence[Sight], results: Sequence[FrameResult]) -> list[FrameResult]:
        """Read pictures that look like plates cut out as just that, and take the answer where it makes sense."""
        answers = list(results)
        places = [
            place
            for place, (sight, result) in enumerate(zip(sights, results, strict=True))
            if result.error is None and may_be_cut(sight)
        ]
        alone = self._models.submit(self._reader.find_plates, [sights[place].jpeg for place in places], cut=True)
        for place, result in zip(places, alone.result(), strict=True):
            if is_plate(result.candidates, answers[place].candidates):
                answers[place] = result
        return answers

    def _video(self, order: Order) -> None:
        """Read a video or a live stream as one camera."""
        source, live, most_s = str(order["video"]), bool(order["live"]), order.get("for_s")
        watch = Watch(self._reader.info)
        try:
            video = Video(source, fps=float(order["fps"]), live=live)
            self.tell("opened", source=source)
            watcher = threading.Thread(target=self._stop_in_time, args=(video, most_s if live else None), daemon=True)
            watcher.start()
            ahead: tuple[list[tuple[float, Sight]], Future[list[FrameResult]]] | None = None
            try:
                for batch in video.batches(self._batch):
                    moments = [(moment.at_s, moment.sight) for moment in batch]
                    if not live and most_s is not None and moments[0][0] > most_s:
                        break
                    looking = self._models.submit(self._reader.find_plates, [sight.jpeg for _, sight in moments])
                    if ahead is not None:
                        self._tell_passages(source, watch, *ahead)
                    ahead = moments, looking
                    self.tell("progress", source=source, at_s=round(moments[-1][0], 3), length_s=video.length_s)
            finally:
                video.stop()
                if ahead is not None:
                    self._tell_passages(source, watch, *ahead)
        except UnreadableError as error:
            self.tell("failed", source=source, reason=str(error))
        for row in watch.end():
            self._tell_passage(source, row)
        self.tell("finished", source=source)

    def _stop_in_time(self, video: Video, most_s: float | None) -> None:
        deadline = None if most_s is None else time.monotonic() + most_s
        while not self._orders.stopped.wait(0.1):
            if deadline is not None and time.monotonic() > deadline:
                break
        video.stop()

    def _tell_passages(
        self, source: str, watch: Watch, moments: Sequence[tuple[float, Sight]], looking: Future[list[FrameResult]]
    ) -> None:
        for (at_s, sight), result in zip(moments, looking.result(), strict=True):
            for row in watch.see(at_s, sight, result.candidates):
                self._tell_passage(source, row)

    def _tell_passage(self, source: str, row: Row) -> None:
        read = row.fields() | self._closeup(row)
        self.tell("passage", source=source, read=read, **self._jpeg(row.jpeg, row.scale))

    def _jpeg(self, jpeg: bytes, scale: float) -> dict[str, Any]:
        return {"jpeg": base64.b64encode(jpeg).decode(), "scale": scale} if "jpeg" in self._extras else {}

    def _closeup(self, row: Row) -> dict[str, str]:
        return {"closeup": base64.b64encode(row.closeup).decode()} if "closeup" in self._extras else {}


def _open(file: str) -> Sight | UnreadableError:
    try:
        return as_frame(Path(file))
    except UnreadableError as error:
        return error


def _load(order: Order) -> Reader:
    return ModelProcess(
        Path(order.get("weights") or Path(alpr_recognizer.__file__).parent / "weights"),
        threads=int(order["threads"]),
        wide=bool(order["wide"]),
        backend=str(order["backend"]),
    )


def _said(info: ModelInfo) -> dict[str, Any]:
    models = {
        role: {"name": model.name, "sha256": model.sha256}
        for role, model in (("detector", info.detector), ("reader", info.reader))
    }
    return {"backend": info.backend, **models}


def main() -> int:
    """Take orders until they end; answers the exit status."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print; only events may stand among the answers
    orders = Orders(sys.stdin)
    order = next(iter(orders), None)
    if order is None:
        return 0
    try:
        reader = _load(order["models"])
    except Misconfigured as error:
        answers.write(json.dumps({"event": "unfit", "reason": str(error)}) + "\n")
        answers.flush()
        return os.EX_CONFIG
    desk = Desk(reader, orders, answers, order.get("extras", ()))
    try:
        desk.tell("ready", **_said(reader.info))
        desk.work()
    finally:
        reader.close()
    return 0
