"""Minutes to the same AP: the official code against ours, on the same pictures and the same cores.

    python benchmarks/train.py [--pictures 1800] [--official-epochs 10] [--threads 2] [--only ours ...]

Three contestants train from scratch on Crossing (320 x 320, held in memory), each to the end of its own
schedule, and are measured after each epoch, with the same evaluation, on the same 200 unseen pictures; the
clock stands still while that happens. The table compares the minutes in which an official contestant
reached its best AP with the minutes after which ours was first measured to be as good.

    official-nano   the official Nano (depthwise) with the official losses and recipe, as published:
                    lr 0.01 x batch / 64, EMA 0.9998, float32, contiguous tensors
    official-plain  the official code with a plain, not depthwise, net of the same width in channels_last
    ours            what `make train` does: yolox_edu's pico, losses and recipe

The official contestants get the augmented pictures of our loader at no cost (their own is slower, see
benchmarks/augment.py), so that only networks, losses and recipes differ. Needs pixeltable-yolox.
"""

import argparse
import json
import platform
import tempfile
import time
import warnings
from pathlib import Path

import torch

from yolox_edu import build
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.training import RamCache, TrainSet
from yolox_edu.evaluate import evaluate
from yolox_edu.recipe import Recipe, best_precision, recipe_for
from yolox_edu.train import Trainer

SIDE = 320


class Official(torch.nn.Module):
    """The official network behind our Trainer's and evaluation's interface; inside, all is theirs."""

    def __init__(self, names, depthwise: bool, channels_last: bool):
        super().__init__()
        from yolox.models import YoloPafpn, YoloxHead, YoloxModule

        net = YoloxModule(
            YoloPafpn(0.33, 0.25, depthwise=depthwise), YoloxHead(len(names), 0.25, depthwise=depthwise)
        )
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eps, module.momentum = 1e-3, 0.03
        net.head.initialize_biases(1e-2)
        net.head.decode_in_inference = False
        self.net, self.names, self.num_classes, self.size = net, tuple(names), len(names), (SIDE, SIDE)
        self.preset, self.category_ids = build("nano", 1).preset, None
        self.use_l1, self.channels_last = False, channels_last

    def forward(self, images, targets):
        """Their losses. The picture goes in as they want it: BGR, 0 to 255."""
        self.net.head.use_l1 = self.use_l1
        labels = torch.cat((targets.labels[..., None].float(), targets.boxes), -1)  # n g 5, padded with zeros
        out = self.net(self._layout(images), labels)
        terms = {"box": out["iou_loss"], "objectness": out["conf_loss"], "class": out["cls_loss"]}
        return terms | ({"l1": out["l1_loss"]} if self.use_l1 else {})

    def raw(self, images):
        """Undecoded, with logits, as our evaluation wants it; they give probabilities."""
        out = self.net(self._layout(images))
        return torch.cat((out[..., :4], out[..., 4:].logit(eps=1e-7)), -1)

    def _layout(self, images):
        images = images.flip(1) * 255
        return images if self.channels_last else images.contiguous()


class Unsaved(Trainer):
    """A trainer that writes no checkpoints: the official network does not fit into ours."""

    def save(self, name: str = "last.pt") -> None:
        """Nothing."""


class Clock:
    """Measures after each epoch, with the time taken out."""

    def __init__(self, val):
        self.val, self.started, self.paused, self.curve = val, time.perf_counter(), 0.0, []

    def __call__(self, trainer: Trainer, epoch: int) -> None:
        before = time.perf_counter()
        minutes = (before - self.started - self.paused) / 60
        ap = evaluate(trainer.ema.model, self.val, SIDE, progress=False).AP
        self.paused += time.perf_counter() - before
        self.curve.append((round(minutes, 3), round(ap, 4)))
        print(f"    {minutes:6.2f} min   AP {ap:.3f}", flush=True)


def contestant(name: str, names, args):
    """One of the three: (model, recipe, augmentation)."""
    if name == "ours":
        changes = {"precision": best_precision(torch.device("cpu"))}
        changes |= {"epochs": args.epochs} if args.epochs else {}
        return build("pico", len(names), names), *recipe_for("pico", args.pictures, **changes)
    _, augment = recipe_for("nano", args.pictures)
    recipe = Recipe(size=SIDE, epochs=args.official_epochs, batch=16, multiscale=(SIDE // 32,) * 2)
    plain = name == "official-plain"
    return Official(names, depthwise=not plain, channels_last=plain), recipe, augment


def compete(name: str, source, val, args) -> dict:
    """Train one contestant; its curve, its best AP and the minutes until then."""
    torch.manual_seed(args.seed)
    model, recipe, augment = contestant(name, source.names, args)
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(val)
        train_set = TrainSet(source, (SIDE, SIDE), augment, args.seed)
        trainer = Unsaved(model, train_set, recipe, Path(folder), "cpu", args.workers, clock, progress=False)
        if isinstance(model, Official) and not model.channels_last:
            trainer.model.to(memory_format=torch.contiguous_format)
        print(f"  {name}: {trainer.total} steps of {recipe.batch}, {recipe.precision}", flush=True)
        clock.started = time.perf_counter()
        trainer.run()
    best = max(ap for _, ap in clock.curve)
    pace = trainer.total * recipe.batch / clock.curve[-1][0] / 60
    minutes = first_at(clock.curve, best)
    return {"name": name, "AP": best, "minutes": minutes, "images_per_second": pace, "curve": clock.curve}


def first_at(curve: list, ap: float) -> float | None:
    """The minutes after which a curve was first measured to be at `ap`."""
    return next((minutes for minutes, value in curve if value >= ap), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pictures", type=int, default=1800)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="length of our schedule (default: the recipe's)")
    parser.add_argument("--official-epochs", type=int, default=10, help="length of theirs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=["ours", "official-plain", "official-nano"])
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "train.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore", FutureWarning)
    source = RamCache(Crossing.split("train", args.pictures, SIDE), 2)
    val = RamCache(Crossing.split("val", 200, SIDE), 2)
    rows = [compete(name, source, val, args) for name in args.only]
    ours = next((row["curve"] for row in rows if row["name"] == "ours"), [])
    print(f"\n{'':16}{'best AP':>9}{'in':>11}{'ours there in':>16}{'share':>8}{'pictures/s':>13}")
    for row in rows:
        there = first_at(ours, row["AP"])
        row["share"] = there and there / row["minutes"]
        text = f"{there:.2f} min" if there else "not reached"
        share = f"{row['share']:.2f}" if there else ""
        print(
            f"{row['name']:16}{row['AP']:9.3f}{row['minutes']:7.2f} min{text:>16}{share:>8}"
            f"{row['images_per_second']:13.1f}"
        )
    args.json.parent.mkdir(parents=True, exist_ok=True)
    machine = {"torch": torch.__version__, "threads": args.threads, "machine": platform.machine()}
    args.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    print(f"written to {args.json}")


if __name__ == "__main__":
    main()
