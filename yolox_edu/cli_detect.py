"""`python -m yolox_edu detect`: pictures, folders, patterns, videos, a webcam. Explained in chapter 00."""

from __future__ import annotations

import argparse
import glob
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yolox_edu.cli_options import (
    add_device,
    add_size,
    add_weights,
    check_device,
    load_model,
    positive,
    write_text,
)
from yolox_edu.detect import Detections, Detector, Picture, pixels
from yolox_edu.draw import draw
from yolox_edu.video import SUFFIXES as VIDEOS
from yolox_edu.video import detect_video

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}
EPILOG = """\
examples:
  python -m yolox_edu detect                              no input: street scenes drawn on the spot
  python -m yolox_edu detect street.jpg holiday/ 'shots/*.png'
  python -m yolox_edu detect street.jpg --weights yolox_s.pth --json -     print JSON, for other programs
  python -m yolox_edu detect drive.mp4 --out runs/drive   writes drive.mp4 (drawn) and drive.jsonl
  python -m yolox_edu detect 0                            webcam number 0, until Ctrl-C
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `detect`."""
    parser.epilog = EPILOG
    parser.add_argument(
        "inputs",
        nargs="*",
        default=["demo"],
        metavar="INPUT",
        help="picture, folder, pattern in quotes, video, number of a webcam, or 'demo': drawn street scenes",
    )
    add_weights(parser)
    add_size(parser)
    parser.add_argument(
        "--confidence", type=fraction, default=0.25, help="leave out what is less sure (0 to 1)"
    )
    parser.add_argument(
        "--iou",
        type=fraction,
        default=0.45,
        help="of boxes of a class that overlap more, keep the surest (0 to 1)",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/detect"), help="folder for drawn pictures")
    parser.add_argument(
        "--json", metavar="FILE", help="also write all detections as JSON; '-' prints only that"
    )
    parser.add_argument("--no-draw", action="store_true", help="do not write drawn pictures")
    parser.add_argument("--frames", type=positive, metavar="N", help="stop a video or webcam after N frames")
    add_device(parser)


def fraction(text: str) -> float:
    """A number from 0 to 1, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return value


def main(arguments: argparse.Namespace) -> int:
    """Detect in every input; one that cannot be read is reported and skipped. Returns the exit code."""
    device = check_device(arguments.device)
    detector = Detector(load_model(arguments), arguments.size, arguments.confidence, arguments.iou, device)
    job = Job(detector, arguments)
    for word in arguments.inputs:
        with job.reporting():
            if is_video(word):
                job.video(word)
                continue
            for name, picture in pictures_of(word):
                with job.reporting():
                    job.picture(name, picture)
    job.finish()
    return 1 if job.failed else 0


class Job:
    """One run of `detect`: says, draws and collects what was found."""

    def __init__(self, detector: Detector, arguments: argparse.Namespace):
        self.detector, self.arguments = detector, arguments
        self.results: list[dict[str, Any]] = []
        self.failed = self.drawn = 0
        self._used: set[str] = set()

    def say(self, text: str) -> None:
        """A line for people; not on stdout where that is for JSON."""
        print(text, file=sys.stderr if self.arguments.json == "-" else sys.stdout, flush=True)

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Report and count an input that cannot be used, and go on."""
        try:
            yield
        except (ValueError, OSError) as error:
            print(f"yolox_edu: error: {error}", file=sys.stderr, flush=True)
            self.failed += 1

    def picture(self, name: str, picture: Picture) -> None:
        """Detect in one picture; print a line, keep the result, write the drawn picture."""
        start = time.perf_counter()
        picture = pixels(picture)
        found = self.detector(picture)
        self.say(f"{name}: {summary(found)} ({1000 * (time.perf_counter() - start):.0f} ms)")
        height, width = picture.shape[:2]
        self.results.append({"file": name, "width": width, "height": height, "detections": found.to_dicts()})
        if not self.arguments.no_draw:
            self.arguments.out.mkdir(parents=True, exist_ok=True)
            draw(picture, found).save(self.arguments.out / f"{self.unused(name)}.jpg", quality=92)
            self.drawn += 1

    def video(self, word: str) -> None:
        """Detect in a video or webcam, frame by frame."""
        stem = self.unused(f"webcam-{word}" if word.isdigit() else word)
        source, out = int(word) if word.isdigit() else word, self.arguments.out
        frames = detect_video(
            self.detector, source, out, stem, self.arguments.frames, not self.arguments.no_draw
        )
        self.say(f"{word}: {frames} frames -> {out / stem}.jsonl")

    def unused(self, name: str) -> str:
        """A name for a result: the stem of `name`, with a number where this run has used it already."""
        stem = unique = Path(name).stem or "picture"
        number = 1
        while unique in self._used:
            number += 1
            unique = f"{stem}-{number}"
        self._used.add(unique)
        return unique

    def finish(self) -> None:
        """Say where the drawn pictures are; write the JSON."""
        if self.drawn:
            self.say(f"drawn: {self.drawn} in {self.arguments.out}")
        if self.arguments.json == "-":
            print(json.dumps(self.results, indent=2, ensure_ascii=False))
        elif self.arguments.json:
            write_text(Path(self.arguments.json), json.dumps(self.results, indent=2, ensure_ascii=False))


def is_video(word: str) -> bool:
    """Whether an input is a video file or a webcam's number."""
    return word.isdigit() or Path(word).suffix.lower() in VIDEOS


def pictures_of(word: str) -> Iterator[tuple[str, Picture]]:
    """The pictures that one input means, each with its name; what does not exist comes as its own name."""
    path = Path(word)
    if word == "demo":
        from yolox_edu.data.crossing import Crossing  # draws; only the demo needs it

        scenes = Crossing.split("val", 4)
        for i in range(len(scenes)):
            image, target = scenes[i]
            yield target["file"], image
    elif path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.suffix.lower() in PICTURES)
        if not files:
            raise ValueError(f"{word}: no picture in this folder ({', '.join(sorted(PICTURES))})")
        yield from ((str(each), each) for each in files)
    elif not path.exists() and (files := sorted(glob.glob(word, recursive=True))):
        yield from ((each, each) for each in files if Path(each).is_file())
    else:
        yield word, path


def summary(found: Detections) -> str:
    """ "3 car, 1 person": what was found, the most frequent first."""
    counts = {name: found.names.count(name) for name in found.names}
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {name}" for name, count in ordered) or "nothing found"
