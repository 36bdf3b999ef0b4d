"""A run on Crossing as one number: what a change of the recipe is worth. Explained in chapter 16."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from yolox_edu import measured
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.training import RamCache, TrainSet
from yolox_edu.evaluate import evaluate
from yolox_edu.model import build
from yolox_edu.recipe import recipe_for
from yolox_edu.train import Trainer


def attempt(
    streets: int = 375,
    size: int = 256,
    epochs: int = 8,
    mosaic: float | None = None,
    seed: int = 0,
    **changes: Any,
) -> tuple[float, float]:
    """AP on 64 unseen streets after training pico from scratch, and how many million pixels it looked at.

    `changes` replace values of the recipe (`yolox_edu.recipe.Recipe`): batch, lr, optimizer, warmup … The
    unseen streets are as large as those of the training. The defaults are chapter 16's run.
    """
    torch.manual_seed(seed)
    recipe, augment = recipe_for("pico", streets, size=size, epochs=epochs, seed=seed, **changes)
    if mosaic is not None:
        augment = replace(augment, mosaic=mosaic)
    source = RamCache(Crossing.split("train", streets, size))
    model, train_set = (
        build("pico", len(source.names), source.names),
        TrainSet(source, (size, size), augment, seed),
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(model, train_set, recipe, Path(folder), progress=False)
        trainer.run()
    ap = evaluate(trainer.ema.model, Crossing.split("val", 64, size), progress=False).AP
    return ap, streets * epochs * size**2 / 1e6


def rates(part: str) -> str:
    """What `benchmarks/rates.py` measured of other rates in short runs of this part, and in whole runs.

    Of "60 steps" it says where the loss ends, a number a seed; of "30 steps" how far it falls with half our
    rate, as a share of how far it falls with ours.
    """
    kept = measured.recall("rates")
    rows = [row for row in kept["rows"] if row["part"] == part]
    whole = {row["times"]: row["AP"] for row in kept["rows"] if row["part"] == "whole run"}
    lines = [f"{kept['command']} · seeds {kept['seeds']} · {kept['date']}"]
    if part == "30 steps":
        fell = {(row["times"], row["side"], row["seed"]): row["fall"] for row in rows}
        shares = [fall / fell[1, *run] for (times, *run), fall in fell.items() if times == 0.5]
        lines.append("half our rate: it falls " + " ".join(f"{share:.2f}" for share in shares) + " as far")
        lines += [f"{times:3g} times our rate: AP of a whole run {ap:.2f}" for times, ap in whole.items()]
    else:
        for times in dict.fromkeys(row["times"] for row in rows):
            ends = " ".join(f"{row['end']:.1f}" for row in rows if row["times"] == times)
            then = f"AP of a whole run {whole[times]:.2f}"
            lines.append(f"{times:3g} times our rate: loss after 60 steps {ends}, {then}")
    return "\n".join(lines)
