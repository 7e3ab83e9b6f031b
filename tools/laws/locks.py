"""Laws over the lock files."""

import re
from collections.abc import Iterator

from tools.laws.harness import File, Law


def no_places(file: File) -> Iterator[tuple[int, str]]:
    """A lock file names packages and hashes, never where they came from."""
    if file.path.parts[0] != "requirements":
        return
    for number, line in enumerate(file.text.splitlines(), 1):
        if re.search(r"://|^\s*-e |^\s*--(?:index|extra-index|find-links)|(?:^|[\s@])/\w", line):
            yield number, "names a place"


LAWS = (Law("lock-places", ".txt", no_places),)
