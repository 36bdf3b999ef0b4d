"""The official head's assignment and losses (pixeltable-yolox) on raw predictions: an independent truth."""

import pytest
import torch

yolo_head = pytest.importorskip("yolox.models.yolo_head", reason="pixeltable-yolox is not installed")


class Reference:
    """`losses(raw, targets, size)` as the official code has it; `seen` keeps its assignment, by picture."""

    def __init__(self, num_classes: int, use_l1: bool = False):
        self.head = yolo_head.YoloxHead(num_classes, width=0.125)
        self.head.use_l1 = use_l1
        self.head.iou_loss.reduction = "none"
        self.seen = {}
        inner = self.head.get_assignments

        def record(batch_idx, *args, **kwargs):
            result = inner(batch_idx, *args, **kwargs)
            _, fg_mask, ious, matched, _ = result
            self.seen[batch_idx] = (fg_mask.nonzero()[:, 0], matched, ious)
            return result

        self.head.get_assignments = record

    def __call__(self, raw, targets, size):
        self.seen.clear()
        x_shifts, y_shifts, strides = [], [], []
        for stride in (8, 16, 32):
            h, w = size[0] // stride, size[1] // stride
            x_shifts.append(torch.arange(w).repeat(h)[None].float())
            y_shifts.append(torch.arange(h).repeat_interleave(w)[None].float())
            strides.append(torch.full((1, h * w), float(stride)))
        x, y, s = torch.cat(x_shifts, 1), torch.cat(y_shifts, 1), torch.cat(strides, 1)
        xy = (raw[..., :2] + torch.stack((x, y), -1)) * s[..., None]
        wh = raw[..., 2:4].exp() * s[..., None]
        decoded = torch.cat((xy, wh, raw[..., 4:]), -1)
        rows = max((len(t["labels"]) for t in targets), default=0)
        labels = torch.zeros(len(targets), max(rows, 1), 5)
        for label, target in zip(labels, targets):
            boxes = target["boxes"]
            if len(boxes):
                label[: len(boxes), 0] = target["labels"]
                label[: len(boxes), 1:3] = (boxes[:, :2] + boxes[:, 2:]) / 2
                label[: len(boxes), 3:5] = boxes[:, 2:] - boxes[:, :2]
        origin = [raw[..., :4]] if self.head.use_l1 else []
        out = self.head.get_losses(None, x_shifts, y_shifts, strides, labels, decoded, origin, torch.float32)
        terms = {"box": out[1], "objectness": out[2], "class": out[3]}
        return terms | ({"l1": out[4]} if self.head.use_l1 else {})
