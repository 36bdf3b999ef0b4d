"""Typical wrong answers to the exercises of chapter 10, and a piece of what each must be told."""

import torch

from yolox_edu.boxes import cxcywh_to_xyxy, grid

STRIDES = (8, 16, 32)


def _decode(raw, size, shift=0.0, exp=True, multiply=True, swap=False, corners=True, flip=False, down=False):
    cells, strides = grid(size)
    if flip:  # 32 first
        cells, strides = (
            torch.cat([t[strides[:, 0] == s] for s in reversed(STRIDES)]) for t in (cells, strides)
        )
    if down:
        order = sorted(range(len(cells)), key=lambda i: (float(strides[i]), *cells[i].tolist()))
        cells, strides = cells[order], strides[order]
    if swap:
        cells = cells.flip(-1)
    if not multiply:
        strides = torch.ones_like(strides)
    sides = raw[..., 2:4].exp() if exp else raw[..., 2:4]
    boxes = torch.cat(((raw[..., :2] + cells + shift) * strides, sides * strides), dim=-1)
    return cxcywh_to_xyxy(boxes) if corners else boxes


def _right_encode(boxes, cells, strides):
    return boxes[:, :2] / strides - cells, (boxes[:, 2:] / strides).log()


def _encode(xy, wh):
    """An encoder made of two rules: one for the centre, one for the size."""
    return lambda b, c, s: torch.cat((xy(b[:, :2], c, s), wh(b[:, 2:], s)), dim=1)


def _xy(p, c, s):
    return p / s - c


def _wh(q, s):
    return (q / s).log()


def _locate(i, height, width, rows=False, keep=False, down=False):
    level, within = 0, i
    while within >= (height // STRIDES[level]) * (width // STRIDES[level]):
        within -= (height // STRIDES[level]) * (width // STRIDES[level])
        level += 1
    lines, columns = height // STRIDES[level], width // STRIDES[level]
    i = i if keep else within
    if down:
        return level, i % lines, i // lines
    return level, *divmod(i, lines if rows else columns)


def _changed(change):
    return lambda i, h, w: change(*_locate(i, h, w))


WRONG = {
    "10.1": [
        (lambda raw, size: _decode(raw, size, shift=0.5), "you add 0.5"),
        (lambda raw, size: _decode(raw, size, exp=False), "exp is missing"),
        (lambda raw, size: _decode(raw, size, multiply=False), "nothing is multiplied by the stride"),
        (lambda raw, size: _decode(raw, size, swap=True), "x goes with the column"),
        (lambda raw, size: _decode(raw, size, down=True), "not down a column"),
        (lambda raw, size: _decode(raw, size, flip=True), "the levels are in the wrong order"),
        (lambda raw, size: _decode(raw, size, corners=False), "left, top, right, bottom was asked"),
        (lambda raw, size: _decode(raw, size)[0], "the shape is"),
        (lambda raw, size: _decode(raw, size) + 1, "numbers are off"),
    ],
    "10.2": [
        (_encode(lambda p, c, s: p / s - c - 0.5, _wh), "cell's centre"),
        (_encode(_xy, lambda q, s: q / s), "the logarithm is missing"),
        (_encode(_xy, lambda q, s: q.log() / s), "the logarithm comes after"),
        (_encode(_xy, lambda q, s: q.log()), "logarithms of pixels"),
        (_encode(lambda p, c, s: p - c, _wh), "still in pixels"),
        (_encode(lambda p, c, s: p - c * s, _wh), "the division by the stride is missing"),
        (_encode(lambda p, c, s: p / s, _wh), "the cell is not subtracted"),
        (_encode(lambda p, c, s: p / s - c.flip(-1), _wh), "x goes with the column"),
        (_right_encode, "a tensor of shape"),
    ],
    "10.3": [
        (lambda h, w: 3 * sum((h // s) * (w // s) for s in STRIDES), "three predictions a cell"),
        (lambda h, w: (h // 8) * (w // 8), "finest grid alone"),
        (lambda h, w: sum((h // s) ** 2 for s in STRIDES), "the width counts too"),
        (lambda h, w: sum((w // s) ** 2 for s in STRIDES), "the height counts too"),
        (lambda h, w: h * w, "not right"),
    ],
    "10.4": [
        (_changed(lambda level, row, column: (level, column, row)), "the order asked for"),
        (_changed(lambda level, row, column: (STRIDES[level], row, column)), "you give the stride"),
        (_changed(lambda level, row, column: (level + 3, row, column)), "you start at 3"),
        (_changed(lambda level, row, column: (2 - level, row, column)), "P3 comes first"),
        (lambda i, h, w: _locate(i, h, w, keep=True), "forgot to subtract"),
        (lambda i, h, w: _locate(i, h, w, rows=True), "number of columns"),
        (lambda i, h, w: _locate(i, h, w, down=True), "not down a column"),
        (lambda i, h, w: i, "3 things were asked"),
    ],
}
