"""Stands in for the interpreter that has the models: the desk itself, with a reader that knows what the files say."""

import os
import sys
import time

from alpr_recognizer.models.fake import FakeReader
from alpr_recognizer.reading import desk


class Slow(FakeReader):
    def find_plates(self, jpegs, *rest, **more):
        time.sleep(float(os.environ.get("STUB_SLOW", "0")))
        return super().find_plates(jpegs)


desk._load = lambda _: Slow()
sys.exit(desk.main())
