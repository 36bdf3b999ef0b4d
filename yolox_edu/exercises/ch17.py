"""The checks of chapter 17, NMS. The truth is a loop over pairs in Python's own floats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from yolox_edu.exercises.judge import Random, Wrong, exercise, same

Box = Sequence[float]


def iou(a: Box, b: Box) -> float:
    """IoU of two `xyxy` boxes by plain arithmetic."""
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    area_a, area_b = ((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (a, b))
    return wide * high / (area_a + area_b - wide * high)


def greedy(
    boxes: list[Box], scores: list[float], labels: list[int], limit: float, dead_suppress: bool = False
) -> list[int]:
    """Indices of what stays, the surest first, of equals the first; `dead_suppress` is a fault."""
    order = sorted(range(len(boxes)), key=lambda i: -scores[i])
    kept = []
    for place, i in enumerate(order):
        rivals = order[:place] if dead_suppress else kept
        if not any(labels[i] == labels[j] and iou(boxes[i], boxes[j]) > limit for j in rivals):
            kept.append(i)
    return kept


def _heaps(random: Random, heaps: int, each: int) -> Float[Tensor, "n 4"]:
    """Boxes in heaps, shuffled: enough overlap for every step of NMS to matter."""
    middle = random.boxes(heaps, 240, 200, least=30)  # h 4
    boxes = middle.repeat_interleave(each, 0) + 7 * random.tensor(heaps * each, 4)
    boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 5)
    return boxes[torch.randperm(len(boxes), generator=random.generator)]


def _scores(random: Random, count: int) -> Float[Tensor, " n"]:
    """Scores with two decimals, so that some are equal."""
    return (100 * random.uniform(count)).round() / 100


@exercise("17.1", seeds=8)
def nms(answer: Callable, random: Random) -> None:
    """the same boxes as by a loop over all pairs, equal scores among them"""
    boxes, limit = _heaps(random, 4, random.integer(4, 7)), random.choice((0.3, 0.45, 0.65))
    scores = _scores(random, len(boxes))
    if random.seed % 4 == 3:  # the upper half of a box: IoU 0.5, without any rounding
        half = torch.tensor([[8.0, 8, 24, 40], [8, 8, 24, 24]])
        boxes, scores, limit = torch.cat((boxes + 100, half)), torch.cat((scores, scores[:2])), 0.5
    b, s, one = boxes.tolist(), scores.tolist(), [0] * len(boxes)
    wanted, order = greedy(b, s, one, limit), sorted(range(len(b)), key=lambda i: -s[i])
    faults = {
        "the least sure boxes won; sort descending": greedy(b, [-x for x in s], one, limit),
        "the scores played no part; the surest box comes first": greedy(b, [0.0] * len(b), one, limit),
        "boxes that are gone already suppressed others; only a kept box may": greedy(b, s, one, limit, True),
        "the right boxes, in the order of the list; the surest first was asked": sorted(wanted),
        "the right boxes, the least sure first": wanted[::-1],
        "nothing was suppressed": greedy(b, s, one, 1.0),
        "an IoU equal to the threshold suppressed; only one above it does": greedy(b, s, one, limit - 1e-6),
        "places in the sorted list came out; the indices of the boxes as they were given were asked": [
            order.index(i) for i in wanted
        ],
        "of equal scores the last box of the list won; the first should": _last_of_equals(b, s, one, limit),
    }
    where = f"on {len(b)} boxes with the threshold {limit}"
    _indices(answer(boxes, scores, limit), wanted, where, faults, _Why(b, one, limit))


def _last_of_equals(boxes: list[Box], scores: list[float], labels: list[int], limit: float) -> list[int]:
    n = len(boxes)
    return [n - 1 - i for i in greedy(boxes[::-1], scores[::-1], labels[::-1], limit)]


class _Why(NamedTuple):
    """Boxes, labels and the threshold: why one box stays and another does not."""

    boxes: list[Box]
    labels: list[int]
    limit: float

    def over(self, i: int, others: Sequence[int]) -> list[int]:
        """Those of the others that could suppress box i."""
        same_class = [j for j in others if j != i and self.labels[j] == self.labels[i]]
        return [j for j in same_class if iou(self.boxes[i], self.boxes[j]) > self.limit]

    def lost(self, i: int, wanted: list[int]) -> str:
        """Box i should stay."""
        gone = self.over(i, [j for j in range(len(self.boxes)) if j not in wanted])
        also = ", only boxes that go themselves" if gone else ""
        of_class = " of its class" if len(set(self.labels)) > 1 else ""
        return f"box {i} is missing: no box{of_class} that stays overlaps it by more than {self.limit}{also}"

    def extra(self, i: int, wanted: list[int]) -> str:
        """Box i should go."""
        if not 0 <= i < len(self.boxes):
            return f"there is no box {i}"
        j = self.over(i, wanted)[0]
        return (
            f"box {i} stayed too: box {j} is surer and overlaps it by {iou(self.boxes[i], self.boxes[j]):.2f}"
        )


def _indices(given: object, wanted: list[int], where: str, faults: dict[str, list[int]], why: _Why) -> None:
    """Compare indices, given as a list or a tensor."""
    if isinstance(given, list | tuple) and all(isinstance(i, int | Tensor) for i in given):
        mask = bool(given) and all(isinstance(i, bool) for i in given)
        given = torch.tensor([int(i) for i in given], dtype=torch.bool if mask else torch.long)
    if isinstance(given, Tensor) and given.dtype == torch.bool:
        raise Wrong(f"{where}: a mask came out; the indices of the boxes that stay were asked")
    if isinstance(given, Tensor) and given.is_floating_point():
        raise Wrong(f"{where}: floats came out; the indices of the boxes that stay were asked")
    known = {words: torch.tensor(value) for words, value in faults.items()}
    if (
        isinstance(given, Tensor)
        and given.ndim == 1
        and not any(torch.equal(given.long(), value) for value in known.values())
    ):
        extra, lost = set(given.tolist()) - set(wanted), set(wanted) - set(given.tolist())
        if lost or extra:
            reason = why.lost(min(lost), wanted) if lost else why.extra(min(extra), wanted)
            raise Wrong(f"{where}: {len(wanted)} boxes should stay; {reason}")
    same(given, torch.tensor(wanted), where, known, any_dtype=True)


@exercise("17.2", seeds=8)
def batched(answer: Callable, random: Random) -> None:
    """the same as a loop over classes, for boxes that stick out of the picture and for huge ones"""
    boxes = _heaps(random, 4, random.integer(4, 7))
    if random.seed % 2:
        boxes = boxes - 120  # left of and above the picture
    if random.seed % 4 == 2:  # where float32 counts in eighths of a pixel; and one box at the other end
        boxes = torch.cat((torch.tensor([[0.0, 0, 40, 60]]), boxes + 1_500_000.0))
    labels = random.integers(0, 2, len(boxes)) * 40
    limit, scores = random.choice((0.3, 0.45, 0.65)), _scores(random, len(boxes))
    b, s, classes = boxes.tolist(), scores.tolist(), labels.tolist()
    wanted = greedy(b, s, classes, limit)
    by_class = sorted(wanted, key=lambda i: (classes[i], -s[i]))
    of = {c: [i for i in range(len(b)) if classes[i] == c] for c in classes}
    faults = {
        "all classes suppressed each other; only boxes of one class may": greedy(b, s, [0] * len(b), limit),
        "the right boxes, class after class; the surest first was asked, whatever its class": by_class,
        "the right boxes, but equal scores in the order of their classes; the first in the list comes "
        "first": sorted(wanted, key=lambda i: (-s[i], classes[i])),
        "the right boxes, in the order of the list; the surest first was asked": sorted(wanted),
        "the right boxes, the least sure first": wanted[::-1],
        "places within each class came out; the indices in the whole list were asked": [
            of[classes[i]].index(i) for i in by_class
        ],
    }
    largest = boxes.abs().max().item()
    where = f"on {len(b)} boxes of three classes (labels 0, 40, 80), coordinates up to {largest:,.0f}"
    where += " and negative ones" if boxes.min() < 0 else ""
    try:
        _indices(answer(boxes, scores, labels, limit), wanted, where, faults, _Why(b, classes, limit))
    except Wrong as wrong:
        negative = boxes.min() < 0 and "suppressed each other" not in str(wrong)
        if (negative or random.seed % 4 == 2) and "stay" in str(wrong):
            raise Wrong(
                f"{wrong} (with an offset for each class? think of what it does to such boxes)"
            ) from None
        raise


@exercise("17.3")
def hurts(answer: Callable, random: Random) -> None:
    """at 0.45 NMS drops the only box of one object and leaves two on the other"""
    width, height = float(random.integer(5, 60)), float(random.integer(5, 60))
    given = answer(width, height)
    if not isinstance(given, tuple | list) or len(given) != 3:
        raise Wrong("three tensors were asked: boxes, scores, truths")
    boxes, scores, truths = (torch.as_tensor(part, dtype=torch.float32) for part in given)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1] or truths.shape != (2, 4):
        shapes = ", ".join(str(tuple(part.shape)) for part in (boxes, scores, truths))
        raise Wrong(f"the shapes are {shapes}; (n, 4), (n,), (2, 4) were asked")
    for name, some in {"boxes": boxes, "truths": truths}.items():
        if not (some[:, 2:] > some[:, :2]).all():
            raise Wrong(f"one of the {name} has no area: left, top, right, bottom")
    if not ((scores > 0) & (scores <= 1)).all() or len(scores.unique()) < len(scores):
        raise Wrong("the scores should be between 0 and 1 and all different")
    if (wrong := (truths[:, 2:] - truths[:, :2] - torch.tensor([width, height])).abs() > 1e-3).any():
        side = "wide" if wrong[:, 0].any() else "high"
        raise Wrong(f"asked for truths {width:g} wide and {height:g} high: one of yours is not so {side}")
    if iou(*truths.tolist()) > 0.9:
        raise Wrong("the two truths are nearly the same box: IoU above 0.9")
    _property(boxes.tolist(), scores.tolist(), truths.tolist())


def _property(boxes: list[Box], scores: list[float], truths: list[Box]) -> None:
    """Each box is about the truth it overlaps most, if by 0.5; one truth is lost, the other found twice."""
    about = []
    for box in boxes:
        fits = [iou(box, truth) for truth in truths]
        about.append(fits.index(max(fits)) if max(fits) >= 0.5 else None)
    kept = greedy(boxes, scores, [0] * len(boxes), 0.45)
    before, after = (
        [[about[i] for i in some].count(t) for t in (0, 1)] for some in (range(len(boxes)), kept)
    )
    told = (
        f"boxes of truth 0: {before[0]} before NMS, {after[0]} after; of truth 1: {before[1]} before, "
        f"{after[1]} after"
    )
    if 0 in before:
        raise Wrong(f"{told}; each truth should have a box before, with an IoU of at least 0.5")
    if 0 not in after:
        raise Wrong(f"{told}; one of them should end with none")
    if max(after) < 2:
        raise Wrong(f"{told}; the other one should end with two")
