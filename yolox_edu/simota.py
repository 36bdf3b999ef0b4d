"""SimOTA: which prediction is to learn which ground truth. Explained in chapters 11 and 12.

The whole batch goes through at once, without a loop over pictures and without the GPU waiting for the
CPU. Sizes that depend on the data are replaced by upper bounds that do not: a ground truth reaches at
most 3 x 3 cells on each of three levels (27 candidates) and claims at most 10 of them.

Letters: n pictures, g ground truths (padded), a cells, m candidates (padded), p positives (padded),
k classes.

Source: Ge et al. 2021 (arXiv 2107.08430, section 2.3), after OTA (arXiv 2103.14259); the rules are
those of the official `yolox/models/yolo_head.py` since January 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from yolox_edu.boxes import STRIDES, decode_boxes, iou, xyxy_to_cxcywh

RADIUS = 1.5  # strides, from a ground truth's centre to a candidate's centre, on either axis
TOP = 10  # so many of the best IoUs vote on k
IOU_WEIGHT = 3.0
OUTSIDE = 1e6  # the cost of a cell outside the ground truth's own region


class Targets(NamedTuple):
    """The ground truths of a batch, padded to the same number in each picture."""

    boxes: Float[Tensor, "n g 4"]  # cxcywh, pixels of the network's input
    labels: Int[Tensor, "n g"]
    valid: Bool[Tensor, "n g"]  # False: padding, or a box that no detector can be asked to find

    def to(self, device: torch.device | str) -> Targets:
        """The same on another device."""
        return Targets(*(t.to(device, non_blocking=True) for t in self))


def usable(boxes: Float[Tensor, "*g 4"], size: tuple[int, int]) -> Bool[Tensor, "*g"]:
    """Which `xyxy` boxes can be learnt: finite, of some area, and not wholly outside the (h, w) picture."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    inside = (x2 > 0) & (y2 > 0) & (x1 < size[1]) & (y1 < size[0])
    return boxes.isfinite().all(-1) & (x2 > x1) & (y2 > y1) & inside


def pad_targets(
    targets: Sequence[dict[str, Tensor]], size: tuple[int, int], num_classes: int | None = None
) -> Targets:
    """One tensor out of a list of dicts of `boxes` (g 4, `xyxy` pixels) and `labels` (g).

    Boxes that are not `usable` are kept as invalid rows, which nothing learns from. Raises ValueError
    where the numbers of boxes and labels differ or (if `num_classes` is given and the labels lie on
    the CPU) where a label is out of range; the message names the picture by its place and `file`.
    """
    for i, target in enumerate(targets):
        _check(target, f"target {i} ({target.get('file', 'no file name')})", num_classes)
    most = max([1, *(len(t["labels"]) for t in targets)])  # never 0 rows: that would be a special case
    boxes = torch.stack([F.pad(t["boxes"].float(), (0, 0, 0, most - len(t["boxes"]))) for t in targets])
    labels = torch.stack([F.pad(t["labels"].long(), (0, most - len(t["labels"]))) for t in targets])
    valid = usable(boxes, size)  # padding has no area
    boxes = xyxy_to_cxcywh(boxes).masked_fill(~valid[..., None], 0)  # no NaN goes further
    return Targets(boxes, labels, valid)


def _check(target: dict[str, Tensor], where: str, num_classes: int | None) -> None:
    boxes, labels = target["boxes"], target["labels"]
    if boxes.shape != (len(labels), 4):
        raise ValueError(f"{where}: boxes {tuple(boxes.shape)} for {len(labels)} labels: one row of 4 each")
    if num_classes and labels.device.type == "cpu" and len(labels):
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= num_classes:
            raise ValueError(f"{where}: labels {low} to {high}, but classes run from 0 to {num_classes - 1}")


class Assignment(NamedTuple):
    """What SimOTA decided. Slots that are not `positive` are padding."""

    cell: Int[Tensor, "n p"]  # which of the a predictions
    positive: Bool[Tensor, "n p"]
    truth: Int[Tensor, "n p"]  # the ground truth it must learn
    iou: Float[Tensor, "n p"]  # of its box, as predicted now, with that ground truth


