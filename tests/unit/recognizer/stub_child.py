"""A child without models: dies of the frame `poison`, dies once of the frame `hiccup`, hangs never."""

import hashlib
import os
import pickle
import sys
from pathlib import Path

from alpr_recognizer.models.process import FrameResult, ModelInfo
from alprcore.model import Provenance

weights, _, _, _, questions_fd, answers_fd = sys.argv[1:]
questions, answers = os.fdopen(int(questions_fd), "rb"), os.fdopen(int(answers_fd), "wb")


def say(content):
    body = pickle.dumps(content)
    answers.write(len(body).to_bytes(8, "big") + body)
    answers.flush()


if not Path(weights).is_dir():
    say("no weights")
    sys.exit(1)
starts = Path(weights) / "starts"
starts.write_text(starts.read_text() + "." if starts.exists() else ".")
say(ModelInfo(Provenance("stub", "0"), Provenance("stub", "0"), "stub"))
while header := questions.read(8):
    frames, _ = pickle.loads(questions.read(int.from_bytes(header, "big")))  # noqa: S301
    hiccup = Path(weights) / hashlib.sha256(b"hiccup").hexdigest()
    if b"hiccup" in frames and not hiccup.exists():
        hiccup.touch()
        os._exit(1)
    if b"poison" in frames:
        os._exit(1)
    say([FrameResult(error=("SEEN", frame.decode())) for frame in frames])
