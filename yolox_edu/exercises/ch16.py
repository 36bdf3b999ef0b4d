"""The checks of chapter 16, train it here, now."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from yolox_edu.exercises.judge import Random, Wrong, exercise, same


@exercise("16.1")
def remaining(answer: Callable, random: Random) -> None:
    """the seconds that are left, step by step"""
    batch = 2 * random.integer(2, 6)
    pictures, epochs = batch * random.integer(5, 9) + batch // 2, 2 * random.integer(2, 4)
    done = random.integer(5, 12)
    speeds = random.uniform(done, low=5, high=60).tolist()
    rows = [{"step": i, "images_per_second": speed} for i, speed in enumerate(speeds)]
    total = epochs * pictures // batch  # a whole number: half a batch is left over in each of 2 epochs
    seconds = sum(batch / speed for speed in speeds) / done
    mean_speed = sum(speeds) / done
    where = f"for {pictures} pictures, {epochs} epochs, {batch} a step, after {done} steps"
    faults = {
        "a mean of speeds counts quick steps too much; take the mean of the seconds that a step took": (
            (total - done) * batch / mean_speed
        ),
        "these are the seconds of the whole run; some steps are done already": total * seconds,
        "a batch runs on over the end of an epoch: none of them is short": (
            (epochs * math.ceil(pictures / batch) - done) * seconds
        ),
        "no picture is left out at the end of an epoch: the batch runs on into the next": (
            (epochs * (pictures // batch) - done) * seconds
        ),
        "images_per_second counts pictures, and a step has several": (total - done) * seconds / batch,
        "the step in a row is counted from 0: after the last row one more is done": (
            (total - rows[-1]["step"]) * seconds
        ),
        "these are pictures where steps are meant: a step has several": (epochs * pictures - done) * seconds,
        "one step's speed is no mean of all": (total - done) * batch / speeds[-1],
        "this is how long it has taken so far": done * seconds,
        "these are steps; seconds were asked": total - done,
    }
    same(answer(rows, pictures, epochs, batch), (total - done) * seconds, where, faults, atol=1e-3)


@exercise("16.2")
def precision_recall(answer: Callable, random: Random) -> None:
    """both figures, detection by detection"""
    boxes, labels, truths, kinds = _street(random)
    (right, again), (named, named_again), (touched, touched_again) = (
        _count(boxes, labels, truths, kinds, *rule) for rule in ((0.5, True), (0.5, False), (1e-9, True))
    )
    m, g = len(boxes), len(truths)
    where = f"for {m} detections and {g} ground truths"
    faults = {
        "precision and recall have changed places": (right / g, right / m),
        "a second box around the same thing is no second success": (
            again / m,
            again / g,
        ),
        "for the precision a second box around the same thing counts as right": (
            again / m,
            right / g,
        ),
        "a box with the wrong name is wrong": (named / m, named / g),
        "a box with the wrong name is wrong, and a second box no second success": (
            named_again / m,
            named_again / g,
        ),
        "any overlap counts as right; 0.5 was asked": (touched / m, touched / g),
        "any overlap counts, and second boxes too; 0.5 was asked, once each": (
            touched_again / m,
            touched_again / g,
        ),
        "these are percentages; shares lie between 0 and 1": (100 * right / m, 100 * right / g),
        "these are counts; divide by the detections and by the ground truths": (right, right),
        "both are divided by the number of detections": (right / m, right / m),
        "both are divided by the number of ground truths": (right / g, right / g),
    }
    same(answer(boxes, labels, truths, kinds), (right / m, right / g), where, faults)


def _count(
    boxes: Tensor, labels: Tensor, truths: Tensor, kinds: Tensor, least: float, names: bool
) -> tuple[int, int]:
    """How many detections reach this IoU with a truth (of their name): each truth once, and all."""
    once, all_of_them, found = 0, 0, set()
    for box, label in zip(boxes, labels, strict=True):
        for i, (truth, kind) in enumerate(zip(truths, kinds, strict=True)):
            if _overlap(box, truth) >= least and (not names or int(label) == int(kind)):
                all_of_them += 1
                once += i not in found
                found.add(i)
    return once, all_of_them


def _street(random: Random) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Things that do not touch; among the detections are right, doubled, misnamed, loose and lost ones.

    Returns boxes m 4 (xyxy) with labels m, and ground truths g 4 with labels g. The numbers of each kind
    are such that no two faults give the same figures.
    """
    g = random.integer(7, 9)
    corner = torch.stack((torch.arange(g) * 100.0, random.uniform(g, high=50)), dim=1)  # g 2
    truths = torch.cat((corner, corner + 30 + random.uniform(g, 2, high=30)), dim=1)  # g 4
    kinds = random.integers(0, 4, g)
    near = truths + random.uniform(g, 4, low=-2, high=2)  # IoU well over 0.5
    loose = truths + 0.5 * (truths[:, 2:] - truths[:, :2]).repeat(1, 2)  # IoU 1/7
    c = random.integer(2, g - 5)  # so many are found; the next is misnamed, the four after it are loose
    boxes = torch.cat((near[:c], near[:1] + 1, near[1:2] - 1, near[c : c + 1], loose[c + 1 : c + 5]))
    labels = torch.cat((kinds[:c], kinds[:2], kinds[c : c + 1] + 1, kinds[c + 1 : c + 5]))
    lost = torch.tensor([[10.0, 300.0, 60.0, 340.0]])
    boxes, labels = torch.cat((boxes, lost)), torch.cat((labels, kinds[:1]))
    order = torch.randperm(len(boxes), generator=random.generator)
    return boxes[order], labels[order], truths, kinds


