"""Minutes to the same AP: the official code against ours, on the same pictures and the same cores.

    python benchmarks/train.py [--target 0.4] [--pictures 1500] [--threads 2] [--only ours official-plain ...]

Three contestants train from scratch on Crossing (320 x 320, held in memory) and are measured with the same
evaluation on the same 200 unseen pictures; the clock stands still while that happens.

    official-nano   the official Nano (depthwise) with the official losses and recipe, as published:
                    lr 0.01 x batch / 64, EMA 0.9998, float32, contiguous tensors
    official-plain  the official code with a plain, not depthwise, net of the same width in channels_last
    ours            what `make train` does: yolox_edu's pico, losses and recipe

The official contestants get the augmented pictures of our loader at no cost (their own is slower, see
benchmarks/augment.py), so that only networks, losses and recipes differ. Needs pixeltable-yolox.
"""

import argparse
import contextlib
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
from yolox_edu.recipe import Recipe, recipe_for
from yolox_edu.train import Trainer

SIDE = 320
OFFICIAL_EPOCHS = 60


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
        return {"total": out["total_loss"]}

    def raw(self, images):
        """Undecoded, with logits, as our evaluation wants it; they give probabilities."""
        out = self.net(self._layout(images))
        return torch.cat((out[..., :4], out[..., 4:].logit(eps=1e-7)), -1)

    def _layout(self, images):
        images = images.flip(1) * 255
        return images if self.channels_last else images.contiguous()


class Clock:
    """Evaluates every so often, with the time taken out, and stops at the target."""

    def __init__(self, val, target: float, every: int, limit: float):
        self.val, self.target, self.every, self.limit = val, target, every, limit
        self.started, self.paused, self.curve = time.perf_counter(), 0.0, []

    def __call__(self, trainer: Trainer, epoch: int) -> float | None:
        done = trainer.step == trainer.total
        if (epoch + 1) % self.every and not done:
            return None
        before = time.perf_counter()
        minutes = (before - self.started - self.paused) / 60
        ap = evaluate(trainer.ema.model, self.val, SIDE, progress=False).AP
        self.paused += time.perf_counter() - before
        self.curve.append((round(minutes, 3), round(ap, 4)))
        print(f"    {minutes:6.2f} min   AP {ap:.3f}", flush=True)
        if ap >= self.target or minutes > self.limit:
            raise Reached
        return None


class Reached(Exception):
    """The target is met, or the time is up."""


def contestant(name: str, names, epochs: int | None):
    """(model, recipe, augmentation) of one of the three."""
    if name == "ours":
        model = build("pico", len(names), names)
        return model, *recipe_for("pico", **({"epochs": epochs} if epochs else {}))
    _, augment = recipe_for("nano")
    recipe = Recipe(size=SIDE, epochs=epochs or OFFICIAL_EPOCHS, batch=16, multiscale=(SIDE // 32,) * 2)
    plain = name == "official-plain"
    return Official(names, depthwise=not plain, channels_last=plain), recipe, augment


def compete(name: str, source, val, args) -> dict:
    """Train one contestant until the target; its curve and the minutes it took."""
    torch.manual_seed(args.seed)
    model, recipe, augment = contestant(name, source.names, args.epochs)
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(val, args.target, args.every, args.limit)
        train_set = TrainSet(source, (SIDE, SIDE), augment, args.seed)
        trainer = Trainer(
            model,
            train_set,
            recipe,
            Path(folder),
            "cpu",
            args.workers,
            clock,
            progress=False,
            save_every=10**9,
        )
        if isinstance(model, Official) and not model.channels_last:
            trainer.model.to(memory_format=torch.contiguous_format)
        print(f"  {name}: {trainer.total} steps of {recipe.batch}, {recipe.precision}", flush=True)
        clock.started = time.perf_counter()
        with contextlib.suppress(Reached):
            trainer.run()
    minutes, ap = clock.curve[-1]
    reached = minutes if ap >= args.target else None
    pace = trainer.step * recipe.batch / minutes / 60
    return {
        "name": name,
        "minutes": reached,
        "last": [minutes, ap],
        "images_per_second": pace,
        "curve": clock.curve,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--target", type=float, default=0.4, help="the AP to reach")
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="length of the schedule of each (default: its own)")
    parser.add_argument("--every", type=int, default=1, help="epochs between evaluations")
    parser.add_argument("--limit", type=float, default=60, help="minutes after which a contestant gives up")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=["ours", "official-plain", "official-nano"])
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "train.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    warnings.simplefilter("ignore", FutureWarning)
    source = RamCache(Crossing.split("train", args.pictures, SIDE))
    val = RamCache(Crossing.split("val", 200, SIDE))
    rows = [compete(name, source, val, args) for name in args.only]
    ours = next((row["minutes"] for row in rows if row["name"] == "ours"), None)
    print(f"\n{'':18}{'minutes to AP ' + str(args.target):>22}{'pictures/s':>12}{'ours takes':>12}")
    for row in rows:
        minutes = f"{row['minutes']:.2f}" if row["minutes"] else f"not in {row['last'][0]:.1f}"
        share = f"{ours / row['minutes']:.2f} of it" if ours and row["minutes"] else ""
        print(f"{row['name']:18}{minutes:>22}{row['images_per_second']:12.1f}{share:>12}")
    args.json.parent.mkdir(parents=True, exist_ok=True)
    machine = {"torch": torch.__version__, "threads": args.threads, "machine": platform.machine()}
    args.json.write_text(
        json.dumps({"target": args.target, "machine": machine, "rows": rows}, indent=1) + "\n"
    )
    print(f"written to {args.json}")


if __name__ == "__main__":
    main()
