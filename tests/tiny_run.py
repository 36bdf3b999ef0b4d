"""A training run small enough for tests, as a script: `python tests/tiny_run.py FOLDER [options]`."""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from yolox_edu import build
from yolox_edu.data.augment import Augment
from yolox_edu.data.training import TrainSet
from yolox_edu.parallel import processes
from yolox_edu.recipe import Recipe
from yolox_edu.train import Trainer


class Squares:
    """A source: coloured squares on grey; class 0 is red, class 1 is blue."""

    names, category_ids = ("red", "blue"), (1, 2)

    def __init__(self, count: int = 10, side: int = 64):
        self.count, self.side = count, side

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int):
        rng = np.random.default_rng([7, index])
        image = np.full((self.side, self.side, 3), 90, np.uint8)
        boxes, labels = [], []
        for _ in range(index % 4):  # some pictures are empty
            x, y = rng.integers(0, self.side - 16, 2)
            size, label = int(rng.integers(8, 16)), int(rng.integers(0, 2))
            image[y : y + size, x : x + size] = (220, 30, 30) if label == 0 else (30, 30, 220)
            boxes.append((x, y, x + size, y + size))
            labels.append(label)
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        target = {
            "boxes": boxes,
            "labels": np.array(labels, np.int64),
            "image_id": index,
            "file": f"{index}.png",
        }
        return image, target


def make_trainer(folder: Path, device="cpu", workers=0, source=None, save_every=1, **changes) -> Trainer:
    """A trainer of a pico network on squares: 10 pictures, 3 epochs of 2.5 steps."""
    values = dict(
        size=64, epochs=3, batch=4, lr=0.1, final=0.3, warmup=0.2, multiscale=(1, 3), ema=0.9, ema_ramp=5.0
    )
    torch.manual_seed(0)
    source = source or Squares()
    train_set = TrainSet(source, (64, 64), Augment(mosaic=0.5, mixup=0.5), seed=0)
    model = build("pico", 2, source.names)
    recipe = Recipe(**{**values, **changes})
    return Trainer(model, train_set, recipe, folder, device, workers, progress=False, save_every=save_every)


def freeze_batch_norm(trainer: Trainer) -> None:
    """Batch norm uses its running statistics and keeps them, so that a batch may be split among processes."""
    for module in trainer.model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
            module.train = lambda mode=True, module=module: module


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--optimizer", default="sgd")
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--one-size", action="store_true", help="no multi-scale")
    parser.add_argument("--save-every", type=int, default=1)
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument(
        "--file-limit", type=int, help="largest file that may be written, in bytes: a full disk"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    with processes("cpu") as device:
        changes = {"epochs": args.epochs, "accumulate": args.accumulate, "optimizer": args.optimizer}
        changes |= {"save_every": args.save_every, "lr": args.lr}
        changes |= {"multiscale": (2, 2)} if args.one_size else {}
        trainer = make_trainer(args.folder, device, args.workers, **changes)
        if args.frozen:
            freeze_batch_norm(trainer)
        if args.resume and (args.folder / "last.pt").exists():
            trainer.resume(args.folder / "last.pt")
        if args.file_limit:
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (args.file_limit, args.file_limit))
        trainer.run()


if __name__ == "__main__":
    try:
        main()
    except (ValueError, RuntimeError) as error:
        sys.exit(f"stopped: {error}")
