"""How much data of one's own, and how long: from our weights, from the official Nano's, and from scratch.

    python benchmarks/own_data.py [--to DIR] [--quick]

The set is `Furniture`, drawn at 128 x 128: three classes that the weights "crossing" know as background only.
A hundred steps with 10, 30 and 100 pictures; 25 and 400 steps with 30; and from our weights also 400 with
10 and 100. The learning rate of both kinds of weights is the best of 0.02, 0.04, 0.08 and 0.16 after a
hundred steps with 30 pictures (seed 0).

The official weights are yolox_nano_0.1.1.pth of the test material ($YOLOX_EDU_SHARED, else ../shared). The
file was rebuilt from an export, so its batch norms are folded; they are measured anew on the training
pictures (`unfold`). The start "folded" leaves that out.

Each model is judged on unseen streets; on the streets it learnt from; and on leaking sets, each of ten
learnt streets and twenty unseen ones (the mean over four such sets). All runs of a seed have learnt those
ten, so that they are judged by the same sets. `stem` and `others` say by which part of their length the
stem's weights moved, and those of the other convolutions (the median). Rows that are there already are not
measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch

from yolox_edu import build, measured
from yolox_edu.data.coco_json import coco_index
from yolox_edu.data.furniture import NAMES, Furniture
from yolox_edu.data.training import RamCache, TrainSet
from yolox_edu.evaluate import coco_figures, predictions
from yolox_edu.recipe import recipe_for
from yolox_edu.train import Trainer
from yolox_edu.unfold import unfold
from yolox_edu.weights import load_for_finetune

SIDE, STEPS, BATCH, UNSEEN = 128, 100, 8, 80
PICTURES, SEEDS = (10, 30, 100), (0, 1)
RATES = {"crossing": 0.16, "official": 0.04, "scratch": 0.16}
RUNS = [(start, count, STEPS) for count in PICTURES for start in RATES]
RUNS += [(start, 30, steps) for steps in (25, 400) for start in RATES] + [("folded", 30, STEPS)]
RUNS += [("crossing", count, 400) for count in (10, 100)]
ROOT = Path(__file__).resolve().parents[1]
LEAKS = 10  # learnt pictures in a leaking set, among twice as many unseen ones


class Silent(Trainer):
    """A trainer that writes no checkpoint."""

    def save(self, name: str = "last.pt") -> None:
        """Nothing."""


def train(start: str, pictures: int, seed: int, steps: int = STEPS) -> tuple[Any, Any, dict[str, float]]:
    """The averaged model after a run, the source that it learnt from, and how far the weights moved.

    Seed s takes its own streets.
    """
    torch.manual_seed(seed)
    source = Furniture(1000 + pictures, 21, SIDE)
    source = RamCache(_Part(source, range(100 * seed, 100 * seed + pictures)))
    model = begin(start, source)
    before = _convolutions(model)
    rate = RATES["official" if start == "folded" else start]
    changes = {"size": SIDE, "batch": BATCH, "seed": seed, "lr": rate}
    recipe, augment = recipe_for("pico", pictures, epochs=max(1, steps * BATCH // pictures), **changes)
    train_set = TrainSet(source, (SIDE, SIDE), replace(augment, mosaic=0.5), seed)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Silent(model, train_set, recipe, Path(folder), progress=False)
        trainer.run()
    after = _convolutions(trainer.ema.model)
    moved = {key: ((after[key] - w).norm() / w.norm()).item() for key, w in before.items()}
    stem = moved.pop("backbone.stem.cbs.conv.weight")
    return trainer.ema.model, source, {"stem": round(stem, 6), "others": round(median(moved.values()), 4)}


def _convolutions(model: Any) -> dict[str, torch.Tensor]:
    """A copy of the convolutions' weights, but for those that start afresh."""
    state = model.state_dict().items()
    return {key: t.clone() for key, t in state if t.ndim == 4 and ".cls_pred." not in key}


def begin(start: str, source: Any) -> Any:
    """The model before its first step."""
    if start == "scratch":
        return build("pico", len(NAMES), NAMES)
    shared = Path(os.environ.get("YOLOX_EDU_SHARED") or ROOT.parent / "shared")
    weights = "crossing" if start == "crossing" else shared / "weights" / "yolox_nano_0.1.1.pth"
    model, _ = load_for_finetune(weights, len(NAMES), NAMES, (1, 2, 3))
    if start == "official":
        pixels = torch.stack([torch.from_numpy(source[i][0]) for i in range(len(source))])  # n h w 3
        unfold(model, pixels.permute(0, 3, 1, 2).float() / 255)
    return model


