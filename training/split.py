"""Which photographs are kept back from training.

One rule for every model, so that no model is ever scored on a photograph another one learned from.
"""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath


def held_out(file: str) -> bool:
    """Decide whether a photograph is kept back: a fixed quarter, by the hash of its file name.

    The folder is left out, so the answer does not depend on where the photographs lie.
    """
    name = PurePosixPath(file.replace("\\", "/")).name
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 4 == 0
