"""Checks of the exercises on boxes and IoU. Explained in chapter 01.

The truth is counted: squares on a grid for whole-numbered boxes, torchvision's own operators for all others.
"""

from __future__ import annotations

from typing import Any

import torch
import torchvision
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from yolox_edu.exercises.judge import Random, Wrong, exercise, same

# Chance rarely gives what a missing clamp needs to be seen: the third box lies apart from the first on both
# axes, from the second on one.
APART = torch.tensor([[1.0, 1, 4, 5], [1, 7, 5, 12], [9, 8, 14, 15]])


class Operations(TorchDispatchMode):
    """Counts the tensor operations of a `with` block: a loop needs more of them when there is more to do."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Torch calls this for each operation."""
        self.count += 1
        return func(*args, **(kwargs or {}))


def squares(boxes: Float[Tensor, "n 4"], size: int) -> Bool[Tensor, "n h w"]:
    """Which squares of a `size` x `size` grid each whole-numbered xyxy box covers."""
    covered = torch.zeros(len(boxes), size, size, dtype=torch.bool)
    for i, (left, top, right, bottom) in enumerate(boxes.int().tolist()):
        covered[i, top:bottom, left:right] = True
    return covered


def counted_iou(a: Float[Tensor, "n 4"], b: Float[Tensor, "m 4"], size: int) -> Float[Tensor, "n m"]:
    """IoU of all pairs of whole-numbered boxes by counting squares."""
    in_a, in_b = squares(a, size)[:, None], squares(b, size)[None]  # n 1 h w, 1 m h w
    return (in_a & in_b).sum((-1, -2)) / (in_a | in_b).sum((-1, -2))


def iou_faults(a: Float[Tensor, "*p 4"], b: Float[Tensor, "*q 4"]) -> dict[str, Tensor]:
    """What the usual slips make of all pairs, in words; the leading axes broadcast."""
    corner, other = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    signed = other - corner
    both = signed.clamp(min=0).prod(-1)
    area_a, area_b = (a[..., 2:] - a[..., :2]).prod(-1), (b[..., 2:] - b[..., :2]).prod(-1)
    more = (signed + 1).clamp(min=0).prod(-1)
    more_a, more_b = (a[..., 2:] - a[..., :2] + 1).prod(-1), (b[..., 2:] - b[..., :2] + 1).prod(-1)
    late = signed.prod(-1).clamp(min=0)
    centre_a, half_a, centre_b, half_b = a[..., :2], a[..., 2:] / 2, b[..., :2], b[..., 2:] / 2
    right = torch.minimum(centre_a + half_a, centre_b + half_b)
    read = (right - torch.maximum(centre_a - half_a, centre_b - half_b)).clamp(min=0).prod(-1)
    apart = "boxes that lie apart get an overlap: "
    return {
        "these are the shared areas themselves; divide by the union": both,
        "the shared area is counted twice in the union; subtract it once": both / (area_a + area_b),
        "the shared area is divided by the first box's area, not by the union": both / area_a,
        "the shared area is divided by the smaller box, not by the union": both
        / torch.minimum(area_a, area_b),
        "one pixel too many on each side: a box from 2 to 5 is 3 wide, not 4": more
        / (more_a + more_b - more),
        apart + "clamp negative widths and heights to 0": _ratio(signed.prod(-1), area_a, area_b),
        apart + "clamp width and height one by one, before you multiply them": _ratio(late, area_a, area_b),
        "your boxes are read as cxcywh; they are xyxy": _ratio(
            read, a[..., 2:].prod(-1), b[..., 2:].prod(-1)
        ),
    }


def _ratio(both: Tensor, area_a: Tensor, area_b: Tensor) -> Tensor:
    return both / (area_a + area_b - both)


