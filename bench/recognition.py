"""Accuracy and speed of the recognizer on labeled photographs, beside the open rival asked about the same ones in turn.

`make bench-recognition DATA=FOLDER [RIVAL=PYTHON RIVAL_WEIGHTS=FOLDER]`; FOLDER holds labels.csv. Writes the predictions
(file, plate, x, y, w, h, state, score) and bench/results/recognition.md. Decoding is left out of milliseconds, not of
frames a second. Other work on the machine lengthens wall time, so processor time stands beside it.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import cv2

from alpr_recognizer.models.look import Models, whole_plate
from bench.report import Report
from bench.scoring import MEASURES, Plate, label_of, score

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "services/recognizer/src/alpr_recognizer/weights"
sys.path.insert(0, str(ROOT / "training"))
from split import held_out  # noqa: E402 - the one rule of which photographs no model was trained on

MOST_FRAMES = 150  # for frames a second
IN_TURN = 20  # pictures before the other has its turn: both meet the machine in the same state, and with warm caches


class Rival:
    """The rival in a process of its own; answers one picture at a time."""

    def __init__(self, python, weights, threads):
        command = [python, str(Path(__file__).with_name("rival.py")), str(weights), str(threads)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.name = self._answer()["name"]

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the rival ended; its own words stand above")
        return json.loads(line)

    def ask(self, **question):
        """Put a question, wait for its answer."""
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self):
        """End the process."""
        self._process.stdin.close()
        self._process.wait(10)


class Spent:
    """Milliseconds of one kind of work, by picture."""

    def __init__(self):
        self.cpu, self.wall = [], []

    def add(self, cpu, wall):
        """Add one picture's seconds."""
        self.cpu.append(1000 * cpu)
        self.wall.append(1000 * wall)

    def __str__(self):
        return f"{statistics.fmean(self.cpu):.1f} ms ({statistics.fmean(self.wall):.1f} by the clock)"


def ours(models, picture, crop, work, whole):
    """Look at one picture as the service does; the parts that the rival has too are timed by themselves."""
    wall, cpu = time.perf_counter(), time.process_time()
    (seen,) = [[whole_plate(picture)]] if crop else models.detector.detect([picture])
    found = (time.process_time() - cpu, time.perf_counter() - wall)
    models.reader.read_plates([(picture, plate) for plate in seen])
    work.add(time.process_time() - cpu, time.perf_counter() - wall)
    wall, cpu = time.perf_counter(), time.process_time()
    (result,) = models.look([picture], [seen])  # reads once more, and judges
    whole.add(found[0] + time.process_time() - cpu, found[1] + time.perf_counter() - wall)
    return [
        Plate(c.text.plate.reveal(), (c.box.x, c.box.y, c.box.width, c.box.height), state_of(c), c.text.confidence)
        for c in result.candidates
    ]


def state_of(candidate):
    """Name the state as the labels do: US states by two letters, nothing where it is unknown."""
    best = candidate.origin[0][0] if candidate.origin else ""
    return "" if best == "unknown" else best.removeprefix("US-")


def frames_a_second(files, threads, backend):
    models = Models(WEIGHTS, threads=threads, wide=False, backend=backend)
    jpegs = [Path(file).read_bytes() for file in files]
    models.find_plates(jpegs[: 2 * threads])
    begun = time.perf_counter()
    models.find_plates(jpegs)
    return len(files) / (time.perf_counter() - begun)


