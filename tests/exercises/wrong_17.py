"""Typical wrong answers to the exercises of chapter 17, and words of the message that each must get."""

import torch
from torchvision.ops import batched_nms, box_iou
from torchvision.ops import nms as torchs


def walk(boxes, scores, threshold, order, dead=False):
    overlap, kept, seen = box_iou(boxes, boxes), [], []
    for i in order.tolist():
        if not (overlap[i, seen if dead else kept] > threshold).any():
            kept.append(i)
        seen.append(i)
    return torch.tensor(kept)


def descending(scores):
    return scores.argsort(descending=True, stable=True)


def last_of_equals(boxes, scores, threshold):
    order = len(scores) - 1 - descending(scores.flip(0))
    return walk(boxes, scores, threshold, order)


def at_the_threshold(boxes, scores, threshold):
    return walk(boxes, scores, threshold - 1e-6, descending(scores))


def places(boxes, scores, threshold):
    order = descending(scores)
    return torchs(boxes[order], scores[order], threshold)


def mask(boxes, scores, threshold):
    out = torch.zeros(len(boxes), dtype=torch.bool)
    out[torchs(boxes, scores, threshold)] = True
    return out


def offset(boxes, scores, labels, threshold):
    far = boxes.max() + 1
    return torchs(boxes + labels[:, None] * far, scores, threshold)


def all_at_once(boxes, scores, threshold):
    """Whoever is overlapped by anybody surer goes."""
    surer = scores[:, None] > scores
    return torch.where(~(surer & (box_iou(boxes, boxes) > threshold)).any(0))[0]


def within_classes(boxes, scores, labels, threshold):
    return torch.cat([torchs(boxes[labels == c], scores[labels == c], threshold) for c in labels.unique()])


def class_after_class(boxes, scores, labels, threshold):
    of = [torch.where(labels == c)[0] for c in labels.unique()]
    return torch.cat([i[torchs(boxes[i], scores[i], threshold)] for i in of])


def ties_by_class(boxes, scores, labels, threshold):
    kept = class_after_class(boxes, scores, labels, threshold)
    return kept[descending(scores[kept])]


def case(boxes, scores, truths=((10, 0, 20, 10), (17, 0, 27, 10))):
    """The same case for truths of any size; the sides here are 10."""
    return lambda w, h: (
        torch.tensor(boxes) * torch.tensor([w, h, w, h]) / 10,
        torch.tensor(scores),
        torch.tensor(truths) * torch.tensor([w, h, w, h]) / 10,
    )


LEFT, RIGHT, SECOND = (7, 0, 17, 10), (13, 0, 23, 10), (15.5, 0, 25.5, 10)

WRONG = {
    "17.1": [
        (lambda b, s, t: walk(b, s, t, s.argsort(stable=True)), "sort descending"),
        (lambda b, s, t: walk(b, s, t, torch.arange(len(b))), "played no part"),
        (lambda b, s, t: walk(b, s, t, descending(s), dead=True), "gone already"),
        (lambda b, s, t: torchs(b, s, t).sort().values, "in the order of the list"),
        (lambda b, s, t: torchs(b, s, t).flip(0), "the least sure first"),
        (lambda b, s, t: descending(s), "nothing was suppressed"),
        (last_of_equals, "of equal scores the last"),
        (at_the_threshold, "equal to the threshold"),
        (places, "places in the sorted list"),
        (mask, "a mask"),
        (lambda b, s, t: b[torchs(b, s, t)], "floats came out"),
        (lambda b, s, t: torchs(b, s, t)[:2], "is missing: no box that stays overlaps it by more"),
        (lambda b, s, t: torchs(b, s, t + 0.2), "stay"),
        (lambda b, s, t: torch.arange(len(b)), "is surer and overlaps it by 0."),
        (all_at_once, "only boxes that go themselves"),
        (lambda b, s, t: mask(b, s, t).tolist(), "a mask"),
        (lambda b, s, t: [*torchs(b, s, t).tolist(), 99], "there is no box 99"),
    ],
    "17.2": [
        (lambda b, s, c, t: torchs(b, s, t), "all classes suppressed each other"),
        (class_after_class, "class after class"),
        (ties_by_class, "equal scores in the order of their classes"),
        (lambda b, s, c, t: batched_nms(b.clamp(min=0), s, c, t), "stay"),
        (offset, "with an offset for each class?"),
        (lambda b, s, c, t: offset(b - b.min(), s, c, t), "with an offset for each class?"),
        (within_classes, "places within each class"),
        (lambda b, s, c, t: batched_nms(b, s, c, t).sort().values, "order of the list"),
    ],
    "17.3": [
        (case([LEFT, RIGHT], [0.9, 0.8]), "should have a box before"),
        (case([LEFT, (10, 0, 20, 10), (17, 0, 27, 10)], [0.9, 0.8, 0.7]), "one of them should end with none"),
        (case([RIGHT, SECOND], [0.9, 0.7]), "the other one should end with two"),
        (case([LEFT, RIGHT, SECOND], [0.9, 0.9, 0.7]), "all different"),
        (
            case([LEFT, RIGHT, SECOND], [0.9, 0.8, 0.7], ((10, 0, 20, 10), (10.5, 0, 20.5, 10))),
            "nearly the same",
        ),
        (case([LEFT, RIGHT, SECOND], [0.9, 0.8, 0.7], ((10, 0, 20, 9), (17, 0, 27, 9))), "is not so high"),
        (case([LEFT, RIGHT, SECOND], [90, 80, 70]), "between 0 and 1"),
        (case([(7, 0, 10, 10)], [0.9], ((10, 0, 20, 10),)), "the shapes are"),
        (case([(7, 0, 7, 10)], [0.9]), "no area"),
        (lambda w, h: torch.zeros(3, 4), "three tensors"),
    ],
}
