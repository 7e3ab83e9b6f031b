"""Reads the text that a load test wrote behind a made-up frame's picture; never used outside of load tests."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from typing import Final

from typing_extensions import override

from alpr_recognizer.ctc import Text
from alpr_recognizer.models import jpeg as jpeg_rules
from alpr_recognizer.models.process import FrameResult, ModelInfo, Reader
from alpr_recognizer.sighting import Candidate
from alprcore.errors import InvalidMessage
from alprcore.model import Box, Character, Provenance

MARK: Final = b"plateline-load-test:"
"""Stands behind the JPEG's end marker, before JSON: a list of [x, y, width, height, text, probability].

Or an object with this list as `plates` and `seconds`: how long the look takes, for tests of what too many frames do.
"""

_NAME: Final = "fake-load-test"


class FakeReader(Reader):
    """Answers what the frame itself says; its reads name the model `fake-load-test`."""

    def __init__(self) -> None:
        stamp = Provenance(_NAME, hashlib.sha256(_NAME.encode()).hexdigest())
        self.info = ModelInfo(stamp, stamp, "none, load test")

    @override
    def find_plates(self, jpegs: Sequence[bytes], *, cut: bool = False) -> list[FrameResult]:
        return [self._one(data) for data in jpegs]

    @staticmethod
    def _one(data: bytes) -> FrameResult:
        try:
            jpeg_rules.check(data)
        except InvalidMessage as error:
            return FrameResult(error=(error.code, error.detail))
        _, mark, text = data.rpartition(MARK)
        said = json.loads(text) if mark else []
        if isinstance(said, dict):
            time.sleep(said["seconds"])
            said = said["plates"]
        return FrameResult(
            tuple(
                Candidate(
                    Box(x, y, width, height),
                    0.9,
                    Text(tuple(Character(letter, probability) for letter in plate)),
                    jpeg_rules.strip(data),
                )
                for x, y, width, height, plate, probability in sorted(said)
            )
        )

    @override
    def close(self) -> None:
        """Nothing is held."""