@exercise("01.1")
def to_yolo(answer: Any, random: Random) -> None:
    """the same numbers as in plain arithmetic, box by box"""
    height, width = random.integer(100, 300), random.integer(301, 640)
    if random.integer(0, 1):
        height, width = width, height
    corners = random.boxes(random.integer(2, 6), width, height)  # n 4
    boxes = torch.cat((corners[:, :2], corners[:, 2:] - corners[:, :2]), dim=1)  # n 4
    x, y, w, h = boxes.unbind(-1)
    by = torch.tensor([width, height, width, height])
    plain = [
        ((l + k / 2) / width, (t + m / 2) / height, k / width, m / height) for l, t, k, m in boxes.tolist()
    ]
    faults = {
        "the numbers are still pixels; divide by width and height": torch.stack(
            (x + w / 2, y + h / 2, w, h), 1
        ),
        "x and w belong to the picture's width, y and h to its height": (boxes + _half(boxes))
        / by[[1, 0, 1, 0]],
        "left and top stand where the centre should": boxes / by,
        "your boxes are read as xyxy; they are xywh": torch.stack(((x + w) / 2, (y + h) / 2, w - x, h - y), 1)
        / by,
        "your boxes are xyxy; cxcywh was asked": corners / by,
        "the centre is half the width further on, not all of it": (boxes + 2 * _half(boxes)) / by,
        "half the size is added to left and top to reach the centre, not taken off": (boxes - _half(boxes))
        / by,
    }
    where = f"on boxes of shape {tuple(boxes.shape)} in a picture {height} high and {width} wide"
    same(answer(boxes, height, width), torch.tensor(plain), where, faults)


def _half(boxes: Float[Tensor, "n 4"]) -> Float[Tensor, "n 4"]:
    """What leads from left and top of an xywh box to its centre: half of its size, and zeros."""
    return torch.cat((boxes[:, 2:] / 2, torch.zeros_like(boxes[:, 2:])), dim=1)


@exercise("01.2")
def pairwise_iou(answer: Any, random: Random) -> None:
    """the same as counted squares, and as torchvision's box_iou where nothing can be counted"""
    n, m, _ = random.shape(3, 2, 6)
    size = 16
    a, b = (random.boxes(k, size, size, 2).round() for k in (n, m))
    a[:2], b[0] = APART[:2], APART[2]
    where = f"on boxes of shape {tuple(a.shape)} and {tuple(b.shape)}"
    given = answer(a, b)
    faults = iou_faults(a[:, None], b[None])
    truth = counted_iou(a, b, size)
    faults["the result is m n; one row for each box of a was asked, n m"] = truth.T
    faults["only box i with box i was compared; every box of a with every box of b was asked"] = (
        truth.diagonal()
    )
    same(given, truth, where, faults)
    a, b = random.boxes(n), random.boxes(m)
    same(answer(a, b), torchvision.ops.box_iou(a, b), where, iou_faults(a[:, None], b[None]))


@exercise("01.3")
def batch_iou(answer: Any, random: Random) -> None:
    """the same as a loop over pictures, in a number of tensor operations that does not grow"""
    p, n, m = random.shape(3, 2, 6)
    a, b = (torch.stack([random.boxes(k, 60, 50) for _ in range(p)]) for k in (n, m))  # p n 4, p m 4
    a[0, :2], b[0, 0] = APART[:2], APART[2]
    where = f"on boxes of shape {tuple(a.shape)} and {tuple(b.shape)}"
    truth = torch.stack([torchvision.ops.box_iou(x, y) for x, y in zip(a, b)])  # p n m
    faults = iou_faults(a[:, :, None], b[:, None])
    faults["the last two axes are swapped: p m n came out, p n m was asked"] = truth.mT
    faults["only the first picture was compared"] = truth[0]
    across = torchvision.ops.box_iou(a.flatten(0, 1), b.flatten(0, 1))
    words = "boxes of different pictures were compared; a picture's boxes meet only each other"
    faults |= {words: across, f"{words} ": across.view(p, n, p, m)}
    same(answer(a, b), truth, where, faults)
    few, many = (_operations(answer, a.repeat(k, k, 1), b.repeat(k, k, 1)) for k in (1, 2))
    if many > few:
        raise Wrong(
            f"{where}: the numbers are right, but a loop is at work: {few:,} tensor operations here, "
            f"{many:,} for twice as many pictures and boxes"
        )


def _operations(answer: Any, a: Tensor, b: Tensor) -> int:
    with Operations() as seen:
        answer(a, b)
    return seen.count


@exercise("01.4", seeds=1)
def furthest_shift(answer: Any, random: Random) -> None:
    """shared / union = (48 - 16) · 30 / ((48 + 16) · 30) = 1/2"""
    wrong = "that leaves IoU"
    faults = {
        f"{wrong} 1/3: half of the box is shared, but half is not half of the union": 24.0,
        "the height plays no part: both areas have the factor 30": 10.0,
        f"{wrong} 1/5: you took the shift for what is shared": 32.0,
        "the answer is asked in pixels, not as a share of the width": 1 / 3,
        f"{wrong} 3/5: more is allowed": 12.0,
    }
    same(answer, 16.0, "a box 48 wide and 30 high, pushed to the right", faults, atol=0.01)
