"""Typical wrong answers to the exercises of chapter 16, and words of the message that each must get."""

import math

from torchvision.ops import box_iou


def _remaining(rows, pictures, epochs, batch, total=None, done=True, mean="seconds", by=1):
    total = epochs * pictures / batch if total is None else total
    speeds = [row["images_per_second"] for row in rows]
    step = sum(batch / s for s in speeds) / len(speeds)
    step = batch * len(speeds) / sum(speeds) if mean == "speed" else step
    return (total - len(rows) * done) * step / by


def _short_batches(rows, pictures, epochs, batch):
    return _remaining(rows, pictures, epochs, batch, total=epochs * math.ceil(pictures / batch))


def _drop_last(rows, pictures, epochs, batch):
    return _remaining(rows, pictures, epochs, batch, total=epochs * (pictures // batch))


def _figures(boxes, labels, truths, kinds, least=0.5, names=True, once=True):
    overlap = box_iou(boxes, truths)  # m g
    right, found = 0, set()
    for i, label in enumerate(labels):
        for j, kind in enumerate(kinds):
            if overlap[i, j] >= least and (label == kind or not names) and not (once and j in found):
                right += 1
                found.add(j)
    return right / len(boxes), right / len(truths)


def _recall_of_things(boxes, labels, truths, kinds):
    return _figures(boxes, labels, truths, kinds, once=False)[0], _figures(boxes, labels, truths, kinds)[1]


def _counts(boxes, labels, truths, kinds):
    precision, _ = _figures(boxes, labels, truths, kinds)
    return round(precision * len(boxes)), round(precision * len(boxes))


def _tries(*rows):
    """The run above, then these."""
    return [("the run", 0.30, 197), *rows]


WORSE = ("worse", 0.25, 190.0)


WRONG = {
    "16.1": [
        (lambda *x: _remaining(*x, mean="speed"), "quick steps too much"),
        (lambda *x: _remaining(*x, done=False), "the whole run"),
        (_short_batches, "none of them is short"),
        (_drop_last, "no picture is left out"),
        (lambda rows, p, e, b: _remaining(rows, p, e, b, by=b), "a step has several"),
        (lambda rows, p, e, b: _remaining(rows, p, e, b, total=2 * len(rows)), "so far"),
        (lambda rows, p, e, b: _remaining(rows, p, e, b, total=e * p / b + 1), "one more is done"),
        (lambda rows, p, e, b: _remaining(rows, p, e, b, total=e * p), "where steps are meant"),
        (lambda rows, p, e, b: (e * p - len(rows) * b) / rows[-1]["images_per_second"], "no mean of all"),
        (lambda rows, p, e, b: e * p // b - len(rows), "seconds were asked"),
        (lambda rows, p, e, b: rows["images_per_second"], "raised TypeError"),
    ],
    "16.2": [
        (lambda *x: _figures(*x)[::-1], "changed places"),
        (lambda *x: _figures(*x, once=False), "no second success"),
        (_recall_of_things, "for the precision"),
        (lambda *x: _figures(*x, names=False, once=False), "wrong name"),
        (lambda *x: _figures(*x, names=False), "wrong name"),
        (lambda *x: _figures(*x, least=1e-9, once=False), "0.5 was asked"),
        (lambda *x: _figures(*x, least=1e-9), "0.5 was asked"),
        (_counts, "these are counts"),
        (lambda *x: tuple(100 * share for share in _figures(*x)), "percentages"),
        (lambda *x: (_figures(*x)[0],) * 2, "number of detections"),
        (lambda *x: (_figures(*x)[1],) * 2, "number of ground truths"),
        (lambda *x: _figures(*x)[0], "2 things were asked"),
    ],
    "16.3": [
        ([], "no try"),
        (_tries(), "one at least was asked"),
        (_tries(("better", 0.35, 197), WORSE, ("no idea", 0.2, 190)), "before it runs"),
        (_tries(("better", 0.45, 394), WORSE, WORSE), "try 1 looked at 394 million pixels"),
        (_tries(WORSE, WORSE, WORSE), "change something else"),
        (_tries(WORSE, WORSE, ("better", 35.0, 190)), "between 0 and 1"),
        ([0.30, 0.35], "one row of three"),
    ],
    "16.4": [
        ("half as far", "cover less than that"),
        ("further", "more careful"),
        ("as far", "shorter steps show"),
        ("no idea", "not the one"),
    ],
}
