"""A drive with known truth: vehicles drawn on a street, through the real models and the rules of passages, without Kafka.

`make bench-drive [ARGS="--vehicles 200 --seed 7"]`. Every vehicle should make one read, and it should be right. Writes
bench/results/drive.md and, with --details FILE, one line for each vehicle that did not, and for each false read.
"""

import argparse
import csv
import io
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from PIL import Image

from alpr_recognizer import sighting
from alpr_recognizer.models import ModelProcess
from alprcore import model
from alprcore.plates import skeleton
from alprdraw.traffic import plan_scene, render_scene
from bench.report import Report

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "services/recognizer/src/alpr_recognizer/weights"
BEGIN = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = date(2028, 6, 1)
A_SCENE = 10  # vehicles
GOAL = 0.97
LEAST_WIDTH = 60  # pixels: the width from which a plate is promised to be read
IMAGE = model.ImageRef("closeup/none", b"\0" * 32, model.ImageRole.CLOSEUP, model.View.UNKNOWN, DAY)


def device(camera):
    """Give a registered camera that stands at the road."""
    return model.Device(
        "drive", "demo", model.DeviceKind.FIXED, "Drive", "pole", (model.Camera(camera, camera, ("N",), model.View.REAR),),
        model.Siting(True, "Chief", DAY), True, model.GeoPoint(34.05, -118.24), b"k" * 32,
    )  # fmt: skip


@dataclass
class Camera:
    """One camera's passages, as the service keeps them, and the reads they told."""

    name: str
    going_on: tuple[sighting.Passage, ...] = ()
    trails: tuple[sighting.Trail, ...] = ()
    reads: dict[str, model.Read] = field(default_factory=dict)
    seen: dict[str, list] = field(default_factory=lambda: defaultdict(list))

    def take(self, offset, frame, candidates):
        """Add a frame; tell what is new."""
        fresh = list(enumerate(candidates))
        observed = sighting.observe(self.going_on, frame, offset, fresh, "", self.trails)
        for passage in observed.ended:
            self.tell(passage, ended=True)
        self.going_on = tuple(
            self.tell(passage, ended=False) if passage.seen_in(offset) else passage for passage in observed.going_on
        )
        self.trails = observed.trails

    def end(self):
        """End what is left."""
        for passage in self.going_on:
            self.tell(passage, ended=True)

    def tell(self, passage, *, ended):
        """Keep the newest word on a passage and where its plates were seen."""
        self.seen[passage.read_id] = [(glimpse.offset, glimpse.box) for glimpse in passage.glimpses]
        text = sighting.news(passage, ended=ended)
        if text is None:
            return passage
        stamp = sighting.Stamp(model.Provenance("d", "0"), model.Provenance("r", "0"), "v", BEGIN, BEGIN)
        read = sighting.make_read(passage, text, device(self.name), (IMAGE, IMAGE), stamp)
        self.reads[read.read_id] = read
        return replace(passage, told=read)


def jpeg_of(image, quality):
    """Encode one picture as a camera does."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=quality)
    return out.getvalue()


def whose(camera, read_id, truth):
    """Find the vehicle whose plate lies under most of a read's boxes; None for a false read."""
    votes = Counter()
    for offset, box in camera.seen[read_id]:
        x, y = box.x + box.width / 2, box.y + box.height / 2
        for number, left, top, width, height in truth[offset]:
            if left - 4 <= x <= left + width + 4 and top - 4 <= y <= top + height + 4:
                votes[number] += 1
    return votes.most_common(1)[0][0] if votes else None


class Tally:
    """What became of all vehicles."""

    def __init__(self):
        self.outcomes, self.by_kind, self.by_hour = Counter(), defaultdict(Counter), defaultdict(Counter)
        self.false = self.frames = self.states_told = self.states_right = 0
        self.details = []

    def judge(self, number, scene, camera, truth):
        """Compare one scene's reads with what was drawn."""
        reads, widest, clear = defaultdict(list), Counter(), Counter()
        for boxes in truth.values():
            for name, _, _, width, _ in boxes:
                clear[name] += 1
                widest[name] = max(widest[name], width)
        for read in camera.reads.values():
            vehicle = whose(camera, read.read_id, truth)
            if vehicle is not None:
                reads[vehicle].append(read)
            elif read.plate:
                self.false += 1
                self.details.append((number, scene.hour, "", "false", "", read.plate.reveal(), 0, len(read.frame_ids)))
        for one in scene.vehicles:
            if clear[one.number] < 2 or widest[one.number] < LEAST_WIDTH:
                continue  # never shown clearly enough to promise anything
            texts = [read.plate.reveal() for read in reads[one.number]]
            outcome = verdict(texts, one.plate.text)
            for counter in (self.outcomes, self.by_kind[one.kind], self.by_hour[scene.hour]):
                counter[outcome] += 1
            if outcome == "right":
                self.count_state(reads[one.number][0], one.plate.state)
            else:
                said = "/".join(f"{r.plate_raw}:{r.unreadable_reason}:{r.confidence:.2f}" for r in reads[one.number])
                row = (number, scene.hour, one.kind, outcome, one.plate.text, said, round(widest[one.number]))
                self.details.append((*row, clear[one.number]))

    def count_state(self, read, state):
        """Compare the state of origin where it was told."""
        if state and read.state != model.UNKNOWN:
            self.states_told += 1
            self.states_right += read.state.lower() == state


