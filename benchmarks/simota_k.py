"""How many positives SimOTA gives an object: by its size, by how well it is predicted, by training step.

    python benchmarks/simota_k.py [--seeds 3] [--quick] [--out DIR]

Trains pico on 375 Crossing streets at 192 pixels, 8 times over, once a seed (about two minutes each on one
core). At chosen steps training pauses, and the network as it stands looks at 100 other streets in training
mode (batch norm of the batch). For each ground truth there: its k, how many positives it really gets, and the
best IoU among its candidates. Writes yolox_edu/measured/simota_k.json, which chapter 12 shows.
"""

import argparse
import copy
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from yolox_edu import build
from yolox_edu.boxes import decode_boxes, grid, iou
from yolox_edu.data.crossing import Crossing
from yolox_edu.data.training import RamCache, TrainSet
from yolox_edu.measured import FOLDER, keep
from yolox_edu.recipe import recipe_for
from yolox_edu.simota import TOP, Targets, assign, candidate_cells, pad_targets
from yolox_edu.train import Trainer

SIDE, PICTURES, EPOCHS, LOOKED_AT = 192, 375, 8, 100
MARKS = (0, 10, 25, 50, 75, 100, 150, 200, 250, 300, 375)  # steps
SIZES = {"under 16": (0, 16), "16 to 32": (16, 32), "32 to 64": (32, 64), "over 64": (64, 1e9)}  # pixels


def streets_to_look_at(count: int = LOOKED_AT) -> tuple[Tensor, Targets]:
    """Pictures in [0, 1], n 3 h w, and their ground truths."""
    pictures, targets = zip(*Crossing.split("val", count, SIDE))
    tensors = [{key: torch.from_numpy(t[key]) for key in ("boxes", "labels")} for t in targets]
    x = torch.stack([torch.from_numpy(p).permute(2, 0, 1) for p in pictures]).float() / 255
    return x, pad_targets(tensors, (SIDE, SIDE))


@torch.no_grad()
def per_object(raw: Tensor, targets: Targets, size: tuple[int, int]) -> dict[str, Tensor]:
    """For each ground truth of a batch that has candidates, flat: side, best, top, k, got.

    side  square root of the box's area, pixels
    best  best IoU among the candidates of the picture
    top   sum of the ten best
    k     how many positives it asks for
    got   how many it gets
    """
    cells, strides = grid(size)
    boxes = decode_boxes(raw, cells, strides)  # n a 4
    candidate = candidate_cells(targets.boxes, targets.valid, size)  # n a
    overlap = iou(targets.boxes[:, :, None], boxes[:, None])  # n g a
    top = overlap.masked_fill(~candidate[:, None], 0).topk(TOP, dim=2).values  # n g 10
    found = assign(raw, targets, size, cells, strides)
    got = torch.zeros_like(targets.labels).scatter_add_(1, found.truth, found.positive.long())  # n g
    each = {
        "side": targets.boxes[..., 2:].prod(-1).sqrt(),
        "best": top[..., 0],
        "top": top.sum(2),
        "k": top.sum(2).int().clamp(min=1),
        "got": got,
    }
    return {name: values[targets.valid] for name, values in each.items()}


def rows_of(objects: dict[str, Tensor], seed: int, step: int) -> list[dict[str, float | int | str]]:
    """Means for each class of size, and for all."""
    rows = []
    for name, (low, high) in {**SIZES, "all": (0, 1e9)}.items():
        inside = (objects["side"] >= low) & (objects["side"] < high)
        k, got, best = (objects[key][inside].double() for key in ("k", "got", "best"))
        means = {"k": k.mean(), "got": got.mean(), "best": best.mean(), "nothing": (got == 0).double().mean()}
        numbers = {key: round(value.item(), 4) for key, value in means.items()}
        rows.append({"seed": seed, "step": step, "size": name, "objects": int(inside.sum()), **numbers})
    return rows


def measure(seed: int, source, marks: tuple[int, ...], looked_at: tuple[Tensor, Targets]) -> list[dict]:
    """One training run, paused at each of `marks`."""
    torch.manual_seed(seed)
    model = build("pico", len(source.names), source.names)
    recipe, augment = recipe_for("pico", len(source), size=SIDE, epochs=EPOCHS, seed=seed)
    images, targets = looked_at
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        train_set = TrainSet(source, (SIDE, SIDE), augment, seed)
        trainer = Trainer(model, train_set, recipe, Path(folder), progress=False)
        for step in marks:
            if step:
                trainer.run(until=step)
            looking = copy.deepcopy(trainer.model).train()  # a copy: its batch norm may move
            with torch.no_grad():
                raw = torch.cat([looking.raw(some) for some in images.split(25)])  # n a 5+k
            rows += rows_of(per_object(raw, targets, (SIDE, SIDE)), seed, step)
    return rows


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="how many runs")
    parser.add_argument("--quick", action="store_true", help="only the first ten steps of seed 0")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder to write to")
    args = parser.parse_args()
    torch.set_num_threads(1)  # so that a run can be repeated bit for bit
    seeds, marks = ([0], MARKS[:2]) if args.quick else (list(range(args.seeds)), MARKS)
    source = Crossing.split("train", PICTURES, SIDE)
    source = source if args.quick else RamCache(source)
    looked_at, rows = streets_to_look_at(), []
    for seed in seeds:
        rows += measure(seed, source, marks, looked_at)
        print(f"seed {seed}: k {rows[-1]['k']}, best IoU {rows[-1]['best']} at step {marks[-1]}", flush=True)
    print(keep("simota_k", rows, seeds, args.out))


if __name__ == "__main__":
    main()