class _Part:
    """Some pictures of a source."""

    def __init__(self, source: Furniture, indices: range):
        self.source, self.indices = source, indices
        self.names, self.category_ids = source.names, source.category_ids

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> tuple:
        return self.source[self.indices[i]]


def measure(start: str, pictures: int, seed: int, steps: int, unseen: Any) -> dict[str, float]:
    """What comes out of one run."""
    model, learnt, moved = train(start, pictures, seed, steps)
    return judge(model, learnt, unseen) | moved


def judge(model: Any, learnt: Any, unseen: Any) -> dict[str, float]:
    """AP on unseen streets, on learnt ones, and on a set that leaks."""
    both = {
        name: (_truth(some), *predictions(model, some, SIDE)[:2])
        for name, some in (("unseen", unseen), ("learnt", learnt))
    }
    row = {name: round(coco_figures(*each)[0][0], 4) for name, each in both.items()}
    row["AP50"] = round(coco_figures(*both["unseen"])[0][1], 4)
    leaks, fresh = sorted(both["learnt"][2])[:LEAKS], sorted(both["unseen"][2])
    sets = [fresh[i : i + 2 * LEAKS] for i in range(0, len(fresh), 2 * LEAKS)]  # also for the seed's others
    row["leaking"] = round(
        mean(_joined(both, {"unseen": set(some), "learnt": set(leaks)}) for some in sets), 4
    )
    return row


def _truth(source: Any) -> Any:
    """The ground truth of these pictures, with their own ids."""
    images, rows = [], []
    for _, target in (source[i] for i in range(len(source))):
        images.append({"id": target["image_id"], "width": SIDE, "height": SIDE})
        for (a, b, c, d), label in zip(target["boxes"].tolist(), target["labels"].tolist()):
            row = {"id": len(rows) + 1, "image_id": target["image_id"], "category_id": label + 1}
            rows.append(row | {"bbox": [a, b, c - a, d - b], "area": (c - a) * (d - b), "iscrowd": 0})
    kinds = [{"id": i + 1, "name": name} for i, name in enumerate(NAMES)]
    return coco_index({"images": images, "annotations": rows, "categories": kinds})


def _joined(both: dict[str, tuple], some: dict[str, set[int]]) -> float:
    """AP of a set made of some pictures of two sets."""
    parts, images, truth, rows = both.values(), [], [], []
    for step, ((coco, found, _), chosen) in enumerate(zip(parts, some.values())):
        move = 100_000 * step
        images += [
            image | {"id": image["id"] + move} for image in coco.dataset["images"] if image["id"] in chosen
        ]
        for kind, records in ((truth, coco.dataset["annotations"]), (rows, found)):
            kind += [r | {"image_id": r["image_id"] + move} for r in records if r["image_id"] in chosen]
    truth = [record | {"id": i} for i, record in enumerate(truth, 1)]
    kinds = both["unseen"][0].dataset["categories"]
    coco = coco_index({"images": images, "annotations": truth, "categories": kinds})
    return coco_figures(coco, rows, [image["id"] for image in images])[0][0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=Path, default=measured.FOLDER, help="folder of the result")
    parser.add_argument("--quick", action="store_true", help="ten steps on ten streets, nothing kept")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    unseen = RamCache(Furniture.split("val", 12 if arguments.quick else UNSEEN, SIDE))
    if arguments.quick:
        return print(json.dumps(measure("crossing", 10, 0, 10, unseen)))
    rows = measured.kept("own_data", arguments.to)
    done = {(row["start"], row["pictures"], row["steps"], row["seed"]) for row in rows}
    work = [(*run, seed) for seed in SEEDS for run in RUNS]
    for start, pictures, steps, seed in (each for each in work if each not in done):
        began = time.process_time()
        row = {"start": start, "pictures": pictures, "steps": steps, "seed": seed}
        row |= measure(start, pictures, seed, steps, unseen)
        rows.append(row | {"cpu_seconds": round(time.process_time() - began, 1)})
        measured.keep("own_data", rows, list(SEEDS), arguments.to)
        print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
