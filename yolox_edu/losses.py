"""The losses: box, objectness, class, and L1 at the end of training. Explained in chapter 13."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from yolox_edu.boxes import decode_boxes, grid, iou
from yolox_edu.simota import Targets, assign, rows

BOX_WEIGHT = 5.0


def losses(
    raw: Float[Tensor, "n a d"], targets: Targets, size: tuple[int, int], use_l1: bool = False
) -> dict[str, Float[Tensor, ""]]:
    """The terms of the loss as a dict of scalars; training minimises their plain sum. Chapter 13.

    `raw` is the head's output, `size` the (height, width) of the network's input. Each term is a sum
    over the batch, divided by the number of positives (of all processes, where there are several):

    box         5 (1 - IoU²) of positives
    objectness  binary cross-entropy of every cell: is it positive?
    class       binary cross-entropy of positives; the target of the true class is the IoU, not 1
    l1          abs(raw - wanted raw) of positives, only with `use_l1` (the last epochs)

    Source: official `yolox/models/yolo_head.py`, `get_losses`.
    """
    with torch.autocast(raw.device.type, enabled=False):
        raw = raw.float()
        cells, strides = grid(size, raw.device)
        found = assign(raw, targets, size, cells, strides)
        objectness, raw_p = _pick(raw, found.cell)  # n a, n p d
        cell, stride = cells[found.cell], strides[found.cell]  # n p 2, n p 1
        wanted = rows(targets.boxes, found.truth)  # n p 4
        label = targets.labels.gather(1, found.truth)  # n p

        overlap = iou(decode_boxes(raw_p, cell, stride), wanted)
        # Binary cross-entropy of a logit x with target t is softplus(x) - t x: everything for t = 0 first,
        # then a correction where t is not 0. So no tensor of targets is made.
        true_class = raw_p[..., 5:].gather(2, label[..., None])[..., 0]  # n p
        of_class = F.softplus(raw_p[..., 5:]).sum(-1) - found.iou * true_class
        of_object = F.softplus(objectness).sum() - _sum(raw_p[..., 4], found.positive)
        terms = {
            "box": _sum(BOX_WEIGHT * (1 - overlap**2), found.positive),
            "objectness": of_object,
            "class": _sum(of_class, found.positive),
        }
        if use_l1:
            position = wanted[..., :2] / stride - cell
            log_size = (wanted[..., 2:] / stride + 1e-8).log()
            distance = (raw_p[..., :4] - torch.cat((position, log_size), dim=-1)).abs().sum(-1)
            terms["l1"] = _sum(distance, found.positive)
        count = positives(found.positive)
        return {name: term / count for name, term in terms.items()}


def positives(positive: Tensor) -> Float[Tensor, ""]:
    """The number of positives to divide by, at least 1.

    With several processes: the mean over them, for their gradients are averaged afterwards. So a batch
    gives the same gradient however it is split.
    """
    count = positive.sum().float()
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(count)
        return count.clamp(min=1) / dist.get_world_size()
    return count.clamp(min=1)


def _pick(
    raw: Float[Tensor, "n a d"], cell: Int[Tensor, "n p"]
) -> tuple[Float[Tensor, "n a"], Float[Tensor, "n p d"]]:
    """The objectness logits of all cells and the whole rows of some.

    In one gather, so that backwards the gradient, of raw's size and mostly zero, is written once, not twice.
    """
    n, a, d = raw.shape
    every = torch.arange(4, a * d, d, device=raw.device).expand(n, -1)  # n a
    some = cell[..., None] * d + torch.arange(d, device=raw.device)  # n p d
    picked = raw.flatten(1).gather(1, torch.cat((every, some.flatten(1)), dim=1))
    return picked[:, :a], picked[:, a:].view(n, -1, d)


def _sum(values: Tensor, positive: Tensor) -> Tensor:
    return values.masked_fill(~positive, 0).sum()