def candidate_cells(
    boxes: Float[Tensor, "n g 4"], valid: Bool[Tensor, "n g"], size: tuple[int, int]
) -> Bool[Tensor, "n a"]:
    """Step 1: the cells whose centre lies near the centre of at least one ground truth.

    Near is less than 1.5 strides of the cell's level on both axes: 3 x 3 cells around the one that
    holds the centre, or 2 x 2 where the centre falls on a corner between cells.
    """
    around = torch.arange(-1, 2, device=boxes.device)
    stride = 2 ** torch.arange(3, 6, device=boxes.device)[:, None]  # 8, 16, 32, made where it is used: 3 1
    rows, columns = size[0] // stride, size[1] // stride  # 3 1
    areas = (rows * columns)[:, :, None]  # 3 1 1
    start = areas.cumsum(0) - areas  # where a level's cells begin: 3 1 1

    centre_x, centre_y = boxes[..., 0, None, None], boxes[..., 1, None, None]  # n g 1 1
    x = (centre_x / stride).floor().long() + around  # n g 3 3: three columns on each of three levels
    y = (centre_y / stride).floor().long() + around  # n g 3 3: rows
    x_near = _near(centre_x, x, stride) & (x >= 0) & (x < columns)
    y_near = _near(centre_y, y, stride) & (y >= 0) & (y < rows) & valid[..., None, None]
    near = y_near[..., :, None] & x_near[..., None, :]  # n g 3 3 3
    cell = start + y[..., :, None] * columns[..., None] + x[..., None, :]

    a = sum((size[0] // s) * (size[1] // s) for s in STRIDES)
    mask = torch.zeros(len(boxes), a + 1, dtype=torch.bool, device=boxes.device)
    mask.scatter_(1, cell.masked_fill(~near, a).flatten(1), True)  # the last column takes what is not near
    return mask[:, :a]


def _near(centre: Tensor, cell: Tensor, stride: Tensor) -> Tensor:
    """Written as the official code does it, to round as it does when a distance is just 1.5 strides."""
    cell_centre, reach = (cell + 0.5) * stride, RADIUS * stride
    return (cell_centre - (centre - reach) > 0) & ((centre + reach) - cell_centre > 0)


def compact(mask: Bool[Tensor, "n a"], m: int) -> tuple[Int[Tensor, "n m"], Bool[Tensor, "n m"]]:
    """The places of the True entries of each row in ascending order, padded to m; and which are no padding.

    Like `nonzero`, but of a size known beforehand, so that a GPU need not report back.
    """
    place = (mask.cumsum(1) - 1).masked_fill(~mask, m)  # the m-th slot collects the rest
    indices = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    packed = indices.new_zeros(len(mask), m + 1).scatter_(1, place, indices)[:, :m]
    return packed, torch.arange(m, device=mask.device) < mask.sum(1, keepdim=True)


def rows(x: Tensor, index: Int[Tensor, "n m"]) -> Tensor:
    """For each picture the rows `index` of x: n a c -> n m c."""
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))


def class_cost(raw: Float[Tensor, "n m d"], labels: Int[Tensor, "n g"]) -> Float[Tensor, "n g m"]:
    """Step 2a: binary cross-entropy of sqrt(class x objectness) against each ground truth's one-hot class.

    The sum over classes is that of an all-zero target, corrected at the one class that is 1; so nothing
    of size g x m x k is made. Logarithms are cut at -100, as torch's `binary_cross_entropy` does.
    """
    p = (raw[..., 5:].sigmoid() * raw[..., 4:5].sigmoid()).sqrt()  # n m k
    all_zero = -torch.log1p(-p).clamp(min=-100).sum(-1)  # n m
    p = p.gather(2, labels[:, None].expand(-1, p.shape[1], -1)).transpose(1, 2)  # n g m
    correction = torch.log1p(-p).clamp(min=-100) - p.log().clamp(min=-100)
    return all_zero[:, None] + correction


def match(
    cost: Float[Tensor, "n g m"], overlap: Float[Tensor, "n g m"]
) -> tuple[Bool[Tensor, "n m"], Int[Tensor, "n m"]]:
    """Steps 3 and 4: each ground truth claims its k cheapest candidates; a cell claimed twice goes to
    the cheapest of all ground truths. Returns which candidates are positive, and for which truth.

    k is the sum of the ten largest IoUs, rounded down, at least 1. Infinite costs are never claimed.
    """
    top = min(TOP, cost.shape[2])
    k = overlap.topk(top, dim=2).values.sum(2).int().clamp(min=1)  # n g
    cheapest, index = cost.topk(top, dim=2, largest=False)  # n g top
    claims = (torch.arange(top, device=cost.device) < k[..., None]) & cheapest.isfinite()
    claimed = torch.zeros_like(cost, dtype=torch.bool).scatter_(2, index, claims)  # n g m
    claimants = claimed.sum(1)  # n m
    truth = torch.where(claimants > 1, cost.argmin(1), claimed.int().argmax(1))
    return claimants > 0, truth


@torch.no_grad()
def assign(
    raw: Float[Tensor, "n a d"],
    targets: Targets,
    size: tuple[int, int],
    cells: Float[Tensor, "a 2"],
    strides: Float[Tensor, "a 1"],
) -> Assignment:
    """Choose the positives of a batch from the head's raw output. Chapter 12 walks through it.

    `size` is the (height, width) of the network's input, `cells` and `strides` come from `boxes.grid`.
    A picture without ground truths, or whose ground truths have no candidate, has no positives.
    """
    g = targets.valid.shape[1]
    m = min(27 * g, raw.shape[1])
    cell, there = compact(candidate_cells(targets.boxes, targets.valid, size), m)
    raw, cell_xy, stride = rows(raw, cell), cells[cell], strides[cell]  # n m d, n m 2, n m 1
    pair = targets.valid[:, :, None] & there[:, None]  # n g m: neither is padding

    overlap = iou(targets.boxes[:, :, None], decode_boxes(raw, cell_xy, stride)[:, None])
    overlap = overlap.masked_fill(~pair, 0)
    near_x = _near(targets.boxes[:, :, None, 0], cell_xy[:, None, :, 0], stride[:, None, :, 0])
    near_y = _near(targets.boxes[:, :, None, 1], cell_xy[:, None, :, 1], stride[:, None, :, 0])
    cost = class_cost(raw, targets.labels) - IOU_WEIGHT * (overlap + 1e-8).log()
    cost = cost + OUTSIDE * ~(near_x & near_y)
    positive, truth = match(cost.masked_fill(~pair, torch.inf), overlap)

    slot, positive = compact(positive, min(TOP * g, m))
    truth = truth.gather(1, slot)
    matched_iou = overlap.transpose(1, 2).gather(1, slot[..., None].expand(-1, -1, g))  # n p g
    matched_iou = matched_iou.gather(2, truth[..., None])[..., 0]
    return Assignment(cell.gather(1, slot), positive, truth, matched_iou)
