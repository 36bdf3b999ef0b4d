"""Chapter 16's learning rate, divided and multiplied: what thirty steps say of it, and what a whole run says.

    python benchmarks/rates.py [--threads N] [--to DIR]

Parts: "30 steps" at two sizes and "60 steps" at 96 x 96, each with three seeds, by how far the loss falls
and where it ends (means of five steps); and "whole run", chapter 16's own, by its AP on 64 unseen streets,
with one seed (it takes minutes). Rows that are there already are not measured again.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import torch

from yolox_edu import build, measured
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.training import TrainSet
from yolox_edu.logs import read_log
from yolox_edu.recipe import recipe_for
from yolox_edu.train import Trainer
from yolox_edu.tries import attempt

RATE, SEEDS = 0.16, [0, 1, 2]
WORK = [
    *(("30 steps", side, times, seed) for side in (96, 128) for times in (0.1, 0.5, 1) for seed in SEEDS),
    *(("60 steps", 96, times, seed) for times in (1, 10, 100) for seed in SEEDS),
    *(("whole run", 256, times, 0) for times in (0.5, 1, 2, 10, 100)),
]


def losses(steps: int, side: int, times: float, seed: int) -> list[float]:
    """The loss of each step of a short run with so many times the rate."""
    plan, mild = recipe_for("pico", 8 * steps, size=side, epochs=1, final=0.0, lr=times * RATE, seed=seed)
    torch.manual_seed(seed)
    train_set = TrainSet(Crossing.split("train", 8 * steps, side), (side, side), mild, seed)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(build("pico", 8), train_set, plan, Path(folder), progress=False).run()
        return [row["loss"] for row in read_log(Path(folder) / "log.csv")]


def measure(part: str, side: int, times: float, seed: int) -> dict:
    """One row."""
    row = {"part": part, "side": side, "times": times, "seed": seed}
    if part == "whole run":
        return row | {"AP": round(attempt(lr=times * RATE, seed=seed)[0], 4)}
    loss = losses(int(part.split()[0]), side, times, seed)
    start, end = float(np.mean(loss[:5])), float(np.mean(loss[-5:]))
    row["first_losses"] = [round(each, 4) for each in loss[:4]]
    return row | {"fall": round(start - end, 4), "end": round(end, 4)}


def main() -> None:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--to", type=Path, default=measured.FOLDER, help="folder of the result")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = measured.kept("rates", arguments.to)
    done = {(row["part"], row["side"], row["times"], row["seed"]) for row in rows}
    for part, side, times, seed in (work for work in WORK if work not in done):
        rows.append(measure(part, side, times, seed))
        measured.keep("rates", rows, SEEDS, arguments.to)
        print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