def write(path, read):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "plate", "x", "y", "w", "h", "state", "score"])
        for name, plates in read.items():
            for plate in plates:
                writer.writerow(
                    [name, plate.text, *(round(v, 1) for v in plate.box), plate.state, round(plate.score, 4)]
                )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rival", help="python of an environment with fast-alpr")
    parser.add_argument("--rival-weights", type=Path, help="folder with the rival's weights")
    parser.add_argument("--out", type=Path, default=ROOT / "build/recognition/predictions.csv")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--set", action="append", help="only files below this folder; may be given several times")
    parser.add_argument("--kept-back", action="store_true", help="look only at photographs kept back from training")
    parser.add_argument("--foreign", action="store_true", help="no model was trained on any of these photographs")
    given = parser.parse_args()
    if bool(given.rival) != bool(given.rival_weights):
        parser.error("--rival and --rival-weights go together")
    with (given.data / "labels.csv").open(newline="", encoding="utf-8") as file:
        labels = [label_of(row) for row in csv.DictReader(file)]
    labels = [x for x in labels if not given.set or x.file.split("/")[0] in given.set]
    labels = [x for x in labels if not given.kept_back or held_out(x.file)]
    crops = {label.file: label.crop for label in labels}
    if not crops:
        parser.error("no labeled photograph is left")

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})  # one thread on one core, for both; the rival inherits it
    models = Models(WEIGHTS, threads=1, wide=False, backend=given.backend)
    rival = Rival(given.rival, given.rival_weights, 1) if given.rival else None
    work, whole, theirs, aside = Spent(), Spent(), Spent(), Spent()
    read, rivals = {}, {}
    names = list(crops)
    for at in range(0, len(names), IN_TURN):
        for name in names[at : at + IN_TURN]:
            picture = cv2.imread(str(given.data / name))
            if picture is None:
                raise SystemExit(f"{name} cannot be read")
            times = (aside, aside) if crops[name] else (work, whole)
            read[name] = ours(models, picture, crops[name], *times)
        for name in names[at : at + IN_TURN] if rival else ():
            answer = rival.ask(file=str((given.data / name).resolve()), crop=crops[name])
            rivals[name] = [Plate(row[0], tuple(row[1:5]), "", row[5]) for row in answer["plates"]]
            if not crops[name]:
                theirs.cpu.append(answer["cpu_ms"])
                theirs.wall.append(answer["wall_ms"])
    os.sched_setaffinity(0, cores)
    write(given.out, read)
    report(given, models, labels, read, rivals, rival, work, whole, theirs)


def report(given, models, labels, read, rivals, rival, work, whole, theirs):
    out = Report("recognition", "Recognition on labeled photographs")
    name = rival.name if rival else "rival not installed"
    out.row("what", "Plateline", name)
    out.row("runs on", models.info.backend, "onnxruntime, float32" if rival else "")
    measures = " ".join(MEASURES)
    kept = [label for label in labels if held_out(label.file)]
    parts = [("no photograph trained on", labels)] if given.foreign else [("kept back from training", kept)]
    if not given.foreign and not given.kept_back:
        parts.append(("all; three quarters of our own sets were trained on", labels))
    for title, part in parts:
        out.row(f"{title}: {measures}", "", "")
        theirs_by_set = score(part, rivals) if rival else {}
        for data_set, tally in score(part, read).items():
            beside = theirs_by_set[data_set].row() if rival else ""
            out.row(f"{data_set} ({tally.pictures} pictures)", tally.row(), beside)
    scenes = [str((given.data / n).resolve()) for n in dict.fromkeys(x.file for x in labels if not x.crop)][
        :MOST_FRAMES
    ]
    if scenes:
        out.row("one thread: detection and reading, a scene", str(work), str(theirs) if rival else "")
        if rival:
            ratio = statistics.fmean(work.cpu) / statistics.fmean(theirs.cpu)
            out.row("the same, as a share of the rival's", f"{ratio:.2f}", "1")
        out.row("one thread: with state, color, quality, close-up", str(whole), "")
        cores = os.cpu_count() or 1
        mine = f"{frames_a_second(scenes, cores, given.backend):.1f} frames/s"
        beside = ""
        if rival:
            rival.close()
            wide = Rival(given.rival, given.rival_weights, cores)
            wide.ask(all=scenes[:4])
            beside = f"{len(scenes) / wide.ask(all=scenes)['seconds']:.1f} frames/s"
            wide.close()
        out.row(f"all {cores} cores, decoding included", mine, beside)
    out.write()
    print(f"predictions: {given.out}")


if __name__ == "__main__":
    main()
