"""Training pictures a second: our mosaic and MixUp against the official code's, side by side.

    python benchmarks/augment.py --data ../shared/coco128            # a COCO-format set
    python benchmarks/augment.py                                     # drawn random pictures, nothing needed

Both get the same pictures, held in memory as decoded arrays (and, in the last rows, as JPEG bytes that each
decodes as it normally does: Pillow here, cv2 there). Both make what a training step takes from a worker: ours
uint8, the official code float32. One thread each; seconds are the processor's, so that others on a busy
machine hardly count, and the two take turns. Needs `pixeltable-yolox` (the official code as a package).
--keep also writes yolox_edu/measured/augment.json, which chapter 14 and the book's page "Parity and numbers"
show.
"""

import argparse
import io
import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import torch
from PIL import Image
from yolox.data import MosaicDetection, TrainTransform
from yolox.data.datasets.datasets_wrapper import Dataset as OfficialDataset

from yolox_edu.data.augment import Augment
from yolox_edu.data.letterbox import fit
from yolox_edu.data.picture import to_rgb
from yolox_edu.data.training import TrainSet
from yolox_edu.measured import keep

Sample = tuple[Any, dict[str, Any]]


class Ours:
    """The pictures as one of our sources."""

    def __init__(self, samples: list[Sample], jpeg: bool) -> None:
        self.samples, self.jpeg = samples, jpeg

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        image, target = self.samples[index]
        if self.jpeg:
            with Image.open(io.BytesIO(image)) as file:
                image = to_rgb(file)
        return image, target


class Official(OfficialDataset):
    """The same pictures as the official code's COCODataset serves them: BGR, resized to fit on reading."""

    def __init__(self, samples: list[Sample], size: tuple[int, int], jpeg: bool) -> None:
        super().__init__(size)
        self.samples, self.jpeg = samples, jpeg
        self.labels = []
        for image, target in samples:
            shape = decode_bgr(image).shape if jpeg else image.shape
            boxes = target["boxes"] * fit(*shape[:2], size)[0]
            self.labels.append(np.column_stack([boxes, target["labels"]]).astype(np.float64))

    def __len__(self) -> int:
        return len(self.samples)

    def load_anno(self, index: int) -> np.ndarray:
        return self.labels[index]

    def pull_item(self, index: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int], np.ndarray]:
        image = self.samples[index][0]
        image = decode_bgr(image) if self.jpeg else image
        _, height, width = fit(*image.shape[:2], self.input_dim)
        resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        return resized, self.labels[index].copy(), image.shape[:2], np.array([index])


def decode_bgr(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def load(data: Path | None, count: int) -> tuple[list[Sample], str]:
    """Pictures with boxes: from a COCO-format folder, or smooth random ones with random boxes."""
    if data is None:
        rng = np.random.default_rng(0)
        return [random_sample(rng) for _ in range(count)], f"{count} random pictures"
    from yolox_edu.data.coco import open_coco

    split = sorted(data.glob("annotations/instances_*.json"))[0].stem.removeprefix("instances_")
    source = open_coco(data, split, limit=count)
    return [source[i] for i in range(len(source))], f"{len(source)} pictures of {data.name}"


def random_sample(rng: np.random.Generator) -> Sample:
    height, width = [(480, 640), (427, 640), (640, 427)][rng.integers(3)]
    image = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), (0, 0), 3)
    corner = rng.uniform(0, 0.8, (7, 2))
    boxes = np.hstack([corner, np.minimum(corner + rng.uniform(0.02, 0.5, (7, 2)), 1)])
    boxes = (boxes * [width, height, width, height]).astype(np.float32)
    labels = rng.integers(0, 80, 7)
    return image, {"boxes": boxes, "labels": labels, "image_id": 0, "file": "random"}


