"""`alpr read`: pictures, videos and live cameras to plates, on this machine alone: no broker, no database, no network.

A picture stands for itself: a row for every plate. A video or a live stream is one camera: a row for every passage of a
vehicle, told when the passage has ended and by the rules of the service.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final

from alpr_cli import inputs
from alpr_cli.desk import Desk
from alpr_cli.inputs import Input
from alpr_cli.outputs import Outputs, Unwritable, Wanted, key_of, say

_EXAMPLES: Final = """examples:
  alpr read photo.jpg
  alpr read photographs/ --csv plates.csv --annotate seen/
  alpr read clip.mp4 --json
  alpr read rtsp://camera.example/stream --for 60s

exit status: 0 all inputs were read, 1 some could not be (each is named), 2 wrong usage, 78 the models are
missing or cannot be loaded, 130 stopped before the end
"""
_EX_USAGE: Final = 2
_EX_INTERRUPTED: Final = 130
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr read`."""
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("source", nargs="+", metavar="FILE|FOLDER|ADDRESS", help="pictures, videos, folders of them, rtsp://…")
    add("--json", action="store_true", help="JSON lines instead of the table")
    add("--csv", type=Path, metavar="FILE", help="write all reads into a CSV as well")
    add("--annotate", type=Path, metavar="FOLDER", help="write the pictures with plates and texts drawn in")
    add("--closeups", type=Path, metavar="FOLDER", help="write every plate cut out")
    add("--min-probability", type=probability, default=0.0, metavar="P", help="leave out what is less sure, 0 to 1")
    add("--fps", type=rate, default=10.0, help="frames a second that are looked at in videos (default 10)")
    add("--for", dest="for_s", type=seconds, metavar="TIME", help="only so much of a video or stream: 30s, 5m, 1h")
    add(
        "--wide", action="store_true", help="look at large pictures at 1280 instead of 640 pixels: small plates, slower"
    )
    add("--cut", action="store_true", help="the pictures are single plates, already cut out")
    add("--backend", default="auto", metavar="NAME", help="auto, cpu-openvino, cpu-onnxruntime, gpu or reference")
    add("--threads", type=count, default=os.cpu_count() or 1, help="of the models (default: one a core)")
    add("--weights", type=Path, metavar="FOLDER", help="other models: a folder with detector/ and reader/")


def probability(text: str) -> float:
    """Take a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("a probability lies between 0 and 1")
    return value


def rate(text: str) -> float:
    """Take a number of frames a second."""
    value = float(text)
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError("more than 0 and at most 1000 frames a second")
    return value


def seconds(text: str) -> float:
    """Take a length of time: 30s, 5m, 1h or a number of seconds."""
    unit = _UNITS.get(text[-1:], 0)
    value = float(text[:-1] if unit else text) * (unit or 1)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("a time is longer than nothing")
    return value


def count(text: str) -> int:
    """Take a number of threads."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("one thread at least")
    return value


def run(options: argparse.Namespace) -> int:
    """Read everything; 0: done, 1: some inputs could not be read (each named on standard error), 2: wrong usage."""
    try:
        return _run(options)
    except Unwritable as error:
        say(str(error))
        return _EX_USAGE
    except BrokenPipeError:  # whoever takes the lines has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(options: argparse.Namespace) -> int:
    apart = [folder for folder in (options.annotate, options.closeups) if folder is not None]
    found = inputs.find(options.source, apart_from=apart)
    for unfit in found.unfit:
        say(f"{unfit.name}: {unfit.reason}")
    if found.passed_over:
        say(f"passed over, neither picture nor video: {found.passed_over} of the files")
    if not found.fit:
        return 1
    wanted = Wanted(options.json, options.csv, options.annotate, options.closeups, options.min_probability)
    with ExitStack() as files:
        outputs = Outputs(wanted, found.fit, files)
        outputs.failed = len(found.unfit)
        with Desk(secrets=[one.source for one in found.fit if one.kind == "live"]) as desk:
            interrupted = _read(options, found.fit, desk, outputs)
    if outputs.failed:
        return 1
    endless = all(one.kind == "live" for one in found.fit)  # how else should a live stream end
    return _EX_INTERRUPTED if interrupted and not endless else 0


def _read(options: argparse.Namespace, given: Sequence[Input], desk: Desk, outputs: Outputs) -> bool:
    """Order everything and take what comes; tells whether Ctrl-C ended it early, with what was read so far.

    A second Ctrl-C ends at once.
    """
    interrupted, ordered = 0, False

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted += 1
        if interrupted > 1:
            raise KeyboardInterrupt
        if ordered:  # else in the middle of another order
            desk.order(stop=True)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        outputs.progress.say("loading models…")
        _order(options, given, desk)
        ordered = True
        if interrupted:
            desk.order(stop=True)
        for event in desk.events():
            outputs.take(event)
        outputs.sum_up(interrupted=bool(interrupted))
        return bool(interrupted)
    finally:
        outputs.progress.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def _order(options: argparse.Namespace, given: Sequence[Input], desk: Desk) -> None:
    extras = [name for name, wanted in (("jpeg", options.annotate), ("closeup", options.closeups)) if wanted]
    weights = None if options.weights is None else str(options.weights.resolve())
    models = {name: getattr(options, name) for name in ("backend", "threads", "wide")}
    desk.order(models={**models, "weights": weights}, extras=extras)
    pictures: list[str] = []
    for one in dict.fromkeys(given):
        if not one.moving:
            pictures.append(key_of(one))
            continue
        if pictures:
            desk.order(pictures=pictures, cut=options.cut)
        pictures = []
        desk.order(video=key_of(one), live=one.kind == "live", fps=options.fps, for_s=options.for_s)
    if pictures:
        desk.order(pictures=pictures, cut=options.cut)
    desk.order(end=True)
