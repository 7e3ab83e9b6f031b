"""Checks every law over the repository: `python -m tools.laws`."""

import subprocess
from pathlib import Path

from tools.laws import code, locks, sql
from tools.laws.harness import read

ROOT = Path(__file__).resolve().parents[2]
LAWS = (*code.LAWS, *sql.LAWS, *locks.LAWS)


def main() -> int:
    """Prints each violation; returns 1 when there is one."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    paths = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = sorted(violation for file in read(ROOT, paths) for law in LAWS for violation in law.violations(file))
    for violation in found:
        print(violation)
    if "uv.lock" in paths:
        print("uv.lock: lock-places: it names the hosts that packages came from; requirements/ is what is locked")
    return 1 if found or "uv.lock" in paths else 0


if __name__ == "__main__":
    raise SystemExit(main())