def verdict(texts, plate):
    """Tell what became of one vehicle from the texts of its reads."""
    if not texts:
        return "missed"
    if len(texts) > 1:
        return "doubled"
    if texts[0] == plate:
        return "right"
    if skeleton(model.Plate(texts[0])) == skeleton(model.Plate(plate)):
        return "look-alike"
    return "wrong" if texts[0] else "withheld"


def drive(reader, seed, vehicles):
    """Play all scenes."""
    tally, moment = Tally(), BEGIN
    for number in range(-(-vehicles // A_SCENE)):
        scene = plan_scene(seed, number, min(A_SCENE, vehicles - number * A_SCENE))
        camera, truth = Camera(f"camera-{number}"), {}
        shown = enumerate(render_scene(seed, number, scene))
        while batch := [frame for _, frame in zip(range(8), shown, strict=False)]:
            jpegs = [jpeg_of(drawn.image, 70 + 5 * (number % 5)) for _, drawn in batch]
            for (offset, drawn), jpeg, result in zip(batch, jpegs, reader.find_plates(jpegs), strict=True):
                result.raise_error()
                truth[offset] = [plate for plate in drawn.plates if plate[0] not in drawn.hidden]
                frame = model.Frame(
                    model.frame_id(camera.name, offset, b"\0" * 32), "demo", "drive", camera.name, offset,
                    moment + timedelta(seconds=drawn.second), moment, None, b"\0" * 32, b"", model.View.REAR, jpeg,
                )  # fmt: skip
                camera.take(offset, frame, result.candidates)
                tally.frames += 1
        camera.end()
        tally.judge(number, scene, camera, truth)
        print(f"scene {number} ({scene.hour}): {dict(tally.outcomes)}, false {tally.false}", flush=True)
    return tally


def main():
    """Run, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vehicles", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--details", type=Path)
    given = parser.parse_args()
    reader = ModelProcess(WEIGHTS, threads=given.threads, wide=False, backend=given.backend)
    begun = time.monotonic()
    try:
        tally = drive(reader, given.seed, given.vehicles)
    finally:
        reader.close()
    report = Report("drive", "A drawn drive: one right read for each vehicle")
    total = sum(tally.outcomes.values())
    report.row(
        "vehicles", f"{total}", f"of {given.vehicles} drawn; those seen twice or more, at least once 60 pixels wide"
    )
    report.row("found once and read right", f"{tally.outcomes['right'] / total:.3f}", f"goal {GOAL}")
    found = total - tally.outcomes["missed"] - tally.outcomes["doubled"]
    report.row("found once", f"{found / total:.3f}", "with or without its text")
    folded = (tally.outcomes["right"] + tally.outcomes["look-alike"]) / total
    report.row("the same, O and 0 and other look-alikes as one", f"{folded:.3f}", "as entries are matched")
    for outcome in ("look-alike", "wrong", "withheld", "doubled", "missed"):
        report.row(outcome, f"{tally.outcomes[outcome]}", "0")
    report.row("false reads", f"{tally.false}", "0")
    report.row("states of origin named right", f"{tally.states_right} of {tally.states_told}", "of plates read right")
    for name, counts in [*sorted(tally.by_hour.items()), *sorted(tally.by_kind.items())]:
        report.row(f"right, {name}", f"{counts['right']} of {sum(counts.values())}", "")
    report.row(
        "frames", f"{tally.frames}", f"{(time.monotonic() - begun) / tally.frames * 1000:.0f} ms each, drawing too"
    )
    report.write()
    if given.details:
        with given.details.open("w", newline="") as out:
            csv.writer(out).writerows(tally.details)


if __name__ == "__main__":
    main()