def _overlap(a: Tensor, b: Tensor) -> float:
    """IoU of two boxes in plain numbers."""
    (l, t, r, b_), (l2, t2, r2, b2) = a.tolist(), b.tolist()
    both = max(0.0, min(r, r2) - max(l, l2)) * max(0.0, min(b_, b2) - max(t, t2))
    return both / ((r - l) * (b_ - t) + (r2 - l2) * (b2 - t2) - both)


MOST = 197.0  # million pixels: 375 streets, 8 times, at 256 x 256


@exercise("16.3", seeds=1)
def same_minutes(answer: list, random: Random) -> None:
    """one try at least, each with its prediction, none dearer than the run, one of them better"""
    rows = answer if isinstance(answer, list | tuple) else [None]
    if not all(isinstance(row, list | tuple) and len(row) == 3 for row in rows):
        raise Wrong("give a list with one row of three a try: what you expect, AP, million pixels")
    base, *tries = answer or [("the run", 0.0, 0.0)]
    if not tries:
        raise Wrong("no try after the row of the run itself; one at least was asked")
    for number, (expected, ap, megapixels) in enumerate(tries, start=1):
        if expected not in ("better", "worse"):
            raise Wrong(f'try {number} expects {expected!r}; write "better" or "worse" before it runs')
        if not 0 <= ap <= 1:
            raise Wrong(f"try {number} has an AP of {ap}; AP lies between 0 and 1")
        if megapixels > MOST:
            raise Wrong(f"try {number} looked at {megapixels:.0f} million pixels; the run at {MOST:.0f}")
    best = max(ap for _, ap, _ in tries)
    if best <= base[1]:
        raise Wrong(f"the best try has AP {best:.3f}, the run {base[1]:.3f}: change something else")


@exercise("16.4")
def a_tenth_of_the_rate(answer: str, random: Random) -> None:
    """what the two short runs show"""
    faults = {
        "smaller steps are more careful, but early on the loss is far from its floor": "further",
        "early on the weights have a long way to go, and shorter steps show": "as far",
        "steps of a tenth cover less than that; run the two and look": "half as far",
    }
    same(answer, "less than half as far", "with a tenth of the rate", faults)
