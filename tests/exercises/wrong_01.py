"""Typical wrong answers to the exercises of chapter 01, and a piece of what each must be told."""

import torch
from torchvision.ops import box_iou


def _to_yolo(boxes, height, width, reach=0.5, swap=False, by=True):
    x, y, w, h = boxes.unbind(-1)
    if swap:
        height, width = width, height
    if not by:
        height = width = 1
    return torch.stack(((x + reach * w) / width, (y + reach * h) / height, w / width, h / height), dim=-1)


def _read_as_xyxy(boxes, height, width):
    left, top, right, bottom = boxes.unbind(-1)
    by = torch.tensor([width, height, width, height])
    return torch.stack(((left + right) / 2, (top + bottom) / 2, right - left, bottom - top), dim=-1) / by


def _xyxy_came_out(boxes, height, width):
    return torch.cat((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), dim=1) / torch.tensor([width, height] * 2)


def _iou(a, b, clamp="sides", more=0, divide="union"):
    """Broadcasts over the leading axes."""
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2]) + more
    both = sides.clamp(min=0).prod(-1) if clamp == "sides" else sides.prod(-1)
    both = both.clamp(min=0) if clamp == "product" else both
    area_a, area_b = ((x[..., 2:] - x[..., :2] + more).prod(-1) for x in (a, b))
    by = {
        "union": area_a + area_b - both,
        "sum": area_a + area_b,
        "first": area_a.expand_as(both),
        "smaller": torch.minimum(area_a, area_b),
        "nothing": torch.ones_like(both),
    }
    return both / by[divide]


def _as_cxcywh(boxes):
    return torch.cat((boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2), dim=-1)


def _pairs(**slip):
    return lambda a, b: _iou(a[:, None], b[None], **slip)


def _batch(**slip):
    return lambda a, b: _iou(a[:, :, None], b[:, None], **slip)


def _loop(a, b):
    return torch.stack([box_iou(x, y) for x, y in zip(a, b)])


def _sort_first(a, b):
    a[..., 0] += 0.5
    return box_iou(a, b)


SLIPS = [
    ({"clamp": "never"}, "clamp negative widths and heights to 0"),
    ({"clamp": "product"}, "clamp width and height one by one"),
    ({"more": 1}, "one pixel too many on each side"),
    ({"divide": "sum"}, "counted twice in the union"),
    ({"divide": "first"}, "divided by the first box's area"),
    ({"divide": "smaller"}, "divided by the smaller box"),
    ({"divide": "nothing"}, "these are the shared areas themselves"),
]

WRONG = {
    "01.1": [
        (lambda b, h, w: _to_yolo(b, h, w, reach=0), "left and top stand where the centre should"),
        (lambda b, h, w: _to_yolo(b, h, w, reach=1), "half the width further on"),
        (lambda b, h, w: _to_yolo(b, h, w, reach=-0.5), "not taken off"),
        (lambda b, h, w: _to_yolo(b, h, w, swap=True), "x and w belong to the picture's width"),
        (lambda b, h, w: _to_yolo(b, h, w, by=False), "still pixels"),
        (_read_as_xyxy, "read as xyxy; they are xywh"),
        (_xyxy_came_out, "cxcywh was asked"),
        (lambda b, h, w: _to_yolo(b, h, w)[0], "the shape is"),
    ],
    "01.2": [
        *((_pairs(**slip), words) for slip, words in SLIPS),
        (lambda a, b: box_iou(b, a), "one row for each box of a"),
        (lambda a, b: box_iou(_as_cxcywh(a), _as_cxcywh(b)), "read as cxcywh; they are xyxy"),
        (lambda a, b: _iou(a[: len(b)], b[: len(a)]), "only box i with box i"),
        (_sort_first, "changes its input"),
        (lambda a, b: _iou(a, b), "raised RuntimeError"),
    ],
    "01.3": [
        *((_batch(**slip), words) for slip, words in SLIPS),
        (_loop, "a loop is at work"),
        (lambda a, b: _batch()(b, a), "the last two axes are swapped"),
        (lambda a, b: _batch()(_as_cxcywh(a), _as_cxcywh(b)), "read as cxcywh; they are xyxy"),
        (lambda a, b: box_iou(a[0], b[0]), "only the first picture"),
        (lambda a, b: box_iou(a.flatten(0, 1), b.flatten(0, 1)), "boxes of different pictures"),
        (lambda a, b: _iou(a[:, :, None, None], b[None, None]), "boxes of different pictures"),
    ],
    "01.4": [
        (24, "1/3"),
        (10, "the height plays no part"),
        (32, "1/5"),
        (1 / 3, "in pixels"),
        (12, "more is allowed"),
        (17.5, "not right"),
        ("a third", "a number was asked"),
    ],
}
