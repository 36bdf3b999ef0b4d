"""What the last part of training without mosaic is worth: one run, ended in several ways (chapter 14).

    python benchmarks/mosaic_end.py            # writes yolox_edu/measured/mosaic_end.json
    python benchmarks/mosaic_end.py --quick    # seconds; writes nothing, only shows that it runs

The smallest network learns small Crossing streets with mosaic. Where the recipe would switch it off the run
forks: one copy goes on with plain pictures, one with mosaic, one with mosaic that is neither turned nor
sheared. Beside them a run that starts from the same weights never sees a mosaic. Everything else is the same:
the order of the pictures, the learning rate, the L1 term. Three seeds take about ten minutes of one core.
"""

import argparse
import copy
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import nn
from torchvision.ops import box_iou

from yolox_edu import build
from yolox_edu.data.augment import Augment
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.training import RamCache, TrainSet
from yolox_edu.detect import Detector
from yolox_edu.evaluate import evaluate
from yolox_edu.measured import FOLDER, keep
from yolox_edu.recipe import best_precision, recipe_for
from yolox_edu.train import Trainer

SIZE, PICTURES, EPOCHS, VAL = 160, 120, 25, 150
STRONG = replace(Augment.for_preset("pico"), mosaic=1.0)  # every picture a mosaic, as Tiny and S to X


class Always(TrainSet):
    """A training set that gives mosaics to the end, whatever the recipe asks for."""

    def __getitem__(self, key: tuple[int, int, bool]) -> Any:
        return super().__getitem__((key[0], key[1], True))


def measure(seed: int, size: int, pictures: int, epochs: int, val: Any) -> list[dict[str, Any]]:
    """Rows for one seed: where the run forks, its ends with mosaic off, on, on but upright; and never on."""
    train = RamCache(Crossing(pictures, seed=100 + seed, size=size))
    recipe, _ = recipe_for("pico", pictures, size=size, epochs=epochs, seed=seed)
    recipe = replace(recipe, precision=best_precision(torch.device("cpu")))
    total = recipe.steps(pictures)
    fork = total - recipe.warmup_and_final(total)[1]

    def row(end: str, trainer: Trainer) -> dict[str, Any]:
        trainer.run()
        return {"seed": seed, "end": end, "steps": total, "fork": fork} | judge(trainer.ema.model, val)

    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(seed)
        model = build("pico", len(train.names), train.names)
        mosaics = TrainSet(train, (size, size), STRONG, seed)
        streets = TrainSet(train, (size, size), replace(STRONG, mosaic=0.0), seed)
        without = Trainer(copy.deepcopy(model), streets, recipe, Path(folder) / "without", progress=False)
        plain = Trainer(model, mosaics, recipe, Path(folder), progress=False)
        plain.run(until=fork)
        strong, upright = copy.deepcopy(plain), copy.deepcopy(plain)
        strong.train_set = Always(train, (size, size), STRONG, seed)
        upright.train_set = Always(train, (size, size), replace(STRONG, degrees=0.0, shear=0.0), seed)
        at_fork = {"seed": seed, "end": "at the fork", "steps": fork, "fork": fork}
        return [
            at_fork | judge(plain.ema.model, val),
            row("off", plain),
            row("on", strong),
            row("on, upright", upright),
            row("never", without),
        ]


def judge(model: nn.Module, val: Any) -> dict[str, float]:
    """AP, and by how much the boxes of right finds are too large (median of found area / true area)."""
    report = evaluate(model, val, progress=False)
    ratios = []
    detect = Detector(model, device="cpu")
    for picture, target in (val[i] for i in range(len(val))):
        found, truth = detect(picture), torch.from_numpy(target["boxes"])
        overlap = box_iou(found.boxes, truth)  # m g
        overlap *= found.labels[:, None] == torch.from_numpy(target["labels"])
        for i, j in (overlap >= 0.5).nonzero().tolist():
            sides = [box[2:] - box[:2] for box in (found.boxes[i], truth[j])]
            ratios.append((sides[0].prod() / sides[1].prod()).item())
    figures = {name: round(getattr(report, name), 3) for name in ("AP", "AP50", "AP75", "APs", "APm")}
    return figures | {"area_ratio": round(statistics.median(ratios or [0.0]), 3), "finds": len(ratios)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="pictures and weights (0 1 2)"
    )
    parser.add_argument("--quick", action="store_true", help="one tiny run, nothing is written")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows, began = [], time.perf_counter()
    val = RamCache(Crossing.split("val", 8 if args.quick else VAL, 64 if args.quick else SIZE))
    for seed in args.seeds[:1] if args.quick else args.seeds:
        rows += measure(seed, *((64, 8, 8) if args.quick else (SIZE, PICTURES, EPOCHS)), val)
        for row in rows[-5:]:
            print(*row.values(), sep="  ")
        print(f"{time.perf_counter() - began:.0f} s", flush=True)
    if not args.quick:
        keep("mosaic_end", rows, args.seeds, args.out)


if __name__ == "__main__":
    main()
