"""The way from a picture to boxes in steps that can be replaced, and its AP. In the error clinic, chapter 16.

`Detector` does the same in one piece and is what you want elsewhere; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torchvision.ops import box_iou

from yolox_edu.boxes import decode, nms
from yolox_edu.data.letterbox import boxes_to_picture, letterbox
from yolox_edu.evaluate import MAX_DETECTIONS, class_map, coco_figures
from yolox_edu.model import YOLOX


def to_input(canvases: UInt8[Tensor, "n 3 H W"]) -> Float[Tensor, "n 3 H W"]:
    """Bytes to [0, 1], as our weights expect them. In the error clinic."""
    return canvases.float() / 255


@dataclass(frozen=True)
class Reader:
    """Picture in, boxes out: letterbox, prepare, network, decode, select, undo. In the error clinic.

    The model is used in the mode that it is in: who loads weights gets it in eval mode.
    """

    model: YOLOX
    confidence: float = 0.01
    iou_threshold: float = 0.65
    prepare: Callable[[Tensor], Tensor] = to_input
    decode: Callable[[Tensor, tuple[int, int]], tuple[Tensor, Tensor]] = decode
    select: Callable[..., list[dict[str, Tensor]]] = nms
    undo: Callable[[Tensor, float, int, int], Tensor] = boxes_to_picture

    def __call__(self, picture: UInt8[Any, "h w 3"]) -> dict[str, Tensor]:
        """`boxes` (m 4, xyxy in the picture's pixels), `scores` (m) and `labels` (m), the surest first."""
        canvas, scale = letterbox(picture, self.model.size)
        with torch.no_grad():
            boxes, scores = self.decode(self.model.raw(self.prepare(canvas[None])), self.model.size)
            (found,) = self.select(boxes, scores, self.confidence, self.iou_threshold, MAX_DETECTIONS)
        return {**found, "boxes": self.undo(found["boxes"], scale, *picture.shape[:2])}


def judge(reader: Reader, source: Any) -> dict[str, Any]:
    """AP, AP50, AP by class and false alarms a picture, of a reader on a source. In the error clinic.

    A false alarm is a find of at least 0.25 that overlaps no ground truth of any class by an IoU of 0.5.
    """
    categories = class_map(reader.model.names, source)
    rows, alarms, ids = [], [], []
    for picture, target in (source[i] for i in range(len(source))):
        found = reader(picture)
        ids.append(target["image_id"])
        rows += _rows(found, target["image_id"], categories)
        alarms.append(false_alarms(found, target))
    figures, per_class = coco_figures(source.coco, rows, ids)
    names = dict(zip(source.category_ids, source.names, strict=True))
    return {
        "AP": figures[0],
        "AP50": figures[1],
        "per_class": {names[key]: value for key, value in per_class.items()},
        "alarms": sum(alarms) / len(alarms),
        "rows": len(rows) / len(ids),
    }


def _rows(found: dict[str, Tensor], image_id: int, categories: list[int | None]) -> list[dict[str, Any]]:
    corners = found["boxes"].tolist()
    boxes = [[left, top, right - left, bottom - top] for left, top, right, bottom in corners]
    every = zip(boxes, found["scores"].tolist(), found["labels"].tolist(), strict=True)
    return [
        {"image_id": image_id, "category_id": categories[label], "bbox": box, "score": score}
        for box, score, label in every
        if categories[label] is not None
    ]


def false_alarms(found: dict[str, Tensor], target: dict[str, Any]) -> int:
    """How many sure finds in one picture lie on nothing. In the error clinic."""
    sure = found["boxes"][found["scores"] >= 0.25]  # m 4
    overlap = box_iou(sure, torch.as_tensor(target["boxes"]))  # m g
    return int((overlap.amax(1) < 0.5).sum()) if overlap.shape[1] else len(sure)
