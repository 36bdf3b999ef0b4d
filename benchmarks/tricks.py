"""What each part of the training recipe is worth in a short run on a CPU, one at a time, with seeds.

    python benchmarks/tricks.py [--part recipe grid curves speed] [--seeds 0 1 2] [--quick]

A pico network with the backbone and neck of the weights "crossing" and a fresh head learns Crossing at
128 x 128 on one thread, with SGD and the parts of the official recipe; what that counts in epochs is a share
of the run here. (From random weights SGD needs more steps than could be run so often.) Its parts:

    recipe  the full recipe; without one of its parts; with another part; and the plain loop
    grid    batch size against learning rate, with the same number of pictures seen
    curves  a healthy run and sick ones, for chapter 15's figure
    speed   CPU seconds of a step: float32 and bfloat16, channels last and first

A row that is there already is not measured again, so that a stopped measurement goes on.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from yolox_edu import build
from yolox_edu.data.augment import Augment
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.training import RamCache, TrainSet, collate
from yolox_edu.evaluate import evaluate
from yolox_edu.logs import read_log
from yolox_edu.losses import losses
from yolox_edu.measured import keep, kept
from yolox_edu.optim import EMA
from yolox_edu.recipe import Recipe
from yolox_edu.train import NotFinite, Trainer, prepare
from yolox_edu.weights import load

SIDE, PICTURES, UNSEEN, BATCH, STEPS = 128, 400, 100, 8, 100
FULL = Recipe(
    size=SIDE, batch=BATCH, epochs=STEPS * BATCH // PICTURES, lr=0.16, warmup=0.05, final=0.15,
    multiscale=(3, 5),
)  # fmt: skip
ONE = {"multiscale": (4, 4)}
CALM = {**ONE, "mosaic": 0.0}
CONSTANT = {"lr_floor": 1.0}
RECIPE: dict[str, dict[str, Any]] = {
    "full": {},
    "plain": {**CALM, **CONSTANT, "warmup": 0.0, "final": 0.0, "groups": False},
    "no warm-up": {"warmup": 0.0},
    "no cosine": CONSTANT,
    "decay on everything": {"groups": False},
    "one size": ONE,
    "mosaic to the end, no L1": {"final": 0.0},
    "no mosaic at all": {"mosaic": 0.0},
    "contiguous": {"contiguous": True},
    "bf16": {"precision": "bf16"},
    "from random weights": {"start": False},
    "Muon": {"optimizer": "muon", "lr": 0.16, "momentum": 0.95, "weight_decay": 0.01},
}
RATES, BATCHES = (0.003, 0.01, 0.03, 0.1, 0.3), (4, 8, 16, 32)
GRID = {
    f"{b} {rate}": {**CALM, "batch": b, "lr": rate * 64 / b, "steps": 50} for b in BATCHES for rate in RATES
}
CURVES: dict[str, dict[str, Any]] = {
    "healthy": CALM,
    "rate too high": {**CALM, "lr": 1.6},
    "rate far too high": {**CALM, "lr": 160.0, "warmup": 0.0},
    "no warm-up": {**CALM, "lr": 0.64, "warmup": 0.0},
    "rate stuck in the warm-up": {**CALM, "warmup": 10.0},
    "zero_grad forgotten": {**CALM, "keep_gradients": True},
    "labels shifted": {**CALM, "shift": "labels"},
    "boxes of another picture": {**CALM, "shift": "boxes"},
    "overfitting": {**CALM, "pictures": 4},
    "wrong statistics": {**CALM, "statistics": False},
}
SPEEDS = [
    f"{side} {precision} {order}"
    for side in (SIDE, 320)
    for precision in ("fp32", "bf16")
    for order in ("channels_last", "contiguous")
]


class Shifted:
    """A source whose labels are one too high, or whose boxes belong to the next picture."""

    def __init__(self, source: Any, what: str):
        self.source, self.what, self.names = source, what, source.names

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, i: int) -> tuple:
        image, target = self.source[i]
        if self.what == "labels":
            return image, {**target, "labels": (target["labels"] + 1) % len(self.names)}
        other = self.source[(i + 1) % len(self)][1]
        return image, {**target, "boxes": other["boxes"], "labels": other["labels"]}


class Watched(Trainer):
    """A trainer that writes no checkpoint and asks now and then for the loss of unseen streets."""

    every, unseen, statistics = 0, None, True

    def save(self, name: str = "last.pt") -> None:
        """Nothing."""

    def _train_step(self, passes) -> dict[str, Any]:
        row = super()._train_step(passes)
        if self.every and (self.step + 1) % self.every == 0:
            self.seen.append(round(unseen_loss(self.judged(), self.unseen), 3))
        return row

    def judged(self) -> torch.nn.Module:
        """The raw weights; with `statistics` false, batch norm's averages are those of the start."""
        model = copy.deepcopy(self.model).eval()
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d) and not self.statistics:
                module.reset_running_stats()
        return model


@torch.no_grad()
def unseen_loss(model: torch.nn.Module, batch: tuple) -> float:
    """The loss, without L1, of a batch in evaluation mode."""
    images, targets = batch
    return sum(losses(model.raw(images), targets, (SIDE, SIDE)).values()).item()


def streets(pictures: int = PICTURES, unseen: int = UNSEEN) -> tuple[RamCache, RamCache, tuple]:
    """What to learn from, what to be judged on, and that once more as a batch."""
    train = RamCache(Crossing.split("train", pictures, SIDE))
    val = RamCache(Crossing.split("val", unseen, SIDE))
    plain = TrainSet(val, (SIDE, SIDE), Augment(mosaic=0.0, mixup=0.0, flip=0.0, hsv=(0, 0, 0)))
    batch = collate([plain[i, 0, False] for i in range(unseen)])
    return train, val, prepare(*batch, torch.device("cpu"), len(val.names))