def makers(
    samples: list[Sample], size: tuple[int, int], augment: Augment, jpeg: bool
) -> tuple[Callable[[int], Any], Callable[[int], Any]]:
    """(ours, official): functions from a counter to one training sample, with equal settings."""
    ours = TrainSet(Ours(samples, jpeg), size, augment, seed=0)
    official = MosaicDetection(
        Official(samples, size, jpeg),
        img_size=size,
        preproc=TrainTransform(max_labels=120, flip_prob=augment.flip, hsv_prob=1.0),
        degrees=augment.degrees,
        translate=augment.translate,
        mosaic_scale=augment.scale,
        mixup_scale=augment.mixup_scale,
        shear=augment.shear,
        enable_mixup=augment.mixup > 0,
        mosaic_prob=augment.mosaic,
        mixup_prob=augment.mixup,
    )
    n = len(samples)
    return lambda i: ours[i % n, i // n, True], lambda i: official[True, i % n]


def compare(
    ours: Callable[[int], Any], official: Callable[[int], Any], rounds: int, batch: int
) -> list[float]:
    """Processor seconds a picture, ours and official: the median over alternating rounds of `batch`."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for make, spent in zip((ours, official), times, strict=True):
            start = time.process_time()
            for i in range(turn * batch, (turn + 1) * batch):
                make(i)
            spent.append((time.process_time() - start) / batch)
    return [statistics.median(spent[1:]) for spent in times]  # the first round warms up


def to_jpeg(samples: list[Sample]) -> list[Sample]:
    options = [cv2.IMWRITE_JPEG_QUALITY, 92]
    encoded = [cv2.imencode(".jpg", image[..., ::-1], options)[1].tobytes() for image, _ in samples]
    return [(data, target) for data, (_, target) in zip(encoded, samples, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of a COCO-format set")
    parser.add_argument("--count", type=int, default=128, help="pictures to hold in memory (128)")
    parser.add_argument("--size", type=int, default=640, help="side of the frame in pixels (640)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each (9)")
    parser.add_argument("--batch", type=int, default=24, help="pictures a round (24)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "augment.json")
    parser.add_argument("--keep", action="store_true", help="the book quotes this run")
    args = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  the official code draws from the global generators

    samples, what = load(args.data, args.count)
    packed = to_jpeg(samples)
    print(
        f"{what}, {args.size} x {args.size}, one thread, median of {args.rounds} x {args.batch} pictures each"
    )
    print(f"{'':38}{'ours':>10}{'official':>10}{'ratio':>8}   pictures/s")
    rows, size = [], (args.size, args.size)
    compare(*makers(samples, size, Augment(), False), 2, args.batch)  # the allocator of memory warms up, too
    for name, mosaic, mixup, jpeg in (
        ("plain: fitted, HSV, flip", 0.0, 0.0, False),
        ("mosaic, affine, HSV, flip", 1.0, 0.0, False),
        ("the same + MixUp", 1.0, 1.0, False),
        ("plain from JPEG", 0.0, 0.0, True),
        ("mosaic from JPEG", 1.0, 0.0, True),
        ("mosaic + MixUp from JPEG", 1.0, 1.0, True),
    ):
        augment = Augment(mosaic=mosaic, mixup=mixup)
        pair = makers(packed if jpeg else samples, size, augment, jpeg)
        a, b = compare(*pair, args.rounds, args.batch)
        print(f"{name:38}{1 / a:10.1f}{1 / b:10.1f}{b / a:8.2f}", flush=True)
        rows.append({"what": name, "ours_per_s": 1 / a, "official_per_s": 1 / b, "ratio": b / a})
    args.out.parent.mkdir(parents=True, exist_ok=True)
    versions = {"python": platform.python_version(), "torch": torch.__version__, "cv2": cv2.__version__}
    settings = {"pictures": what, "size": args.size, "rounds": args.rounds, "batch": args.batch, "threads": 1}
    args.out.write_text(json.dumps({**settings, "versions": versions, "rows": rows}, indent=2) + "\n")
    if args.keep:
        keep("augment", rows, [0])


if __name__ == "__main__":
    main()
