"""Boxes: formats, overlap, the grid of cells, decoding, and NMS. Explained in chapters 01, 10 and 17.

Boxes are float tensors whose last axis is 4, in pixels: `xyxy` (left, top, right, bottom) or `cxcywh`
(centre x, centre y, width, height). Letters: a cells (8,400 at 640 x 640), g ground truths, k classes.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.ops import batched_nms, box_convert

STRIDES = (8, 16, 32)


def xyxy_to_cxcywh(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """(left, top, right, bottom) to (centre x, centre y, width, height). Chapter 01."""
    return box_convert(boxes, "xyxy", "cxcywh")


def cxcywh_to_xyxy(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """(centre x, centre y, width, height) to (left, top, right, bottom). Chapter 01."""
    return box_convert(boxes, "cxcywh", "xyxy")


def iou(a: Float[Tensor, "*p 4"], b: Float[Tensor, "*q 4"]) -> Float[Tensor, "*r"]:
    """Intersection over union of `cxcywh` boxes, in [0, 1]; the leading axes broadcast. Chapter 01.

    For all pairs call `iou(a[:, None], b[None])`. A box without area has IoU 0 with everything.
    The 1e-16 in the denominator is that of the official loss (`yolox/models/losses.py`).
    """
    top_left = torch.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    bottom_right = torch.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    intersection = (bottom_right - top_left).clamp(min=0).prod(-1)
    union = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - intersection
    return intersection / (union + 1e-16)


def grid(
    size: tuple[int, int], device: torch.device | str | None = None
) -> tuple[Float[Tensor, "a 2"], Float[Tensor, "a 1"]]:
    """Where each prediction sits: its cell's (column, row) and its level's stride in pixels. Chapter 10.

    `size` is the network input's (height, width), multiples of 32. The order is the head's: stride 8
    first, line by line. The centre of a cell lies at `(cell + 0.5) * stride`.
    """
    cells, strides = [], []
    for stride in STRIDES:
        rows = torch.arange(size[0] // stride, device=device, dtype=torch.float32)
        columns = torch.arange(size[1] // stride, device=device, dtype=torch.float32)
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        cells.append(torch.stack((x, y), dim=-1).view(-1, 2))  # h w 2 -> h·w 2
        strides.append(torch.full((cells[-1].shape[0], 1), float(stride), device=device))
    return torch.cat(cells), torch.cat(strides)


def decode_boxes(
    raw: Float[Tensor, "*n a d"], cells: Float[Tensor, "*#n a 2"], strides: Float[Tensor, "*#n a 1"]
) -> Float[Tensor, "*n a 4"]:
    """Raw numbers to `cxcywh` boxes in pixels of the network input. Chapter 10.

    The centre is an offset from the cell's corner in strides; width and height are exp() strides.
    Computed in float32, since exp overflows half precision at 11.
    """
    raw = raw[..., :4].float()
    return torch.cat(((raw[..., :2] + cells) * strides, raw[..., 2:].exp() * strides), dim=-1)


def decode(
    raw: Float[Tensor, "n a d"], size: tuple[int, int]
) -> tuple[Float[Tensor, "n a 4"], Float[Tensor, "n a k"]]:
    """The head's raw output to `xyxy` boxes in pixels and scores in [0, 1]. Chapter 10.

    `size` is the (height, width) of the network's input. A score is sigmoid(objectness) times
    sigmoid(class). Source: official `yolo_head.py`, `decode_outputs`.
    """
    boxes = cxcywh_to_xyxy(decode_boxes(raw, *grid(size, raw.device)))
    scores = raw[..., 4:5].float().sigmoid() * raw[..., 5:].float().sigmoid()
    return boxes, scores


def nms(
    boxes: Float[Tensor, "n a 4"],
    scores: Float[Tensor, "n a k"],
    confidence: float = 0.25,
    iou_threshold: float = 0.45,
    max_detections: int = 300,
) -> list[dict[str, Tensor]]:
    """Keep the best of each heap of overlapping boxes, class by class. Chapter 17.

    A cell speaks for its best class only. Returns for each picture a dict of `boxes` (m 4, `xyxy`
    pixels), `scores` (m) and `labels` (m, int64), best first, at most `max_detections` of them.
    Official settings: 0.25 and 0.45 in the README's demo, 0.01 and 0.65 for COCO AP.
    Source: official `yolox/utils/boxes.py`, `postprocess`.
    """
    best, labels = scores.max(dim=-1)  # n a
    results = []
    for box, score, label in zip(boxes, best, labels, strict=True):
        kept = score >= confidence
        box, score, label = box[kept], score[kept], label[kept]
        order = batched_nms(box, score, label, iou_threshold)[:max_detections]
        results.append({"boxes": box[order], "scores": score[order], "labels": label[order]})
    return results
