"""Holds a process on a leash: `python -m alpr_cli.leash OPTIONS -- COMMAND`.

The leash runs the command and reads its own standard input. When that ends, because whoever started
the leash closed it or died in any way, the command is asked to stop, and killed if it does not. A lock
file names who uses a state folder: it is inherited by the command and all it starts, so the lock is free
exactly when the last of them is gone, and a second start on the same folder waits for that.
"""

import argparse
import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

EX_UNAVAILABLE = 69
"""Exit status when somebody else uses the state folder."""

_PR_SET_PDEATHSIG = 1
_LOCK_WAIT_S = 30.0  # a broker that was just told to stop takes up to 20 s


def _lock(path: Path) -> int | None:
    """Takes the lock of a state folder, or gives up after 30 s; returns the descriptor that holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.1)
        else:
            return fd


def main(argv: list[str] | None = None) -> int:
    """Runs the command until it ends or standard input does; returns the command's status, 0 when it was stopped."""
    parser = argparse.ArgumentParser(prog="alpr_cli.leash")
    parser.add_argument("--lock", type=Path, required=True)
    parser.add_argument("--signal", default="SIGTERM", help="what asks the command to stop")
    parser.add_argument("--patience", type=float, default=20.0, help="seconds until it is killed")
    parser.add_argument("--user", help="run the command as this user (only root can)")
    parser.add_argument("--forget", type=Path, help="a file that a killed run left behind, removed under the lock")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args(argv)

    lock = _lock(args.lock)
    if lock is None:
        print(f"{args.lock.parent} is in use by another process", file=sys.stderr)
        return EX_UNAVAILABLE
    if args.forget is not None:
        args.forget.unlink(missing_ok=True)

    libc = ctypes.CDLL(None, use_errno=True)

    def die_with_the_leash() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.Signals[args.signal])

    child = subprocess.Popen(
        args.command,
        stdin=subprocess.DEVNULL,
        pass_fds=(lock,),
        user=args.user,
        group=args.user,
        extra_groups=[] if args.user else None,
        preexec_fn=die_with_the_leash,  # noqa: PLW1509 - no thread exists yet
    )
    stopping = threading.Event()

    def watch() -> None:
        while os.read(0, 1024):
            pass
        stopping.set()
        child.send_signal(signal.Signals[args.signal])

    threading.Thread(target=watch, daemon=True).start()
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)  # only the end of standard input stops what is on the leash
    while not stopping.is_set() and child.poll() is None:
        stopping.wait(0.1)
    if not stopping.is_set():
        return child.returncode or 0
    try:
        child.wait(args.patience)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
