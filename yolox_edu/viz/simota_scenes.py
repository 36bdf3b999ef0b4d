"""Ready-made states of the SimOTA laboratory, and what the package decides in them. Explained in chapter 12.

Ten by six cells of stride 32 under a picture of 320 x 192 pixels. Whole pixels and whole per cent, so that a
reader can set each state by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

import torch

from yolox_edu.boxes import grid, iou
from yolox_edu.simota import (
    IOU_WEIGHT,
    OUTSIDE,
    TOP,
    Targets,
    _near,
    candidate_cells,
    class_cost,
    match,
)

COLUMNS, ROWS, STRIDE = 10, 6, 32
SIZE = (ROWS * STRIDE, COLUMNS * STRIDE)  # height, width
CLASSES = ("person", "car", "dog")
PERSON, CAR, DOG = range(3)

Box = tuple[int, int, int, int]  # centre x, centre y, width, height, in pixels
Numbers = tuple[int, ...]  # of one prediction: its box, then objectness and class scores in per cent
SPARE: tuple[Box, int] = (272, 146, 56, 40), DOG  # the third truth of scenes with two


class Decision(NamedTuple):
    """What SimOTA decides in a scene: k of each truth, and the truth that each positive cell learns."""

    cells: list[int]  # the candidates
    k: list[int]
    owners: dict[int, int]  # cell: truth


@dataclass(frozen=True)
class Scene:
    """A state of the laboratory. `pick` is the truth and the cell whose cost is taken apart at first."""

    words: str  # what to look at, and what to try
    truths: list[tuple[Box, int]]  # box and class
    predictions: list[Numbers]  # one a cell, line by line
    pick: tuple[int, int]
    changed: dict[int, Numbers] = field(default_factory=dict)  # predictions set by hand

    @property
    def numbers(self) -> list[Numbers]:
        """All predictions."""
        return [self.changed.get(cell, numbers) for cell, numbers in enumerate(self.predictions)]


def untrained(side: int = STRIDE, noise: int = 0) -> list[Numbers]:
    """Raw zeros and the head's bias: a box of one stride at the cell's corner, every score at 1 %.

    `noise` changes each width and height by so many pixels at most, as random weights do: without it
    whole rows of costs are equal, and which of them is "the cheapest" is nobody's decision.
    """
    random = Random(noise)
    return [
        (
            STRIDE * (cell % COLUMNS),
            STRIDE * (cell // COLUMNS),
            side + random.randint(-noise, noise),
            side + random.randint(-noise, noise),
            *(1, 1, 1, 1),
        )
        for cell in range(COLUMNS * ROWS)
    ]


def learnt(truths: list[tuple[Box, int]], skill: float, seed: int = 0) -> list[Numbers]:
    """A network on its way: each cell speaks of the nearest truth, the better the nearer it is."""
    random = Random(seed)
    found = []
    for x, y, *_ in untrained():
        own = (x + STRIDE // 2, y + STRIDE // 2, 1.4 * STRIDE, 1.4 * STRIDE)
        far, (box, label) = min((max(abs(own[i] - t[0][i]) for i in (0, 1)) / STRIDE, t) for t in truths)
        sure = skill * max(0.0, 1 - 0.25 * far) * random.uniform(0.75, 1)
        mixed = (sure * t + (1 - sure) * (o + random.uniform(-9, 9)) for t, o in zip(box, own))
        scores = [random.uniform(0.02, 0.12) for _ in CLASSES]
        scores[label] = sure * random.uniform(0.9, 1)
        found.append((*map(round, mixed), *(_per_cent(score) for score in (sure, *scores))))
    return found


def _per_cent(score: float) -> int:
    """What the sliders can say: 1 to 99."""
    return min(max(round(100 * score), 1), 99)


def decide(scene: Scene) -> Decision:
    """The package's own steps on the scene's single level. A test compares it with `simota.assign` whole."""
    boxes = torch.tensor([box for box, _ in scene.truths]).float()
    labels = torch.tensor([label for _, label in scene.truths])
    targets = Targets(boxes[None], labels[None], torch.ones_like(labels, dtype=torch.bool)[None])
    last = COLUMNS * ROWS  # the cells of stride 32 come last
    near = candidate_cells(targets.boxes, targets.valid, SIZE)[0, -last:]
    numbers = torch.tensor(scene.numbers).float()[near]  # m 8
    overlap = iou(boxes[:, None], numbers[None, :, :4])  # g m
    raw = torch.cat([numbers[:, :4], torch.logit(numbers[:, 4:] / 100)], dim=1)
    cost = class_cost(raw[None], targets.labels)[0] - IOU_WEIGHT * (overlap + 1e-8).log()
    cell, stride = (x[-last:][near] for x in grid(SIZE))
    inside = _near(boxes[:, None, :2], cell[None], stride[None]).all(dim=-1)
    positive, truth = match((cost + OUTSIDE * ~inside)[None], overlap[None])
    k = overlap.topk(min(TOP, overlap.shape[1])).values.sum(1).int().clamp(min=1)
    cells = near.nonzero().flatten().tolist()
    owners = {c: int(t) for c, t, p in zip(cells, truth[0], positive[0]) if p}
    return Decision(cells, k.tolist(), owners)


def scenes() -> dict[str, Scene]:
    """The ready-made states, by the words on their buttons."""
    car, person = ((112, 108, 128, 68), CAR), ((186, 92, 48, 112), PERSON)
    close = [((140, 100, 116, 72), CAR), ((166, 96, 52, 116), PERSON)]
    small = [((150, 96, 150, 84), CAR), ((156, 100, 40, 32), DOG)]
    three = [((138, 92, 56, 116), PERSON), ((166, 108, 132, 72), CAR), ((150, 100, 72, 60), DOG)]
    apart = [((74, 108, 112, 68), CAR), ((202, 92, 48, 112), PERSON)]
    return {
        "start": Scene(
            "A network on its way: near each object it is half right. Move A, B, or what a cell predicts.",
            [car, person],
            learnt([car, person], 0.63, 3),
            (0, 34),
        ),
        "two want one cell": Scene(
            "A and B both count cell 34 among their cheapest. Drag B to the right, until each has its own.",
            close,
            learnt(close, 0.55, 1),
            (1, 34),
            {34: (152, 98, 86, 92, 60, 50, 50, 3)},
        ),
        "one ends with nothing": Scene(
            "A small dog before a big car, and every cell speaks of the car. Make B larger, or let a cell "
            "predict it.",
            small,
            learnt(small[:1], 0.8, 10),
            (1, 35),
        ),
        "it goes to a third": Scene(
            "A and B claim cell 34, C does not. Yet C's cost there is the lowest of the three, and that "
            "decides: C, which may claim one cell, gets two, and A and B end with nothing.",
            three,
            untrained(10),
            (2, 34),
            {34: (150, 104, 84, 76, 60, 40, 40, 60), 24: (150, 98, 70, 62, 80, 3, 3, 85)},
        ),
        "untrained": Scene(
            "Every cell says almost the same: a box of about one stride at its corner, all scores 1 %. Only "
            "how the boxes happen to lie tells the costs apart, and k is 1 for all.",
            [car, person],
            untrained(noise=3),
            (0, 34),
        ),
        "trained": Scene(
            "The same objects under a good network: the IoUs are large, so their sums are, and k grows.",
            [car, person],
            learnt([car, person], 1.15, 1),
            (0, 33),
        ),
        "outside the region": Scene(
            "Cell 35 predicts A almost perfectly, but lies outside A's region: a million is added, and A "
            "does not take it. Its IoU still counts for A's k.",
            apart,
            learnt(apart, 0.5, 5),
            (0, 35),
            {35: (75, 108, 112, 67, 95, 3, 96, 3)},
        ),
    }
