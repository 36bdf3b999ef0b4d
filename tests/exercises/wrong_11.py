"""Typical wrong answers to the exercises of chapter 11, and a piece of what each must be told."""

import torch


def _near(x, y, stride, rows, columns, test=lambda dx, dy: (dx < 1.5) & (dy < 1.5), at=0.5):
    dx = (torch.arange(columns) + at - x / stride).abs()
    dy = (torch.arange(rows) + at - y / stride).abs()
    return test(dx[None, :], dy[:, None])


def _tested(test, at=0.5):
    return lambda *asked: _near(*asked, test, at)


def _home(x, y, stride, rows, columns, reach):
    u, v = torch.arange(columns), torch.arange(rows)[:, None]
    return ((u - x // stride).abs() <= reach) & ((v - y // stride).abs() <= reach)


def _signed(x, y, stride, rows, columns):
    u, v = torch.arange(columns) + 0.5, torch.arange(rows)[:, None] + 0.5
    return (u * stride - x < 1.5 * stride) & (v * stride - y < 1.5 * stride)


def _wrapped(x, y, stride, rows, columns):
    """The three nearest rows and columns by number: -1 is the last one in Python."""
    mask = torch.zeros(rows, columns) > 0
    for v in range(rows):
        for u in range(-1, columns):
            near_x, near_y = abs(u + 0.5 - x / stride) < 1.5, abs(v + 0.5 - y / stride) < 1.5
            mask[v, u] |= near_x and near_y
    return mask


WRONG = {
    "11.1": [
        (lambda b, s: ((b[:, :2] + b[:, 2:]) / 2 / s).floor().long(), "column and row"),
        (lambda b, s: (b[:, :2] / s).floor().long().flip(1), "top left corner"),
        (lambda b, s: (b[:, 2:] / s).floor().long().flip(1), "bottom right corner"),
        (lambda b, s: ((b[:, 2:] - b[:, :2]) / 2 / s).floor().long().flip(1), "half the difference"),
        (lambda b, s: ((b[:, :2] + b[:, 2:]) / 2 / s).round().long().flip(1), "floor"),
        (lambda b, s: ((b[:, :2] + b[:, 2:]) / 2).long().flip(1), "centre in pixels"),
        (lambda b, s: ((b[:, :2] + b[:, 2:]) / 2 / s - 0.5).floor().long().flip(1), "half a stride further"),
        (lambda b, s: ((b[:, :2] + b[:, 2:]) / 2 / s - 0.5).round().long().flip(1), "on the line between"),
        (lambda b, s: ((b[:, :2] // s + b[:, 2:] // s) // 2).long().flip(1), "mean of two cells"),
        (lambda b, s: ((b[:, :2] + b[:, 2:]) / s).floor().long().flip(1), "sum of the corners"),
        (lambda b, s: ((b[:, :2] + b[:, 2:]) / 2 / s).floor().long().flip(1) + 1, "count from 0"),
        (lambda b, s: ((b[:, :2] + b[:, 2:]) / 2 / 8).floor().long().flip(1), "divide by 8"),
        (lambda b, s: ((b[:, :2] + b[:, 2:]) / 2 / s).flip(1), "not yet a cell"),
        (lambda b, s: ((b[:, :2] + b[:, 2:]) / 2 / s).floor().flip(1), "dtype"),
    ],
    "11.2": [
        (_tested(lambda dx, dy: (dx <= 1.5) & (dy <= 1.5)), "just 1.5 strides"),
        (_tested(lambda dx, dy: (dx < 1.5) | (dy < 1.5)), "one axis"),
        (_tested(lambda dx, dy: dx**2 + dy**2 < 2.25), "circle"),
        (_tested(lambda dx, dy: dx + dy < 1.5), "diamond"),
        (_tested(lambda dx, dy: (dx < 1.5) & (dy < 1.5), at=0), "cell's corner"),
        (lambda x, y, s, r, c: _near(x, y, s, r, c, lambda a, b: (a * s < 1.5) & (b * s < 1.5)), "pixels"),
        (lambda *asked: _home(*asked, reach=0), "centre cell alone"),
        (lambda *asked: _home(*asked, reach=1), "too many"),
        (lambda *asked: _near(*asked, lambda dx, dy: (dx < 1) & (dy < 1)), "1 stride"),
        (lambda *asked: _near(*asked, lambda dx, dy: (dx < 2.5) & (dy < 2.5)), "first release"),
        (lambda *asked: _signed(*asked), "no sign"),
        (lambda *asked: _wrapped(*asked), "other side"),
        (lambda x, y, s, r, c: _near(y, x, s, r, c), "x goes with the columns"),
        (lambda x, y, s, r, c: _near(x, y, s, r, c).T, "columns × rows"),
        (lambda *asked: _near(*asked).int(), "dtype"),
    ],
    "11.3": [
        (lambda w: int(w.any(0).sum()), "anybody wants"),
        (lambda w: int((w.sum(0) == 2).sum()), "exactly two"),
        (lambda w: int((w.sum(0) > 2).sum()), "two are enough"),
        (lambda w: int(w.sum()), "all claims together"),
        (lambda w: int(w[:, w.sum(0) > 1].sum()), "claims on ambiguous cells"),
        (lambda w: int((w.sum(0) - 1).clamp(min=0).sum()), "cannot be granted"),
        (lambda w: int((w.sum(0) * (w.sum(0) - 1) // 2).sum()), "pairs"),
        (lambda w: float((w.sum(0) > 1).sum() / (w.sum(0) > 0).sum()), "share"),
        (lambda w: int((w.sum(1) >= 2).sum()), "objects that want two cells"),
        (lambda w: w.shape[1], "not right"),
    ],
}