def trainer(data: tuple, seed: int, steps: int = STEPS, watch: int = 0, **changes: Any) -> Watched:
    """The run of one row, ready to start."""
    train, _, batch = data
    extra = {"mosaic": 0.5, "groups": True, "contiguous": False, "pictures": len(train), "shift": None}
    extra |= {"keep_gradients": False, "statistics": True, "start": True}
    extra |= {name: changes.pop(name) for name in [*changes] if name in extra}
    recipe = replace(FULL, seed=seed, **changes)
    source = copy.copy(train)
    source._samples = train._samples[: extra["pictures"]]
    source = Shifted(source, extra["shift"]) if extra["shift"] else source
    recipe = replace(recipe, epochs=max(1, round(steps * BATCH / len(source))))
    span = recipe.steps(len(source)) / 9  # how far the moving average reaches back
    recipe = replace(recipe, ema=1 - 1 / span, ema_ramp=span)
    augment = replace(Augment.for_preset("pico"), mosaic=extra["mosaic"])
    torch.manual_seed(seed)
    model, folder = build("pico", len(train.names), train.names), Path(tempfile.mkdtemp())
    if extra["start"]:
        trained = load("crossing")
        model.backbone.load_state_dict(trained.backbone.state_dict())
        model.neck.load_state_dict(trained.neck.state_dict())
    run = Watched(model, TrainSet(source, (SIDE, SIDE), augment, seed), recipe, folder, progress=False)
    run.every, run.seen = watch, []
    run.unseen = (batch[0][:32], type(batch[1])(*(t[:32] for t in batch[1])))
    run.statistics = extra["statistics"]
    for optimizer in run.optimizers:
        if extra["keep_gradients"]:
            optimizer.zero_grad = lambda: None
        for group in optimizer.param_groups if not extra["groups"] else ():
            group["weight_decay"] = recipe.weight_decay
    if extra["contiguous"]:
        run.model.to(memory_format=torch.contiguous_format)
        run.ema = EMA(run.model, recipe.ema, recipe.ema_ramp)  # the old one follows tensors that are gone
        run.model.register_forward_pre_hook(lambda _, args: (args[0].contiguous(), *args[1:]))
    return run


def measure(data: tuple, part: str, name: str, seed: int, changes: dict[str, Any]) -> dict[str, Any]:
    """One row: train, then judge."""
    run = trainer(data, seed, watch=5 if part == "curves" else 0, **changes)
    started, stopped = time.process_time(), None
    try:
        run.run()
    except NotFinite:
        stopped = run.step
    row = {"part": part, "name": name, "seed": seed, "steps": run.total}
    row["cpu_seconds"] = round(time.process_time() - started, 1)
    loss = [r["loss"] for r in read_log(run.folder / "log.csv") if "loss" in r]
    row["first_losses"] = [round(v, 4) for v in loss[:8]]
    if stopped:
        row["stopped"] = stopped
    for kind, model in (("", run.ema.model), ("_raw", run.judged())):
        report = None if stopped or part == "grid" else evaluate(model, data[1], SIDE, progress=False)
        row["AP" + kind] = round(report.AP, 4) if report else None
        row["AP50" + kind] = round(report.AP50, 4) if report else None
        row["unseen" + kind] = None if stopped else round(unseen_loss(model, data[2]), 4)
    if part == "curves":
        fives = [loss[i : i + 5] for i in range(0, len(loss), 5)]
        row |= {"train": [round(sum(f) / len(f), 3) for f in fives], "unseen_every_5": run.seen}
    return row


def speed(name: str, steps: int = 8) -> dict[str, Any]:
    """CPU seconds of a forward and backward pass of eight streets: the best of `steps`."""
    side, precision, order = int(name.split()[0]), *name.split()[1:]
    train = RamCache(Crossing.split("train", BATCH, side))
    batch = collate([TrainSet(train, (side, side), Augment(mosaic=0.0))[i, 0, False] for i in range(BATCH)])
    images, targets = prepare(*batch, torch.device("cpu"), 8)
    layout = torch.contiguous_format if order == "contiguous" else torch.channels_last
    torch.manual_seed(0)
    model, times = build("pico", 8).to(memory_format=layout).train(), []
    for _ in range(steps):
        started = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            terms = model(images.contiguous(memory_format=layout), targets)
        sum(terms.values()).backward()
        times.append(time.process_time() - started)
    return {"part": "speed", "name": name, "seed": 0, "cpu_seconds": round(min(times), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--part", nargs="+", default=["recipe", "curves", "speed", "grid"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--quick", action="store_true", help="eight steps, nothing kept")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if args.quick:
        row = measure(streets(32, 16), "quick", "full", 0, {"steps": 8})
        return print(json.dumps(row))
    plans = {"recipe": RECIPE, "curves": CURVES, "grid": GRID}
    work = [
        (part, name, seed)
        for part in args.part
        for seed in (args.seeds if part in ("recipe", "grid") else [0])
        for name in (plans.get(part, SPEEDS))
    ]
    data = streets()
    for part, name, seed in work:
        rows = kept("tricks")
        if any((r["part"], r["name"], r["seed"]) == (part, name, seed) for r in rows):
            continue
        if part == "speed":
            row = speed(name)
        else:
            row = measure(data, part, name, seed, plans[part][name])
        print({k: v for k, v in row.items() if not isinstance(v, list)}, flush=True)
        keep("tricks", [*kept("tricks"), row], args.seeds)
    rows = sorted(kept("tricks"), key=lambda row: (row["part"], row["name"], row["seed"]))
    keep("tricks", rows, args.seeds)


if __name__ == "__main__":
    main()
