"""`alpr run`: the whole product on this machine, playing a drive through the cameras until Ctrl-C.

`alpr smoke` is the same without a person: a temporary state folder, counts and latency printed, and an exit
status that tells whether a frame became a notification and a search found its read.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Final

from alpr_cli import demo, local
from alpr_cli.stack import Stack, StackError

EX_UNAVAILABLE: Final = 69
"""Exit status when something on this machine is missing or does not start (sysexits.h)."""
_LOOK_AFTER_S: Final = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr run`."""
    parser.add_argument(
        "--source", default="drive", help="drive (rendered, the default), a folder, a video or an rtsp address"
    )
    parser.add_argument("--list", type=Path, help="a CSV list of plates to ring for; the drive brings its own")
    parser.add_argument("--state", type=Path, default=Path(".plateline"), help="where everything is kept")
    parser.add_argument("--port", type=int, default=8080, help="of the console, on 127.0.0.1")
    parser.add_argument("--cameras", type=int, default=2, help="simulated cameras")
    parser.add_argument("--fps", type=float, default=2.0, help="frames per second and camera")
    parser.add_argument("--no-play", action="store_true", help="start everything, play nothing")


def run(options: argparse.Namespace) -> int:
    """Start everything, play, and stop on Ctrl-C; returns the exit status."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    stack = Stack(options.state, console_port=options.port, tell=lambda words: print(f"  {words}", flush=True))
    try:
        with stack:
            _play(stack, options, stop)
    except (StackError, local.LocalError, demo.DemoError) as error:
        print(f"alpr run: {error}", file=sys.stderr)
        return EX_UNAVAILABLE
    print("stopped; everything acknowledged is kept in", options.state)
    return 0


def _play(stack: Stack, options: argparse.Namespace, stop: threading.Event) -> None:
    plates = demo.prepare(stack, cameras=options.cameras, plates=options.list)
    print(
        f"\nPlateline is running: {stack.console}\n"
        f"  sign in as      {', '.join(demo.ACCOUNTS)}\n"
        f"  password        {stack.demo_password}\n"
        f"  demonstration   {plates} plates listed; this agency is watermarked and bound to this machine\n"
        f"  for programs    Kafka {stack.bootstrap} (ALPR_KAFKA_BOOTSTRAP), ingest {stack.services['ingest'].url}\n"
        "  stop            Ctrl-C\n",
        flush=True,
    )
    command = demo.drive(stack, source=options.source, fps=options.fps, cameras=options.cameras)
    player = None if options.no_play else subprocess.Popen(command)
    try:
        while not stop.wait(_LOOK_AFTER_S):
            for service in stack.ended():
                print(f"  {service.name} ended and is started again; its log: {service.log}", flush=True)
                stack.start_service(service.name)
            if player is not None and player.poll() is not None:
                print(f"  the source has ended ({player.returncode}); everything else goes on", flush=True)
                player = None
    finally:
        if player is not None:
            player.terminate()
            player.wait()
