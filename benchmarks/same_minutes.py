"""Eight ways to spend chapter 16's two minutes: the same pixels, another recipe.

    python benchmarks/same_minutes.py [--threads N] [--to DIR]

Each try trains on as many pixels as the chapter's run (375 streets, 8 times, at 256 x 256), judged on its 64
unseen streets at the size it was trained at. Tries that are done already are not run again.
"""

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from yolox_edu import build, measured
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.training import RamCache, TrainSet
from yolox_edu.evaluate import evaluate
from yolox_edu.recipe import recipe_for
from yolox_edu.train import Trainer

STREETS, PIXELS = 375, 375 * 8 * 256**2
TRIES: dict[str, dict[str, Any]] = {  # what differs from the chapter's run
    "as in the chapter": {},
    "batch 4": {"batch": 4},
    "batch 16": {"batch": 16},
    "192 x 192, more epochs": {"size": 192},
    "320 x 320, fewer epochs": {"size": 320},
    "750 streets, half as often": {"streets": 750},
    "SGD with the official rate": {"optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4},
    "mosaic on every second picture": {"mosaic": 0.5},
}
SEEDS = [0, 1]


def attempt(seed: int, streets: int = STREETS, size: int = 256, mosaic: float | None = None, **changes: Any):
    """AP on unseen streets after the chapter's number of pixels, and how many millions they were."""
    torch.manual_seed(seed)
    epochs = round(PIXELS / (streets * size**2))
    recipe, augment = recipe_for("pico", streets, size=size, epochs=epochs, seed=seed, **changes)
    if mosaic is not None:
        augment = replace(augment, mosaic=mosaic)
    source = RamCache(Crossing.split("train", streets, size))
    model = build("pico", len(source.names), source.names)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model, TrainSet(source, (size, size), augment, seed), recipe, Path(folder), progress=False
        )
        trainer.run()
    ap = evaluate(trainer.ema.model, Crossing.split("val", 64, size), progress=False).AP
    return {"AP": round(ap, 4), "megapixels": round(epochs * streets * size**2 / 1e6, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--to", type=Path, default=measured.FOLDER, help="folder of the result")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    path = arguments.to / "same_minutes.json"
    rows = measured.recall("same_minutes", arguments.to)["rows"] if path.is_file() else []
    for seed in SEEDS:
        for name, changes in TRIES.items():
            if any(row["try"] == name and row["seed"] == seed for row in rows):
                continue
            began = time.perf_counter()
            rows.append({"try": name, "seed": seed, **attempt(seed, **changes)})
            measured.keep("same_minutes", rows, SEEDS, arguments.to)
            print(rows[-1], f"{time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
