"""What becomes of the boxes if the class target, an IoU, is not cut out of the gradient. Chapter 13.

    python benchmarks/detach.py [--quick]

Trains pico on eight streets of 160 x 160 twice: as the package does, and with the gradient of the class
term flowing through its target. Same weights, same pictures, same steps. Writes
yolox_edu/measured/detach.json: for each seed and rule the mean IoU of the positives and the class term.
"""

import argparse

import torch
from torch import Tensor

from yolox_edu import build
from yolox_edu.boxes import decode_boxes, grid, iou
from yolox_edu.data.crossing import Crossing
from yolox_edu.losses import losses, positives
from yolox_edu.measured import keep
from yolox_edu.simota import Targets, assign, pad_targets, rows

SIZE, PICTURES, STEPS, EVERY = 160, 8, 120, 20


def streets() -> tuple[Tensor, Targets]:
    """Eight pictures n 3 h w and their targets."""
    pictures, truths = zip(*Crossing.split("train", PICTURES, size=SIZE))
    x = torch.stack([torch.from_numpy(p).permute(2, 0, 1) for p in pictures]).float() / 255
    parts = [{k: torch.from_numpy(t[k]) for k in ("boxes", "labels")} for t in truths]
    return x, pad_targets(parts, (SIZE, SIZE))


def leak(raw: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """A term of value 0 with the gradient that a forgotten detach adds; and the mean IoU of the positives.

    The class term of a positive holds -t x; where t is the IoU itself, its gradient in the box is -x dIoU.
    """
    cells, strides = grid((SIZE, SIZE))
    found = assign(raw, targets, (SIZE, SIZE), cells, strides)
    mine, truth = rows(raw, found.cell), rows(targets.boxes, found.truth)  # n p d, n p 4
    overlap = iou(decode_boxes(mine, cells[found.cell], strides[found.cell]), truth)  # n p
    label = targets.labels.gather(1, found.truth)
    x = mine[..., 5:].gather(2, label[..., None])[..., 0].detach()
    term = -((overlap - overlap.detach()) * x).masked_fill(~found.positive, 0).sum()
    return term / positives(found.positive), found.iou[found.positive].mean()


def train(detach: bool, seed: int, steps: int = STEPS) -> list[dict[str, float]]:
    """Every 20th step: the mean IoU of the positives and the class term."""
    x, targets = streets()
    torch.manual_seed(seed)
    model = build("pico", 8).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, nesterov=True)
    kept = []
    for step in range(steps + 1):
        raw = model.raw(x)
        terms = losses(raw, targets, (SIZE, SIZE))
        extra, overlap = leak(raw, targets)
        total = sum(terms.values()) + (0 if detach else extra)
        if step % EVERY == 0:
            kept.append(
                {"step": step, "iou": round(overlap.item(), 4), "class": round(terms["class"].item(), 4)}
            )
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one seed, 20 steps, nothing written")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    seeds, steps = ([0], EVERY) if quick else ([0, 1], STEPS)
    runs = []
    for seed in seeds:
        for detach in (True, False):
            runs.append({"seed": seed, "detach": detach, "steps": train(detach, seed, steps)})
            print(runs[-1], flush=True)
    if not quick:
        print(keep("detach", runs, seeds))


if __name__ == "__main__":
    main()
